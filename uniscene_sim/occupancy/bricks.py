"""Bricks: 4x4x4 masks of 0.1 m sub-cells, and how dense arrays of a tile are packed into sparse blocks."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.taxonomy import Material

__all__ = ["SUB_CELL_M", "draw_box", "draw_bridge_slab", "pack_blocks", "sub_cell_bit"]

SUB_CELL_M = 0.1
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
# Plain uint8, since numba cannot unify an enum with elements of arrays.
_NONE, _BRIDGE = np.uint8(Material.NONE), np.uint8(Material.BRIDGE)


@njit(cache=True)
def sub_cell_bit(i, j, k):
    """The bit, uint64, of sub-cell (i, j, k) of a cell, each 0..3."""
    return _ONE << np.uint64(16 * i + 4 * j + k)


@njit(cache=True)
def draw_box(material, mask, x0, y0, z0, cx, cy, z, yaw, length, width, height, what):
    """Draw an upright oriented box, exact at 0.1 m.

    Args:
        material: uint8 (160, 160, Z), cells of a tile, changed.
        mask: uint64 (160, 160, Z), their bricks, changed.
        x0, y0, z0: corner of the tile, m.
        cx, cy, z: centre of the box's foot, m.
        yaw: direction of its length, rad.
        length, width, height: m.
        what: Material, uint8.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    rx = 0.5 * (abs(length * c) + abs(width * s)) + SUB_CELL_M
    ry = 0.5 * (abs(length * s) + abs(width * c)) + SUB_CELL_M
    n, m, h = material.shape
    i0, i1 = max(int((cx - rx - x0) / SUB_CELL_M), 0), min(int((cx + rx - x0) / SUB_CELL_M), 4 * n - 1)
    j0, j1 = max(int((cy - ry - y0) / SUB_CELL_M), 0), min(int((cy + ry - y0) / SUB_CELL_M), 4 * m - 1)
    k0, k1 = max(round((z - z0) / SUB_CELL_M), 0), min(round((z + height - z0) / SUB_CELL_M) - 1, 4 * h - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            dx, dy = x0 + (i + 0.5) * SUB_CELL_M - cx, y0 + (j + 0.5) * SUB_CELL_M - cy
            if abs(c * dx + s * dy) > 0.5 * length or abs(-s * dx + c * dy) > 0.5 * width:
                continue
            for k in range(k0, k1 + 1):
                material[i // 4, j // 4, k // 4] = what
                mask[i // 4, j // 4, k // 4] |= sub_cell_bit(i % 4, j % 4, k % 4)


@njit(cache=True, nogil=True)
def draw_bridge_slab(material, mask, z0, deck):
    """Draw the slab of a bridge, 0.9 m thick, beneath its deck.

    Args:
        material: uint8 (160, 160, Z), cells of a tile, changed.
        mask: uint64 (160, 160, Z), their bricks, changed.
        z0: bottom of the tile, m.
        deck: float32 (321, 321) m, height of the deck; NaN where it is absent.
    """
    n, m, h = material.shape
    for i in range(4 * n):
        for j in range(4 * m):
            z = deck[i // 2, j // 2]
            if np.isnan(z):
                continue
            k0, k1 = max(int((z - 0.95 - z0) / SUB_CELL_M), 0), min(int((z - 0.1 - z0) / SUB_CELL_M) - 1, 4 * h - 1)
            for k in range(k0, k1 + 1):
                material[i // 4, j // 4, k // 4] = _BRIDGE
                mask[i // 4, j // 4, k // 4] |= sub_cell_bit(i % 4, j % 4, k % 4)


@njit(cache=True, nogil=True)
def pack_blocks(material, mask):
    """Sparse blocks of a `Tile` (blocks, materials, brick_of, bricks) from dense cells: material uint8 and mask uint64,
    both (160, 160, 192)."""
    nx, ny, nz = material.shape[0] // 8, material.shape[1] // 8, material.shape[2] // 8
    blocks = np.full((nx, ny, nz), -1, np.int32)
    count, partial = 0, 0
    for i in range(material.shape[0]):
        for j in range(material.shape[1]):
            for k in range(material.shape[2]):
                if mask[i, j, k] != 0:
                    if mask[i, j, k] != _ALL:
                        partial += 1
                    if blocks[i // 8, j // 8, k // 8] < 0:
                        blocks[i // 8, j // 8, k // 8] = 0
                        count += 1
    materials = np.full((count, 8, 8, 8), _NONE, np.uint8)
    brick_of = np.full((count, 8, 8, 8), -1, np.int32)
    bricks = np.empty(partial, np.uint64)
    at, brick = 0, 0
    for a in range(nx):
        for b in range(ny):
            for c in range(nz):
                if blocks[a, b, c] < 0:
                    continue
                blocks[a, b, c] = at
                for i in range(8):
                    for j in range(8):
                        for k in range(8):
                            bits = mask[8 * a + i, 8 * b + j, 8 * c + k]
                            if bits == 0:
                                continue
                            materials[at, i, j, k] = material[8 * a + i, 8 * b + j, 8 * c + k]
                            if bits != _ALL:
                                brick_of[at, i, j, k] = brick
                                bricks[brick] = bits
                                brick += 1
                at += 1
    return blocks, materials, brick_of, bricks
