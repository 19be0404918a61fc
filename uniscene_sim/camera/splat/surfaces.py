"""The surfaces of a tile as splats: faces of cells and bricks, and squares of ground.

Each splat has the moments of the faces that it stands for. A full cell gives one for each side that shows, a brick one
for all of it: a slanting wall of bricks becomes splats that slant. Ground is squares of 0.4 m, of 0.1 m where its paint
changes, and of 0.05 m where an edge of paint runs.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.camera.raycast.shading import LINEAR_RGB, is_wall_material
from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import (
    BLOCK_CELLS,
    BLOCKS_Z,
    CELL_M,
    GROUND_STEP_M,
    PAINT_CELLS,
    PAINT_M,
    TILE_BLOCKS,
    TILE_CELLS,
    Tile,
)

__all__ = ["tile_splats"]

_EMPTY = np.uint8(Material.NONE)
_SUB_M = CELL_M / 4
_LAYERS = BLOCKS_Z * BLOCK_CELLS
_FLAT_M2 = 0.01**2  # variance of a face along its normal
_THIN = 0.35  # share of its area that the sum of a brick's faces has at least, if it has an outside
_HIDDEN_M = 0.3  # faces this far below the ground are not made
_AROUND = 2  # cells to each side that a wall's normal is smoothed over
_SAMPLES = 3  # of paint along a square that an edge crosses
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ROW = 17  # numbers of a splat in the kernels: mean, covariance, normal, albedo, material, area
_SIDES = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.int64)


def tile_splats(tile: Tile, fine: np.ndarray | None = None) -> Splats:
    """Splats of all surfaces of a tile that may be seen from above ground; x, y from the tile's corner, z of the map, m.

    The colours are those of the materials, and no splat has an instance.

    Args:
        tile: the tile.
        fine: bool (20, 20), columns whose surfaces get splats of 0.1 m, for appearances that have more to show.
    """
    if fine is None:
        fine = np.zeros((TILE_BLOCKS, TILE_BLOCKS), np.bool_)
    cells = _cell_rows(tile.blocks, tile.materials, tile.brick_of, tile.bricks, tile.ground, float(tile.base_z), fine)
    ground = [
        _ground_rows(tile.ground[d], tile.paint[d], tile.edge_of[d], tile.edges, tile.blocks, tile.materials,
                     tile.brick_of, float(tile.base_z), fine)
        for d in range(len(tile.ground))
    ]  # fmt: skip
    rows = np.concatenate([cells, *ground])
    return Splats(
        rows[:, 0:3],
        rows[:, 3:9],
        rows[:, 9:12],
        np.ones(len(rows), np.float32),
        rows[:, 12:15],
        rows[:, 15].astype(np.uint8),
        np.zeros(len(rows), np.uint16),
        rows[:, 16],
    )


@device
def _cell_at(blocks, materials, i, j, k):
    """Material of a cell, `_EMPTY` beyond the tile."""
    if i < 0 or j < 0 or k < 0 or i >= TILE_CELLS or j >= TILE_CELLS or k >= _LAYERS:
        return _EMPTY
    row = blocks[i >> 3, j >> 3, k >> 3]
    return materials[row, i & 7, j & 7, k & 7] if row >= 0 else _EMPTY


@device
def _mask_at(blocks, materials, brick_of, bricks, i, j, k):
    """Sub-cells of a cell that are solid, uint64; none beyond the tile."""
    if i < 0 or j < 0 or k < 0 or i >= TILE_CELLS or j >= TILE_CELLS or k >= _LAYERS:
        return np.uint64(0)
    row = blocks[i >> 3, j >> 3, k >> 3]
    if row < 0 or materials[row, i & 7, j & 7, k & 7] == _EMPTY:
        return np.uint64(0)
    brick = brick_of[row, i & 7, j & 7, k & 7]
    return bricks[brick] if brick >= 0 else _ALL


@device
def _has(mask, a, b, c):
    return (mask >> np.uint64(16 * a + 4 * b + c)) & np.uint64(1)


@njit(cache=True)
def _wall_normal(blocks, materials, i, j, k, nx, ny):
    """Normal of an upright face, averaged over the cells around it, as ray casting shades it."""
    gx, gy = 0.0, 0.0
    for u in range(-_AROUND, _AROUND + 1):
        for v in range(-_AROUND, _AROUND + 1):
            # cells beyond the tile are like the nearest within it
            ci, cj = min(max(i + u, 0), TILE_CELLS - 1), min(max(j + v, 0), TILE_CELLS - 1)
            if (u != 0 or v != 0) and _cell_at(blocks, materials, ci, cj, k) == _EMPTY:
                gx, gy = gx + u / (u * u + v * v), gy + v / (u * u + v * v)
    length = np.sqrt(gx * gx + gy * gy)
    if length < 1e-6 or gx * nx + gy * ny < 0.2 * length:
        return nx, ny
    return gx / length, gy / length


@device
def _sum(s, x, y, z):
    """Add a point to the sums of a splat."""
    s[0] += 1.0
    s[1], s[2], s[3] = s[1] + x, s[2] + y, s[3] + z
    s[4], s[5], s[6] = s[4] + x * x, s[5] + x * y, s[6] + x * z
    s[7], s[8], s[9] = s[7] + y * y, s[8] + y * z, s[9] + z * z


@njit(cache=True)
def _write(out, at, moments, base_z, nx, ny, nz, material):
    """Write a splat from sums over its faces: count, x, y, z, and the six products, in cells of the tile."""
    n = moments[0]
    mx, my, mz = moments[1] / n, moments[2] / n, moments[3] / n
    even = _SUB_M * _SUB_M / 12.0  # of a face within itself
    out[at, 0], out[at, 1], out[at, 2] = mx, my, base_z + mz
    out[at, 3] = moments[4] / n - mx * mx + even * (1.0 - nx * nx) + _FLAT_M2
    out[at, 4] = moments[5] / n - mx * my - even * nx * ny
    out[at, 5] = moments[6] / n - mx * mz - even * nx * nz
    out[at, 6] = moments[7] / n - my * my + even * (1.0 - ny * ny) + _FLAT_M2
    out[at, 7] = moments[8] / n - my * mz - even * ny * nz
    out[at, 8] = moments[9] / n - mz * mz + even * (1.0 - nz * nz) + _FLAT_M2
    out[at, 9], out[at, 10], out[at, 11] = nx, ny, nz
    for c in range(3):
        out[at, 12 + c] = LINEAR_RGB[material, c]
    out[at, 15], out[at, 16] = material, n * _SUB_M * _SUB_M


@njit(cache=True, nogil=True)
def _cell_rows(blocks, materials, brick_of, bricks, ground, base_z, fine):
    """Rows float32 (N, 17) of the faces of all cells."""
    out, count = np.empty((4096, _ROW), np.float32), 0
    sums = np.empty((6, 10))
    whole = np.empty(10)
    for bi in range(blocks.shape[0]):
        for bj in range(blocks.shape[1]):
            for bk in range(blocks.shape[2]):
                row = blocks[bi, bj, bk]
                if row < 0:
                    continue
                for cell in range(512):
                    ci, cj, ck = cell >> 6, (cell >> 3) & 7, cell & 7
                    material = materials[row, ci, cj, ck]
                    if material == _EMPTY:
                        continue
                    i, j, k = 8 * bi + ci, 8 * bj + cj, 8 * bk + ck
                    top = base_z + (k + 1) * CELL_M
                    low = 1e9
                    for d in range(ground.shape[0]):
                        z = ground[d, 2 * i + 1, 2 * j + 1]
                        if z == z and z < low:
                            low = z
                    if low < 1e9 and top < low - _HIDDEN_M:
                        continue
                    full = brick_of[row, ci, cj, ck] < 0
                    mask = _ALL if full else bricks[brick_of[row, ci, cj, ck]]
                    sums[:] = 0.0
                    shown = np.uint64(0)  # sub-cells with a face that shows
                    for side in range(6):
                        di, dj, dk = _SIDES[side, 0], _SIDES[side, 1], _SIDES[side, 2]
                        beyond = _mask_at(blocks, materials, brick_of, bricks, i + di, j + dj, k + dk)
                        if full and beyond == _ALL:
                            continue
                        for a in range(4):
                            for b in range(4):
                                for c in range(4):
                                    if full and not (
                                        (di == 1 and a == 3) or (di == -1 and a == 0) or (dj == 1 and b == 3)
                                        or (dj == -1 and b == 0) or (dk == 1 and c == 3) or (dk == -1 and c == 0)
                                    ):  # fmt: skip
                                        continue
                                    if not _has(mask, a, b, c):
                                        continue
                                    na, nb, nc = a + di, b + dj, c + dk
                                    inside = 0 <= na < 4 and 0 <= nb < 4 and 0 <= nc < 4
                                    if _has(mask if inside else beyond, na & 3, nb & 3, nc & 3):
                                        continue
                                    x = i * CELL_M + (a + 0.5 + 0.5 * di) * _SUB_M
                                    y = j * CELL_M + (b + 0.5 + 0.5 * dj) * _SUB_M
                                    z = k * CELL_M + (c + 0.5 + 0.5 * dk) * _SUB_M
                                    _sum(sums[side], x, y, z)
                                    shown |= np.uint64(1) << np.uint64(16 * a + 4 * b + c)
                    if count + 64 > len(out):
                        grown = np.empty((2 * len(out), _ROW), np.float32)
                        grown[:count] = out[:count]
                        out = grown
                    if full and not fine[bi, bj]:
                        for side in range(6):
                            if sums[side, 0] > 0.0:
                                nx, ny, nz = 1.0 * _SIDES[side, 0], 1.0 * _SIDES[side, 1], 1.0 * _SIDES[side, 2]
                                _write(out, count, sums[side], base_z, nx, ny, nz, material)
                                if nz == 0.0 and is_wall_material(material):
                                    sx, sy = _wall_normal(blocks, materials, i, j, k, nx, ny)
                                    out[count, 9], out[count, 10] = sx, sy
                                count += 1
                        continue
                    nx, ny, nz, area = 0.0, 0.0, 0.0, 0.0
                    for side in range(6):
                        nx += sums[side, 0] * _SIDES[side, 0]
                        ny += sums[side, 0] * _SIDES[side, 1]
                        nz += sums[side, 0] * _SIDES[side, 2]
                        area += sums[side, 0]
                    if area == 0.0:
                        continue
                    length = np.sqrt(nx * nx + ny * ny + nz * nz)
                    outside = length > _THIN * area
                    if fine[bi, bj]:
                        nx, ny, nz = (nx / length, ny / length, nz / length) if outside else (0.0, 0.0, 0.0)
                        for bit in range(64):
                            if (shown >> np.uint64(bit)) & np.uint64(1):
                                whole[:] = 0.0
                                _sum(whole, i * CELL_M + ((bit >> 4) + 0.5) * _SUB_M,
                                     j * CELL_M + (((bit >> 2) & 3) + 0.5) * _SUB_M,
                                     k * CELL_M + ((bit & 3) + 0.5) * _SUB_M)  # fmt: skip
                                _write(out, count, whole, base_z, nx, ny, nz, material)
                                count += 1
                        continue
                    whole[:] = 0.0
                    if outside:
                        for side in range(6):
                            if nx * _SIDES[side, 0] + ny * _SIDES[side, 1] + nz * _SIDES[side, 2] > 0.0:
                                whole += sums[side]
                        _write(out, count, whole, base_z, nx / length, ny / length, nz / length, material)
                    else:  # thin: the moments of what is solid
                        for bit in range(64):
                            if _has(mask, bit >> 4, (bit >> 2) & 3, bit & 3):
                                x, y = i * CELL_M + ((bit >> 4) + 0.5) * _SUB_M, j * CELL_M + (((bit >> 2) & 3) + 0.5) * _SUB_M
                                _sum(whole, x, y, k * CELL_M + ((bit & 3) + 0.5) * _SUB_M)
                        _write(out, count, whole, base_z, 0.0, 0.0, 0.0, material)
                        out[count, 16] = 0.5 * area * _SUB_M * _SUB_M
                    count += 1
    return out[:count].copy()


@device
def _paint_of(paint, edge_of, edges, i, j, x, y):
    """Material at a point (from the tile's corner, m) of cell (i, j) of paint, see `tracing.paint`."""
    row = edge_of[i >> 2, j >> 2]
    if row >= 0:
        px, py = x - (i + 0.5) * PAINT_M, y - (j + 0.5) * PAINT_M
        for k in range(2):
            nx, ny = edges[row, i & 3, j & 3, 4 * k] / 127.0, edges[row, i & 3, j & 3, 4 * k + 1] / 127.0
            other = edges[row, i & 3, j & 3, 4 * k + 3]
            if other == 0:
                break
            if nx * px + ny * py - edges[row, i & 3, j & 3, 4 * k + 2] * 0.00125 > 0.0:
                return np.uint8(other)
    return paint[i, j]


@njit(cache=True, nogil=True)
def _ground_rows(ground, paint, edge_of, edges, blocks, materials, brick_of, base_z, fine):
    """Rows float32 (N, 17) of one deck."""
    out, count = np.empty((TILE_CELLS * TILE_CELLS, _ROW), np.float32), 0
    found = np.empty(_SAMPLES * _SAMPLES, np.uint8)
    step = PAINT_CELLS // TILE_CELLS
    for i in range(TILE_CELLS):
        for j in range(TILE_CELLS):
            z = 0.25 * (np.float64(ground[2 * i, 2 * j]) + ground[2 * i + 2, 2 * j]
                        + ground[2 * i, 2 * j + 2] + ground[2 * i + 2, 2 * j + 2])  # fmt: skip
            if np.isnan(z + ground[2 * i + 1, 2 * j + 1]):
                continue
            k = int((z + 0.5 * CELL_M - base_z) / CELL_M)
            if _cell_at(blocks, materials, i, j, k) != _EMPTY and _cell_at(blocks, materials, i, j, k + 1) != _EMPTY:
                row = blocks[i >> 3, j >> 3, k >> 3]
                if brick_of[row, i & 7, j & 7, k & 7] < 0:
                    continue  # below a house
            same = edge_of[i, j] < 0 and not fine[i >> 3, j >> 3]
            for a in range(step):
                for b in range(step):
                    same = same and paint[step * i + a, step * j + b] == paint[step * i, step * j]
            parts = 1 if same else step
            for a in range(parts):
                for b in range(parts):
                    at_i, at_j = step * i + a, step * j + b
                    row = edge_of[i, j]
                    finer = 2 if parts > 1 and row >= 0 and edges[row, at_i & 3, at_j & 3, 3] != 0 else 1
                    if count + finer * finer > len(out):
                        grown = np.empty((2 * len(out), _ROW), np.float32)
                        grown[:count] = out[:count]
                        out = grown
                    side = CELL_M / parts / finer
                    for c in range(finer):
                        for d in range(finer):
                            x = i * CELL_M + (a * finer + c + 0.5) * side
                            y = j * CELL_M + (b * finer + d + 0.5) * side
                            if not _write_square(out, count, ground, x, y, side):
                                continue
                            material = paint[at_i, at_j]
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
    out[at, 3], out[at, 4], out[at, 5] = even + _FLAT_M2, 0.0, even * gx
    out[at, 6], out[at, 7] = even + _FLAT_M2, even * gy
    out[at, 8] = even * (gx * gx + gy * gy) + _FLAT_M2
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
