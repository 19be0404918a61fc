"""Replayed agents: logs of any length, headings that wheels could have, exact restores."""

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from tests.world.three_lanes import on_lane, scene, states
from uniscene_sim.scenario import Action, AgentSpec, EgoSpec, Event, Spawn, Trigger
from uniscene_sim.world.scenario_source import ScenarioSource


def replay(*rows: tuple[float, float, float], cls: str = "car", yaw_deg: float = 0.0) -> AgentSpec:
    spawn = Spawn(x=rows[0][1], y=rows[0][2], yaw_deg=yaw_deg, free=True)
    return AgentSpec("log", cls, spawn, 0.0, "trajectory", trajectory=rows)


def test_a_trajectory_of_a_minute_plays_to_its_end():
    log = replay((0, 100, -1.75), (10, 200, -1.75), (25, 200, -1.75), (60, 550, -1.75))
    for state in states(scene((log,), 62.0)):
        t, body = state.time_us * 1e-6, state.bodies[1]
        assert body["x"] == pytest.approx(np.interp(t, [0, 10, 25, 60], [100, 200, 200, 550]), abs=1e-6)
        assert body["yaw"] == 0.0, "where it stands, too"
    assert state.time_us == 62_000_000 and body["speed"] == 0.0


@pytest.mark.parametrize("at", [30.0, 45.0, 120.0])
def test_an_action_may_begin_a_trajectory_at_any_time(at):
    action = Action("follow_trajectory", "car", trajectory=((0.0, 100.0, -1.75), (20.0, 300.0, -1.75)))
    source = scene((on_lane("car", 100.0, 0),), at + 22.0, events=(Event(Trigger("time", at), (action,)),))
    for state in states(source):
        t = state.time_us * 1e-6
        assert state.bodies[1]["x"] == pytest.approx(np.clip(100.0 + 10.0 * (t - at), 100.0, 300.0), abs=1e-6)
    assert state.bodies[1]["x"] == 300.0


def ten_minutes() -> AgentSpec:
    """12,000 rows at 20 Hz: up and down, with two stops of a minute."""
    t = 0.05 * np.arange(12_000)
    x = 700.0 + 500.0 * np.sin(np.interp(t, [0, 200, 260, 400, 460, 600], [0, 8, 8, 14, 14, 20]))
    return replay(*zip(t.tolist(), x.tolist(), (-1.75 + 0.2 * np.sin(t)).tolist(), strict=True))


def test_a_log_of_ten_minutes_costs_no_more_than_a_car():
    log, car = scene((ten_minutes(),), 600.0), scene((on_lane("car", 200.0, 0, 5.0),), 600.0)
    assert len(log._begin.tracks.rows) >= 12_000
    for name in ("bodies", "paths", "counts"):
        assert getattr(log.state, name).nbytes == getattr(car.state, name).nbytes, "the log is no part of the state"
    took = []
    for source in (log, car):
        list(states(source, 2.0))
        begin = process_time()
        list(states(source, 20.0))
        took.append(process_time() - begin)
    print(f"200 ticks: log {took[0]:.3f} s, car {took[1]:.3f} s")
    assert took[0] < 2.0 * took[1] + 0.2
    t, x, y = np.array(log.scenario.agents[0].trajectory).T
    for late_s in (250, 598):
        log.set_state(replace(log.get_state(), time_us=late_s * 1_000_000))
        frame = log.step(log.driver_control(), 1_010_000)[-1]
        now = frame.stamp_us * 1e-6
        assert frame.agents["pos"][-1, :2] == pytest.approx((np.interp(now, t, x), np.interp(now, t, y)), abs=1e-6)


def test_a_restored_replay_goes_on_bit_for_bit():
    action = Action(
        "follow_trajectory", "car", trajectory=((0.0, 101.0, -1.75), (9.0, 180.0, -4.0), (30.0, 200.0, -4.0))
    )
    events = (Event(Trigger("time", 50.0), (action,)),)
    one = scene((on_lane("car", 100.0, 0),), 100.0, events=events)
    list(states(one, 53.0))
    saved = one.get_state()
    two = ScenarioSource(one.scenario, one.map)
    two.set_state(replace(saved, bodies=saved.bodies.copy()))
    list(states(one, 10.0)), list(states(two, 10.0, 50_000))
    assert one.state.bodies["x"][1] > 170.0 and one.state.bodies.tobytes() == two.state.bodies.tobytes()


def headings(agent: AgentSpec, seconds: float) -> np.ndarray:
    return np.unwrap([state.bodies[1]["yaw"] for state in states(scene((agent,), seconds), step_us=10_000)])


def test_heading_follows_the_way_round_corners_and_never_jumps():
    corner = replay((0, 100, -40), (10, 150, -40), (20, 150, -90))
    yaw = headings(corner, 20.0)
    assert yaw[0] == 0.0 and yaw[-1] == pytest.approx(-np.pi / 2) and np.abs(np.diff(yaw)).max() < 0.1


def test_a_car_drives_backwards_after_a_cusp_and_a_person_turns_round():
    rows = (0, 100, -40), (10, 120, -40), (20, 100, -40)
    assert not headings(replay(*rows), 20.0).any()
    states_ = list(states(scene((replay(*rows),), 20.0)))
    assert states_[50].bodies[1]["speed"] == 2.0 and states_[150].bodies[1]["speed"] == -2.0
    assert abs(headings(replay(*rows, cls="pedestrian"), 20.0)[-1]) == pytest.approx(np.pi)


def test_noise_of_a_log_turns_no_car_that_stands():
    noise = np.random.default_rng(1).normal(0.0, 0.02, (400, 2))
    stands = [(5.0 + 0.05 * (k + 1), 110.0 + dx, -40.0 + dy) for k, (dx, dy) in enumerate(noise.tolist())]
    yaw = headings(replay((0, 100, -40), (5, 110, -40), *stands, (30, 130, -40)), 30.0)
    assert np.abs(yaw).max() < 0.1


def test_the_ego_drives_a_long_log_too():
    rows = ((0.0, 50.0, -5.25), (10.0, 50.0, -5.25), (50.0, 150.0, -5.25), (65.0, 150.0, -5.25), (75.0, 200.0, -5.25))
    ego = EgoSpec(Spawn(x=50.0, y=-5.25, yaw_deg=0.0), 0.0, 5.0, trajectory=rows)
    source = scene((), 80.0, ego=ego)
    t, x, _ = np.array(rows).T
    for state in states(source):
        assert abs(state.ego.pose.x - np.interp(state.time_us * 1e-6, t, x)) < 2.0
    assert state.ego.speed < 0.1


def test_a_trajectory_that_begins_elsewhere_is_told_and_left_out():
    for rows, why in (
        (((0.0, 150.0, -1.75), (5.0, 180.0, -1.75)), "50.0 m from where it is"),
        (((0.0, 100.0, -1.75), (5.0, 100.0, -9.0)), "sideways"),
    ):
        events = (Event(Trigger("time", 1.0), (Action("follow_trajectory", "car", trajectory=rows),)),)
        source = scene((on_lane("car", 100.0, 0),), 5.0, events=events)
        with pytest.warns(UserWarning, match=rf"events\[0\]\.actions\[0\]: follow_trajectory of 'car'.*{why}"):
            *_, state = states(source)
        assert state.bodies[1]["x"] == 100.0
