"""What covers open ground on plans of streets: waters, meadows and fields are painted, and lie where they are."""

import numpy as np
import pytest

pytest.importorskip("osmium")

from tests.maps.osm_text import Extract, crossroads
from tests.maps.sumo_text import NET
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.street_plans.crop import cropped
from uniscene_sim.maps.street_plans.land_use import cover_of_tags, cover_of_type
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.storage.array_file import read_arrays, write_arrays
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass


def square(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


def countryside() -> Extract:
    """A crossroads with a pond in a wood, a meadow with a playground in it, and a field."""
    extract = crossroads(sidewalk="no")
    extract.area(square(10, 10, 50), landuse="forest")
    extract.area(square(20, 20, 20), natural="water")
    extract.area(square(-60, 10, 50), landuse="meadow")
    extract.area(square(-30, 20, 10), leisure="playground")
    extract.area(square(10, -60, 45), landuse="farmland")
    extract.area(square(-60, -60, 20), natural="water", tunnel="culvert")
    return extract


@pytest.fixture(scope="module")
def country(tmp_path_factory) -> VectorMap:
    with pytest.warns(InputWarning, match="lie in houses or below the ground"):
        return load_map(countryside().write(tmp_path_factory.mktemp("country") / "country.osm"))


def painted(town: VectorMap, x: float, y: float, size: float) -> np.ndarray:
    """Materials of a square of the ground, with the names of those that lie in it."""
    return town.surface.paint(x, y, round(size / 0.4), 0.4, 1)[0]


def test_every_kind_is_painted_where_it_lies(country):
    assert (painted(country, -58, 22, 16) == Material.GRASS).all()  # without the patches of soil of elsewhere
    assert (painted(country, -28, 22, 6) == Material.SOIL).all()  # on the meadow that it lies in
    assert (painted(country, 16, -56, 36) == Material.SOIL).all()
    elsewhere = painted(country, -200, -200, 120)
    assert {Material.GRASS, Material.SOIL} == set(np.unique(elsewhere).tolist())
    pond = MATERIAL_LABEL[painted(country, 22.4, 22.4, 15)]
    assert (pond == OccClass.OTHER_FLAT).all()
    assert (MATERIAL_LABEL[painted(country, -58, -58, 15)] == OccClass.TERRAIN).all()  # a culvert


def test_the_ground_of_windows_is_that_of_tiles(country):
    labels = window_labels(plan_map(country, 3), country, Pose(0.0, 0.0))
    ground = labels[:, :, :4]
    half = labels.shape[0] // 2
    pond = ground[half + round(24 / 0.4) : half + round(36 / 0.4), half + round(24 / 0.4) : half + round(36 / 0.4)]
    assert (pond == OccClass.OTHER_FLAT).any(axis=2).all()
    assert not (ground == OccClass.OTHER_FLAT)[:half].any()


def test_nothing_grows_in_water(country):
    trees = np.array([o.position[:2] for o in country.objects if o.kind == "tree"])
    in_pond = ((trees > 20) & (trees < 40)).all(axis=1)
    in_wood = ((trees > 10) & (trees < 60)).all(axis=1)
    assert not in_pond.any() and in_wood.sum() > 10
    for row in plan_map(country, 5):
        assert not (21 < row["x"] < 39 and 21 < row["y"] < 39)


def test_covers_are_kept_with_a_map_and_moved_with_it(country, tmp_path):
    country.save(tmp_path / "country.npz")
    again = VectorMap.load(tmp_path / "country.npz")
    assert [c.kind for c in again.covers] == [c.kind for c in country.covers] == ["grass", "soil", "soil"]
    for mine, theirs in zip(again.covers, country.covers, strict=True):
        np.testing.assert_array_equal(mine.rings[0], theirs.rings[0])
    assert (painted(again, -28, 22, 6) == Material.SOIL).all()
    assert [c.kind for c in cropped(country, -80, 80, 40).covers] == ["grass"]
    arrays = read_arrays(tmp_path / "country.npz", None, "a map")
    write_arrays(tmp_path / "bad.npz", arrays | {"cover_rows": arrays["cover_rows"][:-1]})
    with pytest.raises(InputError, match=r"bad\.npz"):
        VectorMap.load(tmp_path / "bad.npz")


def test_what_is_not_drawn_is_told_once(tmp_path):
    extract = crossroads()
    extract.node(30, 30, natural="peak", ele="512")
    extract.node(40, 30, natural="peak", ele="530")
    extract.way([(-90, 40), (90, 60)], waterway="river")
    extract.way([(-90, 80), (90, 80)], natural="coastline")
    extract.way([(0.0, -60.0), (60.0, -60.0)], highway="footway", layer="-1")
    extract.way([(-60.0, -60.0), (-10.0, -60.0)], highway="residential", tunnel="yes")
    with pytest.warns(InputWarning) as told:
        town = load_map(extract.write(tmp_path / "town.osm"))
    lines = [str(one.message) for one in told]
    for what in ("heights of the ground not used", "the sea has no outline", "a middle alone", "lie below the ground"):
        assert sum(what in line for line in lines) == 1, what
    assert town.surface.rank(np.array([30.0, -40.0]), np.array([-60.0, -60.0]), np.zeros(2)).tolist() == [-1, -1]
    assert town.surface.height(np.array([30.0]), np.array([30.0]), np.zeros(1)) == pytest.approx(0, abs=0.3)


def test_polygons_of_sumo_are_the_same_kinds(tmp_path):
    (tmp_path / "town.net.xml").write_text(NET)
    areas = "".join(
        f'<poly id="{k}" type="{kind}" fill="{fill}" shape="{shape}"/>'
        for k, (kind, fill, shape) in enumerate((
            ("natural.water", 1, "20,30 40,30 40,50 20,50"), ("landuse.farmland", 1, "50,30 80,30 80,60 50,60"),
            ("water", 0, "120,30 140,40 160,90"), ("highway.pedestrian", 1, "20,-30 40,-30 40,-12 20,-12"),
        ))
    )  # fmt: skip
    (tmp_path / "town.poly.xml").write_text(f"<additional>{areas}</additional>")
    with pytest.warns(InputWarning) as told:
        town = load_map(tmp_path / "town.net.xml")
    assert sum("lines that are not drawn" in str(one.message) for one in told) == 1
    places = np.array([(30, 40), (30, -20), (60, 45), (140, 50)], float)
    assert town.surface.rank(*places.T, np.zeros(4)).tolist() == [0, 1, -1, -1]
    assert (painted(town, 56, 36, 16) == Material.SOIL).all() and [c.kind for c in town.covers] == ["soil"]


def test_kinds_have_an_order_and_unknown_ones_cover_nothing():
    assert cover_of_tags({"landuse": "forest"}) == cover_of_type("forest") == cover_of_type("landuse.forest") == "wood"
    assert cover_of_tags({"leisure": "park", "natural": "water"}) == "water"
    assert cover_of_tags({"landuse": "residential"}) is None is cover_of_tags({})
    assert cover_of_type("landuse") is None is cover_of_type("landuse.") is cover_of_type("")


def test_what_lies_on_the_other_side_of_the_earth_is_left_out_and_told(tmp_path):
    extract = crossroads()
    extract.area([(20, 20), (4_000_000, 20), (4_000_000, 30), (20, 30)], natural="water")
    extract.way([(10.0, 50.0), (3_000_000.0, 50.0)], highway="residential")
    extract.node(2_000_000, 40, natural="tree")
    with pytest.warns(InputWarning) as told:
        town = load_map(extract.write(tmp_path / "town.osm"))
    (line,) = [str(one.message) for one in told if "far from the rest" in str(one.message)]
    assert all(what in line for what in ("way", "node"))
    assert town.bounds[2] < 200 and not [o for o in town.objects if o.kind == "tree"]
