"""Houses: their walls, windows, doors and roofs, voxel by voxel."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.occupancy.bricks import SUB_CELL_M, draw_box
from uniscene_sim.occupancy.procedural.plan import PART_VARIANT
from uniscene_sim.taxonomy import Material

__all__ = [
    "STOREY_M",
    "WALL_MATERIALS",
    "draw_house",
    "facade_material",
    "house_material",
    "house_style",
    "house_top",
]

#: Material of walls by variant.
WALL_MATERIALS = np.array(
    [Material.WALL_BRICK, Material.WALL_PLASTER, Material.WALL_CONCRETE, Material.WALL_SAND, Material.WALL_BLUE],
    np.uint8,
)
_ROOFS = np.array([Material.ROOF_TILE, Material.ROOF_SLATE, Material.ROOF_FLAT], np.uint8)
# Plain uint8, since numba cannot unify an enum with elements of the arrays above.
_FLAT, _CHIMNEY = np.uint8(Material.ROOF_FLAT), np.uint8(Material.CHIMNEY)
_WINDOW, _DOOR, _SHOP = np.uint8(Material.WINDOW), np.uint8(Material.DOOR), np.uint8(Material.SHOP_FRONT)
_COURSE = np.uint8(Material.WALL_CONCRETE)
STOREY_M = 3.1
_ONE = np.uint64(1)


@njit(cache=True)
def house_style(o):
    """The style of a house, from its plan `o`, a row of PLAN_DTYPE: material of walls, kind of roof (0 flat, 1 gabled,
    2 hipped), its material and rise (m), whether there are shops, and the widths (m) of bays along the front and the
    sides."""
    storeys = round((o.height - 0.9) / STOREY_M)
    part = o.variant >= PART_VARIANT
    roof_kind = 0 if storeys >= 4 or part else 1 + (o.variant // 7) % 2
    roof = _FLAT if roof_kind == 0 else _ROOFS[(o.variant // 3) % 2]
    rise = 0.0 if part else 0.8 if roof_kind == 0 else min(0.42 * o.length, 4.2)
    bay, side_bay = o.width / max(int(o.width / 2.6), 1), o.length / max(int(o.length / 3.2), 1)
    return WALL_MATERIALS[o.variant % 5], roof_kind, roof, rise, storeys >= 3 and o.style < 0.55, bay, side_bay


@njit(cache=True)
def house_top(o, house, u, v):
    """Height of the top of a house above its foot, m.

    Args:
        o: the house, a row of PLAN_DTYPE.
        house: its `house_style`.
        u, v: place along its own axes, m from its centre.
    """
    _, roof_kind, _, rise, _, _, _ = house
    depth, width, height = o.length, o.width, o.height
    if roof_kind == 0:
        parapet = abs(u) > 0.5 * depth - 0.3 or abs(v) > 0.5 * width - 0.3
        return height + (rise if parapet else 0.0)
    if roof_kind == 1:
        return height + rise * (1.0 - abs(u) / (0.5 * depth + 0.35))
    slope = min(1.0 - abs(u) / (0.5 * depth + 0.35), (0.5 * width + 0.35 - abs(v)) / (0.5 * depth + 0.35))
    return height + rise * max(slope, 0.0)


@njit(cache=True)
def house_material(o, house, u, v, z, top):
    """Material of a house at a place.

    Args:
        o: the house, a row of PLAN_DTYPE.
        house: its `house_style`.
        u, v: place along its own axes, m from its centre.
        z: height above its foot, m.
        top: `house_top` at (u, v).
    """
    wall, roof_kind, roof, _, shops, bay, side_bay = house
    depth, width = o.length, o.width
    # The inside is solid; only its topmost metre is roof.
    if z > o.height - 0.15:
        return roof if roof_kind == 0 or z > top - 0.75 else wall
    front, side = abs(u) > 0.5 * depth - 0.45, abs(v) > 0.5 * width - 0.45
    if not (front or side):
        return wall
    return facade_material(z - 0.4, v if front else u, bay if front else side_bay, width if front else depth, wall,
                   shops and u > 0, u > 0 and front, o.style)  # fmt: skip


@njit(cache=True)
def draw_house(material, mask, x0, y0, z0, o):
    """Draw a house: walls with windows and doors, a flat, gabled or hipped roof; solid, so that no ray gets inside.

    Args:
        material, mask, x0, y0, z0: as in `draw_objects`.
        o: the house, a row of PLAN_DTYPE.
    """
    c, s = np.cos(o.yaw), np.sin(o.yaw)
    depth, width, height = o.length, o.width, o.height
    house = house_style(o)
    roof_kind, rise = house[1], house[3]
    reach = 0.5 * np.hypot(depth, width) + 0.6
    n, m, h = material.shape
    i0, i1 = max(int((o.x - reach - x0) / SUB_CELL_M), 0), min(int((o.x + reach - x0) / SUB_CELL_M), 4 * n - 1)
    j0, j1 = max(int((o.y - reach - y0) / SUB_CELL_M), 0), min(int((o.y + reach - y0) / SUB_CELL_M), 4 * m - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            dx, dy = x0 + (i + 0.5) * SUB_CELL_M - o.x, y0 + (j + 0.5) * SUB_CELL_M - o.y
            u, v = c * dx + s * dy, -s * dx + c * dy
            over = 0.0 if roof_kind == 0 else 0.35
            if abs(u) > 0.5 * depth + over or abs(v) > 0.5 * width + over:
                continue
            inside = abs(u) <= 0.5 * depth and abs(v) <= 0.5 * width
            top = house_top(o, house, u, v)
            low = 0.0 if inside else height - 0.1
            if roof_kind != 0 and not inside:
                low = max(top - 0.4, height - 0.2)
            k0, k1 = (
                max(round((o.z + low - z0) / SUB_CELL_M), 0),
                min(round((o.z + top - z0) / SUB_CELL_M) - 1, 4 * h - 1),
            )
            for cell in range(k0 // 4, k1 // 4 + 1 if k1 >= k0 else 0):
                # A cell has one material: that of its topmost part here.
                first, last = max(k0, 4 * cell), min(k1, 4 * cell + 3)
                run = (_ONE << np.uint64(last - first + 1)) - _ONE
                mask[i // 4, j // 4, cell] |= run << np.uint64(16 * (i % 4) + 4 * (j % 4) + first - 4 * cell)
                material[i // 4, j // 4, cell] = house_material(
                    o, house, u, v, z0 + (last + 0.5) * SUB_CELL_M - o.z, top
                )
    if roof_kind != 0:
        a = 0.25 * width * (1.0 if o.style < 0.5 else -1.0)
        draw_box(
            material,
            mask,
            x0,
            y0,
            z0,
            o.x - s * a,
            o.y + c * a,
            o.z + height + 0.4 * rise,
            o.yaw,
            0.8,
            0.8,
            0.6 * rise + 0.9,
            _CHIMNEY,
        )


@njit(cache=True)
def facade_material(z, along, bay, extent, wall, shop, street, style):
    """Material of a wall at a place on it.

    Args:
        z: height above the floor, m.
        along: place along the wall, m from its centre.
        bay: width of a bay, m.
        extent: length of the wall, m.
        wall: Material of the wall itself.
        shop: whether the ground floor has shop fronts.
        street: whether the wall faces the street and has a door.
        style: random number in [0, 1), which places the door and selects the kind of windows.
    """
    storey = int(max(z, 0.0) / STOREY_M)
    up = z - storey * STOREY_M
    number = np.floor((along + 0.5 * extent) / bay)
    across = abs(along + 0.5 * extent - (number + 0.5) * bay)
    if storey == 0 and street:
        if int(number) == int(style * 7) % max(int(extent / bay), 1):
            return _DOOR if across < 0.6 and up < 2.3 else wall
        if shop:
            return _SHOP if across < 0.5 * bay - 0.25 and 0.4 < up < 2.5 else wall
    kind = int(style * 997.0) % 3
    if kind == 1:  # a string course below each storey, and windows in pairs
        if storey > 0 and up < 0.4:
            return _COURSE
        return _WINDOW if 0.9 < up < 2.5 and 0.2 < across < 0.95 else wall
    if kind == 2:  # tall and narrow
        return _WINDOW if 0.35 < up < 2.6 and across < 0.45 else wall
    return _WINDOW if 0.9 < up < 2.4 and across < 0.62 else wall
