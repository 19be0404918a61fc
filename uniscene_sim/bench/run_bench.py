"""Runs benchmarks and formats their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import import_module

from tqdm import tqdm

from uniscene_sim.bench.timing import BenchRow

__all__ = ["USUAL", "as_markdown", "as_records", "run_bench"]

#: Benchmarks that run if none is named; those beyond them take minutes, or need a GPU.
USUAL = ("cameras", "lidar", "tiles", "windows", "ticks", "record", "env", "scaling", "noise")


def run_bench(names: Iterable[str] = ()) -> Iterator[BenchRow]:
    """Rows as they are measured, of the named benchmarks or of `USUAL`."""
    chosen = [import_module(f"uniscene_sim.bench.{name}") for name in names or USUAL]  # each needs packages of its own
    for part in tqdm(chosen, desc="bench", unit="part", disable=None):
        yield from part.rows()


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
