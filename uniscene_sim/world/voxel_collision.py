"""Whether the ego touches generated voxels, by samples all over its body."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import cos, sin

import numpy as np

from uniscene_sim.world.physics import VehicleParameters

__all__ = ["collides_with_voxels"]


def collides_with_voxels(
    ego: np.ndarray, vehicle: VehicleParameters, solid: Callable[[np.ndarray], np.ndarray]
) -> bool:
    """Whether generated voxels reach into the body of the ego.

    Args:
        ego: (10,), columns `physics.EGO_COLUMNS`.
        vehicle: whose size counts.
        solid: maps points (N, 3), m, to whether a voxel is there, bool (N,).
    """
    x, y, z, _, _, yaw = ego[:6].tolist()
    c, s, forward = cos(yaw), sin(yaw), vehicle.rear_axle_to_centre_m
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    middle = np.array([x + c * forward, y + s * forward, z])
    return bool(solid(_body_points(vehicle.length_m, vehicle.width_m, vehicle.height_m) @ turn + middle).any())


@cache
def _body_points(length: float, width: float, height: float) -> np.ndarray:
    """Points (N, 3) all over a body, m, from the middle of its foot."""
    u, v = np.linspace(-0.5 * length, 0.5 * length, 12), np.linspace(-0.5 * width, 0.5 * width, 6)
    return np.stack(np.meshgrid(u, v, np.linspace(0.4, height, 4), indexing="ij"), axis=-1).reshape(-1, 3)
