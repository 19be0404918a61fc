"""What is around the ego: objects, the route ahead, traffic lights."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Vector3
from nav_msgs.msg import Path
from std_msgs.msg import ColorRGBA, Header, UInt8MultiArray
from visualization_msgs.msg import Marker, MarkerArray

from uniscene_ros2.stamps import as_pose, labelled_array
from uniscene_sim.geometry import Pose as PoseOf
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OCC_RGB, AgentClass

__all__ = ["box_pose", "markers", "objects_near", "route", "signals"]

_NEAR_M = 100.0


def objects_near(layout: LayoutFrame) -> np.ndarray:
    """Agents and props within 100 m of the ego, without signal heads."""
    agents, at = layout.agents, layout.ego_pose
    away = np.hypot(agents["pos"][:, 0] - at.x, agents["pos"][:, 1] - at.y)
    return agents[(away < _NEAR_M) & (agents["cls"] != AgentClass.SIGNAL_HEAD)]


def box_pose(agent: np.void) -> Pose:
    """Centre of an agent's box."""
    x, y, z = agent["pos"]
    roll, pitch, yaw = agent["rpy"]
    return as_pose(PoseOf(x, y, z + 0.5 * float(agent["size"][2]), float(roll), float(pitch), float(yaw)))


def markers(layout: LayoutFrame, header: Header) -> MarkerArray:
    """One box for each object, with its id, its class as namespace, and its speed, m/s, as text. The first one clears
    what was before."""
    out = [Marker(header=header, action=Marker.DELETEALL)]
    for agent in objects_near(layout):
        length, width, height = agent["size"].tolist()
        r, g, b = (float(c) / 255.0 for c in OCC_RGB[AGENT_OCC_CLASS[agent["cls"]]])
        out.append(
            Marker(
                header=header,
                ns=AgentClass(agent["cls"]).name.lower(),
                id=int(agent["id"]),
                type=Marker.CUBE,
                pose=box_pose(agent),
                scale=Vector3(x=length, y=width, z=height),
                color=ColorRGBA(r=r, g=g, b=b, a=0.8),
                text=f"{float(np.hypot(*agent['vel'][:2])):.2f}",
            )
        )
    return MarkerArray(markers=out)


def route(layout: LayoutFrame, header: Header) -> Path:
    """The path ahead, a point each metre, headed along itself."""
    points = layout.route
    step = np.gradient(points[:, :2], axis=0) if len(points) > 1 else np.zeros((len(points), 2))
    yaws = np.arctan2(step[:, 1], step[:, 0])
    poses = [
        PoseStamped(
            header=header,
            pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(z=float(s), w=float(c))),
        )
        for (x, y, z), s, c in zip(points.tolist(), np.sin(yaws / 2), np.cos(yaws / 2), strict=True)
    ]
    return Path(header=header, poses=poses)


def signals(layout: LayoutFrame) -> UInt8MultiArray:
    """`SignalState` of each signal of the map: 0 off, 1 red, 2 yellow, 3 green."""
    return labelled_array(layout.signals, ("signal",))
