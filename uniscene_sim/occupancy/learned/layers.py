"""Layers that the VAE and the flow share. Feature maps are (B, C, X, Y); norms are per pixel, so that the output at a
place does not depend on the size of the canvas."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "AxialAttention",
    "LayoutEmbedding",
    "PixelNorm",
    "ResBlock",
    "rope",
    "rope_2d",
    "rotary_attention",
    "rotate",
    "time_features",
    "zero_initialised",
]


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """Residual block of two 3x3 convolutions, scaled and shifted by a condition (B, `cond`) if there is one."""

    def __init__(self, width: int, cond: int = 0):
        super().__init__()
        self.norm1, self.norm2 = PixelNorm(width), PixelNorm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        self.modulate = nn.Linear(cond, 2 * width) if cond else None

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.norm2(h)
        if self.modulate is not None and cond is not None:
            scale, shift = self.modulate(cond)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        out: Tensor = x + self.conv2(F.silu(h))
        return out


def zero_initialised(layer: nn.Linear) -> nn.Linear:
    """A layer whose output is zero at first, so that its residual block begins as the identity."""
    nn.init.zeros_(layer.weight)
    return layer


def rope(positions: Tensor, width: int) -> Tensor:
    """Angles (N, width / 2) of rotary position embedding at positions (N,)."""
    frequency = 100.0 ** -(torch.arange(width // 2, device=positions.device) / (width // 2))
    return positions[:, None].float() * frequency


def rope_2d(nx: int, ny: int, width: int, device: torch.device) -> Tensor:
    """Angles (nx ny, width / 2) for tokens of a grid, by row: half of them for x, half for y.

    Args:
        nx, ny: tokens along x and y.
        width: of a head.
        device: of the result.
    """
    i, j = torch.meshgrid(torch.arange(nx, device=device), torch.arange(ny, device=device), indexing="ij")
    return torch.cat([rope(i.reshape(-1), width // 2), rope(j.reshape(-1), width // 2)], dim=1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Queries or keys (..., C) turned by rotary angles (..., C / 2)."""
    a, b = x.float().chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


def rotary_attention(qkv: Tensor, heads: int, angles: Tensor, sees: Tensor | None = None) -> Tensor:
    """Attention (B, N, C) of tokens (B, N, 3 C), query, key and value, with rotary angles (N, C / heads / 2); `sees`,
    bool (N, N), says which token sees which, None that all see all."""
    b, n, c = qkv.shape
    q, k, v = qkv.view(b, n, 3, heads, c // (3 * heads)).permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(rotate(q, angles), rotate(k, angles), v, attn_mask=sees)
    return out.transpose(1, 2).reshape(b, n, c // 3)


class AxialAttention(nn.Module):
    """Attention along x, then along y, with relative positions (the VAEs of AnyScene and UniScene)."""

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = nn.ModuleList(PixelNorm(width) for _ in range(2))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2))
        self.out = nn.ModuleList(zero_initialised(nn.Linear(width, width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for axis in range(2):
            lines = self.norm[axis](x).permute((0, 3, 2, 1) if axis == 0 else (0, 2, 3, 1))  # (B, other, along, C)
            b, m, n, c = lines.shape
            angles = rope(torch.arange(n, device=x.device), c // self.heads)
            mixed = self.out[axis](rotary_attention(self.qkv[axis](lines.reshape(b * m, n, c)), self.heads, angles))
            x = x + mixed.view(b, m, n, c).permute((0, 3, 2, 1) if axis == 0 else (0, 3, 1, 2))
        return x


class LayoutEmbedding(nn.Module):
    """Features of a multi-hot layout: a learned embedding for each channel, one for empty cells, and one for a layout
    that is not given (UniScene's layout encoder; for guidance, and for a decoder that must not rely on it).

    Args:
        channels: of the layout, C.
        width: of an embedding.
        fold: cells of the layout along a pixel of the features.
        out: channels of the features.
        learned_empty: whether empty cells have an embedding; otherwise theirs is zero.
    """

    def __init__(self, channels: int, width: int, fold: int, out: int, learned_empty: bool = True):
        super().__init__()
        self.fold, self.learned_empty = fold, learned_empty
        self.of_channel = nn.Parameter(torch.randn(channels + 1, width) * 0.3)
        self.unknown = nn.Parameter(torch.zeros(width))
        self.project = nn.Conv2d(width * fold * fold, out, 1)

    def forward(self, layout: Tensor, has_layout: Tensor) -> Tensor:
        """Features (B, out, X / fold, Y / fold) of a layout (B, C, X, Y); `has_layout`, bool (B,), says which are
        given."""
        table = self.of_channel.to(layout.dtype)
        embedded = torch.einsum("bcxy,ce->bexy", layout, table[:-1])
        if self.learned_empty:
            empty = (layout.amax(dim=1, keepdim=True) == 0).to(layout.dtype)
            embedded = embedded + empty * table[-1][:, None, None]
        embedded = torch.where(has_layout[:, None, None, None], embedded, self.unknown[:, None, None].to(layout.dtype))
        out: Tensor = self.project(F.pixel_unshuffle(embedded, self.fold))
        return out


def time_features(t: Tensor, width: int) -> Tensor:
    """Sines and cosines (B, width) of times (B,) in [0, 1]."""
    frequency = 1000.0 ** (torch.arange(width // 2, device=t.device) / (width // 2 - 1))
    angle = t[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
