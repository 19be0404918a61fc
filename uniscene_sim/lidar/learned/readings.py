"""What a learned LiDAR is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.lidar.air import Air

__all__ = ["RayBundle", "Readings"]


@dataclass(frozen=True)
class RayBundle:
    """R rays of one sensor, R / C from each of C places, in the map frame.

    Attributes:
        origins: float64 (C, 3) m.
        directions: float64 (R, 3) of unit length.
        max_range_m: how far they are followed.
        detect_range_m: of the sensor, for a dark surface in clear air.
        air: between sensor and surfaces.
        agent_motion: float64 (C, A, 4), how far (m) and turned (rad) each agent is from where it was given when the
            rays of a place are sent; None where all stand still.
    """

    origins: np.ndarray
    directions: np.ndarray
    max_range_m: float
    detect_range_m: float
    air: Air
    agent_motion: np.ndarray | None = None


@dataclass(frozen=True)
class Readings:
    """What comes back along R rays.

    Attributes:
        range_m: float64 (R,), inf where nothing is hit.
        label: uint8 (R,) `OccClass` of the cell that is hit, FREE along rays that cross none.
        agent: int64 (R,), its row among the agents, -1 on the static world and where nothing is hit.
        intensity: float32 (R,), calibrated reflectivity in 0..1.
        drop_probability: float32 (R,), of a hit that is too weak to be detected.
    """

    range_m: np.ndarray
    label: np.ndarray
    agent: np.ndarray
    intensity: np.ndarray
    drop_probability: np.ndarray
