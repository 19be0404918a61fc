"""Where rays enter and leave slabs and cells, and which cell comes next: what all marching through grids shares.

Each function is written out in its caller, on the CPU and in CUDA kernels alike.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from uniscene_sim.compute.compiled import floor, inlined

__all__ = [
    "Corner",
    "Ray",
    "cell_exit",
    "cell_exits",
    "clamp",
    "clip",
    "first_cell",
    "next_cell",
    "next_column",
    "slab_entry",
    "slab_exit",
]


class Ray(NamedTuple):
    """A ray in any frame. Lengths along it, t, are in units of the direction's length."""

    ox: float  # origin, m
    oy: float
    oz: float
    dx: float  # direction
    dy: float
    dz: float


class Corner(NamedTuple):
    """Where cell (0, 0, 0) of a grid has its lowest corner, in the frame of the rays."""

    x: float  # m
    y: float
    z: float


@inlined
def slab_exit(origin, direction, low, high):
    """t at which a ray leaves the slab [low, high] along one axis, inf where it runs along it."""
    if direction > 0.0:
        return (high - origin) / direction
    if direction < 0.0:
        return (low - origin) / direction
    return inf


@inlined
def slab_entry(origin, direction, low, high):
    """t at which a ray enters the slab [low, high] along one axis, -inf where it runs along it."""
    if direction > 0.0:
        return (low - origin) / direction
    if direction < 0.0:
        return (high - origin) / direction
    return -inf


@inlined
def cell_exit(origin, direction, cell, size):
    """t at which a ray leaves [cell size, (cell + 1) size) along one axis."""
    return slab_exit(origin, direction, cell * size, (cell + 1) * size)


@inlined
def clip(origin, direction, low, high, t0, t1):
    """What is left of [t0, t1] within [low, high) along one axis; nothing is (inf, -inf)."""
    if direction == 0.0:
        return (t0, t1) if low <= origin < high else (inf, -inf)
    a, b = (low - origin) / direction, (high - origin) / direction
    return max(t0, min(a, b)), min(t1, max(a, b))


@inlined
def clamp(value, low, high):
    return low if value < low else (high if value > high else value)


@inlined
def first_cell(ray, corner, edge, last, t):
    """The cell (i, j, k), each of 0..last, in which a ray is at t; cells are cubes with this edge, m."""
    return (
        clamp(floor((ray.ox + t * ray.dx - corner.x) / edge), 0, last),
        clamp(floor((ray.oy + t * ray.dy - corner.y) / edge), 0, last),
        clamp(floor((ray.oz + t * ray.dz - corner.z) / edge), 0, last),
    )


@inlined
def cell_exits(ray, corner, edge, i, j, k):
    """t at which a ray leaves a cell along x, y and z; it leaves by the least of them."""
    return (
        slab_exit(ray.ox, ray.dx, corner.x + i * edge, corner.x + (i + 1) * edge),
        slab_exit(ray.oy, ray.dy, corner.y + j * edge, corner.y + (j + 1) * edge),
        slab_exit(ray.oz, ray.dz, corner.z + k * edge, corner.z + (k + 1) * edge),
    )


@inlined
def next_cell(i, j, k, dx, dy, dz, tx, ty, tz):
    """The cell into which a ray of direction (dx, dy, dz) goes on from (i, j, k), which it leaves at tx, ty, tz."""
    if tx <= ty and tx <= tz:
        return i + (1 if dx > 0.0 else -1), j, k
    if ty <= tz:
        return i, j + (1 if dy > 0.0 else -1), k
    return i, j, k + (1 if dz > 0.0 else -1)


@inlined
def next_column(i, j, dx, dy, tx, ty):
    """The same among columns."""
    if tx <= ty:
        return i + (1 if dx > 0.0 else -1), j
    return i, j + (1 if dy > 0.0 else -1)
