"""What stands along streets: footprints as boxes, heights that are drawn, woods, and parts of a map."""

import numpy as np
import pytest

from tests.maps.osm_text import crossroads
from uniscene_sim.compute.keyed_random import unit_hash, unit_hashes
from uniscene_sim.maps.street_plans.crop import cropped
from uniscene_sim.maps.street_plans.footprints import boxes_of, outline_error_m
from uniscene_sim.maps.street_plans.heights import building_heights
from uniscene_sim.maps.street_plans.paving import car_park, paved
from uniscene_sim.maps.street_plans.planting import planted
from uniscene_sim.maps.street_plans.rings import inside_rings
from uniscene_sim.maps.street_plans.surroundings import Building, Cover
from uniscene_sim.maps.towns.town import make_town


def _turned(points, degrees):
    angle = np.radians(degrees)
    return np.array(points, float) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _circle(radius, corners=24):
    angle = np.linspace(0, 2 * np.pi, corners + 1)[:-1]
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("degrees", [0, 17, 45, 80])
@pytest.mark.parametrize(
    ("outline", "boxes", "error"),
    [
        ([(0, 0), (20, 0), (20, 10), (0, 10)], 1, 0.05),
        ([(0, 0), (20, 0.4), (20.2, 10), (0, 9.8)], 1, 0.25),  # drawn by hand
        ([(0, 0), (20, 0), (20, 8), (8, 8), (8, 20), (0, 20)], 2, 0.05),
        ([(0, 0), (20, 0), (20, 20), (14, 20), (14, 6), (6, 6), (6, 20), (0, 20)], 3, 0.05),
        ([(0, 0), (20, 0), (20, 6), (0, 16)], 14, 0.3),  # a slanted side
    ],
)
def test_footprints_are_a_few_boxes_near_the_outline(outline, boxes, error, degrees):
    ring = _turned(outline, degrees)
    found = boxes_of([ring])
    assert len(found) <= boxes
    assert outline_error_m([ring], found) < error


def test_courtyards_stay_open_and_round_houses_round():
    rings = [_turned([(0, 0), (30, 0), (30, 30), (0, 30)], 0), _turned([(10, 10), (20, 10), (20, 20), (10, 20)], 0)]
    court = boxes_of(rings)
    assert sum(b.length * b.width for b in court) == pytest.approx(800, rel=0.01)
    assert not any(abs(b.x - 15) < b.length / 2 and abs(b.y - 15) < b.width / 2 for b in court if b.yaw == 0.0)
    assert outline_error_m(rings, court) < 0.05
    assert outline_error_m([_circle(9.0)], boxes_of([_circle(9.0)])) < 0.35


@pytest.mark.parametrize(
    "ring", [_circle(0.3), np.zeros((3, 2)), np.array([(0, 0), (10, 0), (20, 0)], float),
             np.array([(0, 0), (10, 10), (10, 0), (0, 10)], float)],
)  # fmt: skip
def test_footprints_without_sense_are_boxes_of_numbers(ring):
    assert all(np.isfinite([b.x, b.y, b.yaw, b.length, b.width]).all() for b in boxes_of([ring]))


def test_heights_are_kept_where_told_and_alike_in_area_where_not():
    def house(number, side, height=None):
        return Building(number, (np.array([(0, 0), (side, 0), (side, side), (0, side)], float),), height)

    known = [house(k, 5.0, 3.0) for k in range(30)] + [house(k, 30.0, 20.0) for k in range(30)]
    unknown = [house(100 + k, 5.2 if k < 40 else 29.0) for k in range(80)]
    heights = building_heights([*known, *unknown])
    assert (heights[:30] == 3.0).all() and (heights[30:60] == 20.0).all()
    assert (heights[60:100] == 3.0).all() and (heights[100:] == 20.0).all()
    few = building_heights([house(k, 12.0) for k in range(50)])
    assert len(set(few.tolist())) > 3 and few.min() > 2.0 and few.max() < 38.1


def test_woods_are_planted_near_roads_alone_and_the_same_whatever_else_is():
    wood = Cover(1, "wood", (np.array([(0, 0), (400, 0), (400, 100), (0, 100)], float),))
    other = Cover(2, "wood", (np.array([(200, 0), (500, 0), (500, 100), (200, 100)], float),))
    road = np.array([(0.0, float(y)) for y in range(0, 100, 4)])
    alone = {tuple(tree.place) for tree in planted([wood], road)}
    assert 100 < len(alone) < 400
    assert max(x for x, _ in alone) < 110.0 and min(x for x, _ in alone) > -1.0
    assert {place for place in {tuple(t.place) for t in planted([other, wood], road)} if place[0] < 190} == alone


def test_places_inside_of_rings():
    ring = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)
    hole = np.array([(4, 4), (6, 4), (6, 6), (4, 6)], float)
    x, y = np.array([5.0, 1.0, 11.0, -1.0]), np.array([5.0, 1.0, 5.0, -1.0])
    assert inside_rings(x, y, [ring, hole]).tolist() == [False, True, False, False]


def test_many_numbers_at_once_are_those_one_by_one():
    keys = np.array([-5, 0, 7, 2**40])
    assert unit_hashes(3, keys, 9).tolist() == [unit_hash(3, int(key), 9) for key in keys]


def test_a_part_of_a_map_is_a_map():
    town = make_town(11)
    x, y = town.road_points()[0]
    part = cropped(town, float(x), float(y), 80.0)
    assert 0 < len(part.lanes) < len(town.lanes)
    by_key = {lane.key: lane for lane in town.lanes}
    keys = {lane.key for lane in part.lanes}
    for lane in part.lanes:
        before = by_key[lane.key]
        assert lane.index == part.lanes.index(lane)
        wanted = {town.lanes[i].key for i in before.successors} & keys
        assert {part.lanes[i].key for i in lane.successors} == wanted
    for line in part.stop_lines:
        assert 0 <= line.lane < len(part.lanes) and line.signal < len(part.signals)
    for program in part.programs:
        assert all(0 <= i < len(part.signals) for phase in program.phases for i in phase)


def test_houses_of_a_crop_are_those_near_it(tmp_path):
    pytest.importorskip("osmium")
    from uniscene_sim.maps.load import load_map

    extract = crossroads()
    for x in (20, 60):
        extract.area([(x, 20), (x + 10, 20), (x + 10, 30), (x, 30)], building="yes")
    town = load_map(extract.write(tmp_path / "m.osm"))
    assert len(cropped(town, 0.0, 0.0, 40.0).objects) == 1
    assert cropped(town, 0.0, 0.0, 40.0).complete == {"building"}


def test_car_parks_are_rows_of_bays_and_aisles():
    ring = _turned([(0, 0), (60, 0), (60, 32), (0, 32)], 30)
    strips = car_park([ring])
    assert [s.kind for s in strips] == ["parking", "shoulder", "parking"] * 2
    assert sum(s.width_m * np.ptp(s.centre @ [np.cos(s.yaw), np.sin(s.yaw), 0]) for s in strips) == pytest.approx(1920)
    x, y = np.concatenate([s.centre[1:-1, :2] for s in strips]).T
    assert inside_rings(x, y, [ring]).all()
    assert [s.kind for s in car_park([_turned([(0, 0), (40, 0), (40, 5), (0, 5)], 0)])] == ["parking"]


def test_squares_are_filled_to_their_outline():
    rings = [_turned([(0, 0), (30, 0), (30, 30), (0, 30)], 10), _turned([(10, 10), (20, 10), (20, 20), (10, 20)], 10)]
    strips = paved(rings, "sidewalk", 2.0)
    area = sum(s.width_m * np.hypot(*(s.centre[-1] - s.centre[0])[:2]) for s in strips)
    assert area == pytest.approx(800, rel=0.01)
    assert all((s.centre[:, 2] == 2.0).all() and s.kind == "sidewalk" for s in strips)
