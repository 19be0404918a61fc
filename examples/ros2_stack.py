"""A small driving stack that uses ROS topics alone: it follows the route by odometry, finds the leading vehicle in the
LiDAR sweep, and answers each sweep with a Twist. It ends when the scenario does and prints its status.

    uniscene-ros2 --scenario hard_brake --rig rl        # the node, in another terminal
    python examples/ros2_stack.py [--cruise 14] [--runs 2]

`--blind` ignores the LiDAR, `--die-after 20` exits after 20 commands: to see what the node does then.
"""

import argparse
import json
import math
import os
import sys
import time
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

LIDAR_X, LIDAR_Z, NOSE = 0.9, 1.8, 3.65  # of this vehicle about base_link, m
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)


class Stack(Node):
    def __init__(self, options: argparse.Namespace):
        super().__init__("stack")
        self.options, self.sent, self.run = options, 0, ""
        self.odom: Odometry | None = None
        self.route: Path | None = None
        self.gaps: list[float] = []
        self.ended: list[dict[str, Any]] = []
        self.create_subscription(Odometry, "/odom", self.on_odom, 20)
        self.create_subscription(Path, "/route", self.on_route, 5)
        self.create_subscription(String, "/scenario/status", self.on_status, LATCHED)
        self.create_subscription(PointCloud2, "/lidar/lidar/points", self.on_sweep, qos_profile_sensor_data)
        self.command = self.create_publisher(Twist, "/cmd_vel", 1)

    def on_odom(self, message: Odometry) -> None:
        self.odom = message

    def on_route(self, message: Path) -> None:
        self.route = message

    def on_status(self, message: String) -> None:
        status = json.loads(message.data)
        if status["status"] == "RUNNING":
            self.run = status["run"]
        elif status["run"] == self.run:  # not the end of a run before this stack came: the topic is latched
            self.ended.append(status)

    def on_sweep(self, sweep: PointCloud2) -> None:
        if self.odom is None or self.route is None or not self.route.poses:
            return
        pose, v = self.odom.pose.pose, self.odom.twist.twist.linear.x
        yaw = 2 * math.atan2(pose.orientation.z, pose.orientation.w)
        dx = np.array([p.pose.position.x for p in self.route.poses]) - pose.position.x
        dy = np.array([p.pose.position.y for p in self.route.poses]) - pose.position.y
        ahead = np.stack([math.cos(yaw) * dx + math.sin(yaw) * dy, math.cos(yaw) * dy - math.sin(yaw) * dx], axis=1)
        target = ahead[min(int(4 + 0.7 * v), len(ahead) - 1)]
        gap = math.inf if self.options.blind else self.gap(sweep, ahead)
        self.gaps.append(gap)
        # The speed from which the ego can still stop 5 m behind the object.
        speed = min(self.options.cruise, math.sqrt(max(2 * 3.0 * (gap - 5.0), 0.0)))
        command = Twist()
        command.linear.x = speed
        command.angular.z = 2 * max(v, 0.5) * target[1] / max(float(target @ target), 1.0)
        self.command.publish(command)
        self.sent += 1
        if self.sent == self.options.die_after:
            os._exit(9)

    @staticmethod
    def gap(sweep: PointCloud2, ahead: np.ndarray) -> float:
        """Distance from the nose to the nearest object in our lane, m."""
        step = sweep.point_step
        data = np.frombuffer(sweep.data, np.uint8).reshape(-1, step)
        xyz = np.ascontiguousarray(data[:, :12]).view(np.float32)
        x, y, z = xyz[:, 0] + LIDAR_X, xyz[:, 1], xyz[:, 2] + LIDAR_Z
        order = np.argsort(ahead[:, 0])
        lane = np.interp(x, ahead[order, 0], ahead[order, 1])
        hits = x[(x > NOSE) & (x < 55) & (abs(y - lane) < 1.2) & (z > 0.35) & (z < 2.0)]
        return float(np.sort(hits)[2] - NOSE) if len(hits) > 2 else math.inf


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cruise", type=float, default=14.0)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--die-after", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=90.0)
    options = parser.parse_args()
    rclpy.init()
    stack = Stack(options)
    start = time.monotonic()
    while len(stack.ended) < options.runs and time.monotonic() - start < options.limit_s:
        rclpy.spin_once(stack, timeout_sec=0.2)
    gaps = [g for g in stack.gaps if math.isfinite(g)]
    print(json.dumps({"ended": stack.ended, "sent": stack.sent, "nearest_m": min(gaps, default=None)}))
    return 0 if len(stack.ended) >= options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
