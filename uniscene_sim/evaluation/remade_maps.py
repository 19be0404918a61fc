"""Maps that windows were cut from, made again: seeded towns by their seed, maps that have a file by that file.

The same places then get other houses, or what engines emit there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.drives import plan_seed
from uniscene_sim.datasets.windows import SEEDED, CutFrom, Windows
from uniscene_sim.errors import InputError, InputWarning, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.interfaces import OccupancyEngine
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.load import is_map_file, load_map, plan_ref
from uniscene_sim.maps.osm.extract import MOST_OSM
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.street_plans.crop import cropped
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.storage.input_file import files_in, is_folder, require_regular
from uniscene_sim.tile import TILE_CELLS, TILE_M

__all__ = ["ANOTHER_PLAN", "EmittedWindows", "MapShelf", "Origin", "Replanned"]

ANOTHER_PLAN = 999_999_937  # added to a seed, for plans that no data uses
_WHAT = "maps: .xodr, .osm[.gz], .osm.pbf, .net.xml[.gz] or .city.json[.gz]"
#: 3 x 3 tiles around the first one's corner.
_MOSAIC_CELLS = 3 * TILE_CELLS


@dataclass(frozen=True)
class Origin:
    """The map that a window was cut from."""

    source: int | Path  # seed of a seeded town, or file of a map
    plan_seed: int  # of its houses and plants
    square: tuple[float, float, float] | None = None  # middle and half side, m, of the part that was planned


class MapShelf:
    """Files among which the maps of windows are looked for: by their content, those of the right name first.

    Args:
        paths: files, and folders that are searched through.

    Raises:
        InputError: a path that is no map, or a folder without any.
    """

    def __init__(self, paths: Iterable[Path] = ()):
        self._files = [file for path in paths for file in _map_files(path)]
        self._found: dict[str, Path | None] = {}

    def origin(self, file: Path, windows: Windows, n: int) -> Origin | None:
        """Where window `n` of a file comes from; None, and a warning for each map, where that cannot be found."""
        cut = windows.cut_from
        if cut is None:
            name = file.stem.removeprefix("town_")
            if windows.maker != SEEDED or file.stem == name or not name.isdecimal():
                return None
            return Origin(int(name), plan_seed(int(name), int(windows.sequence[n])))
        if cut.map_ref not in self._found:
            self._found[cut.map_ref] = self._find(cut)
            if self._found[cut.map_ref] is None:
                what = f"the map {shown(cut.map_name)} of these windows, as it was then, is not among the maps given"
                warnings.warn(InputWarning(f"{file}: {what}; rows of engines are left out"), stacklevel=2)
        found = self._found[cut.map_ref]
        x, y, half = cut.map_square[n].tolist()
        return None if found is None else Origin(found, int(cut.plan_seed[n]), (x, y, half) if half > 0 else None)

    def _find(self, cut: CutFrom) -> Path | None:
        by_name = sorted(self._files, key=lambda file: file.name != cut.map_name)
        return next((file for file in by_name if plan_ref(file) == cut.map_ref), None)


def _map_files(path: Path) -> Sequence[Path]:
    if not is_folder(path):
        require_regular(path, MOST_OSM, _WHAT, "maps")
        if not is_map_file(path):
            raise InputError(f"expected {_WHAT}", file=path, argument="maps")
        return [path]
    found = [file for file in files_in(path, "**/*") if is_map_file(file)]
    if not found:
        raise InputError(f"expected {_WHAT}", file=path, argument="maps")
    return found


class _Maps:
    """Makes maps again; keeps the last, and the whole of which it may be a part."""

    def __init__(self) -> None:
        self._whole: tuple[int | Path, StaticMap] | None = None
        self._part: tuple[Origin, StaticMap] | None = None

    def __call__(self, origin: Origin) -> StaticMap:
        origin = replace(origin, plan_seed=0)  # plans of one map do not change it
        if self._part is None or self._part[0] != origin:
            if self._whole is None or self._whole[0] != origin.source:
                source = origin.source
                self._whole = source, make_town(source) if isinstance(source, int) else load_map(source)
            whole = self._whole[1]
            square = origin.square if isinstance(whole, VectorMap) else None
            self._part = origin, cropped(whole, *square) if square and isinstance(whole, VectorMap) else whole
        return self._part[1]


class Replanned:
    """Static labels at a place, with other houses and plants: none of those that the map knows of. Keeps the last map
    and its plans."""

    def __init__(self) -> None:
        self._maps = _Maps()
        self._last: tuple[StaticMap, StaticMap] | None = None  # as it is, and without what it knows of
        self._plans: dict[int, np.ndarray] = {}

    def __call__(self, origin: Origin, pose: Pose, another: int = 0) -> np.ndarray:
        """Labels uint8 (X, Y, Z) of GENERATED_GRID.

        Args:
            origin: of the place.
            pose: the place.
            another: number of the plan, from 0.
        """
        known = self._maps(origin)
        if self._last is None or self._last[0] is not known:
            self._last, self._plans = (known, _forgetful(known)), {}
        static_map = self._last[1]
        if another not in self._plans:
            seed = origin.source if isinstance(origin.source, int) else origin.plan_seed
            self._plans[another] = plan_map(static_map, seed + ANOTHER_PLAN + another)
        return window_labels(self._plans[another], static_map, pose, GENERATED_GRID)


def _forgetful(known: StaticMap) -> StaticMap:
    """A map without the houses and trees that its plan of streets tells."""
    if not isinstance(known, VectorMap) or not known.complete:
        return known
    objects = tuple(o for o in known.objects if o.kind not in ("building", "tree"))
    return replace(known, objects=objects, complete_kinds=(), source_ref="")


class EmittedWindows:
    """Static labels at a place as an engine emits them: its tiles, cut into windows by height above the ground. Keeps
    the tiles of the last map and plan.

    Args:
        make: engine of a map and a seed, which is that of the plan in the data.
    """

    def __init__(self, make: Callable[[StaticMap, int], OccupancyEngine]):
        self._make, self._maps = make, _Maps()
        self._store: tuple[Origin, TileStore] | None = None

    def __call__(self, origin: Origin, pose: Pose) -> np.ndarray:
        """Labels uint8 (X, Y, Z) of GENERATED_GRID."""
        return self._window(origin, pose, GENERATED_GRID)

    def mosaic(self, origin: Origin, pose: Pose) -> np.ndarray:
        """Labels uint8 (480, 480, Z) of the 3 x 3 tiles around that of a place, along the map's axes; they begin at a
        tile's corner."""
        x, y = ((np.floor(v / TILE_M) + 0.5) * TILE_M for v in (pose.x, pose.y))
        half = 0.5 * _MOSAIC_CELLS * GENERATED_GRID.voxel_m
        grid = GridSpec(
            GENERATED_GRID.voxel_m,
            (_MOSAIC_CELLS, _MOSAIC_CELLS, GENERATED_GRID.shape[2]),
            (-half, -half, GENERATED_GRID.origin[2]),
        )
        return self._window(origin, Pose(float(x), float(y), pose.z), grid)

    def _window(self, origin: Origin, pose: Pose, grid: GridSpec) -> np.ndarray:
        if self._store is None or self._store[0] != origin:
            self._store = origin, TileStore(self._make(self._maps(origin), origin.plan_seed))
        frame = LayoutFrame(
            stamp_us=0, ego_pose=pose, ego_velocity=np.zeros(3), ego_yaw_rate=0.0, ego_accel=0.0, ego_steer=0.0,
            ego_vehicle=EgoVehicle(), agents=np.zeros(0, AGENT_DTYPE), signals=np.zeros(0, np.uint8),
            route=np.zeros((0, 3)), map_ref="", seed=origin.plan_seed,
        )  # fmt: skip
        return occupancy_window(self._store[1], frame, grid).labels
