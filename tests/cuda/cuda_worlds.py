"""Hold the CUDA engines to the CPU engines: `cuda_worlds.py SCALE` makes two worlds, each seen by several cameras and
LiDARs SCALE times as fine as the least, in one launch and on the CPU, and prints how far they differ as JSON."""

import json
import sys
from dataclasses import replace

import numpy as np

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.cuda.engines import CudaCameras, CudaLidar
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.world.scenario_source import ScenarioSource

RANGE_M = 60.0


def cameras(scale: int) -> tuple[CameraSpec, ...]:
    """Every lens; the last camera sees the ego."""
    front, s = Pose(1.7, 0.0, 1.5), scale
    return (
        CameraSpec("pin", 12 * s, 8 * s, 9.0 * s, 9.0 * s, 6.0 * s, 4.0 * s, front, max_range_m=RANGE_M),
        CameraSpec("brown", 10 * s, 9 * s, 7.0 * s, 7.0 * s, 5.0 * s, 4.5 * s, front, max_range_m=RANGE_M,
                   model="brown_conrady", distortion=(-0.2, 0.05, 1e-3, -1e-3)),
        CameraSpec("fish", 9 * s, 9 * s, 2.8 * s, 2.8 * s, 4.5 * s, 4.5 * s, Pose(-1.5, 0.0, 3.0), max_range_m=RANGE_M,
                   model="fisheye", distortion=(0.02,), ego_visible=True),
    )  # fmt: skip


def lidars(scale: int) -> tuple[LidarSpec, ...]:
    """One plain, one with a table of offsets and firing times, an edge between echoes and a turn the other way."""
    rings = 8 * scale
    up = tuple(np.radians(np.linspace(-25.0, 5.0, rings)))
    top = Pose(0.9, 0.0, 1.8)
    plain = LidarSpec("plain", top, up, 12 * scale, max_range_m=RANGE_M, clockwise=False)
    beside = tuple(0.02 * np.cos(np.arange(rings)))
    table = replace(plain, name="table", azimuth_offset_rad=beside, firing_us=tuple(3.0 * np.arange(rings)),
                    clockwise=True, divergence_rad=0.003)  # fmt: skip
    return plain, table


def world(scenario: str, rig: SensorRig) -> WorldView:
    """Half a second into a scenario, with the layouts before."""
    source = ScenarioSource.open(scenario)
    simulator = assemble(source, rig, window_grid=None, bev_schema=None)
    simulator.reset()
    for _ in range(5):
        layouts = source.step(source.driver_control(), 100_000)
    pose = layouts[-1].ego_pose
    simulator.atlas.update(pose.x, pose.y, RANGE_M + 10.0)
    return WorldView(layouts[-1], tuple(layouts[:-1]), simulator.atlas)


def main(scale: int) -> None:
    specs, sweeps = cameras(scale), lidars(scale)
    rig = SensorRig("two worlds", specs, sweeps)
    views = [world(name, rig) for name in ("cut_in", "rainy_night")]
    found: dict[str, dict[str, float]] = {}
    _, ours = CudaCameras().step(None, views, specs)
    _, theirs = RaycastCameras().step(None, views, specs)
    for w, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for name, a in mine.items():
            b = other[name]
            same = (a.semantic == b.semantic) & (a.instance == b.instance)
            near = same & np.isfinite(a.depth) & np.isfinite(b.depth)
            found[f"{w}/{name}"] = {
                "kinds": len(np.unique(b.semantic)),
                "agents": len(np.unique(b.instance)) - 1,
                "other": float(1.0 - same.mean()),
                "depth": float(np.abs(a.depth - b.depth)[near].max(initial=0.0)),
                "sky": float((np.isinf(a.depth) != np.isinf(b.depth)).mean()),
                "rgb": float((np.abs(a.rgb.astype(int) - b.rgb).max(axis=2) > 1).mean()),
            }
    _, ours = CudaLidar().step(None, views, sweeps)
    _, theirs = RaycastLidar().step(None, views, sweeps)
    for w, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        for name, a in mine.items():
            b = other[name]
            n = min(len(a.ring), len(b.ring))
            same = (a.label[:n] == b.label[:n]) & (a.instance[:n] == b.instance[:n]) & (a.ring[:n] == b.ring[:n])
            found[f"{w}/{name}"] = {
                "points": n,
                "missing": abs(len(a.ring) - len(b.ring)),
                "agents": len(np.unique(b.instance)) - 1,
                "other": float(1.0 - same.mean()),
                "xyz": float(np.abs(a.xyz[:n] - b.xyz[:n])[same].max(initial=0.0)),
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
