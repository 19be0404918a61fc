"""What stands along a recorded street, carved block by block from all sweeps."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.formats.street import UNKNOWN, SeenSweep
from uniscene_sim.datasets.lift.carve import BLOCK_M, Rays, block_size, carve_block
from uniscene_sim.datasets.lift.ground import LaidGround
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.occupancy.bricks import SUB_CELL_M
from uniscene_sim.taxonomy import GROUND_CLASSES, Material, OccClass

__all__ = ["rays_of", "stand_on"]

#: Materials by class, where the class alone would look like a label.
_MATERIALS = np.arange(256, dtype=np.uint8)
_MATERIALS[OccClass.MANMADE], _MATERIALS[OccClass.VEGETATION] = Material.WALL_CONCRETE, Material.FOLIAGE

_HIGHEST_M = 40.0  # above the ground, that something is drawn: a tile's cells reach little farther
_ABOVE_M, _BELOW_M = 1.0, 0.8


def rays_of(sweeps: list[SeenSweep]) -> Rays:
    """The rays of sweeps; what moves, and what nobody knows, is free up to its points."""
    label = np.concatenate([sweep.label for sweep in sweeps])
    moving = np.concatenate([sweep.moving for sweep in sweeps])
    label = np.where(moving | (label == UNKNOWN) | np.isin(label, GROUND_CLASSES), OccClass.FREE, label)
    origins = np.concatenate([sweep.origins for sweep in sweeps]).astype(np.float32)
    ends = np.concatenate([sweep.ends for sweep in sweeps]).astype(np.float32)
    return Rays(origins, ends, label.astype(np.uint8))


def stand_on(ground: LaidGround, rays: Rays, low: np.ndarray, high: np.ndarray) -> SolidCells:
    """What stands between two corners (2,), m.

    Raises:
        InputError: it does not fit into memory.
    """
    size = block_size()
    require_memory(8 * size * size * _HIGHEST_M / SUB_CELL_M, "a block of a recorded street")
    solid = rays.label != OccClass.FREE
    inside = solid & ((rays.ends[:, :2] >= low) & (rays.ends[:, :2] < high)).all(axis=1)
    blocks, first = np.unique(np.floor(rays.ends[inside, :2] / BLOCK_M).astype(np.int64), axis=0, return_inverse=True)
    tops = np.full(len(blocks), -np.inf)
    np.maximum.at(tops, first.ravel(), rays.ends[inside, 2])
    parts = []
    for (i, j), top in tqdm(list(zip(blocks.tolist(), tops.tolist(), strict=True)), desc="solids", unit="block",
                            disable=None):  # fmt: skip
        under = _under(ground, i, j)
        least = float(under.min())
        parts.append(
            carve_block(rays, (i, j), under, least - _BELOW_M, min(top + _ABOVE_M, least + _HIGHEST_M)).cells()
        )
    if not parts:
        return SolidCells(np.zeros((0, 3), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.uint64))
    at, label, brick = (np.concatenate([getattr(part, name) for part in parts]) for name in ("at", "material", "brick"))
    return SolidCells(at, _MATERIALS[label], brick)


def _under(ground: LaidGround, i: int, j: int) -> np.ndarray:
    """Height of the ground, float32 (n, n) m, below the sub-cells of a block."""
    size = block_size()
    halo = (size - round(BLOCK_M / SUB_CELL_M)) // 2
    x, y = ((k * BLOCK_M + (np.arange(size) - halo + 0.5) * SUB_CELL_M) for k in (i, j))
    return ground.at(np.repeat(x, size), np.tile(y, size)).reshape(size, size)
