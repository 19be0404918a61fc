"""Edges of paint: where, within its cells, the border between two materials runs.

A raster says which material the middle of each cell has. `EdgeFit` is then offered the curves that materials end at,
piece by piece. Where a piece separates the middles of neighbouring cells of two materials, their border is that piece,
to a millimetre. A border that no curve explains, such as that of a patch of soil, is a smooth line through the raster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import EDGE_UNIT_M, EDGES_A_CELL, PAINT_BLOCK

__all__ = ["EDGE_MARGIN", "EdgeFit", "GroundPaint"]

EDGE_MARGIN = 4  # cells around a window, so that its edges do not depend on where it ends
_REACH = 1.45  # cells: a border between two cells is never farther from either middle
_SLACK = 0.02  # cells: a middle this near to a curve counts for both sides
_PIECE = 0.75  # half the length of the piece of an edge that belongs to its cell
_PAST_END = 0.5  # cells by which a straight piece is extended
_FIELD_ORDER = 8  # fields lie over lanes and under lines, see `fit`
_NONE = int(Material.NONE)
#: Neighbours of a cell, those with a common side first.
_DI = np.array([1, -1, 0, 0, 1, 1, -1, -1])
_DJ = np.array([0, 0, 1, -1, 1, -1, 1, -1])
_BINOMIAL = np.array([1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0]) / 64.0
_VARIANCE = 1.5  # of the binomial, cells^2


@dataclass(frozen=True)
class GroundPaint:
    """Materials of a window of the ground by deck, and the edges between them, as in `Tile`."""

    material: np.ndarray  # uint8 (D, n, n)
    edge_of: np.ndarray  # int32 (D, n / 4, n / 4)
    edges: np.ndarray  # int8 (E, 4, 4, 8)

    @classmethod
    def of_decks(cls, material: np.ndarray, edges: list[np.ndarray]) -> GroundPaint:
        """Materials uint8 (D, n, n) with the edges of each deck, int8 (n, n, 8); n is a multiple of 4."""
        count, b = material.shape[1] // PAINT_BLOCK, PAINT_BLOCK
        edge_of = np.full((len(material), count, count), -1, np.int32)
        rows: list[np.ndarray] = []
        for deck, of_cells in enumerate(edges):
            blocks = of_cells.reshape(count, b, count, b, -1).transpose(0, 2, 1, 3, 4)
            found = blocks[..., 3].any(axis=(2, 3))
            edge_of[deck][found] = sum(map(len, rows)) + np.arange(found.sum(), dtype=np.int32)
            rows.append(blocks[found])
        return cls(material, edge_of, np.ascontiguousarray(np.concatenate(rows)))

    def edges_by_cell(self) -> np.ndarray:
        """The edges of all cells, int8 (D, n, n, 8), zero where there are none."""
        blocks = np.zeros((*self.edge_of.shape, *self.edges.shape[1:]), np.int8)
        found = self.edge_of >= 0
        blocks[found] = self.edges[self.edge_of[found]]
        decks, n, _ = self.material.shape
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(decks, n, n, -1)


class EdgeFit:
    """The edges of one raster.

    Args:
        material: uint8 (n, n), Material at the middles of the cells.
        i0, j0: index of the first cell in the map frame, whose corner lies at (i0, j0) `step_m`.
        step_m: size of a cell.
        only: find edges of cells of this material alone.
    """

    def __init__(self, material: np.ndarray, i0: int, j0: int, step_m: float, only: int = -1):
        self._material, self._frame = material, (i0, j0, step_m)
        self._differs = _differing(material, only)
        shape = (*material.shape, EDGES_A_CELL)
        self._line = np.zeros((*shape, 3))  # normal, and distance in cells
        self._beyond = np.zeros(shape, np.uint8)  # neighbours beyond the line that differ
        self._rank = np.full(shape, -(2**31), np.int32)

    def fit(self, segments: np.ndarray, order: np.ndarray, fields: list[np.ndarray]) -> None:
        """Find the edges by curves that materials end at.

        Args:
            segments: float64 (S, 4), x, y of both ends, m; what ends there lies to the left.
            order: int32 (S,), in which what ends there was painted; the last one counts.
            fields: each float64 (n, n, 3): outward normal of a curve, and how far inside it a cell lies (cells), NaN
                where it is far away.
        """
        for slot in range(EDGES_A_CELL):
            state = self._differs, self._line, self._beyond, self._rank, slot
            _offer_segments(*state, segments, order, *self._frame)
            for field in fields:
                _offer_field(*state, field)
            _offer_smooth(self._material, *state)

    @property
    def packed(self) -> np.ndarray:
        """The edges as in `Tile.edges`, int8 (n, n, 8)."""
        out = np.zeros((*self._material.shape, 4 * EDGES_A_CELL), np.int8)
        _pack(self._material, self._line, self._beyond, self._frame[2], out)
        return out

    def distance_from(self, material: np.ndarray, reach_m: float) -> np.ndarray:
        """Field (n, n, 3) of the border towards some materials: unit vector away from the nearest point of it, and the
        distance to that point, m; NaN where it is farther than `reach_m`.

        Args:
            material: bool (256,), which materials lie beyond the border.
            reach_m: largest distance.
        """
        out = np.full((*self._material.shape, 3), np.nan)
        step = self._frame[2]
        _distance_from(self._material, self._line, self._beyond, material, reach_m / step, out)
        out[:, :, 2] *= step
        return out


@njit(cache=True)
def _differing(material, only):
    """Neighbours of another material, as bits, uint8 (n, m)."""
    n, m = material.shape
    out = np.zeros((n, m), np.uint8)
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            own = material[i, j]
            if own == _NONE or (only >= 0 and own != only):
                continue
            for k in range(8):
                other = material[i + _DI[k], j + _DJ[k]]
                if other != own and other != _NONE:
                    out[i, j] |= 1 << k
    return out


@njit(cache=True)
def _offer(differs, line, beyond, rank, slot, i, j, nx, ny, inside, order):
    """Offer the outward normal of a curve and how far (cells) a cell lies inside it, as edge `slot` of that cell."""
    if inside > -_SLACK:
        _take(differs, line, beyond, rank, slot, i, j, nx, ny, inside, inside, order)
    if inside < _SLACK:
        _take(differs, line, beyond, rank, slot, i, j, -nx, -ny, -inside, inside, order)


@njit(cache=True)
def _take(differs, line, beyond, rank, slot, i, j, nx, ny, d, inside, order):
    """Take a line as an edge if it explains more of a cell's neighbours, or as many and was painted later; of areas
    that were painted at the same time, and so are united, the outermost border counts."""
    wanted = int(differs[i, j])
    if slot > 0:
        wanted &= ~int(beyond[i, j, 0])
    mask, count = 0, 0
    for k in range(8):
        past, bit = nx * _DI[k] + ny * _DJ[k] - d, 1 << k
        if int(differs[i, j]) & bit == 0:
            if past > _SLACK:
                return
        elif past > -_SLACK:
            mask |= bit
            if wanted & bit:
                count += 1
    key = (count * 64 + order) * 4096 + 2048 + int(np.floor(inside * 1000.0 + 0.5))
    if count > 0 and key > rank[i, j, slot]:
        rank[i, j, slot], beyond[i, j, slot] = key, mask
        line[i, j, slot, 0], line[i, j, slot, 1], line[i, j, slot, 2] = nx, ny, d


@njit(cache=True)
def _offer_segments(differs, line, beyond, rank, slot, segments, order, i0, j0, step):
    n, m = differs.shape
    for q in range(segments.shape[0]):
        ax, ay = segments[q, 0] / step - i0 - 0.5, segments[q, 1] / step - j0 - 0.5
        bx, by = segments[q, 2] / step - i0 - 0.5, segments[q, 3] / step - j0 - 0.5
        i_low, i_high = max(int(np.floor(min(ax, bx) - _REACH)), 1), min(int(np.ceil(max(ax, bx) + _REACH)), n - 2)
        j_low, j_high = max(int(np.floor(min(ay, by) - _REACH)), 1), min(int(np.ceil(max(ay, by) + _REACH)), m - 2)
        length = np.sqrt((bx - ax) ** 2 + (by - ay) ** 2)
        if length < 1e-9 or i_low > i_high or j_low > j_high:
            continue
        ux, uy = (bx - ax) / length, (by - ay) / length
        for i in range(i_low, i_high + 1):
            for j in range(j_low, j_high + 1):
                if differs[i, j] == 0:
                    continue
                along = (i - ax) * ux + (j - ay) * uy
                if along < -_PAST_END or along > length + _PAST_END:
                    continue
                inside = (j - ay) * ux - (i - ax) * uy  # distance to the left of the segment
                if abs(inside) <= _REACH:
                    _offer(differs, line, beyond, rank, slot, i, j, uy, -ux, inside, order[q])


@njit(cache=True)
def _offer_field(differs, line, beyond, rank, slot, field):
    n, m = differs.shape
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            if differs[i, j] and abs(field[i, j, 2]) <= _REACH:
                nx, ny, inside = field[i, j, 0], field[i, j, 1], field[i, j, 2]
                _offer(differs, line, beyond, rank, slot, i, j, nx, ny, inside, _FIELD_ORDER)


@njit(cache=True)
def _offer_smooth(material, differs, line, beyond, rank, slot):
    """Where no curve explains a border: the line at which a material's share around, weighted as by a Gaussian, is a
    half."""
    n, m = material.shape
    for i in range(3, n - 3):
        for j in range(3, m - 3):
            wanted = int(differs[i, j])
            if slot > 0:
                wanted &= ~int(beyond[i, j, 0])
            if wanted == 0 or beyond[i, j, slot] != 0:
                continue
            k = 0
            while wanted & (1 << k) == 0:
                k += 1
            other = material[i + _DI[k], j + _DJ[k]]
            share, gx, gy = 0.0, 0.0, 0.0
            for u in range(-3, 4):
                for v in range(-3, 4):
                    if material[i + u, j + v] == other:
                        w = _BINOMIAL[u + 3] * _BINOMIAL[v + 3]
                        share, gx, gy = share + w, gx + w * u, gy + w * v
            slope = np.sqrt(gx * gx + gy * gy)
            if slope < 0.02:
                continue
            # For a straight border at distance d = sigma u, ratio is (Phi(u) - 1/2) / phi(u); inverted to 1 %.
            ratio = (0.5 - share) * np.sqrt(_VARIANCE) / slope
            d = np.sqrt(_VARIANCE) * ratio / np.sqrt(1.0 + 0.6667 * ratio * ratio)
            nx, ny, d = gx / slope, gy / slope, min(max(d, -0.3), 1.2)
            mask = 0
            for q in range(8):
                if wanted & (1 << q) and nx * _DI[q] + ny * _DJ[q] > 0.0:
                    mask |= 1 << q
            if mask:
                beyond[i, j, slot] = mask
                line[i, j, slot, 0], line[i, j, slot, 1], line[i, j, slot, 2] = nx, ny, d


@njit(cache=True)
def _beyond_material(material, line, beyond, i, j, slot):
    """The material beyond an edge: of the neighbour most nearly opposite to it, of those that only it explains."""
    mask = int(beyond[i, j, slot])
    if slot > 0:
        mask &= ~int(beyond[i, j, 0])
    best, found = -2.0, material[i, j]
    for k in range(8):
        if mask & (1 << k):
            towards = line[i, j, slot, 0] * _DI[k] + line[i, j, slot, 1] * _DJ[k]
            if k >= 4:
                towards *= 0.7071
            if towards > best + 1e-6:
                best, found = towards, material[i + _DI[k], j + _DJ[k]]
    return found


@njit(cache=True)
def _pack(material, line, beyond, step, out):
    """Write edges as bytes: normal in 1/127, distance in units, material beyond."""
    n, m = material.shape
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            at = 0
            for slot in range(line.shape[2]):
                if beyond[i, j, slot]:
                    d = np.floor(line[i, j, slot, 2] * step / EDGE_UNIT_M + 0.5)
                    out[i, j, at] = np.int8(np.floor(127.0 * line[i, j, slot, 0] + 0.5))
                    out[i, j, at + 1] = np.int8(np.floor(127.0 * line[i, j, slot, 1] + 0.5))
                    out[i, j, at + 2] = np.int8(min(max(d, -127.0), 127.0))
                    out[i, j, at + 3] = _beyond_material(material, line, beyond, i, j, slot)
                    at += 4


@njit(cache=True)
def _distance_from(material, line, beyond, wanted, reach, out):
    """See `EdgeFit.distance_from`, in cells: each edge is the piece of its line next to its cell."""
    n, m = material.shape
    around = int(np.ceil(reach)) + 1
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            for slot in range(line.shape[2]):
                if beyond[i, j, slot] == 0 or not wanted[_beyond_material(material, line, beyond, i, j, slot)]:
                    continue
                nx, ny, d = line[i, j, slot, 0], line[i, j, slot, 1], line[i, j, slot, 2]
                for u in range(max(i - around, 0), min(i + around, n - 1) + 1):
                    for v in range(max(j - around, 0), min(j + around, m - 1) + 1):
                        x, y = u - i - d * nx, v - j - d * ny
                        t = min(max(x * ny - y * nx, -_PIECE), _PIECE)
                        x, y = x - t * ny, y + t * nx
                        away = np.sqrt(x * x + y * y)
                        if away <= reach and not out[u, v, 2] <= away:
                            out[u, v, 2] = away
                            if away > 1e-6:
                                out[u, v, 0], out[u, v, 1] = x / away, y / away
                            else:
                                out[u, v, 0], out[u, v, 1] = -nx, -ny
