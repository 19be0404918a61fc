"""`Server`: the service on a port, for several clients at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Self

from uniscene_sim.errors import InputError, one_line
from uniscene_sim.remote.library import METHOD, MIB, SERVICE, grpc_library
from uniscene_sim.remote.limits import ServerLimits
from uniscene_sim.remote.places import Places
from uniscene_sim.remote.served_session import ServedSession
from uniscene_sim.remote.strangers import without_paths
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.input_file import read_input

__all__ = ["Server", "TlsFiles"]

_STOP_S = 1.0
#: Clients may ask this often whether the server lives, and are asked after this silence, ms.
_PINGS_MS, _ALIVE_MS = 5000, 30_000


@dataclass(frozen=True)
class TlsFiles:
    """Certificate and private key of a server, as PEM."""

    cert: Path
    key: Path


class Server:
    """A running server; a context manager that ends it.

    Args:
        host: address to listen on.
        port: port, 0 for any that is free.
        limits: what clients may ask for.
        disk: keeps tiles; None to keep none.
        tls: certificate and key; None to speak without TLS.
        renamed: engines of this server in place of those that clients name.

    Attributes:
        port: that it listens on.

    Raises:
        InputError: the port is taken, or a file of TLS cannot be used.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: ServerLimits = ServerLimits(),  # noqa: B008 - frozen
        disk: DiskCache | None = None,
        tls: TlsFiles | None = None,
        renamed: dict[str, str] | None = None,
    ):
        self._grpc, self.limits = grpc_library(), limits
        self._places, self._rendering, self._renamed = Places(limits, disk), Lock(), renamed or {}
        self._open, self._count = 0, Lock()
        options = {
            "grpc.max_receive_message_length": limits.message_mib * MIB,
            "grpc.so_reuseport": 0,  # else a second server takes half of the clients
            "grpc.http2.min_ping_interval_without_data_ms": _PINGS_MS,
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.keepalive_time_ms": _ALIVE_MS,
        }
        # One thread more than sessions, so that one too many is told so.
        self._server = self._grpc.server(
            ThreadPoolExecutor(limits.sessions + 1, "session"),
            options=list(options.items()),
            maximum_concurrent_rpcs=4 * limits.sessions + 4,
        )
        simulate = self._grpc.stream_stream_rpc_method_handler(self._simulate)
        self._server.add_generic_rpc_handlers([self._grpc.method_handlers_generic_handler(SERVICE, {METHOD: simulate})])
        self.port = self._bound(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", tls)
        self._server.start()

    def wait(self) -> None:
        """Until the server is stopped, or a signal raises."""
        self._server.wait_for_termination()

    def stop(self) -> None:
        """End all sessions and give up the port."""
        self._server.stop(_STOP_S).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _bound(self, address: str, tls: TlsFiles | None) -> int:
        try:
            if tls is None:
                port: int = self._server.add_insecure_port(address)
            else:
                key, cert = (
                    read_input(path, MIB, "PEM", field)
                    for path, field in ((tls.key, "tls_key"), (tls.cert, "tls_cert"))
                )
                port = self._server.add_secure_port(address, self._grpc.ssl_server_credentials([(key, cert)]))
        except RuntimeError:
            port = 0
        if not port:
            why = "in use, or not an address of this machine" if tls is None else "in use, or its TLS files do not fit"
            raise InputError(f"cannot listen on {address}: {why}", field="port")
        return port

    def _simulate(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """One call. Whatever a client sends, it ends this call at most."""
        status = self._grpc.StatusCode
        with self._count:
            is_full = self._open >= self.limits.sessions
            self._open += not is_full
        if is_full:
            context.abort(status.RESOURCE_EXHAUSTED, f"sessions: expected at most {self.limits.sessions} at once")
        try:
            session = ServedSession(self._places, self.limits, self._rendering, self._renamed)
            for reply in session.answers(_until_gone(requests)):
                yield reply.SerializeToString()
        except (InputError, ValueError) as error:
            said = InputError(getattr(error, "message", str(error)), field=getattr(error, "field", None))
            context.abort(status.INVALID_ARGUMENT, without_paths(str(said)))
        except MemoryError:
            context.abort(status.RESOURCE_EXHAUSTED, "not enough memory")
        except Exception as error:
            what = one_line(without_paths(f"{type(error).__name__}: {error}"), 160)
            context.abort(status.ABORTED, f"the server failed: {what}")
        finally:
            with self._count:
                self._open -= 1


def _until_gone(requests: Iterator[bytes]) -> Iterator[bytes]:
    """The requests until their sender is gone, which is no error here."""
    while True:
        try:
            yield next(requests)
        except Exception:  # of gRPC, whatever became of the connection; StopIteration at its end
            return
