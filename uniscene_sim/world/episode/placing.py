"""Where the bodies of a scenario begin."""

from __future__ import annotations

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario, Spawn
from uniscene_sim.world.paths import LanePlace, lane_ahead

__all__ = ["resolve_spawn"]

_OFF_LANE_M = 1.0


def resolve_spawn(
    scenario: Scenario, vector_map: StaticMap, spawn: Spawn, field: str, places: dict[str, LanePlace]
) -> tuple[LanePlace, float]:
    """The place of a spawn and the offset to its left, m; on no lane where the spawn is free.

    Args:
        scenario: for messages.
        vector_map: the map.
        spawn: the spawn.
        field: of the scenario file, for messages.
        places: of other agents by name.

    Raises:
        InputError: off the road, or no such lane beside the other agent's.
    """
    if spawn.relative_to is None:
        yaw = None if spawn.yaw_deg is None else float(np.radians(spawn.yaw_deg))
        if spawn.free or not vector_map.lanes:
            return LanePlace(-1, 0.0), 0.0
        lane, s, _ = vector_map.nearest_lane(spawn.x, spawn.y, yaw=yaw)
        x, y, _, _ = vector_map.lane_point(lane, s)
        away = float(np.hypot(x - spawn.x, y - spawn.y))
        width = float(np.interp(s, vector_map.lanes[lane].s, vector_map.lanes[lane].width))
        if away > 0.5 * width + _OFF_LANE_M:
            why = f"{scenario.told(spawn.x, spawn.y)} lies {away:.1f} m from the nearest driving lane"
            raise InputError(f"{why}; expected one on it", file=scenario.file, field=field)
        return LanePlace(lane, s), spawn.lateral_m
    lane, s = lane_ahead(vector_map, *places[spawn.relative_to], spawn.ahead_m)
    x, y = vector_map.lane_point(lane, s)[:2]
    for _ in range(abs(spawn.lanes_left)):
        lane = vector_map.lanes[lane].left if spawn.lanes_left > 0 else vector_map.lanes[lane].right
        if lane < 0 or vector_map.lanes[lane].kind != "driving":
            raise InputError(
                f"no lane {abs(spawn.lanes_left)} to the {'left' if spawn.lanes_left > 0 else 'right'} there",
                file=scenario.file,
                field=field,
            )
    if spawn.opposite:
        while (left := vector_map.lanes[lane].left) >= 0 and vector_map.lanes[left].kind == "driving":
            lane = left
        lane = vector_map.lanes[lane].opposite
        if lane < 0:
            raise InputError("no lane of the other direction there", file=scenario.file, field=field)
    centre = vector_map.lanes[lane].centre
    s = float(vector_map.lanes[lane].s[int(np.hypot(centre[:, 0] - x, centre[:, 1] - y).argmin())])
    return LanePlace(lane, s), spawn.lateral_m
