"""`Patch`: splats of a tile or an agent's template for kernels, in levels of detail, in chunks culled as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.taxonomy import GROUND_CLASSES, Material
from uniscene_sim.tracing.atlas import BLOCK_M

__all__ = ["COVER", "PAINT_COVER", "Patch", "pack_patch"]

#: How much larger the variance of a rendered splat is than that of the surface that it stands for: a square of side s
#: gets a standard deviation of 0.36 s, see `project.PEAK`. Paint and the small squares of ground beside it are
#: narrower, so that neither covers the other.
COVER, PAINT_COVER = 1.56, 0.9
_SMALL_M2 = 0.02
_PAINT = [
    m for m in Material if "LINE" in m.name or m in (Material.CROSSING_STRIPE, Material.ARROW, Material.CROSSING_GAP)
]


class Patch(NamedTuple):
    """N splats in L levels, each sorted by C chunks: those of level l and chunk c are first[l, c] : first[l, c + 1]."""

    means: np.ndarray  # float32 (N, 3) m
    covariances: np.ndarray  # float32 (N, 6) m^2, as rendered
    normals: np.ndarray  # float32 (N, 3), zero: two-sided
    opacities: np.ndarray  # float32 (N,)
    albedo: np.ndarray  # float32 (N, 3)
    material: np.ndarray  # uint8 (N,)
    light: np.ndarray  # float32 (N, 2): visible shares of sun and sky
    first: np.ndarray  # int64 (L, C + 1)
    bounds: np.ndarray  # float32 (C, 4): centre and radius of each chunk, m
    level_m: np.ndarray  # float64 (L,), size of the splats of a level


def pack_patch(levels: Sequence[Splats], level_m: Sequence[float], chunk_m: float | None = BLOCK_M) -> Patch:
    """A patch of some levels of detail, the finest first.

    Args:
        levels: splats of each level.
        level_m: size of the splats of each, ascending, m.
        chunk_m: edge of the upright columns that are chunks, None for a single chunk.
    """
    chunks = [np.zeros(len(s), np.int64) for s in levels]
    count = 1
    if chunk_m is not None:
        side = max(max((int(s.means[:, :2].max() // chunk_m) + 1 for s in levels if len(s)), default=1), 1)
        chunks = [(s.means[:, 0] // chunk_m).astype(np.int64).clip(0) * side
                  + (s.means[:, 1] // chunk_m).astype(np.int64).clip(0) for s in levels]  # fmt: skip
        count = side * side
    orders = [np.argsort(chunk, kind="stable") for chunk in chunks]
    joined = Splats.join([s[order] for s, order in zip(levels, orders, strict=True)])
    first = np.zeros((len(levels), count + 1), np.int64)
    for k, chunk in enumerate(chunks):
        first[k, 1:] = np.cumsum(np.bincount(chunk, minlength=count))
        first[k] += sum(map(len, levels[:k]))
    sharp = np.isin(joined.material, _PAINT) | (np.isin(joined.labels, GROUND_CLASSES) & (joined.area < _SMALL_M2))
    cover = np.where(sharp, PAINT_COVER, COVER)
    return Patch(
        joined.means,
        (cover[:, None] * joined.covariances).astype(np.float32),
        joined.normals,
        joined.opacities,
        joined.albedo,
        joined.material,
        np.ones((len(joined), 2), np.float32),
        first,
        _bounds(joined, first),
        np.asarray(level_m, np.float64),
    )


def _bounds(splats: Splats, first: np.ndarray) -> np.ndarray:
    """Spheres (C, 4) around the splats of each chunk in all levels, of radius -1 where there are none."""
    count = first.shape[1] - 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    reach = 4.0 * np.sqrt(splats.covariances[:, [0, 3, 5]].max(axis=1, initial=0.0))[:, None]
    for starts in first:
        some = np.flatnonzero(np.diff(starts))
        if len(some):
            at, rows = starts[some], slice(starts[0], starts[-1])
            at = at - starts[0]
            low[some] = np.minimum(low[some], np.minimum.reduceat((splats.means - reach)[rows], at))
            high[some] = np.maximum(high[some], np.maximum.reduceat((splats.means + reach)[rows], at))
    there = np.isfinite(low[:, 0])
    out = np.full((count, 4), -1.0, np.float32)
    out[there, :3] = 0.5 * (low[there] + high[there])
    out[there, 3] = 0.5 * np.linalg.norm(high[there] - low[there], axis=1)
    return out
