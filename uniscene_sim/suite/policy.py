"""Trained policies as plain arrays: what Stable-Baselines3 has trained, driven without it and without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.zoo.models import check_tensors, load_model

__all__ = ["Policy"]

_CLIP = 10.0  # of normalised observations, as in training


@dataclass(frozen=True)
class Policy:
    """A multilayer perceptron from observations to actions.

    Attributes:
        action_type: "continuous", or a discrete one.
        step_ms: time between two actions.
        keys: entries of the observation, flattened one after the other.
        mean, scale: float32 (D,), observations are normalised by them.
        layers: weights (out, in) and biases (out,); tanh lies between them.
    """

    action_type: str
    step_ms: int
    keys: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def load(cls, model: str | Path, part: str) -> Policy:
        """Load from the zoo, or a folder.

        Raises:
            InputError: there is no such model or part, or it does not match its config.
        """
        found = load_model(model)
        if part not in found.weights:
            raise InputError(f"expected one of {', '.join(found.weights)}, got {part!r}", file=found.folder)
        sizes: Sequence[int] = found.config["sizes"]
        tensors = found.weights[part]
        shapes: dict[str, tuple[int, ...]] = {"mean": (sizes[0],), "scale": (sizes[0],)}
        for k, (narrow, wide) in enumerate(pairwise(sizes)):
            shapes |= {f"weight_{k}": (wide, narrow), f"bias_{k}": (wide,)}
        check_tensors(tensors, shapes, found.folder / f"{part}.safetensors")
        values = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        layers = tuple((values[f"weight_{k}"], values[f"bias_{k}"]) for k in range(len(sizes) - 1))
        return cls(
            found.config["action"],
            found.config["step_ms"],
            tuple(found.config["observations"]),
            values["mean"],
            values["scale"],
            layers,
        )

    def action(self, observation: Mapping[str, np.ndarray], random: np.random.Generator) -> np.ndarray | np.int64:
        """The mean action, float32 in [-1, 1]; of discrete ones a number drawn by their probabilities, as in training."""
        flat = np.concatenate([np.ravel(observation[key]) for key in self.keys]).astype(np.float32)
        x = np.clip((flat - self.mean) * self.scale, -_CLIP, _CLIP)
        for k, (weight, bias) in enumerate(self.layers):
            x = weight @ x + bias
            if k < len(self.layers) - 1:
                x = np.tanh(x)
        if self.action_type == "continuous":
            return x.clip(-1.0, 1.0)
        odds = np.exp(x.astype(np.float64) - x.max())
        return np.int64(np.searchsorted(np.cumsum(odds / odds.sum()), random.random()).clip(max=len(x) - 1))
