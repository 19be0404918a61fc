"""What a run is told as: its status, and what was seen of a stack that does not answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from datetime import UTC, datetime
from uuid import uuid4

from uniscene_ros2.controls import ControlInbox
from uniscene_ros2.exchange import EARLY, Exchange
from uniscene_ros2.run import EVERY_FRAME, RosRun, answered_sensor

__all__ = ["RUNNING", "RunReport", "nobody_listens"]

RUNNING = "RUNNING"
#: While controls are refused, the status is news again after this time, s.
_STATUS_S = 1.0


class RunReport:
    """The status of a run.

    Args:
        run: the run.
        inbox: counts its controls.
        exchange: counts the frames that were sent again.

    Attributes:
        status: RUNNING, or the result of the run.
        seen: of a run that ends as TIMEOUT, why.
        run_id: of this run; no other one has it.
    """

    def __init__(self, run: RosRun, inbox: ControlInbox, exchange: Exchange):
        self._run, self._inbox, self._exchange = run, inbox, exchange
        self._told_at = 0.0
        self.begin()

    def begin(self) -> None:
        """A run begins."""
        self.status, self.seen = RUNNING, ""
        self.run_id, self._began = uuid4().hex, datetime.now(UTC).isoformat(timespec="milliseconds")
        self._refusals_told = 0
        self.frame_sent()

    def frame_sent(self) -> None:
        """A new frame was sent: what is seen from now on is seen since then."""
        self._before = self._inbox.reasons + Counter({EARLY: self._inbox.counts[EARLY]})

    def text(self) -> str:
        """The status as JSON."""
        run = self._run
        facts = {
            "scenario": run.source.title,
            "seed": run.source.seed,
            **run.source.outcome.as_dict(),
            "status": self.status,
            "run": self.run_id,
            "began": self._began,
            "stamp_s": 1e-6 * run.stamp_us,
            "controls": dict(self._inbox.counts),
            "refused": dict(self._inbox.reasons),
            "resent": self._exchange.resent,
        }
        return json.dumps({**facts, "seen": self.seen} if self.seen else facts)

    def is_due(self, now: float) -> bool:
        """Whether to tell the status because more controls were refused."""
        refusals = self._inbox.reasons.total()
        if self.status != RUNNING or refusals == self._refusals_told or now - self._told_at <= _STATUS_S:
            return False
        self._refusals_told, self._told_at = refusals, now
        return True

    def seen_since_frame(self) -> str:
        """Why the present frame has no answer, as far as controls tell."""
        at = f"since the frame at {1e-6 * self._run.stamp_us:.2f} s"
        refused = self._inbox.reasons - self._before
        seen = f"none came {at}"
        if refused:
            seen = f"refused {at}: {', '.join(f'{reason} ({n})' for reason, n in refused.most_common())}"
        if early := self._inbox.counts[EARLY] - self._before[EARLY]:
            seen += f"; {early} came before all of it was sent: answer_from:=first_message?"
        return seen


def nobody_listens(run: RosRun, needs: Set[str], answer_to: str) -> str:
    """What to say if the frames that are waited for hold nothing that somebody listens to.

    Args:
        run: the run.
        needs: what somebody listens to.
        answer_to: the sensor whose frames are answered.
    """
    sensor = answered_sensor(run.rig, answer_to)
    others = [s.name for s in run.rig.sensors if s.name in needs]
    if not others or sensor in needs or sensor == EVERY_FRAME:
        return ""
    return f"nobody listens to {sensor}, whose frames are to be answered: answer_to:={others[0]}?"
