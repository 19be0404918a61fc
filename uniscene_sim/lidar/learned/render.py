"""Volume rendering of signed distances, UniScene's equations 9 and 10 (as NeuS has them)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["render_weights", "rendered_depth", "surface_sample"]


def render_weights(distance: Tensor, sharpness: Tensor) -> Tensor:
    """Equation 9: how much each sample counts (R, n), with a sum of 1.

    With Phi the sigmoid, alpha_i = max((Phi(k s_i) - Phi(k s_i+1)) / Phi(k s_i), 0), and w_i is alpha_i times the
    product of 1 - alpha_j over the samples before it. What is behind the last sample is solid.

    Args:
        distance: s (R, n), signed, positive before the surface.
        sharpness: k.
    """
    phi = F.logsigmoid(sharpness * distance)  # far behind the surface Phi itself is 0
    alpha = -torch.expm1((phi[:, 1:] - phi[:, :-1]).clamp_max(0.0))
    alpha = torch.cat([alpha, torch.ones_like(alpha[:, :1])], dim=1)
    through = torch.cumprod(1.0 - alpha, dim=1)
    return alpha * torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], dim=1)


def rendered_depth(weights: Tensor, t: Tensor) -> Tensor:
    """Equation 10: the range (R,) that samples at t (R, n) give together."""
    return (weights * t).sum(dim=1)


def surface_sample(weights: Tensor, t: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    """Which sample (R,) holds the median of the weights, and equation 10 over that and its neighbours.

    Where a ray may meet an object or what is behind it, the mean of both is a point in the air between them.

    Args:
        apart: how far samples of one surface lie from each other (R, n), m.
    """
    middle = (weights.cumsum(dim=1) < 0.5).sum(dim=1).clamp_max(weights.shape[1] - 1)[:, None]
    near = (t - t.gather(1, middle)).abs() <= 2.01 * apart.gather(1, middle)
    kept = weights * near
    return middle[:, 0], (kept * t).sum(dim=1) / kept.sum(dim=1)
