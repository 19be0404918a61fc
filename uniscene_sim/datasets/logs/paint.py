"""A painted map of what a logged drive's LiDAR saw: road, walkways, houses and plants, cell by cell."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.datasets.logs.drive import GroundPoints, LoggedDrive
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import box_corners, point_in_polygon
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.painted.cells import MOST_CELLS
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.taxonomy import AgentClass

__all__ = ["paint_map"]

_CELL_M = 0.25
_AROUND_M = 70.0  # of the path, that is painted
_DRIVEN_M = 1.4  # to both sides of the ego's path
_TALL_M, _LOW_M = 2.5, 0.3  # houses are painted where points are that high above the ground; plants, lower
_FEWEST = 3  # points of a house or plant in a cell
_CLOSED_M = 1.5  # gaps of this size between beams are closed
_DEEP_M = 6.0  # a house behind a facade, of which a LiDAR sees no more
_VEHICLES = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.TRAILER, AgentClass.CONSTRUCTION_VEHICLE)


def paint_map(drive: LoggedDrive) -> PaintedMap:
    """Flat ground: drivable where the points of the road, the ego's way and the boxes of vehicles are.

    Raises:
        InputError: the drive goes too far for a raster.
    """
    path = drive.poses[:, :2]
    low = np.floor(path.min(axis=0) - _AROUND_M)
    shape = tuple(np.ceil((path.max(axis=0) + _AROUND_M - low) / _CELL_M).astype(int).tolist())
    if shape[0] * shape[1] > MOST_CELLS:
        why = f"goes {np.ptp(path, axis=0).max():.0f} m far, too far for a painted map; expected a map that is given"
        raise InputError(why, field="map")
    require_memory(40 * shape[0] * shape[1], "the painted map")
    canvas = _Canvas(low, (shape[0], shape[1]))
    for x, y, _, _, _, yaw in _every_metre(drive.poses):
        canvas.fill(canvas.driven, box_corners(x, y, yaw, 3.0, 2 * _DRIVEN_M))
    for track in drive.tracks:
        if track.cls in _VEHICLES:
            for (x, y, _), yaw in list(zip(track.places, track.yaws, strict=True))[:: 1 if not track.still else 10**6]:
                canvas.fill(canvas.driven, box_corners(x, y, yaw, track.size[0] + 0.4, track.size[1] + 0.4))
    if drive.ground is not None:
        canvas.add(drive.ground)
    return canvas.finish(drive.name, drive.ground is not None)


def _every_metre(poses: np.ndarray) -> np.ndarray:
    gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
    at = np.arange(0.0, gone[-1] + 1.0)
    return np.stack([np.interp(at, gone, poses[:, k]) for k in range(6)], axis=1)


class _Canvas:
    def __init__(self, low: np.ndarray, shape: tuple[int, int]):
        self.low, self.shape = low, shape
        self.driven = np.zeros(shape, bool)
        self.counts = np.zeros((len(GroundPoints.CHANNELS), *shape), np.int32)
        self.heights = np.full(shape, np.nan)

    def fill(self, cells: np.ndarray, corners: np.ndarray) -> None:
        """Set the cells whose middle lies in a polygon (4, 2)."""
        a = np.clip(((corners.min(axis=0) - self.low) / _CELL_M).astype(int), 0, self.shape)
        b = np.clip(((corners.max(axis=0) - self.low) / _CELL_M).astype(int) + 1, 0, self.shape)
        for i in range(a[0], b[0]):
            for j in range(a[1], b[1]):
                x, y = self.low + (np.array([i, j]) + 0.5) * _CELL_M
                cells[i, j] |= bool(point_in_polygon(x, y, corners))

    def add(self, ground: GroundPoints) -> None:
        ij = ((ground.xyz[:, :2] - self.low) / _CELL_M).astype(np.int64)
        inside = ((ij >= 0) & (ij < self.shape)).all(axis=1)
        ij, z, channel = ij[inside], ground.xyz[inside, 2], ground.channel[inside]
        level = float(np.median(z[channel == 0])) if (channel == 0).any() else float(np.median(z))
        above = z - level
        for k, least in enumerate((-np.inf, -np.inf, _TALL_M, _LOW_M)):
            use = (channel == k) & (above > least)
            np.add.at(self.counts[k], tuple(ij[use].T), 1)

    def finish(self, name: str, seen: bool) -> PaintedMap:
        """The map; houses and plants are left to the generator where nothing was `seen`."""
        road, walk, house, plant = self.counts
        close = ndimage.generate_binary_structure(2, 1)
        times = round(_CLOSED_M / _CELL_M)
        walkway = ndimage.binary_closing((walk > road) & ~self.driven, close, times)
        drivable = ndimage.binary_closing(((road > 0) & (road >= walk)) | self.driven, close, times)
        drivable = ndimage.binary_opening(drivable, close, 2) | self.driven
        walkway = ndimage.binary_opening(walkway & ~drivable, close, 1)
        layers = {"drivable_area": drivable, "walkway": walkway}
        if seen:
            facade = ndimage.binary_closing(house >= _FEWEST, close, times)
            facade = ndimage.binary_opening(facade, np.ones((2, 2)), 1)
            thick = ndimage.binary_closing(ndimage.binary_dilation(facade, close, 3), close, round(_DEEP_M / _CELL_M))
            layers["building"] = thick & ~drivable & ~walkway
            layers["vegetation"] = ndimage.binary_closing(plant >= _FEWEST, close, 2) & ~drivable & ~layers["building"]
        raster = np.array(list(layers.values()))
        low = float(self.low[0]), float(self.low[1])
        return PaintedMap(name, tuple(layers), raster, _CELL_M, low)
