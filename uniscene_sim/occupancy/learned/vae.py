"""`OccupancyVae`: labels to latents and back (UniScene, section 3.1; AnyScene's VAE).

Each class has an embedding; height is folded into channels, so all convolutions are two-dimensional. The decoder may
also use the layout, which is sharper than any latent; in part of the training, the layout is missing or wrong, so that
the latents must carry the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.layers import (
    AxialAttention,
    LayoutEmbedding,
    PixelNorm,
    ResBlock,
)
from uniscene_sim.taxonomy import OccClass

__all__ = ["OccupancyVae", "VaeConfig", "fold"]

_VOXELS = 32_768  # whose logits are made at once, so that they stay in a cache


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the VAE. Compression ratio as in OccWorld: X Y Z 8 / (x y c) with labels (X, Y, Z) and latents
    (c, x, y): 683 with 6 latent channels of 32 layers."""

    height: int = 32
    latent: int = 6
    embed: int = 4
    widths: tuple[int, int] = (64, 160)  # at 1/2 and at 1/4 of the resolution
    encoder_blocks: tuple[int, int] = (1, 2)
    decoder_blocks: tuple[int, int] = (2, 4)
    axial: bool = True  # attention along x and y in the encoder
    learned_embedding: bool = False  # of classes (AnyScene); otherwise it stays as drawn
    told: bool = True  # whether the decoder sees the layout; otherwise latents alone carry the scene
    layout_width: int = 16
    channels: tuple[str, ...] = CONDITION_CHANNELS

    #: Cells along a side of a latent cell.
    patch = 4

    @property
    def ratio(self) -> float:
        return self.height * 8 * self.patch**2 / self.latent


class OccupancyVae(nn.Module):
    """Labels uint8 (B, X, Y, Z) to latents (B, c, X/4, Y/4), and latents to features and logits."""

    embedding: Tensor
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VaeConfig):
        super().__init__()
        self.config = c = config
        half, quarter = c.widths
        classes = len(OccClass)
        drawn = torch.randn(classes, c.embed)
        if c.learned_embedding:
            self.embedding = nn.Parameter(drawn)
        else:
            self.register_buffer("embedding", drawn)
        self.stem = nn.Conv2d(4 * c.height * c.embed, half, 1)
        self.encoder_half = nn.ModuleList(ResBlock(half) for _ in range(c.encoder_blocks[0]))
        self.down = nn.Conv2d(4 * half, quarter, 1)
        self.encoder_quarter = nn.ModuleList(ResBlock(quarter) for _ in range(c.encoder_blocks[1]))
        self.encoder_axial = AxialAttention(quarter) if c.axial else None
        self.moments = nn.Sequential(PixelNorm(quarter), nn.Conv2d(quarter, 2 * c.latent, 1))

        if c.told:
            self.layout = LayoutEmbedding(len(c.channels), c.layout_width, 2, half)
            self.layout_down = nn.Conv2d(4 * half, quarter, 1)
        self.lift = nn.Conv2d(c.latent, quarter, 3, padding=1)
        self.decoder_quarter = nn.ModuleList(ResBlock(quarter) for _ in range(c.decoder_blocks[1]))
        self.up = nn.Conv2d(quarter, 4 * half, 1)
        self.decoder_half = nn.ModuleList(ResBlock(half) for _ in range(c.decoder_blocks[0]))
        self.head = nn.Sequential(PixelNorm(half), nn.Conv2d(half, 4 * c.height * 2 * c.embed, 1))
        self.classify = nn.Linear(2 * c.embed, classes)
        #: Mean and standard deviation of each latent channel over the training set, by which latents are normalised.
        self.register_buffer("latent_mean", torch.zeros(c.latent))
        self.register_buffer("latent_std", torch.ones(c.latent))

    def freeze_encoder(self) -> None:
        """Let no training change what labels are encoded to."""
        for part in (self.stem, self.encoder_half, self.down, self.encoder_quarter, self.encoder_axial, self.moments):
            if part is not None:
                part.requires_grad_(False)
        if isinstance(self.embedding, nn.Parameter):
            self.embedding.requires_grad_(False)

    def tell_nothing_yet(self) -> None:
        """Let the layout have no effect on the decoder until that is learned."""
        for parameter in self.layout.project.parameters():
            nn.init.zeros_(parameter)
        nn.init.zeros_(self.layout_down.bias)  # type: ignore[arg-type]

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of latents, (B, c, X/4, Y/4) each, not normalised, of labels uint8 (B, X, Y, Z)."""
        folded = fold(labels)
        embedded = self.embedding.index_select(0, folded.reshape(-1).int()).view(*folded.shape[:3], -1)
        x = self.stem(embedded.permute(0, 3, 1, 2))
        for block in self.encoder_half:
            x = block(x)
        x = self.down(F.pixel_unshuffle(x, 2))
        for block in self.encoder_quarter:
            x = block(x)
        if self.encoder_axial is not None:
            x = self.encoder_axial(x)
        mean, log_variance = self.moments(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)

    def features(self, latents: Tensor, layout: Tensor, has_layout: Tensor) -> Tensor:
        """Features (B X Y Z, 2 embed), in the order of `fold`, of latents (B, c, X/4, Y/4), not normalised, and a
        layout (B, C, X, Y), which counts where `has_layout`, bool (B,), is set, and is not read unless `told`."""
        beside = self.layout(layout, has_layout) if self.config.told else None
        x = self.lift(latents)
        if beside is not None:
            x = x + self.layout_down(F.pixel_unshuffle(beside, 2))
        for block in self.decoder_quarter:
            x = block(x)
        return self.features_from_quarter(x, beside)

    def features_from_quarter(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """Features, as `features` gives them, of what it has at a quarter of the resolution (B, width, X/4, Y/4).

        Args:
            x: at a quarter of the resolution.
            beside: embedding of the layout at half of it, if the decoder is told.
        """
        x = F.pixel_shuffle(self.up(x), 2)
        if beside is not None:
            x = x + beside
        for block in self.decoder_half:
            x = block(x)
        out: Tensor = self.head(x).permute(0, 2, 3, 1).reshape(-1, 2 * self.config.embed)
        return out

    def logits(self, features: Tensor) -> Tensor:
        """Logits (..., 21) of features (..., 2 embed)."""
        logits: Tensor = self.classify(features)
        return logits

    def decode(self, latents: Tensor, layout: Tensor, has_layout: Tensor) -> Tensor:
        """Labels uint8 (B, X, Y, Z), the likeliest of each voxel; arguments as `features`."""
        return self.labels_of(self.features(latents, layout, has_layout), latents)

    def labels_of(self, features: Tensor, latents: Tensor) -> Tensor:
        """Labels uint8 (B, X, Y, Z), the likeliest of each voxel, of the features of latents (B, c, X/4, Y/4)."""
        labels = torch.cat([self.logits(part).argmax(-1).to(torch.uint8) for part in features.split(_VOXELS)])
        b, _, nx, ny = latents.shape
        half = self.config.patch // 2
        return unfold(labels.view(b, half * nx, half * ny, 4 * self.config.height))

    def normalise(self, latents: Tensor) -> Tensor:
        """Latents (B, c, x, y) at zero mean and unit variance."""
        return (latents - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None]


def fold(labels: Tensor) -> Tensor:
    """Labels (B, X, Y, Z) as (B, X/2, Y/2, 4 Z): the columns of four adjacent cells as channels."""
    b, nx, ny, nz = labels.shape
    return labels.view(b, nx // 2, 2, ny // 2, 2, nz).permute(0, 1, 3, 2, 4, 5).reshape(b, nx // 2, ny // 2, 4 * nz)


def unfold(folded: Tensor) -> Tensor:
    """The inverse of `fold`."""
    b, nx, ny, nz = folded.shape
    return folded.view(b, nx, ny, 2, 2, nz // 4).permute(0, 1, 3, 2, 4, 5).reshape(b, 2 * nx, 2 * ny, nz // 4)
