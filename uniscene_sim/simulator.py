"""The tick.

| stage       | in                      | out                      | paid for                         |
|-------------|-------------------------|--------------------------|----------------------------------|
| world       | control                 | layout frames, one/10 ms | always                           |
| tiles       | ego position            | tiles packed for tracing | when the ego comes near new ones |
| occupancy   | layout, tiles           | window around the ego    | on request, and where traced     |
| camera      | layout, tiles or window | images                   | cameras that are due             |
| lidar       | the same, and history   | sweeps                   | LiDARs that are due              |
| bev         | layout, map             | multi-hot raster         | on request                       |
| annotations | layouts, images, sweeps | flow, boxes, lanes, ...  | on request                       |
| digest      | sensors                 | SHA-256 for each         | sensors present, on request      |

Any other kind of sensor is a stage like `camera`, named by the slot of its specs. The output of engines with latency is
delivered some ticks later, see `uniscene_sim.engine_support.late_frames`.

Many worlds with the same rig and engines are advanced one by one, then their sensors are simulated together: `sense`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.engine_support.late_frames import (
    Delivery,
    EngineQueue,
    Moment,
    PendingCall,
    add_results,
    chunk_of,
    latency_ticks_of,
    next_call,
    take_due,
)
from uniscene_sim.engine_support.source_steps import step_us_of
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame, digest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import LayoutSource, StageTimes, TileStats, WorldView
from uniscene_sim.layout import PHYSICS_US, Edit, LayoutFrame, LayoutHistory
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.rig import SensorRig
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas
from uniscene_sim.tracing.window import WindowAtlas, no_tiles, outside, window_arrays

__all__ = ["TRACE_MODES", "Simulator", "TraceMode", "prefetch_range_m", "sense"]

Source = TypeVar("Source", bound=LayoutSource)
#: Tiles are kept up to this distance beyond the range of the sensors, so that few ticks need a new one.
_MARGIN_M = 8.0
#: Tiles that the ego reaches within this time at its present speed are loaded in the background.
_AHEAD_S = 5.0
#: What sensor rays are traced through: tiles and posed agents; the voxels of the occupancy window, with nothing beyond;
#: or the window inside its box, tiles and agents outside it.
TraceMode = Literal["tiles", "window", "window+tiles"]
TRACE_MODES: tuple[TraceMode, ...] = ("tiles", "window", "window+tiles")
_WINDOW, _TRACED_WINDOW = "window", "traced"


class Simulator(Generic[Source]):
    """Runs a source and the engines, tick by tick.

    Args:
        source: the simulated or recorded world.
        rig: sensors; each fires at the ticks given by its period and phase.
        store: tiles of the source's map.
        engines: by slot: one for each kind of sensor in the rig, and `window` where windows are requested or traced.
        trace: what sensor rays are traced through. A late window is traced at the pose and time of its own stamp.
        request: the default content of a frame. Earlier layouts, which point flow needs, are kept if the rig has
            LiDARs or this request has annotations.
        packed: tiles of the store packed for tracing, if other simulators share them.
        tick_us: length of a tick; None for the greatest common divisor of all periods and phases.

    Raises:
        InputError: a tick in which the source cannot step; an unknown kind of annotation or `trace`; `trace` needs a
            window engine and there is none, or an engine traces no windows; or an engine's latency is too short for its
            chunk.
    """

    def __init__(
        self,
        source: Source,
        rig: SensorRig,
        store: TileStore,
        engines: Mapping[str, Any],
        *,
        trace: TraceMode = "tiles",
        request: FrameRequest = FrameRequest(),  # noqa: B008 - frozen
        packed: PackedTiles | None = None,
        tick_us: int | None = None,
    ):
        if trace not in TRACE_MODES:
            raise InputError(f"expected one of {', '.join(TRACE_MODES)}, got {trace!r}", field="trace")
        for slot, engine in engines.items():
            if latency_ticks_of(engine) < (wait := chunk_of(engine) - 1):
                why = f"chunk {wait + 1} needs a latency of {wait} ticks, has {latency_ticks_of(engine)}"
                raise InputError(f"{slot} engine {engine.name!r}: {why}", field=slot)
            if trace != "tiles" and not getattr(engine, "traces_windows", True):
                why = f"{slot} engine {engine.name!r} reads tiles and traces no occupancy window"
                raise InputError(f"{why}; expected tiles, got {trace!r}", field="trace")
        if trace != "tiles" and _WINDOW not in engines:
            raise InputError(f"{trace!r} needs a window engine, got none", field="trace")
        self.rig, self.engines, self.store, self.trace = rig, dict(engines), store, trace
        self.atlas = TileAtlas(store if packed is None else packed)  # an empty one is false
        #: The map as it is now: the source's, with the edits of the current layout.
        self.map: StaticMap = source.map
        self._unedited = self.store, self.atlas
        self._edits: tuple[Edit, ...] = ()
        self.request = request
        sensors = rig.sensors
        self.specs = {slot: rig.of(slot) for slot in dict.fromkeys(spec.slot for spec in sensors)}
        common = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self.tick_us = tick_us or common
        if self.tick_us % (step_us := step_us_of(source)):
            whole = f"a multiple of the {step_us:,} us in which the source {source.name!r} steps"
            raise InputError(f"expected {whole}, got {self.tick_us:,}", field="tick")
        self._latency_us = {slot: latency_ticks_of(engine) * self.tick_us for slot, engine in engines.items()}
        longest_us = max((s.period_us for s in sensors), default=0)
        self._kept = longest_us // PHYSICS_US + 2 if rig.lidars or request.annotations else 1
        self.source = source
        self._annotators: dict[frozenset[str], Annotator] = {}
        self._annotator(request.annotations)  # an unknown kind is refused here
        #: States and queues of the engines before this tick; `_after` holds those after it. So the sensors of a tick
        #: can be simulated again with another request.
        self.memory: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._recent = LayoutHistory()
        self._stages_ms: dict[str, float] = {}
        #: Layouts of the last tick, one every 10 ms, the current one last.
        self.tick_layouts: Sequence[LayoutFrame] = ()
        self._control: Control | Trajectory | None = None  # that of the last tick
        self._stalled, self._worst_ms = 0, 0.0

    @property
    def range_m(self) -> float:
        """Radius around the ego within which tiles are loaded, m."""
        return self.rig.max_range_m + _MARGIN_M

    def prepare(self, path: np.ndarray, progress: bool = False) -> None:
        """Make or load the tiles in sensor range of a path (R, 3), m, before the run. If memory cannot hold them all,
        those at its beginning are kept."""
        self.store.prefetch(tiles_along(path[::-1], prefetch_range_m(self.rig)), progress=progress)
        self.atlas.reserve(self.range_m, [self.store.largest])

    @property
    def tiles(self) -> TileStats:
        """Tiles made and read so far, and how long ticks waited for them."""
        stores = {self.store, self._unedited[0]}
        made, from_cache = sum(store.made for store in stores), sum(store.from_cache for store in stores)
        return TileStats(made, from_cache, self._stalled, round(self._worst_ms, 3))

    @property
    def stages_ms(self) -> StageTimes:
        """Durations of the stages of this tick so far."""
        return StageTimes(dict(self._stages_ms))

    @property
    def last_control(self) -> Control | Trajectory | None:
        """What moved the ego in the last tick; None before the first."""
        return self._control

    @property
    def holds_occupancy(self) -> bool:
        """Whether `store` holds the tiles that rays go through, whole."""
        return True

    @property
    def occupancy_name(self) -> str:
        """Name of the engine that makes the tiles."""
        return self.store.engine.name

    @property
    def engine_names(self) -> dict[str, str]:
        """Names of all engines by slot, that of the tiles included."""
        return {"occupancy": self.occupancy_name, **{slot: engine.name for slot, engine in self.engines.items()}}

    @property
    def after(self) -> Mapping[str, Any]:
        """States and queues of the engines after this tick."""
        return self._after

    @property
    def recent_layouts(self) -> Sequence[LayoutFrame]:
        """The current layout, last, and as many earlier ones as the sensors need."""
        return self._recent

    @property
    def kept_us(self) -> int:
        """How far back the sensors need earlier layouts."""
        return (self._kept - 1) * PHYSICS_US

    def reset(self, request: FrameRequest | None = None) -> SensorFrame:
        """Start the scenario and return its first frame; None for the simulator's default request."""
        self.begin()
        return sense([self], request)[0]

    def step(self, control: Control | Trajectory | None = None, request: FrameRequest | None = None) -> SensorFrame:
        """Simulate one tick and return its frame.

        Args:
            control: front-wheel angle and acceleration, or a trajectory; None for the built-in driver.
            request: content of the frame, None for the simulator's default.

        Raises:
            InputError: the control is NaN or out of range, or a window is requested and there is no window engine.
        """
        self._window_grid(request or self.request)  # refused before the world moves
        self.advance(control)
        waits = self.store.waits
        frame = sense([self], request)[0]
        self.count_stall(waits)
        return frame

    def count_stall(self, waits: int) -> None:
        """Count this tick among those that waited for a tile, if the store has waited since it had `waits`."""
        self._stalled += self.store.waits > waits
        self._worst_ms = max(self._worst_ms, self._stages_ms.get("tiles", 0.0))

    def begin(self, source: Source | None = None) -> None:
        """Start the scenario without simulating sensors; `source` replaces the source, on the same map."""
        self.source = source or self.source
        self.source.solid = self.store.solid
        self._stages_ms = {}
        with self.stage("world"):
            self.resume([self.source.reset()], {})

    def advance(self, control: Control | Trajectory | None = None) -> None:
        """Advance the world by one tick without simulating sensors."""
        self._stages_ms = {}
        self.memory = dict(self._after)
        with self.stage("world"):
            self._control = self.source.driver_control() if control is None else control
            self.tick_layouts = self.source.step(self._control, self.tick_us)
            self._recent = self._recent.then(self.tick_layouts, self._kept)
            self._follow_edits()

    def edit(self, edit: Edit) -> None:
        """Change the world, see `uniscene_sim.edit`; the next tick shows it.

        Raises:
            InputError: it cannot happen, which leaves the world as it is, or the source cannot be edited.
        """
        if not callable(apply := getattr(self.source, "edit", None)):
            raise InputError(f"the source {self.source.name!r} cannot be edited; expected a scenario", field="edit")
        apply(edit)

    def resume(self, layouts: Sequence[LayoutFrame], memory: Mapping[str, Any]) -> None:
        """Continue from saved `recent_layouts`, the last of which is the source's current one, and saved `memory`."""
        self.tick_layouts, self._control = layouts, None
        self._recent, self.memory = LayoutHistory().then(layouts, len(layouts)), dict(memory)
        self._after = dict(memory)
        self._follow_edits()

    def _follow_edits(self) -> None:
        """Take the tiles of the map with the edits of the current layout."""
        edits = self._recent[-1].edits
        if edits == self._edits:
            return
        edited = edited_map(self.source.map, edits)
        self._edits, self.map = edits, edited.map
        store = self._unedited[0].edited(edited)
        if store is not self.store:
            self.store, self.atlas = self._unedited if store is self._unedited[0] else (store, TileAtlas(store))
            self.source.solid = store.solid

    def flush(self, request: FrameRequest | None = None) -> Iterator[SensorFrame]:
        """Frames for what late engines have not delivered at the end of a run, one for each tick with a delivery.

        The world no longer moves, so each frame has the last layout. It holds only late records, with their own stamps.
        """
        now = self._recent[-1]
        request = replace(request or self.request, bev_schema=None)
        for slot in self.engines:
            queue = self._after.get(slot, EngineQueue())
            if queue.pending.moments:
                with self.stage(_stage(slot)):
                    [self._after[slot]] = _call_engine(
                        slot, [(self, replace(queue, pending=PendingCall()), queue.pending)]
                    )
        while due_us := [
            q.deliveries[0].due_us for q in self._after.values() if isinstance(q, EngineQueue) and q.deliveries
        ]:
            yield self._frame(now, {slot: self._deliver(slot, min(due_us)) for slot in self.engines}, request)
            self._stages_ms = {}

    def frames_of(self, worlds: Sequence[Simulator[Any]], requests: Sequence[FrameRequest]) -> Sequence[SensorFrame]:
        """Frames of worlds like this one, which may be made elsewhere: see `sense`."""
        return _frames_here(worlds, requests)

    def current_view(self) -> WorldView:
        """The world as the engines receive it now, with tiles loaded."""
        frame = self._recent[-1]
        if self.rig.sensors:
            with self.stage("tiles"):
                self.atlas.update(frame.ego_pose.x, frame.ego_pose.y, self.range_m)
                self.store.ahead(tiles_along(self._expected_path(frame), self.range_m), self)
        return WorldView(frame, self._recent[:-1], self.atlas)

    def view_of(self, moment: Moment, atlas: TileAtlas | None = None) -> WorldView:
        """A moment of this world as sensor engines receive it, with what their rays are traced through.

        Args:
            moment: layout, history and traced window.
            atlas: tiles around the ego at that moment; None to pack them again.
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
            without_agents = replace(layout, agents=layout.agents[:0])
            return WorldView(without_agents, moment.history, WindowAtlas(arrays, no_tiles(), atlas), grid)
        return WorldView(outside(layout, arrays), moment.history, WindowAtlas(arrays, atlas), grid)

    def _deliver(self, slot: str, now_us: int) -> list[Delivery]:
        """Remove and return the deliveries of an engine that are due."""
        self._after[slot], deliveries = take_due(self._after.get(slot, EngineQueue()), now_us)
        return deliveries

    def _window_grid(self, request: FrameRequest) -> GridSpec | None:
        """The window that is requested or traced.

        Raises:
            InputError: one is requested and there is no window engine.
        """
        if request.window_grid is not None and _WINDOW not in self.engines:
            raise InputError("an occupancy window is requested, but there is no window engine", field=_WINDOW)
        return request.window_grid or (None if self.trace == "tiles" else DEFAULT_GRID)

    def _frame(
        self, layout: LayoutFrame, deliveries: Mapping[str, Sequence[Delivery]], request: FrameRequest
    ) -> SensorFrame:
        """The frame of a tick: what was delivered, and what else is requested.

        Args:
            layout: the current one.
            deliveries: by slot.
            request: content of the frame.
        """
        bev, annotations = None, None
        windows = [delivery.records[_WINDOW] for delivery in deliveries.get(_WINDOW, ())]
        occupancy = windows[-1] if windows and request.window_grid is not None else None
        of_sensors = [delivery for slot, some in deliveries.items() if slot != _WINDOW for delivery in some]
        records = {name: record for delivery in of_sensors for name, record in delivery.records.items()}
        if request.bev_schema is not None:
            with self.stage("bev"):
                at = layout.ego_pose
                pose, schema, agents = (at.x, at.y, at.yaw), request.bev_schema, layout.agents
                bev = rasterise(self.map, pose, (200, 200), 0.4, at.z, schema, agents)
        frame = SensorFrame.of(layout, records, occupancy=occupancy, bev=bev)
        if annotator := self._annotator(request.annotations):
            with self.stage("annotations"):
                layouts = {name: delivery.layout for delivery in of_sensors for name in delivery.records}
                view = WorldView(layout, self._recent[:-1], self.atlas)
                views = self._views_of(of_sensors) if "buffers" in request.annotations else {}
                annotations = annotator.annotate(view, frame.cameras, frame.sweeps, layouts, views)
        digests = {}
        if request.digests:
            with self.stage("digest"):
                digests = {name: digest(record) for name, record in records.items()}
        return replace(frame, digests=digests, annotations=annotations)

    def _views_of(self, deliveries: Sequence[Delivery]) -> dict[str, WorldView]:
        """By sensor, the world as its record shows it; a window that is not known any more leaves its sensors out."""
        views: dict[str, WorldView] = {}
        now_us = self._recent[-1].stamp_us
        for one in deliveries:
            if self.trace == "tiles" or one.window is not None:
                moment = Moment(one.layout, (), one.window)
                view = self.view_of(moment, self.atlas if one.layout.stamp_us == now_us else None)
                views |= dict.fromkeys(one.records, view)
        return views

    def _annotator(self, kinds: frozenset[str]) -> Annotator | None:
        if "buffers" in kinds and not self.holds_occupancy:
            raise InputError("buffers are traced where the tiles are, which is on a server", field="annotations")
        if kinds and kinds not in self._annotators:
            self._annotators[kinds] = Annotator(self.rig, self.source.map, sorted(kinds))
        return self._annotators.get(kinds)

    def _expected_path(self, frame: LayoutFrame) -> np.ndarray:
        """Positions (N, 2), m, of the ego over the next seconds at constant velocity."""
        seconds = np.arange(1.0, _AHEAD_S + 1.0)[:, None]
        places: np.ndarray = np.array([frame.ego_pose.x, frame.ego_pose.y]) + seconds * frame.ego_velocity[:2]
        return places

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._stages_ms[name] = self._stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def sense(worlds: Sequence[Simulator[Any]], request: FrameRequest | None = None) -> list[SensorFrame]:
    """Current frames of worlds with the same rig and engines; each engine is called once for all of them.

    Args:
        worlds: simulators, each at its own time.
        request: content of the frames, None for the default of each world.

    Raises:
        InputError: a window is requested and there is no window engine.
    """
    requests = [request or world.request for world in worlds]
    return [
        replace(frame, steps=world.tick_layouts, control=world._control)
        for world, frame in zip(worlds, worlds[0].frames_of(worlds, requests), strict=True)
    ]


def _frames_here(worlds: Sequence[Simulator[Any]], requests: Sequence[FrameRequest]) -> list[SensorFrame]:
    grids = [world._window_grid(request) for world, request in zip(worlds, requests, strict=True)]
    views = [world.current_view() for world in worlds]
    for world in worlds:
        world._after = dict(world.memory)
    deliveries: list[dict[str, list[Delivery]]] = [{} for _ in worlds]
    if _WINDOW in worlds[0].engines:
        _run_slot(worlds, views, deliveries, _WINDOW, [() if grid is None else (grid,) for grid in grids])
    for slot in worlds[0].specs:
        due = [_due_specs(w, slot, v, r) for w, v, r in zip(worlds, views, requests, strict=True)]
        _run_slot(worlds, views, deliveries, slot, due)
    return [w._frame(v.frame, d, r) for w, v, d, r in zip(worlds, views, deliveries, requests, strict=True)]


def _due_specs(world: Simulator[Any], slot: str, view: WorldView, request: FrameRequest) -> tuple[Any, ...]:
    """Specs of the sensors that are due and requested; a `joint` engine gets all that are due."""
    joint, now_us = world.engines[slot].coupling == "joint", view.frame.stamp_us
    return tuple(
        spec
        for spec in world.specs[slot]
        if (now_us - spec.phase_us) % spec.period_us == 0 and (joint or request.wants(spec.name))
    )


def _run_slot(
    worlds: Sequence[Simulator[Any]],
    views: Sequence[WorldView],
    deliveries: Sequence[dict[str, list[Delivery]]],
    slot: str,
    due: Sequence[tuple[Any, ...]],
) -> None:
    """Call the engines of a slot for the worlds that need it now, and collect what they deliver.

    Args:
        worlds: W worlds.
        views: W views, with tiles in their atlas.
        deliveries: W dicts by slot, written.
        slot: the engines' slot.
        due: specs that are due, for each world.
    """
    calls: dict[tuple[Any, ...], list[tuple[Simulator[Any], EngineQueue, PendingCall]]] = {}
    for world, view, specs in zip(worlds, views, due, strict=True):
        window = world._after.get(_TRACED_WINDOW) if slot != _WINDOW and world.trace != "tiles" else None
        queue, pending = next_call(
            world._after.get(slot, EngineQueue()),
            Moment(view.frame, view.history, window),
            specs,
            chunk_of(world.engines[slot]),
            world._latency_us[slot],
        )
        world._after[slot] = queue
        if pending.moments:
            names = tuple(getattr(spec, "name", spec) for spec in pending.specs)
            key = id(world.engines[slot]), len(pending.moments), names
            calls.setdefault(key, []).append((world, queue, pending))
    for batch in calls.values():
        with batch[0][0].stage(_stage(slot)):
            queues = _call_engine(slot, batch)
        for (world, _, _), queue in zip(batch, queues, strict=True):
            world._after[slot] = queue
    for world, view, of_world in zip(worlds, views, deliveries, strict=True):
        of_world[slot] = world._deliver(slot, view.frame.stamp_us)
        if slot == _WINDOW and of_world[slot]:
            world._after[_TRACED_WINDOW] = of_world[slot][-1]


def _call_engine(slot: str, batch: Sequence[tuple[Simulator[Any], EngineQueue, PendingCall]]) -> list[EngineQueue]:
    """Call an engine once for worlds that share it and need the same number of moments and the same sensors.

    Args:
        slot: the engine's slot.
        batch: each world with its queue and pending call.

    Returns:
        The queue of each world after the call.
    """
    engine = batch[0][0].engines[slot]
    stamps_us = [world._recent[-1].stamp_us for world, _, _ in batch]
    views = [
        world.view_of(moment, world.atlas if moment.layout.stamp_us == stamp_us else None)
        for stamp_us, (world, _, pending) in zip(stamps_us, batch, strict=True)
        for moment in pending.moments
    ]
    states, specs, count = [queue.state for _, queue, _ in batch], batch[0][2].specs, len(batch[0][2].moments)
    if slot == _WINDOW:
        after, grids = engine.step(states, views, specs[0])
        records = [{_WINDOW: grid} for grid in grids]
    else:
        after, records = engine.step(states, views, list(specs))
    return [
        add_results(queue, pending, state, records[k * count : (k + 1) * count], world._latency_us[slot])
        for k, ((world, queue, pending), state) in enumerate(zip(batch, after, strict=True))
    ]


def _stage(slot: str) -> str:
    return "occupancy" if slot == _WINDOW else slot


def prefetch_range_m(rig: SensorRig) -> float:
    """Radius around a route within which tiles are made before a run; wide enough for an ego that leaves the route."""
    return rig.max_range_m + 2 * _MARGIN_M
