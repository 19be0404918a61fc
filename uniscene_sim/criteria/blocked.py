"""`Blocked`: how often the ego stands in the way though the road is free; environments count it by the same rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from uniscene_sim.criteria.moment import Moment

__all__ = ["Blocked", "Loitering", "loiter"]

#: The ego blocks the road once it is slower than this for so long though the rule-keeping driver would speed up a lot:
#: a larger gap in a queue is no obstacle.
_SLOW_MPS, _FREE_MPS2, _BLOCKED_S = 2.0, 1.5, 10.0


class Loitering(NamedTuple):
    """For how long each of N egos is slow now though its way is free, and whether it blocks the road by it; after that
    the time begins anew."""

    seconds: np.ndarray  # (N,)
    blocks: np.ndarray  # bool (N,)


def loiter(seconds: Any, speed_mps: Any, driver_accel_mps2: Any, dt_s: float) -> Loitering:
    """One step of `dt_s` seconds.

    Args:
        seconds: (N,), those before.
        speed_mps: (N,), after the step.
        driver_accel_mps2: (N,), that the rule-keeping driver would choose.
        dt_s: s.
    """
    slow = (np.asarray(speed_mps) < _SLOW_MPS) & (np.asarray(driver_accel_mps2) > _FREE_MPS2)
    after = np.where(slow, np.asarray(seconds) + dt_s, 0.0)
    blocks = after > _BLOCKED_S
    return Loitering(np.where(blocks, 0.0, after), blocks)


@dataclass(frozen=True)
class Blocked:
    """How often the ego was slower than 2 m/s for 10 s while the rule-keeping driver would have sped up by more than
    1.5 m/s2, after ActorBlockedTest of CARLA's scenario_runner.

    Attributes:
        seconds: for how long now.
        seen: whether anybody told what that driver would do.
    """

    count: int = 0
    seconds: float = 0.0
    seen: bool = False

    def update(self, moment: Moment) -> Blocked:
        wanted = moment.wanted_accel_mps2
        if wanted is None:
            return self
        now = loiter(self.seconds, moment.ego.speed, wanted, moment.dt_s)
        return Blocked(self.count + int(now.blocks), float(now.seconds), True)

    @property
    def values(self) -> dict[str, float | None]:
        return {"blocked": self.count if self.seen else None}
