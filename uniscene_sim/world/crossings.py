"""Pedestrian crossings and the lights that rule them."""

from __future__ import annotations

import numpy as np

from uniscene_sim.world.map import StaticMap

__all__ = ["Crossings"]

_RULES_M = 6.5  # a stop line this near to a crossing holds the cars before it


class Crossings:
    """Which stop lines hold the cars before each crossing of a map."""

    def __init__(self, vector_map: StaticMap):
        lines = vector_map.stop_lines
        lit = [i for i, line in enumerate(lines) if line.signal >= 0]
        self._rules = np.zeros((len(vector_map.crossings), len(lines)), dtype=bool)
        for c, crossing in enumerate(vector_map.crossings):
            for i in lit:
                middle = lines[i].ends.mean(axis=0)
                self._rules[c, i] = _distance(middle, crossing.polygon) < _RULES_M

    def may_walk(self, line_state: np.ndarray) -> np.ndarray:
        """Whether people may step onto each crossing: bool (C,), false while the cars' light is green or yellow."""
        return np.logical_not((self._rules & (line_state >= 2)).any(axis=1))


def _distance(point: np.ndarray, polygon: np.ndarray) -> float:
    a, b = polygon[:, :2], np.roll(polygon[:, :2], -1, axis=0)
    d = b - a
    q = np.clip(((point[:2] - a) * d).sum(axis=1) / np.maximum((d * d).sum(axis=1), 1e-12), 0.0, 1.0)
    return float(np.linalg.norm(a + q[:, None] * d - point[:2], axis=1).min())
