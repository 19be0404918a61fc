"""The vehicle model: a kinematic bicycle about its rear axle, with limits and lag, exact along the arc that a constant
steering angle drives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.layout import PHYSICS_US, EgoVehicle
from uniscene_sim.maps.ground import height_at

__all__ = ["DT_S", "EGO_COLUMNS", "REVERSE_MPS", "VehicleParameters", "step_bicycle"]

DT_S = PHYSICS_US / 1e6
#: Most speed backwards.
REVERSE_MPS = 5.0
#: Columns of the ego: base_link in the map frame, then speed, acceleration, front-wheel angle, yaw rate.
EGO_COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "speed", "accel", "steer", "yaw_rate")
_X, _Y, _Z, _ROLL, _PITCH, _YAW, _SPEED, _ACCEL, _STEER, _RATE = range(len(EGO_COLUMNS))


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


@device
def step_bicycle(ego, want_steer, want_accel, backwards, vehicle, ground):
    """One step of 10 ms.

    Args:
        ego: (10,) columns `EGO_COLUMNS`, changed.
        want_steer: front-wheel angle, rad.
        want_accel: m/s2, in the direction of the gear.
        backwards: whether the gear is the reverse one. What still rolls the other way is braked first.
        vehicle: VehicleParameters.
        ground: on which it stands.
    """
    want_steer = min(max(want_steer, -vehicle.max_steer_rad), vehicle.max_steer_rad)
    gear, most = (-1.0, min(vehicle.max_speed_mps, REVERSE_MPS)) if backwards else (1.0, vehicle.max_speed_mps)
    pace = gear * ego[_SPEED]
    if pace < 0.0:
        want_accel = min(abs(want_accel), vehicle.max_brake_mps2)
    else:
        want_accel = min(max(want_accel, -vehicle.max_brake_mps2), vehicle.max_accel_mps2)
    rate = (want_steer - ego[_STEER]) / max(vehicle.steer_lag_s, DT_S)
    steer = ego[_STEER] + DT_S * min(max(rate, -vehicle.max_steer_rate_rad_s), vehicle.max_steer_rate_rad_s)
    accel = ego[_ACCEL] + (gear * want_accel - ego[_ACCEL]) * min(DT_S / max(vehicle.accel_lag_s, DT_S), 1.0)
    # Braking ends at standstill; only the reverse gear drives backwards.
    after = pace + gear * accel * DT_S
    after = min(after, 0.0) if pace < 0.0 else min(max(after, 0.0), most)
    speed = gear * after if after != 0.0 else 0.0
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
