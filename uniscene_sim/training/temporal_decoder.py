"""Training of UniScene's decoder, which sees a clip, over the latents of a VAE of single frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.metrics.occupancy import Confusion
from uniscene_sim.occupancy.learned.vae import OccupancyVae, fold
from uniscene_sim.occupancy.temporal.temporal_vae import TemporalVae
from uniscene_sim.training.ahead import Ahead
from uniscene_sim.training.batches import Batch
from uniscene_sim.training.clips import ClipBatch, ClipCrops
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.training.losses import focal_loss, lovasz_softmax
from uniscene_sim.training.occupancy import OccupancyRecipe, class_weights, sampled_voxels
from uniscene_sim.zoo.torch_device import autocast_for, to_device

__all__ = ["train_temporal_decoder"]

_FRAMES = 3
_BATCH = 2


def train_temporal_decoder(
    recipe: OccupancyRecipe,
    schedule: Schedule,
    vae: OccupancyVae,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
    device: torch.device,
) -> TemporalVae:
    """Go on with the decoder alone, on clips of latents that are somewhat off, as those of a flow are, or resume that.

    Args:
        recipe: of the VAE.
        schedule: of this training.
        vae: trained on single frames.
        training: windows of training towns.
        validation: windows of validation towns.
        folder: of checkpoint and log.
        device: torch device.

    Returns:
        the VAE with averaged weights, whose latents are those of `vae`.
    """
    net = TemporalVae(recipe.vae)
    net.load_state_dict(vae.state_dict(), strict=False)
    net = to_device(net, device).train().requires_grad_(True)
    net.freeze_encoder()
    weights = class_weights(training).to(device)

    def crops_of(windows: Sequence[Windows], seed: int, cells: int, near_agents: float) -> ClipCrops:
        return ClipCrops(windows, _FRAMES, cells, _BATCH, seed, near_agents, 1.0, recipe.vae.channels,
                         recipe.vae.height)  # fmt: skip

    batches = Ahead(crops_of(training, recipe.seed + 11, recipe.vae_crop, recipe.near_agents), schedule.steps)
    checked = crops_of(validation, 1, 160, 0.0)
    held_out = [checked[n].to(device) for n in range(4)]

    def loss_of(step: int) -> dict[str, Tensor]:
        batch = batches[step].to(device)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        latents = _latents(net, batch)
        sigma = recipe.off * torch.rand(len(latents), 1, 1, 1, 1, generator=generator).to(device) ** 2
        noise = torch.randn(latents.shape, generator=generator).to(device)
        features = net.clip_features(latents + sigma * noise * net.latent_std[:, None, None])
        frames = Batch(batch.layout.flatten(0, 1), batch.labels.flatten(0, 1), batch.observed.flatten(0, 1))
        index, weight = sampled_voxels(frames, generator)
        labels = fold(frames.labels).reshape(-1).index_select(0, index).long()
        logits = net.logits(features.index_select(0, index)).float()
        some = torch.randperm(len(index), generator=generator)[: recipe.lovasz_voxels].to(device)
        lovasz = lovasz_softmax(logits[some].softmax(dim=1), labels[some])
        return {"loss": focal_loss(logits, labels, weight * weights[labels], recipe.gamma) + recipe.lovasz * lovasz}

    def check(net: TemporalVae) -> dict[str, float]:
        voxels = Confusion()
        for batch in held_out:
            with torch.no_grad(), autocast_for(device):
                made = net.decode_clip(_latents(net, batch))
            voxels.add(batch.labels.cpu().numpy(), made.cpu().numpy(), batch.observed.cpu().numpy())
        return {"miou": voxels.miou, "iou": voxels.iou}

    return train(net, loss_of, schedule, folder, "temporal", device, check, every=100)


def _latents(net: TemporalVae, batch: ClipBatch) -> Tensor:
    with torch.no_grad():
        return net.encode(batch.labels.flatten(0, 1))[0].unflatten(0, batch.seconds.shape)  # type: ignore[no-any-return]
