"""`uniscene-sim train occupancy`: training of the VAE, of its decoder alone, then of the flow over its latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.datasets.windows import Windows, class_frequencies
from uniscene_sim.layout import AGENT_CHANNELS
from uniscene_sim.metrics.occupancy import Confusion
from uniscene_sim.occupancy.learned.dit import DiT, DiTConfig
from uniscene_sim.occupancy.learned.flow import flow_loss
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig, fold
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.ahead import Ahead
from uniscene_sim.training.batches import Batch, Crops
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.training.losses import focal_loss, kl_loss, lovasz_softmax
from uniscene_sim.zoo.networks import plain_sizes, save_networks
from uniscene_sim.zoo.torch_device import autocast_for, to_device

__all__ = ["ObjectWeight", "OccupancyRecipe", "class_weights", "reconstruction_iou", "sampled_voxels",
           "save_occupancy", "train_decoder", "train_flow", "train_vae"]  # fmt: skip

_SMALL = ("barrier", "motorcycle", "bicycle", "pedestrian", "traffic_cone")
_FREE = int(OccClass.FREE)


@dataclass(frozen=True)
class OccupancyRecipe:
    """Hyperparameters of a training."""

    vae: VaeConfig = field(default_factory=VaeConfig)
    net: UNetConfig | DiTConfig = field(default_factory=UNetConfig)
    vae_schedule: Schedule = field(default_factory=lambda: Schedule(1400, 1.2e-3, decay=0.25))
    decoder_schedule: Schedule = field(default_factory=lambda: Schedule(1600, 8e-4, decay=0.5))
    flow_schedule: Schedule = field(default_factory=lambda: Schedule(5200, 6e-4, decay=0.25))
    vae_crop: int = 80
    vae_batch: int = 4
    flow_crop: int = 128
    flow_batch: int = 6
    seed: int = 0
    unplanned: float = 0.7  # share of crops whose layout lacks houses, plants and rails
    untold: float = 0.2  # share of layouts that are withheld from the decoder
    mistold: float = 0.1  # share of layouts that are swapped for another crop's
    gamma: float = 0.0  # of the focal loss
    lovasz: float = 0.5
    lovasz_voxels: int = 40_000  # of those sampled, at most
    kl: float = 1e-3
    off: float = 0.25  # largest standard deviation of what is added to normalised latents for the decoder alone
    guided: float = 0.1  # share of layouts that are withheld from the flow, for classifier-free guidance
    early: float = 1.0  # how far the flow's times of training lie towards noise, in logits
    small: float = 3.0  # extra weight of latents at small objects
    near_agents: float = 0.4  # share of crops around an agent
    without_agents: float = 0.5  # share of the flow's crops of the static world alone, which tiles are
    steps: int = 4  # that the engine takes from noise
    guidance: float = 1.0  # of the engine
    shift: float = 3.0  # how much longer the engine's last steps are than its first


def train_vae(
    recipe: OccupancyRecipe,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
    device: torch.device,
) -> OccupancyVae:
    """Train the VAE, or resume a training in `folder`, and set the statistics that normalise its latents.

    Args:
        recipe: hyperparameters.
        training: windows of training towns.
        validation: windows of validation towns.
        folder: of checkpoint and log.
        device: torch device.

    Returns:
        the VAE with averaged weights.
    """
    torch.manual_seed(recipe.seed)
    vae = to_device(OccupancyVae(recipe.vae), device)
    averaged = _train_vae(recipe, vae, recipe.vae_schedule, 0.0, "vae", training, validation, folder)
    crops = _vae_crops(recipe, training, recipe.seed)
    latents = []
    with torch.no_grad(), autocast_for(device):
        for n in range(32):
            latents.append(averaged.encode(crops[n].to(device).labels)[0])
    every = torch.cat(latents).transpose(0, 1).flatten(1)
    averaged.latent_mean.copy_(every.mean(dim=1))
    averaged.latent_std.copy_(every.std(dim=1))
    return averaged


def train_decoder(
    recipe: OccupancyRecipe,
    vae: OccupancyVae,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
    device: torch.device,
) -> OccupancyVae:
    """Go on with the decoder alone, or resume that, on latents that are somewhat off, as those of a flow are.

    Latents stay as they are, so a flow over them does, too. Arguments as of `train_vae`; `vae` is a trained one. If it
    is not told the layout and the recipe's is, its decoder learns to use it, and begins as it was.
    """
    torch.manual_seed(recipe.seed + 2)
    decoder = OccupancyVae(recipe.vae)
    if recipe.vae.told and not vae.config.told:
        decoder.tell_nothing_yet()
    decoder.load_state_dict(vae.state_dict(), strict=recipe.vae == vae.config)
    vae = to_device(decoder, device).train().requires_grad_(True)
    vae.freeze_encoder()
    return _train_vae(recipe, vae, recipe.decoder_schedule, recipe.off, "decoder", training, validation, folder)


def _vae_crops(recipe: OccupancyRecipe, training: Sequence[Windows], seed: int) -> Crops:
    return Crops(training, recipe.vae_crop, recipe.vae_batch, seed, recipe.near_agents, 0.15, recipe.unplanned,
                 recipe.vae.channels, recipe.vae.height)  # fmt: skip


def _train_vae(
    recipe: OccupancyRecipe,
    vae: OccupancyVae,
    schedule: Schedule,
    off: float,
    name: str,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
) -> OccupancyVae:
    """Train what of a VAE is not frozen; `off` as in the recipe."""
    device = vae.latent_std.device
    seed = recipe.seed + (7 if off else 0)
    crops = _vae_crops(recipe, training, seed)
    class_weight = class_weights(training).to(device)
    held_out = [Crops(validation, 200, 4, 1, near_agents=0.0, channels=recipe.vae.channels,
                      height=recipe.vae.height)[n] for n in range(4)]  # fmt: skip
    batches = Ahead(crops, schedule.steps)

    def loss_of(step: int) -> dict[str, Tensor]:
        batch = batches[step].to(device)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        layout_given, layout = _drop_layouts(batch.layout, recipe.untold, recipe.mistold, generator)
        mean, log_variance = vae.encode(batch.labels)
        noise = torch.randn(mean.shape, generator=generator).to(device)
        spread = (0.5 * log_variance).exp()
        if off:
            sigma = off * torch.rand(len(mean), 1, 1, 1, generator=generator).to(device) ** 2
            spread = (spread**2 + (sigma * vae.latent_std[:, None, None]) ** 2).sqrt()
        features = vae.features(mean + noise * spread, layout, layout_given)
        index, weight = sampled_voxels(batch, generator)
        labels = fold(batch.labels).reshape(-1).index_select(0, index).long()
        logits = vae.logits(features.index_select(0, index)).float()
        entropy = focal_loss(logits, labels, weight * class_weight[labels], recipe.gamma)
        some = torch.randperm(len(index), generator=generator)[: recipe.lovasz_voxels].to(device)
        lovasz = lovasz_softmax(logits[some].softmax(dim=1), labels[some])
        kl = kl_loss(mean, log_variance)
        total = entropy + recipe.lovasz * lovasz + recipe.kl * kl
        return {"loss": total, "entropy": entropy.detach(), "lovasz": lovasz.detach(), "kl": kl.detach()}

    def check(net: OccupancyVae) -> dict[str, float]:
        return reconstruction_iou(net, [batch.to(device) for batch in held_out])

    return train(vae, loss_of, schedule, folder, name, device, check)


def train_flow(
    recipe: OccupancyRecipe,
    vae: OccupancyVae,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
    device: torch.device,
    name: str = "flow",
) -> nn.Module:
    """Train the flow over the latents of a VAE, or resume a training in `folder`.

    Args:
        recipe: hyperparameters.
        vae: trained.
        training: windows of training towns.
        validation: windows of validation towns.
        folder: of checkpoint and log.
        device: torch device.
        name: of the files.

    Returns:
        the network with averaged weights.
    """
    torch.manual_seed(recipe.seed + 1)
    net: nn.Module = UNet(recipe.net) if isinstance(recipe.net, UNetConfig) else DiT(recipe.net)
    to_device(net, device)
    channels = recipe.vae.channels

    def crops_of(windows: Sequence[Windows], seed: int, near_agents: float) -> Crops:
        return Crops(windows, recipe.flow_crop, recipe.flow_batch, seed, near_agents, recipe.without_agents,
                     recipe.unplanned, channels, recipe.vae.height)  # fmt: skip

    crops, checked = crops_of(training, recipe.seed + 1, recipe.near_agents), crops_of(validation, 1, 0.0)
    held_out = [checked[n].to(device) for n in range(8)]
    weight_at = ObjectWeight(channels, recipe.vae.patch, recipe.small, device)
    batches = Ahead(crops, recipe.flow_schedule.steps)

    def loss(net: nn.Module, batch: Batch, untold: float, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            data = vae.normalise(vae.encode(batch.labels)[0])
        layout_given, layout = _drop_layouts(batch.layout, untold, 0.0, generator)
        mask = _known_masks(len(data), data.shape[2], data.shape[3], generator).to(device)
        observed = F.avg_pool2d(batch.observed.float().mean(dim=3)[:, None], recipe.vae.patch)
        return flow_loss(net, data, layout, layout_given, mask, weight_at(layout) * observed, generator, recipe.early)

    def check(net: nn.Module) -> dict[str, float]:
        with torch.no_grad(), autocast_for(device):
            values = [loss(net, batch, 0.0, n).item() for n, batch in enumerate(held_out)]
        return {"held_out": float(np.mean(values))}

    def loss_of(step: int) -> dict[str, Tensor]:
        return {"loss": loss(net, batches[step].to(device), recipe.guided, recipe.seed * 1_000_003 + step)}

    return train(net, loss_of, recipe.flow_schedule, folder, name, device, check)


class ObjectWeight:
    """Weight of latents by what the layout has there: more at small objects, half as much more at other agents.

    Args:
        channels: names of the layouts' channels, in order.
        patch: cells along a latent cell.
        small: extra weight at small objects.
        device: of the layouts.
    """

    def __init__(self, channels: Sequence[str], patch: int, small: float, device: torch.device):
        self._patch, self._extra = patch, small
        self._agents, self._small = (
            torch.tensor([channels.index(name) for name in some if name in channels], dtype=torch.long, device=device)
            for some in (AGENT_CHANNELS, _SMALL)
        )

    def __call__(self, layout: Tensor) -> Tensor:
        """Weights (N, 1, x, y) for layouts (N, C, X, Y)."""
        small, agents = self._there(layout, self._small), self._there(layout, self._agents)
        return 1.0 + self._extra * torch.maximum(small, 0.5 * agents)

    def _there(self, layout: Tensor, some: Tensor) -> Tensor:
        if not len(some):
            return layout.new_zeros(1)
        return F.max_pool2d(layout.index_select(1, some).amax(dim=1, keepdim=True), self._patch)


def reconstruction_iou(vae: OccupancyVae, batches: Sequence[Batch]) -> dict[str, float]:
    """mIoU over the classes that occur, and IoU of occupied voxels, of labels encoded and decoded with their layout."""
    voxels = Confusion()
    for batch in batches:
        device = batch.labels.device
        layout_given = torch.ones(len(batch.labels), dtype=torch.bool, device=device)
        with torch.no_grad(), autocast_for(device):
            made = vae.decode(vae.encode(batch.labels)[0], batch.layout.float(), layout_given)
        voxels.add(batch.labels.cpu().numpy(), made.cpu().numpy(), batch.observed.cpu().numpy())
    return {"miou": voxels.miou, "iou": voxels.iou}


def _drop_layouts(layout: Tensor, untold: float, mistold: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Whether each layout is given, bool (B,), and the layouts (B, C, X, Y) as float, some swapped for another's."""
    u = torch.rand(len(layout), generator=generator).to(layout.device)
    layout = layout.float().contiguous(memory_format=torch.channels_last)
    other = (u > 1 - mistold)[:, None, None, None]
    return u >= untold, torch.where(other, layout.roll(1, dims=0), layout)


def _known_masks(b: int, nx: int, ny: int, generator: torch.Generator) -> Tensor:
    """Masks (B, 1, nx, ny) of known latents: strips along some sides, like those around a tile, or none."""
    i, j = torch.arange(nx)[:, None], torch.arange(ny)[None, :]
    masks = torch.zeros(b, 1, nx, ny)
    for n in range(b):
        u = torch.rand(6, generator=generator)
        if u[5] < 0.35:
            continue
        wide = 3 + int(u[4] * 4)
        sides = [i < wide, i >= nx - wide, j < wide, j >= ny - wide]
        for side, chance in zip(sides, u.tolist(), strict=False):
            if chance < 0.55:
                masks[n, 0][side.expand(nx, ny)] = 1.0
    return masks


def sampled_voxels(batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices (K,), in the order of `fold`, of sampled voxels, and their inverse probabilities (K,).

    Of those observed, all voxels of agents are taken, and more near surfaces than in the air.
    """
    labels = batch.labels
    occupied = (labels != _FREE).float()[:, None]
    near = F.max_pool3d(occupied, 3, stride=1, padding=1)[:, 0] > 0
    agent = (labels <= int(OccClass.TRUCK)) & (labels > 0)
    chance = torch.where(agent, 1.0, torch.where(near, 0.2, 0.02)) * batch.observed
    chance = fold(chance).reshape(-1)
    index = (torch.rand(chance.shape, generator=generator).to(labels.device) < chance).nonzero()[:, 0]
    return index, 1.0 / chance.index_select(0, index)


def class_weights(windows: Sequence[Windows]) -> Tensor:
    """Class weights (21,): the inverse fourth root of a class's frequency relative to the median, within bounds."""
    frequency = class_frequencies(windows)
    weight = (np.maximum(frequency, 1e-7) / np.median(frequency[frequency > 0])) ** -0.25
    return torch.from_numpy(np.clip(weight, 0.5, 2.5).astype(np.float32))


def save_occupancy(
    folder: Path, recipe: OccupancyRecipe, vae: OccupancyVae, flow: nn.Module, facts: dict[str, Any], card: str
) -> None:
    """Write both networks as a model of the zoo.

    Args:
        folder: of the model.
        recipe: for the networks' sizes.
        vae: the VAE.
        flow: network of the flow.
        facts: description of the training, for the config.
        card: text of the model card.
    """
    kind = "unet" if isinstance(recipe.net, UNetConfig) else "dit"
    used = {"steps": recipe.steps, "guidance": recipe.guidance, "shift": recipe.shift}
    config = {
        "vae": plain_sizes(recipe.vae),
        "flow": {"kind": kind, **plain_sizes(recipe.net)},
        "engine": used,
        "training": facts,
    }
    save_networks(folder, config, {"vae": vae, "flow": flow}, card)
