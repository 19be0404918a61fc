"""Training of policies by proximal policy optimisation (PPO) of Stable-Baselines3, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.errors import InputError
from uniscene_sim.zoo.models import CONFIG, load_model, save_model

__all__ = ["PpoRecipe", "train_policies"]


@dataclass(frozen=True)
class PpoRecipe:
    """How a policy is trained.

    Attributes:
        steps: of all worlds together, at least.
        seed: of the worlds, the network and the draws.
        worlds: that are driven at once.
    """

    steps: int = 200_000
    seed: int = 0
    worlds: int = 8
    rollout: int = 256
    batch: int = 256
    epochs: int = 10
    learning_rate: float = 5e-4
    discount: float = 0.98
    width: int = 128
    log_std: float = -1.5


def train_policies(tasks: Mapping[str, Mapping[str, Any]], recipe: PpoRecipe, out: Path) -> None:
    """Train a policy for each task and write them as a model of the zoo; those that `out` has already are kept.

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
    weights: dict[str, Mapping[str, np.ndarray]] = {}
    config: dict[str, Any] = {"recipe": asdict(recipe)}
    if (out / CONFIG).exists():
        found = load_model(out)
        if found.config.get("recipe") != config["recipe"]:
            raise InputError("holds policies of another recipe; expected a new folder", file=out, field="out")
        config, weights = {k: v for k, v in found.config.items() if k not in ("format", "weights")}, {**found.weights}
    for name, settings in tasks.items():
        if name not in weights:
            keys, sizes, weights[name] = _train(name, settings, recipe)
            config |= {"observations": keys, "sizes": sizes}
            save_model(out, config, weights, _card(config, list(weights)))


def _train(name: str, settings: Mapping[str, Any], recipe: PpoRecipe) -> tuple[list[str], list[int], dict[str, Any]]:
    """Keys of the observation, sizes of the layers and tensors of a policy."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    from uniscene_sim.env.adapters.stable_baselines3 import UniSceneVecEnv

    class Bar(BaseCallback):
        """Shows steps, and the success of the last 100 episodes."""

        def _on_training_start(self) -> None:
            self._bar, self._recent = tqdm(total=recipe.steps, desc=name, unit="step", disable=None), list[bool]()

        def _on_step(self) -> bool:
            over = self.locals["dones"]
            self._recent += [info["is_success"] for info, o in zip(self.locals["infos"], over, strict=True) if o]
            self._bar.update(min(self.num_timesteps, recipe.steps) - self._bar.n)
            return True

        def _on_rollout_end(self) -> None:
            self._recent = self._recent[-100:]
            self._bar.set_postfix(success=f"{np.mean(self._recent or [False]):.2f}")

        def _on_training_end(self) -> None:
            self._bar.close()

    torch.set_num_threads(1)
    env = VecNormalize(VecMonitor(UniSceneVecEnv(recipe.worlds, **settings)), gamma=recipe.discount)
    env.seed(recipe.seed)
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=recipe.rollout,
        batch_size=recipe.batch,
        n_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        gamma=recipe.discount,
        policy_kwargs={"net_arch": [recipe.width, recipe.width], "log_std_init": recipe.log_std},
        seed=recipe.seed,
    )
    model.learn(recipe.steps, callback=Bar())
    extractor: Any = model.policy.features_extractor
    keys: list[str] = list(extractor.extractors)
    statistics = [env.obs_rms[key] for key in keys]
    tensors = {
        "mean": np.concatenate([s.mean.ravel() for s in statistics]),
        "scale": np.concatenate([1.0 / np.sqrt(s.var.ravel() + env.epsilon) for s in statistics]),
    }
    # What hardly varied in training would be blown up beyond half precision.
    tensors["scale"] = np.minimum(tensors["scale"], 1e3)
    hidden: Any = model.policy.mlp_extractor.policy_net
    linear = [layer for layer in (*hidden, model.policy.action_net) if isinstance(layer, torch.nn.Linear)]
    for k, layer in enumerate(linear):
        tensors[f"weight_{k}"] = layer.weight.detach().numpy()
        tensors[f"bias_{k}"] = layer.bias.detach().numpy()
    sizes = [linear[0].in_features, *(layer.out_features for layer in linear)]
    env.close()
    return keys, sizes, {key: np.asarray(value, np.float32) for key, value in tensors.items()}


def _card(config: Mapping[str, Any], parts: list[str]) -> str:
    recipe = config["recipe"]
    return f"""# Driving policies

Multilayer perceptrons from the state observation ({", ".join(config["observations"])}) to steering and acceleration,
trained by PPO of Stable-Baselines3 with {recipe["steps"]:,} steps each, seed {recipe["seed"]}, on the training seeds of
one task each: {", ".join(parts)}. They are baselines, not good drivers.

- Trained from: nothing but the simulator; Apache-2.0.
- Recipe: `uniscene-sim train driver`, with what `config.yaml` says.
- Figures: docs/reinforcement-learning.md, made by `uniscene-sim eval driving`.
"""
