"""`uniscene-sim train occdit` and `train occ-uniscene`: a VAE of single frames, then a flow over clips of its latents.

The flow learns in two phases (AnyScene): from single frames, then from clips, in which the past is told as it was
(teacher forcing), with noise and with frames left out, so that it may be worse than it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.occupancy.temporal.occ_uniscene import OccUniScene, OccUniSceneConfig
from uniscene_sim.occupancy.temporal.occdit import OccDiT, OccDiTConfig
from uniscene_sim.occupancy.temporal.temporal_vae import TemporalVae
from uniscene_sim.training.ahead import Ahead
from uniscene_sim.training.clips import ClipBatch, ClipCrops
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.training.occupancy import ObjectWeight, OccupancyRecipe
from uniscene_sim.zoo.networks import plain_sizes, save_networks
from uniscene_sim.zoo.torch_device import autocast_for, to_device

__all__ = ["ClipFlowRecipe", "flow_of", "kind_of", "save_clip_flow", "told_decoder", "train_clip_flow"]

_LEAST_KEPT, _MOST_KEPT = 0.3, 0.9  # times of the flow from which a network makes its own past
_UNIFORM = 0.15  # share of times of training that are drawn evenly, so that none is left out


def _still() -> OccupancyRecipe:
    vae = VaeConfig(height=16, latent=16, learned_embedding=True, told=False)
    return OccupancyRecipe(
        vae=vae, vae_schedule=Schedule(1600, 1.5e-3, decay=0.4, average=0.998), vae_batch=6, gamma=1.0, kl=1e-4,
        lovasz_voxels=8000,
    )  # fmt: skip


@dataclass(frozen=True)
class ClipFlowRecipe:
    """Hyperparameters of a training."""

    still: OccupancyRecipe = field(default_factory=_still)  # of the VAE
    decoder_schedule: Schedule = field(default_factory=lambda: Schedule(4800, 8e-4, decay=0.5, average=0.998))
    decoder_told: bool = True  # the decoder of `occdit` goes on alone, and learns to use the layout
    net: OccDiTConfig | OccUniSceneConfig = field(default_factory=lambda: OccDiTConfig(fine=64))
    frames_schedule: Schedule = field(default_factory=lambda: Schedule(1000, 1e-3, decay=0.0, average=0.998))
    clips_schedule: Schedule = field(default_factory=lambda: Schedule(2900, 8e-4, decay=0.5, average=0.998))
    crop: int = 96
    frames_batch: int = 8
    clips_batch: int = 4
    frames: int = 4  # of a clip
    seed: int = 0
    unplanned: float = 0.9  # share of clips whose layout lacks houses, plants and rails
    guided: float = 0.1  # share of layouts that are withheld, for classifier-free guidance
    early: float = 0.5  # how far the flow's times of training lie towards noise, in logits
    small: float = 3.0  # extra weight of latents at small objects
    near_agents: float = 0.4  # share of crops around an agent
    teacher: bool = True  # the past is told as it was; otherwise as noisy as the frame itself
    history_noise: float = 0.3  # most that is added to the past
    history_dropout: float = 0.25  # share of frames that see no past; each other past frame is missing as often
    own_history: float = 0.5  # share of batches whose past is what the network makes of it, with its own faults
    given: int = 2  # most first frames that the variant for forecasting is given
    steps: int = 4  # that the engine takes from noise
    guidance: float = 1.0  # of the engine
    shift: float = 3.0  # how much longer the engine's last steps are than its first
    past: int = 2  # frames that the engine goes on from


def told_decoder(recipe: ClipFlowRecipe) -> OccupancyRecipe:
    """How a decoder goes on from one that is not told the layout.

    What the layout tells is so, while latents may be far off, as those of a flow are. Of houses and plants it is told
    nothing, and in part of the training nothing at all.
    """
    vae = replace(recipe.still.vae, told=True)
    return replace(recipe.still, vae=vae, decoder_schedule=recipe.decoder_schedule, unplanned=1.0, untold=0.3,
                   mistold=0.0, off=1.0)  # fmt: skip


def flow_of(config: OccDiTConfig | OccUniSceneConfig) -> OccDiT | OccUniScene:
    """A network of these sizes."""
    return OccDiT(config) if isinstance(config, OccDiTConfig) else OccUniScene(config)


def train_clip_flow(
    recipe: ClipFlowRecipe,
    vae: OccupancyVae,
    training: Sequence[Windows],
    validation: Sequence[Windows],
    folder: Path,
    device: torch.device,
) -> nn.Module:
    """Train a flow over the latents of a VAE, or resume a training in `folder`.

    Args:
        recipe: hyperparameters.
        vae: trained.
        training: windows of training towns, recorded drives, ...
        validation: windows of validation towns.
        folder: of checkpoints and logs.
        device: torch device.

    Returns:
        the network with averaged weights.
    """
    torch.manual_seed(recipe.seed + 1)
    net: nn.Module = to_device(flow_of(recipe.net), device)
    phases = [("frames", recipe.frames_schedule, recipe.frames_batch, 1)]
    if recipe.net.temporal:
        phases.append(("clips", recipe.clips_schedule, recipe.clips_batch, recipe.frames))
    for name, schedule, batch, frames in phases:
        net = _train_phase(recipe, net, vae, training, validation, folder, device, name, schedule, batch, frames)
        net = net.train().requires_grad_(True)
    return net.eval().requires_grad_(False)


def _train_phase(
    recipe: ClipFlowRecipe, net: nn.Module, vae: OccupancyVae, training: Sequence[Windows],
    validation: Sequence[Windows], folder: Path, device: torch.device, name: str, schedule: Schedule, batch: int,
    frames: int,
) -> nn.Module:  # fmt: skip
    def crops_of(windows: Sequence[Windows], seed: int, near_agents: float) -> ClipCrops:
        return ClipCrops(windows, frames, recipe.crop, batch, seed, near_agents, recipe.unplanned,
                         recipe.net.channels, vae.config.height)  # fmt: skip

    batches = Ahead(crops_of(training, recipe.seed + frames, recipe.near_agents), schedule.steps)
    checked = crops_of(validation, 1, 0.0)
    held_out = [checked[n].to(device) for n in range(6)]
    objective = _Objective(recipe, vae)

    def loss_of(step: int) -> dict[str, Tensor]:
        return {"loss": objective(net, batches[step].to(device), recipe.seed * 1_000_003 + step, recipe.guided)}

    def check(net: nn.Module) -> dict[str, float]:
        with torch.no_grad(), autocast_for(device):
            values = [objective(net, each, n, 0.0).item() for n, each in enumerate(held_out)]
        return {"held_out": float(np.mean(values))}

    return train(net, loss_of, schedule, folder, name, device, check, every=200)


@dataclass(frozen=True)
class _Lesson:
    """B clips of F frames, at times of the flow, and as a past that is worse than it was."""

    target: Tensor  # (B, F, c, x, y) velocity
    noisy: Tensor  # (B, F, c, x, y) at t
    t: Tensor  # (B, F)
    past: Tensor  # (B, F, c, x, y) at level, 0 where it is not known
    level: Tensor  # (B, F)
    known: Tensor  # (B, F, 1, x, y)
    layout: Tensor  # (B, F, C, X, Y)
    has_layout: Tensor  # (B,)
    seconds: Tensor  # (B, F)
    weight: Tensor  # (B, F, 1, x, y) of each latent cell
    generator: torch.Generator

    def uniform(self, *shape: int) -> Tensor:
        """Random numbers in [0, 1)."""
        return torch.rand(*shape, generator=self.generator).to(self.t.device)


class _Objective:
    """Mean squared error of the velocity at logit-normal times, over what was observed, more at small objects."""

    def __init__(self, recipe: ClipFlowRecipe, vae: OccupancyVae):
        self.recipe, self.vae = recipe, vae
        device = vae.latent_std.device
        self.weight_at = ObjectWeight(recipe.net.channels, vae.config.patch, recipe.small, device)

    def __call__(self, net: nn.Module, batch: ClipBatch, seed: int, untold: float) -> Tensor:
        lesson = self._lesson(batch, torch.Generator().manual_seed(seed), untold)
        if lesson.t.shape[1] > 1 and self.recipe.teacher and lesson.uniform(1).item() < self.recipe.own_history:
            lesson = self._with_own_past(net, lesson)
        if isinstance(net, OccUniScene):
            given = self._given(lesson)
            velocity, weight = _joint_velocity(net, lesson, given), lesson.weight * ~given[:, :, None, None, None]
        else:
            velocity, weight = self._causal_velocity(net, lesson), lesson.weight
        error = ((velocity.float() - lesson.target) ** 2).mean(dim=2, keepdim=True)
        loss: Tensor = (error * weight).sum() / weight.sum().clamp(min=1.0)
        return loss

    def _lesson(self, batch: ClipBatch, generator: torch.Generator, untold: float) -> _Lesson:
        recipe, vae = self.recipe, self.vae
        b, frames = batch.seconds.shape
        device = batch.labels.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator).to(device)

        def grain() -> Tensor:
            return torch.randn(data.shape, generator=generator).to(device)

        with torch.no_grad():
            data = vae.normalise(vae.encode(batch.labels.flatten(0, 1))[0]).unflatten(0, (b, frames))
        layout = batch.layout.float()
        has_layout = uniform(b) >= untold
        observed = F.avg_pool2d(batch.observed.flatten(0, 1).float().mean(dim=3)[:, None], vae.config.patch)
        observed = observed.unflatten(0, (b, frames))
        # Frames that are generated together are at one time of the flow, or a clear one would tell the others.
        times = 1 if isinstance(recipe.net, OccUniSceneConfig) else frames
        t = torch.sigmoid(torch.randn(b, times, generator=generator).to(device) - recipe.early)
        t = torch.where(uniform(b, times) < _UNIFORM, uniform(b, times), t).expand(b, frames)
        noise = grain()
        noisy = torch.lerp(noise, data, t[:, :, None, None, None])
        level, known = 1 - recipe.history_noise * uniform(b, frames) ** 2, (observed > 0.5).to(data.dtype)
        past = torch.lerp(grain(), data, level[:, :, None, None, None])
        if not recipe.teacher:
            level, past = t, noisy
        weight = observed * self.weight_at(layout.flatten(0, 1)).unflatten(0, (b, frames))
        return _Lesson(data - noise, noisy, t, past * known, level, known, layout, has_layout, batch.seconds, weight,
                       generator)  # fmt: skip

    def _with_own_past(self, net: nn.Module, lesson: _Lesson) -> _Lesson:
        """The lesson with a past that the network made itself, from the true one half forgotten.

        In a roll-out nothing else is known: what it leaves behind that is wrong must not be taken for true.
        """
        b, frames = lesson.t.shape
        s = _LEAST_KEPT + (_MOST_KEPT - _LEAST_KEPT) * lesson.uniform(b, 1).expand(b, frames)
        # At time t the latents are noisy + (s - t) velocity at time s, on their straight path.
        at = lesson.noisy + (s - lesson.t)[:, :, None, None, None] * lesson.target
        before = replace(lesson, noisy=at, t=s, level=torch.ones_like(lesson.level))
        with torch.no_grad():
            if isinstance(net, OccUniScene):
                velocity = _joint_velocity(net, before, torch.zeros_like(lesson.t, dtype=torch.bool))
            else:
                velocity = self._causal_velocity(net, before)
        own = at + (1 - s)[:, :, None, None, None] * velocity.float()
        return replace(lesson, past=own * lesson.known, level=torch.ones_like(lesson.level))

    def _causal_velocity(self, net: nn.Module, lesson: _Lesson) -> Tensor:
        b, frames = lesson.t.shape
        memory = None
        if frames > 1:
            memory = net.remember(lesson.past, lesson.known, lesson.level, lesson.seconds)  # type: ignore[operator]
        # Of the past, each frame sees all, some, or none.
        sees = torch.ones(frames, frames, dtype=torch.bool, device=lesson.t.device).tril(-1)
        sees = sees & (lesson.uniform(b, frames, frames) >= self.recipe.history_dropout)
        sees = sees & (lesson.uniform(b, frames, 1) >= self.recipe.history_dropout)
        out: Tensor = net(lesson.noisy, lesson.t, lesson.layout, lesson.has_layout, lesson.seconds, memory, sees)
        return out

    def _given(self, lesson: _Lesson) -> Tensor:
        """Which frames are given, bool (B, F): none, or some of the first."""
        b, frames = lesson.t.shape
        most = min(self.recipe.given, frames - 1)
        count = (lesson.uniform(b, 1) * (most + 1)).long().clamp(max=most)
        return torch.arange(frames, device=lesson.t.device) < count


def _joint_velocity(net: OccUniScene, lesson: _Lesson, given: Tensor) -> Tensor:
    where = given[:, :, None, None, None]
    b, frames = given.shape
    sees = torch.ones(b, frames, frames, dtype=torch.bool, device=given.device)
    out: Tensor = net(
        torch.where(where, lesson.past, lesson.noisy), torch.where(given, lesson.level, lesson.t), lesson.layout,
        lesson.has_layout, lesson.seconds, lesson.known * where, sees,
    )  # fmt: skip
    return out


def save_clip_flow(
    folder: Path, recipe: ClipFlowRecipe, vae: OccupancyVae, flow: nn.Module, facts: dict[str, Any], card: str
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
    config = {
        "kind": kind_of(recipe),
        "vae": plain_sizes(vae.config),
        "temporal_decoder": isinstance(vae, TemporalVae),
        "clips": plain_sizes(recipe.net),
        "engine": {"steps": recipe.steps, "guidance": recipe.guidance, "past": recipe.past, "shift": recipe.shift},
        "training": facts,
    }
    save_networks(folder, config, {"vae": vae, "clips": flow}, card)


def kind_of(recipe: ClipFlowRecipe) -> str:
    """Name of the engine that a recipe trains a model of."""
    return "occdit" if isinstance(recipe.net, OccDiTConfig) else "occ-uniscene"
