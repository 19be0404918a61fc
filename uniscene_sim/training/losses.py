"""Losses of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["focal_loss", "kl_loss", "lovasz_softmax"]


def focal_loss(logits: Tensor, labels: Tensor, weight: Tensor, gamma: float) -> Tensor:
    """Focal loss of logits (N, K) against labels (N,), weighted (N,); cross-entropy at gamma 0."""
    loss = F.cross_entropy(logits, labels, reduction="none")
    if gamma:
        loss = loss * (1 - torch.exp(-loss)) ** gamma
    return (loss * weight).sum() / weight.sum()


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Lovasz-softmax of probabilities (N, K), the convex surrogate of 1 - IoU, mean over the classes that occur."""
    losses = []
    for k in labels.unique().tolist():
        truth = (labels == k).float()
        error, order = (truth - probabilities[:, k]).abs().sort(descending=True)
        truth = truth[order]
        inside = truth.sum() - truth.cumsum(0)
        jaccard = 1 - inside / (truth.sum() + (1 - truth).cumsum(0))
        losses.append((error * torch.diff(jaccard, prepend=jaccard.new_zeros(1))).sum())
    return torch.stack(losses).mean()


def kl_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean over latents of the divergence from a standard normal."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
