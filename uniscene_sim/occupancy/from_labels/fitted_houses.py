"""Houses that generated labels show, as upright boxes with straight walls.

Where no plan was told, walls are where the generator put them. A house is a connected body of tall wall cells. It is
taken apart along its own axes into boxes of one height each, which are then drawn like planned houses: a generator of
0.4 m cells knows where a house stands and how high, but not how a wall is plastered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

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
_GOOD = 0.1  # cells that a box may have wrong, as a share of its own
_STEP_M = 2.5  # a wall that is this much too high or too low counts as a wrong cell
_ON_ROAD = 25.0  # wrong cells for each cell of road in a box
_DEPTH = 5  # a house has at most two to this power boxes
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
    wall: np.ndarray  # int64 (U + 1, V + 1), sums up to a corner: cells of wall,
    high: np.ndarray  # their heights, m (float64),
    high2: np.ndarray  # and squares of these,
    road: np.ndarray  # cells where no house may be


@dataclass(frozen=True)
class _Box:
    """Cells [i0, i1) x [j0, j1) of the grid of a `_Body`."""

    i0: int
    i1: int
    j0: int
    j1: int

    def sum(self, sums: np.ndarray) -> float:
        a, b, c, d = sums[self.i1, self.j1], sums[self.i0, self.j1], sums[self.i1, self.j0], sums[self.i0, self.j0]
        return float(a - b - c + d)

    @property
    def cells(self) -> int:
        return (self.i1 - self.i0) * (self.j1 - self.j0)


def house_cells(labels: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """Height of the wall in each column that belongs to a house, float64 (X, Y) m; 0 elsewhere.

    Args:
        labels: uint8 (X, Y, Z) `OccClass`, cells of `GENERATED_GRID`.
        barred: bool (X, Y): roads, walkways and bridges.
    """
    wall = labels[:, :, GROUND_LAYER + 1 :] == OccClass.MANMADE
    layers = np.arange(1, wall.shape[2] + 1)
    top = (wall * layers).max(axis=2)
    tall = (top * CELL_M >= _LOWEST_M) & (2 * wall.sum(axis=2) >= top) & ~barred
    body = ndimage.binary_opening(tall, np.ones((3, 3)))
    return np.where(body, top * CELL_M, 0.0)


def fit_houses(
    height: np.ndarray, barred: np.ndarray, x0: float, y0: float, tile: slice, static_map: StaticMap, seed: int
) -> np.ndarray:
    """Houses (N,) PLAN_DTYPE that reach into the middle tile of a mosaic of tiles.

    A body of walls that lies wholly in the mosaic gives the same boxes for all tiles that it touches.

    Args:
        height: float64 (X, Y) m, of `house_cells`.
        barred: bool (X, Y), as there.
        x0, y0: corner of the mosaic, m.
        tile: the middle tile along x and along y, cells.
        static_map: for the ground at their feet, and which side is the front.
        seed: of what labels do not tell: looks, and storeys above the grid.
    """
    part, count = ndimage.label(height > 0.0)
    places = ndimage.find_objects(part, count)
    whole = (part > 0) & ~np.isin(part, _at_rim(part))
    towards = ndimage.distance_transform_edt(~barred, return_distances=False, return_indices=True) if count else None
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
        body = _body(np.where(mine, height[rows, columns], 0.0), barred[rows, columns], *corner)
        alike = mine.sum() < _ONE_HOUSE_CELLS
        for box in _boxes(body, _Box(0, body.wall.shape[0] - 1, 0, body.wall.shape[1] - 1), _DEPTH):
            key = (round(corner[0] / CELL_M), round(corner[1] / CELL_M)) + (() if alike else (box.i0, box.j0))
            out.append(_house(body, box, key, towards, x0, y0, static_map, seed))
    return np.array(out, dtype=PLAN_DTYPE) if out else np.zeros(0, PLAN_DTYPE)


def _at_rim(part: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))


def _body(height: np.ndarray, barred: np.ndarray, x0: float, y0: float) -> _Body:
    """The grid along the walls of a body with heights (X, Y), 0 where it has no wall, and corner at (x0, y0), m."""
    pad = 3
    height, barred = np.pad(height, pad), np.pad(barred, pad)
    smooth = ndimage.gaussian_filter((height > 0).astype(float), 1.2)
    gx, gy = np.gradient(smooth)
    direction, weight = np.arctan2(gy, gx), gx * gx + gy * gy
    yaw = 0.25 * float(np.arctan2((weight * np.sin(4 * direction)).sum(), (weight * np.cos(4 * direction)).sum()))
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


def _sums(values: np.ndarray) -> np.ndarray:
    return np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)


def _boxes(body: _Body, box: _Box, depth: int) -> Iterator[_Box]:
    """Boxes that a body consists of within one, cut where they fit best."""
    box = _tight(body, box)
    if box.cells == 0 or box.sum(body.wall) < _LEAST_CELLS:
        return
    wrong = _wrong(body, box)
    if depth and wrong > _GOOD * box.cells:
        best, parts = wrong, None
        for first, second in _cuts(box):
            pair = _tight(body, first), _tight(body, second)
            if (cost := sum(_wrong(body, p) for p in pair) + 2.0) < best:
                best, parts = cost, pair
        if parts is not None:
            for p in parts:
                yield from _boxes(body, p, depth - 1)
            return
    box = _trimmed(body, box)
    if min(box.i1 - box.i0, box.j1 - box.j0) >= _LEAST_SIDE and box.sum(body.wall) > 0.5 * box.cells:
        yield box


def _cuts(box: _Box) -> Iterator[tuple[_Box, _Box]]:
    for i in range(box.i0 + _LEAST_SIDE, box.i1 - _LEAST_SIDE + 1):
        yield _Box(box.i0, i, box.j0, box.j1), _Box(i, box.i1, box.j0, box.j1)
    for j in range(box.j0 + _LEAST_SIDE, box.j1 - _LEAST_SIDE + 1):
        yield _Box(box.i0, box.i1, box.j0, j), _Box(box.i0, box.i1, j, box.j1)


def _wrong(body: _Body, box: _Box) -> float:
    """Wrong cells of a box: those without a wall, on roads, and of other heights than its mean."""
    wall = box.sum(body.wall)
    if wall == 0:
        return 0.0
    spread = box.sum(body.high2) - box.sum(body.high) ** 2 / wall
    return box.cells - wall + max(spread, 0.0) / _STEP_M**2 + _ON_ROAD * box.sum(body.road)


def _tight(body: _Body, box: _Box) -> _Box:
    """A box without empty rows along its sides."""
    return _shrunk(body, box, lambda edge: edge.sum(body.wall) == 0)


def _trimmed(body: _Body, box: _Box) -> _Box:
    """A box without rows along its sides that are mostly empty, or on a road."""
    return _shrunk(body, box, lambda edge: 2 * edge.sum(body.wall) < edge.cells or edge.sum(body.road) > 0)


def _shrunk(body: _Body, box: _Box, bad) -> _Box:  # type: ignore[no-untyped-def]
    i0, i1, j0, j1 = box.i0, box.i1, box.j0, box.j1
    while i0 < i1 and j0 < j1:
        if bad(_Box(i0, i0 + 1, j0, j1)):
            i0 += 1
        elif bad(_Box(i1 - 1, i1, j0, j1)):
            i1 -= 1
        elif bad(_Box(i0, i1, j0, j0 + 1)):
            j0 += 1
        elif bad(_Box(i0, i1, j1 - 1, j1)):
            j1 -= 1
        else:
            return _Box(i0, i1, j0, j1)
    return _Box(i0, i0, j0, j0)


def _house(
    body: _Body, box: _Box, key: tuple[int, ...], towards: np.ndarray, x0: float, y0: float, static_map: StaticMap,
    seed: int,
) -> tuple[float, ...]:  # fmt: skip
    """A row of PLAN_DTYPE."""
    shape = np.array(body.wall.shape) - 1
    u, v = (0.5 * (np.array([box.i0 + box.i1, box.j0 + box.j1]) - shape)) * CELL_M
    c, s = np.cos(body.yaw), np.sin(body.yaw)
    x, y = body.centre[0] + c * u - s * v, body.centre[1] + s * u + c * v
    # The front is the side towards the nearest road.
    i, j = (
        int(np.clip((w - w0) / CELL_M, 0, n - 1)) for w, w0, n in ((x, x0, towards.shape[1]), (y, y0, towards.shape[2]))
    )
    away = np.arctan2(towards[1, i, j] - j, towards[0, i, j] - i)
    turns = int(np.round((away - body.yaw) / (0.5 * np.pi)))
    sides = (box.i1 - box.i0) * CELL_M, (box.j1 - box.j0) * CELL_M
    length, width = sides if turns % 2 == 0 else sides[::-1]
    yaw = body.yaw + 0.5 * np.pi * turns
    variant, style = int(1000 * unit_hash(seed, _LOOK, *key)), unit_hash(seed, _STYLE, *key)
    a, b = (w.ravel() for w in np.meshgrid((-0.5, 0.0, 0.5), (-0.5, 0.0, 0.5)))
    cy, sy = np.cos(yaw), np.sin(yaw)
    px, py = x + cy * a * length - sy * b * width, y + sy * a * length + cy * b * width
    foot = float(static_map.surface.height(px, py, np.zeros(9)).min()) - _FOOT_M
    mean = box.sum(body.high) / box.sum(body.wall)
    if mean > _TOP_M - 0.5 * STOREY_M:  # it goes on above the grid
        more = sum(unit_hash(seed, _STOREYS, *key) > c for c in _STOREYS_CHANCE)
        height = (round((mean - 0.9) / STOREY_M) + more) * STOREY_M + 0.9
        return int(PlanKind.BUILDING), x, y, foot, yaw, length, width, height + _FOOT_M, style, variant
    house = np.array((int(PlanKind.BUILDING), x, y, foot, yaw, length, width, mean, style, variant), PLAN_DTYPE)
    _, roof, _, rise, *_ = house_style(house[()])
    # Its volume is that of the labels, which show walls and roof alike.
    eaves = max(mean - _ROOF_SHARE[roof] * rise, 2.2)
    return int(PlanKind.BUILDING), x, y, foot, yaw, length, width, eaves + _FOOT_M, style, variant
