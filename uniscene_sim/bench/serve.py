"""Benchmark of ticks whose sensors a server on this machine simulates, beside the same ticks without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import prepare
from uniscene_sim.storage.disk_cache import user_cache

__all__ = ["rows"]

_TICKS = {"rl": 40, "nuscenes-small": 12}


@dataclass(frozen=True)
class _Times:
    """Medians, ms: of a tick here, of one through a server, and of what the latter spends on the way."""

    here: float
    served: float
    added: float


def _measure(rig_name: str, address: str, ticks: int) -> _Times:
    """Ticks of `cut_in` here and through a server, in turns."""
    rig, cache, took = load_rig(rig_name), user_cache("tiles"), []
    here, served = (
        prepare("cut_in", rig, tile_cache=cache, remote=remote, window_grid=None, bev_schema=None)
        for remote in (None, address)
    )
    for simulator in (here, served):
        simulator.reset()
    for _ in range(ticks):
        row = []
        for simulator in (here, served):
            start = perf_counter()
            simulator.step()
            row.append(1e3 * (perf_counter() - start))
        took.append([*row, served.stages_ms["transfer"]])
    return _Times(*np.median(took, axis=0).tolist())


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    line = [sys.executable, "-m", "uniscene_sim.cli", "serve", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            for rig_name, ticks in _TICKS.items():
                times = _measure(rig_name, address, ticks)
                yield BenchRow(f"a tick of `{rig_name}` through `serve`", times.served, "ms", "without", times.here)
                yield BenchRow(f"of which on the way, `{rig_name}`", times.added, "ms")
        finally:
            server.terminate()
