"""`Patch`: splats of a tile or a template for kernels, in levels of detail, in chunks that are culled as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.taxonomy import GROUND_CLASSES, Material
from uniscene_sim.tile import TILE_BLOCKS
from uniscene_sim.tracing.atlas import BLOCK_M

__all__ = ["COVER", "PAINT_COVER", "RECORDED", "Patch", "chunk_of", "pack_patch"]

#: How much larger the variance of a rendered splat is than that of the surface that it stands for: a square of side s
#: gets a standard deviation of 0.36 s, see `project.PEAK`. Paint and the small squares of ground beside it are
#: narrower, so that neither covers the other.
COVER, PAINT_COVER = 1.56, 0.9
#: In place of a share of the sun: the colour is as a camera saw it, in its own light.
RECORDED = 2.0
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
    light: np.ndarray  # float32 (N, 2): visible shares of sun (`RECORDED` where albedo holds its light) and sky
    first: np.ndarray  # int64 (L, C + 1)
    bounds: np.ndarray  # float32 (C, 4): centre and radius of each chunk, m
    level_m: np.ndarray  # float64 (L,), size of the splats of a level


def pack_patch(levels: Sequence[Splats], level_m: Sequence[float], chunk_m: float | None = BLOCK_M) -> Patch:
    """A patch of some levels of detail, the finest first.

    Args:
        levels: splats of each level.
        level_m: size of the splats of each, ascending, m.
        chunk_m: edge of the upright columns of a tile that are chunks, None for a single chunk.
    """
    chunks = [chunk_of(splats, chunk_m) for splats in levels]
    count = 1 if chunk_m is None else TILE_BLOCKS * TILE_BLOCKS
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


def chunk_of(splats: Splats, chunk_m: float | None = BLOCK_M) -> np.ndarray:
    """The chunk int64 (N,) of each splat, by which `pack_patch` sorts stably."""
    if chunk_m is None:
        return np.zeros(len(splats), np.int64)
    column = (splats.means[:, :2] // chunk_m).astype(np.int64).clip(0, TILE_BLOCKS - 1)
    chunk: np.ndarray = column[:, 0] * TILE_BLOCKS + column[:, 1]
    return chunk


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
