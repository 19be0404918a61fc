"""A window made tile by tile, so that its seams can be measured against the same window made at once."""

from __future__ import annotations

import numpy as np

from uniscene_sim.evaluation.model import OccupancyGenerator

__all__ = ["TILE", "mosaic"]

TILE = 10  # latent cells: in a window of 50, nine of 25 tiles have four known sides when their turn comes
_MARGIN = 10  # latent cells of surroundings that a tile sees
#: Tiles of one colour touch no other of it, so they do not depend on each other.
_COLOURS = ((0, 0), (1, 1), (0, 1), (1, 0))


def mosaic(model: OccupancyGenerator, layout: np.ndarray, noise: np.ndarray, steps: int, guidance: float) -> np.ndarray:
    """Labels uint8 (X, Y, Z) of a window whose latents were made in tiles of `TILE`, each given those before it.

    Args:
        model: the generator.
        layout: uint8 (C, X, Y).
        noise: float32 (c, x, y), one for the whole window: where tiles look at the same place they see the same noise.
        steps: Euler steps.
        guidance: weight of the condition.
    """
    _, nx, ny = noise.shape
    size = (min(TILE + 2 * _MARGIN, nx), min(TILE + 2 * _MARGIN, ny))
    latents, known = np.zeros_like(noise), np.zeros((nx, ny), bool)
    for first in _COLOURS:
        places = [(i, j) for i in range(first[0] * TILE, nx, 2 * TILE) for j in range(first[1] * TILE, ny, 2 * TILE)]
        corners = [(min(max(i - _MARGIN, 0), nx - size[0]), min(max(j - _MARGIN, 0), ny - size[1])) for i, j in places]

        def cut(field: np.ndarray, scale: int = 1, corners: list[tuple[int, int]] = corners) -> np.ndarray:
            """What each tile sees of a field (..., x, y)."""
            w, h = scale * size[0], scale * size[1]
            return np.stack([field[..., scale * a : scale * a + w, scale * b : scale * b + h] for a, b in corners])

        made = model.generate(cut(layout, model.patch), cut(noise), cut(latents), cut(known), steps, guidance)
        for (i, j), (a, b), one in zip(places, corners, made, strict=True):
            tile = one[:, i - a : i - a + TILE, j - b : j - b + TILE]
            latents[:, i : i + TILE, j : j + TILE] = tile
            known[i : i + TILE, j : j + TILE] = True
    return model.decode(latents[None], layout[None])[0]
