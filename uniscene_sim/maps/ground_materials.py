"""Materials of open ground and kerbs, painted on the ground samples of any map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.compiled import floor, njit
from uniscene_sim.compute.keyed_random import unit_hash3
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.maps.paint_edges import EdgeFit
from uniscene_sim.taxonomy import Material

__all__ = ["paint_kerbs", "paint_terrain"]

_GRASS, _SOIL, _PAVING, _KERB, _NONE = Material.GRASS, Material.SOIL, Material.PAVING, Material.KERB, Material.NONE
KERB_WIDTH_M = 0.18
#: Materials that a kerb divides from paving.
_CARRIAGEWAY = np.ones(256, bool)
_CARRIAGEWAY[[_PAVING, _KERB, _GRASS, _SOIL, _NONE]] = False
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


def paint_kerbs(
    out: np.ndarray,
    i0: int,
    j0: int,
    step: float,
    segments: np.ndarray,
    order: np.ndarray,
    fields: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Turn paving next to the carriageway into kerb.

    Args:
        out: uint8 (n, n) Material, changed.
        i0, j0: index of its first cell in the map frame.
        step: size of a cell, m.
        segments, order, fields: curves at which paving may end, see `EdgeFit.fit`.

    Returns:
        float64 (n, n, 3), the field of the inner border of the kerbs, see `EdgeFit.fit`.
    """
    fit = EdgeFit(out, i0, j0, step, only=int(_PAVING))
    fit.fit(segments, order, list(fields))
    field = fit.distance_from(_CARRIAGEWAY, KERB_WIDTH_M + 2 * step)
    out[(out == _PAVING) & (field[:, :, 2] < KERB_WIDTH_M)] = _KERB
    field[:, :, 2] = (KERB_WIDTH_M - field[:, :, 2]) / step
    return field
