"""Camera frames as `Image` and `CameraInfo`."""

from __future__ import annotations

from functools import cache

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from uniscene_ros2.messages.prefilled import DATA, PrefilledMessage, blank_header
from uniscene_sim.frames import CameraFrame
from uniscene_sim.rig import CameraSpec

__all__ = ["camera_info", "depth_image", "rgb_image", "semantic_image"]

_LENSES = {"pinhole": ("plumb_bob", 5), "brown_conrady": ("plumb_bob", 5), "fisheye": ("equidistant", 4)}


@cache
def _image(height: int, width: int, step: int, encoding: str, frame_id: str) -> PrefilledMessage:
    image = Image(height=height, width=width, step=step, encoding=encoding, data=DATA)
    image.header = blank_header(frame_id)
    return PrefilledMessage(image)


def _fill(values: np.ndarray, encoding: str, stamp_us: int, frame_id: str) -> bytes:
    height, width = values.shape[:2]
    return _image(height, width, values.nbytes // height, encoding, frame_id).fill(stamp_us, data=values)


def rgb_image(frame: CameraFrame, stamp_us: int, frame_id: str) -> bytes:
    return _fill(frame.rgb, "rgb8", stamp_us, frame_id)


def depth_image(frame: CameraFrame, stamp_us: int, frame_id: str) -> bytes:
    """Depth in metres, inf where nothing was hit (REP-118)."""
    return _fill(frame.depth.astype("<f4", copy=False), "32FC1", stamp_us, frame_id)


def semantic_image(frame: CameraFrame, stamp_us: int, frame_id: str) -> bytes:
    """Labels, see `OccClass`."""
    return _fill(frame.semantic, "mono8", stamp_us, frame_id)


def camera_info(spec: CameraSpec, stamp_us: int, frame_id: str) -> bytes:
    return _camera_info(spec, frame_id).fill(stamp_us)


@cache
def _camera_info(spec: CameraSpec, frame_id: str) -> PrefilledMessage:
    """In ROS the centre of the first pixel is at (0, 0), in rigs at (0.5, 0.5)."""
    model, count = _LENSES[spec.model]
    cx, cy = spec.cx - 0.5, spec.cy - 0.5
    return PrefilledMessage(
        CameraInfo(
            header=blank_header(frame_id),
            height=spec.height,
            width=spec.width,
            distortion_model=model,
            d=[*map(float, spec.distortion), *[0.0] * (count - len(spec.distortion))],
            k=[spec.fx, 0.0, cx, 0.0, spec.fy, cy, 0.0, 0.0, 1.0],
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[spec.fx, 0.0, cx, 0.0, 0.0, spec.fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        )
    )
