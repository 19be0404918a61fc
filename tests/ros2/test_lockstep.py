"""Stacks as they are: they answer one sensor, send what is refused, miss frames, are slow, come back, and meet a second
node."""

import json
import time

import pytest
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry, Path
from rclpy.qos import qos_profile_sensor_data as SENSOR
from sensor_msgs.msg import Image, PointCloud2

from tests.ros2.test_exchange import rig_file
from tests.ros2.test_refusals import path, stamped, twist
from tests.ros2.test_time import seconds
from uniscene_ros2.node import UnisceneNode
from uniscene_sim.errors import InputError


class Stack:
    """Answers `most` frames of a sensor, each message with the controls that `answers(number, message)` gives.

    Attributes:
        seen: times of the messages; a frame that is sent again is there again.
    """

    TOPICS = ((Twist, "/cmd_vel"), (TwistStamped, "/cmd_vel_stamped"), (Path, "/trajectory"))

    def __init__(self, client, kind, topic, answers=lambda number, message: [twist(8.0)], most=10**9):
        self.client, self.seen = client, []
        publishers = {kind: client.node.create_publisher(kind, name, 10) for kind, name in self.TOPICS}

        def on(message):
            self.seen.append(round(seconds(message), 3))
            if len(set(self.seen)) <= most:
                for control in answers(len(self.seen), message):
                    publishers[type(control)].publish(control)

        self.sub = client.node.create_subscription(kind, topic, on, SENSOR)

    @property
    def frames(self):
        """Times of the frames, each once."""
        return list(dict.fromkeys(self.seen))

    def until(self, at, seconds=60):
        self.client.until(lambda: self.seen and self.seen[-1] >= at, seconds, f"the frame at {at} s")


def counts(node):
    return {k: v for k, v in node.loop.inbox.counts.items() if v and k != "received"}


@pytest.mark.parametrize(
    ("sensors", "options", "topic", "first", "period"),
    [
        ([("cameras", 50, 0), ("lidars", 100, 0)], {}, "/lidar/l1/points", 1.0, 0.1),
        ([("cameras", 50, 0), ("lidars", 100, 50)], {}, "/lidar/l1/points", 1.05, 0.1),
        ([("cameras", 50, 0), ("lidars", 100, 0)], {"answer_to": "c0"}, "/camera/c0/image_raw", 1.0, 0.05),
        ([("cameras", 200, 0), ("cameras", 50, 0)], {}, "/camera/c0/image_raw", 1.0, 0.2),
    ],
)
def test_a_stack_answers_one_sensor_of_a_rig_of_mixed_rates(
    run_node, client, tmp_path, sensors, options, topic, first, period
):
    odom = client.listen(Odometry, "/odom", 500)
    node = run_node(rig=rig_file(tmp_path, *sensors), resend_s=4.0, **options)
    stack = Stack(client, Image if "image" in topic else PointCloud2, topic, most=8)
    stack.until(first + 8 * period - 1e-3)
    client.until(lambda: seconds(odom[-1]) > first + 8 * period - 1e-3, what="the odometry of that frame")
    client.spin(0.2)
    assert stack.frames == pytest.approx([first + k * period for k in range(9)])
    assert counts(node)["used"] == 8 and node.run.stamp_us == round(1e6 * stack.seen[-1])
    assert odom[-1].twist.twist.linear.x > 7.2  # the speed that was asked for holds between its answers


def test_every_frame_is_answered_on_request(run_node, client, tmp_path):
    node = run_node(rig=rig_file(tmp_path, ("cameras", 50, 0), ("lidars", 100, 0)), answer_to="every_frame")
    stack = Stack(client, PointCloud2, "/lidar/l1/points")
    client.until(lambda: node.run.stamp_us == 1_050_000, what="the frame without a sweep")
    client.spin(0.5)
    assert set(stack.seen) == {1.0} and node.run.stamp_us == 1_050_000
    assert client.set(answer_to="l1").successful
    stack.until(1.5)
    refused = client.set(answer_to="l2")
    assert not refused.successful and "expected one of l1, c0, every_frame, got 'l2'" in refused.reason
    with pytest.raises(InputError, match="answer_to"):
        UnisceneNode({"answer_to": "l2", "rig": "rl"})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda message: [twist(float("nan"))], "twist_cmd: twist: must hold finite numbers"),
        (lambda message: [stamped(0.2)], "twist_stamped_cmd: its stamp is too old"),
        (lambda message: [stamped(seconds(message) + 5.0)], "twist_stamped_cmd: its stamp is in the future"),
        (lambda message: [stamped(time.time())], "twist_stamped_cmd: its stamp is of the wall's or another clock"),
        (lambda message: [path((time.time(), 14, 88), (time.time() + 1, 15, 88))], "path_cmd: its points are of the"),
        (lambda message: [], ""),
    ],
    ids=["nan", "stale", "future", "wall", "wall path", "lost"],
)
def test_one_answer_that_is_refused_or_lost_does_not_end_the_run(run_node, client, bad, why):
    statuses = client.statuses()
    node = run_node(lockstep_timeout_s=30.0)
    good, spoilt = (lambda message: [stamped(seconds(message), 8.0)]), []

    def answers(number, message):
        at = round(seconds(message), 3)
        if at in (1.0, 1.2) and at not in spoilt:  # the first copy of two frames
            spoilt.append(at)
            return bad(message)
        return good(message)

    stack = Stack(client, PointCloud2, "/lidar/lidar/points", answers, 8)
    stack.until(1.799)
    assert stack.frames == pytest.approx([1.0 + 0.1 * k for k in range(9)])
    assert all(stack.seen.count(at) >= 2 for at in spoilt) and len(spoilt) == 2
    assert counts(node)["used"] == 8
    if why:
        client.until(lambda: sum(statuses[-1]["refused"].values()) == 2, what="the count in the status")
        (reason,) = statuses[-1]["refused"]
        assert reason.startswith(why) and {s["status"] for s in statuses} == {"RUNNING"}


def test_a_stack_that_is_slow_once_answers_twice_and_stays_in_step(run_node, client):
    """Each answer tells the frame it is of as a speed; what the node made of them must be of its own frames."""
    node, used = run_node(), []
    judge = node.loop.exchange.judge

    def judged(reply, now, stamp_us):
        verdict = judge(reply, now, stamp_us)
        if verdict == "used":
            used.append((round(1e-6 * stamp_us, 3), reply.command))
        return verdict

    node.loop.exchange.judge = judged

    def answers(number, message):
        time.sleep(0.8 if number == 3 else 0.0)
        return [twist(10.0 * seconds(message))]

    stack = Stack(client, PointCloud2, "/lidar/lidar/points", answers, 8)
    stack.until(1.799)
    layout = node.run.layout
    told = [5.0 + 0.5 * command(layout, 0).accel_mps2 for _, command in used]
    speed = told[0] - 10.0
    assert [round(t - speed, 3) for t in told] == pytest.approx([10.0 * at for at, _ in used], abs=1e-3)
    assert counts(node)["used"] == 8 and len(used) >= 7
    # The second answer is a copy, comes too early for the next frame, or is put aside and answers that one.
    seconds_of_two = counts(node).get("repeated", 0) + counts(node).get("early", 0) + 8 - len(used)
    assert node.loop.exchange.resent >= 1 and seconds_of_two >= 1


def test_the_timeout_says_what_was_seen_and_a_stack_that_comes_back_drives_the_next_run(start, run_node, client):
    statuses = client.statuses()
    node = run_node(lockstep_timeout_s=3.0)

    def answers(number, message):  # good ones are stamped: that to a frame that is sent again drives no other
        at = seconds(message)
        return [stamped(at, 8.0) if at < 1.15 else twist(float("nan"))]

    stack = Stack(client, PointCloud2, "/lidar/lidar/points", answers)
    client.until(lambda: statuses and statuses[-1]["status"] == "TIMEOUT", what="TIMEOUT")
    told = statuses[-1]
    assert told["seen"].startswith("refused since the frame at 1.20 s: twist_cmd: twist: must hold finite numbers (")
    assert told["controls"]["refused"] >= 2 and told["resent"] >= 1 and told["run"] == statuses[0]["run"]
    client.node.destroy_subscription(stack.sub)
    back = start("stack", node.context.get_domain_id(), "--cruise", "8")
    assert client.set(lockstep_timeout_s=30.0).successful
    assert client.trigger("reset").success
    client.until(lambda: statuses[-1]["status"] == "SUCCESS", 120, "SUCCESS")
    assert statuses[-1]["run"] != told["run"] and "seen" not in statuses[-1]
    assert back.wait(20) == 0 and [e["status"] for e in json.loads(back.log.splitlines()[-1])["ended"]] == ["SUCCESS"]


def test_a_silent_stack_is_told_from_one_that_listens_to_something_else(run_node, client):
    statuses = client.statuses()
    client.listen(Image, "/camera/front/image_raw", SENSOR)
    run_node(connect_timeout_s=3.0)
    client.until(lambda: statuses and statuses[-1]["status"] == "TIMEOUT", what="TIMEOUT")
    assert "none came since the frame at 1.00 s" in statuses[-1]["seen"]
    assert "nobody listens to lidar, whose frames are to be answered: answer_to:=front?" in statuses[-1]["seen"]


def test_a_listener_that_comes_and_goes_does_not_put_off_the_frame(run_node, client):
    run_node()
    stack = Stack(client, PointCloud2, "/lidar/lidar/points", most=3)
    until = time.monotonic() + 30.0
    while stack.seen[-1:] != [1.3] and time.monotonic() < until:
        sub = client.node.create_subscription(Odometry, "/odom", lambda message: None, SENSOR)
        client.spin(0.3)
        client.node.destroy_subscription(sub)
        client.spin(0.05)
    assert stack.seen[-1] == 1.3


@pytest.mark.parametrize("factor", [0.2, 4.0])
def test_controls_become_stale_by_simulated_time(run_node, client, factor):
    node = run_node(mode="realtime", realtime_factor=factor, control_stale_s=0.2, scenario="hard_brake")
    ages_us, refuse = [], node.inbox.refuse

    def noted(why, *words):
        ages_us.append(node.run.stamp_us - node.inbox._last.received_us)
        return refuse(why, *words)

    node.inbox.refuse = noted
    command = client.node.create_publisher(Twist, "/cmd_vel", 1)
    client.until(lambda: command.publish(twist(14.0)) or node.loop.started, what="the start")
    client.until(lambda: ages_us, what="the brake")
    assert client.trigger("pause").success
    client.spin(0.2)
    before, received = len(ages_us), node.inbox.counts["received"]
    command.publish(twist(14.0))
    client.until(lambda: node.inbox.counts["received"] > received, what="the control")
    client.spin(0.5)
    assert len(ages_us) == before  # time stands
    assert client.trigger("play").success
    client.until(lambda: len(ages_us) > before, what="the brake")
    assert set(ages_us) == {210_000}  # the first step at which a control is older than 0.2 s
    assert counts(node)["stale"] == len(ages_us)


def test_of_nodes_in_one_namespace_one_runs_and_the_others_end_with_one_line(start, domain):
    pair = [start("node", domain, scenario="cut_in") for _ in range(2)]  # at once
    until = time.monotonic() + 120
    while all(node.child.poll() is None for node in pair) and time.monotonic() < until:
        time.sleep(0.05)
    ended, runs = sorted(pair, key=lambda node: node.child.poll() is None)
    late = start("node", domain, scenario="cut_in")
    for node in (ended, late):
        assert node.wait() == 2
        line = node.log.splitlines()[-1]
        assert (
            line.startswith(f"uniscene-ros2: node /uniscene (process {runs.child.pid} on ") and "Trace" not in node.log
        )
        assert f"runs in domain {domain} already" in line and "ROS_DOMAIN_ID" in line
    runs.until("waits for a control")
    assert runs.child.poll() is None


def test_in_another_namespace_topics_are_its_own_and_the_common_clock_is_told(start, run_node, client, domain):
    odom = client.listen(Odometry, "/other/odom", 10)
    other = start("node", domain, "--scenario", "cut_in", "--rig", "rl", "--ros-args", "-r", "__ns:=/other", rig=None)
    client.until(lambda: odom, 60, "the frame of the other node")
    run_node()
    other.until("/clock has 2 publishers")
    assert client.node.count_publishers("/odom") == client.node.count_publishers("/other/odom") == 1
