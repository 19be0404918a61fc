"""Bodies move as wheels let them; who is told to stand stands; what cannot happen is told and left out."""

import numpy as np
import pytest

from tests.world.three_lanes import on_lane, scene, states
from uniscene_sim.scenario import Action, AgentSpec, Event, Spawn, Trigger
from uniscene_sim.world.traffic.lane_change import turning_radius_m


def at(time_s: float, *actions: Action) -> Event:
    return Event(Trigger("time", time_s), actions)


@pytest.mark.parametrize("behaviour", ["constant", "traffic"])
def test_speed_zero_is_standstill(behaviour):
    source = scene((on_lane("a", 100.0, 2, 10.0, behaviour),), 40.0, events=(at(2.0, Action("speed", "a")),))
    xs = np.array([state.bodies[1]["x"] for state in states(source)])
    assert xs[80] > 125.0 and (xs[120:] == xs[-1]).all() and source.state.bodies[1]["speed"] == 0.0


def test_a_walker_told_zero_stands_and_goes_on_when_told():
    walker = AgentSpec("w", "pedestrian", Spawn(x=100.0, y=-12.0, yaw_deg=0.0, free=True), 1.4, "walk")
    events = at(2.0, Action("speed", "w")), at(10.0, Action("speed", "w", speed_mps=1.0))
    xs = np.array([s.bodies[1]["x"] for s in states(scene((walker,), 14.0, events=events))])
    assert (xs[50:99] == xs[60]).all() and xs[-1] > xs[60] + 2.5


def test_an_agent_without_a_speed_stands():
    for behaviour in ("traffic", "constant"):
        source = scene((on_lane("a", 100.0, 2, 0.0, behaviour),), 10.0)
        assert {state.bodies[1]["x"] for state in states(source)} == {100.0}


def moves_on_wheels(source, row: int, length: float) -> np.ndarray:
    """Places (K, 2) of a body that never moved across its heading, nor round a tighter bend than it drives."""
    rows = np.array([[s.bodies[row][n] for n in ("x", "y", "yaw")] for s in states(source, step_us=10_000)])
    yaw = np.unwrap(rows[:, 2])
    step, heading = np.diff(rows[:, :2], axis=0), 0.5 * (yaw[1:] + yaw[:-1])
    along = np.cos(heading) * step[:, 0] + np.sin(heading) * step[:, 1]
    across = np.cos(heading) * step[:, 1] - np.sin(heading) * step[:, 0]
    assert (np.abs(across) <= 0.2 * along + 1e-6).all(), "nobody slides"
    assert (np.abs(np.diff(yaw)) <= 1.3 * along / turning_radius_m(length) + 1e-6).all(), "nobody turns on the spot"
    return rows[:, :2]


@pytest.mark.parametrize("kind", ["lane_change", "cut_in"])
@pytest.mark.parametrize(("speed", "then", "duration"), [
    (15.0, 15.0, 3.0), (15.0, 0.0, 3.0), (3.0, 3.0, 2.0), (0.8, 0.8, 1.0), (10.0, 10.0, 0.5), (0.0, 8.0, 2.0),
])  # fmt: skip
def test_lane_changes_move_on_wheels(kind, speed, then, duration):
    change = Action(kind, "a", direction="right", duration_s=duration), Action("speed", "a", speed_mps=then)
    source = scene((on_lane("a", 100.0, 0, speed),), 30.0, events=(at(1.0, *change),))
    track = moves_on_wheels(source, 1, 4.5)
    if then > 0.0:
        assert track[-1, 1] == pytest.approx(-5.25, abs=1e-6)


def test_at_usual_speeds_a_lane_change_takes_as_long_as_it_is_told():
    events = (at(1.0, Action("lane_change", "a", direction="right", duration_s=3.0)),)
    source = scene((on_lane("a", 100.0, 0, 15.0),), 6.0, events=events)
    y = np.array([s.bodies[1]["y"] for s in states(source, step_us=10_000)])
    assert y[98] == -1.75 and y[250] == pytest.approx(-3.5, abs=0.2) and y[400] == pytest.approx(-5.25, abs=0.01)
    assert y[380] > -5.25 + 1e-4


def test_a_second_change_before_the_first_is_over_is_smooth():
    change = Action("lane_change", "a", direction="right")
    source = scene((on_lane("a", 100.0, 0, 12.0),), 9.0, events=(at(1.0, change), at(2.5, change)))
    assert moves_on_wheels(source, 1, 4.5)[-1, 1] == pytest.approx(-8.75, abs=1e-6)


def test_a_braking_car_ends_askew_between_its_lanes():
    change, brake = Action("lane_change", "a", direction="right"), Action("brake", "a", decel_mps2=8.0)
    source = scene((on_lane("a", 100.0, 0, 10.0),), 8.0, events=(at(1.0, change), at(1.8, brake)))
    track = moves_on_wheels(source, 1, 4.5)
    assert -5.0 < track[-1, 1] < -1.8 and (track[-100:] == track[-1]).all()


def test_driving_past_a_parked_car_at_walking_pace_moves_on_wheels():
    agents = on_lane("parked", 130.0, 2, 0.0, "parked"), on_lane("a", 100.0, 2, 1.5, "traffic")
    track = moves_on_wheels(scene(agents, 60.0), 2, 4.5)
    assert track[:, 1].max() > -6.5 and track[-1, 0] > 140.0


@pytest.mark.parametrize(("action", "why"), [
    (Action("lane_change", "a", direction="right"), "no driving lane to the right"),
    (Action("cut_in", "b", direction="left"), "no driving lane to the left"),
    (Action("lane_change", "stands", direction="right"), "it stands"),
    (Action("speed", "parked", speed_mps=5.0), "parked"),
    (Action("lane_change", "walker"), "walks"),
    (Action("cross", "a", to=(100.0, 20.0)), "not ahead"),
    (Action("brake", "log"), "trajectory"),
    (Action("lane_change", "ego"), "route"),
    (Action("brake", "ghost"), "nobody of that name"),
    (Action("lane_change", "near_end", direction="right"), "ends"),
])  # fmt: skip
def test_what_cannot_happen_is_told_and_left_out(action, why):
    walker = AgentSpec("walker", "pedestrian", Spawn(x=90.0, y=-12.0, free=True), 0.0, "walk")
    log = on_lane("log", 300.0, 0, 0.0, "trajectory", trajectory=((0.0, 300.0, -1.75), (9.0, 400.0, -1.75)))
    agents = (on_lane("a", 100.0, 2, 10.0), on_lane("b", 100.0, 0, 10.0), on_lane("stands", 200.0, 0),
              on_lane("parked", 250.0, 2, 0.0, "parked"), walker, log,
              on_lane("near_end", 1470.0, 1, 10.0))  # fmt: skip
    source, plain = scene(agents, 2.5, events=(at(1.0, action),)), scene(agents, 2.5)
    with pytest.warns(UserWarning, match=rf"events\[0\].*'{action.agent}' at 1.00 s is left out: .*{why}"):
        *_, state = states(source)
    *_, expected = states(plain)
    assert state.bodies.tobytes() == expected.bodies.tobytes() and state.fired == (True,)


@pytest.mark.parametrize("behaviour", ["constant", "traffic", "trajectory"])
def test_a_car_that_crosses_leaves_its_way_and_stands_at_the_place(behaviour):
    log = ((0.0, 100.0, -8.75), (9.0, 190.0, -8.75)) if behaviour == "trajectory" else ()
    car = on_lane("a", 100.0, 2, 10.0, behaviour, trajectory=log)
    source = scene((car,), 15.0, events=(at(1.0, Action("cross", "a", to=(150.0, -14.0), speed_mps=6.0)),))
    track = moves_on_wheels(source, 1, 4.0)
    assert track[-1] == pytest.approx((150.0, -14.0), abs=1.0) and source.state.bodies[1]["speed"] == 0.0


def test_a_lane_change_may_be_longer_than_what_is_planned_of_a_road_that_goes_on():
    source = scene(
        (on_lane("a", 100.0, 2, 36.0),), 15.0, events=(at(1.0, Action("lane_change", "a", duration_s=12.0)),)
    )
    track = moves_on_wheels(source, 1, 4.0)
    assert track[-1] == pytest.approx((640.0, -5.25), abs=1.0)


def test_a_cyclist_crosses_in_a_bend():
    cyclist = AgentSpec("c", "bicycle", Spawn(x=100.0, y=-14.0, yaw_deg=90.0, free=True), 0.0, "walk")
    source = scene((cyclist,), 15.0, events=(at(1.0, Action("cross", "c", to=(104.0, 4.0), speed_mps=3.0)),))
    track = moves_on_wheels(source, 1, 1.8)
    assert track[-1] == pytest.approx((104.0, 4.0), abs=0.6) and source.state.bodies[1]["speed"] == 0.0
