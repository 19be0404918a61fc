"""Benchmark of the bridge: `python -m uniscene_ros2.bench` prints rows as JSON, `uniscene-sim bench ros2` a table.

Frames of `nuscenes-small` are rendered beforehand and published at 10 Hz; another process subscribes and records when
messages arrive. Then a node is reset many times while its memory is measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger

from uniscene_ros2 import qos
from uniscene_ros2.network import set_network
from uniscene_ros2.packages import Packages
from uniscene_ros2.profiles import PROFILES
from uniscene_ros2.run import RosRun
from uniscene_ros2.topics import PublishContext, PublisherMessage, PublishTime, TopicTable
from uniscene_sim.compute.processes import PARENT, end_with_parent
from uniscene_sim.frames import SensorFrame
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import user_cache

__all__ = ["main"]

_FRAMES, _TICK_US = 10, 100_000
_END_TOPIC = "/bench/end"
_Ticks = Sequence[tuple[Sequence[LayoutFrame], SensorFrame, Sequence[LayoutFrame]]]
#: Topics that a stack with cameras and a LiDAR subscribes to.
_STACK = ("image_raw", "camera_info", "/lidar/", "/odom", "/clock", "/imu/data")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Benchmark of the ROS 2 bridge.")
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of publishing (default: 60)")
    parser.add_argument("--resets", type=int, default=1000, help="resets of a node (default: 1000)")
    parser.add_argument("--listen", metavar="JSON", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    end_with_parent()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and so end what was started here
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    set_network()
    if options.listen:
        return _listen(json.loads(options.listen))
    rclpy.init()
    node = Node("bench")
    ticks = _rendered()
    rows = []
    for what, words in (("all but diagnostics", ("",)), ("images, sweep, odometry", _STACK)):
        rows += _published(node, ticks, what, words, options.seconds)
    rows += _reset(node, options.resets)
    print(json.dumps(rows))
    rclpy.shutdown()
    return 0


# --- publishing -------------------------------------------------------------------------------------------------------


def _rendered() -> _Ticks:
    """For each tick its layouts, its frame with everything in it, and the layouts that sweeps need."""
    rig = load_rig("nuscenes-small")
    run = RosRun("cut_in", rig, tile_cache=user_cache("tiles"))
    wanted = {sensor.name for sensor in rig.sensors} | {"occupancy", "bev"}
    ticks = []
    for _ in range(_FRAMES):
        run.advance(None)
        ticks.append((run.simulator.tick_layouts, run.sense(wanted), list(run.simulator.recent_layouts)))
    return ticks


def _published(node: Node, ticks: _Ticks, what: str, words: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    topics = TopicTable(node, load_rig("nuscenes-small"), PROFILES["plain"], Packages())
    end = node.create_publisher(_message("std_msgs/Empty"), _END_TOPIC, qos.LATCHED)
    subscribed = [
        t
        for t in topics.table
        if t.when in (PublishTime.PHYSICS_STEP, PublishTime.FRAME) and any(w in t.name for w in words)
    ]
    kinds = {
        t.name: f"{t.publisher.msg_type.__module__.split('.')[0]}/{t.publisher.msg_type.__name__}" for t in subscribed
    }
    listener = subprocess.Popen(
        [sys.executable, "-m", "uniscene_ros2.bench", "--listen", json.dumps(kinds)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, PARENT: str(os.getpid())},
    )
    while any(t.publisher.get_subscription_count() == 0 for t in subscribed):
        rclpy.spin_once(node, timeout_sec=0.05)
        if listener.poll() is not None:
            raise SystemExit("the listener ended before it received anything")
    time.sleep(1.0)
    gc.collect()
    gc.freeze()
    ready, sent, work_ms, processor_ms = {}, Counter[str](), [], []
    names = {id(t.publisher): t.name for t in topics.table}
    start = time.monotonic()
    for tick in range(int(seconds * 1e6) // _TICK_US):
        rclpy.spin_once(node, timeout_sec=0.0)
        time.sleep(max(start + tick * 1e-6 * _TICK_US - time.monotonic(), 0.0))
        stamp_us = (tick + 1) * _TICK_US
        ready[stamp_us] = time.monotonic_ns()
        before = time.thread_time()
        for publisher, message in _tick(topics, stamp_us, *ticks[tick % len(ticks)]):
            publisher.publish(message)
            sent[names[id(publisher)]] += 1
        processor_ms.append(1e3 * (time.thread_time() - before))
        work_ms.append(1e-6 * (time.monotonic_ns() - ready[stamp_us]))
    time.sleep(1.0)
    end.publish(_message("std_msgs/Empty")())
    report = json.loads(listener.communicate(timeout=60)[0])
    for topic in topics.table:
        node.destroy_publisher(topic.publisher)
    node.destroy_publisher(end)
    lost = {name: count - report["count"].get(name, 0) for name, count in sent.items()}
    rows = [
        {"name": f"ROS 2, {what}: messages sent in {seconds:g} s at 10 Hz", "value": sent.total(), "unit": "1"},
        {"name": f"ROS 2, {what}: messages lost", "value": sum(lost.values()), "unit": "1"},
    ]
    for how, took in (("", work_ms), (" (processor)", processor_ms)):
        for share in (50, 99):
            row = {"name": f"ROS 2, {what}: the bridge's own work a tick{how}, p{share}"}
            rows.append(row | {"value": _share(took, share), "unit": "ms"})
    points = ticks[0][1].sweeps["LIDAR_TOP"].xyz.shape[0]
    for name, what_arrives in (
        ("LIDAR_TOP/points", f"a sweep of {points} points"),
        ("CAM_FRONT/image_raw", "an image"),
    ):
        key = next(k for k in report["at"] if name in k)
        took = [1e-6 * (at - ready[int(stamp)]) for stamp, at in report["at"][key].items()]
        for share in (50, 99):
            row = {"name": f"ROS 2, {what}: {what_arrives}, frame ready to received, p{share}"}
            rows.append(row | {"value": _share(took, share), "unit": "ms"})
    return rows


def _tick(
    topics: TopicTable, stamp_us: int, layouts: Sequence[LayoutFrame], frame: SensorFrame, recent: Sequence[LayoutFrame]
) -> list[PublisherMessage]:
    """All messages of a tick, as in the node."""
    steps = [PublishContext(stamp_us - (frame.stamp_us - layout.stamp_us), layout) for layout in layouts]
    now = PublishContext(stamp_us, frame.layout, frame, recent)
    return [*topics.messages(PublishTime.PHYSICS_STEP, *steps), *topics.messages(PublishTime.FRAME, now)]


def _share(values: Sequence[float], share: float) -> float:
    return round(float(np.percentile(values, share)), 3)


def _listen(kinds: dict[str, str]) -> int:
    """Subscribe as stacks do; print the number of messages on each topic, and the time of arrival for each stamp."""
    rclpy.init()
    node = Node("listener")
    count, at = Counter[str](), defaultdict[str, dict[int, int]](dict)
    ended: list[Any] = []

    def on(name: str) -> Any:
        def receive(message: Any) -> None:
            now = time.monotonic_ns()
            count[name] += 1
            if hasattr(message, "header"):
                stamp = message.header.stamp
                at[name][stamp.sec * 1_000_000 + stamp.nanosec // 1000] = now

        return receive

    for name, kind in kinds.items():
        # Messages of ten physics steps arrive at once, more than the five that a sensor subscription keeps.
        quality = _deep(50) if kind.endswith(("Clock", "Imu", "Odometry", "TFMessage")) else qos.SENSOR["best_effort"]
        node.create_subscription(_message(kind), name, on(name), quality)
    node.create_subscription(_message("std_msgs/Empty"), _END_TOPIC, ended.append, qos.LATCHED)
    deadline = time.monotonic() + 600
    while not ended and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.5)
    print(json.dumps({"count": count, "at": at}))
    return 0


def _deep(depth: int) -> Any:
    from rclpy.qos import QoSProfile

    return QoSProfile(depth=depth, reliability=qos.SENSOR["best_effort"].reliability)


def _message(kind: str) -> Any:
    return Packages().find(kind, "the bench")


# --- resets -----------------------------------------------------------------------------------------------------------


def _reset(node: Node, times: int) -> list[dict[str, Any]]:
    """Growth of a node's memory over resets, after as many before them, at most a hundred."""
    command = [sys.executable, "-m", "uniscene_ros2.cli", "--scenario", "hard_brake", "--rig", "rl", "--paused"]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    client = node.create_client(Trigger, "/uniscene/reset")
    node.create_subscription(
        _message("sensor_msgs/Image"), "/camera/front/image_raw", lambda m: None, qos.SENSOR["best_effort"]
    )
    try:
        client.wait_for_service(60.0)
        start, before, unseen = 0.0, 0, min(times, 100)
        for k in range(unseen + times):
            if k == unseen:
                start, before = time.monotonic(), _rss_kib(child.pid)
            future = client.call_async(Trigger.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=30.0)
            if not future.done():
                raise SystemExit(f"reset {k} was not answered")
        took, growth = time.monotonic() - start, _rss_kib(child.pid) - before
    finally:
        child.terminate()
        child.wait()
    return [
        {"name": f"ROS 2, {times} resets: growth in memory", "value": growth, "unit": "KiB"},
        {"name": f"ROS 2, {times} resets: each", "value": round(1e3 * took / times, 2), "unit": "ms"},
    ]


def _rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text(encoding="ascii").split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    sys.exit(main())
