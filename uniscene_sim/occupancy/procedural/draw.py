"""Kernels that draw planned objects into a tile: 0.4 m cells of material with a 64-bit mask of 0.1 m bricks each."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import floor
from uniscene_sim.compute.keyed_random import unit_hash5
from uniscene_sim.occupancy.bricks import SUB_CELL_M, draw_box, sub_cell_bit
from uniscene_sim.occupancy.procedural.houses import draw_house
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.taxonomy import Material

__all__ = ["LEAF_MATERIALS", "draw_objects", "draw_stems"]

#: Material of leaves by variant.
LEAF_MATERIALS = np.array([Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT], np.uint8)

_NONE = np.uint8(Material.NONE)
_BUILDING, _TREE, _BUSH, _LAMP, _HEDGE, _FENCE, _RAIL, _POST, _SIGN, _, _, _BEAM = (int(k) for k in PlanKind)
# Plain uint8, since numba cannot unify an enum with elements of arrays.
_TRUNK, _HEDGE_M, _FENCE_M, _POLE, _LAMP_M, _RAIL_M, _BRIDGE, _RED, _WHITE = (
    np.uint8(m)
    for m in (
        Material.TRUNK,
        Material.HEDGE,
        Material.FENCE,
        Material.POLE,
        Material.LAMP,
        Material.GUARD_RAIL,
        Material.BRIDGE,
        Material.SIGN_RED,
        Material.SIGN_WHITE,
    )
)
_LEAF_LOW, _LEAF_HIGH = np.uint8(Material.FOLIAGE), np.uint8(Material.FOLIAGE_LIGHT)
_LUMP, _LEAVES_OUT = 111, 112  # uses of random numbers


@njit(cache=True)
def _draw_crown(material, mask, x0, y0, z0, cx, cy, cz, rx, rz, leaf, salt):
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


@njit(cache=True, nogil=True)
def draw_objects(material, mask, x0, y0, z0, objects):
    """Draw planned objects into the cells of a tile.

    Args:
        material: uint8 (160, 160, Z), changed.
        mask: uint64 (160, 160, Z), bricks of the cells, changed.
        x0, y0, z0: corner of the tile, m.
        objects: (N,) PLAN_DTYPE, those that may reach into the tile.
    """
    for q in range(objects.size):
        o = objects[q]
        if o.kind == _BUILDING:
            draw_house(material, mask, x0, y0, z0, o)
        elif o.kind == _TREE:
            leaf = LEAF_MATERIALS[o.variant % 3]
            _draw_stem(material, mask, x0, y0, z0, o)
            if o.variant % 3 == 1:  # a conifer, three tiers
                for tier in range(4):
                    radius = 0.42 * o.length * (1.0 - 0.22 * tier)
                    _draw_crown(material, mask, x0, y0, z0, o.x, o.y, o.z + o.height * (0.32 + 0.19 * tier), radius,
                           0.15 * o.height, leaf, int(o.style * 50))  # fmt: skip
            else:
                _draw_crown(
                    material,
                    mask,
                    x0,
                    y0,
                    z0,
                    o.x,
                    o.y,
                    o.z + 0.66 * o.height,
                    0.5 * o.length,
                    0.34 * o.height,
                    leaf,
                    int(o.style * 50),
                )
        elif o.kind == _BUSH:
            _draw_crown(
                material, mask, x0, y0, z0, o.x, o.y, o.z + 0.6, 0.6 * o.length, 0.9, _HEDGE_M, int(o.style * 50)
            )
        elif o.kind == _LAMP:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, 0.2, 0.2, o.height, _POLE)
            a = 0.5 * o.length
            draw_box(
                material,
                mask,
                x0,
                y0,
                z0,
                o.x + a * np.cos(o.yaw),
                o.y + a * np.sin(o.yaw),
                o.z + o.height - 0.1,
                o.yaw,
                o.length,
                0.12,
                0.12,
                _POLE,
            )
            a = o.length
            draw_box(
                material,
                mask,
                x0,
                y0,
                z0,
                o.x + a * np.cos(o.yaw),
                o.y + a * np.sin(o.yaw),
                o.z + o.height - 0.25,
                o.yaw,
                0.7,
                0.3,
                0.2,
                _LAMP_M,
            )
        elif o.kind == _HEDGE:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _HEDGE_M)
        elif o.kind == _FENCE:
            for level in range(3):
                draw_box(
                    material,
                    mask,
                    x0,
                    y0,
                    z0,
                    o.x,
                    o.y,
                    o.z + 0.35 + 0.35 * level,
                    o.yaw,
                    o.length,
                    0.1,
                    0.12,
                    _FENCE_M,
                )
            posts = max(round(o.length / 2.0), 1)
            for post in range(posts + 1):
                a = (post / posts - 0.5) * o.length
                draw_box(
                    material,
                    mask,
                    x0,
                    y0,
                    z0,
                    o.x + a * np.cos(o.yaw),
                    o.y + a * np.sin(o.yaw),
                    o.z,
                    o.yaw,
                    0.14,
                    0.14,
                    o.height,
                    _FENCE_M,
                )
        elif o.kind == _RAIL:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, 0.12, 0.14, 0.6, _POLE)
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z + 0.5, o.yaw, o.length, 0.12, 0.32, _RAIL_M)
        elif o.kind == _POST:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, o.length, o.width, o.height, _POLE)
        elif o.kind == _BEAM:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _RAIL_M)
        elif o.kind == _SIGN:
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, 0.1, 0.1, o.height, _POLE)
            what = _RED if o.variant == 0 else _WHITE
            draw_box(material, mask, x0, y0, z0, o.x + 0.1 * np.cos(o.yaw), o.y + 0.1 * np.sin(o.yaw),
                 o.z + o.height - 0.75, o.yaw, 0.1, 0.75, 0.75, what)  # fmt: skip
        else:  # pillars and parapets
            draw_box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _BRIDGE)
