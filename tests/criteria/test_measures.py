"""Measures on layouts drawn by hand, each against what is worked out with pencil and paper."""

import numpy as np
import pytest

from tests.criteria.drawn import drawn, lane, layout, road, user
from uniscene_sim.criteria.blocked import Blocked
from uniscene_sim.criteria.boxes import overlap, turn_between
from uniscene_sim.criteria.moment import Moment
from uniscene_sim.criteria.watch import ALL_MEASURES, Watch, measured
from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import StopLine
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.taxonomy import AgentClass

ROAD = road()
PERSON = {"cls": AgentClass.PEDESTRIAN, "size": (0.6, 0.6, 1.8)}


def told(kind: str, layouts, name: str | None = None, on: VectorMap = ROAD):
    return measured(layouts, on, (kind,))[name or kind]


def test_only_what_is_asked_for_is_measured_and_no_other_kind_exists():
    assert Watch.of(()) is None and measured([layout(0.0, 10.0)], ROAD, ()) == {}
    assert set(measured([layout(0.0, 10.0)], ROAD, ("comfort",))) == {"comfort"}
    with pytest.raises(InputError, match="no measure 'comfrt'; expected some of wrong_lane, "):
        Watch.of(("comfrt",))


def test_layouts_between_looks_and_ones_seen_already_change_nothing():
    watch = Watch.of(ALL_MEASURES).see(layout(0.1, 10.0, speed=5.0), ROAD)
    assert watch.see(layout(0.15, 12.0, speed=9.0), ROAD) is watch and watch.see(layout(0.1, 10.0), ROAD) is watch
    assert watch.see(layout(0.2, 10.5, speed=5.0), ROAD) is not watch


# --- lanes ------------------------------------------------------------------------------------------------------------


def test_time_and_way_on_the_wrong_lane():
    """10 m/s along x for 4 s; from 1 s to 2.5 s on the other lane: 15 looks of 0.1 s and 1 m each, the one at 2.5 s is
    back."""
    run = list(drawn(4.0, lambda t: layout(t, 10.0 + 10.0 * t, 3.5 if 1.0 <= t < 2.5 else 0.0, speed=10.0)))
    values = measured(run, ROAD, ("wrong_lane",))
    assert values["wrong_lane"] == pytest.approx(1.5)
    assert values["against_traffic_m"] == pytest.approx(10.0), "in a whole second"
    # The step onto the lane and 14 along it.
    assert values["outside_lanes_m"] == pytest.approx(np.hypot(1.0, 3.5) + 14.0, abs=0.01)


def test_who_backs_up_on_its_own_lane_is_on_no_wrong_one_but_against_the_traffic():
    values = measured(drawn(3.0, lambda t: layout(t, 50.0 - 1.5 * t, speed=-1.5)), ROAD, ("wrong_lane",))
    assert values == {"wrong_lane": 0.0, "against_traffic_m": 1.5, "outside_lanes_m": 0.0}


def test_a_junction_has_no_wrong_lane_and_the_verge_is_outside():
    assert told("wrong_lane", drawn(2.0, lambda t: layout(t, 305.0 + 5.0 * t, 3.5, speed=5.0))) == 0.0
    off = drawn(2.0, lambda t: layout(t, 100.0 + 5.0 * t, -30.0, speed=5.0))
    assert measured(off, ROAD, ("wrong_lane",)) == {
        "wrong_lane": 0.0, "against_traffic_m": 0.0, "outside_lanes_m": 10.0
    }  # fmt: skip


def test_the_heading_decides_at_a_right_angle():
    for yaw, wrong in ((0.49 * np.pi, 0.0), (0.51 * np.pi, 1.0)):
        assert told("wrong_lane", drawn(1.0, lambda t, yaw=yaw: layout(t, 50.0, 0.0, yaw))) == pytest.approx(wrong)


def test_on_a_narrow_road_of_two_directions_neither_is_wrong():
    narrow = VectorMap("narrow", (lane(0, 0.0, 300.0, 0.0, opposite=1), lane(1, 300.0, 0.0, 0.5, opposite=0)))
    for yaw in (0.0, np.pi):
        assert told("wrong_lane", drawn(1.0, lambda t, yaw=yaw: layout(t, 50.0, 0.2, yaw)), on=narrow) == 0.0


# --- stop signs -------------------------------------------------------------------------------------------------------


def through(stands_at: float | None, seconds: float = 1.0, y: float = 0.0, way: float = 1.0):
    """Layouts at 5 m/s through the line at 298, with a stop of the front at a place for a while."""
    x, at, out = 280.0, 0.0, []
    while x < 312.0:
        stop = stands_at is not None and abs(x + 2.0 - stands_at) < 0.26
        for _ in range(round(seconds * 10) if stop else 0):
            out.append(layout(at, x, y, speed=0.05))
            at += 0.1
        out.append(layout(at, x, y, speed=5.0))
        x, at = x + 0.5, at + 0.1
    return out if way > 0 else [
        layout(k / 10, one.ego_pose.x + 4.0, y, np.pi, 5.0) for k, one in enumerate(reversed(out))
    ]  # fmt: skip


@pytest.mark.parametrize(("stands_at", "run"), [(None, 1), (297.5, 0), (294.5, 0), (293.5, 1), (299.5, 1)])
def test_a_stop_counts_within_four_metres_before_the_line(stands_at, run):
    assert told("stop_line", through(stands_at)) == run


def test_other_lanes_the_other_way_and_lights_are_no_stop_signs():
    assert told("stop_line", through(None, y=3.5)) == 0
    assert told("stop_line", through(None, way=-1.0)) == 0
    assert told("stop_line", drawn(4.0, lambda t: layout(t, 40.0 + 5.0 * t, speed=5.0))) == 0


def test_each_line_wants_a_stop_of_its_own():
    ends = [np.array([[x, 1.75, 0.0], [x, -1.75, 0.0]]) for x in (298.0, 305.0)]
    two = VectorMap("two", ROAD.lanes, stop_lines=tuple(StopLine(e, 0, e[0, 0]) for e in ends))
    assert told("stop_line", through(297.5), on=two) == 1 and told("stop_line", through(None), on=two) == 2


# --- post-encroachment time -------------------------------------------------------------------------------------------


def crossing(delay_s: float, speed: float = 8.0, other_mps: float = 5.0, seconds: float = 14.0, angle: float = 90.0):
    """The ego along x at y = 0 reaches x = 100 with its middle after 5 s; a car's middle is there `delay_s` later."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))

    def at(t: float):
        way = other_mps * (t - 5.0 - delay_s)
        return layout(t, 100.0 + speed * (t - 5.0), speed=speed,
                      users=[user(7, 100.0 + c * way, s * way, np.radians(angle))])  # fmt: skip

    return drawn(seconds, at)


@pytest.mark.parametrize("delay_s", [-4.0, -2.5, 1.9, 3.0])
def test_it_is_the_time_from_leaving_the_conflict_area_to_entering_it(delay_s):
    """The area is 2 m x 2 m around (100, 0), boxes are 4 m x 2 m: a body is in it for 3 m before and behind."""
    ego_in, ego_out = 5.0 - 3.0 / 8.0, 5.0 + 3.0 / 8.0
    other_in, other_out = 5.0 + delay_s - 3.0 / 5.0, 5.0 + delay_s + 3.0 / 5.0
    theory = other_in - ego_out if delay_s > 0 else ego_in - other_out
    assert told("min_pet", crossing(delay_s)) == pytest.approx(theory, abs=0.005)


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_a_plain_search_over_all_pairs_of_times(seed):
    """Ways that cross aslant, one of them in a bend; the search looks each 0.01 s."""
    draw = np.random.default_rng(seed)
    angle, ego_mps, other_mps = draw.uniform(0.7, 2.8), draw.uniform(3.0, 15.0), draw.uniform(1.5, 14.0)
    late, bend = draw.choice([-1, 1]) * draw.uniform(1.5, 3.5), draw.uniform(-0.01, 0.01)
    c, s = np.cos(angle), np.sin(angle)

    def ego(t: float) -> list[float]:
        return [100.0 + ego_mps * (t - 5.0), 0.0, 0.0, 4.0, 2.0, 0.0]

    def other(t: float) -> list[float]:
        way = other_mps * (t - 5.0 - late)
        side = bend * way * way
        return [100.0 + c * way - s * side, s * way + c * side, angle + np.arctan(2.0 * bend * way), 4.0, 2.0, 0.0]

    times = np.arange(0.0, 12.0, 0.01)
    egos = np.array([ego(t) for t in times])
    least = np.inf
    for t, box in zip(times, [np.array(other(t)) for t in times], strict=True):
        hit = overlap(box, egos) & (turn_between(egos[:, 2], box[2]) > np.pi / 6)
        least = min(least, np.abs(times[hit] - t).min(initial=np.inf))
    run = drawn(12.0, lambda t: layout(t, ego(t)[0], speed=ego_mps, users=[user(1, *other(t)[:3])]))
    assert told("min_pet", run) == pytest.approx(least, abs=0.06) and 0.0 < least < 5.0


def test_a_contact_of_crossing_ways_is_zero_and_more_than_five_seconds_is_none():
    assert told("min_pet", crossing(0.1)) == 0.0
    assert told("min_pet", crossing(5.0 + 3.0 / 8.0 + 3.0 / 5.0 - 0.2)) == pytest.approx(4.8, abs=0.005)
    assert told("min_pet", crossing(5.0 + 3.0 / 8.0 + 3.0 / 5.0 + 0.2)) is None


def test_who_follows_or_comes_in_a_narrow_angle_is_not_crossing():
    assert told("min_pet", crossing(2.0, angle=20.0)) is None and told("min_pet", crossing(2.0, angle=0.0)) is None
    assert told("min_pet", crossing(2.0, angle=40.0)) is not None


def test_the_least_of_several_who_cross_counts_and_a_walker_is_one():
    def at(t: float):
        walker = user(1, 60.0, -10.0 + 1.5 * t, 0.5 * np.pi, **PERSON)
        return layout(t, 10.0 + 5.0 * t, speed=5.0, users=[walker, user(2, 150.0, 5.0, 0.5 * np.pi)])

    # The walker is clear of the ego's strip at y = 1.3, after 11.3 / 1.5 s; the ego's front reaches 59.7 at 47.7 / 5 s.
    assert told("min_pet", drawn(12.0, at)) == pytest.approx(47.7 / 5.0 - 11.3 / 1.5, abs=0.005)


def test_whoever_is_put_elsewhere_has_not_driven_there_and_bridges_part():
    def jumps(t: float):
        return layout(t, 60.0 + 5.0 * t, speed=5.0, users=[user(1, 80.0, -30.0 if t < 2.0 else 30.0, 0.5 * np.pi)])

    assert told("min_pet", drawn(8.0, jumps)) is None

    def below(t: float):
        row = user(1, 100.0, 5.0 * (t - 7.0), 0.5 * np.pi)
        row["pos"][2] = -6.0
        return layout(t, 60.0 + 8.0 * t, speed=8.0, users=[row])

    assert told("min_pet", drawn(9.0, below)) is None


# --- headway ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "gap"), [(10.0, 15.0), (5.0, 60.0)])
def test_headway_is_clearance_over_speed(speed, gap):
    """The front is 2 m before the ego's middle, the back of the other one 2 m behind its own."""
    run = drawn(1.0, lambda t: layout(t, 20.0 + speed * t, speed=speed, users=[user(1, 24.0 + gap + speed * t, 0.0)]))
    assert told("min_headway", run) == pytest.approx(gap / speed, abs=1e-3)


@pytest.mark.parametrize("other", [
    user(1, 60.0, 2.05), user(1, 60.0, 0.0, 0.5 * np.pi), user(1, 60.0, 0.0, np.pi), user(1, 10.0, 0.0),
    user(1, 60.0, 0.0, **PERSON), user(1, 60.0, 0.0, cls=AgentClass.TRAFFIC_CONE), user(1, 105.0, 0.0),
])  # fmt: skip
def test_who_is_beside_across_oncoming_behind_on_foot_or_far_is_not_ahead(other):
    assert told("min_headway", [layout(0.0, 20.0, speed=10.0, users=[other])]) is None


def test_part_of_a_box_is_enough_and_its_nearest_part_in_the_lane_of_way_counts():
    """Turned by 30 degrees to the left at y = -1.5: its left side crosses the strip's border y = -1."""
    turn = np.radians(30.0)
    other = user(1, 60.0, -1.5, turn)
    # The rear left corner is at (-2 c - s, -2 s + c) = (-2.232, -0.134), so at y = -1.634 outside; the left side goes
    # up from there by tan(30): it reaches y = -1 after 0.634 / tan(30) = 1.098 m.
    back = 60.0 - 2.0 * np.cos(turn) - np.sin(turn) + (0.5 + 2.0 * np.sin(turn) - np.cos(turn)) / np.tan(turn)
    gap = told("min_headway", [layout(0.0, 20.0, speed=10.0, users=[other])])
    assert gap == pytest.approx((back - 22.0) / 10.0, abs=1e-3)


def test_in_a_bend_clearance_is_along_the_route():
    """A quarter circle of 50 m: the other one is 30 m of arc ahead."""
    angle = np.arange(80.0) / 50.0
    route = np.stack([50.0 * np.sin(angle), 50.0 - 50.0 * np.cos(angle), 0.0 * angle], axis=1)
    a = 30.0 / 50.0
    other = user(1, 50.0 * np.sin(a), 50.0 - 50.0 * np.cos(a), a)
    one = layout(0.0, 0.0, speed=10.0, users=[other], route=route)
    assert told("min_headway", [one]) == pytest.approx((30.0 - 4.0) / 10.0, abs=0.02)


def test_beside_its_route_the_ego_goes_on_beside_it_and_below_walking_pace_nothing_counts():
    cars = [user(1, 50.0, 0.0), user(2, 70.0, 3.0)]
    assert told("min_headway", [layout(0.0, 20.0, 3.0, speed=10.0, users=cars)]) == pytest.approx(4.6)
    assert told("min_headway", [layout(0.0, 20.0, speed=0.9, users=cars)]) is None
    assert told("min_headway", [layout(0.0, 20.0, speed=9.0, users=cars, route=np.zeros((0, 3)))]) is None


# --- speed, comfort, blocking -----------------------------------------------------------------------------------------


def test_the_limit_is_that_of_the_place_and_excess_is_integrated():
    """At 14 m/s from x = 93: over the limit of 10 by 4 from x = 100 on, which is passed at 0.5 s; looks at 0.5 .. 1.0 s
    are six."""
    run = drawn(1.0, lambda t: layout(t, 93.0 + 14.0 * t, speed=14.0))
    assert measured(run, ROAD, ("speed_limit",)) == {"speed_limit": 4.0, "over_limit_m": pytest.approx(6 * 0.4)}
    assert told("speed_limit", drawn(1.0, lambda t: layout(t, 20.0 + 19.0 * t, speed=19.0))) == 0.0


def test_in_a_junction_the_highest_limit_of_its_neighbours_counts():
    assert told("speed_limit", [layout(0.0, 315.0, speed=16.5)]) == 1.5, "that of the lane behind it, 15"
    assert told("speed_limit", [layout(0.0, 315.0, -40.0, speed=16.5)]) is None, "off the road"


def test_comfort_is_the_share_of_looks_within_the_bounds():
    """The speed falls by 5 m/s2 for four looks of ten; to begin and to end that is a jerk as well."""
    hard = (3, 4, 5, 6)
    run = [layout(k / 10, 10.0 + k, speed=10.0, accel=-5.0 if k in hard else 0.0) for k in range(11)]
    assert told("comfort", run) == 0.5, "four hard looks, and the one that ends it"
    assert told("comfort", run[:1]) is None


def test_blocking_wants_a_driver_who_would_go():
    def count(seconds: float, wanted: float | None, speed: float = 0.0):
        one, before = Blocked(), None
        for frame in drawn(seconds, lambda t: layout(t, 10.0, speed=speed)):
            moment = Moment(frame, ROAD, wanted, before)
            one, before = one.update(moment), moment.ego
        return one.values["blocked"]

    assert count(9.9, 2.0) == 0 and count(10.2, 2.0) == 1 and count(20.5, 2.0) == 2
    assert count(30.0, 1.4) == 0 and count(30.0, 2.0, speed=2.5) == 0 and count(30.0, None) is None


def test_a_map_without_lanes_has_no_wrong_lane_and_no_limit():
    class Bare:
        lanes, stop_lines = (), ()

    values = measured(drawn(1.0, lambda t: layout(t, 10.0 * t, speed=10.0)), Bare(), ALL_MEASURES)
    nothing = ("wrong_lane", "against_traffic_m", "outside_lanes_m", "speed_limit", "over_limit_m", "min_pet",
               "min_headway", "blocked")  # fmt: skip
    assert values == dict.fromkeys(nothing) | {"stop_line": 0, "comfort": 1.0}
