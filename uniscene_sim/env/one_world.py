"""`OneWorld`: a world of a vector environment, as `call`, `get_attr` and `set_attr` reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

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
        if not name.startswith("_") and not callable(found := getattr(self._vector, name)):
            return found
        raise AttributeError(f"a world has no {name!r}; expected an attribute, edit, get_state or render")
