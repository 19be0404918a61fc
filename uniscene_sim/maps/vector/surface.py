"""The ground of a vector map: heights by deck, and what lies on lanes exactly.

Lanes are strips of triangles. Terrain is capped by the lower Lipschitz envelope of the roads (an embankment never
steeper than 1:2), so a road high above another becomes a bridge: its triangles belong to deck 1.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import DRIVABLE_KINDS
from uniscene_sim.maps.ground import HASH_M, KERB_M, Ground, LaneGround, cell_at, height_at, rank_at, z_in_triangle
from uniscene_sim.maps.terrain import DECK_M as _DECK_M
from uniscene_sim.maps.terrain import PAD_M as _PAD_M
from uniscene_sim.maps.terrain import STEP_M as _TERRAIN_STEP_M
from uniscene_sim.maps.terrain import fill_terrain, make_terrain, terrain_many

if TYPE_CHECKING:
    from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["KERB_M", "SurfaceModel"]

_WALK_KINDS = frozenset({"sidewalk", "walking"})
_STACK_M = 3.0  # bridges this far apart are decks of their own
_JOINT_M = 0.006  # strips reach this far past their ends: lanes are sampled up to 5 mm short of where they join


class SurfaceModel:
    """Heights and membership on a map.

    Attributes:
        tri: float64 (M, 3, 3), corners of lane triangles, m; corner order left, right, right or left, right, left.
        tri_lane: int32 (M,), lane of each triangle.
        tri_st: float64 (M, 3, 2), arc length and offset from the left border at each corner, m.
        tri_deck: int32 (M,).
        tri_rank: int32 (M,), who wins where lanes of one deck overlap: 3 driving, 2 other drivable, 1 walkway, 0 rest.
    """

    def __init__(self, vector_map: VectorMap):
        self.map = vector_map
        self._build_triangles()
        self._build_hash()
        self._build_terrain()
        self._assign_decks()

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,) at places (N,) on the deck nearest to `z_hint` (N,), m."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        z_hint = np.broadcast_to(np.asarray(z_hint, float), x.shape)
        return _heights(x, y, z_hint, self.arrays)

    def drivable(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether places (N,) lie on a lane that cars may use, within 2 m of height; exact by polygons."""
        return self.rank(x, y, z) >= 2

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Highest `tri_rank` (N,) at places within 2 m of height; -1 off every lane."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        z = np.broadcast_to(np.asarray(z, float), x.shape)
        return _ranks(x, y, z, self.arrays)

    def ground(self, x0: float, y0: float, n: int, step_m: float) -> np.ndarray:
        """Heights float32 (D, n, n) at the samples (x0 + i step, y0 + j step); NaN where a deck above 0 is absent."""
        i0, j0 = round(x0 / step_m), round(y0 / step_m)
        near = self.triangles_in(x0, y0, x0 + n * step_m, y0 + n * step_m)
        decks = 1 + int(self.tri_deck[near].max(initial=0))
        out = np.full((decks, n, n), np.nan, dtype=np.float32)
        rank = np.full((decks, n, n), -1, dtype=np.int32)
        fill_terrain(out[0], i0, j0, step_m, self._terrain_origin, self.terrain)
        for deck in range(decks):
            # The next lower deck reaches a little under this one, so that no gap opens where a ramp becomes a bridge.
            members = near[(self.tri_deck[near] == deck) | ((self.tri_deck[near] == deck - 1) & self._tri_ramp[near])]
            _fill_heights(out[deck], rank[deck], i0, j0, step_m, self.tri, self.tri_rank, members)
        return out

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Material uint8 (D, n, n) of the cells with corners (x0 + i step, y0 + j step), by deck; NONE where absent."""
        from uniscene_sim.maps.vector.markings import paint_ground

        return paint_ground(self, x0, y0, n, step_m, decks)

    def triangles_in(self, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
        """Indices int64 of triangles whose bounds meet a rectangle."""
        b = self._tri_bounds
        return np.flatnonzero((b[:, 0] <= x1) & (b[:, 2] >= x0) & (b[:, 1] <= y1) & (b[:, 3] >= y0))

    @cached_property
    def arrays(self) -> Ground:
        """The same for kernels."""
        lanes = LaneGround(
            self.tri, self.tri_rank, self._cell_start, self._cell_items, self._hash_origin, self._hash_shape
        )
        return Ground.of_lanes(lanes, self.terrain, self._terrain_origin)

    def _build_triangles(self) -> None:
        tri, owner, st, rank = [], [], [], []
        for lane in self.map.lanes:
            walk = lane.kind in _WALK_KINDS
            lift = lane.height if lane.height or not walk else KERB_M
            left, right = lane.border(1), lane.border(-1)
            left[:, 2] += lift
            right[:, 2] += lift
            for end, sign in ((0, -1), (-1, 1)):
                ahead = sign * _JOINT_M * np.array([np.cos(lane.heading[end]), np.sin(lane.heading[end])])
                left[end, :2] += ahead
                right[end, :2] += ahead
            s, width = lane.s, lane.width
            zero = np.zeros(len(s) - 1)
            a, b, c, d = left[:-1], right[:-1], right[1:], left[1:]
            sa, sc = s[:-1], s[1:]
            tri += [np.stack([a, b, c], 1), np.stack([a, c, d], 1)]
            st += [
                np.stack([np.stack([sa, zero], 1), np.stack([sa, width[:-1]], 1), np.stack([sc, width[1:]], 1)], 1),
                np.stack([np.stack([sa, zero], 1), np.stack([sc, width[1:]], 1), np.stack([sc, zero], 1)], 1),
            ]
            value = 3 if lane.kind == "driving" else 2 if lane.kind in DRIVABLE_KINDS else 1 if walk else 0
            owner.append(np.full(2 * len(zero), lane.index))
            rank.append(np.full(2 * len(zero), value))
        self.tri = np.concatenate(tri) if tri else np.zeros((0, 3, 3))
        self.tri_st = np.concatenate(st) if st else np.zeros((0, 3, 2))
        self.tri_lane = np.concatenate(owner).astype(np.int32) if owner else np.zeros(0, np.int32)
        self.tri_rank = np.concatenate(rank).astype(np.int32) if rank else np.zeros(0, np.int32)
        keep = np.abs(_areas(self.tri)) > 1e-6  # lanes taper to nothing
        self.tri, self.tri_st = np.ascontiguousarray(self.tri[keep]), np.ascontiguousarray(self.tri_st[keep])
        self.tri_lane, self.tri_rank = self.tri_lane[keep], self.tri_rank[keep]
        self._tri_bounds = np.concatenate([self.tri[:, :, :2].min(1), self.tri[:, :, :2].max(1)], axis=1)

    def _build_hash(self) -> None:
        bounds = self._tri_bounds
        low = bounds[:, :2].min(0) if len(bounds) else np.zeros(2)
        high = bounds[:, 2:].max(0) if len(bounds) else np.ones(2)
        self._hash_origin = np.floor(low / HASH_M) * HASH_M
        self._hash_shape = np.floor((high - self._hash_origin) / HASH_M).astype(np.int64) + 1
        self._cell_start, self._cell_items = _hash_triangles(bounds, self._hash_origin, self._hash_shape)

    def _build_terrain(self) -> None:
        """Terrain height on a 2 m grid over the whole map and 256 m around it."""
        points = self.tri.reshape(-1, 3)
        if not len(points):
            raise InputError(f"map {self.map.name!r}: expected at least one lane of some width", field="lanes")
        low, high = points[:, :2].min(0) - _PAD_M, points[:, :2].max(0) + _PAD_M
        self._terrain_origin = np.floor(low / _TERRAIN_STEP_M) * _TERRAIN_STEP_M
        size = np.ceil((high - self._terrain_origin) / _TERRAIN_STEP_M).astype(int) + 2
        self.terrain = make_terrain(self.tri, self._terrain_origin, (int(size[0]), int(size[1])), _TERRAIN_STEP_M)

    def _assign_decks(self) -> None:
        centre = self.tri.mean(axis=1)
        rise = centre[:, 2] - self.terrain_height(centre[:, 0], centre[:, 1])
        deck = (rise > _DECK_M).astype(np.int32)
        self._tri_ramp = rise > 0.7 * _DECK_M
        if deck.any():
            deck = _stack(
                centre, deck, self.tri, self._cell_start, self._cell_items, self._hash_origin, self._hash_shape
            )
        self.tri_deck = deck
        self._tri_ramp |= deck > 0

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the terrain alone at places (N,), m."""
        return terrain_many(np.asarray(x, float), np.asarray(y, float), self._terrain_origin, self.terrain)


def _areas(tri: np.ndarray) -> np.ndarray:
    a, b = tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


@njit(cache=True)
def _hash_triangles(bounds, origin, shape):
    """Cells of 4 m to the triangles that may touch them, as compressed rows."""
    count = np.zeros(shape[0] * shape[1] + 1, np.int64)
    for phase in range(2):
        if phase == 1:
            start = np.concatenate((np.zeros(1, np.int64), np.cumsum(count[:-1])))
            items = np.empty(start[-1], np.int32)
            at = start.copy()
        for t in range(bounds.shape[0]):
            i0, j0 = int((bounds[t, 0] - origin[0]) // HASH_M), int((bounds[t, 1] - origin[1]) // HASH_M)
            i1, j1 = int((bounds[t, 2] - origin[0]) // HASH_M), int((bounds[t, 3] - origin[1]) // HASH_M)
            for i in range(i0, i1 + 1):
                for j in range(j0, j1 + 1):
                    cell = i * shape[1] + j
                    if phase == 0:
                        count[cell] += 1
                    else:
                        items[at[cell]] = t
                        at[cell] += 1
    return start, items


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
def _stack(centre, deck, tri, start, items, origin, shape):
    """Raise bridges over bridges to a deck of their own, from the lowest up."""
    out = deck.copy()
    for t in np.argsort(centre[:, 2]):
        if deck[t] == 0:
            continue
        cell = cell_at(centre[t, 0], centre[t, 1], origin, shape)
        for q in range(start[cell], start[cell + 1]):
            other = items[q]
            if deck[other] > 0 and out[other] >= out[t]:
                z = z_in_triangle(centre[t, 0], centre[t, 1], tri[other])
                if centre[t, 2] - z > _STACK_M:
                    out[t] = out[other] + 1
    return out


@njit(cache=True)
def _fill_heights(out, best, i0, j0, step, tri, rank, members):
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
