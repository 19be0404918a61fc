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
| digest      | sensors                 | SHA-256 for each         | sensors present                  |
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.engines import CameraEngine, LayoutSource, LidarEngine, OccupancyEngine, WorldView
from uniscene_sim.frames import SensorFrame, digest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.history import History
from uniscene_sim.layout import LayoutFrame, LayoutSchema
from uniscene_sim.occupancy.store import TileStore, tiles_along
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.occupancy.window import window
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.ego import Control, Trajectory
from uniscene_sim.world.raster import rasterise

__all__ = ["PHYSICS_US", "Simulator", "prepared_range_m"]

PHYSICS_US = 10_000
#: Tiles are kept this far beyond the farthest sensor, so that a tick seldom needs a new one.
_MARGIN_M = 8.0
#: So far ahead of the ego, in seconds at its present speed, tiles are fetched in the background.
_AHEAD_S = 5.0


class Simulator:
    """Runs a source through the engines, one tick after the other.

    Args:
        source: what knows the world.
        rig: sensors; each fires at the ticks that its period and phase name.
        occupancy, camera, lidar: the engines.
        window_grid: grid of the occupancy window, None where nobody asks for it.
        bev_schema: channels of the layout raster, None where nobody asks for it.
        annotator: what annotates the frames, None where nobody asks for it.
        tile_bytes: bound of the tiles held in memory.
        tile_cache: where tiles are kept between runs, None for nowhere.
    """

    def __init__(
        self,
        source: LayoutSource,
        rig: SensorRig,
        occupancy: OccupancyEngine,
        camera: CameraEngine,
        lidar: LidarEngine,
        *,
        window_grid: GridSpec | None = DEFAULT_GRID,
        bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
        annotator: Annotator | None = None,
        tile_bytes: int = 512 << 20,
        tile_cache: TileCache | None = None,
    ):
        self.source, self.rig = source, rig
        self.camera, self.lidar = camera, lidar
        self.store = TileStore(occupancy, tile_bytes, tile_cache)
        self.atlas = TileAtlas(self.store)
        source.solid = self.store.solid
        self.window_grid, self.bev_schema = window_grid, bev_schema
        self.annotator = annotator
        sensors = rig.sensors
        self.tick_us = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self._longest_us = max((s.period_us for s in sensors), default=0)
        self._camera_state: Any = None
        self._lidar_state: Any = None
        self._history = History()
        self.stages_ms: dict[str, float] = {}
        self._stalled, self._worst_ms = 0, 0.0

    @property
    def range_m(self) -> float:
        """Tiles this far around the ego are at hand, m."""
        return self.rig.max_range_m + _MARGIN_M

    def prepare(self, path: np.ndarray, progress: bool = False) -> None:
        """Fetch the tiles in sensor range of a path (R, 3) before the run; where memory cannot hold them all, those at
        its beginning stay."""
        self.store.prefetch(tiles_along(path[::-1], prepared_range_m(self.rig)), progress=progress)
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

    def reset(self) -> SensorFrame:
        """Start the scenario; its first frame."""
        self.stages_ms = {}
        with self._stage("world"):
            frame = self.source.reset()
        self._camera_state = self._lidar_state = None
        self._history = History()
        return self._sense(frame)

    def step(self, control: Control | Trajectory | None = None) -> SensorFrame:
        """One tick under a control; None lets the built-in driver drive.

        Raises:
            InputError: the control is NaN or out of range.
        """
        self.stages_ms = {}
        waits = self.store.waits
        with self._stage("world"):
            frames = self.source.step(self.source.driver_control() if control is None else control, self.tick_us)
        kept = self._longest_us // PHYSICS_US + 1
        history = self._history.then(frames, kept + 1)
        self._history = history[:-1]
        sensed = self._sense(history[-1])
        self._stalled += self.store.waits > waits
        self._worst_ms = max(self._worst_ms, self.stages_ms["tiles"])
        return sensed

    def _sense(self, frame: LayoutFrame) -> SensorFrame:
        x, y = frame.ego_pose.x, frame.ego_pose.y
        with self._stage("tiles"):
            self.atlas.update(x, y, self.range_m)
            self.store.ahead(tiles_along(self._way_ahead(frame), self.range_m))
        occupancy = bev = None
        if self.window_grid is not None:
            with self._stage("occupancy"):
                occupancy = window(self.store, frame, self.window_grid)
        if self.bev_schema is not None:
            with self._stage("bev"):
                pose = (x, y, frame.ego_pose.yaw)
                schema, agents = self.bev_schema, frame.agents
                bev = rasterise(self.source.map, pose, (200, 200), 0.4, frame.ego_pose.z, schema, agents)
        view = WorldView(frame, self._history, self.atlas)
        cameras, sweeps = {}, {}
        if due_cameras := [s for s in self.rig.cameras if _due(s, frame.stamp_us)]:
            with self._stage("camera"):
                self._camera_state, images = self.camera.step(self._camera_state, [view], due_cameras)
                cameras = images[0]
        if due_lidars := [s for s in self.rig.lidars if _due(s, frame.stamp_us)]:
            with self._stage("lidar"):
                self._lidar_state, clouds = self.lidar.step(self._lidar_state, [view], due_lidars)
                sweeps = clouds[0]
        annotations = None
        if self.annotator is not None:
            with self._stage("annotations"):
                annotations = self.annotator.annotate(view, cameras, sweeps)
        self._history = self._history.then([frame], len(self._history) + 1)
        with self._stage("digest"):
            digests = {name: digest(image) for name, image in cameras.items()}
            digests |= {name: digest(sweep) for name, sweep in sweeps.items()}
        return SensorFrame(frame, cameras, sweeps, occupancy, bev, digests, annotations)

    def _way_ahead(self, frame: LayoutFrame) -> np.ndarray:
        """Where the ego will be (N, 2) if it keeps its speed and heading, m."""
        seconds = np.arange(1.0, _AHEAD_S + 1.0)[:, None]
        return np.array([frame.ego_pose.x, frame.ego_pose.y]) + seconds * frame.ego_velocity[:2]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.stages_ms[name] = self.stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def prepared_range_m(rig: SensorRig) -> float:
    """Tiles this far around a route are fetched before a run: some for an ego that drives beside it, too."""
    return rig.max_range_m + 2 * _MARGIN_M


def _due(spec: CameraSpec | LidarSpec, stamp_us: int) -> bool:
    return (stamp_us - spec.phase_us) % spec.period_us == 0
