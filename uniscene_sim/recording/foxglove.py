"""Parts of a frame in Foxglove's published protobuf schemas, so that its tools, and others', open a recording as it is.

Frames are `map`, `base_link` and, for each sensor, its name; cameras have optical axes.
"""

from __future__ import annotations

import numpy as np
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CubePrimitive_pb2 import CubePrimitive
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive
from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.Pose_pb2 import Pose as PoseMessage
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from google.protobuf.timestamp_pb2 import Timestamp

from uniscene_sim.frames import LidarSweep
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.recording.shapes import Box, agent_boxes, ego_box, lane_borders, sensor_poses
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.rigs.ros_conventions import intrinsics, quaternion

__all__ = ["POINT", "calibration", "cloud", "ego_transform", "lanes", "scene", "sensor_transforms", "stamp",
           "stamp_us_of"]  # fmt: skip

_FLOAT, _UINT8, _UINT16 = PackedElementField.FLOAT32, PackedElementField.UINT8, PackedElementField.UINT16
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"), ("ring", "<u2"), ("label", "u1")])
_OFFSETS = {name: place[1] for name, place in (POINT.fields or {}).items()}
_TYPES = dict(zip(POINT.names or (), (_FLOAT, _FLOAT, _FLOAT, _FLOAT, _UINT16, _UINT8), strict=True))


def stamp(stamp_us: int) -> Timestamp:
    return Timestamp(seconds=stamp_us // 1_000_000, nanos=stamp_us % 1_000_000 * 1000)


def stamp_us_of(sent: Timestamp) -> int:
    """Microseconds of a stamp."""
    return sent.seconds * 1_000_000 + sent.nanos // 1000


def calibration(spec: CameraSpec, stamp_us: int) -> CameraCalibration:
    """A camera's intrinsics; Foxglove has its own name for ROS' fisheyes."""
    lens = intrinsics(spec)
    model = {"equidistant": "kannala_brandt"}.get(lens.model, lens.model)
    return CameraCalibration(
        timestamp=stamp(stamp_us), frame_id=spec.name, width=spec.width, height=spec.height, distortion_model=model,
        D=lens.d, K=lens.k, R=lens.r, P=lens.p,
    )  # fmt: skip


def cloud(record: LidarSweep, sensor: str) -> PointCloud:
    """A sweep's points in the sensor's frame."""
    points = np.empty(len(record.xyz), POINT)
    for axis, name in enumerate("xyz"):
        points[name] = record.xyz[:, axis]
    for name in ("intensity", "ring", "label"):
        points[name] = getattr(record, name)
    fields = [PackedElementField(name=name, offset=_OFFSETS[name], type=kind) for name, kind in _TYPES.items()]
    return PointCloud(
        timestamp=stamp(record.stamp_us), frame_id=sensor, pose=_pose(Pose()), point_stride=POINT.itemsize,
        fields=fields, data=points.tobytes(),
    )  # fmt: skip


def ego_transform(layout: LayoutFrame) -> FrameTransforms:
    """map <- base_link."""
    return FrameTransforms(transforms=[_transform("map", "base_link", layout.ego_pose, layout.stamp_us)])


def sensor_transforms(rig: SensorRig, stamp_us: int) -> FrameTransforms:
    """base_link <- each sensor."""
    poses = sensor_poses(rig).items()
    return FrameTransforms(transforms=[_transform("base_link", name, pose, stamp_us) for name, pose in poses])


def scene(layout: LayoutFrame) -> SceneUpdate:
    """Boxes of the ego and of all agents at a moment; each replaces those of the moment before."""
    update, now = SceneUpdate(), stamp(layout.stamp_us)
    update.entities.add(timestamp=now, frame_id="map", id="agents").cubes.extend(map(_cube, agent_boxes(layout)))
    update.entities.add(timestamp=now, frame_id="map", id="ego").cubes.append(_cube(ego_box(layout)))
    return update


def lanes(static_map: StaticMap, stamp_us: int) -> SceneUpdate:
    """The borders of all lanes of a map, as lines."""
    update = SceneUpdate()
    entity = update.entities.add(timestamp=stamp(stamp_us), frame_id="map", id="lanes")
    for border in lane_borders(static_map):
        line = entity.lines.add(type=LinePrimitive.LINE_STRIP, thickness=0.1, pose=_pose(Pose()))
        line.color.r, line.color.g, line.color.b, line.color.a = 0.7, 0.7, 0.7, 1.0
        for x, y, z in border.tolist():
            line.points.add(x=x, y=y, z=z)
    return update


def _cube(box: Box) -> CubePrimitive:
    cube = CubePrimitive(pose=_pose(box.centre))
    cube.size.x, cube.size.y, cube.size.z = box.size
    cube.color.r, cube.color.g, cube.color.b = box.colour
    cube.color.a = 0.6
    return cube


def _pose(pose: Pose) -> PoseMessage:
    message = PoseMessage(orientation=_quaternion(pose))
    message.position.x, message.position.y, message.position.z = pose.x, pose.y, pose.z
    return message


def _transform(parent: str, child: str, pose: Pose, stamp_us: int) -> FrameTransform:
    """parent <- child."""
    message = FrameTransform(
        timestamp=stamp(stamp_us), parent_frame_id=parent, child_frame_id=child, rotation=_quaternion(pose)
    )
    message.translation.x, message.translation.y, message.translation.z = pose.x, pose.y, pose.z
    return message


def _quaternion(pose: Pose) -> Quaternion:
    return Quaternion(**quaternion(pose)._asdict())
