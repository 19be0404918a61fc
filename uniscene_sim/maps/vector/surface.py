"""The ground of a vector map: heights by deck, and exact queries of what lies on lanes.

Terrain is capped by the lower Lipschitz envelope of the roads (embankments are never steeper than 1:2), so a road high
above another becomes a bridge: its triangles belong to deck 1.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import RoadNetwork
from uniscene_sim.maps.ground import KERB_RAMP_M, Ground, cell_at, height_at, rank_at, z_in_triangle
from uniscene_sim.maps.paint_edges import GroundPaint
from uniscene_sim.maps.terrain import DECK_M, STEP_M, fill_terrain, make_terrain, terrain_frame, terrain_many
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.markings import RoadMarkings
from uniscene_sim.maps.vector.triangles import LaneTriangles

__all__ = ["SurfaceModel"]

_HIGH_KERB_M = 0.4
_STACK_M = 3.0  # bridges this far apart in height are separate decks


class SurfaceModel:
    """The `Surface` of a vector map.

    Attributes:
        triangles: those of the lanes, with their decks.
        terrain: float64 (X, Y) m, height of the open ground at nodes 2 m apart.
    """

    def __init__(self, network: RoadNetwork, graph: LaneGraph):
        self._network, self._graph = network, graph
        self.triangles = LaneTriangles(network.lanes)
        self._terrain_origin, self.terrain = self._make_terrain()
        self._assign_decks()

    @property
    def decks(self) -> int:
        """Levels of the ground on the whole map: 1 without bridges."""
        return 1 + int(self.triangles.deck.max(initial=0))

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,), m, at places (N,) on the deck nearest to `z_hint` (N,)."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        z_hint = np.broadcast_to(np.asarray(z_hint, float), x.shape)
        height: np.ndarray = _heights(x, y, z_hint, self.arrays)
        return height

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the terrain alone at places (N,)."""
        height: np.ndarray = terrain_many(
            np.asarray(x, float), np.asarray(y, float), self._terrain_origin, self.terrain
        )
        return height

    def drivable(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether places (N,) lie on a lane for cars, within 2 m of height `z` (N,); exact by polygons."""
        return self.rank(x, y, z) >= 2

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Highest `LaneTriangles.rank` at places within 2 m of height `z` (N,): int32 (N,); -1 off every lane."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        z = np.broadcast_to(np.asarray(z, float), x.shape)
        rank: np.ndarray = _ranks(x, y, z, self.arrays)
        return rank

    def ground(self, x0: float, y0: float, n: int, step_m: float) -> np.ndarray:
        """Heights by deck, float32 (D, n, n) m, see `Surface.ground`.

        Args:
            x0, y0: first sample, m, map frame; a multiple of `step_m`.
            n: samples along each side.
            step_m: between samples.
        """
        i0, j0 = round(x0 / step_m), round(y0 / step_m)
        triangles = self.triangles
        near = triangles.within(x0, y0, x0 + n * step_m, y0 + n * step_m)
        decks = 1 + int(triangles.deck[near].max(initial=0))
        out = np.full((decks, n, n), np.nan, dtype=np.float32)
        rank = np.full((decks, n, n), -1, dtype=np.int32)
        fill_terrain(out[0], i0, j0, step_m, self._terrain_origin, self.terrain)
        for deck in range(decks):
            members = triangles.of_deck(deck, near)
            _fill_heights(out[deck], rank[deck], i0, j0, step_m, triangles.corners, triangles.rank, members)
            fine = self.markings.fine
            beside = fine.of_deck(deck, fine.within(x0 - KERB_RAMP_M, y0 - KERB_RAMP_M, *(
                low + n * step_m + KERB_RAMP_M for low in (x0, y0)
            )))  # fmt: skip
            roads = np.ascontiguousarray(fine.corners[beside[fine.rank[beside] >= 2]])
            _slope_kerbs(out[deck], rank[deck], i0, j0, step_m, roads)
        return out

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Materials by deck, uint8 (D, n, n), see `Surface.paint`.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side.
            step_m: size of a cell.
            decks: number of decks, D.
        """
        return self.markings.paint(x0, y0, n, step_m, decks)

    def edged_paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> GroundPaint:
        """Materials by deck and the edges between them, see `Surface.edged_paint`.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side, a multiple of 4.
            step_m: size of a cell.
            decks: number of decks, D.
        """
        return self.markings.edged_paint(x0, y0, n, step_m, decks)

    @cached_property
    def markings(self) -> RoadMarkings:
        """Materials and lines of the lanes."""
        return RoadMarkings(self._network, self._graph, self.triangles)

    @cached_property
    def arrays(self) -> Ground:
        """The same for kernels."""
        return Ground.of_lanes(self.triangles.cells, self.terrain, self._terrain_origin)

    def _make_terrain(self) -> tuple[np.ndarray, np.ndarray]:
        """Origin (2,), m, and height (X, Y), m, of terrain on a 2 m grid over the whole map and 256 m around it.

        Raises:
            InputError: the map has no lanes, or spans more than the memory holds.
        """
        corners = self.triangles.corners
        points = corners.reshape(-1, 3)
        if not len(points):
            raise InputError(f"map {self._network.name!r}: expected at least one lane of some width", field="lanes")
        origin, nodes = terrain_frame(points[:, :2].min(0), points[:, :2].max(0))
        return origin, make_terrain(corners, origin, nodes, STEP_M)

    def _assign_decks(self) -> None:
        triangles = self.triangles
        centre = triangles.corners.mean(axis=1)
        rise = centre[:, 2] - self.terrain_height(centre[:, 0], centre[:, 1])
        deck = (rise > DECK_M).astype(np.int32)
        if deck.any():
            deck = _stack(centre, deck, triangles.cells)
        triangles.deck, triangles.ramp = deck, (rise > 0.7 * DECK_M) | (deck > 0)


@njit(cache=True)
def _heights(x, y, hint, ground):
    out = np.empty(x.size)
    for k in range(x.size):
        out[k] = height_at(ground, x[k], y[k], hint[k])
    return out


@njit(cache=True)
def _ranks(x, y, hint, ground):
    out = np.empty(x.size, np.int32)
    for k in range(x.size):
        out[k] = rank_at(ground, x[k], y[k], hint[k], 3)
    return out


@njit(cache=True)
def _stack(centre, deck, lanes):
    """Assign bridges over bridges to separate decks, from the lowest up."""
    out = deck.copy()
    for t in np.argsort(centre[:, 2]):
        if deck[t] == 0:
            continue
        cell = cell_at(centre[t, 0], centre[t, 1], lanes.origin, lanes.shape)
        for q in range(lanes.start[cell], lanes.start[cell + 1]):
            other = lanes.items[q]
            if deck[other] > 0 and out[other] >= out[t]:
                z = z_in_triangle(centre[t, 0], centre[t, 1], lanes.tri[other])
                if centre[t, 2] - z > _STACK_M:
                    out[t] = out[other] + 1
    return out


@njit(cache=True)
def _fill_heights(out, best, i0, j0, step, tri, rank, members):
    """Write the heights of triangles at samples, the highest rank on top.

    Arguments by group:
        out, best: float32 m and int32 (n, n), height and its rank so far, changed.
        i0, j0, step: index of the first sample in the map frame and distance between samples, m.
        tri, rank: triangles as in `LaneTriangles`, (M, 3, 3) and (M,).
        members: int64 (K,), triangles to write.
    """
    n, m = out.shape
    for t in members:
        corner = tri[t]
        a = max(int(np.ceil(corner[:, 0].min() / step)) - i0, 0)
        b = min(int(np.floor(corner[:, 0].max() / step)) - i0, n - 1)
        c = max(int(np.ceil(corner[:, 1].min() / step)) - j0, 0)
        d = min(int(np.floor(corner[:, 1].max() / step)) - j0, m - 1)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if rank[t] > best[i, j]:
                    z = z_in_triangle((i0 + i) * step, (j0 + j) * step, corner)
                    if not np.isnan(z):
                        out[i, j] = z
                        best[i, j] = rank[t]


@njit(cache=True)
def _slope_kerbs(out, rank, i0, j0, step, roads):
    """Let what stands beside roads by up to a high kerb rise over `KERB_RAMP_M`, for samples at a step of that size
    would leave the kerb jagged.

    Arguments by group:
        out, rank: float32 m and int32 (n, n), height, changed, and rank at samples.
        i0, j0, step: index of the first sample in the map frame and distance between samples, m.
        roads: float64 (M, 3, 3) m, triangles of drivable lanes.
    """
    n, m = out.shape
    away = np.full((n, m), KERB_RAMP_M)
    foot = np.zeros((n, m))
    for t in range(roads.shape[0]):
        corner = roads[t]
        a = max(int(np.ceil((corner[:, 0].min() - KERB_RAMP_M) / step)) - i0, 0)
        b = min(int(np.floor((corner[:, 0].max() + KERB_RAMP_M) / step)) - i0, n - 1)
        c = max(int(np.ceil((corner[:, 1].min() - KERB_RAMP_M) / step)) - j0, 0)
        d = min(int(np.floor((corner[:, 1].max() + KERB_RAMP_M) / step)) - j0, m - 1)
        for i in range(a, b + 1):
            for j in range(c, d + 1):
                if rank[i, j] < 0 or rank[i, j] > 1:
                    continue
                x, y = (i0 + i) * step, (j0 + j) * step
                inside = z_in_triangle(x, y, corner)
                if not np.isnan(inside):
                    away[i, j], foot[i, j] = 0.0, inside
                    continue
                for q in range(3):
                    p, e = corner[q], corner[(q + 1) % 3]
                    ex, ey = e[0] - p[0], e[1] - p[1]
                    square = ex * ex + ey * ey
                    u = 0.0
                    if square > 0.0:
                        u = min(max(((x - p[0]) * ex + (y - p[1]) * ey) / square, 0.0), 1.0)
                    gap = np.sqrt((x - p[0] - u * ex) ** 2 + (y - p[1] - u * ey) ** 2)
                    if gap < away[i, j]:
                        away[i, j], foot[i, j] = gap, p[2] + u * (e[2] - p[2])
    for i in range(n):
        for j in range(m):
            rise = out[i, j] - foot[i, j]
            if away[i, j] < KERB_RAMP_M and 0.0 < rise < _HIGH_KERB_M:
                out[i, j] = foot[i, j] + rise * away[i, j] / KERB_RAMP_M
