"""Exact ray traversal, float64: ground decks, 0.4 m cells with their 0.1 m bricks, the voxels of an occupancy window in
their place where there is one, and posed agent templates.

A ray walks columns of 3.2 m in x and y. In each it is tested against the ground by deck (bilinear patches of 0.2 m,
a quadratic in t) and, up to the ground, against the blocks of cells; the first hit ends it. Directions need not have
unit length: t is in units of the direction's length. A ray that starts inside something solid hits it at t = 0 with
the normal facing back along the ray. Ground has two sides.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import device, floor, inlined
from uniscene_sim.taxonomy import Material, OccClass
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, CELL_M, GROUND_STEP_M, PAINT_CELLS, PAINT_M, TILE_BLOCKS, TILE_M
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays
from uniscene_sim.tracing.atlas import BLOCK_M, AtlasArrays, WindowArrays

__all__ = ["occluded", "trace_agent", "trace_agents", "trace_rays", "trace_world"]

_EMPTY, _FREE = int(Material.NONE), int(OccClass.FREE)
_SUB_M = CELL_M / 4
_PATCHES = round(BLOCK_M / GROUND_STEP_M)  # ground patches along a column
_SLACK = 1e-9  # of t, so that rays along seams between patches slip through none


@njit(cache=True, inline="always")
def _exit(origin, direction, low, high):
    """t at which a ray leaves the slab [low, high] along one axis."""
    if direction > 0.0:
        return (high - origin) / direction
    if direction < 0.0:
        return (low - origin) / direction
    return inf


@njit(cache=True, inline="always")
def _entry(origin, direction, low, high):
    """t at which a ray enters the slab [low, high] along one axis."""
    if direction > 0.0:
        return (low - origin) / direction
    if direction < 0.0:
        return (high - origin) / direction
    return -inf


@njit(cache=True, inline="always")
def _clamp(value, low, high):
    return low if value < low else (high if value > high else value)


@njit(cache=True, inline="always")
def _root(a, b, c, t_end):
    """Smallest root in [0, t_end] (with slack) of a t^2 + b t + c, inf where there is none."""
    if c == 0.0:
        return 0.0
    discriminant = b * b - 4.0 * a * c
    if discriminant < 0.0:
        return inf
    q = -0.5 * (b + sqrt(discriminant)) if b >= 0.0 else -0.5 * (b - sqrt(discriminant))
    best = inf
    if q != 0.0:
        t = c / q
        if -_SLACK <= t <= t_end + _SLACK:
            best = t
    if a != 0.0:
        t = q / a
        if -_SLACK <= t <= t_end + _SLACK and t < best:
            best = t
    return max(best, 0.0)


@device
def _ground_hit(ground, bx, by, ox, oy, oz, dx, dy, dz, t0, t1):
    """First hit on one deck within a column. Origin relative to the tile's corner; returns t and the normal."""
    i0, j0 = bx * _PATCHES, by * _PATCHES
    i = _clamp(floor((ox + t0 * dx) / GROUND_STEP_M), i0, i0 + _PATCHES - 1)
    j = _clamp(floor((oy + t0 * dy) / GROUND_STEP_M), j0, j0 + _PATCHES - 1)
    du, dv = dx / GROUND_STEP_M, dy / GROUND_STEP_M
    ta = t0
    while True:
        tx = _exit(ox, dx, i * GROUND_STEP_M, (i + 1) * GROUND_STEP_M)
        ty = _exit(oy, dy, j * GROUND_STEP_M, (j + 1) * GROUND_STEP_M)
        tb = min(tx, ty, t1)
        z00, z10 = np.float64(ground[i, j]), np.float64(ground[i + 1, j])
        z01, z11 = np.float64(ground[i, j + 1]), np.float64(ground[i + 1, j + 1])
        za, zb = oz + ta * dz, oz + tb * dz
        over = min(za, zb) > max(z00, z10, z01, z11) + _SLACK
        under = max(za, zb) < min(z00, z10, z01, z11) - _SLACK
        if not (over or under or np.isnan(z00 + z10 + z01 + z11)):
            u, v = (ox + ta * dx) / GROUND_STEP_M - i, (oy + ta * dy) / GROUND_STEP_M - j
            b, c, e = z10 - z00, z01 - z00, z11 - z10 - z01 + z00
            t = _root(
                -e * du * dv,
                dz - b * du - c * dv - e * (u * dv + v * du),
                za - z00 - b * u - c * v - e * u * v,
                tb - ta,
            )
            if t < inf:
                u, v = u + t * du, v + t * dv
                nx, ny = -(b + e * v) / GROUND_STEP_M, -(c + e * u) / GROUND_STEP_M
                length = sqrt(nx * nx + ny * ny + 1.0)
                sign = 1.0 if nx * dx + ny * dy + dz <= 0.0 else -1.0
                return ta + t, sign * nx / length, sign * ny / length, sign / length
        if tb >= t1:
            break
        ta = max(ta, tb)
        if tx <= ty:
            i += 1 if dx > 0.0 else -1
            if i < i0 or i >= i0 + _PATCHES:
                break
        else:
            j += 1 if dy > 0.0 else -1
            if j < j0 or j >= j0 + _PATCHES:
                break
    return inf, 0.0, 0.0, 0.0


@device
def _box_hit(ox, oy, oz, dx, dy, dz, lx, ly, lz, edge):
    """t and normal where a ray that meets a cube enters it."""
    tx = _entry(ox, dx, lx, lx + edge)
    ty = _entry(oy, dy, ly, ly + edge)
    tz = _entry(oz, dz, lz, lz + edge)
    if tx < 0.0 and ty < 0.0 and tz < 0.0:
        length = sqrt(dx * dx + dy * dy + dz * dz)
        return 0.0, -dx / length, -dy / length, -dz / length
    if tx >= ty and tx >= tz:
        return tx, -1.0 if dx > 0.0 else 1.0, 0.0, 0.0
    if ty >= tz:
        return ty, 0.0, -1.0 if dy > 0.0 else 1.0, 0.0
    return tz, 0.0, 0.0, -1.0 if dz > 0.0 else 1.0


@device
def _brick_hit(mask, lx, ly, lz, ox, oy, oz, dx, dy, dz, ta, t_end):
    """Bit of the first solid sub-cell of a brick along a ray, -1 where it passes through."""
    i = _clamp(floor((ox + ta * dx - lx) / _SUB_M), 0, 3)
    j = _clamp(floor((oy + ta * dy - ly) / _SUB_M), 0, 3)
    k = _clamp(floor((oz + ta * dz - lz) / _SUB_M), 0, 3)
    while True:
        bit = 16 * i + 4 * j + k
        if (mask >> np.uint64(bit)) & np.uint64(1):
            return bit
        tx = _exit(ox, dx, lx + i * _SUB_M, lx + (i + 1) * _SUB_M)
        ty = _exit(oy, dy, ly + j * _SUB_M, ly + (j + 1) * _SUB_M)
        tz = _exit(oz, dz, lz + k * _SUB_M, lz + (k + 1) * _SUB_M)
        if min(tx, ty, tz) >= t_end:
            return -1
        if tx <= ty and tx <= tz:
            i += 1 if dx > 0.0 else -1
        elif ty <= tz:
            j += 1 if dy > 0.0 else -1
        else:
            k += 1 if dz > 0.0 else -1
        if i < 0 or i > 3 or j < 0 or j > 3 or k < 0 or k > 3:
            return -1


@device
def _block_hit(materials, brick_of, bricks, lx, ly, lz, ox, oy, oz, dx, dy, dz, ta, t_end):
    """First hit in one block of cells, whose lowest corner is (lx, ly, lz), between ta and t_end."""
    last = BLOCK_CELLS - 1
    i = _clamp(floor((ox + ta * dx - lx) / CELL_M), 0, last)
    j = _clamp(floor((oy + ta * dy - ly) / CELL_M), 0, last)
    k = _clamp(floor((oz + ta * dz - lz) / CELL_M), 0, last)
    while True:
        x, y, z = lx + i * CELL_M, ly + j * CELL_M, lz + k * CELL_M
        tx = _exit(ox, dx, x, lx + (i + 1) * CELL_M)
        ty = _exit(oy, dy, y, ly + (j + 1) * CELL_M)
        tz = _exit(oz, dz, z, lz + (k + 1) * CELL_M)
        tb = min(tx, ty, tz)
        material = materials[i, j, k]
        if material != _EMPTY:
            brick = brick_of[i, j, k]
            bit, edge = 0, CELL_M
            if brick >= 0:
                edge = _SUB_M
                bit = _brick_hit(bricks[brick], x, y, z, ox, oy, oz, dx, dy, dz, ta, min(tb, t_end))
                x, y, z = x + (bit >> 4) * _SUB_M, y + ((bit >> 2) & 3) * _SUB_M, z + (bit & 3) * _SUB_M
            if bit >= 0:
                t, nx, ny, nz = _box_hit(ox, oy, oz, dx, dy, dz, x, y, z, edge)
                if t <= t_end:
                    return t, material, nx, ny, nz
                return inf, material, 0.0, 0.0, 0.0
        if tb >= t_end:
            break
        ta = max(ta, tb)
        if tx <= ty and tx <= tz:
            i += 1 if dx > 0.0 else -1
        elif ty <= tz:
            j += 1 if dy > 0.0 else -1
        else:
            k += 1 if dz > 0.0 else -1
        if i < 0 or i > last or j < 0 or j > last or k < 0 or k > last:
            break
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0


@inlined
def _trace_tiles(a: AtlasArrays, ox, oy, oz, dx, dy, dz, t_min, t_max):
    """First hit of a ray on tiles between t_min and t_max; returns what `trace_world` does."""
    cx, cy = floor((ox + t_min * dx) / BLOCK_M), floor((oy + t_min * dy) / BLOCK_M)
    t0 = t_min
    while t0 <= t_max:
        tx = _exit(ox, dx, cx * BLOCK_M, (cx + 1) * BLOCK_M)
        ty = _exit(oy, dy, cy * BLOCK_M, (cy + 1) * BLOCK_M)
        t1 = min(tx, ty, t_max)
        za, zb = oz + t0 * dz, oz + t1 * dz
        zl, zh = min(za, zb), max(za, zb)
        tile_x, tile_y = cx // TILE_BLOCKS, cy // TILE_BLOCKS
        wx, wy = tile_x - a.window_at[0], tile_y - a.window_at[1]
        slot = -1
        if 0 <= wx < a.window.shape[0] and 0 <= wy < a.window.shape[1]:
            slot = a.window[wx, wy]
        if slot >= 0:
            bx, by = cx - tile_x * TILE_BLOCKS, cy - tile_y * TILE_BLOCKS
            x, y = ox - tile_x * TILE_M, oy - tile_y * TILE_M  # origin from the tile's corner
            tg, gx, gy, gz, deck = inf, 0.0, 0.0, 0.0, -1
            for d in range(a.decks[slot, 1]):
                row = a.decks[slot, 0] + d
                if zl <= a.ground_hi[row, bx, by] + _SLACK and zh >= a.ground_lo[row, bx, by] - _SLACK:
                    t, nx, ny, nz = _ground_hit(a.ground[row], bx, by, x, y, oz, dx, dy, dz, t0, min(t1, tg))
                    if t < tg:
                        tg, gx, gy, gz, deck = t, nx, ny, nz, d
            if zl <= a.cells_hi[slot, bx, by] and zh >= a.cells_lo[slot, bx, by]:
                base = a.base_z[slot]
                t_end = min(t1, tg)
                bz = floor((za - base) / BLOCK_M)
                ta = t0
                while True:
                    tz = _exit(oz, dz, base + bz * BLOCK_M, base + (bz + 1) * BLOCK_M)
                    if 0 <= bz < BLOCKS_Z:
                        row = a.blocks[slot, bx, by, bz]
                        if row >= 0:
                            t, material, nx, ny, nz = _block_hit(
                                a.materials[row],
                                a.brick_of[row],
                                a.bricks,
                                bx * BLOCK_M,
                                by * BLOCK_M,
                                base + bz * BLOCK_M,
                                x,
                                y,
                                oz,
                                dx,
                                dy,
                                dz,
                                ta,
                                min(tz, t_end),
                            )
                            if t < inf:
                                return t, material, nx, ny, nz, -1
                    if tz >= t_end:
                        break
                    ta = max(ta, tz)
                    bz += 1 if dz > 0.0 else -1
            if tg <= t_max:
                row = a.decks[slot, 0] + deck
                px = _clamp(floor((x + tg * dx) / PAINT_M), 0, PAINT_CELLS - 1)
                py = _clamp(floor((y + tg * dy) / PAINT_M), 0, PAINT_CELLS - 1)
                return tg, a.paint[row, px, py], gx, gy, gz, deck
        if t1 >= t_max or (dz >= 0.0 and zl > a.z_range[1]) or (dz <= 0.0 and zh < a.z_range[0]):
            break
        t0 = max(t0, t1)
        if tx <= ty:
            cx += 1 if dx > 0.0 else -1
        else:
            cy += 1 if dy > 0.0 else -1
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1


@device
def _trace_window(w: WindowArrays, ox, oy, oz, dx, dy, dz, t_max):
    """First full voxel of an occupancy window along a ray.

    Returns:
        t (inf where there is none up to t_max), label, normal x, y, z, instance, and t where the ray enters the window
        and where it leaves it: inf and -inf where it misses it.
    """
    f = w.frame
    px, py, pz = ox - f[9], oy - f[10], oz - f[11]
    nx, ny, nz = int(f[12]), int(f[13]), int(f[14])
    # in voxels, where t stays what it is
    x = f[0] * px + f[1] * py + f[2] * pz
    y = f[3] * px + f[4] * py + f[5] * pz
    z = f[6] * px + f[7] * py + f[8] * pz
    u = f[0] * dx + f[1] * dy + f[2] * dz
    v = f[3] * dx + f[4] * dy + f[5] * dz
    q = f[6] * dx + f[7] * dy + f[8] * dz
    miss = (u == 0.0 and not 0.0 <= x <= nx) or (v == 0.0 and not 0.0 <= y <= ny) or (q == 0.0 and not 0.0 <= z <= nz)
    tx, ty, tz = _entry(x, u, 0.0, nx), _entry(y, v, 0.0, ny), _entry(z, q, 0.0, nz)
    enter = max(tx, ty, tz, 0.0)
    leave = min(_exit(x, u, 0.0, nx), _exit(y, v, 0.0, ny), _exit(z, q, 0.0, nz))
    if miss or enter > leave:
        return inf, np.uint8(_FREE), 0.0, 0.0, 0.0, 0, inf, -inf
    axis = 0 if tx >= ty and tx >= tz else (1 if ty >= tz else 2)
    if enter == 0.0:
        axis = -1  # it starts inside
    i = _clamp(floor(x + enter * u), 0, nx - 1)
    j = _clamp(floor(y + enter * v), 0, ny - 1)
    k = _clamp(floor(z + enter * q), 0, nz - 1)
    si, sj, sk = (1 if u > 0.0 else -1), (1 if v > 0.0 else -1), (1 if q > 0.0 else -1)
    tx, ty, tz = _exit(x, u, i, i + 1), _exit(y, v, j, j + 1), _exit(z, q, k, k + 1)
    t = enter
    while t <= t_max:
        voxel = np.int64(w.voxels[(i * ny + j) * nz + k])
        label = np.uint8(voxel & 255)
        if label != _FREE:
            instance = voxel >> 8
            if axis < 0:
                length = sqrt(dx * dx + dy * dy + dz * dz)
                return t, label, -dx / length, -dy / length, -dz / length, instance, enter, leave
            along, at = u if axis == 0 else (v if axis == 1 else q), 3 * axis
            turn = (-1.0 if along > 0.0 else 1.0) / sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2])
            return t, label, turn * f[at], turn * f[at + 1], turn * f[at + 2], instance, enter, leave
        if tx <= ty and tx <= tz:
            t, axis = tx, 0
            i += si
            if i < 0 or i >= nx:
                break
            tx = _exit(x, u, i, i + 1)
        elif ty <= tz:
            t, axis = ty, 1
            j += sj
            if j < 0 or j >= ny:
                break
            ty = _exit(y, v, j, j + 1)
        else:
            t, axis = tz, 2
            k += sk
            if k < 0 or k >= nz:
                break
            tz = _exit(z, q, k, k + 1)
    return inf, np.uint8(_FREE), 0.0, 0.0, 0.0, 0, enter, leave


@device
def _trace_window_and_tiles(a: AtlasArrays, ox, oy, oz, dx, dy, dz, t_max):
    """First hit on the window within its box, and on tiles before and behind that; returns what `trace_world` does."""
    tw, label, wx, wy, wz, instance, enter, leave = _trace_window(a.occupancy, ox, oy, oz, dx, dy, dz, t_max)
    t_min, t_end = 0.0, min(enter, t_max)
    for part in range(2):
        if t_min < t_end:
            t, material, nx, ny, nz, deck = _trace_tiles(a, ox, oy, oz, dx, dy, dz, t_min, t_end)
            if t < inf:
                return max(t, t_min), material, nx, ny, nz, deck
        if tw < inf:
            return tw, label, wx, wy, wz, -1 - instance
        if part == 0:
            t_min, t_end = max(leave, t_end), t_max
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1


@device
def trace_world(a: AtlasArrays, ox, oy, oz, dx, dy, dz, t_max):
    """First hit of a ray on the world, in the map frame, posed agents aside.

    Returns:
        t (inf where nothing is hit up to t_max), material, normal x, y, z, and deck (-1 on cells, -1 - instance on
        voxels of an occupancy window).
    """
    if a.occupancy.voxels.shape[0]:
        return _trace_window_and_tiles(a, ox, oy, oz, dx, dy, dz, t_max)
    return _trace_tiles(a, ox, oy, oz, dx, dy, dz, 0.0, t_max)


@device
def _block_occludes(materials, brick_of, bricks, row, lx, ly, lz, ox, oy, oz, dx, dy, dz, ta, t_end):
    """Whether anything in one block stops a ray between ta and t_end."""
    last = BLOCK_CELLS - 1
    i = _clamp(floor((ox + ta * dx - lx) / CELL_M), 0, last)
    j = _clamp(floor((oy + ta * dy - ly) / CELL_M), 0, last)
    k = _clamp(floor((oz + ta * dz - lz) / CELL_M), 0, last)
    while True:
        x, y, z = lx + i * CELL_M, ly + j * CELL_M, lz + k * CELL_M
        tx = _exit(ox, dx, x, lx + (i + 1) * CELL_M)
        ty = _exit(oy, dy, y, ly + (j + 1) * CELL_M)
        tz = _exit(oz, dz, z, lz + (k + 1) * CELL_M)
        tb = min(tx, ty, tz)
        if materials[row, i, j, k] != _EMPTY:
            brick = brick_of[row, i, j, k]
            if brick < 0 or _brick_hit(bricks[brick], x, y, z, ox, oy, oz, dx, dy, dz, ta, min(tb, t_end)) >= 0:
                return True
        if tb >= t_end:
            return False
        ta = max(ta, tb)
        if tx <= ty and tx <= tz:
            i += 1 if dx > 0.0 else -1
        elif ty <= tz:
            j += 1 if dy > 0.0 else -1
        else:
            k += 1 if dz > 0.0 else -1
        if i < 0 or i > last or j < 0 or j > last or k < 0 or k > last:
            return False


@device
def occluded(a: AtlasArrays, ox, oy, oz, dx, dy, dz, t_max):
    """Whether cells or bridge decks stop a ray that rises. The open ground does not: hills are too low to shade."""
    cx, cy = floor(ox / BLOCK_M), floor(oy / BLOCK_M)
    t0 = 0.0
    while t0 <= t_max:
        tx = _exit(ox, dx, cx * BLOCK_M, (cx + 1) * BLOCK_M)
        ty = _exit(oy, dy, cy * BLOCK_M, (cy + 1) * BLOCK_M)
        t1 = min(tx, ty, t_max)
        zl, zh = oz + t0 * dz, oz + t1 * dz
        tile_x, tile_y = cx // TILE_BLOCKS, cy // TILE_BLOCKS
        wx, wy = tile_x - a.window_at[0], tile_y - a.window_at[1]
        if wx < 0 or wx >= a.window.shape[0] or wy < 0 or wy >= a.window.shape[1]:
            return False
        slot = a.window[wx, wy]
        if slot >= 0:
            bx, by = cx - tile_x * TILE_BLOCKS, cy - tile_y * TILE_BLOCKS
            x, y = ox - tile_x * TILE_M, oy - tile_y * TILE_M
            for d in range(1, a.decks[slot, 1]):
                row = a.decks[slot, 0] + d
                if zl <= a.ground_hi[row, bx, by] + _SLACK and zh >= a.ground_lo[row, bx, by] - _SLACK:
                    if _ground_hit(a.ground[row], bx, by, x, y, oz, dx, dy, dz, t0, t1)[0] < inf:
                        return True
            if zl <= a.cells_hi[slot, bx, by] and zh >= a.cells_lo[slot, bx, by]:
                base = a.base_z[slot]
                bz = floor((zl - base) / BLOCK_M)
                ta = t0
                while True:
                    tz = _exit(oz, dz, base + bz * BLOCK_M, base + (bz + 1) * BLOCK_M)
                    if 0 <= bz < BLOCKS_Z:
                        row = a.blocks[slot, bx, by, bz]
                        if row >= 0 and _block_occludes(
                            a.materials, a.brick_of, a.bricks, row, bx * BLOCK_M, by * BLOCK_M, base + bz * BLOCK_M,
                            x, y, oz, dx, dy, dz, ta, min(tz, t1),
                        ):  # fmt: skip
                            return True
                    if tz >= t1:
                        break
                    ta = max(ta, tz)
                    bz += 1
        if t1 >= t_max or zl > a.z_range[1]:
            return False
        t0 = max(t0, t1)
        if tx <= ty:
            cx += 1 if dx > 0.0 else -1
        else:
            cy += 1 if dy > 0.0 else -1
    return False


@device
def trace_agent(templates: TemplateArrays, template, rotation, position, size, ox, oy, oz, dx, dy, dz, t_max):
    """First hit of a ray on one agent: `rotation` (3, 3) map <- box, `position` (3,) of the footprint's centre.

    The ray is taken into units of voxels, where the template is scaled per axis to the agent's `size`.

    Returns:
        t, material and normal in the map frame.
    """
    nx, ny, nz = templates.shape[template, 0], templates.shape[template, 1], templates.shape[template, 2]
    voxel = templates.voxel_m[template]
    ex = voxel * size[0] / templates.size_m[template, 0]
    ey = voxel * size[1] / templates.size_m[template, 1]
    ez = voxel * size[2] / templates.size_m[template, 2]
    px, py, pz = ox - position[0], oy - position[1], oz - position[2]
    r = rotation
    x = (r[0, 0] * px + r[1, 0] * py + r[2, 0] * pz) / ex + 0.5 * nx
    y = (r[0, 1] * px + r[1, 1] * py + r[2, 1] * pz) / ey + 0.5 * ny
    z = (r[0, 2] * px + r[1, 2] * py + r[2, 2] * pz) / ez
    u = (r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz) / ex
    v = (r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz) / ey
    w = (r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz) / ez
    if (u == 0.0 and not 0.0 <= x <= nx) or (v == 0.0 and not 0.0 <= y <= ny) or (w == 0.0 and not 0.0 <= z <= nz):
        return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0
    ta = max(_entry(x, u, 0.0, nx), _entry(y, v, 0.0, ny), _entry(z, w, 0.0, nz), 0.0)
    t_end = min(_exit(x, u, 0.0, nx), _exit(y, v, 0.0, ny), _exit(z, w, 0.0, nz), t_max)
    if ta > t_end:
        return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0
    i = _clamp(floor(x + ta * u), 0, nx - 1)
    j = _clamp(floor(y + ta * v), 0, ny - 1)
    k = _clamp(floor(z + ta * w), 0, nz - 1)
    si, sj, sk = (1 if u > 0.0 else -1), (1 if v > 0.0 else -1), (1 if w > 0.0 else -1)
    tx, ty, tz = _exit(x, u, i, i + 1), _exit(y, v, j, j + 1), _exit(z, w, k, k + 1)
    at = templates.offset[template] + (i * ny + j) * nz + k
    while True:
        if templates.material[at] != _EMPTY:
            n = templates.normal[at]
            a, b, c = n[0] / ex, n[1] / ey, n[2] / ez
            gx = r[0, 0] * a + r[0, 1] * b + r[0, 2] * c
            gy = r[1, 0] * a + r[1, 1] * b + r[1, 2] * c
            gz = r[2, 0] * a + r[2, 1] * b + r[2, 2] * c
            length = sqrt(gx * gx + gy * gy + gz * gz)
            if length == 0.0:
                gx, gy, gz, length = -dx, -dy, -dz, sqrt(dx * dx + dy * dy + dz * dz)
            return ta, templates.material[at], gx / length, gy / length, gz / length
        if tx <= ty and tx <= tz:
            ta = tx
            i += si
            at += si * ny * nz
            if i < 0 or i >= nx:
                break
            tx = _exit(x, u, i, i + 1)
        elif ty <= tz:
            ta = ty
            j += sj
            at += sj * nz
            if j < 0 or j >= ny:
                break
            ty = _exit(y, v, j, j + 1)
        else:
            ta = tz
            k += sk
            at += sk
            if k < 0 or k >= nz:
                break
            tz = _exit(z, w, k, k + 1)
        if ta > t_end:
            break
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0


@device
def trace_agents(agents: PosedAgents, templates: TemplateArrays, chosen, count, ox, oy, oz, dx, dy, dz, t_max):
    """First hit of a ray of unit direction on the agents `chosen[:count]`.

    Returns:
        t, material, normal in the map frame, and the agent's row (-1 where none is hit).
    """
    best, material, nx, ny, nz, who = t_max, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1
    for q in range(count):
        n = chosen[q]
        cx, cy, cz = agents.centre[n, 0] - ox, agents.centre[n, 1] - oy, agents.centre[n, 2] - oz
        along = cx * dx + cy * dy + cz * dz
        if cx * cx + cy * cy + cz * cz - along * along > agents.radius[n] ** 2:
            continue
        if along + agents.radius[n] < 0.0 or along - agents.radius[n] > best:
            continue
        t, m, a, b, c = trace_agent(
            templates,
            agents.template[n],
            agents.rotation[n],
            agents.position[n],
            agents.size[n],
            ox,
            oy,
            oz,
            dx,
            dy,
            dz,
            best,
        )
        if t < best or (t == best and who < 0):
            best, material, nx, ny, nz, who = t, m, a, b, c, n
    if who < 0:
        return inf, material, nx, ny, nz, who
    return best, material, nx, ny, nz, who


@njit(cache=True)
def trace_rays(a: AtlasArrays, agents: PosedAgents, templates: TemplateArrays, origins, directions, t_max):
    """Trace rays (N, 3) of unit direction against world and agents, one after the other.

    Returns:
        t (N,), material uint8 (N,), normal (N, 3), and agent row int32 (N,), -1 on the world.
    """
    n = origins.shape[0]
    t = np.empty(n)
    material = np.empty(n, np.uint8)
    normal = np.empty((n, 3))
    who = np.empty(n, np.int32)
    everyone = np.arange(agents.template.shape[0])
    for r in range(n):
        ox, oy, oz = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        t[r], material[r], nx, ny, nz, _ = trace_world(a, ox, oy, oz, dx, dy, dz, t_max)
        who[r] = -1
        near = min(t[r], t_max)
        ta, m, ax, ay, az, n_agent = trace_agents(
            agents, templates, everyone, everyone.shape[0], ox, oy, oz, dx, dy, dz, near
        )
        if n_agent >= 0 and ta < t[r]:
            t[r], material[r], nx, ny, nz, who[r] = ta, m, ax, ay, az, n_agent
        normal[r, 0], normal[r, 1], normal[r, 2] = nx, ny, nz
    return t, material, normal, who
