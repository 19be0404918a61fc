"""`LaneTriangles`: lanes as strips of triangles, with a spatial index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.elements import DRIVABLE_KINDS, Lane
from uniscene_sim.maps.ground import HASH_M, KERB_M, LaneGround

__all__ = ["LaneTriangles"]

_WALK_KINDS = frozenset({"sidewalk", "walking"})
_JOINT_M = 0.006  # overlap of strips at their ends: lanes are sampled up to 5 mm short of where they join


class LaneTriangles:
    """The triangles of all lanes of a map.

    Attributes:
        corners: float64 (M, 3, 3), m; their order is left, right, right or left, right, left.
        lane: int32 (M,), lane of each triangle.
        st: float64 (M, 3, 3), arc length and offsets from the left and from the right border at each corner, m.
        rank: int32 (M,), which counts where lanes of one deck overlap: 3 driving, 2 other drivable, 1 walkway, 0 rest.
        deck: int32 (M,); 0 until `SurfaceModel` assigns bridges.
        ramp: bool (M,), whether a triangle is a bridge or leads up to one.
        cells: the triangles for kernels, by cells of 4 m.
    """

    def __init__(self, lanes: Sequence[Lane]):
        corners, owner, st, rank = [], [], [], []
        for lane in lanes:
            walk = lane.kind in _WALK_KINDS
            lift = lane.height if lane.height or not walk else KERB_M
            strips = max(lane.profile.shape[1] - 1, 1)  # as many as its shape across has
            parts = np.linspace(0.5, -0.5, strips + 1)
            lines = [lane.across(part) + np.array([0.0, 0.0, lift]) for part in parts]
            for end, sign in ((0, -1), (-1, 1)):
                ahead = sign * _JOINT_M * np.array([np.cos(lane.heading[end]), np.sin(lane.heading[end])])
                for line in lines:
                    line[end, :2] += ahead
            at = [np.stack([lane.s, (0.5 - part) * lane.width, (0.5 + part) * lane.width], axis=1) for part in parts]
            for left, right, st_left, st_right in zip(lines[:-1], lines[1:], at[:-1], at[1:], strict=True):
                corners += [_first(left, right), _second(left, right)]
                st += [_first(st_left, st_right), _second(st_left, st_right)]
            value = 3 if lane.kind == "driving" else 2 if lane.kind in DRIVABLE_KINDS else 1 if walk else 0
            owner.append(np.full(2 * strips * (len(lane.s) - 1), lane.index))
            rank.append(np.full(2 * strips * (len(lane.s) - 1), value))
        self.corners = np.concatenate(corners) if corners else np.zeros((0, 3, 3))
        self.st = np.concatenate(st) if st else np.zeros((0, 3, 3))
        self.lane = np.concatenate(owner).astype(np.int32) if owner else np.zeros(0, np.int32)
        self.rank = np.concatenate(rank).astype(np.int32) if rank else np.zeros(0, np.int32)
        keep = np.abs(_areas(self.corners)) > 1e-6  # lanes taper to nothing
        self.corners, self.st = np.ascontiguousarray(self.corners[keep]), np.ascontiguousarray(self.st[keep])
        self.lane, self.rank = self.lane[keep], self.rank[keep]
        self.deck, self.ramp = np.zeros(len(self.lane), np.int32), np.zeros(len(self.lane), bool)
        self._bounds = np.concatenate([self.corners[:, :, :2].min(1), self.corners[:, :, :2].max(1)], axis=1)
        self.cells = self._by_cell()

    def __len__(self) -> int:
        return len(self.lane)

    def refined(self, lanes: Sequence[Lane]) -> LaneTriangles:
        """The triangles of the same lanes, sampled finer; with the decks of these."""
        fine = LaneTriangles(lanes)
        if not (self.deck.any() or self.ramp.any()):
            return fine
        first, last = (np.searchsorted(self.lane, fine.lane, side=side) for side in ("left", "right"))
        share = fine.st[:, :, 0].mean(axis=1) / np.array([lane.length for lane in lanes])[fine.lane]
        for t in range(len(fine)):
            mine = self.st[first[t] : last[t], :, 0]
            k = first[t] + int(np.argmin(np.abs(mine.mean(axis=1) / mine.max() - share[t])))
            fine.deck[t], fine.ramp[t] = self.deck[k], self.ramp[k]
        return fine

    def within(self, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
        """Indices int64 (K,) of the triangles whose bounds intersect a rectangle.

        Args:
            x0, y0, x1, y1: its lowest and highest corner, m.
        """
        b = self._bounds
        return np.flatnonzero((b[:, 0] <= x1) & (b[:, 2] >= x0) & (b[:, 1] <= y1) & (b[:, 3] >= y0))

    def of_deck(self, deck: int, among: np.ndarray) -> np.ndarray:
        """Those of the triangles `among` (K,) that are drawn on a deck.

        Ramps of the next lower deck are drawn too, so that no gap opens where a ramp becomes a bridge.
        """
        found: np.ndarray = among[(self.deck[among] == deck) | ((self.deck[among] == deck - 1) & self.ramp[among])]
        return found

    def _by_cell(self) -> LaneGround:
        bounds = self._bounds
        low = bounds[:, :2].min(0) if len(bounds) else np.zeros(2)
        high = bounds[:, 2:].max(0) if len(bounds) else np.ones(2)
        origin = np.floor(low / HASH_M) * HASH_M
        shape = np.floor((high - origin) / HASH_M).astype(np.int64) + 1
        start, items = _hash_triangles(bounds, origin, shape)
        return LaneGround(self.corners, self.rank, start, items, origin, shape)


def _first(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The triangles left, right, right (N - 1, 3, 3) between two lines (N, 3)."""
    return np.stack([left[:-1], right[:-1], right[1:]], axis=1)


def _second(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The triangles left, right, left (N - 1, 3, 3) between two lines (N, 3)."""
    return np.stack([left[:-1], right[1:], left[1:]], axis=1)


def _areas(tri: np.ndarray) -> np.ndarray:
    """Signed areas (M,), m2, of triangles (M, 3, 3), m, projected to the ground."""
    a, b = tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0]
    areas: np.ndarray = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    return areas


@njit(cache=True)
def _hash_triangles(bounds, origin, shape):
    """Triangles whose bounds (M, 4), m, touch each cell of 4 m, as compressed rows: start (cells + 1,) and items."""
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
