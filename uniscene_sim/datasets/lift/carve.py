"""What stands on the ground, by sub-cells of 0.1 m: solid where rays end, empty where they pass.

What no ray has passed is solid, too, between two solid sub-cells, behind one, and between one and the ground: beams
leave gaps between them, do not see how thick a wall is, and do not reach what a parked car hides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.datasets.lift.walls import complete_walls
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.occupancy.bricks import SUB_CELL_M, sub_cell_bit
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["BLOCK_M", "Carved", "Rays", "carve_block"]

BLOCK_M = 32.0  # of what is carved at once
_HALO = 80  # sub-cells around it, so that gaps are closed across its border
_SUB = 4  # sub-cells along a cell
_FREE = np.uint8(OccClass.FREE)
_STEP_M = 0.05  # along rays
_SHORT_M = 0.2  # a ray is free up to this far before its end
#: A sub-cell that more rays cross than this for each that ends in it is empty, by class: many pass between leaves.
_PASSED = np.full(256, 20)
_PASSED[OccClass.VEGETATION] = 6
_UP, _ASIDE = 9, 4  # sub-cells of the widest gap that is closed upwards and sideways
_FOOT = 30  # sub-cells that what stands is continued down to the ground, at most
#: What rays end on is drawn so far behind their ends: half a sub-cell, since a surface lies in the middle of its
#: sub-cells and not at their faces, and as ends scatter, of which the nearest would count.
_AHEAD_M = 0.12


@dataclass(frozen=True)
class Rays:
    """N rays of labelled sweeps, in the map frame.

    Attributes:
        origins, ends: float32 (N, 3) m.
        label: uint8 (N,) OccClass of what stands there; FREE of rays that end on ground, on what moves, or on what
            nobody knows: they are free up to there, and that is all.
    """

    origins: np.ndarray
    ends: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Carved:
    """Sub-cells of a block, cells and halo included.

    Attributes:
        corner: int64 (3,), the first sub-cell in the map frame.
        label: uint8 (X, Y, Z), OccClass of what is solid, FREE elsewhere.
        crossed: uint16 (X, Y, Z), rays that pass.
    """

    corner: np.ndarray
    label: np.ndarray
    crossed: np.ndarray

    def cells(self) -> SolidCells:
        """The cells of the block, without its halo."""
        first = self.corner + np.array([_HALO, _HALO, 0])
        inner = np.ascontiguousarray(self.label[_HALO:-_HALO, _HALO:-_HALO])
        at, label, brick = _pack(inner)
        return SolidCells((at + first // _SUB).astype(np.int32), label, brick)


def carve_block(rays: Rays, index: tuple[int, int], ground: np.ndarray, low_m: float, high_m: float) -> Carved:
    """The solid sub-cells of the block at BLOCK_M (i, j).

    Args:
        rays: of all sweeps.
        index: (i, j).
        ground: float32 (n, n) m, height of the ground in the middle of each column of sub-cells, halo included.
        low_m, high_m: heights between which something may stand.
    """
    per_block = round(BLOCK_M / SUB_CELL_M)
    bottom = int(np.floor(low_m / CELL_M)) * _SUB
    top = int(np.ceil(high_m / CELL_M)) * _SUB
    corner = np.array([index[0] * per_block - _HALO, index[1] * per_block - _HALO, bottom])
    shape = (per_block + 2 * _HALO, per_block + 2 * _HALO, max(top - bottom, _SUB))
    hits, behind = np.zeros(shape, np.uint16), np.zeros(shape, np.bool_)
    crossed, label = np.zeros(shape, np.uint16), np.full(shape, _FREE, np.uint8)
    low = corner * SUB_CELL_M
    _count(hits, behind, crossed, label, low, ground, rays.origins, rays.ends, rays.label, _AHEAD_M)
    _settle(hits, behind, crossed, label, _PASSED)
    _bridge(label, crossed)
    complete_walls(label, crossed)
    _stand(label, crossed, ground, low[2])
    return Carved(corner, label, crossed)


def block_size() -> int:
    """Columns of sub-cells along a block, halo included."""
    return round(BLOCK_M / SUB_CELL_M) + 2 * _HALO


@njit(cache=True)
def _count(hits, behind, crossed, label, low, ground, origins, ends, labels, ahead):
    """Count the ends, moved ahead by some metres, and the ways of rays (N,)."""
    nx, ny, nz = hits.shape
    size = np.array([nx, ny, nz]) * SUB_CELL_M
    d = np.empty(3)
    a = np.empty(3)
    for n in range(len(ends)):
        length = 0.0
        for q in range(3):
            a[q] = origins[n, q] - low[q]
            d[q] = ends[n, q] - origins[n, q]
            length += d[q] * d[q]
        length = np.sqrt(length)
        if length < 0.5:
            continue
        begin, end, near = 0.0, length + 0.3, True
        for q in range(3):
            d[q] /= length
            if abs(d[q]) < 1e-9:
                near = near and 0.0 <= a[q] < size[q]
                continue
            t0, t1 = -a[q] / d[q], (size[q] - a[q]) / d[q]
            begin, end = max(begin, min(t0, t1)), min(end, max(t0, t1))
        if not near or begin >= end:
            continue
        if labels[n] != _FREE:
            for back in range(2):
                t = length + ahead + back * SUB_CELL_M
                i = int(np.floor((a[0] + t * d[0]) / SUB_CELL_M))
                j = int(np.floor((a[1] + t * d[1]) / SUB_CELL_M))
                k = int(np.floor((a[2] + t * d[2]) / SUB_CELL_M))
                if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
                    continue
                if low[2] + k * SUB_CELL_M < ground[i, j] - SUB_CELL_M:
                    continue
                if back == 0:
                    hits[i, j, k] = min(hits[i, j, k] + 1, 65535)
                    label[i, j, k] = labels[n]
                else:
                    behind[i, j, k] = True
                    if label[i, j, k] == _FREE:
                        label[i, j, k] = labels[n]
        end = min(end, length - _SHORT_M)
        steps = int((end - begin) / _STEP_M)
        li, lj, lk = -1, -1, -1
        for s in range(steps):
            t = begin + (s + 0.5) * _STEP_M
            i = int((a[0] + t * d[0]) / SUB_CELL_M)
            j = int((a[1] + t * d[1]) / SUB_CELL_M)
            k = int((a[2] + t * d[2]) / SUB_CELL_M)
            if i == li and j == lj and k == lk:
                continue
            li, lj, lk = i, j, k
            if 0 <= i < nx and 0 <= j < ny and 0 <= k < nz and crossed[i, j, k] < 65535:
                crossed[i, j, k] += 1


@njit(cache=True)
def _settle(hits, behind, crossed, label, passed):
    """Leave labels where rays end rather than pass, and behind, where none passes."""
    nx, ny, nz = hits.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if hits[i, j, k] > 0:
                    if hits[i, j, k] * passed[label[i, j, k]] < crossed[i, j, k]:
                        label[i, j, k] = _FREE
                elif not (behind[i, j, k] and crossed[i, j, k] == 0):
                    label[i, j, k] = _FREE


@njit(cache=True)
def _bridge(label, crossed):
    """Close gaps between solid sub-cells that no ray passes: first upwards, then sideways."""
    nx, ny, nz = label.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(nz):
                if label[i, j, k] == _FREE:
                    continue
                for m in range(1, _UP + 1):
                    if k + m >= nz:
                        break
                    there = label[i, j, k + m] != _FREE
                    if there and m == 1:
                        break
                    there = there or label[i - 1, j, k + m] != _FREE or label[i + 1, j, k + m] != _FREE
                    there = there or label[i, j - 1, k + m] != _FREE or label[i, j + 1, k + m] != _FREE
                    if there:
                        for q in range(1, m + 1):
                            if label[i, j, k + q] == _FREE and crossed[i, j, k + q] == 0:
                                label[i, j, k + q] = label[i, j, k]
                        break
                    if crossed[i, j, k + m] > 0:
                        break
    for side in range(4):
        di, dj = (1 if side != 1 else 0), (0 if side == 0 else (-1 if side == 3 else 1))
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    if label[i, j, k] == _FREE:
                        continue
                    for m in range(1, _ASIDE + 1):
                        a, b = i + m * di, j + m * dj
                        if a >= nx or b < 0 or b >= ny:
                            break
                        if label[a, b, k] != _FREE:
                            for q in range(1, m):
                                label[i + q * di, j + q * dj, k] = label[i, j, k]
                            break
                        if crossed[a, b, k] > 0:
                            break


@njit(cache=True)
def _stand(label, crossed, ground, bottom):
    """Continue what is solid down to the ground where no ray passes below it."""
    nx, ny, nz = label.shape
    for i in range(nx):
        for j in range(ny):
            floor = int(np.floor((ground[i, j] - bottom) / SUB_CELL_M)) - 1
            for k in range(1, nz):
                if label[i, j, k] == _FREE:
                    continue
                at = k - 1
                while at > floor and at > k - _FOOT and label[i, j, at] == _FREE and crossed[i, j, at] == 0:
                    at -= 1
                if at <= floor:
                    for q in range(max(at, 0), k):
                        label[i, j, q] = label[i, j, k]
                break


@njit(cache=True)
def _pack(label):
    """Cells with any solid sub-cell: where (N, 3), the class of most of its sub-cells (N,), and its brick (N,)."""
    nx, ny, nz = label.shape[0] // _SUB, label.shape[1] // _SUB, label.shape[2] // _SUB
    count = 0
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                found = False
                for a in range(_SUB):
                    for b in range(_SUB):
                        for c in range(_SUB):
                            found = found or label[_SUB * i + a, _SUB * j + b, _SUB * k + c] != _FREE
                if found:
                    count += 1
    at, what, brick = np.empty((count, 3), np.int64), np.empty(count, np.uint8), np.zeros(count, np.uint64)
    votes = np.zeros(256, np.int64)
    n = 0
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                votes[:32] = 0
                bits = np.uint64(0)
                for a in range(_SUB):
                    for b in range(_SUB):
                        for c in range(_SUB):
                            cls = label[_SUB * i + a, _SUB * j + b, _SUB * k + c]
                            if cls != _FREE:
                                votes[cls] += 1
                                bits |= sub_cell_bit(a, b, c)
                if bits != 0:
                    at[n, 0], at[n, 1], at[n, 2] = i, j, k
                    what[n], brick[n] = np.argmax(votes[:32]), bits
                    n += 1
    return at, what, brick
