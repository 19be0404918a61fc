"""Boxes of agents around the points of each instance, where a data set labels points and draws no boxes."""

from __future__ import annotations

import numpy as np

from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass

__all__ = ["PointBoxes", "box_around"]

_FEWEST = 8  # points of a box
_ANGLES = np.linspace(0.0, 0.5 * np.pi, 46)[:-1]
_AGENT_OF = {int(AGENT_OCC_CLASS[cls]): cls for cls in AgentClass if cls != AgentClass.SIGNAL_HEAD}


def box_around(xyz: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Foot (3,), yaw and size (3,) of the upright box of least area around points (N, 3), m; its length is the longer
    side."""
    best, found = np.inf, (0.0, np.zeros(2), np.zeros(2))
    for angle in _ANGLES:
        c, s = np.cos(angle), np.sin(angle)
        turned = xyz[:, :2] @ np.array([[c, -s], [s, c]])
        low, high = turned.min(axis=0), turned.max(axis=0)
        area = float(np.prod(np.maximum(high - low, 0.1)))
        if area < best:
            best, found = area, (angle, low, high)
    angle, low, high = found
    c, s = np.cos(angle), np.sin(angle)
    middle = np.array([[c, -s], [s, c]]) @ (0.5 * (low + high))
    size = np.maximum(high - low, 0.1)
    if size[1] > size[0]:
        size, angle = size[::-1], angle + 0.5 * np.pi
    bottom, top = float(xyz[:, 2].min()), float(xyz[:, 2].max())
    return np.array([*middle, bottom]), float(angle), np.array([*size, max(top - bottom, 0.1)])


class PointBoxes:
    """Boxes of what stands from all sweeps of a drive, and of what moves from that of the moment."""

    def __init__(self) -> None:
        self._standing: dict[tuple[int, int], list[np.ndarray]] = {}
        self._boxes: dict[tuple[int, int], tuple[np.ndarray, float, np.ndarray]] = {}
        self._numbers: dict[tuple[int, int], int] = {}

    def add(self, xyz: np.ndarray, instance: np.ndarray, label: np.ndarray, moves: np.ndarray) -> None:
        """The points (N, ...) of agents of a sweep."""
        for key, at in _groups(instance, label):
            if not moves[at].any():
                self._standing.setdefault(key, []).append(xyz[at])

    def agents(self, xyz: np.ndarray, instance: np.ndarray, label: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Boxes (A,) AGENT_DTYPE at a moment whose sweep has these points, and of all that stands."""
        boxes = dict(self._fitted())
        for key, at in _groups(instance, label):
            if moves[at].any() and len(at) >= _FEWEST:
                boxes[key] = box_around(xyz[at])
        rows = []
        for key, (foot, yaw, size) in boxes.items():
            number = self._numbers.setdefault(key, len(self._numbers) + 1)
            rows.append((number, _AGENT_OF[key[0]], foot, [0, 0, yaw], size, [0, 0, 0], 0, 0.0, 0))
        return np.array(rows, AGENT_DTYPE)

    def _fitted(self) -> dict[tuple[int, int], tuple[np.ndarray, float, np.ndarray]]:
        for key, parts in self._standing.items():
            points = np.concatenate(parts)
            if len(points) >= _FEWEST:
                self._boxes[key] = box_around(points)
        self._standing = {}
        return self._boxes


def _groups(instance: np.ndarray, label: np.ndarray) -> list[tuple[tuple[int, int], np.ndarray]]:
    """Class and instance, and the indices of their points."""
    pairs = label.astype(np.int64) * 65536 + instance
    return [((int(p) // 65536, int(p) % 65536), np.flatnonzero(pairs == p)) for p in np.unique(pairs)]
