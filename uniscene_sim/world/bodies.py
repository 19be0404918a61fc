"""Bodies: the ego, agents of the scenario and ambient traffic as rows of one array; how each moves."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.taxonomy import AgentClass

__all__ = ["BODY_DTYPE", "CLASS_SIZES", "MotionMode", "make_body", "project_to_path", "write_agents"]

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


class MotionMode:
    """Who moves a body."""

    TRAFFIC, CONSTANT, WALK, STATIC, TRAJECTORY = 0, 1, 2, 3, 4
    ABSENT = 5  # a row without a body: it waits to enter


#: What moves on a path, as a structure of arrays; row 0 is the ego. Metres, radians, seconds.
BODY_DTYPE = np.dtype(
    [
        ("id", np.uint16),
        ("cls", np.uint8),
        ("mode", np.uint8),
        ("x", float), ("y", float), ("z", float), ("yaw", float), ("pitch", float),
        ("length", float), ("width", float), ("height", float),
        ("speed", float), ("accel", float),
        ("s", float),  # along its path
        ("offset", float),  # to the left of its path now
        ("offset_from", float), ("offset_start", float), ("offset_time", float),  # a lane change under way
        ("desired", float),  # speed it would like, before limits
        ("brake", float),  # an action's deceleration, 0 where none
        ("wait", float),  # time stood still
        ("served", np.int32),  # stop line already stopped at, + 1
        ("lights", np.uint8),
        ("gait", float),
        ("colour", np.uint32),
        ("ambient", np.bool_),
        ("plans", np.int32),  # how many paths it was given
        ("started", np.bool_),  # walkers that wait for their event stand still
        ("chosen", float), ("pace", float), ("sideways", float),  # decided at 10 Hz: acceleration; walkers' speed, step
        ("aside", float),  # where on its path an overtaking ends, m; 0 where none is under way
    ]
)  # fmt: skip


@device
def project_to_path(path, n, x, y, low, high):
    """Arc length and left offset of a place on path points low..high (a point each metre)."""
    best, at = np.inf, low
    for k in range(low, min(high, n - 1) + 1):
        d = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
        if d < best:
            best, at = d, k
    c, s = np.cos(path[at, 3]), np.sin(path[at, 3])
    dx, dy = x - path[at, 0], y - path[at, 1]
    return at + c * dx + s * dy, -s * dx + c * dy
