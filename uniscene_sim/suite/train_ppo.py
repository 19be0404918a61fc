"""Training of policies by proximal policy optimisation (PPO) of Stable-Baselines3, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.errors import InputError
from uniscene_sim.zoo.models import CONFIG, load_model, save_model

__all__ = ["PpoRecipe", "part_name", "train_policies"]


@dataclass(frozen=True)
class PpoRecipe:
    """How a policy is trained.

    Attributes:
        steps: after which the policy is kept, rising; of all worlds together, at least.
        seed: of the worlds, the network and the draws.
        action: type of actions; meta-actions leave steering to a built-in lane keeper.
        step_ms: time between two actions.
        worlds: that are driven at once.
    """

    steps: tuple[int, ...] = (100_000,)
    seed: int = 0
    action: str = "meta"
    step_ms: int = 500
    worlds: int = 8
    rollout: int = 128
    batch: int = 128
    epochs: int = 10
    learning_rate: float = 5e-4
    discount: float = 0.95  # a step
    width: int = 128


def train_policies(tasks: Mapping[str, Mapping[str, Any]], recipe: PpoRecipe, out: Path) -> None:
    """Train a policy for each task and write them as a model of the zoo, a part `NAME_100k` and so on for each number
    of steps; those that `out` has already are kept.

    Args:
        tasks: arguments of the environment, by the name of the policy.
        recipe: the same for all.
        out: folder of the model.

    Raises:
        InputError: Stable-Baselines3 is missing, `out` holds another recipe, or cannot be written.
    """
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise InputError("training needs the extra `rl` of uniscene_sim: pip install uniscene_sim[rl]") from error
    told = asdict(recipe) | {"steps": list(recipe.steps)}
    config: dict[str, Any] = {"action": recipe.action, "step_ms": recipe.step_ms, "recipe": told}
    weights: dict[str, Mapping[str, np.ndarray]] = {}
    if (out / CONFIG).exists():
        found = load_model(out)
        if found.config.get("recipe") != told:
            raise InputError("holds policies of another recipe; expected a new folder", file=out, argument="out")
        config, weights = {k: v for k, v in found.config.items() if k not in ("format", "weights")}, {**found.weights}
    for name, settings in tasks.items():
        if part_name(name, recipe.steps[-1]) in weights:
            continue
        for steps, trained in _train(name, settings, recipe):
            weights[part_name(name, steps)] = trained.tensors
            config |= {"observations": trained.keys, "sizes": trained.sizes}
            save_model(out, config, weights, _card(config, list(weights)))


def part_name(name: str, steps: int) -> str:
    """File of the policy of a name after some steps."""
    return f"{name}_{steps // 1000}k" if steps >= 1000 else f"{name}_{steps}"


@dataclass(frozen=True)
class _Trained:
    """A policy: the observations that it reads, the sizes of its layers, and their tensors."""

    keys: list[str]
    sizes: list[int]
    tensors: dict[str, np.ndarray]


def _train(name: str, settings: Mapping[str, Any], recipe: PpoRecipe) -> Iterator[tuple[int, _Trained]]:
    """The policy after each number of steps."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    from uniscene_sim.env.adapters.stable_baselines3 import UniSceneVecEnv

    class Bar(BaseCallback):
        """Shows steps, and the success of the last 100 episodes."""

        def __init__(self) -> None:
            super().__init__()
            self.bar, self._recent = tqdm(total=recipe.steps[-1], desc=name, unit="step", disable=None), list[bool]()

        def _on_step(self) -> bool:
            over = self.locals["dones"]
            self._recent += [info["is_success"] for info, o in zip(self.locals["infos"], over, strict=True) if o]
            self.bar.update(min(self.num_timesteps, recipe.steps[-1]) - self.bar.n)
            return True

        def _on_rollout_end(self) -> None:
            self._recent = self._recent[-100:]
            self.bar.set_postfix(success=f"{np.mean(self._recent or [False]):.2f}")

    torch.set_num_threads(1)
    worlds = UniSceneVecEnv(recipe.worlds, action=recipe.action, step_ms=recipe.step_ms, **settings)
    env = VecNormalize(VecMonitor(worlds), gamma=recipe.discount)
    env.seed(recipe.seed)
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=recipe.rollout,
        batch_size=recipe.batch,
        n_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        gamma=recipe.discount,
        policy_kwargs={"net_arch": [recipe.width, recipe.width]},
        seed=recipe.seed,
    )
    shown = Bar()
    with shown.bar:
        for steps in recipe.steps:
            model.learn(max(steps - model.num_timesteps, 1), callback=shown, reset_num_timesteps=False)
            yield steps, _trained(model, env)
    env.close()


def _trained(model: Any, env: Any) -> _Trained:
    """The policy of a model of Stable-Baselines3 as it is now, with the statistics of its observations."""
    keys: list[str] = list(model.policy.features_extractor.extractors)
    statistics = [env.obs_rms[key] for key in keys]
    # What hardly varied in training would be blown up beyond half precision.
    scale = np.concatenate([1.0 / np.sqrt(s.var.ravel() + env.epsilon) for s in statistics]).clip(max=1e3)
    tensors = {"mean": np.concatenate([s.mean.ravel() for s in statistics]), "scale": scale}
    layers = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    linear = [layer for layer in layers if hasattr(layer, "weight")]
    for k, layer in enumerate(linear):
        tensors[f"weight_{k}"] = layer.weight.detach().numpy().copy()
        tensors[f"bias_{k}"] = layer.bias.detach().numpy().copy()
    sizes = [linear[0].in_features, *(layer.out_features for layer in linear)]
    return _Trained(keys, sizes, {key: np.asarray(value, np.float32) for key, value in tensors.items()})


def _card(config: Mapping[str, Any], parts: list[str]) -> str:
    recipe = config["recipe"]
    return f"""# Driving policies

Multilayer perceptrons from the state observation ({", ".join(config["observations"])}) to {config["action"]} actions,
trained by PPO of Stable-Baselines3, seed {recipe["seed"]}, on training seeds alone: {", ".join(parts)}
(what it was trained on, and thousands of steps). They are baselines, not good drivers. With meta-actions they decide on
lanes and speeds; a built-in lane keeper steers.

- Trained from: nothing but the simulator; Apache-2.0.
- Recipe: `uniscene-sim train driver`, with what `config.yaml` says.
- Figures: docs/reinforcement-learning.md, made by `uniscene-sim eval driving`.
"""
