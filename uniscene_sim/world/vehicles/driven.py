"""Bodies that a control drives by the vehicle model of the ego, among those that follow their paths."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.tracks import AXLE_SHARE
from uniscene_sim.world.vehicles.bicycle import DT_S, EGO_COLUMNS, VehicleParameters, step_bicycle

__all__ = ["advance_driven", "vehicle_of"]

_ABSENT = MotionMode.ABSENT
_LIMITS = EgoVehicle()
_MOST_STEER, _MOST_RATE = _LIMITS.max_steer_rad, _LIMITS.max_steer_rate_rad_s
_MOST_ACCEL, _MOST_BRAKE, _MOST_SPEED = _LIMITS.max_accel_mps2, _LIMITS.max_brake_mps2, _LIMITS.max_speed_mps
_STEER_LAG, _ACCEL_LAG = _LIMITS.steer_lag_s, _LIMITS.accel_lag_s


@njit(cache=True)
def vehicle_of(body):
    """The `VehicleParameters` of a body: its box, and the limits of the usual `EgoVehicle`."""
    reach = AXLE_SHARE * body.length
    return VehicleParameters(
        body.length, body.width, body.height, 2.0 * reach, reach, _MOST_STEER, _MOST_RATE, _MOST_ACCEL, _MOST_BRAKE,
        _MOST_SPEED, _STEER_LAG, _ACCEL_LAG,
    )  # fmt: skip


@njit(cache=True)
def advance_driven(bodies, paths, counts, ground):
    """Move bodies that are driven by one step of 10 ms, and find where on their paths that is.

    Args:
        bodies: (N,) BODY_DTYPE, the ego first; changed.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        ground: on which they stand.
    """
    row = np.empty(len(EGO_COLUMNS))
    for i in range(1, bodies.size):
        me = bodies[i]
        if not me.driven or me.mode == _ABSENT:
            continue
        vehicle = vehicle_of(me)
        back = vehicle.rear_axle_to_centre_m
        row[0], row[1] = me.x - back * np.cos(me.yaw), me.y - back * np.sin(me.yaw)
        row[2], row[3], row[4], row[5] = me.z, 0.0, me.pitch, me.yaw
        row[6], row[7], row[8], row[9] = me.speed, me.accel, me.steer, me.yaw_rate
        step_bicycle(row, me.want_steer, me.want_accel, me.reverse, vehicle, ground)
        bodies[i].x = fixed_in_kernel(row[0] + back * np.cos(row[5]))
        bodies[i].y = fixed_in_kernel(row[1] + back * np.sin(row[5]))
        bodies[i].z, bodies[i].pitch, bodies[i].yaw = row[2], row[4], row[5]
        bodies[i].speed, bodies[i].accel, bodies[i].steer, bodies[i].yaw_rate = row[6], row[7], row[8], row[9]
        bodies[i].gait += row[6] * DT_S
        low, high = max(int(me.s) - 12, 0), int(me.s) + 20
        s = project_to_path(paths[i], counts[i], bodies[i].x, bodies[i].y, low, high)[0]
        bodies[i].s = max(fixed_in_kernel(s), 0.0)
