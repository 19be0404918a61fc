"""`EgoRoute`: the way that the ego is on, to a goal or straight ahead, and the driver that knows it."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from uniscene_carla.driver import RouteDriver
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.elements import Route
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["EgoRoute"]

_AHEAD_POINTS = 80
_STRAIGHT_M = 500.0
_LEFT_M = 12.0  # from the route, from which on it is another one
_AGAIN_US = 1_000_000  # after which another one is looked for at the earliest


class EgoRoute:
    """The route of an ego.

    Args:
        static_map: the map.
        pose: of the ego at first.
        goal: where it leads, map frame; None for straight ahead.

    Attributes:
        path: points (R, 3), m, of the route from the pose that it began at, one each metre.

    Raises:
        InputError: no way leads to the goal.
    """

    def __init__(self, static_map: StaticMap, pose: Pose, goal: Pose | None):
        self._map, self._goal = static_map, goal
        self._driver: RouteDriver | None = None
        self._at = 0  # the nearest point
        self.restart(pose)

    def restart(self, pose: Pose) -> None:
        """Begin anew at a pose."""
        self._take(self._planned(pose))
        self.path = self._route.path
        self._before_m, self._planned_us = 0, 0

    @property
    def completion(self) -> float:
        """Share of the way to the goal that is driven, with all detours, 0..1; 0 without a goal."""
        left = len(self._route.path) - 1 - self._at
        driven = self._before_m + self._at
        return 0.0 if self._goal is None else driven / max(driven + left, 1)

    def ahead(self, pose: Pose, stamp_us: int) -> np.ndarray:
        """The next points (N, 3), m; of another route, if the ego has left this one or comes to its end without a
        goal."""
        path, low = self._route.path, max(self._at - 5, 0)
        near = path[low : low + 60]
        apart = np.hypot(near[:, 0] - pose.x, near[:, 1] - pose.y)
        self._at = low + int(apart.argmin())
        ends = self._goal is None and len(path) - self._at < _AHEAD_POINTS
        if (ends or apart.min() > _LEFT_M) and stamp_us >= self._planned_us + _AGAIN_US:
            self._planned_us = stamp_us
            with suppress(InputError):  # no way leads on from here
                route, driven = self._planned(pose), self._at
                self._take(route)
                self._before_m += driven
        return self._route.path[self._at : self._at + _AHEAD_POINTS]

    def control(self, layout: LayoutFrame) -> Control:
        """What the built-in driver does."""
        self._driver = self._driver or RouteDriver(self._map, self._route)
        return self._driver.control(layout)

    def _take(self, route: Route) -> None:
        self._route, self._at, self._driver = route, 0, None

    def _planned(self, pose: Pose) -> Route:
        lane, s_m, _ = self._map.nearest_lane(pose.x, pose.y, pose.z, pose.yaw)
        if self._goal is None:
            return self._map.route(lane, s_m, None, _STRAIGHT_M)
        goal = self._goal
        end, end_s, _ = self._map.nearest_lane(goal.x, goal.y, goal.z, goal.yaw)
        try:
            route = self._round_to(lane, s_m) if end == lane and end_s < s_m else self._map.route(lane, s_m, end)
        except InputError as error:
            raise InputError(f"{error.message}: no way leads there", field="carla://goal") from None
        beyond = round(self._map.lanes[end].length - end_s)
        return Route(route.lanes, route.path[: max(len(route.path) - beyond, 2)])

    def _round_to(self, lane: int, s_m: float) -> Route:
        """The shortest way from a lane out and back to its end: to a goal that lies behind."""
        lanes, ways = self._map.lanes, []
        for after in lanes[lane].successors:
            with suppress(InputError):
                ways.append(self._map.route(after, 0.0, lane))
        if not ways:
            raise InputError(f"no way from the end of lane {lanes[lane].key} back to it")
        way = min(ways, key=lambda one: one.length)
        begin = self._map.route(lane, s_m, lane)
        return Route((*begin.lanes, *way.lanes), np.concatenate([begin.path, way.path[1:]]))
