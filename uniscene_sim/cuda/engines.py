"""`CudaCameras` and `CudaLidar`: the ray-casting engines on a CUDA device, all worlds and sensors in one launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from uniscene_sim.camera.raycast.engine import RaycastCameras, RenderJob
from uniscene_sim.camera.raycast.pixels import ImageBuffers
from uniscene_sim.cuda.arg_types import RENDER_JOB, SWEEP_COLUMNS_JOB, ColumnPoses, SweepColumnsJob
from uniscene_sim.cuda.device import require_device
from uniscene_sim.cuda.kernels import camera_kernels, pose_columns, trace_beams
from uniscene_sim.cuda.launch import Launch
from uniscene_sim.frames import CameraFrame, LidarSweep
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.raycast.effects import RIG_EFFECTS, Effects
from uniscene_sim.lidar.raycast.engine import RaycastLidar, SweepJob
from uniscene_sim.lidar.raycast.trace import Hits
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.tracing.agents import TemplateSource

__all__ = ["CudaCameras", "CudaLidar"]


class CudaCameras(RaycastCameras):
    """`RaycastCameras` with its rays on the device; motion blur, precipitation and noise stay on the CPU.

    Args:
        templates: shapes of agents, by default the built-in ones.
        smooth_edges: whether edge pixels are anti-aliased.

    Raises:
        InputError: there is no CUDA device.
    """

    name = "raycast-cuda"

    def __init__(self, templates: TemplateSource | None = None, smooth_edges: bool = True):
        require_device("camera")
        super().__init__(templates, smooth_edges)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Any, list[dict[str, CameraFrame]]]:
        jobs = [self._render_jobs(view, specs) for view in views]
        self._launch([job for of_world in jobs for job in of_world])
        return state, [self._camera_frames(view, specs, of_world) for view, of_world in zip(views, jobs, strict=True)]

    def _launch(self, jobs: Sequence[RenderJob]) -> None:
        """Fill the images."""
        if not jobs:
            return
        launch = Launch(jobs, RENDER_JOB, ImageBuffers)
        render_pixels, antialias_pixels = camera_kernels(_power_of_2(max(len(job.camera.spans) for job in jobs)))
        height, width = np.max([job.image.depth.shape for job in jobs], axis=0).tolist()
        launch.run(render_pixels, width, height)
        if self._smooth:
            launch.run(antialias_pixels, width, height)
        launch.fetch()


class CudaLidar(RaycastLidar):
    """`RaycastLidar` with its rays on the device; footprints at edges and the receiver stay on the CPU.

    Args:
        templates: shapes of agents, by default the built-in ones.
        options: effects of real sweeps.

    Raises:
        InputError: there is no CUDA device.
    """

    name = "raycast-cuda"

    def __init__(self, templates: TemplateSource | None = None, *, options: Effects = RIG_EFFECTS):
        require_device("lidar")
        super().__init__(templates, options=options)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]:
        sweeps = [self._sweep_jobs(view, specs) for view in views]
        self._launch([sweep for of_world in sweeps for sweep in of_world])
        return state, [
            self._sweeps_of_jobs(view, specs, of_world) for view, of_world in zip(views, sweeps, strict=True)
        ]

    def _launch(self, sweeps: Sequence[SweepJob]) -> None:
        """Fill the hits."""
        if not sweeps:
            return
        launch = Launch(
            [SweepColumnsJob(sweep, _column_poses(sweep)) for sweep in sweeps], SWEEP_COLUMNS_JOB, Hits, ColumnPoses
        )
        columns, rings = np.max([sweep.hits.distance.shape for sweep in sweeps], axis=0).tolist()
        launch.run(pose_columns, columns, 1)
        launch.run(trace_beams, rings, columns)
        launch.fetch()


def _column_poses(sweep: SweepJob) -> ColumnPoses:
    a, n = len(sweep.beams.azimuth), len(sweep.scene.agents.id)
    return ColumnPoses(
        np.empty((a, 3, 3)),
        np.empty((a, n, 3)),
        np.empty((a, n, 3, 3)),
        np.empty((a, n, 3)),
        np.empty((a, n), np.int64),
        np.empty(a, np.int64),
    )


def _power_of_2(number: int) -> int:
    """The next power, at least 16: so a few compiled kernels serve any number of agents."""
    return max(16, 1 << (number - 1).bit_length())
