"""`uniscene-sim bake`: makes all tiles of a map, or those along a scenario's route, and keeps them on disk."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.compute.processes import in_processes
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import is_map_file, load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_store import tiles_along
from uniscene_sim.rig import SensorRig
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.simulator import prefetch_range_m
from uniscene_sim.storage.data_folders import data_dir, scenario_names
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.input_file import is_folder, is_regular
from uniscene_sim.storage.interrupts import deferred_signals
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["BakeTotals", "bake", "tiles_to_bake"]

_CHUNK = 4  # tiles that a process gets at once


@dataclass(frozen=True)
class BakeTotals:
    """Number of tiles made and of tiles found on disk, and the bytes of both."""

    made: int = 0
    found: int = 0
    nbytes: int = 0

    def __add__(self, other: BakeTotals) -> BakeTotals:
        return BakeTotals(self.made + other.made, self.found + other.found, self.nbytes + other.nbytes)


def tiles_to_bake(name: str, seed: int | None, rig: SensorRig) -> tuple[StaticMap, int, list[tuple[int, int]]]:
    """A map, a seed and the tiles in sensor range: of the ego's route for a scenario, otherwise of every road.

    Args:
        name: map file, folder of a painted map, name of a shipped map, scenario file or name of a scenario.
        seed: replaces the scenario's; 0 for a map where None.
        rig: its range determines the tiles.

    Raises:
        InputError: the map or scenario does not exist or cannot be read.
    """
    reach = prefetch_range_m(rig)
    shipped = data_dir("scenarios") / "maps" / f"{name}.npz"
    path = shipped if is_regular(shipped) else Path(name)
    if (is_folder(path) and name not in scenario_names()) or is_map_file(path):
        static_map = load_map(path)
        roads = static_map.road_points()
        if not len(roads):
            raise InputError("expected at least one driving lane", file=path)
        return static_map, seed or 0, tiles_along(roads, reach)
    try:
        scenario = load_scenario(find_scenario(name))
    except InputError as error:
        if error.field != "scenario" or error.file is not None:
            raise
        raise InputError(f"no map and {str(error).removeprefix('scenario: ')}", field="map") from error
    static_map = load_map(scenario.map)
    seed = scenario.seed if seed is None else seed
    route = ScenarioSource(scenario, static_map, seed).route_path
    return static_map, seed, tiles_along(route, reach)


def bake(
    static_map: StaticMap,
    seed: int,
    tiles: Sequence[tuple[int, int]],
    disk: DiskCache,
    occupancy: str = "procedural",
    jobs: int = 1,
) -> BakeTotals:
    """Make sure that tiles are on disk and undamaged, with a progress bar; call it from the main thread.

    Args:
        static_map: the map.
        seed: of the tiles.
        tiles: indices (ix, iy).
        disk: the cache, a strict one.
        occupancy: name of the engine.
        jobs: number of processes.

    Raises:
        InputError: an unknown engine, one that cannot be cached, or a cache folder that cannot be written to or is too
            small.
    """
    total = BakeTotals()
    chunks = [tiles[i : i + _CHUNK] for i in range(0, len(tiles), _CHUNK)]
    with (
        deferred_signals(hurry=True) as arrived,
        tqdm(total=len(tiles), desc="bake", unit="tile", disable=None) as bar,
        closing(_bake_all((static_map, seed, disk, occupancy), chunks, jobs)) as parts,
    ):
        for part in parts:
            total += part
            bar.update(part.made + part.found)
            if total.nbytes > 0.9 * disk.max_bytes:
                why = f"{total.made + total.found} of {len(tiles)} tiles take {total.nbytes / 2**30:.2g} GiB already"
                raise InputError(f"{why}; expected a bound that holds them all", field="UNISCENE_CACHE_GB")
            if arrived:
                break
    return total


def _bake_all(
    arguments: tuple[StaticMap, int, DiskCache, str], chunks: list[Sequence[tuple[int, int]]], jobs: int
) -> Generator[BakeTotals, None, None]:
    worker = _BakeWorker(*arguments)
    if jobs == 1:
        yield from map(worker.bake, chunks)
    else:
        yield from in_processes(jobs, _bake_chunk, [(chunk,) for chunk in chunks], _start_worker, arguments)


class _BakeWorker:
    """The tile store of a process that bakes."""

    def __init__(self, static_map: StaticMap, seed: int, disk: DiskCache, occupancy: str):
        self.disk, self.store = disk, tile_store(occupancy, static_map, seed, disk, max_bytes=0)
        if self.store.cache is None:
            raise InputError(f"{occupancy!r} declares no cache_key, so its tiles cannot be kept", field="--occupancy")

    def bake(self, tiles: Sequence[tuple[int, int]]) -> BakeTotals:
        before = self._total()
        self.store.prefetch(tiles)
        after = self._total()
        return BakeTotals(after.made - before.made, after.found - before.found, after.nbytes - before.nbytes)

    def _total(self) -> BakeTotals:
        return BakeTotals(self.store.made, self.store.from_cache, self.disk.nbytes_read + self.disk.nbytes_written)


_bake_worker: _BakeWorker  # one in each process of the pool


def _start_worker(*arguments: Any) -> None:
    global _bake_worker
    _bake_worker = _BakeWorker(*arguments)


def _bake_chunk(tiles: Sequence[tuple[int, int]]) -> BakeTotals:
    return _bake_worker.bake(tiles)
