"""Objects of a painted map: houses, trees and barriers as painted, and the frontages along its roads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.maps.elements import FRONTAGE_STEP_M, Frontage, MapObject
from uniscene_sim.maps.painted.cells import PaintedRaster
from uniscene_sim.maps.painted.markings import stroke_middles
from uniscene_sim.maps.painted.surface import PaintedSurface
from uniscene_sim.maps.precision import rounded_object

__all__ = ["painted_frontages", "painted_objects"]

_STOREY_M, _ATTIC_M = 3.1, 0.9
_BOX_SHARE = 0.85  # share of its bounding box that a house fills, at least; others are built of several boxes
_GAP_M = 0.1  # boxes of houses are this far inside the painted cells
_PART_M, _RAGGED = 0.5, 3  # grid of houses built of several boxes, and cells by which their sides may be uneven
_SMALL_PART = 0.03  # share of a house's area: smaller parts are uneven sides
_TREE_M = 5.0  # one tree in each square of this size
_ROW_M = 1.7  # between barriers
_STROKE_M = 2.0  # a broader road block is an area, as in nuScenes, not a row of barriers
_BARRIER = (0.4, 1.6, 1.0)
_SMOOTH_M = 1.5  # frontages are smoothed over this length
_NEIGHBOURS = np.ones((3, 3))


def painted_objects(painted: PaintedRaster, surface: PaintedSurface) -> tuple[MapObject, ...]:
    """Houses, trees and barriers where they were painted."""
    return tuple(map(rounded_object, (*_houses(painted), *_trees(painted, surface), *_barriers(painted))))


# --- houses -----------------------------------------------------------------------------------------------------------


def _houses(painted: PaintedRaster) -> Iterator[MapObject]:
    cells = painted.cells("building") & ~painted.road & ~painted.walk
    label, _ = ndimage.label(cells)
    _, towards = ndimage.distance_transform_edt(~(painted.road | painted.walk), return_indices=True)
    for k, box in enumerate(ndimage.find_objects(label)):
        at = np.argwhere(label[box] == k + 1) + [s.start for s in box]
        centre, axis, size = _bounding_box(at)
        middle = tuple(np.clip(centre.astype(int), 0, np.array(cells.shape) - 1))
        street = np.array([t[middle] for t in towards]) + 0.5 - centre
        u = [unit_hash(*at[0].tolist(), 31, n) for n in range(2)]
        if len(at) >= _BOX_SHARE * size[0] * size[1]:
            # Its own x axis points to the street.
            turn = max(range(4), key=lambda q: float(_turned(axis, q) @ street))
            storeys = 1 + round(u[0]) if len(at) * painted.resolution_m**2 < 70.0 else 2 + int(3.2 * u[1])
            yield _house(painted, centre, _turned(axis, turn), size[::-1] if turn % 2 else size, storeys)
        else:
            storeys = 4 + round(u[0])  # flat roofs, that fit together
            for part, extent in _parts(label == k + 1, centre, axis, size, _PART_M / painted.resolution_m):
                if np.prod(extent) > _SMALL_PART * len(at):
                    yield _house(painted, part, axis, extent, storeys)


def _house(painted: PaintedRaster, centre: np.ndarray, axis: np.ndarray, size: np.ndarray, storeys: int) -> MapObject:
    x, y = np.array(painted.origin) + centre * painted.resolution_m
    length, width = np.maximum(size * painted.resolution_m - 2 * _GAP_M, 0.4)
    position = np.array([x, y, 0.0])
    height = _STOREY_M * storeys + _ATTIC_M
    return MapObject("building", position, float(np.arctan2(axis[1], axis[0])), (float(length), float(width), height))


def _turned(axis: np.ndarray, quarters: int) -> np.ndarray:
    for _ in range(quarters):
        axis = np.array([-axis[1], axis[0]])
    return axis


def _bounding_box(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest box around cells (N, 2): its centre, first axis and size, in cells."""
    corners = np.concatenate([at + step for step in ((0, 0), (0, 1), (1, 0), (1, 1))]).astype(float)
    hull = corners[ConvexHull(corners).vertices]
    best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
    for edge in np.roll(hull, -1, axis=0) - hull:
        axis = edge / np.hypot(*edge)
        frame = np.stack([axis, _turned(axis, 1)])
        low, high = (frame @ hull.T).min(axis=1), (frame @ hull.T).max(axis=1)
        area = float(np.prod(high - low))
        if best is None or area < best[0] - 1e-9:
            best = area, 0.5 * (low + high) @ frame, axis, high - low
    assert best is not None
    return best[1:]


def _parts(
    mine: np.ndarray, centre: np.ndarray, axis: np.ndarray, size: np.ndarray, grain: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Middles and sizes of boxes along `axis` that make up a shape of cells (X, Y): its rows' runs, joined with the
    runs next to them for as long as both ends stay within `_RAGGED` grains."""
    frame = np.stack([axis, _turned(axis, 1)])
    counts = np.maximum(np.ceil(size / grain).astype(int), 1)
    steps = size / counts
    u, v = np.meshgrid(*((np.arange(n) + 0.5 - 0.5 * n) * d for n, d in zip(counts, steps, strict=True)), indexing="ij")
    at = np.floor(centre + np.stack([u, v], axis=-1) @ frame).astype(int)
    inside = (at >= 0).all(axis=-1) & (at < mine.shape).all(axis=-1)
    filled = np.zeros(inside.shape, dtype=bool)
    filled[inside] = mine[tuple(at[inside].T)]
    growing: list[tuple[int, list[np.ndarray]]] = []  # first row, and the runs (begin, end) of each row so far
    for i, edges in enumerate(np.diff(np.pad(filled.astype(int), ((0, 1), (1, 1))), axis=1)):  # the last row ends all
        runs = list(np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1))
        kept = []
        for begin, rows in growing:
            near = [k for k, run in enumerate(runs) if np.abs(run - np.median(rows, axis=0)).max() <= _RAGGED]
            if near:
                kept.append((begin, [*rows, runs.pop(near[0])]))
            else:
                low, high = np.median(rows, axis=0)
                middle = np.array([0.5 * (begin + i), 0.5 * (low + high)]) - 0.5 * counts
                yield centre + middle * steps @ frame, np.array([i - begin, high - low]) * steps
        growing = kept + [(i, [run]) for run in runs]


# --- trees and barriers -----------------------------------------------------------------------------------------------


def _trees(painted: PaintedRaster, surface: PaintedSurface) -> Iterator[MapObject]:
    """One tree in each square, or a bush if the road is too near, at a randomly chosen cell."""
    at = np.argwhere(painted.cells("vegetation") & ~painted.road & ~painted.cells("building"))
    square = (at * painted.resolution_m // _TREE_M).astype(np.int64)
    number = np.array([unit_hash(32, i, j) for i, j in at.tolist()])
    order = np.lexsort([number, square[:, 1], square[:, 0]])
    _, first = np.unique(square[order], axis=0, return_index=True)
    chosen = at[order[first]]
    x, y = (np.array(painted.origin) + (chosen + 0.5) * painted.resolution_m).T
    room = -1.4 * surface.road.at(x, y)  # a square of this size reaches no road
    for k, (i, j) in enumerate(chosen.tolist()):
        u = unit_hash(33, i, j)
        size = min(3.5 + 3.0 * u, float(room[k]))
        tall = size > 2.4
        size, height = (size, 6.5 + 5.0 * u) if tall else (max(min(size, 1.4), 0.4), 1.2)
        yield MapObject("tree", np.array([x[k], y[k], 0.0]), 0.0, (size, size, height))


def _barriers(painted: PaintedRaster) -> Iterator[MapObject]:
    cells = painted.cells("road_block")
    label, _ = ndimage.label(cells, _NEIGHBOURS)
    for k, box in enumerate(ndimage.find_objects(label)):
        mine = np.pad(label[box] == k + 1, 1)
        if 2 * ndimage.distance_transform_edt(mine).max() * painted.resolution_m > _STROKE_M:
            continue
        at = np.argwhere(mine) - 1 + [s.start for s in box]
        middle = np.array(painted.origin) + (stroke_middles(at) + 0.5) * painted.resolution_m
        placed: list[np.ndarray] = []
        for x, y in middle[np.argsort((at - at.mean(axis=0)) @ _long_axis(at), kind="stable")]:
            if all(np.hypot(x - p[0], y - p[1]) >= _ROW_M for p in placed):
                placed.append(np.array([x, y]))
        for x, y in placed:
            near = at[np.hypot(*(middle - (x, y)).T) < _ROW_M]
            along = _long_axis(near if len(near) > 1 else at)
            yield MapObject("barrier", np.array([x, y, 0.0]), float(np.arctan2(-along[0], along[1])), _BARRIER)


def _long_axis(at: np.ndarray) -> np.ndarray:
    return np.linalg.svd(at - at.mean(axis=0), full_matrices=False)[2][0] if len(at) > 1 else np.array([1.0, 0.0])


# --- edges ------------------------------------------------------------------------------------------------------------


def painted_frontages(painted: PaintedRaster, surface: PaintedSurface) -> list[Frontage]:
    """Samples every 2 m along the edges of roads and walkways, except at the border of the raster."""
    origin, step = np.array(painted.origin), painted.resolution_m
    x_min, y_min, x_max, y_max = painted.bounds
    found = []
    for number, loop in enumerate(_outlines(painted.road | painted.walk)):
        points = ndimage.gaussian_filter1d(origin + loop * step, _SMOOTH_M / step, axis=0, mode="wrap")
        ahead = np.roll(points, -1, axis=0) - points
        at = np.concatenate([[0.0], np.cumsum(np.hypot(*ahead.T))])
        s = np.arange(1.0, at[-1], FRONTAGE_STEP_M)
        closed = np.concatenate([points, points[:1]])
        x, y = (np.interp(s, at, closed[:, k]) for k in (0, 1))
        way = np.roll(points, -2, axis=0) - np.roll(points, 2, axis=0)
        way = np.concatenate([way, way[:1]])
        yaw = np.arctan2(np.interp(s, at, way[:, 1]), np.interp(s, at, way[:, 0]))
        nx, ny = np.sin(yaw), -np.cos(yaw)  # what an outline surrounds is on its left
        margin = 2.0
        within = (x > x_min + margin) & (x < x_max - margin) & (y > y_min + margin) & (y < y_max - margin)
        z = np.zeros(len(s))
        free = (surface.rank(x + 0.5 * nx, y + 0.5 * ny, z) < 0) & (surface.rank(x + 1.2 * nx, y + 1.2 * ny, z) < 0)
        town = surface.rank(x - 0.5 * nx, y - 0.5 * ny, z) == 1
        z = surface.height(x - 0.5 * nx, y - 0.5 * ny, z)
        for k in np.flatnonzero(within & free):
            found.append(
                Frontage(x[k], y[k], z[k], yaw[k], nx[k], ny[k], (number, 1), float(s[k]), bool(town[k]), False)
            )
    return found


def _outlines(cells: np.ndarray) -> list[np.ndarray]:
    """Edges of an area (X, Y) as closed loops of corners (N, 2), in cells, with the area on their left."""
    padded = np.pad(cells, 1)
    onward: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Sides between set and unset cells, each from its first corner to its second.
    for (di, dj), (a, b) in {
        (0, -1): ((0, 0), (1, 0)),
        (1, 0): ((1, 0), (1, 1)),
        (0, 1): ((1, 1), (0, 1)),
        (-1, 0): ((0, 1), (0, 0)),
    }.items():
        side = cells & ~padded[1 + di : 1 + di + cells.shape[0], 1 + dj : 1 + dj + cells.shape[1]]
        for i, j in np.argwhere(side).tolist():
            onward.setdefault((i + a[0], j + a[1]), []).append((i + b[0], j + b[1]))
    loops = []
    for start in sorted(onward):
        while onward.get(start):
            loop, here = [start], onward[start].pop()
            while here != start:
                loop.append(here)
                here = onward[here].pop()
            loops.append(np.array(loop, dtype=float))
    return loops
