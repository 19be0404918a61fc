"""Terrain around roads: it joins their edges, rises from none by more than 1:2, and rolls far from them.

It is a grid of heights with nodes every `STEP_M`, bilinear between them.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.rolling_ground import REACH_M, rolling_terrain

__all__ = [
    "DECK_M",
    "PAD_M",
    "STEP_M",
    "fill_terrain",
    "make_terrain",
    "terrain_at",
    "terrain_frame",
    "terrain_many",
]

STEP_M = 2.0
PAD_M = 256.0  # width of the terrain around a map
DECK_M = 1.5  # a lane higher than this above the terrain is a bridge
_NODE_BYTES = 48  # while terrain is made
_SLOPE = 0.5  # of embankments
_SAME_M = 1.0  # roads within this height of the lowest one shape the terrain; higher ones are bridges


def terrain_frame(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Origin (2,), m, and number of nodes (X, Y) of the terrain of a map that lies between two corners (2,), m.

    Raises:
        InputError: the map spans more than the memory holds.
    """
    origin = np.floor((low - PAD_M) / STEP_M) * STEP_M
    x, y = (np.ceil((high + PAD_M - origin) / STEP_M).astype(np.int64) + 2).tolist()
    told = " x ".join(f"{side / 1e3:.1f}" for side in high - low)
    require_memory(_NODE_BYTES * x * y, f"the terrain of {told} km", field="map")
    return origin, (x, y)


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
    _leave_out_bridges(height, envelope)
    terrain = rolling_terrain(height, metres, origin, step)
    np.minimum(terrain, envelope, out=terrain)
    return terrain


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
            i0 = max(int(np.ceil((corner[:, 0].min() - REACH_M - origin[0]) / step)), 0)
            i1 = min(int(np.floor((corner[:, 0].max() + REACH_M - origin[0]) / step)), nx - 1)
            j0 = max(int(np.ceil((corner[:, 1].min() - REACH_M - origin[1]) / step)), 0)
            j1 = min(int(np.floor((corner[:, 1].max() + REACH_M - origin[1]) / step)), ny - 1)
            for i in range(i0, i1 + 1):
                for j in range(j0, j1 + 1):
                    distance, z = _nearest_on_triangle(origin[0] + i * step, origin[1] + j * step, corner)
                    if distance > REACH_M:
                        continue
                    if phase == 0:
                        lowest[i, j] = min(lowest[i, j], z)
                    elif z < lowest[i, j] + _SAME_M:
                        if distance < nearest[i, j] or (distance == nearest[i, j] and z < height[i, j]):
                            nearest[i, j], height[i, j] = distance, z
    return height, nearest


@njit(cache=True)
def _leave_out_bridges(height, envelope):
    """Roads that stand high above the slopes from others do not shape the terrain."""
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            if height[i, j] >= envelope[i, j] + DECK_M:
                height[i, j] = np.inf


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
