"""`uniscene-sim train features`: the autoencoders in whose features sets of windows are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.evaluation.features import VIEWS, FeatureNet, FeatureSizes, OccupancyFeatures
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.batches import Crops
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.zoo.networks import save_networks

__all__ = ["FeaturesRecipe", "save_features", "set_statistics", "train_features"]

_CELLS, _LAYERS = 100, GENERATED_GRID.shape[2]
_STATISTICS = 60  # batches that whiten features and make kinds
_LEAST_DEVIATION = 1e-3  # of a feature that hardly varies
_LEAST_VARIANCE = 1e-3  # of whitened directions, over the largest: what varies less is noise


@dataclass(frozen=True)
class FeaturesRecipe:
    """Hyperparameters of a training."""

    schedule: Schedule = field(default_factory=lambda: Schedule(200, 1e-3, warmup=30, decay=0.5, average=0.98))
    widths: tuple[int, int] = (48, 96)
    latent: int = 32
    kinds: int = 10
    batch: int = 4
    occupied: float = 0.5  # share of the loss that voxels with a label other than free have
    seed: int = 0


def train_features(
    recipe: FeaturesRecipe, training: Sequence[Windows], folder: Path, device: torch.device
) -> dict[str, FeatureNet]:
    """Train a network for each view, or resume a training in `folder`.

    Args:
        recipe: hyperparameters.
        training: windows of training towns.
        folder: of checkpoints and logs.
        device: torch device.

    Returns:
        the networks by view, with averaged weights, on the CPU.
    """
    crops = Crops(training, _CELLS, recipe.batch, recipe.seed, near_agents=0.0)
    nets = {}
    for view, (shown, inputs) in VIEWS.items():
        torch.manual_seed(recipe.seed)
        net = FeatureNet(FeatureSizes(inputs, recipe.widths, recipe.latent, recipe.kinds)).to(device)

        air = shown(torch.full((1, 2, 2, _LAYERS), int(OccClass.FREE), dtype=torch.uint8).to(device), net.embedding)

        def loss_of(
            step: int, net: FeatureNet = net, shown: Callable[[Tensor, Tensor], Tensor] = shown, air: Tensor = air
        ) -> dict[str, Tensor]:
            true = shown(crops[step].labels.to(device), net.embedding)
            made = net.rebuilt(net.latents(true), (true.shape[2], true.shape[3]))
            error = (made.float() - true) ** 2
            return {"loss": _balanced(error, (true != air).float(), recipe.occupied)}

        averaged = train(net, loss_of, recipe.schedule, folder, f"features_{view}", device).float().cpu()
        with torch.no_grad():
            raw = torch.cat([
                averaged.raw_features(shown(crops[recipe.schedule.steps + n].labels, averaged.embedding))
                for n in range(_STATISTICS)
            ])  # fmt: skip
        set_statistics(averaged, raw.double().numpy(), recipe)
        nets[view] = averaged
    return nets


def _balanced(error: Tensor, solid: Tensor, occupied: float) -> Tensor:
    """Mean error (B, C, x, y), in which what is `solid`, 0 or 1, has a share of its own."""
    inside, air = ((error * part).sum() / part.sum().clamp(min=1.0) for part in (solid, 1 - solid))
    return occupied * inside + (1 - occupied) * air


def set_statistics(net: FeatureNet, raw: np.ndarray, recipe: FeaturesRecipe) -> None:
    """Set what whitens features, and the kinds.

    Args:
        net: changed.
        raw: float64 (N, D), features of training samples, not whitened.
        recipe: for the number of kinds.
    """
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + _LEAST_DEVIATION
    variance, axes = np.linalg.eigh(np.cov((raw - mean) / scale, rowvar=False))
    whitening = axes / np.sqrt(np.maximum(variance, _LEAST_VARIANCE * variance.max())) / scale[:, None]
    features = (raw - mean) @ whitening
    centres, nearest = kmeans2(features, recipe.kinds, minit="++", seed=recipe.seed)
    net.mean.copy_(torch.from_numpy(mean))
    net.whitening.copy_(torch.from_numpy(whitening))
    net.centres.copy_(torch.from_numpy(centres))
    net.spread.fill_(float(((features - centres[nearest]) ** 2).mean()))


def save_features(folder: Path, nets: dict[str, FeatureNet], facts: dict[str, object], card: str) -> None:
    """Write the networks as a model of the zoo.

    Args:
        folder: of the model.
        nets: by view.
        facts: description of the training, for the config.
        card: text of the model card.
    """
    sizes = OccupancyFeatures(nets).plain()
    config = {f"features_{view}": sizes[view] for view in nets} | {"training": facts}
    save_networks(folder, config, {f"features_{view}": net for view, net in nets.items()}, card)
