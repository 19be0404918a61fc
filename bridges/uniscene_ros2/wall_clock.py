"""Real-time pacing: when the next physics step is due on the wall clock."""

from __future__ import annotations

__all__ = ["WallClockPacer"]


class WallClockPacer:
    """Paces physics steps by the wall clock. Delays within a tick are made up for; a tick that still starts late is
    counted as an overrun, and the schedule is shifted, so that the world never runs faster than real time.

    Attributes:
        due: when the next step is due, on the monotonic clock, s.
        overruns: number of late ticks so far.
    """

    _SLACK_S = 0.01

    def __init__(self) -> None:
        self.due, self.overruns = 0.0, 0

    def start(self, now: float) -> None:
        self.due = now

    def step_done(self, now: float, step_s: float, at_tick: bool) -> None:
        """Schedule the next step, `step_s` seconds of wall-clock time later; `at_tick` if it starts a tick."""
        self.due += step_s
        if at_tick and now > self.due + self._SLACK_S:
            self.overruns += 1
            self.due = now
