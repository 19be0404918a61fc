"""The built-in driver on a server's world: pure pursuit of the route, IDM behind whoever is on it, stops at red."""

from __future__ import annotations

import numpy as np

from uniscene_sim.control import NORMAL, Control
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.maps.elements import FREE_SPEED_MPS, Route
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import make_body
from uniscene_sim.world.ego import EgoState, pure_pursuit
from uniscene_sim.world.traffic.idm import idm

__all__ = ["RouteDriver"]

_SIDE_ACCEL_MPS2 = 2.0  # the most in a curve
_ROOM_M = 0.4  # beside the ego
_SEES_M = 80
_LOOKS_AHEAD_S = (0.0, 0.8, 1.6, 2.4)
_CURVE_M = 5  # the radius is measured over


class RouteDriver:
    """Drives along a route.

    Args:
        static_map: with the limits and stop lines.
        route: the way.
    """

    def __init__(self, static_map: StaticMap, route: Route):
        self._path = route.path
        self._limits = self._speed_limits(static_map, route)
        lines = [line for line in static_map.stop_lines if line.signal >= 0 and line.lane in route.lanes]
        self._stops = [(self._near(line.ends[:, :2].mean(axis=0)), line.signal) for line in lines]
        self._at = 0

    def control(self, layout: LayoutFrame) -> Control:
        """What to do now; at the end of the route it stops."""
        pose, vehicle, path = layout.ego_pose, layout.ego_vehicle, self._path
        low = max(self._at - 5, 0)
        self._at = low + self._near(np.array([pose.x, pose.y]), path[low : low + 60])
        speed = float(layout.ego_velocity @ pose.rotation[:, 0])
        steer = pure_pursuit(EgoState(pose, speed), path, self._at, vehicle)
        nose = vehicle.rear_axle_to_centre_m + 0.5 * vehicle.length_m
        gap, leader = self._leader(layout, nose)
        wish = float(self._limits[self._at : self._at + max(int(2.0 * speed), 5)].min(initial=FREE_SPEED_MPS))
        me = make_body(0, AgentClass.CAR, pose.x, pose.y, pose.z, pose.yaw, speed=speed)[()]
        accel = idm(me, wish, gap, leader)
        stops = [at for at, signal in self._stops if layout.signals[signal] in (SignalState.RED, SignalState.YELLOW)]
        for at in [*stops, len(path) - 1]:
            ahead = at - self._at - nose
            if 0.0 < ahead < _SEES_M or at == len(path) - 1:
                accel = min(accel, idm(me, wish, max(ahead + NORMAL.gap_m - 0.6, 0.1), 0.0))
        return Control(float(np.clip(steer, -vehicle.max_steer_rad, vehicle.max_steer_rad)), float(accel))

    def _leader(self, layout: LayoutFrame, nose: float) -> tuple[float, float]:
        """Gap, m, to the nearest body on the way ahead, inf if there is none, and its speed along the way, m/s. Who
        moves across the way is on it from some seconds before, where it will be."""
        path = self._path[self._at : self._at + _SEES_M]
        agents = layout.agents[layout.agents["cls"] != AgentClass.SIGNAL_HEAD]
        if not len(agents) or len(path) < 2:
            return np.inf, 0.0
        near = np.hypot(*(agents["pos"][:, :2] - path[0, :2]).T) < _SEES_M
        agents, way = agents[near], np.gradient(path[:, :2], axis=0)
        way /= np.maximum(np.linalg.norm(way, axis=1), 1e-9)[:, None]
        best, leader_speed = np.inf, 0.0
        for ahead_s in _LOOKS_AHEAD_S:
            places = agents["pos"][:, :2] + ahead_s * agents["vel"][:, :2]
            apart = np.hypot(places[:, None, 0] - path[None, :, 0], places[:, None, 1] - path[None, :, 1])
            nearest = apart.argmin(axis=1)
            along = way[nearest]
            turn = np.stack([np.cos(agents["rpy"][:, 2]), np.sin(agents["rpy"][:, 2])], axis=1)
            straight = np.abs((turn * along).sum(axis=1))
            across = np.sqrt(np.maximum(1.0 - straight**2, 0.0))
            half_width = 0.5 * (straight * agents["size"][:, 1] + across * agents["size"][:, 0])
            half_length = 0.5 * (straight * agents["size"][:, 0] + across * agents["size"][:, 1])
            on_way = apart.min(axis=1) < 0.5 * layout.ego_vehicle.width_m + half_width + _ROOM_M
            on_way &= (nearest > 0) & (nearest < len(path) - 1)
            speeds = (agents["vel"][:, :2] * along).sum(axis=1)
            if ahead_s:
                on_way &= np.linalg.norm(agents["vel"][:, :2], axis=1) > 2.0 * np.abs(speeds)
            gaps = np.where(on_way, nearest - half_length - nose, np.inf)
            if len(gaps) and (first := gaps.min()) < best:
                best, leader_speed = max(float(first), 0.1), max(float(speeds[gaps.argmin()]), 0.0)
        return best, leader_speed

    def _near(self, place: np.ndarray, path: np.ndarray | None = None) -> int:
        """Index of the point of a path that is nearest to a place."""
        points = self._path if path is None else path
        return int(np.hypot(points[:, 0] - place[0], points[:, 1] - place[1]).argmin())

    def _speed_limits(self, static_map: StaticMap, route: Route) -> np.ndarray:
        """What may be driven at each point (R,), m/s: the lane's limit, and what its curve allows."""
        path = route.path
        limits = np.full(len(path), FREE_SPEED_MPS)
        for k in range(0, len(path), 5):
            lane, s_m, _ = static_map.nearest_lane(*path[k].tolist())
            if lane >= 0:
                limits[k : k + 5] = min(static_map.lanes[lane].limit_at(s_m), FREE_SPEED_MPS)
        heading = np.unwrap(np.arctan2(*np.gradient(path[:, :2], axis=0).T[::-1]))
        bend = np.abs(heading[_CURVE_M:] - heading[:-_CURVE_M]) / _CURVE_M
        slow = np.sqrt(_SIDE_ACCEL_MPS2 / np.maximum(bend, 1e-4))
        for k in range(_CURVE_M + 1):
            limits[k : k + len(slow)] = np.minimum(limits[k : k + len(slow)], slow)
        return limits
