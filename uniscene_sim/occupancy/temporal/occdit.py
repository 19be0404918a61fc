"""`OccDiT`: AnyScene's spatial-temporal occupancy diffusion transformer, causal in time.

Two streams go through the same blocks. The clean stream holds frames that are known, in training the true ones (teacher
forcing), later those that were generated; each frame sees itself and earlier ones. The noisy stream holds the frames
to be generated: in space, the tokens of a frame see each other and the tokens of the layout, to which they are
joined; in time, each sees the clean tokens of earlier frames at its place. So the clean stream is the cache of keys and
values that autoregressive inference goes on from.

Attention over time is gated by zero at first: a network trained on single frames goes on with clips from where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uniscene_sim.occupancy.temporal.space_time import (
    ClipNet,
    ClipNetConfig,
    fold_tokens,
    near,
    places,
    when,
)

__all__ = ["Memory", "OccDiT", "OccDiTConfig"]


@dataclass(frozen=True)
class OccDiTConfig(ClipNetConfig):
    """Sizes of an `OccDiT`."""

    joined: bool = True  # layout tokens beside those of latents in attention; otherwise added to them


@dataclass(frozen=True)
class Memory:
    """What the noisy stream sees of P known frames: keys and values of each block."""

    keys: Sequence[Tensor]  # (B, P, N, width)
    values: Sequence[Tensor]  # (B, P, N, width)


class OccDiT(ClipNet):
    """Velocity of latents of F frames, given the layouts and earlier frames."""

    def __init__(self, config: OccDiTConfig):
        super().__init__(config)
        self.config = config
        self.of_layout = nn.Parameter(torch.zeros(config.width))

    def remember(self, clean: Tensor, known: Tensor, level: Tensor, seconds: Tensor) -> Memory:
        """The clean stream.

        Args:
            clean: (B, P, c, x, y) latents of known frames, oldest first, 0 where they are not known.
            known: (B, P, 1, x, y), 1 where they are known.
            level: (B, P) time of the flow that they are at: 1 but for noise added to them.
            seconds: (B, P) of each frame.
        """
        frames = clean.shape[1]
        earlier = torch.ones(frames, frames, dtype=torch.bool, device=clean.device).tril()
        tokens = self._tokens(clean, known)
        modulation, head = self.time(level), self.config.width // self.config.heads
        at, since = places(clean, self.config.token, head), when(seconds, head)
        close = near(clean, self.config.token, self.config.reach)
        keys, values = [], []
        for block in self.blocks:
            tokens, key, value = block(tokens, modulation, at, since, None, earlier, close)
            keys.append(key)
            values.append(value)
        return Memory(keys, values)

    def forward(
        self,
        noisy: Tensor,
        t: Tensor,
        layout: Tensor,
        has_layout: Tensor,
        seconds: Tensor,
        memory: Memory | None = None,
        sees: Tensor | None = None,
    ) -> Tensor:
        """Velocity (B, F, c, x, y), data - noise.

        Args:
            noisy: (B, F, c, x, y) latents at time t.
            t: (B, F) in [0, 1]; 0 is noise.
            layout: (B, F, C, X, Y) multi-hot.
            has_layout: (B,) bool, whether the layouts are given (False for guidance).
            seconds: (B, F) of each frame.
            memory: of P known frames, None for none.
            sees: (B, F, P) bool, which known frames each frame sees.
        """
        c, head = self.config, self.config.width // self.config.heads
        b, frames = noisy.shape[:2]
        tokens = self._tokens(noisy, torch.zeros_like(noisy[:, :, :1]))
        has_layout = has_layout.repeat_interleave(frames)
        told = self.layout(layout.flatten(0, 1), has_layout)
        told = told.flatten(2).transpose(1, 2).view(b, frames, -1, c.width)
        count, at, close = tokens.shape[2], places(noisy, c.token, head), near(noisy, c.token, c.reach)
        if c.joined:
            tokens, at = torch.cat([tokens, told + self.of_layout], dim=2), torch.cat([at, at])
            close = None if close is None else close.tile(2, 2)
        else:
            tokens = tokens + told
        modulation, since = self.time(t), when(seconds, head)
        seen = torch.eye(frames, dtype=torch.bool, device=noisy.device).expand(b, frames, frames)
        if memory is not None and sees is not None:
            seen = torch.cat([sees, seen], dim=2)
        for n, block in enumerate(self.blocks):
            past = None if memory is None else (memory.keys[n], memory.values[n])
            tokens, _, _ = block(tokens, modulation, at, since, past, seen, close, count)
        return self.velocity(tokens[:, :, :count], noisy, t, layout, has_layout)

    def _tokens(self, latents: Tensor, known: Tensor) -> Tensor:
        """Tokens (B, F, N, width) of latents (B, F, c, x, y) and where they are known (B, F, 1, x, y)."""
        tokens: Tensor = self.stem(fold_tokens(torch.cat([latents, known], dim=2), self.config.token))
        return tokens
