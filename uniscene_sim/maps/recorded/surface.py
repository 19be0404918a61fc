"""The ground of a recorded map: as high as it was seen, with the paint of a painted map."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from uniscene_sim.maps.ground import SAME_LEVEL_M, Ground, PaintedGround, Relief
from uniscene_sim.maps.paint_edges import GroundPaint
from uniscene_sim.maps.painted.markings import GroundAreas, Markings, paint_cells
from uniscene_sim.maps.painted.smooth_area import SmoothArea
from uniscene_sim.maps.recorded.street import RecordedStreet
from uniscene_sim.tile import GROUND_STEP_M, PAINT_BLOCK

__all__ = ["RecordedSurface"]


class RecordedSurface:
    """The `Surface` of a recorded map. There is one deck; beyond the raster the ground goes on as high as at its edge.

    Args:
        street: what was recorded.
    """

    decks = 1

    def __init__(self, street: RecordedStreet):
        self._street, painted = street, street.painted
        frame = (painted.resolution_m, painted.origin)
        road = SmoothArea(painted.road, *frame)
        paved = SmoothArea(painted.road | painted.walk, *frame) if painted.walk.any() else road
        self._areas = GroundAreas(road, paved, SmoothArea(painted.cells("carpark_area"), *frame))

    def height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Ground height (N,), m, at places (N,); `z_hint` is not used, since there is one deck."""
        x, y = np.broadcast_arrays(np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float)))
        d, first = self._street.height, self._street.first
        u = np.clip((x - first[0]) / GROUND_STEP_M, 0.0, d.shape[0] - 1.001)
        v = np.clip((y - first[1]) / GROUND_STEP_M, 0.0, d.shape[1] - 1.001)
        i, j = u.astype(np.int64), v.astype(np.int64)
        u, v = u - i, v - j
        low, high = d[i, j] * (1 - u) + d[i + 1, j] * u, d[i, j + 1] * (1 - u) + d[i + 1, j + 1] * u
        height: np.ndarray = low * (1 - v) + high * v
        return height

    def terrain_height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the ground at places (N,): nothing is built above it."""
        return self.height(x, y, np.zeros(1))

    def rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """int32 (N,): 3 road, 2 parking, 1 walkway, -1 open ground, at places (N,) within 2 m of height `z` (N,)."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        road = np.where(self._areas.parking.at(x, y) > 0, 2, 3)
        paved = np.where(self._areas.paved.at(x, y) > 0, 1, -1)
        rank = np.where(self._areas.road.at(x, y) > 0, road, paved)
        near = np.abs(np.asarray(z, float) - self.terrain_height(x, y)) < SAME_LEVEL_M
        return np.where(near, rank, -1).astype(np.int32)

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
        x, y = ((round(at / step_m) + np.arange(n)) * step_m for at in (x0, y0))
        height = self.terrain_height(np.repeat(x, n), np.tile(y, n))
        return height.reshape(1, n, n).astype(np.float32)

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
        return paint_cells(self._areas, self._markings, x0, y0, n, step_m)

    @cached_property
    def arrays(self) -> Ground:
        """The ground for kernels."""
        areas = self._areas
        painted = PaintedGround(areas.road.arrays, areas.paved.arrays, areas.parking.arrays)
        return Ground.of_relief(painted, Relief(self._street.height, self._street.first, GROUND_STEP_M))

    @cached_property
    def _markings(self) -> Markings:
        return Markings.of(self._street.painted)
