"""Rules on chunks, latency and states of engines."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from uniscene_sim.conformance.rules import Rules, RuleViolation, require
from uniscene_sim.interfaces import WorldView

__all__ = ["chunk_rules", "expect_chunk_and_latency"]

#: step(engine, states, views) -> states, outputs
Step = Callable[[Any, Sequence[Any], Sequence[WorldView]], tuple[Sequence[Any], Sequence[Any]]]


def expect_chunk_and_latency(engine: Any) -> None:
    """Require valid `chunk` and `latency_ticks`."""
    for number, least in (("chunk", 1), ("latency_ticks", 0)):
        value = getattr(engine, number, None)
        require(
            isinstance(value, int) and value >= least, f"{number} must be an integer of at least {least}, is {value!r}"
        )
    wait = engine.chunk - 1
    require(
        engine.latency_ticks >= wait,
        f"latency_ticks must be at least chunk - 1 = {wait}, the ticks that the first "
        f"moment of a chunk waits for the last; is {engine.latency_ticks}",
    )


def chunk_rules(
    make: Callable[[], Any],
    step: Step,
    digests: Callable[[Any], Any],
    stamps: Callable[[Any], set[int]],
    moments: tuple[WorldView, WorldView],
) -> Rules:
    """Rules of engines with state.

    Args:
        make: constructs an engine.
        step: calls the engine's `step`: (engine, states, views) -> (states, outputs).
        digests: the part of an output that is compared.
        stamps: stamps of the records of an output, us.
        moments: two views of one world, the earlier one first.
    """
    a, b = moments

    def several() -> None:
        if getattr(make(), "chunk", 1) < 2:
            return
        states, outputs = step(make(), [None], [a, b])
        require(len(states) == 1, f"2 moments of one world must give 1 state, gave {len(states)}")
        require(len(outputs) == 2, f"2 moments of one world must give 2 outputs, gave {len(outputs)}")
        wanted, found = [{view.frame.stamp_us} for view in moments], [stamps(output) for output in outputs]
        require(wanted == found, f"outputs of 2 moments must have their stamps, {wanted}, have {found}")
        both = [digests(output) for output in step(make(), [None, None], [a, b, a, b])[1]]
        require(both == 2 * [digests(output) for output in outputs], "two worlds with 2 moments each gave other output "
                "than one alone: views are those of the first world, oldest first, then those of the next")  # fmt: skip

    def value() -> None:
        one = make()
        [state] = step(one, [None], [a])[0]
        try:
            copy = pickle.loads(pickle.dumps(state))
        except Exception as error:
            raise RuleViolation(f"a state must be one that can be pickled: {type(error).__name__}: {error}") from None
        first, again = (digests(step(one, [state], [b])[1][0]) for _ in range(2))
        require(first == again, "going on twice from one state gave different output: step() must give a new state and "
                "leave the one that it is given alone")  # fmt: skip
        other = digests(step(make(), [copy], [b])[1][0])
        require(first == other, "a new engine that goes on from a copy of the state gave other output")

    return [("serves several moments at once", several), ("its state is a value", value)]
