"""Houses that generated labels show, as upright boxes with straight walls.

Where no plan was told, walls are where the generator put them. A house is a body of tall wall cells around a core of
roofs without a step. It is taken apart along its walls and its street into boxes of one height each, which are then
drawn like planned houses: a generator of 0.4 m cells knows where a house stands and how high, but not how a wall is
plastered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.columns import top_layer
from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.procedural.houses import STOREY_M, house_style
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE, PlanKind
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["fit_houses", "house_cells"]

_LOWEST_M = 2.4  # of a house
_LEAST_CELLS = 24  # of its footprint
_LEAST_SIDE = 5  # cells of a box
_LEAST_PART = 12  # cells along a side of a part that is cut off
_GOOD = 0.15  # cells that a box may have wrong, as a share of its own
_STEP_M = 4.0  # a wall that is this much too high or too low counts as a wrong cell; roofs rise by less
_ON_ROAD = 25.0  # wrong cells for each cell of road in a box
_CUT = 1.0  # wrong cells for each cell along a cut
_DEPTH = 6  # cuts on the way to a box, and one
_CORE_CELLS = 2.5  # from the outline of a body to its core
_APART_M = 2.0  # roofs next to each other that differ by this much are of two houses
_ALONG_M = 12.0  # from a road; what is farther from it need not stand along it
_LIKE_STREET = 0.6  # weight of the street's direction against that of the outline
_ONE_HOUSE_CELLS = 2500  # up to 400 m2, all boxes of a body look alike
_FOOT_M = 0.4  # below the lowest ground
_TOP_M = CELL_M * (GENERATED_GRID.shape[2] - GROUND_LAYER - 1)
_ROOF_SHARE = (0.0, 0.5, 0.35)  # mean height of a flat, a gabled and a hipped roof over its rise
_STOREYS_CHANCE = (0.5, 0.8)  # that a house which reaches the grid's top ends there, or one storey higher; else two
_LOOK, _STYLE, _STOREYS = 120, 121, 122  # uses of random numbers


@dataclass(frozen=True)
class _Body:
    """Wall cells of one house on a grid along its walls, cells of 0.4 m."""

    centre: tuple[float, float]  # m, of the grid
    yaw: float
    wall: np.ndarray  # float64 (U + 1, V + 1), sums up to a corner: cells of wall,
    high: np.ndarray  # their heights, m,
    high2: np.ndarray  # and squares of these,
    road: np.ndarray  # cells where no house may be


def house_cells(labels: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """Height of the wall in each column that belongs to a house, float64 (X, Y) m; 0 elsewhere.

    Args:
        labels: uint8 (X, Y, Z) `OccClass`, cells of `GENERATED_GRID`.
        barred: bool (X, Y): roads, walkways and bridges.
    """
    wall = labels[:, :, GROUND_LAYER + 1 :] == OccClass.MANMADE
    top = top_layer(wall)
    tall = (top * CELL_M >= _LOWEST_M) & (2 * wall.sum(axis=2, dtype=np.int8) >= top) & ~barred
    body = ndimage.binary_opening(tall, np.ones((3, 3)))
    return np.where(body, top * CELL_M, 0.0)


def fit_houses(
    height: np.ndarray, barred: np.ndarray, x0: float, y0: float, tile: slice, static_map: StaticMap, seed: int
) -> np.ndarray:
    """Houses (N,) PLAN_DTYPE that reach into the middle tile of a mosaic of tiles.

    A body of walls that lies wholly in the mosaic, with the street that it stands along, gives the same boxes for all
    tiles that it touches.

    Args:
        height: float64 (X, Y) m, of `house_cells`.
        barred: bool (X, Y), as there.
        x0, y0: corner of the mosaic, m.
        tile: the middle tile along x and along y, cells.
        static_map: for the ground at their feet, and which side is the front.
        seed: of what labels do not tell: looks, and storeys above the grid.
    """
    part, count = _bodies(height)
    places = ndimage.find_objects(part, count)
    whole = (part > 0) & ~np.isin(part, _at_rim(part))
    towards: np.ndarray = ndimage.distance_transform_edt(~barred, return_distances=False, return_indices=True)
    street = _street(barred, towards)
    out: list[tuple[float, ...]] = []
    for number, (rows, columns) in enumerate(places, 1):
        if (
            rows.stop <= tile.start
            or rows.start >= tile.stop
            or columns.stop <= tile.start
            or columns.start >= tile.stop
        ):
            continue
        mine = part[rows, columns] == number
        i0, j0 = rows.start, columns.start
        if not whole[rows, columns][mine].all():  # it goes on beyond the mosaic: this tile's part of it alone
            rows, columns = (slice(max(s.start, tile.start), min(s.stop, tile.stop)) for s in (rows, columns))
            mine = part[rows, columns] == number
            i0, j0 = rows.start, columns.start
        if mine.sum() < _LEAST_CELLS:
            continue
        corner = x0 + i0 * CELL_M, y0 + j0 * CELL_M
        body = _body(np.where(mine, height[rows, columns], 0.0), barred[rows, columns], street[rows, columns], *corner)
        alike = mine.sum() < _ONE_HOUSE_CELLS
        for box in _boxes(body.wall, body.high, body.high2, body.road):
            key = (round(corner[0] / CELL_M), round(corner[1] / CELL_M)) + (() if alike else (int(box[0]), int(box[2])))
            out.append(_house(body, box, key, towards, x0, y0, static_map, seed))
    return np.array(out, dtype=PLAN_DTYPE) if out else np.zeros(0, PLAN_DTYPE)


def _bodies(height: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the body in each column, 0 for none, int (X, Y), and their count.

    Houses that touch at a corner, or differ in height, are bodies of their own: each has a core, and what is around it.
    """
    wall = height > 0.0
    step = ndimage.maximum_filter(height, 3) - ndimage.minimum_filter(np.where(wall, height, np.inf), 3)
    core = ndimage.distance_transform_edt(wall & (step < _APART_M)) >= _CORE_CELLS
    numbers, count = ndimage.label(core)
    if not count:
        return numbers, 0
    nearest: np.ndarray = ndimage.distance_transform_edt(~core, return_distances=False, return_indices=True)
    return np.where(wall, numbers[tuple(nearest)], 0), count


def _at_rim(part: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))


def _street(barred: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Four times the direction of the nearest road from each cell, as complex numbers (X, Y) whose size is 1 beside
    the road and 0 from 12 m on. Walls stand along it or across."""
    way = towards - np.indices(barred.shape)
    near = np.clip(1.0 - np.hypot(*way) * CELL_M / _ALONG_M, 0.0, None) * barred[tuple(towards)]
    out: np.ndarray = near * np.exp(4j * np.arctan2(way[1], way[0]))
    return out


def _body(height: np.ndarray, barred: np.ndarray, street: np.ndarray, x0: float, y0: float) -> _Body:
    """The grid along the walls of a body with heights (X, Y), 0 where it has no wall, and corner at (x0, y0), m."""
    pad = 6
    yaw = _yaw(height, street, pad)
    height, barred = np.pad(height, pad), np.pad(barred, pad)
    middle = 0.5 * (np.array(height.shape) - 1)
    c, s = np.cos(yaw), np.sin(yaw)
    reach = np.ceil(np.abs(np.array([[c, s], [-s, c]])) @ (middle + 1)).astype(int)
    u, v = np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij")
    at = np.round([middle[0] + c * u - s * v, middle[1] + s * u + c * v]).astype(int)
    inside = ((at >= 0) & (at < np.array(height.shape)[:, None, None])).all(axis=0)
    turned = np.where(inside, height[tuple(np.where(inside, at, 0))], 0.0)
    road = inside & barred[tuple(np.where(inside, at, 0))]
    centre = x0 + (middle[0] - pad + 0.5) * CELL_M, y0 + (middle[1] - pad + 0.5) * CELL_M
    return _Body(centre, yaw, _sums(turned > 0), _sums(turned), _sums(turned**2), _sums(road))


def _yaw(height: np.ndarray, street: np.ndarray, pad: int) -> float:
    """Direction of walls, rad: that of the outline, as far as it has one, and of the street, as far as it is near."""
    gx, gy = np.gradient(ndimage.gaussian_filter(np.pad(height > 0, pad).astype(float), 2.0))
    steep = gx * gx + gy * gy
    outline = (steep * np.exp(4j * np.arctan2(gy, gx))).sum() / steep.sum()
    return 0.25 * float(np.angle(outline + _LIKE_STREET * street[height > 0].mean()))


def _sums(values: np.ndarray) -> np.ndarray:
    sums: np.ndarray = np.pad(values.astype(float), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return sums


@njit(cache=True)
def _boxes(wall, high, high2, road):
    """Boxes int64 (N, 4) of a body, i0, i1, j0, j1: cells [i0, i1) x [j0, j1).

    Each is cut where that fits best, as long as it fits better by more than it costs to have another wall there.
    Arguments as in `_Body`.
    """
    out = np.empty((1 << _DEPTH, 4), np.int64)
    todo = np.empty((1 << _DEPTH, 5), np.int64)  # and how many cuts led there
    todo[0] = 0, wall.shape[0] - 1, 0, wall.shape[1] - 1, 0
    count, left = 0, 1
    while left:
        left -= 1
        i0, i1, j0, j1, depth = todo[left]
        i0, i1, j0, j1 = _tight(wall, i0, i1, j0, j1)
        if _sum(wall, i0, i1, j0, j1) < _LEAST_CELLS:
            continue
        wrong = _wrong(wall, high, high2, road, i0, i1, j0, j1)
        best, axis, at = wrong, -1, 0
        if depth < _DEPTH - 1 and wrong > _GOOD * (i1 - i0) * (j1 - j0):
            for i in range(i0 + _LEAST_PART, i1 - _LEAST_PART + 1):
                cost = (_wrong(wall, high, high2, road, i0, i, j0, j1) + _wrong(wall, high, high2, road, i, i1, j0, j1)
                        + _CUT * (j1 - j0))  # fmt: skip
                if cost < best:
                    best, axis, at = cost, 0, i
            for j in range(j0 + _LEAST_PART, j1 - _LEAST_PART + 1):
                cost = (_wrong(wall, high, high2, road, i0, i1, j0, j) + _wrong(wall, high, high2, road, i0, i1, j, j1)
                        + _CUT * (i1 - i0))  # fmt: skip
                if cost < best:
                    best, axis, at = cost, 1, j
        if axis == 0:
            todo[left] = i0, at, j0, j1, depth + 1
            todo[left + 1] = at, i1, j0, j1, depth + 1
            left += 2
        elif axis == 1:
            todo[left] = i0, i1, j0, at, depth + 1
            todo[left + 1] = i0, i1, at, j1, depth + 1
            left += 2
        else:
            i0, i1, j0, j1 = _trimmed(wall, road, i0, i1, j0, j1)
            if min(i1 - i0, j1 - j0) >= _LEAST_SIDE and 2 * _sum(wall, i0, i1, j0, j1) > (i1 - i0) * (j1 - j0):
                out[count] = i0, i1, j0, j1
                count += 1
    return out[:count]


@njit(cache=True)
def _wrong(wall, high, high2, road, i0, i1, j0, j1):
    """Wrong cells of the box that stands for the walls in a part of the grid: cells without a wall, walls outside of
    it, cells on roads, and other heights than its mean."""
    there = _sum(wall, i0, i1, j0, j1)
    if there == 0:
        return 0.0
    i0, i1, j0, j1 = _tight(wall, i0, i1, j0, j1)
    i0, i1, j0, j1 = _trimmed(wall, road, i0, i1, j0, j1)
    kept = _sum(wall, i0, i1, j0, j1)
    if kept == 0:
        return there
    spread = _sum(high2, i0, i1, j0, j1) - _sum(high, i0, i1, j0, j1) ** 2 / kept
    empty = (i1 - i0) * (j1 - j0) - kept
    return empty + (there - kept) + max(spread, 0.0) / _STEP_M**2 + _ON_ROAD * _sum(road, i0, i1, j0, j1)


@njit(cache=True)
def _tight(wall, i0, i1, j0, j1):
    """A part of the grid without empty rows along its sides."""
    while i0 < i1 and _sum(wall, i0, i0 + 1, j0, j1) == 0:
        i0 += 1
    while i0 < i1 and _sum(wall, i1 - 1, i1, j0, j1) == 0:
        i1 -= 1
    while j0 < j1 and _sum(wall, i0, i1, j0, j0 + 1) == 0:
        j0 += 1
    while j0 < j1 and _sum(wall, i0, i1, j1 - 1, j1) == 0:
        j1 -= 1
    return i0, i1, j0, j1


@njit(cache=True)
def _trimmed(wall, road, i0, i1, j0, j1):
    """A part of the grid without rows along its sides that are mostly empty, or on a road."""
    while i0 < i1 and j0 < j1:
        if _bad(wall, road, i0, i0 + 1, j0, j1):
            i0 += 1
        elif _bad(wall, road, i1 - 1, i1, j0, j1):
            i1 -= 1
        elif _bad(wall, road, i0, i1, j0, j0 + 1):
            j0 += 1
        elif _bad(wall, road, i0, i1, j1 - 1, j1):
            j1 -= 1
        else:
            break
    return i0, i1, j0, j1


@njit(cache=True)
def _bad(wall, road, i0, i1, j0, j1):
    return 2 * _sum(wall, i0, i1, j0, j1) < (i1 - i0) * (j1 - j0) or _sum(road, i0, i1, j0, j1) > 0


@njit(cache=True)
def _sum(sums, i0, i1, j0, j1):
    return sums[i1, j1] - sums[i0, j1] - sums[i1, j0] + sums[i0, j0]


def _house(
    body: _Body,
    box: np.ndarray,
    key: tuple[int, ...],
    towards: np.ndarray,
    x0: float,
    y0: float,
    static_map: StaticMap,
    seed: int,
) -> tuple[float, ...]:
    """A row of PLAN_DTYPE."""
    shape = np.array(body.wall.shape) - 1
    i0, i1, j0, j1 = box
    u, v = 0.5 * CELL_M * (np.array([i0 + i1, j0 + j1]) - shape)
    c, s = np.cos(body.yaw), np.sin(body.yaw)
    x, y = body.centre[0] + c * u - s * v, body.centre[1] + s * u + c * v
    # Rounded to what a cell can tell, so that all tiles see the same bits.
    x, y, yaw = round(x, 2), round(y, 2), round(body.yaw, 4)
    # The front is the side towards the nearest road.
    i, j = (
        int(np.clip((w - w0) / CELL_M, 0, n - 1)) for w, w0, n in ((x, x0, towards.shape[1]), (y, y0, towards.shape[2]))
    )
    away = np.arctan2(towards[1, i, j] - j, towards[0, i, j] - i)
    turns = int(np.round((away - yaw) / (0.5 * np.pi)))
    sides = (i1 - i0) * CELL_M, (j1 - j0) * CELL_M
    length, width = sides if turns % 2 == 0 else sides[::-1]
    yaw += 0.5 * np.pi * turns
    variant, style = int(1000 * unit_hash(seed, _LOOK, *key)), unit_hash(seed, _STYLE, *key)
    a, b = (w.ravel() for w in np.meshgrid((-0.5, 0.0, 0.5), (-0.5, 0.0, 0.5)))
    cy, sy = np.cos(yaw), np.sin(yaw)
    px, py = x + cy * a * length - sy * b * width, y + sy * a * length + cy * b * width
    foot = float(static_map.surface.height(px, py, np.zeros(9)).min()) - _FOOT_M
    mean = round(_sum(body.high, i0, i1, j0, j1) / _sum(body.wall, i0, i1, j0, j1), 2)
    if mean > _TOP_M - 0.5 * STOREY_M:  # it goes on above the grid
        more = sum(unit_hash(seed, _STOREYS, *key) > c for c in _STOREYS_CHANCE)
        height = (round((mean - 0.9) / STOREY_M) + more) * STOREY_M + 0.9
        return int(PlanKind.BUILDING), x, y, foot, yaw, length, width, height + _FOOT_M, style, variant
    house = np.array((int(PlanKind.BUILDING), x, y, foot, yaw, length, width, mean, style, variant), PLAN_DTYPE)
    _, roof, _, rise, *_ = house_style(house[()])
    # Its volume is that of the labels, which show walls and roof alike.
    eaves = max(mean - _ROOF_SHARE[roof] * rise, 2.2)
    return int(PlanKind.BUILDING), x, y, foot, yaw, length, width, eaves + _FOOT_M, style, variant
