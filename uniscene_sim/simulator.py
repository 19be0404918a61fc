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
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame, digest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.history import LayoutHistory
from uniscene_sim.interfaces import CameraEngine, LayoutSource, LidarEngine, WorldView
from uniscene_sim.layout import PHYSICS_US, LayoutFrame, LayoutSchema
from uniscene_sim.maps.raster import rasterise
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.rig import SensorRig
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas
from uniscene_sim.world.ego import Control, Trajectory

__all__ = ["Simulator", "prefetch_range_m", "sense"]

Source = TypeVar("Source", bound=LayoutSource)
#: Tiles are kept this far beyond the farthest sensor, so that a tick seldom needs a new one.
_MARGIN_M = 8.0
#: So far ahead of the ego, in seconds at its present speed, tiles are fetched in the background.
_AHEAD_S = 5.0


class Simulator(Generic[Source]):
    """Runs a source through the engines, one tick after the other.

    Args:
        source: what knows the world.
        rig: sensors; each fires at the ticks that its period and phase name.
        store: tiles of the source's map.
        camera, lidar: the engines.
        window_grid: grid of the occupancy window, None where nobody asks for it.
        bev_schema: channels of the layout raster, None where nobody asks for it.
        annotator: what annotates the frames, None where nobody asks for it.
        packed: tiles of the store packed for tracing, where other simulators share them.
        tick_us: length of a tick, None for what the periods and phases of the sensors have in common.
        digests: whether sensors' records are hashed.
    """

    def __init__(
        self,
        source: Source,
        rig: SensorRig,
        store: TileStore,
        camera: CameraEngine,
        lidar: LidarEngine,
        *,
        window_grid: GridSpec | None = DEFAULT_GRID,
        bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
        annotator: Annotator | None = None,
        packed: PackedTiles | None = None,
        tick_us: int | None = None,
        digests: bool = True,
    ):
        self.rig, self.camera, self.lidar, self.store = rig, camera, lidar, store
        self.atlas = TileAtlas(packed or store)
        self.window_grid, self.bev_schema = window_grid, bev_schema
        self.annotator, self.digests = annotator, digests
        sensors = rig.sensors
        common = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self.tick_us = tick_us or common
        longest_us = max((s.period_us for s in sensors), default=0)
        self._kept = longest_us // PHYSICS_US + 2 if rig.lidars or annotator else 1
        self.source = source
        # What the engines remember, and what was before.
        self.memory: dict[str, Any] = {}
        self._moments = LayoutHistory()
        self.stages_ms: dict[str, float] = {}
        #: Names of the sensors that anyone looks at; None: all of them. Engines that are `joint` sense all.
        self.wanted: Set[str] | None = None
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
    def tiles(self) -> dict[str, float]:
        """Tiles made and read so far; ticks after the first frame that waited for one; the longest `tiles` stage."""
        store = self.store
        return {
            "made": store.made,
            "from_cache": store.from_cache,
            "stalled_ticks": self._stalled,
            "worst_stall_ms": round(self._worst_ms, 3),
        }

    @property
    def moments(self) -> Sequence[LayoutFrame]:
        """Now, the last, and as much of what was before as sensors need."""
        return self._moments

    def reset(self) -> SensorFrame:
        """Start the scenario; its first frame."""
        self.begin()
        return sense([self])[0]

    def step(self, control: Control | Trajectory | None = None) -> SensorFrame:
        """One tick under a control; None lets the built-in driver drive.

        Raises:
            InputError: the control is NaN or out of range.
        """
        waits = self.store.waits
        self.advance(control)
        frame = sense([self])[0]
        self._stalled += self.store.waits > waits
        self._worst_ms = max(self._worst_ms, self.stages_ms.get("tiles", 0.0))
        return frame

    def begin(self, source: Source | None = None) -> None:
        """Start the scenario, that of another source on the same map where one is given; nothing is sensed."""
        self.source = source or self.source
        self.source.solid = self.store.solid
        self.stages_ms = {}
        with self.stage("world"):
            self.tick_layouts = [self.source.reset()]
            self.resume(self.tick_layouts, {})

    def advance(self, control: Control | Trajectory | None = None) -> None:
        """Move the world on by one tick; nothing is sensed."""
        self.stages_ms = {}
        with self.stage("world"):
            self.tick_layouts = self.source.step(
                self.source.driver_control() if control is None else control, self.tick_us
            )
            self._moments = self._moments.extended(self.tick_layouts, self._kept)

    def resume(self, moments: Sequence[LayoutFrame], memory: dict[str, Any]) -> None:
        """Go on from these moments, the last of which is the source's now, and with what engines remembered then."""
        self._moments, self.memory = LayoutHistory().extended(moments, len(moments)), dict(memory)

    def current_view(self) -> WorldView:
        """What sensors are given now, with tiles at hand."""
        frame = self._moments[-1]
        if self.rig.sensors:
            with self.stage("tiles"):
                self.atlas.update(frame.ego_pose.x, frame.ego_pose.y, self.range_m)
                self.store.ahead(tiles_along(self._way_ahead(frame), self.range_m), self)
        return WorldView(frame, self._moments[:-1], self.atlas)

    def frame(self, view: WorldView, cameras: dict[str, CameraFrame], sweeps: dict[str, LidarSweep]) -> SensorFrame:
        """All of a tick: what the sensors saw, and what else was asked for."""
        layout, occupancy, bev, annotations = view.frame, None, None, None
        if self.window_grid is not None:
            with self.stage("occupancy"):
                occupancy = occupancy_window(self.store, layout, self.window_grid)
        if self.bev_schema is not None:
            with self.stage("bev"):
                at = layout.ego_pose
                pose, schema, agents = (at.x, at.y, at.yaw), self.bev_schema, layout.agents
                bev = rasterise(self.source.map, pose, (200, 200), 0.4, at.z, schema, agents)
        if self.annotator is not None:
            with self.stage("annotations"):
                annotations = self.annotator.annotate(view, cameras, sweeps)
        digests = {}
        if self.digests:
            with self.stage("digest"):
                digests = {name: digest(image) for name, image in cameras.items()}
                digests |= {name: digest(sweep) for name, sweep in sweeps.items()}
        return SensorFrame(layout, cameras, sweeps, occupancy, bev, digests, annotations)

    def _way_ahead(self, frame: LayoutFrame) -> np.ndarray:
        """Where the ego will be (N, 2) if it keeps its speed and heading, m."""
        seconds = np.arange(1.0, _AHEAD_S + 1.0)[:, None]
        return np.array([frame.ego_pose.x, frame.ego_pose.y]) + seconds * frame.ego_velocity[:2]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.stages_ms[name] = self.stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def sense(worlds: Sequence[Simulator]) -> list[SensorFrame]:
    """What the sensors of worlds with one rig and the same engines see now, in one call of each engine for all."""
    views = [world.current_view() for world in worlds]
    cameras = _step_engine(worlds, views, "camera", worlds[0].camera, worlds[0].rig.cameras)
    sweeps = _step_engine(worlds, views, "lidar", worlds[0].lidar, worlds[0].rig.lidars)
    return [w.frame(v, c, s) for w, v, c, s in zip(worlds, views, cameras, sweeps, strict=True)]


def _step_engine(
    worlds: Sequence[Simulator], views: Sequence[WorldView], slot: str, engine: Any, specs: Sequence[Any]
) -> list[dict[str, Any]]:
    """Records by sensor's name for each world: of the sensors that are due there."""
    records: list[dict[str, Any]] = [{} for _ in worlds]
    together: dict[tuple[int, ...], list[int]] = {}
    for i, view in enumerate(views):
        wanted = worlds[i].wanted if engine.coupling == "independent" else None
        due = tuple(
            k
            for k, spec in enumerate(specs)
            if (view.frame.stamp_us - spec.phase_us) % spec.period_us == 0 and (wanted is None or spec.name in wanted)
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
