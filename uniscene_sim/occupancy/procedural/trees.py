"""Trees: stems, and crowns of clumps of leaves with gaps between them."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import floor, njit
from uniscene_sim.compute.keyed_random import unit_hash2, unit_hash5
from uniscene_sim.occupancy.bricks import SUB_CELL_M, draw_box, sub_cell_bit
from uniscene_sim.taxonomy import Material

__all__ = ["LEAF_MATERIALS", "draw_crown", "draw_stems", "draw_tree"]

#: Material of leaves by variant.
LEAF_MATERIALS = np.array([Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT], np.uint8)

# Plain uint8, since numba cannot unify an enum with elements of arrays.
_NONE, _TRUNK = np.uint8(Material.NONE), np.uint8(Material.TRUNK)
_LEAF_LOW, _LEAF_HIGH = np.uint8(Material.FOLIAGE), np.uint8(Material.FOLIAGE_LIGHT)
_LUMP, _LEAVES_OUT, _CLUMP_TURN, _CLUMP_AWAY, _CLUMP_SIZE = 111, 112, 141, 142, 143  # uses of random numbers
_CONIFER = 1  # variant
_TIERS = 6
_CLUMPS = 9
_GOLDEN_ANGLE = 2.399963  # rad


@njit(cache=True)
def draw_crown(material, mask, x0, y0, z0, cx, cy, cz, rx, rz, leaf, salt):
    """Draw a crown of leaves: an ellipsoid with an edge that is ragged by noise fixed to the map.

    Arguments by group:
        material, mask, x0, y0, z0: as in `draw_objects`.
        cx, cy, cz, rx, rz: centre, m, and half axes across and up, m.
        leaf, salt: Material, and a key of the noise.
    """
    n, m, h = material.shape
    i0, i1 = max(int((cx - rx - x0) / SUB_CELL_M), 0), min(int((cx + rx - x0) / SUB_CELL_M), 4 * n - 1)
    j0, j1 = max(int((cy - rx - y0) / SUB_CELL_M), 0), min(int((cy + rx - y0) / SUB_CELL_M), 4 * m - 1)
    k0, k1 = max(int((cz - rz - z0) / SUB_CELL_M), 0), min(int((cz + rz - z0) / SUB_CELL_M), 4 * h - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            x, y = x0 + (i + 0.5) * SUB_CELL_M, y0 + (j + 0.5) * SUB_CELL_M
            flat = ((x - cx) / rx) ** 2 + ((y - cy) / rx) ** 2
            if flat > 1.0:
                continue
            lump, lump_at = 0.0, -(2**62)
            for k in range(k0, k1 + 1):
                z = z0 + (k + 0.5) * SUB_CELL_M
                r = flat + ((z - cz) / rz) ** 2
                if r > 1.0:
                    continue
                inside = r < 0.375  # whatever the noise
                if not inside:
                    level = floor(z / 0.7)
                    if level != lump_at:
                        lump, lump_at = unit_hash5(_LUMP, salt, floor(x / 0.7), floor(y / 0.7), level), level
                    if r > 0.585 + 0.4 * lump:
                        continue
                    fine = unit_hash5(_LEAVES_OUT, salt, floor(x / 0.3), floor(y / 0.3), floor(z / 0.3))
                    inside = r < 0.45 + 0.4 * lump + 0.2 * (fine - 0.35)
                if inside:
                    # A cell has one material: leaves that touch a wall must not repaint the wall.
                    here = material[i // 4, j // 4, k // 4]
                    if here != _NONE and here != _TRUNK and (here < _LEAF_LOW or here > _LEAF_HIGH):
                        continue
                    material[i // 4, j // 4, k // 4] = leaf
                    mask[i // 4, j // 4, k // 4] |= sub_cell_bit(i % 4, j % 4, k % 4)


@njit(cache=True)
def _draw_stem(material, mask, x0, y0, z0, o):
    """Draw the stem of a tree; arguments as in `draw_house`."""
    draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.4, 0.3, 0.3, 0.34 * o.height + 0.5, _TRUNK)


@njit(cache=True, nogil=True)
def draw_stems(material, mask, x0, y0, z0, trees):
    """Draw only the stems of trees.

    Args:
        material, mask, x0, y0, z0: as in `draw_objects`.
        trees: (N,) PLAN_DTYPE.
    """
    for q in range(trees.size):
        _draw_stem(material, mask, x0, y0, z0, trees[q])


@njit(cache=True)
def draw_tree(material, mask, x0, y0, z0, o):
    """Draw a tree: a conifer of tiers, or a stem whose crown is a loose ring of clumps around a core.

    Args:
        material, mask, x0, y0, z0: as in `draw_objects`.
        o: the tree, a row of PLAN_DTYPE.
    """
    leaf, salt = LEAF_MATERIALS[o.variant % 3], int(o.style * 50)
    _draw_stem(material, mask, x0, y0, z0, o)
    if o.variant % 3 == _CONIFER:
        for tier in range(_TIERS):
            radius = 0.48 * o.length * (1.0 - tier / (_TIERS + 0.6))
            z = o.z + o.height * (0.24 + 0.13 * tier)
            draw_crown(material, mask, x0, y0, z0, o.x, o.y, z, radius, 0.085 * o.height, leaf, salt)
        return
    across, up, middle = 0.5 * o.length, 0.34 * o.height, o.z + 0.66 * o.height
    draw_crown(material, mask, x0, y0, z0, o.x, o.y, middle, 0.5 * across, 0.62 * up, leaf, salt)
    seed = int(o.style * 1e6)
    turn = 2.0 * np.pi * unit_hash2(_CLUMP_TURN, seed)
    for clump in range(_CLUMPS):
        # Around the core by the golden angle, from low and wide to high and narrow.
        level = (clump + 0.5) / _CLUMPS
        away = across * (0.62 - 0.34 * level * level) * (0.85 + 0.3 * unit_hash2(_CLUMP_AWAY, seed + clump))
        size = 0.36 + 0.14 * unit_hash2(_CLUMP_SIZE, seed + clump)
        angle = turn + _GOLDEN_ANGLE * clump
        draw_crown(
            material,
            mask,
            x0,
            y0,
            z0,
            o.x + away * np.cos(angle),
            o.y + away * np.sin(angle),
            middle + up * (1.3 * level - 0.62),
            size * across,
            0.95 * size * up,
            leaf,
            salt,
        )
