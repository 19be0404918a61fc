"""The interfaces of all plug-ins: sources, engines and sinks.

A plug-in names its class in the entry point `uniscene_sim.<slot>`; the class attribute `name` equals the name of that
entry point. Sources and sinks are constructed by `open`, camera and LiDAR engines without arguments, occupancy and
window engines with the `StaticMap` and the seed. Engines that declare a frozen dataclass `Options` get an instance as
`options`, see `uniscene_sim.engine_support.options`. `uniscene-sim check NAME` tests these rules:

Sources

- Layouts come every 10 ms, the last one at the end of the step, and follow `uniscene_sim.layout`.
- The same controls give the same layouts: after a reset, in a new source and in a new process; unless it is `live`. A
  returned layout does not change later.
- Unless `open_loop`, controls move the ego.

Engines take a batch of worlds and explicit state, one item for each world and None at its beginning. So one call serves
one environment or many, and a world may be reset while the others continue.

- Records have the dtypes, shapes, units and ranges given in `uniscene_sim.frames` and `tile`: one for each spec in each
  world, with the layout's stamp.
- The same inputs give the same bytes, also in a new engine and in a new process.
- Views are read, never written to.
- Engines that are slow or need several frames at once declare `chunk` and `latency_ticks`; see below.
- A world's frames do not depend on the other worlds of the batch, nor on their order. Frames of an `independent` engine
  do not depend on the other specs either.
- The layout has an effect: a vehicle added in front of the ego changes the frame.
- A tile does not depend on the order of calls; neighbours share the ground samples of their common edge.
- A sensor engine that cannot trace an occupancy window declares `traces_windows = False`.

Chunks and latency

A camera engine with `chunk` C is called once for up to C ticks. The frames of a tick are delivered `latency_ticks` L
later.

- `step` is called with the states of W worlds and `views` of W times c moments, 1 <= c <= C: those of the first world,
  oldest first, then those of the next. It returns W states and W times c outputs in the order of the views, each with
  the stamp of its view. With C = 1 there is one view for each world.
- c is less than C for the first moment of an episode, which is computed alone and delivered at once; before a tick in
  which other sensors are due; and at the end of a run.
- L is at least C - 1, since the first moment of a chunk waits for the last. The simulator delivers each frame L ticks
  after its stamp, at most one of each sensor in a tick. There are no frames in the ticks between the first frame and
  the next.
- At the end of a run, `Simulator.flush` returns what has not been delivered.
- States are values: they are kept, copied and pickled together with pending frames, and a world may continue from any
  of them. None is that of an engine that keeps none. A recording keeps states of named arrays, others where the engine
  says how, see `uniscene_sim.engine_support.kept_state`; else a replay cannot begin in the middle.

The same holds for window engines, and for other sensor engines that declare the two attributes.

Sinks

- The files that `close` returns lie in the folder that `open` got; frames are read, never written to.
- A sink that is left without `close` leaves no files behind, unless it `streams`: it writes where it is told while the
  run goes on, and keeps what it has.
- A sink with a method `watch` is given the run's simulator, to be read, before the first frame.

All raise `InputError` for unsupported input (a file, a lens, a folder), and work as before after it.
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
    "SinkMaker",
    "StageTimes",
    "TileStats",
    "WindowEngine",
    "WorldView",
]


class LayoutSource(Protocol):
    """The simulated or recorded world: controls in, layouts out.

    Attributes:
        open_loop: whether the ego ignores controls (a recording).
        schemes, suffixes: what it opens: ("carla",) for carla://HOST:PORT, (".mcap",) for files, "/" for folders. Both
            are optional; without them the source is chosen by `--source NAME`.
        solid: set by the simulator; which points (N, 3), m, lie inside generated voxels, as bool (N,).
        step_us: optional; what steps are multiples of, if not 10 ms.
        live: optional; True for a world that goes on by itself, such as a server's. It need not repeat, and is opened
            once: episodes follow each other by `reset`. Its method `close`, if it has one, leaves that world.
    """

    name: str
    open_loop: bool
    solid: Callable[[np.ndarray], np.ndarray] | None

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> Self:
        """Open a name, a file or an address; `seed` replaces the seed given there.

        Raises:
            InputError: it does not exist or is malformed.
        """
        ...

    @property
    def title(self) -> str:
        """Human-readable name of the run."""
        ...

    @property
    def seed(self) -> int: ...

    @property
    def map(self) -> StaticMap: ...

    @property
    def duration_s(self) -> float:
        """Maximum length of the run."""
        ...

    @property
    def route_path(self) -> np.ndarray:
        """Expected path of the ego (R, 3), m; tiles along it are made before the run."""
        ...

    @property
    def done(self) -> bool: ...

    @property
    def outcome(self) -> Outcome:
        """Status and criteria so far."""
        ...

    def reset(self) -> LayoutFrame:
        """Return to the start and give the first layout."""
        ...

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """Advance by `dt_us`: layouts every 10 ms, the last one at the end.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        ...

    def driver_control(self) -> Control | Trajectory:
        """The control of the built-in driver."""
        ...


class Atlas(Protocol):
    """The tiles around an ego, packed for tracing: a `tracing.atlas.TileAtlas`."""

    @property
    def store(self) -> TileSource:
        """Where the tiles come from."""
        ...

    @property
    def arrays(self) -> Any:
        """Arrays for kernels: `tracing.atlas.AtlasArrays`, valid until the tiles change."""
        ...

    @property
    def layout_arrays(self) -> Any:
        """The same without an occupancy window: the tiles of the layout, though no ray may be traced through them."""
        ...


@dataclass(frozen=True)
class WorldView:
    """One world as sensor engines receive it: the current layout, earlier ones (a sweep takes time), and the tiles.

    If sensors trace an occupancy window, rays through `atlas` hit the window's voxels inside its box, and `frame` and
    `history` hold only the agents outside it. Agents inside are voxels, at rest where they were at the window's stamp.
    """

    frame: LayoutFrame
    history: Sequence[LayoutFrame]  # earlier layouts at the physics rate, oldest first; may be empty
    atlas: Atlas  # tiles in sensor range, packed for tracing
    window: OccupancyGrid | None = None  # the occupancy window that sensors trace


class OccupancyEngine(Protocol):
    """Layout to occupancy: a tile is a function of the static map, the seed and its index alone.

    `tile` is called from one thread at a time, though not always the same one. `cache_key` identifies what else the
    content depends on: code, weights, settings. Tiles of an engine whose key is None are not kept on disk.
    """

    name: str

    @property
    def cache_key(self) -> str | None: ...

    def tile(self, ix: int, iy: int) -> Tile: ...


class WindowEngine(Protocol):
    """Layout to an occupancy grid around the ego each tick, agents included; may keep state between ticks.

    Constructed with the `StaticMap` and the seed, like the `OccupancyEngine` that makes the tiles outside the window.
    """

    name: str
    chunk: int  # moments in one call at most
    latency_ticks: int  # at least chunk - 1

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], grid: GridSpec
    ) -> tuple[Sequence[Any], list[OccupancyGrid]]:
        """Labels and instances around each ego, agents included.

        Args:
            state: of each of W worlds, None at its beginning.
            views: up to `chunk` moments of each world; their atlas holds the tiles of the static world.
            grid: the requested voxels, in base_link turned by the ego's yaw; z is height above ground, m.

        Returns:
            W new states, and a grid for each view.

        Raises:
            InputError: the engine does not support the grid.
        """
        ...


class CameraEngine(Protocol):
    """Images of all cameras that are due. The module's docstring explains `chunk` and `latency_ticks`."""

    name: str
    coupling: Literal["independent", "joint"]
    chunk: int  # moments in one call at most
    latency_ticks: int  # at least chunk - 1

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Sequence[Any], list[dict[str, CameraFrame]]]:
        """Render images.

        Args:
            state: of each of W worlds, None at its beginning.
            views: up to `chunk` moments of each world.
            specs: cameras that are due.

        Returns:
            W new states, and for each view its images by the camera's name.
        """
        ...


class LidarEngine(Protocol):
    """Sweeps of all LiDARs that are due."""

    name: str
    coupling: Literal["independent", "joint"]

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Sequence[Any], list[dict[str, LidarSweep]]]:
        """Simulate sweeps; arguments and result as for `CameraEngine.step`."""
        ...


@dataclass(frozen=True)
class RunFacts:
    """What a sink gets at the start of a run."""

    title: str
    seed: int
    rig: SensorRig
    engines: dict[str, str]  # name by slot
    tick_us: int
    preview: bool = True  # whether pictures are wanted
    static_map: StaticMap | None = None
    trace: str = "tiles"  # what rays are traced through
    drawn: Mapping[str, float | str] = field(default_factory=dict)  # by the seed, for parameters of the scenario


@dataclass(frozen=True)
class StageTimes(Mapping[str, float]):
    """Durations of the stages of a tick, ms; `uniscene_sim.simulator` lists the stages."""

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
    """Where the tiles of a run came from, and how long ticks waited for them."""

    made: int = 0
    from_cache: int = 0
    stalled_ticks: int = 0  # after the first frame
    worst_stall_ms: float = 0.0  # the longest `tiles` stage of those


class SinkMaker(Protocol):
    """What opens a sink: its class, or an object that adds options to it. One with a true attribute `streams` gets the
    run's own folder, others one whose files appear in it together at the end."""

    name: str

    def open(self, out: Path, facts: RunFacts) -> FrameSink: ...


class FrameSink(Protocol):
    """Receives frames in order. A context manager: if it is left without `close`, no files remain.

    It writes into a folder of its own: `run` moves what lies there to the folder that the user named once all sinks are
    closed, so that the outputs of a run appear together or not at all. If a sink has an attribute `files`, the names of
    the files that it writes, what stands in their way is told before the run.
    """

    name: str

    @classmethod
    def open(cls, out: Path, facts: RunFacts) -> Self:
        """A sink that writes into the folder `out`, which is created if it is missing; see above.

        Raises:
            InputError: the folder cannot be written.
        """
        ...

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        """Receive the frame of a tick and the durations of its stages."""
        ...

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """Finish at the end of the run; returns the files written."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
