"""Materials of open ground and kerbs, painted on the ground samples of any map."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import floor
from uniscene_sim.compute.keyed_random import unit_hash3
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.taxonomy import Material

__all__ = ["paint_kerbs", "paint_terrain"]

_GRASS, _SOIL, _PAVING, _KERB, _NONE = Material.GRASS, Material.SOIL, Material.PAVING, Material.KERB, Material.NONE
_PATCH, _SPECKLE = 103, 104  # uses of random numbers


@njit(cache=True)
def paint_terrain(out, i0, j0, step):
    """Paint grass with patches of soil.

    Args:
        out: uint8 (n, n) Material, written.
        i0, j0: index of its first cell in the map frame, whose corner lies at (i0, j0) step.
        step: size of a cell, m.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x, y = (i0 + i + 0.5) * step, (j0 + j + 0.5) * step
            speckle = unit_hash3(_SPECKLE, floor(x / 0.4), floor(y / 0.4))
            patch = value_noise(x / 9.0, y / 9.0, _PATCH) + 0.12 * (speckle - 0.5)
            out[i, j] = _SOIL if patch > 0.82 else _GRASS


@njit(cache=True)
def paint_kerbs(out):
    """Turn the edge of paving towards asphalt into kerb, two cells wide, in `out`, uint8 (n, m) Material."""
    n, m = out.shape
    kerb = np.zeros((n, m), np.bool_)
    for i in range(2, n - 2):
        for j in range(2, m - 2):
            if out[i, j] == _PAVING:
                for di, dj in ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                    other = out[i + di, j + dj]
                    if other != _PAVING and other != _GRASS and other != _SOIL and other != _NONE:
                        kerb[i, j] = True
    for i in range(n):
        for j in range(m):
            if kerb[i, j]:
                out[i, j] = _KERB
