"""A random start: a place on a driving lane and a route from it, both drawn from the seed."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.errors import InputError
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario
from uniscene_sim.world.episode.turns import Turns
from uniscene_sim.world.path_columns import LIMIT, STOP
from uniscene_sim.world.paths import LanePlace, random_path_ahead

__all__ = ["RandomStart", "random_route", "random_start", "safe_start_mps"]

_DEAD_END_M = 80.0  # least length of road beyond the end of the route: traffic queues at a dead end
_BEHIND_M = 8.0  # least length of road behind the start
_SIDE_M = 0.3  # least gap between the ego's body and the borders of its lane
_LINE_M = 0.5  # least distance of the ego's body from stop lines
_TRIES = 400
_SLOWS_MPS2 = 1.5


class RandomStart(NamedTuple):
    """Where an episode begins, and where its way may lead."""

    place: LanePlace
    only: Container[int] | None  # indices of the lanes that the route may enter; None for all


def random_start(scenario: Scenario, vector_map: StaticMap, seed: int) -> RandomStart:
    """A place, as likely on each metre of driving lane outside junctions that has the road for the route.

    Its route has room for oncoming traffic and makes no turn that takes the ego off the road, where there is such a
    place; else it does without the one, or without both.

    Raises:
        InputError: nowhere on the map is there a road as long as `messages.ego_state.route_m`.
    """
    length_m, vehicle = scenario.ego.route_m or 0.0, scenario.ego.vehicle
    room = length_m + _DEAD_END_M
    longest = 0.0
    good = [Turns(vector_map, vehicle, passes) for passes in (True, False)] if scenario.ego.goal is None else []
    for only in (*good, None):
        for place in _places(vector_map, vehicle, seed):
            if only is not None and place.lane not in only:
                continue
            route = random_route(vector_map, place, seed, room, only)
            longest = max(longest, len(route) - 1.0)
            if len(route) > np.floor(room) and (only is None or only.drives(route)):
                return RandomStart(place, only)
    raise InputError(
        f"found no place on map {vector_map.name!r} with {length_m:g} m of road and "
        f"{_DEAD_END_M:g} m beyond; found {longest:.0f} m at most",
        file=scenario.file,
        field="ego.route_m" if scenario.ego.route_m else "ego.spawn",
    )


def _places(vector_map: StaticMap, vehicle: EgoVehicle, seed: int) -> Iterator[LanePlace]:
    """Places where a vehicle can stand, drawn from the seed."""
    lanes = [lane for lane in vector_map.lanes if lane.kind == "driving" and not lane.junction]
    ends = np.cumsum([lane.length for lane in lanes])
    needed = vehicle.width_m + 2 * _SIDE_M
    middle, half = vehicle.rear_axle_to_centre_m, 0.5 * vehicle.length_m + _LINE_M
    rear, front = half - middle, half + middle
    for attempt in range(_TRIES if len(lanes) else 0):
        at = unit_hash(seed, 21, attempt) * ends[-1]
        k = int(np.searchsorted(ends, at, side="right"))
        lane, s = lanes[k], float(at - (ends[k] - lanes[k].length))
        if (s < _BEHIND_M and not lane.predecessors) or np.interp(s, lane.s, lane.width) < needed:
            continue
        if any(line.lane == lane.index and s - rear < line.s_m < s + front for line in vector_map.stop_lines):
            continue
        yield LanePlace(lane.index, s)


def random_route(
    vector_map: StaticMap, place: LanePlace, seed: int, length_m: float, only: Container[int] | None = None
) -> np.ndarray:
    """Annotated path (R, 10) whose branches at forks are drawn from the seed.

    Args:
        vector_map: the map.
        place: where it begins.
        seed: of the scenario.
        length_m: of the path.
        only: indices of the lanes that it may enter, None for all.
    """
    return random_path_ahead(vector_map, *place, (seed, 22), np.floor(length_m) + 1.5, only)


def safe_start_mps(path: np.ndarray, front_m: float) -> float:
    """Speed at the start of a path (R, 10) that keeps to the limits ahead and to the first stop line, which lies
    `front_m` less away, without hard braking."""
    at = np.arange(len(path))
    line = np.flatnonzero(path[:, STOP])[:1]
    limit = path[:, LIMIT].copy()
    limit[line] = 0.0
    at[line] = np.maximum(at[line] - front_m - 1.0, 0.0)
    return float(np.sqrt(limit**2 + 2.0 * _SLOWS_MPS2 * at).min())
