"""`UniSceneEnv`: one world as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict

from uniscene_sim.env.render import FPS, MODES, Window, render_world
from uniscene_sim.env.settings import EnvSettings
from uniscene_sim.env.worlds import SavedWorld, Worlds
from uniscene_sim.errors import InputError

__all__ = ["UniSceneEnv"]


class UniSceneEnv(gymnasium.Env):
    """A scenario to drive through.

    An episode ends as terminated at the end of the route, and on what `terminate_on` names; at the scenario's time
    limit it is truncated. The same seed gives the same episode, bit for bit, in any process.

    `info`: `scenario` and `scenario_seed`; `route_completion` (0..1), `driven_m`, `collisions`, `off_road_s`,
    `red_lights` and `min_ttc_s` (inf while nothing was near) since the episode began; `comfort`, the share of steps
    within nuPlan's bounds; `speed_mps`; and after a step `reward`, each term with its weight, and `success`, the end of
    the route without collision, off-road or red light.

    Args:
        render_mode: None, "rgb_array" or "human".
        settings: see `uniscene_sim.env.settings.EnvSettings`.

    Raises:
        InputError: any of these is not what it should be.
    """

    metadata = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, render_mode: str | None = None, **settings: Any):
        self._window = Window.of(render_mode)
        self.render_mode = render_mode
        self.worlds = Worlds(1, EnvSettings(**settings))
        self.observation_space = Dict({**self.worlds.spaces})
        self.action_space = self.worlds.action.space
        self.metadata = {**self.metadata, "render_fps": max(round(1 / self.worlds.step_s), 1)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode. `options` may name the "scenario", of those given, and its "scenario_seed".

        Raises:
            InputError: an option that there is none of.
        """
        super().reset(seed=seed)
        self.worlds.begin(0, self.worlds.draw(self.np_random, options))
        return self._observation(), _unbatched(self.worlds.info([0]))

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Drive for `step_ms`.

        Raises:
            InputError: NaN, or not an action of the space; the world has not moved.
        """
        judged = self.worlds.advance([0], [action])
        reward, terminated, truncated = float(judged.reward[0]), bool(judged.terminated[0]), bool(judged.truncated[0])
        return self._observation(), reward, terminated, truncated, _unbatched(judged.info)

    def render(self) -> np.ndarray | None:
        """The world from above, and what the first camera sees: uint8 (H, W, 3) in the mode "rgb_array"."""
        return render_world(self.worlds, 0) if self.render_mode == "rgb_array" else None

    def get_state(self) -> tuple[SavedWorld, Mapping[str, Any]]:
        """All of the world and of the random stream of resets; it can be pickled."""
        return self.worlds.save(0), self.np_random.bit_generator.state

    def set_state(self, state: tuple[SavedWorld, Mapping[str, Any]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Go on from a state of this env or of another one with the same arguments: the same future, bit for bit.

        Returns:
            The observation and info of then.

        Raises:
            InputError: it was saved under other arguments; nothing has changed.
        """
        if not isinstance(state, tuple) or len(state) != 2:
            raise InputError("expected what get_state() gave", field="state")
        saved, random = state
        self.worlds.restore(0, saved)
        self.np_random.bit_generator.state = random
        return self._observation(), _unbatched(self.worlds.info([0]))

    def close(self) -> None:
        if self._window is not None:
            self._window.close()

    def _observation(self) -> dict[str, np.ndarray]:
        self.worlds.observe([0])
        if self._window is not None:
            self._window.show(render_world(self.worlds, 0))
        return {key: values[0].copy() for key, values in self.worlds.out.items()}


def _unbatched(info: dict[str, Any]) -> dict[str, Any]:
    """The entries of the only world, as plain numbers and words."""
    return {k: _unbatched(v) if isinstance(v, dict) else v.tolist()[0] for k, v in info.items()}
