"""Ambient traffic of a given density around the ego, which enters and leaves out of its sensors' range."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.maps.elements import FREE_SPEED_MPS
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import TrafficSpec
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode, make_body, project_to_path
from uniscene_sim.world.path_columns import LANE, LANE_S, PATH_COLUMNS, STOP, YAW, X, Y, Z
from uniscene_sim.world.paths import PATH_POINTS, LanePlace, annotate_path, random_path_ahead
from uniscene_sim.world.state import NOWHERE_M, WorldState, with_path
from uniscene_sim.world.traffic.lane_change import begin_lane_change
from uniscene_sim.world.traffic.walkways import WalkwayNetwork

__all__ = ["HIDDEN_M", "Population", "absent_body"]

#: Beyond the range of all sensors of the presets: bodies enter and leave at least this far from the ego.
HIDDEN_M = 170.0
_LIVE_M = 250.0  # bodies live within this distance of the ego
_LEAVE_M = 290.0
_SPACING_M = 8.0  # of places along lanes where bodies may enter
_DEAD_END_M = 80.0  # no body enters this near to the end of a road
_CLOSED_M = 60.0  # nor before a stretch that is closed
_PERIOD_US = 500_000
_ENTER_AT_ONCE = 6
_STUCK_S = 60.0
_NO_CYCLING_MPS = 20.0  # no bicycles on lanes of a higher limit
_TURN_S = 3.0  # duration of a walker's turn round
_TAIL = 10  # points of the path behind a body that a longer one keeps
_CLASSES = (AgentClass.CAR,) * 15 + (AgentClass.TRUCK, AgentClass.BUS, AgentClass.MOTORCYCLE, AgentClass.BICYCLE)
#: What drives slower than a car where there is no limit, m/s.
_FREE_MPS = {AgentClass.TRUCK: 25.0, AgentClass.BUS: 27.8, AgentClass.BICYCLE: 5.5}


class _EntryPlaces(NamedTuple):
    """Where vehicles may enter."""

    on_lanes: tuple[LanePlace, ...]
    poses: np.ndarray  # (P, 4) x, y, z, m, and yaw, rad


class Population:
    """Bodies of the scenario's ambient traffic, in the rows from `first_row` on; ids from `first_id` on, a new one for
    each body that enters.

    Args:
        vector_map: the map.
        spec: how much traffic there is.
        seed: of the run.
        first_row: row of bodies.
        first_id: id of an agent.
    """

    def __init__(self, vector_map: StaticMap, spec: TrafficSpec, seed: int, first_row: int, first_id: int):
        self._map, self._spec, self._seed = vector_map, spec, seed
        self._first_row, self._first_id = first_row, first_id
        entries = _entry_places(vector_map) if spec.vehicles_per_km else _EntryPlaces((), np.zeros((0, 4)))
        self._places, self._at = entries.on_lanes, entries.poses
        self._walks = once_per_map(WalkwayNetwork)(vector_map) if spec.pedestrians else None

    def on(self, vector_map: StaticMap) -> Population:
        """The same traffic on the map with edits."""
        if vector_map is self._map:
            return self
        return Population(vector_map, self._spec, self._seed, self._first_row, self._first_id)

    # --- how many -------------------------------------------------------------------------------------------------

    def _wanted(self, x: float, y: float) -> int:
        """Vehicles that the density asks for around a place."""
        near = int((np.hypot(self._at[:, 0] - x, self._at[:, 1] - y) < _LIVE_M).sum())
        return round(self._spec.vehicles_per_km * near * _SPACING_M / 1000.0)

    def row_counts(self, route: np.ndarray) -> tuple[int, int]:
        """Rows for vehicles and for walkers that a route (R, >=2) needs at most."""
        if not len(self._places):
            vehicles = 0
        else:
            vehicles = max(self._wanted(p[0], p[1]) for p in route[:: max(1, min(50, len(route) - 1))])
        return vehicles, self._spec.pedestrians if self._walks and self._walks.lanes else 0

    # --- at the start ---------------------------------------------------------------------------------------------

    def populate(self, state: WorldState, vehicles: int) -> WorldState:
        """The state with all ambient rows filled as far as there is room around the ego."""
        bodies, paths, counts = state.bodies.copy(), state.paths.copy(), state.counts.copy()
        x, y = float(bodies[0]["x"]), float(bodies[0]["y"])
        gap = np.hypot(self._at[:, 0] - x, self._at[:, 1] - y)
        order = sorted(np.flatnonzero(gap < _LIVE_M), key=lambda k: unit_hash(self._seed, 1, int(k)))
        entered, row = state.entered, self._first_row
        wanted = min(self._wanted(x, y), vehicles)
        for k in order:
            if row - self._first_row >= wanted:
                break
            px, py, pz, yaw = self._at[k]
            dx, dy = bodies["x"][:row] - px, bodies["y"][:row] - py
            aside = np.abs(-np.sin(yaw) * dx + np.cos(yaw) * dy)
            clear = np.where(aside < 2.5, 17.0, 9.0)
            clear[0] = 26.0
            if ((np.hypot(dx, dy) < clear) & (np.abs(bodies["z"][:row] - pz) < 4.0)).any():
                continue
            bodies[row], path = self._vehicle(int(k), entered, bodies[:row])
            bodies[row]["speed"] *= 0.7  # none has reacted yet to the others
            paths[row], counts[row] = _fit_path(path), min(len(path), PATH_POINTS)
            row, entered = row + 1, entered + 1
        for i in range(self._first_row + vehicles, len(bodies)):
            found = self._walker(x, y, 0.0, 140.0, entered)
            if found is not None:
                bodies[i], path = found
                paths[i], counts[i] = _fit_path(path), min(len(path), PATH_POINTS)
                entered += 1
        return replace(state, bodies=bodies, paths=paths, counts=counts, entered=entered)

    # --- as it goes on --------------------------------------------------------------------------------------------

    def step(self, state: WorldState) -> WorldState:
        """Longer paths for bodies whose path runs out; twice a second bodies leave and enter, out of range."""
        left, mode = state.counts - state.bodies["s"], state.bodies["mode"]
        drives = (mode == MotionMode.TRAFFIC) | (mode == MotionMode.CONSTANT)
        drives[0] = False
        drives &= ~state.bodies["driven"]
        walks = state.bodies["ambient"] & (mode == MotionMode.WALK)
        for i in np.flatnonzero((drives & (left < 60.0)) | (walks & (left <= 2.0))).tolist():
            state = self._extend_path(state, i)
        if state.time_us % _PERIOD_US:
            return state
        bodies = state.bodies
        x, y = state.ego.pose.x, state.ego.pose.y
        gap = np.hypot(bodies["x"] - x, bodies["y"] - y)
        there = bodies["ambient"] & (bodies["mode"] != MotionMode.ABSENT)
        vehicle = there & (bodies["mode"] == MotionMode.TRAFFIC)
        ends = vehicle & (left < 30.0) & (bodies["speed"] < 1.0)
        stuck = vehicle & (bodies["wait"] > _STUCK_S)
        leaves = there & ((gap > _LEAVE_M) | ((gap > HIDDEN_M) & (ends | stuck)))
        # Where the ego comes to quieter roads some bodies out of range leave.
        many = int(vehicle.sum() - leaves.sum()) - self._wanted(x, y)
        if many > 1:
            far = np.flatnonzero(vehicle & ~leaves & (gap > HIDDEN_M))
            leaves[far[np.argsort(-gap[far], kind="stable")][: many - 1]] = True
        if leaves.any():
            bodies = bodies.copy()
            bodies["mode"][leaves] = MotionMode.ABSENT
            bodies["x"][leaves] = bodies["y"][leaves] = NOWHERE_M
            bodies["speed"][leaves] = 0.0
            state = replace(state, bodies=bodies)
        return self._enter(state, x, y)

    def _enter(self, state: WorldState, x: float, y: float) -> WorldState:
        bodies = state.bodies
        absent = np.flatnonzero(bodies["ambient"] & (bodies["mode"] == MotionMode.ABSENT))
        if not len(absent):
            return state
        walkers = absent[bodies["cls"][absent] == AgentClass.PEDESTRIAN]
        cars = absent[bodies["cls"][absent] != AgentClass.PEDESTRIAN]
        present = int((bodies["ambient"] & (bodies["mode"] == MotionMode.TRAFFIC)).sum())
        for i in cars[: max(min(self._wanted(x, y) - present, _ENTER_AT_ONCE), 0)]:
            place = self._hidden_place(state, x, y)
            if place is None:
                break
            row, path = self._vehicle(place, state.entered, bodies)
            state = replace(with_path(state, int(i), row, path), entered=state.entered + 1)
        for i in walkers[:1]:
            found = self._walker(x, y, HIDDEN_M, _LIVE_M, state.entered)
            if found is not None:
                state = replace(with_path(state, int(i), *found), entered=state.entered + 1)
        return state

    def _hidden_place(self, state: WorldState, x: float, y: float) -> int | None:
        """A place out of range of the ego where a body may enter without making another one brake."""
        gap = np.hypot(self._at[:, 0] - x, self._at[:, 1] - y)
        some = np.flatnonzero((gap > HIDDEN_M) & (gap < _LIVE_M))
        if not len(some):
            return None
        bodies = state.bodies
        on = state.paths[np.arange(len(bodies)), np.clip(bodies["s"].astype(int), 0, state.counts - 1), LANE]
        for attempt in range(24):
            k = int(some[int(unit_hash(self._seed, 11, state.entered, state.time_us, attempt) * len(some))])
            px, py, pz, yaw = self._at[k]
            lane = self._map.lanes[self._places[k].lane]
            dx, dy = bodies["x"] - px, bodies["y"] - py
            far, aside = np.hypot(dx, dy), np.abs(-np.sin(yaw) * dx + np.cos(yaw) * dy)
            # Bodies on the same lane need time to react, those beside it only the room.
            clear = np.where((on == lane.index) | (aside < 2.5), 14.0 + 1.5 * lane.pace_mps, 9.0)
            if not ((far < clear) & (np.abs(bodies["z"] - pz) < 4.0)).any():
                return k
        return None

    def _extend_path(self, state: WorldState, i: int) -> WorldState:
        bodies, path, n = state.bodies, state.paths[i], int(state.counts[i])
        row = bodies[i].copy()
        at = int(min(max(row["s"], 0), n - 1))
        if row["mode"] == MotionMode.WALK:
            lane, s, _ = self._map.nearest_lane(
                float(row["x"]), float(row["y"]), float(row["z"]), None, ("sidewalk", "walking")
            )
            back = 1 if np.cos(self._map.lane_point(lane, s)[3] - row["yaw"]) < 0 else -1
            assert self._walks is not None
            key = (self._seed, 12, int(row["id"]), int(row["plans"]))
            ahead = self._walks.plan(lane, s, back, self._side(int(row["id"])), key)
            begin_lane_change(row, ahead, _TURN_S)
        else:
            begin = max(at - _TAIL, 0)
            # From the end of what is planned, so that nothing changes for what is ahead.
            keep = n - 1
            if path[keep, LANE] < 0:  # beside all lanes it goes straight on
                ahead = self._straight_on(path[keep])
            else:
                ahead = random_path_ahead(
                    self._map, int(path[keep, LANE]), float(path[keep, LANE_S]),
                    (self._seed, 2, int(row["id"]), int(row["plans"])),
                )  # fmt: skip
            if len(ahead) < 5:
                return state
            ahead = np.concatenate([path[begin:keep], ahead])
            yaw = ahead[:, YAW]
            ahead[:, YAW] = np.unwrap(yaw)
            row["s"] -= begin
            row["offset_begin"] -= begin
            row["aside"] = max(row["aside"] - begin, 0.0)
        row["plans"] += 1
        return with_path(state, i, row, ahead)

    def _straight_on(self, end: np.ndarray) -> np.ndarray:
        """Path (R, 10) straight on from the last point (10,) of another one."""
        at = np.arange(0.0, PATH_POINTS / 2)
        x, y = end[X] + at * np.cos(end[YAW]), end[Y] + at * np.sin(end[YAW])
        z = self._map.surface_height(x, y, np.full(len(at), end[Z]))
        return annotate_path(self._map, np.stack([x, y, z], axis=1), ())

    def _side(self, identity: int) -> float:
        """How far left of the middle of a walkway somebody walks, m: people pass each other on the side of traffic."""
        side = 1.0 if self._map.left_hand_traffic else -1.0
        return side * (0.35 + 0.5 * unit_hash(self._seed, 7, identity))

    # --- one body -------------------------------------------------------------------------------------------------

    def _vehicle(self, place: int, entered: int, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, z, yaw = self._at[place]
        lane, s = self._places[place]
        key = (self._seed, entered)
        cls = _CLASSES[int(unit_hash(*key, 9) * len(_CLASSES))]
        if cls == AgentClass.BICYCLE and self._map.lanes[lane].limit_at(s) > _NO_CYCLING_MPS:
            cls = AgentClass.CAR
        slow = _FREE_MPS.get(cls, FREE_SPEED_MPS)
        manners = asdict(self._spec.manners.varied(self._spec.spread, *key, 13))
        row = make_body(self._identity(entered), cls, x, y, z, yaw, mode=MotionMode.TRAFFIC, ambient=True, **manners)
        row["desired"] = slow * (0.85 + 0.25 * unit_hash(*key, 8)) if slow < 10 else slow
        row["speed"] = 0.8 * min(slow, self._map.lanes[lane].limit_at(s))
        if cls == AgentClass.CAR:
            row["length"] = 4.1 + 0.8 * unit_hash(*key, 10)
        path = random_path_ahead(self._map, lane, s, (self._seed, 2, int(row["id"]), 0))
        row["speed"] = min(float(row["speed"]), _safe_speed(row, path, others))
        return row, path

    def _walker(
        self, x: float, y: float, nearest: float, farthest: float, entered: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        assert self._walks is not None
        key = (self._seed, 3, entered)
        for attempt in range(12):
            lane = self._walks.lanes[int(unit_hash(*key, attempt) * len(self._walks.lanes))]
            s = unit_hash(*key, attempt, 1) * self._map.lanes[lane].length
            px, py, _, _ = self._map.lane_point(lane, s)
            if not nearest <= np.hypot(px - x, py - y) <= farthest:
                continue
            way = 1 if unit_hash(*key, 4) < 0.5 else -1
            path = self._walks.plan(lane, s, way, self._side(self._identity(entered)), (self._seed, 12, entered))
            place = path[0, [X, Y, Z, YAW]]
            cls, mode = AgentClass.PEDESTRIAN, MotionMode.WALK
            row = make_body(self._identity(entered), cls, *place, mode=mode, ambient=True)
            row["speed"] = row["desired"] = 1.1 + 0.5 * unit_hash(*key, 6)
            row["height"] = 1.6 + 0.25 * unit_hash(*key, 8)
            return row, path
        return None

    def _identity(self, entered: int) -> int:
        return self._first_id + entered % (65_000 - self._first_id)


@once_per_map
def _entry_places(vector_map: StaticMap) -> _EntryPlaces:
    places = tuple(
        LanePlace(lane.index, float(s))
        for lane in vector_map.lanes
        if lane.kind == "driving" and not lane.junction
        for s in np.arange(4.0, lane.length - (4.0 if lane.successors else _DEAD_END_M), _SPACING_M)
        if not any(c.lane == lane.index and c.begin_m - _CLOSED_M < s < c.end_m for c in vector_map.closings)
    )
    return _EntryPlaces(places, np.array([vector_map.lane_point(*place) for place in places]).reshape(-1, 4))


def absent_body(walker: bool) -> np.ndarray:
    """A row of BODY_DTYPE that waits to enter."""
    cls = AgentClass.PEDESTRIAN if walker else AgentClass.CAR
    return make_body(0, cls, NOWHERE_M, NOWHERE_M, 0.0, 0.0, mode=MotionMode.ABSENT, ambient=True)


def _fit_path(path: np.ndarray) -> np.ndarray:
    out = np.zeros((PATH_POINTS, PATH_COLUMNS))
    out[: min(len(path), PATH_POINTS)] = path[:PATH_POINTS]
    return out


def _safe_speed(row: np.ndarray, path: np.ndarray, others: np.ndarray) -> float:
    """Speed from which a body can still stop for the next line, should its light be red, and for those ahead."""
    room = [max(float(line) - 0.5 * float(row["length"]) - 1.0, 0.0) for line in np.flatnonzero(path[:, STOP])[:1]]
    speed = min((np.sqrt(2.0 * 2.0 * r) for r in room), default=np.inf)
    for other in others[np.hypot(others["x"] - row["x"], others["y"] - row["y"]) < 90.0]:
        s, left = project_to_path(path, len(path), other["x"], other["y"], 0, min(90, len(path) - 1))
        if s > 0.5 and abs(left) < 0.5 * (row["width"] + other["width"]) + 0.4 and abs(other["z"] - row["z"]) < 4.0:
            gap = s - 0.5 * float(row["length"] + other["length"]) - 4.0
            speed = min(speed, float(other["speed"]) + np.sqrt(2.0 * 1.5 * max(gap, 0.0)))
    return float(speed)
