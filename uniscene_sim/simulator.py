"""The tick.

| stage     | in                      | out                      | paid for                         |
|-----------|-------------------------|--------------------------|----------------------------------|
| world     | control                 | layout frames, one/10 ms | always                           |
| tiles     | ego position            | tiles packed for tracing | only when the ego nears new ones |
| occupancy | layout, tiles           | window around the ego    | on request                       |
| bev       | layout, map             | multi-hot raster         | on request                       |
| camera    | layout, tiles           | images                   | cameras whose period has come    |
| lidar     | layout history, tiles   | sweeps                   | LiDARs whose period has come     |
| digest    | sensors                 | SHA-256 for each         | sensors present                  |
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from uniscene_sim.engines import CameraEngine, LidarEngine, OccupancyEngine, WorldView
from uniscene_sim.frames import SensorFrame, digest
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import LayoutFrame, LayoutSchema
from uniscene_sim.occupancy.store import TileStore
from uniscene_sim.occupancy.window import window
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.ego import Control, Trajectory
from uniscene_sim.world.map import VectorMap
from uniscene_sim.world.raster import rasterise
from uniscene_sim.world.source import ScenarioSource

__all__ = ["PHYSICS_US", "Simulator"]

PHYSICS_US = 10_000
#: Tiles are kept this far beyond the farthest sensor, so that a tick seldom needs a new one.
_MARGIN_M = 8.0


class Simulator:
    """Runs a source through the engines, one tick after the other.

    Args:
        source: what knows the world.
        static_map: the map that the source drives on.
        rig: sensors; each fires at the ticks that its period and phase name.
        occupancy, camera, lidar: the engines.
        window_grid: grid of the occupancy window, None where nobody asks for it.
        bev_schema: channels of the layout raster, None where nobody asks for it.
    """

    def __init__(
        self,
        source: ScenarioSource,
        static_map: VectorMap,
        rig: SensorRig,
        occupancy: OccupancyEngine,
        camera: CameraEngine,
        lidar: LidarEngine,
        *,
        window_grid: GridSpec | None = DEFAULT_GRID,
        bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
        tile_bytes: int = 1 << 30,
    ):
        self.source, self.static_map, self.rig = source, static_map, rig
        self.camera, self.lidar = camera, lidar
        self.store = TileStore(occupancy, tile_bytes)
        self.atlas = TileAtlas(self.store)
        source.solid = self.store.solid
        self.window_grid, self.bev_schema = window_grid, bev_schema
        sensors = rig.sensors
        self.tick_us = math.gcd(*(v for s in sensors for v in (s.period_us, s.phase_us))) if sensors else 100_000
        self._longest_us = max((s.period_us for s in sensors), default=0)
        self._camera_state: Any = None
        self._lidar_state: Any = None
        self._history: list[LayoutFrame] = []
        self.stages_ms: dict[str, float] = {}

    @property
    def range_m(self) -> float:
        return self.rig.max_range_m + _MARGIN_M

    def prepare(self, path: np.ndarray, progress: bool = False) -> None:
        """Make the tiles in sensor range of a path (R, 3) before the run."""
        wanted: dict[tuple[int, int], None] = {}
        for x, y, _ in path[:: max(1, len(path) // 200)]:
            wanted.update(dict.fromkeys(self.store.around(float(x), float(y), self.range_m)))
        self.store.prefetch(list(wanted), progress=progress)

    def reset(self) -> SensorFrame:
        """Start the scenario; its first frame."""
        self.stages_ms = {}
        with self._stage("world"):
            frame = self.source.reset()
        self._camera_state = self._lidar_state = None
        self._history = []
        return self._sense(frame)

    def step(self, control: Control | Trajectory | None = None) -> SensorFrame:
        """One tick under a control; None lets the built-in driver drive.

        Raises:
            InputError: the control is NaN or out of range.
        """
        self.stages_ms = {}
        with self._stage("world"):
            frames = self.source.step(self.source.driver_control() if control is None else control, self.tick_us)
        kept = self._longest_us // PHYSICS_US + 1
        self._history = [*self._history, *frames][-kept - 1 :]
        return self._sense(self._history.pop())

    def _sense(self, frame: LayoutFrame) -> SensorFrame:
        x, y = frame.ego_pose.x, frame.ego_pose.y
        with self._stage("tiles"):
            self.atlas.update(x, y, self.range_m)
        occupancy = bev = None
        if self.window_grid is not None:
            with self._stage("occupancy"):
                occupancy = window(self.store, frame, self.window_grid)
        if self.bev_schema is not None:
            with self._stage("bev"):
                pose = (x, y, frame.ego_pose.yaw)
                schema, agents = self.bev_schema, frame.agents
                bev = rasterise(self.static_map, pose, (200, 200), 0.4, frame.ego_pose.z, schema, agents)
        view = WorldView(frame, tuple(self._history), self.atlas)
        cameras, sweeps = {}, {}
        if due_cameras := [s for s in self.rig.cameras if _due(s, frame.stamp_us)]:
            with self._stage("camera"):
                self._camera_state, images = self.camera.step(self._camera_state, [view], due_cameras)
                cameras = images[0]
        if due_lidars := [s for s in self.rig.lidars if _due(s, frame.stamp_us)]:
            with self._stage("lidar"):
                self._lidar_state, clouds = self.lidar.step(self._lidar_state, [view], due_lidars)
                sweeps = clouds[0]
        self._history.append(frame)
        with self._stage("digest"):
            digests = {name: digest(image) for name, image in cameras.items()}
            digests |= {name: digest(sweep) for name, sweep in sweeps.items()}
        return SensorFrame(frame, cameras, sweeps, occupancy, bev, digests)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.stages_ms[name] = self.stages_ms.get(name, 0.0) + 1e3 * (perf_counter() - start)


def _due(spec: CameraSpec | LidarSpec, stamp_us: int) -> bool:
    return (stamp_us - spec.phase_us) % spec.period_us == 0
