"""Commands to the ego: `Control` or `Trajectory`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import DAY_S, MAP_FRAME_M, Bound, check_numbers

__all__ = ["Control", "Trajectory"]

#: Beyond these the unit must be wrong.
_STEER_RAD, _ACCEL_MPS2 = Bound(-10.0, 10.0, "rad"), Bound(-1000.0, 1000.0, "m/s2")


@dataclass(frozen=True)
class Control:
    """Front-wheel angle (rad, left positive) and acceleration (m/s2); clipped to the vehicle's limits.

    In the reverse gear the acceleration is backwards: a positive one drives back, at most 5 m/s, a negative one brakes.
    Whoever still rolls the other way is braked by it first, whatever its sign.

    Raises:
        InputError: NaN, infinite, or so large (over 10 rad or 1,000 m/s2) that the unit must be wrong.
    """

    steer_rad: float = 0.0
    accel_mps2: float = 0.0
    reverse: bool = False

    def __post_init__(self) -> None:
        check_numbers(self, "control.", steer_rad=_STEER_RAD, accel_mps2=_ACCEL_MPS2)
        if not isinstance(self.reverse, bool | np.bool_):
            raise InputError(f"expected true or false, got {shown(self.reverse)}", field="control.reverse")


@dataclass(frozen=True)
class Trajectory:
    """Points (N, 3) of t (s from now), x, y (m, map frame) to drive through; t increases."""

    points: np.ndarray

    def __post_init__(self) -> None:
        try:
            points = np.asarray(self.points, float)
        except (TypeError, ValueError, OverflowError):
            points = np.zeros(0)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or not np.isfinite(points).all():
            raise InputError("must be finite rows of t, x, y, at least two", field="control.trajectory")
        if (np.diff(points[:, 0]) <= 0).any() or np.abs(points[:, 0]).max() > DAY_S:
            raise InputError("times must rise and lie within a day", field="control.trajectory")
        if np.abs(points[:, 1:]).max() > MAP_FRAME_M.most:
            raise InputError(f"x and y must be {MAP_FRAME_M}", field="control.trajectory")
        object.__setattr__(self, "points", points)

    def later(self, seconds: float) -> Trajectory:
        """The same trajectory, with times counted from `seconds` later."""
        return Trajectory(self.points - np.array([seconds, 0.0, 0.0]))
