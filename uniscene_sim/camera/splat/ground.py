"""The ground of a tile as rows of splats: squares as fine as its paint."""

from __future__ import annotations

import numpy as np

from uniscene_sim.camera.raycast.shading import LINEAR_RGB
from uniscene_sim.camera.splat.cells import EMPTY, FLAT_M2, ROW, cell_at, with_room
from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.tile import (
    CELL_M,
    EDGE_UNIT_M,
    EDGES_A_CELL,
    GROUND_STEP_M,
    PAINT_CELLS,
    PAINT_M,
    TILE_CELLS,
)

__all__ = ["ground_rows"]

_SAMPLES = 3  # of paint along a square that an edge crosses
_STEP = PAINT_CELLS // TILE_CELLS  # cells of paint along one of the tile


@device
def _paint_of(paint, edge_of, edges, i, j, x, y):
    """Material at a point (from the tile's corner, m) of cell (i, j) of paint, see `tracing.paint`."""
    row = edge_of[i >> 2, j >> 2]
    if row >= 0:
        px, py = x - (i + 0.5) * PAINT_M, y - (j + 0.5) * PAINT_M
        for k in range(EDGES_A_CELL):
            nx, ny = edges[row, i & 3, j & 3, 4 * k] / 127.0, edges[row, i & 3, j & 3, 4 * k + 1] / 127.0
            other = edges[row, i & 3, j & 3, 4 * k + 3]
            if other == 0:
                break
            if nx * px + ny * py - edges[row, i & 3, j & 3, 4 * k + 2] * EDGE_UNIT_M > 0.0:
                return np.uint8(other)
    return paint[i, j]


@device
def _below_house(ground, blocks, materials, brick_of, base_z, i, j):
    """Whether there is no ground at cell (i, j), or only full cells above it."""
    z = 0.25 * (np.float64(ground[2 * i, 2 * j]) + ground[2 * i + 2, 2 * j]
                + ground[2 * i, 2 * j + 2] + ground[2 * i + 2, 2 * j + 2])  # fmt: skip
    if np.isnan(z + ground[2 * i + 1, 2 * j + 1]):
        return True
    k = int((z + 0.5 * CELL_M - base_z) / CELL_M)
    if cell_at(blocks, materials, i, j, k) == EMPTY or cell_at(blocks, materials, i, j, k + 1) == EMPTY:
        return False
    return brick_of[blocks[i >> 3, j >> 3, k >> 3], i & 7, j & 7, k & 7] < 0


@device
def _one_paint(paint, edge_of, i, j):
    """Whether cell (i, j) has one material."""
    same = edge_of[i, j] < 0
    for a in range(_STEP):
        for b in range(_STEP):
            same = same and paint[_STEP * i + a, _STEP * j + b] == paint[_STEP * i, _STEP * j]
    return same


@njit(cache=True, nogil=True)
def ground_rows(ground, paint, edge_of, edges, blocks, materials, brick_of, base_z, fine):
    """Rows float32 (N, 17) of one deck of a tile, see `Tile`; `fine` bool (20, 20) as `tile_splats`."""
    out, count = np.empty((TILE_CELLS * TILE_CELLS, ROW), np.float32), 0
    found = np.empty(_SAMPLES * _SAMPLES, np.uint8)
    for i, j in np.ndindex(TILE_CELLS, TILE_CELLS):
        if _below_house(ground, blocks, materials, brick_of, base_z, i, j):
            continue
        parts = 1 if _one_paint(paint, edge_of, i, j) and not fine[i >> 3, j >> 3] else _STEP
        row = edge_of[i, j]
        for a, b in np.ndindex(parts, parts):
            at_i, at_j = _STEP * i + a, _STEP * j + b
            finer = 2 if parts > 1 and row >= 0 and edges[row, at_i & 3, at_j & 3, 3] != 0 else 1
            out = with_room(out, count, finer * finer)
            side = CELL_M / parts / finer
            for c, d in np.ndindex(finer, finer):
                x = i * CELL_M + (a * finer + c + 0.5) * side
                y = j * CELL_M + (b * finer + d + 0.5) * side
                material = paint[at_i, at_j]
                if material == EMPTY or not _write_square(out, count, ground, x, y, side):
                    continue
                if finer > 1:
                    material = _write_paint(out, count, paint, edge_of, edges, at_i, at_j, x, y, side, found)
                else:
                    for q in range(3):
                        out[count, 12 + q] = LINEAR_RGB[material, q]
                out[count, 15] = material
                count += 1
    return out[:count].copy()


@device
def _write_square(out, at, ground, x, y, side):
    """Write place, covariance, normal and area of a square of ground; returns whether there is any."""
    u, v = x / GROUND_STEP_M, y / GROUND_STEP_M
    # heights half a square to each side, so that neighbours meet
    h = 0.5 * side / GROUND_STEP_M
    left, right = _height(ground, u - h, v), _height(ground, u + h, v)
    back, ahead = _height(ground, u, v - h), _height(ground, u, v + h)
    gx, gy = (right - left) / side, (ahead - back) / side
    z = 0.25 * (left + right + back + ahead)
    if np.isnan(z):
        return False
    out[at, 0], out[at, 1], out[at, 2] = x, y, z
    even = side * side / 12.0
    out[at, 3], out[at, 4], out[at, 5] = even + FLAT_M2, 0.0, even * gx
    out[at, 6], out[at, 7] = even + FLAT_M2, even * gy
    out[at, 8] = even * (gx * gx + gy * gy) + FLAT_M2
    length = np.sqrt(gx * gx + gy * gy + 1.0)
    out[at, 9], out[at, 10], out[at, 11] = -gx / length, -gy / length, 1.0 / length
    out[at, 16] = side * side * length
    return True


@njit(cache=True)
def _write_paint(out, at, paint, edge_of, edges, i, j, x, y, side, found):
    """Write the mean albedo of a square in cell (i, j) of paint, which an edge crosses; returns what most of it is."""
    for q in range(3):
        out[at, 12 + q] = 0.0
    count = _SAMPLES * _SAMPLES
    for s in range(count):
        sx = x + ((s // _SAMPLES + 0.5) / _SAMPLES - 0.5) * side
        sy = y + ((s % _SAMPLES + 0.5) / _SAMPLES - 0.5) * side
        found[s] = _paint_of(paint, edge_of, edges, i, j, sx, sy)
        for q in range(3):
            out[at, 12 + q] += LINEAR_RGB[found[s], q] / count
    most, material = 0, found[0]
    for s in range(count):
        same = 0
        for q in range(count):
            same += found[q] == found[s]
        if same > most:
            most, material = same, found[s]
    return material


@device
def _height(ground, u, v):
    """Bilinear height at (u, v), in steps of the ground's samples."""
    i, j = min(max(int(u), 0), ground.shape[0] - 2), min(max(int(v), 0), ground.shape[1] - 2)
    f, g = u - i, v - j
    return ((1 - f) * ((1 - g) * ground[i, j] + g * ground[i, j + 1])
            + f * ((1 - g) * ground[i + 1, j] + g * ground[i + 1, j + 1]))  # fmt: skip
