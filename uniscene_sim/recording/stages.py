"""What a tick's sensors were made of, as digests: the layout, then the occupancy that their rays went through.

They are kept in a recording, so that a replay says at which stage it begins to differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from uniscene_sim.frames import digest
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.simulator import Simulator
from uniscene_sim.tile import Tile
from uniscene_sim.wire.uniscene.v1.state_pb2 import StageDigests

__all__ = ["STAGES", "StageWatch", "layout_digest"]

#: In the order in which one is made of the other.
STAGES = ("layout", "occupancy", "sensor")


class StageWatch:
    """The digests of a simulator's ticks. A tile is hashed once, when the sensors first reach it."""

    def __init__(self) -> None:
        self._world: tuple[int, str] | None = None
        self._tiles: dict[tuple[int, int], bytes] = {}

    def digests(self, simulator: Simulator[Any]) -> StageDigests:
        """Those of the current tick; none of the occupancy if it is on another machine."""
        layout = simulator.recent_layouts[-1]
        if not simulator.holds_occupancy:
            return StageDigests(stamp_us=layout.stamp_us, layout=layout_digest(layout))
        occupancy = hashlib.sha256()
        if simulator.trace != "window" and simulator.rig.sensors:
            occupancy.update(self._tiles_in_range(simulator, layout))
        if simulator.trace != "tiles" and (traced := simulator.after.get("traced")) is not None:
            occupancy.update(digest(traced.records["window"]).encode())
        return StageDigests(
            stamp_us=layout.stamp_us, layout=layout_digest(layout), occupancy=occupancy.hexdigest()
        )  # fmt: skip

    def _tiles_in_range(self, simulator: Simulator[Any], layout: LayoutFrame) -> bytes:
        """The digests of all tiles in range, by place alone: what else is loaded hangs on where the ego came from."""
        world = id(simulator.store), layout.map_ref
        known = self._tiles if world == self._world else {}
        at, store = layout.ego_pose, simulator.store
        shown = store.around(at.x, at.y, simulator.rig.max_range_m)
        self._world, self._tiles = world, {i: known.get(i) or _tile_digest(store.get(*i)) for i in shown}
        return b"".join(repr(index).encode() + sha for index, sha in sorted(self._tiles.items()))


def _tile_digest(tile: Tile) -> bytes:
    sha = hashlib.sha256()
    for name, value in vars(tile).items():
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(value).data if isinstance(value, np.ndarray) else repr(value).encode())
    return sha.digest()


def layout_digest(layout: LayoutFrame) -> str:
    """SHA-256 of all that is said of a moment. What is as by default is passed over, and so are fields that a later
    version adds and an old recording lacks."""
    sha = hashlib.sha256()
    for name, value in _said(layout):
        sha.update(f"{name}={value}".encode() if isinstance(value, str) else name.encode() + value)
    return sha.hexdigest()


def _said(noun: Any, prefix: str = "") -> Iterator[tuple[str, str | bytes]]:
    for field in fields(noun):
        name, value = f"{prefix}{field.name}", getattr(noun, field.name)
        if isinstance(value, np.ndarray):
            columns = {column: value[column] for column in value.dtype.names or ()} or {"": value}
            yield from ((f"{name}.{column}", _numbers(array)) for column, array in columns.items())
        elif is_dataclass(value):
            yield from _said(value, f"{name}.")
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            for k, one in enumerate(value):
                yield f"{name}.{k}", type(one).__name__
                yield from _said(one, f"{name}.{k}.")
        elif value != field.default:
            yield name, repr(_plain(value))


def _plain(value: Any) -> Any:
    """A value as it is after a way through a file: numbers are floats there, whatever they were written as."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value if value is None or isinstance(value, str) else float(value)


def _numbers(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, float if array.dtype.kind == "f" else array.dtype).tobytes()
