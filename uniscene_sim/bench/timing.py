"""Rows of benchmarks, and interleaved timing of several functions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

from uniscene_sim.compute.processes import run_child
from uniscene_sim.errors import InputError

__all__ = ["BenchRow", "interleaved_ms", "rows_of_process"]

_REST_S = 0.05


@dataclass(frozen=True)
class BenchRow:
    """One measured quantity; the peer's value is None if there is no peer or it is not installed."""

    name: str
    value: float
    unit: str  # ms and units of errors, as "m of error": lower is better; otherwise higher is
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if not self.peer_value:
            return None
        lower_is_better = self.unit == "ms" or self.unit.endswith("of error")
        return self.peer_value / self.value if lower_is_better else self.value / self.peer_value


def interleaved_ms(jobs: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Median time of each job, ms.

    Jobs take turns, so that other load affects all. Before each measurement the threads of the previous job come to
    rest, and the job runs once unmeasured.
    """
    for job in jobs.values():
        job()
    took: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            sleep(_REST_S)
            job()
            start = perf_counter()
            job()
            took[name].append(1e3 * (perf_counter() - start))
    return {name: float(np.median(times)) for name, times in took.items()}


def rows_of_process(module: str, failed: str, *options: str) -> Iterator[BenchRow]:
    """Rows that a module prints as JSON, run in a process of its own: the core imports no bridge.

    Args:
        module: its name.
        failed: what is said if it fails.
        options: of its command line.

    Raises:
        InputError: it fails.
    """
    done = run_child([sys.executable, "-m", module, *options])
    if done.returncode:
        raise InputError(failed)
    for record in json.loads(done.stdout):
        yield BenchRow(**record)
