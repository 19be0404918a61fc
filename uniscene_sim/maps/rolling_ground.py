"""Open ground that levels out from roads into rolling country.

Near roads its nodes follow the nearest one, smoother the farther away, for the height of the nearest road alone would
have steps. Far from them it follows coarse cells, so that a large map costs by the length of its roads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.value_noise import value_noise

__all__ = ["REACH_M", "rolling_terrain"]

REACH_M = 3.2  # the corners of a cell of 2 m that a road's edge crosses are no farther from it
_FAR_M = 90.0  # beyond it, coarse cells alone count
_SIGMAS = 1.5, 4.0  # nodes
_FAR_SIGMA_M = 48.0
_COARSE = 8  # nodes along a coarse cell
_WINDOW = 512  # nodes that are worked on at once
_BROAD, _FINE = 101, 102  # uses of random numbers


@dataclass(frozen=True)
class _Box:
    """Nodes i0 to i1, j0 to j1, the last ones excluded."""

    i0: int
    i1: int
    j0: int
    j1: int

    @property
    def nodes(self) -> tuple[slice, slice]:
        return slice(self.i0, self.i1), slice(self.j0, self.j1)

    def grown(self, n: int) -> _Box:
        return _Box(self.i0 - n, self.i1 + n, self.j0 - n, self.j1 + n)

    def within(self, other: _Box) -> _Box:
        return _Box(
            max(self.i0, other.i0), min(self.i1, other.i1), max(self.j0, other.j0), min(self.j1, other.j1)
        )  # fmt: skip


def rolling_terrain(height: np.ndarray, metres: np.ndarray, origin: np.ndarray, step: float) -> np.ndarray:
    """Terrain around roads.

    Args:
        height: (X, Y) m, of roads at nodes on and beside them; inf elsewhere.
        metres: (X, Y) m, distance of those nodes from the road; not used elsewhere.
        origin: (2,) m, node (0, 0).
        step: between nodes, m.

    Returns:
        float64 (X, Y) m, height.
    """
    terrain: np.ndarray = _far_terrain(_far_heights(height, step), height.shape[0], height.shape[1], origin, step)
    for here, around in _windows(height, int(np.ceil(_FAR_M / step + 4 * _SIGMAS[1]))):
        road = np.ascontiguousarray(height[around.nodes])
        i, j = ndimage.distance_transform_edt(np.isinf(road), return_distances=False, return_indices=True)
        nearest = road[i, j]
        fine, broad = (ndimage.gaussian_filter(nearest, sigma) for sigma in _SIGMAS)
        _blend_near(
            terrain[here.nodes], here.i0 - around.i0, here.j0 - around.j0, nearest, fine, broad, i, j,
            metres[around.nodes], origin + step * np.array([here.i0, here.j0]), step,
        )  # fmt: skip
    return terrain


def _far_heights(height: np.ndarray, step: float) -> np.ndarray:
    """Height of the nearest road, smoothed, in the middle of each coarse cell."""
    lowest = _lowest(height)
    if np.isinf(lowest).all():
        return np.zeros_like(lowest)
    i, j = ndimage.distance_transform_edt(np.isinf(lowest), return_distances=False, return_indices=True)
    smooth: np.ndarray = ndimage.gaussian_filter(lowest[i, j], _FAR_SIGMA_M / (step * _COARSE))
    return smooth


def _windows(height: np.ndarray, reach: int) -> Iterator[tuple[_Box, _Box]]:
    """Boxes that together hold all nodes with a road within `reach` nodes, each with the one that holds these roads and
    what is smoothed with them."""
    whole = _Box(0, height.shape[0], 0, height.shape[1])
    for i in range(0, whole.i1, _WINDOW):
        for j in range(0, whole.j1, _WINDOW):
            window = _Box(i, i + _WINDOW, j, j + _WINDOW)
            around = window.grown(reach).within(whole)
            is_road = np.isfinite(height[around.nodes])
            rows, columns = np.flatnonzero(is_road.any(1)), np.flatnonzero(is_road.any(0))
            if not len(rows):
                continue
            roads = _Box(
                around.i0 + int(rows[0]), around.i0 + int(rows[-1]) + 1,
                around.j0 + int(columns[0]), around.j0 + int(columns[-1]) + 1,
            )  # fmt: skip
            reached = roads.grown(reach).within(around)
            yield reached.within(window), reached


@njit(cache=True)
def _lowest(height):
    """The least height in each coarse cell."""
    nx, ny = height.shape
    out = np.full(((nx + _COARSE - 1) // _COARSE, (ny + _COARSE - 1) // _COARSE), np.inf)
    for i in range(nx):
        row = out[i // _COARSE]
        for j in range(ny):
            row[j // _COARSE] = min(row[j // _COARSE], height[i, j])
    return out


@njit(cache=True)
def _far_terrain(far, nx, ny, origin, step):
    """Height (nx, ny), m: bilinear between the middles of coarse cells, and bumps."""
    out = np.empty((nx, ny))
    for i in range(nx):
        u = min(max((i + 0.5) / _COARSE - 0.5, 0.0), far.shape[0] - 1.0)
        a = min(int(u), max(far.shape[0] - 2, 0))
        b, u = min(a + 1, far.shape[0] - 1), u - a
        for j in range(ny):
            v = min(max((j + 0.5) / _COARSE - 0.5, 0.0), far.shape[1] - 1.0)
            c = min(int(v), max(far.shape[1] - 2, 0))
            d, v = min(c + 1, far.shape[1] - 1), v - c
            level = (far[a, c] * (1 - u) + far[b, c] * u) * (1 - v) + (far[a, d] * (1 - u) + far[b, d] * u) * v
            out[i, j] = level + _bumps(origin[0] + i * step, origin[1] + j * step)
    return out


@njit(cache=True)
def _blend_near(out, di, dj, nearest, fine, broad, ni, nj, metres, origin, step):
    """Blend the terrain near roads into that far from them.

    Arguments by group:
        out: (n, m) m, terrain far from roads, changed; node (i, j) is node (i + di, j + dj) of what follows.
        nearest, fine, broad: m, height of the nearest road, and the same smoothed twice.
        ni, nj: int32, the nearest node of a road.
        metres: m, distance of road nodes from the road.
        origin, step: (2,) m, first node of `out`, and m between nodes.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            p, q = i + di, j + dj
            a, b = ni[p, q], nj[p, q]
            away = metres[a, b] + step * np.sqrt(float((p - a) ** 2 + (q - b) ** 2))
            if away >= _FAR_M:
                continue
            bumps = _bumps(origin[0] + i * step, origin[1] + j * step)
            height = _mixed(nearest[p, q], fine[p, q], _smoothstep(away, REACH_M, 8.0))
            height = _mixed(height, broad[p, q], _smoothstep(away, 6.0, 20.0))
            height = _mixed(height, out[i, j] - bumps, _smoothstep(away, 16.0, _FAR_M))
            out[i, j] = height + bumps * _smoothstep(away, 4.0, 60.0)


@device
def _mixed(a, b, share):
    return a * (1 - share) + b * share


@device
def _smoothstep(value, low, high):
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@device
def _bumps(x, y):
    """Value noise, m, a function of map coordinates alone, in waves of 40 m and 13 m."""
    broad = 1.6 * (value_noise(x / 40.0, y / 40.0, _BROAD) - 0.5)
    return broad + 0.35 * (value_noise(x / 13.0, y / 13.0, _FINE) - 0.5)
