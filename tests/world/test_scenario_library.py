"""Each scenario of the library ends well with the built-in driver, on three seeds, and what its name says happens."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

NAMES = tuple(sorted(p.stem for p in data_dir("scenarios").glob("*.yaml")))


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
    assert source.outcome.status == "SUCCESS", source.outcome


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


def test_the_library_has_twelve():
    assert len(NAMES) >= 12


def test_child_is_out_of_sight_first_and_makes_the_ego_brake_hard():
    source, ego, _, _ = drive("child_from_behind_parked_car")
    child, van = source._rows["child"], source._rows["van"]
    begin = source._begin.state.bodies
    assert begin[child]["height"] < 1.3
    # The van stands on the line from the ego to the child.
    a, b = np.array([begin[0]["x"], begin[0]["y"]]), np.array([begin[child]["x"], begin[child]["y"]])
    q = (begin[van]["y"] - a[1]) / (b[1] - a[1])
    assert abs(a[0] + q * (b[0] - a[0]) - begin[van]["x"]) < 1.5
    assert ego[:, 3].min() < -4.0 and source.state.bodies[child]["x"] < -3.0


def test_cyclist_is_overtaken_after_the_oncoming_car():
    source, ego, cyclist, _ = drive("cyclist_overtake")
    gap = np.hypot(*(ego[:, :2] - cyclist[:, :2]).T)
    path = source.map.lanes[1]
    side = [source.map.nearest_lane(x, y, None, None)[0] for x, y in ego[:, :2]]
    assert path.index in side and any(i != path.index for i in side), "out onto the other lane"
    assert gap.min() > 2.0
    s = [source.map.graph.nearest(x, y, None, None, ("driving",)) for x, y in (ego[-1, :2], cyclist[-1, :2])]
    assert s[0][0] == path.index and s[0][1] > s[1][1] + 5.0, "and back ahead of the cyclist"


def test_merge_ends_on_the_motorway():
    source, ego, _, _ = drive("motorway_merge")
    begin = source.map.lanes[source.map.nearest_lane(*ego[0, :2])[0]]
    end = source.map.lanes[source.map.nearest_lane(*ego[-1, :2])[0]]
    assert begin.key[0] == "4" and end.key[0] == "3" and end.key[2] == -4


def test_closed_lane_is_left_and_taken_again():
    source, ego, _, _ = drive("construction_zone")
    lanes = [source.map.nearest_lane(x, y)[0] for x, y in ego[:, :2]]
    digger = source.state.bodies[source._rows["digger"]]
    beside = int(np.abs(ego[:, 0] - digger["x"]).argmin())
    keys = [source.map.lanes[i].key[2] for i in (lanes[0], lanes[beside], lanes[-1])]
    assert keys == [-4, -3, -4]


def test_roundabout_is_driven_round():
    source, ego, _, _ = drive("roundabout_entry")
    angle = np.unwrap(np.arctan2(ego[:, 1], ego[:, 0]))
    near = np.hypot(ego[:, 0], ego[:, 1]) < 20.0
    assert near.any() and 0.9 * np.pi < angle[near][-1] - angle[near][0] < 1.6 * np.pi, "to the third exit"
    assert source.outcome.status == "SUCCESS"


def test_cross_traffic_goes_first():
    _, ego, from_left, _ = drive("cross_traffic")
    assert ego[:, 2].min() < 0.5, "the ego waits at the yield sign"
    enters = int((ego[:, 1] > 170.0).argmax())
    assert from_left[enters, 0] > 95.0, "the car from the left is past by then"


def test_rainy_night_is_dark_and_the_leader_brakes():
    source, ego, leader, _ = drive("rainy_night")
    assert source.scenario.style.weather == "rain" and source.scenario.style.time_of_day_h > 21
    assert leader[:, 2].min() < 0.5 and ego[:, 3].min() < -2.0
