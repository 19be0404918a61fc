"""`Link`: one live call to a server, request by request; a lost one is told from a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

from uniscene_sim.errors import InputError, one_line
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.library import METHOD, MIB, SERVICE, grpc_library
from uniscene_sim.storage.input_file import read_input
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb

__all__ = ["Hopeless", "Link", "Lost"]

#: How long a first connection attempt may take, and after which silence a server is asked whether it lives, ms.
_CONNECT_MS, _ALIVE_MS = 3000, 10_000
#: Room in a reply beside what a frame's sensors take.
_MOST_REPLY = 64 * MIB
_NO_TLS, _NO_GRPC = "TLS handshake failed", "no gRPC there"


class Lost(Exception):
    """The connection is gone, or there was none; says why."""


class Hopeless(Lost):
    """A first connection that waiting a few seconds does not mend: the server is full, or there is none of ours."""


class Link:
    """A call of `Sensors.Simulate`.

    Args:
        remote: the server.
        opening: the session's rig and engines.
        frame_bytes: what a frame of the rig takes, which bounds replies.

    Attributes:
        opened: the answer to `opening`.
        worlds: numbers of the worlds that it has.

    Raises:
        Lost: nobody answers.
        InputError: gRPC is missing, a file of certificates cannot be read, or the server refuses.
    """

    def __init__(self, remote: Remote, opening: pb.Open, frame_bytes: int):
        self._grpc, self._remote = grpc_library(), remote
        options = {
            "grpc.max_receive_message_length": _MOST_REPLY + frame_bytes,
            "grpc.min_reconnect_backoff_ms": _CONNECT_MS,
            "grpc.keepalive_time_ms": _ALIVE_MS,
            "grpc.keepalive_timeout_ms": _ALIVE_MS,
            "grpc.http2.max_pings_without_data": 0,
            "grpc.enable_http_proxy": 0,
            "grpc.use_local_subchannel_pool": 1,  # else a new channel waits as long as the last one had to
        }
        self._channel = self._connected(list(options.items()))
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._replies: Iterator[bytes] = self._channel.stream_stream(f"/{SERVICE}/{METHOD}")(
            iter(self._requests.get, None)
        )
        self.worlds: set[int] = set()
        try:
            self.opened = self.ask(pb.Request(open=opening), "opened").opened
        except BaseException:
            self.close()
            raise

    def _connected(self, options: list[tuple[str, int]]) -> Any:
        if self._remote.tls_ca is None:
            return self._grpc.insecure_channel(self._remote.address, options)
        ca = read_input(self._remote.tls_ca, MIB, "certificates as PEM", "tls_ca")
        return self._grpc.secure_channel(self._remote.address, self._grpc.ssl_channel_credentials(ca), options)

    def send(self, request: pb.Request) -> None:
        self._requests.put(request.SerializeToString())

    def receive(self, kind: str) -> pb.Reply:
        """The next reply.

        Args:
            kind: the one that is expected, as `Reply.what` names it.

        Raises:
            Lost: the connection is gone.
            InputError: the server refuses, or sends something else.
        """
        try:
            reply = pb.Reply.FromString(next(self._replies))
        except StopIteration:
            raise Lost("the server has ended the session") from None
        except self._grpc.RpcError as error:
            raise self._told(error) from None
        if reply.WhichOneof("what") != kind:
            raise InputError(f"{self._remote.address} sends something else than {kind}", field="remote")
        return reply

    def ask(self, request: pb.Request, kind: str) -> pb.Reply:
        """The reply to a request."""
        self.send(request)
        return self.receive(kind)

    def close(self) -> None:
        self._requests.put(None)
        self._channel.close()

    def _told(self, error: Any) -> Exception:
        code, said, status = error.code(), one_line(error.details() or "", 200), self._grpc.StatusCode
        if code in (status.UNAVAILABLE, status.CANCELLED, status.INTERNAL, status.UNKNOWN):
            why = _short(said)
            return (Hopeless if why in (_NO_TLS, _NO_GRPC) else Lost)(why)
        if code is status.RESOURCE_EXHAUSTED and said.startswith("sessions:"):
            return Hopeless(said)
        if code is status.UNIMPLEMENTED:
            said = "is no server of uniscene-sim"
        return InputError(f"{self._remote.address}: {said}", field="remote")


def _short(said: str) -> str:
    """Why a connection failed, without the addresses that were tried: "Connection refused"."""
    told = {"handshake": _NO_TLS, "resol": "unknown host", "parsing HTTP/2": _NO_GRPC}
    for known in ("Connection refused", *told, "Socket closed", "timed out", "Timeout"):
        if known.lower() in said.lower():
            return told.get(known, known)
    return said or "no answer"
