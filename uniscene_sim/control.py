"""Commands to the ego, `Control` or `Trajectory`, and the `Manners` of those who drive by themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import DAY_S, MAP_FRAME_M, Bound, check_numbers

__all__ = ["CAREFUL", "CARELESS", "HASTY", "MANNERS", "NORMAL", "Control", "Manners", "Trajectory"]

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


@dataclass(frozen=True)
class Manners:
    """Manners of one driver: the parameters of the Intelligent Driver Model (`world.traffic.idm`), and what it heeds.

    Args:
        speed_factor: of speed limits, of what curves allow, and of the driver's own speed on a free road: 1.2 drives
            20 % faster.
        headway_s: time gap T to the vehicle ahead.
        gap_m: gap s0 at a standstill.
        accel_mps2: acceleration a from standstill.
        braking_mps2: comfortable deceleration b; in an emergency all brake by up to 8 m/s2.
        sees_m: how far ahead others, lights and signs are noticed; 0 ignores everybody.
        gives_way: whether it waits where others go first, and for people at crossings.
        obeys_lights: whether it stops at red lights and at stop signs.

    Raises:
        InputError: a number out of its bounds; names the field.
    """

    speed_factor: float = 1.0
    headway_s: float = 1.4
    gap_m: float = 2.2
    accel_mps2: float = 1.8
    braking_mps2: float = 2.5
    sees_m: float = 90.0
    gives_way: bool = True
    obeys_lights: bool = True

    def __post_init__(self) -> None:
        check_numbers(self, "", **bounds.MANNERS)

    def varied(self, spread: float, *key: int) -> Manners:
        """Manners whose numbers differ by a share of up to `spread`, uniformly, the same for the same integer key."""
        if not spread:
            return self
        drawn = {}
        for k, (name, bound) in enumerate(bounds.MANNERS.items()):
            value = getattr(self, name) * (1.0 + spread * (2.0 * unit_hash(*key, k) - 1.0))
            drawn[name] = min(max(value, bound.least), bound.most)
        return replace(self, **drawn)


NORMAL = Manners()
#: Slower, with larger gaps.
CAREFUL = Manners(speed_factor=0.8, headway_s=2.2, gap_m=3.5, accel_mps2=1.2, braking_mps2=1.8)
#: Faster than allowed and close behind others, but heeding them.
HASTY = Manners(speed_factor=1.2, headway_s=0.7, gap_m=1.5, accel_mps2=2.8, braking_mps2=4.0)
#: Faster than allowed, sees others late or never, stops for nothing: it has accidents.
CARELESS = Manners(1.3, 0.4, 1.0, 3.0, 6.0, sees_m=5.0, gives_way=False, obeys_lights=False)
#: By their names in scenario files.
MANNERS = {"careful": CAREFUL, "normal": NORMAL, "hasty": HASTY, "careless": CARELESS}
