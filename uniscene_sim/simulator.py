"""The tick.

| stage       | in                      | out                      | paid for                         |
|-------------|-------------------------|--------------------------|----------------------------------|
| world       | control                 | layout frames, one/10 ms | always                           |
| tiles       | ego position            | tiles packed for tracing | only when the ego nears new ones |
| occupancy   | layout, tiles           | window around the ego    | on request                       |
| bev         | layout, map             | multi-hot raster         | on request                       |
| camera      | layout, tiles           | images                   | cameras whose period has come    |
| lidar       | layout history, tiles   | sweeps                   | LiDARs whose period has come     |
| annotations | layouts, images, sweeps | flow, boxes, lanes       | on request                       |
| digest      | sensors                 | SHA-256 for each         | sensors present, on request      |

Many worlds with the same rig and engines are moved on one by one and then sensed at once: `sense`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Generic, TypeVar, overload

import numpy as np

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.frames import CameraFrame, FrameRequest, LidarSweep, SensorFrame, digest
from uniscene_sim.interfaces import CameraEngine, LayoutSource, LidarEngine, StageTimes, TileStats, WorldView
from uniscene_sim.layout import PHYSICS_US, LayoutFrame
from uniscene_sim.maps.raster import rasterise
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.rig import SensorRig
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas

__all__ = ["LayoutHistory", "Simulator", "prefetch_range_m", "sense"]

Source = TypeVar("Source", bound=LayoutSource)
#: Tiles are kept this far beyond the farthest sensor, so that a tick seldom needs a new one.
_MARGIN_M = 8.0
#: So far ahead of the ego, in seconds at its present speed, tiles are fetched in the background.
_AHEAD_S = 5.0


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
        camera, lidar: the engines.
        request: what ticks make where they are not told otherwise. Flow of points needs earlier layouts, which are
            kept where the rig has LiDARs or this request has annotations.
        packed: tiles of the store packed for tracing, where other simulators share them.
        tick_us: length of a tick, None for what the periods and phases of the sensors have in common.

    Raises:
        InputError: an unknown kind of annotation.
    """

    def __init__(
        self,
        source: Source,
        rig: SensorRig,
        store: TileStore,
        camera: CameraEngine,
        lidar: LidarEngine,
        *,
        request: FrameRequest = FrameRequest(),  # noqa: B008 - frozen
        packed: PackedTiles | None = None,
        tick_us: int | None = None,
    ):
        self.rig, self.camera, self.lidar, self.store = rig, camera, lidar, store
        self.atlas = TileAtlas(packed or store)
        self.request = request
        sensors = rig.sensors
        common = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self.tick_us = tick_us or common
        longest_us = max((s.period_us for s in sensors), default=0)
        self._kept = longest_us // PHYSICS_US + 2 if rig.lidars or request.annotations else 1
        self.source = source
        self._annotators: dict[frozenset[str], Annotator] = {}
        self._annotator(request.annotations)  # an unknown kind is refused now
        # What the engines remember, and what was before.
        self.memory: dict[str, Any] = {}
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
        with self.stage("world"):
            self.tick_layouts = self.source.step(
                self.source.driver_control() if control is None else control, self.tick_us
            )
            self._moments = self._moments.then(self.tick_layouts, self._kept)

    def resume(self, moments: Sequence[LayoutFrame], memory: dict[str, Any]) -> None:
        """Go on from these moments, the last of which is the source's now, and with what engines remembered then."""
        self._moments, self.memory = LayoutHistory().then(moments, len(moments)), dict(memory)

    def current_view(self) -> WorldView:
        """What sensors are given now, with tiles at hand."""
        frame = self._moments[-1]
        if self.rig.sensors:
            with self.stage("tiles"):
                self.atlas.update(frame.ego_pose.x, frame.ego_pose.y, self.range_m)
                self.store.ahead(tiles_along(self._way_ahead(frame), self.range_m), self)
        return WorldView(frame, self._moments[:-1], self.atlas)

    def frame(
        self, view: WorldView, cameras: dict[str, CameraFrame], sweeps: dict[str, LidarSweep], request: FrameRequest
    ) -> SensorFrame:
        """All of a tick: the sensors' records, and what else is asked for.

        Args:
            view: what the sensors were given.
            cameras, sweeps: their records by the sensor's name.
            request: what the frame is to hold.
        """
        layout, occupancy, bev, annotations = view.frame, None, None, None
        if request.window_grid is not None:
            with self.stage("occupancy"):
                occupancy = occupancy_window(self.store, layout, request.window_grid)
        if request.bev_schema is not None:
            with self.stage("bev"):
                at = layout.ego_pose
                pose, schema, agents = (at.x, at.y, at.yaw), request.bev_schema, layout.agents
                bev = rasterise(self.source.map, pose, (200, 200), 0.4, at.z, schema, agents)
        if annotator := self._annotator(request.annotations):
            with self.stage("annotations"):
                annotations = annotator.annotate(view, cameras, sweeps)
        digests = {}
        if request.digests:
            with self.stage("digest"):
                digests = {name: digest(image) for name, image in cameras.items()}
                digests |= {name: digest(sweep) for name, sweep in sweeps.items()}
        return SensorFrame(layout, cameras, sweeps, occupancy, bev, digests, annotations)

    def _annotator(self, kinds: frozenset[str]) -> Annotator | None:
        if kinds and kinds not in self._annotators:
            self._annotators[kinds] = Annotator(self.rig, self.source.map, sorted(kinds))
        return self._annotators.get(kinds)

    def _way_ahead(self, frame: LayoutFrame) -> np.ndarray:
        """Where the ego will be (N, 2) if it keeps its speed and heading, m."""
        seconds = np.arange(1.0, _AHEAD_S + 1.0)[:, None]
        return np.array([frame.ego_pose.x, frame.ego_pose.y]) + seconds * frame.ego_velocity[:2]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._stages_ms[name] = self._stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def sense(worlds: Sequence[Simulator], request: FrameRequest | None = None) -> list[SensorFrame]:
    """Frames of now of worlds with one rig and the same engines, in one call of each engine for all.

    Args:
        worlds: which.
        request: what the frames are to hold, None for the default of each world.
    """
    requests = [request or world.request for world in worlds]
    views = [world.current_view() for world in worlds]
    cameras = _step_engine(worlds, views, requests, "camera")
    sweeps = _step_engine(worlds, views, requests, "lidar")
    return [w.frame(v, c, s, r) for w, v, c, s, r in zip(worlds, views, cameras, sweeps, requests, strict=True)]


def _step_engine(
    worlds: Sequence[Simulator], views: Sequence[WorldView], requests: Sequence[FrameRequest], slot: str
) -> list[dict[str, Any]]:
    """Records by sensor's name for each world: of the sensors that are due there and asked for.

    Args:
        worlds, views, requests: one each for each world.
        slot: "camera" or "lidar".
    """
    engine: Any = getattr(worlds[0], slot)
    specs: Sequence[Any] = getattr(worlds[0].rig, f"{slot}s")
    records: list[dict[str, Any]] = [{} for _ in worlds]
    together: dict[tuple[int, ...], list[int]] = {}
    for i, view in enumerate(views):
        every = engine.coupling == "joint"
        due = tuple(
            k
            for k, spec in enumerate(specs)
            if (view.frame.stamp_us - spec.phase_us) % spec.period_us == 0 and (every or requests[i].wants(spec.name))
        )
        together.setdefault(due, []).append(i)
    for due, members in together.items():
        if due:
            with worlds[members[0]].stage(slot):
                memories = [worlds[i].memory.get(slot) for i in members]
                after, made = engine.step(memories, [views[i] for i in members], [specs[k] for k in due])
            for i, memory, record in zip(members, after, made, strict=True):
                worlds[i].memory[slot], records[i] = memory, record
    return records


def prefetch_range_m(rig: SensorRig) -> float:
    """Tiles this far around a route are fetched before a run: some for an ego that drives beside it, too."""
    return rig.max_range_m + 2 * _MARGIN_M
