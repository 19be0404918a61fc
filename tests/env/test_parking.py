"""Parking: the reverse gear, what gymnasium-robotics and HER ask of goals, and that the task can be solved."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.control import Control
from uniscene_sim.env.endings import EndReason, EpisodeOutcome
from uniscene_sim.env.parking import GOAL, parked
from uniscene_sim.env.parking_street import bay_of
from uniscene_sim.errors import InputError
from uniscene_sim.world.scenario_source import ScenarioSource

TICK_US = 100_000
_SCALE = np.array(list(GOAL.values()))


@pytest.fixture(scope="module")
def env():
    return gymnasium.make("UniSceneParking-v0").unwrapped


def park(env, seed):
    """Drive beside the front car, back on two arcs with full lock, and to the middle; whether it stands there, and for
    how many steps it touched something or was off the road."""
    radius, axle = 2.8 / np.tan(0.6), 1.35
    observation, info = env.reset(seed=seed)
    back = 0.5 * bay_of(env.worlds.episodes[0].seed).length_m - 2.3 - 0.35  # how far behind the middle the arcs end
    phase, bend, violations, over = 0, 0.0, 0.0, False
    while not over:
        x, y, vx, vy, c, s = observation["achieved_goal"] * _SCALE
        to_x, to_y = observation["desired_goal"][:2] * _SCALE[:2]
        turn, speed, wheels = np.arctan2(s, c), vx * c + vy * s, observation["observation"][6]
        straight = -3.0 * turn * np.sign(speed)
        if phase == 0:
            bend = np.arccos(1.0 - (y - axle * s - to_y) / (2.0 * radius))
            left = to_x - back - axle + radius * (2.0 * np.sin(bend) - np.sin(turn)) - (x - axle * c)
            steer, wanted = straight, np.clip(left, -2.0, 2.0)
            phase = int(abs(left) < 0.15 and abs(speed) < 0.2)
        if phase == 1 and turn > bend - 0.01:
            phase = 2
        if phase == 2 and turn < 0.02:
            phase = 3
        if phase in (1, 2):
            steer = -1.0 if phase == 1 else 1.0
            left = radius * (bend - turn if phase == 1 else turn)
            wanted = (
                -np.clip(0.8 * left, 0.15, 1.2) if abs(wheels - steer) < 0.02 else 0.0
            )  # wheels turn where it stands
        if phase == 3:
            steer, wanted = straight, np.clip(to_x - x, -0.8, 0.8)
        accel = np.clip((wanted - speed) / 0.4, -1.5, 1.5) / 3.5
        action = np.clip([steer, accel], -1.0, 1.0).astype(np.float32)
        observation, _, terminated, truncated, info = env.step(action)
        violations += info["violation"]
        over = terminated or truncated
    return info["is_success"], violations


def test_it_is_a_goal_environment_as_gymnasium_checks_them():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*(infinity|-inf|inf).*")
        check_env(gymnasium.make("UniSceneParking-v0").unwrapped, skip_render_check=True)


def test_rewards_are_those_of_compute_reward_for_one_and_for_many(env):
    observation, info = env.reset(seed=3)
    achieved, desired, infos, rewards = [], [], [], []
    for k in range(6):
        observation, reward, _, _, info = env.step(np.array([0.2, 1.0 if k < 3 else -1.0], np.float32))
        achieved.append(observation["achieved_goal"])
        desired.append(observation["desired_goal"])
        infos.append(info)
        rewards.append(reward)
    many = env.compute_reward(np.stack(achieved), np.stack(desired), infos)
    assert many.shape == (6,) and np.array_equal(many, rewards)
    assert np.array_equal(env.compute_reward(np.stack(achieved), np.stack(desired), [{}] * 6) <= 0.0, [True] * 6)
    assert env.compute_reward(desired[0], desired[0], {}) == 0.0 and parked(desired[0], desired[0])
    assert env.compute_reward(desired[0], desired[0], {"violation": 1.0}) == -1.0
    shifted = desired[0] + np.array([0.6, 0, 0, 0, 0, 0]) / _SCALE
    assert not parked(shifted, desired[0])


def test_seeds_differ_in_goal_and_start(env):
    first, again, other = (env.reset(seed=seed)[0] for seed in (5, 5, 6))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["desired_goal"], other["desired_goal"])
    assert not np.array_equal(first["achieved_goal"], other["achieved_goal"])


def test_it_can_be_parked_backwards(env):
    ends = [park(env, seed) for seed in range(4)]
    assert all(success == 1.0 and violations == 0.0 for success, violations in ends)


def test_the_reverse_gear_drives_back_brakes_and_ends_at_its_limit():
    source = ScenarioSource.open("lane_following")
    begin = source.state.ego.pose
    for _ in range(30):
        source.step(Control(0.0, -8.0), TICK_US)
    stood = source.state.ego
    assert stood.speed == 0.0
    for _ in range(30):
        source.step(Control(0.0, 2.0, reverse=True), TICK_US)
    back = source.state.ego
    assert back.speed == pytest.approx(-5.0) and source.state.bodies[0]["speed"] == back.speed
    moved = np.array([back.pose.x - stood.pose.x, back.pose.y - stood.pose.y])
    assert moved @ [np.cos(stood.pose.yaw), np.sin(stood.pose.yaw)] < -5.0
    for _ in range(20):  # into the forward gear while rolling back: brakes first
        source.step(Control(0.0, 3.0), TICK_US)
        assert source.state.ego.speed >= back.speed - 0.1  # its acceleration lags
    assert source.state.ego.speed > -1.0
    for _ in range(20):
        source.step(Control(0.0, -8.0, reverse=True), TICK_US)
    assert source.state.ego.speed == 0.0 and begin != source.state.ego.pose
    with pytest.raises(InputError, match="true or false"):
        Control(reverse=1.5)


def test_her_of_stable_baselines_runs():
    sb3 = pytest.importorskip("stable_baselines3")
    short = gymnasium.make("UniSceneParking-v0", max_episode_steps=12)
    agent = sb3.SAC(
        "MultiInputPolicy", short, replay_buffer_class=sb3.HerReplayBuffer,
        replay_buffer_kwargs={"copy_info_dict": True, "n_sampled_goal": 4}, learning_starts=26, batch_size=32,
        policy_kwargs={"net_arch": [32, 32]}, seed=0,
    )  # fmt: skip
    agent.learn(30)
    assert agent.replay_buffer.pos == 30
    sampled = agent.replay_buffer.sample(32)
    assert (sampled.rewards <= 0.0).all() and float(sampled.rewards.min()) < float(sampled.rewards.max())


def test_who_drives_on_is_stopped_and_has_not_parked(env):
    env.reset(seed=0)
    over = False
    while not over:
        _, _, terminated, truncated, info = env.step(np.array([0.0, 0.25], np.float32))
        over = terminated or truncated
    assert truncated and not terminated
    assert info["outcome"] == EpisodeOutcome.FAILURE and info["end_reason"] == EndReason.TIME_LIMIT


def test_a_state_has_the_info_of_a_step(env):
    _, first = env.reset(seed=1)
    state = env.get_state()
    info = env.step(np.zeros(2, np.float32))[-1]
    assert info.keys() == first.keys() == env.set_state(state)[1].keys()


@pytest.mark.parametrize("name", ["map", "source", "scenario", "reward"])
def test_what_makes_it_parking_is_not_to_be_set(name):
    with pytest.raises(InputError, match=name):
        gymnasium.make("UniSceneParking-v0", **{name: "town"})
