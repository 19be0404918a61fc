"""Benchmark of the ROS 2 bridge, in a separate process: the core does not import the bridge."""

from __future__ import annotations

from collections.abc import Iterator

from uniscene_sim.bench.timing import BenchRow, rows_of_process

__all__ = ["rows"]


def rows(*options: str) -> Iterator[BenchRow]:
    """Rows of this benchmark; `options` are those of `uniscene_ros2.bench`."""
    failed = "the ROS 2 bench failed; it needs rclpy (uniscene_sim[ros2], or a ROS 2 installation)"
    yield from rows_of_process("uniscene_ros2.bench", failed, *options)
