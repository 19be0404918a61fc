"""Generated tiles: the same from every side, true to their labels and to the map, carried on above the grid's end."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from tests.occupancy.oracle import oracle_engine
from tests.occupancy.test_occupancy import URBAN, digest, frame_at, lane_points
from uniscene_sim import plugins
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, CONDITION_CHANNELS
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.from_labels.above_grid import TILE_IN_CANVAS
from uniscene_sim.occupancy.from_labels.build_tile import build_tile
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_CELLS, CANVAS_GRID, TileLatents, tile_colour, world_noise
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import CELL_M, TILE_M

GIB = 1 << 30


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return VectorMap.load(URBAN)


@pytest.fixture(scope="module")
def oracle(urban) -> OccflowTiles:
    return oracle_engine(urban, 5)


# --- latents ----------------------------------------------------------------------------------------------------------


class Smoother:
    """A model that blurs noise with what is known, so that whatever is known shows in what is made beside it."""

    patch, latent_channels, channels, sha256 = 4, 3, CONDITION_CHANNELS, "smooth"

    def generate(self, layout, noise, known, mask):
        mixed = np.where(mask[:, None], known, noise)
        return np.where(mask[:, None], known, ndimage.uniform_filter(mixed, (1, 1, 9, 9))).astype(np.float32)


def smooth_latents() -> TileLatents:
    layout = np.zeros((len(CONDITION_CHANNELS), CANVAS_CELLS, CANVAS_CELLS), np.uint8)
    return TileLatents(Smoother(), lambda ix, iy: layout, lambda ix, iy: ix != 2, 3)


def test_latents_are_the_same_in_any_order():
    wanted = [(ix, iy) for ix in range(-3, 3) for iy in range(-2, 2)]
    forth, back = smooth_latents(), smooth_latents()
    first = {key: forth.canvas(*key) for key in wanted}
    for key in reversed(wanted):
        np.testing.assert_array_equal(back.canvas(*key), first[key])
    for key in wanted[::7]:
        np.testing.assert_array_equal(smooth_latents().canvas(*key), first[key])


def test_known_latents_are_those_of_tiles_of_earlier_colours_cell_by_cell():
    assert [tile_colour(*index) for index in ((0, 0), (-1, 0), (2, -3), (3, 3))] == [0, 1, 2, 3]
    latents = smooth_latents()
    for ix, iy in ((0, 0), (1, 0), (0, -1), (-1, 1), (1, 1)):
        known, mask = latents.known(ix, iy)
        for i in range(52):
            for j in range(52):
                x, y = 40 * ix - 6 + i, 40 * iy - 6 + j  # of the world
                owner = (x // 40, y // 40)
                expected = owner[0] != 2 and tile_colour(*owner) < tile_colour(ix, iy)
                assert mask[i, j] == expected
                if expected:
                    theirs = latents.canvas(*owner)[:, x - 40 * owner[0] + 6, y - 40 * owner[1] + 6]
                    np.testing.assert_array_equal(known[:, i, j], theirs)
        kept = np.broadcast_to(mask, known.shape)
        np.testing.assert_array_equal(latents.canvas(ix, iy)[kept], known[kept])
    assert not latents.known(0, 0)[1].any() and latents.known(-1, -1)[1].sum() == 52 * 52 - 40 * 40


def test_noise_belongs_to_places_and_is_normal():
    here, beside = world_noise(3, 4, -5, -5, 50), world_noise(3, 4, 35, -5, 50)
    np.testing.assert_array_equal(here[:, 40:], beside[:, :10])
    many = world_noise(9, 4, -200, 300, 200).astype(float)
    assert abs(many.mean()) < 0.01 and abs(many.std() - 1) < 0.01 and abs((many**4).mean() - 3) < 0.1
    across = np.corrcoef([many[0].ravel(), many[1].ravel(), np.roll(many[0], 1, axis=1).ravel()])
    assert np.abs(across - np.eye(3)).max() < 0.02
    assert not np.array_equal(here, world_noise(4, 4, -5, -5, 50))


# --- the engine -------------------------------------------------------------------------------------------------------


def test_tiles_are_the_same_in_any_order_and_meet_on_the_smooth_ground(urban, oracle):
    wanted = [(-1, 0), (0, 0), (0, -1)]
    first = {key: oracle.tile(*key) for key in wanted}
    other = oracle_engine(urban, 5)
    for key in reversed(wanted):
        assert digest(other.tile(*key)) == digest(first[key])
    np.testing.assert_array_equal(first[-1, 0].ground[0, -1], first[0, 0].ground[0, 0])
    np.testing.assert_array_equal(first[0, -1].ground[0, :, -1], first[0, 0].ground[0, :, 0])
    for key in wanted:
        planned = ProceduralOccupancy(urban, 5).site(*key)
        np.testing.assert_array_equal(first[key].ground, planned.ground)
        # the oracle lays no pavement of its own
        np.testing.assert_array_equal(first[key].paint, planned.paint.material)


def test_no_road_no_model(urban, oracle):
    far = next((ix, 0) for ix in range(1, 99) if not oracle.has_road(ix, 0))
    gap = urban.road_points()[:, 0].max()
    assert 40.0 < far[0] * TILE_M - gap < 40.0 + TILE_M
    asked = len(oracle.model.asked)
    assert digest(oracle.tile(*far)) == digest(ProceduralOccupancy(urban, 5).tile(*far))
    assert len(oracle.model.asked) == asked


def test_a_layout_may_leave_the_map(oracle):
    outside = oracle.layout(5000, -5000)
    assert outside.shape == (len(CONDITION_CHANNELS), CANVAS_CELLS, CANVAS_CELLS) and not outside.any()
    edge = next((ix, 0) for ix in range(99, 0, -1) if oracle.has_road(ix, 0))
    assert np.isfinite(oracle.tile(*edge).ground).all()


def test_what_stands_is_what_the_labels_say(urban, oracle):
    ix, iy = 1, 1
    (labels,) = oracle.model.decode(oracle._latents.canvas(ix, iy)[None], None)
    pose = Pose(*((np.array([ix, iy]) + 0.5) * TILE_M), 0.0)
    seen = occupancy_window(TileStore(oracle), frame_at(pose, np.zeros(0, AGENT_DTYPE)), CANVAS_GRID).labels[
        TILE_IN_CANVAS, TILE_IN_CANVAS
    ]
    labels = labels[TILE_IN_CANVAS, TILE_IN_CANVAS]
    for kind, least in ((OccClass.MANMADE, 0.95), (OccClass.VEGETATION, 0.9)):
        one, other = labels[:, :, 3:] == kind, seen[:, :, 3:] == kind
        assert one.sum() > 1000
        assert (one & other).sum() / (one | other).sum() > least


def raised(engine: OccflowTiles, ix: int, iy: int, labels: np.ndarray):
    site = engine._procedural.site(ix, iy)
    return build_tile(site, labels, engine._procedural.objects(site.x0, site.y0), 5)


def test_agents_are_never_part_of_a_tile_and_roads_stay_clear(urban, oracle):
    labels = np.full((CANVAS_CELLS, CANVAS_CELLS, 32), OccClass.MANMADE, np.uint8)
    labels[::2] = OccClass.CAR
    walled = oracle_engine(urban, 5)
    walled.tile = lambda ix, iy: raised(walled, ix, iy, labels)
    tile = walled.tile(0, 0)
    found = set(np.unique(MATERIAL_LABEL[tile.materials[tile.materials != Material.NONE]]).tolist())
    assert found == {OccClass.MANMADE}
    lanes = [lane for lane in urban.lanes if lane.kind == "driving"]
    places = lane_points(lanes, 0.05, 7)
    places = places[(places[:, :2] // TILE_M == 0).all(axis=1)]
    store = TileStore(walled)
    for up in np.arange(0.3, 3.6, 0.3):
        assert not store.solid(places + np.array([0, 0, up])).any()


def test_walls_go_on_to_the_height_that_is_planned(urban, oracle):
    tile, planned = oracle.tile(0, 0), TileStore(ProceduralOccupancy(urban, 5))
    made = TileStore(oracle)
    objects = oracle._procedural.objects(0.0, 0.0)
    houses = objects[(objects["kind"] == PlanKind.BUILDING) & (objects["height"] > 13.0)]
    inside = (houses["x"] // TILE_M == 0) & (houses["y"] // TILE_M == 0)
    assert inside.sum() >= 3
    for house in houses[inside]:
        column = np.column_stack([*np.full((2, 400), [[house["x"]], [house["y"]]]), tile.base_z + np.arange(400) / 10])
        tops = [column[store.solid(column), 2].max() for store in (planned, made)]
        assert tops[0] > 6.0 and abs(tops[1] - tops[0]) < 0.45


def test_walls_that_nobody_planned_stand_in_storeys_and_their_pits_are_filled(oracle):
    labels = np.full((CANVAS_CELLS, CANVAS_CELLS, 32), OccClass.FREE, np.uint8)
    own = labels[TILE_IN_CANVAS, TILE_IN_CANVAS]
    own[60:80, 60:80, 3:] = OccClass.MANMADE
    own[70, 70, 30:] = OccClass.FREE
    site = oracle._procedural.site(0, 0)
    site.paint.material[:], site.ground[:] = Material.GRASS, 0.0
    tile = build_tile(site, labels, oracle._procedural.objects(5e5, 5e5), 5)
    inside = np.zeros((160, 160), bool)
    inside[60:80, 60:80] = True
    filled = tile.blocks >= 0
    assert not filled[:7].any() and filled[8:10, 8:10].any()
    solid = cells(tile) != Material.NONE
    np.testing.assert_array_equal(solid.any(axis=2), inside)
    tops = (solid.shape[2] - np.argmax(solid[:, :, ::-1], axis=2))[inside] * CELL_M + tile.base_z
    storeys = (tops - 0.9) / 3.1
    assert set(np.round(storeys).tolist()) <= {4, 5, 6} and np.abs(storeys - np.round(storeys)).max() * 3.1 < CELL_M
    block = np.floor(np.argwhere(inside) * CELL_M / 16.0) @ (100, 1)
    assert all(len(set(tops[block == b].tolist())) == 1 for b in np.unique(block))


def test_nothing_hangs_in_mid_air(oracle):
    labels = np.full((CANVAS_CELLS, CANVAS_CELLS, 32), OccClass.FREE, np.uint8)
    own = labels[TILE_IN_CANVAS, TILE_IN_CANVAS]
    own[60:70, 60:70, 8:] = OccClass.MANMADE
    own[100:102, 100:102, 3:] = OccClass.MANMADE
    own[102:106, 100:102, 12:] = OccClass.MANMADE
    site = oracle._procedural.site(0, 0)
    site.paint.material[:], site.ground[:] = Material.GRASS, 0.0
    solid = cells(build_tile(site, labels, oracle._procedural.objects(5e5, 5e5), 5)) != Material.NONE
    assert not solid[60:70, 60:70].any() and solid[100:106, 100:102].any(axis=2).all()


def test_a_tree_of_leaves_alone_gets_its_stem(oracle):
    objects = oracle._procedural.objects(0.0, 0.0)
    tree = objects[objects["kind"] == PlanKind.TREE][:1].copy()
    tree["x"], tree["y"], tree["z"], tree["height"] = 20.1, 30.1, -0.1, 9.0
    labels = np.full((CANVAS_CELLS, CANVAS_CELLS, 32), OccClass.FREE, np.uint8)
    site = oracle._procedural.site(0, 0)
    site.paint.material[:], site.ground[:] = Material.GRASS, 0.0
    bare = cells(build_tile(site, labels, tree, 5))
    own = labels[TILE_IN_CANVAS, TILE_IN_CANVAS]
    own[48:53, 73:78, 12:] = OccClass.VEGETATION
    site = oracle._procedural.site(0, 0)
    site.paint.material[:], site.ground[:] = Material.GRASS, 0.0
    tile = build_tile(site, labels, tree, 5)
    column = cells(tile)[50, 75]
    low, high = (int((z - tile.base_z) / CELL_M) for z in (0.5, 3.0))
    assert (column[low:high] == Material.TRUNK).all() and not (bare == Material.TRUNK).any()


def cells(tile) -> np.ndarray:
    """Materials (160, 160, 192) of a tile."""
    out = np.full((20, 20, 24, 8, 8, 8), Material.NONE, np.uint8)
    at = tile.blocks >= 0
    out[at] = tile.materials[tile.blocks[at]]
    return out.transpose(0, 3, 1, 4, 2, 5).reshape(160, 160, 192)


def test_posts_stand_though_nothing_was_generated(oracle):
    empty = np.full((CANVAS_CELLS, CANVAS_CELLS, 32), OccClass.FREE, np.uint8)
    bare = TileStore(oracle_engine(oracle.map, 5))
    bare.engine.tile = lambda ix, iy: raised(bare.engine, ix, iy, empty)
    objects = oracle._procedural.objects(0.0, 0.0, 1000.0)
    posts = objects[objects["kind"] == PlanKind.POST]
    place = posts[["x", "y"]][0]
    posts = posts[(posts["x"] // TILE_M == place["x"] // TILE_M) & (posts["y"] // TILE_M == place["y"] // TILE_M)]
    for post in posts:
        column = np.array([[post["x"] + 0.02, post["y"] + 0.02, post["z"] + up] for up in np.arange(0.2, 3.9, 0.2)])
        assert bare.solid(column).all()


def test_tiles_are_kept_on_disk_by_the_weights(urban, oracle, tmp_path):
    disk = DiskCache(tmp_path, GIB)
    for made, kept in ((1, 0), (0, 1)):
        store = TileStore(oracle, cache=TileCache.of(oracle, urban.ref, 5, disk))
        tile = store.get(-1, 0)
        assert (store.made, store.from_cache) == (made, kept)
        assert digest(tile) == digest(oracle.tile(-1, 0))
    before = oracle.cache_key
    oracle.model.sha256 = "others"
    assert OccflowTiles(urban, 5, oracle.model).cache_key != before
    oracle.model.sha256 = "oracle"


def test_a_model_of_ones_own_is_used_and_stands_in_the_keys_of_its_tiles(urban, tmp_path):
    pytest.importorskip("torch")
    shutil.copytree(data_dir("models") / "occupancy", tmp_path / "mine")
    plain, own = (
        plugins.load_plugin("occupancy", text)(urban, 5)
        for text in ("occflow-tiles", f"occflow-tiles:model={tmp_path / 'mine'}")
    )
    assert own.model.sha256 == plain.model.sha256 and own.model.name == "mine"
    disk = DiskCache(tmp_path / "tiles", GIB)
    keys = [TileCache.of(engine, urban.ref, 5, disk)._name(0, 0) for engine in (plain, own)]
    assert keys[0] != keys[1]
    with pytest.raises(InputError, match="no such model; the zoo has"):
        plugins.load_plugin("occupancy", "occflow-tiles:nowhere")(urban, 5)


def test_a_model_of_unknown_channels_is_refused(urban, oracle):
    oracle.model.channels = ("drivable_area", "lava")
    try:
        with pytest.raises(InputError, match=r"channels.*lava|lava.*channels"):
            OccflowTiles(urban, 5, oracle.model)
    finally:
        oracle.model.channels = CONDITION_CHANNELS


def test_torch_comes_with_the_model_alone():
    code = "import sys, uniscene_sim.occupancy.learned.tile_engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
