"""Benchmark of the CARLA bridge, in a separate process: the core does not import the bridge."""

from __future__ import annotations

from collections.abc import Iterator

from uniscene_sim.bench.timing import BenchRow, rows_of_process

__all__ = ["rows"]


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    failed = "the CARLA bench failed; it needs carla (uniscene_sim[maps]), msgpack and a checkout"
    yield from rows_of_process("uniscene_carla.bench", failed)
