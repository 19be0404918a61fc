"""How agents stand on roads that are tilted or shaped across: their height, pitch and roll."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass

__all__ = ["has_tilted_roads", "stand_on_ground"]

#: These stand upright, whatever the ground.
_UPRIGHT = np.array([AgentClass.PEDESTRIAN, AgentClass.BICYCLE, AgentClass.MOTORCYCLE], dtype=np.uint8)


@once_per_map
def has_tilted_roads(static_map: StaticMap) -> bool:
    """Whether any lane of a map is other than level across."""
    return any(len(lane.profile) > 0 for lane in static_map.lanes)


def stand_on_ground(agents: np.ndarray, static_map: StaticMap) -> None:
    """Put agents (N,) AGENT_DTYPE with all four sides onto the ground, in place."""
    if not len(agents):
        return
    (x, y, z), yaw = agents["pos"].astype(float).T, agents["rpy"][:, 2].astype(float)
    c, s = np.cos(yaw), np.sin(yaw)
    ahead, aside = 0.3 * agents["size"][:, 0].astype(float), 0.4 * agents["size"][:, 1].astype(float)  # about the tyres
    places = [(ahead * c, ahead * s), (-ahead * c, -ahead * s), (-aside * s, aside * c), (aside * s, -aside * c)]
    front, rear, left, right = (static_map.surface_height(x + dx, y + dy, z) for dx, dy in places)
    upright = np.isin(agents["cls"], _UPRIGHT)
    agents["pos"][:, 2] = fixed(np.where(upright, static_map.surface_height(x, y, z), 0.5 * (left + right)))
    agents["rpy"][:, 0] = fixed(np.where(upright, 0.0, np.arctan2(left - right, 2 * aside)))
    agents["rpy"][:, 1] = fixed(np.where(upright, agents["rpy"][:, 1], -np.arctan2(front - rear, 2 * ahead)))
