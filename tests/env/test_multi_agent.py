"""Several vehicles of one world as agents: PettingZoo's checks, and that each is driven and judged as the ego is."""

import warnings

import gymnasium
import numpy as np
import pytest

from uniscene_sim.control import Control
from uniscene_sim.env.endings import EndReason
from uniscene_sim.env.multi_agent import UniSceneParallelEnv
from uniscene_sim.errors import InputError
from uniscene_sim.world.scenario_source import ScenarioSource

TICK_US = 100_000
GO = np.array([0.0, 0.3], np.float32)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing them imports PettingZoo's games
    from pettingzoo.test import parallel_api_test, parallel_seed_test


@pytest.mark.filterwarnings("ignore:options of reset")  # the check sends one that means nothing
def test_it_passes_pettingzoos_checks():
    parallel_api_test(UniSceneParallelEnv(4, "cross_traffic"), num_cycles=40)
    parallel_api_test(UniSceneParallelEnv(["ego", "cutter"], "cut_in", action="meta"), num_cycles=20)
    parallel_seed_test(lambda: UniSceneParallelEnv(3, ["cut_in", "lane_following"]), num_cycles=8)


def test_the_ego_sees_and_gets_what_it_does_alone():
    many = UniSceneParallelEnv(["ego"], "hard_brake")
    alone = gymnasium.make("UniScene-v0", scenario="hard_brake").unwrapped
    options = {"scenario_seed": 5}
    seen, _ = many.reset(seed=0, options=options)
    expected, _ = alone.reset(seed=0, options=options)
    for _ in range(12):
        assert all(np.array_equal(seen["ego"][key], expected[key]) for key in expected)
        seen, rewards, _, _, infos = many.step({"ego": GO})
        expected, reward, _, _, info = alone.step(GO)
        assert rewards["ego"] == reward and infos["ego"]["driven_m"] == info["driven_m"]


def test_a_driven_body_moves_and_is_counted_as_the_ego_is():
    source = ScenarioSource.open("cut_in")
    state = source.state
    bodies = state.bodies.copy()
    bodies[1]["length"], bodies[1]["width"] = 2.8 / 0.6, bodies[0]["width"]  # the ego's wheelbase
    bodies[1]["speed"] = bodies[0]["speed"]
    source.set_state(type(state)(**{**vars(state), "bodies": bodies}))
    before, begin = source.state.ego, source.state.bodies[1].copy()
    for k in range(25):
        control = Control(0.02 * (k % 3 - 1), 1.5 if k < 15 else -3.0)
        source.drive_others({"cutter": control})
        source.step(control, TICK_US)
    ego, other = source.state.ego, source.state.bodies[1]
    assert other["speed"] == pytest.approx(ego.speed, abs=1e-6)
    assert other["yaw"] - begin["yaw"] == pytest.approx(ego.pose.yaw - before.pose.yaw, abs=1e-6)
    (driven,) = source.state.driven
    assert driven.tally.driven_m == pytest.approx(source.state.tally.driven_m, abs=0.02)
    assert driven.tally.collisions == source.state.tally.collisions == 0


def test_what_agents_do_wrong_ends_their_part_and_they_leave():
    env = UniSceneParallelEnv(["ego", "cutter"], "cut_in")
    env.reset(seed=0)
    ended = {}
    while env.agents:
        actions = {"ego": np.array([0.0, -0.2], np.float32), "cutter": np.array([-1.0, 0.5], np.float32)}
        _, rewards, terminated, truncated, infos = env.step(actions)
        ended |= {name: (infos[name], rewards[name]) for name in terminated if terminated[name] or truncated[name]}
    info, reward = ended["cutter"]
    assert info["end_reason"] == EndReason.OFF_ROAD and info["off_road_s"] > 0.0
    assert not info["is_success"] and reward < -5.0
    assert ended["ego"][0]["end_reason"] == EndReason.TIME_LIMIT and ended["ego"][0]["is_success"]
    assert not np.isin(env._source.state.bodies[1]["id"], env._views["ego"].recent_layouts[-1].agents["id"])


def test_two_agents_that_collide_are_both_told():
    env = UniSceneParallelEnv(["ego", "leader"], "hard_brake", terminate_on=())
    env.reset(seed=0)
    for _ in range(40):
        actions = {"ego": np.array([0.0, 1.0], np.float32), "leader": np.array([0.0, -1.0], np.float32)}
        infos = env.step(actions)[-1]
    assert infos["ego"]["collisions"] == infos["leader"]["collisions"] == 1


def test_traffic_reacts_to_agents_and_a_state_with_them_is_saved():
    source = ScenarioSource.open("cross_traffic")
    source.drive_others({"#" + str(source.state.bodies[1]["id"]): Control(0.1, 1.0)})
    source.step(Control(0.0, 1.0), TICK_US)
    state = source.get_state()

    def go_on():
        for _ in range(20):
            source.step(Control(0.0, 1.0), TICK_US)
        return source.state

    first = go_on()
    source.reset()
    source.set_state(state)
    again = go_on()
    assert first.bodies.tobytes() == again.bodies.tobytes() and first.driven == again.driven


def test_what_cannot_be_an_agent_is_told():
    with pytest.raises(InputError, match=r"no agent 'nobody'; expected some of cutter"):
        UniSceneParallelEnv(["nobody"], "cut_in").reset()
    with pytest.raises(InputError, match="no vehicle that drives"):
        ScenarioSource.open("child_from_behind_parked_car").drive_others({"child": Control()})
    with pytest.raises(InputError, match="needs sensors"):
        UniSceneParallelEnv(2, observations=["rgb"])
    env = UniSceneParallelEnv(["ego", "cutter"], "cut_in")
    env.reset(seed=1)
    with pytest.raises(InputError, match="cutter has none"):
        env.step({"ego": GO})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.step({"ego": GO, "cutter": GO})


def test_episodes_are_drawn_as_those_of_one_agent():
    env = UniSceneParallelEnv(2, "cut_in", parameters={"gap_m": 9.5, "weather": "fog"})
    infos = env.reset(seed=3)[1]
    assert infos["ego"]["drawn_gap_m"] == 9.5 and infos["ego"]["drawn_cutter_speed"] > 0
    infos = env.reset(options={"parameters": {"gap_m": 11}, "scenario_seed": 5})[1]
    assert infos["ego"]["drawn_gap_m"] == 11 and infos["ego"]["scenario_seed"] == 5
    towns = UniSceneParallelEnv(2, map="town", split="test", parameters={"vehicles_per_km": [6, 8]})
    first = towns.reset(seed=1)[1]
    assert first["ego"]["scenario_seed"] >= 2**31 and 6 <= first["ego"]["drawn_vehicles_per_km"] <= 8
    assert len(towns.agents) == 2
    towns.step({name: towns.action_space(name).sample() for name in towns.agents})
    with pytest.raises(InputError, match=r"rig: expected some of map, towns, lanes, split, parameters"):
        UniSceneParallelEnv(2, rig="rl")
    with pytest.raises(InputError, match="parameters: no parameter 'gap'"):
        UniSceneParallelEnv(2, "cut_in", parameters={"gap": 3})
