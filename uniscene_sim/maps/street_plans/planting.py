"""Trees and bushes of covers of the ground that are known to have some: woods, scrub, parks.

One is drawn for each cell of a raster that is fixed to the map, keyed by the cell, so that neighbouring covers do not
depend on each other. Only ground near roads is planted: a forest of ten square kilometres has a million trees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.maps.street_plans.rings import inside_rings
from uniscene_sim.maps.street_plans.surroundings import Cover, Tree

__all__ = ["REACH_M", "planted"]

REACH_M = 90.0  # from roads
_MOST = 60_000  # plants of a map
_PLANT = 611  # use of random numbers
#: By kind: distance of plants, m; share of cells that have one; least and greatest height, m.
_DENSITY = {"wood": (5.0, 0.85, 7.0, 18.0), "scrub": (3.0, 0.8, 1.0, 2.9), "park": (11.0, 0.45, 5.0, 14.0)}


def planted(covers: Sequence[Cover], roads: np.ndarray) -> list[Tree]:
    """Plants of all covers near roads, at most `_MOST` of a map.

    Args:
        covers: of all kinds.
        roads: points (N, 2), m, on all roads, a few metres apart.
    """
    from scipy.spatial import cKDTree

    if not len(roads):
        return []
    tree, found, taken = cKDTree(roads), list[Tree](), set[tuple[str, int, int]]()
    for cover in covers:
        if cover.kind not in _DENSITY:
            continue
        step, share, least, most = _DENSITY[cover.kind]
        low, high = (np.floor(f(cover.rings[0], axis=0) / step).astype(int) for f in (np.min, np.max))
        i, j = (v.ravel() for v in np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True))))
        near = tree.query((np.stack([i, j], axis=1) + 0.5) * step, distance_upper_bound=REACH_M)[0] < REACH_M
        i, j = i[near], j[near]
        inside = inside_rings((i + 0.5) * step, (j + 0.5) * step, cover.rings)
        for a, b in zip(i[inside].tolist(), j[inside].tolist(), strict=True):
            u = [unit_hash(_PLANT, len(cover.kind), a, b, k) for k in range(4)]
            if u[0] >= share or (cover.kind, a, b) in taken:
                continue
            taken.add((cover.kind, a, b))
            place = np.array([(a + 0.15 + 0.7 * u[1]) * step, (b + 0.15 + 0.7 * u[2]) * step])
            number = hash_number(cover.kind, a, b)
            found.append(Tree(number, place, least + (most - least) * u[3]))
            if len(found) >= _MOST:
                return found
    return found


def hash_number(kind: str, a: int, b: int) -> int:
    """A number for the plant of a cell."""
    return int(2**52 * unit_hash(_PLANT, len(kind), a, b, 9))
