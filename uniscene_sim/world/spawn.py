"""Where the bodies of a scenario begin."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.errors import InputError
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario, Spawn
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.paths import lane_ahead, unit_hash
from uniscene_sim.world.traffic import BODY_DTYPE, MotionMode

__all__ = ["CLASS_SIZES", "make_body", "resolve_spawn", "write_agents"]

#: Usual length, width, height of a class, m.
CLASS_SIZES = {
    AgentClass.CAR: (4.5, 1.85, 1.5),
    AgentClass.TRUCK: (8.2, 2.5, 3.4),
    AgentClass.CONSTRUCTION_VEHICLE: (6.5, 2.5, 3.2),
    AgentClass.BUS: (11.8, 2.55, 3.2),
    AgentClass.TRAILER: (10.0, 2.5, 3.6),
    AgentClass.MOTORCYCLE: (2.1, 0.85, 1.65),
    AgentClass.BICYCLE: (1.8, 0.6, 1.75),
    AgentClass.PEDESTRIAN: (0.6, 0.6, 1.75),
    AgentClass.BARRIER: (1.6, 0.4, 1.0),
    AgentClass.TRAFFIC_CONE: (0.4, 0.4, 0.75),
}
_OFF_LANE_M = 1.0
_ABSENT, _LAST_VEHICLE = MotionMode.ABSENT, int(AgentClass.MOTORCYCLE)


def make_body(identity: int, cls: AgentClass, x: float, y: float, z: float, yaw: float, **values: object) -> np.ndarray:
    """One row of BODY_DTYPE at a place, of its class's usual size; a pedestrian's height varies by colour."""
    row = np.zeros((), dtype=BODY_DTYPE)
    row["id"], row["cls"] = identity, cls
    row["x"], row["y"], row["z"], row["yaw"] = x, y, z, yaw
    row["length"], row["width"], row["height"] = CLASS_SIZES[cls]
    row["started"] = True
    row["colour"] = int(unit_hash(identity, 77) * 2**32)
    for name, value in values.items():
        row[name] = value
    return row


@njit(cache=True)
def write_agents(bodies, out, lamps):
    """Write bodies (N,) BODY_DTYPE that are there, but for the first, which is the ego, as rows of AGENT_DTYPE; `lamps`
    are bits that all vehicles have lit."""
    at = 0
    for i in range(1, bodies.shape[0]):
        b = bodies[i]
        if b["mode"] == _ABSENT:
            continue
        o = out[at]
        at += 1
        o["id"], o["cls"], o["gait"], o["colour"] = b["id"], b["cls"], b["gait"], b["colour"]
        o["pos"][0], o["pos"][1], o["pos"][2] = b["x"], b["y"], b["z"]
        o["rpy"][0], o["rpy"][1], o["rpy"][2] = 0.0, b["pitch"], b["yaw"]
        o["size"][0], o["size"][1], o["size"][2] = b["length"], b["width"], b["height"]
        speed = b["speed"] if b["started"] else 0.0
        o["vel"][0], o["vel"][1], o["vel"][2] = speed * np.cos(b["yaw"]), speed * np.sin(b["yaw"]), 0.0
        o["lights"] = b["lights"] | (lamps if b["cls"] <= _LAST_VEHICLE else 0)


def resolve_spawn(
    scenario: Scenario, vector_map: StaticMap, spawn: Spawn, field: str, places: dict[str, tuple[int, float]]
) -> tuple[int, float, float]:
    """Lane, arc length and left offset of a spawn; lane -1 where it is free.

    Raises:
        InputError: off the road, or no such lane beside the other agent's.
    """
    if spawn.relative_to is None:
        yaw = None if spawn.yaw_deg is None else float(np.radians(spawn.yaw_deg))
        if spawn.free or not vector_map.lanes:
            return -1, 0.0, 0.0
        lane, s, _ = vector_map.nearest_lane(spawn.x, spawn.y, yaw=yaw)
        x, y, _, _ = vector_map.lane_point(lane, s)
        away = float(np.hypot(x - spawn.x, y - spawn.y))
        width = float(np.interp(s, vector_map.lanes[lane].s, vector_map.lanes[lane].width))
        if away > 0.5 * width + _OFF_LANE_M:
            raise InputError(
                f"({spawn.x:g}, {spawn.y:g}) lies {away:.1f} m from the nearest driving lane; expected one on it",
                file=scenario.file,
                field=field,
            )
        return lane, s, spawn.lateral_m
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
    return lane, s, spawn.lateral_m
