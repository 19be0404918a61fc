"""Agents of a layout found again in occupancy that a model drew (AnyScene's panoptic labels)."""

from __future__ import annotations

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass

__all__ = ["find_instances", "lost_agents", "shown_agents"]


def find_instances(labels: np.ndarray, agents: np.ndarray, pose: Pose, grid: GridSpec) -> np.ndarray:
    """Ids uint16 (X, Y, Z) of the agents whose voxels they are, 0 of none.

    A voxel is an agent's if it has the agent's class and its centre lies in the agent's box, grown by a voxel on each
    side; of several boxes, in that whose middle is nearest.

    Args:
        labels: uint8 (X, Y, Z) OccClass.
        agents: (N,) AGENT_DTYPE.
        pose: map <- base_link, level; heights count from the ground.
        grid: the voxels.
    """
    instances = np.zeros(labels.shape, np.uint16)
    nearest = np.full(labels.shape, np.inf, np.float32)
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    for agent in agents:
        dx, dy = agent["pos"][0] - pose.x, agent["pos"][1] - pose.y
        u, v, turn = c * dx + s * dy, -s * dx + c * dy, agent["rpy"][2] - pose.yaw
        half = 0.5 * agent["size"] + grid.voxel_m
        reach = float(np.hypot(half[0], half[1]))
        corners = np.array([(u - reach, v - reach, grid.origin[2]), (u + reach, v + reach, 2.0 * half[2])])
        low, high = np.clip(grid.index(corners) + np.array([[0], [1]]), 0, labels.shape)
        if (high <= low).any() or agent["cls"] > AgentClass.TRAFFIC_CONE:  # signal heads are no agents of the window
            continue
        area = slice(low[0], high[0]), slice(low[1], high[1])
        x, y = grid.centres(0)[area[0]][:, None] - u, grid.centres(1)[area[1]][None, :] - v
        along, across = np.cos(turn) * x + np.sin(turn) * y, -np.sin(turn) * x + np.cos(turn) * y
        top = high[2]
        inside = ((np.abs(along) <= half[0]) & (np.abs(across) <= half[1]))[:, :, None]
        own = inside & (labels[area][:, :, :top] == AGENT_OCC_CLASS[agent["cls"]])
        distance = (x * x + y * y).astype(np.float32)[:, :, None]
        own &= distance < nearest[area][:, :, :top]
        instances[area][:, :, :top][own] = agent["id"]
        nearest[area][:, :, :top] = np.where(own, distance, nearest[area][:, :, :top])
    return instances


def shown_agents(agents: np.ndarray, pose: Pose, grid: GridSpec) -> np.ndarray:
    """Ids of the agents, signal heads aside, whose middle lies in the window; arguments as of `find_instances`."""
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    dx, dy = agents["pos"][:, 0] - pose.x, agents["pos"][:, 1] - pose.y
    u, v = c * dx + s * dy, -s * dx + c * dy
    x0, y0, _, x1, y1, _ = grid.extent
    within = (u >= x0) & (u < x1) & (v >= y0) & (v < y1) & (agents["cls"] <= AgentClass.TRAFFIC_CONE)
    ids: np.ndarray = agents["id"][within]
    return ids


def lost_agents(instances: np.ndarray, agents: np.ndarray, pose: Pose, grid: GridSpec) -> np.ndarray:
    """Ids of the agents that should be shown and of whom no voxel was found."""
    lost: np.ndarray = np.setdiff1d(shown_agents(agents, pose, grid), instances)
    return lost
