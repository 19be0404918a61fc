"""Materials of the ground of a painted map, at 0.1 m or finer.

A painted stroke is as wide as its cells; the line drawn for it runs through its middle, as wide as road markings are. A
crossing has stripes along the traffic, whose direction is that of the road next to the crossing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.ground_materials import paint_kerbs, paint_terrain
from uniscene_sim.maps.paint_edges import EdgeFit, GroundPaint
from uniscene_sim.maps.painted.cells import PaintedRaster
from uniscene_sim.maps.painted.smooth_area import SmoothArea
from uniscene_sim.taxonomy import Material

__all__ = ["GroundAreas", "Markings", "paint_cells", "stroke_middles"]

_MARGIN = 8  # cells around a window, so that kerbs and edges do not depend on where it ends
_STRIPE_M = 0.5
_LINE_ORDER = 16  # lines are painted after areas
_RING_M = 3.0  # road this near to a crossing gives the direction of traffic
#: Width of the line drawn for a stroke, m, and its material; stop lines last, since they lie on top.
_LINES = (
    ("lane_divider", 0.15, Material.LINE_WHITE),
    ("road_divider", 0.15, Material.LINE_YELLOW),
    ("stop_line", 0.4, Material.STOP_LINE),
)


@dataclass(frozen=True)
class Markings:
    """Lines and crossings of a map."""

    segments: np.ndarray  # float64 (S, 4): x, y of both ends, m
    width: np.ndarray  # float64 (S,), m
    material: np.ndarray  # uint8 (S,)
    crossing: SmoothArea
    label: np.ndarray  # int32 (X, Y): nearest crossing of each cell, -1 if the map has none
    across: np.ndarray  # float64 (K, 3): unit vector across the stripes of each crossing, and phase, m
    frame: np.ndarray  # x, y of the corner of cell (0, 0), and resolution, m

    @classmethod
    def of(cls, painted: PaintedRaster) -> Markings:
        """The markings of a painted map."""
        found = [(_segments(painted.cells(name), painted), width, material) for name, width, material in _LINES]
        cells = painted.cells("ped_crossing")
        # Extended beyond the road, but drawn on it only, so that a crossing ends exactly at the kerb.
        cells |= ndimage.binary_dilation(cells, np.ones((3, 3)), iterations=2) & ~painted.road
        label, across = _crossings(painted)
        return cls(
            np.concatenate([s for s, _, _ in found]),
            np.concatenate([np.full(len(s), width) for s, width, _ in found]),
            np.concatenate([np.full(len(s), material, dtype=np.uint8) for s, _, material in found]),
            SmoothArea(cells, painted.resolution_m, painted.origin),
            label,
            across,
            np.array([*painted.origin, painted.resolution_m]),
        )


@dataclass(frozen=True)
class GroundAreas:
    """Areas of a painted map that differ in material."""

    road: SmoothArea
    paved: SmoothArea  # road and walkways together
    parking: SmoothArea


def paint_cells(areas: GroundAreas, marks: Markings, x0: float, y0: float, n: int, step_m: float) -> GroundPaint:
    """Material of the ground in a square window, and its edges.

    Args:
        areas: what is road, pavement and parking.
        marks: lines and crossings.
        x0, y0: corner of the window, m; a multiple of `step_m`.
        n: cells along each side, a multiple of 4.
        step_m: size of a cell.

    Returns:
        one deck, at the middles of the cells with corners (x0 + i step, y0 + j step).
    """
    i0, j0, size = round(x0 / step_m) - _MARGIN, round(y0 / step_m) - _MARGIN, n + 2 * _MARGIN
    xs, ys = ((at + np.arange(size) + 0.5) * step_m for at in (i0, j0))
    out = np.empty((size, size), dtype=np.uint8)
    paint_terrain(out, i0, j0, step_m)
    road = areas.road.over(xs, ys) > 0
    out[areas.paved.over(xs, ys) > 0] = Material.PAVING
    out[road] = Material.ASPHALT
    out[road & (areas.parking.over(xs, ys) > 0)] = Material.PARKING
    fields = [area.edge_field(xs, ys) for area in (areas.road, areas.paved, areas.parking)]
    fields.append(paint_kerbs(out, i0, j0, step_m, np.zeros((0, 4)), np.zeros(0, np.int32), fields))
    # Crossings lie over dividers, stop lines over crossings.
    top = marks.material == Material.STOP_LINE
    _draw_segments(out, road, i0, j0, step_m, marks.segments[~top], marks.width[~top], marks.material[~top])
    if len(marks.across):
        striped = road & (marks.crossing.over(xs, ys) > 0)
        number, field = _stripes(marks, xs, ys, step_m)
        out[striped] = np.where(number % 2 == 0, Material.CROSSING_STRIPE, Material.CROSSING_GAP)[striped]
        fields += [marks.crossing.edge_field(xs, ys), field]
    _draw_segments(out, road, i0, j0, step_m, marks.segments[top], marks.width[top], marks.material[top])
    fit = EdgeFit(out, i0, j0, step_m)
    sides = _stroke_sides(marks, xs[0] - 1.0, ys[0] - 1.0, xs[-1] + 1.0, ys[-1] + 1.0)
    fit.fit(sides, np.full(len(sides), _LINE_ORDER, np.int32), fields)
    inner = slice(_MARGIN, -_MARGIN)
    return GroundPaint.of_decks(np.ascontiguousarray(out[inner, inner])[None], [fit.packed[inner, inner]])


def _stroke_sides(marks: Markings, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Both sides of the strokes in a rectangle, (S, 4), m, the stroke to the left.

    Args:
        marks: of the map.
        x0, y0, x1, y1: lowest and highest corner, m.
    """
    s = marks.segments
    low, high = np.minimum(s[:, :2], s[:, 2:]), np.maximum(s[:, :2], s[:, 2:])
    near = (low[:, 0] < x1) & (high[:, 0] > x0) & (low[:, 1] < y1) & (high[:, 1] > y0)
    s, half = s[near], 0.5 * marks.width[near]
    ahead = s[:, 2:] - s[:, :2]
    length = np.sqrt((ahead * ahead).sum(axis=1))
    s, ahead, scale = s[length > 1e-6], ahead[length > 1e-6], (half / np.maximum(length, 1e-6))[length > 1e-6]
    right = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1) * scale[:, None]
    a, b = s[:, :2], s[:, 2:]
    return np.concatenate([np.hstack([a + right, b + right]), np.hstack([b - right, a - right])])


def _stripes(marks: Markings, xs: np.ndarray, ys: np.ndarray, step_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Number of the stripe, int64 (N, M), at all pairs of coordinates (N,) and (M,), m, as part of the nearest
    crossing; even ones are white. And the field of the borders of stripes, see `EdgeFit.fit`, for cells of `step_m`."""
    i, j = (
        np.clip(((at - marks.frame[k]) // marks.frame[2]).astype(np.int64), 0, marks.label.shape[k] - 1)
        for k, at in enumerate((xs, ys))
    )
    ux, uy, phase = marks.across[marks.label[np.ix_(i, j)]].transpose(2, 0, 1)
    at = (ux * xs[:, None] + uy * ys[None, :] - phase) / _STRIPE_M
    field = np.stack([ux, uy, (np.floor(at + 0.5) - at) * _STRIPE_M / step_m], axis=-1)
    return np.floor(at).astype(np.int64), field


def _crossings(painted: PaintedRaster) -> tuple[np.ndarray, np.ndarray]:
    """Nearest crossing of each cell (X, Y), and the unit vector across the stripes of each with its phase, (K, 3)."""
    cells = painted.cells("ped_crossing")
    label, count = ndimage.label(cells, np.ones((3, 3)))
    if not count:
        return np.full(cells.shape, -1, dtype=np.int32), np.zeros((0, 3))
    away, (ni, nj) = ndimage.distance_transform_edt(~cells, return_indices=True)
    nearest = label[ni, nj] - 1
    ring = painted.road & ~cells & (away * painted.resolution_m < _RING_M)
    across = np.empty((count, 3))
    i, j = np.indices(cells.shape)
    for k, box in enumerate(ndimage.find_objects(label)):
        reach = int(np.ceil(_RING_M / painted.resolution_m))
        near = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        mine = ring[near] & (nearest[near] == k)
        # Road cells around lie away from the crossing's edge along the traffic, in either direction.
        dx, dy = (i - ni)[near][mine], (j - nj)[near][mine]
        inside = np.argwhere(label[box] == k + 1) + [s.start for s in box]
        traffic = (
            0.5 * np.arctan2((2 * dx * dy).sum(), (dx * dx - dy * dy).sum()) if mine.any() else _short_axis(inside)
        )
        ux, uy = -np.sin(traffic), np.cos(traffic)
        x, y = np.array(painted.origin) + (inside.mean(axis=0) + 0.5) * painted.resolution_m
        across[k] = ux, uy, ux * x + uy * y
    return nearest.astype(np.int32), across


def _short_axis(cells: np.ndarray) -> float:
    """Heading, rad, of the shorter axis of cells (N, 2): pedestrians walk along the longer one."""
    spread = cells - cells.mean(axis=0)
    (a, b), (_, d) = spread.T @ spread
    return float(0.5 * np.arctan2(2 * b, a - d) + np.pi / 2)


def stroke_middles(at: np.ndarray) -> np.ndarray:
    """Middle (N, 2) of a stroke next to each of its cells (N, 2), in cells: each cell moved to the mean of those around
    it, twice, which thins broad strokes and smooths steps."""
    at = at.astype(float)
    neighbours = cKDTree(at).query_ball_point(at, 2.5, return_sorted=True)
    middle = np.array([at[near].mean(axis=0) for near in neighbours])
    return np.array([middle[near].mean(axis=0) for near in neighbours])


def _segments(cells: np.ndarray, painted: PaintedRaster) -> np.ndarray:
    """Segments (S, 4), m, between the middles of a stroke at touching cells."""
    at = np.argwhere(cells)
    if not len(at):
        return np.zeros((0, 4))
    middle = np.array(painted.origin) + (stroke_middles(at) + 0.5) * painted.resolution_m
    pairs = cKDTree(at).query_pairs(1.5, output_type="ndarray")
    pairs = pairs[np.lexsort(pairs.T)]
    alone = np.setdiff1d(np.arange(len(at)), pairs)
    return np.concatenate([np.hstack([middle[pairs[:, 0]], middle[pairs[:, 1]]]), np.hstack([middle[alone]] * 2)])


@njit(cache=True)
def _draw_segments(out, road, i0, j0, step, segments, width, material):
    """Paint cells of the road whose centre is within half a width of a segment.

    Arguments by group:
        out, road: uint8 and bool (n, m); `out` is changed.
        i0, j0, step: index of the first cell in the map frame and size of a cell, m.
        segments, width, material: as in `Markings`, (S, 4), (S,), (S,).
    """
    n, m = out.shape
    for q in range(segments.shape[0]):
        ax, ay, bx, by = segments[q]
        half = 0.5 * width[q]
        i_low = max(int(np.floor((min(ax, bx) - half) / step)) - i0, 0)
        i_high = min(int(np.floor((max(ax, bx) + half) / step)) - i0, n - 1)
        j_low = max(int(np.floor((min(ay, by) - half) / step)) - j0, 0)
        j_high = min(int(np.floor((max(ay, by) + half) / step)) - j0, m - 1)
        length2 = (bx - ax) ** 2 + (by - ay) ** 2
        for i in range(i_low, i_high + 1):
            for j in range(j_low, j_high + 1):
                if not road[i, j]:
                    continue
                x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
                t = 0.0
                if length2 > 0.0:
                    t = min(max(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2, 0.0), 1.0)
                if (x - ax - t * (bx - ax)) ** 2 + (y - ay - t * (by - ay)) ** 2 <= half * half:
                    out[i, j] = material[q]
