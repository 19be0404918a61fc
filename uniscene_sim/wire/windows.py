"""Occupancy windows as messages of `uniscene.v1`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.wire.by_name import fill, values_of
from uniscene_sim.wire.messages import array_of, fill_array
from uniscene_sim.wire.uniscene.v1.run_pb2 import Grid as GridMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import Window as WindowMessage

__all__ = ["fill_window", "grid_of", "window_of"]


def fill_window(message: WindowMessage, window: OccupancyGrid) -> None:
    """Write a window into an empty message."""
    message.stamp_us = window.stamp_us
    fill(message.grid, window.grid)
    fill(message.pose, window.pose)
    fill_array(message.labels, window.labels)
    fill_array(message.instances, window.instances)


def window_of(message: WindowMessage) -> OccupancyGrid:
    """The window of a message; InputError if its arrays are damaged."""
    labels, instances = (array_of(getattr(message, name), f"Window.{name}") for name in ("labels", "instances"))
    pose = Pose(**values_of(message.pose, Pose))
    return OccupancyGrid(labels, instances, grid_of(message.grid), pose, message.stamp_us)


def grid_of(message: GridMessage) -> GridSpec:
    """The grid of a message; InputError if it is none."""
    values: dict[str, Sequence[Any]] = values_of(message, GridSpec)
    return GridSpec(**values)  # type: ignore[arg-type]
