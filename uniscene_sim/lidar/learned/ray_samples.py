"""Samples along rays in occupied space (UniScene, section 3.3): the density is 1 in occupied cells and half a cell
around them, 0 elsewhere, and n points are drawn from it by its inverse distribution function.

The density is computed exactly from the cells that a ray crosses, the limit of dense uniform samples. It is measured
along the ray, but by height in ground cells: a grazing ray stays within a ground cell for metres, which makes the
surface no less certain. Only the first 2 m count, since what lies behind is occluded.
"""

from __future__ import annotations

from math import cos, inf, sin
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import floor, inlined, njit
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.learned.voxels import SOLID, CellGrid
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.slabs import Ray, cell_exit, clamp, clip, next_cell

__all__ = ["AgentGrids", "RaySamples", "agent_grids", "empty_ray_samples", "sample_rays"]

REACH_M = 2.0
_MARGIN_M = 0.5 * CELL_M
_FLATTEST = 0.02  # lower bound of |dz| in ground cells
_MOST = 160  # intervals of a ray
_HALF_M = 0.5 * CELL_M


class AgentGrids(NamedTuple):
    """Grids of half cells around N agents: each within half a cell of an agent's cell holds the nearest one's row."""

    low: np.ndarray  # int64 (N, 3), of half cells
    shape: np.ndarray  # int64 (N, 3)
    offset: np.ndarray  # int64 (N,), first half cell of each
    row: np.ndarray  # int32 (V,), -1 where there is none
    centre: np.ndarray  # float64 (N, 3) m, of the bounding sphere
    radius: np.ndarray  # float64 (N,) m


class RaySamples(NamedTuple):
    """n samples of each of R rays; `first` is inf for rays that cross no occupied cell."""

    t: np.ndarray  # float32 (R, n) m
    row: np.ndarray  # int32 (R, n), of the cell, -1 in free space
    offset: np.ndarray  # float32 (R, n, 3) from the cell's centre, in cells
    slope: np.ndarray  # float32 (R, n), density per metre: 1, or less where a ray grazes the ground
    gap: np.ndarray  # float32 (R,), density between two samples, m
    first: np.ndarray  # float32 (R,) m, where the ray enters the first cell, inf where there is none
    agent_row: np.ndarray  # int32 (R, n), agent of the cell, -1 for the world


def empty_ray_samples(rays: int, n: int) -> RaySamples:
    """Room for n samples of each ray."""
    return RaySamples(
        np.zeros((rays, n), np.float32), np.zeros((rays, n), np.int32), np.zeros((rays, n, 3), np.float32),
        np.ones((rays, n), np.float32), np.zeros(rays, np.float32), np.full(rays, np.inf, np.float32),
        np.full((rays, n), -1, np.int32),
    )  # fmt: skip


def agent_grids(cells: list[np.ndarray], first_row: int) -> AgentGrids:
    """Grids of half cells of agents, from the cells int32 (M, 3) of each; their rows continue from `first_row`."""
    n = len(cells)
    low, shape = np.zeros((n, 3), np.int64), np.zeros((n, 3), np.int64)
    rows = []
    for a, ijk in enumerate(cells):
        low[a] = 2 * ijk.min(axis=0) - 1
        shape[a] = 2 * ijk.max(axis=0) + 3 - low[a]
        grid = np.full(tuple(shape[a].tolist()), -1, np.int32)
        _rasterise_half_cells(grid, low[a], ijk, first_row)
        first_row += len(ijk)
        rows.append(grid.ravel())
    sizes = shape.prod(axis=1)
    return AgentGrids(
        low, shape, np.cumsum(sizes) - sizes, np.concatenate([np.zeros(0, np.int32), *rows]),
        (low + 0.5 * shape) * _HALF_M, 0.5 * _HALF_M * np.sqrt((shape**2).sum(axis=1)) + 1e-6,
    )  # fmt: skip


@njit(cache=True)
def _rasterise_half_cells(grid, low, ijk, first):
    """Write each cell's own eight half cells, then the unclaimed ones around it."""
    for own in (True, False):
        for n in range(ijk.shape[0]):
            i, j, k = 2 * ijk[n, 0] - low[0], 2 * ijk[n, 1] - low[1], 2 * ijk[n, 2] - low[2]
            wide = 0 if own else 1
            for a in range(i - wide, i + 2 + wide):
                for b in range(j - wide, j + 2 + wide):
                    for c in range(k - wide, k + 2 + wide):
                        if own or grid[a, b, c] < 0:
                            grid[a, b, c] = first + n


@inlined
def _scaled(ray: Ray, cell_m):
    """A ray in units of cells, t in metres."""
    return ray.ox / cell_m, ray.oy / cell_m, ray.oz / cell_m, ray.dx / cell_m, ray.dy / cell_m, ray.dz / cell_m


@njit(cache=True)
def _cross_world(grid: CellGrid, is_ground, ray: Ray, far, begin, end, row):
    """Write entry, exit (m) and row of each cell that a ray crosses, until it is stopped; returns their number."""
    # is_ground: bool (N,) by row; far: m; begin, end: float64 (160,) m and row: int32 (160,), written
    x, y, z, u, v, w = _scaled(ray, CELL_M)
    lx, ly, lz = 8 * grid.low[0], 8 * grid.low[1], 8 * grid.low[2]
    nx, ny, nz = grid.blocks.shape
    t, t_end = clip(x, u, lx, lx + 8 * nx, 0.0, far)
    t, t_end = clip(y, v, ly, ly + 8 * ny, t, t_end)
    t, t_end = clip(z, w, lz, lz + 8 * nz, t, t_end)
    count, gone = 0, 0.0
    if t >= t_end:
        return 0
    i = clamp(floor(x + t * u), lx, lx + 8 * nx - 1)
    j = clamp(floor(y + t * v), ly, ly + 8 * ny - 1)
    k = clamp(floor(z + t * w), lz, lz + 8 * nz - 1)
    while True:
        bi, bj, bk = i >> 3, j >> 3, k >> 3
        block = grid.blocks[bi - grid.low[0], bj - grid.low[1], bk - grid.low[2]]
        if block < 0:  # on to the next block
            tx, ty, tz = cell_exit(x, u, bi, 8.0), cell_exit(y, v, bj, 8.0), cell_exit(z, w, bk, 8.0)
            t = max(t, min(tx, ty, tz))
            if t >= t_end:
                return count
            if tx <= ty and tx <= tz:
                i = 8 * bi + 8 if u > 0.0 else 8 * bi - 1
                j = clamp(floor(y + t * v), 8 * bj, 8 * bj + 7)
                k = clamp(floor(z + t * w), 8 * bk, 8 * bk + 7)
            elif ty <= tz:
                j = 8 * bj + 8 if v > 0.0 else 8 * bj - 1
                i = clamp(floor(x + t * u), 8 * bi, 8 * bi + 7)
                k = clamp(floor(z + t * w), 8 * bk, 8 * bk + 7)
            else:
                k = 8 * bk + 8 if w > 0.0 else 8 * bk - 1
                i = clamp(floor(x + t * u), 8 * bi, 8 * bi + 7)
                j = clamp(floor(y + t * v), 8 * bj, 8 * bj + 7)
        else:
            here = grid.cells[block, i & 7, j & 7, k & 7]
            if here == SOLID:
                return count
            tx, ty, tz = cell_exit(x, u, i, 1.0), cell_exit(y, v, j, 1.0), cell_exit(z, w, k, 1.0)
            leave = min(tx, ty, tz, t_end)
            if here >= 0 and leave > t:
                begin[count], end[count], row[count] = t, leave, here
                count += 1
                gone += (leave - t) * (max(abs(ray.dz), _FLATTEST) if is_ground[here] else 1.0)
                if gone >= REACH_M or count == _MOST // 2:
                    return count
            t = max(t, leave)
            if t >= t_end:
                return count
            above = k
            i, j, k = next_cell(i, j, k, u, v, w, tx, ty, tz)
            if k < above and here >= 0 and is_ground[here]:
                return count  # under the ground
        if not (lx <= i < lx + 8 * nx and ly <= j < ly + 8 * ny and lz <= k < lz + 8 * nz):
            return count


@njit(cache=True)
def _cross_agent(a: AgentGrids, n, ray: Ray, far, begin, end, row, count):
    """As `_cross_world`, for an agent's half cells; intervals are appended to `count` others. Returns the new count."""
    x, y, z, u, v, w = _scaled(ray, _HALF_M)
    lx, ly, lz = a.low[n, 0], a.low[n, 1], a.low[n, 2]
    nx, ny, nz = a.shape[n, 0], a.shape[n, 1], a.shape[n, 2]
    t, t_end = clip(x, u, lx, lx + nx, 0.0, far)
    t, t_end = clip(y, v, ly, ly + ny, t, t_end)
    t, t_end = clip(z, w, lz, lz + nz, t, t_end)
    if t >= t_end:
        return count
    i = clamp(floor(x + t * u), lx, lx + nx - 1)
    j = clamp(floor(y + t * v), ly, ly + ny - 1)
    k = clamp(floor(z + t * w), lz, lz + nz - 1)
    gone, last = 0.0, -1
    while True:
        tx, ty, tz = cell_exit(x, u, i, 1.0), cell_exit(y, v, j, 1.0), cell_exit(z, w, k, 1.0)
        leave = min(tx, ty, tz, t_end)
        here = a.row[a.offset[n] + ((i - lx) * ny + (j - ly)) * nz + (k - lz)]
        if here >= 0 and leave > t:
            if here == last:
                end[count - 1] = leave
            elif count < _MOST:
                begin[count], end[count], row[count] = t, leave, here
                count += 1
            gone += leave - t
        last = here
        t = max(t, leave)
        if t >= t_end or gone >= REACH_M:
            return count
        i, j, k = next_cell(i, j, k, u, v, w, tx, ty, tz)
        if not (lx <= i < lx + nx and ly <= j < ly + ny and lz <= k < lz + nz):
            return count


@njit(cache=True)
def _sort(begin, end, row, who, count):
    """Sort intervals by their begin; of two that overlap the later one is cut."""
    for m in range(1, count):
        b, e, r, p = begin[m], end[m], row[m], who[m]
        q = m - 1
        while q >= 0 and begin[q] > b:
            begin[q + 1], end[q + 1], row[q + 1], who[q + 1] = begin[q], end[q], row[q], who[q]
            q -= 1
        begin[q + 1], end[q + 1], row[q + 1], who[q + 1] = b, e, r, p
    reached = 0.0
    for m in range(count):
        begin[m] = max(begin[m], reached)
        end[m] = max(end[m], begin[m])
        reached = end[m]


@njit(cache=True, nogil=True)
def _sample_with_prior(
    grid: CellGrid, ijk, is_ground, agents: AgentGrids, origins, directions, far, move, out: RaySamples, first, last
):
    # arguments as of `sample_rays`; out: written in rays first to last - 1
    n, rings = out.t.shape[1], directions.shape[0] // move.shape[0]
    begin, end, weight = np.empty(_MOST), np.empty(_MOST), np.empty(_MOST)
    row, who = np.empty(_MOST, np.int32), np.empty(_MOST, np.int32)
    for r in range(first, last):
        column = r // rings
        ox, oy, oz = origins[column, 0], origins[column, 1], origins[column, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        ray = Ray(ox, oy, oz, dx, dy, dz)
        count = _cross_world(grid, is_ground, ray, far, begin, end, row)
        who[:count] = -1
        near = begin[0] if count else inf
        # contiguous intervals are widened by half a cell at both ends
        for m in range(count):
            if m + 1 == count or begin[m + 1] > end[m] + 1e-9:
                wide = _MARGIN_M if m + 1 == count else min(_MARGIN_M, 0.5 * (begin[m + 1] - end[m]))
                end[m] += wide
                if m + 1 < count:
                    begin[m + 1] -= wide
        if count:
            begin[0] = max(0.0, begin[0] - _MARGIN_M)
        others = count
        for a in range(agents.low.shape[0]):
            if not _hits_bounding_sphere(agents, a, move[column, a], ray, far):
                continue
            # the ray relative to the agent's pose at the stamp
            ax, ay, az = _in_agent_frame(agents, a, move[column, a], ox, oy, oz)
            c, s = cos(move[column, a, 3]), sin(move[column, a, 3])
            ux, uy = c * dx + s * dy, c * dy - s * dx
            before = others
            others = _cross_agent(agents, a, Ray(ax, ay, az, ux, uy, dz), far, begin, end, row, others)
            for m in range(before, others):
                who[m] = a
                near = min(near, begin[m])
        if others == 0:
            continue
        if others > count:
            _sort(begin, end, row, who, others)
        out.first[r] = near
        total, kept = 0.0, 0
        for m in range(others):
            weight[m] = max(abs(dz), _FLATTEST) if is_ground[row[m]] else 1.0
            end[m] = min(end[m], begin[m] + max(0.0, REACH_M - total) / weight[m])
            total += weight[m] * (end[m] - begin[m])
            kept += 1
            if total >= REACH_M:
                break
        gap = total / n
        out.gap[r] = gap
        m, past = 0, 0.0
        for q in range(n):
            wanted = (q + 0.5) * gap
            while m + 1 < kept and past + weight[m] * (end[m] - begin[m]) < wanted:
                past += weight[m] * (end[m] - begin[m])
                m += 1
            t = begin[m] + (wanted - past) / weight[m]
            out.t[r, q], out.slope[r, q] = t, weight[m]
            x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
            if who[m] >= 0:
                x, y, z = _in_agent_frame(agents, who[m], move[column, who[m]], x, y, z)
            _write_sample(out, r, q, ijk, row[m], who[m], x, y, z)


@njit(cache=True, nogil=True)
def _sample_evenly(
    grid: CellGrid, ijk, is_ground, agents: AgentGrids, origins, directions, far, move, out: RaySamples, first, last
):
    # arguments as of `sample_rays`; out: written in rays first to last - 1
    n, rings = out.t.shape[1], directions.shape[0] // move.shape[0]
    near = np.empty(agents.low.shape[0], np.int64)
    for r in range(first, last):
        column, count = r // rings, 0
        ox, oy, oz = origins[column, 0], origins[column, 1], origins[column, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        ray = Ray(ox, oy, oz, dx, dy, dz)
        for a in range(agents.low.shape[0]):
            if _hits_bounding_sphere(agents, a, move[column, a], ray, far):
                near[count] = a
                count += 1
        out.gap[r] = far / n
        for q in range(n):
            t = (q + 0.5) * far / n
            x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
            out.t[r, q], out.row[r, q] = t, -1
            here, who = _cell_at(grid, x, y, z), -1
            for a in near[:count]:
                ax, ay, az = _in_agent_frame(agents, a, move[column, a], x, y, z)
                theirs = _half_cell_at(agents, a, ax, ay, az)
                if theirs >= 0:
                    here, who, x, y, z = theirs, a, ax, ay, az
                    break
            if here >= 0:
                _write_sample(out, r, q, ijk, here, who, x, y, z)
                out.first[r] = min(out.first[r], t)


@njit(cache=True)
def _cell_at(grid: CellGrid, x, y, z):
    i, j, k = floor(x / CELL_M), floor(y / CELL_M), floor(z / CELL_M)
    a, b, c = (i >> 3) - grid.low[0], (j >> 3) - grid.low[1], (k >> 3) - grid.low[2]
    if not (0 <= a < grid.blocks.shape[0] and 0 <= b < grid.blocks.shape[1] and 0 <= c < grid.blocks.shape[2]):
        return -1
    block = grid.blocks[a, b, c]
    return grid.cells[block, i & 7, j & 7, k & 7] if block >= 0 else -1


@njit(cache=True)
def _half_cell_at(agents: AgentGrids, a, x, y, z):
    i, j, k = (floor(x / _HALF_M) - agents.low[a, 0], floor(y / _HALF_M) - agents.low[a, 1],
               floor(z / _HALF_M) - agents.low[a, 2])  # fmt: skip
    nx, ny, nz = agents.shape[a]
    if not (0 <= i < nx and 0 <= j < ny and 0 <= k < nz):
        return -1
    return agents.row[agents.offset[a] + (i * ny + j) * nz + k]


@njit(cache=True, inline="always")
def _hits_bounding_sphere(agents: AgentGrids, a, move, ray: Ray, far):
    """Whether a ray crosses an agent's bounding sphere."""
    x, y = ray.ox - agents.centre[a, 0] - move[0], ray.oy - agents.centre[a, 1] - move[1]
    z = ray.oz - agents.centre[a, 2] - move[2]
    along, radius = x * ray.dx + y * ray.dy + z * ray.dz, agents.radius[a]
    return x * x + y * y + z * z - along * along <= radius * radius and -far - radius <= along <= radius


@njit(cache=True, inline="always")
def _in_agent_frame(agents: AgentGrids, a, move, x, y, z):
    """A point at a column's time, carried along with an agent to the agent's pose at the stamp."""
    c, s = cos(move[3]), sin(move[3])
    px, py = x - agents.centre[a, 0] - move[0], y - agents.centre[a, 1] - move[1]
    return c * px + s * py + agents.centre[a, 0], c * py - s * px + agents.centre[a, 1], z - move[2]


@njit(cache=True, inline="always")
def _write_sample(out: RaySamples, r, q, ijk, row, who, x, y, z):
    """Write a sample's cell, agent, and offset in the cell."""
    out.row[r, q], out.agent_row[r, q] = row, who
    out.offset[r, q, 0] = x / CELL_M - ijk[row, 0] - 0.5
    out.offset[r, q, 1] = y / CELL_M - ijk[row, 1] - 0.5
    out.offset[r, q, 2] = z / CELL_M - ijk[row, 2] - 0.5


def sample_rays(
    grid: CellGrid,
    ijk: np.ndarray,
    ground: np.ndarray,
    agents: AgentGrids,
    origins: np.ndarray,
    directions: np.ndarray,
    far: float,
    n: int,
    move: np.ndarray | None = None,
    prior: bool = True,
) -> RaySamples:
    """Samples of R rays in C columns.

    Args:
        grid: of the static world.
        ijk: int32 (N, 3), cells of the static world, then those of agents.
        ground: bool (N,), whether they are ground.
        agents: half cells of A agents, posed at the stamp.
        origins: float64 (C, 3) m.
        directions: float64 (R, 3) of unit length, R / C of each column.
        far: range of the sensor, m.
        n: samples per ray.
        move: float64 (C, A, 4), displacement (m) and yaw (rad, about the centre) of each agent at a column's time,
            relative to the stamp; None for static agents.
        prior: draw samples from occupied cells; otherwise they are evenly spaced, most of them in free space, and
            `first` is the first sample in an occupied cell.
    """
    if move is None:
        move = np.zeros((len(origins), len(agents.low), 4))
    out = empty_ray_samples(len(directions), n)
    kernel = _sample_with_prior if prior else _sample_evenly
    map_threads(
        lambda rays: kernel(grid, ijk, ground, agents, origins, directions, far, move, out, *rays),
        row_ranges(len(directions)),
    )
    return out
