"""The exchange of a frame for a control in lockstep: which control is the answer, and when a frame is sent again.

A frame or its answer may be lost, and an answer may be refused. The frame is then sent again, so a stack may get it
twice and answer it twice. As most controls carry no stamp, answers are counted: as many controls as a stack owes for
copies of former frames are put aside before one counts as the answer to the present frame. If the stack then falls
silent, it owed none, and the last of them was the answer.
"""

from __future__ import annotations

from uniscene_ros2.controls import ReceivedCommand

__all__ = ["ANSWER", "EARLY", "REPEATED", "Exchange"]

#: What a control is: the answer, sent before all of the frame was, or for a former frame that was sent twice.
ANSWER, EARLY, REPEATED = "used", "early", "repeated"


class Exchange:
    """Keeps the account of frames sent and controls received. Times are of the monotonic clock, s.

    Attributes:
        sent_at: when the present frame was sent first, or the stack had time for it.
        sent_ns: when controls begin to count as answers to it, wall clock.
        resent: how often frames of this run were sent again.
    """

    def __init__(self) -> None:
        self.sent_ns = 0
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A run begins."""
        self.resent, self._owed, self._answer_s = 0, 0, 0.0
        self.frame_sent(now)

    def frame_sent(self, now: float, again: bool = False) -> None:
        """A frame was sent; `again` the one before, to a stack that was not there: how long it may wait does not
        change."""
        self._copies, self._answers = 1, 0
        self._aside: ReceivedCommand | None = None
        self._asked_at = self._active_at = now
        if not again:
            self.sent_at = now

    def restart(self, now: float) -> None:
        """Waiting starts anew, after a pause."""
        self.sent_at = self._asked_at = self._active_at = now

    def sent_again(self, now: float, to_somebody: bool = True) -> None:
        self._active_at = now
        if to_somebody:
            if self._answers >= self._copies:  # the stack is done with those before
                self._asked_at = now
            self._copies += 1
            self.resent += 1

    def refused(self, now: float) -> None:
        """A control came that cannot be used: the stack is alive, and owes one answer less."""
        self._count(now)

    def judge(self, reply: ReceivedCommand, now: float, stamp_us: int) -> str:
        """What a control is, the frame being of the ROS time `stamp_us`."""
        if reply.received_ns < self.sent_ns:
            self._owed = max(self._owed - 1, 0)
            return EARLY
        if reply.stamp_us is not None and reply.stamp_us >= stamp_us:  # made of this frame for sure
            self._answers, self._active_at = self._answers + 1, now
            return ANSWER
        if self._count(now):
            self._aside = reply
            self.restart(now)  # only now it begins with this frame, if it does one after the other
            return REPEATED
        return ANSWER

    def take_aside(self, now: float, patience_s: float) -> ReceivedCommand | None:
        """The control put aside, if no other one followed it in time."""
        if self._aside is None or now - self._active_at < patience_s:
            return None
        self._owed, self._answers = 0, 1
        return self._aside

    def answered(self) -> None:
        """The control that came last is used."""
        self._owed += max(self._copies - self._answers, 0)
        self._answer_s = self._active_at - self._asked_at

    def patience_s(self, resend_s: float, timeout_s: float) -> float:
        """How long to wait before something is taken for lost: a stack that was slow just now is given more time, but
        so that what is sent again can still be answered, and the answer put aside be used."""
        return max(resend_s, min(2 * self._answer_s, 0.45 * timeout_s))

    def is_lost(self, now: float, patience_s: float) -> bool:
        """Whether to send the frame again; after each copy without an answer, twice as long is waited."""
        silent = max(self._copies - self._answers - 1, 0)
        return self._aside is None and now - self._active_at > patience_s * 2**silent

    def _count(self, now: float) -> bool:
        """Count an answer; returns whether it may be for a former frame."""
        self._active_at = now
        if self._owed:
            self._owed -= 1
            return True
        self._answers += 1
        return False
