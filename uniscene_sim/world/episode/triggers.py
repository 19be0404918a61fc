"""Triggers of a scenario's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.scenario import Trigger, TriggerKind
from uniscene_sim.world.time_to_collision import time_to_collision

__all__ = ["TRIGGER_KINDS", "Triggers", "trigger_holds"]

TRIGGER_KINDS = get_args(TriggerKind)
_TIME, _DISTANCE, _TIME_GAP, _REACH = (TRIGGER_KINDS.index(kind) for kind in ("time", "distance", "time_gap", "reach"))


class Triggers(NamedTuple):
    """The triggers (E,) of a scenario's events; `agent` and `other` are rows of bodies, -1 for
    names that nobody has: such a trigger never holds."""

    kind: np.ndarray  # int64, index into TRIGGER_KINDS
    value: np.ndarray  # float64, s or m: the threshold of its kind
    agent: np.ndarray  # int64
    other: np.ndarray  # int64
    x: np.ndarray  # float64, m, the place of a trigger "reach"
    y: np.ndarray

    @classmethod
    def of(cls, triggers: Sequence[Trigger], rows: dict[str, int]) -> Triggers:
        whole = [[TRIGGER_KINDS.index(t.kind), rows.get(t.agent, -1), rows.get(t.other, -1)] for t in triggers]
        kind, agent, other = np.array(whole, dtype=np.int64).reshape(-1, 3).T.copy()
        value, x, y = np.array([[t.value, t.x, t.y] for t in triggers], dtype=float).reshape(-1, 3).T.copy()
        return cls(kind, value, agent, other, x, y)


@device
def trigger_holds(triggers, e, time_us, bodies, moment, scratch):
    """Whether the condition of a trigger holds now.

    Args:
        triggers: Triggers.
        e: which of them.
        time_us: now, us.
        bodies: (N,) BODY_DTYPE.
        moment, scratch: see `time_to_collision`.
    """
    kind, value = triggers.kind[e], triggers.value[e]
    if kind == _TIME:
        return time_us >= value * 1e6
    i, j = triggers.agent[e], triggers.other[e]
    if i < 0 or j < 0:
        return False
    a, b = bodies[i], bodies[j]
    if kind == _REACH:
        return np.hypot(a.x - triggers.x[e], a.y - triggers.y[e]) <= value
    gap = np.hypot(a.x - b.x, a.y - b.y)
    if kind == _DISTANCE:
        return gap <= value
    if kind == _TIME_GAP:
        return max(gap - 0.5 * (a.length + b.length), 0.0) / max(abs(a.speed), 0.1) <= value
    return time_to_collision(bodies, i, j, moment, value, scratch) <= value
