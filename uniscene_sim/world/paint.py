"""What the ground looks like: materials of asphalt, lane paint, crossings, kerbs and terrain, 0.1 m or finer."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import ndimage

from uniscene_sim.geometry import box_corners, point_in_polygon
from uniscene_sim.taxonomy import Material
from uniscene_sim.world.surface import SurfaceModel, _z_in_triangle
from uniscene_sim.world.terrain import unit_hash

__all__ = ["paint_ground"]

_FILL_M = 1.6  # wedges between lanes narrower than twice this are paved over
_KERB_MARGIN = 3  # samples
_LINE_HALF_M = 0.07
_DASH_M, _PERIOD_M = 3.0, 9.0
_STOP_LINE_M = 0.4
_STRIPE_M = 0.5

_ASPHALT, _ASPHALT_OLD, _PAVING, _KERB = Material.ASPHALT, Material.ASPHALT_OLD, Material.PAVING, Material.KERB
_GRASS, _SOIL, _NONE = Material.GRASS, Material.SOIL, Material.NONE
_WHITE, _YELLOW, _CENTRE, _EDGE = (
    Material.LINE_WHITE,
    Material.LINE_YELLOW,
    Material.CENTRE_LINE_WHITE,
    Material.EDGE_LINE,
)
_STOP, _STRIPE, _GAP, _PARKING = Material.STOP_LINE, Material.CROSSING_STRIPE, Material.CROSSING_GAP, Material.PARKING
#: How a mark is drawn: 1 solid, 2 broken; the two lines of a double mark are one broad line at this scale.
_PATTERN = {"none": 0, "": 0, "broken": 2, "broken_broken": 2, "botts_dots": 2, "curb": 0, "grass": 0}


def paint_ground(surface: SurfaceModel, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
    """Material uint8 (D, n, n) at the centres of cells whose corner is (x0 + i step, y0 + j step).

    Above deck 0, `Material.NONE` marks where the deck is absent.
    """
    # Drawn around the window too, so that filled wedges and kerbs do not depend on where it ends.
    margin = _KERB_MARGIN + 2 * int(_FILL_M / step_m) + 1
    i0, j0 = round(x0 / step_m) - margin, round(y0 / step_m) - margin
    size = n + 2 * margin
    low_x, low_y, extent = i0 * step_m, j0 * step_m, size * step_m
    near = surface.triangles_in(low_x, low_y, low_x + extent, low_y + extent)
    material, lines = _lane_styles(surface)
    out = np.full((decks, size, size), _NONE, dtype=np.uint8)
    _paint_terrain(out[0], i0, j0, step_m)
    for deck in range(decks):
        members = near[
            (surface.tri_deck[near] == deck) | ((surface.tri_deck[near] == deck - 1) & surface._tri_ramp[near])
        ]
        order = members[np.argsort(surface.tri_rank[members], kind="stable")]
        _paint_lanes(out[deck], i0, j0, step_m, surface.tri, surface.tri_lane, order, material)
        _paint_lines(out[deck], i0, j0, step_m, surface.tri, surface.tri_st, surface.tri_lane, order, lines, material)
        if deck == 0 and len(order):
            _fill_wedges(out[0], _FILL_M / step_m)
        _paint_kerbs(out[deck])
    _paint_things(surface, out, i0, j0, step_m)
    return np.ascontiguousarray(out[:, margin:-margin, margin:-margin])


def _fill_wedges(paint: np.ndarray, radius: float) -> None:
    """Morphological closing of what is paved: narrow gaps take the material beside them, lines taken as asphalt."""
    paved = (paint != _GRASS) & (paint != _SOIL)
    grown = ndimage.distance_transform_edt(~paved) <= radius
    distance, (i, j) = (
        ndimage.distance_transform_edt(grown),
        ndimage.distance_transform_edt(~paved, return_indices=True)[1],
    )
    gap = ~paved & (distance > radius)
    fill = paint[i[gap], j[gap]]
    fill[(fill != _PAVING) & (fill != _ASPHALT_OLD)] = _ASPHALT
    paint[gap] = fill


def _lane_styles(surface: SurfaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Material uint8 (L,) of each lane, and (L, 2, 2) pattern and material of its left and right line."""
    cache = surface.map._cache
    if "paint_styles" in cache:
        return cache["paint_styles"]
    lanes = surface.map.lanes
    material = np.full(len(lanes), _GRASS, dtype=np.uint8)
    lines = np.zeros((len(lanes), 2, 2), dtype=np.uint8)
    for lane in lanes:
        if lane.kind in ("sidewalk", "walking"):
            material[lane.index] = _PAVING
        elif lane.kind == "parking":
            material[lane.index] = _PARKING
        elif lane.kind == "median":
            material[lane.index] = Material.MEDIAN
        elif lane.kind in ("none", "curb"):
            material[lane.index] = _PAVING if lane.height > 0 else _GRASS
        elif lane.kind == "shoulder" or (unit_hash(float(lane.key[0]), 7.0) < 0.25 and lane.junction < 0):
            material[lane.index] = _ASPHALT_OLD
        else:
            material[lane.index] = _ASPHALT
        for side, mark in enumerate((lane.left_mark, lane.right_mark)):
            name, _, colour = mark.partition("-")
            beside = lane.left if side == 0 else lane.right
            driving = beside >= 0 and lanes[beside].kind == "driving"
            divides = side == (1 if surface.map.left_hand_traffic else 0) and lane.opposite >= 0 and not driving
            kind = _YELLOW if colour == "yellow" else _CENTRE if divides else _WHITE if driving else _EDGE
            lines[lane.index, side] = _PATTERN.get(name, 1), kind
    cache["paint_styles"] = material, lines
    return material, lines


def _paint_things(surface: SurfaceModel, out: np.ndarray, i0: int, j0: int, step: float) -> None:
    """Crossings and stop lines, on the deck that they lie on."""
    size = out.shape[1]
    x0, y0, x1, y1 = i0 * step, j0 * step, (i0 + size) * step, (j0 + size) * step

    def deck_of(point: np.ndarray) -> int:
        near = surface.triangles_in(point[0], point[1], point[0], point[1])
        heights = [_z_in_triangle(point[0], point[1], surface.tri[t]) for t in near]
        close = [t for t, z in zip(near, heights, strict=True) if abs(z - point[2]) < 1.5]
        return min(int(surface.tri_deck[close].max(initial=0)), out.shape[0] - 1)

    for crossing in surface.map.crossings:
        p = crossing.polygon
        if p[:, 0].max() < x0 or p[:, 0].min() > x1 or p[:, 1].max() < y0 or p[:, 1].min() > y1:
            continue
        centre = p.mean(axis=0)
        lane, s, _ = surface.map.nearest_lane(*centre)
        yaw = surface.map.lane_point(lane, s)[3] if lane >= 0 else 0.0
        _paint_polygon(out[deck_of(centre)], i0, j0, step, np.ascontiguousarray(p[:, :2]), yaw, _STRIPE, _GAP)
    for line in surface.map.stop_lines:
        a, b = line.ends
        centre = 0.5 * (a + b)
        if not (x0 - 10 < centre[0] < x1 + 10 and y0 - 10 < centre[1] < y1 + 10):
            continue
        yaw = np.arctan2(b[1] - a[1], b[0] - a[0])
        box = box_corners(centre[0], centre[1], yaw, float(np.hypot(*(b - a)[:2])), _STOP_LINE_M)
        _paint_polygon(out[deck_of(centre)], i0, j0, step, box, 0.0, _STOP, _STOP)


@njit(cache=True)
def _paint_terrain(out, i0, j0, step):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
            u, v = x / 9.0, y / 9.0
            a, b = np.floor(u), np.floor(v)
            fu, fv = u - a, v - b
            fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
            low = unit_hash(a, b) * (1 - fu) + unit_hash(a + 1, b) * fu
            high = unit_hash(a, b + 1) * (1 - fu) + unit_hash(a + 1, b + 1) * fu
            patch = low * (1 - fv) + high * fv + 0.12 * (unit_hash(np.floor(x / 0.4), np.floor(y / 0.4)) - 0.5)
            out[i, j] = _SOIL if patch > 0.82 else _GRASS


@njit(cache=True)
def _window(corner, i0, j0, step, n, m):
    a = max(int(np.ceil(corner[:, 0].min() / step - 0.5)) - i0, 0)
    b = min(int(np.floor(corner[:, 0].max() / step - 0.5)) - i0, n - 1)
    c = max(int(np.ceil(corner[:, 1].min() / step - 0.5)) - j0, 0)
    d = min(int(np.floor(corner[:, 1].max() / step - 0.5)) - j0, m - 1)
    return a, b, c, d


@njit(cache=True)
def _paint_lanes(out, i0, j0, step, tri, lane, order, material):
    n, m = out.shape
    for t in order:
        a, b, c, d = _window(tri[t], i0, j0, step, n, m)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if not np.isnan(_z_in_triangle((i0 + i + 0.5) * step, (j0 + j + 0.5) * step, tri[t])):
                    out[i, j] = material[lane[t]]


@njit(cache=True)
def _paint_lines(out, i0, j0, step, tri, st, lane, order, lines, material):
    n, m = out.shape
    for t in order:
        style = lines[lane[t]]
        if style[0, 0] == 0 and style[1, 0] == 0:
            continue
        # Arc length and offsets from both borders are linear over a triangle: three planes instead of one height.
        corner = tri[t].copy()
        left, along, right = corner.copy(), corner.copy(), corner.copy()
        for q in range(3):
            left[q, 2], along[q, 2] = st[t, q, 1], st[t, q, 0]
            right[q, 2] = 0.0 if st[t, q, 1] > 0.0 else -1.0
        # Across a triangle with two left corners the lane's width is that of its one right corner, and conversely.
        width = max(st[t, 0, 1], st[t, 1, 1], st[t, 2, 1])
        for q in range(3):
            right[q, 2] = -right[q, 2] * width
        a, b, c, d = _window(corner, i0, j0, step, n, m)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if out[i, j] != material[lane[t]]:
                    continue
                x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
                offset = _z_in_triangle(x, y, left)
                if np.isnan(offset):
                    continue
                for side in range(2):
                    gap = offset if side == 0 else _z_in_triangle(x, y, right)
                    half = _LINE_HALF_M if style[side, 1] != _EDGE else 2 * _LINE_HALF_M
                    if style[side, 0] == 0 or gap > half:
                        continue
                    if style[side, 0] == 1 or _z_in_triangle(x, y, along) % _PERIOD_M < _DASH_M:
                        out[i, j] = style[side, 1]


@njit(cache=True)
def _paint_kerbs(out):
    """The edge of paving towards asphalt, two samples wide."""
    n, m = out.shape
    kerb = np.zeros((n, m), np.bool_)
    for i in range(2, n - 2):
        for j in range(2, m - 2):
            if out[i, j] == _PAVING:
                for di, dj in ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                    other = out[i + di, j + dj]
                    if other != _PAVING and other != _GRASS and other != _SOIL and other != _NONE:
                        kerb[i, j] = True
    for i in range(n):
        for j in range(m):
            if kerb[i, j]:
                out[i, j] = _KERB


@njit(cache=True)
def _paint_polygon(out, i0, j0, step, polygon, yaw, stripe, gap):
    """Stripes parallel to the traffic's heading `yaw`, over drivable ground alone."""
    n, m = out.shape
    a = max(int(np.floor(polygon[:, 0].min() / step)) - i0, 0)
    b = min(int(np.ceil(polygon[:, 0].max() / step)) - i0, n - 1)
    c = max(int(np.floor(polygon[:, 1].min() / step)) - j0, 0)
    d = min(int(np.ceil(polygon[:, 1].max() / step)) - j0, m - 1)
    ux, uy = -np.sin(yaw), np.cos(yaw)
    cx, cy = polygon[:, 0].mean(), polygon[:, 1].mean()
    for i in range(a, b + 1):
        for j in range(c, d + 1):
            here = out[i, j]
            if here == _PAVING or here == _KERB or here == _GRASS or here == _SOIL or here == _NONE:
                continue
            x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
            if point_in_polygon(x, y, polygon):
                across = (x - cx) * ux + (y - cy) * uy
                out[i, j] = stripe if np.floor(across / _STRIPE_M) % 2 == 0 else gap
