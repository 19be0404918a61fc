"""The Gymnasium environment: spaces, episodes, rewards, saved states."""

import json
import os
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise

import av
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control
from uniscene_sim.env.actions import ACTIONS, ContinuousAction, DiscreteAction, WaypointAction
from uniscene_sim.env.endings import CriterionState, EndReason, EpisodeOutcome
from uniscene_sim.env.measurements import MEASUREMENT_DTYPE, finish_measurement
from uniscene_sim.env.meta_actions import Meta
from uniscene_sim.env.observations import AGENTS, EGO, ROUTE
from uniscene_sim.env.registration import PRESETS, register_envs
from uniscene_sim.env.render import render_world
from uniscene_sim.env.reward import TERMS, WEIGHTS, reward_terms, step_costs
from uniscene_sim.errors import InputError
from uniscene_sim.maps.signals import StopLineState
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.path_columns import LIMIT, STOP
from uniscene_sim.world.scenario_source import ScenarioSource

GO = np.array([0.0, 0.3], np.float32)


def same(a, b):
    """Whether two observations, infos or numbers are equal bit for bit."""
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and np.array_equal(a, b)


def drive(env, actions):
    """Observations, rewards, ends and infos of some actions."""
    return [env.step(action) for action in actions]


def random_actions(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(-0.05, 0.05, count), rng.uniform(-0.2, 0.6, count)]).astype(np.float32)


# --- what Gymnasium asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_passes_gymnasiums_checker_without_a_warning(name, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # it tries the mode "human", too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(name, render_mode="rgb_array")
        check_env(env.unwrapped)
        env.close()
        env.close()


def test_it_is_made_by_module_too_and_registered_once():
    env = gymnasium.make("uniscene_sim:UniScene-v0")
    assert env.unwrapped.spec.id == "UniScene-v0"
    before = dict(gymnasium.registry)
    register_envs()
    assert dict(gymnasium.registry) == before
    json.dumps(PRESETS)


def test_the_command_line_needs_no_gymnasium():
    code = "import sys; sys.modules['gymnasium'] = None; import uniscene_sim.cli.main; print(uniscene_sim.__version__)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- episodes ---------------------------------------------------------------------------------------------------------

EPISODE = """
import hashlib, sys, gymnasium, numpy as np, uniscene_sim
env = gymnasium.make(sys.argv[1], scenario="hard_brake")
sha = hashlib.sha256()
def take(x):
    for k in sorted(x):
        take(x[k]) if isinstance(x[k], dict) else sha.update(k.encode() + np.asarray(x[k]).astype("S32" if isinstance(x[k], str) else None).tobytes())
obs, info = env.reset(seed=11)
take(obs); take(info)
for k in range(8):
    obs, reward, terminated, truncated, info = env.step(np.array([0.01, 0.3], np.float32))
    take(obs); take(info); sha.update(repr((reward, terminated, truncated)).encode())
print(sha.hexdigest())
"""  # noqa: E501


@pytest.mark.parametrize("name", ["UniScene-v0", "UniSceneLidar-v0"])
def test_the_same_seed_gives_the_same_episode_in_new_processes_with_one_and_two_threads(name):
    said = {
        subprocess.run(
            [sys.executable, "-c", EPISODE, name], env={**os.environ, "NUMBA_NUM_THREADS": n}, check=True,
            capture_output=True, text=True,
        ).stdout
        for n in ("1", "2", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_seeds_differ_and_go_on():
    env = gymnasium.make("UniScene-v0")
    first, info = env.reset(seed=1)
    second, other = env.reset()
    assert info["scenario_seed"] != other["scenario_seed"] and not same(first, second)
    again, info_again = env.reset(seed=1)
    assert same(first, again) and same(info, info_again) and same(second, env.reset()[0])


def test_scenarios_by_name_list_and_path():
    path = data_dir("scenarios") / "cut_in.yaml"
    env = gymnasium.make("UniScene-v0", scenario=str(path)).unwrapped
    assert env.scenarios[int(env.reset(seed=0)[1]["scenario"])] == "cut_in"
    env = gymnasium.make("UniScene-v0", scenario=["cut_in", "hard_brake"]).unwrapped
    assert env.scenarios == ("cut_in", "hard_brake")
    assert {env.reset(seed=s)[1]["scenario"] for s in range(12)} == {0, 1}
    info = env.reset(options={"scenario": "hard_brake", "scenario_seed": np.int64(7)})[1]
    assert (info["scenario"], info["scenario_seed"]) == (1, 7)


def test_an_episode_ends_as_gymnasium_means_it():
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", terminate_on=("collision", "off_road"))
    env.reset(seed=0)
    with pytest.warns(UserWarning, match=r"The episode is over: call reset\(\)") as told:
        ends = drive(env, [np.array([0.0, -1.0], np.float32)] * 400)  # stands
    assert len(told) == 1
    over = next(k for k, e in enumerate(ends) if e[2] or e[3])
    duration = ScenarioSource.open("hard_brake").duration_s
    assert (ends[over][2], ends[over][3]) == (False, True) and over + 1 == round(10 * duration)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match=r"The episode is over: call reset\(\)"):
        steered = drive(env, [np.array([1.0, 0.5], np.float32)] * 60)
    over = next(k for k, e in enumerate(steered) if e[2] or e[3])
    assert (steered[over][2], steered[over][3]) == (True, False)
    info = steered[over][4]
    assert info["off_road_s"] > 0 and not info["is_success"]
    assert (info["outcome"], info["end_reason"]) == (EpisodeOutcome.FAILURE, EndReason.OFF_ROAD)
    assert info["criterion_off_road"] == CriterionState.FAILS and info["criterion_collision"] == CriterionState.HOLDS
    assert info["criterion_red_light"] == CriterionState.NOT_ASKED
    stood = ends[round(10 * duration) - 1][4]
    assert (stood["outcome"], stood["end_reason"]) == (EpisodeOutcome.TIMEOUT, EndReason.TIME_LIMIT)
    assert stood["criterion_driven_distance"] == CriterionState.FAILS
    assert (ends[0][4]["outcome"], ends[0][4]["end_reason"]) == (EpisodeOutcome.RUNNING, EndReason.NONE)


def test_who_stands_where_the_way_is_free_blocks_the_road():
    env = gymnasium.make("UniScene-v0", scenario="lane_following")
    env.reset(seed=0)
    terminated, steps = False, 0
    while not terminated and steps < 150:
        _, _, terminated, _, info = env.step(np.array([0.0, -1.0], np.float32))
        steps += 1
    assert terminated and 100 < steps <= 141 and info["blocked"] == 1 and not info["is_success"]
    assert (info["outcome"], info["end_reason"]) == (EpisodeOutcome.FAILURE, EndReason.BLOCKED)
    assert info["reward_blocked"] == -WEIGHTS["blocked"]


def driven_to_the_end(env):
    """Terminated, truncated and info of the last step of an episode that the built-in driver drives."""
    terminated = truncated = False
    while not (terminated or truncated):
        control = env.worlds.world(0).source.driver_control()
        vehicle = env.worlds.world(0).recent_layouts[-1].ego_vehicle
        limit = vehicle.max_accel_mps2 if control.accel_mps2 > 0 else vehicle.max_brake_mps2
        action = np.array([control.steer_rad / vehicle.max_steer_rad, control.accel_mps2 / limit], np.float32)
        _, _, terminated, truncated, info = env.step(action)
    return terminated, truncated, info


@pytest.mark.parametrize("name", ["cut_in", "hard_brake", "red_light", "crossing_pedestrian", "motorway_merge"])
def test_a_perfect_drive_is_a_success_where_no_route_has_to_end(name):
    """As `uniscene-sim run` judges it: by the scenario's criteria at its end."""
    env = gymnasium.make("UniScene-v0", scenario=name).unwrapped
    env.reset(options={"scenario_seed": 4})
    terminated, _, info = driven_to_the_end(env)
    assert info["is_success"] and info["outcome"] == EpisodeOutcome.SUCCESS
    wanted = EndReason.ROUTE_END if terminated else EndReason.TIME_LIMIT
    assert info["end_reason"] == wanted


def test_info_is_numbers_under_keys_that_stay():
    """Frameworks stack them, average them and write them as JSON."""
    env = gymnasium.make("UniScene-v0", scenario=["cut_in", "lane_following"])
    _, first = env.reset(seed=0)
    infos = [env.step(np.zeros(2, np.float32))[4] for _ in range(3)]
    assert all(set(info) == set(infos[0]) for info in infos) and set(first) == set(infos[0])
    assert not set(infos[0]) & {"reward", "done", "terminated", "truncated", "action", "observation", "episode"}
    for info in (first, *infos):
        assert all(isinstance(value, int | float | bool) and np.isfinite(value) for value in info.values())
        assert json.loads(json.dumps(info, allow_nan=False)) == info


def test_the_end_of_the_route_is_success():
    env = gymnasium.make("UniScene-v0", step_ms=100).unwrapped
    env.reset(options={"scenario_seed": 4})
    terminated, truncated, info = driven_to_the_end(env)
    assert (terminated, truncated, info["is_success"]) == (True, False, True)
    assert (info["outcome"], info["end_reason"]) == (EpisodeOutcome.SUCCESS, EndReason.ROUTE_END)
    assert info["route_completion"] >= 0.995 and info["comfort"] > 0.5


# --- observations -----------------------------------------------------------------------------------------------------


def test_sensors_are_those_of_the_simulator():
    """What is observed is what a simulator of the same scenario and seed makes."""
    names = ("ego", "route", "agents", "occupancy", "rgb", "depth", "semantic", "points", "range")
    env = gymnasium.make("UniScene-v0", scenario="cut_in", observations=names)
    source = ScenarioSource.open("cut_in", 5)
    tiles_of = ScenarioSource.open("cut_in")
    simulator = assemble(source, load_rig("rl"))
    simulator.store = assemble(tiles_of, load_rig("rl")).store
    simulator.atlas = type(simulator.atlas)(simulator.store)
    obs = env.reset(options={"scenario_seed": 5})[0]
    frame = simulator.reset()
    for _ in range(4):
        image, sweep = frame.cameras["front"], frame.sweeps["lidar"]
        assert np.array_equal(obs["front_rgb"], image.rgb)
        assert np.array_equal(obs["front_semantic"][..., 0], image.semantic)
        assert np.array_equal(obs["front_depth"][..., 0], np.minimum(image.depth, 80.0))
        count = int(obs["lidar_count"][0])
        assert count == len(sweep.xyz) > 1000 and not obs["lidar_points"][count:].any()
        assert np.array_equal(obs["lidar_points"][:count], np.column_stack([sweep.xyz, sweep.intensity]))
        assert np.array_equal(obs["occupancy"], frame.occupancy.labels)
        obs = env.step(GO)[0]
        frame = simulator.step(Control(0.0, float(GO[1]) * frame.layout.ego_vehicle.max_accel_mps2))


def test_a_range_image_is_the_points_in_their_places():
    """Each pixel's direction and range give a point of the sweep."""
    env = gymnasium.make("UniScene-v0", scenario="cut_in", observations=("points", "range"))
    obs, _ = env.reset(seed=0)
    image, count = obs["lidar_range"][..., 0], int(obs["lidar_count"][0])
    # Points are given as of the end of the turn, from where a few lie beyond the range.
    assert (image < 1).sum() == (np.linalg.norm(obs["lidar_points"][:count, :3], axis=1) < 60.0).sum() > 1000
    elevation, azimuth = np.linspace(15, -15, 16), 180 - np.arange(360)
    elevation, azimuth = np.meshgrid(np.radians(elevation), np.radians(azimuth), indexing="ij")
    flat = np.cos(elevation)
    direction = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1)
    expected = (60.0 * image[..., None] * direction)[image < 1]
    got = obs["lidar_points"][:count, :3]
    gaps = np.linalg.norm(expected[:, None] - got[None], axis=-1).min(axis=1)
    assert np.median(gaps) < 0.5 and gaps.max() < 1.2


def test_the_layout_is_the_raster_with_forward_up():
    env = gymnasium.make("UniScene-v0", scenario="cut_in", observations=("layout",)).unwrapped
    obs, _ = env.reset(seed=0)
    layout, frame = obs["layout"], env.worlds.world(0).recent_layouts[-1]
    assert set(np.unique(layout)) == {0, 255} and layout[42, 42, 0] == 255
    car = 8  # of the layout's channels
    pose = frame.ego_pose
    for agent in frame.agents[frame.agents["cls"] == AgentClass.CAR]:
        x, y, _ = pose.inverse().apply(agent["pos"])
        row, column = int(np.floor(42 - x / 0.75)), int(np.floor(42 - y / 0.75))
        if 1 < row < 82 and 1 < column < 82:
            assert layout[row - 1 : row + 2, column - 1 : column + 2, car].any()


def test_state_observations_against_plain_arithmetic():
    env = gymnasium.make("UniScene-v0", scenario="cross_traffic").unwrapped
    obs, _ = env.reset(seed=2)
    for _ in range(25):
        source, frame = env.worlds.world(0).source, env.worlds.world(0).recent_layouts[-1]
        state, pose = source.state, frame.ego_pose
        path, row = state.paths[0, : state.counts[0]], state.bodies[0]
        ego = dict(zip(EGO, obs["ego"] * np.array(list(EGO.values())), strict=True))
        assert ego["speed"] == pytest.approx(state.ego.speed, abs=1e-5)
        assert ego["speed_limit"] == pytest.approx(path[int(row["s"]), LIMIT], abs=1e-5)
        a, b = path[int(row["s"])], path[int(row["s"]) + 1]
        along = (b - a)[:2] / np.hypot(*(b - a)[:2])
        off = np.array([row["x"] - a[0], row["y"] - a[1]])
        assert ego["left_of_route"] == pytest.approx(along[0] * off[1] - along[1] * off[0], abs=0.05)
        front = row["s"] + 0.5 * row["length"]
        lines = [k for k in range(int(np.ceil(front)), len(path)) if path[k, STOP] > 0 and k < int(front + 80)]
        if lines:
            assert ego["next_line"] == pytest.approx(min(lines[0] - front, 80), abs=1e-4)
            state = source.stop_line_states[int(path[lines[0], STOP]) - 1]
            assert ego["line_stops"] == (state in (StopLineState.RED, StopLineState.YELLOW))
        for k, (x, y, _) in enumerate(obs["route"] * np.array(list(ROUTE.values()))):
            s = row["s"] + 4.0 * (k + 1)
            if s < len(path) - 1:
                place = path[int(s), :3] + (s - int(s)) * (path[int(s) + 1, :3] - path[int(s), :3])
                expected = pose.inverse().apply(np.array([*place[:2], pose.z]))
                if abs(expected[0]) < 64 and abs(expected[1]) < 32:
                    assert np.allclose([x, y], expected[:2], atol=0.05)
        agents = frame.agents[frame.agents["cls"] != AgentClass.SIGNAL_HEAD]
        gaps = np.hypot(agents["pos"][:, 0] - pose.x, agents["pos"][:, 1] - pose.y)
        order = [k for k in np.argsort(gaps, kind="stable") if gaps[k] <= 80.0][:16]
        rows = obs["agents"] * np.array(list(AGENTS.values()))
        assert rows[:, 0].sum() == len(order)
        for seen, k in zip(rows, order, strict=False):
            x, y, _ = pose.inverse().apply(agents["pos"][k])
            assert np.allclose(seen[1:3], [x, y], atol=0.1)
            turn = agents["rpy"][k, 2] - pose.yaw
            assert np.allclose(seen[5:7], [np.cos(turn), np.sin(turn)], atol=1e-5)
        obs = env.step(GO)[0]


def test_nothing_is_computed_that_nobody_asked_for():
    env = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    env.reset(seed=0)
    drive(env, [GO] * 3)
    world = env.worlds.world(0)
    assert set(world.stages_ms) == {"world"} and not world.rig.sensors
    env = gymnasium.make("UniScene-v0", scenario="cut_in", observations=("front_depth",)).unwrapped
    obs, _ = env.reset(seed=0)
    env.step(GO)
    assert set(obs) == {"front_depth"} and set(env.worlds.world(0).stages_ms) == {"world", "tiles", "camera"}
    assert env.worlds.world(0).engines["camera"].name == "raycast-plain"


def test_a_slow_sensor_shows_its_latest_record():
    rig = load_rig("rl")
    slow = replace(rig, cameras=(replace(rig.cameras[0], period_us=300_000, phase_us=100_000),), lidars=())
    env = gymnasium.make("UniScene-v0", scenario="cut_in", rig=slow, observations=("rgb",))
    images = [env.reset(seed=0)[0]["front_rgb"], *(env.step(GO)[0]["front_rgb"] for _ in range(6))]
    fresh = [not np.array_equal(a, b) for a, b in pairwise(images)]
    assert fresh == [False, False, True, False, False, True]


# --- actions ----------------------------------------------------------------------------------------------------------


def test_what_actions_ask():
    frame = ScenarioSource.open("hard_brake").reset()
    vehicle = frame.ego_vehicle
    assert ContinuousAction().control(np.array([0.5, 1.0]), frame) == Control(0.5 * vehicle.max_steer_rad, 3.5)
    assert ContinuousAction().control(np.array([-3.0, -0.5]), frame) == Control(-vehicle.max_steer_rad, -4.0)
    assert {DiscreteAction().control(np.int64(k), frame) for k in range(15)} == {
        Control(s, a) for s in DiscreteAction.STEER_RAD for a in DiscreteAction.ACCEL_MPS2
    }
    points = WaypointAction().control(np.zeros((6, 2)), frame).points
    ahead = frame.ego_pose.inverse().apply(np.column_stack([points[:, 1:], np.full(7, frame.ego_pose.z)]))
    assert np.allclose(points[:, 0], np.arange(7) * 0.5)
    assert np.allclose(ahead[:, 0], 15.0 * points[:, 0], atol=0.01) and np.allclose(ahead[:, 1], 0.0, atol=0.01)


@pytest.mark.parametrize("kind", ACTIONS)
def test_each_kind_of_action_drives(kind):
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", action=kind)
    env.reset(seed=0)
    ahead = np.array([0.0, 1.0], np.float32)
    fast = {"continuous": ahead, "reversing": ahead, "discrete": 12, "meta": int(Meta.FASTER),
            "waypoints": np.column_stack([np.ones(6), np.zeros(6)]).astype(np.float32)}[kind]  # fmt: skip
    speeds = [env.step(fast)[4]["speed_mps"] for _ in range(20)]
    assert speeds[-1] > speeds[0] + 2.0


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("continuous", [0.0, np.nan]),
        ("continuous", [np.inf, 0.0]),
        ("continuous", [0.0, 0.0, 0.0]),
        ("discrete", 15),
        ("discrete", 1.5),
        ("waypoints", np.full((6, 2), np.nan)),
    ],
)
def test_a_bad_action_is_refused_and_nothing_moves(kind, action):
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", action=kind).unwrapped
    env.reset(seed=0)
    env.step(env.action_space.sample())
    before = pickle.dumps(env.get_state())
    with pytest.raises(InputError, match="action"):
        env.step(np.asarray(action))
    assert pickle.dumps(env.get_state()) == before


# --- reward and info --------------------------------------------------------------------------------------------------


def test_the_reward_is_the_weighted_sum_of_terms_that_mean_what_they_say():
    env = gymnasium.make("UniScene-v0", scenario="cut_in", reward={"comfort": 0.5}).unwrapped
    env.reset(seed=3)
    weights = WEIGHTS | {"comfort": 0.5}
    for action in random_actions(30):
        source = env.worlds.world(0).source
        before, tally = source.state, source.state.tally
        _, reward, _, _, info = env.step(action)
        after = source.state
        assert reward == pytest.approx(sum(info[f"reward_{name}"] for name in TERMS))
        term = {name: info[f"reward_{name}"] / weights[name] for name in TERMS}
        way = (after.route_at + after.bodies[0]["s"]) - (before.route_at + before.bodies[0]["s"])
        limit = after.paths[0, int(after.bodies[0]["s"]), LIMIT]
        asked = min(source.scenario.ego.target_speed_mps, limit)
        assert term["progress"] == pytest.approx(0.1 * np.clip(way / (0.1 * asked), -1, 1))
        assert term["time"] == pytest.approx(-0.1)
        assert term["hesitation"] == pytest.approx(-0.1 * np.clip(after.bodies[0]["chosen"] / 1.8, 0, 1))
        assert term["speed_limit"] == pytest.approx(-0.1 * np.clip((after.ego.speed / limit - 1) / 0.2, 0, 1))
        lateral = [s.ego.speed * s.ego.yaw_rate for s in (before, after)]
        jerk = np.hypot(after.ego.accel - before.ego.accel, lateral[1] - lateral[0]) / 0.1
        assert term["comfort"] == pytest.approx(-0.1 * min(jerk / 8.37, 1.0))
        assert term["collision"] == tally.collisions - after.tally.collisions
        assert term["off_road"] == np.ceil(round(tally.off_road_s, 6)) - np.ceil(round(after.tally.off_road_s, 6))
        assert info["collisions"] == after.tally.collisions and info["driven_m"] == after.tally.driven_m


def test_a_collision_costs_and_ends():
    env = gymnasium.make("UniScene-v0", scenario="hard_brake")
    env.reset(seed=0)
    for _ in range(200):
        _, _, terminated, _, info = env.step(np.array([0.0, 1.0], np.float32))
        if terminated:
            break
    assert info["collisions"] == 1 and info["reward_collision"] == -WEIGHTS["collision"] and not info["is_success"]
    assert (info["outcome"], info["end_reason"]) == (EpisodeOutcome.FAILURE, EndReason.COLLISION)
    env = gymnasium.make("UniScene-v0", scenario="hard_brake", terminate_on=())
    env.reset(seed=0)
    assert not any(e[2] for e in drive(env, [np.array([0.0, 1.0], np.float32)] * 100) if e[4]["collisions"] == 1)


class _Measured:
    """Measurements of one world, step by step, without a world."""

    def __init__(self, **start):
        self.now = np.zeros(1, MEASUREMENT_DTYPE)
        self.now["limit_mps"] = self.now["route_speed_mps"] = 10.0
        self.now["ttc_s"] = np.inf
        self.step(**start)

    def step(self, **values):
        before, self.now = self.now, self.now.copy()
        for key, value in values.items():
            self.now[key] = value
        finish_measurement(before, self.now, 0.1)
        return dict(zip(TERMS, reward_terms(before, self.now, 0.1)[0].tolist(), strict=True)), before


def test_standing_costs_where_the_way_is_free_and_blocks_the_road_after_ten_seconds():
    """At a red light, where the driver brakes, it costs time alone."""
    drive = _Measured()
    red = [drive.step(driver_accel_mps2=-1.0)[0] for _ in range(300)]
    assert {t["hesitation"] for t in red} == {0.0} and {t["blocked"] for t in red} == {0.0}
    assert sum(t["time"] for t in red) == pytest.approx(-30.0)
    free = [drive.step(driver_accel_mps2=1.8)[0] for _ in range(250)]
    assert sum(t["hesitation"] for t in free) == pytest.approx(-25.0)
    assert [k for k, t in enumerate(free) if t["blocked"]] == [100, 201]
    moving = [drive.step(driver_accel_mps2=1.8, motion=(2.5, 0.0, 0.0))[0] for _ in range(150)]
    assert not any(t["blocked"] for t in moving)


def test_off_the_road_each_second_begun_costs():
    drive = _Measured()
    terms = [drive.step(off_road_s=round(0.1 * k, 1))[0]["off_road"] for k in range(1, 26)]
    assert [k for k, term in enumerate(terms) if term] == [0, 10, 20] and sum(terms) == -3.0


def test_costs_are_safety_gymnasiums():
    drive = _Measured()
    assert step_costs(drive.now, drive.now) == {f"cost{k}": 0.0 for k in ("", "_collision", "_off_road", "_red_light")}
    _, before = drive.step(collisions=2, red_lights=1)
    costs = {key: float(value[0]) for key, value in step_costs(before, drive.now).items()}
    assert costs == {"cost": 2.0, "cost_collision": 1.0, "cost_off_road": 0.0, "cost_red_light": 1.0}
    _, before = drive.step()
    assert float(step_costs(before, drive.now)["cost"][0]) == 0.0


def test_a_reward_of_ones_own():
    def twice(terms, info):
        assert set(terms) == set(TERMS) and info["speed_mps"] >= 0.0 and isinstance(info["collisions"], int)
        return 2.0 * terms["progress"] - info["cost"]

    env = gymnasium.make("UniScene-v0", scenario="cut_in", reward=twice).unwrapped
    env.reset(seed=3)
    _, reward, *_, info = env.step(np.array([0.0, 0.5], np.float32))
    assert reward == 2.0 * info["reward_progress"] > 0.0
    worlds = gymnasium.make_vec("UniScene-v0", 2, scenario="cut_in", reward=lambda terms, info: terms["time"])
    worlds.reset(seed=3)
    assert worlds.step(worlds.action_space.sample())[1] == pytest.approx([-0.1, -0.1])
    for bad in (lambda terms, info: float("nan"), lambda terms, info: "much"):
        env = gymnasium.make("UniScene-v0", scenario="cut_in", reward=bad).unwrapped
        env.reset(seed=3)
        with pytest.raises(InputError, match="reward: expected a number"):
            env.step(np.zeros(2, np.float32))


# --- saved states -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observations", [("ego", "agents"), ("rgb", "points")])
def test_a_restored_state_gives_the_same_future(observations):
    """In the same env, and pickled in another one that was somewhere else."""
    names = {"scenario": ["cut_in", "hard_brake"], "observations": observations}
    env = gymnasium.make("UniScene-v0", **names).unwrapped
    env.reset(seed=9)
    drive(env, random_actions(7))
    saved = pickle.loads(pickle.dumps(env.get_state()))
    observation, info = env.set_state(saved)
    future = [*drive(env, random_actions(9, 1)), env.reset()]
    again = env.set_state(saved)
    assert same(again[0], observation) and same(again[1], info)
    other = gymnasium.make("UniScene-v0", **names).unwrapped
    other.reset(seed=1)
    drive(other, random_actions(3))
    for one in (env, other):
        one.set_state(saved)
        told = [*drive(one, random_actions(9, 1)), one.reset()]
        assert all(same(a, b) for x, y in zip(future, told, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"scenario": "hard_brake"}, "saved with scenario 'cut_in'"),
        ({"scenario": "cut_in", "step_ms": 50}, "saved with step_ms 100"),
        ({"scenario": "cut_in", "observations": ("rgb",)}, "saved with sensors"),
        ({"scenario": "cut_in", "world_seed": 3}, "saved with world_seed"),
    ],
)
def test_a_state_of_another_env_is_refused_and_nothing_changes(settings, match):
    one = gymnasium.make("UniScene-v0", scenario=["cut_in"]).unwrapped
    one.reset(seed=0)
    other = gymnasium.make("UniScene-v0", **settings).unwrapped
    other.reset(seed=1)
    before = pickle.dumps(other.get_state())
    with pytest.raises(InputError, match=match):
        other.set_state(one.get_state())
    with pytest.raises(InputError, match="state: expected what get_state"):
        other.set_state("junk")
    assert pickle.dumps(other.get_state()) == before


# --- bad input, pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"scenario": "cut_inn"}, "cut_in"),
        ({"scenario": []}, "scenario: expected"),
        ({"observations": ("rgbd",)}, "observations: expected some of ego, .*'rgbd'"),
        ({"observations": ()}, "observations: expected at least one"),
        ({"action": "steer"}, "action: expected one of continuous"),
        ({"reward": {"speed": 1.0}}, "reward: expected terms among progress"),
        ({"reward": {"progress": float("nan")}}, "reward.progress: expected a number"),
        ({"terminate_on": ("crash",)}, "terminate_on: expected some of collision"),
        ({"terminate_on": "crash"}, "terminate_on: expected some of collision.*'crash'"),
        ({"terminate_on": None}, "terminate_on: expected a name or several"),
        ({"scenario": 3}, "scenario: expected a name or several"),
        ({"reward": [1]}, "reward: expected weights by name"),
        ({"rig": None}, "rig: expected a name, a file"),
        ({"step_ms": 15}, "step_ms: must be a positive multiple of 10"),
        ({"step_ms": True}, "step_ms: expected a whole number"),
        ({"step_ms": 10**30}, "step_ms: expected a whole number from 10"),
        ({"world_seed": 1.5}, "world_seed: expected a whole number"),
        ({"reward": {"progress": 1e300}}, "reward.progress: expected a number"),
        ({"reward": {"collision": -1.0}}, "reward.collision: expected 0 or more, for penalties are negative terms"),
        ({"render_mode": "ansi"}, "render_mode: expected one of rgb_array"),
        ({"camera": "raycas"}, "did you mean raycast"),
        ({"rig": "nuscenes-smal"}, "nuscenes-small"),
    ],
)
def test_bad_settings_are_named(settings, match):
    from uniscene_sim.env.env import UniSceneEnv

    with pytest.raises(InputError, match=match):
        UniSceneEnv(**settings)


def test_bad_options_are_named():
    env = gymnasium.make("UniScene-v0")
    for options, match in [({"seeds": 1}, "options"), ({"scenario": "cut_in"}, "options.scenario"),
                           ({"scenario_seed": -1}, "options.scenario_seed"),
                           ({"scenario_seed": 2**70}, "options.scenario_seed")]:  # fmt: skip
        with pytest.raises(InputError, match=match):
            env.reset(options=options)


def test_a_step_before_the_first_reset_is_refused():
    from uniscene_sim.env.env import UniSceneEnv

    with pytest.raises(RuntimeError, match="reset"):
        UniSceneEnv().step(GO)


def test_gymnasiums_wrapper_records_a_video(tmp_path):
    pytest.importorskip("moviepy")
    own = gymnasium.make("UniScene-v0", scenario="cut_in", render_mode="rgb_array")
    env = RecordVideo(own, str(tmp_path / "videos"))
    env.reset(seed=0)
    for _ in range(5):
        env.step(GO)
    env.close()
    with av.open(str(next(tmp_path.rglob("*.mp4")))) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 6 and frames[0].shape == (424, 400, 3) and frames[0].std() > 10.0


def test_pictures_and_a_window(monkeypatch):
    pygame = pytest.importorskip("pygame")
    env = gymnasium.make("UniSceneCamera-v0", scenario="cut_in", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.shape == (424, 800, 3)
    assert len(np.unique(picture[30:, 400:].reshape(-1, 3), axis=0)) > 1000
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"^render_mode: 'human' needs a display, and there is none here; use 'rgb_ar"):
        gymnasium.make("UniScene-v0", scenario="cut_in", render_mode="human").reset(seed=0)
    pygame.display.quit()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gymnasium.make("UniScene-v0", scenario="cut_in", render_mode="human")
    env.reset(seed=0)
    env.step(GO)
    other = gymnasium.make("UniScene-v0", scenario="cut_in", render_mode="human")
    other.reset(seed=0)
    other.close()
    env.step(GO)
    assert np.array_equal(env.unwrapped._window.pixels, render_world(env.unwrapped.worlds, 0))
    env.close()
    env.close()
