"""Progress of the ego along its route, and counts of events: for scenarios and for any other source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import PHYSICS_US, LayoutFrame
from uniscene_sim.outcome import Status
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import BODY_DTYPE
from uniscene_sim.world.path_columns import LANE, LIMIT, PATH_COLUMNS, YAW, X, Y, Z
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.state import Tally

__all__ = ["Progress", "RouteProgress", "ScenarioProgress", "limit_on_path", "progress_of"]

#: Target speed for a source without `target_speed_mps`: 50 km/h.
_TARGET_MPS = 13.9
#: The ego is searched for on its route this far behind and ahead of its last position, m.
_BEHIND_M, _AHEAD_M = 20, 60


class Progress(Protocol):
    """Input of observations, rewards and `info` beside the layouts.

    Attributes:
        bodies: BODY_DTYPE (N,), the ego first.
        paths, counts: (N, R, 10) and (N,), the paths that bodies follow, see `world.path_columns`, and their lengths.
        stop_line_states: uint8 (L,), see `ScenarioSource.stop_line_states`.
        driven_path_m: arc length along the whole route.
    """

    @property
    def bodies(self) -> np.ndarray: ...
    @property
    def paths(self) -> np.ndarray: ...
    @property
    def counts(self) -> np.ndarray: ...
    @property
    def stop_line_states(self) -> np.ndarray: ...
    @property
    def driven_path_m(self) -> float: ...
    @property
    def route_left_m(self) -> float: ...
    @property
    def completion(self) -> float: ...
    @property
    def arrived(self) -> bool: ...
    @property
    def target_speed_mps(self) -> float: ...
    @property
    def speed_limit_mps(self) -> float:
        """Where the ego is on its route."""
        ...

    @property
    def motion(self) -> tuple[float, float, float]:
        """Speed, m/s, acceleration, m/s2, and yaw rate, rad/s."""
        ...

    @property
    def tally(self) -> Tally: ...

    def update(self, layouts: Sequence[LayoutFrame]) -> None:
        """Take in the layouts of a tick."""
        ...

    def save(self) -> Any:
        """The state, for `restore`."""
        ...

    def restore(self, saved: Any) -> None: ...


def progress_of(source: LayoutSource, frame: LayoutFrame) -> Progress:
    """The progress of a source at its first layout."""
    return ScenarioProgress(source) if isinstance(source, ScenarioSource) else RouteProgress(source, frame)


class ScenarioProgress:
    """Progress of a scenario, read from the source's own state."""

    def __init__(self, source: ScenarioSource):
        self._source = source

    @property
    def bodies(self) -> np.ndarray:
        return self._source.state.bodies

    @property
    def paths(self) -> np.ndarray:
        return self._source.state.paths

    @property
    def counts(self) -> np.ndarray:
        return self._source.state.counts

    @property
    def stop_line_states(self) -> np.ndarray:
        return self._source.stop_line_states

    @property
    def driven_path_m(self) -> float:
        driven: float = self._source.state.route_at + self._source.state.bodies[0]["s"]
        return driven

    @property
    def route_left_m(self) -> float:
        return self._source.route_left_m

    @property
    def completion(self) -> float:
        return self._source.completion

    @property
    def arrived(self) -> bool:
        return self._source.arrived

    @property
    def target_speed_mps(self) -> float:
        return self._source.scenario.ego.target_speed_mps

    @property
    def speed_limit_mps(self) -> float:
        return limit_on_path(self.paths[0], int(self.counts[0]), float(self.bodies[0]["s"]))

    @property
    def motion(self) -> tuple[float, float, float]:
        ego = self._source.state.ego
        return ego.speed, ego.accel, ego.yaw_rate

    @property
    def tally(self) -> Tally:
        return self._source.state.tally

    def update(self, layouts: Sequence[LayoutFrame]) -> None:
        """Nothing to do: the source counts by itself."""

    def save(self) -> None:
        return None

    def restore(self, saved: None) -> None:
        """Nothing to do: everything is in the source's state."""


@dataclass
class RouteProgress:
    """Progress of any other source, computed from its `route_path` and its layouts.

    Collisions, time off the road and red lights are counted from the layouts' events "contact:...", "off_road" and
    "red_light:..."; there are no stop lines and no time to collision. The end of the route is reached if the source
    has an attribute `arrived` that is true, or else if it is done with SUCCESS. `target_speed_mps` is the source's, or
    else 50 km/h.
    """

    source: LayoutSource
    frame: LayoutFrame

    def __post_init__(self) -> None:
        self.target_speed_mps = float(getattr(self.source, "target_speed_mps", _TARGET_MPS))
        path = _sample_path(self.source.route_path, self.frame, self.target_speed_mps)
        self.paths, self.counts = path[None], np.array([len(path)])
        self.bodies, self.tally = np.zeros(1, BODY_DTYPE), Tally()
        self.stop_line_states = np.zeros(0, np.uint8)
        self._place(self.frame, 0, len(path))

    def update(self, layouts: Sequence[LayoutFrame]) -> None:
        tally, (x, y) = self.tally, (self.frame.ego_pose.x, self.frame.ego_pose.y)
        for frame in layouts:
            kinds = [event.partition(":")[0] for event in frame.events]
            pose = frame.ego_pose
            tally = replace(
                tally,
                collisions=tally.collisions + kinds.count("contact"),
                off_road_s=tally.off_road_s + 1e-6 * PHYSICS_US * ("off_road" in kinds),
                red_lights=tally.red_lights + kinds.count("red_light"),
                driven_m=tally.driven_m + float(np.hypot(pose.x - x, pose.y - y)),
            )
            x, y = pose.x, pose.y
        s = int(self.bodies[0]["s"])
        self.tally, self.frame = tally, layouts[-1]
        self._place(self.frame, max(s - _BEHIND_M, 0), s + _AHEAD_M)

    @property
    def driven_path_m(self) -> float:
        return float(self.bodies[0]["s"])

    @property
    def speed_limit_mps(self) -> float:
        return self.target_speed_mps

    @property
    def route_left_m(self) -> float:
        return max(len(self.paths[0]) - 1.0 - self.driven_path_m, 0.0)

    @property
    def completion(self) -> float:
        return min(self.driven_path_m / max(len(self.paths[0]) - 1.0, 1.0), 1.0)

    @property
    def arrived(self) -> bool:
        done = self.source.done
        return bool(getattr(self.source, "arrived", done and self.source.outcome.status == Status.SUCCESS))

    @property
    def motion(self) -> tuple[float, float, float]:
        return float(self.bodies[0]["speed"]), self.frame.ego_accel, self.frame.ego_yaw_rate

    def save(self) -> tuple[LayoutFrame, Tally, np.ndarray]:
        return self.frame, self.tally, self.bodies.copy()

    def restore(self, saved: tuple[LayoutFrame, Tally, np.ndarray]) -> None:
        self.frame, self.tally, bodies = saved
        self.bodies = bodies.copy()

    def _place(self, frame: LayoutFrame, low: int, high: int) -> None:
        """Write the ego's row: its arc length is searched for between two points of the path."""
        pose, vehicle, row = frame.ego_pose, frame.ego_vehicle, self.bodies[0]
        x, y, _ = pose.apply(np.array([[vehicle.rear_axle_to_centre_m, 0.0, 0.0]]))[0]
        path = self.paths[0]
        low = min(low, len(path) - 1)
        distance = np.hypot(*(path[low : high + 1, [X, Y]] - (x, y)).T)
        at = low + int(np.argmin(distance))
        along = np.cos(path[at, YAW]) * (x - path[at, X]) + np.sin(path[at, YAW]) * (y - path[at, Y])
        row["s"] = min(max(at + along, 0.0), len(path) - 1.0)
        row["cls"], row["x"], row["y"], row["z"], row["yaw"] = AgentClass.CAR, x, y, pose.z, pose.yaw
        row["length"], row["width"], row["height"] = vehicle.length_m, vehicle.width_m, vehicle.height_m
        row["speed"], row["accel"] = float(frame.ego_velocity @ pose.rotation[:, 0]), frame.ego_accel


def limit_on_path(path: np.ndarray, count: int, s: float) -> float:
    """Speed limit, m/s, at arc length `s` of a path (R, 10) of `count` points."""
    return float(path[min(max(int(s), 0), count - 1), LIMIT])


def _sample_path(route: np.ndarray, frame: LayoutFrame, target_mps: float) -> np.ndarray:
    """A route (R, 3), m, as a path (M, 10) with a point every metre; for an empty route, the ego's position alone."""
    pose = frame.ego_pose
    points = np.asarray(route, float).reshape(-1, 3)
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T) if len(points) > 1 else np.zeros(0)
    points, s = points[np.r_[True, steps > 1e-6]] if len(points) else points, np.r_[0.0, np.cumsum(steps[steps > 1e-6])]
    if len(points) < 2:
        points, s = np.array([[pose.x, pose.y, pose.z]]), np.zeros(1)
    at = np.arange(int(s[-1]) + 1.0)
    path = np.zeros((len(at), PATH_COLUMNS))
    for column, values in zip((X, Y, Z), points.T, strict=True):
        path[:, column] = np.interp(at, s, values)
    if len(points) > 1:
        heading = np.unwrap(np.arctan2(*np.diff(points[:, :2], axis=0).T[::-1]))
        path[:, YAW] = np.interp(at, 0.5 * (s[1:] + s[:-1]), heading)
    else:
        path[:, YAW] = pose.yaw
    path[:, LIMIT], path[:, LANE] = target_mps, -1
    return path
