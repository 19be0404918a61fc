"""Which roads of a file lie together: of a map that spans half a country, the middle is kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uniscene_sim.limits.bounds import MAP_AREA_M2

__all__ = ["roads_together"]


def roads_together(places: Mapping[str, np.ndarray]) -> frozenset[str]:
    """Roads that lie nearest to the middle one, as many as an area of `MAP_AREA_M2` has room for.

    Args:
        places: x, y (N, >=2), m, along each road.
    """
    ids = list(places)
    low = np.array([places[i][:, :2].min(axis=0) for i in ids])
    high = np.array([places[i][:, :2].max(axis=0) for i in ids])
    if np.prod(high.max(axis=0) - low.min(axis=0)) <= MAP_AREA_M2:
        return frozenset(ids)
    middle = np.median(0.5 * (low + high), axis=0)
    away = np.maximum(np.abs(low - middle), np.abs(high - middle)).max(axis=1)
    kept, least, most = set(), np.full(2, np.inf), np.full(2, -np.inf)
    for k in np.argsort(away, kind="stable").tolist():
        lower, upper = np.minimum(least, low[k]), np.maximum(most, high[k])
        if np.prod(upper - lower) <= MAP_AREA_M2:
            kept.add(ids[k])
            least, most = lower, upper
    return frozenset(kept)
