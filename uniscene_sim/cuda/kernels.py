"""The kernels: one thread per pixel or beam, one z layer of the grid per job (a sensor of a world).

All take the address (int64) of the packed jobs, see `packed_args`.
"""

from __future__ import annotations

from functools import cache
from math import cos, sin
from typing import Any

import numpy as np
from numba import cuda

from uniscene_sim.camera.raycast.pixels import antialias_pixel, is_edge, render_pixel
from uniscene_sim.compute.compiled import device
from uniscene_sim.cuda.arg_types import RENDER_JOB, SWEEP_COLUMNS_JOB
from uniscene_sim.cuda.packed_args import unpack_args
from uniscene_sim.lidar.raycast.trace import pose_agents_near, sensor_pose_at, trace_beam, with_poses
from uniscene_sim.tracing.pixel_bounds import agents_at_pixel

__all__ = ["camera_kernels", "pose_columns", "trace_beams"]


@device
def _render_pixel(address, index, v, u, candidates):
    job = unpack_args(address, index, RENDER_JOB)
    if v < job.image.depth.shape[0] and u < job.image.depth.shape[1]:
        render_pixel(
            job.scene, job.camera, job.image, candidates, agents_at_pixel(job.camera.spans, v, u, candidates), v, u
        )


@device
def _antialias_pixel(address, index, v, u, candidates):
    job = unpack_args(address, index, RENDER_JOB)
    if v < job.image.depth.shape[0] and u < job.image.depth.shape[1] and is_edge(job.image, v, u):
        antialias_pixel(
            job.scene, job.camera, job.image, candidates, agents_at_pixel(job.camera.spans, v, u, candidates), v, u
        )


@cache
def camera_kernels(most: int) -> tuple[Any, Any]:
    """Kernels that trace images and that anti-alias their edges, for at most `most` agents."""

    @cuda.jit
    def render_pixels(address):
        u, v, index = cuda.grid(3)
        candidates = cuda.local.array(most, np.int64)
        _render_pixel(address, index, v, u, candidates)

    @cuda.jit
    def antialias_pixels(address):
        u, v, index = cuda.grid(3)
        candidates = cuda.local.array(most, np.int64)
        _antialias_pixel(address, index, v, u, candidates)

    return render_pixels, antialias_pixels


@device
def _pose_column(address, index, c):
    job = unpack_args(address, index, SWEEP_COLUMNS_JOB)
    sweep, columns = job.sweep, job.columns
    if c < columns.number.shape[0]:
        scene, beams, origin, rot = sweep.scene, sweep.beams, sweep.hits.origin[c], columns.rotation[c]
        sensor_pose_at(scene, beams.time_s[c], origin, rot)
        local = with_poses(scene.agents, columns.position[c], columns.agent_rotation[c], columns.centre[c])
        columns.number[c] = pose_agents_near(
            scene,
            beams.time_s[c],
            origin,
            rot,
            beams.azimuth[c],
            sweep.spread,
            sweep.max_range_m,
            local,
            columns.chosen[c],
        )


@device
def _trace_beam(address, index, c, r):
    job = unpack_args(address, index, SWEEP_COLUMNS_JOB)
    scene, beams, columns = job.sweep.scene, job.sweep.beams, job.columns
    if c < beams.azimuth.shape[0] and r < beams.elevation.shape[0]:
        local = with_poses(scene.agents, columns.position[c], columns.agent_rotation[c], columns.centre[c])
        ca, sa, co, so = cos(beams.azimuth[c]), sin(beams.azimuth[c]), cos(beams.offset[r]), sin(beams.offset[r])
        trace_beam(
            scene.atlas,
            scene.templates,
            local,
            columns.chosen[c, : columns.number[c]],
            columns.rotation[c],
            ca * co - sa * so,
            sa * co + ca * so,
            cos(beams.elevation[r]),
            sin(beams.elevation[r]),
            c,
            r,
            job.sweep.max_range_m,
            job.sweep.hits,
        )


@cuda.jit
def pose_columns(address):
    """Pose the sensor and the agents at the time of each column (x)."""
    c, r, index = cuda.grid(3)
    if r == 0:
        _pose_column(address, index, c)


@cuda.jit
def trace_beams(address):
    """Trace each beam (x) of each column (y); neighbouring threads trace neighbouring beams."""
    r, c, index = cuda.grid(3)
    _trace_beam(address, index, c, r)
