"""Where the bodies of a scenario begin, and those that edits add."""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import Lane, Route
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import AgentSpec, Scenario, Spawn
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, make_body
from uniscene_sim.world.paths import PATH_POINTS, LanePlace, annotate_path, lane_ahead

__all__ = ["MODES", "PlacedAgent", "Placer", "resolve_spawn"]

_OFF_LANE_M = 1.0
_MARGIN_M = 50.0  # beside the map, where edits may still put somebody
MODES = {
    "traffic": MotionMode.TRAFFIC,
    "constant": MotionMode.CONSTANT,
    "walk": MotionMode.WALK,
    "parked": MotionMode.STATIC,
    "trajectory": MotionMode.TRAJECTORY,
}
_GOAL_M = 100.0  # most distance of a goal from a lane


def resolve_spawn(
    scenario: Scenario, vector_map: StaticMap, spawn: Spawn, field: str, places: dict[str, LanePlace]
) -> tuple[LanePlace, float]:
    """The place of a spawn and the offset to its left, m; on no lane where the spawn is free.

    Args:
        scenario: for messages.
        vector_map: the map.
        spawn: the spawn.
        field: of the scenario file, for messages.
        places: of other agents by name.

    Raises:
        InputError: off the road, or no such lane beside the other agent's.
    """
    if spawn.relative_to is None:
        yaw = None if spawn.yaw_deg is None else float(np.radians(spawn.yaw_deg))
        if spawn.free or not vector_map.lanes:
            return LanePlace(-1, 0.0), 0.0
        lane, s, _ = vector_map.nearest_lane(spawn.x, spawn.y, yaw=yaw)
        x, y, _, _ = vector_map.lane_point(lane, s)
        away = float(np.hypot(x - spawn.x, y - spawn.y))
        width = float(np.interp(s, vector_map.lanes[lane].s, vector_map.lanes[lane].width))
        if away > 0.5 * width + _OFF_LANE_M:
            why = f"{scenario.told(spawn.x, spawn.y)} lies {away:.1f} m from the nearest driving lane"
            raise InputError(f"{why}; expected one on it", file=scenario.file, field=field)
        return LanePlace(lane, s), spawn.lateral_m
    if spawn.relative_to not in places:
        why = f"{spawn.relative_to!r} is on no lane, expected somebody who is"
        raise InputError(why, file=scenario.file, field=f"{field}.relative_to")
    lane, s = lane_ahead(vector_map, *places[spawn.relative_to], spawn.ahead_m)
    x, y = vector_map.lane_point(lane, s)[:2]
    for _ in range(abs(spawn.lanes_left)):
        lane = vector_map.lanes[lane].left if spawn.lanes_left > 0 else vector_map.lanes[lane].right
        if lane < 0 or vector_map.lanes[lane].kind != "driving":
            raise InputError(
                f"no lane {abs(spawn.lanes_left)} to the {'left' if spawn.lanes_left > 0 else 'right'} there",
                file=scenario.file,
                field=field,
            )
    if spawn.opposite:
        while (left := vector_map.lanes[lane].left) >= 0 and vector_map.lanes[left].kind == "driving":
            lane = left
        lane = vector_map.lanes[lane].opposite
        if lane < 0:
            raise InputError("no lane of the other direction there", file=scenario.file, field=field)
    if spawn.lanes_left or spawn.opposite:
        s = _abreast(vector_map.lanes[lane], x, y)
    return LanePlace(lane, s), spawn.lateral_m


def _abreast(lane: Lane, x: float, y: float) -> float:
    """Arc length, m, of the point on a lane's centre line that is nearest to a place."""
    begin, steps = lane.centre[:-1, :2], np.diff(lane.centre[:, :2], axis=0)
    along = ((x - begin[:, 0]) * steps[:, 0] + (y - begin[:, 1]) * steps[:, 1]) / (steps**2).sum(axis=1).clip(1e-12)
    share = along.clip(0.0, 1.0)
    foot = begin + share[:, None] * steps
    k = int(np.hypot(foot[:, 0] - x, foot[:, 1] - y).argmin())
    return float(lane.s[k] + share[k] * (lane.s[k + 1] - lane.s[k]))


class PlacedAgent(NamedTuple):
    """A body where it begins."""

    row: np.ndarray  # () BODY_DTYPE
    path: np.ndarray  # (R, 10), annotated
    place: LanePlace  # the lane that it is on; -1 for none


class Placer:
    """Places agents on a map.

    Args:
        scenario: whose file and frame messages speak of.
        static_map: the map, with its edits.
    """

    def __init__(self, scenario: Scenario, static_map: StaticMap):
        self._scenario, self._map = scenario, static_map

    def goal(self, place: tuple[float, float], field: str) -> LanePlace:
        """The nearest place on a driving lane; InputError if none is near."""
        lane, s, _ = self._map.nearest_lane(*place)
        x, y = self._map.lane_point(lane, s)[:2]
        away = float(np.hypot(x - place[0], y - place[1]))
        if away > _GOAL_M:
            why = f"{self._scenario.told(*place)} lies {away:.0f} m from the nearest driving lane"
            raise InputError(f"{why}; expected one within {_GOAL_M:g} m", file=self._scenario.file, field=field)
        return LanePlace(lane, s)

    def way(self, lane: int, s: float, goal: int, field: str) -> Route:
        """The route from a place on a lane to the end of another lane.

        Args:
            lane, s: index of the first lane, and arc length on it, m.
            goal: index of the last lane.
            field: that asks for it, for messages.
        """
        try:
            return self._map.route(lane, s, goal)
        except InputError as error:
            why = f"{error.message}; expected a place that can be driven to"
            raise InputError(why, file=self._scenario.file, field=field) from None

    def agent(self, spec: AgentSpec, field: str, identity: int, places: dict[str, LanePlace]) -> PlacedAgent:
        """The body of an agent.

        Args:
            spec: the agent.
            field: of its spawn, for messages.
            identity: its id.
            places: of other agents by name.

        Raises:
            InputError: a spawn off the road, or no way to its goal.
        """
        vector_map = self._map
        cls, mode = AgentClass[spec.cls.upper()], MODES[spec.behaviour]
        (lane, s), left = resolve_spawn(self._scenario, vector_map, spec.spawn, field, places)
        x, y, z, yaw = self.pose(spec.spawn, lane, s, left)
        speed, manners = spec.speed_mps, asdict(spec.manners)
        row = make_body(identity, cls, x, y, z, yaw, mode=mode, speed=speed, desired=speed, **manners)
        if spec.size is not None:
            row["length"], row["width"], row["height"] = spec.size
        stays = mode == MotionMode.STATIC or mode == MotionMode.TRAJECTORY
        if stays or mode == MotionMode.WALK or lane < 0:
            path = annotate_path(vector_map, self.straight(x, y, z, yaw, 2.0 if stays else 60.0), ())
            # Walkers stand until an event sends them, unless the file gives them a speed.
            row["started"] = mode != MotionMode.WALK or spec.speed_mps > 0
        else:
            if spec.goal is None:
                route = vector_map.route(lane, s, None, PATH_POINTS - 1.0)
            else:
                goal = field.replace("spawn", "goal")
                route = self.way(lane, s, self.goal(spec.goal, goal).lane, goal)
            path = annotate_path(vector_map, route.path, route.lanes)
            row["offset"] = left
        return PlacedAgent(row, path[:PATH_POINTS], LanePlace(lane, s))

    def standing(self, spawn: Spawn, field: str, places: dict[str, LanePlace]) -> tuple[float, float, float, float]:
        """x, y, z, yaw of a spawn.

        Args:
            spawn: the place as it is given.
            field: its field, for messages.
            places: of agents by name.

        Raises:
            InputError: it lies off the road or, if it is free, off the map.
        """
        (lane, s), left = resolve_spawn(self._scenario, self._map, spawn, field, places)
        x_min, y_min, x_max, y_max = self._map.bounds
        inside = x_min - _MARGIN_M <= spawn.x <= x_max + _MARGIN_M and y_min - _MARGIN_M <= spawn.y <= y_max + _MARGIN_M
        if lane < 0 and not inside:
            least, most = self._scenario.told(x_min, y_min), self._scenario.told(x_max, y_max)
            why = f"{self._scenario.told(spawn.x, spawn.y)} lies off the map; expected a place from {least} to {most}"
            raise InputError(why, file=self._scenario.file, field=field)
        return self.pose(spawn, lane, s, left)

    def pose(self, spawn: Spawn, lane: int, s: float, left: float) -> tuple[float, float, float, float]:
        """x, y, z, yaw of a place on a lane, or of a free one where `lane` is -1.

        Args:
            spawn: the place as it is given.
            lane, s, left: index of its lane, arc length on it and offset to its left, m.
        """
        if lane >= 0:
            x, y, z, yaw = self._map.lane_point(lane, s)
            return x - left * np.sin(yaw), y + left * np.cos(yaw), z, yaw
        near, near_s, _ = self._map.nearest_lane(spawn.x, spawn.y)
        hint = self._map.lane_point(near, near_s)[2] if near >= 0 else 0.0
        z = self._map.surface_height(np.array([spawn.x]), np.array([spawn.y]), np.array([hint]))[0]
        return spawn.x, spawn.y, float(z), float(np.radians(spawn.yaw_deg or 0.0))

    def straight(self, x: float, y: float, z: float, yaw: float, length: float) -> np.ndarray:
        """Path (R, 3), m, straight on from a place.

        Args:
            x, y, z: the place, m.
            yaw: direction, rad.
            length: m.
        """
        at = np.arange(0.0, length, 1.0)
        xs, ys = x + at * np.cos(yaw), y + at * np.sin(yaw)
        return np.stack([xs, ys, self._map.surface_height(xs, ys, np.full(len(xs), z))], axis=1)
