"""The interfaces of all that another house may write: sources, generators and sinks.

Each names its class under the entry point `uniscene_sim.<slot>`, with `name` the name of that entry point. Sources and
sinks are made by `open`, cameras and LiDARs without arguments, occupancy and windows with the `StaticMap` and the seed;
engines that declare `Options`, a frozen dataclass, are given theirs as `options`, see `uniscene_sim.engines.options`.
`uniscene-sim check NAME` runs it through these rules:

Sources

- Layouts come every 10 ms, the last one at the end of the step, and are what `uniscene_sim.layout` says.
- The same controls give the same layouts: after a reset, in a fresh source and in a new process; what has been handed
  out is not changed later.
- Unless `open_loop`, controls move the ego.

Generators take a batch of worlds and explicit state, one item for each world and None at its beginning, so one call
serves one env or many, and a world may begin anew while others go on.

- Records have the dtypes, shapes, units and ranges that `uniscene_sim.frames` and `tile` give, one for
  each spec in each world, stamped with the layout's stamp.
- The same inputs give the same bytes: in a fresh engine and in a new process.
- Views are read, never written.
- Engines that are slow or need several frames at once declare `chunk` and `latency_ticks`; see below.
- A world's frames do not depend on the other worlds of the batch, nor on their order; those of an `independent`
  engine do not depend on the other specs either.
- What the layout says is seen: a vehicle set before the ego changes the frame.
- A tile does not hang on the order of calls; neighbours share the ground samples of their edge.

Chunks and latency

A camera engine with `chunk` C is called once for up to C ticks, and its frames of a tick come `latency_ticks` L later.

- `step` is called with states of W worlds and `views` of W times c moments, 1 <= c <= C: first those of the first
  world, oldest first, then those of the next. It gives W states and W times c outputs, in the order of the views, each
  stamped as its own view. So with C = 1 there is one view for each world.
- c is less than C at the beginning of an episode, where the first moment is made alone and delivered at once; where
  other sensors are due than before; and at the end of a run.
- L is at least C - 1: the first moment of a chunk waits for the last. The simulator delivers each frame in the tick
  that is L ticks after its stamp, one a sensor in each tick; between the first frame and the next there is none.
- When the run is over, `Simulator.flush` gives what is still under way.
- States are values: they are kept, copied and pickled with what is under way, and a world may go on from any of them.

The same holds for windows, and for any other engine of sensors that declares the two.

Sinks

- What `close` names lies in the folder that `open` was given; frames are read, never written.
- Left without `close`, a sink leaves nothing behind.

All raise `InputError` for what they cannot do (a file, a lens, a folder), and go on as before after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.frames import CameraFrame, LidarSweep, OccupancyGrid, SensorFrame
from uniscene_sim.grid import GridSpec
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.tile import Tile, TileSource

__all__ = [
    "Atlas",
    "CameraEngine",
    "FrameSink",
    "LayoutSource",
    "LidarEngine",
    "OccupancyEngine",
    "RunFacts",
    "StageTimes",
    "TileStats",
    "WindowEngine",
    "WorldView",
]


class LayoutSource(Protocol):
    """What knows the world: controls in, layouts out.

    Attributes:
        open_loop: the ego moves as it did, whatever the control (a recording).
        schemes, suffixes: what it opens, as ("carla",) of carla://HOST:PORT and (".mcap",) of files, "/" of folders;
            both are optional. Without them it opens what `--source NAME` is given.
        solid: set by the simulator; tells which points (N, 3) lie in generated voxels.
    """

    name: str
    open_loop: bool
    solid: Callable[[np.ndarray], np.ndarray] | None

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> Self:
        """The source of what `run` was asked to run: a name, a file, an address. `seed` replaces its own.

        Raises:
            InputError: there is no such thing, or it is malformed.
        """
        ...

    @property
    def title(self) -> str:
        """What runs, for people."""
        ...

    @property
    def seed(self) -> int: ...

    @property
    def map(self) -> StaticMap: ...

    @property
    def duration_s(self) -> float:
        """Length of the run at most."""
        ...

    @property
    def route_path(self) -> np.ndarray:
        """Where the ego is expected to drive (R, 3), m; tiles along it are made before the run."""
        ...

    @property
    def done(self) -> bool: ...

    @property
    def outcome(self) -> Outcome:
        """How the run stands."""
        ...

    def reset(self) -> LayoutFrame:
        """Begin anew."""
        ...

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """Layouts of each 10 ms up to `dt_us` from now, the last one then.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        ...

    def driver_control(self) -> Control | Trajectory:
        """What the built-in driver does now."""
        ...


class Atlas(Protocol):
    """The tiles around an ego, packed for tracing: a `tracing.atlas.TileAtlas`."""

    @property
    def store(self) -> TileSource:
        """Where the tiles come from."""
        ...

    @property
    def arrays(self) -> Any:
        """What kernels take: `tracing.atlas.AtlasArrays`, valid until the tiles change."""
        ...


@dataclass(frozen=True)
class WorldView:
    """One world as sensors are given it: the moment, the one before it (a sweep spans the two), and the tiles around.

    Where sensors trace an occupancy window, rays through `atlas` hit its voxels within its box, and `frame` and
    `history` hold the agents beyond it alone: those within are voxels, at rest where they were at its stamp.
    """

    frame: LayoutFrame
    history: Sequence[LayoutFrame]  # earlier moments at the physics rate, oldest first; may be empty
    atlas: Atlas  # tiles in sensor range, packed for tracing
    window: OccupancyGrid | None = None  # the occupancy window that sensors trace


class OccupancyEngine(Protocol):
    """Layout to occupancy: a tile is a function of the static map, the seed and its index, and of nothing else.

    `tile` is called from one thread at a time, though not always the same. What `cache_key` says is what else the
    content hangs on: code, weights, settings. Tiles of an engine whose key is None are not kept on disk.
    """

    name: str

    @property
    def cache_key(self) -> str | None: ...

    def tile(self, ix: int, iy: int) -> Tile: ...


class WindowEngine(Protocol):
    """Layout to occupancy around the ego, moment by moment: what moves is in it, and it may remember what was.

    Made with the `StaticMap` and the seed, like an `OccupancyEngine`, which beside it makes the tiles beyond.
    """

    name: str
    chunk: int  # moments in one call at most
    latency_ticks: int  # at least chunk - 1

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], grid: GridSpec
    ) -> tuple[Sequence[Any], list[OccupancyGrid]]:
        """The window about each ego, labels and instances, agents included.

        Args:
            state: of each world, None at its beginning.
            views: moments, `chunk` at most of each world; their atlas holds tiles, as of the static world.
            grid: the voxels that are wanted, about base_link turned by the ego's yaw; z is height above ground.

        Raises:
            InputError: the engine makes no such grid.
        """
        ...


class CameraEngine(Protocol):
    """Images of a moment. See above for what `chunk` and `latency_ticks` mean."""

    name: str
    coupling: Literal["independent", "joint"]
    chunk: int  # moments in one call at most
    latency_ticks: int  # at least chunk - 1

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Sequence[Any], list[dict[str, CameraFrame]]]:
        """Images by the camera's name, of each view.

        Args:
            state: of each world, None at its beginning.
            views: moments, `chunk` at most of each world.
            specs: cameras that are due.
        """
        ...


class LidarEngine(Protocol):
    name: str
    coupling: Literal["independent", "joint"]

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Sequence[Any], list[dict[str, LidarSweep]]]: ...


@dataclass(frozen=True)
class RunFacts:
    """What a sink is told of a run."""

    title: str
    seed: int
    rig: SensorRig
    engines: dict[str, str]  # name by slot
    tick_us: int
    preview: bool = True  # whether pictures are wanted


@dataclass(frozen=True)
class StageTimes(Mapping[str, float]):
    """What the stages of a tick took, ms by stage; see `uniscene_sim.simulator` for which there are."""

    ms: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, stage: str) -> float:
        return self.ms[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ms)

    def __len__(self) -> int:
        return len(self.ms)

    @property
    def total_ms(self) -> float:
        return sum(self.ms.values())


@dataclass(frozen=True)
class TileStats:
    """Where the tiles of a run came from, and how long it waited for them."""

    made: int = 0
    from_cache: int = 0
    stalled_ticks: int = 0  # after the first frame
    worst_stall_ms: float = 0.0  # the longest `tiles` stage of those


class FrameSink(Protocol):
    """Takes frames, in order. A context manager: left without `close`, it leaves nothing behind."""

    name: str

    @classmethod
    def open(cls, out: Path, facts: RunFacts) -> Self:
        """A sink that writes into the folder `out`, made where it is missing.

        Raises:
            InputError: the folder cannot be written.
        """
        ...

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        """Take a tick's frame and how long its stages took."""
        ...

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """The run is over: finish what there is to finish; the files written."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
