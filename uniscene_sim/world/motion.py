"""How bodies move along their paths in one step, and where that puts them.

Vehicles move as wheels let them: both axles are on the path, beside it by the offset of a lane change, which fades with
the way that is driven. So nothing moves sideways without moving forward, and a body that stands keeps its heading.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.layout import Light
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.path_columns import JUNCTION, STOP, YAW, X, Y
from uniscene_sim.world.tracks import AXLE_SHARE, TRACK_COLUMNS, follow_track

__all__ = ["advance_bodies", "place_on_paths", "point_on_path", "pose_on_path"]

_TRAFFIC, _CONSTANT, _WALK, _STATIC = MotionMode.TRAFFIC, MotionMode.CONSTANT, MotionMode.WALK, MotionMode.STATIC
_TRAJECTORY, _ABSENT = MotionMode.TRAJECTORY, MotionMode.ABSENT
_BRAKE, _LEFT, _RIGHT = int(Light.BRAKE), int(Light.LEFT), int(Light.RIGHT)
_LAST_VEHICLE, _PEDESTRIAN = int(AgentClass.MOTORCYCLE), int(AgentClass.PEDESTRIAN)
_SIGN_WAIT_S = 1.0
_SETTLED_MPS = 0.01  # a speed this near to the one that is wanted becomes it


@njit(cache=True)
def advance_bodies(bodies, paths, counts, tracks, time_s, dt):
    """Move bodies 1.. by one step as they have decided: by `chosen`, walkers by `pace` and `sideways`. Row 0, the ego,
    keeps its own time but is moved by its vehicle model, and so are bodies that are driven.

    Args:
        bodies: (N,) BODY_DTYPE, changed.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        tracks: Tracks.
        time_s: at the end of the step, s.
        dt: of the step, s.
    """
    scratch = np.empty(TRACK_COLUMNS)
    for i in range(bodies.size):
        me = bodies[i]
        n, mode = counts[i], me.mode
        if mode == _ABSENT:
            continue
        walking = mode == _WALK and me.started
        if i > 0 and not me.driven:
            if mode == _TRAFFIC or mode == _CONSTANT or walking:
                _advance_on_path(bodies, i, n, dt)
            else:
                bodies[i].accel = 0.0
                if mode == _TRAJECTORY:
                    follow_track(bodies, i, tracks, time_s, scratch)
                    bodies[i].gait += bodies[i].speed * dt
        bodies[i].wait = me.wait + dt if abs(bodies[i].speed) < 0.2 else 0.0
        at = min(max(int(bodies[i].s), 0), n - 1)
        if mode == _TRAFFIC and bodies[i].wait > _SIGN_WAIT_S:
            for k in range(at, min(at + 9, n)):  # after standing at a stop sign it may go on
                if paths[i, k, STOP] > 0:
                    bodies[i].served = int(paths[i, k, STOP])
                    break
        changing = me.offset_length > 0.0 and not me.driven
        if changing:
            bodies[i].offset = _offset_at(bodies[i], bodies[i].s)
            reach = 0.0 if me.cls == _PEDESTRIAN else AXLE_SHARE * me.length
            if bodies[i].s - reach >= me.offset_begin + me.offset_length:  # the rear axle, too
                bodies[i].offset = bodies[i].offset_length = 0.0
        elif walking and me.ambient:
            drift = 2.0 * me.sideways if me.sideways != 0.0 else -min(max(me.offset / 0.5, -0.25), 0.25)
            bodies[i].offset = min(max(me.offset + drift * dt, -0.8), 0.8)
        bodies[i].lights = 0
        if me.cls <= _LAST_VEHICLE and mode != _STATIC:
            lights = 0
            if bodies[i].accel < -0.6 or (bodies[i].wait > 0.0 and mode != _TRAJECTORY):
                lights |= _BRAKE
            ahead = min(at + 22, n - 1)
            turn = 0.0
            if paths[i, ahead, JUNCTION] > 0 or paths[i, at, JUNCTION] > 0:
                turn = paths[i, ahead, YAW] - paths[i, at, YAW]
            if (changing and me.offset_from < 0.0) or turn > 0.45:
                lights |= _LEFT
            if (changing and me.offset_from > 0.0) or turn < -0.45:
                lights |= _RIGHT
            bodies[i].lights = lights


@device
def _advance_on_path(bodies, i, n, dt):
    """Speed and arc length of body `i`, whose path has `n` points, after a step."""
    me = bodies[i]
    if me.mode == _TRAFFIC:
        accel = me.chosen
    elif me.mode == _CONSTANT and me.brake > 0.0:
        accel = -me.brake
    else:  # a body of constant speed changes to the one that an action sets
        desired = me.pace if me.mode == _WALK else me.desired
        accel = min(max((desired - me.speed) / 0.4, -3.0), 3.0)
        if abs(desired - me.speed) < _SETTLED_MPS:
            accel = (desired - me.speed) / dt
    speed = fixed_in_kernel(max(me.speed + accel * dt, 0.0))
    moved = 0.5 * (speed + me.speed) * dt
    bodies[i].accel = accel if speed > 0.0 or me.speed > 0.0 else 0.0
    if me.offset_length > 0.0:  # across the path, too
        slope = _offset_at(me, me.s + 0.5) - _offset_at(me, me.s - 0.5)
        bodies[i].s += moved / np.sqrt(1.0 + slope * slope)
    else:
        bodies[i].s += moved
    bodies[i].speed = speed
    if bodies[i].s >= n - 1.0:  # at the end of its path it stands
        moved = max(n - 1.0 - me.s, 0.0)
        bodies[i].s = n - 1.0
        bodies[i].speed = bodies[i].accel = 0.0
    bodies[i].gait += moved


@device
def _offset_at(me, s):
    """Offset to the left of the path at arc length `s` in a lane change: a quintic that ends along the path, without a
    jump in place, slope or bend; straight on before it begins."""
    x = s - me.offset_begin
    q = x / me.offset_length
    if q >= 1.0:
        return 0.0
    if q <= 0.0:
        return me.offset_from + me.offset_slope * x
    cubed = q * q * q
    fades = 1.0 - cubed * (10.0 - 15.0 * q + 6.0 * q * q)
    turns = q - cubed * (6.0 - 8.0 * q + 3.0 * q * q)
    return me.offset_from * fades + me.offset_slope * me.offset_length * turns


@device
def point_on_path(path, n, s, out):
    """Write x, y, z, yaw at arc length `s`; a path goes straight on beyond its ends."""
    a = min(max(int(np.floor(s)), 0), max(n - 2, 0))
    b, f = min(a + 1, n - 1), s - a
    for k in range(3):
        out[k] = path[a, k] + f * (path[b, k] - path[a, k])
    f = min(max(f, 0.0), 1.0)
    out[YAW] = path[a, YAW] + f * (path[b, YAW] - path[a, YAW])


@device
def _axle(me, path, n, s, out):
    """Write x, y, z, yaw of a place at arc length `s` of the way that a body takes, lane change included."""
    point_on_path(path, n, s, out)
    if me.offset_length > 0.0:
        offset = _offset_at(me, s)
        out[X] -= offset * np.sin(out[YAW])
        out[Y] += offset * np.cos(out[YAW])


@device
def pose_on_path(me, path, n, s, front, rear):
    """Write x, y, z, yaw, pitch of a body at arc length `s` of its path into `front` (8,). A vehicle's axles are on the
    path, so that a long one cuts corners as it does on the road.

    Args:
        me: the body.
        path: (P, 10), see `world.path_columns`.
        n: points of it that count.
        s: m.
        front, rear: (8,) float64, written.
    """
    if me.cls == _PEDESTRIAN:
        _axle(me, path, n, s, front)
        front[4] = 0.0
        if me.offset_length > 0.0:
            front[YAW] += np.arctan2(_offset_at(me, s + 0.25) - _offset_at(me, s - 0.25), 0.5)
    else:
        reach = AXLE_SHARE * me.length
        _axle(me, path, n, s + reach, front)
        _axle(me, path, n, s - reach, rear)
        dx, dy, dz = front[X] - rear[X], front[Y] - rear[Y], front[2] - rear[2]
        for k in range(3):
            front[k] = 0.5 * (front[k] + rear[k])
        yaw = np.arctan2(dy, dx)
        front[YAW] = me.yaw + (yaw - me.yaw + np.pi) % (2.0 * np.pi) - np.pi
        front[4] = -np.arctan2(dz, max(np.hypot(dx, dy), 0.1))
    if me.offset_length == 0.0:
        front[X] -= me.offset * np.sin(front[YAW])
        front[Y] += me.offset * np.cos(front[YAW])


@njit(cache=True)
def place_on_paths(bodies, paths, counts, first):
    """Put bodies where they are on their paths, at their offset; those on tracks stay where these have them.

    Args:
        bodies: (N,) BODY_DTYPE, changed.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        first: row of the first body that is placed.
    """
    front, rear = np.empty(TRACK_COLUMNS), np.empty(TRACK_COLUMNS)
    for i in range(first, bodies.size):
        mode = bodies[i].mode
        if mode == _STATIC or mode == _ABSENT or mode == _TRAJECTORY or bodies[i].driven:
            continue
        pose_on_path(bodies[i], paths[i], counts[i], bodies[i].s, front, rear)
        bodies[i].x, bodies[i].y = fixed_in_kernel(front[X]), fixed_in_kernel(front[Y])
        bodies[i].z, bodies[i].yaw = fixed_in_kernel(front[2]), fixed_in_kernel(front[YAW])
        if bodies[i].cls != _PEDESTRIAN:
            bodies[i].pitch = -fixed_in_kernel(-front[4])
