"""The streaming channel: who subscribed to what, and the bytes of an episode state."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.carla_bridge.server.actors import Actor

EPISODE_STREAM = 1
EPISODE_SENSOR_INDEX = 17
MAP_CHANGED, LIGHTS_CHANGED = 1, 2
TAIL_BYTES = 54
SUBSCRIPTION_WAIT_S = 0.25
SEND_TIMEOUT_S = 1.0

ACTOR_DTYPE = np.dtype(
    [
        ("id", "<u4"),
        ("state", "u1"),
        ("place", "<f4", 6),  # x y z pitch yaw roll
        ("velocity", "<f4", 3),
        ("angular_velocity", "<f4", 3),
        ("acceleration", "<f4", 3),
        ("tail", f"V{TAIL_BYTES}"),  # by type of actor
    ]
)
assert ACTOR_DTYPE.itemsize == 119


def episode_state(
    actors: Sequence[Actor],
    *,
    frame: int,
    elapsed_s: float,
    delta_s: float,
    episode: int,
    flags: int,
    platform_s: float,
) -> bytes:
    """One message of the episode stream, without its length."""
    head = struct.pack("<QQd6f", EPISODE_SENSOR_INDEX, frame, elapsed_s, *[0.0] * 6)
    head += struct.pack("<Qdf3ii", episode, platform_s, delta_s, 0, 0, 0, flags)
    records = np.zeros(len(actors), ACTOR_DTYPE)
    if actors:
        records["id"] = [a.id for a in actors]
        records["state"] = [a.state for a in actors]
        records["place"] = [a.location + a.rotation for a in actors]
        records["velocity"] = [a.velocity for a in actors]
        records["angular_velocity"] = [a.angular_velocity for a in actors]
        records["acceleration"] = [a.acceleration for a in actors]
        records["tail"] = np.frombuffer(b"".join(a.tail() for a in actors), f"V{TAIL_BYTES}")
    return head + records.tobytes()


def token(port: int) -> bytes:
    """Token of a stream on this host: 24 bytes."""
    return struct.pack("<IHBB16s", EPISODE_STREAM, port, 1, 0, b"")


class StreamServer:
    """Subscribers of the episode stream. Other streams can be subscribed to and stay silent."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._changed = threading.Condition()
        self._subscribers: list[socket.socket] = []
        self._promised = 0

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def subscribers(self) -> int:
        return len(self._subscribers)

    def promise(self) -> None:
        """A client was given a token, and will come."""
        with self._changed:
            self._promised += 1

    def await_promised(self) -> None:
        """Waits, not for long, until all those have come that were given a token: a first tick must not be missed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._promised <= 0, SUBSCRIPTION_WAIT_S):
                self._promised = 0

    def publish(self, message: bytes) -> None:
        """Sends to all; one that does not take it in time is dropped."""
        framed = struct.pack("<I", len(message)) + message
        with self._changed:
            for subscriber in list(self._subscribers):
                try:
                    subscriber.sendall(framed)
                except OSError:
                    self._subscribers.remove(subscriber)
                    subscriber.close()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._subscribe, args=(client,), daemon=True).start()

    def _subscribe(self, client: socket.socket) -> None:
        client.settimeout(SEND_TIMEOUT_S)
        try:
            stream = client.recv(4, socket.MSG_WAITALL)
        except OSError:
            stream = b""
        if len(stream) < 4:
            client.close()
            return
        with self._changed:
            if struct.unpack("<I", stream)[0] == EPISODE_STREAM:
                self._subscribers.append(client)
                self._promised = max(self._promised - 1, 0)
                self._changed.notify_all()
