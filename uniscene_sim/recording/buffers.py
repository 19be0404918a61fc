"""Exact buffers in a recording: what the rays found, without loss; what follows from that is derived when read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from uniscene_sim.annotations.flow import camera_flow
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraBuffers
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.recording.byte_planes import coded, decoded
from uniscene_sim.recording.mcap_file import Recording, TopicMessage
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.buffers import coordinates_of, origin_near, pluecker_rays
from uniscene_sim.wire.checks import check_layout
from uniscene_sim.wire.messages import layout_of
from uniscene_sim.wire.uniscene.v1.run_pb2 import CameraBuffers as BuffersMessage

__all__ = ["buffers", "buffers_message"]

#: Dtype and channels of each plane that is kept.
_PLANES = {
    "depth": (np.float32, 1), "normals": (np.float32, 3), "instance": (np.uint16, 1), "semantic": (np.uint8, 1),
    "material": (np.uint8, 1), "paint": (np.uint8, 1),
}  # fmt: skip


def buffers_message(record: CameraBuffers, sensor: str) -> BuffersMessage:
    """The buffers of an image of a camera; coordinates, rays and motion are left out."""
    height, width = record.depth.shape
    message = BuffersMessage(sensor=sensor, stamp_us=record.stamp_us, width=width, height=height)
    for name, (dtype, channels) in _PLANES.items():
        plane = getattr(record, name).reshape(-1, channels).astype(dtype, copy=False)
        message.planes[name] = coded(np.ascontiguousarray(plane.T).ravel())
    return message


def buffers(recording: Recording, camera: str) -> Iterator[CameraBuffers]:
    """The exact buffers of a camera, to the last bit as they were requested; none if the recording keeps none.

    Coordinates, rays and motion are made again, of the depth, the layouts and the calibration that are kept.

    Args:
        recording: the run.
        camera: name of the camera.

    Raises:
        InputError: no such camera, or buffers that are damaged.
    """
    specs = {spec.name: spec for spec in recording.rig.cameras}
    if camera not in specs:
        why = f"no camera {camera!r}, expected one of {', '.join(specs)}"
        raise InputError(why, file=recording.path, field="camera")
    topic, layouts = f"/{camera}/buffers", dict[int, Any]()
    before: tuple[LayoutFrame, CameraBuffers] | None = None
    for one in recording.messages("/uniscene/layout", topic):
        if one.topic != topic:
            layouts[one.stamp_us] = one.message
            continue
        try:
            layout = layout_of(layouts[one.message.stamp_us])
            check_layout(layout)
            found = _buffers(one, layout, specs[camera], before)
        except InputError as error:
            raise error.within(recording.path) from None
        except (KeyError, ValueError) as error:
            raise InputError(f"damaged buffers ({error})", file=recording.path, field=topic) from None
        layouts = {stamp: message for stamp, message in layouts.items() if stamp > layout.stamp_us}
        before = layout, found
        yield found


def _buffers(
    one: TopicMessage, layout: LayoutFrame, spec: CameraSpec, before: tuple[LayoutFrame, CameraBuffers] | None
) -> CameraBuffers:
    sent, shape = one.message, (spec.height, spec.width)
    if (sent.height, sent.width) != shape:
        raise ValueError(f"{sent.width} x {sent.height} pixels, expected {spec.width} x {spec.height}")
    planes = {}
    for name, (dtype, channels) in _PLANES.items():
        values = decoded(sent.planes[name], np.dtype(dtype), channels * spec.height * spec.width)
        planes[name] = np.ascontiguousarray(np.moveaxis(values.reshape(channels, *shape), 0, 2))
    kept = {name: plane if plane.shape[2] > 1 else plane[..., 0] for name, plane in planes.items()}
    found = CameraBuffers(
        **kept,
        coordinates=coordinates_of(kept["depth"], layout.ego_pose, spec),
        rays=pluecker_rays(spec),
        origin=origin_near(layout.ego_pose),
        stamp_us=layout.stamp_us,
    )
    motion = None if before is None else camera_flow(layout, found, before, spec)[0]
    return replace(found, motion=motion)
