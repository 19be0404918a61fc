"""A sensor of a third kind: a noun, a spec and an engine, and nothing else knows of it."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from uniscene_sim import simulator as simulator_module
from uniscene_sim.assembly import assemble
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import Simulator
from uniscene_sim.world.scenario_source import ScenarioSource


@dataclass(frozen=True)
class RadarScan:
    kept_in: ClassVar[str] = "scans"
    range_m: np.ndarray  # float32 (N,)
    speed_mps: np.ndarray  # float32 (N,), away from the sensor
    stamp_us: int


@dataclass(frozen=True)
class FrameWithRadar(SensorFrame):
    scans: dict[str, RadarScan] = field(default_factory=dict, metadata={"sensors": True})


@dataclass(frozen=True)
class RadarSpec:
    slot: ClassVar[str] = "radar"
    name: str
    pose: Pose
    period_us: int = 200_000
    phase_us: int = 0
    max_range_m: float = 90.0


@dataclass(frozen=True)
class RigWithRadar(SensorRig):
    radars: tuple[RadarSpec, ...] = ()


class Radar:
    """Ranges and speeds of agents, a tick late."""

    name, coupling, latency_ticks = "centres", "independent", 1

    def step(self, state, views, specs):
        return state, [{spec.name: self._scan(view.frame, spec) for spec in specs} for view in views]

    def _scan(self, frame, spec):
        away = frame.agents["pos"] - frame.ego_pose.compose(spec.pose).position
        range_m = np.linalg.norm(away, axis=1)
        speed = ((frame.agents["vel"] - frame.ego_velocity) * away).sum(axis=1) / range_m
        near = range_m < spec.max_range_m
        return RadarScan(range_m[near].astype(np.float32), speed[near].astype(np.float32), frame.stamp_us)


def test_a_radar_needs_no_change_elsewhere(monkeypatch):
    monkeypatch.setattr(simulator_module, "SensorFrame", FrameWithRadar)
    rl = load_rig("rl")
    rig = RigWithRadar("radar", rl.cameras, rl.lidars, (RadarSpec("bumper", Pose(3.6, 0.0, 0.5)),))
    assert rig.max_range_m == max(90.0, rl.max_range_m) and [s.name for s in rig.of("radar")] == ["bumper"]
    made = assemble(ScenarioSource.open("cut_in"), rl, camera="raycast-plain", window_grid=None, bev_schema=None)
    world = Simulator(made.source, rig, made.store, made.engines | {"radar": Radar()}, request=made.request)
    frames = [world.reset(), *(world.step() for _ in range(4))]
    assert [f.scans["bumper"].stamp_us for f in frames if f.scans] == [0, 200_000]
    [late] = world.flush()
    assert late.scans["bumper"].stamp_us == 400_000 and not late.cameras
    assert frames[3].digests.keys() == {"front", "lidar", "bumper"}
    assert set(frames[0].records) == {"front", "lidar", "bumper"}
    assert len(frames[3].scans["bumper"].range_m) > 0
    unwanted = world.step(request=FrameRequest(frozenset({"front"}), None, None))
    assert not unwanted.scans and unwanted.cameras


def test_a_slot_that_there_is_none_of():
    with pytest.raises(InputError, match="radra: no slot of engines, expected some of occupancy, window"):
        assemble(ScenarioSource.open("cut_in"), SensorRig("none"), radra="rays")
