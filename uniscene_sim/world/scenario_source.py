"""`ScenarioSource`: a scenario that runs, 10 ms at a time, and gives layout frames.

All bodies decide at 10 Hz, when the time is a multiple of 100 ms: how hard to brake, whether to change lanes, which
bodies enter and leave. The state holds the decisions. Between two of them `world.physics` moves all bodies at 100 Hz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.layout import AGENT_DTYPE, PHYSICS_US, LayoutFrame, Light
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.signals import SignalPrograms, head_lights, signal_heads, signal_states_at, stop_line_states_at
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome
from uniscene_sim.scenario import Scenario
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import CLASS_SIZES, MotionMode, project_to_path, write_agents
from uniscene_sim.world.ego import pure_pursuit, remaining_trajectory
from uniscene_sim.world.episode.actions import BeginActions
from uniscene_sim.world.episode.criteria import evaluate_criteria, tally_row, update_tally
from uniscene_sim.world.episode.hidden import Houses, hidden_agents
from uniscene_sim.world.episode.hints import impossible_parts, possible_actions
from uniscene_sim.world.episode.map_frame import in_map_frame
from uniscene_sim.world.episode.start import InitialState
from uniscene_sim.world.episode.triggers import Triggers
from uniscene_sim.world.episode.whereabouts import whereabouts_of
from uniscene_sim.world.motion import place_on_paths
from uniscene_sim.world.paths import PATH_POINTS
from uniscene_sim.world.physics import (
    MARK_COLUMNS,
    EpisodeConstants,
    PhysicsInputs,
    StepArrays,
    VehicleParameters,
    decide_and_run_steps,
    run_steps,
)
from uniscene_sim.world.physics_record import LazyLayouts, PhysicsRecord
from uniscene_sim.world.standing import has_tilted_roads, stand_on_ground
from uniscene_sim.world.state import WorldState
from uniscene_sim.world.traffic.conflict_table import ConflictTable
from uniscene_sim.world.traffic.crossings import crossing_stop_lines
from uniscene_sim.world.traffic.decisions import Decisions, TrafficRules, decide
from uniscene_sim.world.traffic.lane_change import change_lanes
from uniscene_sim.world.traffic.overtake import overtake

__all__ = ["DECIDE_US", "ScenarioSource"]

#: Decisions are made when the time is a multiple of this.
DECIDE_US = 100_000
_PROPS = {"parked_car": AgentClass.CAR, "cone": AgentClass.TRAFFIC_CONE, "barrier": AgentClass.BARRIER}
#: The part of the route that a state holds moves on when this much of it is driven.
_WINDOW_STEP_M = 200
_NO_TRAJECTORY = np.zeros((0, 3))


class ScenarioSource:
    """Runs a scenario: a `LayoutSource`.

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """

    name = "scenario"
    suffixes = (".yaml", ".yml", ".json")
    open_loop = False

    def __init__(self, scenario: Scenario, vector_map: StaticMap, seed: int | None = None):
        scenario = in_map_frame(scenario, vector_map.frame_origin)
        self.scenario, self.map = scenario, vector_map
        self.seed = scenario.seed if seed is None else seed
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self._heads, self._props = once_per_map(signal_heads)(vector_map), _props(vector_map)
        self._first_id = len(self._heads) + len(self._props) + 1
        self._rows = {"ego": 0} | {agent.name: i + 1 for i, agent in enumerate(scenario.agents)}
        self._programs = SignalPrograms.of(vector_map)
        self._rules = TrafficRules(
            self._programs, once_per_map(crossing_stop_lines)(vector_map), ConflictTable.of(vector_map)
        )
        self._begin = InitialState(scenario, vector_map, self.seed, self._first_id)
        self._state = self._begin.state
        self._begin_actions = BeginActions(scenario, vector_map, self._rows, self._begin.tracks, self._begin.track_of)
        self._ego_trajectory = np.array(scenario.ego.trajectory)
        self._constants = EpisodeConstants(
            VehicleParameters.of(scenario.ego.vehicle),
            vector_map.surface.arrays,
            self._programs,
            Triggers.of([event.trigger for event in scenario.events], self._rows),
            _boxes(self._props),
            self._begin.tracks,
        )
        self._decided_for: WorldState | None = None
        self._decided = Decisions(np.zeros(0), np.zeros(0), np.zeros(0))

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> ScenarioSource:
        """Of a scenario file, or of one of the library by its name."""
        scenario = load_scenario(find_scenario(what))
        return cls(scenario, load_map(scenario.map), seed)

    def hints(self, houses: Houses) -> list[str]:
        """What cannot happen in the scenario, and what nobody can see, a line each.

        Args:
            houses: gives boxes (N, 5) x, y, yaw, length, width of all houses, m and rad.
        """
        parts = self.scenario, self.map, self._begin, self._rows
        happens = possible_actions(*parts)
        moves = {name: whereabouts_of(name, row, self.scenario, self._begin, happens).moves
                 for name, row in self._rows.items()}  # fmt: skip
        hidden = hidden_agents(self.scenario, self.map, self._begin, moves, houses)
        return [*impossible_parts(*parts), *hidden]

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
        """StopLineState uint8 (L,) of every stop line of the map now."""
        states: np.ndarray = stop_line_states_at(
            self._programs, signal_states_at(self._programs, self._state.time_us * 1e-6)
        )
        return states

    @property
    def outcome(self) -> Outcome:
        """Status and criteria so far, see `world.episode.criteria`."""
        return evaluate_criteria(self.scenario, self._state.tally, self.completion, self.done)

    def reset(self) -> LayoutFrame:
        self._state = self._begin.state
        return self._now()

    def get_state(self) -> WorldState:
        return self._state

    def set_state(self, state: WorldState) -> None:
        self._state = state

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """Frames of each 10 ms up to `dt_us` from now, the last one now; each is made when it is read.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        if dt_us <= 0 or dt_us % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10,000 us, got {dt_us}", field="dt_us")
        begin = state = self._state
        record = PhysicsRecord(state, dt_us // PHYSICS_US)
        while (at := (state.time_us - begin.time_us) // PHYSICS_US) < record.steps:
            state = self._run_physics(state, control, record, at)
            if state.time_us % DECIDE_US == 0:
                state = self._decide_slowly(state)
            record.put(state)
        self._state = replace(state, bodies=state.bodies.copy())
        return LazyLayouts(record, self._frame)

    def driver_control(self) -> Control | Trajectory:
        """The built-in driver: steers by pure pursuit, keeps its distance by IDM, obeys lights, gives way to people.

        An ego with a trajectory follows it and reacts to nothing; one without lanes or a trajectory brakes.
        """
        state, spec = self._state, self.scenario.ego
        if spec.trajectory:
            return remaining_trajectory(self._ego_trajectory, state.time_us * 1e-6)
        if not self.map.lanes:
            return Control(0.0, -spec.vehicle.max_brake_mps2)
        path = state.paths[0, : state.counts[0]]
        steer = pure_pursuit(state.ego, path, int(self._ego_s(state)), self.scenario.ego.vehicle)
        return Control(steer, float(self._decisions(state).chosen[0]))

    # --- stepping -------------------------------------------------------------------------------------------------

    def _decisions(self, state: WorldState) -> Decisions:
        """What all bodies decide now."""
        if self._decided_for is not state:
            self._decided = decide(state.time_us, state.bodies, state.paths, state.counts, self._rules)
            self._decided_for = state
        return self._decided

    def _ego_s(self, state: WorldState) -> float:
        guess = int(state.bodies[0]["s"])
        path, row = state.paths[0], state.bodies[0]
        return float(project_to_path(path, state.counts[0], row["x"], row["y"], max(guess - 12, 0), guess + 20)[0])

    def _run_physics(
        self, state: WorldState, control: Control | Trajectory, record: PhysicsRecord, at: int
    ) -> WorldState:
        """Physics up to the next decision, the end of the record or an event, whose actions begin."""
        wanted, trajectory = np.zeros(2), _NO_TRAJECTORY
        if isinstance(control, Trajectory):
            trajectory = control.points
        else:
            wanted[:] = control.steer_rad, control.accel_mps2
        total = min(record.steps - at, (DECIDE_US - state.time_us % DECIDE_US) // PHYSICS_US)
        inputs = PhysicsInputs(
            state.time_us, state.paths, state.counts, wanted, trajectory, at, checks_voxels=self.solid is not None
        )
        steps = StepArrays(
            egos=record.egos[at : at + total + 1],
            bodies=record.bodies[at : at + total + 1],
            marks=np.empty((total, len(MARK_COLUMNS)), dtype=np.int64),
            contacts=np.zeros((total, len(self._props) + len(state.bodies)), dtype=np.bool_),
            fired=np.array(state.fired, dtype=np.bool_),
            tally=tally_row(state.tally),
        )
        if state.time_us % DECIDE_US:
            made = run_steps(self._constants, inputs, steps)
        elif self._decided_for is state:
            for name, values in self._decided._asdict().items():
                steps.bodies[0][name] = values
            made = run_steps(self._constants, inputs, steps)
        else:
            made = decide_and_run_steps(self._rules, self._constants, inputs, steps)
        end = at + made
        record.route_at[at + 1 : end + 1] = state.route_at
        ids = np.concatenate([self._props["id"], record.bodies[end]["id"]])
        done, events = update_tally(self.map, self._constants.vehicle, state.tally, steps, made, ids, self.solid)
        record.events[at + 1 : end + 1] = events
        after = replace(
            state, time_us=state.time_us + made * PHYSICS_US, ego=record.ego(end), bodies=record.bodies[end], tally=done
        )
        return self._apply_fired_events(after, steps.fired) if steps.fired.sum() > sum(state.fired) else after

    def _apply_fired_events(self, state: WorldState, fired: np.ndarray) -> WorldState:
        """The state once the actions of events that are new in `fired` have begun."""
        before, state = state, replace(state, fired=tuple(fired.tolist()))
        for event in np.flatnonzero(fired & ~np.array(before.fired, dtype=bool)).tolist():
            state = self._begin_actions(event, state)
        return _placed_bodies(state, before)

    def _decide_slowly(self, state: WorldState) -> WorldState:
        """Decisions in Python: the window of the ego's route, bodies that enter or leave, lane changes, overtaking."""
        after = self._begin.population.step(self._advance_route_window(state))
        after = overtake(change_lanes(after, self.map, self.seed), self.map)
        return _placed_bodies(after, state)

    def _advance_route_window(self, state: WorldState) -> WorldState:
        """The state with the part of a long route that lies around the ego now."""
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

    # --- frames ---------------------------------------------------------------------------------------------------

    def _now(self) -> LayoutFrame:
        return self._frame(PhysicsRecord(self._state, 0), 0)

    def _frame(self, record: PhysicsRecord, k: int) -> LayoutFrame:
        """The layout of a moment of a record."""
        time_us, ego, bodies = record.begin_us + k * PHYSICS_US, record.ego(k), record.bodies[k]
        at = int(record.route_at[k]) + int(max(bodies[0]["s"], 0.0))
        signals = signal_states_at(self._programs, time_us * 1e-6)
        return LayoutFrame(
            stamp_us=time_us,
            ego_pose=ego.pose,
            ego_velocity=fixed(ego.speed * ego.pose.rotation[:, 0]),
            ego_yaw_rate=ego.yaw_rate,
            ego_accel=ego.accel,
            ego_steer=ego.steer,
            ego_vehicle=self.scenario.ego.vehicle,
            agents=self._agents(bodies, signals),
            signals=signals,
            route=self.route_path[at : at + 80],
            map_ref=self.map.ref,
            seed=self.seed,
            style=self.scenario.style,
            events=record.events[k],
        )

    def _agents(self, bodies: np.ndarray, signals: np.ndarray) -> np.ndarray:
        """(N,) AGENT_DTYPE: bodies, props and signal heads, without the ego."""
        heads, still = len(self._heads), len(self._heads) + len(self._props)
        there = int(np.count_nonzero(bodies["mode"][1:] != MotionMode.ABSENT))
        out = np.empty(still + there, dtype=AGENT_DTYPE)
        out[:heads], out[heads:still] = self._heads, self._props
        out["lights"][:heads] = head_lights(self._heads, signals)
        hour = self.scenario.style.time_of_day_h
        dim = hour < 7.0 or hour > 18.0 or self.scenario.style.weather in ("rain", "fog", "snow")
        write_agents(bodies, out[still:], Light.HEAD if dim else 0)
        if has_tilted_roads(self.map):
            stand_on_ground(out[still:], self.map)
        return out


def _placed_bodies(state: WorldState, before: WorldState) -> WorldState:
    """The state with bodies where new paths put them."""
    if state.bodies is before.bodies:
        return state
    bodies = state.bodies.copy()
    place_on_paths(bodies, state.paths, state.counts, 1)
    return replace(state, bodies=bodies)


def _boxes(props: np.ndarray) -> np.ndarray:
    """Props (P,) AGENT_DTYPE as boxes (P, 7): x, y, yaw, length, width, foot, top."""
    foot = props["pos"][:, 2]
    top = foot + props["size"][:, 2]
    return np.column_stack([props["pos"][:, :2], props["rpy"][:, 2], props["size"][:, :2], foot, top])


@once_per_map
def _props(vector_map: StaticMap) -> np.ndarray:
    """Placed objects that are drawn as instances, (P,) AGENT_DTYPE, at ids after those of the heads."""
    first_id = len(once_per_map(signal_heads)(vector_map)) + 1
    objects = [o for o in vector_map.objects if o.kind in _PROPS]
    out = np.zeros(len(objects), dtype=AGENT_DTYPE)
    for i, item in enumerate(objects):
        out[i]["id"], out[i]["cls"], out[i]["pos"] = first_id + i, _PROPS[item.kind], item.position
        out[i]["rpy"], out[i]["colour"] = (0.0, 0.0, item.yaw), int(unit_hash(first_id + i, 78) * 2**32)
        usual = CLASS_SIZES[_PROPS[item.kind]]
        out[i]["size"] = tuple(given if given > 0.05 else use for given, use in zip(item.size, usual, strict=True))
    return out
