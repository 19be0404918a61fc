"""`ScenarioSource`: a scenario that runs, 10 ms at a time, and hands out layout frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame, Light
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world import outcome
from uniscene_sim.world.ego import Control, EgoState, Trajectory, pure_pursuit, settle, step_ego
from uniscene_sim.world.events import apply_action, holds
from uniscene_sim.world.lane_change import change_lanes
from uniscene_sim.world.map import VectorMap
from uniscene_sim.world.paths import JUNCTION, LANE, PATH_POINTS, STOP, YAW, X, Y, Z, annotate, plan_ahead, unit_hash
from uniscene_sim.world.scenario import AgentSpec, Scenario
from uniscene_sim.world.signals import lights_of, signal_heads, signal_states
from uniscene_sim.world.spawn import SIZES, ambient_places, body, place_of, walkway_places
from uniscene_sim.world.state import WorldState, give_path
from uniscene_sim.world.traffic import BODY_DTYPE, Mode, accelerations, project

__all__ = ["ScenarioSource"]

_DT = 0.01
_REACH_M = 150.0  # ambient traffic lives this far around the route
_HIDDEN_M = 110.0  # and comes and goes at least this far from the ego
_PROPS = {"parked_car": AgentClass.CAR, "cone": AgentClass.TRAFFIC_CONE, "barrier": AgentClass.BARRIER}
_MODES = {
    "traffic": Mode.TRAFFIC, "constant": Mode.CONSTANT, "walk": Mode.WALK, "parked": Mode.STATIC,
    "trajectory": Mode.TRAJECTORY,
}  # fmt: skip
_AMBIENT = (AgentClass.CAR,) * 15 + (AgentClass.TRUCK, AgentClass.BUS, AgentClass.MOTORCYCLE, AgentClass.BICYCLE)


class ScenarioSource:
    """Runs a scenario. `solid`, where given, tells which points (N, 3) lie in generated voxels.

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """

    def __init__(self, scenario: Scenario, vector_map: VectorMap, seed: int | None = None):
        self.scenario, self.map = scenario, vector_map
        self.seed = scenario.seed if seed is None else seed
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self._surface = vector_map.surface
        heads = signal_heads(vector_map)
        self._heads = heads
        self._props = _props(vector_map, len(heads) + 1)
        self._first_id = len(heads) + len(self._props) + 1
        self._rows = {"ego": 0} | {agent.name: i + 1 for i, agent in enumerate(scenario.agents)}
        self._start = self._build()
        self._state = self._start
        self._events: tuple[str, ...] = ()

    @property
    def state(self) -> WorldState:
        return self._state

    @property
    def route_path(self) -> np.ndarray:
        """The ego's path (R, 3), m."""
        return self._start.paths[0, : self._start.counts[0], :3]

    @property
    def done(self) -> bool:
        """Whether the duration is over or the goal is reached."""
        return self._state.time_us >= self.scenario.duration_s * 1e6 or (
            self.scenario.ego.goal is not None and self._completion() >= 0.995
        )

    @property
    def outcome(self) -> dict[str, Any]:
        """Status and criteria so far, see `world.outcome`."""
        return outcome.judge(self.scenario, self._state.tally, self._completion(), self.done)

    def reset(self) -> LayoutFrame:
        self._state, self._events = self._start, ()
        return self._frame()

    def get_state(self) -> WorldState:
        return self._state

    def set_state(self, state: WorldState) -> None:
        self._state, self._events = state, ()

    def step(self, control: Control | Trajectory, dt_us: int) -> list[LayoutFrame]:
        """Frames of each 10 ms up to `dt_us` from now, the last one now.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        if dt_us <= 0 or dt_us % 10_000:
            raise InputError(f"must be a positive multiple of 10,000 us, got {dt_us}", field="dt_us")
        frames = []
        for _ in range(dt_us // 10_000):
            self._state = self._advance(self._state, control)
            frames.append(self._frame())
        return frames

    def driver_control(self) -> Control:
        """The built-in driver: keeps its lane by pure pursuit, its distance by IDM, and minds lights and people."""
        state = self._state
        path = state.paths[0, : state.counts[0]]
        steer = pure_pursuit(state.ego, path, int(self._ego_s(state)), self.scenario.ego.vehicle)
        return Control(steer, float(self._accelerations(state)[0]))

    # --- building -------------------------------------------------------------------------------------------------

    def _build(self) -> WorldState:
        scenario, vector_map = self.scenario, self.map
        spec = scenario.ego
        places: dict[str, tuple[int, float]] = {}
        lane, s, left = place_of(scenario, vector_map, spec.spawn, "ego.spawn", places)
        if lane < 0:
            lane, s, _ = vector_map.nearest_lane(spec.spawn.x, spec.spawn.y)
        places["ego"] = (lane, s)
        x, y, z, yaw = vector_map.lane_point(lane, s)
        x, y = x - left * np.sin(yaw), y + left * np.cos(yaw)
        pose = settle(x, y, z, yaw, spec.vehicle, self._surface)
        ego = EgoState(pose, spec.speed_mps)
        rows, paths = [self._ego_row(ego)], [self._ego_path(lane, s)]
        for i, agent in enumerate(scenario.agents):
            row, path, place = self._agent(agent, i, places)
            rows.append(row)
            paths.append(path)
            if place[0] >= 0:
                places[agent.name] = place
        self._ambient(rows, paths)
        bodies = np.array(rows, dtype=BODY_DTYPE)
        packed = np.zeros((len(paths), max(len(p) for p in paths), 8))
        packed = np.zeros((len(paths), max(packed.shape[1], PATH_POINTS), 8))
        for i, path in enumerate(paths):
            packed[i, : len(path)] = path
        counts = np.array([len(p) for p in paths], dtype=np.int64)
        state = WorldState(0, ego, bodies, packed, counts, (False,) * len(scenario.events))
        return replace(state, bodies=_posed(bodies.copy(), packed, counts))

    def _ego_row(self, ego: EgoState) -> np.ndarray:
        v, p, c = self.scenario.ego.vehicle, ego.pose, self.scenario.ego.vehicle.rear_axle_to_centre_m
        row = body(0, AgentClass.CAR, p.x + c * np.cos(p.yaw), p.y + c * np.sin(p.yaw), p.z, p.yaw, speed=ego.speed)
        row["length"], row["width"], row["height"] = v.length_m, v.width_m, v.height_m
        row["desired"] = self.scenario.ego.target_speed_mps
        return row

    def _ego_path(self, lane: int, s: float) -> np.ndarray:
        spec = self.scenario.ego
        if spec.goal is None:
            length = max(120.0, spec.target_speed_mps * self.scenario.duration_s + 60.0)
            return annotate(self.map, self.map.route(lane, s, None, length).path)
        pieces, here = [], (lane, s)
        for goal in (*spec.via, spec.goal):
            target, target_s, _ = self.map.nearest_lane(*goal)
            path = self.map.route(*here, target).path
            end = np.array(self.map.lane_point(target, target_s)[:3])
            # The lane's end is where a route ends; the goal lies before it.
            pieces.append(path[: int(np.hypot(*(path[:, :2] - end[:2]).T).argmin()) + 1])
            here = (target, target_s)
        return annotate(self.map, np.concatenate(pieces))

    def _agent(
        self, spec: AgentSpec, i: int, places: dict[str, tuple[int, float]]
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, float]]:
        field = f"agents[{i}].spawn"
        cls = AgentClass[spec.cls.upper()]
        lane, s, left = place_of(self.scenario, self.map, spec.spawn, field, places)
        mode = _MODES[spec.behaviour]
        identity = self._first_id + i
        if lane < 0:
            x, y = spec.spawn.x, spec.spawn.y
            yaw = np.radians(spec.spawn.yaw_deg or 0.0)
            near, near_s, _ = self.map.nearest_lane(x, y)
            z = float(
                self.map.surface_height(np.array([x]), np.array([y]), np.array([self.map.lane_point(near, near_s)[2]]))[
                    0
                ]
            )
        else:
            x, y, z, yaw = self.map.lane_point(lane, s)
            x, y = x - left * np.sin(yaw), y + left * np.cos(yaw)
            if spec.spawn.free and spec.spawn.yaw_deg is not None:
                yaw = np.radians(spec.spawn.yaw_deg)
        row = body(identity, cls, x, y, z, yaw, mode=mode, speed=spec.speed_mps, desired=max(spec.speed_mps, 0.1))
        if spec.size is not None:
            row["length"], row["width"], row["height"] = spec.size
        if mode == Mode.TRAJECTORY:
            path = self._timed_path(spec.trajectory, z)
        elif mode == Mode.STATIC or mode == Mode.WALK or lane < 0:
            path = annotate(self.map, _straight(x, y, z, yaw, 2.0 if mode == Mode.STATIC else 60.0, self._surface))
            # Walkers stand until an event sends them, unless the file gives them a speed.
            row["started"] = mode != Mode.WALK or spec.speed_mps > 0
            row["desired"] = spec.speed_mps
        elif spec.goal is not None:
            goal, _, _ = self.map.nearest_lane(*spec.goal)
            path = annotate(self.map, self.map.route(lane, s, goal).path)
        else:
            path = annotate(self.map, self.map.route(lane, s, None, PATH_POINTS - 1.0).path)
            row["offset"] = left
        if mode == Mode.CONSTANT:
            row["desired"] = spec.speed_mps
        return row, path[:PATH_POINTS], (lane, s)

    def _timed_path(self, trajectory: tuple[tuple[float, float, float], ...], z: float) -> np.ndarray:
        """A path for a body on a trajectory: its rows each 0.1 s; `s` then counts tenths of a second."""
        t, x, y = np.array(trajectory).T
        at = np.arange(t[0], t[-1], 0.1)[:PATH_POINTS]
        xs, ys = np.interp(at, t, x), np.interp(at, t, y)
        zs = self.map.surface_height(xs, ys, np.full(len(xs), z))
        return annotate(self.map, np.stack([xs, ys, zs], axis=1))

    def _ambient(self, rows: list[np.ndarray], paths: list[np.ndarray]) -> None:
        traffic, seed = self.scenario.traffic, self.seed
        places = ambient_places(self.map, paths[0][:, :3], _REACH_M) if traffic.vehicles_per_km else []
        wanted = round(traffic.vehicles_per_km * len(places) * 8.0 / 1000.0)
        order = sorted(range(len(places)), key=lambda k: unit_hash(seed, 1, k))
        first = len(rows)
        for k in order:
            if len(rows) - first >= wanted:
                break
            x, y, z, yaw = self.map.lane_point(*places[k])
            if any(_close(x, y, z, row, 16.0 if n else 26.0) for n, row in enumerate(rows)):
                continue
            row = self._ambient_row(len(rows), x, y, z, yaw)
            rows.append(row)
            path = plan_ahead(self.map, *places[k], (seed, 2, len(rows)))
            paths.append(path)
            lines = np.flatnonzero(path[:, STOP])
            if len(lines):
                # It begins no faster than it could still stop from, should the light be red.
                room = max(float(lines[0]) - 0.5 * float(row["length"]) - 1.0, 0.0)
                row["speed"] = min(float(row["speed"]), np.sqrt(2.0 * 2.0 * room))
        walkways = walkway_places(self.map, paths[0][:, :3], 40.0) if traffic.pedestrians else []
        for n in range(traffic.pedestrians if walkways else 0):
            lane = self.map.lanes[walkways[int(unit_hash(seed, 3, n) * len(walkways))]]
            path = lane.centre if unit_hash(seed, 4, n) < 0.5 else lane.centre[::-1]
            path = annotate(self.map, self._on_ground(path[:PATH_POINTS]))
            start = int(unit_hash(seed, 5, n) * 0.8 * len(path))
            row = body(
                self._first_id + len(rows), AgentClass.PEDESTRIAN, *path[start, :4], mode=Mode.WALK, ambient=True
            )
            row["speed"] = row["desired"] = 1.1 + 0.5 * unit_hash(seed, 6, n)
            row["s"], row["offset"] = start, (unit_hash(seed, 7, n) - 0.5) * max(lane.width.min() - 1.0, 0.0)
            row["height"] = 1.6 + 0.25 * unit_hash(seed, 8, n)
            rows.append(row)
            paths.append(path)

    def _ambient_row(self, n: int, x: float, y: float, z: float, yaw: float) -> np.ndarray:
        cls = _AMBIENT[int(unit_hash(self.seed, 9, n) * len(_AMBIENT))]
        slow = 5.5 if cls == AgentClass.BICYCLE else 60.0
        row = body(self._first_id + n, cls, x, y, z, yaw, mode=Mode.TRAFFIC, ambient=True)
        row["desired"] = min(slow, 40.0)
        row["speed"] = 0.6 * min(slow, self.map.lanes[self.map.nearest_lane(x, y, z, yaw)[0]].speed_limit_mps)
        if cls == AgentClass.CAR:
            row["length"] = 4.1 + 0.8 * unit_hash(self.seed, 10, n)
        return row

    def _on_ground(self, path: np.ndarray) -> np.ndarray:
        z = self.map.surface_height(path[:, 0], path[:, 1], path[:, 2])
        return np.column_stack([path[:, :2], z])

    # --- stepping -------------------------------------------------------------------------------------------------

    def _line_states(self, time_us: int) -> np.ndarray:
        """What each stop line says: 0 sign, 1 red, 2 yellow, 3 green or off."""
        states = signal_states(self.map, time_us * 1e-6)
        lines = self.map.stop_lines
        return np.array([0 if line.signal < 0 else states[line.signal] or 3 for line in lines], dtype=np.uint8)

    def _accelerations(self, state: WorldState) -> np.ndarray:
        cap = np.full(len(state.bodies), 1e3)
        return accelerations(state.bodies, state.paths, state.counts, self._line_states(state.time_us), cap)

    def _ego_s(self, state: WorldState) -> float:
        guess = int(state.bodies[0]["s"])
        path, ego = state.paths[0], state.ego.pose
        return float(project(path, state.counts[0], ego.x, ego.y, max(guess - 12, 0), guess + 20)[0])

    def _completion(self) -> float:
        length = float(self._start.counts[0] - 1)
        return min(max(self._state.bodies[0]["s"] / max(length - 4.0, 1.0), 0.0), 1.0)

    def _advance(self, state: WorldState, control: Control | Trajectory) -> WorldState:
        time_us = state.time_us + 10_000
        chosen = self._accelerations(state)
        ego = step_ego(state.ego, control, self.scenario.ego.vehicle, self._surface, _DT)
        bodies = state.bodies.copy()
        _drive(bodies, chosen, state.counts, state.paths, time_us * 1e-6)
        row = self._ego_row(ego)
        for name in ("x", "y", "z", "yaw", "speed"):
            bodies[0][name] = row[name]
        bodies[0]["accel"] = ego.accel
        path = state.paths[0]
        s_ego = project(path, state.counts[0], bodies[0]["x"], bodies[0]["y"],
                        max(int(bodies[0]["s"]) - 12, 0), int(bodies[0]["s"]) + 20)[0]  # fmt: skip
        bodies[0]["s"] = max(s_ego, 0.0)
        bodies[0]["wait"] = state.bodies[0]["wait"] + _DT if ego.speed < 0.2 else 0.0
        _serve_lines(bodies, state.paths, state.counts)
        after = replace(state, time_us=time_us, ego=ego, bodies=bodies)
        after = change_lanes(self._replan(after), chosen, self.map, self.seed)
        after = replace(after, bodies=_posed(after.bodies, after.paths, after.counts))
        after = self._happen(after)
        tally, self._events = outcome.count(
            self.map, self.scenario, state, after, self._agents(after), self._line_states(time_us), self.solid
        )
        return replace(after, tally=tally)

    def _replan(self, state: WorldState) -> WorldState:
        """New ways for ambient bodies whose path runs out, and new places, out of sight, for those far away."""
        bodies, paths, counts = state.bodies, state.paths, state.counts
        left = counts - bodies["s"]
        ends = np.flatnonzero(bodies["ambient"] & (left < 60.0))
        gap = np.hypot(bodies["x"] - state.ego.pose.x, bodies["y"] - state.ego.pose.y)
        for i in ends:
            row = bodies[i].copy()
            if row["mode"] == Mode.WALK:
                if left[i] > 2.0:
                    continue
                path = paths[i, : counts[i]][::-1].copy()
                path[:, YAW] += np.pi
                row["s"], row["offset"] = 0.0, -row["offset"]
            else:
                at = int(min(max(row["s"], 0), counts[i] - 1))
                lane = int(paths[i, at, LANE])
                s = self.map.nearest_lane(*paths[i, at, :4])
                road_ends = left[i] < 30.0 and row["speed"] < 1.0
                if s[0] == lane and not road_ends and (left[i] < 59.0) and not paths[i, at, JUNCTION]:
                    path = plan_ahead(self.map, lane, s[1], (self.seed, 2, int(row["id"]), int(row["plans"])))
                    if len(path) <= left[i] + 1.0:
                        continue
                    row["s"] = 0.0
                elif road_ends and gap[i] > _HIDDEN_M:
                    place = self._hidden_place(state, int(i))
                    if place is None:
                        continue
                    path = plan_ahead(self.map, *place, (self.seed, 2, int(row["id"]), int(row["plans"])))
                    row["s"], row["offset"], row["wait"], row["served"] = 0.0, 0.0, 0.0, 0
                else:
                    continue
            row["plans"] += 1
            state = give_path(state, int(i), row, path)
        return state

    def _hidden_place(self, state: WorldState, i: int) -> tuple[int, float] | None:
        if not hasattr(self, "_places"):
            self._places = ambient_places(self.map, self.route_path, _REACH_M)
        key = (self.seed, 11, int(state.bodies[i]["id"]), int(state.bodies[i]["plans"]), state.time_us)
        for attempt in range(12):
            place = self._places[int(unit_hash(*key, attempt) * len(self._places))]
            x, y, z, _ = self.map.lane_point(*place)
            if np.hypot(x - state.ego.pose.x, y - state.ego.pose.y) < _HIDDEN_M:
                continue
            if not any(_close(x, y, z, row, 20.0) for k, row in enumerate(state.bodies) if k != i):
                return place
        return None

    def _happen(self, state: WorldState) -> WorldState:
        fired = list(state.fired)
        for k, event in enumerate(self.scenario.events):
            if not fired[k] and holds(event.trigger, state, self._rows):
                fired[k] = True
                for action in event.actions:
                    state = apply_action(action, state, self._rows, self.map)
        return replace(state, fired=tuple(fired)) if tuple(fired) != state.fired else state

    # --- frames ---------------------------------------------------------------------------------------------------

    def _agents(self, state: WorldState) -> np.ndarray:
        """(N,) AGENT_DTYPE: bodies, props and signal heads, without the ego."""
        bodies = state.bodies[1:]
        heads = self._heads.copy()
        heads["lights"] = lights_of(heads, signal_states(self.map, state.time_us * 1e-6))
        out = np.zeros(len(bodies), dtype=AGENT_DTYPE)
        for name in ("id", "cls", "gait", "colour"):
            out[name] = bodies[name]
        out["pos"] = np.stack([bodies["x"], bodies["y"], bodies["z"]], axis=1)
        out["rpy"] = np.stack([np.zeros(len(bodies)), bodies["pitch"], bodies["yaw"]], axis=1)
        out["size"] = np.stack([bodies["length"], bodies["width"], bodies["height"]], axis=1)
        moving = np.where(bodies["started"], bodies["speed"], 0.0)
        out["vel"] = np.stack([moving * np.cos(bodies["yaw"]), moving * np.sin(bodies["yaw"]), 0 * moving], axis=1)
        out["lights"] = bodies["lights"]
        hour = self.scenario.style.time_of_day_h
        if hour < 7.0 or hour > 19.0 or self.scenario.style.weather in ("rain", "fog", "snow"):
            out["lights"] |= np.where(out["cls"] <= AgentClass.MOTORCYCLE, Light.HEAD, 0).astype(np.uint8)
        return np.concatenate([heads, self._props, out])

    def _frame(self) -> LayoutFrame:
        state = self._state
        pose = state.ego.pose
        forward = pose.rotation[:, 0]
        at = int(max(state.bodies[0]["s"], 0.0))
        return LayoutFrame(
            stamp_us=state.time_us,
            ego_pose=pose,
            ego_velocity=state.ego.speed * forward,
            ego_yaw_rate=state.ego.yaw_rate,
            ego_accel=state.ego.accel,
            ego_steer=state.ego.steer,
            ego_vehicle=self.scenario.ego.vehicle,
            agents=self._agents(state),
            signals=signal_states(self.map, state.time_us * 1e-6),
            route=self.route_path[at : at + 80],
            map_ref=self.map.ref,
            seed=self.seed,
            style=self.scenario.style,
            events=self._events,
        )


def _close(x: float, y: float, z: float, row: np.ndarray, gap: float) -> bool:
    return bool(abs(row["z"] - z) < 4.0 and (row["x"] - x) ** 2 + (row["y"] - y) ** 2 < gap * gap)


def _straight(x: float, y: float, z: float, yaw: float, length: float, surface: Any) -> np.ndarray:
    at = np.arange(0.0, length, 1.0)
    xs, ys = x + at * np.cos(yaw), y + at * np.sin(yaw)
    return np.stack([xs, ys, surface.height(xs, ys, np.full(len(xs), z))], axis=1)


def _props(vector_map: VectorMap, first_id: int) -> np.ndarray:
    """Placed objects that are drawn as instances, (P,) AGENT_DTYPE."""
    objects = [o for o in vector_map.objects if o.kind in _PROPS]
    out = np.zeros(len(objects), dtype=AGENT_DTYPE)
    for i, item in enumerate(objects):
        out[i]["id"], out[i]["cls"], out[i]["pos"] = first_id + i, _PROPS[item.kind], item.position
        out[i]["rpy"], out[i]["colour"] = (0.0, 0.0, item.yaw), int(unit_hash(first_id + i, 78) * 2**32)
        usual = SIZES[_PROPS[item.kind]]
        out[i]["size"] = tuple(given if given > 0.05 else use for given, use in zip(item.size, usual, strict=True))
    return out


def _drive(bodies: np.ndarray, chosen: np.ndarray, counts: np.ndarray, paths: np.ndarray, time_s: float) -> None:
    """Move bodies 1.. along their paths by one step."""
    mode = bodies["mode"]
    accel = np.where(mode == Mode.TRAFFIC, chosen, np.where(bodies["brake"] > 0, -bodies["brake"], 0.0))
    walking = (mode == Mode.WALK) & bodies["started"]
    # A body of constant speed moves to a new one when an action asks for it.
    chasing = walking | ((mode == Mode.CONSTANT) & (bodies["brake"] == 0))
    accel = np.where(chasing, np.clip((bodies["desired"] - bodies["speed"]) / 0.4, -3.0, 3.0), accel)
    speed = np.maximum(bodies["speed"] + accel * _DT, 0.0)
    go = ((mode == Mode.TRAFFIC) | (mode == Mode.CONSTANT) | walking).astype(float)
    moved = 0.5 * (speed + bodies["speed"]) * _DT * go
    bodies["speed"] = np.where(go > 0, speed, bodies["speed"])
    bodies["accel"] = np.where(go > 0, accel, 0.0)
    timed = mode == Mode.TRAJECTORY
    bodies["s"] = np.where(timed, time_s * 10.0, bodies["s"] + moved)
    bodies["s"] = np.minimum(bodies["s"], counts - 1.0)
    bodies["gait"] += moved
    bodies["wait"] = np.where(bodies["speed"] < 0.2, bodies["wait"] + _DT, 0.0)
    t = np.clip((time_s - bodies["offset_start"]) / np.maximum(bodies["offset_time"], 1e-6), 0.0, 1.0)
    under_way = bodies["offset_time"] > 0
    bodies["offset"] = np.where(
        under_way, bodies["offset_from"] * (1 - t * t * t * (t * (6 * t - 15) + 10)), bodies["offset"]
    )
    lights = np.where(bodies["accel"] < -0.6, Light.BRAKE, 0) | np.where(
        (bodies["wait"] > 0) & (go > 0), Light.BRAKE, 0
    )
    lights |= np.where(under_way & (t < 1) & (bodies["offset_from"] < 0), Light.LEFT, 0)
    lights |= np.where(under_way & (t < 1) & (bodies["offset_from"] > 0), Light.RIGHT, 0)
    at = np.clip(bodies["s"].astype(int), 0, counts - 1)
    ahead = np.minimum(at + 22, counts - 1)
    rows = np.arange(len(bodies))
    turn = paths[rows, ahead, YAW] - paths[rows, at, YAW]
    near = (paths[rows, ahead, JUNCTION] > 0) | (paths[rows, at, JUNCTION] > 0)
    lights |= np.where(near & (turn > 0.45), Light.LEFT, 0) | np.where(near & (turn < -0.45), Light.RIGHT, 0)
    vehicle = bodies["cls"] <= AgentClass.MOTORCYCLE
    bodies["lights"] = np.where(vehicle & (mode != Mode.STATIC), lights, 0)


def _serve_lines(bodies: np.ndarray, paths: np.ndarray, counts: np.ndarray) -> None:
    """A body that has stood at a stop sign for a second may go on."""
    for i in np.flatnonzero((bodies["wait"] > 1.0) & (bodies["mode"] == Mode.TRAFFIC)):
        at = int(bodies["s"][i])
        lines = paths[i, at : min(at + 9, counts[i]), STOP]
        if lines.any():
            bodies["served"][i] = int(lines[lines > 0][0])


def _posed(bodies: np.ndarray, paths: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Bodies 1.. that move are put on their paths at their offset."""
    rows = np.arange(len(bodies))
    s = np.clip(bodies["s"], 0.0, np.maximum(counts - 1.0001, 0.0))
    a = s.astype(int)
    b = np.minimum(a + 1, counts - 1)
    f = (s - a)[:, None]
    here = paths[rows, a] * (1 - f) + paths[rows, b] * f
    move = (bodies["mode"] != Mode.STATIC) & (rows > 0)
    side = bodies["offset"]
    bodies["x"] = np.where(move, here[:, X] - side * np.sin(here[:, YAW]), bodies["x"])
    bodies["y"] = np.where(move, here[:, Y] + side * np.cos(here[:, YAW]), bodies["y"])
    bodies["z"] = np.where(move, here[:, Z], bodies["z"])
    slide = _slide(bodies)
    bodies["yaw"] = np.where(move, here[:, YAW] + slide, bodies["yaw"])
    step = np.maximum(np.hypot(paths[rows, b, X] - paths[rows, a, X], paths[rows, b, Y] - paths[rows, a, Y]), 0.1)
    pitch = -np.arctan2(paths[rows, b, Z] - paths[rows, a, Z], step)
    bodies["pitch"] = np.where(move & (bodies["cls"] != AgentClass.PEDESTRIAN), pitch, bodies["pitch"])
    return bodies


def _slide(bodies: np.ndarray) -> np.ndarray:
    """Heading against the path while changing lanes, rad."""
    total = np.maximum(bodies["offset_time"], 1e-6)
    under_way = (bodies["offset_time"] > 0) & (np.abs(bodies["offset"]) > 1e-3)
    done = np.where(
        under_way, np.clip(1 - bodies["offset"] / np.where(under_way, bodies["offset_from"], 1.0), 0, 1), 0.0
    )
    rate = -bodies["offset_from"] / total * 4.0 * done * (1 - done) * 1.5
    return np.where(under_way, np.arctan2(rate, np.maximum(bodies["speed"], 2.0)), 0.0)
