"""Checks of scenarios on maps without lanes."""

from __future__ import annotations

from collections.abc import Iterator

from uniscene_sim.errors import InputError
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario, Spawn

__all__ = ["check_lanes"]


def check_lanes(scenario: Scenario, static_map: StaticMap) -> None:
    """Check that a scenario on a map without lanes needs none.

    Raises:
        InputError: it does; the message names what to use instead.
    """
    if static_map.lanes:
        return
    for field, what, instead in _needs(scenario):
        why = f"{what}, but the painted map {static_map.name!r} has none; expected {instead}"
        raise InputError(why, file=scenario.file, field=field)
    x_min, y_min, x_max, y_max = static_map.bounds
    at = scenario.ego.spawn
    if not (x_min <= at.x < x_max and y_min <= at.y < y_max):
        inside = f"expected a place from {scenario.told(x_min, y_min)} to {scenario.told(x_max, y_max)}"
        why = f"{scenario.told(at.x, at.y)} lies outside the map; {inside}"
        raise InputError(why, file=scenario.file, field="ego.spawn")


def _needs(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Fields of a scenario that need lanes: field, reason, and what to use instead."""
    ego, driven = scenario.ego, "ego.trajectory: [[t, x, y], ...]"
    yield from _needs_of_spawn("ego.spawn", ego.spawn)
    if ego.route_m is not None:
        yield "ego.route_m", "a route leads along lanes", driven
    if ego.goal is not None or ego.via:
        yield "ego.goal" if ego.goal is not None else "ego.via", "a route leads along lanes", driven
    for i, agent in enumerate(scenario.agents):
        yield from _needs_of_spawn(f"agents[{i}].spawn", agent.spawn)
        if agent.behaviour == "traffic":
            yield f"agents[{i}].behaviour", "traffic keeps to lanes", "trajectory, constant, walk or parked"
        if agent.goal is not None:
            yield f"agents[{i}].goal", "a route leads along lanes", "behaviour: trajectory"
    for i, event in enumerate(scenario.events):
        for k, action in enumerate(event.actions):
            if action.kind in ("lane_change", "cut_in"):
                yield f"events[{i}].actions[{k}]", f"{action.kind} goes from lane to lane", "follow_trajectory"
    if scenario.traffic.vehicles_per_km > 0:
        yield "traffic.vehicles_per_km", "ambient traffic keeps to lanes", "agents with behaviour: trajectory"
    if scenario.traffic.pedestrians > 0:
        yield "traffic.pedestrians", "ambient pedestrians follow lanes of walkways", "agents with behaviour: walk"
    if not ego.trajectory:
        for i, criterion in enumerate(scenario.criteria):
            if criterion.kind == "route_completion":
                yield f"criteria[{i}]", "without a trajectory a route follows lanes", driven


def _needs_of_spawn(field: str, spawn: Spawn) -> Iterator[tuple[str, str, str]]:
    if spawn.random:
        yield f"{field}.random", "it is a place on a lane", "x, y and yaw_deg"
    for name in ("relative_to", "lanes_left", "lateral_m", "opposite"):
        if getattr(spawn, name):
            yield f"{field}.{name}", "it is measured along a lane", "x, y and yaw_deg"
