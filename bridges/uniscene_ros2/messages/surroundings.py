"""Messages on the ego's surroundings: objects, the route ahead, traffic lights."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from uniscene_ros2.messages.prefilled import BLANK, PrefilledMessage, blank_header, labelled_array, set_blanks
from uniscene_ros2.messages.stamps import write_pose, write_xyz
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OCC_RGB, AgentClass

__all__ = ["box_pose", "markers", "objects_near", "route", "signals"]

_NEAR_M = 100.0
#: Name and colour of each class.
_CLASS_STYLES = {int(c): (c.name.lower(), *(OCC_RGB[AGENT_OCC_CLASS[c]] / 255.0).tolist()) for c in AgentClass}


def objects_near(layout: LayoutFrame) -> np.ndarray:
    """Agents and props within 100 m of the ego, without signal heads."""
    agents, ego = layout.agents, layout.ego_pose
    distance = np.hypot(agents["pos"][:, 0] - ego.x, agents["pos"][:, 1] - ego.y)
    near: np.ndarray = agents[(distance < _NEAR_M) & (agents["cls"] != AgentClass.SIGNAL_HEAD)]
    return near


def box_pose(agent: np.void) -> Pose:
    """Pose of the centre of an agent's box."""
    x, y, z = agent["pos"]
    roll, pitch, yaw = agent["rpy"]
    return Pose(x, y, z + 0.5 * agent["size"][2], roll, pitch, yaw)


@lru_cache(1024)
def _box(number: int, kind: int) -> Marker:
    """The marker of an object, reused, since constructing one costs more than filling it."""
    box = Marker(id=number, type=Marker.CUBE)
    box.ns, box.color.r, box.color.g, box.color.b = _CLASS_STYLES[kind]
    box.color.a = 0.8
    return box


def markers(layout: LayoutFrame, header: Header) -> bytes:
    """`MarkerArray` with a box for each object: its id, its class as namespace, its speed, m/s, as text. The first
    marker deletes the previous ones."""
    out = [Marker(header=header, action=Marker.DELETEALL)]
    agents = objects_near(layout)
    speed = np.hypot(agents["vel"][:, 0], agents["vel"][:, 1])
    columns = (agents["id"], agents["cls"], agents["pos"], agents["rpy"], agents["size"], speed)
    for number, kind, (x, y, z), rpy, size, mps in zip(*(column.tolist() for column in columns), strict=True):
        box = _box(number, kind)
        box.header, box.text = header, f"{mps:.2f}"
        write_pose(box.pose, Pose(x, y, z + 0.5 * size[2], *rpy))
        write_xyz(box.scale, *size)
        out.append(box)
    return serialize_message(MarkerArray(markers=out))


@cache
def _path(count: int, frame_id: str) -> PrefilledMessage:
    out = Path(header=blank_header(frame_id))
    for _ in range(count):
        at = PoseStamped(header=out.header)
        set_blanks(at.pose.position)
        at.pose.orientation.z = at.pose.orientation.w = BLANK
        out.poses.append(at)
    return PrefilledMessage(out)


def route(layout: LayoutFrame, stamp_us: int, frame_id: str) -> bytes:
    """The route ahead as `Path`, a pose every metre along the route."""
    points = layout.route
    step = np.gradient(points[:, :2], axis=0) if len(points) > 1 else np.zeros((len(points), 2))
    yaws = np.arctan2(step[:, 1], step[:, 0])
    numbers = np.column_stack([points, np.sin(yaws / 2), np.cos(yaws / 2)])
    return _path(len(points), frame_id).fill(stamp_us, numbers.ravel())


def signals(layout: LayoutFrame) -> bytes:
    """State of each signal of the map, see `SignalState`: 0 off, 1 red, 2 yellow, 3 green."""
    return labelled_array(layout.signals, ("signal",))
