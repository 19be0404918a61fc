"""The ground of a recorded drive: heights where beams met it, and what is road, walkway and paint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.datasets.formats.seen_world import lay_ground, level_out
from uniscene_sim.datasets.logs.drive import Track
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.tile import GROUND_STEP_M

__all__ = ["LaidGround", "lay_street"]

_ROAD = (OccClass.DRIVEABLE_SURFACE, OccClass.LANE_DIVIDER, OccClass.ROAD_DIVIDER, OccClass.PED_CROSSING)
_VEHICLES = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.TRAILER, AgentClass.CONSTRUCTION_VEHICLE)
_KNOWN_M = 3.0  # from ground that was seen, ground is of the same kind
_FAR_M = 2.0  # farther than this from it, the feet of vehicles tell its height
_SMOOTH = 2.0  # cells over which kinds are smoothed
_AROUND = 25  # cells over which ground that nobody saw is made even
_FEWEST = 4  # cells of a line


@dataclass(frozen=True)
class LaidGround:
    """Ground as a `maps.recorded.street.RecordedStreet` holds it."""

    corner: np.ndarray  # int64 (2,)
    height: np.ndarray  # float32 (X, Y) m
    seen: np.ndarray  # bool (X, Y)
    channels: tuple[str, ...]
    raster: np.ndarray  # uint8 (C, X, Y)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (N,), m, at places (N,): of the nearest cell."""
        i = np.clip((x / GROUND_STEP_M - self.corner[0]).astype(np.int64), 0, len(self.height) - 1)
        j = np.clip((y / GROUND_STEP_M - self.corner[1]).astype(np.int64), 0, self.height.shape[1] - 1)
        out: np.ndarray = self.height[i, j]
        return out


def lay_street(
    xyz: np.ndarray, label: np.ndarray, tracks: Sequence[Track], low: np.ndarray, high: np.ndarray
) -> LaidGround:
    """Ground between two corners.

    Args:
        xyz, label: points (N, 3), m, and their OccClass (N,); those of ground are used.
        tracks: vehicles stand on the ground where nobody saw it.
        low, high: (2,) m.
    """
    corner = np.floor(low / GROUND_STEP_M).astype(np.int64)
    size = (np.ceil(high / GROUND_STEP_M).astype(np.int64) - corner).tolist()
    first = corner * GROUND_STEP_M
    # Heights are those of the corners of cells, kinds those of their middles.
    height, _ = lay_ground(xyz, label, first - 0.5 * GROUND_STEP_M, (size[0], size[1]))
    _, kind = lay_ground(xyz, label, first, (size[0], size[1]))
    seen = kind != OccClass.FREE
    feet = _feet(tracks)
    height = _with_feet(height, seen, feet, first)
    raster = {"drivable_area": _area(kind, _ROAD, seen), "walkway": _area(kind, (OccClass.SIDEWALK,), seen)}
    driven = np.zeros(seen.shape, bool)
    i, j = _cells(feet, first, seen.shape)
    driven[i, j] = True
    raster["drivable_area"] |= ndimage.binary_closing(driven, np.ones((3, 3)), 2)
    raster["walkway"] &= ~raster["drivable_area"]
    raster["lane_divider"] = _lines(kind == OccClass.LANE_DIVIDER) & raster["drivable_area"]
    raster["road_divider"] = _lines(kind == OccClass.ROAD_DIVIDER) & raster["drivable_area"]
    raster["ped_crossing"] = _lines(kind == OccClass.PED_CROSSING) & raster["drivable_area"]
    raster = {name: cells for name, cells in raster.items() if cells.any()}
    return LaidGround(corner, height, seen, tuple(raster), np.array(list(raster.values()), np.uint8))


def _area(kind: np.ndarray, classes: tuple[OccClass, ...], seen: np.ndarray) -> np.ndarray:
    """Where most of the ground around that was seen is of some classes, near to what was seen."""
    share = ndimage.gaussian_filter(np.isin(kind, classes).astype(np.float32), _SMOOTH)
    known = ndimage.gaussian_filter(seen.astype(np.float32), _SMOOTH)
    most = (share > 0.5 * known) & (known > 0.02)
    away, (i, j) = ndimage.distance_transform_edt(known <= 0.02, return_indices=True)
    out: np.ndarray = most[i, j] & (away * GROUND_STEP_M < _KNOWN_M)
    return out


def _lines(cells: np.ndarray) -> np.ndarray:
    label, count = ndimage.label(cells, np.ones((3, 3)))
    size = np.bincount(label.ravel(), minlength=count + 1)
    size[0] = 0
    out: np.ndarray = (size >= _FEWEST)[label]
    return out


def _feet(tracks: Sequence[Track]) -> np.ndarray:
    """Points (N, 3), m, under vehicles."""
    u, v = (w.ravel() for w in np.meshgrid(np.linspace(-0.5, 0.5, 25), np.linspace(-0.5, 0.5, 13)))
    parts = [np.zeros((0, 3))]
    for track in tracks:
        if track.cls not in _VEHICLES:
            continue
        (length, width, _), last = track.size, np.full(2, np.inf)
        for (x, y, z), yaw in zip(track.places, track.yaws, strict=True):
            if np.hypot(*(last - (x, y))) < 0.5:
                continue
            last, c, s = np.array([x, y]), np.cos(yaw), np.sin(yaw)
            a, b = u * length, v * width
            parts.append(np.column_stack([x + c * a - s * b, y + s * a + c * b, np.full(len(a), z)]))
    return np.concatenate(parts)


def _with_feet(height: np.ndarray, seen: np.ndarray, feet: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Heights where ground was seen nearby; elsewhere those of the feet of vehicles, and what is between."""
    far = ndimage.distance_transform_edt(~seen) * GROUND_STEP_M > _FAR_M
    i, j = _cells(feet, first, seen.shape)
    use = far[i, j]
    out: np.ndarray
    total, count = np.zeros(seen.shape), np.zeros(seen.shape)
    np.add.at(total, (i[use], j[use]), feet[use, 2])
    np.add.at(count, (i[use], j[use]), 1)
    out = np.where(far, np.nan, height)
    out[count > 0] = (total / np.maximum(count, 1))[count > 0]
    out = level_out(out, _AROUND)
    # Steps of what was put together are evened out where nobody looked.
    smooth = ndimage.gaussian_filter(out, 0.5 * _AROUND)
    out = np.where(far, smooth, ndimage.median_filter(out, 3)).astype(np.float32)
    return out


def _cells(xyz: np.ndarray, first: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.floor((xyz[:, :2] - first) / GROUND_STEP_M).astype(np.int64).T
    return np.clip(i, 0, shape[0] - 1), np.clip(j, 0, shape[1] - 1)
