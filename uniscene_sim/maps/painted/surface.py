"""The ground of a painted map: smooth edges between square cells, kerbs around walkways, open ground beyond."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from uniscene_sim.maps.ground import KERB_M, KERB_RAMP_M, SAME_LEVEL_M, Ground, PaintedGround
from uniscene_sim.maps.paint_edges import GroundPaint
from uniscene_sim.maps.painted.cells import PaintedRaster
from uniscene_sim.maps.painted.markings import GroundAreas, Markings, paint_cells
from uniscene_sim.maps.painted.smooth_area import SmoothArea
from uniscene_sim.maps.rolling_ground import rolling_terrain
from uniscene_sim.maps.terrain import STEP_M, fill_terrain, terrain_frame, terrain_many
from uniscene_sim.tile import PAINT_BLOCK

__all__ = ["PaintedSurface"]


class PaintedSurface:
    """The `Surface` of a painted map: road at height 0, walkways a kerb above it, open ground that rolls far from both.
    There is one deck.

    Attributes:
        road, paved, parking: `SmoothArea` of road, of road and walkways together, and of parking.
    """

    def __init__(self, painted: PaintedRaster):
        self._painted = painted
        frame = (painted.resolution_m, painted.origin)
        self.road = SmoothArea(painted.road, *frame)
        self.paved = SmoothArea(painted.road | painted.walk, *frame) if painted.walk.any() else self.road
        self.parking = SmoothArea(painted.cells("carpark_area"), *frame)
        self._terrain_origin, nodes = terrain_frame(np.array(painted.bounds[:2]), np.array(painted.bounds[2:]))
        self.terrain = self._make_terrain(*(self._terrain_origin[k] + STEP_M * np.arange(nodes[k]) for k in (0, 1)))

    @property
    def decks(self) -> int:
        """1: a painted map has no bridges."""
        return 1

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,), m, at places (N,); `z_hint` is not used, since there is one deck."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        return np.where(self._laid_out(x, y), _kerb(self.road.at(x, y)), self.terrain_height(x, y))

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the open ground at places (N,)."""
        height: np.ndarray = terrain_many(
            np.asarray(x, float), np.asarray(y, float), self._terrain_origin, self.terrain
        )
        return height

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """int32 (N,): 3 road, 2 parking, 1 walkway, -1 open ground, at places (N,) within 2 m of height `z` (N,)."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        road = np.where(self.parking.at(x, y) > 0, 2, 3)
        rank = np.where(self.road.at(x, y) > 0, road, np.where(self._laid_out(x, y), 1, -1))
        return np.where(np.abs(np.asarray(z, float)) < SAME_LEVEL_M, rank, -1).astype(np.int32)

    def drivable(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Whether cars may be at places (N,), bool (N,)."""
        return self.rank(x, y, z) >= 2

    def ground(self, x0: float, y0: float, n: int, step_m: float) -> np.ndarray:
        """Heights, float32 (1, n, n) m, see `Surface.ground`.

        Args:
            x0, y0: first sample, m, map frame; a multiple of `step_m`.
            n: samples along each side.
            step_m: between samples.
        """
        i0, j0 = round(x0 / step_m), round(y0 / step_m)
        xs, ys = (i0 + np.arange(n)) * step_m, (j0 + np.arange(n)) * step_m
        out = np.empty((1, n, n), dtype=np.float32)
        fill_terrain(out[0], i0, j0, step_m, self._terrain_origin, self.terrain)
        road = self.road.over(xs, ys)
        laid_out = (self.paved.over(xs, ys) > 0) | (road > 0)
        out[0][laid_out] = _kerb(road)[laid_out]
        return out

    def paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> np.ndarray:
        """Materials, uint8 (1, n, n), see `Surface.paint`.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side.
            step_m: size of a cell.
            decks: not used, since there is one.
        """
        return self.edged_paint(x0, y0, n + -n % PAINT_BLOCK, step_m, decks).material[:, :n, :n]

    def edged_paint(self, x0: float, y0: float, n: int, step_m: float, decks: int) -> GroundPaint:
        """Materials and the edges between them, see `Surface.edged_paint`.

        Args:
            x0, y0: corner of the first cell, m, map frame; a multiple of `step_m`.
            n: cells along each side, a multiple of 4.
            step_m: size of a cell.
            decks: not used, since there is one.
        """
        areas = GroundAreas(self.road, self.paved, self.parking)
        return paint_cells(areas, self.markings, x0, y0, n, step_m)

    @cached_property
    def arrays(self) -> Ground:
        """The ground for kernels."""
        painted = PaintedGround(self.road.arrays, self.paved.arrays, self.parking.arrays)
        return Ground.of_paint(painted, self.terrain, self._terrain_origin)

    @cached_property
    def markings(self) -> Markings:
        """Lines and crossings on the road."""
        return Markings.of(self._painted)

    def _laid_out(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (self.paved.at(x, y) > 0) | (self.road.at(x, y) > 0)

    def _make_terrain(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """Height (X, Y), m, at nodes: that of the nearest pavement at its edge, so that both join."""
        road, paved = self.road.over(xs, ys), self.paved.over(xs, ys)
        kerb = np.where(paved > road + 0.5, _kerb(road), 0.0)
        height = np.where(np.maximum(road, paved) > -STEP_M, kerb, np.inf)
        return rolling_terrain(height, np.zeros_like(height), self._terrain_origin, STEP_M)


def _kerb(road: np.ndarray) -> np.ndarray:
    """Height (...), m, of pavement, by the distance (...), m, into the road: a short ramp, smooth where samples are
    coarse."""
    return KERB_M * np.clip(-road / KERB_RAMP_M, 0.0, 1.0)
