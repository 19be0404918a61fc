"""Runs benchmarks and formats their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from tqdm import tqdm

from uniscene_sim.bench.timing import BenchRow

__all__ = ["as_markdown", "as_records", "run_bench"]


def run_bench(names: Iterable[str] = ()) -> Iterator[BenchRow]:
    """Rows as they are measured, of the named benchmarks or of all but those that take minutes: `ros2`, `consumers`,
    `serve`; and but `device`, which needs a GPU."""
    from uniscene_sim.bench import cameras, consumers, device, env, lidar, record, ros2, scaling, serve, ticks, tiles

    usual = {"cameras": cameras, "lidar": lidar, "tiles": tiles, "ticks": ticks, "record": record, "env": env}
    usual |= {"scaling": scaling}
    every = {**usual, "ros2": ros2, "consumers": consumers, "serve": serve, "device": device}
    chosen = [every[name].rows for name in (names or usual)]
    for part in tqdm(chosen, desc="bench", unit="part", disable=None):
        yield from part()


def as_records(rows: Iterable[BenchRow]) -> list[dict[str, object]]:
    """Rows for JSON."""
    return [{**asdict(row), "ratio": row.ratio} for row in rows]


def as_markdown(rows: Iterable[BenchRow]) -> str:
    """Rows as a Markdown table."""
    lines = ["| what | value | unit | peer | its value | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        peer = "" if row.peer_value is None else f"{row.peer_value:.4g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        lines.append(f"| {row.name} | {row.value:.4g} | {row.unit} | {row.peer} | {peer} | {ratio} |")
    return "\n".join(lines)
