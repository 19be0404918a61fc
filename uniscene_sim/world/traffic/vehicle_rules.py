"""How bodies drive: IDM along their paths, stops at lines, giving way at conflicts and pedestrian crossings."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.maps.signals import StopLineState
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.path_columns import CROSSING, LANE, LANE_S, LIMIT, STOP, YAW
from uniscene_sim.world.traffic.idm import HARDEST_BRAKING_MPS2, idm, stop_within
from uniscene_sim.world.traffic.priority_rules import PATIENCE_S, find_conflicts_ahead, yield_acceleration

__all__ = ["traffic_accelerations"]

_HORIZON_M = 90
_TRAFFIC, _CONSTANT, _WALK = MotionMode.TRAFFIC, MotionMode.CONSTANT, MotionMode.WALK
_STATIC, _ABSENT = MotionMode.STATIC, MotionMode.ABSENT
_SIGN, _RED, _YELLOW = StopLineState.SIGN, StopLineState.RED, StopLineState.YELLOW
_SWERVE_M = 8.0
_CHANGE_M = 10.0  # that a vehicle at the end of its lane keeps to change to the next one
_MERGE_MPS2, _MERGE_HARD_MPS2 = 3.0, 5.0  # braking before a lane ends, and the hardest
_BRUSHES_MPS = 3.0
_QUEUES_MPS = 3.5  # a slower vehicle counts as standing in a queue


@njit(cache=True, nogil=True)
def traffic_accelerations(bodies, paths, counts, line_states, busy, conflicts):
    """Acceleration (N,), m/s2, that each body of mode TRAFFIC chooses; others get 0.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        line_states: StopLineState uint8 (L,).
        busy: bool (C,), crossings on which somebody walks or is about to.
        conflicts: ConflictTable.
    """
    total = bodies.size
    out, gaps = np.zeros(total), np.empty(total)
    ahead = find_conflicts_ahead(bodies, paths, counts, line_states, conflicts.first)
    for i in range(total):
        me = bodies[i]
        if me.mode != _TRAFFIC:
            continue
        path, n = paths[i], counts[i]
        at = min(max(int(me.s), 0), n - 1)
        front = me.s + 0.5 * me.length
        # Slow down in time for lower limits ahead.
        faster = me.speed_factor
        limit = faster * min(me.desired, path[at, LIMIT])
        braking_m = me.speed * me.speed / (2.0 * 1.5)
        for k in range(at, min(at + max(60, int(braking_m)), n)):
            limit = min(limit, np.sqrt((faster * path[k, LIMIT]) ** 2 + 2.0 * 1.5 * max(k - me.s, 0.0)))
        if me.desired > 0.0:
            accel = idm(me, limit, np.inf, 0.0)
            if me.speed > limit:
                accel = min(accel, max(-3.0, -1.5 * (me.speed - limit)))
        else:  # told to stand
            accel = -min(max(1.5 * me.speed, 0.5), 3.0)
        accel = min(accel, _stop_line_accel(me, path, n, at, front, limit, line_states, busy))
        # The end of the path is the end of the road.
        if n - 1 - at < _HORIZON_M:
            room = n - 1 - front - (_CHANGE_M if me.ambient else 0.0)
            accel = min(accel, idm(me, max(limit, 3.0), room + me.gap_m, 0.0))
        gaps[:] = np.inf
        for j in range(total):
            other = bodies[j]
            if j == i or other.mode == _ABSENT:
                continue
            dx, dy = other.x - me.x, other.y - me.y
            if dx * dx + dy * dy > me.sees_m * me.sees_m or abs(other.z - me.z) > 4.0:
                continue
            if np.cos(me.yaw) * dx + np.sin(me.yaw) * dy < -25.0:
                continue
            chosen, gaps[j] = _follow_accel(me, other, path, n, at, front, limit)
            accel = min(accel, chosen)
        if me.gives_way:
            accel = min(accel, _merge_accel(i, bodies, paths, counts, at, limit))
        room = _queue_room(i, bodies, gaps)
        if me.gives_way:
            accel = min(accel, yield_acceleration(i, bodies, ahead, conflicts, limit, room))
        if me.gives_way and room < 30.0:
            accel = min(accel, _keep_off_crossing(me, path, n, at, front, limit, room))
        if me.brake > 0:
            accel = min(accel, -me.brake)
        out[i] = max(accel, -HARDEST_BRAKING_MPS2)
    return out


@device
def _stop_line_accel(me, path, n, at, front, limit, line_states, busy):
    """Acceleration before stop lines and before crossings that people use."""
    worst = me.accel_mps2
    for k in range(at, min(at + int(me.sees_m), n)):
        if k < front - 1.0:
            continue
        gap = k - front - 0.3
        line = int(path[k, STOP])
        if line > 0 and me.obeys_lights:
            state = line_states[line - 1]
            can_stop = me.speed**2 / (2.0 * 4.0) < gap + 1.0
            if state == _RED or (state == _YELLOW and can_stop) or (state == _SIGN and me.served != line):
                return min(worst, stop_within(me, gap, limit))
        crossing = int(path[k, CROSSING])
        if crossing > 0 and me.gives_way and busy[crossing - 1] and (k == 0 or path[k - 1, CROSSING] != crossing):
            if me.speed**2 / (2.0 * 5.0) < gap - 0.5:
                return min(worst, stop_within(me, gap - 0.7, limit))
    return worst


@device
def _merge_accel(i, bodies, paths, counts, at, limit):
    """Acceleration before the path changes to the adjacent lane: a vehicle ahead there is followed already, one that
    comes from behind and could not brake in time is let past."""
    me, path, n = bodies[i], paths[i], counts[i]
    worst = me.accel_mps2
    for q in range(at + 1, min(at + int(me.sees_m), n)):
        lane = path[q, LANE]
        # A lane that follows on begins at its own start; one beside is entered somewhere along it.
        if lane == path[q - 1, LANE] or path[q, LANE_S] < 3.0:
            continue
        to_go = q - me.s
        mine = path[q, LANE_S] - to_go
        # After a long wait a smaller gap will do, for which the other one brakes harder.
        wants, brakes = (0.5, 10.0) if me.wait < PATIENCE_S else (0.2, 14.0)
        # How fast it can be where it changes, squared.
        then = min(max(limit, 3.0) ** 2, me.speed**2 + 2.0 * me.accel_mps2 * max(to_go, 0.0))
        for j in range(bodies.size):
            other = bodies[j]
            if j == i or (other.mode != _TRAFFIC and other.mode != _CONSTANT):
                continue
            b = min(max(int(other.s), 0), counts[j] - 1)
            if paths[j, b, LANE] != lane:
                continue
            gap = paths[j, b, LANE_S] + other.s - b - mine
            clear = abs(gap) - 0.5 * (me.length + other.length)
            if gap >= 0.0:
                worst = min(worst, max(idm(me, max(limit, 3.0), max(clear, 0.5), other.speed), -3.0))
            elif (
                to_go < max(50.0, me.speed**2 / (2.0 * _MERGE_MPS2) + 8.0)
                and me.speed**2 / (2.0 * _MERGE_HARD_MPS2) < max(to_go - 4.0, 4.0)  # else it goes on: it cannot stop
                and clear < me.gap_m + wants * other.speed + max(other.speed**2 - then, 0.0) / brakes
            ):
                worst = min(worst, max(stop_within(me, to_go - 4.0, limit), -_MERGE_HARD_MPS2))
        break
    return worst


@device
def _queue_room(i, bodies, gaps):
    """How far the front may go until it stands at the end of a queue, m, once the bodies between have joined it."""
    me, room = bodies[i], np.inf
    for j in range(bodies.size):
        if gaps[j] < room and bodies[j].speed < _QUEUES_MPS:
            left = gaps[j] - me.gap_m
            for k in range(bodies.size):
                if gaps[k] < gaps[j]:
                    left -= bodies[k].length + me.gap_m
            room = min(room, left)
    return room


@device
def _keep_off_crossing(me, path, n, at, front, limit, room):
    """Acceleration that avoids a standstill on a pedestrian crossing behind a queue that leaves `room` m."""
    for k in range(int(front) + 1, min(int(front + max(room, 0.0)) + 12, n)):
        if path[k, CROSSING] > 0:
            entry = k - front
            while k < n - 1 and path[k, CROSSING] > 0:
                k += 1
            if room < k - front + me.length and me.speed**2 / (2.0 * 4.0) < entry:
                return stop_within(me, entry - 0.8, limit)
            break
    return me.accel_mps2


@device
def _follow_accel(me, other, path, n, at, front, limit):
    """Acceleration behind a body that stands, drives or is about to step into the corridor ahead, and the gap to it."""
    worst, room = me.accel_mps2, np.inf
    pedestrian = other.mode == _WALK
    # The body as a row of discs, which bends and slants leave as wide as it is.
    radius = 0.5 * min(other.width, other.length)
    discs = max(int(np.ceil(other.length / (2.0 * radius))), 1)
    spacing = (other.length - 2.0 * radius) / max(discs - 1, 1)
    margin = 0.5 if pedestrian and other.speed > 0.2 else 0.2
    if me.wait > PATIENCE_S and not pedestrian:
        margin = 0.0  # after a long wait it squeezes past
    wide = 0.5 * me.width + radius + margin
    # Who has all but stopped in the middle of a lane change goes on with it, past what stands on the lane it leaves.
    leaves = other.mode == _STATIC and me.ambient and me.offset_length > 0.0 and me.speed < _BRUSHES_MPS
    c, d = np.cos(other.yaw), np.sin(other.yaw)
    last = min(at + int(me.sees_m), n - 1)
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
            if s < front:  # beside us or behind: they react to us
                continue
            turn = other.yaw - path[min(max(int(s), 0), n - 1), YAW]
            # A vehicle that changes lanes occupies both, the one that it leaves and the one that it enters.
            enters = other.offset if other.offset_length > 0.0 and np.cos(turn) > 0.8 else 0.0
            if abs(left) > wide and (leaves or abs(left - me.offset) > wide) and abs(left - enters) > wide:
                continue
            leader_speed = 0.0 if pedestrian else max(other.speed * np.cos(turn), 0.0)
            # Before a parked body room is left to drive round it.
            held = gap - _SWERVE_M if other.mode == _STATIC else gap
            worst = min(worst, idm(me, max(limit, 3.0), max(held, 0.1), leader_speed))
            room = min(room, gap)
    return worst, room
