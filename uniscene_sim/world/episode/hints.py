"""What a scenario asks for that cannot happen: events, actions and trajectories. Nothing here is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np

from uniscene_sim.edit import AddAgent, MoveAgent, MoveCrossing, RemoveAgent
from uniscene_sim.errors import InputError
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Action, Scenario, Trigger
from uniscene_sim.world.episode.actions import CHANGES_LANE, CROSS_M, ImpossibleActionError, check_mode
from uniscene_sim.world.episode.start import InitialState
from uniscene_sim.world.episode.whereabouts import Whereabouts, whereabouts_of
from uniscene_sim.world.path_columns import LANE, X, Y
from uniscene_sim.world.time_to_collision import HORIZON_S

__all__ = ["impossible_parts", "possible_actions"]

_AWAY_M = 2.0
_FASTEST_MPS = 80.0


def impossible_parts(
    scenario: Scenario, static_map: StaticMap, begin: InitialState, rows: Mapping[str, int]
) -> Iterator[str]:
    """What cannot happen, a line each: the field and why.

    Args:
        scenario: the scenario.
        static_map: its map.
        begin: its first moment.
        rows: row of bodies by name of an agent.
    """
    yield from _trajectories(scenario, begin)
    happens = possible_actions(scenario, static_map, begin, rows)
    where = {name: whereabouts_of(name, row, scenario, begin, happens) for name, row in rows.items()}
    for e, event in enumerate(scenario.events):
        trigger = event.trigger
        never = _never(trigger, scenario, where, begin, rows)
        if never is not None:
            yield f"events[{e}].trigger: cannot happen: {never}"
        elif trigger.kind in ("distance", "time_gap", "ttc") and trigger.agent == trigger.other:
            yield f"events[{e}].trigger: compares {trigger.agent!r} with itself and holds from the start"
        elif trigger.kind == "ttc" and trigger.value > HORIZON_S:
            yield f"events[{e}].trigger: times to collision above {HORIZON_S:g} s count as none"
        for k, edit in enumerate(event.edits):
            if isinstance(edit, MoveCrossing):
                try:
                    edited_map(static_map, [edit])
                except InputError as error:
                    yield f"events[{e}].edits[{k}]: cannot happen: {error}"
        for k, action in enumerate(event.actions):
            why = _left_out(action, e, k, scenario, static_map, where, begin, rows, happens)
            if why is not None:
                yield f"events[{e}].actions[{k}]: {action.kind} of {action.agent!r} is left out: {why}"


def possible_actions(
    scenario: Scenario, static_map: StaticMap, begin: InitialState, rows: Mapping[str, int]
) -> set[tuple[int, int]]:
    """Actions that may happen, as (event, action). Who moves hangs on events, and events on who moves: so from none on,
    until no more can happen."""
    happens: set[tuple[int, int]] = set()
    while True:
        where = {name: whereabouts_of(name, row, scenario, begin, happens) for name, row in rows.items()}
        more = {
            (e, k)
            for e, event in enumerate(scenario.events)
            if _never(event.trigger, scenario, where, begin, rows) is None
            for k, action in enumerate(event.actions)
            if _left_out(action, e, k, scenario, static_map, where, begin, rows, happens) is None
        }
        if more <= happens:
            return happens
        happens |= more


def _trajectories(scenario: Scenario, begin: InitialState) -> Iterator[str]:
    given = [("ego", scenario.ego.trajectory, 0.0)]
    given += [(f"agents[{i}]", agent.trajectory, 0.0) for i, agent in enumerate(scenario.agents)]
    for e, event in enumerate(scenario.events):
        starts = event.trigger.value if event.trigger.kind == "time" else 0.0
        given += [(f"events[{e}].actions[{k}]", a.trajectory, starts) for k, a in enumerate(event.actions)]
    for field, points, starts in given:
        if not points:
            continue
        t, x, y = np.array(points).T
        steps = np.hypot(np.diff(x), np.diff(y))
        fast = steps / np.diff(t)
        if fast.max() > _FASTEST_MPS:
            k = int(fast.argmax())
            yield f"{field}.trajectory: {fast[k]:.0f} m/s between {t[k]:g} and {t[k + 1]:g} s is faster than anybody"
        moving = t[:-1][steps > 0.0]
        if len(moving) and starts + moving[0] >= scenario.duration_s > starts:
            yield f"{field}.trajectory: begins to move {starts + moving[0]:g} s after the start, when all is over"
    for i, agent in enumerate(scenario.agents):
        if agent.trajectory:
            body, spawn = begin.state.bodies[i + 1], begin.state.paths[i + 1, 0]
            away = float(np.hypot(body["x"] - spawn[X], body["y"] - spawn[Y]))
            if away > _AWAY_M:
                yield f"agents[{i}].trajectory: begins {away:.1f} m from the spawn, and so does the agent"


def _never(
    trigger: Trigger,
    scenario: Scenario,
    where: Mapping[str, Whereabouts],
    begin: InitialState,
    rows: Mapping[str, int],
) -> str | None:
    """Why a trigger never holds; None where it may."""
    if trigger.kind == "time":
        late = trigger.value >= scenario.duration_s
        return f"{trigger.value:g} s is not before the end at {scenario.duration_s:g} s" if late else None
    if _edited(scenario) & {trigger.agent, trigger.other}:
        return None
    for name in (trigger.agent, trigger.other):
        if name not in where:
            return f"there is nobody called {name!r}, expected one of {', '.join(where)}"
    a, b = where[trigger.agent], where[trigger.other]
    if any(map(scenario.begins_anywhere, (trigger.agent, trigger.other)[: 1 if trigger.kind == "reach" else 2])):
        return None
    if trigger.kind == "reach":
        near = a.distance(trigger.x, trigger.y)
        place = scenario.told(trigger.x, trigger.y)
        return None if near <= trigger.value else f"{trigger.agent!r} stays {near:.0f} m or more from {place}"
    if trigger.agent == trigger.other:
        return None
    bodies = begin.state.bodies
    near, within = a.distance_to(b), trigger.value
    if trigger.kind == "distance":
        return None if near <= within else f"{trigger.agent!r} and {trigger.other!r} stay {near:.0f} m or more apart"
    first, second = bodies[rows[trigger.agent]], bodies[rows[trigger.other]]
    if trigger.kind == "ttc":
        if not a.moves and not b.moves:
            return f"neither {trigger.agent!r} nor {trigger.other!r} ever moves"
        fastest = (a.speed_mps + b.speed_mps) * min(within, HORIZON_S)
    else:
        fastest = max(a.speed_mps, 0.1) * within
    bodies_m = 0.5 * sum(float(np.hypot(r["length"], r["width"])) for r in (first, second))
    if near <= fastest + bodies_m:
        return None
    return f"{trigger.agent!r} and {trigger.other!r} stay {near:.0f} m or more apart"


def _edited(scenario: Scenario) -> set[str]:
    """Names of agents that edits of the scenario add, move or remove: they may be anywhere."""
    edits = [edit for event in scenario.events for edit in event.edits]
    return {edit.agent.name for edit in edits if isinstance(edit, AddAgent)} | {
        edit.name for edit in edits if isinstance(edit, MoveAgent | RemoveAgent)
    }


def _is_later(one: Trigger, other: Trigger) -> bool:
    """Whether a trigger surely holds later than another."""
    return one.kind == other.kind == "time" and one.value > other.value


def _begins(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Where a trajectory has a body as it begins, m."""
    t, x, y = np.array(points).T
    return float(np.interp(0.0, t, x)), float(np.interp(0.0, t, y))


def _left_out(
    action: Action,
    e: int,
    k: int,
    scenario: Scenario,
    static_map: StaticMap,
    where: Mapping[str, Whereabouts],
    begin: InitialState,
    rows: Mapping[str, int],
    happens: Set[tuple[int, int]],
) -> str | None:
    """Why an action cannot happen whenever its event does; None where it may."""
    if action.agent in _edited(scenario):
        return None
    if action.agent not in where:
        return f"there is nobody called {action.agent!r}, expected one of {', '.join(where)}"
    agent, row = where[action.agent], rows[action.agent]
    why = ""
    for mode in sorted(agent.modes):
        try:
            check_mode(action.kind, row, mode, bool(scenario.ego.trajectory))
            break
        except ImpossibleActionError as error:
            why = str(error)
    else:
        return why
    if action.kind == "follow_trajectory":
        x, y = _begins(action.trajectory)
        away = agent.distance(x, y)
        if away > _AWAY_M and not scenario.begins_anywhere(action.agent):
            return f"its trajectory begins at {scenario.told(x, y)}, {away:.0f} m or more from where it can be"
    if action.to is not None and agent.distance(*action.to) > CROSS_M and not scenario.begins_anywhere(action.agent):
        return f"{scenario.told(*action.to)} is more than {CROSS_M:g} m from where it can be"
    if action.kind in CHANGES_LANE and static_map.lanes:
        now = scenario.events[e].trigger
        before = [scenario.events[f].actions[q] for f, q in happens
                  if (f, q) != (e, k) and not _is_later(scenario.events[f].trigger, now)]  # fmt: skip
        told = [a for a in before if a.agent == action.agent]
        told_to_move = any(a.kind == "speed" and a.speed_mps > 0 for a in told)
        body = begin.state.bodies[row]
        if body["speed"] == body["desired"] == 0.0 and not told_to_move:
            return "it stands, and wheels do not move sideways"
        on = begin.state.paths[row, : begin.state.counts[row], LANE].astype(int)
        moved_before = any(a.kind in (*CHANGES_LANE, "follow_trajectory") for a in told)
        if (on < 0).all():
            return "it is on no lane"
        way = agent.speed_mps * scenario.duration_s
        if way < len(on) and not moved_before and not scenario.begins_anywhere(action.agent):
            lanes = [static_map.lanes[i] for i in set(on[: int(way) + 2].tolist())]
            sides = {lane.left if action.direction == "left" else lane.right for lane in lanes}
            if not any(side >= 0 and static_map.lanes[side].kind == "driving" for side in sides):
                return f"there is no driving lane to the {action.direction} of its own"
    return None
