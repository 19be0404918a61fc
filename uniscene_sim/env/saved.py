"""Saved states of worlds and environments. They can be pickled, and nothing of them is ever changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import LayoutFrame

__all__ = ["Episode", "SavedEnv", "SavedWorld", "savable"]


@dataclass(frozen=True)
class Episode:
    """A scenario, and the seed of its traffic and parameters."""

    scenario: int  # index among the scenarios given
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict)  # in place of those that the seed draws


@dataclass(frozen=True)
class SavedWorld:
    """The complete state of one world: continuing from it gives the same future, bit for bit. It can be pickled."""

    identity: tuple[Any, ...]  # scenario, map and settings, see `Worlds.check`
    episode: Episode
    state: Any  # the source's
    recent_layouts: tuple[LayoutFrame, ...]
    memory: dict[str, Any]
    records: dict[str, Any]
    measured: np.ndarray  # () MEASUREMENT_DTYPE
    progress: Any = None
    aim: Any = None  # of the action type

    def __deepcopy__(self, memo: dict[int, Any]) -> SavedWorld:
        """Itself: nothing of it is ever changed in place."""
        return self


class SavedEnv(NamedTuple):
    """The complete state of one world of an environment, and of what decides on its episodes."""

    world: SavedWorld
    generator: Mapping[str, Any]  # state of the random generator of resets
    over: bool  # whether the episode has ended
    steps: int  # since the episode began


def savable(source: LayoutSource) -> Any:
    """The source, if its state can be saved.

    Raises:
        InputError: it lacks `get_state` or `set_state`.
    """
    if missing := [name for name in ("get_state", "set_state") if not callable(getattr(source, name, None))]:
        lacking = " and ".join(f"{name}()" for name in missing)
        raise InputError(f"the source {source.name!r} cannot be saved: it has no {lacking}", field="state")
    return source
