"""Drives of the built-in driver as a Minari data set, to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from tqdm import tqdm

from uniscene_sim.env.env import UniSceneEnv
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import Bound
from uniscene_sim.storage.output_file import Outputs

__all__ = ["Demonstrations", "write_demonstrations"]

_EPISODES = Bound(1, 10**6, "episodes", whole=True)
_SEED = Bound(0, 2**31 - 1, whole=True)


@dataclass(frozen=True)
class Demonstrations:
    """What was written.

    Attributes:
        path: folder of the data set.
        episodes, steps: how many.
        successes: how many episodes ended as their scenario asks for.
    """

    path: Path
    episodes: int
    steps: int
    successes: int


def write_demonstrations(
    name: str,
    env_id: str = "UniScene-v0",
    *,
    episodes: int = 100,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Demonstrations:
    """Drive episodes by the built-in driver and write them as a Minari data set, whole or not at all.

    Each episode keeps its seed, and what `info` said at the reset and after each step. Images are
    kept exactly. `minari.load_dataset(name)` reads it, from where the environment variable
    MINARI_DATASETS_PATH says, and its `recover_environment()` is the environment.

    Args:
        name: id of the data set, as "uniscene/lane_following-v0".
        env_id: id of the environment.
        episodes: how many.
        seed: of the first episode's reset; the following ones have the following seeds.
        settings: of the environment, see `EnvSettings`; as JSON can tell them.
        progress: whether to show a bar.

    Raises:
        InputError: an argument that will not do, a data set of that name, a source without a driver, or a folder that
            cannot be written.
    """
    minari, new_storage, buffer = _minari()
    episodes, seed = _EPISODES.number(episodes, "episodes"), _SEED.number(seed, "seed")
    path = _new_path(name)
    env = gymnasium.make(env_id, disable_env_checker=True, **dict(settings or {}))
    world: Any = env.unwrapped
    if not isinstance(world, UniSceneEnv):
        raise InputError(f"expected an environment of one world of ours, got {shown(env_id)}", field="env_id")
    assert env.spec is not None
    try:
        env.spec.to_json()
    except TypeError as error:
        raise InputError(f"expected settings that JSON can tell: {error}", field="settings") from error
    steps = successes = 0
    with Outputs() as outputs:
        data = outputs.folder(path, ("data",), "name") / "data"
        storage = new_storage(data, env.observation_space, env.action_space, env.spec, jpeg_encoding=False)
        with tqdm(total=episodes, unit="episode", desc=name, disable=None if progress else True) as bar:
            for k in range(episodes):
                episode = _driven(env, world, seed + k)
                storage.update_episodes([buffer(id=k, seed=seed + k, **episode)])
                steps, successes = steps + len(episode["rewards"]), successes + int(episode["infos"]["is_success"][-1])
                bar.update()
                bar.set_postfix(steps=steps, success=f"{successes / (k + 1):.2f}")
        storage.update_metadata({
            "dataset_id": name,
            "minari_version": minari.__version__,
            "algorithm_name": "the built-in driver: pure pursuit, IDM",
            "description": f"Drives of the built-in driver in {env_id}, scenarios {', '.join(world.scenarios)}",
            "requirements": [f"uniscene_sim=={version('uniscene_sim')}"],
        })  # fmt: skip
        env.close()
        outputs.publish()
    return Demonstrations(path, episodes, steps, successes)


def _driven(env: gymnasium.Env, world: Any, seed: int) -> dict[str, Any]:
    """An episode of T steps as Minari has it: arrays (T + 1, ...) of observations and `info`, (T, ...) of the rest."""
    observation, info = env.reset(seed=seed)
    seen, said = {key: [value] for key, value in observation.items()}, {key: [value] for key, value in info.items()}
    steps: dict[str, list[Any]] = {name: [] for name in ("actions", "rewards", "terminations", "truncations")}
    over = False
    while not over:
        action = world.expert_action()
        observation, reward, terminated, truncated, info = env.step(action)
        for name, value in zip(steps, (action, reward, terminated, truncated), strict=True):
            steps[name].append(value)
        for into, values in ((seen, observation), (said, info)):
            for key, value in values.items():
                into.setdefault(key, []).append(value)
        over = terminated or truncated
    stacked = {name: np.array(values) for name, values in steps.items()}
    return stacked | {"observations": _stacked(seen), "infos": _stacked(said)}


def _stacked(lists: Mapping[str, list[Any]]) -> dict[str, np.ndarray]:
    return {key: np.array(values) for key, values in lists.items()}


def _new_path(name: str) -> Path:
    """Where the data set is to be.

    Raises:
        InputError: the name is none of Minari, or there is such a set.
    """
    from minari.dataset.minari_dataset import DATASET_ID_RE
    from minari.storage import get_dataset_path

    matched = DATASET_ID_RE.fullmatch(name) if isinstance(name, str) else None
    if matched is None or matched["version"] is None or ".." in name:
        raise InputError(f"expected an id as uniscene/lane_following-v0, got {shown(name)}", field="name")
    path = Path(get_dataset_path(name))
    if path.exists():
        raise InputError("exists already, expected another name or version", file=path, field="name")
    return path


def _minari() -> tuple[Any, Any, Any]:
    """The module, what makes a storage, and the noun of an episode.

    Raises:
        InputError: it is not installed.
    """
    try:
        import h5py  # noqa: F401
        import minari
        from minari.data_collector.episode_buffer import EpisodeBuffer
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise InputError(f"data sets need minari (install uniscene_sim[rl]): {error}", field="name") from error
    return minari, MinariStorage.new, EpisodeBuffer
