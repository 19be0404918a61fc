"""Interfaces of learned generators of occupancy, as tiles and evaluation use them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["LatentModel", "OccupancyGenerator"]


class LatentModel(Protocol):
    """What tiles need of a model; `learned.model.OccupancyModel` is one."""

    channels: tuple[str, ...]  # of the layout, in order
    patch: int  # cells along a latent cell
    latent_channels: int
    height: int  # Z, layers of labels
    sha256: str
    device: str  # where it runs, on which last bits depend

    def generate(
        self, layout: np.ndarray, noise: np.ndarray, known: np.ndarray | None = None, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Latents float32 (B, c, x, y).

        Args:
            layout: uint8 (B, C, X, Y), multi-hot over `channels`.
            noise: float32 (B, c, x, y), standard normal.
            known: float32 (B, c, x, y), latents to be kept where `mask` is set.
            mask: bool (B, x, y).
        """
        ...

    def decode(self, latents: np.ndarray, layout: np.ndarray) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z), in cells of a `GridSpec`, of latents (B, c, x, y) and layouts (B, C, X, Y)."""
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
        steps: int | None = None,
        guidance: float | None = None,
    ) -> np.ndarray:
        """Latents float32 (B, c, x, y), as `LatentModel.generate`.

        Args:
            layout, noise, known, mask: as there.
            steps: number of steps; None for those that the model was made for.
            guidance: weight of the condition; 1 is no guidance, None for that which the model was made for.
        """
        ...

    def decode(self, latents: np.ndarray, layout: np.ndarray | None) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z), as `LatentModel.decode`; without a layout, from the latents alone."""
        ...
