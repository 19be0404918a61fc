"""What evaluation asks of a learned generator of occupancy."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from uniscene_sim.occupancy.tile_latents import LatentModel

__all__ = ["OccupancyGenerator"]


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
