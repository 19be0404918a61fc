"""The moment at which a logged drive becomes a free one: its agents as bodies that react.

Vehicles keep the way that the log has of them and drive it by the rules of traffic, beyond its end along lanes where
they are on some. People walk their logged way when it is clear. What never moves in the log stands. Who comes into the
log later enters at that place and time, or as soon as there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.vector.routing import resample
from uniscene_sim.scenario import Scenario, TrafficSpec
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, make_body
from uniscene_sim.world.ego import EgoState
from uniscene_sim.world.episode.start import InitialState, ego_row
from uniscene_sim.world.motion import place_on_paths
from uniscene_sim.world.path_columns import LANE, LANE_S, PATH_COLUMNS, X, Y
from uniscene_sim.world.paths import PATH_POINTS, annotate_path, random_path_ahead
from uniscene_sim.world.state import WorldState, with_path
from uniscene_sim.world.tracks import Tracks
from uniscene_sim.world.traffic.lane_change import begin_lane_change
from uniscene_sim.world.traffic.population import Population

__all__ = ["BranchState", "LoggedTrack"]

_MOVES_M = 1.0  # a shorter way is none
_BEHIND_M = 12.0  # of the way that is kept behind a body
_BEYOND_M = 30.0  # straight on where a way off the lanes ends
_ON_LANE_M = 1.8  # most distance from the middle of a lane, for half of the way
_STANDS_MPS = 0.2
_ROOM_M = 1.5  # between two bodies where one enters
_OUT_OF_SIGHT_M = 40.0
_SLOWEST_MPS = 8.0  # that a vehicle on lanes wants, however slow it was in the log
_ROUTE_M = 300.0  # of the ego, at least, where lanes lead on
_OFF_PATH_M, _OFF_PATH_RAD = 0.01, 0.005  # smaller corrections nobody sees
_EASE_S, _TRIES = 3.0, 4
_NOWHERE_M = 1e7


@dataclass(frozen=True)
class LoggedTrack:
    """An agent in a log: columns of its rows, in order of time."""

    times_us: np.ndarray  # int64 (K,)
    rows: np.ndarray  # (K,) AGENT_DTYPE

    @property
    def speeds(self) -> np.ndarray:
        """(K,) m/s."""
        speeds: np.ndarray = np.hypot(self.rows["vel"][:, 0], self.rows["vel"][:, 1])
        return speeds


class BranchState(InitialState):
    """The first state of a drive that was a log up to now.

    Args:
        scenario: what it is from now on; it has no agents.
        vector_map: the map.
        now: the layout at the branch.
        ego_way: (R, 3) m, where the ego goes in the log from now on.
        tracks: of all agents, by id, but those that are part of the map.
        seed: of the ways beyond the log.
    """

    def __init__(
        self,
        scenario: Scenario,
        vector_map: StaticMap,
        now: LayoutFrame,
        ego_way: np.ndarray,
        tracks: Mapping[int, LoggedTrack],
        seed: int,
    ):
        self._scenario, self._map, self._seed = scenario, vector_map, seed
        self.route = self._ego_route(now, ego_way)
        self.tracks, self.track_of = Tracks.of([]), {}
        heading = now.ego_pose.rotation[:, 0]
        ego = EgoState(now.ego_pose, float(now.ego_velocity @ heading), now.ego_accel, now.ego_steer, now.ego_yaw_rate)
        rows, paths = [ego_row(scenario, ego)], [self.route[:PATH_POINTS]]
        waits: dict[int, tuple[int, float]] = {}
        arrivals: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}
        for identity, track in sorted(tracks.items()):
            at = int(np.searchsorted(track.times_us, now.stamp_us))
            if at >= len(track.times_us):
                continue  # it was gone before
            row, path, begins_us = self._body(identity, track, at)
            i = len(rows)
            if begins_us > track.times_us[at]:
                waits[i] = begins_us, float(row["desired"])
                row["desired"] = 0.0
            if track.times_us[at] > now.stamp_us:
                arrivals[i] = int(track.times_us[at]), row, path
                row = make_body(identity, AgentClass(int(row["cls"])), _NOWHERE_M, _NOWHERE_M, 0.0, 0.0,
                                mode=MotionMode.ABSENT)  # fmt: skip
            rows.append(row)
            paths.append(path)
        packed = np.zeros((len(rows), PATH_POINTS, PATH_COLUMNS))
        counts = np.ones(len(rows), dtype=np.int64)
        for i, path in enumerate(paths):
            counts[i] = min(len(path), PATH_POINTS)
            packed[i, : counts[i]] = path[: counts[i]]
        self.population = _LoggedPopulation(vector_map, seed, waits, arrivals)
        state = WorldState(now.stamp_us, ego, np.array(rows), packed, counts, ())
        self.state = self.population.lengthened(state)
        _ease_onto_paths(self.state)

    def _ego_route(self, now: LayoutFrame, way: np.ndarray) -> np.ndarray:
        here = now.ego_pose.position
        way = np.vstack([here, way[np.hypot(*(way[:, :2] - here[:2]).T) > 0.05]])
        if np.hypot(*np.diff(way[:, :2], axis=0).T).sum() < _MOVES_M:
            way = np.vstack([here, here + _BEYOND_M * np.array([*now.ego_pose.rotation[:2, 0], 0.0])])
        route = annotate_path(self._map, resample(way, np.inf), None if self._map.lanes else ())
        if self._map.lanes and len(route) < _ROUTE_M:
            lane, s = int(route[-1, LANE]), float(route[-1, LANE_S])
            ahead = random_path_ahead(self._map, lane, s, (self._seed, 2, 0, 0), _ROUTE_M)
            way = np.vstack([route[:, :3], ahead[1:, :3]])
            route = annotate_path(self._map, resample(way, np.inf), None)
        return route

    def _body(self, identity: int, track: LoggedTrack, at: int) -> tuple[np.ndarray, np.ndarray, int]:
        """A body as it is at row `at` of its track, its path, and from when on it moves, us."""
        logged, speeds = track.rows[at], track.speeds
        cls = AgentClass(int(logged["cls"]))
        yaw = float(logged["rpy"][2])
        x, y, z = logged["pos"].tolist()
        row = make_body(identity, cls, x, y, z, yaw, speed=speeds[at])
        row["pitch"] = logged["rpy"][1]
        for name in ("colour", "gait", "lights"):
            row[name] = logged[name]
        row["length"], row["width"], row["height"] = logged["size"]
        ahead = track.rows["pos"][at:]
        still = _length(track.rows["pos"]) < _MOVES_M or cls > AgentClass.PEDESTRIAN
        walks = cls == AgentClass.PEDESTRIAN
        path, at_s = self._path(track, at, straight_on=0.0 if walks else _BEYOND_M)
        on_lanes = not (still or walks) and self._on_lanes(path)
        if still or (_length(ahead) < _MOVES_M and not on_lanes):
            row["mode"], row["speed"] = MotionMode.STATIC, 0.0
            return row, annotate_path(self._map, path, ()), int(track.times_us[at])
        if on_lanes:  # beyond the log lanes lead on
            path, at_s = self._path(track, at, straight_on=0.0)
        row["mode"] = MotionMode.WALK if walks else MotionMode.TRAFFIC
        row["ambient"] = walks  # those look before they step
        row["s"] = at_s
        moving = speeds[at:][speeds[at:] > _STANDS_MPS]
        fastest = float(speeds.max())
        row["desired"] = float(moving.mean()) if walks and len(moving) else fastest
        if on_lanes:
            row["desired"] = max(fastest, _SLOWEST_MPS)
        row["chosen"], row["pace"] = _acceleration(track, at), row["desired"]
        begins_us = int(track.times_us[at])
        if not on_lanes and speeds[at] < _STANDS_MPS and len(moving):
            begins_us = int(track.times_us[at + int(np.argmax(speeds[at:] > _STANDS_MPS))])
        return row, annotate_path(self._map, path, None if on_lanes else ()), begins_us

    def _path(self, track: LoggedTrack, at: int, straight_on: float) -> tuple[np.ndarray, float]:
        """The way (R, 3) of an agent, a point each metre, and how far on it it is at row `at`."""
        places, yaws = track.rows["pos"], track.rows["rpy"][:, 2]
        past = _thinned(places[at::-1])
        gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(past[:, :2], axis=0).T))])
        past = past[gone < _BEHIND_M][::-1]
        begins = float(yaws[at]) if len(past) == 1 else float(np.arctan2(*(past[1] - past[0])[1::-1]))
        behind = np.vstack([past[0] - _BEHIND_M * _direction(begins), past])
        way = np.vstack([behind, _thinned(places[at:])[1:]])
        length = _arc(way)
        # A point each metre: the end is where the length is whole.
        rest = np.ceil(length + max(straight_on, 2.0)) - length - 1e-6  # not a point more by rounding
        whole = np.vstack([way, way[-1] + rest * _direction(float(yaws[-1]))])
        return resample(whole, np.inf), _arc(behind)

    def _on_lanes(self, path: np.ndarray) -> bool:
        if not self._map.lanes:
            return False
        yaw = np.arctan2(*np.gradient(path[:, :2], axis=0).T[::-1])
        away = []
        for (x, y, z), a in list(zip(path, yaw, strict=True))[::5]:
            lane, s, _ = self._map.nearest_lane(x, y, z, a)
            px, py, _, lane_yaw = self._map.lane_point(lane, s)
            away.append(np.hypot(px - x, py - y) if np.cos(lane_yaw - a) > 0.5 else np.inf)
        return bool(np.median(away) < _ON_LANE_M)


class _LoggedPopulation(Population):
    """Bodies of a log: when those that wait begin, and those enter that come later.

    Args:
        vector_map: the map.
        seed: of ways beyond the log.
        waits: by row, from when on a body moves, us, and how fast it wants to be, m/s.
        arrivals: by row, when a body comes, us, what it is then, and its path.
    """

    def __init__(
        self,
        vector_map: StaticMap,
        seed: int,
        waits: Mapping[int, tuple[int, float]],
        arrivals: Mapping[int, tuple[int, np.ndarray, np.ndarray]],
    ):
        super().__init__(vector_map, TrafficSpec(), seed, 0, 1)
        self._waits, self._arrivals = waits, arrivals

    def step(self, state: WorldState) -> WorldState:
        state = self.lengthened(state)
        for i, (time_us, desired) in self._waits.items():
            if state.time_us >= time_us and state.bodies["desired"][i] == 0.0 and self._is_there(state, i):
                bodies = state.bodies.copy()
                bodies["desired"][i] = desired
                state = replace(state, bodies=bodies)
        for i, (time_us, row, path) in self._arrivals.items():
            new = state.time_us >= time_us and state.bodies["mode"][i] == MotionMode.ABSENT
            if new and not state.bodies["plans"][i] and _has_room(state, row):
                state = with_path(state, i, row, path)
                state.bodies["plans"][i] = 1
        return self._without_gone(state)

    def lengthened(self, state: WorldState) -> WorldState:
        """With longer paths for bodies whose path along lanes runs out."""
        left = state.counts - state.bodies["s"]
        ends = state.paths[np.arange(len(left)), state.counts - 1, LANE] >= 0
        drives = state.bodies["mode"] == MotionMode.TRAFFIC
        for i in np.flatnonzero(drives & ends & (left < 60.0))[:].tolist():
            if i > 0:
                state = self._extend_path(state, i)
        return state

    @staticmethod
    def _is_there(state: WorldState, i: int) -> bool:
        return bool(state.bodies["mode"][i] != MotionMode.ABSENT)

    @staticmethod
    def _without_gone(state: WorldState) -> WorldState:
        """Without vehicles that stand where the log and the lanes have no more of their way, out of sight."""
        bodies = state.bodies
        far = np.hypot(bodies["x"] - bodies["x"][0], bodies["y"] - bodies["y"][0]) > _OUT_OF_SIGHT_M
        ends = (state.counts - bodies["s"] < 12.0) & (bodies["speed"] < 1.0) & (bodies["mode"] == MotionMode.TRAFFIC)
        gone = far & ends
        gone[0] = False
        if not gone.any():
            return state
        bodies = bodies.copy()
        bodies["mode"][gone], bodies["plans"][gone] = MotionMode.ABSENT, 1
        bodies["x"][gone] = bodies["y"][gone] = _NOWHERE_M
        return replace(state, bodies=bodies)


def _ease_onto_paths(state: WorldState) -> None:
    """Have bodies that their path would move aside or turn come onto it as in a lane change."""
    bodies, placed = state.bodies, state.bodies.copy()
    place_on_paths(placed, state.paths, state.counts, 1)
    moved = np.hypot(placed["x"] - bodies["x"], placed["y"] - bodies["y"]) > _OFF_PATH_M
    turned = np.abs(wrap_angle(placed["yaw"] - bodies["yaw"])) > _OFF_PATH_RAD
    for i in np.flatnonzero(moved | turned).tolist():
        row = bodies[i].copy()
        begin_lane_change(row, state.paths[i, : state.counts[i]], _EASE_S)
        for _ in range(_TRIES):  # where the path bends, the way across it is not that from its nearest point
            tried = np.array([row])
            place_on_paths(tried, state.paths[i : i + 1], state.counts[i : i + 1], 0)
            c, d = np.cos(tried["yaw"][0]), np.sin(tried["yaw"][0])
            dx, dy = float(bodies["x"][i] - tried["x"][0]), float(bodies["y"][i] - tried["y"][0])
            along, aside = c * dx + d * dy, -d * dx + c * dy
            row["s"] += along
            row["offset_begin"] += along
            row["offset_from"] += aside
        bodies[i] = row
    place_on_paths(bodies, state.paths, state.counts, 1)


def _has_room(state: WorldState, row: np.ndarray) -> bool:
    bodies = state.bodies
    away = np.hypot(bodies["x"] - row["x"], bodies["y"] - row["y"])
    there = bodies["mode"] != MotionMode.ABSENT
    # Circles of the width of both where they are beside each other, of the length ahead and behind.
    turn = np.arctan2(bodies["y"] - row["y"], bodies["x"] - row["x"]) - row["yaw"]
    along, aside = np.abs(away * np.cos(turn)), np.abs(away * np.sin(turn))
    near = (along < 0.5 * (bodies["length"] + row["length"]) + _ROOM_M) & (
        aside < 0.5 * (bodies["width"] + row["width"]) + 0.2
    )
    return not bool((near & there).any())


def _direction(yaw: float) -> np.ndarray:
    return np.array([np.cos(yaw), np.sin(yaw), 0.0])


def _arc(way: np.ndarray) -> float:
    """Length of a way (K, >=2), m."""
    return float(np.hypot(*np.diff(way[:, :2], axis=0).T).sum())


def _length(places: np.ndarray) -> float:
    """The same without the noise of what stands."""
    return _arc(_thinned(places))


def _thinned(places: np.ndarray) -> np.ndarray:
    """The first of some places (K, 3), and each one that is 0.5 m from the one kept before it."""
    kept = [places[0]]
    for place in places[1:]:
        if np.hypot(place[X] - kept[-1][X], place[Y] - kept[-1][Y]) >= 0.5:
            kept.append(place)
    return np.array(kept)


def _acceleration(track: LoggedTrack, at: int) -> float:
    """Along its way at row `at`, m/s2."""
    a, b = max(at - 1, 0), min(at + 1, len(track.rows) - 1)
    if a == b:
        return 0.0
    speeds = track.speeds
    took = (track.times_us[b] - track.times_us[a]) * 1e-6
    return float(np.clip((speeds[b] - speeds[a]) / took, -8.0, 4.0))
