"""Layouts drawn by hand: an ego and road users at given places, on a map of a few lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.elements import Lane, SpeedLimit, StopLine
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.taxonomy import AgentClass

#: Its middle is base_link, so that places are easy to follow.
EGO = EgoVehicle(length_m=4.0, width_m=2.0, rear_axle_to_centre_m=0.0)


def lane(index: int, x0: float, x1: float, y: float, **fields) -> Lane:
    """A level lane along x; against it where x1 is less than x0."""
    way = 1.0 if x1 > x0 else -1.0
    x = np.arange(x0, x1 + 0.5 * way, way)
    centre = np.stack([x, np.full(len(x), y), np.zeros(len(x))], axis=1)
    return Lane(index=index, key=("0", 0, index), kind="driving", centre=centre,
                heading=np.full(len(x), 0.0 if way > 0 else np.pi), width=np.full(len(x), 3.5), left_mark="broken",
                right_mark="solid", **fields)  # fmt: skip


def road() -> VectorMap:
    """A lane along x at y = 0 with limits of 20 m/s, from x = 100 on 10, the other direction at y = 3.5, a junction
    from x = 300 to 330, and a stop sign's line before it at x = 298."""
    return VectorMap(
        "drawn",
        (
            lane(0, 0.0, 300.0, 0.0, opposite=1, successors=(2,), speed_limit_mps=20.0,
                 speed_changes=(SpeedLimit(100.0, 10.0),)),
            lane(1, 300.0, 0.0, 3.5, opposite=0, speed_limit_mps=20.0, predecessors=(3,)),
            lane(2, 300.0, 330.0, 0.0, junction="j", predecessors=(0,), successors=(4,), speed_limit_mps=5.0),
            lane(3, 330.0, 300.0, 3.5, junction="j", successors=(1,), speed_limit_mps=5.0),
            lane(4, 330.0, 400.0, 0.0, predecessors=(2,), speed_limit_mps=15.0),
        ),
        stop_lines=(StopLine(np.array([[298.0, 1.75, 0.0], [298.0, -1.75, 0.0]]), 0, 298.0),
                    StopLine(np.array([[50.0, 1.75, 0.0], [50.0, -1.75, 0.0]]), 0, 50.0, signal=0)),
    )  # fmt: skip


def user(identity: int, x: float, y: float, yaw: float = 0.0, cls: int = AgentClass.CAR, size=(4.0, 2.0, 1.5)):
    """() AGENT_DTYPE."""
    row = np.zeros((), AGENT_DTYPE)
    row["id"], row["cls"], row["pos"], row["rpy"], row["size"] = identity, cls, (x, y, 0.0), (0.0, 0.0, yaw), size
    return row


def layout(
    time_s: float, x: float, y: float = 0.0, yaw: float = 0.0, speed: float = 0.0, users=(), accel: float = 0.0,
    yaw_rate: float = 0.0, route: np.ndarray | None = None, vehicle: EgoVehicle = EGO,
) -> LayoutFrame:  # fmt: skip
    """A layout; the route leads straight along x for 80 m where none is given."""
    if route is None:
        route = np.stack([np.floor(x) + np.arange(80.0), np.zeros(80), np.zeros(80)], axis=1)
    return LayoutFrame(
        stamp_us=round(time_s * 1e6), ego_pose=Pose(x, y, 0.0, 0.0, 0.0, yaw),
        ego_velocity=speed * np.array([np.cos(yaw), np.sin(yaw), 0.0]), ego_yaw_rate=yaw_rate, ego_accel=accel,
        ego_steer=0.0, ego_vehicle=vehicle, agents=np.array(list(users), dtype=AGENT_DTYPE),
        signals=np.zeros(0, np.uint8), route=route, map_ref="", seed=0,
    )  # fmt: skip


def drawn(seconds: float, at: Callable[[float], LayoutFrame]) -> Iterator[LayoutFrame]:
    """Layouts each 0.1 s from 0 to a time, both included."""
    for k in range(round(seconds * 10) + 1):
        yield at(k / 10)
