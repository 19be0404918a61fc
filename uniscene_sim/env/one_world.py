"""`OneWorld`: a world of a vector environment, as `call`, `get_attr` and `set_attr` reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from uniscene_sim.control import Manners
from uniscene_sim.env.render import render_world
from uniscene_sim.env.saved import SavedEnv
from uniscene_sim.layout import Edit

__all__ = ["OneWorld"]


class OneWorld:
    """World `index` of a vector environment, with what `UniSceneEnv` has of its own. It is moved and reset with the
    others alone. Whatever else the vector environment has that is no method is this world's too."""

    def __init__(self, vector: Any, index: int):
        self._vector, self.index = vector, index  # a `UniSceneVectorEnv`
        self.observation_space, self.action_space = vector.single_observation_space, vector.single_action_space

    @property
    def unwrapped(self) -> OneWorld:
        return self

    @property
    def np_random(self) -> np.random.Generator:
        """The generator of its resets."""
        random: np.random.Generator = self._vector.random_of(self.index)
        return random

    @property
    def info(self) -> Mapping[str, Any]:
        """Entries of its episode so far."""
        return {key: value.tolist()[0] for key, value in self._vector.worlds.info([self.index]).items()}

    @property
    def drawn(self) -> dict[str, float | str]:
        """What the seed has drawn for its episode, by parameter of the scenario's file."""
        drawn: dict[str, float | str] = self._vector.worlds.drawn(self.index)
        return drawn

    def expert_action(self, manners: Manners | None = None) -> Any:
        """What the built-in driver would do now, see `UniSceneEnv.expert_action`."""
        return self._vector.worlds.expert_action(self.index, manners)

    def get_available_actions(self) -> list[int]:
        """The actions that can be taken now, see `UniSceneEnv.get_available_actions`."""
        return np.flatnonzero(self.action_masks()).tolist()

    def action_masks(self) -> np.ndarray:
        """Which actions can be taken now, see `UniSceneEnv.action_masks`."""
        masks: np.ndarray = self._vector.worlds.action_masks(self.index)
        return masks

    def edit(self, edit: Edit) -> None:
        """Change it, see `UniSceneEnv.edit`."""
        self._vector.edit(edit, [self.index])

    def render(self) -> np.ndarray | None:
        """A picture, uint8 (H, W, 3)."""
        return render_world(self._vector.worlds, self.index) if self._vector.render_mode else None

    def get_state(self) -> SavedEnv:
        """Its complete state, as `UniSceneEnv.get_state` gives it."""
        state: SavedEnv = self._vector.state_of(self.index)
        return state

    def set_state(self, state: SavedEnv) -> dict[str, np.ndarray]:
        """Continue from a state of it, of another world, or of a `UniSceneEnv`; returns its observation."""
        observation: dict[str, np.ndarray] = self._vector.set_state_of(self.index, state)
        return observation

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(self._vector, name):
            found = getattr(self._vector, name)
            if not callable(found):
                return found
        raise AttributeError(f"a world has no {name!r}; expected an attribute or method of OneWorld")
