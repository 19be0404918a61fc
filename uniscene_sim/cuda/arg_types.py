"""Arguments of the kernels as numba types: the fields of each tuple in order, arrays as dtype:dimensions."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from uniscene_sim.camera.raycast.engine import RenderJob
from uniscene_sim.camera.raycast.ground_bins import GroundBins
from uniscene_sim.camera.raycast.lamps import Lamps
from uniscene_sim.camera.raycast.pixels import ImageBuffers
from uniscene_sim.camera.raycast.ray import CameraScene as CameraScene
from uniscene_sim.camera.weather import Sky
from uniscene_sim.lidar.raycast.engine import SweepJob
from uniscene_sim.lidar.raycast.trace import Beams, Hits
from uniscene_sim.lidar.raycast.trace import LidarScene as LidarScene
from uniscene_sim.tracing.agents import Motion, PosedAgents, TemplateArrays
from uniscene_sim.tracing.atlas import AtlasArrays, WindowArrays
from uniscene_sim.tracing.camera_rays import PosedCamera

__all__ = ["RENDER_JOB", "SWEEP_COLUMNS_JOB", "ColumnPoses", "SweepColumnsJob"]


class ColumnPoses(NamedTuple):
    """Poses of the sensor and of N agents at the time of each of A columns, and the agents that its beams may hit."""

    rotation: np.ndarray  # float64 (A, 3, 3), map <- sensor
    position: np.ndarray  # float64 (A, N, 3) m
    agent_rotation: np.ndarray  # float64 (A, N, 3, 3)
    centre: np.ndarray  # float64 (A, N, 3) m
    chosen: np.ndarray  # int64 (A, N), rows of agents
    number: np.ndarray  # int64 (A,), how many of `chosen` are valid


class SweepColumnsJob(NamedTuple):
    """A sweep to trace, and scratch for its columns."""

    sweep: SweepJob
    columns: ColumnPoses


def _layout(cls: type, *fields: str | types.Type) -> types.NamedTuple:
    kinds = [kind for field in fields for kind in (field.split() if isinstance(field, str) else [field])]
    return types.NamedTuple([_type(kind) if isinstance(kind, str) else kind for kind in kinds], cls)


def _type(kind: str) -> types.Type:
    dtype, _, ndim = kind.partition(":")
    scalar = numba.from_dtype(np.dtype(dtype))
    return types.Array(scalar, int(ndim), "C") if ndim else scalar


_ATLAS = _layout(
    AtlasArrays,
    "i8:1 i4:2 f8:1 f8:1 i4:4 f4:3 f4:3 f4:3 i4:2 u1:4 u1:4 i4:4 u8:1 f4:3 f4:3 f4:3 u1:3 i4:3 i1:4 f8:2",
    _layout(WindowArrays, "u4:1 f8:1"),
)
_AGENTS = _layout(PosedAgents, "f8:2 f8:3 f8:2 f8:2 f8:1 i4:1 u2:1 u1:1 u1:1 u4:1")
_TEMPLATES = _layout(TemplateArrays, "u1:1 i1:2 i8:1 i4:2 f8:1 f8:2")
_BINS = _layout(GroundBins, "f8:1 f8 i8 i8:1 i8:1")
_SKY = _layout(Sky, "f8:1 f8:1 f8:1 f8:1 f8:1 f8:1 f8 f8 f8 f8 f8 i8 f8")
_LAMPS = _layout(Lamps, "f8:2 f8:2 u1:1 f8:2 f8:1")
_CAMERA_SCENE = _layout(CameraScene, _ATLAS, _AGENTS, _TEMPLATES, _SKY, _LAMPS, _BINS, _BINS, _BINS, "f8:2 f8:3 f8 ?")
RENDER_JOB = _layout(
    RenderJob, _CAMERA_SCENE, _layout(PosedCamera, "f8:2 f8:1 f8:1 i8:2"), _layout(ImageBuffers, "u1:3 f4:2 u1:2 u2:2")
)
_MOTION = _layout(Motion, "f8:1 f8:3 f8:3")
_LIDAR_SCENE = _layout(LidarScene, _ATLAS, _AGENTS, _TEMPLATES, _MOTION, _MOTION, "f8:2 f8:1")
_SWEEP = _layout(
    SweepJob,
    _LIDAR_SCENE,
    _layout(Beams, "f8:1 f8:1 f8:1 f8:1 f8:1"),
    "f8 f8",
    _layout(Hits, "f8:2 f8:2 f4:2 u1:2 i4:2 f8:2 f8:3"),
)
SWEEP_COLUMNS_JOB = _layout(SweepColumnsJob, _SWEEP, _layout(ColumnPoses, "f8:3 f8:3 f8:4 f8:3 i8:2 i8:1"))
