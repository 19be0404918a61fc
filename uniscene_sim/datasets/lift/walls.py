"""Walls of carved blocks, completed along themselves where no ray has passed: behind what stood before them, and as
high as they were seen nearby."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.compiled import njit
from uniscene_sim.taxonomy import OccClass

__all__ = ["complete_walls"]

_FREE, _MANMADE = np.uint8(OccClass.FREE), np.uint8(OccClass.MANMADE)
_TALL = 8  # solid sub-cells of a column that is part of a wall
_AROUND = 15  # sub-cells around a column in which others tell the wall's direction
_FEWEST, _THIN = 12, 0.06  # such columns; variance across the wall over that along it
_GAP = 80  # sub-cells of the widest gap that is closed along a wall
_GAP_UP = 30  # and of the highest
_NEARBY = 40  # sub-cells within which a wall is as high as where it was seen, in the mean
_SEEN = 6  # sub-cells above its top within which a ray passes, if the top was seen
_NO_TOP = -1


def complete_walls(label: np.ndarray, crossed: np.ndarray) -> None:
    """Close the gaps of walls and raise them.

    Args:
        label: uint8 (X, Y, Z) OccClass of sub-cells, FREE where nothing stands; changed.
        crossed: uint16 (X, Y, Z), rays that pass each.
    """
    along, top = _walls(label)
    _close_upwards(label, crossed, along)
    _close(label, crossed, along)
    walls = (top != _NO_TOP).astype(np.float64)
    share = ndimage.uniform_filter(walls, 2 * _NEARBY + 1)
    mean = ndimage.uniform_filter(walls * top, 2 * _NEARBY + 1) / np.maximum(share, 1e-9)
    _raise(label, crossed, top, mean.astype(np.int32))


@njit(cache=True)
def _walls(label):
    """Direction (X, Y, 2) of the wall at each column, 0 where there is none, and its highest sub-cell int32 (X, Y)."""
    nx, ny, nz = label.shape
    count, top = np.zeros((nx, ny), np.int32), np.full((nx, ny), _NO_TOP, np.int32)
    along = np.zeros((nx, ny, 2))
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if label[i, j, k] == _MANMADE:
                    count[i, j] += 1
                    top[i, j] = k
    for i in range(nx):
        for j in range(ny):
            if count[i, j] < _TALL:
                continue
            n, sx, sy, sxx, sxy, syy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
            for a in range(max(i - _AROUND, 0), min(i + _AROUND + 1, nx)):
                for b in range(max(j - _AROUND, 0), min(j + _AROUND + 1, ny)):
                    if count[a, b] >= _TALL:
                        x, y = float(a - i), float(b - j)
                        n += 1
                        sx, sy, sxx, sxy, syy = sx + x, sy + y, sxx + x * x, sxy + x * y, syy + y * y
            if n < _FEWEST:
                continue
            xx, xy, yy = sxx / n - (sx / n) ** 2, sxy / n - sx * sy / n**2, syy / n - (sy / n) ** 2
            half, root = 0.5 * (xx + yy), np.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
            if half - root > _THIN * (half + root):
                continue
            angle = 0.5 * np.arctan2(2 * xy, xx - yy)
            along[i, j, 0], along[i, j, 1] = np.cos(angle), np.sin(angle)
    for i in range(nx):
        for j in range(ny):
            if along[i, j, 0] == 0.0 and along[i, j, 1] == 0.0:
                top[i, j] = _NO_TOP
    return along, top


@njit(cache=True)
def _close_upwards(label, crossed, along):
    """Fill gaps in walls between beams, far away."""
    nx, ny, nz = label.shape
    for i in range(nx):
        for j in range(ny):
            if along[i, j, 0] == 0.0 and along[i, j, 1] == 0.0:
                continue
            last = nz
            for k in range(nz):
                if label[i, j, k] == _MANMADE:
                    if 1 < k - last <= _GAP_UP:
                        for q in range(last + 1, k):
                            label[i, j, q] = _MANMADE
                    last = k
                elif crossed[i, j, k] > 0:
                    last = nz


@njit(cache=True)
def _close(label, crossed, along):
    """Fill gaps along walls that no ray has passed."""
    nx, ny, nz = label.shape
    for i in range(nx):
        for j in range(ny):
            if along[i, j, 0] == 0.0 and along[i, j, 1] == 0.0:
                continue
            for k in range(nz):
                if label[i, j, k] != _MANMADE:
                    continue
                for sign in (-1, 1):
                    end = 0
                    for m in range(1, _GAP + 1):
                        a = int(np.round(i + sign * m * along[i, j, 0]))
                        b = int(np.round(j + sign * m * along[i, j, 1]))
                        if a < 1 or b < 1 or a >= nx - 1 or b >= ny - 1:
                            break
                        solid = label[a, b, k] != _FREE
                        if not solid and crossed[a, b, k] > 0:
                            break
                        solid = solid or label[a - 1, b, k] != _FREE or label[a + 1, b, k] != _FREE
                        solid = solid or label[a, b - 1, k] != _FREE or label[a, b + 1, k] != _FREE
                        if solid and m > 2:
                            end = m
                            break
                    for m in range(1, end):
                        a = int(np.round(i + sign * m * along[i, j, 0]))
                        b = int(np.round(j + sign * m * along[i, j, 1]))
                        if label[a, b, k] == _FREE and crossed[a, b, k] == 0:
                            label[a, b, k] = _MANMADE


@njit(cache=True)
def _raise(label, crossed, top, mean):
    """Raise walls whose top nobody saw to the mean of the tops nearby."""
    nx, ny, nz = label.shape
    for i in range(nx):
        for j in range(ny):
            k = top[i, j]
            if k == _NO_TOP:
                continue
            seen = False
            for m in range(1, _SEEN + 1):
                seen = seen or (k + m < nz and crossed[i, j, k + m] > 0)
            if seen:
                continue
            for q in range(k + 1, min(mean[i, j] + 1, nz)):
                if crossed[i, j, q] > 0:
                    break
                label[i, j, q] = _MANMADE
