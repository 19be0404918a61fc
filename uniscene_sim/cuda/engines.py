"""`CudaCameras` and `CudaLidar`: the ray engines on a CUDA device, all worlds and sensors in one launch."""

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
from uniscene_sim.lidar.raycast.engine import RaycastLidar, SweepJob
from uniscene_sim.lidar.raycast.trace import Hits
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.tracing.agents import TemplateSource

__all__ = ["CudaCameras", "CudaLidar"]


class CudaCameras(RaycastCameras):
    """`RaycastCameras` with the rays on the device; motion blur, noise and what falls before the lens stay on the CPU.

    Raises:
        InputError: there is no CUDA device.
    """

    name = "raycast-cuda"

    def __init__(self, templates: TemplateSource | None = None, smooth_edges: bool = True):
        require_device("--camera")
        super().__init__(templates, smooth_edges)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Any, list[dict[str, CameraFrame]]]:
        shots = [self._render_jobs(view, specs) for view in views]
        self._launch([shot for of_world in shots for shot in of_world])
        return state, [self._frames(view, specs, of_world) for view, of_world in zip(views, shots, strict=True)]

    def _launch(self, shots: Sequence[RenderJob]) -> None:
        """Fill the pictures."""
        if not shots:
            return
        launch = Launch(shots, RENDER_JOB, ImageBuffers)
        see_all, soften_all = camera_kernels(_power_of_2(max(len(shot.eye.spans) for shot in shots)))
        height, width = np.max([shot.picture.depth.shape for shot in shots], axis=0).tolist()
        launch.run(see_all, width, height)
        if self._smooth:
            launch.run(soften_all, width, height)
        launch.fetch()


class CudaLidar(RaycastLidar):
    """`RaycastLidar` with the rays on the device; echoes of edges and the receiver stay on the CPU.

    Raises:
        InputError: there is no CUDA device.
    """

    name = "raycast-cuda"

    def __init__(self, templates: TemplateSource | None = None):
        require_device("--lidar")
        super().__init__(templates)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]:
        sweeps = [self._begun(view, specs) for view in views]
        self._launch([sweep for of_world in sweeps for sweep in of_world])
        return state, [self._finished(view, specs, of_world) for view, of_world in zip(views, sweeps, strict=True)]

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
    """The next one, and no less than 16: few kernels serve any number of agents."""
    return max(16, 1 << (number - 1).bit_length())
