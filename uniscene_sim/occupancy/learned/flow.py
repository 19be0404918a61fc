"""Rectified flow over latents (AnyScene's flow matching): straight paths from noise to data, sampled by Euler steps.

A network behind `FlowNet` predicts the velocity data - noise at time t, where t = 0 is noise and t = 1 data. Known
latents go in beside the noisy ones, so the same network generates a scene, or the rest of one.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["FlowNet", "flow_loss", "sample"]


class FlowNet(Protocol):
    """Velocity of latents.

    Args of a call:
        x: (B, c, x, y) noisy latents.
        t: (B,) time in [0, 1].
        layout: (B, C, X, Y) multi-hot.
        told: (B,) bool, whether the layout is known (False for guidance).
        known: (B, c, x, y) latents given, 0 where none.
        mask: (B, 1, x, y), 1 where they are given.
    """

    def __call__(self, x: Tensor, t: Tensor, layout: Tensor, told: Tensor, known: Tensor, mask: Tensor) -> Tensor: ...


def flow_loss(
    net: FlowNet,
    data: Tensor,
    layout: Tensor,
    told: Tensor,
    mask: Tensor,
    weight: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean squared error of the velocity at logit-normal times, over cells that are not given.

    Args:
        data: (B, c, x, y) latents at unit variance.
        mask: (B, 1, x, y), 1 where latents are given.
        weight: (B, 1, x, y) of each cell.
    """
    b = len(data)
    t = torch.sigmoid(torch.randn(b, generator=generator).to(data.device))
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    at = t[:, None, None, None]
    velocity = net((1 - at) * noise + at * data, t, layout, told, data * mask, mask)
    weight = weight * (1 - mask)
    error = ((velocity.float() - (data - noise)) ** 2).mean(dim=1, keepdim=True)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)


def sample(
    net: FlowNet, noise: Tensor, layout: Tensor, known: Tensor, mask: Tensor, steps: int, guidance: float
) -> Tensor:
    """Latents (B, c, x, y) from noise in Euler steps, with classifier-free guidance where it is not 1.

    What is given is returned as it is.
    """
    b = len(noise)
    yes = torch.ones(b, dtype=torch.bool, device=noise.device)
    known = known * mask
    x = noise
    for step in range(steps):
        t = torch.full((b,), step / steps, device=noise.device)
        # What is given moves on its own straight path, as in training.
        x = x * (1 - mask) + ((1 - step / steps) * noise + step / steps * known) * mask
        if guidance == 1.0:
            velocity = net(x, t, layout, yes, known, mask).float()
        else:
            twice = [torch.cat([a, a]) for a in (x, t, layout, known, mask)]
            x2, t2, layout2, known2, mask2 = twice
            told, untold = net(x2, t2, layout2, torch.cat([yes, ~yes]), known2, mask2).float().chunk(2)
            velocity = untold + guidance * (told - untold)
        x = x + velocity / steps
    return known + x * (1 - mask)
