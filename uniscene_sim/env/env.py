"""`UniSceneEnv`: a Gymnasium environment with one world."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict

from uniscene_sim.compute.compile_bar import tells_compiling
from uniscene_sim.control import Manners
from uniscene_sim.env.render import FPS, MODES, Window, render_world
from uniscene_sim.env.saved import SavedEnv
from uniscene_sim.env.settings import EnvSettings
from uniscene_sim.env.worlds import Worlds
from uniscene_sim.env.wrappers import WrappersAround
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Edit

__all__ = ["UniSceneEnv"]


class UniSceneEnv(gymnasium.Env):
    """The agent drives the ego of a scenario.

    An episode terminates on the events named in `terminate_on`, and at the end of the route of a scenario that has a
    goal or a length; at the scenario's time limit it is truncated. The same seed gives the same episode, bit for bit,
    in any process.

    `info` holds numbers alone, all of them float64 (but for `action_mask`, int8, of meta-actions), under keys that
    stay, see `env.quantities`: `scenario`, an index into `scenarios`, and `scenario_seed`; `drawn_NAME`, what the seed
    has drawn for each parameter of any of the scenarios (of texts the index among the choices, 0 where the scenario has
    no such parameter); since the start of the episode `route_completion` (0..1), `driven_m`, `collisions`,
    `off_road_s`, `red_lights`, `blocked`, `min_ttc_s`, the least time to collision (10 for none within 10 s, see
    `world.time_to_collision`), and `comfort` (the share of steps within nuPlan's bounds); `ttc_s`, the present one;
    `speed_mps`; `outcome`, `end_reason`, `criterion_KIND` (see `env.endings`) and `is_success`, whether the episode has
    ended as the scenario's criteria ask for; and of the last step `reward_TERM`, the weighted terms, and `cost` with
    its parts `cost_KIND`, 0 at a reset.

    Args:
        render_mode: None, "rgb_array" or "human".
        settings: see `uniscene_sim.env.settings.EnvSettings`.

    Raises:
        InputError: an invalid argument.
    """

    metadata = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, render_mode: str | None = None, **settings: Any):
        self._window = Window.of(render_mode)
        self.render_mode = render_mode
        self.worlds = Worlds(1, EnvSettings.of(settings))
        self.observation_space = Dict({**self.worlds.spaces})
        self.action_space = self.worlds.action.space
        self.metadata = {**self.metadata, "render_fps": max(round(1 / self.worlds.step_s), 1)}
        self._steps, self._over, self._warned = 0, False, False
        self._around = WrappersAround()

    @property
    def unwrapped(self) -> UniSceneEnv:
        self._around.look()
        return self

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, by their index in `info`."""
        return self.worlds.names

    @property
    def drawn(self) -> dict[str, float | str]:
        """What the seed has drawn for this episode, by parameter of the scenario's file."""
        return self.worlds.drawn(0)

    @tells_compiling
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode. `options` may set "scenario", one of those given, its "scenario_seed", and "parameters",
        values or ranges in place of those that the seed draws.

        Raises:
            InputError: an unknown option or an invalid value.
        """
        super().reset(seed=seed)
        self.worlds.begin(0, self.worlds.draws.draw(self.np_random, options))
        self._steps, self._over, self._warned = 0, False, False
        return self._observation(), self._info(self.worlds.info([0]))

    @tells_compiling
    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Drive for `step_ms`.

        Raises:
            InputError: NaN, or not in the action space; the world is unchanged.
        """
        if self._over and not self._warned:
            gymnasium.logger.warn("The episode is over: call reset(). What steps return from now on means nothing.")
            self._warned = True
        result = self.worlds.advance([0], [action])
        reward, terminated, truncated = float(result.reward[0]), bool(result.terminated[0]), bool(result.truncated[0])
        self._steps, self._over = self._steps + 1, terminated or truncated
        return self._observation(), reward, terminated, truncated, self._info(result.info)

    def expert_action(self, manners: Manners | None = None) -> Any:
        """What the built-in driver would do now: a member of `action_space`, for imitation or as a baseline.

        Args:
            manners: of the driver, in place of the scenario's.

        Raises:
            InputError: the source has no driver: a recording.
        """
        return self.worlds.expert_action(0, manners)

    def edit(self, edit: Edit) -> None:
        """Change the world, see `uniscene_sim.edit`; the next step shows it, the next reset forgets it.

        Raises:
            InputError: it cannot happen, and nothing has changed.
        """
        self.worlds.edit(0, edit)

    def get_available_actions(self) -> list[int]:
        """The actions that can be taken now, of discrete actions; as in highway-env.

        Raises:
            InputError: actions are not discrete.
        """
        return np.flatnonzero(self.action_masks()).tolist()

    def action_masks(self) -> np.ndarray:
        """Which actions can be taken now, bool (n,), of discrete actions; MaskablePPO of sb3-contrib asks for it.

        Raises:
            InputError: actions are not discrete.
        """
        return self.worlds.action_masks(0)

    def render(self) -> np.ndarray | None:
        """The world from above beside the first camera's image, uint8 (H, W, 3), in the mode "rgb_array"."""
        return render_world(self.worlds, 0) if self.render_mode == "rgb_array" else None

    def get_state(self) -> SavedEnv:
        """The complete state of the world and of the random generator of resets; it can be pickled."""
        return SavedEnv(self.worlds.save(0), self.np_random.bit_generator.state, self._over, self._steps)

    def set_state(self, state: SavedEnv) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Continue from a state of this environment or of another one with the same arguments, bit for bit, also before
        the first reset. The time limit of `gymnasium.make(..., max_episode_steps=...)` counts on from there.

        Returns:
            The observation and info of that state.

        Raises:
            InputError: it was saved with other arguments; nothing has changed.
        """
        if not isinstance(state, SavedEnv):
            raise InputError("expected what get_state() gave", field="state")
        self.worlds.restore(0, state.world)
        self.np_random.bit_generator.state = state.generator
        self._steps, self._over, self._warned = state.steps, state.over, False
        given = self._observation(), self._info(self.worlds.info([0]))
        self._around.resume(state.steps, given)
        return given

    def close(self) -> None:
        self.worlds.close()
        if self._window is not None:
            self._window.close()

    def __getstate__(self) -> dict[str, Any]:
        """For `pickle` and `copy.deepcopy`: the copy goes on from here, and shares maps and tiles in one process.

        Raises:
            InputError: it cannot be copied, see `Worlds`.
        """
        if self._window is not None:
            raise InputError("an env with a window on the screen cannot be copied", field="render_mode")
        return vars(self) | {"_around": WrappersAround()}

    def _observation(self) -> dict[str, np.ndarray]:
        self.worlds.observe([0])
        if self._window is not None:
            self._window.show(render_world(self.worlds, 0))
        return {key: values[0].copy() for key, values in self.worlds.out.items()}

    def _info(self, entries: dict[str, Any]) -> dict[str, Any]:
        """The entries of the only world."""
        return {key: values[0] for key, values in entries.items()}
