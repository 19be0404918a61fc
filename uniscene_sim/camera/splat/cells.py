"""Faces of cells and bricks of a tile, as rows of splats."""

from __future__ import annotations

import numpy as np

from uniscene_sim.camera.raycast.shading import LINEAR_RGB, is_wall_material
from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, CELL_M, TILE_CELLS

__all__ = ["EMPTY", "FLAT_M2", "ROW", "cell_at", "cell_rows", "with_room"]

EMPTY = np.uint8(Material.NONE)
FLAT_M2 = 0.01**2  # variance of a face along its normal
ROW = 17  # numbers of a splat in the kernels: mean, covariance, normal, albedo, material, area
_SUB_M = CELL_M / 4
_LAYERS = BLOCKS_Z * BLOCK_CELLS
_THIN = 0.35  # share of its area that the sum of a brick's faces has at least, if it has an outside
_HIDDEN_M = 0.3  # faces this far below the ground are not made
_AROUND = 2  # cells to each side that a wall's normal is smoothed over
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_MOST = 64  # splats of a cell
_SIDES = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.int64)


@device
def cell_at(blocks, materials, i, j, k):
    """Material of a cell, `EMPTY` beyond the tile."""
    if i < 0 or j < 0 or k < 0 or i >= TILE_CELLS or j >= TILE_CELLS or k >= _LAYERS:
        return EMPTY
    row = blocks[i >> 3, j >> 3, k >> 3]
    return materials[row, i & 7, j & 7, k & 7] if row >= 0 else EMPTY


@device
def _mask_at(blocks, materials, brick_of, bricks, i, j, k):
    """Sub-cells of a cell that are solid, uint64; none beyond the tile."""
    if i < 0 or j < 0 or k < 0 or i >= TILE_CELLS or j >= TILE_CELLS or k >= _LAYERS:
        return np.uint64(0)
    row = blocks[i >> 3, j >> 3, k >> 3]
    if row < 0 or materials[row, i & 7, j & 7, k & 7] == EMPTY:
        return np.uint64(0)
    brick = brick_of[row, i & 7, j & 7, k & 7]
    return bricks[brick] if brick >= 0 else _ALL


@device
def _bit(a, b, c):
    """Of sub-cell (a, b, c) in a mask."""
    return np.uint64(1) << np.uint64(16 * a + 4 * b + c)


@device
def _has(mask, a, b, c):
    return (mask & _bit(a, b, c)) != np.uint64(0)


@njit(cache=True)
def _wall_normal(blocks, materials, i, j, k, nx, ny):
    """Normal of an upright face, averaged over the cells around it, as ray casting shades it."""
    gx, gy = 0.0, 0.0
    for u in range(-_AROUND, _AROUND + 1):
        for v in range(-_AROUND, _AROUND + 1):
            # cells beyond the tile are like the nearest within it
            ci, cj = min(max(i + u, 0), TILE_CELLS - 1), min(max(j + v, 0), TILE_CELLS - 1)
            if (u != 0 or v != 0) and cell_at(blocks, materials, ci, cj, k) == EMPTY:
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
    out[at, 3] = moments[4] / n - mx * mx + even * (1.0 - nx * nx) + FLAT_M2
    out[at, 4] = moments[5] / n - mx * my - even * nx * ny
    out[at, 5] = moments[6] / n - mx * mz - even * nx * nz
    out[at, 6] = moments[7] / n - my * my + even * (1.0 - ny * ny) + FLAT_M2
    out[at, 7] = moments[8] / n - my * mz - even * ny * nz
    out[at, 8] = moments[9] / n - mz * mz + even * (1.0 - nz * nz) + FLAT_M2
    out[at, 9], out[at, 10], out[at, 11] = nx, ny, nz
    for c in range(3):
        out[at, 12 + c] = LINEAR_RGB[material, c]
    out[at, 15], out[at, 16] = material, n * _SUB_M * _SUB_M


@njit(cache=True)
def with_room(out, count, more):
    """The rows, in a larger array if there is no room for some more."""
    if count + more <= len(out):
        return out
    grown = np.empty((2 * len(out), ROW), np.float32)
    grown[:count] = out[:count]
    return grown


@device
def _lowest_ground(ground, i, j):
    """Lowest height of all decks at cell (i, j), m, infinite where there is none."""
    low = np.inf
    for d in range(ground.shape[0]):
        z = np.float64(ground[d, 2 * i + 1, 2 * j + 1])
        if z < low:  # not where the deck is absent
            low = z
    return low


@device
def _on_side(di, dj, dk, a, b, c):
    """Whether a sub-cell lies at a side of its cell."""
    return ((di == 1 and a == 3) or (di == -1 and a == 0) or (dj == 1 and b == 3) or (dj == -1 and b == 0)
            or (dk == 1 and c == 3) or (dk == -1 and c == 0))  # fmt: skip


@njit(cache=True)
def _sum_faces(mask, beyond, i, j, k, sums):
    """Sum up the faces of a cell that show, by side; returns the sub-cells that have any.

    Args:
        mask: its sub-cells.
        beyond: uint64 (6,), those of its neighbours.
        i, j, k: the cell.
        sums: float64 (6, 10), written, see `_sum`.
    """
    full, shown = mask == _ALL, np.uint64(0)
    sums[:] = 0.0
    for side in range(6):
        di, dj, dk = _SIDES[side, 0], _SIDES[side, 1], _SIDES[side, 2]
        if full and beyond[side] == _ALL:
            continue
        for a in range(4):
            for b in range(4):
                for c in range(4):
                    if not _has(mask, a, b, c) or (full and not _on_side(di, dj, dk, a, b, c)):
                        continue
                    na, nb, nc = a + di, b + dj, c + dk
                    inside = 0 <= na < 4 and 0 <= nb < 4 and 0 <= nc < 4
                    if _has(mask if inside else beyond[side], na & 3, nb & 3, nc & 3):
                        continue
                    x = i * CELL_M + (a + 0.5 + 0.5 * di) * _SUB_M
                    y = j * CELL_M + (b + 0.5 + 0.5 * dj) * _SUB_M
                    _sum(sums[side], x, y, k * CELL_M + (c + 0.5 + 0.5 * dk) * _SUB_M)
                    shown |= _bit(a, b, c)
    return shown


@njit(cache=True)
def _sum_cells(mask, i, j, k, whole):
    """Add the middles of sub-cells."""
    for bit in range(64):
        if (mask >> np.uint64(bit)) & np.uint64(1):
            _sum(whole, i * CELL_M + ((bit >> 4) + 0.5) * _SUB_M, j * CELL_M + (((bit >> 2) & 3) + 0.5) * _SUB_M,
                 k * CELL_M + ((bit & 3) + 0.5) * _SUB_M)  # fmt: skip


@njit(cache=True)
def _write_sides(out, count, sums, blocks, materials, i, j, k, base_z, material):
    """Write a splat for each side of a full cell that shows; returns the rows in use then."""
    for side in range(6):
        if sums[side, 0] > 0.0:
            nx, ny, nz = 1.0 * _SIDES[side, 0], 1.0 * _SIDES[side, 1], 1.0 * _SIDES[side, 2]
            _write(out, count, sums[side], base_z, nx, ny, nz, material)
            if nz == 0.0 and is_wall_material(material):
                out[count, 9], out[count, 10] = _wall_normal(blocks, materials, i, j, k, nx, ny)
            count += 1
    return count


@njit(cache=True)
def _write_brick(out, count, sums, whole, mask, shown, i, j, k, base_z, material, fine):
    """Write one splat of a brick, or one of each sub-cell that shows; returns the rows in use then."""
    nx, ny, nz, area = 0.0, 0.0, 0.0, 0.0
    for side in range(6):
        nx += sums[side, 0] * _SIDES[side, 0]
        ny += sums[side, 0] * _SIDES[side, 1]
        nz += sums[side, 0] * _SIDES[side, 2]
        area += sums[side, 0]
    if area == 0.0:
        return count
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    outside = length > _THIN * area
    nx, ny, nz = (nx / length, ny / length, nz / length) if outside else (0.0, 0.0, 0.0)
    if fine:
        for bit in range(64):
            one = np.uint64(1) << np.uint64(bit)
            if shown & one:
                whole[:] = 0.0
                _sum_cells(one, i, j, k, whole)
                _write(out, count, whole, base_z, nx, ny, nz, material)
                count += 1
        return count
    whole[:] = 0.0
    if not outside:  # thin: the moments of what is solid
        _sum_cells(mask, i, j, k, whole)
    for side in range(6):
        if nx * _SIDES[side, 0] + ny * _SIDES[side, 1] + nz * _SIDES[side, 2] > 0.0:
            whole += sums[side]
    _write(out, count, whole, base_z, nx, ny, nz, material)
    if not outside:
        out[count, 16] = 0.5 * area * _SUB_M * _SUB_M
    return count + 1


@njit(cache=True, nogil=True)
def cell_rows(blocks, materials, brick_of, bricks, ground, base_z, fine):
    """Rows float32 (N, 17) of the faces of all cells of a tile, see `Tile`; `fine` bool (20, 20) as `tile_splats`."""
    out, count = np.empty((4096, ROW), np.float32), 0
    sums, whole, beyond = np.empty((6, 10)), np.empty(10), np.empty(6, np.uint64)
    for bi, bj, bk in np.ndindex(blocks.shape):
        row = blocks[bi, bj, bk]
        if row < 0:
            continue
        for cell in range(512):
            ci, cj, ck = cell >> 6, (cell >> 3) & 7, cell & 7
            material = materials[row, ci, cj, ck]
            if material == EMPTY:
                continue
            i, j, k = 8 * bi + ci, 8 * bj + cj, 8 * bk + ck
            if base_z + (k + 1) * CELL_M < _lowest_ground(ground, i, j) - _HIDDEN_M:
                continue
            full = brick_of[row, ci, cj, ck] < 0
            mask = _ALL if full else bricks[brick_of[row, ci, cj, ck]]
            for side in range(6):
                di, dj, dk = _SIDES[side, 0], _SIDES[side, 1], _SIDES[side, 2]
                beyond[side] = _mask_at(blocks, materials, brick_of, bricks, i + di, j + dj, k + dk)
            shown = _sum_faces(mask, beyond, i, j, k, sums)
            out = with_room(out, count, _MOST)
            if full and not fine[bi, bj]:
                count = _write_sides(out, count, sums, blocks, materials, i, j, k, base_z, material)
            else:
                count = _write_brick(out, count, sums, whole, mask, shown, i, j, k, base_z, material, fine[bi, bj])
    return out[:count].copy()
