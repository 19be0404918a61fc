"""Rays that a learned LiDAR is given, and its readings of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.lidar.weather import Air

__all__ = ["RayBundle", "Readings"]


@dataclass(frozen=True)
class RayBundle:
    """R rays of one sensor in the map frame: C columns, each of R / C rays from one origin.

    Attributes:
        origins: float64 (C, 3) m.
        directions: float64 (R, 3) of unit length.
        max_range_m: of the sensor.
        detect_range_m: of the sensor, for a dark surface in clear air.
        air: between sensor and surfaces.
        agent_motion: float64 (C, A, 4), displacement (m) and yaw (rad) of each agent at a column's time, relative to
            its given pose; None for static agents.
    """

    origins: np.ndarray
    directions: np.ndarray
    max_range_m: float
    detect_range_m: float
    air: Air
    agent_motion: np.ndarray | None = None


@dataclass(frozen=True)
class Readings:
    """Readings of R rays.

    Attributes:
        range_m: float64 (R,), inf where nothing is hit.
        label: uint8 (R,) `OccClass` of the cell that is hit, FREE for rays that cross none.
        agent: int64 (R,), row of the agent that is hit, -1 on the static world and where nothing is hit.
        intensity: float32 (R,), calibrated reflectivity in 0..1.
        drop_probability: float32 (R,), that a hit is too weak to be detected.
    """

    range_m: np.ndarray
    label: np.ndarray
    agent: np.ndarray
    intensity: np.ndarray
    drop_probability: np.ndarray
