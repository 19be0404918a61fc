"""`UniSceneVectorEnv`: many worlds in one process that share maps, tiles and engines."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Dict
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from uniscene_sim.compute.compile_bar import tells_compiling
from uniscene_sim.env.one_world import OneWorld
from uniscene_sim.env.render import FPS, MODES, render_world
from uniscene_sim.env.saved import SavedEnv
from uniscene_sim.env.settings import EnvSettings, options_by_name
from uniscene_sim.env.worlds import Worlds
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import Edit
from uniscene_sim.limits import bounds

__all__ = ["UniSceneVectorEnv"]


class UniSceneVectorEnv(VectorEnv):
    """Each world equals a `UniSceneEnv` with the same seed, bit for bit; each engine is called once for all worlds.

    Args:
        num_envs: number of worlds.
        autoreset_mode: "NextStep", "SameStep" or "Disabled", as in Gymnasium.
        max_episode_steps: truncates longer episodes; None for the scenario's time limit alone.
        render_mode: None or "rgb_array".
        world_options: options of the resets of each world, as for `reset`, whose own come before them: for example
            one of the scenarios for each world.
        settings: see `uniscene_sim.env.settings.EnvSettings`.

    Raises:
        InputError: an invalid argument.
    """

    metadata = {"render_modes": list(MODES[:1]), "render_fps": FPS}  # noqa: RUF012 - as Gymnasium has it

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        world_options: Sequence[Mapping[str, Any]] | None = None,
        **settings: Any,
    ):
        super().__init__()
        num_envs = bounds.WORLDS.number(num_envs, "num_envs")
        if max_episode_steps is not None:
            max_episode_steps = bounds.EPISODE_STEPS.number(max_episode_steps, "max_episode_steps")
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"expected rgb_array or None, got {render_mode!r}", field="render_mode")
        try:
            self._mode = AutoresetMode(autoreset_mode)
        except ValueError as error:
            modes = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise InputError(f"expected one of {modes}, got {autoreset_mode!r}", field="autoreset_mode") from error
        self.worlds = Worlds(num_envs, EnvSettings.of(settings))
        self.num_envs, self.render_mode, self._most = num_envs, render_mode, max_episode_steps
        fps = max(round(1 / self.worlds.step_s), 1)
        self.metadata = {**self.metadata, "render_fps": fps, "autoreset_mode": self._mode}
        self.single_observation_space = Dict({**self.worlds.spaces})
        self.single_action_space = self.worlds.action.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._randoms: list[np.random.Generator] = [seeding.np_random()[0] for _ in range(num_envs)]
        self._episode_ended = np.zeros(num_envs, dtype=bool)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        usual = [{}] * num_envs if world_options is None else world_options
        self._usual = [options_by_name(one) for one in self._for_each(usual, "world_options")]
        for options in self._usual:
            self.worlds.draws.draw(seeding.np_random(0)[0], options)  # what is invalid is refused here
        self._each = [OneWorld(self, i) for i in range(num_envs)]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, by their index in `info`."""
        return self.worlds.names

    def close_extras(self, **_: Any) -> None:
        self.worlds.close()

    @tells_compiling
    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start episodes in all worlds, or in those that the bool array `options["reset_mask"]` (N,) selects.

        Args:
            seed: of the first world, the others get the following numbers; or one for each; None to continue the
                random generators.
            options: for all episodes, as for `UniSceneEnv.reset`; or a sequence of them, one for each world.

        Raises:
            InputError: a wrong number of seeds or options, an invalid mask, or an invalid option.
        """
        mask = np.ones(self.num_envs, dtype=bool)
        if isinstance(options, Sequence) and not isinstance(options, str):
            given = self._for_each(options, "options")
        else:
            of_all = options_by_name(options)
            mask = of_all.pop("reset_mask", mask)
            given = [of_all] * self.num_envs
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            why = f"must be a bool array ({self.num_envs},) with a world in it, got {mask!r}"
            raise InputError(why, field="options.reset_mask")
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise InputError(f"expected {self.num_envs}, one for each world, got {len(seeds)}", field="seed")
        some = np.flatnonzero(mask).tolist()
        for i in some:
            if seeds[i] is not None:
                self._randoms[i] = seeding.np_random(seeds[i])[0]
        self._begin(some, given)
        self.worlds.observe(some)
        return self._observation(), self._add_infos({}, self.worlds.info(some), some)

    @tells_compiling
    def step(self, actions: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Drive all worlds for a step; worlds whose episode has ended are reset according to the autoreset mode.

        Raises:
            InputError: an action is NaN or not in the action space; all worlds are unchanged.
        """
        over = self._episode_ended.copy()
        if self._mode == AutoresetMode.DISABLED and over.any():
            raise InputError(f"worlds {np.flatnonzero(over).tolist()} are over: reset them", field="reset")
        begin, active = np.flatnonzero(over).tolist(), np.flatnonzero(~over).tolist()
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, dtype=bool), np.zeros(self.num_envs, dtype=bool)
        info: dict[str, Any] = {}
        if active:
            given = list(iterate(self.action_space, actions))
            if len(given) != self.num_envs:
                raise InputError(f"expected {self.num_envs}, one for each world, got {len(given)}", field="actions")
            result = self.worlds.advance(active, [given[i] for i in active])
            self._steps[active] += 1
            reward[active], terminated[active], truncated[active] = result.reward, result.terminated, result.truncated
            if self._most is not None:
                truncated[active] |= ~terminated[active] & (self._steps[active] >= self._most)
        self._begin(begin)
        self._episode_ended = terminated | truncated
        self.worlds.observe(range(self.num_envs))
        entries = result.info if active else {}
        if self._mode == AutoresetMode.SAME_STEP and self._episode_ended.any():
            last = self._episode_ended[active]
            ended = np.flatnonzero(self._episode_ended).tolist()
            final, finals = self._observation(), np.full(self.num_envs, None, dtype=object)
            for i in ended:
                finals[i] = {key: values[i] for key, values in final.items()}
            info["final_obs"], info["_final_obs"] = finals, self._episode_ended.copy()
            self._add_infos(info, {"final_info": _masked_info(entries, last)}, ended)
            entries, active, begin = _masked_info(entries, ~last), np.flatnonzero(~self._episode_ended).tolist(), ended
            self._begin(ended)
            self.worlds.observe(ended)
        self._add_infos(info, entries, active)
        self._add_infos(info, self.worlds.info(begin), begin)
        return self._observation(), reward, terminated, truncated, info

    def expert_actions(self) -> Any:
        """What the built-in driver of each world would do now: a member of `action_space`.

        Raises:
            InputError: a source has no driver: a recording.
        """
        actions = [self.worlds.expert_action(i) for i in range(self.num_envs)]
        batch: Any = create_empty_array(self.single_action_space, self.num_envs)
        return concatenate(self.single_action_space, actions, batch)

    def edit(self, edit: Edit, worlds: Sequence[int] | None = None) -> None:
        """Change some worlds, or all of them, see `UniSceneEnv.edit`.

        Args:
            edit: what is to change.
            worlds: indices; None for all.

        Raises:
            InputError: it cannot happen in one, and the worlds before it are changed; or there is no such world.
        """
        every = range(self.num_envs)
        try:
            chosen = every if worlds is None else [every[operator.index(i)] for i in worlds]
        except (TypeError, IndexError):
            told = f"expected indices of {self.num_envs} worlds, got {shown(worlds)}"
            raise InputError(told, field="worlds") from None
        for i in chosen:
            self.worlds.edit(i, edit)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each world, uint8 (H, W, 3)."""
        return tuple(render_world(self.worlds, i) for i in range(self.num_envs)) if self.render_mode else None

    def world(self, i: int) -> OneWorld:
        """World `i` by itself."""
        return self._each[i]

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a method of each world gives, or the value of an attribute, see `OneWorld`."""
        found = [getattr(one, name) for one in self._each]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each world, see `OneWorld`."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each world: to the values of a list or tuple, one for each, or all to the same value.

        Raises:
            InputError: another number of values.
        """
        several = self._for_each(values, "values") if isinstance(values, list | tuple) else [values] * self.num_envs
        for one, value in zip(self._each, several, strict=True):
            setattr(one, name, value)

    def random_of(self, i: int) -> np.random.Generator:
        """The generator of a world's resets."""
        return self._randoms[i]

    def state_of(self, i: int) -> SavedEnv:
        """The complete state of a world."""
        generator = self._randoms[i].bit_generator.state
        return SavedEnv(self.worlds.save(i), generator, bool(self._episode_ended[i]), int(self._steps[i]))

    def set_state_of(self, i: int, state: SavedEnv) -> dict[str, np.ndarray]:
        """Have a world continue from a state; returns its observation.

        Raises:
            InputError: it was saved with other arguments; nothing has changed.
        """
        if not isinstance(state, SavedEnv):
            raise InputError("expected what get_state() gave", field="state")
        self._restore(i, state)
        self.worlds.observe([i])
        return {key: values[i].copy() for key, values in self.worlds.out.items()}

    def _restore(self, i: int, state: SavedEnv) -> None:
        self.worlds.restore(i, state.world)
        self._randoms[i].bit_generator.state = state.generator
        self._episode_ended[i], self._steps[i] = state.over, state.steps

    def _for_each(self, given: Any, field: str) -> list[Any]:
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise InputError(f"expected a sequence, one for each world, got {shown(given)}", field=field)
        if len(given) != self.num_envs:
            raise InputError(f"expected {self.num_envs}, one for each world, got {len(given)}", field=field)
        return list(given)

    def get_state(self) -> list[SavedEnv]:
        """The complete state of each world: world, random generator, whether its episode ended, steps; picklable."""
        return [self.state_of(i) for i in range(self.num_envs)]

    def set_state(self, state: Sequence[SavedEnv]) -> dict[str, np.ndarray]:
        """Continue from a state of this environment or of another one with the same arguments, bit for bit.

        Returns:
            The observations of that state.

        Raises:
            InputError: it has another number of worlds, or was saved with other arguments; nothing has changed.
        """
        if not isinstance(state, Sequence) or not all(isinstance(saved, SavedEnv) for saved in state):
            raise InputError("expected what get_state() gave", field="state")
        if len(state) != self.num_envs:
            raise InputError(f"expected {self.num_envs} worlds, got {len(state)}", field="state")
        for saved in state:
            self.worlds.check(saved.world)
        for i, saved in enumerate(state):
            self._restore(i, saved)
        self.worlds.observe(range(self.num_envs))
        return self._observation()

    def _begin(self, some: Sequence[int], given: Sequence[Any] | None = None) -> None:
        drawn = [
            self.worlds.draws.draw(self._randoms[i], {**self._usual[i], **options_by_name(given[i] if given else None)})
            for i in some
        ]
        for i, episode in zip(some, drawn, strict=True):
            self.worlds.begin(i, episode)
            self._episode_ended[i], self._steps[i] = False, 0

    def _observation(self) -> dict[str, np.ndarray]:
        return {key: values.copy() for key, values in self.worlds.out.items()}

    def _add_infos(self, info: dict[str, Any], entries: dict[str, Any], some: Sequence[int]) -> dict[str, Any]:
        """`info` with entries (n,) of n worlds added in Gymnasium's form: an array (N,) and a mask for each key."""
        for key, value in entries.items() if len(some) else ():
            if isinstance(value, dict):
                info[key] = self._add_infos(info.get(key, {}), value, some)
            else:
                empty = None if value.dtype == object else 0
                info.setdefault(key, np.full((self.num_envs, *value.shape[1:]), empty, value.dtype))[some] = value
            info.setdefault(f"_{key}", np.zeros(self.num_envs, dtype=bool))[some] = True
        return info


def _masked_info(entries: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Those rows of entries (n,) that a mask (n,) selects."""
    return {k: _masked_info(v, mask) if isinstance(v, dict) else v[mask] for k, v in entries.items()}
