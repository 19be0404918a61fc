"""How bodies drive: IDM along their paths, stops at lines, and way given where paths cross.

Treiber, Hennecke, Helbing (2000), "Congested traffic states": the acceleration of a follower is
a (1 - (v / v0)^4 - (s* / s)^2) with s* = s0 + v T + v dv / (2 sqrt(a b)).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["BODY_DTYPE", "IDM", "Mode", "accelerations", "idm", "project"]


class Mode:
    """Who moves a body."""

    TRAFFIC, CONSTANT, WALK, STATIC, TRAJECTORY = 0, 1, 2, 3, 4


class IDM:
    """Parameters of the model: m/s2, m/s2, s, m."""

    ACCEL, DECEL, HEADWAY_S, GAP_M, HARDEST = 1.8, 2.5, 1.4, 2.2, 8.0


_A, _B, _T, _S0, _HARDEST = IDM.ACCEL, IDM.DECEL, IDM.HEADWAY_S, IDM.GAP_M, IDM.HARDEST
_LOOK_M = 90
_STATIC, _WALK = Mode.STATIC, Mode.WALK

#: What moves on a path, as a structure of arrays; row 0 is the ego. Metres, radians, seconds.
BODY_DTYPE = np.dtype(
    [
        ("id", np.uint16),
        ("cls", np.uint8),
        ("mode", np.uint8),
        ("x", float), ("y", float), ("z", float), ("yaw", float), ("pitch", float),
        ("length", float), ("width", float), ("height", float),
        ("speed", float), ("accel", float),
        ("s", float),  # along its path
        ("offset", float),  # to the left of its path now
        ("offset_from", float), ("offset_start", float), ("offset_time", float),  # a lane change under way
        ("desired", float),  # speed it would like, before limits
        ("brake", float),  # an action's deceleration, 0 where none
        ("wait", float),  # time stood still
        ("served", np.int32),  # stop line already stopped at, + 1
        ("lights", np.uint8),
        ("gait", float),
        ("colour", np.uint32),
        ("ambient", np.bool_),
        ("plans", np.int32),  # how many paths it was given
        ("started", np.bool_),  # walkers that wait for their event stand still
    ]
)  # fmt: skip


@njit(cache=True)
def idm(speed: float, desired: float, gap: float, leader_speed: float) -> float:
    """Acceleration, m/s2, behind a leader at a bumper-to-bumper `gap` (inf: none)."""
    free = 1.0 - (speed / max(desired, 0.1)) ** 4
    if gap == np.inf:
        return max(_A * free, -_HARDEST)
    wish = _S0 + max(0.0, speed * _T + speed * (speed - leader_speed) / (2.0 * np.sqrt(_A * _B)))
    return max(_A * (free - (wish / max(gap, 0.1)) ** 2), -_HARDEST)


@njit(cache=True)
def project(path, n, x, y, low, high):
    """Arc length and left offset of a place on path points low..high (a point each metre)."""
    best, at = np.inf, low
    for k in range(low, min(high, n - 1) + 1):
        d = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
        if d < best:
            best, at = d, k
    c, s = np.cos(path[at, 3]), np.sin(path[at, 3])
    dx, dy = x - path[at, 0], y - path[at, 1]
    return at + c * dx + s * dy, -s * dx + c * dy


@njit(cache=True)
def accelerations(bodies, paths, counts, line_state, cruise_cap):
    """Acceleration (N,) that each body of mode TRAFFIC chooses; others get 0.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 8), see `world.paths`.
        counts: (N,) points in each path.
        line_state: uint8 (stop lines,), 0: sign, 1: red, 2: yellow, 3: green or off.
        cruise_cap: (N,) most speed, m/s.
    """
    total = bodies.size
    out = np.zeros(total)
    for i in range(total):
        me = bodies[i]
        if me.mode != 0:
            continue
        path, n = paths[i], counts[i]
        at = min(max(int(me.s), 0), n - 1)
        # Slow down in time for what the road asks ahead.
        desired = min(me.desired, cruise_cap[i])
        limit = min(desired, path[at, 4])
        for k in range(at, min(at + 60, n)):
            limit = min(limit, np.sqrt(path[k, 4] ** 2 + 2.0 * 1.5 * max(k - me.s, 0.0)))
        accel = idm(me.speed, limit, np.inf, 0.0)
        if me.speed > limit:
            accel = min(accel, max(-3.0, -1.5 * (me.speed - limit)))
        front = me.s + 0.5 * me.length
        # Stop lines.
        for k in range(at, min(at + _LOOK_M, n)):
            line = int(path[k, 5])
            if line == 0 or k < front - 1.0:
                continue
            state = line_state[line - 1]
            gap = k - front - 0.3
            can_stop = me.speed**2 / (2.0 * 4.0) < gap + 1.0
            if state == 1 or (state == 2 and can_stop) or (state == 0 and me.served != line):
                accel = min(accel, idm(me.speed, max(limit, 3.0), max(gap + _S0 - 0.6, 0.1), 0.0))
                break
        # The end of the path is the end of the road.
        if n - 1 - at < _LOOK_M:
            accel = min(accel, idm(me.speed, max(limit, 3.0), n - 1 - front + _S0, 0.0))
        for j in range(total):
            if j == i:
                continue
            other = bodies[j]
            dx, dy = other.x - me.x, other.y - me.y
            if dx * dx + dy * dy > _LOOK_M * _LOOK_M or abs(other.z - me.z) > 4.0:
                continue
            if np.cos(me.yaw) * dx + np.sin(me.yaw) * dy < -25.0:
                continue
            accel = min(accel, _behind(me, other, path, n, at, front, limit))
            if other.mode <= 1 and (path[at, 6] > 0 or path[min(at + 30, n - 1), 6] > 0):
                accel = min(accel, _give_way(i, j, bodies, paths, counts, front, limit))
        if me.brake > 0:
            accel = min(accel, -me.brake)
        out[i] = max(accel, -_HARDEST)
    return out


@njit(cache=True)
def _behind(me, other, path, n, at, front, limit):
    """Acceleration behind a body that stands, drives or is about to step into the corridor ahead."""
    worst = _A
    pedestrian = other.mode == _WALK
    for step in range(3 if pedestrian else 1):
        ahead = 0.8 * step
        x = other.x + ahead * other.speed * np.cos(other.yaw)
        y = other.y + ahead * other.speed * np.sin(other.yaw)
        s, left = project(path, n, x, y, at, min(at + _LOOK_M, n - 1))
        turn = other.yaw - path[min(max(int(s), 0), n - 1), 3]
        half_long = 0.5 * (abs(other.length * np.cos(turn)) + abs(other.width * np.sin(turn)))
        half_wide = 0.5 * (abs(other.length * np.sin(turn)) + abs(other.width * np.cos(turn)))
        gap = s - half_long - front
        if gap < -0.5 * me.length or s < me.s + 0.3:
            continue
        # While changing lanes it minds the lane that it leaves as well as the one that it enters.
        room = 0.5 * me.width + half_wide + (0.5 if pedestrian else 0.25)
        if abs(left) > room and abs(left - me.offset) > room:
            continue
        leader_speed = 0.0 if pedestrian else max(other.speed * np.cos(turn), 0.0)
        worst = min(worst, idm(me.speed, max(limit, 3.0), max(gap, 0.1), leader_speed))
    return worst


@njit(cache=True)
def _give_way(i, j, bodies, paths, counts, front, limit):
    """Acceleration that gives way to a body whose path crosses ahead, or the free one where we go first."""
    me, other = bodies[i], bodies[j]
    mine, theirs = paths[i], paths[j]
    a, b = min(max(int(me.s), 0), counts[i] - 1), min(max(int(other.s), 0), counts[j] - 1)
    if mine[a, 7] == theirs[b, 7]:
        return _A
    for p in range(a, min(a + 32, counts[i]), 1):
        if mine[p, 6] == 0:
            continue
        for q in range(b, min(b + 40, counts[j]), 2):
            if (mine[p, 0] - theirs[q, 0]) ** 2 + (mine[p, 1] - theirs[q, 1]) ** 2 > 4.0:
                continue
            # First place where the paths meet. Whoever is inside goes on; then oncoming before a left turn, then the
            # first to arrive, then the lower number.
            my_gap, their_gap = p - front, q - (other.s + 0.5 * other.length)
            inside, they_inside = mine[a, 6] > 0, theirs[b, 6] > 0
            my_time, their_time = my_gap / max(me.speed, 2.0), their_gap / max(other.speed, 2.0)
            turn = mine[min(p + 12, counts[i] - 1), 3] - mine[a, 3]
            their_turn = theirs[min(q + 12, counts[j] - 1), 3] - theirs[b, 3]
            left, they_left = turn > 0.6, their_turn > 0.6
            if their_gap < -other.length - 1.0 or my_gap < 0.0:
                return _A
            if other.speed < 0.3 and other.wait > 1.0 and not they_inside:
                return _A
            yields = their_time < my_time or (their_time == my_time and j < i)
            if they_inside != inside:
                yields = they_inside
            if left and not they_left and their_time < my_time + 4.0 and other.speed > 0.3:
                yields = True
            elif they_left and not left and not they_inside:
                yields = False
            # Two that wait for each other: the lower number goes.
            if me.wait > 4.0 and other.wait > 2.0:
                yields = j < i
            if not yields or (their_time > my_time + 6.0):
                return _A
            return idm(me.speed, max(limit, 3.0), max(my_gap - 3.0 + _S0, 0.1), 0.0)
    return _A
