"""`uniscene-sim train appearance`: training of the VAE of a tile's colours, then of the flow over its latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from uniscene_sim.camera.splat.learned.conditions import COLUMNS, columns_of
from uniscene_sim.camera.splat.learned.nets import PaintVae, PaintVaeConfig, Points, points_of
from uniscene_sim.datasets.coloured_tiles import LessonTile
from uniscene_sim.errors import InputError
from uniscene_sim.occupancy.learned.flow import flow_loss
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.ahead import Ahead
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.training.losses import kl_loss
from uniscene_sim.zoo.networks import plain_sizes, save_networks
from uniscene_sim.zoo.torch_device import autocast_for, to_device

__all__ = [
    "ON_PICTURES",
    "AppearanceRecipe",
    "Lesson",
    "Lessons",
    "save_appearance",
    "train_paint_flow",
    "train_paint_vae",
]

#: How often splats of a class are looked at, by their edge; ground is large and plain.
_WEIGHT = np.ones(len(OccClass), np.float32)
_WEIGHT[[OccClass.MANMADE, OccClass.VEGETATION]] = 3.0, 2.0


def _painter_net() -> UNetConfig:
    return UNetConfig(latent=PaintVaeConfig().latent, patch=PaintVaeConfig.patch, widths=(64, 128), blocks=(2, 3, 2),
                      layout_width=32, attention=False, channels=COLUMNS)  # fmt: skip


@dataclass(frozen=True)
class AppearanceRecipe:
    """Hyperparameters of a training."""

    vae: PaintVaeConfig = field(default_factory=PaintVaeConfig)
    net: UNetConfig = field(default_factory=_painter_net)
    vae_schedule: Schedule = field(default_factory=lambda: Schedule(7000, 1.5e-3, decay=0.4))
    flow_schedule: Schedule = field(default_factory=lambda: Schedule(8000, 8e-4, decay=0.4))
    start: str = ""  # the model whose weights are gone on with, by name or folder
    batch: int = 2
    shown: int = 16_000  # splats of a tile that the encoder sees
    asked: int = 8_000  # that the decoder is asked for
    seed: int = 0
    kl: float = 2e-4
    grain: float = 0.02  # weight of the likelihood of what the decoder does not tell
    pane: float = 0.05  # weight of which surfaces are window panes
    early: float = 0.5  # how far the flow's times of training lie towards noise, in logits
    given: float = 0.4  # share of tiles that are completed from a part
    recorded: bool = False  # whether colours hold the light that they were seen in
    grain_shown: float = 0.0  # share of the grain that is painted: materials have none
    steps: int = 6  # that the engine takes from noise
    shift: float = 2.0  # how much longer the engine's last steps are than its first


#: What is changed to continue the shipped model on the colours of pictures.
ON_PICTURES: dict[str, Any] = {
    "start": "appearance", "recorded": True, "grain_shown": 0.3,
    "vae_schedule": Schedule(2000, 6e-4, decay=0.5), "flow_schedule": Schedule(3000, 5e-4, decay=0.5),
}  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """A batch of B tiles."""

    columns: Tensor  # float (B, C, X, Y)
    shown: Points
    shown_colours: Tensor  # float (B, P, 3) in [0, 1]
    asked: Points
    asked_colours: Tensor  # float (B, Q, 3)
    asked_pane: Tensor  # float (B, Q): 1 for window panes, 0 for others, -1 where nobody tells
    known: Tensor  # float (B, 1, X / 2, Y / 2): share of splats there with a colour

    def to(self, device: torch.device) -> Lesson:
        shown, asked = (Points(*(part.to(device) for part in points)) for points in (self.shown, self.asked))
        rest = {
            name: getattr(self, name).to(device)
            for name in ("columns", "shown_colours", "asked_colours", "asked_pane", "known")
        }
        return replace(self, shown=shown, asked=asked, **rest)


class Lessons:
    """Endless seeded batches by index.

    Args:
        tiles: to learn from.
        recipe: sizes of a batch.
        seed: of the draws.

    Raises:
        InputError: there is nothing to learn from.
    """

    def __init__(self, tiles: Sequence[LessonTile], recipe: AppearanceRecipe, seed: int):
        self._tiles, self._recipe, self._seed = tiles, recipe, seed
        # a tile counts as much as there is to see of it
        area = np.array([float((tile.given.size[tile.known] ** 2).sum()) for tile in tiles])
        if not area.sum() > 0.0:
            raise InputError("expected tiles with splats whose colours are known")
        self._chance = np.sqrt(area) / np.sqrt(area).sum()

    def __getitem__(self, n: int) -> Lesson:
        rng = np.random.default_rng((self._seed, n))
        some = [self._one(rng) for _ in range(self._recipe.batch)]
        columns, shown, asked, known = zip(*some, strict=True)
        points, colours, _ = _points(shown)
        return Lesson(torch.from_numpy(np.stack(columns)), points, colours, *_points(asked),
                      torch.from_numpy(np.stack(known))[:, None])  # fmt: skip

    def _one(self, rng: np.random.Generator) -> tuple[np.ndarray, Any, Any, np.ndarray]:
        tile = self._tiles[rng.choice(len(self._tiles), p=self._chance)]
        given = tile.given.turned(*(rng.random(3) < 0.5))
        columns = columns_of(given)
        side = columns.shape[1] // PaintVaeConfig.patch
        chance = np.cumsum(given.size * _WEIGHT[given.label] * tile.known, dtype=np.float64)

        def draw(count: int) -> tuple[np.ndarray, ...]:
            rows = np.searchsorted(chance, rng.random(count) * chance[-1], side="right").clip(0, len(given) - 1)
            part = given[rows]
            pane = np.full(count, -1.0, np.float32) if tile.pane is None else tile.pane[rows].astype(np.float32)
            return part.label, part.place, part.normal, part.size, tile.colours[rows], pane

        cell = np.clip(given.place[:, :2] * (side / 64.0), 0, side - 1).astype(np.int64) @ (side, 1)
        count = np.bincount(cell, minlength=side * side)
        known = np.bincount(cell, tile.known, side * side) / np.maximum(count, 1)
        return columns, draw(self._recipe.shown), draw(self._recipe.asked), known.reshape(side, side).astype(np.float32)


def _points(drawn: Sequence[tuple[np.ndarray, ...]]) -> tuple[Points, Tensor, Tensor]:
    label, place, normal, size, colours, pane = (torch.from_numpy(np.stack(p)) for p in zip(*drawn, strict=True))
    return points_of(label, place, normal, size), colours.float() / 255.0, pane


def train_paint_vae(
    recipe: AppearanceRecipe,
    training: Sequence[LessonTile],
    validation: Sequence[LessonTile],
    folder: Path,
    device: torch.device,
    start: PaintVae | None = None,
) -> PaintVae:
    """Train the VAE, or resume a training in `folder`, and set the statistics that normalise its latents.

    Args:
        recipe: hyperparameters.
        training, validation: tiles.
        folder: of checkpoint and log.
        device: torch device.
        start: a trained one to go on with.

    Raises:
        InputError: there is nothing to learn from, or the checkpoint is damaged.
    """
    torch.manual_seed(recipe.seed)
    vae = to_device(PaintVae(recipe.vae), device)
    if start is not None:
        vae.load_state_dict(start.state_dict())
    batches = Ahead(Lessons(training, recipe, recipe.seed), recipe.vae_schedule.steps)
    held_out = [Lessons(validation, recipe, 1)[n].to(device) for n in range(6)]

    def loss_of(step: int) -> dict[str, Tensor]:
        batch = batches[step].to(device)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        mean, log_variance = vae.encode(batch.columns, batch.shown, batch.shown_colours)
        noise = torch.randn(mean.shape, generator=generator).to(device)
        latents = mean + noise * (0.5 * log_variance).exp()
        made = vae.colours(vae.features(latents, batch.columns), batch.asked)
        colour = (made.colours - batch.asked_colours).abs().mean()
        off = (made.colours - batch.asked_colours).detach().mean(dim=-1)
        grain = (made.spread.log() + 0.5 * (off / made.spread) ** 2).mean()
        given = batch.asked_pane >= 0.0
        entropy = F.binary_cross_entropy_with_logits(made.pane.float(), batch.asked_pane.clamp(min=0.0), given.float())
        kl = kl_loss(mean, log_variance)
        total = colour + recipe.grain * grain + recipe.pane * entropy + recipe.kl * kl
        parts = {"colour": colour, "grain": grain, "pane": entropy, "kl": kl}
        return {"loss": total} | {name: part.detach() for name, part in parts.items()}

    def check(net: PaintVae) -> dict[str, float]:
        errors, plain = [], []
        with torch.no_grad(), autocast_for(device):
            for batch in held_out:
                mean, _ = net.encode(batch.columns, batch.shown, batch.shown_colours)
                made = net.colours(net.features(mean, batch.columns), batch.asked)
                errors.append((made.colours - batch.asked_colours).abs().mean().item())
                plain.append(_plain_error(batch))
        return {"held_out": float(np.mean(errors)), "held_out_class_mean": float(np.mean(plain))}

    averaged = train(vae, loss_of, recipe.vae_schedule, folder, "vae", device, check)
    lessons, latents = Lessons(training, recipe, recipe.seed + 3), []
    with torch.no_grad(), autocast_for(device):
        for n in range(24):
            batch = lessons[n].to(device)
            mean, _ = averaged.encode(batch.columns, batch.shown, batch.shown_colours)
            latents.append(mean.transpose(0, 1)[:, batch.known[:, 0] > 0.0])
    every = torch.cat(latents, dim=1)
    averaged.latent_mean.copy_(every.mean(dim=1))
    averaged.latent_std.copy_(every.std(dim=1).clamp(min=1e-3))
    return averaged


def _plain_error(batch: Lesson) -> float:
    """Error of the mean colour of each class in the batch, the least that is to be beaten."""
    label, colours = batch.asked.label.reshape(-1), batch.asked_colours.reshape(-1, 3)
    sums = colours.new_zeros(len(OccClass), 3).index_add(0, label, colours)
    mean = sums / torch.bincount(label, minlength=len(OccClass)).clamp(min=1)[:, None]
    return (mean[label] - colours).abs().mean().item()


def train_paint_flow(
    recipe: AppearanceRecipe,
    vae: PaintVae,
    training: Sequence[LessonTile],
    validation: Sequence[LessonTile],
    folder: Path,
    device: torch.device,
    start: UNet | None = None,
) -> UNet:
    """Train the flow over the latents of a VAE, or resume a training in `folder`; arguments as `train_paint_vae`."""
    torch.manual_seed(recipe.seed + 1)
    net = to_device(UNet(recipe.net), device)
    if start is not None:
        net.load_state_dict(start.state_dict())
    batches = Ahead(Lessons(training, recipe, recipe.seed + 1), recipe.flow_schedule.steps)
    held_out = [Lessons(validation, recipe, 2)[n].to(device) for n in range(6)]

    def loss(net: UNet, batch: Lesson, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            data = vae.normalise(vae.encode(batch.columns, batch.shown, batch.shown_colours)[0])
        mask = given_masks(len(data), data.shape[2], data.shape[3], recipe.given, generator).to(device)
        mask = mask * (batch.known > 0.0)
        yes = torch.ones(len(data), dtype=torch.bool, device=device)
        built = F.max_pool2d((batch.columns[:, len(_GROUND_CHANNELS) :].abs().amax(dim=1, keepdim=True) > 0.05).float(),
                             PaintVaeConfig.patch)  # fmt: skip
        weight = (0.3 + built) * batch.known
        return flow_loss(net, data, batch.columns, yes, mask, weight, generator, recipe.early)

    def check(net: UNet) -> dict[str, float]:
        with torch.no_grad(), autocast_for(device):
            return {"held_out": float(np.mean([loss(net, batch, n).item() for n, batch in enumerate(held_out)]))}

    def loss_of(step: int) -> dict[str, Tensor]:
        return {"loss": loss(net, batches[step].to(device), recipe.seed * 1_000_003 + step)}

    return train(net, loss_of, recipe.flow_schedule, folder, "flow", device, check)


_GROUND_CHANNELS = [name for name in COLUMNS if name.startswith("ground_")]


def given_masks(b: int, nx: int, ny: int, share: float, generator: torch.Generator) -> Tensor:
    """Masks (B, 1, nx, ny) of latents that are given: one side of a line for a share of them, else none."""
    i, j = torch.arange(nx)[:, None] - 0.5 * nx, torch.arange(ny)[None, :] - 0.5 * ny
    masks = torch.zeros(b, 1, nx, ny)
    for n in range(b):
        u = torch.rand(3, generator=generator)
        if u[0] < share:
            angle, away = 2.0 * torch.pi * u[1], (0.8 * u[2] - 0.4) * nx
            masks[n, 0] = (i * angle.cos() + j * angle.sin() > away).float()
    return masks


def save_appearance(
    folder: Path, recipe: AppearanceRecipe, vae: PaintVae, flow: UNet, facts: dict[str, Any], card: str
) -> None:
    """Write both networks as a model of the zoo; arguments as for `save_occupancy`."""
    engine = {"steps": recipe.steps, "shift": recipe.shift, "recorded": recipe.recorded, "grain": recipe.grain_shown}
    sizes = {"vae": plain_sizes(recipe.vae), "flow": plain_sizes(recipe.net)}
    config = sizes | {"engine": engine, "training": facts}
    save_networks(folder, config, {"vae": vae, "flow": flow}, card)
