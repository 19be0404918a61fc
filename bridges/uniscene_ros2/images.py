"""Camera frames as `Image` and `CameraInfo`."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from uniscene_ros2.stamps import as_bytes
from uniscene_sim.frames import CameraFrame
from uniscene_sim.rig import CameraSpec

__all__ = ["camera_info", "depth_image", "rgb_image", "semantic_image"]

_LENSES = {"pinhole": ("plumb_bob", 5), "brown_conrady": ("plumb_bob", 5), "fisheye": ("equidistant", 4)}


def _image(values: np.ndarray, encoding: str, header: Header) -> Image:
    height, width = values.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=values.nbytes // height,
        data=as_bytes(values),
    )


def rgb_image(frame: CameraFrame, header: Header) -> Image:
    return _image(frame.rgb, "rgb8", header)


def depth_image(frame: CameraFrame, header: Header) -> Image:
    """Metres, inf where nothing was hit (REP-118)."""
    return _image(frame.depth.astype("<f4", copy=False), "32FC1", header)


def semantic_image(frame: CameraFrame, header: Header) -> Image:
    """Numbers of `OccClass`."""
    return _image(frame.semantic, "mono8", header)


def camera_info(spec: CameraSpec, header: Header) -> CameraInfo:
    """ROS has the centre of the first pixel at (0, 0), rigs have it at (0.5, 0.5)."""
    model, count = _LENSES[spec.model]
    cx, cy = spec.cx - 0.5, spec.cy - 0.5
    return CameraInfo(
        header=header,
        height=spec.height,
        width=spec.width,
        distortion_model=model,
        d=[*map(float, spec.distortion), *[0.0] * (count - len(spec.distortion))],
        k=[spec.fx, 0.0, cx, 0.0, spec.fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[spec.fx, 0.0, cx, 0.0, 0.0, spec.fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
