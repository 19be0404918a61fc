"""The interfaces of generators: what turns one representation into the next.

Every engine takes a batch of worlds and explicit state, so one call serves one env or many. An engine of another
house names its class under the entry point `uniscene_sim.<slot>`, with `name` the name of that entry point; cameras
and LiDARs are made without arguments, occupancy with the `StaticMap` and the seed. `uniscene-sim check NAME` runs it
through these rules:

- Records have the dtypes, shapes, units and ranges that `uniscene_sim.frames` and `occupancy.tiles` give, one for
  each spec in each world, stamped with the layout's stamp.
- The same inputs give the same bytes: in a fresh engine and in a new process.
- Views are read, never written.
- A world's frames do not depend on the other worlds of the batch, nor on their order; those of an `independent`
  engine do not depend on the other specs either.
- What the layout says is seen: a vehicle set before the ego changes the frame.
- A tile does not hang on the order of calls; neighbours share the ground samples of their edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from uniscene_sim.frames import CameraFrame, LidarSweep
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.occupancy.tiles import Tile
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.tracing.atlas import TileAtlas

__all__ = ["CameraEngine", "LidarEngine", "OccupancyEngine", "WorldView"]


@dataclass(frozen=True)
class WorldView:
    """One world as sensors see it: the moment, the one before it (a sweep spans the two), and the tiles around."""

    frame: LayoutFrame
    history: tuple[LayoutFrame, ...]  # earlier moments at the physics rate, oldest first; may be empty
    atlas: TileAtlas  # tiles in sensor range, packed for tracing


class OccupancyEngine(Protocol):
    """Layout to occupancy: a tile is a function of the static map, the seed and its index, and of nothing else.

    `tile` is called from one thread at a time, though not always the same. What `cache_key` says is what else the
    content hangs on: code, weights, settings. Tiles of an engine whose key is None are not kept on disk.
    """

    name: str

    @property
    def cache_key(self) -> str | None: ...

    def tile(self, ix: int, iy: int) -> Tile: ...


class CameraEngine(Protocol):
    name: str
    coupling: Literal["independent", "joint"]
    chunk: int  # frames made at once
    latency_ticks: int

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Any, list[dict[str, CameraFrame]]]: ...


class LidarEngine(Protocol):
    name: str
    coupling: Literal["independent", "joint"]

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]: ...
