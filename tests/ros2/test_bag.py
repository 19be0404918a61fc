"""What ROS 2 itself makes of an exported bag: its messages, topics and frames are those of the node."""

import numpy as np
import pytest
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2

from uniscene_ros2.fixed_frames import fixed_frames
from uniscene_ros2.messages.images import camera_info
from uniscene_ros2.profiles import PROFILES, fill_name
from uniscene_sim.assembly import assemble
from uniscene_sim.export.ros2bag import write_ros2bag
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.world.scenario_source import ScenarioSource

KINDS = {f"sensor_msgs/msg/{kind.__name__}": kind for kind in (CameraInfo, CompressedImage, PointCloud2)}


def test_a_bag_holds_what_the_node_would_publish(tmp_path):
    pytest.importorskip("rosbags", reason="bags are written by rosbags, which is not installed")
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    [path] = run(simulator, [RecordTo()], tmp_path, ticks=2).written
    write_ros2bag(Recording.open(path), tmp_path / "bag")
    found = {}
    with open(tmp_path / "bag" / "bag.mcap", "rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            if schema.name in KINDS:
                sent = deserialize_message(message.data, KINDS[schema.name])
                found.setdefault(channel.topic, []).append(sent)
    profile, rig = PROFILES["plain"], load_rig("rl")
    camera, lidar = rig.cameras[0], rig.lidars[0]
    [cloud] = (fill_name(name, "", lidar.name) for name in profile.clouds)
    image, info = (profile.topic(what, "", camera.name) for what in ("image", "camera_info"))
    assert found.keys() == {f"{image}/compressed", info, cloud}
    frame = fill_name(profile.camera, "", camera.name)
    assert frame in {fixed.name for fixed in fixed_frames(profile, rig, "", (0.0, 0.0))}
    for picture, lens in zip(found[f"{image}/compressed"], found[info], strict=True):
        assert picture.header == lens.header and lens.header.frame_id == frame
        stamp_us = lens.header.stamp.sec * 10**6 + lens.header.stamp.nanosec // 1000
        assert lens == deserialize_message(camera_info(camera, stamp_us, frame), CameraInfo)
    last = found[cloud][-1]
    xyz = np.frombuffer(last.data, np.uint8).reshape(last.width, last.point_step)[:, :12].copy().view(np.float32)
    assert np.isfinite(xyz).all() and len(xyz) > 1000 and [field.name for field in last.fields][:3] == ["x", "y", "z"]
