"""Benchmark of the ROS 2 bridge, in a separate process: the core does not import the bridge."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.compute.processes import run_child
from uniscene_sim.errors import InputError

__all__ = ["rows"]


def rows(*options: str) -> Iterator[BenchRow]:
    """Rows of this benchmark; `options` are those of `uniscene_ros2.bench`."""
    done = run_child([sys.executable, "-m", "uniscene_ros2.bench", *options])
    if done.returncode:
        raise InputError("the ROS 2 bench failed; it needs rclpy (uniscene_sim[ros2], or a ROS 2 installation)")
    for record in json.loads(done.stdout):
        yield BenchRow(**record)
