"""People on crossings: which are busy, and how fast each person walks."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.path_columns import CROSSING

__all__ = ["busy_crossings", "walking_pace"]

_CONSTANT, _WALK, _ABSENT = MotionMode.CONSTANT, MotionMode.WALK, MotionMode.ABSENT
_ELBOW_M = 1.1  # people keep this far apart where they can


@njit(cache=True)
def busy_crossings(bodies, paths, counts, may_walk):
    """Crossings, bool (C,), on which somebody walks or that somebody at the kerb is about to use.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        may_walk: bool (C,), false where the cars' light is green or yellow.
    """
    busy = np.zeros(may_walk.size, np.bool_)
    for i in range(bodies.size):
        me = bodies[i]
        if me.mode != _WALK or not me.started or me.desired <= 0.05:
            continue
        at = min(max(int(me.s), 0), counts[i] - 1)
        on = int(paths[i, at, CROSSING])
        if on > 0:
            busy[on - 1] = True
        for k in range(at + 1, min(at + 4, counts[i])):
            c = int(paths[i, k, CROSSING])
            if c > 0 and may_walk[c - 1]:
                busy[c - 1] = True
    return busy


@njit(cache=True)
def walking_pace(bodies, paths, counts, may_walk):
    """Speed (N,) that each walker wants now, m/s, and how it steps aside for others (N,), from right to left about -1
    to 1. Walkers do not leave the kerb while the light is against them or before a car that can no longer stop, do not
    walk into standing bodies, and follow slower walkers ahead.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        may_walk: bool (C,), false where the cars' light is green or yellow.
    """
    pace, sideways = bodies["desired"].copy(), np.zeros(bodies.size)
    for i in range(bodies.size):
        me = bodies[i]
        if me.mode != _WALK or not me.ambient:
            continue
        at = min(max(int(me.s), 0), counts[i] - 1)
        crossing = int(paths[i, min(at + 2, counts[i] - 1), CROSSING])
        if crossing == 0 or paths[i, at, CROSSING] == crossing:
            crossing = 0
        elif not may_walk[crossing - 1]:
            pace[i] = 0.0
            continue
        c, s = np.cos(me.yaw), np.sin(me.yaw)
        for j in range(bodies.size):
            other = bodies[j]
            dx, dy = other.x - me.x, other.y - me.y
            if j == i or other.mode == _ABSENT or dx * dx + dy * dy > 60.0**2:
                continue
            if dx * dx + dy * dy < (1.4 + 0.5 * other.length) ** 2:
                cy, sy = np.cos(other.yaw), np.sin(other.yaw)
                along, across = c * dx + s * dy, -s * dx + c * dy
                if other.mode == _WALK:
                    same = c * cy + s * sy > 0.3
                    if same and 0.0 < along < 1.3 and abs(across) < 0.55 and other.speed > 0.1:
                        pace[i] = min(pace[i], 0.9 * other.speed)
                    gap = np.sqrt(dx * dx + dy * dy)
                    if gap < _ELBOW_M:  # room is made sideways
                        away = -1.0 if across > 0.0 or (across == 0.0 and i < j) else 1.0
                        sideways[i] += away * (_ELBOW_M - gap) / _ELBOW_M
                        if along > 0.15 and gap < 0.7:
                            pace[i] = min(pace[i], 0.3)
                else:
                    for reach in range(1, 3):
                        px, py = 0.6 * reach * c - dx, 0.6 * reach * s - dy
                        u, v = cy * px + sy * py, -sy * px + cy * py
                        if abs(u) < 0.5 * other.length + 0.3 and abs(v) < 0.5 * other.width + 0.3:
                            pace[i] = 0.0
            if crossing > 0 and other.mode <= _CONSTANT and other.speed > 0.5:
                start, front = int(max(other.s - 0.5 * other.length, 0.0)), other.s + 0.5 * other.length
                for k in range(start, min(start + 60, counts[j])):
                    if paths[j, k, CROSSING] == crossing:
                        # Over it now, or too fast to stop before it.
                        if k - front < other.speed**2 / (2.0 * 3.0) + 1.0:
                            pace[i] = 0.0
                        break
    return pace, sideways
