"""Time to collision: by boxes and paths, the same for triggers, criteria, `info` and rewards."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from tests.world.plain_world import time_to_collision as plain_ttc
from tests.world.three_lanes import on_lane, scene, states
from uniscene_sim.control import Control
from uniscene_sim.env.reward import WEIGHTS
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import Action, AgentSpec, Criterion, EgoSpec, Event, Spawn, Trigger
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.time_to_collision import HORIZON_S

BRAKES = (Action("brake", "witness"),)


def fires(*agents: AgentSpec, value: float = 2.0, seconds: float = 12.0, ego_mps: float = 20.0) -> float | None:
    """When the trigger `ttc` of the ego, which does not brake, and an agent fires, s; None where it does not."""
    event = Event(Trigger("ttc", value, "ego", agents[0].name), BRAKES)
    source = scene((*agents, on_lane("witness", 600.0, 3)), seconds, ego_mps, events=(event,))
    for _ in range(round(seconds / 0.1)):
        for frame in source.step(Control(), 100_000):
            if source.state.fired[0]:
                return frame.stamp_us * 1e-6
    return None


@pytest.mark.parametrize("agent", [
    on_lane("other", 130.0, 2, 10.0), on_lane("other", 130.0, 0, 10.0), on_lane("other", 330.0, 3, 10.0),
    on_lane("other", 130.0, 0, 0.0, "parked"), on_lane("other", 20.0, 1, 10.0),
])  # fmt: skip
def test_bodies_in_other_lanes_and_slower_ones_behind_never_collide(agent):
    assert fires(agent) is None


@pytest.mark.parametrize("speed", [0.0, 10.0])
def test_behind_a_slower_one_it_fires_when_theory_says(speed):
    front = 50.0 + 1.35 + 2.3  # of the ego: base_link is at 50
    gap = 150.0 - 2.25 - front
    at = fires(on_lane("other", 150.0, 1, speed))
    assert at is not None and gap / (20.0 - speed) - 2.0 == pytest.approx(at, abs=0.1)


def test_one_that_comes_from_behind_counts_and_one_that_cuts_in():
    assert fires(on_lane("other", 10.0, 1, 30.0), ego_mps=10.0) is not None
    change = Event(Trigger("time", 1.0), (Action("cut_in", "other", direction="left"),))
    source = scene((on_lane("other", 90.0, 2, 12.0),), 6.0, 20.0, events=(change,))
    ttc = {s.time_us // 100_000: s.tally.ttc_s for s in states(source)}
    assert ttc[9] == np.inf and ttc[11] < 5.0, "from the moment that its way leads into that of the ego"


def test_cross_traffic_is_seen_and_a_walker_on_the_pavement_is_not():
    crossing = AgentSpec("other", "car", Spawn(x=150.0, y=-60.0, yaw_deg=90.0, free=True), 11.0, "constant")
    assert fires(crossing, value=5.0, seconds=4.0) is not None
    walker = AgentSpec("other", "pedestrian", Spawn(x=100.0, y=-12.0, yaw_deg=180.0, free=True), 1.4, "walk")
    assert fires(walker, value=10.0) is None


def test_replayed_agents_are_predicted_by_their_trajectories():
    rows = ((0.0, 200.0, -1.75), (3.0, 200.0, -1.75), (5.0, 205.0, -5.25), (60.0, 206.0, -5.25))
    agent = on_lane("other", 200.0, 0, 0.0, "trajectory", trajectory=rows)
    source = scene((agent,), 5.0, 20.0)
    first = next(states(source))
    assert first.tally.ttc_s == pytest.approx((203.0 - 2.25 - 55.65) / 20.0, abs=0.5), "before it has moved"


def test_neighbours_in_a_bend_do_not_collide():
    angle = np.linspace(0.0, 1.5 * np.pi, 600)

    def lane(index: int, radius: float, **beside: int) -> Lane:
        centre = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
        return Lane(index=index, key=(1, 0, index), kind="driving", centre=centre, heading=angle + np.pi / 2,
                    width=np.full(600, 3.5), left_mark="broken", right_mark="broken",
                    speed_limit_mps=12.0, **beside)  # fmt: skip

    bend = VectorMap("bend", (lane(0, 60.0, right=1), lane(1, 63.5, left=0)))
    other = AgentSpec("other", "car", Spawn(x=63.5 * np.cos(0.5), y=63.5 * np.sin(0.5)), 4.0, "constant")
    spec = replace(scene((), 12.0).scenario, ego=EgoSpec(Spawn(x=60.0, y=2.0), 10.0, 10.0), agents=(other,))
    source = ScenarioSource(spec, bend)
    assert all(s.tally.ttc_s == np.inf for s in states(source)) and source.state.bodies[0]["s"] > 90.0


def test_it_agrees_with_the_plain_reference_and_ends_in_contact():
    source = scene((on_lane("a", 140.0, 1, 5.0), on_lane("b", 120.0, 0, 9.0)), 12.0, 20.0)
    before = np.inf
    while not source.state.tally.collisions:
        source.step(Control(0.002, 1.0), 100_000)
        state = source.state
        plain = min(plain_ttc(state, 0, 1), plain_ttc(state, 0, 2))
        assert state.tally.ttc_s == pytest.approx(plain, abs=0.02)
        before, last = state.tally.ttc_s, before
    assert source.state.tally.min_ttc_s == 0.0 and last < 0.2


def test_decks_do_not_meet():
    below = AgentSpec("other", "car", Spawn(x=150.0, y=-5.25, yaw_deg=0.0), 0.0, "parked")
    source = scene((below,), 3.0, 20.0)
    bodies = source.state.bodies.copy()
    bodies["z"][1] -= 6.0
    source.set_state(replace(source.state, bodies=bodies))
    assert next(states(source)).tally.ttc_s == np.inf


def test_trigger_criterion_info_and_reward_are_one():
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", terminate_on=()).unwrapped
    env.reset(seed=1)
    least = np.inf
    for _ in range(60):
        _, _, _, _, info = env.step(np.array([0.0, 0.3], np.float32))
        tally = env.worlds.world(0).source.state.tally
        least = min(least, info["ttc_s"])
        assert info["ttc_s"] == min(tally.ttc_s, HORIZON_S)
        assert info["min_ttc_s"] == min(tally.min_ttc_s, HORIZON_S) == min(least, HORIZON_S)
        rate = -WEIGHTS["time_to_collision"] * (tally.ttc_s < 0.95)
        assert info["reward_time_to_collision"] == pytest.approx(0.1 * rate), "per second, for a tenth"
    assert least < 0.95
    event = Event(Trigger("ttc", 3.0, "ego", "other"), BRAKES)
    agents = on_lane("other", 150.0, 1, 10.0), on_lane("witness", 600.0, 3)
    source = scene(agents, 12.0, 20.0, events=(event,), criteria=(Criterion("min_ttc", 1.0),))
    for state in states(source):
        assert state.fired[0] == (state.tally.min_ttc_s <= 3.0)
    assert source.outcome.criteria[0].actual == round(state.tally.min_ttc_s, 3)
