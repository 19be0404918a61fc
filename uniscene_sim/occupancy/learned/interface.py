"""What evaluation asks of a learned generator of occupancy."""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["LatentModel", "OccupancyGenerator"]


class LatentModel(Protocol):
    """What `learned.model.OccupancyModel` gives to tiles."""

    channels: tuple[str, ...]  # of the layout, in order
    patch: int  # cells along a latent cell
    latent_channels: int
    sha256: str
    device: str  # where it runs: last bits hang on it

    def generate(
        self, layout: np.ndarray, noise: np.ndarray, known: np.ndarray | None = None, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Latents float32 (B, c, x, y) of a layout uint8 (B, C, X, Y), begun from noise (B, c, x, y); those `known`
        (B, c, x, y) are kept where `mask` bool (B, x, y) says."""
        ...

    def decode(self, latents: np.ndarray, layout: np.ndarray) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z) of a `GridSpec`'s cells."""
        ...


class OccupancyGenerator(LatentModel, Protocol):
    """A VAE of occupancy and a flow over its latents, numpy in and out, deterministic."""

    def encode(self, labels: np.ndarray, layout: np.ndarray) -> np.ndarray:
        """Latents float32 (B, c, x, y), of zero mean and unit variance, of labels uint8 (B, X, Y, Z)."""
        ...

    def generate(
        self,
        layout: np.ndarray,
        noise: np.ndarray,
        known: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        steps: int = 2,
        guidance: float = 1.0,
    ) -> np.ndarray:
        """As for tiles, in a number of Euler steps and with a weight of the condition."""
        ...

    def decode(self, latents: np.ndarray, layout: np.ndarray | None) -> np.ndarray:
        """As for tiles; without a layout, from the latents alone."""
        ...
