"""Between the map frame of Python and the map's own coordinates, in which topics are, see `StaticMap.frame_origin`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.layout import LayoutFrame

__all__ = ["control_in_map_frame", "layout_in_own_coordinates"]


def layout_in_own_coordinates(layout: LayoutFrame, frame_origin: tuple[float, float]) -> LayoutFrame:
    """A layout with its places in the map's own coordinates, m; itself if they are the same."""
    if not any(frame_origin):
        return layout
    x, y = frame_origin
    pose, agents = layout.ego_pose, layout.agents.copy()
    agents["pos"][:, :2] += frame_origin
    route = layout.route + np.array([x, y, 0.0])
    return replace(layout, ego_pose=replace(pose, x=pose.x + x, y=pose.y + y), agents=agents, route=route)


def control_in_map_frame(
    control: Control | Trajectory | None, frame_origin: tuple[float, float]
) -> Control | Trajectory | None:
    """A control whose places, m, are in the map's own coordinates, with places in the map frame."""
    if isinstance(control, Trajectory) and any(frame_origin):
        return Trajectory(control.points - np.array([0.0, *frame_origin]))
    return control
