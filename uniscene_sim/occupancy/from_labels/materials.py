"""Materials and bricks of generated cells: walls with windows, roofs, trunks, ragged leaves, and thin poles
and fences."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import floor, njit
from uniscene_sim.compute.keyed_random import unit_hash4
from uniscene_sim.occupancy.from_labels.above_grid import BLOCK_M
from uniscene_sim.occupancy.procedural.houses import (
    WALL_MATERIALS,
    facade_material,
    house_material,
    house_style,
    house_top,
)
from uniscene_sim.occupancy.procedural.trees import LEAF_MATERIALS
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["assign_materials"]

_LABEL = MATERIAL_LABEL
_NONE, _MANMADE, _VEGETATION = (np.uint8(c) for c in (Material.NONE, OccClass.MANMADE, OccClass.VEGETATION))
_POLE, _FENCE, _TRUNK, _HEDGE, _ROOF = (
    np.uint8(m) for m in (Material.POLE, Material.FENCE, Material.TRUNK, Material.HEDGE, Material.ROOF_FLAT)
)
_ZERO, _ONE, _ALL = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW_M = 1.9  # fences and hedges are lower than this
_STEM_M = 2.8  # trunks are visible below this
_COLOUR, _SPECIES, _OPEN = 113, 114, 115  # uses of random numbers


@njit(cache=True, nogil=True)
def assign_materials(material, mask, x0, y0, base, layers, z, objects, house_at, tree_at, seed):
    """Give cells that have only a label, `MANMADE` or `VEGETATION`, a material and bricks.

    Args:
        material, mask: uint8 and uint64 (160, 160, 192), cells, changed.
        x0, y0, base: corner of the tile, m.
        layers: cells above this are empty.
        z: (160, 160) m, height of the ground.
        objects, house_at, tree_at: as in `CellOwners`, but (160, 160).
        seed: of unplanned appearances.
    """
    n, m, _ = material.shape
    for i in range(n):
        for j in range(m):
            x, y = x0 + (i + 0.5) * CELL_M, y0 + (j + 0.5) * CELL_M
            walled = False  # whether there was a wall higher up
            low = True  # whether the column ends below the height of fences and hedges
            stem = int((z[i, j] - base) / CELL_M)  # top of the leaves that stand on the ground
            while stem < layers and material[i, j, stem] == _VEGETATION:
                stem += 1
            for k in range(layers, -1, -1):
                what = material[i, j, k]
                if what != _MANMADE and what != _VEGETATION:
                    continue
                high = base + (k + 0.5) * CELL_M
                low = low and high - z[i, j] < _LOW_M
                if what == _MANMADE:
                    if house_at[i, j] < 0 and _same_label_count(material, i, j, k, what, 2) < 7:
                        mask[i, j, k] = (
                            _fence_bricks(material, i, j, k, what)
                            if low
                            else _pole_bricks(material, i, j, k, what, 0.15)
                        )
                        material[i, j, k] = _FENCE if low else _POLE
                    else:
                        roofed = not walled and high - z[i, j] > _LOW_M
                        walled = True
                        material[i, j, k] = _wall_material(x, y, high, roofed, z[i, j], objects, house_at[i, j], seed)
                elif (
                    k < stem
                    and not low
                    and high - z[i, j] < _STEM_M
                    and _same_label_count(material, i, j, k, what, 1) < 6
                ):
                    mask[i, j, k] = _pole_bricks(material, i, j, k, what, 0.2)
                    material[i, j, k] = _TRUNK
                else:
                    mask[i, j, k] = _leaf_bricks(mask, i, j, k, x0, y0)
                    material[i, j, k] = _HEDGE if low else _leaf_material(x, y, objects, tree_at[i, j], seed)


@njit(cache=True)
def _same_label_count(material, i, j, k, label, reach):
    """Number of cells with a label in layer k of `material`, uint8 (160, 160, 192), at most `reach` cells from (i, j)
    in x and in y."""
    count = 0
    for a in range(max(i - reach, 0), min(i + reach + 1, material.shape[0])):
        for b in range(max(j - reach, 0), min(j + reach + 1, material.shape[1])):
            count += _has_label(material[a, b, k], label)
    return count


@njit(cache=True)
def _has_label(material, label):
    """Whether a cell with a material has a label."""
    return material != _NONE and _LABEL[material] == label


@njit(cache=True)
def _pole_bricks(material, i, j, k, label, radius):
    """Brick of a cell (i, j, k) of `material`, uint8 (160, 160, 192): sub-cells within a radius, m, of the centre of
    the adjacent cells with its label."""
    count, di, dj = 0, 0.0, 0.0
    for a in range(max(i - 1, 0), min(i + 2, material.shape[0])):
        for b in range(max(j - 1, 0), min(j + 2, material.shape[1])):
            if _has_label(material[a, b, k], label):
                count, di, dj = count + 1, di + a - i, dj + b - j
    bits = _ZERO
    for a in range(4):
        for b in range(4):
            u, v = (a - 1.5) * 0.25 - di / count, (b - 1.5) * 0.25 - dj / count
            if np.hypot(u, v) * CELL_M < radius:
                bits |= np.uint64(15) << np.uint64(16 * a + 4 * b)
    return bits


@njit(cache=True)
def _fence_bricks(material, i, j, k, label):
    """Brick of a cell: its middle, and connections to the adjacent cells with its label."""
    bits = _ZERO
    n, m, _ = material.shape
    for a in range(4):
        for b in range(4):
            di, dj = (a == 3) - (a == 0), (b == 3) - (b == 0)
            p, q = i + di, j + dj
            if (di == 0 and dj == 0) or (0 <= p < n and 0 <= q < m and _has_label(material[p, q, k], label)):
                bits |= np.uint64(15) << np.uint64(16 * a + 4 * b)
    return bits


@njit(cache=True)
def _wall_material(x, y, high, roofed, ground, objects, house, seed):
    """Material of a cell of a wall.

    Arguments by group:
        x, y, high, ground: centre of the cell and height of the ground below it, m, map frame.
        roofed: whether the cell is the top of the wall.
        objects, house: (N,) PLAN_DTYPE, and the row of its house, -1 if unplanned.
        seed: of unplanned walls.
    """
    if house < 0:
        wall = WALL_MATERIALS[int(5 * unit_hash4(_COLOUR, seed, floor(x / BLOCK_M), floor(y / BLOCK_M)))]
        return _ROOF if roofed else facade_material(high - ground, x + y, 2.6, 0.0, wall, False, False, 0.5)
    o = objects[house]
    style = house_style(o)
    if roofed:
        return style[2]
    c, s = np.cos(o.yaw), np.sin(o.yaw)
    u, v = c * (x - o.x) + s * (y - o.y), -s * (x - o.x) + c * (y - o.y)
    # A generated wall looks like the planned wall next to it.
    if abs(u) - 0.5 * o.length > abs(v) - 0.5 * o.width:
        u = 0.5 * o.length if u > 0 else -0.5 * o.length
        v = min(max(v, -0.5 * o.width), 0.5 * o.width)
    else:
        v = 0.5 * o.width if v > 0 else -0.5 * o.width
        u = min(max(u, 0.45 - 0.5 * o.length), 0.5 * o.length - 0.45)
    return house_material(o, style, u, v, high - o.z, house_top(o, style, u, v))


@njit(cache=True)
def _leaf_material(x, y, objects, tree, seed):
    """Material of leaves at a place, m: that of the planned tree in row `tree` of `objects`, or by `seed`
    if it is -1."""
    if tree >= 0:
        return LEAF_MATERIALS[objects[tree].variant % 3]
    return LEAF_MATERIALS[int(3 * unit_hash4(_SPECIES, seed, floor(x / 8.0), floor(y / 8.0)))]


@njit(cache=True)
def _leaf_bricks(mask, i, j, k, x0, y0):
    """Brick of a cell (i, j, k) of leaves; towards the open air, lumps of 0.2 m are left out. `mask`, uint64 (160, 160,
    192), says which cells are empty; (x0, y0) is the corner of the tile, m."""
    n, m, h = mask.shape
    west, east = i > 0 and mask[i - 1, j, k] == 0, i < n - 1 and mask[i + 1, j, k] == 0
    south, north = j > 0 and mask[i, j - 1, k] == 0, j < m - 1 and mask[i, j + 1, k] == 0
    below, above = k > 0 and mask[i, j, k - 1] == 0, k < h - 1 and mask[i, j, k + 1] == 0
    if not (west or east or south or north or below or above):
        return _ALL
    bits = _ZERO
    corner_i, corner_j = round(x0 / CELL_M) + i, round(y0 / CELL_M) + j
    for a in range(2):
        for b in range(2):
            for c in range(2):
                sides = (west if a == 0 else east) + (south if b == 0 else north) + (below if c == 0 else above)
                if unit_hash4(_OPEN, 2 * corner_i + a, 2 * corner_j + b, 2 * k + c) < 1.0 - 0.28 * sides:
                    for p in range(2):
                        for q in range(2):
                            bits |= np.uint64(3) << np.uint64(16 * (2 * a + p) + 4 * (2 * b + q) + 2 * c)
    return bits if bits else _ALL
