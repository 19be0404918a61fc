"""Rays through a window of labels alone, an `OccupancyGrid`, whatever made it.

A ray traverses columns of cells, eight by eight at once where it passes above all of them, and is intersected with the
cells of a column only where it is below the column's top.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
from numba import prange

from uniscene_sim.compute.compiled import device, floor, njit
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.slabs import Ray, cell_exit, clamp, clip, next_column

__all__ = ["LabelArrays", "label_arrays", "trace_labels"]

_FREE = int(OccClass.FREE)
_BROAD = 8  # columns along a side of a coarse one


class LabelArrays(NamedTuple):
    """A window of labels for kernels."""

    labels: np.ndarray  # uint8 (X, Y, Z)
    top: np.ndarray  # int32 (X, Y): number of cells up to the highest full one
    coarse: np.ndarray  # int32 (X / 8, Y / 8): the maximum over eight by eight columns
    low: np.ndarray  # float64 (3,) m, corner of cell (0, 0, 0)
    voxel_m: np.ndarray  # float64 (3,)


def label_arrays(grid: OccupancyGrid) -> LabelArrays:
    """A window for kernels; rays are then given in the frame of the grid."""
    top, broad = _column_tops(grid.labels)
    voxel = np.broadcast_to(np.asarray(grid.grid.voxel_m, float), 3).copy()
    return LabelArrays(grid.labels, top, broad, np.asarray(grid.grid.origin, float), voxel)


@njit(cache=True, parallel=True)
def _column_tops(labels):
    nx, ny, nz = labels.shape
    top = np.zeros((nx, ny), np.int32)
    broad = np.zeros(((nx + _BROAD - 1) // _BROAD, (ny + _BROAD - 1) // _BROAD), np.int32)
    for bx in prange(broad.shape[0]):
        for i in range(bx * _BROAD, min((bx + 1) * _BROAD, nx)):
            for j in range(ny):
                for k in range(nz - 1, -1, -1):
                    if labels[i, j, k] != _FREE:
                        top[i, j] = k + 1
                        break
                broad[bx, j // _BROAD] = max(broad[bx, j // _BROAD], top[i, j])
    return top, broad


@njit(cache=True, parallel=True)
def trace_labels(a: LabelArrays, origins, directions, t_max):
    """First full cell along rays of unit direction.

    Args:
        a: the window.
        origins, directions: (N, 3), m and unit vectors, frame of the grid.
        t_max: end of the rays, m.

    Returns:
        t float64 (N,) m, inf if there is none, and its label uint8 (N,).
    """
    n = directions.shape[0]
    t, label = np.empty(n), np.empty(n, np.uint8)
    for r in prange(n):
        o, d = origins[r], directions[r]
        t[r], label[r] = _trace(a, Ray(o[0], o[1], o[2], d[0], d[1], d[2]), t_max)
    return t, label


@device
def _trace(a: LabelArrays, ray: Ray, t_max):
    # In cells; t stays in metres.
    x, u = (ray.ox - a.low[0]) / a.voxel_m[0], ray.dx / a.voxel_m[0]
    y, v = (ray.oy - a.low[1]) / a.voxel_m[1], ray.dy / a.voxel_m[1]
    z, w = (ray.oz - a.low[2]) / a.voxel_m[2], ray.dz / a.voxel_m[2]
    nx, ny, nz = a.labels.shape
    t, t_end = clip(x, u, 0, nx, 0.0, t_max)
    t, t_end = clip(y, v, 0, ny, t, t_end)
    t, t_end = clip(z, w, 0, nz, t, t_end)
    if t >= t_end:
        return inf, np.uint8(_FREE)
    i = clamp(floor(x + t * u), 0, nx - 1)
    j = clamp(floor(y + t * v), 0, ny - 1)
    while True:
        bx, by = i // _BROAD, j // _BROAD
        tb = min(cell_exit(x, u, bx, _BROAD), cell_exit(y, v, by, _BROAD), t_end)
        if min(z + t * w, z + tb * w) < a.coarse[bx, by]:
            while True:
                tx, ty = cell_exit(x, u, i, 1), cell_exit(y, v, j, 1)
                tc = min(tx, ty, t_end)
                if min(z + t * w, z + tc * w) < a.top[i, j]:
                    k = clamp(floor(z + t * w), 0, nz - 1)
                    tk = t
                    while True:
                        if a.labels[i, j, k] != _FREE:
                            return tk, a.labels[i, j, k]
                        tk = cell_exit(z, w, k, 1)
                        if tk >= tc:
                            break
                        k += 1 if w > 0.0 else -1
                        if k < 0 or k >= nz:
                            break
                if tc >= t_end:
                    return inf, np.uint8(_FREE)
                t = max(t, tc)
                i, j = next_column(i, j, u, v, tx, ty)
                if i < 0 or j < 0 or i >= nx or j >= ny:
                    return inf, np.uint8(_FREE)
                if i // _BROAD != bx or j // _BROAD != by:
                    break
        else:
            if tb >= t_end:
                return inf, np.uint8(_FREE)
            t = max(t, tb)
            if cell_exit(x, u, bx, _BROAD) <= cell_exit(y, v, by, _BROAD):
                i = (bx + 1) * _BROAD if u > 0.0 else bx * _BROAD - 1
                j = clamp(floor(y + t * v), by * _BROAD, by * _BROAD + _BROAD - 1)
            else:
                j = (by + 1) * _BROAD if v > 0.0 else by * _BROAD - 1
                i = clamp(floor(x + t * u), bx * _BROAD, bx * _BROAD + _BROAD - 1)
            if i < 0 or j < 0 or i >= nx or j >= ny:
                return inf, np.uint8(_FREE)
