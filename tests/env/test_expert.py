"""The built-in driver as a policy: its action in every space, and what it drives by them."""

import json
import runpy
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.control import Control
from uniscene_sim.env.actions import ACTIONS, DiscreteAction, Intention, WaypointAction
from uniscene_sim.errors import InputError
from uniscene_sim.plugins import open_source
from uniscene_sim.recording.capture import capture
from uniscene_sim.rigs.rig_file import load_rig

BASIC = ("continuous", "discrete", "waypoints")


def driven(env, seed):
    """The last info of an episode that the built-in driver drives through the action space."""
    env.reset(options={"scenario_seed": seed})
    while True:
        action = env.expert_action()
        assert env.action_space.contains(action)
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return info


@pytest.mark.parametrize("action", BASIC)
@pytest.mark.parametrize("scenario", ["lane_following", "cut_in", "red_light", "oncoming_left_turn"])
def test_the_driver_succeeds_through_every_action_space(scenario, action):
    env = gymnasium.make("UniScene-v0", scenario=scenario, action=action).unwrapped
    assert driven(env, 1)["is_success"]


def test_every_action_type_has_the_drivers_action():
    assert set(BASIC) <= set(ACTIONS)
    for name in ACTIONS:
        env = gymnasium.make("UniScene-v0", action=name).unwrapped
        env.reset(seed=0)
        assert env.action_space.contains(env.expert_action())


def test_shares_of_the_limits_are_the_drivers_own_control():
    """The episode is the one that the driver itself drives."""
    env = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    env.reset(seed=3)
    world = env.worlds.world(0)
    for _ in range(60):
        wanted = world.source.driver_control()
        got = env.worlds.action.control(env.expert_action(), world.recent_layouts[-1])
        assert got.steer_rad == pytest.approx(wanted.steer_rad, abs=1e-7)
        assert got.accel_mps2 == pytest.approx(wanted.accel_mps2, abs=1e-6)
        env.step(env.expert_action())


def test_discrete_angles_alternate_about_the_wanted_one():
    env = gymnasium.make("UniScene-v0", action="discrete").unwrapped
    env.reset(seed=0)
    kind, steers = DiscreteAction(), []
    for _ in range(60):
        frame = env.worlds.world(0).recent_layouts[-1]
        control = kind.control(kind.action_of(Intention(Control(0.02, 1.4), np.zeros((1, 2))), frame), frame)
        steers.append(control.steer_rad)
        assert control.accel_mps2 == 2.0
        env.step(7)
    assert set(steers) == {0.0, 0.05} and np.mean(steers) == pytest.approx(0.02, abs=0.002)
    wide = kind.control(kind.action_of(Intention(Control(0.5, -20.0), np.zeros((1, 2))), frame), frame)
    assert (wide.steer_rad, wide.accel_mps2) == (0.3, -4.0)


def test_waypoints_lie_on_the_way_at_the_times_that_the_acceleration_gives():
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", action="waypoints").unwrapped
    env.reset(seed=0)
    for _ in range(30):
        env.step(env.expert_action())
    frame, kind = env.worlds.world(0).recent_layouts[-1], WaypointAction()
    speed = float(frame.ego_velocity @ frame.ego_pose.rotation[:, 0])
    assert speed > 5.0
    for accel in (1.0, 0.0, -1.5, -6.0):
        way = frame.ego_pose.apply(np.column_stack([np.arange(120.0), np.zeros((120, 2))]))[:, :2]
        points = kind.control(kind.action_of(Intention(Control(0.0, accel), way), frame), frame).points
        t = np.minimum(kind.TIMES_S, speed / -accel if accel < 0 else np.inf)
        driven_m = np.hypot(*(points[1:, 1:] - frame.ego_pose.position[:2]).T)
        assert driven_m == pytest.approx(speed * t + 0.5 * accel * t**2, abs=0.01)


@pytest.mark.parametrize("action", BASIC)
def test_an_ego_with_a_trajectory_is_driven_along_it(action, tmp_path):
    painted = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "paint_a_map.py"))
    painted["paint"](tmp_path / "bend.npz")
    (tmp_path / "bend.yaml").write_text(json.dumps(painted["scenario"]("bend.npz")))
    env = gymnasium.make("UniScene-v0", scenario=str(tmp_path / "bend.yaml"), action=action).unwrapped
    info = driven(env, 0)
    pose = env.worlds.world(0).recent_layouts[-1].ego_pose
    assert info["is_success"] and info["collisions"] == 0
    assert pose.x == pytest.approx(20.0 + 6.0 * 12.0, abs=3.0)
    assert pose.y == pytest.approx(painted["middle"](np.array(pose.x)) - 2.0, abs=0.6)


def test_many_worlds_have_what_each_alone_has():
    for action in BASIC:
        worlds = gymnasium.make_vec("UniScene-v0", num_envs=2, action=action, scenario="cut_in")
        worlds.reset(seed=5)
        alone = [gymnasium.make("UniScene-v0", action=action, scenario="cut_in").unwrapped for _ in range(2)]
        for k, env in enumerate(alone):
            env.reset(seed=5 + k)
        for _ in range(3):
            actions = worlds.unwrapped.expert_actions()
            assert worlds.action_space.contains(actions)
            assert np.array_equal(actions, np.stack([env.expert_action() for env in alone]))
            worlds.step(actions)
            for env in alone:
                env.step(env.expert_action())


def test_a_recording_has_no_driver(tmp_path):
    capture(open_source("cut_in"), tmp_path / "a.mcap", load_rig("rl"), seconds=0.5)
    env = gymnasium.make("UniScene-v0", scenario=str(tmp_path / "a.mcap")).unwrapped
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"^scenario: the source 'recording' has no built-in driver: .* as recorded"):
        env.expert_action()
