"""The first moment of a scenario: the ego and agents of the file, and ambient traffic around them."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.vector.routing import resample
from uniscene_sim.scenario import Scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, make_body
from uniscene_sim.world.ego import EgoState, pose_on_ground
from uniscene_sim.world.episode.checks import check_lanes
from uniscene_sim.world.episode.placing import Placer, resolve_spawn
from uniscene_sim.world.episode.random_spawn import random_route, random_start, safe_start_mps
from uniscene_sim.world.motion import place_on_paths
from uniscene_sim.world.path_columns import PATH_COLUMNS
from uniscene_sim.world.paths import PATH_POINTS, LanePlace, annotate_path
from uniscene_sim.world.state import WorldState
from uniscene_sim.world.tracks import TRACK_COLUMNS, Tracks, follow_track, track_rows
from uniscene_sim.world.traffic.population import Population, absent_body

__all__ = ["InitialState", "ego_row"]

_BEGINS_M = 2.0  # most distance of the start of a trajectory from the ego


class InitialState:
    """Builds the first state of a scenario.

    Args:
        scenario: the scenario.
        vector_map: its map.
        seed: of the run.
        first_id: id of the first agent.

    Attributes:
        state: the first state.
        route: the ego's annotated path (R, 10).
        population: the ambient traffic.
        tracks: trajectories of agents and of actions.
        track_of: track of each action `follow_trajectory`, by (event, action).

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """

    def __init__(self, scenario: Scenario, vector_map: StaticMap, seed: int, first_id: int):
        self._scenario, self._map, self._place = scenario, vector_map, Placer(scenario, vector_map)
        check_lanes(scenario, vector_map)
        spec = scenario.ego
        places: dict[str, LanePlace] = {}
        if spec.spawn.random:
            start = random_start(scenario, vector_map, seed)
            (lane, s), left = start.place, 0.0
        else:
            (lane, s), left = resolve_spawn(scenario, vector_map, spec.spawn, "ego.spawn", places)
        x, y, z, yaw = self._place.pose(spec.spawn, lane, s, left)
        if lane < 0:
            lane, s, _ = vector_map.nearest_lane(x, y)
        places["ego"] = LanePlace(lane, s)
        speed = spec.speed_mps
        if spec.trajectory:
            self.route = self._trajectory_route(x, y, z)
        elif lane < 0:
            self.route = annotate_path(vector_map, self._place.straight(x, y, z, yaw, 2.0), ())
        elif spec.spawn.random and spec.goal is None:
            self.route = random_route(vector_map, start.place, seed, self._route_m, start.only)
        else:
            self.route = self._route(lane, s)
        if spec.spawn.random:
            front = spec.vehicle.rear_axle_to_centre_m + 0.5 * spec.vehicle.length_m
            speed = min(speed, safe_start_mps(self.route, front))
        ego = EgoState(pose_on_ground(x, y, z, yaw, spec.vehicle, vector_map.surface), speed)
        rows, paths = [ego_row(scenario, ego)], [self.route[:PATH_POINTS]]
        if spec.trajectory or lane < 0:
            rows[0]["mode"] = MotionMode.CONSTANT  # others react to it; it does not overtake, nor wait for them
        tracks: list[np.ndarray] = []
        for i, agent in enumerate(scenario.agents):
            row, path, place = self._place.agent(agent, f"agents[{i}].spawn", first_id + i, places)
            if agent.trajectory:
                row["track"] = len(tracks)
                tracks.append(self._track(agent.trajectory, row))
            rows.append(row)
            paths.append(path)
            if place.lane >= 0:
                places[agent.name] = place
        by_name = {agent.name: row for agent, row in zip(scenario.agents, rows[1:], strict=True)}
        self.track_of: dict[tuple[int, int], int] = {}
        for e, event in enumerate(scenario.events):
            for k, action in enumerate(event.actions):
                if action.kind == "follow_trajectory" and action.agent in by_name:
                    self.track_of[e, k] = len(tracks)
                    tracks.append(self._track(action.trajectory, by_name[action.agent]))
        self.tracks = Tracks.of(tracks)
        named = len(rows)
        self.population = Population(vector_map, scenario.traffic, seed, named, first_id + named)
        vehicles, walkers = self.population.row_counts(self.route)
        rows += [absent_body(walker=False)] * vehicles + [absent_body(walker=True)] * walkers
        packed = np.zeros((len(rows), PATH_POINTS, PATH_COLUMNS))
        counts = np.ones(len(rows), dtype=np.int64)
        for i, path in enumerate(paths):
            packed[i, : len(path)], counts[i] = path, len(path)
        state = WorldState(0, ego, np.array(rows), packed, counts, (False,) * len(scenario.events))
        if vehicles or walkers:
            state = self.population.populate(state, vehicles)
        place_on_paths(state.bodies, state.paths, state.counts, 1)
        for i in np.flatnonzero(state.bodies["mode"] == MotionMode.TRAJECTORY).tolist():
            follow_track(state.bodies, i, self.tracks, 0.0, np.empty(TRACK_COLUMNS))
        self.state = replace(state, bodies=state.bodies)

    @property
    def _route_m(self) -> float:
        """Length of a route without a goal."""
        spec = self._scenario.ego
        return spec.route_m or max(120.0, spec.target_speed_mps * self._scenario.duration_s + 60.0)

    def _route(self, lane: int, s: float) -> np.ndarray:
        spec, vector_map = self._scenario.ego, self._map
        if spec.goal is None:
            route = vector_map.route(lane, s, None, self._route_m)
            if spec.route_m and route.length < 0.999 * spec.route_m - 1.0:
                why = f"only {route.length:.0f} m of road lie ahead of the ego, expected {spec.route_m:g}"
                raise InputError(why, file=self._scenario.file, field="ego.route_m")
            return annotate_path(vector_map, route.path, route.lanes)
        pieces: list[np.ndarray] = []
        lanes: list[int] = []
        here = lane, s
        for k, goal in enumerate((*spec.via, spec.goal)):
            field = f"ego.via[{k}]" if k < len(spec.via) else "ego.goal"
            target, target_s = self._place.goal(goal, field)
            route = self._place.way(*here, target, field)
            end = np.array(vector_map.lane_point(target, target_s)[:3])
            # The lane's end is where a route ends; the goal lies before it.
            pieces.append(route.path[: int(np.hypot(*(route.path[:, :2] - end[:2]).T).argmin()) + 1])
            lanes += route.lanes
            here = (target, target_s)
        path = np.concatenate(pieces)
        if len(path) < 2:
            why = "lies where the ego begins, or behind it on its lane; expected a place ahead, or one to go `via`"
            raise InputError(why, file=self._scenario.file, field="ego.goal")
        return annotate_path(vector_map, path, lanes)

    def _trajectory_route(self, x: float, y: float, z: float) -> np.ndarray:
        """The path of the ego's trajectory, a point each metre."""
        points = np.array(self._scenario.ego.trajectory)[:, 1:]
        away = float(np.hypot(*(points[0] - (x, y))))
        if away > _BEGINS_M:
            why = f"begins {away:.1f} m from the ego, expected at {self._scenario.told(x, y)}"
            raise InputError(why, file=self._scenario.file, field="ego.trajectory")
        way = resample(np.column_stack([points, np.full(len(points), z)]), np.inf)
        way[:, 2] = self._map.surface_height(way[:, 0], way[:, 1], way[:, 2])
        return annotate_path(self._map, way, None if self._map.lanes else ())

    def _track(self, points: tuple[tuple[float, float, float], ...], row: np.ndarray) -> np.ndarray:
        """A trajectory of a body as rows of a track."""
        lane, s, _ = self._map.nearest_lane(*points[0][1:], float(row["z"]))
        z = self._map.lane_point(lane, s)[2] if lane >= 0 else float(row["z"])
        walks = row["cls"] == AgentClass.PEDESTRIAN
        return track_rows(points, self._map.surface.arrays, z, float(row["yaw"]), float(row["length"]), walks)


def ego_row(scenario: Scenario, ego: EgoState) -> np.ndarray:
    """The ego as a row of BODY_DTYPE."""
    v, p = scenario.ego.vehicle, ego.pose
    forward = v.rear_axle_to_centre_m
    x, y = p.x + forward * np.cos(p.yaw), p.y + forward * np.sin(p.yaw)
    row = make_body(0, AgentClass.CAR, x, y, p.z, p.yaw, speed=ego.speed, **asdict(scenario.ego.manners))
    row["length"], row["width"], row["height"] = v.length_m, v.width_m, v.height_m
    row["desired"] = scenario.ego.target_speed_mps
    return row
