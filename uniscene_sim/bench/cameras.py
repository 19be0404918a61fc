"""Benchmark of the cameras: by rays, relative to primary rays without shading, and by splats, relative to rays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from uniscene_sim.assembly import assemble
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.camera.raycast.engine import PlainCameras, RaycastCameras
from uniscene_sim.camera.splat.engine import SplatCameras
from uniscene_sim.compute.compiled import nogil_kernel
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.interfaces import WorldView
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_world
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["rows", "street_view", "trace_bare_rays"]


@nogil_kernel
def _bare_rows(a: AtlasArrays, origin, directions, far, t, begin, end):
    for v in range(begin, end):
        for u in range(directions.shape[1]):
            d = directions[v, u]
            t[v, u] = trace_world(a, Ray(origin[0], origin[1], origin[2], d[0], d[1], d[2]), far)[0]


def trace_bare_rays(a: AtlasArrays, origin: np.ndarray, directions: np.ndarray, far: float, t: np.ndarray) -> None:
    """Trace the primary rays of an image through the static world, without shading, on all threads.

    Args:
        a: the world.
        origin: float64 (3,) m.
        directions: float64 (H, W, 3) of unit length, map frame.
        far: range, m.
        t: float64 (H, W) m, written, inf on a miss.
    """
    map_threads(lambda rows: _bare_rows(a, origin, directions, far, t, *rows), row_ranges(len(directions)))


def street_view(scenario: str = "cut_in", rig: str = "nuscenes-small") -> WorldView:
    """The first tick of a scenario, with the tiles within a rig's range."""
    simulator = assemble(ScenarioSource.open(scenario), load_rig(rig), window_grid=None, bev_schema=None)
    return WorldView(simulator.reset().layout, (), simulator.atlas)


def camera_rays(view: WorldView, spec: CameraSpec) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and directions (H, W, 3) of a camera's pixels in the map frame."""
    v, u = np.indices((spec.height, spec.width)) + 0.5
    rays, _ = spec.unproject(np.column_stack([u.ravel(), v.ravel()]))
    rotation = view.frame.ego_pose.rotation @ spec.rotation_base_from_optical
    return view.frame.ego_pose.compose(spec.pose).position, (rays @ rotation.T).reshape(spec.height, spec.width, 3)


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    cameras = load_rig("nuscenes-small").cameras
    plain, full, splat, fine = PlainCameras(), RaycastCameras(), SplatCameras(), SplatCameras()
    fine.level_px = 0.5 * splat.level_px  # about twice as many splats
    for scenario in ("cut_in", "hard_brake"):
        view = street_view(scenario)
        rays = [(*camera_rays(view, spec), np.empty((spec.height, spec.width))) for spec in cameras]

        def bare(view: WorldView = view, rays: Sequence[tuple[np.ndarray, ...]] = rays) -> None:
            for origin, directions, t in rays:
                trace_bare_rays(view.atlas.arrays, origin, directions, 150.0, t)

        engines = {"plain": plain, "full": full, "splat": splat, "fine": fine}
        jobs: dict[str, Callable[[], object]] = {k: partial(e.step, None, [view], cameras) for k, e in engines.items()}
        jobs["bare"] = bare
        ms = interleaved_ms(jobs)
        what = f"6 cameras of 224x400 to 150 m, `{scenario}`"
        yield BenchRow(f"{what}: primary rays alone", ms["bare"], "ms")
        yield BenchRow(f"{what}: `raycast-plain`", ms["plain"], "ms", "primary rays alone", ms["bare"])
        yield BenchRow(f"{what}: `raycast`", ms["full"], "ms", "primary rays alone", ms["bare"])
        yield BenchRow(f"{what}: `splat`", ms["splat"], "ms", "`raycast`", ms["full"])
        yield BenchRow(f"{what}: `splat`, twice as many splats", ms["fine"], "ms", "`splat`", ms["splat"])
