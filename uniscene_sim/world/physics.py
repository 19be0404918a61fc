"""Physics at 100 Hz between two decisions: one kernel moves all bodies and records what happens.

The ego is a kinematic bicycle about its rear axle, with limits and lag, exact along the arc that a constant steering
angle drives. `tests/world/plain_world.py` is a plain reference for all of this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.layout import PHYSICS_US, EgoVehicle
from uniscene_sim.maps.ground import Ground, has_rank, height_at
from uniscene_sim.maps.signals import SignalPrograms, StopLineState, signal_states_at, stop_line_states_at
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.episode.triggers import Triggers, trigger_holds
from uniscene_sim.world.motion import advance_bodies, place_on_paths
from uniscene_sim.world.path_columns import STOP
from uniscene_sim.world.time_to_collision import MEASURE_US, least_time_to_collision
from uniscene_sim.world.tracks import TRACK_COLUMNS, Tracks
from uniscene_sim.world.traffic.decisions import decide

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
    "run_steps",
    "track_trajectory",
]

DT_S = PHYSICS_US / 1e6
#: Columns of the ego: base_link in the map frame, then speed, acceleration, front-wheel angle, yaw rate.
EGO_COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "speed", "accel", "steer", "yaw_rate")
#: Columns of the part of the tally that physics keeps.
TALLY_COLUMNS = ("off_road_s", "driven_m", "ttc_s", "min_ttc_s", "crossed_line")
#: Columns of the marks of a step: whether a corner of the ego is where no car may be, whether part of its body is
#: beside the lanes for driving, and the stop line that it passed at red (-1: none).
MARK_COLUMNS = ("off_road", "beside_lanes", "red_line")
_X, _Y, _Z, _ROLL, _PITCH, _YAW, _SPEED, _ACCEL, _STEER, _RATE = range(len(EGO_COLUMNS))
_OFF_ROAD, _DRIVEN, _TTC, _MIN_TTC, _CROSSED = range(len(TALLY_COLUMNS))
_OFF, _BESIDE, _RED_LINE = range(len(MARK_COLUMNS))
_RED, _ABSENT = StopLineState.RED, MotionMode.ABSENT
_FOR_CARS, _DRIVING = 2, 3  # ranks of the ground
_SEAM_M = 0.1  # strips of adjoining roads may leave cracks up to this wide; a crack is not off the road
_ALONG, _ACROSS = 12, 6  # samples of the body's footprint


class VehicleParameters(NamedTuple):
    """The numbers of an `EgoVehicle`."""

    length_m: float
    width_m: float
    height_m: float
    wheelbase_m: float
    rear_axle_to_centre_m: float
    max_steer_rad: float
    max_steer_rate_rad_s: float
    max_accel_mps2: float
    max_brake_mps2: float
    max_speed_mps: float
    steer_lag_s: float
    accel_lag_s: float

    @classmethod
    def of(cls, vehicle: EgoVehicle) -> VehicleParameters:
        return cls(*(float(getattr(vehicle, name)) for name in cls._fields))


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
    control: np.ndarray  # (2,) float64, front-wheel angle, rad, and acceleration, m/s2
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
    vehicle, ground, programs, triggers, props, tracks = constants
    time_us, paths, counts, control, trajectory, steps_driven, checks_voxels = inputs
    egos, bodies, marks, contacts, fired, tally = steps
    total, front = bodies.shape[1], 0.5 * bodies[0, 0].length
    box, other, last, scratch = np.empty(5), np.empty(5), np.full(1, -1), np.empty((3, TRACK_COLUMNS))
    for k in range(len(marks)):
        ego, now = egos[k + 1], bodies[k + 1]
        ego[:] = egos[k]
        now[:] = bodies[k]
        steer, accel = control[0], control[1]
        if len(trajectory):
            steer, accel = track_trajectory(ego, trajectory, (steps_driven + k) * DT_S, vehicle)
        _step_bicycle(ego, steer, accel, vehicle, ground)
        time_us += PHYSICS_US
        advance_bodies(now, paths, counts, tracks, time_us * 1e-6, DT_S)
        _copy_ego_to_bodies(ego, now, vehicle)
        low, high = max(int(now[0].s) - 12, 0), int(now[0].s) + 20
        now[0].s = max(fixed_in_kernel(project_to_path(paths[0], counts[0], now[0].x, now[0].y, low, high)[0]), 0.0)
        place_on_paths(now, paths, counts, 1)

        tally[_DRIVEN] += np.hypot(ego[_X] - egos[k, _X], ego[_Y] - egos[k, _Y])
        moment = (paths, counts, tracks, time_us * 1e-6)
        if time_us % MEASURE_US == 0:
            tally[_TTC] = least_time_to_collision(now, moment, scratch)
            tally[_MIN_TTC] = min(tally[_MIN_TTC], tally[_TTC])
        marks[k, _RED_LINE] = -1
        for q in range(int(np.ceil(bodies[k, 0].s + front)), int(np.floor(now[0].s + front)) + 1):
            if q < counts[0] and paths[0, q, STOP] > 0:
                line = int(paths[0, q, STOP]) - 1
                line_states = stop_line_states_at(programs, signal_states_at(programs, time_us * 1e-6))
                if line_states[line] == _RED and line != tally[_CROSSED]:
                    marks[k, _RED_LINE] = line
                tally[_CROSSED] = line
                break

        box[0], box[1], box[2], box[3], box[4] = now[0].x, now[0].y, ego[_YAW], vehicle.length_m, vehicle.width_m
        marks[k, _OFF] = not _footprint_on(box, ego[_Z], 2, 2, ground, _FOR_CARS, last)
        if marks[k, _OFF]:
            tally[_OFF_ROAD] += DT_S
        marks[k, _BESIDE] = checks_voxels and not _footprint_on(box, ego[_Z], _ALONG, _ACROSS, ground, _DRIVING, last)
        for p in range(len(props)):
            other[:] = props[p, :5]
            contacts[k, p] = _boxes_collide(box, ego[_Z], vehicle.height_m, other, props[p, 5], props[p, 6])
        for i in range(1, total):
            b = now[i]
            touch = False
            if b.mode != _ABSENT:
                other[0], other[1], other[2], other[3], other[4] = b.x, b.y, b.yaw, b.length, b.width
                touch = _boxes_collide(box, ego[_Z], vehicle.height_m, other, b.z, b.z + b.height)
            contacts[k, len(props) + i] = touch

        begins = False
        for e in range(len(fired)):
            if not fired[e] and trigger_holds(triggers, e, time_us, now, moment, scratch):
                fired[e] = begins = True
        if begins:
            return k + 1
    return len(marks)


@device
def _step_bicycle(ego, want_steer, want_accel, vehicle, ground):
    """One step of the ego (10,), in place."""
    want_steer = min(max(want_steer, -vehicle.max_steer_rad), vehicle.max_steer_rad)
    want_accel = min(max(want_accel, -vehicle.max_brake_mps2), vehicle.max_accel_mps2)
    rate = (want_steer - ego[_STEER]) / max(vehicle.steer_lag_s, DT_S)
    steer = ego[_STEER] + DT_S * min(max(rate, -vehicle.max_steer_rate_rad_s), vehicle.max_steer_rate_rad_s)
    accel = ego[_ACCEL] + (want_accel - ego[_ACCEL]) * min(DT_S / max(vehicle.accel_lag_s, DT_S), 1.0)
    # Braking ends at standstill; it never drives backwards.
    speed = min(max(ego[_SPEED] + accel * DT_S, 0.0), vehicle.max_speed_mps)
    distance = 0.5 * (ego[_SPEED] + speed) * DT_S
    turn = distance * np.tan(steer) / vehicle.wheelbase_m
    chord = distance * (np.sin(turn / 2) / (turn / 2) if abs(turn) > 1e-9 else 1.0)
    ego[_ACCEL] = 0.0 if speed == 0.0 and ego[_SPEED] == 0.0 else accel
    ego[_SPEED], ego[_STEER], ego[_RATE] = speed, steer, turn / DT_S
    x, y = ego[_X] + chord * np.cos(ego[_YAW] + turn / 2), ego[_Y] + chord * np.sin(ego[_YAW] + turn / 2)
    yaw = (ego[_YAW] + turn + np.pi) % (2 * np.pi) - np.pi
    # On the ground: height at the rear axle, pitch and roll from the wheels' contact.
    c, s, base, half = np.cos(yaw), np.sin(yaw), vehicle.wheelbase_m, 0.5 * vehicle.width_m
    hint = ego[_Z]
    rear = height_at(ground, x, y, hint)
    front = height_at(ground, x + base * c, y + base * s, hint)
    left = height_at(ground, x - half * s, y + half * c, hint)
    right = height_at(ground, x + half * s, y - half * c, hint)
    ego[_X], ego[_Y], ego[_Z], ego[_YAW] = x, y, rear, yaw
    ego[_ROLL], ego[_PITCH] = np.arctan2(left - right, 2 * half), -np.arctan2(front - rear, base)
    for q in range(len(ego)):
        ego[q] = fixed_in_kernel(ego[q])


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
