"""What happens to the ego, from layouts alone: whom it touches, whether it is off the road, red lights that it runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uniscene_sim.geometry import box_corners, boxes_overlap
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.physics import VehicleParameters
from uniscene_sim.world.voxel_collision import collides_with_voxels

__all__ = ["EgoEvents"]

_KERB_M = 0.1  # what is lower is driven over
_ROAD, _FOR_CARS = 3, 2  # ranks of ground, see `Surface.rank`
_VOXELS = -1  # the "agent" that generated voxels are


class EgoEvents:
    """The names of events since the last layout, see `LayoutFrame.events`.

    Args:
        static_map: the map.
    """

    def __init__(self, static_map: StaticMap):
        self._map = static_map
        self._lines = [line for line in static_map.stop_lines if line.signal >= 0]
        self._ends = np.array([line.ends[:, :2] for line in self._lines]).reshape(-1, 2, 2)
        self._touched: frozenset[int] = frozenset()
        self._front: np.ndarray | None = None

    def of(self, layout: LayoutFrame, solid: Callable[[np.ndarray], np.ndarray] | None = None) -> tuple[str, ...]:
        """Events of a layout, after those of the layouts before it.

        Args:
            layout: the moment.
            solid: maps points (N, 3), m, to whether a generated voxel is there, bool (N,); None to look for agents
                alone. It is asked only where the ego is not wholly on roads: there are none on these.
        """
        vehicle, pose = layout.ego_vehicle, layout.ego_pose
        middle, front = pose.apply(
            np.array([[vehicle.rear_axle_to_centre_m, 0.0, 0.0],
                      [vehicle.rear_axle_to_centre_m + 0.5 * vehicle.length_m, 0.0, 0.0]])
        )  # fmt: skip
        box = np.array([middle[0], middle[1], pose.yaw, vehicle.length_m, vehicle.width_m])
        corners = box_corners(*box.tolist())
        rank = self._map.surface.rank(corners[:, 0], corners[:, 1], np.full(4, pose.z))
        touching = self._touching(layout, box, pose.z)
        if solid is not None and rank.min() < _ROAD and _in_voxels(layout, solid):
            touching |= {_VOXELS}
        names = [f"contact:{'static' if number == _VOXELS else number}" for number in sorted(touching - self._touched)]
        self._touched = touching
        if rank.min() < _FOR_CARS:
            names.append("off_road")
        if self._front is not None:
            names += self._run_lights(self._front, front[:2], layout.signals)
        self._front = front[:2]
        return tuple(names)

    def _touching(self, layout: LayoutFrame, box: np.ndarray, foot: float) -> frozenset[int]:
        """Ids of agents whose boxes overlap the ego's."""
        agents, top = layout.agents, foot + layout.ego_vehicle.height_m
        reach = 0.5 * (np.hypot(*box[3:]) + np.hypot(agents["size"][:, 0], agents["size"][:, 1]))
        near = np.hypot(agents["pos"][:, 0] - box[0], agents["pos"][:, 1] - box[1]) < reach
        low = agents["pos"][:, 2]
        near &= (low < top) & (low + agents["size"][:, 2] > foot + _KERB_M) & (agents["cls"] != AgentClass.SIGNAL_HEAD)
        return frozenset(
            int(agent["id"])
            for agent in agents[near]
            if boxes_overlap(box, np.array([*agent["pos"][:2], agent["rpy"][2], *agent["size"][:2]]))
        )

    def _run_lights(self, a: np.ndarray, b: np.ndarray, signals: np.ndarray) -> list[str]:
        """Red lights whose stop lines the front has crossed, moving from `a` to `b` the way that their traffic goes."""
        if not len(self._ends) or np.hypot(*(b - a)) > 20.0:  # it was put elsewhere
            return []
        left, right = self._ends[:, 0], self._ends[:, 1]
        crossed = (_side(a, b, left) * _side(a, b, right) < 0) & (_side(left, right, a) * _side(left, right, b) < 0)
        ahead = _side(left, right, b) > 0  # from behind the line, whose left end lies on the left, to beyond it
        reds = [self._lines[k].signal for k in np.flatnonzero(crossed & ahead)]
        return [f"red_light:{signal}" for signal in dict.fromkeys(reds) if signals[signal] == SignalState.RED]


def _in_voxels(layout: LayoutFrame, solid: Callable[[np.ndarray], np.ndarray]) -> bool:
    pose = layout.ego_pose
    ego = np.array([pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw, 0.0, 0.0, 0.0, 0.0])
    return collides_with_voxels(ego, VehicleParameters.of(layout.ego_vehicle), solid)


def _side(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Positive where a point lies to the left of the way from `a` to `b`."""
    way, to = b - a, point - a
    return np.asarray(way[..., 0] * to[..., 1] - way[..., 1] * to[..., 0])
