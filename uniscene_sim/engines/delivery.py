"""When engines are called, and when what they made is delivered: `chunk` and `latency_ticks`.

An engine with `chunk` C is given the moments of up to C ticks in one call: as soon as C are there, or sooner where
other sensors are due, the first of them can wait no longer, or the run is over. What it makes of a tick is delivered
`latency_ticks` later, with the stamp of the moment that it was made of. The first moment of an episode is the
exception: it is made alone and delivered at once, so that there is something to drive by.

All of it is a value: each function takes the queue between a world and an engine and gives the next one, so a copy of a
world has frames under way of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from uniscene_sim.layout import LayoutFrame

__all__ = ["Made", "Moment", "Pending", "Queue", "delivered", "finished", "ready"]


@dataclass(frozen=True)
class Made:
    """Records of one moment, and when they are to be delivered."""

    due_us: int
    layout: LayoutFrame  # of the moment that they were made of
    records: dict[str, Any]  # by the sensor's name


@dataclass(frozen=True)
class Moment:
    """What is kept of a world until an engine is given it."""

    layout: LayoutFrame
    history: Sequence[LayoutFrame]  # earlier ones, oldest first; a tuple where it waits
    window: Made | None = None  # the occupancy window that sensors trace then


@dataclass(frozen=True)
class Pending:
    """Moments that one call is to serve, with the same sensors."""

    moments: tuple[Moment, ...] = ()  # oldest first
    specs: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Queue:
    """What is under way between one world and one engine, and what that engine remembers of it."""

    state: Any = None
    pending: Pending = Pending()
    made: tuple[Made, ...] = ()  # the first due first
    started: bool = False


def ready(queue: Queue, moment: Moment, specs: tuple[Any, ...], chunk: int, latency_us: int) -> tuple[Queue, Pending]:
    """What an engine is to be called with now, of one world; no moments where it is not called.

    Args:
        queue: of the world and the engine.
        moment: now.
        specs: what is due now, perhaps nothing.
        chunk: moments in one call at most.
        latency_us: between the stamp of a moment and its delivery.
    """
    waits = queue.pending
    if specs and waits.moments and waits.specs != specs:
        return replace(queue, pending=_kept((), moment, specs)), waits
    if specs:
        waits = Pending((*waits.moments, moment), specs)
    due = waits.moments and moment.layout.stamp_us >= waits.moments[0].layout.stamp_us + latency_us
    if due or len(waits.moments) >= chunk or (specs and not queue.started):
        return replace(queue, pending=Pending()), waits
    return (replace(queue, pending=_kept(queue.pending.moments, moment, specs)) if specs else queue), Pending()


def _kept(before: tuple[Moment, ...], moment: Moment, specs: tuple[Any, ...]) -> Pending:
    return Pending((*before, replace(moment, history=tuple(moment.history))), specs)


def delivered(queue: Queue, now_us: int) -> tuple[Queue, list[Made]]:
    """What is to be delivered up to now, oldest first: of each sensor one record, what else is due comes next time."""
    out: list[Made] = []
    names: set[str] = set()
    left = list(queue.made)
    while left and left[0].due_us <= now_us and names.isdisjoint(left[0].records):
        names.update(left[0].records)
        out.append(left.pop(0))
    return replace(queue, made=tuple(left), started=True), out


def finished(queue: Queue, pending: Pending, state: Any, records: Sequence[dict[str, Any]], latency_us: int) -> Queue:
    """The queue after a call.

    Args:
        queue: as `ready` left it.
        pending: what the call served.
        state: what the engine remembers now.
        records: made of each moment of `pending`.
        latency_us: between the stamp of a moment and its delivery.
    """
    wait_us = latency_us if queue.started else 0
    made = [Made(m.layout.stamp_us + wait_us, m.layout, r) for m, r in zip(pending.moments, records, strict=True)]
    return replace(queue, state=state, made=(*queue.made, *made))
