"""Terrain around roads: it joins their edges, rises from none by more than 1:2, and rolls far from them.

It is a grid of heights with nodes every `STEP_M`, bilinear between them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import ndimage

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.value_noise import value_noise

__all__ = [
    "DECK_M",
    "PAD_M",
    "STEP_M",
    "fill_terrain",
    "make_terrain",
    "rolling_terrain",
    "terrain_at",
    "terrain_many",
]

STEP_M = 2.0
PAD_M = 256.0  # width of the terrain around a map
DECK_M = 1.5  # a lane higher than this above the terrain is a bridge
_SLOPE = 0.5  # of embankments
_REACH_M = 3.2  # the corners of a cell of 2 m that a road's edge crosses are no farther from it
_BROAD, _FINE = 101, 102  # uses of random numbers
_SAME_M = 1.0  # roads within this height of the lowest one shape the terrain; higher ones are bridges


def make_terrain(tri: np.ndarray, origin: np.ndarray, shape: tuple[int, int], step: float) -> np.ndarray:
    """Terrain under and around roads.

    Args:
        tri: float64 (M, 3, 3) m, triangles of roads.
        origin: (2,) m, node (0, 0).
        shape: nodes (X, Y).
        step: between nodes, m.

    Returns:
        float64 (X, Y) m, height at nodes `origin` + `step` (i, j).
    """
    height, metres = _road_nodes(tri, origin, step, *shape)
    envelope = height.copy()
    for _ in range(2):
        _lower_envelope(envelope, _SLOPE * step)
    road = np.isfinite(height) & (height - envelope < DECK_M)
    distance, (ni, nj) = ndimage.distance_transform_edt(~road, return_indices=True)
    terrain: np.ndarray = np.minimum(
        rolling_terrain(height[ni, nj], metres[ni, nj] + distance * step, origin, step), envelope
    )
    return terrain


def rolling_terrain(nearest: np.ndarray, metres: np.ndarray, origin: np.ndarray, step: float) -> np.ndarray:
    """Terrain that levels out from roads into rolling ground.

    Args:
        nearest: (X, Y) m, height of the road nearest to each node.
        metres: (X, Y) m, distance to it.
        origin: (2,) m, node (0, 0).
        step: between nodes, m.

    Returns:
        float64 (X, Y) m, height.
    """
    nx, ny = nearest.shape
    base = nearest
    # Smoother the farther from a road: the height of the nearest road alone would have steps.
    for sigma, low, high in ((1.5, _REACH_M, 8.0), (4.0, 6.0, 20.0), (24.0, 16.0, 90.0)):
        blend = _smoothstep(metres, low, high)
        base = base * (1 - blend) + ndimage.gaussian_filter(nearest, sigma) * blend
    height: np.ndarray = base + _bumps(nx, ny, origin, step) * _smoothstep(metres, 4.0, 60.0)
    return height


@njit(cache=True)
def _road_nodes(tri, origin, step, nx, ny):
    """Height and distance (m) of the nearest road at nodes within 3.2 m of one; inf elsewhere. Where roads overlap, the
    lowest counts."""
    lowest = np.full((nx, ny), np.inf)
    height = np.full((nx, ny), np.inf)
    nearest = np.full((nx, ny), np.inf)
    for phase in range(2):
        for t in range(tri.shape[0]):
            corner = tri[t]
            i0 = max(int(np.ceil((corner[:, 0].min() - _REACH_M - origin[0]) / step)), 0)
            i1 = min(int(np.floor((corner[:, 0].max() + _REACH_M - origin[0]) / step)), nx - 1)
            j0 = max(int(np.ceil((corner[:, 1].min() - _REACH_M - origin[1]) / step)), 0)
            j1 = min(int(np.floor((corner[:, 1].max() + _REACH_M - origin[1]) / step)), ny - 1)
            for i in range(i0, i1 + 1):
                for j in range(j0, j1 + 1):
                    distance, z = _nearest_on_triangle(origin[0] + i * step, origin[1] + j * step, corner)
                    if distance > _REACH_M:
                        continue
                    if phase == 0:
                        lowest[i, j] = min(lowest[i, j], z)
                    elif z < lowest[i, j] + _SAME_M:
                        if distance < nearest[i, j] or (distance == nearest[i, j] and z < height[i, j]):
                            nearest[i, j], height[i, j] = distance, z
    return height, nearest


@njit(cache=True)
def _nearest_on_triangle(x, y, t):
    """Horizontal distance from a place to a triangle (3, 3), and the height of the triangle at its nearest point."""
    area = (t[1, 0] - t[0, 0]) * (t[2, 1] - t[0, 1]) - (t[1, 1] - t[0, 1]) * (t[2, 0] - t[0, 0])
    u = ((t[1, 0] - x) * (t[2, 1] - y) - (t[1, 1] - y) * (t[2, 0] - x)) / area
    v = ((t[2, 0] - x) * (t[0, 1] - y) - (t[2, 1] - y) * (t[0, 0] - x)) / area
    w = 1.0 - u - v
    if u >= 0.0 and v >= 0.0 and w >= 0.0:
        return 0.0, u * t[0, 2] + v * t[1, 2] + w * t[2, 2]
    best, height = np.inf, 0.0
    for k in range(3):
        a, b = t[k], t[(k + 1) % 3]
        dx, dy = b[0] - a[0], b[1] - a[1]
        length2 = dx * dx + dy * dy
        f = 0.0 if length2 == 0.0 else min(max(((x - a[0]) * dx + (y - a[1]) * dy) / length2, 0.0), 1.0)
        distance = np.hypot(x - a[0] - f * dx, y - a[1] - f * dy)
        if distance < best:
            best, height = distance, a[2] + f * (b[2] - a[2])
    return best, height


@device
def terrain_at(x, y, ox, oy, terrain):
    """Height, m, at a place; beyond the grid, that of its edge.

    Args:
        x, y: place, m.
        ox, oy: node (0, 0), m.
        terrain: float64 (X, Y) m, nodes every 2 m.
    """
    u = min(max((x - ox) / STEP_M, 0.0), terrain.shape[0] - 1.001)
    v = min(max((y - oy) / STEP_M, 0.0), terrain.shape[1] - 1.001)
    i, j = int(u), int(v)
    u, v = u - i, v - j
    low = terrain[i, j] * (1 - u) + terrain[i + 1, j] * u
    high = terrain[i, j + 1] * (1 - u) + terrain[i + 1, j + 1] * u
    return low * (1 - v) + high * v


@njit(cache=True)
def terrain_many(x, y, origin, terrain):
    """Height (N,), m, at many places.

    Args:
        x, y: places (N,), m.
        origin: (2,) m, node (0, 0).
        terrain: float64 (X, Y) m, nodes every 2 m.
    """
    out = np.empty(x.size)
    for k in range(x.size):
        out[k] = terrain_at(x[k], y[k], origin[0], origin[1], terrain)
    return out


@njit(cache=True)
def fill_terrain(out, i0, j0, step, origin, terrain):
    """Write the height at samples on a square grid.

    Args:
        out: float (n, n) m, written.
        i0, j0: index of its first sample, which lies at (i0, j0) step in the map frame.
        step: between samples, m.
        origin: (2,) m, node (0, 0) of the terrain.
        terrain: float64 (X, Y) m, nodes every 2 m.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = terrain_at((i0 + i) * step, (j0 + j) * step, origin[0], origin[1], terrain)


def _smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@njit(cache=True)
def _bumps(nx, ny, origin, step):
    """Value noise (nx, ny), m, a function of map coordinates alone, in waves of 40 m and 13 m."""
    out = np.zeros((nx, ny))
    for use, wave, height in ((_BROAD, 40.0, 1.6), (_FINE, 13.0, 0.35)):
        for i in range(nx):
            for j in range(ny):
                u, v = (origin[0] + i * step) / wave, (origin[1] + j * step) / wave
                out[i, j] += height * (value_noise(u, v, use) - 0.5)
    return out


@njit(cache=True)
def _lower_envelope(z, rise):
    """Cap heights `z` at their lower envelope with a slope of `rise` per cell, by a forward and a backward chamfer
    pass."""
    nx, ny = z.shape
    diagonal = rise * np.sqrt(2.0)
    for i in range(nx):
        for j in range(ny):
            best = z[i, j]
            if i > 0:
                best = min(best, z[i - 1, j] + rise)
                if j > 0:
                    best = min(best, z[i - 1, j - 1] + diagonal)
                if j < ny - 1:
                    best = min(best, z[i - 1, j + 1] + diagonal)
            if j > 0:
                best = min(best, z[i, j - 1] + rise)
            z[i, j] = best
    for i in range(nx - 1, -1, -1):
        for j in range(ny - 1, -1, -1):
            best = z[i, j]
            if i < nx - 1:
                best = min(best, z[i + 1, j] + rise)
                if j > 0:
                    best = min(best, z[i + 1, j - 1] + diagonal)
                if j < ny - 1:
                    best = min(best, z[i + 1, j + 1] + diagonal)
            if j < ny - 1:
                best = min(best, z[i, j + 1] + rise)
            z[i, j] = best
