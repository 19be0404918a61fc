"""Draw what a ROS 2 subscriber received: python docs/make_ros2_picture.py [docs/ros2.png]

Runs the node in another process, steps it to a moment of `cut_in`, and draws messages alone.
"""

import os
import subprocess
import sys
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import rclpy
from nav_msgs.msg import Odometry, Path
from rclpy.qos import qos_profile_sensor_data as SENSOR
from sensor_msgs.msg import Image, PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from uniscene_sim.storage.output_file import output_file

CAMERAS = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT")
TICKS = 32
FORMATS = {2: "u1", 4: "<u2", 6: "<u4", 7: "<f4"}


def picture(message):
    kind, channels = {"rgb8": (np.uint8, 3), "32FC1": (np.float32, 1), "mono8": (np.uint8, 1)}[message.encoding]
    return np.frombuffer(message.data, kind).reshape(message.height, message.width, channels).squeeze()


def points(message):
    kind = {"names": [f.name for f in message.fields], "formats": [FORMATS[f.datatype] for f in message.fields]}
    kind |= {"offsets": [f.offset for f in message.fields], "itemsize": message.point_step}
    return np.frombuffer(message.data, np.dtype(kind))


def received():
    """The latest message of each topic after the ticks."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    rclpy.init()
    node = rclpy.create_node("picture")
    kinds = {f"/camera/{c}/image_raw": Image for c in CAMERAS}
    kinds |= {"/camera/CAM_FRONT/depth": Image, "/camera/CAM_FRONT/semantic": Image, "/route": Path}
    kinds |= {"/lidar/LIDAR_TOP/points": PointCloud2, "/occupancy/points": PointCloud2}
    kinds |= {"/objects": MarkerArray, "/odom": Odometry}
    messages = {}
    for name, kind in kinds.items():
        node.create_subscription(kind, name, lambda m, name=name: messages.__setitem__(name, m), SENSOR)
    words = ["--scenario", "cut_in", "--driver", "builtin", "--paused"]
    child = subprocess.Popen([sys.executable, "-m", "uniscene_ros2.cli", *words])
    step = node.create_client(Trigger, "/uniscene/step")
    try:
        step.wait_for_service(120.0)
        for _ in range(TICKS):
            rclpy.spin_until_future_complete(node, step.call_async(Trigger.Request()), timeout_sec=30.0)
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                rclpy.spin_once(node, timeout_sec=0.05)
    finally:
        child.terminate()
        child.wait()
    assert messages.keys() == kinds.keys(), kinds.keys() - messages.keys()
    return messages


def from_above(axes, messages):
    """Draw sweep, boxes and route around the ego, from above."""
    pose = messages["/odom"].pose.pose
    yaw = 2 * np.arctan2(pose.orientation.z, pose.orientation.w)
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    here = np.array([pose.position.x, pose.position.y])
    sweep = points(messages["/lidar/LIDAR_TOP/points"])
    axes.scatter(sweep["x"] + 0.94, sweep["y"], c=sweep["ring"], s=0.4, cmap="viridis", linewidths=0)
    way = np.array([(p.pose.position.x, p.pose.position.y) for p in messages["/route"].poses])
    axes.plot(*((way - here) @ turn.T).T, color="#ffb000", linewidth=1.5)
    for box in messages["/objects"].markers[1:]:
        at = turn @ (np.array([box.pose.position.x, box.pose.position.y]) - here)
        angle = 2 * np.arctan2(box.pose.orientation.z, box.pose.orientation.w) - yaw
        colour = (box.color.r, box.color.g, box.color.b)
        low = at - 0.5 * np.array([box.scale.x, box.scale.y])
        axes.add_patch(
            plt.Rectangle(low, box.scale.x, box.scale.y, angle=np.degrees(angle), rotation_point="center", fill=False,
                          edgecolor=colour, linewidth=1.2)
        )  # fmt: skip
    axes.set(xlim=(-30, 50), ylim=(-25, 25), aspect="equal", xticks=[], yticks=[], facecolor="#101418")
    axes.set_title("/lidar/LIDAR_TOP/points by ring, /objects, /route", fontsize=8)


def main(out):
    messages = received()
    figure, axes = plt.subplot_mosaic(
        [[*CAMERAS[:3]], [*CAMERAS[3:]], ["depth", "above", "above"], ["semantic", "above", "above"]],
        figsize=(12, 9.6),
        layout="constrained",
    )
    for camera in CAMERAS:
        axes[camera].imshow(picture(messages[f"/camera/{camera}/image_raw"]))
        axes[camera].set_title(f"/camera/{camera}/image_raw", fontsize=8)
    axes["depth"].imshow(np.log(picture(messages["/camera/CAM_FRONT/depth"])), cmap="magma")
    axes["depth"].set_title("/camera/CAM_FRONT/depth", fontsize=8)
    axes["semantic"].imshow(picture(messages["/camera/CAM_FRONT/semantic"]), cmap="tab20", interpolation="nearest")
    axes["semantic"].set_title("/camera/CAM_FRONT/semantic", fontsize=8)
    for name in (*CAMERAS, "depth", "semantic"):
        axes[name].axis("off")
    from_above(axes["above"], messages)
    with output_file(out) as part:
        figure.savefig(part, dpi=100)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/ros2.png")
