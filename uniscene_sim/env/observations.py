"""Observations. Each is one entry of the environment's flat `Dict`; nothing else is computed.

`env.quantities` says what each holds, and `docs/env-reference.md`. A single entry may be requested too, for example
"CAM_FRONT_rgb".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box

from uniscene_sim.env.progress import Progress
from uniscene_sim.env.state_vectors import AGENTS, EGO, ROUTE, write_agent_states, write_ego_state, write_route_state
from uniscene_sim.errors import InputError
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import LayoutFrame, LayoutSchema
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.taxonomy import OccClass

__all__ = [
    "AGENTS",
    "EGO",
    "ROUTE",
    "Observation",
    "ObservationInputs",
    "ObservedWorld",
    "make_observations",
    "rig_for",
]

_AGENT_ROWS, _ROUTE_POINTS = 16, 16
_CELLS, _CELL_M = 84, 0.75


class ObservedWorld(Protocol):
    """What observations read of a world beside its sensors."""

    @property
    def map(self) -> StaticMap: ...
    @property
    def recent_layouts(self) -> Sequence[LayoutFrame]: ...


@dataclass(frozen=True)
class ObservationInputs:
    """Input of observations: a world at the end of a tick, and the latest record of each sensor."""

    world: ObservedWorld
    progress: Progress
    records: Mapping[str, Any]  # CameraFrame or LidarSweep by sensor
    occupancy: np.ndarray | None  # uint8 (X, Y, Z)


class Observation(ABC):
    """One entry of the observation.

    Attributes:
        key: name in the `Dict`.
        space: bounds, shape and dtype.
        sensor: name of the sensor that it needs, or empty.
    """

    key: str
    space: Box
    sensor: str = ""

    @abstractmethod
    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        """Write the entry into an array with the space's shape and dtype."""


def _unit_box(*shape: int) -> Box:
    return Box(-1.0, 1.0, shape, np.float32)


class EgoObservation(Observation):
    key = "ego"
    space = _unit_box(len(EGO))

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        progress, frame = inputs.progress, inputs.world.recent_layouts[-1]
        write_ego_state(progress.bodies, progress.paths, progress.counts, progress.stop_line_states, frame.ego_steer,
                        frame.ego_yaw_rate, progress.target_speed_mps, progress.route_left_m, out)  # fmt: skip


class RouteObservation(Observation):
    key = "route"
    space = _unit_box(_ROUTE_POINTS, len(ROUTE))

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        progress, pose = inputs.progress, inputs.world.recent_layouts[-1].ego_pose
        write_route_state(pose.x, pose.y, pose.yaw, progress.bodies, progress.paths, progress.counts, out)


class AgentsObservation(Observation):
    key = "agents"
    space = _unit_box(_AGENT_ROWS, len(AGENTS))

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        frame = inputs.world.recent_layouts[-1]
        pose, velocity = frame.ego_pose, frame.ego_velocity
        write_agent_states(pose.x, pose.y, pose.yaw, velocity[0], velocity[1], frame.agents, out)


class LayoutObservation(Observation):
    key = "layout"
    schema = LayoutSchema()
    space = Box(0, 255, (_CELLS, _CELLS, len(schema.channels)), np.uint8)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        frame = inputs.world.recent_layouts[-1]
        pose = frame.ego_pose
        raster = rasterise(inputs.world.map, (pose.x, pose.y, pose.yaw), (_CELLS, _CELLS), _CELL_M, pose.z,
                           self.schema, frame.agents)  # fmt: skip
        np.multiply(raster.data[:, ::-1, ::-1].transpose(1, 2, 0), 255, out=out)


class OccupancyObservation(Observation):
    key = "occupancy"
    space = Box(0, len(OccClass) - 1, DEFAULT_GRID.shape, np.uint8)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        assert inputs.occupancy is not None
        np.copyto(out, inputs.occupancy)


class ImageObservation(Observation):
    """RGB, depth or semantic image of one camera."""

    def __init__(self, spec: CameraSpec, part: str):
        self.key, self.sensor, self._part, self._far = f"{spec.name}_{part}", spec.name, part, spec.max_range_m
        shape = (spec.height, spec.width)
        if part == "rgb":
            self.space = Box(0, 255, (*shape, 3), np.uint8)
        elif part == "depth":
            self.space = Box(0.0, spec.max_range_m, (*shape, 1), np.float32)
        else:
            self.space = Box(0, len(OccClass) - 1, (*shape, 1), np.uint8)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        image = getattr(inputs.records[self.sensor], self._part)
        if self._part == "depth":
            image = np.minimum(image, self._far)
        np.copyto(out, image.reshape(out.shape))


class PointsObservation(Observation):
    """Points of a LiDAR, with as many rows as a sweep can have points."""

    def __init__(self, spec: LidarSpec):
        self.key, self.sensor = f"{spec.name}_points", spec.name
        most = spec.azimuth_steps * len(spec.elevation_rad) * (2 if spec.returns == "dual" else 1)
        # Range noise and the ego's motion move points a little beyond the range.
        far = 1.1 * spec.max_range_m + 10.0
        low, high = np.array([-far, -far, -far, 0.0], np.float32), np.array([far, far, far, 1.0], np.float32)
        self.space = Box(np.tile(low, (most, 1)), np.tile(high, (most, 1)), dtype=np.float32)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        sweep = inputs.records[self.sensor]
        count = len(sweep.xyz)
        out[:count, :3], out[:count, 3], out[count:] = sweep.xyz, sweep.intensity, 0.0


class PointCountObservation(Observation):
    """Number of points of a LiDAR's sweep."""

    def __init__(self, spec: LidarSpec):
        self.key, self.sensor = f"{spec.name}_count", spec.name
        self.space = Box(0, PointsObservation(spec).space.shape[0], (1,), np.int32)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        out[0] = len(inputs.records[self.sensor].xyz)


class RangeImageObservation(Observation):
    """Range image of a LiDAR."""

    def __init__(self, spec: LidarSpec):
        self.key, self.sensor = f"{spec.name}_range", spec.name
        self._spec, rings = spec, len(spec.elevation_rad)
        self._row = np.empty(rings, np.int64)
        self._row[np.argsort(-np.array(spec.elevation_rad), kind="stable")] = np.arange(rings)
        firing = np.array(spec.firing_us or (0.0,) * rings)
        self._delay_s = (firing - firing.max()) * 1e-6
        self.space = Box(0.0, 1.0, (rings, spec.azimuth_steps, 1), np.float32)

    def write(self, inputs: ObservationInputs, out: np.ndarray) -> None:
        sweep, steps = inputs.records[self.sensor], self._spec.azimuth_steps
        turned = 1.0 + (sweep.time_s - self._delay_s[sweep.ring]) / (1e-6 * self._spec.period_us)
        column = np.clip(np.rint(steps * turned).astype(np.int64) - 1, 0, steps - 1)
        column = column if self._spec.clockwise else steps - 1 - column
        share = np.minimum(np.sqrt(np.einsum("nk,nk->n", sweep.xyz, sweep.xyz)) / self._spec.max_range_m, 1.0)
        out[:] = 1.0
        np.minimum.at(out[..., 0], (self._row[sweep.ring], column), share)


def make_observations(names: Iterable[str], rig: SensorRig) -> list[Observation]:
    """The entries with some names, in the order of the names.

    Raises:
        InputError: an unknown name, or a sensor that the rig lacks.
    """
    groups: dict[str, list[Observation]] = {
        "ego": [EgoObservation()],
        "route": [RouteObservation()],
        "agents": [AgentsObservation()],
        "layout": [LayoutObservation()],
        "occupancy": [OccupancyObservation()],
    }
    for part in ("rgb", "depth", "semantic"):
        groups[part] = [ImageObservation(camera, part) for camera in rig.cameras]
    groups["points"] = [kind(lidar) for lidar in rig.lidars for kind in (PointsObservation, PointCountObservation)]
    groups["range"] = [RangeImageObservation(lidar) for lidar in rig.lidars]
    single = {o.key: [o] for group in groups.values() for o in group}
    found: dict[str, Observation] = {}
    for name in names:
        entries = groups.get(name, single.get(name))
        if entries is None:
            known = ", ".join(dict.fromkeys([*groups, *single]))
            raise InputError(f"expected some of {known}, got {name!r}", field="observations")
        if not entries:
            raise InputError(f"{name!r} needs a sensor that the rig {rig.name!r} lacks", field="observations")
        found |= {entry.key: entry for entry in entries}
    if not found:
        raise InputError("expected at least one name", field="observations")
    return list(found.values())


def rig_for(observations: Iterable[Observation], rig: SensorRig) -> SensorRig:
    """The sensors that some observations need, without phases, so that each has a record from the first tick on."""
    needed = {o.sensor for o in observations}
    cameras = tuple(replace(c, phase_us=0) for c in rig.cameras if c.name in needed)
    return SensorRig(rig.name, cameras, tuple(replace(l, phase_us=0) for l in rig.lidars if l.name in needed))
