"""Extracts of OpenStreetMap: streets as tagged, houses where they are, and files that are broken."""

import numpy as np
import pytest

pytest.importorskip("osmium")

from tests.maps.osm_text import LAT, LON, Extract, crossroads
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.osm.sections import street_section
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.procedural.plan import PlanKind, plan_map


def _read(extract: Extract, tmp_path, name="town.osm") -> VectorMap:
    return load_map(extract.write(tmp_path / name))


def _lanes(town: VectorMap, kind: str):
    return [lane for lane in town.lanes if lane.kind == kind and not lane.junction]


def _lane_at(town: VectorMap, x: float, y: float, yaw: float) -> int:
    return town.nearest_lane(x, y, yaw=yaw)[0]


# --- tags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "forward", "backward"),
    [
        ({}, 1, 1),
        ({"lanes": "4"}, 2, 2),
        ({"lanes": "3"}, 2, 1),
        ({"lanes": "3", "lanes:forward": "1"}, 1, 2),
        ({"oneway": "yes", "lanes": "3"}, 3, 0),
        ({"oneway": "-1"}, 0, 1),
        ({"junction": "roundabout"}, 1, 0),
        ({"lanes": "many"}, 1, 1),
    ],
)
def test_lanes_are_those_of_the_tags(tags, forward, backward):
    section = street_section({"highway": "secondary"} | tags)
    assert (section.forward, section.backward) == (forward, backward)


@pytest.mark.parametrize(
    ("tags", "speed"),
    [({"maxspeed": "30"}, 30 / 3.6), ({"maxspeed": "30 mph"}, 13.41), ({"maxspeed": "none"}, np.inf),
     ({"maxspeed": "DE:urban"}, 50 / 3.6), ({"maxspeed": "fast"}, 13.9), ({}, 13.9)],
)  # fmt: skip
def test_speed_limits_are_those_of_the_tags(tags, speed):
    assert street_section({"highway": "secondary"} | tags).speed_mps == pytest.approx(speed, abs=0.01)


def test_widths_sides_and_parking_are_those_of_the_tags():
    section = street_section(
        {"highway": "residential", "width": "6.0", "sidewalk": "left", "parking:right": "lane", "cycleway:left": "lane"}
    )
    assert section.lane_m == 3.0
    assert section.walk_m[0] == 0.0 and section.walk_m[1] > 1.0
    assert section.parking_m[0] > 1.9 and section.parking_m[1] == 0.0
    assert section.cycle_m == (0.0, 1.5)
    assert section.reversed().walk_m[0] == section.walk_m[1]


@pytest.mark.parametrize("highway", ["footway", "construction", "proposed", "", "steps"])
def test_ways_that_are_no_streets_have_no_section(highway):
    assert street_section({"highway": highway}) is None


# --- streets ----------------------------------------------------------------------------------------------------------


def test_a_crossroads_joins_all_ways_that_traffic_may_take(tmp_path):
    town = _read(crossroads(), tmp_path)
    west, names = _lane_at(town, -80, -1.5, 0.0), {}
    for name, (x, y, yaw) in {"east": (80, -1.5, 0.0), "north": (1.5, 80, np.pi / 2), "south": (-1.5, -80, -np.pi / 2)
                              }.items():  # fmt: skip
        names[name] = town.route(west, 10.0, _lane_at(town, x, y, yaw))
    for route in names.values():
        step = np.hypot(*np.diff(route.path[:, :2], axis=0).T)
        assert step.max() < 1.5  # no gap on the way
        assert (town.surface.rank(*route.path.T) >= 2).all()
    assert len(_lanes(town, "driving")) == 8 and len(_lanes(town, "sidewalk")) == 8


def test_the_middle_of_a_junction_is_road(tmp_path):
    town = _read(crossroads(), tmp_path)
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(-2.5, 2.5, 9), np.linspace(-2.5, 2.5, 9)))
    assert (town.surface.rank(x, y, np.zeros(81)) >= 2).all()


def test_a_way_that_goes_on_alike_is_one_street(tmp_path):
    extract = Extract()
    extract.way([(-100.0, 0.0), (0.0, 0.0)], highway="residential", sidewalk="no")
    extract.way([(100.0, 0.0), (0.0, 0.0)], highway="residential", sidewalk="no")  # drawn the other way
    assert len(_read(extract, tmp_path).lanes) == 4  # two, and a turning place at each end


def test_one_way_streets_lead_one_way(tmp_path):
    town = _read(crossroads(oneway="yes"), tmp_path)
    assert {round(float(np.degrees(lane.heading[0]))) for lane in _lanes(town, "driving")} == {0, 90}


def test_traffic_goes_around_a_roundabout(tmp_path):
    extract = Extract()
    ring = [(round(20 * np.cos(a), 3), round(20 * np.sin(a), 3)) for a in np.linspace(0, 2 * np.pi, 17)[:-1].tolist()]
    extract.way([*ring, ring[0]], highway="tertiary", junction="roundabout")
    for k, (x, y) in ((0, (120.0, 0.0)), (4, (0.0, 120.0)), (8, (-120.0, 0.0))):
        extract.way([(x, y), ring[k]], highway="tertiary", sidewalk="no")
    town = _read(extract, tmp_path)
    begin, goal = _lane_at(town, 90, 1.5, np.pi), _lane_at(town, -90, 1.5, np.pi)
    route = town.route(begin, 5.0, goal)
    around = np.unwrap(np.arctan2(route.path[:, 1], route.path[:, 0]))
    assert around[-1] - around[0] == pytest.approx(np.pi, abs=0.1)  # anticlockwise, by half of it


@pytest.mark.parametrize(("rule", "turns"), [("no_left_turn", 2), ("only_straight_on", 1)])
def test_turns_that_are_forbidden_are_not_made(tmp_path, rule, turns):
    extract = Extract()
    west = extract.way([(-100.0, 0.0), (0.0, 0.0)], highway="tertiary", sidewalk="no")
    east = extract.way([(0.0, 0.0), (100.0, 0.0)], highway="tertiary", sidewalk="no")
    north = extract.way([(0.0, 0.0), (0.0, 100.0)], highway="tertiary", sidewalk="no")
    extract.way([(0.0, -100.0), (0.0, 0.0)], highway="tertiary", sidewalk="no")
    to = east if rule.startswith("only") else north
    members = [("way", west, "from"), ("node", extract.node(0.0, 0.0), "via"), ("way", to, "to")]
    extract.relation(members, type="restriction", restriction=rule)
    town = _read(extract, tmp_path)
    assert len(town.lanes[_lane_at(town, -80, -1.5, 0.0)].successors) == turns


def test_lights_stop_lines_and_crossings_stand_where_they_are_tagged(tmp_path):
    extract = crossroads()
    extract.parts.clear()
    extract.nodes.clear()
    extract.node(0.0, 0.0, highway="traffic_signals")
    extract.node(-12.0, 0.0, highway="crossing", crossing="marked")
    extract.way([(-100.0, 0.0), (-12.0, 0.0), (0.0, 0.0), (100.0, 0.0)], highway="secondary", sidewalk="both")
    extract.way([(0.0, -100.0), (0.0, 0.0), (0.0, 100.0)], highway="secondary", sidewalk="both")
    town = _read(extract, tmp_path)
    assert [s.kind for s in town.signals] == ["traffic_light"] * 4
    assert sorted(map(sorted, town.programs[0].phases)) == [[0, 2], [1, 3]] or len(town.programs[0].phases) == 2
    (crossing,) = town.crossings
    assert crossing.polygon[:, :2].mean(axis=0) == pytest.approx([-12.0, 0.0], abs=0.3)
    stop = next(line for line in town.stop_lines if line.lane == _lane_at(town, -60, -1.6, 0.0))
    assert stop.ends[:, 0].max() < -13.5  # before the crossing


def test_left_hand_traffic_is_mirrored(tmp_path):
    town = _read(crossroads(driving_side="left"), tmp_path)
    assert town.left_hand_traffic
    assert town.lane_point(_lane_at(town, -80, 1.5, 0.0), 10.0)[1] > 0.5
    begin, goal = _lane_at(town, -80, 1.5, 0.0), _lane_at(town, -1.5, 80, np.pi / 2)
    assert town.route(begin, 5.0, goal).length < 200.0


def test_the_map_knows_its_place_on_the_earth(tmp_path):
    town = _read(crossroads(), tmp_path)
    lat, lon, _ = town.geo_reference.locate(0.0, 0.0)
    assert (lat, lon) == pytest.approx((LAT, LON), abs=2e-4)


# --- houses and trees -------------------------------------------------------------------------------------------------


def _with_houses() -> Extract:
    extract = crossroads()
    extract.area([(20, 20), (40, 20), (40, 32), (20, 32)], building="yes", height="9.5")
    extract.area([(-40, 20), (-20, 20), (-20, 40), (-28, 40), (-28, 30), (-40, 30)], building="yes")
    extract.area([(60, -6), (70, -6), (70, 6), (60, 6)], building="yes", building__levels="4")  # over a street
    extract.node(15.0, 15.0, natural="tree", height="11")
    return extract


def test_houses_stand_where_they_are(tmp_path):
    with pytest.warns(InputWarning, match="opened where a road leads through"):
        town = _read(_with_houses(), tmp_path)
    houses = [o for o in town.objects if o.kind == "building"]
    whole = next(o for o in houses if o.position[:2] == pytest.approx([30, 26], abs=0.2))
    assert sorted(whole.size[:2]) == pytest.approx([12, 20], abs=0.2)
    assert whole.group == 0
    parts = [o for o in houses if o.position[0] < 0]
    assert len(parts) == 2 and len({o.group for o in parts}) == 1
    assert sum(o.size[0] * o.size[1] for o in parts) == pytest.approx(280, rel=0.01)


def test_only_the_houses_of_the_extract_are_built_and_none_on_a_road(tmp_path):
    with pytest.warns(InputWarning):
        town = _read(_with_houses(), tmp_path)
    assert town.complete == {"building"}  # one tree is no survey
    plan = plan_map(town, 3)
    houses = plan[plan["kind"] == PlanKind.BUILDING]
    assert len(houses) == sum(o.kind == "building" for o in town.objects)
    for house in houses:
        u, v = (w.ravel() for w in np.meshgrid(*(np.linspace(-0.49, 0.49, 30),) * 2))
        c, s = np.cos(house["yaw"]), np.sin(house["yaw"])
        x = house["x"] + c * u * house["length"] - s * v * house["width"]
        y = house["y"] + s * u * house["length"] + c * v * house["width"]
        assert (town.surface.rank(x, y, np.zeros(900)) < 3).all()


def test_heights_that_are_not_told_are_drawn_once_for_each_house(tmp_path):
    extract = crossroads()
    for k in range(20):
        x = 20.0 + 15.0 * k
        extract.area([(x, 20), (x + 10, 20), (x + 10, 30), (x, 30)], building="yes", height=str(12 + k % 3))
        extract.area([(x, 50), (x + 10, 50), (x + 10, 60), (x, 60)], building="yes")
    heights = [[o.size[2] for o in _read(extract, tmp_path, f"{n}.osm").objects] for n in "ab"]
    assert heights[0] == heights[1]
    assert set(heights[0]) == {12.0, 13.0, 14.0}  # of those known in this extract


def test_a_map_of_an_extract_is_kept_with_what_it_knows(tmp_path):
    with pytest.warns(InputWarning):
        town = _read(_with_houses(), tmp_path)
    town.save(tmp_path / "kept.npz")
    kept = VectorMap.load(tmp_path / "kept.npz")
    assert kept.ref == town.ref and kept.complete == town.complete


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.osm", b"", "expected an extract of OpenStreetMap"),
        ("none.osm", b'<?xml version="1.0"?><osm version="0.6"></osm>', "has no roads"),
        ("other.osm", b"<kml></kml>", "expected an extract of OpenStreetMap"),
        ("text.osm.pbf", b"no protobuf", "expected an extract of OpenStreetMap"),
        ("plain.osm.gz", b"<osm/>", "expected an extract of OpenStreetMap"),
        ("entities.osm", b'<!DOCTYPE osm [<!ENTITY a "b">]><osm version="0.6"><node id="1" lat="&a;" lon="1"/></osm>',
         "expected an extract of OpenStreetMap"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_extract_gives_one_message(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        load_map(tmp_path / name)
    assert error.value.file == tmp_path / name


def test_an_extract_that_is_cut_off_gives_one_message(tmp_path):
    (tmp_path / "cut.osm").write_text(crossroads().text()[:-60])
    with pytest.raises(InputError, match="expected an extract of OpenStreetMap"):
        load_map(tmp_path / "cut.osm")


def test_an_extract_without_roads_names_what_is_missing(tmp_path):
    extract = Extract()
    extract.area([(20, 20), (40, 20), (40, 32), (20, 32)], building="yes")
    with pytest.raises(InputError, match="has no roads") as error:
        _read(extract, tmp_path)
    assert error.value.field == "highway"


def test_ids_that_occur_twice_give_one_message(tmp_path):
    extract = crossroads()
    number = extract.way([(0.0, 50.0), (50.0, 50.0)], highway="residential")
    extract.way([(-50.0, 70.0), (-90.0, 70.0)], number, highway="residential")
    with pytest.raises(InputError, match="ID twice"):
        _read(extract, tmp_path)


def test_nodes_that_are_missing_are_told(tmp_path):
    extract = crossroads()
    extract.way([(0.0, 50.0), (50.0, 50.0), (100.0, 50.0)], highway="residential")
    text = extract.text()
    gone = extract.nodes[100.0, 50.0]
    (tmp_path / "m.osm").write_text(text.replace(f'<node id="{gone}" ', f'<node id="{gone + 1000}" '))
    with pytest.warns(InputWarning, match="nodes that the file does not hold"):
        town = load_map(tmp_path / "m.osm")
    assert max(lane.centre[:, 0].max() for lane in _lanes(town, "driving")) < 101


def test_a_way_that_crosses_itself_is_a_street(tmp_path):
    extract = Extract()
    extract.way([(0, 0), (100, 0), (100, 80), (50, 80), (50, -50)], highway="residential", sidewalk="no")
    extract.area([(20, 20), (40, 40), (40, 20), (20, 40)], building="yes")  # a bow tie
    with pytest.warns(InputWarning, match="cross themselves"):
        town = _read(extract, tmp_path)
    assert town.route(_lane_at(town, 20, -1.5, 0.0), 1.0, _lane_at(town, 48.5, -30, -np.pi / 2)).length > 200


def test_neukoelln_has_its_houses_and_streets(shared_data):
    with pytest.warns(InputWarning):
        town = load_map(shared_data / "real/osm/neukolln.osm.gz")
    groups = {o.group for o in town.objects if o.kind == "building" and o.group}
    single = sum(o.kind == "building" and not o.group for o in town.objects)
    assert 110 <= len(groups) + single <= 126  # of 126 in the file, some are roofs or lie under roads
    driving = [lane for lane in town.lanes if lane.kind == "driving"]
    assert sum(not lane.successors for lane in driving) / len(driving) < 0.1  # ends at the rim alone


def test_streets_are_as_wide_as_the_houses_leave_room_for(tmp_path):
    extract = Extract()
    extract.way([(-100.0, 0.0), (100.0, 0.0)], highway="residential", sidewalk="both", parking__both="lane")
    extract.area([(-99, 4), (99, 4), (99, 14), (-99, 14)], building="yes")
    town = _read(extract, tmp_path)
    (left,), right = [[lane for lane in town.lanes if lane.kind == "sidewalk" and sign * lane.centre[0, 1] > 0]
                      for sign in (1, -1)]  # fmt: skip
    assert left.border(1)[:, 1].max() < 4.0 and 0.9 <= left.width[0] < 1.2
    assert len(right) == 1 and right[0].width[0] > 1.5
    assert sum(lane.kind == "parking" for lane in town.lanes) == 1  # on the other side alone


def test_a_bridge_passes_over_the_street_below(tmp_path):
    extract = Extract()
    extract.way([(-200.0, 0.0), (-15.0, 0.0)], highway="secondary", sidewalk="no")
    extract.way([(-15.0, 0.0), (15.0, 0.0)], highway="secondary", sidewalk="no", bridge="yes", layer="1")
    extract.way([(15.0, 0.0), (200.0, 0.0)], highway="secondary", sidewalk="no")
    extract.way([(0.0, -100.0), (0.0, 100.0)], highway="residential", sidewalk="no")
    town = _read(extract, tmp_path)
    route = town.route(_lane_at(town, -190, -1.6, 0.0), 1.0, _lane_at(town, 190, -1.6, 0.0))
    x, z = route.path[:, 0], route.path[:, 2]
    assert z[np.abs(x) < 14] == pytest.approx(5.5, abs=0.05) and z[np.abs(x) > 110].max() < 0.01
    assert (np.abs(np.diff(z)) < 0.085 * np.diff(x)).all()
    assert town.surface.decks == 2
    below = town.route(_lane_at(town, 1.4, -90, np.pi / 2), 1.0, _lane_at(town, 1.4, 90, np.pi / 2))
    assert (below.path[:, 2] == 0.0).all()
