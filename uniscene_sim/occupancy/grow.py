"""Kernels that draw planned objects into a tile: 0.4 m cells of material with a 64-bit mask of 0.1 m bricks each."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.occupancy.plan import Kind
from uniscene_sim.taxonomy import Material
from uniscene_sim.world.surface import _unit

__all__ = ["draw", "house_material", "house_of", "house_top", "pack", "slab", "stems"]

_SUB = 0.1
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)
_NONE = np.uint8(Material.NONE)
_BUILDING, _TREE, _BUSH, _LAMP, _HEDGE, _FENCE, _RAIL, _POST, _SIGN, _, _, _BEAM = (int(k) for k in Kind)
_WALLS = np.array(
    [Material.WALL_BRICK, Material.WALL_PLASTER, Material.WALL_CONCRETE, Material.WALL_SAND, Material.WALL_BLUE],
    np.uint8,
)
_ROOFS = np.array([Material.ROOF_TILE, Material.ROOF_SLATE, Material.ROOF_FLAT], np.uint8)
_LEAVES = np.array([Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT], np.uint8)
# Plain uint8, since numba unifies no enum with the look-ups above.
_WINDOW, _DOOR, _SHOP, _CHIMNEY, _FLAT, _TRUNK, _HEDGE_M, _FENCE_M, _POLE, _LAMP_M, _RAIL_M, _BRIDGE, _RED, _WHITE = (
    np.uint8(m)
    for m in (
        Material.WINDOW, Material.DOOR, Material.SHOP_FRONT, Material.CHIMNEY, Material.ROOF_FLAT, Material.TRUNK,
        Material.HEDGE, Material.FENCE, Material.POLE, Material.LAMP, Material.GUARD_RAIL, Material.BRIDGE,
        Material.SIGN_RED, Material.SIGN_WHITE,
    )
)  # fmt: skip
_LEAF_LOW, _LEAF_HIGH = np.uint8(Material.FOLIAGE), np.uint8(Material.FOLIAGE_LIGHT)
_STOREY = 3.1


@njit(cache=True)
def _bit(i, j, k):
    return _ONE << np.uint64(16 * i + 4 * j + k)


@njit(cache=True)
def _box(material, mask, x0, y0, z0, cx, cy, z, yaw, length, width, height, what):
    """An upright oriented box, exact at 0.1 m; (x0, y0, z0) is the tile's corner."""
    c, s = np.cos(yaw), np.sin(yaw)
    rx = 0.5 * (abs(length * c) + abs(width * s)) + _SUB
    ry = 0.5 * (abs(length * s) + abs(width * c)) + _SUB
    n, m, h = material.shape
    i0, i1 = max(int((cx - rx - x0) / _SUB), 0), min(int((cx + rx - x0) / _SUB), 4 * n - 1)
    j0, j1 = max(int((cy - ry - y0) / _SUB), 0), min(int((cy + ry - y0) / _SUB), 4 * m - 1)
    k0, k1 = max(round((z - z0) / _SUB), 0), min(round((z + height - z0) / _SUB) - 1, 4 * h - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            dx, dy = x0 + (i + 0.5) * _SUB - cx, y0 + (j + 0.5) * _SUB - cy
            if abs(c * dx + s * dy) > 0.5 * length or abs(-s * dx + c * dy) > 0.5 * width:
                continue
            for k in range(k0, k1 + 1):
                material[i // 4, j // 4, k // 4] = what
                mask[i // 4, j // 4, k // 4] |= _bit(i % 4, j % 4, k % 4)


@njit(cache=True)
def house_of(o):
    """What a house's looks hang on: wall, kind of roof (0 flat, 1 gabled, 2 hipped), its material and rise in m,
    whether there are shops, and the widths in m of bays along the front and the sides."""
    storeys = round((o.height - 0.9) / _STOREY)
    roof_kind = 0 if storeys >= 4 else 1 + (o.variant // 7) % 2
    roof = _FLAT if roof_kind == 0 else _ROOFS[(o.variant // 3) % 2]
    rise = 0.8 if roof_kind == 0 else min(0.42 * o.length, 4.2)
    bay, side_bay = o.width / max(int(o.width / 2.6), 1), o.length / max(int(o.length / 3.2), 1)
    return _WALLS[o.variant % 5], roof_kind, roof, rise, storeys >= 3 and o.style < 0.55, bay, side_bay


@njit(cache=True)
def house_top(o, house, u, v):
    """Height above its foot at which a house ends, (u, v) m from its middle along its own axes."""
    _, roof_kind, _, rise, _, _, _ = house
    depth, width, height = o.length, o.width, o.height
    if roof_kind == 0:
        parapet = abs(u) > 0.5 * depth - 0.3 or abs(v) > 0.5 * width - 0.3
        return height + (0.8 if parapet else 0.0)
    if roof_kind == 1:
        return height + rise * (1.0 - abs(u) / (0.5 * depth + 0.35))
    slope = min(1.0 - abs(u) / (0.5 * depth + 0.35), (0.5 * width + 0.35 - abs(v)) / (0.5 * depth + 0.35))
    return height + rise * max(slope, 0.0)


@njit(cache=True)
def house_material(o, house, u, v, z, top):
    """Material of a house z above its foot."""
    wall, roof_kind, roof, _, shops, bay, side_bay = house
    depth, width = o.length, o.width
    # What is deep inside is solid; only its topmost metre carries the roof.
    if z > o.height - 0.15:
        return roof if roof_kind == 0 or z > top - 0.75 else wall
    front, side = abs(u) > 0.5 * depth - 0.45, abs(v) > 0.5 * width - 0.45
    if not (front or side):
        return wall
    return _facade(z - 0.4, v if front else u, bay if front else side_bay, width if front else depth, wall,
                   shops and u > 0, u > 0 and front, o.style)  # fmt: skip


@njit(cache=True)
def _building(material, mask, x0, y0, z0, o):
    """A house: walls with windows and doors, a flat, gabled or hipped roof; solid, so that no ray gets inside."""
    c, s = np.cos(o.yaw), np.sin(o.yaw)
    depth, width, height = o.length, o.width, o.height
    house = house_of(o)
    roof_kind, rise = house[1], house[3]
    reach = 0.5 * np.hypot(depth, width) + 0.6
    n, m, h = material.shape
    i0, i1 = max(int((o.x - reach - x0) / _SUB), 0), min(int((o.x + reach - x0) / _SUB), 4 * n - 1)
    j0, j1 = max(int((o.y - reach - y0) / _SUB), 0), min(int((o.y + reach - y0) / _SUB), 4 * m - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            dx, dy = x0 + (i + 0.5) * _SUB - o.x, y0 + (j + 0.5) * _SUB - o.y
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
                max(round((o.z + low - z0) / _SUB), 0),
                min(round((o.z + top - z0) / _SUB) - 1, 4 * h - 1),
            )
            for cell in range(k0 // 4, k1 // 4 + 1 if k1 >= k0 else 0):
                # A cell has one material: that of its topmost part here.
                first, last = max(k0, 4 * cell), min(k1, 4 * cell + 3)
                run = (_ONE << np.uint64(last - first + 1)) - _ONE
                mask[i // 4, j // 4, cell] |= run << np.uint64(16 * (i % 4) + 4 * (j % 4) + first - 4 * cell)
                material[i // 4, j // 4, cell] = house_material(o, house, u, v, z0 + (last + 0.5) * _SUB - o.z, top)
    if roof_kind != 0:
        a = 0.25 * width * (1.0 if o.style < 0.5 else -1.0)
        _box(
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
def _facade(z, along, bay, extent, wall, shop, street, style):
    """Material of a wall at height z above its floor and a place along it."""
    storey = int(max(z, 0.0) / _STOREY)
    up = z - storey * _STOREY
    number = np.floor((along + 0.5 * extent) / bay)
    across = abs(along + 0.5 * extent - (number + 0.5) * bay)
    if storey == 0 and street:
        if int(number) == int(style * 7) % max(int(extent / bay), 1):
            return _DOOR if across < 0.6 and up < 2.3 else wall
        if shop:
            return _SHOP if across < 0.5 * bay - 0.25 and 0.4 < up < 2.5 else wall
    if 0.9 < up < 2.4 and across < 0.62:
        return _WINDOW
    return wall


@njit(cache=True)
def _crown(material, mask, x0, y0, z0, cx, cy, cz, rx, rz, leaf, salt):
    """A crown of leaves: an ellipsoid whose edge is ragged by noise fixed to the map."""
    n, m, h = material.shape
    i0, i1 = max(int((cx - rx - x0) / _SUB), 0), min(int((cx + rx - x0) / _SUB), 4 * n - 1)
    j0, j1 = max(int((cy - rx - y0) / _SUB), 0), min(int((cy + rx - y0) / _SUB), 4 * m - 1)
    k0, k1 = max(int((cz - rz - z0) / _SUB), 0), min(int((cz + rz - z0) / _SUB), 4 * h - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            x, y = x0 + (i + 0.5) * _SUB, y0 + (j + 0.5) * _SUB
            flat = ((x - cx) / rx) ** 2 + ((y - cy) / rx) ** 2
            if flat > 1.0:
                continue
            lump, lump_at = 0.0, np.inf
            for k in range(k0, k1 + 1):
                z = z0 + (k + 0.5) * _SUB
                r = flat + ((z - cz) / rz) ** 2
                if r > 1.0:
                    continue
                inside = r < 0.375  # whatever the noise says
                if not inside:
                    level = np.floor(z / 0.7)
                    if level != lump_at:
                        lump, lump_at = _unit(np.floor(x / 0.7) + salt, np.floor(y / 0.7) * 4096.0 + level), level
                    if r > 0.585 + 0.4 * lump:
                        continue
                    fine = _unit(np.floor(x / 0.3), np.floor(y / 0.3) * 4096.0 + np.floor(z / 0.3) + salt)
                    inside = r < 0.45 + 0.4 * lump + 0.2 * (fine - 0.35)
                if inside:
                    # A cell has one material: leaves that touch a wall must not repaint the wall.
                    here = material[i // 4, j // 4, k // 4]
                    if here != _NONE and here != _TRUNK and (here < _LEAF_LOW or here > _LEAF_HIGH):
                        continue
                    material[i // 4, j // 4, k // 4] = leaf
                    mask[i // 4, j // 4, k // 4] |= _bit(i % 4, j % 4, k % 4)


@njit(cache=True)
def _stem(material, mask, x0, y0, z0, o):
    _box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.4, 0.3, 0.3, 0.34 * o.height + 0.5, _TRUNK)


@njit(cache=True, nogil=True)
def stems(material, mask, x0, y0, z0, trees):
    """Draw the stems alone of trees (N,) PLAN_DTYPE; arguments as those of `draw`."""
    for q in range(trees.size):
        _stem(material, mask, x0, y0, z0, trees[q])


@njit(cache=True, nogil=True)
def draw(material, mask, x0, y0, z0, objects):
    """Draw objects (N,) PLAN_DTYPE into a tile's cells.

    Args:
        material: uint8 (160, 160, Z), changed in place.
        mask: uint64 (160, 160, Z), changed in place.
        x0, y0, z0: corner of the tile, m.
        objects: those that may reach into the tile.
    """
    for q in range(objects.size):
        o = objects[q]
        if o.kind == _BUILDING:
            _building(material, mask, x0, y0, z0, o)
        elif o.kind == _TREE:
            leaf = _LEAVES[o.variant % 3]
            _stem(material, mask, x0, y0, z0, o)
            if o.variant % 3 == 1:  # a conifer, three tiers
                for tier in range(4):
                    radius = 0.42 * o.length * (1.0 - 0.22 * tier)
                    _crown(material, mask, x0, y0, z0, o.x, o.y, o.z + o.height * (0.32 + 0.19 * tier), radius,
                           0.15 * o.height, leaf, np.floor(o.style * 50))  # fmt: skip
            else:
                _crown(material, mask, x0, y0, z0, o.x, o.y, o.z + 0.66 * o.height, 0.5 * o.length, 0.34 * o.height,
                       leaf, np.floor(o.style * 50))  # fmt: skip
        elif o.kind == _BUSH:
            _crown(
                material, mask, x0, y0, z0, o.x, o.y, o.z + 0.6, 0.6 * o.length, 0.9, _HEDGE_M, np.floor(o.style * 50)
            )
        elif o.kind == _LAMP:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, 0.2, 0.2, o.height, _POLE)
            a = 0.5 * o.length
            _box(material, mask, x0, y0, z0, o.x + a * np.cos(o.yaw), o.y + a * np.sin(o.yaw), o.z + o.height - 0.1,
                 o.yaw, o.length, 0.12, 0.12, _POLE)  # fmt: skip
            a = o.length
            _box(material, mask, x0, y0, z0, o.x + a * np.cos(o.yaw), o.y + a * np.sin(o.yaw), o.z + o.height - 0.25,
                 o.yaw, 0.7, 0.3, 0.2, _LAMP_M)  # fmt: skip
        elif o.kind == _HEDGE:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _HEDGE_M)
        elif o.kind == _FENCE:
            for level in range(3):
                _box(
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
                _box(material, mask, x0, y0, z0, o.x + a * np.cos(o.yaw), o.y + a * np.sin(o.yaw), o.z, o.yaw, 0.14,
                     0.14, o.height, _FENCE_M)  # fmt: skip
        elif o.kind == _RAIL:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, 0.12, 0.14, 0.6, _POLE)
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z + 0.5, o.yaw, o.length, 0.12, 0.32, _RAIL_M)
        elif o.kind == _POST:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, o.length, o.width, o.height, _POLE)
        elif o.kind == _BEAM:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _RAIL_M)
        elif o.kind == _SIGN:
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, 0.0, 0.1, 0.1, o.height, _POLE)
            what = _RED if o.variant == 0 else _WHITE
            _box(material, mask, x0, y0, z0, o.x + 0.1 * np.cos(o.yaw), o.y + 0.1 * np.sin(o.yaw),
                 o.z + o.height - 0.75, o.yaw, 0.1, 0.75, 0.75, what)  # fmt: skip
        else:  # pillars and parapets
            _box(material, mask, x0, y0, z0, o.x, o.y, o.z, o.yaw, o.length, o.width, o.height, _BRIDGE)


@njit(cache=True, nogil=True)
def slab(material, mask, z0, deck):
    """A bridge's slab, 0.9 m thick, beneath a deck (321, 321) of heights with NaN holes."""
    n, m, h = material.shape
    for i in range(4 * n):
        for j in range(4 * m):
            z = deck[i // 2, j // 2]
            if np.isnan(z):
                continue
            k0, k1 = max(int((z - 0.95 - z0) / _SUB), 0), min(int((z - 0.1 - z0) / _SUB) - 1, 4 * h - 1)
            for k in range(k0, k1 + 1):
                material[i // 4, j // 4, k // 4] = _BRIDGE
                mask[i // 4, j // 4, k // 4] |= _bit(i % 4, j % 4, k % 4)


@njit(cache=True, nogil=True)
def pack(material, mask):
    """Cells (160, 160, 192) and masks as sparse blocks: blocks, materials, brick_of, bricks of a `Tile`."""
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
