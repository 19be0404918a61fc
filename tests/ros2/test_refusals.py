"""What goes wrong is refused, counted and said aloud, and the node goes on."""

import os
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from nav_msgs.msg import Odometry, Path
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_profile_sensor_data as SENSOR
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import String

from tests.ros2.test_time import seconds, values
from uniscene_ros2.cli import main
from uniscene_ros2.qos import LATCHED


@pytest.fixture
def say(run_node, client):
    """Says something to a node and awaits what comes of it: the number of ticks so far."""
    odom = client.listen(Odometry, "/odom", 100)
    client.listen(DiagnosticArray, "/diagnostics", 10)
    node = run_node(answer_from="first_message")  # what is said at the odometry is in time, late as the rest may be
    counts = node.inbox.counts
    publishers = {
        kind: client.node.create_publisher(kind, topic, 1)
        for kind, topic in ((Twist, "/cmd_vel"), (TwistStamped, "/cmd_vel_stamped"), (Path, "/trajectory"))
    }
    client.until(lambda: odom and all(p.get_subscription_count() for p in publishers.values()))
    client.spin(0.8)  # newcomers are sent the frame again

    def say(message):
        before = counts["received"]
        publishers[type(message)].publish(message)
        judged = "used", "refused", "stale", "early"  # what may be "repeated" is one of these in the end
        client.until(lambda: counts["received"] == before + 1 == sum(counts[what] for what in judged), what="a verdict")
        client.until(lambda: seconds(odom[-1]) > 0.95 + 0.1 * counts["used"], what="the tick")
        return round((seconds(odom[-1]) - 1.0) / 0.1)

    return say


def twist(speed=5.0, rate=0.0):
    message = Twist()
    message.linear.x, message.angular.z = speed, rate
    return message


def stamped(at, speed=5.0):
    message = TwistStamped()
    message.header.stamp.sec, message.header.stamp.nanosec = int(at), round(at % 1 * 1e9)
    message.twist.linear.x = speed
    return message


def path(*rows, frame="map"):
    message = Path()
    message.header.frame_id = frame
    for at, x, y in rows:
        pose = PoseStamped()
        pose.header.stamp.sec, pose.header.stamp.nanosec = int(at), round(at % 1 * 1e9)
        pose.pose.position.x, pose.pose.position.y = x, y
        message.poses.append(pose)
    return message


def test_nan_absurd_and_stale_controls_are_refused_and_counted_and_the_node_goes_on(say, client, capfd):
    assert say(twist(float("nan"))) == 0
    assert say(twist(5.0, float("inf"))) == 0
    assert say(twist(1e9)) == 0  # over 1,000 m/s2
    assert say(stamped(0.2)) == 0  # 0.8 s old
    assert say(stamped(time.time())) == 0  # the wall's clock
    assert say(path((1.0, 14, 88), (1.0, 15, 88))) == 0  # time does not rise
    assert say(path((0.2, 14, 88), (0.5, 15, 88))) == 0  # in the past
    assert say(path((1.5, 14, 88), (2.5, 15, 88), frame="base_link")) == 0
    assert say(path((1.5, float("nan"), 88), (2.5, 15, 88))) == 0
    assert say(path()) == 0
    assert say(twist()) == 1
    client.until(lambda: values(client, "controls")[0]["used"] == "1", what="the diagnostics of the tick")
    counts, status = values(client, "controls")
    assert (counts["received"], counts["refused"], counts["stale"], counts["used"]) == ("11", "7", "3", "1")
    assert status.level == b"\x01" and status.message
    log = capfd.readouterr().err
    for words in ("finite", "use_sim_time:=true", "must be in frame map", "times must rise"):
        assert words in log


def test_each_kind_of_control_that_is_installed_drives(say, client):
    assert say(stamped(1.0, 9.0)) == 1
    line = [(1.1 + t, 14.0 + 9.0 * (t + 0.1), 88.25) for t in (0.0, 1.0, 2.0, 3.0)]
    assert say(path(*line)) == 2
    assert say(twist(9.0, 0.2)) == 3
    odom = client.heard["/odom"]
    assert odom[-1].twist.twist.linear.x > 7.05 and odom[-1].twist.twist.angular.z > 0.02


def test_a_qos_that_would_starve_a_stack_is_an_error_in_the_log_and_in_the_diagnostics(start, domain, client):
    client.listen(DiagnosticArray, "/diagnostics", 10)
    reliable = client.listen(PointCloud2, "/lidar/lidar/points", QoSProfile(depth=5))
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    client.node.create_publisher(Twist, "/cmd_vel", best_effort)
    node = start("node", domain, scenario="cut_in", driver="builtin")
    client.until(lambda: "/lidar/lidar/points: another node asks for a RELIABILITY" in node.log, 60)
    client.until(lambda: "/cmd_vel: another node asks for a RELIABILITY" in node.log, 60)
    client.trigger("reset")
    client.until(lambda: "RELIABILITY" in values(client, "topics")[1].message)
    assert not reliable


def test_wrong_names_and_missing_packages_are_said_once(run_node, client, capfd, monkeypatch):
    monkeypatch.setattr("uniscene_ros2.node._TOPIC_CHECK_S", 0.1)
    client.listen(Image, "/camera/front/image_rw", SENSOR)
    log, line = [], "/camera/front/image_rw has subscribers but nobody publishes it; is /camera/front/image_raw meant?"
    run_node()
    client.until(lambda: log.append(capfd.readouterr().err) or line in "".join(log), what="the line")
    client.spin(1.0)
    log = "".join([*log, capfd.readouterr().err])
    assert log.count("image_rw has subscribers") == 1
    for package in ("ackermann_msgs", "autoware_control_msgs", "vision_msgs"):
        try:
            __import__(package)
        except ImportError:
            assert log.count(f"{package} is not installed: no /") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scenario": "no_such"}, "no_such"),
        ({"rig": "no_such"}, "no_such"),
        ({"camera": "no_such"}, "no camera engine"),
        ({"lidar": "raycast:x=1"}, "lidar: raycast has no option 'x'"),
        ({"source": "nowhere://x:1"}, "source: no source opens nowhere://"),
        ({"realtime_factor": "-1"}, "realtime_factor"),
        ({"role": "a b"}, "role: expected a letter"),
    ],
)
def test_bad_input_at_the_start_is_one_line_and_exit_code_2(monkeypatch, capsys, domain, options, words):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setattr("uniscene_ros2.cli.set_network", lambda network: [])  # it is for a whole process
    given = {"scenario": "cut_in", "rig": "rl", **options}
    assert main([word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("uniscene-ros2: ") and words in line


def test_variables_of_ros_that_cannot_be_used_are_one_line_too(start, domain, monkeypatch):
    monkeypatch.setenv("ROS_STATIC_PEERS", "no such host")
    for number, words in ((domain, "ROS: no node can be made: "), (300, "ROS_DOMAIN_ID: expected 0 to 232, got 300")):
        node = start("node", number, scenario="cut_in")
        assert node.wait() == 2
        assert node.log.splitlines()[-1].startswith(f"uniscene-ros2: {words}") and "Traceback" not in node.log


def test_parameters_are_described_and_refused_with_a_reason(start, domain, client):
    from rcl_interfaces.srv import DescribeParameters

    odom = client.listen(Odometry, "/odom", 10)
    start("node", domain, scenario="cut_in")
    client.until(lambda: odom, 60)
    for wish, words in (
        ({"mode": "warp"}, "expected one of lockstep, realtime"),
        ({"driver": "me"}, "expected one of stack, builtin"),
        ({"scenario": "no_such"}, "no_such"),
        ({"source": "no_such"}, "source: no source 'no_such'"),
    ):
        result = client.set(**wish)
        assert not result.successful and words in result.reason
    for wish in ({"realtime_factor": -1.0}, {"rig": "kitti"}, {"lockstep_timeout_s": "soon"}, {"seed": -2}):
        assert not client.set(**wish).successful
    assert client.set(mode="realtime", realtime_factor=2.0).successful
    request = DescribeParameters.Request(names=["mode", "realtime_factor", "seed", "rig"])
    mode, factor, seed, rig = client.call(DescribeParameters, "/uniscene/describe_parameters", request).descriptors
    assert mode.additional_constraints == "one of lockstep, realtime" and mode.description
    assert factor.floating_point_range[0].from_value == 0.01 and not factor.read_only
    assert seed.integer_range[0].from_value == -1
    assert rig.read_only


def test_no_parameter_ends_the_node(start, domain, client, tmp_path):
    """What cannot be read is refused in one line, without the content of files, and the run goes on."""
    odom = client.listen(Odometry, "/odom", 100)
    node = start("node", domain, scenario="cut_in", driver="builtin", mode="realtime")
    client.until(lambda: odom, 120)
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "passwd.yaml").symlink_to("/etc/passwd")
    (tmp_path / "map.yaml").write_text('map: "a\\0b"\nduration_s: 1\nego: {spawn: {x: 0, y: 0}}\n')
    (tmp_path / "lines.yaml").write_text('map: "a\\n\\e[31mb"\nduration_s: 1\nego: {spawn: {x: 0, y: 0}}\n')
    (tmp_path / "bomb.yaml").write_text("a: &a [*a]\n")
    names = ("pipe", "zero", "passwd", "map", "lines", "bomb", "none")
    for scenario in (*(str(tmp_path / f"{name}.yaml") for name in names), "/etc/passwd", "/dev/zero", str(tmp_path), "",
                     "x" * 5000, "a\x1b[31m\nb"):  # fmt: skip
        answer = client.set(scenario=scenario)
        assert not answer.successful and answer.reason, scenario
        assert len(answer.reason) <= 300 and answer.reason.isprintable() and "root:" not in answer.reason
    assert not client.set(source="x" * 5000).successful and not client.set(seed=-2).successful
    strange = client.node.create_publisher(String, "/uniscene/_node", LATCHED)
    client.until(strange.get_subscription_count)
    for text in ("", "3", '{"name": 3, "place": [1, []]}', '{"name": "", "place": [1e999, 1, 1]}', "[" * 3000):
        strange.publish(String(data=text))
    service = client.node.create_client(SetParameters, "/uniscene/set_parameters")
    client.until(service.service_is_ready)
    unknown = ParameterMessage(name="scenario", value=ParameterValue(type=200))
    service.call_async(SetParameters.Request(parameters=[unknown]))
    client.until(lambda: "what another node sent cannot be used, ValueError" in node.log)
    seen = len(odom)
    client.until(lambda: len(odom) > seen + 2)
    assert client.set(scenario="red_light").successful
    assert "Traceback" not in node.log
