"""`UniSceneVecEnv`: many worlds in one process as a `VecEnv` of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices

import uniscene_sim  # noqa: F401 - registers the environments

__all__ = ["UniSceneVecEnv"]

_FINAL = ("final_obs", "final_info")


class UniSceneVecEnv(VecEnv):
    """All worlds in one process, which share maps, tiles and engines; each gives what a single environment gives.

    A world whose episode has ended is reset in the same step: its `infos` entry is that of the end, with
    `terminal_observation` and `TimeLimit.truncated`, and `reset_infos` holds that of the new episode.

    Args:
        num_envs: number of worlds.
        env_id: for example "UniSceneCamera-v0".
        settings: of the environment, and `max_episode_steps`, `world_options`, `render_mode`.

    Raises:
        InputError: an invalid argument.
    """

    actions: np.ndarray

    def __init__(self, num_envs: int, env_id: str = "UniScene-v0", **settings: Any):
        made = gymnasium.make_vec(
            env_id, num_envs, vectorization_mode="vector_entry_point", autoreset_mode="SameStep", **settings
        )
        self.env: Any = made.unwrapped
        super().__init__(num_envs, self.env.single_observation_space, self.env.single_action_space)

    def reset(self) -> dict[str, np.ndarray]:
        options = [dict(one) for one in self._options] if any(self._options) else None
        observations, infos = self.env.reset(seed=list(self._seeds), options=options)
        self.reset_infos = _by_world(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return dict(observations)

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, list[dict[str, Any]]]:
        observations, rewards, terminated, truncated, gathered = self.env.step(self.actions)
        done = terminated | truncated
        infos = _by_world(gathered, self.num_envs)
        if done.any():
            final = _by_world(gathered["final_info"], self.num_envs)
            for i in np.flatnonzero(done).tolist():
                self.reset_infos[i] = infos[i]
                infos[i] = final[i] | {"terminal_observation": gathered["final_obs"][i]}
        for i, info in enumerate(infos):
            info["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observations, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of some worlds, see `uniscene_sim.env.one_world.OneWorld`."""
        return [getattr(self.env.world(i), attr_name) for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        for i in self._get_indices(indices):
            setattr(self.env.world(i), attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method of some worlds gives, see `uniscene_sim.env.one_world.OneWorld`."""
        methods = [getattr(self.env.world(i), method_name) for i in self._get_indices(indices)]
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """None is: put wrappers of Stable-Baselines3 around this, as `VecMonitor`."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        return self.env.render() or [None] * self.num_envs


def _by_world(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Infos in Gymnasium's form, an array (N,) and a mask for each key, as a dict of plain numbers for each world."""
    out: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, values in infos.items():
        if key.startswith("_") or key in _FINAL:
            continue
        for i, (value, there) in enumerate(zip(values.tolist(), infos[f"_{key}"].tolist(), strict=True)):
            if there:
                out[i][key] = value
    return out
