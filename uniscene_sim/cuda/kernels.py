"""The kernels: one thread a pixel or a beam, a layer of the grid for each camera or LiDAR of each world."""

from __future__ import annotations

from functools import cache
from math import cos, sin
from typing import Any

import numpy as np
from numba import cuda

from uniscene_sim.camera.raycast.pixel_bounds import at_pixel
from uniscene_sim.camera.raycast.pixels import is_edge, see, soften
from uniscene_sim.compute.compiled import device
from uniscene_sim.cuda.arg_types import SHOT, TURN
from uniscene_sim.cuda.packed_args import unpack
from uniscene_sim.lidar.raycast.trace import moved, pose_near, stand, trace_beam

__all__ = ["camera_kernels", "trace_beams", "turn_columns"]


@device
def _see(address, job, v, u, some):
    shot = unpack(address, job, SHOT)
    if v < shot.picture.depth.shape[0] and u < shot.picture.depth.shape[1]:
        see(shot.scene, shot.eye, shot.picture, some, at_pixel(shot.eye.spans, v, u, some), v, u)


@device
def _soften(address, job, v, u, some):
    shot = unpack(address, job, SHOT)
    if v < shot.picture.depth.shape[0] and u < shot.picture.depth.shape[1] and is_edge(shot.picture, v, u):
        soften(shot.scene, shot.eye, shot.picture, some, at_pixel(shot.eye.spans, v, u, some), v, u)


@cache
def camera_kernels(most: int) -> tuple[Any, Any]:
    """Kernels that trace pictures and that smooth their edges, where there are at most so many agents."""

    @cuda.jit
    def see_all(address):
        u, v, job = cuda.grid(3)
        some = cuda.local.array(most, np.int64)
        _see(address, job, v, u, some)

    @cuda.jit
    def soften_all(address):
        u, v, job = cuda.grid(3)
        some = cuda.local.array(most, np.int64)
        _soften(address, job, v, u, some)

    return see_all, soften_all


@device
def _turn_column(address, job, c):
    turn = unpack(address, job, TURN)
    sweep, columns = turn.sweep, turn.columns
    if c < columns.number.shape[0]:
        scene, beams, origin, rot = sweep.scene, sweep.beams, sweep.hits.origin[c], columns.rotation[c]
        stand(scene, beams.time_s[c], origin, rot)
        local = moved(scene.agents, columns.position[c], columns.turned[c], columns.centre[c])
        columns.number[c] = pose_near(
            scene, beams.time_s[c], origin, rot, beams.azimuth[c], sweep.spread, sweep.far, local, columns.chosen[c]
        )


@device
def _trace_beam(address, job, c, r):
    turn = unpack(address, job, TURN)
    scene, beams, columns = turn.sweep.scene, turn.sweep.beams, turn.columns
    if c < beams.azimuth.shape[0] and r < beams.elevation.shape[0]:
        local = moved(scene.agents, columns.position[c], columns.turned[c], columns.centre[c])
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
            turn.sweep.far,
            turn.sweep.hits,
        )


@cuda.jit
def turn_columns(address):
    """Pose the sensor and the agents for each column (x)."""
    c, r, job = cuda.grid(3)
    if r == 0:
        _turn_column(address, job, c)


@cuda.jit
def trace_beams(address):
    """Trace each beam (x) of each column (y): the beams of a column go close together."""
    r, c, job = cuda.grid(3)
    _trace_beam(address, job, c, r)
