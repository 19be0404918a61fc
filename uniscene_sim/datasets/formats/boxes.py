"""Which points belong to agents, by their boxes."""

from __future__ import annotations

import numpy as np

from uniscene_sim.taxonomy import GROUND_CLASSES

__all__ = ["in_boxes"]

_WIDER_M, _LOWER_M = 0.2, 0.3  # boxes are drawn tight, and their feet not always on the ground


def in_boxes(xyz: np.ndarray, label: np.ndarray, agents: np.ndarray) -> np.ndarray:
    """Whether points (N, 3), m, labelled (N,), are of agents (A,) AGENT_DTYPE: in a box, and no ground; bool (N,)."""
    out = np.zeros(len(xyz), bool)
    loose = np.flatnonzero(~np.isin(label, GROUND_CLASSES))
    points = xyz[loose]
    for agent in agents:
        (x, y, z), (length, width, height), yaw = agent["pos"], agent["size"], agent["rpy"][2]
        near = np.flatnonzero(np.abs(points[:, 0] - x) + np.abs(points[:, 1] - y) < length + width + 1.0)
        dx, dy, dz = (points[near] - [x, y, z]).T
        c, s = np.cos(yaw), np.sin(yaw)
        inside = np.abs(c * dx + s * dy) < 0.5 * length + _WIDER_M
        inside &= np.abs(c * dy - s * dx) < 0.5 * width + _WIDER_M
        inside &= (dz > -_LOWER_M) & (dz < height + _WIDER_M)
        out[loose[near[inside]]] = True
    return out
