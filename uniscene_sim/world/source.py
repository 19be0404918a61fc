"""`ScenarioSource`: a scenario that runs, 10 ms at a time, and hands out layout frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame, Light, SignalState
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world import outcome
from uniscene_sim.world.conflicts import Conflicts
from uniscene_sim.world.crossings import Crossings
from uniscene_sim.world.ego import Control, Trajectory, pure_pursuit, rest_of, step_ego
from uniscene_sim.world.events import apply_action, holds
from uniscene_sim.world.lane_change import change_lanes
from uniscene_sim.world.map import StaticMap
from uniscene_sim.world.motion import move, pose
from uniscene_sim.world.once import once_a_map
from uniscene_sim.world.opendrive import load_map
from uniscene_sim.world.overtake import overtake
from uniscene_sim.world.paths import PATH_POINTS, unit_hash
from uniscene_sim.world.scenario import Scenario, find_scenario, load_scenario
from uniscene_sim.world.signals import lights_of, signal_heads, signal_states
from uniscene_sim.world.spawn import SIZES, as_agents
from uniscene_sim.world.start import Start, ego_row
from uniscene_sim.world.state import WorldState
from uniscene_sim.world.traffic import Mode, accelerations, busy_crossings, project, walking_pace

__all__ = ["ScenarioSource"]

_DT = 0.01
_PROPS = {"parked_car": AgentClass.CAR, "cone": AgentClass.TRAFFIC_CONE, "barrier": AgentClass.BARRIER}
#: The part of the route that a state holds moves on when this much of it is driven.
_WINDOW_STEP_M = 200


class ScenarioSource:
    """Runs a scenario: a `LayoutSource`.

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """

    name = "scenario"
    open_loop = False

    def __init__(self, scenario: Scenario, vector_map: StaticMap, seed: int | None = None):
        self.scenario, self.map = scenario, vector_map
        self.seed = scenario.seed if seed is None else seed
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self._surface = vector_map.surface
        self._heads, self._props = once_a_map(signal_heads)(vector_map), _props(vector_map)
        self._first_id = len(self._heads) + len(self._props) + 1
        self._rows = {"ego": 0} | {agent.name: i + 1 for i, agent in enumerate(scenario.agents)}
        self._conflicts, self._crossings = once_a_map(Conflicts)(vector_map), once_a_map(Crossings)(vector_map)
        self._begin = Start(scenario, vector_map, self.seed, self._first_id)
        self._state = self._begin.state
        self._signal_of_line = np.array([line.signal for line in vector_map.stop_lines], dtype=np.int64)
        self._said: tuple[int, np.ndarray] = (-1, np.zeros(0, np.uint8))
        self._seen: tuple[np.ndarray, int, np.ndarray] = (np.zeros(0), -1, np.zeros(0, AGENT_DTYPE))
        self._events: tuple[str, ...] = ()

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> ScenarioSource:
        """Of a scenario file, or of one of the library by its name."""
        scenario = load_scenario(find_scenario(what))
        return cls(scenario, load_map(scenario.map), seed)

    @property
    def title(self) -> str:
        return self.scenario.name

    @property
    def duration_s(self) -> float:
        return self.scenario.duration_s

    @property
    def state(self) -> WorldState:
        return self._state

    @property
    def route_path(self) -> np.ndarray:
        """The ego's path (R, 3), m."""
        return self._begin.route[:, :3]

    @property
    def done(self) -> bool:
        """Whether the duration is over, or the end of a route that has a goal or a length is reached."""
        ego = self.scenario.ego
        ends = ego.goal is not None or ego.route_m is not None
        return self._state.time_us >= self.scenario.duration_s * 1e6 or (ends and self.arrived)

    @property
    def arrived(self) -> bool:
        """Whether the end of the route is reached."""
        return self.completion >= 0.995

    @property
    def completion(self) -> float:
        """Share of the route that is driven, 0..1."""
        driven = self._state.route_at + self._state.bodies[0]["s"]
        return float(min(max(driven / max(len(self._begin.route) - 5.0, 1.0), 0.0), 1.0))

    @property
    def route_left_m(self) -> float:
        """Length of the route that is still to be driven, m."""
        return max(len(self._begin.route) - 1.0 - self._state.route_at - float(self._state.bodies[0]["s"]), 0.0)

    @property
    def stop_line_states(self) -> np.ndarray:
        """What each stop line of the map says now, uint8 (L,): 0 sign, 1 red, 2 yellow, 3 green or off."""
        return self._line_states(self._state.time_us)

    @property
    def outcome(self) -> dict[str, Any]:
        """Status and criteria so far, see `world.outcome`."""
        return outcome.judge(self.scenario, self._state.tally, self.completion, self.done)

    def reset(self) -> LayoutFrame:
        self._state, self._events = self._begin.state, ()
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
        for k in range(dt_us // 10_000):
            now = control.later(k * _DT) if isinstance(control, Trajectory) else control
            self._state = self._advance(self._state, now)
            frames.append(self._frame())
        return frames

    def driver_control(self) -> Control | Trajectory:
        """The built-in driver: keeps its lane by pure pursuit, its distance by IDM, and minds lights and people.

        An ego with a trajectory drives that, whatever comes; one without lanes or a trajectory stands.
        """
        state, spec = self._state, self.scenario.ego
        if spec.trajectory:
            return rest_of(spec.trajectory, state.time_us * 1e-6)
        if not self.map.lanes:
            return Control(0.0, -spec.vehicle.max_brake_mps2)
        path = state.paths[0, : state.counts[0]]
        steer = pure_pursuit(state.ego, path, int(self._ego_s(state)), self.scenario.ego.vehicle)
        return Control(steer, float(self._accelerations(state)[0]))

    # --- stepping -------------------------------------------------------------------------------------------------

    def _accelerations(self, state: WorldState) -> np.ndarray:
        lines = self._line_states(state.time_us)
        busy = busy_crossings(state.bodies, state.paths, state.counts, self._crossings.may_walk(lines))
        meetings = self._conflicts
        return accelerations(
            state.bodies, state.paths, state.counts, lines, busy, meetings.first, meetings.meets
        )

    def _line_states(self, time_us: int) -> np.ndarray:
        """What each stop line says: 0 sign, 1 red, 2 yellow, 3 green or off."""
        states, of_line = self._signals(time_us), self._signal_of_line
        said = np.append(np.where(states == SignalState.OFF, SignalState.GREEN, states), 0)  # -1 is a sign
        return said[of_line].astype(np.uint8)

    def _signals(self, time_us: int) -> np.ndarray:
        """SignalState (S,) of all signals; asked for several times in each step."""
        if self._said[0] != time_us:
            self._said = time_us, signal_states(self.map, time_us * 1e-6)
        return self._said[1]

    def _ego_s(self, state: WorldState) -> float:
        guess = int(state.bodies[0]["s"])
        path, row = state.paths[0], state.bodies[0]
        return float(project(path, state.counts[0], row["x"], row["y"], max(guess - 12, 0), guess + 20)[0])

    def _advance(self, state: WorldState, control: Control | Trajectory) -> WorldState:
        time_us = state.time_us + 10_000
        chosen, lines = self._accelerations(state), self._line_states(time_us)
        ego = step_ego(state.ego, control, self.scenario.ego.vehicle, self._surface, _DT)
        bodies = state.bodies.copy()
        pace, sideways = walking_pace(bodies, state.paths, state.counts, self._crossings.may_walk(lines))
        move(bodies, chosen, pace, sideways, state.paths, state.counts, time_us * 1e-6, _DT)
        row = ego_row(self.scenario, ego)
        for name in ("x", "y", "z", "yaw", "speed"):
            bodies[0][name] = row[name]
        bodies[0]["accel"] = ego.accel
        after = replace(state, time_us=time_us, ego=ego, bodies=bodies)
        bodies[0]["s"] = max(self._ego_s(after), 0.0)
        after = self._begin.population.step(self._moved_window(after))
        after = overtake(change_lanes(after, chosen, self.map, self.seed), self.map)
        after = self._happen(after)
        bodies = after.bodies.copy()
        pose(bodies, after.paths, after.counts, 1)
        after = replace(after, bodies=bodies)
        tally, self._events = outcome.count(
            self.map, self.scenario, state, after, self._agents(after), lines, self.solid
        )
        return replace(after, tally=tally)

    def _moved_window(self, state: WorldState) -> WorldState:
        """Of a long route a state holds the part around the ego."""
        route, row = self._begin.route, state.bodies[0]
        at = state.route_at + int(row["s"]) - 20
        if row["s"] < _WINDOW_STEP_M or row["aside"] > 0 or state.route_at + PATH_POINTS >= len(route):
            return state
        bodies, paths, counts = state.bodies.copy(), state.paths.copy(), state.counts.copy()
        window = route[at : at + PATH_POINTS]
        paths[0], counts[0] = 0.0, len(window)
        paths[0, : len(window)] = window
        bodies[0]["s"] -= at - state.route_at
        return replace(state, bodies=bodies, paths=paths, counts=counts, route_at=at)

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
        if self._seen[0] is state.bodies and self._seen[1] == state.time_us:
            return self._seen[2]
        heads, still = len(self._heads), len(self._heads) + len(self._props)
        there = int(np.count_nonzero(state.bodies["mode"][1:] != Mode.ABSENT))
        out = np.empty(still + there, dtype=AGENT_DTYPE)
        out[:heads], out[heads:still] = self._heads, self._props
        out["lights"][:heads] = lights_of(self._heads, self._signals(state.time_us))
        hour = self.scenario.style.time_of_day_h
        dim = hour < 7.0 or hour > 18.0 or self.scenario.style.weather in ("rain", "fog", "snow")
        as_agents(state.bodies, out[still:], Light.HEAD if dim else 0)
        self._seen = state.bodies, state.time_us, out
        return out

    def _frame(self) -> LayoutFrame:
        state = self._state
        pose = state.ego.pose
        forward = pose.rotation[:, 0]
        at = state.route_at + int(max(state.bodies[0]["s"], 0.0))
        return LayoutFrame(
            stamp_us=state.time_us,
            ego_pose=pose,
            ego_velocity=state.ego.speed * forward,
            ego_yaw_rate=state.ego.yaw_rate,
            ego_accel=state.ego.accel,
            ego_steer=state.ego.steer,
            ego_vehicle=self.scenario.ego.vehicle,
            agents=self._agents(state),
            signals=self._signals(state.time_us),
            route=self.route_path[at : at + 80],
            map_ref=self.map.ref,
            seed=self.seed,
            style=self.scenario.style,
            events=self._events,
        )


@once_a_map
def _props(vector_map: StaticMap) -> np.ndarray:
    """Placed objects that are drawn as instances, (P,) AGENT_DTYPE, at ids after those of the heads."""
    first_id = len(once_a_map(signal_heads)(vector_map)) + 1
    objects = [o for o in vector_map.objects if o.kind in _PROPS]
    out = np.zeros(len(objects), dtype=AGENT_DTYPE)
    for i, item in enumerate(objects):
        out[i]["id"], out[i]["cls"], out[i]["pos"] = first_id + i, _PROPS[item.kind], item.position
        out[i]["rpy"], out[i]["colour"] = (0.0, 0.0, item.yaw), int(unit_hash(first_id + i, 78) * 2**32)
        usual = SIZES[_PROPS[item.kind]]
        out[i]["size"] = tuple(given if given > 0.05 else use for given, use in zip(item.size, usual, strict=True))
    return out
