"""Backward optical and scene flow of images, and velocities of LiDAR points."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numba import prange

from uniscene_sim.compute.compiled import njit
from uniscene_sim.frames import LidarSweep
from uniscene_sim.geometry import Pose, rotation_from_rpy
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.lens import project_points, unproject_pixels
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.taxonomy import EGO_ID
from uniscene_sim.tracing.agents import Motion, agent_motion, interpolate
from uniscene_sim.tracing.depth_images import is_unoccluded

__all__ = ["camera_flow", "point_velocity"]

_IDS = 1 << 16
_NEARER = 0.002  # share of depth by which an occluder is nearer
_STEP_S = 0.01  # velocities are differences over the physics step before a beam


class SeenDepth(Protocol):
    """What flow needs of an image."""

    @property
    def depth(self) -> np.ndarray: ...

    @property
    def instance(self) -> np.ndarray: ...


def camera_flow(
    now: LayoutFrame, image: SeenDepth, before: tuple[LayoutFrame, SeenDepth] | None, spec: CameraSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow from an image to the previous one of the same camera, see `CameraAnnotations`.

    Args:
        now: state at the image's stamp.
        image: (H, W), a `CameraFrame` or `CameraBuffers`.
        before: state and image before it; None: flow is NaN and all is occluded.
        spec: the camera.

    Returns:
        optical flow float32 (H, W, 2) px, scene flow float32 (H, W, 3) m, occlusion bool (H, W).
    """
    flow = np.full((*image.depth.shape, 2), np.nan, np.float32)
    scene = np.full((*image.depth.shape, 3), np.nan, np.float32)
    occluded = np.ones(image.depth.shape, np.bool_)
    if before is not None:
        layout, old = before
        body_of, moved = _bodies(now, layout)
        back = np.ascontiguousarray(np.linalg.inv(_optical(layout, spec)) @ moved @ _optical(now, spec))
        fisheye = spec.model == "fisheye"
        _flow(spec.lens, back, body_of, image.depth, image.instance, old.depth, fisheye, flow, scene, occluded)
    return flow, scene, occluded


def _optical(frame: LayoutFrame, spec: CameraSpec) -> np.ndarray:
    """(4, 4) map <- optical frame."""
    matrix = frame.ego_pose.compose(spec.pose).matrix
    matrix[:3, :3] = frame.ego_pose.rotation @ spec.rotation_base_from_optical
    return matrix


def _bodies(now: LayoutFrame, before: LayoutFrame) -> tuple[np.ndarray, np.ndarray]:
    """Body of each instance id, int32 (65536,), -1 if it did not exist before; and rigid motions of the bodies,
    (N, 4, 4) map before <- map now, the static world first and the ego second."""
    body_of = np.full(_IDS, -1, np.int32)
    mine, theirs = np.nonzero(now.agents["id"][:, None] == before.agents["id"][None, :])
    same = np.ones(len(mine), bool)
    for name in ("cls", "colour"):  # an id may have been reused
        same &= now.agents[name][mine] == before.agents[name][theirs]
    mine, theirs = mine[same], theirs[same]
    body_of[0], body_of[EGO_ID] = 0, 1
    body_of[now.agents["id"][mine]] = 2 + np.arange(len(mine))
    agents = _box_poses(before.agents[theirs]) @ np.linalg.inv(_box_poses(now.agents[mine]))
    ego = before.ego_pose.matrix @ np.linalg.inv(now.ego_pose.matrix)
    return body_of, np.concatenate([np.eye(4)[None], ego[None], agents])


def _box_poses(agents: np.ndarray) -> np.ndarray:
    """(N, 4, 4) map <- box of agents (N,)."""
    out = np.tile(np.eye(4), (len(agents), 1, 1))
    out[:, :3, :3] = np.moveaxis(rotation_from_rpy(*agents["rpy"].T), 2, 0)
    out[:, :3, 3] = agents["pos"]
    return out


@njit(cache=True, parallel=True)
def _flow(lens, back, body_of, depth, instance, old_depth, fisheye, flow, scene, occluded):
    """Write both flows and occlusion.

    Args:
        lens: float64 (11,).
        back: float64 (N, 4, 4), previous <- current optical frame, by body.
        body_of: int32 (65536,), body of an instance id, or -1.
        depth, instance, old_depth: (H, W), of both images.
        fisheye: whether depth is the distance from the camera.
        flow, scene, occluded: (H, W, 2) px, (H, W, 3) m, bool (H, W), written.
    """
    height, width = depth.shape
    for v in prange(height):
        pixels = np.empty((width, 2))
        for u in range(width):
            pixels[u, 0], pixels[u, 1] = u + 0.5, v + 0.5
        rays, valid = unproject_pixels(lens, pixels)
        before = np.zeros((width, 3))
        for u in range(width):
            body = body_of[instance[v, u]]
            valid[u] = valid[u] and body >= 0
            if not valid[u]:
                continue
            sky = np.isinf(depth[v, u])
            t = 1.0 if sky else depth[v, u] / (1.0 if fisheye else rays[u, 2])
            for k in range(3):
                row = back[body, k]
                before[u, k] = t * (row[0] * rays[u, 0] + row[1] * rays[u, 1] + row[2] * rays[u, 2])
                if not sky:
                    before[u, k] += row[3]
                    scene[v, u, k] = before[u, k] - t * rays[u, k]
        at, seen = project_points(lens, before)
        for u in range(width):
            if valid[u] and seen[u]:
                flow[v, u, 0], flow[v, u, 1] = at[u, 0] - pixels[u, 0], at[u, 1] - pixels[u, 1]
                x, y, z = before[u]
                own = depth[v, u] if np.isinf(depth[v, u]) else (np.sqrt(x * x + y * y + z * z) if fisheye else z)
                occluded[v, u] = not is_unoccluded(old_depth, at[u, 0], at[u, 1], own, _NEARER)


def point_velocity(view: WorldView, spec: LidarSpec, sweep: LidarSweep) -> np.ndarray:
    """Velocity of a sweep's points in the map, expressed in the sensor's axes: float32 (N, 3) m/s."""
    agents = view.frame.agents
    row_of = np.full(_IDS, -1, np.int32)
    row_of[agents["id"]] = np.arange(len(agents))
    row = row_of[sweep.instance]
    on = np.flatnonzero((row >= 0) & (sweep.instance > 0))
    sensor: Pose = view.frame.ego_pose.compose(spec.pose)
    velocity = np.zeros((len(row), 3), np.float32)
    moving = agent_motion(view.frame, view.history, spec.period_us * 1e-6 + _STEP_S)
    there = _velocities(moving, row[on], sweep.time_s[on].astype(np.float64), sensor.apply(sweep.xyz[on]))
    velocity[on] = there @ sensor.rotation
    own = sweep.instance == EGO_ID
    if own.any():
        from_base = sensor.apply(sweep.xyz[own]) - view.frame.ego_pose.position
        turning = np.cross([0.0, 0.0, view.frame.ego_yaw_rate], from_base)
        velocity[own] = (view.frame.ego_velocity + turning) @ sensor.rotation
    return velocity


@njit(cache=True, parallel=True)
def _velocities(moving: Motion, rows, time_s, points):
    """Velocity (N, 3) m/s of points (N, 3) m, map frame, on the agents `rows` (N,) at `time_s` (N,)."""
    out = np.empty(points.shape)
    for i in prange(points.shape[0]):
        now, before, turn, turn_before = np.empty(3), np.empty(3), np.empty((3, 3)), np.empty((3, 3))
        interpolate(moving, rows[i], time_s[i], now, turn)
        interpolate(moving, rows[i], time_s[i] - _STEP_S, before, turn_before)
        for k in range(3):
            was = before[k]
            for q in range(3):
                on_body = 0.0
                for p in range(3):
                    on_body += turn[p, q] * (points[i, p] - now[p])
                was += turn_before[k, q] * on_body
            out[i, k] = (points[i, k] - was) / _STEP_S
    return out
