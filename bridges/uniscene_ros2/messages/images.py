"""Camera frames as `Image` and `CameraInfo`."""

from __future__ import annotations

from functools import cache

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from uniscene_ros2.messages.prefilled import DATA, PrefilledMessage, blank_header
from uniscene_sim.frames import CameraFrame
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.ros_conventions import intrinsics

__all__ = ["camera_info", "depth_image", "rgb_image", "semantic_image"]


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
    lens = intrinsics(spec)
    return PrefilledMessage(
        CameraInfo(
            header=blank_header(frame_id),
            height=spec.height,
            width=spec.width,
            distortion_model=lens.model,
            d=lens.d,
            k=lens.k,
            r=lens.r,
            p=lens.p,
        )
    )
