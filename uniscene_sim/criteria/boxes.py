"""Boxes seen from above, rows of x, y, yaw, length, width, z (m, rad)."""

from __future__ import annotations

import numpy as np

from uniscene_sim.criteria.moment import LEVEL_M
from uniscene_sim.geometry import wrap_angle

__all__ = ["between", "overlap", "turn_between"]


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether a box (6,) shares area with each of boxes (N, 6) of its own level, bool (N,)."""
    reach = 0.5 * (np.hypot(box[3], box[4]) + np.hypot(boxes[:, 3], boxes[:, 4]))
    out: np.ndarray = np.hypot(boxes[:, 0] - box[0], boxes[:, 1] - box[1]) < reach
    out &= np.abs(boxes[:, 5] - box[5]) < LEVEL_M
    near = np.flatnonzero(out)
    if len(near):
        out[near] = _apart_by(box, boxes[near]) < 0.0
    return out


def _apart_by(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Distance (N,), m, along the axis that parts two boxes most; negative where they overlap."""
    dx, dy, turn = boxes[:, 0] - box[0], boxes[:, 1] - box[1], boxes[:, 2] - box[2]
    same, cross = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    (a, b), length, width = 0.5 * box[3:5], 0.5 * boxes[:, 3], 0.5 * boxes[:, 4]
    gaps = []
    for yaw, along, across in (
        (box[2], a + length * same + width * cross, b + length * cross + width * same),
        (boxes[:, 2], length + a * same + b * cross, width + a * cross + b * same),
    ):
        c, s = np.cos(yaw), np.sin(yaw)
        gaps += [np.abs(c * dx + s * dy) - along, np.abs(c * dy - s * dx) - across]
    most: np.ndarray = np.max(gaps, axis=0)
    return most


def turn_between(yaw: float | np.ndarray, other: float | np.ndarray) -> np.ndarray:
    """Angle between headings, 0 to pi rad."""
    turn: np.ndarray = np.abs(wrap_angle(np.asarray(yaw) - other))
    return turn


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The box (6,) on the straight way from one (6,) to another, at a share of it."""
    out: np.ndarray = first + share * (second - first)
    out[2] = first[2] + share * wrap_angle(second[2] - first[2])
    return out
