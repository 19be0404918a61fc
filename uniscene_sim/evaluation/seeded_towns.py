"""Towns that can be made again by their seed: the same places with other houses, and as engines emit them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uniscene_sim.evaluation.held_out import Place
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.interfaces import OccupancyEngine
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.tile import TILE_CELLS, TILE_M

__all__ = ["ANOTHER_PLAN", "EmittedWindows", "Replanned", "plan_seed"]

ANOTHER_PLAN = 999_999_937  # added to a town's seed, for plans that its data does not use
#: 3 x 3 tiles around the first one's corner.
_MOSAIC_CELLS = 3 * TILE_CELLS


def plan_seed(place: Place) -> int:
    """Seed of the plan of houses in a window's data; two drives share one."""
    assert place.seed is not None
    return 1000 * place.seed + place.sequence // 2 * 2


class Replanned:
    """Static labels at a place of a seeded town, with other houses and plants; keeps the last town and its plans."""

    def __init__(self) -> None:
        self._town: tuple[int, StaticMap] | None = None
        self._plans: dict[int, np.ndarray] = {}

    def __call__(self, place: Place, another: int = 0) -> np.ndarray:
        """Labels uint8 (X, Y, Z) of GENERATED_GRID.

        Args:
            place: of a seeded town.
            another: number of the plan, from 0.
        """
        assert place.seed is not None
        if self._town is None or self._town[0] != place.seed:
            self._town, self._plans = (place.seed, make_town(place.seed)), {}
        static_map = self._town[1]
        if another not in self._plans:
            self._plans[another] = plan_map(static_map, place.seed + ANOTHER_PLAN + another)
        return window_labels(self._plans[another], static_map, place.pose, GENERATED_GRID)


class EmittedWindows:
    """Static labels at a place of a seeded town as an engine emits them: its tiles, cut into windows by height above
    the ground. Keeps the tiles of the last town.

    Args:
        make: engine of a map and a seed, which is that of the plan in the data.
    """

    def __init__(self, make: Callable[[StaticMap, int], OccupancyEngine]):
        self._make = make
        self._store: tuple[int, TileStore] | None = None

    def __call__(self, place: Place) -> np.ndarray:
        """Labels uint8 (X, Y, Z) of GENERATED_GRID."""
        return self._window(place, place.pose, GENERATED_GRID)

    def mosaic(self, place: Place) -> np.ndarray:
        """Labels uint8 (480, 480, Z) of the 3 x 3 tiles around that of a place, along the map's axes; they begin at a
        tile's corner."""
        x, y = ((np.floor(v / TILE_M) + 0.5) * TILE_M for v in (place.pose.x, place.pose.y))
        half = 0.5 * _MOSAIC_CELLS * GENERATED_GRID.voxel_m
        grid = GridSpec(
            GENERATED_GRID.voxel_m,
            (_MOSAIC_CELLS, _MOSAIC_CELLS, GENERATED_GRID.shape[2]),
            (-half, -half, GENERATED_GRID.origin[2]),
        )
        return self._window(place, Pose(float(x), float(y), place.pose.z), grid)

    def _window(self, place: Place, pose: Pose, grid: GridSpec) -> np.ndarray:
        key = plan_seed(place)
        if self._store is None or self._store[0] != key:
            self._store = key, TileStore(self._make(make_town(key // 1000), key))
        frame = LayoutFrame(
            stamp_us=0, ego_pose=pose, ego_velocity=np.zeros(3), ego_yaw_rate=0.0, ego_accel=0.0, ego_steer=0.0,
            ego_vehicle=EgoVehicle(), agents=np.zeros(0, AGENT_DTYPE), signals=np.zeros(0, np.uint8),
            route=np.zeros((0, 3)), map_ref="", seed=key,
        )  # fmt: skip
        return occupancy_window(self._store[1], frame, grid).labels
