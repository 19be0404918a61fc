"""Grid traversal: where rays enter and leave slabs and cells, and which cell comes next.

Each function is inlined into its caller, on the CPU and in CUDA kernels alike.
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
    "steady",
]

_PARALLEL = 1e-12  # of a unit direction: over a kilometre that is a millionth of a millimetre


class Ray(NamedTuple):
    """A ray in any frame. Lengths along it, t, are in units of the direction's length."""

    ox: float  # origin, m
    oy: float
    oz: float
    dx: float  # direction, of any length
    dy: float
    dz: float


class Corner(NamedTuple):
    """The lowest corner of cell (0, 0, 0) of a grid, in the frame of the rays."""

    x: float  # m
    y: float
    z: float


@inlined
def steady(direction):
    """A component of a unit direction along x or y, 0 if it is next to none.

    Beside a tile's border such a ray would be on one side of it in the map, and by rounding on the other in the tile,
    for the whole of its way.
    """
    return direction if abs(direction) > _PARALLEL else 0.0


@inlined
def slab_exit(origin, direction, low, high):
    """t at which a ray leaves the slab [low, high] along one axis, inf if it is parallel to it.

    Args:
        origin, direction: of the ray along the axis.
        low, high: bounds of the slab.
    """
    if direction > 0.0:
        return (high - origin) / direction
    if direction < 0.0:
        return (low - origin) / direction
    return inf


@inlined
def slab_entry(origin, direction, low, high):
    """t at which a ray enters the slab [low, high] along one axis, -inf if it is parallel to it.

    Args:
        origin, direction: of the ray along the axis.
        low, high: bounds of the slab.
    """
    if direction > 0.0:
        return (low - origin) / direction
    if direction < 0.0:
        return (high - origin) / direction
    return -inf


@inlined
def cell_exit(origin, direction, cell, size):
    """t at which a ray leaves [cell size, (cell + 1) size) along one axis.

    Args:
        origin, direction: of the ray along the axis.
        cell: index of the cell.
        size: of a cell.
    """
    return slab_exit(origin, direction, cell * size, (cell + 1) * size)


@inlined
def clip(origin, direction, low, high, t0, t1):
    """The part of [t0, t1] in which a ray is within [low, high) along one axis; (inf, -inf) if it never is.

    Args:
        origin, direction: of the ray along the axis.
        low, high: bounds of the slab.
        t0, t1: interval to clip.
    """
    if direction == 0.0:
        return (t0, t1) if low <= origin < high else (inf, -inf)
    a, b = (low - origin) / direction, (high - origin) / direction
    return max(t0, min(a, b)), min(t1, max(a, b))


@inlined
def clamp(value, low, high):
    """`value` limited to [low, high]."""
    return low if value < low else (high if value > high else value)


@inlined
def first_cell(ray, corner, edge, last, t):
    """The cell (i, j, k) in which a ray is at t.

    Args:
        ray: a `Ray`.
        corner: `Corner` of the grid.
        edge: of a cubic cell, m.
        last: greatest index along each axis, to which the result is limited.
        t: along the ray.
    """
    return (
        clamp(floor((ray.ox + t * ray.dx - corner.x) / edge), 0, last),
        clamp(floor((ray.oy + t * ray.dy - corner.y) / edge), 0, last),
        clamp(floor((ray.oz + t * ray.dz - corner.z) / edge), 0, last),
    )


@inlined
def cell_exits(ray, corner, edge, i, j, k):
    """t at which a ray leaves a cell along x, y and z; it leaves by the least of them.

    Args:
        ray: a `Ray`.
        corner: `Corner` of the grid.
        edge: of a cubic cell, m.
        i, j, k: the cell.
    """
    return (
        slab_exit(ray.ox, ray.dx, corner.x + i * edge, corner.x + (i + 1) * edge),
        slab_exit(ray.oy, ray.dy, corner.y + j * edge, corner.y + (j + 1) * edge),
        slab_exit(ray.oz, ray.dz, corner.z + k * edge, corner.z + (k + 1) * edge),
    )


@inlined
def next_cell(i, j, k, dx, dy, dz, tx, ty, tz):
    """The cell that a ray enters next.

    Args:
        i, j, k: the present cell.
        dx, dy, dz: direction of the ray.
        tx, ty, tz: t at which it leaves the cell along each axis, see `cell_exits`.
    """
    if tx <= ty and tx <= tz:
        return i + (1 if dx > 0.0 else -1), j, k
    if ty <= tz:
        return i, j + (1 if dy > 0.0 else -1), k
    return i, j, k + (1 if dz > 0.0 else -1)


@inlined
def next_column(i, j, dx, dy, tx, ty):
    """The column that a ray enters next.

    Args:
        i, j: the present column.
        dx, dy: direction of the ray.
        tx, ty: t at which it leaves the column along each axis.
    """
    if tx <= ty:
        return i + (1 if dx > 0.0 else -1), j
    return i, j + (1 if dy > 0.0 else -1)
