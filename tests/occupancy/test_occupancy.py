"""Tiles, their store and the ego's window: the same each time, clear where traffic goes, equal to slow references."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.procedural.draw import draw_objects
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE, PlanKind
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, AgentClass, Material, OccClass
from uniscene_sim.tile import Tile

ROOT = Path(__file__).parents[2]
URBAN = ROOT / "scenarios" / "maps" / "urban_grid.npz"
TILES = [(ix, iy) for ix in range(-1, 3) for iy in range(-1, 3)]


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return VectorMap.load(URBAN)


@pytest.fixture(scope="module")
def store(urban) -> TileStore:
    return TileStore(ProceduralOccupancy(urban, 5))


def digest(tile: Tile) -> str:
    arrays = (tile.blocks, tile.materials, tile.brick_of, tile.bricks, tile.ground, tile.paint)
    text = repr((tile.index, tile.base_z, [(a.shape, str(a.dtype)) for a in arrays])).encode()
    return hashlib.sha256(text + b"".join(a.tobytes() for a in arrays)).hexdigest()


def brick_is_solid(tile: Tile, i: int, j: int, k: int) -> bool:
    """Whether the 0.1 m brick (i, j, k) of a tile is solid, one at a time."""
    row = tile.blocks[i // 32, j // 32, k // 32]
    if row < 0:
        return False
    cell = (row, i // 4 % 8, j // 4 % 8, k // 4 % 8)
    if tile.materials[cell] == Material.NONE:
        return False
    brick = tile.brick_of[cell]
    return brick < 0 or bool(int(tile.bricks[brick]) >> (16 * (i % 4) + 4 * (j % 4) + k % 4) & 1)


def lane_points(lanes, margin_m: float, across: int) -> np.ndarray:
    """Places (N, 3) on lanes, `margin_m` inside their borders."""
    out = []
    for lane in lanes:
        offset = (lane.width[:, None] - 2 * margin_m) * np.linspace(-0.5, 0.5, across)
        normal = np.stack([-np.sin(lane.heading), np.cos(lane.heading)], axis=1)
        xy = lane.centre[:, None, :2] + offset[..., None] * normal[:, None]
        out.append(np.column_stack([xy.reshape(-1, 2), np.repeat(lane.centre[:, 2], across)]))
    return np.concatenate(out)


def test_a_tile_is_the_same_from_every_side_and_after_eviction(urban):
    wanted = [(0, 0), (1, 0), (1, 1), (0, 1)]
    one = TileStore(ProceduralOccupancy(urban, 5))
    first = {key: digest(one.get(*key)) for key in wanted}
    small = TileStore(ProceduralOccupancy(urban, 5), max_bytes=1)
    assert {key: digest(small.get(*key)) for key in reversed(wanted)} == first
    assert small.made == 4
    assert {key: digest(small.get(*key)) for key in wanted} == first
    assert small.made == 7  # the last of the first round was still held
    assert digest(ProceduralOccupancy(urban, 6).tile(0, 0)) != first[0, 0]


def test_a_tile_is_the_same_in_another_process(store):
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/tests/occupancy']\n"
        "from test_occupancy import *\n"
        "print(digest(ProceduralOccupancy(VectorMap.load(URBAN), 5).tile(1, 0)))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest(store.get(1, 0))


def test_store_keeps_its_bound(urban):
    engine = ProceduralOccupancy(urban, 5)
    bound = 3 * engine.tile(0, 0).nbytes
    small = TileStore(engine, max_bytes=bound)
    for key in TILES:
        small.get(*key)
        assert small.nbytes <= bound
        assert small.nbytes == sum(tile.nbytes for tile in small._tiles.values())
    assert 1 <= len(small._tiles) < len(TILES)


def test_no_tile_is_malformed(store):
    for key in TILES:
        tile = store.get(*key)
        rows = np.sort(tile.blocks[tile.blocks >= 0])
        np.testing.assert_array_equal(rows, np.arange(len(tile.materials)))
        assert (tile.materials != Material.NONE).any(axis=(1, 2, 3)).all()
        numbers = tile.brick_of[tile.brick_of >= 0]
        np.testing.assert_array_equal(np.sort(numbers), np.arange(len(tile.bricks)))
        assert (tile.materials[tile.brick_of >= 0] != Material.NONE).all()
        assert (tile.bricks != 0).all() and (tile.bricks != np.uint64(2**64 - 1)).all()
        assert np.isfinite(tile.ground[0]).all()
        assert (tile.paint[0] != Material.NONE).all()
        assert tile.base_z < tile.ground[0].min()


@pytest.mark.parametrize("seed", [0, 5])
def test_nothing_stands_where_cars_drive(urban, seed):
    tiles = TileStore(ProceduralOccupancy(urban, seed))
    places = lane_points([lane for lane in urban.lanes if lane.kind == "driving"], 0.05, 15)
    for high in np.arange(0.35, 4.0, 0.1):
        hit = tiles.solid(places + np.array([0, 0, high]))
        assert not hit.any(), f"{hit.sum()} places, first {places[hit][0]} at {high:.2f} m"


def test_nothing_stands_on_crossings(urban, store):
    """Over the carriageway that a crossing crosses; its ends may reach walkways, where posts stand."""
    rng = np.random.default_rng(1)
    count = 0
    for crossing in urban.crossings:
        low, high = crossing.polygon[:, :2].min(axis=0), crossing.polygon[:, :2].max(axis=0)
        xy = rng.uniform(low, high, (2000, 2))
        on_road = urban.surface.rank(xy[:, 0], xy[:, 1], np.zeros(len(xy))) == 3
        xy = xy[on_road]
        count += len(xy)
        z = urban.surface.height(xy[:, 0], xy[:, 1], np.zeros(len(xy)))
        for up in np.arange(0.35, 4.0, 0.1):
            assert not store.solid(np.column_stack([xy, z + up])).any()
    assert count > 1000


def test_only_posts_and_crowns_reach_over_walkways(urban, store):
    walks = [lane for lane in urban.lanes if lane.kind in ("sidewalk", "walking")]
    places = lane_points(walks, 0.05, 9)
    objects = store.engine._objects
    allowed = objects[
        np.isin(objects["kind"], (PlanKind.POST, PlanKind.SIGN, PlanKind.TREE, PlanKind.BUSH, PlanKind.LAMP))
    ]
    for up in np.arange(0.35, 4.0, 0.2):
        for x, y, _ in places[store.solid(places + np.array([0, 0, up]))]:
            gap = np.hypot(allowed["x"] - x, allowed["y"] - y) - 0.5 * allowed["length"] - 0.3
            assert gap.min() < 0, f"something else than a post, lamp or crown at ({x}, {y}, {up})"


def test_streets_have_lamps_and_trees(store):
    kinds = store.engine._objects["kind"]
    for kind in (PlanKind.BUILDING, PlanKind.LAMP, PlanKind.TREE, PlanKind.POST):
        assert (kinds == kind).sum() >= 5, kind.name


def test_walkways_are_clear_to_above_peoples_heads(urban, store):
    walks = [lane for lane in urban.lanes if lane.kind in ("sidewalk", "walking")]
    places = lane_points(walks, 0.05, 9)
    objects = store.engine._objects
    posts = objects[np.isin(objects["kind"], (PlanKind.POST, PlanKind.SIGN))]
    for up in np.arange(0.35, 2.3, 0.1):
        for x, y, _ in places[store.solid(places + np.array([0, 0, up]))]:
            assert np.hypot(posts["x"] - x, posts["y"] - y).min() < 0.8, f"not a post at ({x}, {y}, {up})"


def drawn(objects: np.ndarray, x0: float, y0: float, z0: float = -4.0) -> tuple[np.ndarray, np.ndarray]:
    """Materials and masks of objects in an empty tile."""
    material = np.full((160, 160, 192), Material.NONE, np.uint8)
    mask = np.zeros(material.shape, np.uint64)
    draw_objects(material, mask, x0, y0, z0, objects)
    return material, mask


def test_an_object_looks_the_same_whatever_else_a_tile_holds(store):
    """Tiles that share an object hold it at different places of their lists."""
    engine = store.engine
    for ix, iy in ((0, 0), (1, 1), (0, 1)):
        alone = drawn(engine.objects(64.0 * ix, 64.0 * iy), 64.0 * ix, 64.0 * iy)
        among_all = drawn(engine._objects, 64.0 * ix, 64.0 * iy)
        np.testing.assert_array_equal(alone[0], among_all[0])
        np.testing.assert_array_equal(alone[1], among_all[1])


def test_leaves_do_not_repaint_walls():
    house = (PlanKind.BUILDING, 20.0, 20.0, 0.0, 0.3, 9.0, 12.0, 10.2, 0.7, 1)
    tree = (PlanKind.TREE, 26.0, 20.0, 0.0, 0.0, 6.0, 6.0, 9.0, 0.4, 0)
    before, solid = drawn(np.array([house], PLAN_DTYPE), 0.0, 0.0)
    after, _ = drawn(np.array([house, tree], PLAN_DTYPE), 0.0, 0.0)
    np.testing.assert_array_equal(after[solid != 0], before[solid != 0])
    assert (after == Material.FOLIAGE).any()


def test_country_roads_have_houses_and_the_rails_and_poles_of_the_map():
    rural = VectorMap.load(ROOT / "scenarios" / "maps" / "rural.npz")
    tiles = TileStore(ProceduralOccupancy(rural, 5))
    kinds = tiles.engine._objects["kind"]
    assert (kinds == PlanKind.BUILDING).sum() > 10 and (kinds == PlanKind.FENCE).sum() > 50
    placed = [thing for thing in rural.objects if thing.kind in ("guard_rail", "pole")]
    assert (kinds == PlanKind.RAIL).sum() == sum(thing.kind == "guard_rail" for thing in placed) > 0
    up = {"guard_rail": 0.6, "pole": 0.5}
    # Within a brick of the middle: poles are as thin as one.
    near = np.stack(np.meshgrid(*[(-0.05, 0.0, 0.05)] * 2, [0.0]), axis=-1).reshape(-1, 3)
    for thing in placed:
        assert tiles.solid(near + thing.position + np.array([0, 0, up[thing.kind]])).any(), thing
    places = lane_points([lane for lane in rural.lanes if lane.kind == "driving"], 0.05, 9)
    for high in np.arange(0.35, 4.0, 0.2):
        assert not tiles.solid(places + np.array([0, 0, high])).any()


def test_solid_agrees_with_bricks_taken_one_by_one(store):
    rng = np.random.default_rng(2)
    found = 0
    for ix, iy in ((0, 0), (1, 1), (-1, 0)):
        tile = store.get(ix, iy)
        # Half of the places in blocks that hold something, half anywhere.
        block = np.argwhere(tile.blocks >= 0)[rng.integers(0, (tile.blocks >= 0).sum(), 1500)]
        index = np.concatenate(
            [32 * block + rng.integers(0, 32, (1500, 3)), rng.integers(0, (640, 640, 768), (500, 3))]
        )
        points = (index + 0.5) * 0.1 + (64.0 * ix, 64.0 * iy, tile.base_z)
        expected = np.array([brick_is_solid(tile, *(int(v) for v in at)) for at in index])
        np.testing.assert_array_equal(store.solid(points), expected)
        found += expected.sum()
    assert found > 200
    assert not store.solid(np.array([[1.0, 1.0, -500.0], [1.0, 1.0, 500.0]])).any()


def frame_at(pose: Pose, agents: np.ndarray) -> LayoutFrame:
    return LayoutFrame(0, pose, np.zeros(3), 0.0, 0.0, 0.0, EgoVehicle(), agents, np.zeros(0, np.uint8),
                       np.zeros((0, 3)), "", 5)  # fmt: skip


GRID = GridSpec()


@pytest.mark.parametrize("pose", [(30.0, -1.75, 0.4), (88.0, 70.0, 1.9)])
def test_window_agrees_with_voxels_taken_one_by_one(store, pose):
    ego = Pose(pose[0], pose[1], 0.0, yaw=pose[2])
    occupancy = occupancy_window(store, frame_at(ego, np.zeros(0, AGENT_DTYPE)), GRID)
    assert not occupancy.instances.any()
    rng = np.random.default_rng(3)
    solid = np.argwhere(occupancy.labels != OccClass.FREE)
    voxels = np.concatenate([solid[rng.integers(0, len(solid), 1500)], rng.integers(0, GRID.shape, (1500, 3))])
    ground_layer = int(GRID.index(np.array([0, 0, -0.2]))[2])
    for i, j, k in voxels:
        u, v, up = (GRID.origin[q] + (at + 0.5) * GRID.voxel_m for q, at in enumerate((i, j, k)))
        x = ego.x + np.cos(ego.yaw) * u - np.sin(ego.yaw) * v
        y = ego.y + np.sin(ego.yaw) * u + np.cos(ego.yaw) * v
        ix, iy = int(x // 64), int(y // 64)
        tile = store.get(ix, iy)
        a, b = x - 64 * ix, y - 64 * iy
        expected = int(OccClass.FREE)
        if k == ground_layer:
            expected = MATERIAL_LABEL[tile.paint[0, int(a / 0.1), int(b / 0.1)]]
        elif up >= 0:
            ground = float(tile.ground[0, round(a / 0.2), round(b / 0.2)])
            cell = int(a / 0.4), int(b / 0.4), int((ground + up - tile.base_z) // 0.4)
            row = tile.blocks[cell[0] // 8, cell[1] // 8, cell[2] // 8]
            if row >= 0:
                material = tile.materials[row, cell[0] % 8, cell[1] % 8, cell[2] % 8]
                expected = MATERIAL_LABEL[material] if material != Material.NONE else expected
        assert occupancy.labels[i, j, k] == expected, (i, j, k)


def test_agents_are_stamped_with_their_ids(store):
    agents = np.zeros(3, AGENT_DTYPE)
    agents["id"] = (7, 900, 31)
    agents["cls"] = (AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.CAR)
    agents["pos"] = ((40.0, 1.75, 0.0), (36.0, -1.0, 0.0), (400.0, 0.0, 0.0))
    agents["size"] = ((4.6, 2.0, 1.6), (0.6, 0.6, 1.75), (4.6, 2.0, 1.6))
    agents["rpy"][:, 2] = (0.3, 0.0, 0.0)
    ego = Pose(30.0, -1.75, 0.0, yaw=0.0)
    occupancy = occupancy_window(store, frame_at(ego, agents), GRID)
    assert set(np.unique(occupancy.instances)) == {0, 7, 900}
    for agent in agents[:2]:
        mine = occupancy.instances == agent["id"]
        assert (occupancy.labels[mine] == AGENT_OCC_CLASS[agent["cls"]]).all()
    # The car, voxel by voxel: centres within its turned box and from the ground to its top.
    u, v, w = np.meshgrid(*(GRID.centres(axis) for axis in range(3)), indexing="ij")
    dx, dy = u - 10.0, v - 3.5
    along, across = np.cos(0.3) * dx + np.sin(0.3) * dy, -np.sin(0.3) * dx + np.cos(0.3) * dy
    inside = (np.abs(along) <= 2.3) & (np.abs(across) <= 1.0) & (w >= 0) & (w < 1.6)
    np.testing.assert_array_equal(occupancy.instances == 7, inside)


def test_ground_labels_of_a_junction(store):
    occupancy = occupancy_window(store, frame_at(Pose(90.0, 85.0, 0.0), np.zeros(0, AGENT_DTYPE)), GRID)
    found = set(np.unique(occupancy.labels))
    assert {
        OccClass.DRIVEABLE_SURFACE, OccClass.SIDEWALK, OccClass.TERRAIN, OccClass.LANE_DIVIDER, OccClass.PED_CROSSING,
        OccClass.MANMADE, OccClass.VEGETATION, OccClass.FREE,
    } <= found  # fmt: skip
    layer = occupancy.labels[:, :, int(GRID.index(np.array([0, 0, -0.2]))[2])]
    assert (layer != OccClass.FREE).all()


@pytest.mark.slow
def test_roads_beneath_bridges_stay_clear(shared_data):
    from uniscene_sim.maps.opendrive.reader import read_opendrive

    path = shared_data / "xodr" / "carla_towns" / "Town04.xodr"
    if not path.is_file():
        pytest.skip("Town04.xodr is not among the maps made by others")
    town = read_opendrive(path)
    places = lane_points([lane for lane in town.lanes if lane.kind == "driving"], 0.2, 7)
    top = town.surface.height(places[:, 0], places[:, 1], np.full(len(places), 1e3))
    below = places[top - places[:, 2] > 4.5]
    assert len(below) > 100  # two decks there; those of this map are 10 m apart
    engine = ProceduralOccupancy(town, 0)
    assert (engine._objects["kind"] == PlanKind.PILLAR).any()
    tiles = TileStore(engine)
    for high in np.arange(0.35, 4.0, 0.2):
        hit = tiles.solid(below + np.array([0, 0, high]))
        assert not hit.any(), f"{hit.sum()} places, first {below[hit][0]} at {high:.2f} m"
    above = below.copy()
    above[:, 2] = top[top - places[:, 2] > 4.5] - 0.5
    assert tiles.solid(above).mean() > 0.9  # the slab
