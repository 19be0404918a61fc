"""The parts of the bridge by themselves, held to plain references."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Quaternion, Twist, TwistStamped
from nav_msgs.msg import Odometry, Path
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image, Imu, PointCloud2
from std_msgs.msg import MultiArrayDimension, UInt8MultiArray
from visualization_msgs.msg import MarkerArray

from tests.ros2.test_messages import cloud
from tests.third_party.ring_source import RingSource
from uniscene_ros2 import controls
from uniscene_ros2.messages import clouds, images
from uniscene_ros2.messages import ego_state as ego
from uniscene_ros2.messages import navigation as nav
from uniscene_ros2.messages import prefilled as wire
from uniscene_ros2.messages import surroundings as scene
from uniscene_ros2.messages.geodesy import Origin
from uniscene_ros2.messages.stamps import as_header, as_time, to_us, write_pose, write_rotation, write_xyz
from uniscene_ros2.motion import Motion
from uniscene_ros2.packages import Packages
from uniscene_ros2.profiles import PROFILES, fill_name
from uniscene_ros2.run import RosRun
from uniscene_ros2.wall_clock import WallClockPacer
from uniscene_sim import plugins
from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame, FrameRequest, LidarSweep, OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.rig import ImuSpec, LidarSpec
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.rigs.ros_conventions import optical_pose
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.world.scenario_source import ScenarioSource


@pytest.fixture(scope="module")
def layout():
    return ScenarioSource.open("cut_in").reset()


def sweep_of(xyz, ring=None, time_s=None, number=None, stamp_us=200_000):
    n = len(xyz)
    return LidarSweep(
        xyz=np.asarray(xyz, np.float32),
        intensity=np.full(n, 0.5, np.float32),
        ring=np.zeros(n, np.uint16) if ring is None else np.asarray(ring, np.uint16),
        time_s=np.zeros(n, np.float32) if time_s is None else np.asarray(time_s, np.float32),
        label=np.zeros(n, np.uint8),
        instance=np.zeros(n, np.uint16),
        stamp_us=stamp_us,
        return_number=None if number is None else np.asarray(number, np.uint8),
    )


def spec(**changes):
    return replace(LidarSpec("top", Pose(0.9, 0.1, 1.8, 0.01, 0.02, 0.3), (0.0,), 360), **changes)


def points_of(said):
    return cloud(deserialize_message(said, PointCloud2))


def test_a_deskewed_sweep_whose_stamp_is_its_begin_is_told_in_the_frame_of_its_begin(layout):
    poses = [Pose(0.1 * k, 0.02 * k * k / 10, 0.0, yaw=0.01 * k) for k in range(21)]
    moments = [replace(layout, stamp_us=10_000 * k, ego_pose=pose) for k, pose in enumerate(poses)]
    points = np.random.default_rng(1).uniform(-30, 30, (500, 3)).astype(np.float32)
    told = points_of(clouds.sweep_points(sweep_of(points), spec(), "XYZIRCAEDT", moments, 0, ""))
    got = np.stack([told[n] for n in "xyz"], axis=1)
    world = poses[20].compose(spec().pose).apply(points)  # where they are
    again = poses[10].compose(spec().pose).apply(got)  # where a stack puts them by the stamp of the begin
    assert np.allclose(world, again, atol=1e-4) and np.abs(got - points).max() > 0.5
    raw = points_of(clouds.sweep_points(sweep_of(points), spec(deskewed=False), "XYZIRCAEDT", moments, 0, ""))
    assert np.array_equal(np.stack([raw[n] for n in "xyz"], axis=1), points)


def test_kinds_of_returns_are_autowares(layout):
    # Ring 0 has one return, ring 1 a strong near and a weak far one, ring 2 a strong far and a weak near one.
    xyz = [(5, 0, 0), (6, 0, 0), (9, 0, 0), (8, 0, 0), (4, 0, 0)]
    order = [3, 0, 4, 2, 1]
    ring, number = np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 0, 1])
    sweep = sweep_of(np.array(xyz)[order], ring[order], np.zeros(5), number[order])
    told = points_of(clouds.sweep_points(sweep, spec(returns="dual"), "XYZIRC", [layout], 0, ""))
    assert told["return_type"].tolist() == np.array([7, 3, 6, 4, 5])[order].tolist()
    last = points_of(clouds.sweep_points(sweep_of(xyz), spec(returns="last"), "XYZIRC", [layout], 0, ""))
    assert set(last["return_type"]) == {2}


def test_occupied_points_are_the_centres_of_voxels_in_the_map_frame():
    rng = np.random.default_rng(0)
    grid = GridSpec(0.4, (5, 6, 4), (-1.0, -2.0, -1.0))
    labels = rng.choice([OccClass.FREE, OccClass.CAR, OccClass.MANMADE], grid.shape).astype(np.uint8)
    instances = rng.integers(0, 60_000, grid.shape).astype(np.uint16)
    pose = Pose(100.0, 50.0, 3.0, yaw=0.7)
    told = points_of(clouds.occupied_points(OccupancyGrid(labels, instances, grid, pose), 0, ""))
    plain = [
        (*pose.apply([grid.centres(a)[i] for a, i in enumerate(at)]), labels[at], instances[at])
        for at in np.ndindex(grid.shape)
        if labels[at] != OccClass.FREE
    ]
    assert np.allclose(np.array([[p[n] for n in ("x", "y", "z", "label", "instance")] for p in told]), plain, atol=1e-4)


def test_what_is_written_into_bytes_is_what_ros_makes_of_the_whole_message(layout):
    """Twice each: nothing of the first time is left."""
    for stamp_us, x in ((1_234_567, 3.25), (98_765_432_100, -1e6)):
        layout = replace(layout, ego_pose=Pose(x, 2.0, 0.5, 0.01, -0.02, x), ego_yaw_rate=0.1 * x, ego_accel=x / 7)
        motion = Motion(*np.random.default_rng(stamp_us).normal(size=(4, 3)))

        def same(said, message):
            again = deserialize_message(said, type(message))
            assert again == message and len(said) == len(serialize_message(message))

        for frame_id in ("", "map", "a/long_frame"):
            header = as_header(stamp_us, frame_id)
            odometry = Odometry(header=header, child_frame_id="base_link")
            write_pose(odometry.pose.pose, layout.ego_pose)
            write_xyz(odometry.twist.twist.linear, *motion.velocity)
            write_xyz(odometry.twist.twist.angular, *motion.rates)
            same(ego.odometry(layout, motion, stamp_us, frame_id, "base_link"), odometry)
            imu = Imu(header=header)
            write_rotation(imu.orientation, layout.ego_pose)
            write_xyz(imu.angular_velocity, *motion.rates)
            write_xyz(imu.linear_acceleration, *(motion.acceleration + 9.80665 * motion.up))
            same(nav.imu(layout, motion, stamp_us, frame_id, Origin(), ImuSpec()), imu)
            for count in (0, 1, 2, 80):
                way = replace(layout, route=np.arange(3.0 * count).reshape(count, 3) ** 2)
                said = deserialize_message(scene.route(way, stamp_us, frame_id), Path)
                assert [at.pose.position.y for at in said.poses] == way.route[:, 1].tolist()
                path = Path(header=header)
                for at in said.poses:
                    path.poses.append(PoseStamped(header=header))
                    path.poses[-1].pose = at.pose
                same(scene.route(way, stamp_us, frame_id), path)
        values = np.random.default_rng(stamp_us).integers(0, 256, (4, 6, 3), np.uint8)
        frame = CameraFrame(values[:, ::-1], np.zeros((4, 6), np.float32), values[..., 0], values[..., 0], stamp_us)
        image = Image(header=as_header(stamp_us, "eye"), height=4, width=6, step=18, encoding="rgb8")
        image.data = values[:, ::-1].tobytes()
        same(images.rgb_image(frame, stamp_us, "eye"), image)
        array = UInt8MultiArray(data=values.tobytes())
        sizes = zip("xyz", (4, 6, 3), (72, 18, 3), strict=True)
        array.layout.dim = [MultiArrayDimension(label=name, size=n, stride=stride) for name, n, stride in sizes]
        same(wire.labelled_array(values, ("x", "y", "z")), array)


def test_objects_look_as_they_are_though_their_markers_are_kept(layout):
    near = scene.objects_near(layout)
    others = near.copy()
    others["cls"] = AgentClass.BUS
    for agents in (near, near[::-1], others[:2]):
        said = scene.markers(replace(layout, agents=agents), as_header(1, "map"))
        boxes = deserialize_message(said, MarkerArray).markers[1:]
        assert [b.id for b in boxes] == agents["id"].tolist() and len(boxes) > 1
        assert [b.pose.position.x for b in boxes] == agents["pos"][:, 0].tolist()
        assert [b.ns for b in boxes] == [AgentClass(c).name.lower() for c in agents["cls"]]


def test_quaternions_turn_as_poses_do():
    for roll, pitch, yaw in np.random.default_rng(2).uniform(-1.5, 1.5, (50, 3)):
        q = Quaternion()
        write_rotation(q, Pose(roll=roll, pitch=pitch, yaw=yaw))
        assert np.allclose(
            Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), Pose(0, 0, 0, roll, pitch, yaw).rotation
        )
    forward = optical_pose(Pose(1.0, 2.0, 3.0)).rotation
    assert np.allclose(forward[:, 2], (1, 0, 0)) and np.allclose(forward[:, 0], (0, -1, 0))  # z ahead, x to the right


def test_geodesy_agrees_with_the_ellipsoid():
    def ecef(lat, lon, alt):
        a, f = 6378137.0, 1 / 298.257223563
        e2, lat, lon = f * (2 - f), np.radians(lat), np.radians(lon)
        n = a / np.sqrt(1 - e2 * np.sin(lat) ** 2)
        across = (n + alt) * np.cos(lat)
        return np.array([across * np.cos(lon), across * np.sin(lon), (n * (1 - e2) + alt) * np.sin(lat)])

    for lat, lon, alt in ((48.1, 11.5, 520.0), (-33.9, 151.2, 10.0), (0.0, 0.0, 0.0)):
        origin = Origin(lat, lon, alt)
        assert origin.locate(0, 0, 0) == pytest.approx((lat, lon, alt), abs=1e-9)
        la, lo = np.radians(lat), np.radians(lon)
        axes = np.array(
            [
                [-np.sin(lo), np.cos(lo), 0],
                [-np.sin(la) * np.cos(lo), -np.sin(la) * np.sin(lo), np.cos(la)],
                [np.cos(la) * np.cos(lo), np.cos(la) * np.sin(lo), np.sin(la)],
            ]
        )
        for enu in ((3000.0, -2000.0, 40.0), (-1.0, 2.0, -3.0)):
            there = ecef(*origin.locate(*enu))
            assert np.allclose(axes @ (there - ecef(lat, lon, alt)), enu, atol=1e-6)


def twist(speed, rate=0.0):
    message = Twist()
    message.linear.x, message.angular.z = speed, rate
    return message


def test_a_twist_asks_for_a_speed_and_a_yaw_rate(layout):
    still = controls.twist(twist(7.0, 0.25))(layout, 0)
    assert still.accel_mps2 == pytest.approx(0.0, abs=1e-6)  # 7 m/s is what it drives
    assert 7.0 * np.tan(still.steer_rad) / layout.ego_vehicle.wheelbase_m == pytest.approx(0.25)
    assert controls.twist(twist(8.0))(layout, 0).accel_mps2 == pytest.approx(2.0)
    with pytest.raises(InputError, match="finite"):
        controls.twist(twist(float("nan")))


def test_the_desk_tells_early_stale_and_refused_controls_apart(layout):
    kinds = {kind.what: kind for kind in controls.COMMAND_KINDS}
    inbox = controls.ControlInbox(stale_us=500_000)
    assert inbox.take() is None
    assert inbox.receive(kinds["twist_cmd"], twist(5.0), 102, layout, 0) is None
    assert isinstance(inbox.take().command(layout, 0), Control)
    assert inbox.take() is None  # used up
    late = TwistStamped()
    late.header.stamp = as_time(1_000_000)
    assert inbox.receive(kinds["twist_stamped_cmd"], late, 0, layout, 1_400_000) is None
    assert "too old" in inbox.receive(kinds["twist_stamped_cmd"], late, 0, layout, 1_600_000)
    assert "number" in inbox.receive(kinds["twist_cmd"], twist(float("inf")), 0, layout, 0)
    assert (inbox.counts["received"], inbox.counts["refused"], inbox.counts["stale"]) == (4, 1, 1)
    assert inbox.latest(1_900_000) is inbox.latest(1_900_000) is not None  # by simulated time
    assert inbox.latest(1_900_001) is None and inbox.counts["stale"] == 2
    inbox.clear()
    assert not inbox.counts and not inbox.reasons and inbox.latest(0) is None


def test_real_time_makes_up_within_a_tick_and_counts_what_it_cannot():
    pace = WallClockPacer()
    pace.start(100.0)
    pace.step_done(100.05, 0.01, at_tick=False)
    assert pace.due == pytest.approx(100.01) and pace.overruns == 0  # late, made up for
    pace.step_done(100.025, 0.01, at_tick=True)
    assert pace.overruns == 0
    pace.step_done(100.2, 0.01, at_tick=True)
    assert pace.overruns == 1 and pace.due == 100.2


def test_profiles_name_each_topic_once_and_with_characters_that_ros_takes():
    from rclpy.validate_full_topic_name import validate_full_topic_name

    for profile in PROFILES.values():
        names = [profile.topic(what, "my car", "CAM FRONT-1") for what in profile.topics]
        names += [fill_name(name, "my car", "LIDAR_TOP") for name in profile.clouds]
        assert len(set(names)) == len(names)
        assert all(validate_full_topic_name(name) for name in names)
    assert fill_name("/sensing/lidar/{place}/x", "", "LIDAR_TOP") == "/sensing/lidar/top/x"


def test_missing_packages_are_remembered_and_broken_ones_are_not_hidden(tmp_path, monkeypatch):
    packages = Packages()
    assert packages.find("std_msgs/String", "words") is not None
    assert packages.find("no_such_msgs/A", "/a") is None and packages.find("no_such_msgs/B", "/b") is None
    assert packages.report == ["no_such_msgs is not installed: no /a, /b"]
    (tmp_path / "broken_msgs").mkdir()
    (tmp_path / "broken_msgs" / "__init__.py").write_text("")
    (tmp_path / "broken_msgs" / "msg.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs"):
        packages.find("broken_msgs/A", "/a")


def test_stamps_hold_microseconds():
    for us in (0, 1, 999_999, 1_000_000, 86_400_123_456):
        assert to_us(as_time(us)) == us


def test_a_simulator_senses_what_is_wanted_and_that_as_ever():
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"), window_grid=None, bev_schema=None)
    everything = simulator.reset()
    assert [layout.stamp_us for layout in simulator.tick_layouts] == [0]
    one = FrameRequest(frozenset({"lidar"}), window_grid=None, bev_schema=None)
    assert simulator.reset(one).digests == {"lidar": everything.digests["lidar"]}
    assert not simulator.step(request=replace(one, sensors=frozenset())).digests
    assert [layout.stamp_us for layout in simulator.tick_layouts] == list(range(10_000, 110_000, 10_000))


def test_a_run_takes_any_source(monkeypatch):
    """By the name of its plug-in or by its address; and goes on to the next."""
    point = SimpleNamespace(name="ring", value="tests:RingSource", dist=None, load=lambda: RingSource)
    own = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: [
        *own(group=group), *([point] if group.endswith("source") else [])])  # fmt: skip
    run = RosRun("30", load_rig("rl"), source="ring")
    assert run.source.title == "ring of 30 m" and run.map_text() == ""
    run.advance(None)
    assert set(run.sense({"lidar"}).sweeps) == {"lidar"} and run.source.outcome.status == "RUNNING"
    run.load("cut_in", "ring://40")
    assert run.source.title == "ring of 40 m" and run.stamp_us > 2_000_000
    run.load("hard_brake", seed=4)
    assert (run.source.title, run.source.seed) == ("hard_brake", 4) and run.map_text()
    for scenario, source, wrong in (
        ("cut_in", "rign", "source: no source 'rign'"),
        ("drive.bag", "", "scenario: no source opens .bag"),
        ("cut_in", "nowhere://x", "source: no source opens nowhere://"),
    ):
        with pytest.raises(InputError, match=wrong):
            run.load(scenario, source)
    assert run.source.title == "hard_brake"
