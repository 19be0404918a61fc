"""Items binned by squares of ground, so that a point tests only those that can reach it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, floor, njit

__all__ = ["GroundBins", "bin_range", "make_ground_bins"]


class GroundBins(NamedTuple):
    """n x n squares from `low`; the items of square (i, j) are rows[first[k] : first[k + 1]], k = i n + j."""

    low: np.ndarray  # float64 (2,) m
    size_m: float
    n: int
    first: np.ndarray  # int64 (n n + 1,)
    rows: np.ndarray  # int64 (Q,)


def make_ground_bins(at: np.ndarray, reach: np.ndarray, centre: np.ndarray, half_m: float, size_m: float) -> GroundBins:
    """Bin N items over a square region.

    Args:
        at: float64 (N, 2) m, places of the items.
        reach: float64 (N,) m, radius of each item's influence; negative: none.
        centre: (2,) or more, m, of the region.
        half_m: half the side of the region.
        size_m: side of a bin.
    """
    n = max(int(2 * half_m / size_m), 1)
    low = np.floor(centre[:2] / size_m) * size_m - half_m
    first, rows = _fill_bins(np.ascontiguousarray(at), reach, low, size_m, n)
    return GroundBins(low, size_m, n, first, rows)


@njit(cache=True)
def _fill_bins(at, reach, low, size, n):
    # at: float64 (N, 2) m; reach: float64 (N,) m; low: float64 (2,) m; size: m; n: bins a side
    first = np.zeros(n * n + 1, np.int64)
    rows = np.empty(0, np.int64)
    for write in range(2):
        place = first.copy()
        for q in range(at.shape[0]):
            i0 = max(floor((at[q, 0] - reach[q] - low[0]) / size), 0)
            i1 = min(floor((at[q, 0] + reach[q] - low[0]) / size), n - 1)
            j0 = max(floor((at[q, 1] - reach[q] - low[1]) / size), 0)
            j1 = min(floor((at[q, 1] + reach[q] - low[1]) / size), n - 1)
            for i in range(i0, i1 + 1):
                for j in range(j0, j1 + 1):
                    if write:
                        rows[place[i * n + j]] = q
                        place[i * n + j] += 1
                    else:
                        first[i * n + j + 1] += 1
        if not write:
            for k in range(n * n):
                first[k + 1] += first[k]
            rows = np.empty(first[-1], np.int64)
    return first, rows


@device
def bin_range(bins: GroundBins, x, y):
    """Begin and end in `rows` of the items that may reach a place (x, y), m."""
    i, j = floor((x - bins.low[0]) / bins.size_m), floor((y - bins.low[1]) / bins.size_m)
    if i < 0 or j < 0 or i >= bins.n or j >= bins.n:
        return 0, 0
    k = i * bins.n + j
    return bins.first[k], bins.first[k + 1]
