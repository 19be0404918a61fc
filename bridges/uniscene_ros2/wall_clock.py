"""Real time: when the next 10 ms are due on the wall's clock."""

from __future__ import annotations

__all__ = ["WallClockPacer"]


class WallClockPacer:
    """Steps that keep pace with the wall. What is late is made up for within the tick; a tick that begins late for all
    that is an overrun: it is counted and time slips, so that the world never hurries.

    Attributes:
        due: when the next step is to be made, on the monotonic clock, s.
        overruns: ticks so far that were not in time.
    """

    _SLACK_S = 0.01

    def __init__(self) -> None:
        self.due, self.overruns = 0.0, 0

    def start(self, now: float) -> None:
        self.due = now

    def step_done(self, now: float, step_s: float, at_tick: bool) -> None:
        """A step of so many seconds of the wall was begun; whether the next one begins a tick."""
        self.due += step_s
        if at_tick and now > self.due + self._SLACK_S:
            self.overruns += 1
            self.due = now
