"""Materials of the ground of a vector map: asphalt, lane markings, crossings, kerbs and terrain, at 0.1 m or finer."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numba import njit
from scipy import ndimage

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import box_corners, point_in_polygon
from uniscene_sim.maps.elements import Lane, RoadNetwork
from uniscene_sim.maps.ground import z_in_triangle
from uniscene_sim.maps.ground_materials import paint_kerbs, paint_terrain
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.triangles import LaneTriangles
from uniscene_sim.taxonomy import Material

__all__ = ["RoadMarkings"]

_FILL_M = 1.6  # gaps between lanes narrower than twice this are paved
_HOLE_M = 4.4  # and so are holes that fit into a square of this size
_KERB_MARGIN = 3  # samples
_LINE_HALF_M = 0.07
_DOUBLE_M = (0.06, 0.19)  # from the border: each of the two lines of a double mark
_INSIDE_M = 0.3  # lines end where they are this far inside a lane of another road
_BAY_M, _BAY_LINE_M = 6.0, 0.12
_DASH_M, _PERIOD_M = 3.0, 9.0
_STOP_LINE_M = 0.4
_STRIPE_M = 0.5
_WORN = 105  # use of random numbers

_ASPHALT, _ASPHALT_OLD, _PAVING, _KERB = Material.ASPHALT, Material.ASPHALT_OLD, Material.PAVING, Material.KERB
_GRASS, _SOIL, _NONE = Material.GRASS, Material.SOIL, Material.NONE
_WHITE, _YELLOW, _CENTRE, _EDGE = (
    Material.LINE_WHITE,
    Material.LINE_YELLOW,
    Material.CENTRE_LINE_WHITE,
    Material.EDGE_LINE,
)
_NO_ROAD, _MANY_ROADS = -(2**31), -(2**31) + 1
_STOP, _STRIPE, _GAP, _PARKING = Material.STOP_LINE, Material.CROSSING_STRIPE, Material.CROSSING_GAP, Material.PARKING
#: How a mark is drawn: 0 not at all, 1 solid, 2 broken, 3 double.
_PATTERN = {"none": 0, "": 0, "broken": 2, "broken_broken": 2, "botts_dots": 2, "curb": 0, "grass": 0,
            "solid_solid": 3, "solid_broken": 3, "broken_solid": 3}  # fmt: skip


class RoadMarkings:
    """Materials of the lanes of a map with their lines, crossings and stop lines."""

    def __init__(self, network: RoadNetwork, graph: LaneGraph, triangles: LaneTriangles):
        self._network, self._graph, self._triangles = network, graph, triangles
        self._material, self._lines, self._road = _lane_styles(network)
        self._along = _dash_phase(network, triangles)

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Material of the ground in a square window.

        Above deck 0, `Material.NONE` marks where the deck is absent.

        Args:
            x0, y0: corner of the window, m; a multiple of `step_m`.
            n: cells along each side.
            step_m: size of a cell.
            decks: number of decks to paint, from the lowest.

        Returns:
            uint8 (decks, n, n), of the cells with corners (x0 + i step, y0 + j step).
        """
        # Drawn with a margin, so that filled gaps and kerbs do not depend on where the window ends.
        margin = _KERB_MARGIN + 2 * int(_FILL_M / step_m) + int(_HOLE_M / step_m) + 2
        i0, j0 = round(x0 / step_m) - margin, round(y0 / step_m) - margin
        size = n + 2 * margin
        low_x, low_y, extent = i0 * step_m, j0 * step_m, size * step_m
        triangles = self._triangles
        near = triangles.within(low_x, low_y, low_x + extent, low_y + extent)
        out = np.full((decks, size, size), _NONE, dtype=np.uint8)
        paint_terrain(out[0], i0, j0, step_m)
        for deck in range(decks):
            members = triangles.of_deck(deck, near)
            order = members[np.argsort(triangles.rank[members], kind="stable")]
            inside = np.full((size, size), _NO_ROAD, dtype=np.int32)
            _paint_lanes(out[deck], inside, i0, j0, step_m, triangles.corners, triangles.st, triangles.lane, order,
                         self._material, self._road)  # fmt: skip
            _paint_lines(out[deck], inside, i0, j0, step_m, triangles.corners, triangles.st, self._along,
                         triangles.lane, order, self._lines, self._material, self._road)  # fmt: skip
            if deck == 0 and len(order):
                _fill_wedges(out[0], _FILL_M / step_m, _HOLE_M / step_m)
            paint_kerbs(out[deck])
        self._paint_crossings(out, i0, j0, step_m)
        return np.ascontiguousarray(out[:, margin:-margin, margin:-margin])

    def _paint_crossings(self, out: np.ndarray, i0: int, j0: int, step: float) -> None:
        """Paint crossings and stop lines on `out`, uint8 (decks, n, n), each on its deck."""
        size = out.shape[1]
        x0, y0, x1, y1 = i0 * step, j0 * step, (i0 + size) * step, (j0 + size) * step

        def deck_of(point: np.ndarray) -> int:
            near = self._triangles.within(point[0], point[1], point[0], point[1])
            heights = [z_in_triangle(point[0], point[1], self._triangles.corners[t]) for t in near]
            close = [t for t, z in zip(near, heights, strict=True) if abs(z - point[2]) < 1.5]
            return min(int(self._triangles.deck[close].max(initial=0)), len(out) - 1)

        for crossing in self._network.crossings:
            p = crossing.polygon
            if p[:, 0].max() < x0 or p[:, 0].min() > x1 or p[:, 1].max() < y0 or p[:, 1].min() > y1:
                continue
            centre = p.mean(axis=0)
            lane, s, _ = self._graph.nearest(*centre)
            yaw = _square_to(self._graph.point(lane, s)[3] if lane >= 0 else 0.0, p)
            _paint_polygon(out[deck_of(centre)], i0, j0, step, np.ascontiguousarray(p[:, :2]), yaw, _STRIPE, _GAP)
        for line in self._network.stop_lines:
            a, b = line.ends
            centre = 0.5 * (a + b)
            if not (x0 - 10 < centre[0] < x1 + 10 and y0 - 10 < centre[1] < y1 + 10):
                continue
            yaw = np.arctan2(b[1] - a[1], b[0] - a[0])
            box = box_corners(centre[0], centre[1], yaw, float(np.hypot(*(b - a)[:2])), _STOP_LINE_M)
            _paint_polygon(out[deck_of(centre)], i0, j0, step, box, 0.0, _STOP, _STOP)


def _fill_wedges(paint: np.ndarray, radius: float, hole: float) -> None:
    """Morphological closing of paved ground in `paint`, uint8 (n, n), changed: narrow gaps take the material of their
    nearest neighbour, asphalt where that is a line. `radius` and `hole` are in cells."""
    paved = (paint != _GRASS) & (paint != _SOIL)
    if paved.all() or not paved.any():
        return
    distance, (i, j) = ndimage.distance_transform_edt(~paved, return_indices=True)
    gap = ~paved & (ndimage.distance_transform_edt(distance <= radius) > radius)
    # What remains may be small but round: a hole enclosed by roads and walkways.
    label, _ = ndimage.label(~paved & ~gap)
    small = np.array([max(s.stop - s.start for s in box) <= hole for box in ndimage.find_objects(label)], dtype=bool)
    gap |= np.concatenate([[False], small])[label]
    fill = paint[i[gap], j[gap]]
    fill[(fill != _PAVING) & (fill != _ASPHALT_OLD)] = _ASPHALT
    paint[gap] = fill


def _dash_phase(network: RoadNetwork, triangles: LaneTriangles) -> np.ndarray:
    """Distance (M, 3) along the road at each corner of each triangle, m.

    The same for all lanes of a road in either direction, so that both halves of a broken line have the same dashes.
    """
    lanes = network.lanes
    sections: dict[tuple[str, int], list[Lane]] = {}
    for lane in lanes:
        sections.setdefault(lane.key[:2], []).append(lane)
    against = {lane.index: (lane.key[2] > 0) != network.left_hand_traffic for lane in lanes}
    phase: list[np.ndarray] = [lane.s for lane in lanes]
    start: dict[str, float] = {}
    for (road, _), members in sorted(sections.items()):
        inner = min(members, key=lambda lane: (abs(lane.key[2]), lane.key[2]))
        forward = start.get(road, 0.0) + (inner.length - inner.s[::-1] if against[inner.index] else inner.s)
        start[road] = float(forward[-1])
        for lane in members:
            # Lanes of a section are sampled at the same arc lengths of the road.
            if len(lane.s) == len(forward):
                phase[lane.index] = forward[::-1] if against[lane.index] else forward
    s = triangles.st[:, :, 0]
    along = np.empty(s.shape)
    first = np.searchsorted(triangles.lane, np.arange(len(lanes) + 1))
    for lane in lanes:
        rows = slice(first[lane.index], first[lane.index + 1])
        along[rows] = np.interp(s[rows], lane.s, phase[lane.index])
    return along


def _lane_styles(network: RoadNetwork) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Material uint8 (L,) of each lane; pattern and material of its left and right line, uint8 (L, 2, 2); and its road,
    int32 (L,), for driving lanes."""
    lanes = network.lanes
    material = np.full(len(lanes), _GRASS, dtype=np.uint8)
    lines = np.zeros((len(lanes), 2, 2), dtype=np.uint8)
    road = np.array(
        [_road_number(lane.key[0]) if lane.kind == "driving" else _NO_ROAD for lane in lanes], dtype=np.int32
    )
    for lane in lanes:
        if lane.kind in ("sidewalk", "walking"):
            material[lane.index] = _PAVING
        elif lane.kind == "parking":
            material[lane.index] = _PARKING
        elif lane.kind == "median":
            material[lane.index] = Material.MEDIAN
        elif lane.kind in ("none", "curb"):
            material[lane.index] = _PAVING if lane.height > 0 else _GRASS
        elif not lane.junction and (lane.kind == "shoulder" or unit_hash(_WORN, _road_number(lane.key[0])) < 0.25):
            material[lane.index] = _ASPHALT_OLD
        else:
            material[lane.index] = _ASPHALT
        for side, mark in enumerate((lane.left_mark, lane.right_mark)):
            name, _, colour = mark.partition("-")
            beside = lane.left if side == 0 else lane.right
            driving = beside >= 0 and lanes[beside].kind == "driving"
            divides = side == (1 if network.left_hand_traffic else 0) and lane.opposite >= 0 and not driving
            kind = _YELLOW if colour == "yellow" else _CENTRE if divides else _WHITE if driving else _EDGE
            lines[lane.index, side] = _PATTERN.get(name, 1), kind
    return material, lines, road


def _road_number(road: str) -> int:
    """A number, below 2^31, that stands for the id of a road: the id itself where it is such a number."""
    return int(road) if road.isascii() and road.isdecimal() and len(road) < 10 else crc32(road.encode()) >> 1


def _square_to(yaw: float, polygon: np.ndarray) -> float:
    """The heading along or across the longest edge of a polygon (N, 3) that is nearest to `yaw`, up to half turns.

    The nearest lane may be one that turns, while a crossing is square to the road.
    """
    edge = np.roll(polygon, -1, axis=0)[:, :2] - polygon[:, :2]
    k = int(np.argmax(np.hypot(edge[:, 0], edge[:, 1])))
    base = float(np.arctan2(edge[k, 1], edge[k, 0]))
    return base + round((yaw - base) / (np.pi / 2)) * (np.pi / 2)


@njit(cache=True)
def _window(corner, i0, j0, step, n, m):
    """Range of cells (first and last i, first and last j) that a triangle (3, 3), m, covers in a raster of (n, m)
    cells, the first of which has index (i0, j0) in the map frame and size `step`, m."""
    a = max(int(np.ceil(corner[:, 0].min() / step - 0.5)) - i0, 0)
    b = min(int(np.floor(corner[:, 0].max() / step - 0.5)) - i0, n - 1)
    c = max(int(np.ceil(corner[:, 1].min() / step - 0.5)) - j0, 0)
    d = min(int(np.floor(corner[:, 1].max() / step - 0.5)) - j0, m - 1)
    return a, b, c, d


@njit(cache=True)
def _offset_planes(tri, st):
    """A triangle (3, 3) as two planes, whose heights are the offsets from the left and from the right border of the
    lane."""
    left, right = tri.copy(), tri.copy()
    left[:, 2], right[:, 2] = st[:, 1], st[:, 2]
    return left, right


@njit(cache=True)
def _paint_lanes(out, inside, i0, j0, step, tri, st, lane, order, material, road):
    """Paint the materials of lanes on one deck.

    Arguments by group:
        out, inside: uint8 and int32 (n, n), written; `inside` is the road of whose driving lane a cell lies well
            inside.
        i0, j0, step: index of the first cell in the map frame and size of a cell, m.
        tri, st, lane: triangles as in `LaneTriangles`: float64 (M, 3, 3), float64 (M, 3, 3), int32 (M,).
        order: int64 (K,), triangles to paint, in this order.
        material, road: by lane, uint8 and int32 (L,).
    """
    n, m = out.shape
    for t in order:
        left, right = _offset_planes(tri[t], st[t])
        own = road[lane[t]]
        a, b, c, d = _window(tri[t], i0, j0, step, n, m)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
                offset = z_in_triangle(x, y, left)
                if np.isnan(offset):
                    continue
                out[i, j] = material[lane[t]]
                if own != _NO_ROAD and inside[i, j] != own:
                    if offset > _INSIDE_M and z_in_triangle(x, y, right) > _INSIDE_M:
                        inside[i, j] = own if inside[i, j] == _NO_ROAD else _MANY_ROADS


@njit(cache=True)
def _paint_lines(out, inside, i0, j0, step, tri, st, phase, lane, order, lines, material, road):
    """Paint the lines of lanes, and parking bays, on one deck.

    Arguments as `_paint_lanes`, and: phase: float64 (M, 3) m, distance along the road at the corners of triangles,
    which places dashes. lines: uint8 (L, 2, 2), pattern and material of the left and right line of each lane.
    """
    n, m = out.shape
    for t in order:
        style = lines[lane[t]]
        bays = material[lane[t]] == _PARKING
        if style[0, 0] == 0 and style[1, 0] == 0 and not bays:
            continue
        # Arc length and the offsets from both borders are linear over a triangle.
        left, right = _offset_planes(tri[t], st[t])
        along = tri[t].copy()
        along[:, 2] = phase[t]
        a, b, c, d = _window(along, i0, j0, step, n, m)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if out[i, j] != material[lane[t]]:
                    continue
                if inside[i, j] != _NO_ROAD and inside[i, j] != road[lane[t]]:
                    continue
                x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
                offset = z_in_triangle(x, y, left)
                if np.isnan(offset):
                    continue
                s = z_in_triangle(x, y, along)
                if bays and s % _BAY_M < _BAY_LINE_M:
                    out[i, j] = _EDGE
                for side in range(2):
                    gap = offset if side == 0 else z_in_triangle(x, y, right)
                    pattern = style[side, 0]
                    low = _DOUBLE_M[0] if pattern == 3 else -1.0
                    half = _LINE_HALF_M if style[side, 1] != _EDGE else 2 * _LINE_HALF_M
                    high = _DOUBLE_M[1] if pattern == 3 else half
                    if pattern == 0 or gap < low or gap > high:
                        continue
                    if pattern != 2 or s % _PERIOD_M < _DASH_M:
                        out[i, j] = style[side, 1]


@njit(cache=True)
def _paint_polygon(out, i0, j0, step, polygon, yaw, stripe, gap):
    """Paint stripes along the heading `yaw` (rad) of traffic in a polygon (N, 2), m, on drivable ground only.

    Arguments by group:
        out: uint8 (n, n), written.
        i0, j0, step: index of the first cell in the map frame and size of a cell, m.
        stripe, gap: Material of stripes and between them.
    """
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
