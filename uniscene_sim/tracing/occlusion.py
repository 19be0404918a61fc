"""Whether anything blocks the sun from a point: the traversal of `trace_world`, which ends at the first solid."""

from __future__ import annotations

from math import inf

from uniscene_sim.compute.compiled import device, floor
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, CELL_M, TILE_BLOCKS, TILE_M
from uniscene_sim.tracing.atlas import BEYOND, BLOCK_M, AtlasArrays, slot_of
from uniscene_sim.tracing.kernels import SLACK_T, brick_hit, ground_hit
from uniscene_sim.tracing.slabs import Corner, Ray, cell_exits, first_cell, next_cell, next_column, slab_exit, steady

__all__ = ["occluded"]

_EMPTY = int(Material.NONE)


@device
def _block_occludes(materials, brick_of, bricks, row, corner, ray, ta, t_end):
    """Whether anything in one block of cells blocks a ray between ta and t_end.

    Arguments by group:
        materials, brick_of, bricks, row: fields of `AtlasArrays`, and the row of the block. Passing the whole tuple for
            each block would cost a tenth of the time of an image.
        corner, ray: of the block, and the ray in the same frame.
        ta, t_end: t at which the ray enters and leaves the block.
    """
    last = BLOCK_CELLS - 1
    i, j, k = first_cell(ray, corner, CELL_M, last, ta)
    while True:
        tx, ty, tz = cell_exits(ray, corner, CELL_M, i, j, k)
        tb = min(tx, ty, tz)
        if materials[row, i, j, k] != _EMPTY:
            brick = brick_of[row, i, j, k]
            if brick < 0:
                return True
            at = Corner(corner.x + i * CELL_M, corner.y + j * CELL_M, corner.z + k * CELL_M)
            if brick_hit(bricks[brick], at, ray, ta, min(tb, t_end)) >= 0:
                return True
        if tb >= t_end:
            return False
        ta = max(ta, tb)
        i, j, k = next_cell(i, j, k, ray.dx, ray.dy, ray.dz, tx, ty, tz)
        if i < 0 or i > last or j < 0 or j > last or k < 0 or k > last:
            return False


@device
def occluded(a: AtlasArrays, ray: Ray, t_max):
    """Whether cells or bridge decks block an ascending ray (map frame) up to t_max. The open ground does not: hills are
    too low to cast shadows."""
    ox, oy, oz, dx, dy, dz = ray
    dx, dy = steady(dx), steady(dy)
    cx, cy = floor(ox / BLOCK_M), floor(oy / BLOCK_M)
    t0 = 0.0
    while t0 <= t_max:
        tx = slab_exit(ox, dx, cx * BLOCK_M, (cx + 1) * BLOCK_M)
        ty = slab_exit(oy, dy, cy * BLOCK_M, (cy + 1) * BLOCK_M)
        t1 = min(tx, ty, t_max)
        zl, zh = oz + t0 * dz, oz + t1 * dz
        tile_x, tile_y = cx // TILE_BLOCKS, cy // TILE_BLOCKS
        slot = slot_of(a, tile_x, tile_y)
        if slot == BEYOND:
            return False
        bx, by = cx - tile_x * TILE_BLOCKS, cy - tile_y * TILE_BLOCKS
        if slot >= 0 and zl <= a.top[slot, bx, by]:
            local = Ray(ox - tile_x * TILE_M, oy - tile_y * TILE_M, oz, dx, dy, dz)
            for d in range(1, a.decks[slot, 1]):
                row = a.decks[slot, 0] + d
                if zl <= a.ground_hi[row, bx, by] + SLACK_T and zh >= a.ground_lo[row, bx, by] - SLACK_T:
                    if ground_hit(a.ground[row], bx, by, local, t0, t1)[0] < inf:
                        return True
            if zl <= a.cells_hi[slot, bx, by] and zh >= a.cells_lo[slot, bx, by]:
                base = a.base_z[slot]
                bz = floor((zl - base) / BLOCK_M)
                ta = t0
                while True:
                    tz = slab_exit(oz, dz, base + bz * BLOCK_M, base + (bz + 1) * BLOCK_M)
                    if 0 <= bz < BLOCKS_Z:
                        row = a.blocks[slot, bx, by, bz]
                        if row >= 0:
                            corner = Corner(bx * BLOCK_M, by * BLOCK_M, base + bz * BLOCK_M)
                            if _block_occludes(a.materials, a.brick_of, a.bricks, row, corner, local, ta, min(tz, t1)):
                                return True
                    if tz >= t1:
                        break
                    ta = max(ta, tz)
                    bz += 1
        if t1 >= t_max or zl > a.z_range[1]:
            return False
        t0 = max(t0, t1)
        cx, cy = next_column(cx, cy, dx, dy, tx, ty)
    return False
