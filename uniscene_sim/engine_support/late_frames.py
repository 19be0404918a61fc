"""When engines are called and when their output is delivered: `chunk` and `latency_ticks`.

An engine with `chunk` C gets the moments of up to C ticks in one call. It is called as soon as C are there, or earlier
if other sensors become due, if the first moment cannot wait any longer, or at the end of the run. Its output for a tick
is delivered `latency_ticks` later, with the stamp of that tick. The first moment of an episode is the exception: it is
computed alone and delivered at once, so that the driver has something to drive by.

Everything here is a value: each function takes the queue between a world and an engine and returns the next one, so a
copy of a world has pending frames of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from uniscene_sim.layout import LayoutFrame

__all__ = [
    "Delivery",
    "EngineQueue",
    "Moment",
    "PendingCall",
    "add_results",
    "chunk_of",
    "latency_ticks_of",
    "next_call",
    "take_due",
]


@dataclass(frozen=True)
class Delivery:
    """Records of one moment, and the time at which they are delivered.

    `window` is the occupancy window that they were traced through, None for none. Messages leave it out.
    """

    due_us: int
    layout: LayoutFrame  # at the records' stamp
    records: dict[str, Any]  # by the sensor's name
    window: Delivery | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Moment:
    """The state of a world at one time, kept until an engine is called with it."""

    layout: LayoutFrame
    history: Sequence[LayoutFrame]  # earlier ones, oldest first; a tuple while the moment waits
    window: Delivery | None = None  # the occupancy window that sensors trace


@dataclass(frozen=True)
class PendingCall:
    """Moments of one world that an engine will get in one call, all with the same sensors."""

    moments: tuple[Moment, ...] = ()  # oldest first
    specs: tuple[Any, ...] = ()


@dataclass(frozen=True)
class EngineQueue:
    """What lies between one world and one engine: the engine's state, waiting moments and late records."""

    state: Any = None
    pending: PendingCall = PendingCall()
    deliveries: tuple[Delivery, ...] = ()  # in order of time
    started: bool = False


def chunk_of(engine: Any) -> int:
    """Moments that an engine takes in one call at most; 1 if it declares none."""
    return getattr(engine, "chunk", 1)


def latency_ticks_of(engine: Any) -> int:
    """Ticks by which an engine's output is late; 0 if it declares none."""
    return getattr(engine, "latency_ticks", 0)


def next_call(
    queue: EngineQueue, moment: Moment, specs: tuple[Any, ...], chunk: int, latency_us: int
) -> tuple[EngineQueue, PendingCall]:
    """Add the current moment to the queue, and decide what the engine is called with now.

    Args:
        queue: of the world and the engine.
        moment: the current one.
        specs: sensors that are due now; may be empty.
        chunk: moments in one call at most.
        latency_us: time between the stamp of a moment and its delivery.

    Returns:
        The queue, and the call to make now; the call has no moments if there is none to make.
    """
    waiting = queue.pending
    if specs and waiting.moments and waiting.specs != specs:
        return replace(queue, pending=_extended((), moment, specs)), waiting
    if specs:
        waiting = PendingCall((*waiting.moments, moment), specs)
    due = waiting.moments and moment.layout.stamp_us >= waiting.moments[0].layout.stamp_us + latency_us
    if due or len(waiting.moments) >= chunk or (specs and not queue.started):
        return replace(queue, pending=PendingCall()), waiting
    if specs:
        queue = replace(queue, pending=_extended(queue.pending.moments, moment, specs))
    return queue, PendingCall()


def _extended(moments: tuple[Moment, ...], moment: Moment, specs: tuple[Any, ...]) -> PendingCall:
    return PendingCall((*moments, replace(moment, history=tuple(moment.history))), specs)


def take_due(queue: EngineQueue, now_us: int) -> tuple[EngineQueue, list[Delivery]]:
    """Remove the deliveries that are due, oldest first: at most one record of each sensor, the others wait for the
    next tick."""
    due: list[Delivery] = []
    names: set[str] = set()
    left = list(queue.deliveries)
    while left and left[0].due_us <= now_us and names.isdisjoint(left[0].records):
        names.update(left[0].records)
        due.append(left.pop(0))
    return replace(queue, deliveries=tuple(left), started=True), due


def add_results(
    queue: EngineQueue, call: PendingCall, state: Any, records: Sequence[dict[str, Any]], latency_us: int
) -> EngineQueue:
    """The queue after a call.

    Args:
        queue: as returned by `next_call`.
        call: the call that was made.
        state: the engine's new state.
        records: by the sensor's name, one dict for each moment of `call`.
        latency_us: time between the stamp of a moment and its delivery.
    """
    wait_us = latency_us if queue.started else 0
    new = [
        Delivery(m.layout.stamp_us + wait_us, m.layout, r, m.window) for m, r in zip(call.moments, records, strict=True)
    ]
    return replace(queue, state=state, deliveries=(*queue.deliveries, *new))
