"""3D and 2D bounding boxes, with visibility, occlusion and truncation."""

from __future__ import annotations

import numpy as np

from uniscene_sim.annotations.silhouettes import share_outside_image, unoccluded_extent, visible_pixels
from uniscene_sim.frames import BOX_DTYPE, CAMERA_BOX_DTYPE, CameraFrame
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.agents import PosedAgents, agent_motion, pose_agents, template_arrays
from uniscene_sim.tracing.templates.template_set import built_in_templates

__all__ = ["EDGES", "amodal_box", "box_corners_3d", "boxes_in", "camera_boxes", "posed_agents", "set_visibility"]

#: Upper bounds of nuScenes' visibility levels 1, 2 and 3.
_LEVELS = (0.4, 0.6, 0.8)
#: Corners as signs (8, 3) along length, width and height; pairs of them (12, 2) that are edges.
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
EDGES = np.array([(a, b) for a in range(8) for b in range(a) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2])
_ALONG_EDGE = np.linspace(0.0, 1.0, 17)[:, None]


def posed_agents(frame: LayoutFrame) -> PosedAgents:
    """The agents at a frame's stamp, posed as for ray casting."""
    return pose_agents(frame, agent_motion(frame, (), 0.0), built_in_templates())


def boxes_in(
    rotation: np.ndarray, position: np.ndarray, frame: LayoutFrame, posed: PosedAgents, dtype: np.dtype = BOX_DTYPE
) -> np.ndarray:
    """Boxes of all agents in a frame of reference; fields of visibility are left zero.

    Args:
        rotation: float64 (3, 3), map <- frame of reference.
        position: float64 (3,) m, its origin in the map frame.
        frame: the agents' velocities.
        posed: N agents.
        dtype: of the boxes.

    Returns:
        boxes (N,) of `dtype`.
    """
    out = np.zeros(len(posed.id), dtype)
    out["id"], out["cls"], out["size"] = posed.id, posed.cls, posed.size
    out["centre"] = (posed.centre - position) @ rotation
    out["rotation"] = rotation.T @ posed.rotation
    out["velocity"] = frame.agents["vel"] @ rotation
    return out


def set_visibility(boxes: np.ndarray, visible: np.ndarray, alone: np.ndarray) -> None:
    """Fill in visibility and its level.

    Args:
        boxes: (N,), written.
        visible: int64 (N,), visible pixels.
        alone: int64 (N,), pixels without occlusion by others.
    """
    boxes["visibility"] = np.where(alone > 0, np.minimum(visible / np.maximum(alone, 1), 1.0), 0.0)
    boxes["visibility_level"] = np.where(alone > 0, 1 + np.searchsorted(_LEVELS, boxes["visibility"], "right"), 0)


def camera_boxes(
    frame: LayoutFrame, posed: PosedAgents, points: np.ndarray, spec: CameraSpec, image: CameraFrame
) -> np.ndarray:
    """Boxes (N,) CAMERA_BOX_DTYPE of all agents; `bbox_amodal` is NaN for those outside the image.

    Args:
        frame: the state at the image's stamp.
        posed: N agents.
        points: int (N,), LiDAR points on each.
        spec: the camera.
        image: its image.
    """
    shapes = template_arrays(built_in_templates())
    rotation = frame.ego_pose.rotation @ spec.rotation_base_from_optical
    position = frame.ego_pose.compose(spec.pose).position
    boxes = boxes_in(rotation, position, frame, posed, CAMERA_BOX_DTYPE)
    boxes["num_lidar_pts"] = points
    boxes["num_pixels"], boxes["bbox"] = visible_pixels(image.instance, posed.id)
    boxes["num_pixels_alone"], extent = unoccluded_extent(posed, shapes, spec, rotation, position)
    set_visibility(boxes, boxes["num_pixels"], boxes["num_pixels_alone"])
    near = np.linalg.norm(boxes["centre"], axis=1) - posed.radius < spec.max_range_m
    boxes["bbox_amodal"] = np.nan
    boxes["bbox_amodal"][near], cut = amodal_box(spec, boxes[near], extent[near])
    rows = np.flatnonzero(near)[cut]
    boxes["truncation"][rows] = share_outside_image(posed, shapes, spec, rotation, position, rows)
    return boxes


def box_corners_3d(boxes: np.ndarray) -> np.ndarray:
    """Corners (N, 8, 3) m of boxes (N,), in their frame."""
    from_centre = (0.5 * boxes["size"][:, None] * _CORNERS) @ boxes["rotation"].transpose(0, 2, 1)
    corners: np.ndarray = boxes["centre"][:, None] + from_centre
    return corners


def amodal_box(spec: CameraSpec, boxes: np.ndarray, extent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2D boxes of projected 3D boxes, clipped to the image.

    A box that fills the whole view may have no edge in it, so the extent of the pixels whose rays hit it is included.

    Args:
        spec: the camera.
        boxes: (N,), in the optical frame.
        extent: float64 (N, 4) px, from `unoccluded_extent`.

    Returns:
        float64 (N, 4) px, left, top, right, bottom, NaN for boxes outside the image; bool (N,), whether a box may be
        truncated.
    """
    corners = box_corners_3d(boxes)
    a, b = corners[:, EDGES[:, 0], None], corners[:, EDGES[:, 1], None]
    points = a + _ALONG_EDGE * (b - a)
    pixels, visible = spec.project(points.reshape(-1, 3))
    pixels, visible = pixels.reshape(*points.shape[:3], 2), visible.reshape(points.shape[:3])
    pixels[~visible] = np.nan
    n, line, step = np.nonzero(visible[..., 1:] != visible[..., :-1])
    first = visible[n, line, step]
    rim = np.full_like(pixels, np.nan)
    rim[n, line, step] = _rim(
        spec, points[n, line, np.where(first, step, step + 1)], points[n, line, np.where(first, step + 1, step)]
    )
    low = np.fmin(np.fmin.reduce(np.fmin(pixels, rim), axis=(1, 2)), extent[:, :2])
    high = np.fmax(np.fmax.reduce(np.fmax(pixels, rim), axis=(1, 2)), extent[:, 2:])
    size = np.array([spec.width, spec.height])
    cut = ~visible.all(axis=(1, 2)) | (low <= 0).any(axis=1) | (high >= size).any(axis=1)
    box = np.hstack([np.clip(low, 0, size), np.clip(high, 0, size)])
    empty = ~((box[:, 2:] > box[:, :2]).all(axis=1))
    box[empty] = np.nan
    return box, cut & ~empty


def _rim(spec: CameraSpec, inside: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """Image points (K, 2) at which lines from points inside the field of view (K, 3) to points outside leave it."""
    for _ in range(48):
        middle = 0.5 * (inside + beyond)
        visible = spec.project(middle)[1][:, None]
        inside, beyond = np.where(visible, middle, inside), np.where(visible, beyond, middle)
    return spec.project(inside)[0]
