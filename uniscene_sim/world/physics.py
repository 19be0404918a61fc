"""Physics at 100 Hz between two decisions: one kernel moves all bodies and records what happens.

The ego, and bodies that are driven as it is, move as `world.vehicles.bicycle` says. `tests/world/plain_world.py` is a
plain reference for all of this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.maps.ground import Ground, has_rank
from uniscene_sim.maps.signals import SignalPrograms, StopLineState, signal_states_at, stop_line_states_at
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.episode.triggers import Triggers, trigger_holds
from uniscene_sim.world.motion import advance_bodies, place_on_paths
from uniscene_sim.world.path_columns import STOP
from uniscene_sim.world.time_to_collision import MEASURE_US, least_time_to_collision
from uniscene_sim.world.tracks import TRACK_COLUMNS, Tracks
from uniscene_sim.world.traffic.decisions import decide
from uniscene_sim.world.vehicles.bicycle import DT_S, EGO_COLUMNS, VehicleParameters, step_bicycle
from uniscene_sim.world.vehicles.driven import advance_driven

__all__ = [
    "DT_S",
    "EGO_COLUMNS",
    "MARK_COLUMNS",
    "TALLY_COLUMNS",
    "EpisodeConstants",
    "PhysicsInputs",
    "StepArrays",
    "VehicleParameters",
    "decide_and_run_steps",
    "judge_driven",
    "run_steps",
    "track_trajectory",
]

#: Columns of the part of the tally that physics keeps.
TALLY_COLUMNS = ("off_road_s", "driven_m", "ttc_s", "min_ttc_s", "crossed_line")
#: Columns of the marks of a step: whether a corner of the ego is where no car may be, whether part of its body is
#: beside the lanes for driving, and the stop line that it passed at red (-1: none).
MARK_COLUMNS = ("off_road", "beside_lanes", "red_line")
_X, _Y, _Z, _, _, _YAW, _SPEED, _ACCEL, _, _ = range(len(EGO_COLUMNS))
_OFF_ROAD, _DRIVEN, _TTC, _MIN_TTC, _CROSSED = range(len(TALLY_COLUMNS))
_OFF, _BESIDE, _RED_LINE = range(len(MARK_COLUMNS))
_RED, _ABSENT = StopLineState.RED, MotionMode.ABSENT
_FOR_CARS, _DRIVING = 2, 3  # ranks of the ground
_SEAM_M = 0.1  # strips of adjoining roads may leave cracks up to this wide; a crack is not off the road
_ALONG, _ACROSS = 12, 6  # samples of the body's footprint


class EpisodeConstants(NamedTuple):
    """What stays as it is while a scenario runs."""

    vehicle: VehicleParameters
    ground: Ground
    programs: SignalPrograms
    triggers: Triggers
    props: np.ndarray  # (H, 7) float64, boxes of standing objects: x, y, yaw, length, width, foot, top; m, rad
    tracks: Tracks  # of agents that are replayed


class PhysicsInputs(NamedTuple):
    """What steps from a moment on are computed from, beside the ego and the bodies of that moment."""

    time_us: int
    paths: np.ndarray  # (N, P, 10) float64, see `world.path_columns`
    counts: np.ndarray  # (N,) int64, points in each path
    control: np.ndarray  # (3,) float64: front-wheel angle, rad, acceleration, m/s2, and 1 in the reverse gear, else 0
    trajectory: np.ndarray  # (M, 3) float64, t (s), x, y (m), followed instead of `control`; empty for none
    steps_driven: int  # steps of the trajectory that are over
    checks_voxels: bool  # whether it matters if part of the ego is beside the lanes for driving


class StepArrays(NamedTuple):
    """What K steps write, in place; all but `fired` and `tally` hold a row for each step."""

    egos: np.ndarray  # (K + 1, 10) float64, columns EGO_COLUMNS; row 0 is given
    bodies: np.ndarray  # (K + 1, N) BODY_DTYPE, the ego first; row 0 is given
    marks: np.ndarray  # (K, 3) int64, columns MARK_COLUMNS
    contacts: np.ndarray  # bool (K, H + N), props and bodies that the ego touches
    fired: np.ndarray  # bool (E,), events that have happened; those of these steps are added
    tally: np.ndarray  # (5,) float64, columns TALLY_COLUMNS; brought up to date


@njit(cache=True, nogil=True)
def decide_and_run_steps(rules, constants, inputs, steps):
    """All bodies decide, then `run_steps`: one call, so that worlds in threads seldom wait for each other.

    Args:
        rules: TrafficRules.
        constants: EpisodeConstants.
        inputs: PhysicsInputs.
        steps: StepArrays, written.

    Returns:
        How many steps were made.
    """
    now = steps.bodies[0]
    decisions = decide(inputs.time_us, now, inputs.paths, inputs.counts, rules)
    for i in range(now.size):
        now[i].chosen, now[i].pace, now[i].sideways = decisions.chosen[i], decisions.pace[i], decisions.sideways[i]
    return run_steps(constants, inputs, steps)


@njit(cache=True, nogil=True)
def run_steps(constants, inputs, steps):
    """Steps of 10 ms, row k + 1 of the arrays from row k; ends early when the trigger of an event holds.

    Args:
        constants: EpisodeConstants.
        inputs: PhysicsInputs.
        steps: StepArrays, written.

    Returns:
        How many steps were made.
    """
    vehicle, ground, triggers, tracks = constants.vehicle, constants.ground, constants.triggers, constants.tracks
    time_us, paths, counts, control, trajectory, steps_driven, checks_voxels = inputs
    egos, bodies, marks, contacts, fired, tally = steps
    boxes, scratch = np.empty((2, 5)), np.empty((3, TRACK_COLUMNS))
    for k in range(len(marks)):
        ego, now = egos[k + 1], bodies[k + 1]
        ego[:] = egos[k]
        now[:] = bodies[k]
        steer, accel, backwards = control[0], control[1], control[2] > 0.0
        if len(trajectory):
            steer, accel = track_trajectory(ego, trajectory, (steps_driven + k) * DT_S, vehicle)
        step_bicycle(ego, steer, accel, backwards, vehicle, ground)
        time_us += PHYSICS_US
        advance_bodies(now, paths, counts, tracks, time_us * 1e-6, DT_S)
        advance_driven(now, paths, counts, ground)
        _copy_ego_to_bodies(ego, now, vehicle)
        low, high = max(int(now[0].s) - 12, 0), int(now[0].s) + 20
        now[0].s = max(fixed_in_kernel(project_to_path(paths[0], counts[0], now[0].x, now[0].y, low, high)[0]), 0.0)
        place_on_paths(now, paths, counts, 1)

        tally[_DRIVEN] += np.hypot(ego[_X] - egos[k, _X], ego[_Y] - egos[k, _Y])
        moment = (paths, counts, tracks, time_us * 1e-6)
        _judge(
            0, bodies[k], now, moment, time_us, constants, checks_voxels, marks[k], contacts[k], tally, boxes, scratch
        )

        begins = False
        for e in range(len(fired)):
            if not fired[e] and trigger_holds(triggers, e, time_us, now, moment, scratch):
                fired[e] = begins = True
        if begins:
            return k + 1
    return len(marks)


@njit(cache=True, nogil=True)
def judge_driven(i, constants, inputs, steps, made):
    """Judge a body that is driven as the ego is, over steps that `run_steps` has made.

    Args:
        i: row of the body.
        constants, inputs: of these steps.
        steps: StepArrays; `bodies` is read; `marks`, `contacts` and `tally`, those of this body, are written.
        made: number of steps.
    """
    boxes, scratch, time_us = np.empty((2, 5)), np.empty((3, TRACK_COLUMNS)), inputs.time_us
    for k in range(made):
        time_us += PHYSICS_US
        before, now = steps.bodies[k], steps.bodies[k + 1]
        moment = (inputs.paths, inputs.counts, constants.tracks, time_us * 1e-6)
        steps.tally[_DRIVEN] += np.hypot(now[i].x - before[i].x, now[i].y - before[i].y)
        _judge(i, before, now, moment, time_us, constants, False, steps.marks[k], steps.contacts[k], steps.tally,
               boxes, scratch)  # fmt: skip


@njit(cache=True, nogil=True)
def _judge(i, before, now, moment, time_us, constants, checks_voxels, marks, contacts, tally, boxes, scratch):
    """Write the marks (3,), contacts (H + N,) and tally (5,) of body `i` after a step between two arrays (N,) of
    bodies."""
    me, front, last = now[i], 0.5 * now[i].length, np.full(1, -1)
    paths, counts = moment[0], moment[1]
    if time_us % MEASURE_US == 0:
        tally[_TTC] = least_time_to_collision(now, i, moment, scratch)
        tally[_MIN_TTC] = min(tally[_MIN_TTC], tally[_TTC])
    marks[_RED_LINE] = -1
    for q in range(int(np.ceil(before[i].s + front)), int(np.floor(me.s + front)) + 1):
        if q < counts[i] and paths[i, q, STOP] > 0:
            line = int(paths[i, q, STOP]) - 1
            signals = signal_states_at(constants.programs, time_us * 1e-6)
            if stop_line_states_at(constants.programs, signals)[line] == _RED and line != tally[_CROSSED]:
                marks[_RED_LINE] = line
            tally[_CROSSED] = line
            break

    box, other, ground, props = boxes[0], boxes[1], constants.ground, constants.props
    box[0], box[1], box[2], box[3], box[4] = me.x, me.y, me.yaw, me.length, me.width
    marks[_OFF] = not _footprint_on(box, me.z, 2, 2, ground, _FOR_CARS, last)
    if marks[_OFF]:
        tally[_OFF_ROAD] += DT_S
    marks[_BESIDE] = checks_voxels and not _footprint_on(box, me.z, _ALONG, _ACROSS, ground, _DRIVING, last)
    for p in range(len(props)):
        other[:] = props[p, :5]
        contacts[p] = _boxes_collide(box, me.z, me.height, other, props[p, 5], props[p, 6])
    for j in range(now.size):
        b = now[j]
        touch = False
        if j != i and b.mode != _ABSENT:
            other[0], other[1], other[2], other[3], other[4] = b.x, b.y, b.yaw, b.length, b.width
            touch = _boxes_collide(box, me.z, me.height, other, b.z, b.z + b.height)
        contacts[len(props) + j] = touch


@device
def track_trajectory(ego, trajectory, driven_s, vehicle):
    """Front-wheel angle and acceleration along a trajectory (M, 3) of which `driven_s` seconds are over."""
    last = trajectory[len(trajectory) - 1, 0] - driven_s
    horizon = min(max(0.5, 0.2 + 4.0 / max(ego[_SPEED], 4.0)), max(last, 0.1))
    k = 0
    while k < len(trajectory) - 2 and trajectory[k + 1, 0] - driven_s <= horizon:
        k += 1
    a, b = trajectory[k], trajectory[k + 1]
    f = min(max((horizon - (a[0] - driven_s)) / ((b[0] - driven_s) - (a[0] - driven_s)), 0.0), 1.0)
    dx, dy = a[1] + f * (b[1] - a[1]) - ego[_X], a[2] + f * (b[2] - a[2]) - ego[_Y]
    c, s = np.cos(ego[_YAW]), np.sin(ego[_YAW])
    along, aside = c * dx + s * dy, c * dy - s * dx
    accel = 2.0 * (along / horizon - ego[_SPEED]) / horizon
    # Pure pursuit of the point.
    angle = np.arctan2(aside, along)
    steer = np.arctan2(2 * vehicle.wheelbase_m * np.sin(angle), max(np.hypot(dx, dy), 1.0)) if along > 0.1 else 0.0
    return steer, min(max(accel, -vehicle.max_brake_mps2), vehicle.max_accel_mps2)


@device
def _copy_ego_to_bodies(ego, bodies, vehicle):
    """The ego as the first of the bodies."""
    me, forward = bodies[0], vehicle.rear_axle_to_centre_m
    me.x = fixed_in_kernel(ego[_X] + forward * np.cos(ego[_YAW]))
    me.y = fixed_in_kernel(ego[_Y] + forward * np.sin(ego[_YAW]))
    me.z, me.yaw, me.speed, me.accel = ego[_Z], ego[_YAW], ego[_SPEED], ego[_ACCEL]


@device
def _boxes_collide(box, foot, height, other, other_foot, other_top):
    """Whether two upright boxes overlap; what is lower than a kerb is driven over."""
    dx, dy = other[0] - box[0], other[1] - box[1]
    reach = 0.5 * (np.hypot(box[3], box[4]) + np.hypot(other[3], other[4]))
    if dx * dx + dy * dy >= reach * reach or other_foot >= foot + height or other_top <= foot + 0.1:
        return False
    return boxes_overlap(box, other)


@device
def _footprint_on(box, z, along, across, ground, least, last):
    """Whether samples of a box's footprint, corners included, lie all on ground of a rank at least."""
    c, s = np.cos(box[2]), np.sin(box[2])
    for i in range(along):
        u = (i / (along - 1.0) - 0.5) * box[3]
        for j in range(across):
            v = (j / (across - 1.0) - 0.5) * box[4]
            x, y = box[0] + c * u - s * v, box[1] + s * u + c * v
            if not has_rank(ground, x, y, z, least, last) and not _in_crack(ground, x, y, z, least, last):
                return False
    return True


@device
def _in_crack(ground, x, y, z, least, last):
    """Whether a place lies between two lanes that all but touch."""
    if has_rank(ground, x + _SEAM_M, y, z, least, last) and has_rank(ground, x - _SEAM_M, y, z, least, last):
        return True
    return has_rank(ground, x, y + _SEAM_M, z, least, last) and has_rank(ground, x, y - _SEAM_M, z, least, last)
