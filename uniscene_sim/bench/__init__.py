"""`uniscene-sim bench`: how fast it is, beside a peer that is measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from time import perf_counter, sleep

import numpy as np
from tqdm import tqdm

__all__ = ["Row", "as_markdown", "as_records", "interleaved_ms", "run_bench"]


_REST_S = 0.05


@dataclass(frozen=True)
class Row:
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


def run_bench(names: Iterable[str] = ()) -> Iterator[Row]:
    """Rows as they are measured; of some parts only, where named. `ros2` has to be: it takes minutes."""
    from uniscene_sim.bench import cameras, env, lidar, ros2, scaling, ticks, tiles

    usual = {"cameras": cameras, "lidar": lidar, "tiles": tiles, "ticks": ticks, "env": env, "scaling": scaling}
    chosen = [{**usual, "ros2": ros2}[name].rows for name in (names or usual)]
    for part in tqdm(chosen, desc="bench", unit="part", disable=None):
        yield from part()


def as_records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Rows for JSON."""
    return [{**asdict(row), "ratio": row.ratio} for row in rows]


def as_markdown(rows: Iterable[Row]) -> str:
    """Rows as a table for people."""
    lines = ["| what | value | unit | peer | its value | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        peer = "" if row.peer_value is None else f"{row.peer_value:.4g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        lines.append(f"| {row.name} | {row.value:.4g} | {row.unit} | {row.peer} | {peer} | {ratio} |")
    return "\n".join(lines)
