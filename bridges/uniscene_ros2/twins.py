"""One node in each namespace of a domain: a second one would drive the same ego and answer for the first.

Each node holds a latched message on a hidden topic of its namespace. A node that finds another's when it starts does
not start. Of two that started at the same moment, the later one ends when they find each other.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.wait_for_message import wait_for_message
from std_msgs.msg import String

from uniscene_ros2 import qos
from uniscene_sim.errors import InputError

__all__ = ["TwinWatch"]

_TOPIC = "uniscene/_node"
#: Nodes on the same machine found each other within 0.23 s of their start; a message then takes 0.02 s.
_DISCOVERY_S, _MESSAGE_S = 0.5, 2.0
#: When a node claimed its namespace, wall clock, ns; its process and machine.
_Place = tuple[int, int, str]


class TwinWatch:
    """Tells other nodes of the namespace about this one, and the other way round.

    Args:
        node: this one.
    """

    def __init__(self, node: Node):
        self._node, self._made_at = node, time.monotonic()
        self._name = node.get_fully_qualified_name()
        self._place: _Place = 0, 0, ""

    def claim(self, on_older: Callable[[str], None]) -> None:
        """Take the namespace; `on_older` is called later if a node that claimed it a moment earlier is found.

        Raises:
            InputError: another node has it.
        """
        node = self._node
        while not node.count_publishers(_TOPIC):
            if time.monotonic() - self._made_at > _DISCOVERY_S:
                break
            time.sleep(0.02)
        else:  # perhaps what a killed node left in the graph, so it has to speak
            is_there, message = wait_for_message(String, node, _TOPIC, qos_profile=qos.LATCHED, time_to_wait=_MESSAGE_S)
            if is_there and (other := _claim_in(message)):
                raise InputError(self._conflict(*other))
        self._place = time.time_ns(), os.getpid(), socket.gethostname()
        self._publisher = node.create_publisher(String, _TOPIC, qos.LATCHED)
        self._publisher.publish(String(data=json.dumps({"name": self._name, "place": self._place})))

        def hear(message: Any) -> None:
            other = _claim_in(message)
            if other and other[1] < self._place:
                on_older(self._conflict(*other))

        node.create_subscription(String, _TOPIC, hear, qos.LATCHED)

    def _conflict(self, name: str, place: _Place) -> str:
        _, pid, host = place
        domain = self._node.context.get_domain_id()
        return (
            f"node {name} (process {pid} on {host}) runs in domain {domain} already: end it, or give this one "
            "another ROS_DOMAIN_ID or namespace (--ros-args -r __ns:=/other)"
        )


def _claim_in(message: Any) -> tuple[str, _Place] | None:
    """Name and place of a node, None if the message is not of one of ours: anybody may publish on the topic."""
    try:
        claim = json.loads(message.data)
        at_ns, pid, host = claim["place"]
        return str(claim["name"]), (int(at_ns), int(pid), str(host))
    except Exception:  # whatever strange JSON leads to
        return None
