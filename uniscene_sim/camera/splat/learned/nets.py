"""`PaintVae`: colours of a tile's splats to latents of columns of 1.6 m, and back.

The encoder gathers what each splat shows into columns (as a pillar encoder gathers points); the decoder is a field: it
says the colour at any place, class and direction of a column, so splats of all sizes have one. Beside, it says how
much colours differ there in a way that it cannot tell, which is the grain of a surface, and whether a surface is a
window pane, which mirrors the sky and may be lit at night.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.camera.splat.learned.conditions import COLUMN_M, COLUMNS
from uniscene_sim.occupancy.learned.layers import PixelNorm, ResBlock
from uniscene_sim.taxonomy import OccClass

__all__ = ["PaintVae", "PaintVaeConfig", "Painted", "Points", "points_of"]

_WAVES_M = (0.8, 1.6, 3.1, 6.2, 12.4)  # of heights; a storey has 3.1 m
_LOCAL = 9 + 2 * len(_WAVES_M)


@dataclass(frozen=True)
class PaintVaeConfig:
    """Sizes of the VAE."""

    latent: int = 12
    width: int = 64
    fine: int = 32  # channels of the decoder's features, at 0.8 m
    hidden: int = 96  # of the field
    embed: int = 12  # of a class
    encoder_blocks: int = 3
    decoder_blocks: int = 4

    #: Columns along a side of a latent cell.
    patch = 2


class Points(NamedTuple):
    """P splats of each of B canvases, as the networks see them."""

    label: Tensor  # int64 (B, P)
    local: Tensor  # float (B, P, _LOCAL)
    at: Tensor  # float (B, P, 2), columns from the canvas's corner


class Painted(NamedTuple):
    """What P splats of each of B canvases look like."""

    colours: Tensor  # float (B, P, 3) in [0, 1], as 8-bit codes go
    spread: Tensor  # float (B, P), standard deviations of what colours do not tell
    pane: Tensor  # float (B, P), logits of being a window pane


def points_of(label: Tensor, place: Tensor, normal: Tensor, size: Tensor) -> Points:
    """Splats as `Points`.

    Args:
        label: uint8 (B, P), OccClass.
        place: float (B, P, 3) m: x, y from the canvas's corner, height above the ground.
        normal: float (B, P, 3), zero where two-sided.
        size: float (B, P) m.
    """
    at, height = place[..., :2] / COLUMN_M, place[..., 2:]
    within = 2.0 * (at - at.floor()) - 1.0
    angle = height * (2.0 * torch.pi / torch.tensor(_WAVES_M, device=place.device))
    two_sided = (normal.abs().amax(dim=-1, keepdim=True) == 0).to(place.dtype)
    octave = (size[..., None] / 0.1).clamp(min=0.3).log2()
    parts = [normal, two_sided, within, height / 10.0, octave, within.prod(dim=-1, keepdim=True), angle.sin(),
             angle.cos()]  # fmt: skip
    return Points(label.long(), torch.cat(parts, dim=-1), at)


class PaintVae(nn.Module):
    """Colours as 8-bit codes go, in [0, 1] (B, P, 3), to latents (B, c, x, y), and latents to colours."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: PaintVaeConfig):
        super().__init__()
        self.config = c = config
        channels, folded = len(COLUMNS), c.patch**2
        self.of_class = nn.Embedding(len(OccClass), c.embed)
        self.gather = nn.Sequential(
            nn.Linear(c.embed + _LOCAL + 3, c.width), nn.SiLU(), nn.Linear(c.width, c.fine), nn.SiLU()
        )
        self.stem = nn.Conv2d((c.fine + 1 + channels) * folded, c.width, 1)
        self.encoder = nn.ModuleList(ResBlock(c.width) for _ in range(c.encoder_blocks))
        self.moments = nn.Sequential(PixelNorm(c.width), nn.Conv2d(c.width, 2 * c.latent, 1))

        self.embed_columns = nn.Conv2d(channels * folded, c.width, 1)
        self.lift = nn.Conv2d(c.latent, c.width, 3, padding=1)
        self.decoder = nn.ModuleList(ResBlock(c.width) for _ in range(c.decoder_blocks))
        self.up = nn.Sequential(PixelNorm(c.width), nn.Conv2d(c.width, c.fine * folded, 1))
        self.field_in = nn.Linear(c.fine + c.embed + _LOCAL, c.hidden)
        self.field_hidden = nn.Linear(c.hidden + c.fine, c.hidden)
        self.field_out = nn.Linear(c.hidden, 5)
        #: Mean and standard deviation of each latent channel over the training set, by which latents are normalised.
        self.register_buffer("latent_mean", torch.zeros(c.latent))
        self.register_buffer("latent_std", torch.ones(c.latent))

    def encode(self, columns: Tensor, points: Points, colours: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of latents, (B, c, X / 2, Y / 2) each, not normalised.

        Args:
            columns: float (B, C, X, Y), see `conditions.columns_of`.
            points: those whose colours are known.
            colours: float (B, P, 3).
        """
        b, _, nx, ny = columns.shape
        seen = self.gather(torch.cat([self.of_class(points.label), points.local, 2.0 * colours - 1.0], dim=-1)).float()
        i, j = (points.at[..., k].long().clamp(0, n - 1) for k, n in ((0, nx), (1, ny)))
        cell = ((torch.arange(b, device=i.device)[:, None] * nx + i) * ny + j).reshape(-1)
        ones = seen.new_ones(*seen.shape[:2], 1)
        sums = seen.new_zeros(b * nx * ny, seen.shape[-1] + 1)
        sums = sums.index_add(0, cell, torch.cat([seen, ones], dim=-1).reshape(-1, seen.shape[-1] + 1))
        count = sums[:, -1:]
        grid = torch.cat([sums[:, :-1] / count.clamp(min=1.0), count / (count + 4.0)], dim=1)
        grid = grid.view(b, nx, ny, -1).permute(0, 3, 1, 2)
        x = self.stem(F.pixel_unshuffle(torch.cat([grid, columns], dim=1), self.config.patch))
        for block in self.encoder:
            x = block(x)
        mean, log_variance = self.moments(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)

    def features(self, latents: Tensor, columns: Tensor) -> Tensor:
        """Features (B, fine, X, Y) of latents (B, c, X / 2, Y / 2), not normalised, and columns (B, C, X, Y)."""
        x = self.lift(latents) + self.embed_columns(F.pixel_unshuffle(columns, self.config.patch))
        for block in self.decoder:
            x = block(x)
        out: Tensor = F.pixel_shuffle(self.up(x), self.config.patch)
        return out

    def colours(self, features: Tensor, points: Points) -> Painted:
        """What surfaces look like.

        Args:
            features: (B, fine, X, Y) of `features`.
            points: any.
        """
        nx, ny = features.shape[2:]
        grid = torch.stack([2.0 * points.at[..., 1] / ny - 1.0, 2.0 * points.at[..., 0] / nx - 1.0], dim=-1)
        here = F.grid_sample(features, grid[:, None].to(features.dtype), padding_mode="border", align_corners=False)
        here = here[:, :, 0].transpose(1, 2)
        x = F.silu(self.field_in(torch.cat([here, self.of_class(points.label), points.local], dim=-1)))
        x = F.silu(self.field_hidden(torch.cat([x, here], dim=-1)))
        out = self.field_out(x).float()
        return Painted(torch.sigmoid(out[..., :3]), F.softplus(out[..., 3] - 3.0) + 1e-3, out[..., 4])

    def normalise(self, latents: Tensor) -> Tensor:
        """Latents (B, c, x, y) at zero mean and unit variance."""
        return (latents - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
