"""What evaluation asks of a learned generator of occupancy."""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["OccupancyGenerator"]


class OccupancyGenerator(Protocol):
    """A VAE of occupancy and a flow over its latents, numpy in and out, deterministic.

    Attributes:
        channels: names of the layout channels that it takes, in order.
        patch: cells along the edge of a latent cell.
        latent_channels: c.
    """

    name: str
    channels: tuple[str, ...]
    patch: int
    latent_channels: int

    def encode(self, labels: np.ndarray, layout: np.ndarray) -> np.ndarray:
        """Latents float32 (B, c, x, y), of zero mean and unit variance, of labels uint8 (B, X, Y, Z)."""
        ...

    def generate(
        self,
        layout: np.ndarray,
        noise: np.ndarray,
        known: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        steps: int = 4,
        guidance: float = 1.5,
    ) -> np.ndarray:
        """Latents from a layout uint8 (B, C, X, Y) and noise (B, c, x, y); `known` ones stay where `mask` says."""
        ...

    def decode(self, latents: np.ndarray, layout: np.ndarray | None) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z); without a layout, from the latents alone."""
        ...
