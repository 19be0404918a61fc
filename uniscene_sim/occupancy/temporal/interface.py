"""What the window engines need of a model: frames of the past, and the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["ClipModel", "Held", "Past"]


@dataclass(frozen=True)
class Past:
    """P frames that are known, oldest first, in the place of the one to be generated."""

    latents: np.ndarray  # float32 (P, c, x, y)
    known: np.ndarray  # bool (P, x, y): where they are known
    layout: np.ndarray  # uint8 (P, C, X, Y), multi-hot over the model's channels
    seconds: np.ndarray  # float32 (P,), before the frame to be generated, so negative


@dataclass(frozen=True)
class Held:
    """What of a frame stays as it was while the rest is generated again."""

    latents: np.ndarray  # float32 (c, x, y)
    where: np.ndarray  # bool (x, y)


class ClipModel(Protocol):
    """A VAE of single frames and a flow over clips of latents, numpy in and out, deterministic."""

    name: str
    channels: tuple[str, ...]  # of the layout, in order
    patch: int  # cells along a latent cell
    token: int  # latent cells along a token
    latent_channels: int
    height: int  # Z, layers of labels
    past: int  # most frames of the past that it goes on from
    sha256: str

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Latents float32 (B, c, x, y), of zero mean and unit variance, of labels uint8 (B, X, Y, Z)."""
        ...

    def generate(
        self, past: Past | None, layout: np.ndarray, noise: np.ndarray, steps: int | None = None,
        guidance: float | None = None, held: Held | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Latents float32 (c, x, y) of the next frame.

        Args:
            past: known frames; None for none.
            layout: uint8 (C, X, Y), multi-hot over `channels`.
            noise: float32 (c, x, y), standard normal.
            steps: of the flow; None for those that the model was made for.
            guidance: weight of the layout; 1 is no guidance, None for that which the model was made for.
            held: what stays as it was (AnyScene's editing); None for nothing.
        """
        ...

    def decode(
        self, latents: np.ndarray, past: Past | None = None, layout: np.ndarray | None = None
    ) -> np.ndarray:
        """Labels uint8 (B, X, Y, Z) of latents (B, c, x, y).

        Args:
            latents: of B frames.
            past: known frames before a single one, for decoders that see a clip.
            layout: uint8 (B, C, X, Y), for decoders that are told it; None if it is not known.
        """
        ...
