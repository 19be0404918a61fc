"""What a painter is given of a tile: the classes, places and directions of its splats, one by one and by columns.

Materials are not given but for markings of roads and for street furniture, which are the map's and keep their colours:
where windows, doors, roofs and bark are, and of what a house is made, is the painter's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.taxonomy import IS_ROAD_MARKING, MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import GROUND_SAMPLES, GROUND_STEP_M, TILE_M, Tile

__all__ = ["BANDS_M", "COLUMNS", "COLUMN_M", "KEPT", "SplatConditions", "columns_of", "splat_conditions"]

COLUMN_M = 0.8
_SIDE = int(TILE_M / COLUMN_M)
#: Heights above the ground that part the bands of a column.
BANDS_M = (0.5, 2.0, 4.0, 7.0, 11.0)
_COUNT = len(BANDS_M) + 1
_GROUND = (OccClass.DRIVEABLE_SURFACE, OccClass.OTHER_FLAT, OccClass.SIDEWALK, OccClass.TERRAIN, OccClass.PED_CROSSING)
_ROAD_LABELS = (OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER)
_LOW_M, _HIGH_M = -2.0, 40.0

#: Channels of `columns_of`: how much of each class of ground there is; of manmade surfaces by height, how much there
#: is and where it faces; of vegetation by height; and of other things, low and high.
COLUMNS = (
    *(f"ground_{label.name.lower()}" for label in _GROUND),
    *(f"manmade_{what}_{band}" for what in ("area", "x", "y", "up") for band in range(_COUNT)),
    *(f"vegetation_{band}" for band in range(_COUNT)),
    "others_low", "others_high",
)  # fmt: skip

#: Materials that are given, bool (256,): markings of roads, but not what lies between stripes; and street furniture.
KEPT = IS_ROAD_MARKING.copy()
KEPT[[OccClass.PED_CROSSING, Material.CROSSING_GAP]] = False
for _name in "POLE FENCE SIGN_WHITE SIGN_RED SIGN_BLUE SIGN_YELLOW BENCH BRIDGE GUARD_RAIL LAMP".split():
    KEPT[Material[_name]] = True


@dataclass(frozen=True)
class SplatConditions:
    """N splats of a tile, without their colours."""

    label: np.ndarray  # uint8 (N,), OccClass; markings have that of the road
    place: np.ndarray  # float32 (N, 3) m: x, y from the tile's corner, height above the ground
    normal: np.ndarray  # float32 (N, 3), unit; zero: two-sided
    size: np.ndarray  # float32 (N,) m, root of the area

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: np.ndarray | slice) -> SplatConditions:
        return SplatConditions(*(getattr(self, field.name)[rows] for field in fields(self)))

    def turned(self, mirror_x: bool, mirror_y: bool, transpose: bool) -> SplatConditions:
        """The same tile, mirrored along x, along y, then with x and y exchanged."""
        place, normal = self.place.copy(), self.normal.copy()
        for axis, mirror in enumerate((mirror_x, mirror_y)):
            if mirror:
                place[:, axis], normal[:, axis] = TILE_M - place[:, axis], -normal[:, axis]
        if transpose:
            place, normal = place[:, [1, 0, 2]], normal[:, [1, 0, 2]]
        return replace(self, place=place, normal=normal)


def splat_conditions(splats: Splats, tile: Tile) -> SplatConditions:
    """What is given of the splats of a tile.

    Args:
        splats: of `tile_splats`.
        tile: theirs; heights are above its lowest deck.
    """
    x, y, z = splats.means.T
    i, j = (np.clip(np.rint(v / GROUND_STEP_M).astype(np.int64), 0, GROUND_SAMPLES - 1) for v in (x, y))
    ground = tile.ground[0] if len(tile.ground) else np.full((GROUND_SAMPLES, GROUND_SAMPLES), np.nan, np.float32)
    below = ground[i, j]
    low = float(np.nanmin(ground)) if np.isfinite(ground).any() else tile.base_z
    height = np.clip(z - np.where(np.isnan(below), low, below), _LOW_M, _HIGH_M)
    label = MATERIAL_LABEL[splats.material]
    label = np.where(np.isin(label, _ROAD_LABELS), np.uint8(OccClass.DRIVEABLE_SURFACE), label)
    place = np.stack([x, y, height], axis=1).astype(np.float32)
    return SplatConditions(label.astype(np.uint8), place, splats.normals, np.sqrt(splats.area))


def columns_of(given: SplatConditions) -> np.ndarray:
    """What stands in each column of 0.8 m, float32 (C, 80, 80), in the channels of `COLUMNS`."""
    i, j = (np.clip((given.place[:, axis] / COLUMN_M).astype(np.int64), 0, _SIDE - 1) for axis in (0, 1))
    cell, area = i * _SIDE + j, given.size**2
    band = np.searchsorted(BANDS_M, given.place[:, 2], side="right")
    cells = _SIDE * _SIDE

    def sums(rows: np.ndarray, weight: np.ndarray, part: np.ndarray, parts: int) -> np.ndarray:
        at = part[rows] * cells + cell[rows]
        return np.bincount(at, weight[rows], parts * cells).reshape(parts, cells)

    ground = np.zeros(256, np.int64)
    ground[list(_GROUND)] = 1 + np.arange(len(_GROUND))
    of_ground = ground[given.label]
    manmade, vegetation = given.label == OccClass.MANMADE, given.label == OccClass.VEGETATION
    others = (of_ground == 0) & ~manmade & ~vegetation
    full = COLUMN_M**2
    house = sums(manmade, area, band, _COUNT)
    facing = [sums(manmade, area * given.normal[:, axis], band, _COUNT) / (house + 0.05 * full) for axis in range(3)]
    parts = [
        sums(of_ground > 0, area, of_ground - 1, len(_GROUND)) / full,
        house / (house + full),
        *facing,
        (leaves := sums(vegetation, area, band, _COUNT)) / (leaves + full),
        (other := sums(others, area, (band > 1).astype(np.int64), 2)) / (other + full),
    ]
    return np.concatenate(parts).astype(np.float32).reshape(len(COLUMNS), _SIDE, _SIDE)
