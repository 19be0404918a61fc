"""A convolutional U-Net that predicts the velocity of latents, with attention at its lowest resolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.layers import (
    LayoutEmbedding,
    PixelNorm,
    ResBlock,
    rope_2d,
    rotary_attention,
    time_features,
    zero_initialised,
)

__all__ = ["UNet", "UNetConfig"]


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of a `UNet`."""

    latent: int = 6
    patch: int = 4  # cells of the layout along a latent cell
    widths: tuple[int, int] = (128, 224)
    blocks: tuple[int, int, int] = (2, 3, 2)  # going down, at the bottom, going up
    layout_width: int = 16
    attention: bool = True  # without, what is far away does not matter
    channels: tuple[str, ...] = CONDITION_CHANNELS


class _Attention(nn.Module):
    """Attention between all places."""

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv = PixelNorm(width), nn.Linear(width, 3 * width)
        self.out = zero_initialised(nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        b, c, nx, ny = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        mixed = self.out(rotary_attention(self.qkv(tokens), self.heads, rope_2d(nx, ny, c // self.heads, x.device)))
        out: Tensor = x + mixed.transpose(1, 2).view(b, c, nx, ny)
        return out


class UNet(nn.Module):
    """A `FlowNet`."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = c = config
        top, bottom = c.widths
        self.layout = LayoutEmbedding(len(c.channels), c.layout_width, c.patch, top)
        self.stem = nn.Conv2d(2 * c.latent + 1, top, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(top, top), nn.SiLU(), nn.Linear(top, top), nn.SiLU())
        self.falling = nn.ModuleList(ResBlock(top, top) for _ in range(c.blocks[0]))
        self.down = nn.Conv2d(4 * top, bottom, 1)
        self.bottom = nn.ModuleList(ResBlock(bottom, top) for _ in range(c.blocks[1]))
        self.attention = _Attention(bottom) if c.attention else None
        self.up = nn.Conv2d(bottom, 4 * top, 1)
        self.join = nn.Conv2d(2 * top, top, 1)
        self.rising = nn.ModuleList(ResBlock(top, top) for _ in range(c.blocks[2]))
        self.head = nn.Sequential(PixelNorm(top), nn.SiLU(), nn.Conv2d(top, c.latent, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """Velocity (B, c, x, y).

        Args:
            x, t, layout, has_layout, known, mask: as in `FlowNet`.
        """
        cond = self.time(time_features(t, self.config.widths[0]))
        h = self.stem(torch.cat([x, known, mask], dim=1)) + self.layout(layout, has_layout)
        for block in self.falling:
            h = block(h, cond)
        nx, ny = h.shape[2:]
        low = self.down(F.pixel_unshuffle(F.pad(h, (0, ny % 2, 0, nx % 2)), 2))
        for number, block in enumerate(self.bottom):
            low = block(low, cond)
            if number == 0 and self.attention is not None:
                low = self.attention(low)
        h = self.join(torch.cat([h, F.pixel_shuffle(self.up(low), 2)[:, :, :nx, :ny]], dim=1))
        for block in self.rising:
            h = block(h, cond)
        out: Tensor = self.head(h)
        return out
