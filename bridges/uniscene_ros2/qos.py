"""Qualities of service, as stacks expect them."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

__all__ = ["CLOCK", "COMMAND", "LATCHED", "SENSOR", "STATE", "TF"]


def _qos(reliability: ReliabilityPolicy, depth: int, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


_BEST, _RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
_VOLATILE, _LOCAL = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL

#: Images, sweeps, IMU and GNSS: one slow reader must not starve the others.
SENSOR = _qos(_BEST, 5, _VOLATILE)
CLOCK = _qos(_BEST, 1, _VOLATILE)
#: Small messages that default subscribers, which ask for reliable ones, must hear; deep enough for a tick of 10 ms.
STATE = _qos(_RELIABLE, 50, _VOLATILE)
TF = _qos(_RELIABLE, 100, _VOLATILE)
#: The last word is said to whoever comes later.
LATCHED = _qos(_RELIABLE, 1, _LOCAL)
COMMAND = _qos(_RELIABLE, 1, _VOLATILE)
