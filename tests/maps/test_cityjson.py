"""Models of cities: houses with their measured heights, alone and beside a road network, and files that are broken."""

import json
import warnings

import numpy as np
import pytest

from tests.maps.city_text import CityText, small_city
from tests.maps.osm_text import LAT, LON, crossroads
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.cityjson.city_file import Face, read_city
from uniscene_sim.maps.cityjson.outlines import outlines
from uniscene_sim.maps.cityjson.surroundings import city_areas
from uniscene_sim.maps.load import load_map, plan_ref
from uniscene_sim.maps.street_plans.footprints import ring_area

pytest.importorskip("pyproj")


def houses(town):
    return [o for o in town.objects if o.kind == "building"]


def test_a_city_alone_has_houses_and_ground_and_nothing_drives_there(tmp_path):
    with pytest.warns(InputWarning) as told:
        town = load_map(small_city(x=400_000, y=5_800_000).write(tmp_path / "small.city.json.gz"))
    lines = [str(one.message) for one in told]
    assert sum("GenericCityObject" in line for line in lines) == sum("nothing drives" in line for line in lines) == 1
    flat, gabled = sorted(houses(town), key=lambda o: o.position[0])
    assert sorted(flat.size[:2]) == pytest.approx([8, 12]) and flat.size[2] == pytest.approx(9.0) and flat.group > 0
    # The top of a box with a pitched roof is that of its walls.
    assert sorted(gabled.size[:2]) == pytest.approx([8, 12]) and 9.0 < gabled.size[2] < 13.0 and gabled.group == 0
    x, y = (float(a + b) for a, b in zip(flat.position[:2], town.frame_origin, strict=True))
    assert (x, y) == pytest.approx((400_016, 5_800_014))
    places = np.array([(50, 3), (50, 7), (67, 15), (50, -14), (90, 20), (150, 3)]) + np.array([400_000, 5_800_000])
    rank = town.surface.rank(*(places - np.array(town.frame_origin)).T, np.zeros(6))
    assert rank.tolist() == [2, 1, 2, 0, -1, -1]
    assert not [lane for lane in town.lanes if lane.kind == "driving"] and "building" in town.complete
    assert [cover.kind for cover in town.covers] == ["grass"]
    lat, lon, _ = town.geo_reference.locate(x, y)
    assert 52 < lat < 53 and 13 < lon < 14


def test_houses_of_a_city_take_the_place_of_those_of_the_plan(tmp_path):
    from pyproj import Transformer

    extract = crossroads()
    extract.area([(20, 20), (32, 20), (32, 28), (20, 28)], building="yes", height="5")
    extract.area([(-60, 40), (-50, 40), (-50, 50), (-60, 50)], building="yes", height="6")
    path = extract.write(tmp_path / "town.osm")
    alone, ref = load_map(path), plan_ref(path)
    assert sorted(o.size[2] for o in houses(alone))[-1] < 6.1
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:25833", always_xy=True).transform(LON, LAT)
    city = CityText()
    city.house("a", x + 18, y + 18, (14, 12), 21.0)
    city.house("b", x + 40, y + 40, (14, 12), 24.0)
    city.write(tmp_path / "town_roofs.city.json")
    both = load_map(path)
    assert plan_ref(path) != ref and plan_ref(path) == both.ref
    found = sorted(houses(both), key=lambda o: o.size[2])
    # Of the plan's own the one among them is gone, the one away is not.
    assert len(found) == 3 and [o.size[2] for o in found[1:]] == pytest.approx([21.0, 24.0])
    assert found[0].position[0] < -40
    turn = np.radians(-1.25)  # so much is true north off the grid of UTM here
    wanted = np.array([25, 24]) @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert np.hypot(*(found[1].position[:2] - wanted)) < 1.0


def test_a_city_without_a_place_on_earth_is_not_put_beside_a_plan(tmp_path):
    path = crossroads().write(tmp_path / "town.osm")
    city = CityText(projection="")
    city.house("a", 18, 18, (14, 12), 21.0)
    city.write(tmp_path / "town.city.json")
    with pytest.warns(InputWarning, match=r"where on earth.*town\.city\.json"):
        assert not houses(load_map(path))


def test_outlines_are_what_no_two_faces_share():
    def face(*corners):
        return Face((np.array([(x, y, 0.0) for x, y in corners], float),))

    split = [face((0, 0), (4, 0), (4, 2)), face((4, 2), (0, 2), (0, 0)), face((9, 9), (9, 12), (12, 12), (12, 9))]
    first, second = outlines(split)
    assert ring_area(first[0]) == pytest.approx(9) and ring_area(second[0]) == pytest.approx(8)
    ring = [face((0, 0), (9, 0), (6, 3), (3, 3)), face((9, 0), (9, 9), (6, 6), (6, 3)),
            face((9, 9), (0, 9), (3, 6), (6, 6)), face((0, 9), (0, 0), (3, 3), (3, 6))]  # fmt: skip
    ((outer, hole),) = outlines(ring)
    assert ring_area(outer) == pytest.approx(81) and ring_area(hole) == pytest.approx(-9)
    assert outlines([face((0, 0), (1, 0), (2, 0))]) == []


def test_vertices_may_be_packed(tmp_path):
    city = small_city()
    city.head["transform"] = {"scale": [0.5, 0.5, 0.5], "translate": [100, 200, 300]}
    areas = city_areas(read_city(city.write(tmp_path / "a.city.json")))
    flat = areas.beside.buildings[0]
    assert flat.rings[0].min(axis=0) == pytest.approx([105, 205]) and flat.height_m == pytest.approx(4.5)
    assert areas.ground_m == pytest.approx(300, abs=0.2)


@pytest.mark.parametrize(("change", "told"), [
    ({"type": "Feature"}, "type: expected CityJSON"), ({"vertices": [[0, 0]]}, "vertices: expected rows"),
    ({"vertices": [["a", 0, 0]]}, "is damaged"), ({"vertices": [[1e300, 0, 0]]}, "expected coordinates below"),
    ({"CityObjects": []}, "CityObjects: expected objects"), ({"transform": {"scale": [1, 1]}}, "is damaged"),
    ({"CityObjects": {}}, "has no roads or squares"),
])  # fmt: skip
def test_a_file_that_is_no_city_gives_one_message(tmp_path, change, told):
    (tmp_path / "a.city.json").write_text(json.dumps(json.loads(small_city().text()) | change))
    with pytest.raises(InputError, match=told) as error:
        load_map(tmp_path / "a.city.json")
    assert "a.city.json" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("boundaries", [[[[[0, 1, 10**9]]]], [[[[0, 1, -1]]]], [[[["a"]]]], 7, [[[[0, 1, 2.5]]]], {}])
def test_objects_that_are_damaged_are_left_out_and_told(tmp_path, boundaries):
    city = small_city()
    city.objects["flat"]["geometry"][0]["boundaries"] = boundaries
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        town = load_map(city.write(tmp_path / "a.city.json"))
    assert len(houses(town)) == 1
    if boundaries != {}:
        assert any("'flat'" in str(one.message) for one in told)


def test_delft_has_its_houses_as_high_as_they_were_measured(shared_data):
    path = shared_data / "real" / "delft" / "delft_3dfier_testarea.city.json.gz"
    if not path.exists():
        pytest.skip("the model of Delft is not here")
    city = read_city(path)
    areas = city_areas(city)
    assert len({b.id for b in areas.beside.buildings}) >= 160
    measured = {o.id: o.attributes["measuredHeight"] for o in city.objects if "measuredHeight" in o.attributes}
    corners = [np.concatenate([f.rings[0][:, 2] for f in o.faces]) for o in city.objects if o.id in measured]
    tall = [float(np.ptp(z)) for z in corners]
    assert np.abs(np.array(tall) - list(measured.values())).max() < 0.8  # the ground lies between -.8 and 1 m
    with pytest.warns(InputWarning):
        town = load_map(path)
    assert len(houses(town)) > 150 and town.frame_origin != (0.0, 0.0)
    lat, lon, _ = town.geo_reference.locate(*town.frame_origin)
    assert (lat, lon) == pytest.approx((52.01, 4.36), abs=0.02)
