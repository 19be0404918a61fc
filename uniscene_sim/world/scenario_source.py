"""`ScenarioSource`: a scenario that runs, 10 ms at a time, and gives layout frames.

All bodies decide at 10 Hz, when the time is a multiple of 100 ms: how hard to brake, whether to change lanes, which
bodies enter and leave. The state holds the decisions. Between two of them `world.physics` moves all bodies at 100 Hz.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.control import Control, Manners, Trajectory
from uniscene_sim.criteria.watch import ALL_MEASURES, Watch
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.layout import AGENT_DTYPE, PHYSICS_US, Edit, LayoutFrame, Light
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.signals import SignalPrograms, head_lights, signal_heads, signal_states_at, stop_line_states_at
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome
from uniscene_sim.plugins import load_plugin
from uniscene_sim.scenario import Scenario
from uniscene_sim.scenario_files.read import find_scenario, is_branch, load_scenario
from uniscene_sim.storage.input_file import reading
from uniscene_sim.world.bodies import MotionMode, project_to_path, write_agents
from uniscene_sim.world.ego import remaining_trajectory, steer_along
from uniscene_sim.world.episode.actions import BeginActions
from uniscene_sim.world.episode.criteria import ARRIVED, evaluate_criteria, measured_so_far, tally_row, update_tally
from uniscene_sim.world.episode.driven import driven_row, judged, with_controls
from uniscene_sim.world.episode.edited_world import EditedWorld, map_props, with_crossings
from uniscene_sim.world.episode.edits import Editor
from uniscene_sim.world.episode.hidden import Houses, hidden_agents
from uniscene_sim.world.episode.hints import impossible_parts, possible_actions
from uniscene_sim.world.episode.map_frame import in_map_frame
from uniscene_sim.world.episode.start import InitialState
from uniscene_sim.world.episode.whereabouts import whereabouts_of
from uniscene_sim.world.motion import place_on_paths
from uniscene_sim.world.paths import PATH_POINTS
from uniscene_sim.world.physics import (
    MARK_COLUMNS,
    PhysicsInputs,
    StepArrays,
    decide_and_run_steps,
    run_steps,
)
from uniscene_sim.world.physics_record import LazyLayouts, PhysicsRecord
from uniscene_sim.world.standing import has_tilted_roads, stand_on_ground
from uniscene_sim.world.state import WorldState
from uniscene_sim.world.traffic.decisions import Decisions, decide
from uniscene_sim.world.traffic.lane_change import change_lanes
from uniscene_sim.world.traffic.overtake import overtake

__all__ = ["DECIDE_US", "ScenarioSource"]

#: Decisions are made when the time is a multiple of this.
DECIDE_US = 100_000
#: The part of the route that a state holds moves on when this much of it is driven.
_WINDOW_STEP_M = 200
_NO_TRAJECTORY = np.zeros((0, 3))


class ScenarioSource:
    """Runs a scenario: a `LayoutSource`.

    Args:
        scenario: what happens.
        vector_map: its map.
        seed: in place of the scenario's.
        begin: the state to begin with, in place of the scenario's own.

    Raises:
        InputError: a spawn off the road, or no way to a goal.
    """

    name = "scenario"
    suffixes = (".yaml", ".yml", ".json")
    open_loop = False

    def __init__(
        self,
        scenario: Scenario,
        vector_map: StaticMap,
        seed: int | None = None,
        *,
        begin: InitialState | None = None,
    ):
        self.given = scenario  # with places in the file's own frame
        scenario = in_map_frame(scenario, vector_map.frame_origin)
        self.scenario, self.map = scenario, vector_map
        self.seed = scenario.seed if seed is None else seed
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self.ends_off_road = False  # set by who stops there: then no tile is made for what stands beside the road
        self._heads = once_per_map(signal_heads)(vector_map)
        first_id = len(self._heads) + len(map_props(vector_map)) + 1
        self._rows = {"ego": 0} | {agent.name: i + 1 for i, agent in enumerate(scenario.agents)}
        self._programs = SignalPrograms.of(vector_map)
        self._begin = begin or InitialState(scenario, vector_map, self.seed, first_id)
        self._begin_actions = BeginActions(scenario, vector_map, self._rows, self._begin.tracks, self._begin.track_of)
        self._ego_trajectory = np.array(scenario.ego.trajectory)
        self._edit = Editor(scenario, vector_map, self._rows)
        self._unedited = self._world = EditedWorld.of(scenario, vector_map, self._begin, self._rows, ())
        self._decided_for: WorldState | None = None
        self._decided = Decisions(np.zeros(0), np.zeros(0), np.zeros(0))
        self._state = self._begin.state
        self.measures = ()

    def again(self) -> ScenarioSource:
        """Another run of the same episode, at its first moment; both share what never changes."""
        other = copy(self)
        other.solid, other._decided_for = None, None
        other.set_state(self._begin.state)
        other.measures = self._measures
        return other

    @classmethod
    def open(cls, what: str, seed: int | None = None, parameters: Mapping[str, Any] | None = None) -> ScenarioSource:
        """Of a scenario file, or of one of the library by its name; a file with `source` is a branch of a recording.

        Args:
            what: name or path.
            seed: in place of the file's; it draws the parameters, which have the values of the file without one.
            parameters: values or ranges in place of the file's, by name.
        """
        path = find_scenario(what)
        if is_branch(path):
            if parameters:
                raise InputError("a branch of a recording has none", field="parameters")
            branched: Any = load_plugin("source", "branch")
            return cast(ScenarioSource, branched.open(str(path), seed))
        with reading(path, "a scenario that can begin"):
            scenario = load_scenario(path, seed, parameters)
            return cls(scenario, load_map(scenario.map))

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
    def drawn(self) -> Mapping[str, float | str]:
        """Values of the scenario's parameters, by name."""
        return self.scenario.drawn

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
        return self.completion >= ARRIVED

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
        return evaluate_criteria(self.scenario, self._state, self.completion, self.done)

    @property
    def measured(self) -> Mapping[str, float | None]:
        """What criteria and scores need, by name, so far: what is always counted, and what `measures` asks for."""
        return measured_so_far(self.scenario, self._state, self._begin.route, self.completion)

    @property
    def measures(self) -> tuple[str, ...]:
        """What is measured beside the tally: kinds of `criteria.watch.ALL_MEASURES`, those of the scenario's criteria
        always. Setting it begins to measure anew, now; an InputError says which one there is not."""
        return self._measures

    @measures.setter
    def measures(self, kinds: Sequence[str]) -> None:
        own = [c.kind for c in self.scenario.criteria if c.kind in ALL_MEASURES]
        if (watch := Watch.of((*own, *kinds))) is not None or self._state.watch is not None:
            self._state = self._looked(replace(self._state, watch=watch))
        self._measures = tuple(kinds)

    def reset(self) -> LayoutFrame:
        """The first moment, without edits."""
        self.set_state(self._begin.state)
        self.measures = self._measures
        return self._frame_of(self._state)

    def get_state(self) -> WorldState:
        return self._state

    def set_state(self, state: WorldState) -> None:
        self._state, self._world = state, self._world_of(state.edits)

    def edit(self, edit: Edit) -> None:
        """Change the world now, see `uniscene_sim.edit`; the next layout shows it.

        Raises:
            InputError: it cannot happen, and nothing has changed.
        """
        self._state, self._world = self._edited(edit, self._state)

    def row_of(self, name: str) -> int:
        """Row in `state.bodies` of a vehicle that `drive_others` can drive; InputError if there is none."""
        return driven_row(self._state, name, self._rows)

    def drive_others(self, controls: Mapping[str, Control | None]) -> None:
        """Drive agents of the scenario by controls, as `step` drives the ego: from now on, by the same vehicle model,
        until they get another one. Their route is the path that they had.

        Args:
            controls: by name of the agent, or "#ID" for one of ambient traffic; None for one that leaves the road.

        Raises:
            InputError: there is no such vehicle on a road, and nothing has changed.
        """
        self._state = with_controls(self._state, controls, self._rows)

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """Frames of each 10 ms up to `dt_us` from now, the last one now; each is made when it is read.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        if dt_us <= 0 or dt_us % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10,000 us, got {dt_us}", field="dt_us")
        state, steps = self._state, dt_us // PHYSICS_US
        self._world = self._world_of(state.edits)
        moments: list[tuple[PhysicsRecord, int]] = []
        while True:
            record, done = PhysicsRecord(state, steps - len(moments), self._world), len(moments)
            if moments:  # an edit has changed the moment that the record before ends with
                record.events[0] = moments[-1][0].events[moments[-1][1]]
                moments[-1] = record, 0
            while (at := (state.time_us - record.begin_us) // PHYSICS_US) < record.steps:
                state = self._run_physics(state, control, record, at, done + at)
                if state.time_us % DECIDE_US == 0:
                    state = self._looked(self._decide_slowly(state))
                end = (state.time_us - record.begin_us) // PHYSICS_US
                moments += [(record, k) for k in range(at + 1, end + 1)]
                if self._world is not record.world:
                    break
                record.put(state)
            if self._world is record.world:
                break
        self._state = replace(state, bodies=state.bodies.copy())
        return LazyLayouts(moments, self._frame)

    def driver_control(self, manners: Manners | None = None) -> Control | Trajectory:
        """The built-in driver: steers by `ego.steer_along`, keeps its distance by IDM, obeys lights, yields to people.

        Args:
            manners: how it drives, in place of the scenario's `ego.manners`.

        An ego with a trajectory follows it and reacts to nothing; one without lanes or a trajectory brakes.
        """
        state, spec = self._state, self.scenario.ego
        if spec.trajectory:
            return remaining_trajectory(self._ego_trajectory, state.time_us * 1e-6)
        if not self.map.lanes:
            return Control(0.0, -spec.vehicle.max_brake_mps2)
        path = state.paths[0, : state.counts[0]]
        steer = steer_along(state.ego, path, int(self._ego_s(state)), self.scenario.ego.vehicle)
        return Control(steer, self._driver_accel(manners))

    # --- stepping -------------------------------------------------------------------------------------------------

    def _driver_accel(self, manners: Manners | None) -> float:
        """Acceleration that the built-in driver chooses now, m/s2."""
        state = self._state
        if manners is None:
            return float(self._decisions(state).chosen[0])
        bodies = state.bodies.copy()
        for name, value in asdict(manners).items():
            bodies[0][name] = value
        return float(decide(state.time_us, bodies, state.paths, state.counts, self._world.rules).chosen[0])

    def _decisions(self, state: WorldState) -> Decisions:
        """What all bodies decide now."""
        if self._decided_for is not state:
            self._decided = decide(state.time_us, state.bodies, state.paths, state.counts, self._world.rules)
            self._decided_for = state
        return self._decided

    def _ego_s(self, state: WorldState) -> float:
        guess = int(state.bodies[0]["s"])
        path, row = state.paths[0], state.bodies[0]
        return float(project_to_path(path, state.counts[0], row["x"], row["y"], max(guess - 12, 0), guess + 20)[0])

    def _run_physics(
        self, state: WorldState, control: Control | Trajectory, record: PhysicsRecord, at: int, driven: int
    ) -> WorldState:
        """Physics up to the next decision, the end of the record or an event, whose edits and actions begin.

        Args:
            state: the moment to begin with.
            control: of the ego.
            record: where the moments are written.
            at: row of the record that is the state.
            driven: steps for which the control has been driven.
        """
        wanted, trajectory, world = np.zeros(3), _NO_TRAJECTORY, record.world
        if isinstance(control, Trajectory):
            trajectory = control.points
        else:
            wanted[:] = control.steer_rad, control.accel_mps2, control.reverse
        total = min(record.steps - at, (DECIDE_US - state.time_us % DECIDE_US) // PHYSICS_US)
        inputs = PhysicsInputs(
            state.time_us, state.paths, state.counts, wanted, trajectory, driven, checks_voxels=self.solid is not None
        )
        steps = StepArrays(
            egos=record.egos[at : at + total + 1],
            bodies=record.bodies[at : at + total + 1],
            marks=np.empty((total, len(MARK_COLUMNS)), dtype=np.int64),
            contacts=np.zeros((total, len(world.props) + len(state.bodies)), dtype=np.bool_),
            fired=np.array(state.fired, dtype=np.bool_),
            tally=tally_row(state.tally),
        )
        if state.time_us % DECIDE_US:
            made = run_steps(world.constants, inputs, steps)
        elif self._decided_for is state:
            for name, values in self._decided._asdict().items():
                steps.bodies[0][name] = values
            made = run_steps(world.constants, inputs, steps)
        else:
            made = decide_and_run_steps(world.rules, world.constants, inputs, steps)
        end = at + made
        record.route_at[at + 1 : end + 1] = state.route_at
        done, events = update_tally(
            world.map, world.constants.vehicle, state.tally, steps, made, world.props, self.solid, self.ends_off_road
        )
        record.events[at + 1 : end + 1] = events
        others = tuple(judged(body, inputs, steps, made, world) for body in state.driven)
        after = replace(
            state, time_us=state.time_us + made * PHYSICS_US, ego=record.ego(end), bodies=record.bodies[end],
            tally=done, driven=others,
        )  # fmt: skip
        if steps.fired.sum() > sum(state.fired):
            after, actions = self._apply_fired_events(after, steps.fired)
            record.events[end] += tuple(actions)
        return after

    def _apply_fired_events(self, state: WorldState, fired: np.ndarray) -> tuple[WorldState, list[str]]:
        """The state once the actions of events that are new in `fired` have begun, and the names of these actions."""
        before, state, actions = state, replace(state, fired=tuple(fired.tolist())), list[str]()
        for event in np.flatnonzero(fired & ~np.array(before.fired, dtype=bool)).tolist():
            state, begun = self._begin_actions(event, self._begin_edits(event, state))
            actions += begun
        return _placed_bodies(state, before), actions

    def _begin_edits(self, event: int, state: WorldState) -> WorldState:
        """The state after the edits of an event; warns of those that cannot happen."""
        for k, edit in enumerate(self.scenario.events[event].edits):
            try:
                state, self._world = self._edited(edit, state)
            except InputError as error:
                at = f"events[{event}].edits[{k}] at {state.time_us * 1e-6:.2f} s"
                what = f"{self.scenario.name}: {at} is left out: {error.field}: {error.message}"
                warnings.warn(f"scenario {what}", InputWarning, stacklevel=2)
        return state

    def _edited(self, edit: Edit, state: WorldState) -> tuple[WorldState, EditedWorld]:
        """The state after an edit, and the fixed parts of the scenario with it."""
        after = self._edit(edit, state, self._world)
        world = self._world_of(after.edits)
        if world.map is not self._world.map:
            paths = after.paths.copy()
            for path, count in zip(paths, after.counts.tolist(), strict=True):
                if count > 1:  # rows that wait have one point
                    path[:count] = with_crossings(path[:count], world.map)
            after = replace(after, paths=paths)
        return after, world

    def _world_of(self, edits: tuple[Edit, ...]) -> EditedWorld:
        """The fixed parts of the scenario with edits."""
        if edits == self._world.edits:
            return self._world
        if not edits:
            return self._unedited
        return EditedWorld.of(self.scenario, self.map, self._begin, self._rows, edits)

    def _decide_slowly(self, state: WorldState) -> WorldState:
        """Decisions in Python: the window of the ego's route, bodies that enter or leave, lane changes, overtaking."""
        after = self._world.population.step(self._advance_route_window(state))
        after = change_lanes(after, self._world.map, self.seed)
        after = overtake(after, self._world.map, self._world.route)
        return _placed_bodies(after, state)

    def _advance_route_window(self, state: WorldState) -> WorldState:
        """The state with the part of a long route that lies around the ego now."""
        route, row = self._world.route, state.bodies[0]
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

    def _looked(self, state: WorldState) -> WorldState:
        """The state after measures, if there are any, have seen it."""
        if state.watch is None:
            return state
        seen = state.watch.see(self._frame_of(state), self._world.map, float(state.bodies[0]["chosen"]))
        return replace(state, watch=seen)

    def _frame_of(self, state: WorldState) -> LayoutFrame:
        return self._frame(PhysicsRecord(state, 0, self._world), 0)

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
            agents=self._agents(record.world, bodies, signals),
            signals=signals,
            route=self.route_path[at : at + 80],
            map_ref=record.world.map.ref,
            seed=self.seed,
            style=record.world.style,
            events=record.events[k],
            edits=record.world.edits,
        )

    def _agents(self, world: EditedWorld, bodies: np.ndarray, signals: np.ndarray) -> np.ndarray:
        """(N,) AGENT_DTYPE: bodies, props and signal heads, without the ego.

        Args:
            world: the fixed parts.
            bodies: (N,) BODY_DTYPE.
            signals: (S,) uint8 SignalState.
        """
        heads, still = len(self._heads), len(self._heads) + len(world.props)
        there = int(np.count_nonzero(bodies["mode"][1:] != MotionMode.ABSENT))
        out = np.empty(still + there, dtype=AGENT_DTYPE)
        out[:heads], out[heads:still] = self._heads, world.props
        out["lights"][:heads] = head_lights(self._heads, signals)
        hour = world.style.time_of_day_h
        dim = hour < 7.0 or hour > 18.0 or world.style.weather in ("rain", "fog", "snow")
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
