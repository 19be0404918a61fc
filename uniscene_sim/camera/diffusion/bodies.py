"""The rigid bodies that a camera sees, each with a frame of its own: what noise is fixed to, and what moves latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import inlined
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.geometry import rotation_from_rpy
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import EGO_ID
from uniscene_sim.tracing.camera_rays import camera_pose

__all__ = ["Bodies", "bodies_of", "moved"]

_IDS = 1 << 16
_EGO, _AGENTS = 1, 2  # rows; the world is the first one, and the sky the last
_SKY_KEY, _AGENT_KEY = 2, 1 << 48


class Bodies(NamedTuple):
    """N bodies as a camera has them at a moment: the static world, the ego, the agents, and the sky."""

    row_of: np.ndarray  # int32 (65536,), row of an instance id; what has no row is of the world
    key: np.ndarray  # int64 (N,), of the same body at all times
    from_camera: np.ndarray  # float64 (N, 3, 4), body <- optical frame, m
    to_camera: np.ndarray  # float64 (N, 3, 4), its inverse


def bodies_of(frame: LayoutFrame, spec: CameraSpec) -> Bodies:
    """The bodies before a camera.

    The frame of the world is the map's, of the ego `base_link`, of an agent its box, and of the sky the map's axes
    around the camera: it is infinitely far away, so its points are directions, and only the camera's rotation counts.

    Args:
        frame: the layout at the image's stamp.
        spec: the camera.
    """
    agents, n = frame.agents, _AGENTS + len(frame.agents)
    camera_rotation, camera_position = camera_pose(frame.ego_pose, spec)
    rotation, position = np.tile(np.eye(3), (n + 1, 1, 1)), np.zeros((n + 1, 3))  # map <- body
    rotation[_EGO], position[_EGO] = frame.ego_pose.rotation, frame.ego_pose.position
    rotation[_AGENTS:n] = np.moveaxis(rotation_from_rpy(*agents["rpy"].T), 2, 0)
    position[_AGENTS:n], position[n] = agents["pos"], camera_position

    row_of = np.zeros(_IDS, np.int32)
    row_of[agents["id"]], row_of[EGO_ID] = _AGENTS + np.arange(len(agents)), _EGO
    key = np.arange(n + 1)
    key[_AGENTS:n] = _AGENT_KEY | agents["colour"].astype(np.int64) << 16 | agents["id"]  # an id may be used again
    key[n] = _SKY_KEY

    turn = fixed(np.swapaxes(rotation, 1, 2) @ camera_rotation)
    shift = fixed(np.einsum("nji,nj->ni", rotation, camera_position - position))
    back = np.swapaxes(turn, 1, 2)
    return Bodies(
        row_of,
        key,
        np.concatenate([turn, shift[:, :, None]], axis=2),
        np.concatenate([back, -(back @ shift[:, :, None])], axis=2),
    )


@inlined
def moved(motions, n, x, y, z):
    """A point by the n-th of some rigid motions (N, 3, 4), in kernels."""
    m = motions[n]
    return (
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3],
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3],
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3],
    )
