"""Comfort of driving, tick by tick: for many worlds at once, and the share of a drive.

The limits are nuPlan's: a tick is comfortable when longitudinal acceleration lies in [-4.05, 2.40] m/s2, lateral
acceleration within 4.89 m/s2, yaw rate within 0.95 rad/s, yaw acceleration within 1.93 rad/s2, longitudinal jerk within
4.13 m/s3 and jerk within 8.37 m/s3. nuPlan smooths trajectories first; here derivatives are differences between ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.moment import Ego, Moment

__all__ = ["MOST_JERK_MPS3", "MOTION", "Comfort", "ComfortShare", "comfort_of"]

_LONGITUDINAL_MPS2 = (-4.05, 2.40)
_LATERAL_MPS2, _YAW_RATE, _YAW_ACCEL, _LONGITUDINAL_JERK = 4.89, 0.95, 1.93, 4.13
MOST_JERK_MPS3 = 8.37
#: Columns of the motion of worlds (N, 3): speed m/s, forward acceleration m/s2, yaw rate rad/s.
MOTION = ("speed_mps", "accel_mps2", "yaw_rate_rad_s")


class Comfort(NamedTuple):
    """Comfort of a tick in N worlds."""

    jerk_mps3: np.ndarray  # (N,)
    comfortable: np.ndarray  # bool (N,)


def comfort_of(before: np.ndarray, after: np.ndarray, dt_s: float) -> Comfort:
    """Comfort of a tick of `dt_s` seconds, from the motion (N, 3) before and after it, columns as `MOTION`."""
    lateral = [m[:, 0] * m[:, 2] for m in (before, after)]
    along, across = (after[:, 1] - before[:, 1]) / dt_s, (lateral[1] - lateral[0]) / dt_s
    jerk = np.hypot(along, across)
    low, high = _LONGITUDINAL_MPS2
    good = (
        (after[:, 1] >= low)
        & (after[:, 1] <= high)
        & (np.abs(lateral[1]) <= _LATERAL_MPS2)
        & (np.abs(after[:, 2]) <= _YAW_RATE)
        & (np.abs(after[:, 2] - before[:, 2]) / dt_s <= _YAW_ACCEL)
        & (np.abs(along) <= _LONGITUDINAL_JERK)
        & (jerk <= MOST_JERK_MPS3)
    )
    return Comfort(jerk, good)


@dataclass(frozen=True)
class ComfortShare:
    """The share of moments that are comfortable by `comfort_of`, from the second one on."""

    moments: int = 0
    comfortable: int = 0

    def update(self, moment: Moment) -> ComfortShare:
        if moment.before is None:
            return self
        good = comfort_of(_motion(moment.before), _motion(moment.ego), moment.dt_s).comfortable[0]
        return ComfortShare(self.moments + 1, self.comfortable + int(good))

    @property
    def values(self) -> dict[str, float | None]:
        return {"comfort": round(self.comfortable / self.moments, 4) if self.moments else None}


def _motion(ego: Ego) -> np.ndarray:
    return np.array([[ego.speed, ego.accel, ego.yaw_rate]])
