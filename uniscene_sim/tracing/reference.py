"""A brute-force tracer to test the kernels against: every box, patch and voxel is intersected. Slow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import (
    BLOCK_CELLS,
    CELL_M,
    EDGE_UNIT_M,
    GROUND_SAMPLES,
    GROUND_STEP_M,
    PAINT_BLOCK,
    PAINT_CELLS,
    PAINT_M,
    TILE_M,
    Tile,
)
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays

__all__ = ["agent_hit", "cell_boxes", "ground_hits", "nearest_box", "world_hit"]


def cell_boxes(tile: Tile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every solid of a tile as boxes: low corner (N, 3), m, in the map frame, edge (N,), m, material uint8 (N,)."""
    low, edge, material = [], [], []
    corner = np.array([tile.index[0] * TILE_M, tile.index[1] * TILE_M, tile.base_z])
    for block in np.argwhere(tile.blocks >= 0):
        row = tile.blocks[tuple(block)]
        for cell in np.argwhere(tile.materials[row] != Material.NONE):
            at = corner + (block * BLOCK_CELLS + cell) * CELL_M
            brick = tile.brick_of[row][tuple(cell)]
            if brick < 0:
                low.append(at)
                edge.append(CELL_M)
                material.append(tile.materials[row][tuple(cell)])
                continue
            for bit in range(64):
                if int(tile.bricks[brick]) >> bit & 1:
                    low.append(at + np.array([bit // 16, bit // 4 % 4, bit % 4]) * CELL_M / 4)
                    edge.append(CELL_M / 4)
                    material.append(tile.materials[row][tuple(cell)])
    return np.array(low).reshape(-1, 3), np.array(edge), np.array(material, np.uint8)


def nearest_box(low: np.ndarray, high: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[float, int]:
    """t and row of the first box that a ray hits, by slabs; (inf, -1) if it hits none.

    Args:
        low, high: (N, 3) m, corners of the boxes.
        origin, direction: (3,), of the ray, m.
    """
    if not len(low):
        return np.inf, -1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a, b = (low - origin) / direction, (high - origin) / direction
    parallel = direction == 0.0
    inside = (origin >= low) & (origin <= high)
    entry = np.where(parallel, np.where(inside, -np.inf, np.inf), np.minimum(a, b)).max(axis=1)
    leave = np.where(parallel, np.where(inside, np.inf, -np.inf), np.maximum(a, b)).min(axis=1)
    t = np.where((entry <= leave) & (leave >= 0.0), np.maximum(entry, 0.0), np.inf)
    row = int(np.argmin(t))
    return (float(t[row]), row) if t[row] < np.inf else (np.inf, -1)


def ground_hits(tile: Tile, deck: int, origin: np.ndarray, direction: np.ndarray) -> float:
    """t of the first patch of a deck that a ray hits, inf if none: every patch, by the roots of its quadratic.

    Args:
        tile: the tile.
        deck: number of the deck.
        origin, direction: (3,), of the ray, m, map frame.
    """
    g = tile.ground[deck].astype(np.float64)
    z00, z10, z01, z11 = g[:-1, :-1], g[1:, :-1], g[:-1, 1:], g[1:, 1:]
    i, j = np.meshgrid(np.arange(GROUND_SAMPLES - 1), np.arange(GROUND_SAMPLES - 1), indexing="ij")
    u0 = (origin[0] - tile.index[0] * TILE_M) / GROUND_STEP_M - i
    v0 = (origin[1] - tile.index[1] * TILE_M) / GROUND_STEP_M - j
    du, dv = direction[0] / GROUND_STEP_M, direction[1] / GROUND_STEP_M
    e = z11 - z10 - z01 + z00
    qa = -e * du * dv
    qb = direction[2] - (z10 - z00) * du - (z01 - z00) * dv - e * (u0 * dv + v0 * du)
    qc = origin[2] - z00 - (z10 - z00) * u0 - (z01 - z00) * v0 - e * u0 * v0
    best = np.inf
    with np.errstate(all="ignore"):
        root = np.sqrt(qb * qb - 4 * qa * qc)
        q = -0.5 * (qb + np.where(qb >= 0, root, -root))
        for t in (qc / q, q / qa):
            u, v = u0 + t * du, v0 + t * dv
            ok = np.isfinite(t) & (t >= 0) & (u >= -1e-9) & (u <= 1 + 1e-9) & (v >= -1e-9) & (v <= 1 + 1e-9)
            best = min(best, float(t[ok].min(initial=np.inf)))
    on_it = (qc == 0.0) & (u0 >= 0) & (u0 <= 1) & (v0 >= 0) & (v0 <= 1)  # the roots may be 0 / 0 there
    return 0.0 if on_it.any() else best


def world_hit(
    tiles: Iterable[Tile],
    boxes: dict[tuple[int, int], tuple[np.ndarray, ...]],
    origin: np.ndarray,
    direction: np.ndarray,
) -> tuple[float, int]:
    """t and material of the first hit on tiles.

    Args:
        tiles: the tiles.
        boxes: `cell_boxes` of each, by its index.
        origin, direction: (3,), of the ray, m, map frame.
    """
    best, material = np.inf, int(Material.NONE)
    for tile in tiles:
        low, edge, materials = boxes[tile.index]
        t, row = nearest_box(low, low + edge[:, None] if len(low) else low, origin, direction)
        if t < best:
            best, material = t, int(materials[row])
        for deck in range(len(tile.ground)):
            t = ground_hits(tile, deck, origin, direction)
            if t < best:
                at = (origin + t * direction)[:2] - np.array(tile.index) * TILE_M
                best, material = t, paint_at_point(tile, deck, at)
    return best, material


def paint_at_point(tile: Tile, deck: int, at: np.ndarray) -> int:
    """Material of a deck's paint at a point (2,), m from the tile's corner."""
    cell = np.clip(np.floor(at / PAINT_M).astype(int), 0, PAINT_CELLS - 1)
    row = tile.edge_of[deck][tuple(cell // PAINT_BLOCK)]
    if row >= 0:
        for nx, ny, d, material in tile.edges[row][tuple(cell % PAINT_BLOCK)].reshape(-1, 4).astype(float):
            if material and np.array([nx, ny]) / 127.0 @ (at - (cell + 0.5) * PAINT_M) > d * EDGE_UNIT_M:
                return int(material)
    return int(tile.paint[deck][tuple(cell)])


def agent_hit(
    agents: PosedAgents, templates: TemplateArrays, origin: np.ndarray, direction: np.ndarray
) -> tuple[float, int, int]:
    """t, material and row of the first agent that a ray hits: every voxel of every agent as a box.

    Args:
        agents: posed agents.
        templates: their shapes.
        origin, direction: (3,), of the ray, m, map frame.
    """
    best, material, agent = np.inf, int(Material.NONE), -1
    for n, template in enumerate(agents.template):
        shape = templates.shape[template].astype(np.int64)
        at = templates.offset[template]
        voxels = templates.material[at : at + shape.prod()].reshape(shape)
        edge = templates.voxel_m[template] * agents.size[n] / templates.size_m[template]
        solid = np.argwhere(voxels != Material.NONE)
        low = (solid - shape * np.array([0.5, 0.5, 0.0])) * edge
        local = agents.rotation[n].T @ (origin - agents.position[n])
        t, row = nearest_box(low, low + edge, local, agents.rotation[n].T @ direction)
        if t < best:
            best, material, agent = t, int(voxels[tuple(solid[row])]), n
    return best, material, agent
