"""Volume rendering of signed distances: UniScene's equations 9 and 10, after NeuS."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["render_weights", "rendered_depth", "surface_sample"]


def render_weights(distance: Tensor, sharpness: Tensor) -> Tensor:
    """Equation 9: weights (R, n) of the samples, which sum to 1.

    With Phi the sigmoid, alpha_i = max((Phi(k s_i) - Phi(k s_i+1)) / Phi(k s_i), 0), and w_i is alpha_i times the
    product of 1 - alpha_j over the samples before it. Behind the last sample space is taken as solid.

    Args:
        distance: s (R, n), signed, positive in front of the surface.
        sharpness: k.
    """
    phi = F.logsigmoid(sharpness * distance)  # in logarithms, as far behind the surface Phi underflows
    alpha = -torch.expm1((phi[:, 1:] - phi[:, :-1]).clamp_max(0.0))
    alpha = torch.cat([alpha, torch.ones_like(alpha[:, :1])], dim=1)
    through = torch.cumprod(1.0 - alpha, dim=1)
    return alpha * torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], dim=1)


def rendered_depth(weights: Tensor, t: Tensor) -> Tensor:
    """Equation 10: range (R,) m, the weighted mean of the samples' t (R, n) m."""
    return (weights * t).sum(dim=1)


def surface_sample(weights: Tensor, t: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    """The sample (R,) at the median of the weights, and equation 10 over it and its neighbours: range (R,) m.

    Where a ray may hit an object or its background, the mean over all samples would be a point in the air between them.

    Args:
        weights: (R, n), of equation 9.
        t: (R, n) m.
        apart: (R, n) m, spacing of samples on one surface.
    """
    middle = (weights.cumsum(dim=1) < 0.5).sum(dim=1).clamp_max(weights.shape[1] - 1)[:, None]
    near = (t - t.gather(1, middle)).abs() <= 2.01 * apart.gather(1, middle)
    kept = weights * near
    return middle[:, 0], (kept * t).sum(dim=1) / kept.sum(dim=1)
