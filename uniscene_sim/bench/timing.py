"""A row of the bench, and timing of several functions in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

__all__ = ["BenchRow", "interleaved_ms"]

_REST_S = 0.05


@dataclass(frozen=True)
class BenchRow:
    """One measured quantity; the peer's stays empty where there is none or it is not installed."""

    name: str
    value: float
    unit: str  # ms: less is better; 1/s: more is
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if not self.peer_value:
            return None
        return self.peer_value / self.value if self.unit == "ms" else self.value / self.peer_value


def interleaved_ms(jobs: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Median milliseconds of each job.

    Jobs take turns, so that what else the machine does falls on all alike; each runs once unmeasured before, when the
    threads of the one before it have gone to rest.
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
