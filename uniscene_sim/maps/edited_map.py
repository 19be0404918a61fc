"""The map that edits make of another one: crossings that are moved, and lanes that are closed.

Its identity follows from that of the map and the edits, so that what is kept of a map (tiles, engines) is kept for
each. Closings change nothing that is drawn; a crossing that is moved changes the ground where it was and where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from uniscene_sim.edit import MAP_EDITS, CloseLane, MoveCrossing
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Edit
from uniscene_sim.maps.elements import Closing, Crossing, Route
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.tile import TILE_M

__all__ = ["EditedMap", "closed_route", "edited_map"]

_BESIDE_M = 4.0  # how far from a crossing the ground may change: kerbs and edges of paint
_NEAR_M = 30.0  # most distance of a place from the crossing or lane that is meant
_EXACT_M = 1e-6
_KEPT = 8  # edited maps that a map remembers


@dataclass(frozen=True)
class EditedMap:
    """A map with edits.

    Attributes:
        map: the map itself, if the edits leave it as it was.
        tiles: indices of the tiles whose ground differs from the map's; all others are the same.
    """

    map: StaticMap
    tiles: frozenset[tuple[int, int]] = frozenset()


def edited_map(static_map: StaticMap, edits: Sequence[Edit]) -> EditedMap:
    """A map with those edits that change maps; the same object for the same ones.

    Args:
        static_map: without edits.
        edits: of all kinds, in order.

    Raises:
        InputError: a crossing or lane that is not there, or a map without lanes.
    """
    given = tuple(edit for edit in edits if isinstance(edit, MAP_EDITS))
    if not given:
        return EditedMap(static_map)
    known = _made(static_map)
    if (made := known.get(given)) is None:
        made = known[given] = _with_edits(static_map, given)
        if len(known) > _KEPT:  # worlds in other threads may make room as well
            known.pop(next(iter(known)), None)
    return made


@once_per_map
def _made(static_map: StaticMap) -> dict[tuple[Edit, ...], EditedMap]:
    return {}


def _with_edits(static_map: StaticMap, edits: Sequence[Edit]) -> EditedMap:
    if not isinstance(static_map, VectorMap):
        raise InputError(f"the map {static_map.name!r} has no lanes and crossings to change", field="map")
    moved: dict[int, np.ndarray] = {}
    closings: list[Closing] = []
    for edit in edits:
        if isinstance(edit, MoveCrossing):
            which = _crossing_at(static_map, moved, edit.x, edit.y)
            moved[which] = moved.get(which, np.zeros(2)) + edit.by
        elif isinstance(edit, CloseLane):
            closings += _closings(static_map, closed_route(static_map, edit), edit.length_m)
    moved = {which: by for which, by in moved.items() if np.abs(by).max() > _EXACT_M}
    if not moved and not closings:
        return EditedMap(static_map)
    what = [[which, by.round(6).tolist()] for which, by in sorted(moved.items())], [astuple(c) for c in closings]
    ref = hashlib.sha256(json.dumps([static_map.ref, *what]).encode()).hexdigest()
    crossings = list(static_map.crossings)
    places: list[np.ndarray] = []
    for which, by in moved.items():
        crossings[which] = _moved(static_map, crossings[which], by)
        places += [static_map.crossings[which].polygon, crossings[which].polygon]
    made = replace(static_map, crossings=tuple(crossings), closings=tuple(closings), source_ref=ref)
    if not moved:  # nothing that is drawn has changed
        vars(made).update({name: getattr(static_map, name) for name in ("graph", "surface")})
    return EditedMap(made, frozenset(tile for polygon in places for tile in _tiles(polygon)))


def closed_route(static_map: StaticMap, edit: CloseLane) -> Route:
    """The stretch of lane, straight on, that an edit closes.

    Raises:
        InputError: there is no lane for driving.
    """
    at = edit.at
    yaw = None if at.yaw_deg is None else float(np.radians(at.yaw_deg))
    lane, s, _ = static_map.nearest_lane(at.x, at.y, yaw=yaw)
    if lane < 0 or np.hypot(*(np.subtract(static_map.lane_point(lane, s)[:2], (at.x, at.y)))) > _NEAR_M:
        raise InputError(f"no lane within {_NEAR_M:g} m of ({at.x:g}, {at.y:g})", field="at")
    return static_map.route(lane, s, None, edit.length_m)


def _closings(static_map: StaticMap, route: Route, length_m: float) -> list[Closing]:
    lane = static_map.lanes[route.lanes[0]]
    begin, out = lane.s_near(*route.path[0, :2]), list[Closing]()
    for index in route.lanes:
        end = min(begin + length_m, static_map.lanes[index].length)
        out.append(Closing(index, begin, end))
        length_m, begin = length_m - (end - begin), 0.0
    return out


def _crossing_at(static_map: VectorMap, moved: dict[int, np.ndarray], x: float, y: float) -> int:
    """Index of the crossing nearest to a place, where those that have moved are now."""
    middles = [c.polygon[:, :2].mean(axis=0) + moved.get(i, 0.0) for i, c in enumerate(static_map.crossings)]
    away = [float(np.hypot(*(middle - (x, y)))) for middle in middles]
    if not away or min(away) > _NEAR_M:
        raise InputError(f"no crossing within {_NEAR_M:g} m of ({x:g}, {y:g})", field="x, y")
    return int(np.argmin(away))


def _moved(static_map: StaticMap, crossing: Crossing, by: np.ndarray) -> Crossing:
    polygon = crossing.polygon.copy()
    polygon[:, :2] += by
    rank = static_map.surface.rank(*polygon.mean(axis=0)[:, None])
    if rank[0] < 3:
        raise InputError("leads off the road; expected a place on a road for driving", field="by")
    polygon[:, 2] = static_map.surface_height(polygon[:, 0], polygon[:, 1], polygon[:, 2])
    return Crossing(polygon)


def _tiles(polygon: np.ndarray) -> list[tuple[int, int]]:
    """Tiles that lie within `_BESIDE_M` of the box around a polygon."""
    low = np.floor((polygon[:, :2].min(axis=0) - _BESIDE_M) / TILE_M).astype(int).tolist()
    high = np.floor((polygon[:, :2].max(axis=0) + _BESIDE_M) / TILE_M).astype(int).tolist()
    return [(x, y) for x in range(low[0], high[0] + 1) for y in range(low[1], high[1] + 1)]
