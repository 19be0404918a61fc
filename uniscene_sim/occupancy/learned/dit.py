"""A diffusion transformer that predicts the velocity of latents: AdaLN-Zero with one modulation shared by all blocks,
rotary position embedding in two dimensions, SwiGLU (AnyScene's DiT). The layout comes as channels of each token
(UniScene) or as tokens of its own that all attend to (AnyScene)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.layers import (
    LayoutEmbedding,
    rope_2d,
    rotary_attention,
    time_features,
    zero_initialised,
)

__all__ = ["DiT", "DiTConfig"]


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of a `DiT`."""

    latent: int = 6
    patch: int = 4  # cells of the layout along a latent cell
    token: int = 2  # latent cells along a token
    width: int = 256
    depth: int = 8
    heads: int = 4
    layout_width: int = 16
    joined: bool = False  # layout tokens beside those of latents in attention
    channels: tuple[str, ...] = CONDITION_CHANNELS


class _DiTBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.back = nn.Linear(width, 5 * width), nn.Linear(5 * width // 2, width)
        self.own = nn.Parameter(torch.zeros(6 * width))  # what this block adds to the shared modulation

    def forward(self, x: Tensor, modulation: Tensor, angles: Tensor) -> Tensor:
        s1, b1, g1, s2, b2, g2 = (modulation + self.own)[:, None].chunk(6, dim=2)
        h = F.layer_norm(x, x.shape[-1:]) * (1 + s1) + b1
        x = x + g1 * self.out(rotary_attention(self.qkv(h), self.heads, angles))
        h = F.layer_norm(x, x.shape[-1:]) * (1 + s2) + b2
        gate, value = self.gate(h).chunk(2, dim=2)
        out: Tensor = x + g2 * self.back(F.silu(gate) * value)
        return out


class DiT(nn.Module):
    """A `FlowNet`."""

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.config = c = config
        self.layout = LayoutEmbedding(len(c.channels), c.layout_width, c.patch * c.token, c.width)
        self.stem = nn.Conv2d((2 * c.latent + 1) * c.token**2, c.width, 1)
        self.time = nn.Sequential(
            nn.Linear(c.width, c.width), nn.SiLU(), zero_initialised(nn.Linear(c.width, 6 * c.width))
        )
        nn.init.zeros_(self.time[2].bias)  # type: ignore[arg-type]
        self.of_layout = nn.Parameter(torch.zeros(c.width)) if c.joined else None
        self.blocks = nn.ModuleList(_DiTBlock(c.width, c.heads) for _ in range(c.depth))
        self.head = zero_initialised(nn.Linear(c.width, c.latent * c.token**2))

    def forward(self, x: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """Velocity (B, c, x, y).

        Args:
            x, t, layout, has_layout, known, mask: as in `FlowNet`.
        """
        c = self.config
        stacked = torch.cat([x, known, mask], dim=1)
        h, told = self.stem(F.pixel_unshuffle(stacked, c.token)), self.layout(layout, has_layout)
        b, _, nx, ny = h.shape
        angles = rope_2d(nx, ny, c.width // c.heads, x.device)
        modulation = self.time(time_features(t, c.width))
        tokens = (h + told).flatten(2).transpose(1, 2)
        if c.joined:
            angles = torch.cat([angles, angles])
            tokens = torch.cat([h.flatten(2).transpose(1, 2), told.flatten(2).transpose(1, 2) + self.of_layout], dim=1)
        for block in self.blocks:
            tokens = block(tokens, modulation, angles)
        tokens = tokens[:, : nx * ny]
        out = self.head(F.layer_norm(tokens, tokens.shape[-1:]))
        return F.pixel_shuffle(out.transpose(1, 2).reshape(b, -1, nx, ny), c.token)
