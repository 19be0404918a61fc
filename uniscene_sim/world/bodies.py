"""Bodies: the ego, agents of the scenario and ambient traffic as rows of one array."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.control import NORMAL, Manners
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.path_columns import YAW, X, Y

__all__ = ["BODY_DTYPE", "CLASS_SIZES", "MotionMode", "make_body", "project_to_path", "write_agents"]


class MotionMode:
    """What moves a body: the traffic model, a constant speed, walking, nothing, or a trajectory in time."""

    TRAFFIC, CONSTANT, WALK, STATIC, TRAJECTORY = 0, 1, 2, 3, 4
    ABSENT = 5  # a row without a body: it waits to enter


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
#: A body; row 0 of an array of bodies is the ego. Metres, radians, seconds.
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
        # A lane change under way: the offset and its slope where it began, where on the path that was, and its length;
        # 0 where none is.
        ("offset_from", float), ("offset_slope", float), ("offset_begin", float), ("offset_length", float),
        # On a trajectory: which track, when it began, whether it is driven backwards, and how far from its first row.
        ("track", np.int32), ("track_begin", float), ("backwards", np.bool_),
        ("shift_x", float), ("shift_y", float), ("shift_yaw", float),
        ("desired", float),  # speed on a free road, before limits
        ("brake", float),  # an action's deceleration, 0 where none
        ("wait", float),  # time at standstill
        ("served", np.int32),  # stop line at which it has stopped already, + 1
        ("lights", np.uint8),
        ("gait", float),
        ("colour", np.uint32),
        ("ambient", np.bool_),
        ("plans", np.int32),  # how many paths it has had
        ("started", np.bool_),  # false while a walker waits for its event
        ("chosen", float), ("pace", float), ("sideways", float),  # decided at 10 Hz: acceleration; walkers' speed, step
        ("aside", float),  # where on its path overtaking ends, m; 0 where none is under way
        # Driven by a control, as the ego is, see `world.vehicles`: its wheels now, rad and rad/s, and what is wanted.
        ("driven", np.bool_), ("steer", float), ("yaw_rate", float),
        ("want_steer", float), ("want_accel", float), ("reverse", np.bool_),
        *((f.name, type(f.default)) for f in fields(Manners)),  # how it drives
    ]
)  # fmt: skip
_NORMAL = asdict(NORMAL)
_ABSENT, _LAST_LIT = MotionMode.ABSENT, int(AgentClass.BICYCLE)


def make_body(identity: int, cls: AgentClass, x: float, y: float, z: float, yaw: float, **values: object) -> np.ndarray:
    """One row of BODY_DTYPE, of the usual size of its class.

    Args:
        identity: id, unique among agents; its colour follows from it.
        cls: class.
        x, y, z: m.
        yaw: rad.
        **values: other columns; the manners are `NORMAL` otherwise.
    """
    row = np.zeros((), dtype=BODY_DTYPE)
    row["id"], row["cls"] = identity, cls
    row["x"], row["y"], row["z"], row["yaw"] = x, y, z, yaw
    row["length"], row["width"], row["height"] = CLASS_SIZES[cls]
    row["started"] = True
    row["colour"] = int(unit_hash(identity, 77) * 2**32)
    for name, value in (_NORMAL | values).items():
        row[name] = value
    return row


@njit(cache=True)
def write_agents(bodies, out, lamps):
    """Write bodies that are present, but for the ego, as agents.

    Args:
        bodies: (N,) BODY_DTYPE, the ego first.
        out: AGENT_DTYPE, a row for each such body, written.
        lamps: bits of `Light` that all vehicles, bicycles too, have lit.
    """
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
        o["vel"][0], o["vel"][1] = fixed_in_kernel(speed * np.cos(b["yaw"])), fixed_in_kernel(speed * np.sin(b["yaw"]))
        o["vel"][2] = 0.0
        o["lights"] = b["lights"] | (lamps if b["cls"] <= _LAST_LIT else 0)


@device
def project_to_path(path, n, x, y, low, high):
    """Arc length and offset to the left, m, of a place from a path.

    Args:
        path: (R, 10), see `world.path_columns`.
        n: points of it that count.
        x, y: the place, m.
        low, high: first and last point of the path that are considered; of a place beyond its end, the last one.
    """
    low = min(max(low, 0), n - 1)
    best, at = np.inf, low
    for k in range(low, min(high, n - 1) + 1):
        d = (path[k, X] - x) ** 2 + (path[k, Y] - y) ** 2
        if d < best:
            best, at = d, k
    c, s = np.cos(path[at, YAW]), np.sin(path[at, YAW])
    dx, dy = x - path[at, X], y - path[at, Y]
    return at + c * dx + s * dy, -s * dx + c * dy
