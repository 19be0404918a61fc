"""Rectified flow over latents (AnyScene's flow matching): straight paths from noise to data, sampled by few steps that
also look back at the last velocity (Adams-Bashforth of second order).

A network behind `FlowNet` predicts the velocity data - noise at time t, where t = 0 is noise and t = 1 data. Known
latents are inputs besides the noisy ones, so that one network generates a scene or completes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["FlowNet", "flow_loss", "integrate", "sample"]

_UNIFORM = 0.15  # share of times of training that are drawn evenly, so that none is left out


class FlowNet(Protocol):
    """Velocity of latents.

    Args of a call:
        x: (B, c, x, y) noisy latents.
        t: (B,) time in [0, 1].
        layout: (B, C, X, Y) multi-hot.
        has_layout: (B,) bool, whether the layout is given (False for guidance).
        known: (B, c, x, y) given latents, 0 elsewhere.
        mask: (B, 1, x, y), 1 where they are given.
    """

    def __call__(
        self, x: Tensor, t: Tensor, layout: Tensor, has_layout: Tensor, known: Tensor, mask: Tensor
    ) -> Tensor: ...


def flow_loss(
    net: FlowNet,
    data: Tensor,
    layout: Tensor,
    has_layout: Tensor,
    mask: Tensor,
    weight: Tensor,
    generator: torch.Generator | None = None,
    early: float = 1.0,
) -> Tensor:
    """Mean squared error of the velocity at logit-normal times, over cells that are not given.

    Which houses there are is decided early, close to noise, since latents of one house repeat each other; so times are
    drawn there more often.

    Args:
        net: predicts the velocity.
        data: (B, c, x, y) latents at unit variance.
        layout: (B, C, X, Y) multi-hot.
        has_layout: (B,) bool, whether the layout is given.
        mask: (B, 1, x, y), 1 where latents are given.
        weight: (B, 1, x, y) of each cell.
        generator: of times and noise.
        early: how far times lie towards noise, in logits.
    """
    b = len(data)
    t = torch.sigmoid(torch.randn(b, generator=generator) - early)
    u = torch.rand(2, b, generator=generator)
    t = torch.where(u[0] < _UNIFORM, u[1], t).to(data.device)
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    at = t[:, None, None, None]
    velocity = net((1 - at) * noise + at * data, t, layout, has_layout, data * mask, mask)
    weight = weight * (1 - mask)
    error = ((velocity.float() - (data - noise)) ** 2).mean(dim=1, keepdim=True)
    return (error * weight).sum() / weight.sum().clamp(min=1.0)


def sample(
    net: FlowNet,
    noise: Tensor,
    layout: Tensor,
    known: Tensor,
    mask: Tensor,
    steps: int,
    guidance: float,
    shift: float = 1.0,
) -> Tensor:
    """Latents (B, c, x, y) from noise, with classifier-free guidance unless it is 1.

    The first step is Euler's; later ones go on as the velocity changed over the step before, at no cost. Given latents
    are returned unchanged.

    Args:
        net: predicts the velocity.
        noise: (B, c, x, y), standard normal.
        layout: (B, C, X, Y) multi-hot.
        known: (B, c, x, y), given latents.
        mask: (B, 1, x, y), 1 where they are given.
        steps: number of steps.
        guidance: weight of the condition; 1 is no guidance.
        shift: how much longer the last steps are than the first, which decide what there is; 1 for equal steps.
    """
    b = len(noise)
    yes = torch.ones(b, dtype=torch.bool, device=noise.device)
    known = known * mask

    def velocity(x: Tensor, now: float) -> Tensor:
        t = torch.full((b,), now, device=noise.device)
        # Given latents move on their own straight path, as in training.
        x = x * (1 - mask) + ((1 - now) * noise + now * known) * mask
        if guidance == 1.0:
            return net(x, t, layout, yes, known, mask).float()
        twice = [torch.cat([a, a]) for a in (x, t, layout, known, mask)]
        x2, t2, layout2, known2, mask2 = twice
        with_layout, without = net(x2, t2, layout2, torch.cat([yes, ~yes]), known2, mask2).float().chunk(2)
        return without + guidance * (with_layout - without)

    return known + integrate(velocity, noise, steps, shift) * (1 - mask)


def integrate(velocity_at: Callable[[Tensor, float], Tensor], noise: Tensor, steps: int, shift: float = 1.0) -> Tensor:
    """Latents from noise along a velocity: the first step is Euler's, later ones also look back at the last velocity.

    Args:
        velocity_at: function of latents and their time.
        noise: latents at time 0, of any shape.
        steps: number of steps.
        shift: how much longer the last steps are than the first; 1 for equal steps.
    """
    x, last, last_step = noise, None, 1.0
    for now, then in pairwise(_times(steps, shift)):
        velocity = velocity_at(x, now)
        step = then - now
        change = 0.0 if last is None else (velocity - last) / last_step
        x = x + step * (velocity + 0.5 * step * change)
        last, last_step = velocity, step
    return x


def _times(steps: int, shift: float) -> Iterator[float]:
    for step in range(steps + 1):
        yield step / (step + shift * (steps - step))
