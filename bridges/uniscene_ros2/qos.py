"""Quality-of-service profiles that stacks expect."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

__all__ = ["CLOCK", "COMMAND", "IMU", "LATCHED", "SENSOR", "STATE", "TF"]


def _qos(reliability: ReliabilityPolicy, depth: int, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


_BEST, _RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
_VOLATILE, _LOCAL = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL

#: Small messages for default subscribers, which ask for reliable ones; deep enough for the 10 ms steps of a tick.
STATE = _qos(_RELIABLE, 50, _VOLATILE)
#: Images, sweeps and GNSS, by reliability. With best effort a slow subscriber does not delay the others; reliable ones
#: are as carla-ros-bridge's, and subscribers of both kinds take them.
SENSOR = {"best_effort": _qos(_BEST, 5, _VOLATILE), "reliable": _qos(_RELIABLE, 10, _VOLATILE)}
IMU = {"best_effort": SENSOR["best_effort"], "reliable": STATE}
CLOCK = {"best_effort": _qos(_BEST, 1, _VOLATILE), "reliable": STATE}
TF = _qos(_RELIABLE, 100, _VOLATILE)
#: Late subscribers get the last message.
LATCHED = _qos(_RELIABLE, 1, _LOCAL)
COMMAND = _qos(_RELIABLE, 1, _VOLATILE)
