"""Stretches of open ground whose cover is known, painted on the ground samples of a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.elements import GroundCover
from uniscene_sim.taxonomy import Material

__all__ = ["paint_covers"]

_MATERIAL = {"grass": int(Material.GRASS), "soil": int(Material.SOIL)}


def paint_covers(out: np.ndarray, i0: int, j0: int, step: float, covers: Sequence[GroundCover]) -> None:
    """Paint covers, the later ones on top.

    Args:
        out: uint8 (n, n) Material, changed.
        i0, j0: index of its first cell in the map frame, whose corner lies at (i0, j0) step.
        step: size of a cell, m.
        covers: of the whole map.
    """
    low = np.array([i0, j0]) * step
    high = low + np.array(out.shape) * step
    for cover in covers:
        outer = cover.rings[0]
        if (outer.max(axis=0) < low).any() or (outer.min(axis=0) > high).any():
            continue
        edges = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in cover.rings])
        _fill(out, i0, j0, step, edges, _MATERIAL[cover.kind])


@njit(cache=True)
def _fill(out, i0, j0, step, edges, material):
    """Fill what lies within closed outlines, by their edges (K, 2, 2), m: cells whose middle is crossed to by an odd
    number of them."""
    n, m = out.shape
    at = np.empty(len(edges))
    for i in range(n):
        x = (i0 + i + 0.5) * step
        count = 0
        for k in range(len(edges)):
            ax, bx = edges[k, 0, 0], edges[k, 1, 0]
            if (ax <= x) != (bx <= x):
                at[count] = edges[k, 0, 1] + (x - ax) / (bx - ax) * (edges[k, 1, 1] - edges[k, 0, 1])
                count += 1
        ends = np.sort(at[:count])
        for k in range(0, count - 1, 2):
            first = max(int(np.ceil(ends[k] / step - 0.5)) - j0, 0)
            last = min(int(np.ceil(ends[k + 1] / step - 0.5)) - j0, m)
            out[i, first:last] = material
