"""Materials of the ground of a vector map: asphalt, lane markings, crossings, kerbs and terrain, at 0.1 m or finer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from zlib import crc32

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import box_corners, point_in_polygon
from uniscene_sim.maps.elements import Lane, RoadNetwork
from uniscene_sim.maps.ground import z_in_triangle
from uniscene_sim.maps.ground_covers import paint_covers
from uniscene_sim.maps.ground_materials import paint_kerbs, paint_terrain
from uniscene_sim.maps.paint_edges import EdgeFit, GroundPaint
from uniscene_sim.maps.vector.border_curves import (
    BAY_LINE_M,
    BAY_M,
    INSIDE_M,
    ON_TOP,
    BorderCurves,
    polygon_pieces,
    stripe_pieces,
)
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.smooth_lanes import smooth_lanes
from uniscene_sim.maps.vector.strokes import lane_strokes
from uniscene_sim.maps.vector.triangles import LaneTriangles
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import PAINT_BLOCK

__all__ = ["RoadMarkings"]

_FILL_M = 1.6  # gaps between lanes narrower than twice this are paved
_HOLE_M = 4.4  # and so are holes that fit into a square of this size
_MARGIN = 8  # cells, of kerbs and edges
_STOP_LINE_M = 0.4
_STRIPE_M = 0.5
_WORN = 105  # use of random numbers

_ASPHALT, _ASPHALT_OLD, _PAVING, _KERB = Material.ASPHALT, Material.ASPHALT_OLD, Material.PAVING, Material.KERB
_GRASS, _SOIL, _NONE = Material.GRASS, Material.SOIL, Material.NONE
_EDGE = Material.EDGE_LINE
_NO_ROAD, _MANY_ROADS = -(2**31), -(2**31) + 1
_STOP, _STRIPE, _GAP, _PARKING = Material.STOP_LINE, Material.CROSSING_STRIPE, Material.CROSSING_GAP, Material.PARKING


class RoadMarkings:
    """Materials of the lanes of a map with their lines, crossings and stop lines.

    Attributes:
        fine: the triangles of the lanes, with more of them where lanes turn.
    """

    def __init__(self, network: RoadNetwork, graph: LaneGraph, triangles: LaneTriangles):
        self._network, self._graph, self._decks = network, graph, triangles
        lanes, places = smooth_lanes(network.lanes)
        self.fine = triangles.refined(lanes)
        self._material, self._road = _lane_styles(network)
        distance = _road_distance(network)
        self._strokes = lane_strokes(network, distance)
        phase = [np.interp(place, np.arange(len(along)), along) for place, along in zip(places, distance, strict=True)]
        self._along = _at_corners(lanes, phase, self.fine)
        rank = np.zeros(len(lanes), np.int64)
        rank[self.fine.lane] = self.fine.rank
        self._curves = BorderCurves.of_lanes(lanes, phase, rank.tolist(), self._strokes) + self._curves_on_top()

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
        return self.edged_paint(x0, y0, n + -n % PAINT_BLOCK, step_m, decks).material[:, :n, :n]

    def edged_paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> GroundPaint:
        """The same with the edges of materials; `n` is a multiple of 4.

        Args:
            x0, y0: corner of the window, m; a multiple of `step_m`.
            n: cells along each side.
            step_m: size of a cell.
            decks: number of decks to paint, from the lowest.
        """
        # Drawn with a margin, so that filled gaps and kerbs do not depend on where the window ends.
        margin = _MARGIN + 2 * int(_FILL_M / step_m) + int(_HOLE_M / step_m) + 2
        i0, j0 = round(x0 / step_m) - margin, round(y0 / step_m) - margin
        size = n + 2 * margin
        low_x, low_y, extent = i0 * step_m, j0 * step_m, size * step_m
        triangles = self.fine
        near = triangles.within(low_x, low_y, low_x + extent, low_y + extent)
        out = np.full((decks, size, size), _NONE, dtype=np.uint8)
        paint_terrain(out[0], i0, j0, step_m)
        paint_covers(out[0], i0, j0, step_m, self._network.covers)
        for deck in range(decks):
            members = triangles.of_deck(deck, near)
            order = members[np.argsort(triangles.rank[members], kind="stable")]
            inside = np.full((size, size), _NO_ROAD, dtype=np.int32)
            _paint_lanes(out[deck], inside, i0, j0, step_m, triangles.corners, triangles.st, triangles.lane, order,
                         self._material, self._road)  # fmt: skip
            _paint_lines(out[deck], inside, i0, j0, step_m, triangles.corners, triangles.st, self._along,
                         triangles.lane, order, *self._strokes_by_side, self._material, self._road)  # fmt: skip
            if deck == 0 and len(order):
                _fill_wedges(out[0], _FILL_M / step_m, _HOLE_M / step_m)
        # What is far outside the window has done its part.
        cut = margin - _MARGIN
        out = np.ascontiguousarray(out[:, cut : size - cut, cut : size - cut])
        frame = (i0 + cut, j0 + cut, step_m)
        curves = self._curves.within(frame[0] * step_m, frame[1] * step_m, len(out[0]) * step_m)
        kerbs = [paint_kerbs(of_deck, *frame, curves.segments, curves.order) for of_deck in out]
        self._paint_crossings(out, *frame)
        edges = []
        for of_deck, kerb in zip(out, kerbs, strict=True):
            fit = EdgeFit(of_deck, *frame)
            fit.fit(curves.segments, curves.order, [kerb])
            edges.append(fit.packed[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])
        return GroundPaint.of_decks(np.ascontiguousarray(out[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]), edges)

    @property
    def _strokes_by_side(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._strokes.table, self._strokes.material, self._strokes.start

    @cached_property
    def _crossings(self) -> list[tuple[np.ndarray, float]]:
        """Polygon (N, 3), m, of each crossing, and heading of its stripes, rad."""
        found = []
        for crossing in self._network.crossings:
            lane, s, _ = self._graph.nearest(*crossing.polygon.mean(axis=0))
            yaw = _square_to(self._graph.point(lane, s)[3] if lane >= 0 else 0.0, crossing.polygon)
            found.append((crossing.polygon, yaw))
        return found

    @cached_property
    def _stop_lines(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Middle (3,) and corners (4, 2) of each stop line, m."""
        found = []
        for line in self._network.stop_lines:
            a, b = line.ends
            centre, yaw = 0.5 * (a + b), np.arctan2(b[1] - a[1], b[0] - a[0])
            found.append((centre, box_corners(centre[0], centre[1], yaw, float(np.hypot(*(b - a)[:2])), _STOP_LINE_M)))
        return found

    def _curves_on_top(self) -> BorderCurves:
        """The borders of crossings, their stripes and stop lines."""
        parts = [(polygon_pieces(box), ON_TOP + 2) for _, box in self._stop_lines]
        for polygon, yaw in self._crossings:
            parts.append((polygon_pieces(polygon[:, :2]), ON_TOP))
            parts.append((stripe_pieces(polygon[:, :2], yaw, _STRIPE_M), ON_TOP + 1))
        return BorderCurves.of(parts)

    def _paint_crossings(self, out: np.ndarray, i0: int, j0: int, step: float) -> None:
        """Paint crossings and stop lines on `out`, uint8 (decks, n, n), each on its deck."""
        size = out.shape[1]
        x0, y0, x1, y1 = i0 * step, j0 * step, (i0 + size) * step, (j0 + size) * step

        def deck_of(point: np.ndarray) -> int:
            near = self._decks.within(point[0], point[1], point[0], point[1])
            heights = [z_in_triangle(point[0], point[1], self._decks.corners[t]) for t in near]
            close = [t for t, z in zip(near, heights, strict=True) if abs(z - point[2]) < 1.5]
            return min(int(self._decks.deck[close].max(initial=0)), len(out) - 1)

        for p, yaw in self._crossings:
            if p[:, 0].max() < x0 or p[:, 0].min() > x1 or p[:, 1].max() < y0 or p[:, 1].min() > y1:
                continue
            deck = out[deck_of(p.mean(axis=0))]
            _paint_polygon(deck, i0, j0, step, np.ascontiguousarray(p[:, :2]), yaw, _STRIPE, _GAP)
        for centre, box in self._stop_lines:
            if x0 - 10 < centre[0] < x1 + 10 and y0 - 10 < centre[1] < y1 + 10:
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


def _road_distance(network: RoadNetwork) -> list[np.ndarray]:
    """Distance (N,) along the road at each sample of each lane, m.

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
    return phase


def _at_corners(lanes: Sequence[Lane], values: Sequence[np.ndarray], triangles: LaneTriangles) -> np.ndarray:
    """Values (M, 3) at the corners of triangles, from those at the samples of lanes."""
    s = triangles.st[:, :, 0]
    out = np.empty(s.shape)
    first = np.searchsorted(triangles.lane, np.arange(len(lanes) + 1))
    for lane in lanes:
        rows = slice(first[lane.index], first[lane.index + 1])
        out[rows] = np.interp(s[rows], lane.s, values[lane.index])
    return out


def _lane_styles(network: RoadNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Material uint8 (L,) of each lane, and its road, int32 (L,), for driving lanes."""
    lanes = network.lanes
    material = np.full(len(lanes), _GRASS, dtype=np.uint8)
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
    return material, road


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
                    if offset > INSIDE_M and z_in_triangle(x, y, right) > INSIDE_M:
                        inside[i, j] = own if inside[i, j] == _NO_ROAD else _MANY_ROADS


@njit(cache=True)
def _paint_lines(out, inside, i0, j0, step, tri, st, phase, lane, order, strokes, kind, start, material, road):
    """Paint the lines of lanes, and parking bays, on one deck.

    Arguments as `_paint_lanes`, and: phase: float64 (M, 3) m, distance along the road at the corners of triangles,
    which places dashes. strokes, kind, start: table, material and start of `Strokes`.
    """
    n, m = out.shape
    for t in order:
        own = lane[t]
        bays = material[own] == _PARKING
        if start[2 * own] == start[2 * own + 2] and not bays:
            continue
        # Arc lengths and the offsets from both borders are linear over a triangle.
        left, right = _offset_planes(tri[t], st[t])
        along, place = tri[t].copy(), tri[t].copy()
        along[:, 2], place[:, 2] = phase[t], st[t, :, 0]
        a, b, c, d = _window(along, i0, j0, step, n, m)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if out[i, j] != material[own]:
                    continue
                if inside[i, j] != _NO_ROAD and inside[i, j] != road[own]:
                    continue
                x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
                offset = z_in_triangle(x, y, left)
                if np.isnan(offset):
                    continue
                s = z_in_triangle(x, y, along)
                if bays and s % BAY_M < BAY_LINE_M:
                    out[i, j] = _EDGE
                for side in range(2):
                    gap = offset if side == 0 else z_in_triangle(x, y, right)
                    for row in range(start[2 * own + side], start[2 * own + side + 1]):
                        begin, end, low, high = strokes[row, 0], strokes[row, 1], strokes[row, 2], strokes[row, 3]
                        if gap < low or gap > high:
                            continue
                        if begin > 0.0 or end < np.inf:
                            on_lane = z_in_triangle(x, y, place)
                            if on_lane < begin or on_lane >= end:
                                continue
                        dash, period = strokes[row, 4], strokes[row, 5]
                        if period == 0.0 or (s - strokes[row, 6]) % period < dash:
                            out[i, j] = kind[row]


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
