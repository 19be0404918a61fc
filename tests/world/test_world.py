"""The world: ego, traffic, lights, contacts and the scenario source, held to theory and plain references."""

from __future__ import annotations

from itertools import combinations
from math import cos, sin, tan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tests.world.plain_world import contacts_with_agents, step_ego
from uniscene_sim.control import NORMAL, Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose, box_corners, boxes_overlap
from uniscene_sim.layout import EgoVehicle, Light, SignalState
from uniscene_sim.maps.elements import Lane, Signal, SignalProgram, StopLine
from uniscene_sim.maps.signals import signal_heads, signal_states
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import Action, AgentSpec, Criterion, EgoSpec, Event, Scenario, Spawn, TrafficSpec, Trigger
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.ego import EgoState
from uniscene_sim.world.scenario_source import ScenarioSource


def lane(index: int, y: float, **fields) -> Lane:
    n = 801
    centre = np.stack([np.arange(n, dtype=float), np.full(n, y), np.zeros(n)], axis=1)
    return Lane(
        index=index, key=("0", 0, -1 - index), kind="driving", centre=centre, heading=np.zeros(n),
        width=np.full(n, 3.5), left_mark="broken", right_mark="solid", speed_limit_mps=20.0, **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def road() -> VectorMap:
    """Two lanes side by side for 800 m; a light at 150 m that turns green after 17 s."""
    return VectorMap(
        name="road",
        lanes=(lane(0, 0.0, left=1, can_change_left=True), lane(1, 3.5, right=0, can_change_right=True)),
        stop_lines=(StopLine(np.array([[150.0, 1.7, 0], [150, -1.7, 0]]), 0, 150.0, 0),),
        signals=(Signal(0, "a", "traffic_light", np.array([152.0, -3, 0]), np.pi, (0,)),),
        programs=(SignalProgram(((), (0,))),),
    )


def scenario(**fields) -> Scenario:
    ego = fields.pop("ego", EgoSpec(Spawn(x=20.0), 10.0, 15.0))
    return Scenario(name="t", map=Path("road"), seed=fields.pop("seed", 5), duration_s=60.0, ego=ego, **fields)


def drive(source: ScenarioSource, seconds: float) -> list:
    frames = []
    for _ in range(round(seconds / 0.1)):
        frames += source.step(source.driver_control(), 100_000)
    return frames


@pytest.mark.parametrize("steer", [0.1, -0.3, 0.5])
def test_circle_has_the_radius_of_theory(road, steer):
    vehicle = EgoVehicle()
    ego = EgoState(Pose(100.0, 0.0, 0.0, 0, 0, 0), 5.0, 0.0, steer)
    radius = vehicle.wheelbase_m / tan(steer)
    for _ in range(300):
        ego = step_ego(ego, Control(steer, 0.0), vehicle, road.surface, 0.01)
        # Places and yaw are rounded to 2^-30 in each of 300 steps.
        assert abs(np.hypot(ego.pose.x - 100.0, ego.pose.y - radius) - abs(radius)) < 1e-6


def test_braking_stops_and_never_reverses(road):
    ego = EgoState(Pose(100.0, 0.0, 0.0, 0, 0, 0), 3.0)
    for _ in range(300):
        before, ego = ego, step_ego(ego, Control(0.0, -8.0), EgoVehicle(), road.surface, 0.01)
        assert ego.pose.x >= before.pose.x
    assert ego.speed == 0.0 and ego.accel == 0.0


@given(st.floats(-9, 9), st.floats(-900, 900), st.floats(0, 50))
def test_limits_hold(road, steer, accel, speed):
    vehicle = EgoVehicle()
    ego = EgoState(Pose(100.0, 0.0, 0.0, 0, 0, 0), speed)
    after = step_ego(ego, Control(steer, accel), vehicle, road.surface, 0.01)
    assert 0.0 <= after.speed <= vehicle.max_speed_mps
    assert abs(after.steer) <= vehicle.max_steer_rate_rad_s * 0.01 + 1e-12
    assert -vehicle.max_brake_mps2 <= after.accel <= vehicle.max_accel_mps2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e9])
def test_bad_control_is_an_input_error(bad):
    with pytest.raises(InputError, match="steer_rad"):
        Control(bad, 0.0)
    with pytest.raises(InputError, match="accel_mps2"):
        Control(0.0, bad)
    with pytest.raises(InputError, match="trajectory"):
        Trajectory(np.array([[0.0, 0, 0], [1.0, bad, 0]]))


def test_idm_follows_at_the_equilibrium_gap(road):
    lead = AgentSpec("lead", "car", Spawn(relative_to="ego", ahead_m=40.0), 8.0, "constant")
    ego = EgoSpec(Spawn(x=160.0), 8.0, 15.0)
    source = ScenarioSource(scenario(ego=ego, agents=(lead,)), road)
    drive(source, 45.0)
    front, back = source.state.bodies[1], source.state.bodies[0]
    gap = front["x"] - back["x"] - 0.5 * (front["length"] + back["length"])
    theory = (NORMAL.gap_m + 8.0 * NORMAL.headway_s) / np.sqrt(1.0 - (8.0 / 15.0) ** 4)
    print(f"IDM gap {gap:.3f} m, theory {theory:.3f} m")
    assert abs(gap - theory) < 0.15 and abs(back["speed"] - 8.0) < 0.05


def test_stops_at_red_and_goes_at_green(road):
    source = ScenarioSource(scenario(criteria=(Criterion("red_light"), Criterion("collision"))), road)
    drive(source, 16.9)
    ego = source.state.bodies[0]
    front = ego["x"] + 0.5 * ego["length"]
    assert ego["speed"] < 0.1 and 147.0 < front < 150.0
    assert source.state.tally.red_lights == 0
    drive(source, 8.0)
    assert source.state.bodies[0]["x"] > 160.0 and source.state.tally.red_lights == 0


def test_running_a_red_light_is_counted_once(road):
    source = ScenarioSource(scenario(criteria=(Criterion("red_light"),)), road)
    source.reset()
    events = [e for _ in range(100) for f in source.step(Control(0.0, 1.0), 100_000) for e in f.events]
    assert events.count("red_light:0") == 1
    assert source.outcome.criteria[0].success is False


def test_head_shows_the_signal(road):
    heads = signal_heads(road)
    assert heads["cls"].tolist() == [AgentClass.SIGNAL_HEAD] and heads["pos"][0, 2] == pytest.approx(3.0, abs=0.3)
    assert [signal_states(road, t)[0] for t in (0.0, 17.1, 29.5, 32.5)] == [
        SignalState.RED, SignalState.GREEN, SignalState.YELLOW, SignalState.RED,
    ]  # fmt: skip
    assert ScenarioSource(scenario(), road).reset().agents["lights"][0] == Light.RED


def test_same_seed_same_states_and_exact_resume(road):
    spec = scenario(traffic=TrafficSpec(vehicles_per_km=20.0))
    one, two = ScenarioSource(spec, road), ScenarioSource(spec, road)
    assert len(one.state.bodies) > 10
    drive(one, 3.0)
    drive(two, 3.0)
    saved = one.get_state()
    copy = saved.bodies.copy()
    assert copy.tobytes() == two.get_state().bodies.tobytes()
    drive(one, 3.0)
    assert copy.tobytes() == saved.bodies.tobytes(), "a saved state is never changed"
    end = one.get_state()
    two.set_state(saved)
    drive(two, 3.0)
    again = two.get_state()
    assert again.bodies.tobytes() == end.bodies.tobytes() and again.paths.tobytes() == end.paths.tobytes()
    assert again.ego == end.ego and again.tally == end.tally
    other = ScenarioSource(spec, road, seed=6)
    assert other.state.bodies.tobytes() != ScenarioSource(spec, road).state.bodies.tobytes()


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes share a point, by linear programming over their half-planes."""
    rows, bound = [], []
    for x, y, yaw, length, width in (a, b):
        for angle, half in ((0, length), (np.pi / 2, width), (np.pi, length), (-np.pi / 2, width)):
            n = (cos(yaw + angle), sin(yaw + angle))
            rows.append(n)
            bound.append(n[0] * x + n[1] * y + 0.5 * half)
    return linprog([0, 0], A_ub=rows, b_ub=bound, bounds=[(None, None)] * 2).status == 0


_BOX = st.tuples(st.floats(-4, 4), st.floats(-4, 4), st.floats(-3.1, 3.1), st.floats(0.5, 6), st.floats(0.5, 3))


@given(_BOX, _BOX)
def test_box_overlap_against_linear_programming(a, b):
    a, b = np.array(a), np.array(b)
    grow = np.array([0, 0, 0, 1e-6, 1e-6])
    if _meet(a - grow, b - grow) == _meet(a + grow, b + grow):
        assert boxes_overlap(a, b) == _meet(a, b)
    assert boxes_overlap(a, b) == boxes_overlap(b, a)


def test_contact_is_exact_and_minds_height(road):
    car = AgentSpec("car", "car", Spawn(x=60.0), 0.0, "parked")
    source = ScenarioSource(scenario(agents=(car,)), road)
    agents, vehicle = source.reset().agents[-1:], EgoVehicle()
    touch = agents["pos"][0, 0] - 0.5 * agents["size"][0, 0] - 0.5 * vehicle.length_m - vehicle.rear_axle_to_centre_m
    for gap, meets in ((1e-6, False), (-1e-6, True)):
        ego = EgoState(Pose(touch - gap, 0.0, 0.0, 0, 0, 0))
        assert bool(contacts_with_agents(ego, vehicle, agents)) == meets
    below = EgoState(Pose(touch + 1.0, 0.0, -6.0, 0, 0, 0))
    assert contacts_with_agents(below, vehicle, agents) == []


def test_driver_stops_behind_parked_cars_that_leave_no_way_past(road):
    cars = tuple(AgentSpec(f"car{y}", "car", Spawn(x=110.0, y=y), 0.0, "parked") for y in (0.0, 3.5))
    source = ScenarioSource(scenario(agents=cars, criteria=(Criterion("collision"),)), road)
    drive(source, 20.0)
    assert source.state.tally.collisions == 0 and source.state.ego.speed < 0.1
    assert 85.0 < source.state.bodies[0]["x"] < 105.0


def test_driver_passes_a_parked_car_on_the_lane_beside(road):
    car = AgentSpec("car", "car", Spawn(x=250.0), 0.0, "parked")
    ego = EgoSpec(Spawn(x=170.0), 10.0, 12.0)
    source = ScenarioSource(scenario(ego=ego, agents=(car,), criteria=(Criterion("collision"),)), road)
    track = np.array([f.ego_pose.position for f in drive(source, 14.0)])
    beside = track[np.abs(track[:, 0] - 250.0) < 2.0]
    assert source.state.tally.collisions == 0 and source.state.tally.off_road_s == 0.0
    assert beside[:, 1].min() > 2.0 and abs(track[-1, 1]) < 0.4, "aside while it passes, and back"


def test_collision_and_off_road_are_counted(road):
    car = AgentSpec("car", "car", Spawn(x=60.0), 0.0, "parked")
    criteria = (Criterion("collision"), Criterion("off_road"))
    source = ScenarioSource(scenario(agents=(car,), criteria=criteria), road)
    for _ in range(30):
        source.step(Control(0.0, 2.0), 100_000)
    assert source.state.tally.collisions == 1
    source.reset()
    for _ in range(30):
        source.step(Control(-0.2, 0.0), 100_000)
    assert source.state.tally.off_road_s > 0.5
    row = next(c for c in source.outcome.criteria if c.name == "off_road")
    assert row.actual > 0.5 and not row.success and not row.optional


def test_events_brake_and_cut_in(road):
    left = AgentSpec("left", "car", Spawn(relative_to="ego", ahead_m=15.0, lanes_left=1), 10.0)
    events = (
        Event(Trigger("time", 1.0), (Action("cut_in", "left", direction="right", duration_s=3.0),)),
        Event(Trigger("time", 6.0), (Action("brake", "left", decel_mps2=5.0),)),
    )
    ego = EgoSpec(Spawn(x=200.0), 10.0, 12.0)
    source = ScenarioSource(scenario(ego=ego, agents=(left,), events=events), road)
    frames = drive(source, 15.0)
    track = np.array([f.agents[f.agents["id"] == source.state.bodies[1]["id"]]["pos"][0] for f in frames])
    assert track[0, 1] == pytest.approx(3.5) and track[450, 1] == pytest.approx(0.0, abs=0.05)
    assert np.abs(np.diff(track[:, 1])).max() < 0.03, "smooth, no jump"
    assert source.state.bodies[1]["speed"] == 0.0
    assert source.state.tally.collisions == 0 and source.state.ego.speed < 0.1


def test_spawn_off_road_names_the_field(road):
    with pytest.raises(InputError, match=r"ego\.spawn"):
        ScenarioSource(scenario(ego=EgoSpec(Spawn(x=20.0, y=90.0), 5.0, 10.0)), road)
    with pytest.raises(InputError, match="dt_us"):
        ScenarioSource(scenario(), road).step(Control(), 12_345)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(5, 50))
def test_nobody_overlaps_at_spawn(road, seed, density):
    bodies = ScenarioSource(scenario(seed=seed, traffic=TrafficSpec(density)), road).state.bodies
    bodies = bodies[bodies["mode"] != MotionMode.ABSENT]
    boxes = np.stack([bodies[n] for n in ("x", "y", "yaw", "length", "width")], axis=1)
    assert not any(boxes_overlap(a, b) for a, b in combinations(boxes, 2))


def test_corners_are_those_of_the_box():
    assert np.allclose(np.ptp(box_corners(0, 0, 0, 4, 2), axis=0), (4, 2))
