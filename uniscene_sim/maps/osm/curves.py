"""Centre lines of streets: smooth, sampled every metre, with headings; and curves that join them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from uniscene_sim.geometry import wrap_angle

__all__ = ["joining_curve", "part_of", "smooth_line"]

_SMOOTH_M = 2.5


def smooth_line(line: np.ndarray) -> np.ndarray:
    """A polyline (N, 2), m, with round corners, sampled about every metre; its ends stay."""
    step = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(step)])
    n = max(int(np.ceil(along[-1])), 2)
    at = np.linspace(0.0, along[-1], n + 1)
    fine = np.stack([np.interp(at, along, line[:, k]) for k in range(2)], axis=1)
    sigma = min(_SMOOTH_M, along[-1] / 8) / (along[-1] / n)
    if len(line) == 2 or sigma < 0.2:
        return fine
    pad = min(int(4 * sigma) + 1, n)
    before, after = 2 * fine[0] - fine[pad:0:-1], 2 * fine[-1] - fine[-2 : -pad - 2 : -1]
    smooth: np.ndarray = gaussian_filter1d(np.concatenate([before, fine, after]), sigma, axis=0)[pad : pad + n + 1]
    return smooth


def part_of(line: np.ndarray, begin_m: float, end_m: float) -> tuple[np.ndarray, np.ndarray]:
    """A part of a line (N, 2), m, between arc lengths, sampled every metre (M, 2), and its headings (M,), rad."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(begin_m, end_m, max(int(np.ceil(end_m - begin_m)), 1) + 1)
    part = np.stack([np.interp(at, along, line[:, k]) for k in range(2)], axis=1)
    ahead = np.stack([np.interp(at + 0.5, along, line[:, k]) - np.interp(at - 0.5, along, line[:, k])
                      for k in range(2)], axis=1)  # fmt: skip
    return part, np.arctan2(ahead[:, 1], ahead[:, 0])


def joining_curve(
    begin: np.ndarray, begin_yaw: float, end: np.ndarray, end_yaw: float, reach: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A curve from one place and heading to another, approximately an arc: points (N, 3), m, and headings (N,), rad.

    Args:
        begin, end: places (3,), m.
        begin_yaw, end_yaw: headings there, rad.
        reach: how far it goes straight at its ends, 1 as an arc.
    """
    a, b = begin[:2], end[:2]
    turn = min(abs(float(wrap_angle(end_yaw - begin_yaw))), 3.0)
    chord = float(np.hypot(*(b - a)))
    handle = reach * chord * (1 / 3 if turn < 0.05 else 4 / 3 * np.tan(turn / 4) / (2 * np.sin(turn / 2)))
    p = a + handle * np.array([np.cos(begin_yaw), np.sin(begin_yaw)])
    q = b - handle * np.array([np.cos(end_yaw), np.sin(end_yaw)])
    way = np.hypot(*(p - a)) + np.hypot(*(q - p)) + np.hypot(*(b - q))
    t = np.linspace(0.0, 1.0, max(int(np.ceil(0.5 * (way + chord))), 2) + 1)[:, None]
    xy = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * p + 3 * t**2 * (1 - t) * q + t**3 * b
    slope = 3 * (1 - t) ** 2 * (p - a) + 6 * t * (1 - t) * (q - p) + 3 * t**2 * (b - q)
    still = np.hypot(slope[:, 0], slope[:, 1]) < 1e-6
    yaw = np.where(still, begin_yaw, np.arctan2(slope[:, 1], slope[:, 0]))
    return np.concatenate([xy, begin[2] + (end[2] - begin[2]) * t], axis=1), yaw
