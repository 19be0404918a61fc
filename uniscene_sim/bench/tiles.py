"""Benchmark of generating tiles, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from time import perf_counter

import numpy as np

from uniscene_sim import plugins
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.maps.load import load_map
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.tile import TILE_M

__all__ = ["rows"]


def _tile_ms(engine_name: str) -> float:
    """Mean time of all tiles with roads of a map, in ms, after one for compilation."""
    static_map = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    make = plugins.load_plugin("occupancy", engine_name)
    wanted = np.unique(np.floor(static_map.road_points() / TILE_M).astype(int), axis=0).tolist()
    make(static_map, 1).tile(*wanted[0])  # compiles
    engine = make(static_map, 0)
    start = perf_counter()
    for ix, iy in wanted:
        engine.tile(ix, iy)
    return 1e3 * (perf_counter() - start) / len(wanted)


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    what = "a tile of `urban_grid`, mean of all with roads"
    plain = _tile_ms("procedural")
    yield BenchRow(f"{what}: `procedural`", plain, "ms")
    if find_spec("torch"):
        yield BenchRow(f"{what}: `occflow-tiles`", _tile_ms("occflow-tiles"), "ms", "`procedural`", plain)
