"""How bodies drive: IDM along their paths, stops at lines, way given where lanes meet and at pedestrian crossings.

Treiber, Hennecke, Helbing (2000), "Congested traffic states": the acceleration of a follower is
a (1 - (v / v0)^4 - (s* / s)^2) with s* = s0 + v T + v dv / (2 sqrt(a b)).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import device

__all__ = [
    "BODY_DTYPE",
    "IDM",
    "MotionMode",
    "busy_crossings",
    "idm",
    "project_to_path",
    "traffic_accelerations",
    "walking_pace",
]


class MotionMode:
    """Who moves a body."""

    TRAFFIC, CONSTANT, WALK, STATIC, TRAJECTORY = 0, 1, 2, 3, 4
    ABSENT = 5  # a row without a body: it waits to enter


class IDM:
    """Parameters of the model: m/s2, m/s2, s, m."""

    ACCEL, DECEL, HEADWAY_S, GAP_M, HARDEST = 1.8, 2.5, 1.4, 2.2, 8.0


_A, _B, _T, _S0, _HARDEST = IDM.ACCEL, IDM.DECEL, IDM.HEADWAY_S, IDM.GAP_M, IDM.HARDEST
_HORIZON_M = 90
_TRAFFIC, _CONSTANT, _WALK, _STATIC, _ABSENT = (
    MotionMode.TRAFFIC,
    MotionMode.CONSTANT,
    MotionMode.WALK,
    MotionMode.STATIC,
    MotionMode.ABSENT,
)
_MAX_CONFLICTS = 6  # lanes that meet others, ahead of a body, that are minded at once
_STANDS_MPS = 0.3
_SWERVE_M = 8.0
_PATIENCE_S = 8.0
_LONG_M = 15.0  # two vehicles longer than this together do not pass in a tight bend
_SWING_M = 2.5  # long ones need this much more where they cross others
_ELBOW_M = 1.1  # people keep this far apart where they can
_QUEUES_MPS = 3.5  # who is slower counts as standing in a queue

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
        ("chosen", float), ("pace", float), ("sideways", float),  # decided at 10 Hz: acceleration; walkers' speed, step
        ("aside", float),  # where on its path an overtaking ends, m; 0 where none is under way
    ]
)  # fmt: skip


@device
def idm(speed: float, desired: float, gap: float, leader_speed: float) -> float:
    """Acceleration, m/s2, behind a leader at a bumper-to-bumper `gap` (inf: none)."""
    free = 1.0 - (speed / max(desired, 0.1)) ** 4
    if gap == np.inf:
        return max(_A * free, -_HARDEST)
    wish = _S0 + max(0.0, speed * _T + speed * (speed - leader_speed) / (2.0 * np.sqrt(_A * _B)))
    return max(_A * (free - (wish / max(gap, 0.1)) ** 2), -_HARDEST)


@device
def project_to_path(path, n, x, y, low, high):
    """Arc length and left offset of a place on path points low..high (a point each metre)."""
    best, at = np.inf, low
    for k in range(low, min(high, n - 1) + 1):
        d = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
        if d < best:
            best, at = d, k
    c, s = np.cos(path[at, 3]), np.sin(path[at, 3])
    dx, dy = x - path[at, 0], y - path[at, 1]
    return at + c * dx + s * dy, -s * dx + c * dy


@njit(cache=True, nogil=True)
def traffic_accelerations(bodies, paths, counts, line_state, busy, first, meets):
    """Acceleration (N,) that each body of mode TRAFFIC chooses; others get 0.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.paths`.
        counts: (N,) points in each path.
        line_state: uint8 (stop lines,), 0: sign, 1: red, 2: yellow, 3: green or off.
        busy: bool (crossings,), where somebody walks or is about to.
        first, meets: see `world.conflicts.Conflicts`.
    """
    total = bodies.size
    out, gaps = np.zeros(total), np.empty(total)
    lanes, starts, stops_in = _conflicts_ahead(bodies, paths, counts, line_state, first)
    for i in range(total):
        me = bodies[i]
        if me.mode != _TRAFFIC:
            continue
        path, n = paths[i], counts[i]
        at = min(max(int(me.s), 0), n - 1)
        front = me.s + 0.5 * me.length
        # Slow down in time for what the road asks ahead.
        limit = min(me.desired, path[at, 4])
        for k in range(at, min(at + 60, n)):
            limit = min(limit, np.sqrt(path[k, 4] ** 2 + 2.0 * 1.5 * max(k - me.s, 0.0)))
        accel = idm(me.speed, limit, np.inf, 0.0)
        if me.speed > limit:
            accel = min(accel, max(-3.0, -1.5 * (me.speed - limit)))
        accel = min(accel, _stop_line_accel(me, path, n, at, front, limit, line_state, busy))
        # The end of the path is the end of the road.
        if n - 1 - at < _HORIZON_M:
            accel = min(accel, idm(me.speed, max(limit, 3.0), n - 1 - front + _S0, 0.0))
        gaps[:] = np.inf
        for j in range(total):
            other = bodies[j]
            if j == i or other.mode == _ABSENT:
                continue
            dx, dy = other.x - me.x, other.y - me.y
            if dx * dx + dy * dy > _HORIZON_M * _HORIZON_M or abs(other.z - me.z) > 4.0:
                continue
            if np.cos(me.yaw) * dx + np.sin(me.yaw) * dy < -25.0:
                continue
            chosen, gaps[j] = _follow_accel(me, other, path, n, at, front, limit)
            accel = min(accel, chosen)
        accel = min(accel, _merge_accel(i, bodies, paths, counts, at, limit))
        room = _queue_room(bodies, gaps)
        accel = min(accel, _give_way(i, bodies, lanes, starts, stops_in, first, meets, limit, room))
        if room < 30.0:
            accel = min(accel, _keep_off_crossing(me, path, n, at, front, limit, room))
        if me.brake > 0:
            accel = min(accel, -me.brake)
        out[i] = max(accel, -_HARDEST)
    return out


@device
def _stop_within(me, gap, limit):
    """Acceleration that stops the front `gap` m ahead."""
    return idm(me.speed, max(limit, 3.0), max(gap + _S0 - 0.6, 0.1), 0.0)


@device
def _stop_line_accel(me, path, n, at, front, limit, line_state, busy):
    """Acceleration before stop lines and before crossings that people use."""
    worst = _A
    for k in range(at, min(at + _HORIZON_M, n)):
        if k < front - 1.0:
            continue
        gap = k - front - 0.3
        line = int(path[k, 5])
        if line > 0:
            state = line_state[line - 1]
            can_stop = me.speed**2 / (2.0 * 4.0) < gap + 1.0
            if state == 1 or (state == 2 and can_stop) or (state == 0 and me.served != line):
                return min(worst, _stop_within(me, gap, limit))
        crossing = int(path[k, 9])
        if crossing > 0 and busy[crossing - 1] and (k == 0 or path[k - 1, 9] != crossing):
            if me.speed**2 / (2.0 * 5.0) < gap - 0.5:
                return min(worst, _stop_within(me, gap - 0.7, limit))
    return worst


@device
def _merge_accel(i, bodies, paths, counts, at, limit):
    """Acceleration before the path moves to the lane beside: who is ahead there leads already, who comes from behind
    and could not keep off is let past."""
    me, path, n = bodies[i], paths[i], counts[i]
    worst = _A
    for q in range(at + 1, min(at + _HORIZON_M, n)):
        lane = path[q, 7]
        # A lane that follows on begins at its own start; one beside is entered somewhere along it.
        if lane == path[q - 1, 7] or path[q, 8] < 3.0:
            continue
        to_go = q - me.s
        mine = path[q, 8] - to_go
        for j in range(bodies.size):
            other = bodies[j]
            if j == i or (other.mode != _TRAFFIC and other.mode != _CONSTANT):
                continue
            b = min(max(int(other.s), 0), counts[j] - 1)
            if paths[j, b, 7] != lane:
                continue
            gap = paths[j, b, 8] + other.s - b - mine
            clear = abs(gap) - 0.5 * (me.length + other.length)
            if gap >= 0.0:
                worst = min(worst, max(idm(me.speed, max(limit, 3.0), max(clear, 0.5), other.speed), -3.0))
            elif to_go < 50.0 and clear < _S0 + 0.5 * other.speed + max(other.speed**2 - me.speed**2, 0.0) / 10.0:
                worst = min(worst, max(_stop_within(me, to_go - 4.0, limit), -3.5))
        break
    return worst


@device
def _queue_room(bodies, gaps):
    """How far the front may go until it stands at the end of a queue that stands, once those between have joined it."""
    room = np.inf
    for j in range(bodies.size):
        if gaps[j] < room and bodies[j].speed < _QUEUES_MPS:
            left = gaps[j] - _S0
            for k in range(bodies.size):
                if gaps[k] < gaps[j]:
                    left -= bodies[k].length + _S0
            room = min(room, left)
    return room


@device
def _keep_off_crossing(me, path, n, at, front, limit, room):
    """Acceleration that does not come to a stand on a pedestrian crossing behind a queue that leaves `room` m."""
    for k in range(int(front) + 1, min(int(front + max(room, 0.0)) + 12, n)):
        if path[k, 9] > 0:
            entry = k - front
            while k < n - 1 and path[k, 9] > 0:
                k += 1
            if room < k - front + me.length and me.speed**2 / (2.0 * 4.0) < entry:
                return _stop_within(me, entry - 0.8, limit)
            break
    return _A


@device
def _follow_accel(me, other, path, n, at, front, limit):
    """Acceleration behind a body that stands, drives or is about to step into the corridor ahead, and the gap to it."""
    worst, room = _A, np.inf
    pedestrian = other.mode == _WALK
    # The body as a row of discs, which bends and slants leave as wide as it is.
    radius = 0.5 * min(other.width, other.length)
    discs = max(int(np.ceil(other.length / (2.0 * radius))), 1)
    spacing = (other.length - 2.0 * radius) / max(discs - 1, 1)
    margin = 0.5 if pedestrian and other.speed > 0.2 else 0.2
    if me.wait > _PATIENCE_S and not pedestrian:
        margin = 0.0  # who has waited long squeezes past
    wide = 0.5 * me.width + radius + margin
    c, d = np.cos(other.yaw), np.sin(other.yaw)
    last = min(at + _HORIZON_M, n - 1)
    middle, aside = project_to_path(path, n, other.x, other.y, at, last)
    if abs(aside) > wide + 0.5 * other.length + 4.0 and not pedestrian:
        return worst, room
    near = int(0.5 * other.length) + 3
    for step in range(3 if pedestrian else 1):
        ahead = 0.8 * step * other.speed
        for disc in range(discs):
            along = ahead + disc * spacing - 0.5 * (other.length - 2.0 * radius)
            x, y = other.x + along * c, other.y + along * d
            if pedestrian:
                s, left = project_to_path(path, n, x, y, at, last)
            else:
                s, left = project_to_path(path, n, x, y, max(int(middle) - near, at), min(int(middle) + near, last))
            gap = s - radius - front
            if s < front:  # beside us or behind: theirs to mind
                continue
            turn = other.yaw - path[min(max(int(s), 0), n - 1), 3]
            # Who changes lanes minds the one that it leaves as well as the one that it enters, and counts in both.
            enters = other.offset if other.offset_time > 0.0 and np.cos(turn) > 0.8 else 0.0
            if abs(left) > wide and abs(left - me.offset) > wide and abs(left - enters) > wide:
                continue
            leader_speed = 0.0 if pedestrian else max(other.speed * np.cos(turn), 0.0)
            # Before what is parked there is room left to drive round it.
            held = gap - _SWERVE_M if other.mode == _STATIC else gap
            worst = min(worst, idm(me.speed, max(limit, 3.0), max(held, 0.1), leader_speed))
            room = min(room, gap)
    return worst, room


@njit(cache=True)
def _conflicts_ahead(bodies, paths, counts, line_state, first):
    """What each body comes to: lanes (N, 6) that meet others (-1: none), how far ahead of its centre they start, m, and
    how far its front may go before a line stops it (inf: freely)."""
    total = bodies.size
    lanes, starts = np.full((total, _MAX_CONFLICTS), -1), np.zeros((total, _MAX_CONFLICTS))
    stops_in = np.full(total, np.inf)
    for i in range(total):
        me = bodies[i]
        if me.mode != _TRAFFIC and me.mode != _CONSTANT:
            continue
        path, n, at = paths[i], counts[i], min(max(int(me.s), 0), counts[i] - 1)
        front, last, k = me.s + 0.5 * me.length, -1, 0
        for q in range(max(at - 15, 0), min(at + 70, n)):
            lane = int(path[q, 7])
            if lane != last:
                last = lane
                if lane >= 0 and first[lane + 1] > first[lane] and k < _MAX_CONFLICTS:
                    lanes[i, k], starts[i, k] = lane, q - me.s - path[q, 8]
                    k += 1
            line = int(path[q, 5])
            if line > 0 and q >= front - 1.0 and stops_in[i] == np.inf:
                state = line_state[line - 1]
                if state == 1 or (state == 0 and me.served != line):
                    stops_in[i] = q - front
    return lanes, starts, stops_in


@device
def _time_to(distance, speed, accel):
    """Seconds to a place ahead when speeding up."""
    return (np.sqrt(speed * speed + 2.0 * accel * max(distance, 0.0)) - speed) / accel


@device
def _give_way(i, bodies, lanes, starts, stops_in, first, meets, limit, room):
    """Acceleration that gives way where lanes meet, and keeps what is shared clear while there is no room beyond."""
    me = bodies[i]
    half, worst = 0.5 * me.length, _A
    for u in range(_MAX_CONFLICTS):
        lane = lanes[i, u]
        if lane < 0:
            break
        nearest, clear = np.inf, -np.inf
        for row in range(first[lane], first[lane + 1]):
            enter, leave = starts[i, u] + meets[row, 1] - half, starts[i, u] + meets[row, 2] + half
            # Whoever is in goes on; so does who can no longer stop.
            if enter <= 0.0 or enter > me.speed**2 / 3.0 + 15.0 or me.speed**2 / (2.0 * 5.0) > enter:
                if enter <= 0.0:
                    nearest = -np.inf
                continue
            if meets[row, 6] < 2:
                nearest, clear = min(nearest, enter), max(clear, leave)
            began = starts[i, u] < half
            worst = min(
                worst, _yield_at_conflict(i, bodies, lanes, starts, stops_in, meets[row], began, enter, leave, limit)
            )
        if 0.0 < nearest < np.inf and room < clear:
            worst = min(worst, _stop_within(me, nearest - 0.5, limit))
    return worst


@device
def _yield_at_conflict(i, bodies, lanes, starts, stops_in, meeting, began, enter, leave, limit):
    """Acceleration at one shared stretch, `enter` ahead of the front and `leave` ahead when the tail is out; `began`:
    whether the front is on its lane of the junction already."""
    me = bodies[i]
    rule, merge, tight = meeting[5], meeting[6] == 1, meeting[6] == 2
    worst = _A
    for j in range(bodies.size):
        other = bodies[j]
        if j == i or (other.mode != _TRAFFIC and other.mode != _CONSTANT):
            continue
        long = me.length + other.length > _LONG_M
        if tight and not long:
            continue
        swing = _SWING_M if long and not tight else 0.0
        my_enter, my_leave = enter - swing, leave + swing
        mine_in, mine_out = _time_to(my_enter, me.speed, _A), _time_to(my_leave, me.speed, _A)
        for w in range(_MAX_CONFLICTS):
            if lanes[j, w] < 0:
                break
            if lanes[j, w] != int(meeting[0]):
                continue
            there = 0.5 * other.length
            their_enter = starts[j, w] + meeting[3] - there - swing
            their_leave = starts[j, w] + meeting[4] + there + swing
            if their_leave < 0.0:
                continue
            inside = their_enter <= 0.0
            # Of two at its edge the lower number goes, and the higher one once that has not helped.
            edge = j < i if other.wait < _PATIENCE_S else i < j
            yields = inside and (my_enter > 0.0 or edge)
            if my_enter > 0.0 and not inside and stops_in[j] >= their_enter:
                theirs_in = _time_to(their_enter, other.speed, 1.0)
                # Who joins needs time to come up to the speed of those behind.
                joins = 1.5 + max(other.speed - np.sqrt(me.speed**2 + 2.0 * _A * max(my_enter, 0.0)), 0.0) / 2.5
                soon = theirs_in < (mine_in + joins if merge else mine_out + 1.0)
                committed = other.speed**2 / (2.0 * 4.0) > their_enter
                waits = other.speed < _STANDS_MPS and other.wait > 2.0
                if rule > 0:
                    yields = soon
                elif rule < 0:
                    yields = soon and committed
                elif began != (starts[j, w] < there):
                    yields = not began or (soon and committed)  # who is in the junction clears it first
                else:
                    yields = soon and (theirs_in < mine_in or (theirs_in == mine_in and j < i))
                if waits and me.wait > 3.0:
                    # Of two that wait for each other goes who is in the junction, then the lower number.
                    there_too = starts[j, w] < there
                    yields = there_too if began != there_too else j < i
            if not yields:
                continue
            chosen = _stop_within(me, my_enter - 0.5, limit)
            if merge:  # behind who is ahead already
                gap = leave - me.length - their_leave
                if gap > 0.5:
                    chosen = max(chosen, idm(me.speed, max(limit, 3.0), gap, other.speed))
            worst = min(worst, chosen)
    return worst


@njit(cache=True)
def busy_crossings(bodies, paths, counts, may_walk):
    """Crossings (C,) on which somebody walks, or that somebody at the kerb is about to use.

    Args:
        may_walk: bool (C,), false where the cars' light is green.
    """
    busy = np.zeros(may_walk.size, np.bool_)
    for i in range(bodies.size):
        me = bodies[i]
        if me.mode != _WALK or not me.started or me.desired <= 0.05:
            continue
        at = min(max(int(me.s), 0), counts[i] - 1)
        on = int(paths[i, at, 9])
        if on > 0:
            busy[on - 1] = True
        for k in range(at + 1, min(at + 4, counts[i])):
            c = int(paths[i, k, 9])
            if c > 0 and may_walk[c - 1]:
                busy[c - 1] = True
    return busy


@njit(cache=True)
def walking_pace(bodies, paths, counts, may_walk):
    """Speed (N,) that each walker would like now, m/s, and how it steps aside for others (N,), right to left about
    -1 to 1. Nobody steps off the kerb while the light is against them or before a car that cannot stop any more, nor
    walks into what stands, and who walks ahead is followed."""
    pace, sideways = bodies["desired"].copy(), np.zeros(bodies.size)
    for i in range(bodies.size):
        me = bodies[i]
        if me.mode != _WALK or not me.ambient:
            continue
        at = min(max(int(me.s), 0), counts[i] - 1)
        crossing = int(paths[i, min(at + 2, counts[i] - 1), 9])
        if crossing == 0 or paths[i, at, 9] == crossing:
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
                    if paths[j, k, 9] == crossing:
                        # Over it now, or too fast to stop before it.
                        if k - front < other.speed**2 / (2.0 * 3.0) + 1.0:
                            pace[i] = 0.0
                        break
    return pace, sideways
