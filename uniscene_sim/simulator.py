"""The tick.

| stage       | in                      | out                      | paid for                         |
|-------------|-------------------------|--------------------------|----------------------------------|
| world       | control                 | layout frames, one/10 ms | always                           |
| tiles       | ego position            | tiles packed for tracing | only when the ego nears new ones |
| occupancy   | layout, tiles           | window around the ego    | on request, and where traced     |
| camera      | layout, tiles or window | images                   | cameras whose period has come    |
| lidar       | the same, and history   | sweeps                   | LiDARs whose period has come     |
| bev         | layout, map             | multi-hot raster         | on request                       |
| annotations | layouts, images, sweeps | flow, boxes, lanes       | on request                       |
| digest      | sensors                 | SHA-256 for each         | sensors present, on request      |

Any other kind of sensor is a stage like `camera`, named by the slot of its specs. What engines with latency make of a
tick is delivered some ticks later, see `uniscene_sim.engines.delivery`.

Many worlds with the same rig and engines are moved on one by one and then sensed at once: `sense`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.engines.delivery import Made, Moment, Pending, Queue, delivered, finished, ready
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame, digest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import LayoutSource, StageTimes, TileStats, WorldView
from uniscene_sim.layout import PHYSICS_US, LayoutFrame
from uniscene_sim.maps.raster import rasterise
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.rig import SensorRig
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas
from uniscene_sim.tracing.window import WindowAtlas, no_tiles, outside, window_arrays

__all__ = ["TRACED", "LayoutHistory", "Simulator", "Traced", "prefetch_range_m", "sense"]

Source = TypeVar("Source", bound=LayoutSource)
#: Tiles are kept this far beyond the farthest sensor, so that a tick seldom needs a new one.
_MARGIN_M = 8.0
#: So far ahead of the ego, in seconds at its present speed, tiles are fetched in the background.
_AHEAD_S = 5.0
#: What rays of sensors go through: tiles and posed agents; the voxels of the occupancy window alone, nothing beyond it;
#: or the window within its box, tiles and agents beyond.
Traced = Literal["tiles", "window", "window+tiles"]
TRACED: tuple[Traced, ...] = ("tiles", "window", "window+tiles")
_WINDOW, _TRACED = "window", "traced"


class LayoutHistory(Sequence[LayoutFrame]):
    """Earlier layouts, oldest first. Those that a source makes when asked for are made when somebody reads them."""

    def __init__(self, places: tuple[tuple[Sequence[LayoutFrame], int], ...] = ()):
        self._places = places

    def then(self, frames: Sequence[LayoutFrame], most: int) -> LayoutHistory:
        """With what came next, `most` of the latest altogether."""
        return LayoutHistory((*self._places, *((frames, k) for k in range(len(frames))))[-most:])

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, k: int) -> LayoutFrame: ...

    @overload
    def __getitem__(self, k: slice) -> LayoutHistory: ...

    def __getitem__(self, k: int | slice) -> LayoutFrame | LayoutHistory:
        if isinstance(k, slice):
            return LayoutHistory(self._places[k])
        frames, at = self._places[k]
        return frames[at]


class Simulator(Generic[Source]):
    """Runs a source through the engines, one tick after the other.

    Args:
        source: what knows the world.
        rig: sensors; each fires at the ticks that its period and phase name.
        store: tiles of the source's map.
        engines: by slot; one of windows, and one for each kind of sensor in the rig.
        trace: what rays of sensors go through. A window that comes late is traced where and as it was made.
        request: what ticks make where they are not told otherwise. Flow of points needs earlier layouts, which are
            kept where the rig has LiDARs or this request has annotations.
        packed: tiles of the store packed for tracing, where other simulators share them.
        tick_us: length of a tick, None for what the periods and phases of the sensors have in common.

    Raises:
        InputError: an unknown kind of annotation or `trace`, or an engine whose latency its chunk does not fit into.
    """

    def __init__(
        self,
        source: Source,
        rig: SensorRig,
        store: TileStore,
        engines: Mapping[str, Any],
        *,
        trace: Traced = "tiles",
        request: FrameRequest = FrameRequest(),  # noqa: B008 - frozen
        packed: PackedTiles | None = None,
        tick_us: int | None = None,
    ):
        if trace not in TRACED:
            raise InputError(f"expected one of {', '.join(TRACED)}, got {trace!r}", field="trace")
        for slot, engine in engines.items():
            if _latency(engine) < _chunk(engine) - 1:
                why = f"chunk {_chunk(engine)} needs a latency of {_chunk(engine) - 1} ticks, has {_latency(engine)}"
                raise InputError(f"{slot} engine {engine.name!r}: {why}", field=slot)
        self.rig, self.engines, self.store, self.trace = rig, dict(engines), store, trace
        self.atlas = TileAtlas(packed or store)
        self.request = request
        sensors = rig.sensors
        self.specs = {slot: rig.of(slot) for slot in dict.fromkeys(spec.slot for spec in sensors)}
        common = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self.tick_us = tick_us or common
        self._latency_us = {slot: _latency(engine) * self.tick_us for slot, engine in engines.items()}
        longest_us = max((s.period_us for s in sensors), default=0)
        self._kept = longest_us // PHYSICS_US + 2 if rig.lidars or request.annotations else 1
        self.source = source
        self._annotators: dict[frozenset[str], Annotator] = {}
        self._annotator(request.annotations)  # an unknown kind is refused now
        #: What engines remember and what is under way between them and the world, before this tick and after it: so
        #: a tick may be sensed again, with another request.
        self.memory: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._moments = LayoutHistory()
        self._stages_ms: dict[str, float] = {}
        #: Layouts of the last tick, one each 10 ms, the last one now.
        self.tick_layouts: Sequence[LayoutFrame] = ()
        self._stalled, self._worst_ms = 0, 0.0

    @property
    def range_m(self) -> float:
        """Tiles this far around the ego are at hand, m."""
        return self.rig.max_range_m + _MARGIN_M

    def prepare(self, path: np.ndarray, progress: bool = False) -> None:
        """Fetch the tiles in sensor range of a path (R, 3) before the run; where memory cannot hold them all, those at
        its beginning stay."""
        self.store.prefetch(tiles_along(path[::-1], prefetch_range_m(self.rig)), progress=progress)
        self.atlas.reserve(self.range_m, [self.store.largest])

    @property
    def tiles(self) -> TileStats:
        """Tiles made and read so far, and what waiting for them cost."""
        return TileStats(self.store.made, self.store.from_cache, self._stalled, round(self._worst_ms, 3))

    @property
    def stages_ms(self) -> StageTimes:
        """What the stages of this tick took so far."""
        return StageTimes(dict(self._stages_ms))

    @property
    def moments(self) -> Sequence[LayoutFrame]:
        """Now, the last, and as much of what was before as sensors need."""
        return self._moments

    def reset(self, request: FrameRequest | None = None) -> SensorFrame:
        """Start the scenario; its first frame, of what is asked for: the simulator's default request where None."""
        self.begin()
        return sense([self], request)[0]

    def step(self, control: Control | Trajectory | None = None, request: FrameRequest | None = None) -> SensorFrame:
        """One tick under a control; None lets the built-in driver drive.

        Args:
            control: front-wheel angle and acceleration, or points to drive through.
            request: what the frame is to hold, None for the simulator's default.

        Raises:
            InputError: the control is NaN or out of range.
        """
        waits = self.store.waits
        self.advance(control)
        frame = sense([self], request)[0]
        self._stalled += self.store.waits > waits
        self._worst_ms = max(self._worst_ms, self._stages_ms.get("tiles", 0.0))
        return frame

    def begin(self, source: Source | None = None) -> None:
        """Start the scenario, that of another source on the same map where one is given; nothing is sensed."""
        self.source = source or self.source
        self.source.solid = self.store.solid
        self._stages_ms = {}
        with self.stage("world"):
            self.tick_layouts = [self.source.reset()]
            self.resume(self.tick_layouts, {})

    def advance(self, control: Control | Trajectory | None = None) -> None:
        """Move the world on by one tick; nothing is sensed."""
        self._stages_ms = {}
        self.memory = dict(self._after)
        with self.stage("world"):
            self.tick_layouts = self.source.step(
                self.source.driver_control() if control is None else control, self.tick_us
            )
            self._moments = self._moments.then(self.tick_layouts, self._kept)

    def resume(self, moments: Sequence[LayoutFrame], memory: Mapping[str, Any]) -> None:
        """Go on from these moments, the last of which is the source's now, and with what `memory` was then."""
        self._moments, self.memory = LayoutHistory().then(moments, len(moments)), dict(memory)
        self._after = dict(memory)

    def flush(self, request: FrameRequest | None = None) -> Iterator[SensorFrame]:
        """What is still under way when a run is over, as frames: one for each tick in which something would have come.

        Each holds the last layout, since the world stands still, and late records alone, with their own stamps.
        """
        now = self._moments[-1]
        wanted = replace(request or self.request, bev_schema=None)
        for slot in self.engines:
            queue = self._after.get(slot, Queue())
            if queue.pending.moments:
                with self.stage(_stage(slot)):
                    [self._after[slot]] = _call(slot, [(self, replace(queue, pending=Pending()), queue.pending)])
        while dues := [q.made[0].due_us for q in self._after.values() if isinstance(q, Queue) and q.made]:
            yield self._frame(now, {slot: self._deliver(slot, min(dues)) for slot in self.engines}, wanted)
            self._stages_ms = {}

    def current_view(self) -> WorldView:
        """What sensors are given now, with tiles at hand."""
        frame = self._moments[-1]
        if self.rig.sensors:
            with self.stage("tiles"):
                self.atlas.update(frame.ego_pose.x, frame.ego_pose.y, self.range_m)
                self.store.ahead(tiles_along(self._way_ahead(frame), self.range_m), self)
        return WorldView(frame, self._moments[:-1], self.atlas)

    def view_of(self, moment: Moment, atlas: TileAtlas | None = None) -> WorldView:
        """A moment as sensors are given it, through what they trace.

        Args:
            moment: of this world.
            atlas: tiles around the ego then; packed anew where they are not at hand.
        """
        layout, window = moment.layout, moment.window
        if atlas is None:
            atlas = TileAtlas(self.atlas.tiles)
            atlas.update(layout.ego_pose.x, layout.ego_pose.y, self.range_m)
        if window is None:
            return WorldView(layout, moment.history, atlas)
        grid = window.records[_WINDOW]
        arrays = window_arrays(grid, window.layout.ego_pose)
        if self.trace == "window":
            alone = replace(layout, agents=layout.agents[:0])
            return WorldView(alone, moment.history, WindowAtlas(arrays, no_tiles()), grid)
        return WorldView(outside(layout, arrays), moment.history, WindowAtlas(arrays, atlas), grid)

    def _deliver(self, slot: str, now_us: int) -> list[Made]:
        """What an engine's queue holds for now."""
        self._after[slot], made = delivered(self._after.get(slot, Queue()), now_us)
        return made

    def _frame(self, layout: LayoutFrame, made: Mapping[str, Sequence[Made]], request: FrameRequest) -> SensorFrame:
        """All of a tick: what was delivered by slot, and what else is asked for.

        Args:
            layout: of now.
            made: by slot.
            request: what the frame is to hold.
        """
        bev, annotations = None, None
        windows = [m.records[_WINDOW] for m in made.get(_WINDOW, ())]
        occupancy = windows[-1] if windows and request.window_grid is not None else None
        came = [m for slot, some in made.items() if slot != _WINDOW for m in some]
        records = {name: record for m in came for name, record in m.records.items()}
        if request.bev_schema is not None:
            with self.stage("bev"):
                at = layout.ego_pose
                pose, schema, agents = (at.x, at.y, at.yaw), request.bev_schema, layout.agents
                bev = rasterise(self.source.map, pose, (200, 200), 0.4, at.z, schema, agents)
        frame = SensorFrame.of(layout, records, occupancy=occupancy, bev=bev)
        if annotator := self._annotator(request.annotations):
            with self.stage("annotations"):
                layouts = {name: m.layout for m in came for name in m.records}
                view = WorldView(layout, self._moments[:-1], self.atlas)
                annotations = annotator.annotate(view, frame.cameras, frame.sweeps, layouts)
        digests = {}
        if request.digests:
            with self.stage("digest"):
                digests = {name: digest(record) for name, record in records.items()}
        return replace(frame, digests=digests, annotations=annotations)

    def _annotator(self, kinds: frozenset[str]) -> Annotator | None:
        if kinds and kinds not in self._annotators:
            self._annotators[kinds] = Annotator(self.rig, self.source.map, sorted(kinds))
        return self._annotators.get(kinds)

    def _way_ahead(self, frame: LayoutFrame) -> np.ndarray:
        """Where the ego will be (N, 2) if it keeps its speed and heading, m."""
        seconds = np.arange(1.0, _AHEAD_S + 1.0)[:, None]
        places: np.ndarray = np.array([frame.ego_pose.x, frame.ego_pose.y]) + seconds * frame.ego_velocity[:2]
        return places

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._stages_ms[name] = self._stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def sense(worlds: Sequence[Simulator[Any]], request: FrameRequest | None = None) -> list[SensorFrame]:
    """Frames of now of worlds with one rig and the same engines, in one call of each engine for all.

    Args:
        worlds: which.
        request: what the frames are to hold, None for the default of each world.
    """
    requests = [request or world.request for world in worlds]
    views = [world.current_view() for world in worlds]
    for world in worlds:
        world._after = dict(world.memory)
    made: list[dict[str, list[Made]]] = [{} for _ in worlds]
    grids = [_grid(world, request) for world, request in zip(worlds, requests, strict=True)]
    _sense(worlds, views, made, _WINDOW, [() if grid is None else (grid,) for grid in grids])
    for slot in worlds[0].specs:
        due = [_due(w, slot, v, r) for w, v, r in zip(worlds, views, requests, strict=True)]
        _sense(worlds, views, made, slot, due)
    return [w._frame(v.frame, m, r) for w, v, m, r in zip(worlds, views, made, requests, strict=True)]


def _grid(world: Simulator[Any], request: FrameRequest) -> GridSpec | None:
    """The window that is asked for or traced."""
    return request.window_grid or (None if world.trace == "tiles" else DEFAULT_GRID)


def _due(world: Simulator[Any], slot: str, view: WorldView, request: FrameRequest) -> tuple[Any, ...]:
    """Specs of the sensors that are due now and asked for."""
    every, now = world.engines[slot].coupling == "joint", view.frame.stamp_us
    return tuple(
        spec
        for spec in world.specs[slot]
        if (now - spec.phase_us) % spec.period_us == 0 and (every or request.wants(spec.name))
    )


def _sense(
    worlds: Sequence[Simulator[Any]],
    views: Sequence[WorldView],
    made: Sequence[dict[str, list[Made]]],
    slot: str,
    due: Sequence[tuple[Any, ...]],
) -> None:
    """Call the engines of a slot for the worlds that need it now, and write what is delivered of them.

    Args:
        worlds, views: with one view for each world, of tiles.
        made: by slot for each world, written.
        slot: of the engine.
        due: specs that are due, for each world.
    """
    calls: dict[tuple[Any, ...], list[tuple[Simulator[Any], Queue, Pending]]] = {}
    for world, view, specs in zip(worlds, views, due, strict=True):
        traced = world._after.get(_TRACED) if slot != _WINDOW and world.trace != "tiles" else None
        moment, latency_us = Moment(view.frame, view.history, traced), world._latency_us[slot]
        queue, pending = ready(world._after.get(slot, Queue()), moment, specs, _chunk(world.engines[slot]), latency_us)
        world._after[slot] = queue
        if pending.moments:
            names = tuple(getattr(spec, "name", spec) for spec in pending.specs)
            key = id(world.engines[slot]), len(pending.moments), names
            calls.setdefault(key, []).append((world, queue, pending))
    for together in calls.values():
        with together[0][0].stage(_stage(slot)):
            queues = _call(slot, together)
        for (world, _, _), queue in zip(together, queues, strict=True):
            world._after[slot] = queue
    for world, view, of_world in zip(worlds, views, made, strict=True):
        of_world[slot] = world._deliver(slot, view.frame.stamp_us)
        if slot == _WINDOW and of_world[slot]:
            world._after[_TRACED] = of_world[slot][-1]


def _call(slot: str, calls: Sequence[tuple[Simulator[Any], Queue, Pending]]) -> list[Queue]:
    """One call of an engine for worlds that share it, with as many moments each and the same sensors; the queues then.

    Args:
        slot: of windows or of a kind of sensor.
        calls: each world, its queue and the moments that the call serves.
    """
    engine = calls[0][0].engines[slot]
    now = [world._moments[-1].stamp_us for world, _, _ in calls]
    views = [
        world.view_of(moment, world.atlas if moment.layout.stamp_us == stamp_us else None)
        for stamp_us, (world, _, pending) in zip(now, calls, strict=True)
        for moment in pending.moments
    ]
    states, specs, each = [queue.state for _, queue, _ in calls], calls[0][2].specs, len(calls[0][2].moments)
    if slot == _WINDOW:
        after, grids = engine.step(states, views, specs[0])
        records = [{_WINDOW: grid} for grid in grids]
    else:
        after, records = engine.step(states, views, list(specs))
    return [
        finished(queue, pending, state, records[k * each : (k + 1) * each], world._latency_us[slot])
        for k, ((world, queue, pending), state) in enumerate(zip(calls, after, strict=True))
    ]


def _stage(slot: str) -> str:
    return "occupancy" if slot == _WINDOW else slot


def _chunk(engine: Any) -> int:
    return getattr(engine, "chunk", 1)


def _latency(engine: Any) -> int:
    return getattr(engine, "latency_ticks", 0)


def prefetch_range_m(rig: SensorRig) -> float:
    """Tiles this far around a route are fetched before a run: some for an ego that drives beside it, too."""
    return rig.max_range_m + 2 * _MARGIN_M
