"""How bodies move along their paths in one step, and where that puts them."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.layout import Light
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.path_columns import JUNCTION, STOP, YAW, X, Y

__all__ = ["advance_bodies", "place_on_paths"]

_TRAFFIC, _CONSTANT, _WALK, _STATIC = MotionMode.TRAFFIC, MotionMode.CONSTANT, MotionMode.WALK, MotionMode.STATIC
_TRAJECTORY, _ABSENT = MotionMode.TRAJECTORY, MotionMode.ABSENT
_BRAKE, _LEFT, _RIGHT = int(Light.BRAKE), int(Light.LEFT), int(Light.RIGHT)
_LAST_VEHICLE, _PEDESTRIAN = int(AgentClass.MOTORCYCLE), int(AgentClass.PEDESTRIAN)
_AXLE = 0.3  # of a body's length, from its middle to an axle
_SIGN_WAIT_S = 1.0


@njit(cache=True)
def advance_bodies(bodies, paths, counts, time_s, dt):
    """Move bodies 1.. by one step as they have decided: by `chosen`, walkers by `pace` and `sideways`. Row 0, the ego,
    keeps its own time but is moved by its vehicle model.

    Args:
        bodies: (N,) BODY_DTYPE, changed.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        time_s: at the end of the step, s.
        dt: of the step, s.
    """
    for i in range(bodies.size):
        me = bodies[i]
        n, mode = counts[i], me.mode
        if mode == _ABSENT:
            continue
        walking = mode == _WALK and me.started
        if i > 0:
            accel = 0.0
            if mode == _TRAFFIC:
                accel = me.chosen
            elif walking or (mode == _CONSTANT and me.brake == 0.0):
                # A body of constant speed changes to the one that an action sets.
                desired = me.pace if walking else me.desired
                accel = min(max((desired - me.speed) / 0.4, -3.0), 3.0)
            elif mode == _CONSTANT:
                accel = -me.brake
            if mode == _TRAFFIC or mode == _CONSTANT or walking:
                speed = fixed_in_kernel(max(me.speed + accel * dt, 0.0))
                moved = 0.5 * (speed + me.speed) * dt
                bodies[i].speed, bodies[i].accel = speed, accel
                bodies[i].gait += moved
                bodies[i].s += moved
            else:
                bodies[i].accel = 0.0
                if mode == _TRAJECTORY:  # rows each 0.1 s
                    bodies[i].s = time_s * 10.0
                    a = min(max(int(bodies[i].s), 0), n - 1)
                    b = min(a + 1, n - 1)
                    way = np.hypot(paths[i, b, X] - paths[i, a, X], paths[i, b, Y] - paths[i, a, Y])
                    bodies[i].speed = fixed_in_kernel(10.0 * way)
                    bodies[i].gait += bodies[i].speed * dt
            bodies[i].s = min(bodies[i].s, n - 1.0)
        bodies[i].wait = me.wait + dt if bodies[i].speed < 0.2 else 0.0
        at = min(max(int(bodies[i].s), 0), n - 1)
        if mode == _TRAFFIC and bodies[i].wait > _SIGN_WAIT_S:
            for k in range(at, min(at + 9, n)):  # after standing at a stop sign it may go on
                if paths[i, k, STOP] > 0:
                    bodies[i].served = int(paths[i, k, STOP])
                    break
        t = min(max((time_s - me.offset_start) / max(me.offset_time, 1e-6), 0.0), 1.0)
        if me.offset_time > 0.0:
            bodies[i].offset = me.offset_from * (1.0 - t * t * t * (t * (6.0 * t - 15.0) + 10.0))
            if t >= 1.0:
                bodies[i].offset_time = 0.0
        elif walking and me.ambient:
            drift = 2.0 * me.sideways if me.sideways != 0.0 else -min(max(me.offset / 0.5, -0.25), 0.25)
            bodies[i].offset = min(max(me.offset + drift * dt, -0.8), 0.8)
        bodies[i].lights = 0
        if me.cls <= _LAST_VEHICLE and mode != _STATIC:
            lights = 0
            if bodies[i].accel < -0.6 or (bodies[i].wait > 0.0 and mode != _TRAJECTORY):
                lights |= _BRAKE
            changing = bodies[i].offset_time > 0.0
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
def _path_pose(path, n, s, out):
    """Write x, y, z, yaw at arc length `s`; a path goes straight on beyond its ends."""
    a = min(max(int(np.floor(s)), 0), max(n - 2, 0))
    b, f = min(a + 1, n - 1), s - a
    for k in range(3):
        out[k] = path[a, k] + f * (path[b, k] - path[a, k])
    f = min(max(f, 0.0), 1.0)
    out[YAW] = path[a, YAW] + f * (path[b, YAW] - path[a, YAW])


@njit(cache=True)
def place_on_paths(bodies, paths, counts, first):
    """Put bodies where they are on their paths, at their offset. A vehicle's axles are on the path, so that a long one
    cuts corners as it does on the road.

    Args:
        bodies: (N,) BODY_DTYPE, changed.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        first: row of the first body that is placed.
    """
    front, rear = np.empty(4), np.empty(4)
    for i in range(first, bodies.size):
        me = bodies[i]
        if me.mode == _STATIC or me.mode == _ABSENT:
            continue
        path, n = paths[i], counts[i]
        slide = 0.0
        if me.offset_time > 0.0 and abs(me.offset) > 1e-3:  # heading against the path while changing lanes
            done = min(max(1.0 - me.offset / me.offset_from, 0.0), 1.0)
            rate = -me.offset_from / me.offset_time * 4.0 * done * (1.0 - done) * 1.5
            slide = np.arctan2(rate, max(me.speed, 2.0))
        if me.cls == _PEDESTRIAN or me.mode == _TRAJECTORY:
            _path_pose(path, n, me.s, front)
            x, y, z, yaw = front[0], front[1], front[2], front[3]
        else:
            reach = _AXLE * me.length
            _path_pose(path, n, me.s + reach, front)
            _path_pose(path, n, me.s - reach, rear)
            x, y, z = 0.5 * (front[0] + rear[0]), 0.5 * (front[1] + rear[1]), 0.5 * (front[2] + rear[2])
            dx, dy = front[0] - rear[0], front[1] - rear[1]
            yaw = np.arctan2(dy, dx)
            yaw = me.yaw + (yaw - me.yaw + np.pi) % (2.0 * np.pi) - np.pi
            bodies[i].pitch = -fixed_in_kernel(np.arctan2(front[2] - rear[2], max(np.hypot(dx, dy), 0.1)))
        bodies[i].x = fixed_in_kernel(x - me.offset * np.sin(yaw))
        bodies[i].y = fixed_in_kernel(y + me.offset * np.cos(yaw))
        bodies[i].z, bodies[i].yaw = fixed_in_kernel(z), fixed_in_kernel(yaw + slide)
