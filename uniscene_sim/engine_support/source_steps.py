"""In which steps a source moves, its optional attribute `step_us`, see `LayoutSource`; and how many lead to its end."""

from __future__ import annotations

from typing import Any

from uniscene_sim.layout import PHYSICS_US

__all__ = ["step_us_of", "steps_of"]


def step_us_of(source: Any, least_us: int = PHYSICS_US) -> int:
    """The shortest step of a source that is no shorter than `least_us`."""
    own_us: int = getattr(source, "step_us", PHYSICS_US)
    return own_us * -(-least_us // own_us)


def steps_of(source: Any, step_us: int) -> int:
    """How many steps a whole run has: the last one reaches the end, or goes past it. A log has nothing behind its end,
    and no step that it cannot fill."""
    whole, rest = divmod(round(source.duration_s * 1e6), step_us)
    count: int = whole + bool(rest and not source.open_loop)
    return count
