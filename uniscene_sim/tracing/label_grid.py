"""Rays through a window of labels alone: what a sensor sees of an `OccupancyGrid`, whoever made it.

A ray walks columns of cells, eight by eight at once where it passes above all of them, and looks into a column only
where it dips below the column's top.
"""

from __future__ import annotations

from math import floor, inf
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from uniscene_sim.compute.compiled import device
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.taxonomy import OccClass

__all__ = ["LabelArrays", "label_arrays", "trace_labels"]

_FREE = int(OccClass.FREE)
_BROAD = 8


class LabelArrays(NamedTuple):
    labels: np.ndarray  # uint8 (X, Y, Z)
    top: np.ndarray  # int32 (X, Y): cells up to the top of the highest full one
    coarse: np.ndarray  # int32 (X / 8, Y / 8): the highest of eight by eight
    low: np.ndarray  # float64 (3,) m, corner of cell (0, 0, 0)
    voxel_m: np.ndarray  # float64 (3,)


def label_arrays(grid: OccupancyGrid) -> LabelArrays:
    """A window as kernels take it; rays are then given in the frame of the grid."""
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
    """First full cell along rays (N, 3) of unit direction.

    Returns:
        t float64 (N,) m, inf where there is none, and its label uint8 (N,).
    """
    n = directions.shape[0]
    t, label = np.empty(n), np.empty(n, np.uint8)
    for r in prange(n):
        t[r], label[r] = _trace(a, origins[r, 0], origins[r, 1], origins[r, 2], directions[r, 0], directions[r, 1],
                                directions[r, 2], t_max)  # fmt: skip
    return t, label


@device
def _leave(at, step, cell, size):
    """t at which a ray leaves [cell size, (cell + 1) size) along one axis."""
    if step > 0.0:
        return ((cell + 1) * size - at) / step
    if step < 0.0:
        return (cell * size - at) / step
    return inf


@device
def _trace(a: LabelArrays, ox, oy, oz, dx, dy, dz, t_max):
    # In cells; t stays in metres.
    x, y, z = (ox - a.low[0]) / a.voxel_m[0], (oy - a.low[1]) / a.voxel_m[1], (oz - a.low[2]) / a.voxel_m[2]
    u, v, w = dx / a.voxel_m[0], dy / a.voxel_m[1], dz / a.voxel_m[2]
    nx, ny, nz = a.labels.shape
    t, t_end = 0.0, t_max
    for at, step, size in ((x, u, nx), (y, v, ny), (z, w, nz)):
        if step == 0.0:
            if at < 0.0 or at >= size:
                return inf, np.uint8(_FREE)
            continue
        one, other = -at / step, (size - at) / step
        t, t_end = max(t, min(one, other)), min(t_end, max(one, other))
    if t >= t_end:
        return inf, np.uint8(_FREE)
    i = min(max(floor(x + t * u), 0), nx - 1)
    j = min(max(floor(y + t * v), 0), ny - 1)
    while True:
        bx, by = i // _BROAD, j // _BROAD
        tb = min(_leave(x, u, bx, _BROAD), _leave(y, v, by, _BROAD), t_end)
        if min(z + t * w, z + tb * w) < a.coarse[bx, by]:
            while True:
                tx, ty = _leave(x, u, i, 1), _leave(y, v, j, 1)
                tc = min(tx, ty, t_end)
                if min(z + t * w, z + tc * w) < a.top[i, j]:
                    k = min(max(floor(z + t * w), 0), nz - 1)
                    tk = t
                    while True:
                        if a.labels[i, j, k] != _FREE:
                            return tk, a.labels[i, j, k]
                        tk = _leave(z, w, k, 1)
                        if tk >= tc:
                            break
                        k += 1 if w > 0.0 else -1
                        if k < 0 or k >= nz:
                            break
                if tc >= t_end:
                    return inf, np.uint8(_FREE)
                t = max(t, tc)
                if tx <= ty:
                    i += 1 if u > 0.0 else -1
                else:
                    j += 1 if v > 0.0 else -1
                if i < 0 or j < 0 or i >= nx or j >= ny:
                    return inf, np.uint8(_FREE)
                if i // _BROAD != bx or j // _BROAD != by:
                    break
        else:
            if tb >= t_end:
                return inf, np.uint8(_FREE)
            t = max(t, tb)
            if _leave(x, u, bx, _BROAD) <= _leave(y, v, by, _BROAD):
                i = (bx + 1) * _BROAD if u > 0.0 else bx * _BROAD - 1
                j = min(max(floor(y + t * v), by * _BROAD), by * _BROAD + _BROAD - 1)
            else:
                j = (by + 1) * _BROAD if v > 0.0 else by * _BROAD - 1
                i = min(max(floor(x + t * u), bx * _BROAD), bx * _BROAD + _BROAD - 1)
            if i < 0 or j < 0 or i >= nx or j >= ny:
                return inf, np.uint8(_FREE)
