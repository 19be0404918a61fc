"""Pedestrian crossings and the stop lines before them."""

from __future__ import annotations

import numpy as np

from uniscene_sim.maps.static_map import StaticMap

__all__ = ["crossing_stop_lines"]

_NEAR_M = 6.5  # a stop line this near to a crossing holds the cars before it


def crossing_stop_lines(static_map: StaticMap) -> np.ndarray:
    """Which stop lines with a light hold the cars before each crossing of a map: bool (C, L)."""
    lines = static_map.stop_lines
    lit = [i for i, line in enumerate(lines) if line.signal >= 0]
    held = np.zeros((len(static_map.crossings), len(lines)), dtype=bool)
    for c, crossing in enumerate(static_map.crossings):
        for i in lit:
            middle = lines[i].ends.mean(axis=0)
            held[c, i] = _distance(middle, crossing.polygon) < _NEAR_M
    return held


def _distance(point: np.ndarray, polygon: np.ndarray) -> float:
    a, b = polygon[:, :2], np.roll(polygon[:, :2], -1, axis=0)
    d = b - a
    q = np.clip(((point[:2] - a) * d).sum(axis=1) / np.maximum((d * d).sum(axis=1), 1e-12), 0.0, 1.0)
    return float(np.linalg.norm(a + q[:, None] * d - point[:2], axis=1).min())
