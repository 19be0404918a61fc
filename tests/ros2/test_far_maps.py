"""Topics on maps that lie far from the origin, and where on the earth they are."""

import json
from dataclasses import replace

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu, NavSatFix
from visualization_msgs.msg import MarkerArray

from uniscene_ros2.messages import ego_state as ego
from uniscene_ros2.messages import navigation as nav
from uniscene_ros2.messages import surroundings as scene
from uniscene_ros2.messages.geodesy import Origin, ReferencedMap, earth_place
from uniscene_ros2.messages.stamps import as_header
from uniscene_ros2.motion import motion_of
from uniscene_ros2.own_coordinates import control_in_map_frame
from uniscene_ros2.run import RosRun
from uniscene_ros2.topics import PublishContext
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.geo_reference import GeoReference, MapOffset
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.rig import GnssSpec, ImuSpec
from uniscene_sim.rigs.rig_file import load_rig

X, Y = 690944.0, 5333952.0
UTM = "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A drive along a painted road at UTM coordinates."""
    folder = tmp_path_factory.mktemp("far")
    cells = np.ones((1, 200, 20), dtype=bool)
    PaintedMap("far", ("drivable_area",), cells, 1.0, (X + 3.0, Y + 7.0)).save(folder / "far.npz")
    drive = [[t, X + 20 + 5 * t, Y + 17.0] for t in range(8)]
    ego = {"spawn": {"x": X + 20, "y": Y + 17, "yaw_deg": 0}, "speed_mps": 5, "trajectory": drive}
    other = {"name": "other", "class": "car", "behaviour": "parked", "spawn": {"x": X + 50.5, "y": Y + 12.25}}
    scenario = {"map": "far.npz", "duration_s": 5, "ego": ego, "agents": [other]}
    (folder / "far.yaml").write_text(json.dumps(scenario))
    return RosRun(str(folder / "far.yaml"), load_rig("rl"), origin=Origin(48.1, 11.5, 500.0))


def test_places_in_messages_are_the_maps_own(run):
    now = PublishContext(run.stamp_us, run.layout, frame_origin=run.source.map.frame_origin)
    assert now.frame_origin == (X, Y) and now.layout.ego_pose.x == 20.0
    at = deserialize_message(
        ego.odometry(now.own, now.motion, now.stamp_us, "odom", "base_link"), Odometry
    ).pose.pose.position
    assert (at.x, at.y) == (X + 20.0, Y + 17.0)
    boxes = deserialize_message(scene.markers(now.own, as_header(0, "map")), MarkerArray).markers[1:]
    assert [(b.pose.position.x, b.pose.position.y) for b in boxes] == [(X + 50.5, Y + 12.25)]
    assert np.array_equal(now.own.route, now.layout.route + np.array([X, Y, 0.0]))
    assert now.layout.agents["pos"][0, 0] < 100.0  # the run's own are left as they are


def test_trajectories_are_in_the_maps_own_coordinates(run):
    run.restart()
    run.advance(Trajectory(np.array([[0.0, X + 20, Y + 17], [1.0, X + 24, Y + 17], [2.0, X + 28, Y + 17]])))
    assert 20.0 < run.layout.ego_pose.x < 22.0 and abs(run.layout.ego_pose.y - 17.0) < 0.1
    brake = Control(0.0, -3.0)
    assert control_in_map_frame(brake, (X, Y)) is brake and control_in_map_frame(None, (X, Y)) is None


def test_options_say_where_a_map_without_a_reference_lies(run):
    assert run.earth == Origin(48.1, 11.5, 500.0) and run.earth_problem == ""
    fix = deserialize_message(nav.gnss_fix(run.layout, 0, "gnss_link", run.earth, GnssSpec()), NavSatFix)
    assert (fix.latitude, fix.longitude, fix.altitude) == pytest.approx((48.1, 11.5, 500.0), abs=2e-3)


def test_a_reference_counts_and_says_so_where_options_are_given_too(run):
    pytest.importorskip("pyproj")
    referenced = SimpleMap(run.source.map, GeoReference(UTM, MapOffset(z=45.0)))
    earth, said = earth_place(referenced, Origin(alt_m=500.0))
    assert said == "" and isinstance(earth, ReferencedMap)
    assert earth.locate(56.25, 48.75, 2.0) == pytest.approx((48.130577083, 11.567056567, 547.0), abs=1e-7)
    assert "do not count" in earth_place(referenced, Origin(1.0, 2.0))[1]
    # The IMU measures from true east, which lies 1.9 degrees from the grid's here.
    turned = replace(run.layout, ego_pose=replace(run.layout.ego_pose, yaw=0.3))
    motion = motion_of(Pose(), [turned])
    q = deserialize_message(nav.imu(turned, motion, 0, "imu_link", earth, ImuSpec()), Imu).orientation
    assert 2 * np.arctan2(q.z, q.w) - 0.3 == pytest.approx(earth.x_axis_yaw(20.0, 17.0), abs=1e-6)
    assert abs(earth.x_axis_yaw(20.0, 17.0)) > 0.03


def test_a_reference_that_cannot_be_used_leaves_the_options(run, monkeypatch):
    pytest.importorskip("pyproj")
    options = Origin(48.1, 11.5)
    assert earth_place(SimpleMap(run.source.map, GeoReference("+proj=nonsense")), options)[0] is options
    monkeypatch.setitem(__import__("sys").modules, "pyproj", None)
    earth, said = earth_place(SimpleMap(run.source.map, GeoReference("EPSG:32633")), options)
    assert earth is options and "pyproj" in said


class SimpleMap:
    """A map with a reference."""

    def __init__(self, other, reference):
        self.bounds, self.frame_origin, self.geo_reference = other.bounds, other.frame_origin, reference
