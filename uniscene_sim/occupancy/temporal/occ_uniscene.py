"""`OccUniScene`: UniScene's spatial-temporal occupancy diffusion transformer (section 3.1).

All frames of a clip are generated at once: layouts are joined to the noise volume as channels, and attention in space
and attention over time, in both directions, take turns. In the variant for forecasting, the first frames are given:
their latents stand in the volume as they are, at the end of the flow's path.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uniscene_sim.occupancy.temporal.space_time import (
    ClipNet,
    ClipNetConfig,
    fold_tokens,
    near,
    places,
    when,
)

__all__ = ["OccUniScene", "OccUniSceneConfig"]


@dataclass(frozen=True)
class OccUniSceneConfig(ClipNetConfig):
    """Sizes of an `OccUniScene`."""


class OccUniScene(ClipNet):
    """Velocity of latents of F frames, of which some are given."""

    def __init__(self, config: OccUniSceneConfig):
        super().__init__(config)
        self.config = config

    def forward(
        self, x: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor, seconds: Tensor, known: Tensor, sees: Tensor
    ) -> Tensor:
        """Velocity (B, F, c, x, y), data - noise; without meaning for frames that are given.

        Args:
            x: (B, F, c, x, y) latents: at time t, or given.
            t: (B, F) in [0, 1]; 0 is noise, 1 of frames that are given.
            layout: (B, F, C, X, Y) multi-hot.
            has_layout: (B,) bool, whether the layouts are given (False for guidance).
            seconds: (B, F) of each frame.
            known: (B, F, 1, x, y), 1 where latents are given.
            sees: (B, F, F) bool, which frames each frame sees.
        """
        c, head = self.config, self.config.width // self.config.heads
        frames = x.shape[1]
        has_layout = has_layout.repeat_interleave(frames)
        told = self.layout(layout.flatten(0, 1), has_layout)
        tokens = self.stem(fold_tokens(torch.cat([x, known], dim=2), c.token))
        tokens = tokens + told.flatten(2).transpose(1, 2).view_as(tokens)
        modulation, at, since = self.time(t), places(x, c.token, head), when(seconds, head)
        close = near(x, c.token, c.reach)
        for block in self.blocks:
            tokens, _, _ = block(tokens, modulation, at, since, None, sees, close)
        return self.velocity(tokens, x, t, layout, has_layout)
