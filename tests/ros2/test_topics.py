"""Frames, reliability and network: what lets a stack hear the node at all."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos import qos_profile_sensor_data as SENSOR
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, Imu, NavSatFix
from visualization_msgs.msg import MarkerArray

from tests.ros2.conftest import Client
from uniscene_ros2.fixed_frames import fixed_frames
from uniscene_ros2.message_build import add_built_package
from uniscene_ros2.network import set_network
from uniscene_ros2.packages import Packages
from uniscene_ros2.profiles import PROFILES
from uniscene_ros2.topics import TopicTable
from uniscene_sim.errors import InputError
from uniscene_sim.rigs.rig_file import load_rig

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
RIG = """
cameras: [{name: front, width: 84, height: 84, fov_deg: 90, position: [1.5, 0, 1.4]}]
lidars: [{name: top, position: [0.9, 0, 1.9], elevation_deg: {from: -15, to: 5, beams: 8}, azimuth_steps: 180}]
imu: {position: [1.0, 0.1, 0.5], yaw_deg: 90}
gnss: {position: [0, 0, 1.6]}
"""


@pytest.fixture
def unset(monkeypatch):
    """The environment of a user who has said nothing."""
    for name in (RANGE, "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY", "ROS_DISCOVERY_SERVER", "CYCLONEDDS_URI",
                 "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):  # fmt: skip
        monkeypatch.setenv(name, "")
    return monkeypatch


@pytest.fixture
def neighbour(unset, domain):
    """A node of ROS's default range, the subnet."""
    one = Client(domain)
    yield one
    one.close()


def udp_sockets(pid):
    """Port and hexadecimal address of the UDP sockets of a process."""
    links = [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:")}
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            place, port = fields[1].split(":")
            yield int(port, 16), place


def test_a_neighbour_hears_the_extrinsics_and_tf_of_a_node_that_no_other_machine_reaches(
    start, domain, neighbour, tmp_path
):
    try:
        add_built_package("tf2_msgs")
        from tf2_msgs.msg import TFMessage
    except InputError as error:
        pytest.skip(str(error))
    (tmp_path / "rig.yaml").write_text(RIG)
    odom = neighbour.listen(Odometry, "/odom", 10)
    moving = neighbour.listen(TFMessage, "/tf", 10)
    neighbour.listen(Image, "/camera/front/image_raw", SENSOR)
    node = start("node", domain, scenario="cut_in", rig=tmp_path / "rig.yaml")
    node.until("waits for a control", 120)
    markers = neighbour.listen(MarkerArray, "/extrinsics", LATCHED)
    fixed = neighbour.listen(TFMessage, "/tf_static", LATCHED)
    neighbour.until(lambda: all(neighbour.heard.values()), 60, "all topics")

    assert node.log.count("talks to this machine alone") == 1
    first = 7400 + 250 * domain  # of the domain, as DDS numbers its ports; the first one is of multicast
    ports = {port: place for port, place in udp_sockets(node.child.pid) if first <= port < first + 250}
    assert ports and set(ports.values()) == {"0100007F"} and first not in ports

    told = {m.ns: (m.header.frame_id, m.pose.position, m.pose.orientation) for m in markers[0].markers}
    tree = {
        t.child_frame_id: (t.header.frame_id, t.transform.translation, t.transform.rotation)
        for t in fixed[0].transforms
    }
    assert told.keys() == tree.keys() == {"odom", "imu_link", "gnss_link", "front_optical", "top"}
    for name, (parent, place, rotation) in told.items():
        assert parent == tree[name][0] == ("map" if name == "odom" else "base_link")
        assert rotation == tree[name][2]
        assert (place.x, place.y, place.z) == (tree[name][1].x, tree[name][1].y, tree[name][1].z)
    assert (told["imu_link"][1].x, told["imu_link"][2].z) == pytest.approx((1.0, np.sin(np.pi / 4)))
    assert told["top"][1].z == 1.9 and told["gnss_link"][1].z == 1.6
    optical = told["front_optical"][2]
    assert (optical.x, optical.y, optical.z, optical.w) == pytest.approx((-0.5, 0.5, -0.5, 0.5))
    transform, pose = moving[0].transforms[0], odom[0].pose.pose
    assert (transform.header.frame_id, transform.child_frame_id) == ("odom", "base_link")
    assert transform.header.stamp == odom[0].header.stamp and transform.transform.rotation == pose.orientation
    assert transform.transform.translation.x == pose.position.x
    # The type is that of every other ROS, or nobody would hear it.
    (publisher,) = neighbour.node.get_publishers_info_by_topic("/tf")
    assert str(publisher.topic_type_hash).startswith("RIHS01_e369d0f05a23ae52")


def test_without_a_compiler_tf_is_left_out_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("UNISCENE_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "ros2-messages" not in p])
    for name in [name for name in sys.modules if name.split(".")[0] == "tf2_msgs"]:
        monkeypatch.delitem(sys.modules, name)
    packages = Packages()
    if packages.find("tf2_msgs/TFMessage", "/tf") is not None:
        pytest.skip("tf2_msgs is installed")
    assert packages.find("tf2_msgs/TFMessage", "/tf_static") is None
    (line,) = packages.report
    assert line.startswith("tf2_msgs is not installed: no /tf, /tf_static (")


def test_a_folder_that_others_may_write_is_not_loaded_from(monkeypatch, tmp_path):
    monkeypatch.setenv("UNISCENE_CACHE", str(tmp_path))
    (tmp_path / "ros2-messages").mkdir()
    (tmp_path / "ros2-messages").chmod(0o777)
    with pytest.raises(InputError, match=r"others may write|C\+\+ compiler|generators"):
        add_built_package("tf2_msgs")


@pytest.mark.parametrize(
    ("profile", "asked", "sensors"),
    [
        ("plain", "profile", ("BEST_EFFORT", 5)),
        ("autoware", "profile", ("BEST_EFFORT", 5)),
        ("carla", "profile", ("RELIABLE", 10)),
        ("carla", "best_effort", ("BEST_EFFORT", 5)),
        ("plain", "reliable", ("RELIABLE", 10)),
    ],
)
def test_sensors_have_the_reliability_of_the_profile_or_the_one_that_is_asked_for(client, profile, asked, sensors):
    """carla-ros-bridge publishes all reliably, 10 deep, and its waypoint publisher keeps the route."""
    topics = TopicTable(client.node, load_rig("rl"), PROFILES[profile], Packages(), reliability=asked).table
    assert len({topic.name for topic in topics}) > 20
    for topic in topics:
        quality, kind = topic.publisher.qos_profile, topic.publisher.msg_type
        offered = quality.reliability.name
        if topic.needs or kind is NavSatFix:
            assert (offered, quality.depth) == sensors, topic.name
        else:
            assert offered == (sensors[0] if kind in (Clock, Imu) or topic.name.endswith("covariance") else "RELIABLE")
    route = PROFILES[profile].topic("route", "ego_vehicle")
    kept = next(t for t in topics if t.name == route).publisher.qos_profile.durability
    assert (kept is DurabilityPolicy.TRANSIENT_LOCAL) == (profile == "carla")


def test_the_setup_of_rviz_asks_for_what_the_node_offers(client):
    file = Path(__file__).parents[2] / "launch" / "uniscene.rviz"
    displays = yaml.safe_load(file.read_text())["Visualization Manager"]["Displays"]
    topics = TopicTable(client.node, load_rig("nuscenes-small"), PROFILES["plain"], Packages()).table
    offered = {topic.name: topic.publisher.qos_profile for topic in topics}
    shown = [display["Topic"] for display in displays if "Topic" in display]
    assert len(shown) == 6
    for topic in shown:
        quality = offered[topic["Value"]]
        assert quality.reliability.name == topic["Reliability Policy"].upper().replace(" ", "_")
        assert quality.durability.name == topic["Durability Policy"].upper().replace(" ", "_")


def profile_of(said):
    return said[0], Path(os.environ["FASTDDS_DEFAULT_PROFILES_FILE"]).name, os.environ[RANGE]


def test_the_node_stays_on_this_machine_unless_it_is_told_otherwise(unset):
    said = "talks to this machine alone; --network opens it"
    assert profile_of(set_network()) == (said, "fastdds_loopback.xml", "LOCALHOST")
    unset.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "")
    unset.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    assert profile_of(set_network()) == (said, "fastdds_loopback.xml", "LOCALHOST")  # as the user says, too


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        (None, "", "finds other nodes as ROS has it"),
        (RANGE, "SUBNET", f"as {RANGE} has it"),
        ("ROS_STATIC_PEERS", "192.0.2.1", "as ROS_STATIC_PEERS has it"),
        ("ROS_LOCALHOST_ONLY", "0", "as ROS_LOCALHOST_ONLY has it"),
    ],
)
def test_the_user_has_the_last_word_on_the_network(unset, variable, value, words):
    if variable:
        unset.setenv(variable, value)
    said, profile, reach = profile_of(set_network(network=variable is None))
    assert words in said and profile == "fastdds.xml" and reach == (value if variable == RANGE else "")


def test_a_profile_of_ones_own_is_left_alone_and_so_is_the_range(unset):
    unset.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/mine.xml")
    assert "/mine.xml" in set_network()[1]
    assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] == "/mine.xml" and not os.environ[RANGE]


def test_each_frame_has_one_place_in_the_tree():
    for profile in PROFILES.values():
        names = [frame.name for frame in fixed_frames(profile, load_rig("nuscenes-small"), "ego", (5e5, 5e6))]
        assert len(set(names)) == len(names) == len(profile.fixed) + 1 + 2 + 7
