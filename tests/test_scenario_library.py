"""Each scenario of the library ends well with the built-in driver, on three seeds, and what its name says happens."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from uniscene_sim.world.opendrive import load_map
from uniscene_sim.world.scenario import find_scenario, load_scenario
from uniscene_sim.world.source import ScenarioSource

NAMES = ("cut_in", "hard_brake", "crossing_pedestrian", "red_light", "oncoming_left_turn")


@cache
def drive(name, seed=None):
    """The source at its end, and each tick's (x, y, speed, accel) of the ego and (x, y, speed) of the first agent."""
    scenario = load_scenario(find_scenario(name))
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    ego, agent, signals = [], [], []
    while not source.done:
        frame = source.step(source.driver_control(), 100_000)[-1]
        state = source.state
        ego.append((state.ego.pose.x, state.ego.pose.y, state.ego.speed, state.ego.accel))
        row = state.bodies[min(1, len(state.bodies) - 1)]
        agent.append((row["x"], row["y"], row["speed"]))
        signals.append(frame.signals)
    return source, np.array(ego), np.array(agent), np.array(signals)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_every_scenario_succeeds(name, seed):
    source = drive(name, seed)[0]
    assert source.outcome["status"] == "SUCCESS", source.outcome


def test_same_seed_same_end():
    first = drive("cut_in")[0].state
    again = drive.__wrapped__("cut_in")[0].state
    assert first.bodies.tobytes() == again.bodies.tobytes() and first.ego == again.ego
    assert drive("cut_in", 1)[0].state.bodies.tobytes() != first.bodies.tobytes()


def test_cut_in_ends_ahead_in_the_ego_lane():
    _, ego, cutter, _ = drive("cut_in")
    assert abs(cutter[0, 1] - ego[0, 1]) > 3.0, "it begins on the lane beside"
    assert abs(cutter[-1, 1] - ego[-1, 1]) < 0.3 and cutter[-1, 0] > ego[-1, 0] + 4.0
    assert ego[:, 3].min() < -2.0, "the ego has to brake"


def test_hard_brake_makes_the_ego_stop_behind():
    _, ego, leader, _ = drive("hard_brake")
    assert leader[-1, 2] < 0.1 and ego[-1, 2] < 0.3
    assert ego[:, 3].min() < -3.0
    assert 4.5 < np.hypot(*(leader[-1, :2] - ego[-1, :2])) < 15.0


def test_pedestrian_crosses_before_the_ego():
    _, ego, walker, _ = drive("crossing_pedestrian")
    inside = np.abs(walker[:, 0] - ego[:, 0]) < 1.0
    assert inside.any() and walker[-1, 0] < 85.0
    assert (ego[inside, 1] + 3.25 < walker[inside, 1]).all(), "the ego's front is short of the walker's way"
    assert ego[inside, 2].min() < 2.0


def test_red_light_is_waited_for():
    source, ego, _, signals = drive("red_light")
    line = next(s for s in source.map.stop_lines if np.hypot(*(s.ends.mean(axis=0)[:2] - (91.75, 68.7))) < 2)
    stood = ego[:, 2] < 0.2
    assert stood.sum() > 10 and (signals[stood, line.signal] == 1).any()
    assert (ego[stood, 1] + 3.65 < line.ends[:, 1].mean()).all(), "its front stays behind the line"
    passed = int(np.argmax(ego[:, 1] + 3.65 > line.ends[:, 1].mean()))
    assert passed > 0 and signals[passed, line.signal] == 3


def test_left_turn_gives_way():
    _, ego, oncoming, _ = drive("oncoming_left_turn")
    turned = int(np.argmax(ego[:, 1] > 1.75))
    assert turned > 0 and oncoming[turned, 0] < ego[turned, 0], "the oncoming car has passed before its lane is crossed"
    assert ego[-1, 1] > 40.0
