"""What transformers over space and time share: folding into tokens, places and times of tokens, and their block."""

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
    rope,
    rope_2d,
    rotary_attention,
    rotate,
    time_features,
    zero_initialised,
)

__all__ = ["ClipNet", "ClipNetConfig", "FlowTime", "SpaceTimeBlock", "fold_tokens", "near", "places", "unfold_tokens",
           "when"]  # fmt: skip

_PERIOD_S = 0.5  # between frames of training; attention over time counts in these
_PARTS = 9  # scale, shift and gate of three parts of a block


@dataclass(frozen=True)
class ClipNetConfig:
    """Sizes that all transformers over clips have."""

    latent: int = 16
    patch: int = 4  # cells of the layout along a latent cell
    token: int = 2  # latent cells along a token
    width: int = 192
    depth: int = 6
    heads: int = 4
    reach: int = 11  # tokens: how far attention goes in space, the side of a crop of training
    layout_width: int = 16
    fine: int = 0  # channels of convolutions at latent cells, finer than tokens; 0: none
    temporal: bool = True  # attention over time; without it, frames do not know each other
    learned_empty: bool = True  # an embedding of cells where the layout has nothing
    channels: tuple[str, ...] = CONDITION_CHANNELS


class FlowTime(nn.Sequential):
    """The modulation that all blocks share, (B, F, 9 width), of times of the flow (B, F); zero at first."""

    def __init__(self, width: int):
        last = zero_initialised(nn.Linear(width, _PARTS * width))
        nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(width, width), nn.SiLU(), last)
        self.width = width

    def forward(self, t: Tensor) -> Tensor:
        out: Tensor = super().forward(time_features(t.flatten(), self.width))
        return out.view(*t.shape, -1)


def fold_tokens(latents: Tensor, token: int) -> Tensor:
    """Tokens (B, F, N, c token^2) of latents (B, F, c, x, y)."""
    b, frames = latents.shape[:2]
    folded = F.pixel_unshuffle(latents.flatten(0, 1), token).flatten(2).transpose(1, 2)
    return folded.view(b, frames, *folded.shape[1:])


def unfold_tokens(tokens: Tensor, like: Tensor, token: int) -> Tensor:
    """The inverse of `fold_tokens`, for as many frames and latent cells as `like`, (B, F, ..., x, y), has."""
    (b, frames), (nx, ny) = like.shape[:2], like.shape[-2:]
    rows = tokens.flatten(0, 1).transpose(1, 2).reshape(b * frames, -1, nx // token, ny // token)
    unfolded: Tensor = F.pixel_shuffle(rows, token).unflatten(0, (b, frames))
    return unfolded


def places(latents: Tensor, token: int, head: int) -> Tensor:
    """Rotary angles (N, head / 2) of the tokens of latents (..., x, y) in space."""
    nx, ny = (n // token for n in latents.shape[-2:])
    return rope_2d(nx, ny, head, latents.device)


def near(latents: Tensor, token: int, reach: int) -> Tensor | None:
    """Which tokens (N, N) of latents (..., x, y) are at most `reach` tokens apart along both axes; None if all are.

    A network knows no distances beyond those of the crops it learned from: what lies farther away must not be seen.
    """
    nx, ny = (n // token for n in latents.shape[-2:])
    if max(nx, ny) <= reach + 1:
        return None
    i, j = (torch.arange(n, device=latents.device) for n in (nx, ny))
    rows, columns = (i[:, None] - i).abs() <= reach, (j[:, None] - j).abs() <= reach
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(nx * ny, nx * ny)


def when(seconds: Tensor, head: int) -> Tensor:
    """Rotary angles (B, F, head / 2) of times (B, F), s."""
    return rope(seconds.flatten() / _PERIOD_S, head).view(*seconds.shape, -1)


class SpaceTimeBlock(nn.Module):
    """Attention in space, attention over time, SwiGLU; the time of the flow modulates and gates each (AdaLN-Zero)."""

    def __init__(self, width: int, heads: int, temporal: bool):
        super().__init__()
        self.heads, self.temporal = heads, temporal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        if temporal:
            self.qkv_time, self.out_time = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.back = nn.Linear(width, 5 * width), nn.Linear(5 * width // 2, width)
        self.own = nn.Parameter(torch.zeros(_PARTS * width))  # what this block adds to the shared modulation

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        places: Tensor,
        when: Tensor,
        past: tuple[Tensor, Tensor] | None,
        sees: Tensor,
        close: Tensor | None = None,
        count: int | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (B, F, N, width) after the block, and their keys and values in time, (B, F, n, width).

        Args:
            x: (B, F, N, width).
            modulation: (B, F, 9 width), of `FlowTime`.
            places: (N, head / 2), angles of tokens in space.
            when: (B, F, head / 2), angles of frames in time.
            past: keys and values (B, P, n, width) of known frames.
            sees: bool (F, P + F) or (B, F, P + F), which frames each frame sees.
            close: bool (N, N), which tokens see each other in space; None if all do.
            count: n, how many of the tokens, the first, take part in time; None for all.
        """
        total, width = x.shape[2:]
        s1, b1, g1, s2, b2, g2, s3, b3, g3 = (modulation + self.own)[:, :, None].chunk(_PARTS, dim=3)
        h = F.layer_norm(x, (width,)) * (1 + s1) + b1
        x = x + g1 * self.out(rotary_attention(self.qkv(h).flatten(0, 1), self.heads, places, close)).view_as(x)
        key = value = x.new_zeros(0)
        if self.temporal:
            n = total if count is None else count
            h = F.layer_norm(x[:, :, :n], (width,)) * (1 + s2) + b2
            query, key, value = self.qkv_time(h).chunk(3, dim=3)
            key = self._turned(key, when)
            keys, values = (key, value) if past is None else (
                torch.cat([past[0], key], dim=1), torch.cat([past[1], value], dim=1))  # fmt: skip
            seen = self._over_time(self._turned(query, when), keys, values, sees)
            late = g2 * self.out_time(seen)
            x = x + late if n == total else torch.cat([x[:, :, :n] + late, x[:, :, n:]], dim=2)
        h = F.layer_norm(x, (width,)) * (1 + s3) + b3
        gate, up = self.gate(h).chunk(2, dim=3)
        return x + g3 * self.back(F.silu(gate) * up), key, value

    def _turned(self, x: Tensor, when: Tensor) -> Tensor:
        """Keys or queries (B, F, n, width) turned by the angles (B, F, head / 2) of their frames."""
        b, frames, n, width = x.shape
        heads = x.view(b, frames, n, self.heads, width // self.heads)
        return rotate(heads, when[:, :, None, None]).view_as(x)

    def _over_time(self, query: Tensor, key: Tensor, value: Tensor, sees: Tensor) -> Tensor:
        """Attention (B, F, n, width) at each place of queries (B, F, n, width) to keys and values (B, T, n, width)."""
        b, frames, n, width = query.shape
        head = width // self.heads
        q, k, v = (each.view(b, -1, n, self.heads, head).permute(0, 2, 3, 1, 4) for each in (query, key, value))
        mask = (sees.expand(b, frames, -1) if sees.dim() == 2 else sees)[:, None, None]
        # Of a few frames: kernels for long sequences take nearly twice as long.
        scores = (q @ k.transpose(-1, -2)).float() / head**0.5
        out = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1).to(v.dtype) @ v
        mixed: Tensor = out.permute(0, 3, 1, 2, 4).reshape(b, frames, n, width)
        return mixed


class ClipNet(nn.Module):
    """What transformers over clips are made of: an embedding of layouts, a stem of latents and of where they are known,
    blocks, and a head that is zero at first."""

    def __init__(self, config: ClipNetConfig):
        super().__init__()
        c = config
        self.token = c.token
        self.layout = LayoutEmbedding(len(c.channels), c.layout_width, c.patch * c.token, c.width, c.learned_empty)
        self.stem = nn.Linear((c.latent + 1) * c.token**2, c.width)
        self.time = FlowTime(c.width)
        self.blocks = nn.ModuleList(SpaceTimeBlock(c.width, c.heads, c.temporal) for _ in range(c.depth))
        self.head = zero_initialised(nn.Linear(c.width, c.latent * c.token**2))
        self.fine = _Fine(c) if c.fine else None

    def velocity(self, tokens: Tensor, latents: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor) -> Tensor:
        """Velocity (B, F, c, x, y) of what the blocks made, tokens (B, F, N, width).

        Args:
            tokens: of the latents.
            latents: (B, F, c, x, y), that the blocks were given.
            t: (B, F), their time.
            layout: (B, F, C, X, Y) multi-hot.
            has_layout: (B F,) bool, whether it is given.
        """
        tokens = F.layer_norm(tokens, tokens.shape[-1:])
        out: Tensor = unfold_tokens(self.head(tokens), latents, self.token)
        return out if self.fine is None else out + self.fine(tokens, latents, t, layout, has_layout)


class _Fine(nn.Module):
    """Convolutions at latent cells, over what the tokens say of them, the latents, and the layout; zero at first."""

    def __init__(self, config: ClipNetConfig):
        super().__init__()
        c = config
        self.token, self.width = c.token, c.width
        self.of_tokens = nn.Linear(c.width, c.fine * c.token**2)
        self.of_latents = nn.Conv2d(c.latent, c.fine, 1)
        self.layout = LayoutEmbedding(len(c.channels), c.layout_width, c.patch, c.fine, c.learned_empty)
        self.blocks = nn.ModuleList(ResBlock(c.fine, c.width) for _ in range(2))
        self.norm, self.out = PixelNorm(c.fine), nn.Conv2d(c.fine, c.latent, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, latents: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor) -> Tensor:
        """What is added to the velocity, (B, F, c, x, y); arguments as of `ClipNet.velocity`."""
        x = unfold_tokens(self.of_tokens(tokens), latents, self.token).flatten(0, 1)
        x = x + self.of_latents(latents.flatten(0, 1)) + self.layout(layout.flatten(0, 1), has_layout)
        now = time_features(t.flatten(), self.width)
        for block in self.blocks:
            x = block(x, now)
        out: Tensor = self.out(F.silu(self.norm(x))).view(latents.shape)
        return out
