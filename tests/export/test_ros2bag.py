"""Bags and recordings, read by what did not write them.

Foxglove's library in TypeScript and its decoders read both where UNISCENE_NODE_MODULES names a folder with the packages
of `read_mcap.cjs`; what ROS 2 itself makes of a bag's messages is in `tests/ros2/test_bag.py`.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.rigs.ros_conventions import intrinsics


@pytest.fixture(scope="module")
def bag(recorded, tmp_path_factory) -> Path:
    pytest.importorskip("rosbags", reason="bags are written by rosbags, which is not installed")
    out = tmp_path_factory.mktemp("exported") / "bag"
    assert main(["export", str(recorded.path), "--to", "ros2bag", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["bag.mcap", "metadata.yaml"]
    return out


def test_a_bag_holds_what_the_recording_holds(recorded, bag):
    """Read back by the bags' own library, with messages of ROS 2 by their published definitions."""
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    frames = recorded.frames
    store, found = get_typestore(Stores.ROS2_JAZZY), {}
    with Reader(bag) as reader:
        for connection, stamp_ns, data in reader.messages():
            found.setdefault(connection.topic, []).append((stamp_ns, store.deserialize_cdr(data, connection.msgtype)))
    camera, lidar = next(iter(frames[0].cameras)), next(iter(frames[0].sweeps))
    assert {topic: len(some) for topic, some in found.items()} == {
        "/tf": 10 * (len(frames) - 1) + 1, "/tf_static": 1, f"/camera/{camera}/camera_info": len(frames),
        f"/camera/{camera}/image_raw/compressed": len(frames), f"/lidar/{lidar}/points": len(frames),
    }  # fmt: skip
    stamp_ns, cloud = found[f"/lidar/{lidar}/points"][1]
    assert stamp_ns == 1000 * frames[1].stamp_us == cloud.header.stamp.sec * 10**9 + cloud.header.stamp.nanosec
    xyz = cloud.data.reshape(cloud.width, cloud.point_step)[:, :12].copy().view(np.float32)
    assert np.array_equal(xyz, frames[1].sweeps[lidar].xyz)
    pose = found["/tf"][10][1].transforms[0]
    assert (pose.header.frame_id, pose.child_frame_id) == ("map", "base_link")
    assert pose.transform.translation.x == frames[1].layout.ego_pose.x


def test_foxgloves_library_reads_the_recording(recorded, read_by_foxglove):
    """Container and messages, by the schemas that are in the file."""
    found, ours = read_by_foxglove(recorded.path), Recording.open(recorded.path)
    frames, camera, lidar = recorded.frames, ours.rig.cameras[0].name, ours.rig.lidars[0].name
    assert found["profile"] == "uniscene"
    counts = {topic: some["count"] for topic, some in found["topics"].items()}
    assert counts["/uniscene/layout"] == counts["/tf"] == 10 * (len(frames) - 1) + 1
    assert counts[f"/{camera}/image"] == counts[f"/{lidar}/points"] == counts["/uniscene/frame"] == len(frames)
    last = {topic: some["last"] for topic, some in found["topics"].items()}
    assert last["/tf"]["x"] == frames[-1].layout.ego_pose.x
    assert last["/uniscene/layout"]["agents"] == len(frames[-1].layout.agents)
    assert last["/uniscene/frame"]["digests"] == frames[-1].digests
    *_, picture = ours.messages(f"/{camera}/image")
    assert last[f"/{camera}/image"]["sha256"] == hashlib.sha256(picture.message.data).hexdigest()
    assert last[f"/{lidar}/points"]["sum_x"] == pytest.approx(
        float(frames[-1].sweeps[lidar].xyz[:, 0].sum(dtype=float))
    )


def test_foxgloves_library_reads_the_bag(recorded, bag, read_by_foxglove):
    found, rig = read_by_foxglove(bag / "bag.mcap"), Recording.open(recorded.path).rig
    frames, camera, lidar = recorded.frames, rig.cameras[0], rig.lidars[0].name
    assert found["profile"] == "ros2"
    last = {topic: some["last"] for topic, some in found["topics"].items()}
    assert last["/tf"]["x"] == frames[-1].layout.ego_pose.x
    assert last[f"/camera/{camera.name}/camera_info"]["k"] == intrinsics(camera).k
    assert last[f"/lidar/{lidar}/points"]["width"] == len(frames[-1].sweeps[lidar].xyz)
    assert last[f"/lidar/{lidar}/points"]["sum_x"] == pytest.approx(
        float(frames[-1].sweeps[lidar].xyz[:, 0].sum(dtype=float))
    )
