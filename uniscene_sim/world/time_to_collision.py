"""Time to collision: one definition for triggers, criteria, rewards and `info`.

It is the time until the boxes of two bodies first touch, should both keep their speed and go on along their paths: the
lane change that is under way included, a replayed body as its trajectory says, a body that stands where it stands. The
ego, and whoever is driven as it is, goes on beside its route at the distance that it has now, and what it drives across
fades within about a second; far from its route, or aslant to it, it goes straight on. What lies more than ten seconds
ahead counts as never (infinite).
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.motion import point_on_path, pose_on_path
from uniscene_sim.world.path_columns import YAW, X, Y, Z
from uniscene_sim.world.tracks import predicted_on_track

__all__ = ["HORIZON_S", "MEASURE_US", "least_time_to_collision", "predict_pose", "time_to_collision"]

#: Collisions later than this are none.
HORIZON_S = 10.0
#: The ego's least time to collision is measured when the time is a multiple of this.
MEASURE_US = 100_000
_WALK, _STATIC = MotionMode.WALK, MotionMode.STATIC
_TRAJECTORY, _ABSENT = MotionMode.TRAJECTORY, MotionMode.ABSENT
_SPEED = 6  # column of a track
_BESIDE_M, _ASLANT_RAD = 8.0, 0.6  # farther from its route, or more across it, the ego goes straight on
_LEVEL_M = 3.0
_LEAST_STEP_S, _MOST_STEP_S = 0.02, 0.5
_TURNS_MPS, _BENDS_MPS2 = 1.0, 8.0  # how fast corners of boxes turn, and velocities of two bodies bend


@device
def _speed_of(me):
    return me.speed if me.mode != _STATIC and (me.mode != _WALK or me.started) else 0.0


@device
def predict_pose(bodies, i, moment, ahead_s, out, spare):
    """Write x, y, z, yaw of a body some time from now.

    Args:
        bodies: (N,) BODY_DTYPE, the ego first.
        i: row of the body.
        moment: (paths, counts, tracks, time in s) of now.
        ahead_s: s from now.
        out, spare: (8,) float64, written.
    """
    paths, counts, tracks, time_s = moment
    me, way = bodies[i], _speed_of(bodies[i]) * ahead_s
    if me.mode == _TRAJECTORY and i > 0:
        predicted_on_track(me, tracks, time_s + ahead_s, spare)
        for k in range(4):
            out[k] = spare[k + 1]
        return
    out[X], out[Y], out[Z], out[YAW] = me.x, me.y, me.z, me.yaw
    if way == 0.0:
        return
    path, n = paths[i], counts[i]
    if i > 0 and not me.driven:
        s = min(me.s + way, n - 1.0) if me.mode == _WALK else me.s + way
        pose_on_path(me, path, n, s, out, spare)
        return
    point_on_path(path, n, me.s, spare)
    c, d, dx, dy = np.cos(spare[YAW]), np.sin(spare[YAW]), me.x - spare[X], me.y - spare[Y]
    along, left = c * dx + d * dy, c * dy - d * dx
    turn = (me.yaw - spare[YAW] + np.pi) % (2.0 * np.pi) - np.pi
    if n < 3 or abs(left) > _BESIDE_M or abs(along) > _BESIDE_M or abs(turn) > _ASLANT_RAD:
        out[X], out[Y] = me.x + way * np.cos(me.yaw), me.y + way * np.sin(me.yaw)
        return
    fades = 1.0 / (1.0 + ahead_s)
    left += way * fades * np.tan(turn)
    point_on_path(path, n, me.s + along + way, out)
    out[X] -= left * np.sin(out[YAW])
    out[Y] += left * np.cos(out[YAW])
    out[YAW] += turn * fades * fades


@device
def _gap(a, first, b, second):
    """Distance of two boxes at poses, m, along the axis that parts them most: never more than their distance, negative
    where they overlap."""
    dx, dy = b[X] - a[X], b[Y] - a[Y]
    ca, sa, cb, sb = np.cos(a[YAW]), np.sin(a[YAW]), np.cos(b[YAW]), np.sin(b[YAW])
    cross, same = abs(ca * sb - sa * cb), abs(ca * cb + sa * sb)
    la, wa, lb, wb = 0.5 * first.length, 0.5 * first.width, 0.5 * second.length, 0.5 * second.width
    gap = abs(dx * ca + dy * sa) - la - lb * same - wb * cross
    gap = max(gap, abs(dy * ca - dx * sa) - wa - lb * cross - wb * same)
    gap = max(gap, abs(dx * cb + dy * sb) - lb - la * same - wa * cross)
    gap = max(gap, abs(dy * cb - dx * sb) - wb - la * cross - wa * same)
    return gap if abs(a[Z] - b[Z]) < _LEVEL_M else max(gap, 1.0)


@device
def time_to_collision(bodies, i, j, moment, most_s, scratch):
    """Seconds until the boxes of two bodies touch; inf where that is never, or in more than `most_s`.

    Args:
        bodies: (N,) BODY_DTYPE, the ego first.
        i, j: rows of the two.
        moment: (paths, counts, tracks, time in s) of now.
        most_s: s.
        scratch: (3, 8) float64.
    """
    first, second, a, b, spare = bodies[i], bodies[j], scratch[0], scratch[1], scratch[2]
    speed_a, speed_b = _speed_of(first), _speed_of(second)
    replayed = (first.mode == _TRAJECTORY and i > 0) or (second.mode == _TRAJECTORY and j > 0)
    apart = np.hypot(second.x - first.x, second.y - first.y)
    apart -= 0.5 * (np.hypot(first.length, first.width) + np.hypot(second.length, second.width))
    most_s = min(most_s, HORIZON_S)
    if not replayed and apart > (abs(speed_a) + abs(speed_b)) * most_s:
        return np.inf
    t, before = 0.0, 0.0
    while True:
        predict_pose(bodies, i, moment, t, a, spare)
        predict_pose(bodies, j, moment, t, b, spare)
        gap = _gap(a, first, b, second)
        if gap <= 0.0:
            break
        if t >= most_s or (not replayed and speed_a == 0.0 and speed_b == 0.0):
            return np.inf
        # A step that cannot jump over a contact.
        vx = speed_b * np.cos(b[YAW]) - speed_a * np.cos(a[YAW])
        vy = speed_b * np.sin(b[YAW]) - speed_a * np.sin(a[YAW])
        closing = np.hypot(vx, vy) + _TURNS_MPS
        step = (np.sqrt(closing * closing + 2.0 * _BENDS_MPS2 * gap) - closing) / _BENDS_MPS2
        step = max(step, _LEAST_STEP_S)
        before, t = t, min(t + (min(step, _MOST_STEP_S) if replayed else step), most_s)
    if t == 0.0:
        return 0.0
    for _ in range(10):
        middle = 0.5 * (before + t)
        predict_pose(bodies, i, moment, middle, a, spare)
        predict_pose(bodies, j, moment, middle, b, spare)
        if _gap(a, first, b, second) <= 0.0:
            t = middle
        else:
            before = middle
    return fixed_in_kernel(t)


@device
def least_time_to_collision(bodies, i, moment, scratch):
    """Seconds until body `i` of the bodies (N,) BODY_DTYPE, the ego first, touches any other one; inf for none;
    `moment` and `scratch` as for `time_to_collision`."""
    best = HORIZON_S
    found = False
    for j in range(bodies.size):
        if j != i and bodies[j].mode != _ABSENT:
            t = time_to_collision(bodies, i, j, moment, best, scratch)
            if t <= best:
                best, found = t, True
    return best if found else np.inf
