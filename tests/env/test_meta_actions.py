"""Meta-actions: what they do on the road, which can be taken, and that their state is saved."""

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env.meta_actions import Meta
from uniscene_sim.env.state_vectors import left_of_route
from uniscene_sim.errors import InputError
from uniscene_sim.scenario_files.read import ScenarioFile, find_scenario


@pytest.fixture(scope="module")
def env():
    usual = {name: one.value for name, one in ScenarioFile(find_scenario("cut_in")).parameters.items()}
    return gymnasium.make("UniScene-v0", scenario="cut_in", action="meta", terminate_on=(), parameters=usual).unwrapped


def aside(env):
    progress = env.worlds._progress[0]
    return left_of_route(progress.bodies, progress.paths, progress.counts)


def drive(env, *actions):
    for action in actions:
        _, _, _, _, info = env.step(action)
    return info


def test_a_lane_change_goes_to_the_neighbouring_lane_and_back(env):
    _, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == [0, 1, 1, 1, 1]  # on the left lane of an avenue
    assert env.get_available_actions() == [1, 2, 3, 4] and env.action_space.sample(info["action_mask"]) != 0
    info = drive(env, Meta.LANE_RIGHT, *[Meta.IDLE] * 40)
    assert aside(env) == pytest.approx(-3.5, abs=0.3) and info["action_mask"].tolist() == [1, 1, 0, 1, 1]
    info = drive(env, Meta.LANE_LEFT, *[Meta.IDLE] * 35)
    assert aside(env) == pytest.approx(0.0, abs=0.5)
    assert info["off_road_s"] == 0.0


def test_faster_and_slower_reach_set_points_and_stand(env):
    env.reset(seed=0)
    assert drive(env, Meta.FASTER, *[Meta.IDLE] * 25)["speed_mps"] == pytest.approx(9.0, abs=0.2)
    env.reset(seed=0)
    info = drive(env, *[Meta.SLOWER] * 50)
    assert info["speed_mps"] < 0.1 and info["action_mask"][Meta.SLOWER] == 0


def test_what_cannot_be_done_is_idle(env):
    env.reset(seed=0)
    left = [env.step(Meta.LANE_LEFT)[0]["ego"] for _ in range(10)]
    env.reset(seed=0)
    idle = [env.step(Meta.IDLE)[0]["ego"] for _ in range(10)]
    assert np.array_equal(left, idle)
    with pytest.raises(InputError, match="below 5"):
        env.step(5)


def test_a_lane_change_under_way_is_saved_bit_for_bit(env):
    env.reset(seed=0)
    drive(env, Meta.LANE_RIGHT, *[Meta.IDLE] * 5)
    state = env.get_state()
    first = [env.step(Meta.IDLE)[0]["ego"] for _ in range(15)]
    env.reset(seed=1)
    env.set_state(state)
    again = [env.step(Meta.IDLE)[0]["ego"] for _ in range(15)]
    assert np.array_equal(first, again) and not np.array_equal(first[0], first[-1])


def test_many_worlds_have_a_mask_each():
    worlds = gymnasium.make_vec("UniScene-v0", num_envs=2, scenario=["cut_in", "lane_following"], action="meta")
    _, info = worlds.reset(seed=[0, 3])
    assert info["action_mask"].shape == (2, 5) and info["action_mask"].dtype == np.int8
    info = worlds.step(np.array([Meta.FASTER, Meta.SLOWER]))[-1]
    assert info["action_mask"].shape == (2, 5) and (info["action_mask"][:, Meta.IDLE] == 1).all()


def test_other_actions_have_no_mask():
    env = gymnasium.make("UniScene-v0", action="discrete").unwrapped
    assert "action_mask" not in env.reset(seed=0)[1] and env.action_masks().all()
    with pytest.raises(InputError, match="discrete"):
        gymnasium.make("UniScene-v0").unwrapped.action_masks()
