"""Benchmark of the CARLA bridge, in a separate process: the core does not import the bridge."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.compute.processes import run_child
from uniscene_sim.errors import InputError

__all__ = ["rows"]


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    done = run_child([sys.executable, "-m", "uniscene_carla.bench"])
    if done.returncode:
        raise InputError("the CARLA bench failed; it needs carla (uniscene_sim[maps]), msgpack and a checkout")
    for record in json.loads(done.stdout):
        yield BenchRow(**record)
