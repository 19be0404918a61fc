"""In which steps a source moves: its optional attribute `step_us`, see `LayoutSource`."""

from __future__ import annotations

from typing import Any

from uniscene_sim.layout import PHYSICS_US

__all__ = ["step_us_of"]


def step_us_of(source: Any, least_us: int = PHYSICS_US) -> int:
    """The shortest step of a source that is no shorter than `least_us`."""
    own_us: int = getattr(source, "step_us", PHYSICS_US)
    return own_us * -(-least_us // own_us)
