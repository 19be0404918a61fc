"""A recording as a ROS 2 bag: the topics of the node's profile `plain`, written without ROS.

Pictures stay as they are, raw ones on `image_raw` and others on `image_raw/compressed`, each with its `camera_info`;
points keep the fields of the recording. `rosbags` writes the bag, which `ros2 bag play` and PlotJuggler read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.export.folder import Exported, exported_folder
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.ros_conventions import OPTICAL_FRAME, TOPICS, intrinsics, plain
from uniscene_sim.storage.input_file import reading
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["write_ros2bag"]

#: Kinds of points' fields: Foxglove's numbers to those of `sensor_msgs/PointField`.
_FIELD_KINDS = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 7, 8: 8}
_LATCHED = {"/tf_static"}
#: Most that a bag takes, over the size of its recording, the points of which are packed.
_UNPACKED = 3.0


def write_ros2bag(recording: Recording, out: Path, progress: bool = False) -> Exported:
    """Write a bag.

    Args:
        recording: the run.
        out: new or empty folder.
        progress: whether to show a progress bar.

    Raises:
        InputError: the folder cannot be written, or `rosbags` is not installed.
    """
    try:
        from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
        from rosbags.rosbag2 import StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise InputError("needs rosbags: pip install 'uniscene_sim[recordings]'", argument="recording") from None
    store = get_typestore(Stores.ROS2_JAZZY)
    rig = recording.rig
    if len({plain(sensor.name) for sensor in rig.sensors}) < len(rig.sensors):
        names = ", ".join(sensor.name for sensor in rig.sensors)
        raise InputError(
            f"sensors have one topic in ROS, which knows letters, digits and _ alone: {names}", argument="recording"
        )
    make = _Messages(store, {camera.name: OPTICAL_FRAME.format(sensor=plain(camera.name)) for camera in rig.cameras})
    topics: dict[str, dict[str, Callable[[Any], Any]]] = {
        TOPICS[name]: {TOPICS[name]: make.transforms} for name in ("tf", "tf_static")
    }
    for camera in rig.cameras:
        of = {what: TOPICS[what].format(sensor=plain(camera.name)) for what in ("image", "camera_info")}
        topics[f"/{camera.name}/image"] = {
            f"{of['image']}/compressed": make.image,
            of["camera_info"]: partial(make.camera_info, camera),
        }
        topics[f"/{camera.name}/video"] = {of["image"]: make.video}
    for lidar in rig.lidars:
        topics[f"/{lidar.name}/points"] = {TOPICS["cloud"].format(sensor=plain(lidar.name)): make.cloud}
    none = QosTime(0, 0)
    latched = Qos(
        QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, none, none,
        QosLiveliness.SYSTEM_DEFAULT, none, False,
    )  # fmt: skip
    count, begin_us, span_us = 0, int(recording.ego_path[0, 0]), int(np.ptp(recording.ego_path[:, 0]))
    needed = _UNPACKED * recording.path.stat().st_size
    with (
        exported_folder(Path(out), needed, "an unpacked recording") as folder,
        scratch_folder(folder) as scratch,
        tqdm(total=span_us // 1000, desc="export", unit="ms", disable=None if progress else True) as bar,
    ):
        bag = scratch / (Path(out).resolve().name or "bag")
        with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            connections: dict[str, Any] = {}
            for topic, stamp_us, message in recording.messages(*topics):
                for name, build in topics[topic].items():
                    with reading(recording.path, f"messages on {topic} as they are recorded"):
                        sent = build(message)
                        if sent is None:
                            continue
                        kind = sent.__msgtype__
                        data = store.serialize_cdr(sent, kind)
                    if kind == "sensor_msgs/msg/Image":
                        name = name.removesuffix("/compressed")
                    if name not in connections:
                        quality = [latched] if name in _LATCHED else []
                        connections[name] = writer.add_connection(
                            name, kind, typestore=store, offered_qos_profiles=quality
                        )
                    writer.write(connections[name], stamp_us * 1000, data)
                    count += 1
                bar.update((stamp_us - begin_us) // 1000 - bar.n)
        for file in bag.iterdir():  # rosbags makes its folder itself
            file.replace(folder / file.name)
        return Exported(count, "messages", sum(file.stat().st_size for file in folder.iterdir() if file.is_file()))


class _Messages:
    """Foxglove's messages as those of ROS 2."""

    def __init__(self, store: Any, frames: Mapping[str, str]):
        self._said = False  # that video is left out
        self._frames = frames  # names of frames that are others than in the recording
        kinds = (
            "builtin_interfaces/msg/Time",
            "std_msgs/msg/Header",
            *(f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo", "RegionOfInterest")),
            *(f"sensor_msgs/msg/{name}" for name in ("PointCloud2", "PointField")),
            "tf2_msgs/msg/TFMessage",
            *(f"geometry_msgs/msg/{name}" for name in ("TransformStamped", "Transform", "Vector3", "Quaternion")),
        )
        self._new = {kind.rpartition("/")[2]: store.types[kind] for kind in kinds}

    def _header(self, timestamp: Any, frame_id: str) -> Any:
        stamp = self._new["Time"](sec=timestamp.seconds, nanosec=timestamp.nanos)
        return self._new["Header"](stamp=stamp, frame_id=self._frames.get(frame_id, frame_id))

    def image(self, message: Any) -> Any:
        data = np.frombuffer(message.data, np.uint8)
        header = self._header(message.timestamp, message.frame_id)
        if hasattr(message, "step"):
            return self._new["Image"](
                header=header, height=message.height, width=message.width, encoding=message.encoding, is_bigendian=0,
                step=message.step, data=data,
            )  # fmt: skip
        return self._new["CompressedImage"](header=header, format=message.format, data=data)

    def video(self, message: Any) -> None:
        """Nothing: ROS 2 has no message for it, which is said once."""
        if not self._said:
            self._said = True
            warnings.warn("H.264 video is left out: ROS 2 has no message for it", InputWarning, stacklevel=3)

    def camera_info(self, spec: CameraSpec, message: Any) -> Any:
        """The intrinsics of a picture, with its stamp."""
        whole = self._new["RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        lens = intrinsics(spec)
        return self._new["CameraInfo"](
            header=self._header(message.timestamp, message.frame_id), height=spec.height, width=spec.width,
            distortion_model=lens.model, d=np.array(lens.d), k=np.array(lens.k), r=np.array(lens.r),
            p=np.array(lens.p), binning_x=0, binning_y=0, roi=whole,
        )  # fmt: skip

    def cloud(self, message: Any) -> Any:
        fields = [
            self._new["PointField"](name=field.name, offset=field.offset, datatype=_FIELD_KINDS[field.type], count=1)
            for field in message.fields
        ]
        data = np.frombuffer(message.data, np.uint8)
        return self._new["PointCloud2"](
            header=self._header(message.timestamp, message.frame_id), height=1,
            width=len(data) // message.point_stride, fields=fields, is_bigendian=False,
            point_step=message.point_stride, row_step=len(data), data=data, is_dense=True,
        )  # fmt: skip

    def transforms(self, message: Any) -> Any:
        new = self._new
        sent = []
        for one in message.transforms:
            move, turn = one.translation, one.rotation
            transform = new["Transform"](
                translation=new["Vector3"](x=move.x, y=move.y, z=move.z),
                rotation=new["Quaternion"](x=turn.x, y=turn.y, z=turn.z, w=turn.w),
            )
            header = self._header(one.timestamp, one.parent_frame_id)
            sent.append(
                new["TransformStamped"](
                    header=header,
                    child_frame_id=self._frames.get(one.child_frame_id, one.child_frame_id),
                    transform=transform,
                )
            )
        return new["TFMessage"](transforms=sent)
