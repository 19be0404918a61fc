"""Exact ray traversal in float64: ground decks, 0.4 m cells with their 0.1 m bricks, the voxels of an occupancy window
in their place if there is one, and posed agent templates.

A ray traverses columns of 3.2 m in x and y. In each, it is intersected with the ground by deck (bilinear patches of 0.2
m, a quadratic in t) and, up to the ground, with the blocks of cells; the first hit ends it. Directions need not be of
unit length: t is in units of the direction's length. A ray that starts inside a solid hits it at t = 0, with the normal
opposite to the ray. Ground is two-sided.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from uniscene_sim.compute.compiled import device, floor, inlined, njit
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, CELL_M, GROUND_STEP_M, TILE_BLOCKS, TILE_M
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays
from uniscene_sim.tracing.atlas import BLOCK_M, AtlasArrays
from uniscene_sim.tracing.paint import paint_at
from uniscene_sim.tracing.slabs import (
    Corner,
    Ray,
    cell_exits,
    clamp,
    first_cell,
    next_cell,
    next_column,
    slab_entry,
    slab_exit,
    steady,
)
from uniscene_sim.tracing.voxels import trace_window

__all__ = ["SLACK_T", "SUB_M", "brick_hit", "ground_hit", "trace_agent", "trace_agents", "trace_rays", "trace_world"]

_EMPTY = int(Material.NONE)
SUB_M = CELL_M / 4
_PATCHES = round(BLOCK_M / GROUND_STEP_M)  # ground patches along a column
SLACK_T = 1e-9  # of t, so that rays along seams between patches do not slip through


@njit(cache=True, inline="always")
def _root(a, b, c, t_end):
    """Smallest root in [0, t_end] (with slack) of a t^2 + b t + c, inf if there is none."""
    if c == 0.0:
        return 0.0
    discriminant = b * b - 4.0 * a * c
    if discriminant < 0.0:
        return inf
    q = -0.5 * (b + sqrt(discriminant)) if b >= 0.0 else -0.5 * (b - sqrt(discriminant))
    best = inf
    if q != 0.0:
        t = c / q
        if -SLACK_T <= t <= t_end + SLACK_T:
            best = t
    if a != 0.0:
        t = q / a
        if -SLACK_T <= t <= t_end + SLACK_T and t < best:
            best = t
    return max(best, 0.0)


@device
def ground_hit(ground, bx, by, ray, t0, t1):
    """First hit on one deck within a column.

    Args:
        ground: float32 (321, 321) m, NaN where the deck is absent.
        bx, by: the column, 0..19 in its tile.
        ray: its origin relative to the tile's corner in x and y.
        t0, t1: t at which the ray enters and leaves the column.

    Returns:
        t (inf if there is none) and the normal's x, y, z.
    """
    ox, oy, oz, dx, dy, dz = ray
    i0, j0 = bx * _PATCHES, by * _PATCHES
    i = clamp(floor((ox + t0 * dx) / GROUND_STEP_M), i0, i0 + _PATCHES - 1)
    j = clamp(floor((oy + t0 * dy) / GROUND_STEP_M), j0, j0 + _PATCHES - 1)
    du, dv = dx / GROUND_STEP_M, dy / GROUND_STEP_M
    ta = t0
    while True:
        tx = slab_exit(ox, dx, i * GROUND_STEP_M, (i + 1) * GROUND_STEP_M)
        ty = slab_exit(oy, dy, j * GROUND_STEP_M, (j + 1) * GROUND_STEP_M)
        tb = min(tx, ty, t1)
        z00, z10 = np.float64(ground[i, j]), np.float64(ground[i + 1, j])
        z01, z11 = np.float64(ground[i, j + 1]), np.float64(ground[i + 1, j + 1])
        za, zb = oz + ta * dz, oz + tb * dz
        over = min(za, zb) > max(z00, z10, z01, z11) + SLACK_T
        under = max(za, zb) < min(z00, z10, z01, z11) - SLACK_T
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
        # not by `next_column`: testing both i and j instead of the one that changed is 3 % slower
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
def _box_hit(ray, x, y, z, edge):
    """t and normal at which a ray that intersects a cube, given by its lowest corner and edge (m), enters it."""
    dx, dy, dz = ray.dx, ray.dy, ray.dz
    tx = slab_entry(ray.ox, dx, x, x + edge)
    ty = slab_entry(ray.oy, dy, y, y + edge)
    tz = slab_entry(ray.oz, dz, z, z + edge)
    if tx < 0.0 and ty < 0.0 and tz < 0.0:
        length = sqrt(dx * dx + dy * dy + dz * dz)
        return 0.0, -dx / length, -dy / length, -dz / length
    if tx >= ty and tx >= tz:
        return tx, -1.0 if dx > 0.0 else 1.0, 0.0, 0.0
    if ty >= tz:
        return ty, 0.0, -1.0 if dy > 0.0 else 1.0, 0.0
    return tz, 0.0, 0.0, -1.0 if dz > 0.0 else 1.0


@device
def brick_hit(mask, corner, ray, ta, t_end):
    """Bit of the first solid sub-cell of a brick along a ray, -1 if it passes through.

    Args:
        mask: uint64, bit 16 i + 4 j + k for each of 4 x 4 x 4 sub-cells.
        corner: of the brick.
        ray: in the same frame.
        ta, t_end: t at which it enters and leaves the brick.
    """
    i, j, k = first_cell(ray, corner, SUB_M, 3, ta)
    while True:
        bit = 16 * i + 4 * j + k
        if (mask >> np.uint64(bit)) & np.uint64(1):
            return bit
        tx, ty, tz = cell_exits(ray, corner, SUB_M, i, j, k)
        if min(tx, ty, tz) >= t_end:
            return -1
        i, j, k = next_cell(i, j, k, ray.dx, ray.dy, ray.dz, tx, ty, tz)
        if i < 0 or i > 3 or j < 0 or j > 3 or k < 0 or k > 3:
            return -1


@device
def _block_hit(materials, brick_of, bricks, corner, ray, ta, t_end):
    """First hit in one block of cells.

    Args:
        materials: uint8 (8, 8, 8).
        brick_of: int32 (8, 8, 8), row of `bricks`, -1 if the cell is full.
        bricks: uint64 (K,) masks.
        corner: of the block.
        ray: in the same frame.
        ta, t_end: t at which it enters and leaves the block.

    Returns:
        t (inf if there is none), material and the normal's x, y, z.
    """
    last = BLOCK_CELLS - 1
    i, j, k = first_cell(ray, corner, CELL_M, last, ta)
    while True:
        tx, ty, tz = cell_exits(ray, corner, CELL_M, i, j, k)
        tb = min(tx, ty, tz)
        material = materials[i, j, k]
        if material != _EMPTY:
            x, y, z = corner.x + i * CELL_M, corner.y + j * CELL_M, corner.z + k * CELL_M
            brick = brick_of[i, j, k]
            bit, edge = 0, CELL_M
            if brick >= 0:
                edge = SUB_M
                bit = brick_hit(bricks[brick], Corner(x, y, z), ray, ta, min(tb, t_end))
                x, y, z = x + (bit >> 4) * SUB_M, y + ((bit >> 2) & 3) * SUB_M, z + (bit & 3) * SUB_M
            if bit >= 0:
                t, nx, ny, nz = _box_hit(ray, x, y, z, edge)
                if t <= t_end:
                    return t, material, nx, ny, nz
                return inf, material, 0.0, 0.0, 0.0
        if tb >= t_end:
            break
        ta = max(ta, tb)
        i, j, k = next_cell(i, j, k, ray.dx, ray.dy, ray.dz, tx, ty, tz)
        if i < 0 or i > last or j < 0 or j > last or k < 0 or k > last:
            break
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0


@inlined
def _trace_tiles(a: AtlasArrays, ray: Ray, t_min, t_max):
    """First hit of a ray on tiles between t_min and t_max; returns what `trace_world` does."""
    ox, oy, oz, dx, dy, dz = ray
    dx, dy = steady(dx), steady(dy)
    cx, cy = floor((ox + t_min * dx) / BLOCK_M), floor((oy + t_min * dy) / BLOCK_M)
    t0 = t_min
    while t0 <= t_max:
        tx = slab_exit(ox, dx, cx * BLOCK_M, (cx + 1) * BLOCK_M)
        ty = slab_exit(oy, dy, cy * BLOCK_M, (cy + 1) * BLOCK_M)
        t1 = min(tx, ty, t_max)
        za, zb = oz + t0 * dz, oz + t1 * dz
        zl, zh = min(za, zb), max(za, zb)
        tile_x, tile_y = cx // TILE_BLOCKS, cy // TILE_BLOCKS
        wx, wy = tile_x - a.window_at[0], tile_y - a.window_at[1]
        slot = -1  # not by `slot_of`, which is 5 % slower here
        if 0 <= wx < a.window.shape[0] and 0 <= wy < a.window.shape[1]:
            slot = a.window[wx, wy]
        bx, by = cx - tile_x * TILE_BLOCKS, cy - tile_y * TILE_BLOCKS
        if slot >= 0 and zl <= a.top[slot, bx, by]:
            x, y = ox - tile_x * TILE_M, oy - tile_y * TILE_M  # origin relative to the tile's corner
            local = Ray(x, y, oz, dx, dy, dz)
            tg, gx, gy, gz, deck = inf, 0.0, 0.0, 0.0, -1
            for d in range(a.decks[slot, 1]):
                row = a.decks[slot, 0] + d
                if zl <= a.ground_hi[row, bx, by] + SLACK_T and zh >= a.ground_lo[row, bx, by] - SLACK_T:
                    t, nx, ny, nz = ground_hit(a.ground[row], bx, by, local, t0, min(t1, tg))
                    if t < tg:
                        tg, gx, gy, gz, deck = t, nx, ny, nz, d
            if zl <= a.cells_hi[slot, bx, by] and zh >= a.cells_lo[slot, bx, by]:
                base = a.base_z[slot]
                t_end = min(t1, tg)
                bz = floor((za - base) / BLOCK_M)
                ta = t0
                while True:
                    tz = slab_exit(oz, dz, base + bz * BLOCK_M, base + (bz + 1) * BLOCK_M)
                    if 0 <= bz < BLOCKS_Z:
                        row = a.blocks[slot, bx, by, bz]
                        if row >= 0:
                            corner = Corner(bx * BLOCK_M, by * BLOCK_M, base + bz * BLOCK_M)
                            t, material, nx, ny, nz = _block_hit(
                                a.materials[row], a.brick_of[row], a.bricks, corner, local, ta, min(tz, t_end)
                            )
                            if t < inf:
                                return t, material, nx, ny, nz, -1
                    if tz >= t_end:
                        break
                    ta = max(ta, tz)
                    bz += 1 if dz > 0.0 else -1
            if tg <= t_max:
                return tg, paint_at(a, a.decks[slot, 0] + deck, x + tg * dx, y + tg * dy), gx, gy, gz, deck
        if t1 >= t_max or (dz >= 0.0 and zl > a.z_range[1]) or (dz <= 0.0 and zh < a.z_range[0]):
            break
        t0 = max(t0, t1)
        cx, cy = next_column(cx, cy, dx, dy, tx, ty)
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1


@device
def _trace_window_and_tiles(a: AtlasArrays, ray: Ray, t_max):
    """First hit on the window within its box, and on tiles before and behind it; returns what `trace_world` does."""
    tw, label, wx, wy, wz, instance, enter, leave = trace_window(a.occupancy, ray, t_max)
    t_min, t_end = 0.0, min(enter, t_max)
    for part in range(2):
        if t_min < t_end:
            t, material, nx, ny, nz, deck = _trace_tiles(a, ray, t_min, t_end)
            if t < inf:
                return max(t, t_min), material, nx, ny, nz, deck
        if tw < inf:
            return tw, label, wx, wy, wz, -1 - instance
        if part == 0:
            t_min, t_end = max(leave, t_end), t_max
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1


@device
def trace_world(a: AtlasArrays, ray: Ray, t_max):
    """First hit of a ray on the world, in the map frame, without posed agents.

    Returns:
        t (inf if nothing is hit up to t_max), material, normal x, y, z, and deck (-1 for cells, -1 - instance for
        voxels
        of an occupancy window).
    """
    if a.occupancy.voxels.shape[0]:
        return _trace_window_and_tiles(a, ray, t_max)
    return _trace_tiles(a, ray, 0.0, t_max)


@device
def trace_agent(templates: TemplateArrays, template, rotation, position, size, ray: Ray, t_max):
    """First hit of a ray on one agent.

    The ray is transformed into units of voxels, since the template is scaled per axis to the agent's size.

    Args:
        templates: all templates.
        template: index of that of the agent.
        rotation: float64 (3, 3), map <- box.
        position: float64 (3,) m, of the footprint's centre.
        size: float64 (3,) m.
        ray: in the map frame.
        t_max: end of the ray.

    Returns:
        t, material and normal in the map frame.
    """
    ox, oy, oz, dx, dy, dz = ray
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
    ta = max(slab_entry(x, u, 0.0, nx), slab_entry(y, v, 0.0, ny), slab_entry(z, w, 0.0, nz), 0.0)
    t_end = min(slab_exit(x, u, 0.0, nx), slab_exit(y, v, 0.0, ny), slab_exit(z, w, 0.0, nz), t_max)
    if ta > t_end:
        return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0
    i = clamp(floor(x + ta * u), 0, nx - 1)
    j = clamp(floor(y + ta * v), 0, ny - 1)
    k = clamp(floor(z + ta * w), 0, nz - 1)
    si, sj, sk = (1 if u > 0.0 else -1), (1 if v > 0.0 else -1), (1 if w > 0.0 else -1)
    tx, ty, tz = slab_exit(x, u, i, i + 1), slab_exit(y, v, j, j + 1), slab_exit(z, w, k, k + 1)
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
            tx = slab_exit(x, u, i, i + 1)
        elif ty <= tz:
            ta = ty
            j += sj
            at += sj * nz
            if j < 0 or j >= ny:
                break
            ty = slab_exit(y, v, j, j + 1)
        else:
            ta = tz
            k += sk
            at += sk
            if k < 0 or k >= nz:
                break
            tz = slab_exit(z, w, k, k + 1)
        if ta > t_end:
            break
    return inf, np.uint8(_EMPTY), 0.0, 0.0, 0.0


@device
def trace_agents(agents: PosedAgents, templates: TemplateArrays, chosen, count, ray: Ray, t_max):
    """First hit of a ray of unit direction on some agents.

    Args:
        agents: all agents.
        templates: their shapes.
        chosen: int (>=count,), rows of agents to test.
        count: how many of them.
        ray: in the map frame.
        t_max: end of the ray, m.

    Returns:
        t, material, normal x, y, z in the map frame, and the agent's row (-1 if none is hit).
    """
    ox, oy, oz, dx, dy, dz = ray
    best, material, nx, ny, nz, agent = t_max, np.uint8(_EMPTY), 0.0, 0.0, 0.0, -1
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
            ray,
            best,
        )
        if t < best or (t == best and agent < 0):
            best, material, nx, ny, nz, agent = t, m, a, b, c, n
    if agent < 0:
        return inf, material, nx, ny, nz, agent
    return best, material, nx, ny, nz, agent


@njit(cache=True)
def trace_rays(a: AtlasArrays, agents: PosedAgents, templates: TemplateArrays, origins, directions, t_max):
    """Trace rays of unit direction against world and agents, one after the other.

    Args:
        a: the world.
        agents: all agents.
        templates: their shapes.
        origins, directions: (N, 3), m and unit vectors, map frame.
        t_max: end of the rays, m.

    Returns:
        t (N,) m, material uint8 (N,), normal (N, 3), and agent row int32 (N,), -1 for the world.
    """
    n = origins.shape[0]
    t = np.empty(n)
    material = np.empty(n, np.uint8)
    normal = np.empty((n, 3))
    agent = np.empty(n, np.int32)
    all_agents = np.arange(agents.template.shape[0])
    for r in range(n):
        o, d = origins[r], directions[r]
        ray = Ray(o[0], o[1], o[2], d[0], d[1], d[2])
        t[r], material[r], nx, ny, nz, _ = trace_world(a, ray, t_max)
        agent[r] = -1
        near = min(t[r], t_max)
        ta, m, ax, ay, az, hit = trace_agents(agents, templates, all_agents, all_agents.shape[0], ray, near)
        if hit >= 0 and ta < t[r]:
            t[r], material[r], nx, ny, nz, agent[r] = ta, m, ax, ay, az, hit
        normal[r, 0], normal[r, 1], normal[r, 2] = nx, ny, nz
    return t, material, normal, agent
