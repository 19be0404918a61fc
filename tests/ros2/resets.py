"""A node in this process that is reset over and over; it says how many bytes Python and numpy hold more in the end.

What the middleware keeps for slow listeners comes and goes with how busy the machine is, and is not counted.
"""

import gc
import sys
import tracemalloc

import rclpy

from uniscene_ros2.node import UnisceneNode


def main(rounds):
    rclpy.init()
    node = UnisceneNode({"scenario": "hard_brake", "rig": "rl"})
    print("waits for a listener", flush=True)
    while "lidar" not in node.topics.needs:
        node._callbacks.spin_once(timeout_sec=0.05)
    held = []
    tracemalloc.start()
    for _ in range(3):  # in the first round caches fill
        for _ in range(rounds):
            node.loop.reset()
            node._callbacks.spin_once(timeout_sec=0.0)
            node.loop.spin_once()
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    print(f"grew by {held[2] - held[1]} bytes", flush=True)
    node.close()
    rclpy.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
