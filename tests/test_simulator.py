"""The tick: sensors are independent of each other, of threads and of what else is asked for; frames tell the truth."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.world.scenario_source import ScenarioSource

TICKS = 3


def simulate(rig, ticks=TICKS, scenario="cut_in", seed=None, **options):
    simulator = assemble(ScenarioSource.open(scenario, seed), rig, **options)
    return simulator, [simulator.reset(), *(simulator.step() for _ in range(ticks))]


@pytest.fixture(scope="module")
def small():
    return simulate(load_rig("rl"))


def test_every_sensor_of_the_rig_is_there_with_its_shape(small):
    _, frames = small
    for frame in frames:
        assert frame.cameras["front"].rgb.shape == (84, 84, 3) and frame.cameras["front"].rgb.dtype == np.uint8
        assert frame.sweeps["lidar"].xyz.dtype == np.float32 and len(frame.sweeps["lidar"].xyz) > 1000
        assert frame.occupancy.labels.shape == (200, 200, 16)
        assert frame.bev.data.shape == (18, 200, 200)
        assert set(frame.digests) == {"front", "lidar"}
    assert [f.stamp_us for f in frames] == [100_000 * k for k in range(TICKS + 1)]


def test_the_camera_sees_what_the_layout_says(small):
    _, frames = small
    seen = set(np.unique(frames[-1].cameras["front"].semantic).tolist())
    assert {OccClass.DRIVEABLE_SURFACE, OccClass.MANMADE, OccClass.FREE} <= seen
    ids = set(np.unique(frames[-1].cameras["front"].instance).tolist()) - {0}
    assert ids and ids <= set(frames[-1].layout.agents["id"].tolist())


def test_other_sensors_change_nothing(small):
    _, frames = small
    rig = load_rig("rl")
    extra = CameraSpec("extra", 40, 30, 30.0, 30.0, 20.0, 15.0, Pose(1.0, 0.5, 1.4, yaw=1.0), max_range_m=120.0)
    _, more = simulate(SensorRig("more", (extra, *rig.cameras), rig.lidars))
    for a, b in zip(frames, more, strict=True):
        assert {k: b.digests[k] for k in a.digests} == a.digests
        assert "extra" in b.digests


def test_nothing_is_made_that_nobody_asked_for():
    simulator = assemble(ScenarioSource.open("cut_in"), SensorRig("none"), window_grid=None, bev_schema=None)
    simulator.reset()
    frame = simulator.step()
    assert frame.occupancy is None and frame.bev is None and not frame.cameras
    assert set(simulator.stages_ms) == {"world", "digest"}


def test_periods_and_phases():
    rig = load_rig("rl")
    slow = replace(rig.cameras[0], period_us=200_000, phase_us=100_000)
    simulator, frames = simulate(SensorRig("slow", (slow,), rig.lidars))
    assert simulator.tick_us == 100_000
    assert ["front" in f.cameras for f in frames] == [False, True, False, True]
    assert all("lidar" in f.sweeps for f in frames)


def test_bad_controls_are_refused_and_nothing_is_lost(small):
    simulator, _ = small
    before = simulator.source.get_state()
    for bad in (float("nan"), float("inf"), 1e9):
        with pytest.raises(InputError, match="accel_mps2"):
            simulator.step(Control(0.0, bad))
    assert simulator.source.get_state() is before


def test_driving_into_a_house_is_a_contact():
    simulator = assemble(ScenarioSource.open("cut_in"), SensorRig("none"), window_grid=None, bev_schema=None)
    simulator.reset()
    events = []
    for _ in range(60):
        events += simulator.step(Control(-0.15, 3.0)).layout.events
    assert "off_road" in events
    assert any(event.startswith("contact:") for event in events)


DIGESTS = """
from uniscene_sim.assembly import assemble
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.scenario_source import ScenarioSource
simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
frames = [simulator.reset(), simulator.step(), simulator.step(), simulator.step()]
print([f.digests[k] for f in frames for k in sorted(f.digests)])
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_do_not_matter(small, threads):
    _, frames = small
    run = subprocess.run(
        [sys.executable, "-c", DIGESTS], capture_output=True, text=True, env={"NUMBA_NUM_THREADS": threads}, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str([f.digests[k] for f in frames for k in sorted(f.digests)])


def test_layouts_that_nobody_looks_at_are_not_made():
    made = []

    class Counting(ScenarioSource):
        def _frame(self, record, k):
            made.append(k)
            return super()._frame(record, k)

    for rig, most in ((SensorRig("none"), 1), (load_rig("rl"), 11)):
        simulator = assemble(Counting.open("hard_brake"), rig, window_grid=None, bev_schema=None)
        simulator.reset()
        for _ in range(3):
            made.clear()
            simulator.step()
            assert 1 <= len(made) <= most


def test_a_window_engine_is_needed_only_for_windows(small):
    world, frames = small
    engines = {slot: engine for slot, engine in world.engines.items() if slot != "window"}
    bare = Simulator(world.source, world.rig, world.store, engines, request=FrameRequest(window_grid=None))
    frame = bare.reset()
    assert frame.occupancy is None and frame.digests == frames[0].digests
    with pytest.raises(InputError, match=r"window: .*no window engine"):
        bare.step(request=FrameRequest())
    assert bare.recent_layouts[-1].stamp_us == 0, "the world has not moved"
    with pytest.raises(InputError, match=r"trace: .*needs a window engine"):
        Simulator(world.source, world.rig, world.store, engines, trace="window")
