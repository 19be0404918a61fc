"""A scenario as one of its vehicles sees it: the layout, the route and the counts with that vehicle in the ego's place,
so that observations, rewards and actions are the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.env.progress import Progress, ScenarioProgress, limit_on_path
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.bodies import write_agents
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.state import Tally
from uniscene_sim.world.vehicles.driven import vehicle_of

__all__ = ["AgentView", "BodyProgress"]

_ROUTE_POINTS = 80
_ENDS_M = 5.0  # of a route, as for the ego: its end is reached this far before its last point
_SLOWEST_MPS = 1.0


class BodyProgress:
    """`Progress` of a vehicle that `ScenarioSource.drive_others` drives.

    Args:
        source: the scenario.
        row: of the vehicle.
    """

    def __init__(self, source: ScenarioSource, row: int):
        self._source, self._row = source, row
        self.target_speed_mps = max(float(source.state.bodies[row]["desired"]), _SLOWEST_MPS)

    @property
    def bodies(self) -> np.ndarray:
        return self._source.state.bodies[self._row : self._row + 1]

    @property
    def paths(self) -> np.ndarray:
        return self._source.state.paths[self._row : self._row + 1]

    @property
    def counts(self) -> np.ndarray:
        return self._source.state.counts[self._row : self._row + 1]

    @property
    def stop_line_states(self) -> np.ndarray:
        return self._source.stop_line_states

    @property
    def driven_path_m(self) -> float:
        return float(self.bodies[0]["s"])

    @property
    def route_left_m(self) -> float:
        return max(float(self.counts[0]) - 1.0 - self.driven_path_m, 0.0)

    @property
    def completion(self) -> float:
        return min(self.driven_path_m / max(float(self.counts[0]) - _ENDS_M, 1.0), 1.0)

    @property
    def arrived(self) -> bool:
        return self.completion >= 0.995

    @property
    def speed_limit_mps(self) -> float:
        return limit_on_path(self.paths[0], int(self.counts[0]), self.driven_path_m)

    @property
    def motion(self) -> tuple[float, float, float]:
        row = self.bodies[0]
        return float(row["speed"]), float(row["accel"]), float(row["yaw_rate"])

    @property
    def tally(self) -> Tally:
        return next((body.tally for body in self._source.state.driven if body.row == self._row), Tally())

    def update(self, layouts: Sequence[LayoutFrame]) -> None:
        """Nothing to do: the source counts by itself."""

    def save(self) -> None:
        return None

    def restore(self, saved: None) -> None:
        """Nothing to do: everything is in the source's state."""


class AgentView:
    """A scenario with one vehicle in the ego's place.

    Args:
        source: the scenario.
        name: of the vehicle: "ego", an agent's, or "#ID".

    Attributes:
        recent_layouts: the current layout alone.

    Raises:
        InputError: there is no such vehicle on a road.
    """

    def __init__(self, source: ScenarioSource, name: str):
        self.name, self._source = name, source
        self._row = 0 if name == "ego" else source.row_of(name)
        self.progress: Progress = BodyProgress(source, self._row) if self._row else ScenarioProgress(source)
        body = source.state.bodies[self._row]
        wheels = vehicle_of(body)
        self._vehicle = EgoVehicle(
            name=name, length_m=float(body["length"]), width_m=float(body["width"]), height_m=float(body["height"]),
            wheelbase_m=wheels[3], rear_axle_to_centre_m=wheels[4],
        )  # fmt: skip
        self.recent_layouts: tuple[LayoutFrame, ...] = ()

    @property
    def map(self) -> StaticMap:
        return self._source.map

    def see(self, frame: LayoutFrame) -> None:
        """Take in the scenario's current layout."""
        self.recent_layouts = (frame if self._row == 0 else self._turned(frame),)

    def _turned(self, frame: LayoutFrame) -> LayoutFrame:
        """The layout with this vehicle as the ego, and the ego among the agents."""
        state = self._source.state
        body, vehicle = state.bodies[self._row], self._vehicle
        back, yaw, at = vehicle.rear_axle_to_centre_m, float(body["yaw"]), int(max(body["s"], 0.0))
        pose = Pose(
            float(body["x"]) - back * np.cos(yaw), float(body["y"]) - back * np.sin(yaw), float(body["z"]),
            0.0, float(body["pitch"]), yaw,
        )  # fmt: skip
        ego = np.empty(1, AGENT_DTYPE)
        write_agents(state.bodies[[0, 0]], ego, 0)
        others = frame.agents[frame.agents["id"] != body["id"]]
        return replace(
            frame,
            ego_pose=pose,
            ego_velocity=float(body["speed"]) * pose.rotation[:, 0],
            ego_yaw_rate=float(body["yaw_rate"]),
            ego_accel=float(body["accel"]),
            ego_steer=float(body["steer"]),
            ego_vehicle=vehicle,
            agents=np.concatenate([others, ego]),
            route=state.paths[self._row, at : min(at + _ROUTE_POINTS, state.counts[self._row]), :3],
        )
