"""`uniscene-sim bake`: makes all tiles of a map, or those along a scenario's route, and keeps them on disk."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_store import tiles_along
from uniscene_sim.rig import SensorRig
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.simulator import prefetch_range_m
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.disk_cache import DiskCache
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
    path = shipped if shipped.is_file() else Path(name)
    if path.is_dir() or path.suffix in (".xodr", ".npz"):
        static_map = load_map(path)
        roads = static_map.road_points()
        if not len(roads):
            raise InputError("expected at least one driving lane", file=path)
        return static_map, seed or 0, tiles_along(roads, reach)
    scenario = load_scenario(find_scenario(name))
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
    with _late_interrupts() as interrupts, tqdm(total=len(tiles), desc="bake", unit="tile", disable=None) as bar:
        for part in _bake_all((static_map, seed, disk, occupancy), chunks, jobs):
            total += part
            bar.update(part.made + part.found)
            if total.nbytes > 0.9 * disk.max_bytes:
                why = f"{total.made + total.found} of {len(tiles)} tiles take {total.nbytes / 2**30:.2g} GiB already"
                raise InputError(f"{why}; expected a bound that holds them all", field="UNISCENE_CACHE_GB")
            if interrupts:
                raise KeyboardInterrupt
    return total


@contextmanager
def _late_interrupts() -> Iterator[list[int]]:
    """Collect interrupts instead of raising them: raising inside a kernel or while a process starts is harmful."""
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def _bake_all(
    arguments: tuple[StaticMap, int, DiskCache, str], chunks: list[Sequence[tuple[int, int]]], jobs: int
) -> Iterator[BakeTotals]:
    worker = _BakeWorker(*arguments)
    if jobs == 1:
        yield from map(worker.bake, chunks)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, arguments)
    try:
        yield from pool.map(_bake_chunk, chunks)
    finally:
        pool.shutdown(cancel_futures=True)


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles it, and lets this one finish its chunk
    _bake_worker = _BakeWorker(*arguments)


def _bake_chunk(tiles: Sequence[tuple[int, int]]) -> BakeTotals:
    return _bake_worker.bake(tiles)
