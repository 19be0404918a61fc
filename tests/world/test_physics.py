"""One kernel for ten steps, held to the plain step; and to itself however a drive is cut."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.maps.test_painted import street
from tests.world.plain_world import plain_steps
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.ground import height_at, rank_at
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import EgoSpec, Scenario, Spawn
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.bodies import BODY_DTYPE
from uniscene_sim.world.physics import run_steps
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.traffic.vehicle_rules import traffic_accelerations

TICK_US = 100_000
#: What rounding the state to 2^-30 after each of ten steps makes of it, which the plain step leaves out.
ROUNDED = 2e-8


def wild(seed: int, k: int) -> Control:
    return Control(0.8 * (unit_hash(seed, k, 1) - 0.5), 8.0 * (unit_hash(seed, k, 2) - 0.45))


def same(a, b) -> bool:
    arrays = all(getattr(a, n).tobytes() == getattr(b, n).tobytes() for n in ("bodies", "paths", "counts"))
    return arrays and replace(a, bodies=0, paths=0, counts=0) == replace(b, bodies=0, paths=0, counts=0)


def told(frames) -> list:
    return [(f.stamp_us, f.ego_pose, f.ego_accel, f.agents.tobytes(), f.signals.tobytes(), f.route.tobytes(), f.events)
            for f in frames]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["cut_in", "hard_brake", "red_light", "motorway_merge", "child_from_behind_parked_car"]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_kernel_does_what_the_plain_step_does(name, seed):
    """Ego, everybody else, contacts, road, lights and distances, over eight seconds of wild driving."""
    source = ScenarioSource.open(name, seed)
    source.solid = lambda points: np.zeros(len(points), dtype=bool)
    seen = set()
    for k in range(80):
        before, control = source.get_state(), wild(seed, k)
        frames = source.step(control, TICK_US)
        for frame, plain in zip(frames, plain_steps(source, before, control), strict=True):
            if frame.stamp_us % TICK_US:  # others may decide to enter, leave or change lanes at the end of a tick
                for field in ("pos", "vel", "rpy"):
                    assert np.allclose(frame.agents[field], plain.agents[field], atol=ROUNDED), field
            assert np.allclose(frame.ego_pose.matrix, plain.ego.pose.matrix, atol=ROUNDED)
            assert frame.ego_accel == pytest.approx(plain.ego.accel, abs=ROUNDED)
            assert frame.events == plain.events
            seen |= {event.split(":")[0] for event in frame.events}
        assert np.allclose(
            [source.state.tally.driven_m, source.state.tally.off_road_s],
            [plain.tally.driven_m, plain.tally.off_road_s],
        )
        # The plain one looks each 10 ms; a touch of corners may fall between.
        assert source.state.tally.ttc_s == pytest.approx(plain.tally.ttc_s, abs=0.05)
        assert source.state.tally.collisions == plain.tally.collisions
        assert source.state.tally.crossed_line == plain.tally.crossed_line
    assert seen, "the drive is wild enough that something happens"


@pytest.mark.parametrize("name", ["cut_in", "construction_zone", "crossing_pedestrian", "lane_following"])
def test_a_drive_does_not_hang_on_how_it_is_cut(name):
    whole, parts = ScenarioSource.open(name, 3), ScenarioSource.open(name, 3)
    for k in range(60):
        control = whole.driver_control()
        frames = list(whole.step(control, TICK_US))
        cuts = ([10] * 10, [30, 70], [100], [90, 10])[k % 4]
        pieces = [frame for ms in cuts for frame in parts.step(control, ms * 1000)]
        assert told(frames) == told(pieces)
        assert same(whole.state, parts.state)


def test_a_trajectory_does_not_hang_on_how_it_is_cut():
    whole, parts = ScenarioSource.open("cut_in"), ScenarioSource.open("cut_in")
    pose = whole.state.ego.pose
    t = np.arange(0.0, 4.0, 0.4)
    for _ in range(10):
        pose = whole.state.ego.pose
        way = Trajectory(np.column_stack([t, pose.x + 7.0 * t, pose.y + 0.1 * t * t]))
        whole.step(way, TICK_US)
        for k in range(10):
            parts.step(way.later(k * 0.01), 10_000)
        assert same(whole.state, parts.state)
    assert whole.state.ego.speed > 5.0


@pytest.mark.parametrize("ms", [10, 40, 90])
def test_a_state_saved_between_decisions_has_the_same_future(ms):
    source, other = ScenarioSource.open("cut_in"), ScenarioSource.open("cut_in")
    for _ in range(20):
        source.step(source.driver_control(), TICK_US)
    source.step(Control(0.0, 1.0), ms * 1000)
    saved = source.get_state()
    copy = replace(saved, bodies=saved.bodies.copy(), paths=saved.paths.copy(), counts=saved.counts.copy())
    for _ in range(20):
        source.step(Control(0.01, -0.5), 70_000)
    assert same(saved, copy), "a saved state is never changed"
    other.set_state(copy)
    for _ in range(20):
        other.step(Control(0.01, -0.5), 70_000)
    assert same(source.state, other.state)


def test_frames_stay_as_they_are_and_are_made_once():
    source = ScenarioSource.open("cut_in")
    frames = source.step(source.driver_control(), TICK_US)
    assert len(frames) == 10 and [f.stamp_us for f in frames] == list(range(10_000, 110_000, 10_000))
    assert frames[-1] is frames[9] and frames[2:4] == [frames[2], frames[3]]
    with pytest.raises(IndexError):
        frames[10]
    late = source.step(source.driver_control(), TICK_US)
    twin = ScenarioSource.open("cut_in")
    twin.step(twin.driver_control(), TICK_US)
    at_once = told(list(twin.step(twin.driver_control(), TICK_US)))
    for _ in range(30):
        source.step(source.driver_control(), TICK_US)
    assert told(late) == at_once, "asked for late, they say what was then"


def test_voxels_are_asked_about_only_beside_the_road():
    asked = []

    def solid(points):
        asked.append(source.state.time_us)
        return np.ones(len(points), dtype=bool)

    source = ScenarioSource.open("hard_brake")
    source.solid = solid
    for _ in range(50):
        source.step(source.driver_control(), TICK_US)
    assert not asked and source.state.tally.collisions == 0
    while not asked:
        source.step(Control(-0.3, 1.0), TICK_US)
    source.step(Control(-0.3, 1.0), TICK_US)
    assert asked and source.state.tally.collisions == 1 and -1 in source.state.tally.touching


def test_an_island_under_the_middle_of_the_ego_is_found():
    """Two lanes with 0.6 m of open ground between, and all wheels on the road."""
    along = np.arange(200.0)
    lanes = tuple(
        Lane(i, ("0", 0, i), "driving", np.stack([along, along * 0 + y, along * 0], axis=1), along * 0, along * 0 + 3.5,
             "solid", "solid")
        for i, y in enumerate((0.0, 4.1))
    )  # fmt: skip
    asked = []
    for y, beside in ((2.05, True), (0.0, False)):
        ego = EgoSpec(Spawn(x=20.0, y=y, free=True), 5.0, 5.0)
        source = ScenarioSource(Scenario("t", Path("t"), 0, 5.0, ego), VectorMap("two", lanes))
        asked.clear()
        source.solid = lambda points: (asked.append(1), np.zeros(len(points), dtype=bool))[1]
        source.step(Control(), TICK_US)
        assert source.state.tally.off_road_s == 0.0, "the corners are on the road"
        assert bool(asked) == beside


def test_decisions_are_held_in_the_state():
    assert {"chosen", "pace", "sideways"} <= set(BODY_DTYPE.names)
    source = ScenarioSource.open("cut_in")
    source.step(Control(), 50_000)
    held = source.state.bodies["chosen"].copy()
    source.step(Control(), 40_000)
    assert (source.state.bodies["chosen"] == held).all() and np.abs(held).max() > 0.1
    source.step(Control(), 20_000)
    assert (source.state.bodies["chosen"] != held).any()


def test_the_ground_is_the_same_for_kernels_and_for_tiles():
    maps = [street(), *(load_map(data_dir("scenarios") / "maps" / f"{n}.npz") for n in ("urban_grid", "motorway"))]
    for static_map in maps:
        surface = static_map.surface
        low, high = np.reshape(static_map.bounds, (2, 2))
        x, y = (low - 5 + np.random.default_rng(0).random((4000, 2)) * (high - low + 10)).T
        z = surface.terrain_height(x, y)
        heights, ranks = surface.height(x, y, z), surface.rank(x, y, z)
        for k in range(0, 4000, 7):
            assert height_at(surface.arrays, x[k], y[k], z[k]) == pytest.approx(heights[k], abs=1e-6)
            assert rank_at(surface.arrays, x[k], y[k], z[k], 3) == ranks[k]
        assert (ranks >= 2).any() and (ranks < 0).any()


def test_worlds_that_step_side_by_side_do_not_meet():
    """Two threads at once give what one gives after the other; kernels let go of the interpreter's lock."""

    def drive(seed: int):
        source = ScenarioSource.open("cut_in", seed)
        for _ in range(40):
            source.step(source.driver_control(), TICK_US)
        return source.state

    alone = [drive(seed) for seed in (1, 2, 3, 4)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(drive, (1, 2, 3, 4)))
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))
    assert run_steps.targetoptions["nogil"] and traffic_accelerations.targetoptions["nogil"]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_new_process_gives_the_same_bytes(threads):
    code = (
        "import hashlib; from uniscene_sim.world.scenario_source import ScenarioSource\n"
        "s = ScenarioSource.open('cut_in', 5)\n"
        "for _ in range(30): s.step(s.driver_control(), 100_000)\n"
        "print(hashlib.sha256(s.state.bodies.tobytes() + s.state.paths.tobytes()).hexdigest())"
    )
    environment = os.environ | {"NUMBA_NUM_THREADS": threads}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    source = ScenarioSource.open("cut_in", 5)
    for _ in range(30):
        source.step(source.driver_control(), TICK_US)
    state = source.state
    assert there.stdout.strip() == hashlib.sha256(state.bodies.tobytes() + state.paths.tobytes()).hexdigest()
