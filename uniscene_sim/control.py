"""Commands to the ego: `Control` or `Trajectory`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from uniscene_sim.errors import InputError

__all__ = ["Control", "Trajectory"]


@dataclass(frozen=True)
class Control:
    """Front-wheel angle (rad, left positive) and acceleration (m/s2); clipped to the vehicle's limits.

    Raises:
        InputError: NaN, infinite, or so large (over 10 rad or 1,000 m/s2) that the unit must be wrong.
    """

    steer_rad: float = 0.0
    accel_mps2: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("steer_rad", 10.0), ("accel_mps2", 1000.0)):
            value = getattr(self, name)
            if not isfinite(value) or abs(value) > most:
                raise InputError(f"must be a finite number within +-{most:g}, got {value}", field=f"control.{name}")


@dataclass(frozen=True)
class Trajectory:
    """Points (N, 3) of t (s from now), x, y (m, map frame) to drive through; t increases."""

    points: np.ndarray

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or not np.isfinite(points).all():
            raise InputError("must be finite rows of t, x, y, at least two", field="control.trajectory")
        if (np.diff(points[:, 0]) <= 0).any() or np.abs(points[:, 1:]).max() > 2.0**24:
            raise InputError("times must rise and places lie within 16,777 km", field="control.trajectory")
        object.__setattr__(self, "points", points)

    def later(self, seconds: float) -> Trajectory:
        """The same trajectory, with times counted from `seconds` later."""
        return Trajectory(self.points - np.array([seconds, 0.0, 0.0]))
