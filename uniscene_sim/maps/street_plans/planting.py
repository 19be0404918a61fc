"""Trees and bushes of covers of the ground that are known to have some: woods, scrub, parks.

One is drawn for each cell of a raster that is fixed to the map, keyed by the cell, so that neighbouring covers do not
depend on each other. Only ground near roads is planted: a forest of ten square kilometres has a million trees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hashes
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.rings import inside_rings
from uniscene_sim.maps.street_plans.surroundings import Cover, Tree

__all__ = ["planted"]

_MOST = 40_000  # plants of a map
_PLANT = 611  # use of random numbers
#: By kind: distance of plants, m; share of cells that have one; least and greatest height, m.
_DENSITY = {"wood": (6.0, 0.85, 7.0, 18.0), "scrub": (3.5, 0.8, 1.0, 2.9), "park": (11.0, 0.45, 5.0, 14.0)}


def planted(covers: Sequence[Cover], roads: np.ndarray) -> list[Tree]:
    """Plants of all covers near roads, at most `_MOST` of a map, evenly thinned out if there are more.

    Args:
        covers: of all kinds.
        roads: points (N, 2), m, on all roads, a few metres apart.
    """
    near = NearRoads(roads)
    found = []
    for key, (kind, (step, share, least, most)) in enumerate(_DENSITY.items()):
        covered = [_cells_within(cover, step, near) for cover in covers if cover.kind == kind]
        cells = np.unique(np.concatenate(covered), axis=0) if covered else np.zeros((0, 2), int)
        u, v, w, q, n = (unit_hashes(_PLANT, key, *cells.T, k) for k in range(5))
        x, y = (cells + 0.15 + 0.7 * np.stack([u, v], axis=1)).T * step
        rows = np.stack([x, y, least + (most - least) * w, q / share, n], axis=1)
        found.append(rows[q < share])
    rows = np.concatenate(found)
    if len(rows) > _MOST:
        rows = rows[np.sort(np.argsort(rows[:, 3], kind="stable")[:_MOST])]
    return [Tree(int(2**52 * n), np.array([x, y]), height) for x, y, height, _, n in rows.tolist()]


def _cells_within(cover: Cover, step: float, near: NearRoads) -> np.ndarray:
    """Cells (N, 2) of a raster of some step, m, in a cover and near roads."""
    low = np.floor(np.maximum(cover.rings[0].min(axis=0), near.low) / step).astype(int)
    high = np.floor(np.minimum(cover.rings[0].max(axis=0), near.high) / step).astype(int)
    i, j = (v.ravel() for v in np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True))))
    kept = near((i + 0.5) * step, (j + 0.5) * step)
    i, j = i[kept], j[kept]
    inside = inside_rings((i + 0.5) * step, (j + 0.5) * step, cover.rings)
    return np.stack([i[inside], j[inside]], axis=1)
