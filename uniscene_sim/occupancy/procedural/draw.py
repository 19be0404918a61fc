"""Kernels that draw planned objects into a tile: 0.4 m cells of material with a 64-bit mask of 0.1 m bricks each."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.occupancy.bricks import draw_box
from uniscene_sim.occupancy.procedural.houses import draw_house
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.occupancy.procedural.trees import draw_crown, draw_tree
from uniscene_sim.taxonomy import Material

__all__ = ["draw_objects"]

_BUILDING, _TREE, _BUSH, _LAMP, _HEDGE, _FENCE, _RAIL, _POST, _SIGN, _, _, _BEAM = (int(k) for k in PlanKind)
# Plain uint8, since numba cannot unify an enum with elements of arrays.
_HEDGE_M, _FENCE_M, _POLE, _LAMP_M, _RAIL_M, _BRIDGE, _RED, _WHITE = (
    np.uint8(m)
    for m in (
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
            draw_tree(material, mask, x0, y0, z0, o)
        elif o.kind == _BUSH:
            draw_crown(
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
