"""Many worlds as other libraries' vector environments, and each world by itself."""

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.edit import ChangeStyle
from uniscene_sim.errors import InputError

SCENARIOS = ["cut_in", "hard_brake"]


def test_each_world_has_attributes_and_methods():
    env = gymnasium.make_vec("UniScene-v0", 2, scenario=SCENARIOS, render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    assert env.get_attr("scenarios") == (tuple(SCENARIOS),) * 2 and env.call("render_mode") == ("rgb_array",) * 2
    env.set_attr("task", ["a", "b"])
    assert env.get_attr("task") == ("a", "b")
    env.set_attr("task", 3)
    assert env.call("task") == (3, 3)
    states = env.call("get_state")
    env.step(np.zeros((2, 2), np.float32))
    env.call("edit", ChangeStyle(weather="rain"))
    assert env.call("info")[0]["driven_m"] > 0.0
    for one, state in zip(env.call("unwrapped"), states, strict=True):
        one.set_state(state)
    assert [info["driven_m"] for info in env.call("info")] == [0.0, 0.0]
    with pytest.raises(InputError, match="values: expected 2"):
        env.set_attr("task", [1])
    with pytest.raises(AttributeError, match="a world has no 'step'"):
        env.call("step")


def test_a_world_has_what_a_single_env_has_of_its_own():
    settings = {"scenario": "cut_in", "action": "meta"}
    single = gymnasium.make("UniScene-v0", **settings).unwrapped
    env = gymnasium.make_vec("UniScene-v0", 2, **settings).unwrapped
    single.reset(seed=6)
    env.reset(seed=5)
    one = env.world(1)
    assert one.drawn == single.drawn != env.world(0).drawn
    assert one.expert_action() == single.expert_action()
    assert one.action_masks().tolist() == single.action_masks().tolist()
    assert one.get_available_actions() == single.get_available_actions()
    with pytest.raises(InputError, match="manners: expected Manners"):
        one.expert_action("careful")


def test_a_state_of_a_single_env_goes_on_in_a_world():
    single = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="cut_in", autoreset_mode="Disabled").unwrapped
    seen, _ = single.reset(seed=4)
    env.reset(seed=0)
    assert all(np.array_equal(seen[key], value) for key, value in env.world(1).set_state(single.get_state()).items())
    ahead = np.array([0.0, 0.5], np.float32)
    assert np.array_equal(single.step(ahead)[0]["agents"], env.step(np.stack([ahead, ahead]))[0]["agents"][1])


def test_scenario_and_options_for_each_world():
    usual = [{"scenario": name} for name in SCENARIOS]
    env = gymnasium.make_vec(
        "UniScene-v0", 2, scenario=SCENARIOS, world_options=usual, max_episode_steps=2, autoreset_mode="SameStep"
    )
    assert env.reset(seed=0)[1]["scenario"].tolist() == [0, 1]
    for _ in range(6):  # also after resets that nobody asks for
        assert env.step(np.zeros((2, 2), np.float32))[4]["scenario"].tolist() == [0, 1]
    swapped = [{"scenario": "hard_brake", "scenario_seed": 7}, {"scenario": "cut_in"}]
    info = env.reset(options=swapped)[1]
    assert info["scenario"].tolist() == [1, 0] and info["scenario_seed"][0] == 7
    with pytest.raises(InputError, match="options: expected 2, one for each world"):
        env.reset(options=[{}])
    with pytest.raises(InputError, match=r"options\.scenario"):
        gymnasium.make_vec("UniScene-v0", 2, scenario=SCENARIOS, world_options=[{}, {"scenario": "red_light"}])


def test_stable_baselines3_has_all_worlds_in_one_process():
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from uniscene_sim.env.adapters.stable_baselines3 import UniSceneVecEnv

    settings = {"scenario": "cut_in", "max_episode_steps": 5}
    ours = UniSceneVecEnv(2, **settings)
    theirs = DummyVecEnv([lambda: gymnasium.make("UniScene-v0", **settings)] * 2)
    for env in (ours, theirs):
        env.seed(3)
    mine, its = ours.reset(), theirs.reset()
    assert mine.keys() == its.keys() and ours.reset_infos == theirs.reset_infos
    rng = np.random.default_rng(0)
    for k in range(8):
        actions = rng.uniform(-0.1, 1.0, (2, 2)).astype(np.float32)
        (mine, rewards, done, infos), (its, their_rewards, their_done, their_infos) = (
            ours.step(actions),
            theirs.step(actions),
        )
        assert all(np.array_equal(mine[key], its[key]) for key in its)
        assert np.array_equal(rewards, their_rewards) and np.array_equal(done, their_done) and done.all() == (k == 4)
        for info, their in zip(infos, their_infos, strict=True):
            last, their_last = info.pop("terminal_observation", {}), their.pop("terminal_observation", {})
            assert last.keys() == their_last.keys() and all(np.array_equal(last[key], their_last[key]) for key in last)
            assert info == their
        assert ours.reset_infos == theirs.reset_infos
    assert ours.env_method("get_state", indices=[1])[0].steps == 3 and ours.get_attr("scenarios", 0) == [("cut_in",)]
    ours.set_attr("task", 4, indices=0)
    assert (
        ours.has_attr("scenarios")
        and ours.get_attr("task", 0) == [4]
        and ours.env_is_wrapped(VecMonitor) == [False] * 2
    )
    model = PPO("MultiInputPolicy", VecMonitor(ours), n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu")
    model.learn(32)
    assert len(model.ep_info_buffer) >= 4 and {info["l"] for info in model.ep_info_buffer} == {5}
