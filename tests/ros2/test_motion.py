"""IMU, twist and satellite fixes: on slopes and in turns, with the errors of a rig, and their covariances."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Imu, NavSatFix

from uniscene_ros2.messages import ego_state as ego
from uniscene_ros2.messages import navigation as nav
from uniscene_ros2.messages.geodesy import Origin
from uniscene_ros2.motion import Motion, motion_of
from uniscene_ros2.run import RosRun
from uniscene_ros2.topics import PublishContext
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import GnssSpec, ImuSpec
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.scenario_source import ScenarioSource

G = np.array([0.0, 0.0, 9.80665])
HERE = Origin(48.0, 11.0, 500.0)
MOUNT = Pose(1.2, 0.3, 0.8, 0.1, -0.2, 0.5)
CAR = ScenarioSource.open("cut_in").reset()


def xyz(vector):
    return np.array([vector.x, vector.y, vector.z])


def told(contexts, spec):
    """The IMU's message of each moment, and how its sensor is turned."""
    said = [nav.imu(c.layout, c.motion_at(spec.pose), c.stamp_us, "imu", HERE, spec) for c in contexts]
    messages = [deserialize_message(text, Imu) for text in said]
    q = np.array([(m.orientation.x, m.orientation.y, m.orientation.z, m.orientation.w) for m in messages])
    return messages, Rotation.from_quat(q).as_matrix()


def contexts_of(poses, **changes):
    """Moments of an ego that is at each pose 10 ms after the one before."""
    layouts = [replace(CAR, stamp_us=10_000 * k, ego_pose=pose, **changes) for k, pose in enumerate(poses)]
    return [PublishContext(m.stamp_us, m, earlier=layouts[max(k - 3, 0) : k]) for k, m in enumerate(layouts)]


@pytest.fixture(scope="module")
def downhill():
    """Three seconds along a curved road that falls, as the node steps through them."""
    run, out = RosRun("cyclist_overtake", load_rig("rl")), []
    for _ in range(30):
        run.advance(None)
        out += [PublishContext(run.ros_stamp_us(m), m, earlier=earlier) for m, earlier in run.steps()]
    pitches = [c.layout.ego_pose.pitch for c in out]
    assert len(out) == 300 and min(pitches) < -0.04 and max(pitches) - min(pitches) > 0.01
    return out


def test_what_integrates_the_imu_arrives_where_the_ego_is(downhill):
    """On a slope and in a curve, from an IMU that stands askew and off the axle: gravity, centripetal force and the
    lever arm all have to be right for that."""
    messages, turned = told(downhill, ImuSpec(MOUNT))
    place = [c.layout.ego_pose.apply(MOUNT.position) for c in downhill]
    rotation, at = turned[3], place[3]
    velocity = (3 * place[3] - 4 * place[2] + place[1]) / 0.02
    for message in messages[4:]:
        rotation = rotation @ Rotation.from_rotvec(0.01 * xyz(message.angular_velocity)).as_matrix()
        acceleration = rotation @ xyz(message.linear_acceleration) - G
        at, velocity = at + 0.01 * velocity + 0.5e-4 * acceleration, velocity + 0.01 * acceleration
    assert np.allclose(rotation, turned[-1], atol=1e-9)
    assert np.allclose(at, place[-1], atol=1e-3) and np.linalg.norm(at - place[3]) > 25.0


def test_rates_and_twist_are_finite_differences_of_the_poses(downhill):
    poses = [c.layout.ego_pose for c in downhill]
    for k in range(10, 290, 7):
        before, now, after = poses[k - 1], poses[k], poses[k + 1]
        message = deserialize_message(ego.odometry(downhill[k].own, downhill[k].motion, 0, "odom", "base"), Odometry)
        velocity = now.rotation.T @ (after.position - before.position) / 0.02
        assert np.allclose(xyz(message.twist.twist.linear), velocity, atol=5e-3)
        turn = Rotation.from_matrix(before.rotation.T @ now.rotation).as_rotvec() / 0.01
        assert np.allclose(xyz(message.twist.twist.angular), turn, atol=1e-8) and abs(turn[1]) > 1e-3
    assert abs(message.twist.twist.angular.z - downhill[k].layout.ego_yaw_rate) < 1e-3


@pytest.mark.parametrize("place", [Pose(), MOUNT])
def test_in_a_banked_circle_all_axes_are_as_physics_has_them(place):
    """A circle of 20 m at 10 m/s, rolled by 0.2 and pitched by 0.1 rad: steady rates and accelerations."""
    radius, rate = 20.0, 0.5
    angles = rate * 0.01 * np.arange(8)
    poses = [Pose(radius * np.sin(a), -radius * np.cos(a), 0.0, 0.2, 0.1, a) for a in angles]
    messages, _ = told(contexts_of(poses, ego_yaw_rate=rate), ImuSpec(place))
    axes = poses[-1].compose(place).rotation
    centre = poses[-1].apply(place.position) * (1.0, 1.0, 0.0)
    message = messages[-1]
    assert np.allclose(xyz(message.angular_velocity), axes.T @ (0.0, 0.0, rate), atol=1e-6)
    assert np.allclose(xyz(message.linear_acceleration), axes.T @ (-(rate**2) * centre + G), atol=0.03)


def test_from_the_first_moment_on_the_ego_is_in_motion():
    velocity, acceleration = np.array([8.0, 0.0, 0.0]), 2.0
    poses = [Pose(8.0 * t + 0.5 * acceleration * t * t) for t in 0.01 * np.arange(5)]
    for now in contexts_of(poses, ego_velocity=velocity, ego_accel=acceleration):
        assert np.allclose(now.motion.acceleration, (2.0, 0.0, 0.0), atol=1e-6)
        assert now.motion.velocity[0] == pytest.approx(8.0 + 2e-6 * now.stamp_us, abs=1e-6)
    still = motion_of(Pose(), [replace(CAR, ego_velocity=np.zeros(3), ego_pose=Pose(5.0, 2.0, 0.0, 0.1, 0.2, 0.3))])
    assert not still.velocity.any() and not still.rates.any() and not still.acceleration.any()


STILL = Motion(np.zeros(3), np.zeros(3), np.zeros(3), np.array([0.0, 0.0, 1.0]))


def readings(spec, count, seed=1):
    """Rates and accelerations (N, 6) of an IMU that stands still, as read over some time, and the last message."""
    layouts = [replace(CAR, seed=seed, stamp_us=10_000 * k) for k in range(count)]
    messages = [deserialize_message(nav.imu(m, STILL, 0, "imu", HERE, spec), Imu) for m in layouts]
    rows = [(*xyz(m.angular_velocity), *(xyz(m.linear_acceleration) - G)) for m in messages]
    return np.array(rows), messages[-1]


def test_white_noise_has_the_density_of_the_rig_and_the_covariance_that_is_told():
    spec = ImuSpec(gyro_noise=2e-4, accel_noise=3e-3, gyro_bias=(0.01, -0.02, 0.03), accel_bias=(0.1, 0.2, -0.3))
    rows, message = readings(spec, 2000)
    deviation = np.array([2e-3] * 3 + [3e-2] * 3)  # over 10 ms: density times the root of 100 Hz
    assert np.allclose(rows.std(axis=0), deviation, rtol=0.06)
    assert np.allclose(rows.mean(axis=0), (*spec.gyro_bias, *spec.accel_bias), atol=0.1 * deviation)
    assert np.abs(np.corrcoef(rows.T) - np.eye(6)).max() < 0.08
    assert np.allclose(message.angular_velocity_covariance, 4e-6 * np.eye(3).ravel())
    assert np.allclose(message.linear_acceleration_covariance, 9e-4 * np.eye(3).ravel())
    assert not any(message.orientation_covariance)


def test_errors_are_the_same_for_a_seed_whenever_one_listens():
    spec = ImuSpec(gyro_noise=1e-3, accel_noise=1e-2, gyro_walk=1e-3, accel_walk=1e-2, orientation_noise_rad=0.01)
    rows, message = readings(spec, 50)
    again, _ = readings(spec, 50)
    late = deserialize_message(nav.imu(replace(CAR, seed=1, stamp_us=490_000), STILL, 0, "imu", HERE, spec), Imu)
    assert np.array_equal(rows, again) and late == message
    assert not np.isclose(rows, readings(spec, 50, seed=2)[0]).any()
    assert np.allclose(message.orientation_covariance, 1e-4 * np.eye(3).ravel())


def test_a_bias_walks_as_far_as_its_density_says():
    """Root mean square of 120 walks after 1 s, and of their steps."""
    spec = ImuSpec(gyro_walk=0.5, accel_walk=0.5)
    walks = np.concatenate([readings(spec, 100, seed)[0] for seed in range(20)], axis=1)
    assert not walks[0].any()
    assert np.sqrt((walks[-1] ** 2).mean()) == pytest.approx(0.5 * np.sqrt(0.99), rel=0.2)
    steps = np.diff(walks, axis=0)
    assert steps.std() == pytest.approx(0.5 * np.sqrt(0.01), rel=0.02)
    assert abs((steps[1:] * steps[:-1]).mean()) < 0.01 * steps.var()
    _, message = readings(ImuSpec(gyro_walk=0.5), 2)
    assert not any(message.angular_velocity_covariance)  # a bias is not white noise


def test_exact_readings_claim_no_covariance():
    fix = deserialize_message(nav.gnss_fix(CAR, 0, "gnss", HERE, GnssSpec()), NavSatFix)
    assert fix.position_covariance_type == NavSatFix.COVARIANCE_TYPE_UNKNOWN and not any(fix.position_covariance)
    message = deserialize_message(nav.imu(CAR, STILL, 0, "imu", HERE, ImuSpec()), Imu)
    assert not any((*message.orientation_covariance, *message.angular_velocity_covariance))
    assert not any(message.linear_acceleration_covariance)


class Turned(Origin):
    """A map whose x axis points north."""

    def x_axis_yaw(self, x, y):
        return np.pi / 2


def test_fixes_are_of_the_antenna_and_as_far_off_as_their_covariance():
    spec = GnssSpec(Pose(0.5, 0.2, 1.6), horizontal_noise_m=1.5, vertical_noise_m=3.0, bias_m=(4.0, -2.0, 1.0))
    layouts = [replace(CAR, stamp_us=100_000 * k) for k in range(1500)]
    fixes = [deserialize_message(nav.gnss_fix(m, 0, "gnss", HERE, spec), NavSatFix) for m in layouts]
    exact = HERE.locate(*CAR.ego_pose.apply(spec.pose.position))
    off = np.array([(f.longitude - exact[1], f.latitude - exact[0], f.altitude - exact[2]) for f in fixes])
    off *= 111_320.0 * np.cos(np.radians(48.0)), 111_200.0, 1.0
    assert np.allclose(off.mean(axis=0), spec.bias_m, atol=0.3)
    assert np.allclose(off.std(axis=0), (1.5, 1.5, 3.0), rtol=0.06)
    assert fixes[0].position_covariance_type == NavSatFix.COVARIANCE_TYPE_KNOWN
    assert np.array_equal(fixes[0].position_covariance, np.diag((2.25, 2.25, 9.0)).ravel())
    # Along the axes of a map whose x axis points north, east is -y.
    bias = replace(spec, horizontal_noise_m=0.0, vertical_noise_m=0.0)
    error = nav.map_error(CAR, Turned(), bias)
    assert np.allclose(error, (-2.0, -4.0, 1.0))
    pose = deserialize_message(nav.pose_with_covariance(CAR, error, 0, "map", spec), PoseWithCovarianceStamped).pose
    assert np.allclose(xyz(pose.pose.position), CAR.ego_pose.position + error)
    assert np.allclose(np.diag(np.reshape(pose.covariance, (6, 6))), (2.25, 2.25, 9.0, 0.0, 0.0, 0.0))


def test_a_rig_file_places_both_sensors_and_has_their_errors(tmp_path):
    file = tmp_path / "rig.yaml"
    file.write_text("""
imu: {position: [1, 0, 0.5], yaw_deg: 90, gyro_noise: 1.0e-3, accel_bias: [0, 0.1, 0], orientation_noise_deg: 1}
gnss: {position: [0, 0, 1.6], horizontal_noise_m: 2, bias_m: [1, 0, 0]}
""")
    rig = load_rig(str(file))
    assert rig.imu == ImuSpec(
        Pose(1.0, 0.0, 0.5, yaw=np.pi / 2), gyro_noise=1e-3, accel_bias=(0.0, 0.1, 0.0),
        orientation_noise_rad=np.radians(1.0),
    )  # fmt: skip
    assert rig.gnss == GnssSpec(Pose(0.0, 0.0, 1.6), horizontal_noise_m=2.0, bias_m=(1.0, 0.0, 0.0))
    assert rig.sensors == () and load_rig("rl").imu == ImuSpec()
    for text, words in (
        ("imu: {gyro_noise: -1}", "imu.gyro_noise"),
        ("imu: {gyro_bias: [0, 0]}", "imu.gyro_bias"),
        ("imu: {gyro_bias: 0.1}", "imu.gyro_bias"),
        ("imu: {accel_noise: .nan}", "imu.accel_noise"),
        ("gnss: {noise: 1}", "gnss.noise"),
        ("gnss: {bias_m: [1.0e9, 0, 0]}", "gnss.bias_m"),
        ("gnss: 3", "gnss"),
        ("imu: {period_ms: 10}", "imu.period_ms"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=words):
            load_rig(str(file))
    for spec, values, words in (
        (ImuSpec, {"gyro_noise": np.nan}, r"imu\.gyro_noise: expected a number from 0 to 1000"),
        (ImuSpec, {"orientation_noise_rad": True}, r"imu\.orientation_noise_rad: expected a number"),
        (ImuSpec, {"pose": Pose(1e3)}, r"imu\.position\[0\]: expected a number from -200 to 200 m"),
        (GnssSpec, {"bias_m": (0.0, np.inf, 0.0)}, r"gnss\.bias_m\[1\]: expected a number"),
        (GnssSpec, {"bias_m": (0.0, 1.0)}, r"gnss\.bias_m: expected three numbers"),
    ):
        with pytest.raises(InputError, match=words):
            spec(**values)
