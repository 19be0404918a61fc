"""How episodes stand and why they end, as numbers that every framework can stack, with names beside them in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from uniscene_sim.env.settings import ENDINGS
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.outcome import Status
from uniscene_sim.scenario import CRITERION_NAMES

__all__ = ["ENDS_ON", "CriterionState", "EndReason", "Endings", "EpisodeOutcome", "ending_info"]


class EpisodeOutcome(IntEnum):
    """`info["outcome"]`: how the scenario's criteria judge the episode; RUNNING until it ends."""

    RUNNING = 0
    SUCCESS = 1
    ACCEPTABLE = 2  # only optional criteria failed
    FAILURE = 3
    TIMEOUT = 4  # what fails is only that the ego did not get far enough in its time


class EndReason(IntEnum):
    """`info["end_reason"]`: why the episode has ended."""

    NONE = 0  # it has not
    ROUTE_END = 1  # where the scenario has a goal or a length
    TIME_LIMIT = 2  # of the scenario
    COLLISION = 3  # this and what follows: named in `terminate_on`
    OFF_ROAD = 4
    RED_LIGHT = 5
    BLOCKED = 6  # slower than 2 m/s for 10 s though the way was free


class CriterionState(IntEnum):
    """`info["criterion_..."]`: whether a criterion holds so far."""

    NOT_ASKED = -1  # the scenario has none of this name
    FAILS = 0
    HOLDS = 1


#: The counter of measurements that tells of each event of `ENDINGS`.
ENDS_ON = {"collision": "collisions", "off_road": "off_road_s", "red_light": "red_lights", "blocked": "blocked"}
_OUTCOMES = {Status.RUNNING: EpisodeOutcome.RUNNING, Status.SUCCESS: EpisodeOutcome.SUCCESS,
             Status.ACCEPTABLE: EpisodeOutcome.ACCEPTABLE, Status.FAILURE: EpisodeOutcome.FAILURE,
             Status.TIMEOUT: EpisodeOutcome.TIMEOUT, Status.ERROR: EpisodeOutcome.FAILURE}  # fmt: skip
_REASON_OF = {"collision": EndReason.COLLISION, "off_road": EndReason.OFF_ROAD, "red_light": EndReason.RED_LIGHT,
              "blocked": EndReason.BLOCKED}  # fmt: skip


@dataclass(frozen=True)
class Endings:
    """What ends the episodes of n worlds in a step.

    Attributes:
        over: bool (n,), whether the source is done.
        arrived: bool (n,), whether the end of the route is reached; it counts where the source is done then.
        by_event: bool (n, 4), the events of `ENDINGS` that end an episode.
    """

    over: np.ndarray
    arrived: np.ndarray
    by_event: np.ndarray

    @classmethod
    def none(cls, count: int) -> Endings:
        """Of worlds that go on."""
        return cls(np.zeros(count, bool), np.zeros(count, bool), np.zeros((count, len(ENDINGS)), bool))

    @property
    def terminated(self) -> np.ndarray:
        """Whether an episode ends before its time, bool (n,)."""
        ended: np.ndarray = (self.over & self.arrived) | self.by_event.any(axis=1)
        return ended

    @property
    def reasons(self) -> np.ndarray:
        """EndReason int64 (n,); of several events the first of `ENDINGS`."""
        reasons = np.where(self.over, int(EndReason.TIME_LIMIT), int(EndReason.NONE))
        reasons[self.over & self.arrived] = EndReason.ROUTE_END
        for k in reversed(range(len(ENDINGS))):
            reasons[self.by_event[:, k]] = _REASON_OF[ENDINGS[k]]
        return reasons


def ending_info(sources: Sequence[LayoutSource], ends: Endings) -> dict[str, np.ndarray]:
    """Entries (n,) of `info`: `is_success`, `outcome`, `end_reason`, and `criterion_NAME` for each name there is.

    An episode that an event of `terminate_on` ends is a failure, whatever the scenario asks for.

    Args:
        sources: of n worlds.
        ends: of their episodes.
    """
    outcomes = np.zeros(len(sources), np.int64)
    rows = np.full((len(CRITERION_NAMES), len(sources)), CriterionState.NOT_ASKED, np.int64)
    states = dict(zip(CRITERION_NAMES, rows, strict=True))
    for i, source in enumerate(sources):
        judged = source.outcome
        outcomes[i] = _OUTCOMES[judged.status]
        for criterion in judged.criteria:
            if criterion.name in states:
                states[criterion.name][i] = CriterionState.HOLDS if criterion.success else CriterionState.FAILS
    outcomes[ends.by_event.any(axis=1)] = EpisodeOutcome.FAILURE
    return {
        "is_success": np.isin(outcomes, (EpisodeOutcome.SUCCESS, EpisodeOutcome.ACCEPTABLE)),
        "outcome": outcomes,
        "end_reason": ends.reasons,
        **{f"criterion_{name}": state for name, state in states.items()},
    }
