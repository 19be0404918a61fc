"""Losses for labels and latents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["focal_loss", "kl_loss", "lovasz_softmax"]


def focal_loss(logits: Tensor, labels: Tensor, weight: Tensor, gamma: float) -> Tensor:
    """Weighted mean focal loss.

    Args:
        logits: float (N, K).
        labels: int64 (N,).
        weight: float (N,).
        gamma: exponent; 0 is cross-entropy.
    """
    loss = F.cross_entropy(logits, labels, reduction="none")
    if gamma:
        loss = loss * (1 - torch.exp(-loss)) ** gamma
    return (loss * weight).sum() / weight.sum()


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Lovasz-softmax loss of probabilities (N, K) against labels (N,): a convex surrogate of 1 - IoU, averaged over the
    classes that occur."""
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
    """KL divergence of normals from the standard normal, averaged over all latents; both arguments of one shape."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
