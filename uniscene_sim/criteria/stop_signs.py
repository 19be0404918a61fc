"""`StopSigns`: lines of stop signs that the ego passes without having stood before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.criteria.moment import LEVEL_M, Ego, Moment
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["StopSigns"]

# CARLA's scenario_runner, RunningStopTest: a stop is one below this speed, this close to the sign's place at most.
_STANDS_MPS, _CLOSE_M = 0.1, 4.0


@dataclass(frozen=True)
class StopSigns:
    """Lines of stop signs that were run, after CARLA's RunningStopTest.

    A line is passed when the middle of the front goes over it, in the direction of its lane.

    Attributes:
        run: number of lines that were run.
        stood: stop lines of the map before which the ego has stood, and which it has not passed since.
    """

    run: int = 0
    stood: frozenset[int] = frozenset()

    def update(self, moment: Moment) -> StopSigns:
        lines = sign_lines(moment.map)
        if not len(lines.index):
            return self
        ego, before = moment.ego, moment.before
        along, across = lines.places(ego)
        stood, run = self.stood, self.run
        if before is not None:
            was, _ = lines.places(before)
            for k in np.flatnonzero((was <= 0.0) & (along > 0.0) & across).tolist():
                line = int(lines.index[k])
                run += line not in stood
                stood -= {line}
        if abs(ego.speed) <= _STANDS_MPS:
            stood |= frozenset(lines.index[across & (along <= 0.0) & (along >= -_CLOSE_M)].tolist())
        return StopSigns(run, stood)

    @property
    def values(self) -> dict[str, float | None]:
        return {"stop_line": self.run}


@dataclass(frozen=True)
class SignLines:
    """The lines of the stop signs of a map."""

    index: np.ndarray  # int64 (L,), among its stop lines
    left: np.ndarray  # (L, 3) m, left end
    span: np.ndarray  # (L, 2) m, from there to the right one

    def places(self, ego: Ego) -> tuple[np.ndarray, np.ndarray]:
        """How far the middle of the ego's front is beyond each line, (L,) m, and whether it is within its width on its
        level, bool (L,)."""
        x, y = ego.front
        length = np.maximum(np.hypot(self.span[:, 0], self.span[:, 1]), 1e-6)
        dx, dy = x - self.left[:, 0], y - self.left[:, 1]
        right = (dx * self.span[:, 0] + dy * self.span[:, 1]) / length
        beyond = (dy * self.span[:, 0] - dx * self.span[:, 1]) / length
        level = np.abs(self.left[:, 2] - ego.z) < LEVEL_M
        return beyond, (right >= 0.0) & (right <= length) & level


@once_per_map
def sign_lines(static_map: StaticMap) -> SignLines:
    found = [(k, line.ends) for k, line in enumerate(static_map.stop_lines) if line.signal < 0]
    ends = np.array([ends for _, ends in found]).reshape(-1, 2, 3)
    return SignLines(np.array([k for k, _ in found], np.int64), ends[:, 0], ends[:, 1, :2] - ends[:, 0, :2])
