"""Distances of a generated set to a true one in the space of features: precision and recall, FID, KID, IS.

Features are float (N, D), a row a sample. None of these says whether a sample fits its condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

__all__ = ["PrecisionRecall", "frechet_distance", "inception_score", "kernel_distance", "precision_recall",
           "sliced_wasserstein"]  # fmt: skip


@dataclass(frozen=True)
class PrecisionRecall:
    """How much of what is generated looks true, and how much of the truth is ever generated."""

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """Harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def precision_recall(true: np.ndarray, made: np.ndarray, k: int = 3) -> PrecisionRecall:
    """Shares of samples within the other set's manifold: the balls around its samples that reach their k-th nearest
    neighbour among their own (Kynkaanniemi et al. 2019).

    Args:
        true: (N, D), N > k.
        made: (M, D), M > k.
        k: neighbours.

    Raises:
        ValueError: a set has too few samples.
    """
    if min(len(true), len(made)) <= k:
        raise ValueError(f"expected more than {k} samples in each set, got {len(true)} and {len(made)}")
    between = np.sqrt(_squared_distances(made, true))
    reach_true, reach_made = (np.sort(np.sqrt(_squared_distances(a, a)), axis=1)[:, k] for a in (true, made))
    precise, recalled = (between <= reach_true[None]).any(axis=1), (between <= reach_made[:, None]).any(axis=0)
    return PrecisionRecall(float(precise.mean()), float(recalled.mean()))


def frechet_distance(true: np.ndarray, made: np.ndarray) -> float:
    """Squared Frechet distance of the normal distributions of two sets (N, D) and (M, D): FID."""
    mean = true.mean(axis=0) - made.mean(axis=0)
    a, b = np.atleast_2d(np.cov(true, rowvar=False)), np.atleast_2d(np.cov(made, rowvar=False))
    # The trace of the root of a product of covariances, by a symmetric matrix with the same eigenvalues.
    values, vectors = linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(linalg.eigvalsh(root @ b @ root), 0.0)).sum()
    return float(mean @ mean + np.trace(a) + np.trace(b) - 2 * shared)


def kernel_distance(true: np.ndarray, made: np.ndarray) -> float:
    """Squared maximum mean discrepancy under the kernel (x y / D + 1)^3, without bias: KID. Below zero by chance where
    the sets are alike."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        out: np.ndarray = (a @ b.T / a.shape[1] + 1.0) ** 3
        return out

    n, m = len(true), len(made)
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(true, true), kernel(made, made))]
    return float(own[0] + own[1] - 2 * kernel(true, made).sum() / (n * m))


def sliced_wasserstein(true: Sequence[np.ndarray], made: Sequence[np.ndarray], directions: int = 256) -> float:
    """Mean distance of two sets along random directions, as a root mean square per number, over scales.

    Args:
        true, made: (N, D) and (M, D) of each scale.
        directions: how many; the same in every call.
    """
    found = []
    for a, b in zip(true, made, strict=True):
        way = np.random.default_rng(a.shape[1]).standard_normal((a.shape[1], directions))
        way /= np.linalg.norm(way, axis=0)
        at = (np.arange(512) + 0.5) / 512
        one, other = (np.quantile(x @ way, at, axis=0) for x in (a, b))
        found.append(float(np.sqrt(((one - other) ** 2).mean())))
    return float(np.mean(found))


def inception_score(shares: np.ndarray) -> float:
    """How sure the kinds of single samples are, and how many kinds occur: 1 to K for shares of kinds (N, K)."""
    shares = np.clip(shares, 1e-12, 1.0)
    whole = shares.mean(axis=0)
    return float(np.exp((shares * (np.log(shares) - np.log(whole))).sum(axis=1).mean()))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) of (N, D) and (M, D)."""
    out: np.ndarray = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return out
