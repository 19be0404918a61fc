"""The wall's clock: when the next 10 ms of real time are due, and how long a stack may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Patience", "RealTime"]


class RealTime:
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

    def stepped(self, now: float, step_s: float, at_tick: bool) -> None:
        """A step of so many seconds of the wall was begun; whether the next one begins a tick."""
        self.due += step_s
        if at_tick and now > self.due + self._SLACK_S:
            self.overruns += 1
            self.due = now


@dataclass
class Patience:
    """How long the run waits for a stack's answer: longer while no stack has come yet."""

    connect_s: float
    answer_s: float
    since: float = 0.0
    connected: bool = False

    def ask(self, now: float) -> None:
        self.since = now

    def over(self, now: float, somebody_there: bool) -> bool:
        """Whether it is over; a stack that has just come is given its time."""
        if somebody_there and not self.connected:
            self.since, self.connected = now, True
        return now - self.since > (self.answer_s if self.connected else self.connect_s)
