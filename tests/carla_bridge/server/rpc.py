"""The RPC channel: msgpack-rpc over TCP, one thread for each client."""

from __future__ import annotations

import inspect
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgpack

REQUEST, RESPONSE = 0, 1


class CallError(Exception):
    """What the client is to raise: its text goes over the wire as CARLA's error response."""


def value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks an RPC that returns something."""
    function.__dict__["reply"] = (lambda result: [[1, result]], lambda text: [[0, [text]]])
    return function


def void(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks an RPC that returns nothing."""
    function.__dict__["reply"] = (lambda result: [[False]], lambda text: [[True, [text]]])
    return function


def bare(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks an RPC whose result goes over the wire as it is; it has no error response."""
    function.__dict__["reply"] = (lambda result: result, None)
    return function


def methods_of(*objects: object) -> dict[str, Callable[..., Any]]:
    """All marked methods of the objects, by name, which is the name on the wire."""
    found: dict[str, Callable[..., Any]] = {}
    for owner in objects:
        for name, method in inspect.getmembers(owner, inspect.ismethod):
            if "reply" in method.__func__.__dict__:
                found[name] = method
    return found


class RpcServer:
    """Answers requests on a listening socket, with `methods` by name, one at a time: each holds `lock`.

    `before(method)` is asked ahead of every call, without the lock: it may wait, raise `CallError`, or end the process.
    """

    def __init__(
        self,
        listener: socket.socket,
        methods: Mapping[str, Callable[..., Any]],
        before: Callable[[str], None],
        lock: AbstractContextManager[bool],
    ) -> None:
        self._listener, self._methods, self._before, self._world_lock = listener, methods, before, lock
        self._arity = {name: len(inspect.signature(method).parameters) for name, method in methods.items()}
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.clients = 0

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="surrogateescape")
        packer = msgpack.Packer()
        with self._lock:
            self.clients += 1
        try:
            while data := client.recv(1 << 16):
                unpacker.feed(data)
                for message in unpacker:
                    answer = self._answer(message)
                    if answer is not None:
                        client.sendall(packer.pack(answer))
        except OSError:
            pass  # the client went away
        finally:
            client.close()
            with self._lock:
                self.clients -= 1

    def _answer(self, message: list[Any]) -> list[Any] | None:
        kind, number, name, (_, *arguments) = message
        if kind != REQUEST:
            return None
        with self._lock:
            self.calls[name] += 1
        method = self._methods.get(name)
        if method is None or len(arguments) != self._arity[name]:
            text = f"rpclib: server could not find function '{name}' with argument count {len(arguments) + 1}."
            return [RESPONSE, number, text, None]
        success, failure = method.__func__.__dict__["reply"]  # type: ignore[attr-defined]
        try:
            self._before(name)
            with self._world_lock:
                return [RESPONSE, number, None, success(method(*arguments))]
        except CallError as error:
            return [RESPONSE, number, None, failure(str(error))] if failure else [RESPONSE, number, str(error), None]
        except Exception as error:  # as rpclib tells of an exception in a handler
            return [RESPONSE, number, f"{type(error).__name__}: {error}", None]


def listening_pair(port: int) -> tuple[socket.socket, socket.socket]:
    """Listening sockets on ports N and N + 1; N is `port`, or any free one for 0."""
    for _ in range(100):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(2))
        try:
            for listener, number in ((first, port), (second, 0)):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", number or (first.getsockname()[1] + 1 if listener is second else 0)))
                listener.listen(64)
            return first, second
        except (OSError, OverflowError):
            first.close()
            second.close()
            if port:
                raise
    raise OSError("no free pair of ports")
