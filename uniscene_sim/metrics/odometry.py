"""Errors of an estimated path against the true one, over sub-paths as KITTI has them and at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PathErrors", "path_errors"]


@dataclass(frozen=True)
class PathErrors:
    """Errors of odometry; means over sub-paths, NaN where the path is shorter than one."""

    driven_m: float
    translation: float  # error over length of a sub-path
    rotation_deg_per_m: float
    end_m: np.ndarray  # (3,) m, estimate minus truth in the first pose's axes
    end_pitch_deg: float  # nose down


def path_errors(estimate: np.ndarray, truth: np.ndarray, sub_path_m: float) -> PathErrors:
    """Errors of poses (N, 4, 4) against true ones (N, 4, 4), each in any frame of its own.

    Sub-paths begin at every pose and end at the first one that is `sub_path_m` further on the true path.
    """
    estimate, truth = np.linalg.inv(estimate[0]) @ estimate, np.linalg.inv(truth[0]) @ truth
    at = np.concatenate([[0.0], np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).cumsum()])
    end = np.searchsorted(at, at + sub_path_m)
    begin = np.flatnonzero(end < len(at))
    end = end[begin]
    wrong = np.linalg.inv(_between(truth, begin, end)) @ _between(estimate, begin, end)
    cosine = np.clip((np.trace(wrong[:, :3, :3], axis1=1, axis2=2) - 1.0) / 2.0, -1.0, 1.0)
    length, some = at[end] - at[begin], len(begin) > 0
    turned = (np.linalg.inv(truth[-1]) @ estimate[-1])[:3, :3]
    return PathErrors(
        float(at[-1]),
        float((np.linalg.norm(wrong[:, :3, 3], axis=1) / length).mean()) if some else np.nan,
        float((np.degrees(np.arccos(cosine)) / length).mean()) if some else np.nan,
        estimate[-1, :3, 3] - truth[-1, :3, 3],
        float(np.degrees(np.arctan2(-turned[2, 0], np.hypot(turned[0, 0], turned[1, 0])))),
    )


def _between(poses: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    moved: np.ndarray = np.linalg.inv(poses[begin]) @ poses[end]
    return moved
