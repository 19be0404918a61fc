"""`ClientLink`: the process of the client as the simulator sees it. Its death is an error here, never ours."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import Any
from weakref import finalize

from uniscene_carla import messages
from uniscene_carla.address import CarlaAddress
from uniscene_carla.debts import Debts
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, InputWarning, one_line
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.storage.disk_cache import cache_folder
from uniscene_sim.storage.interrupts import deferred_signals
from uniscene_sim.wire.messages import control_message, layout_of
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage

__all__ = ["ClientLink", "Lost", "place_of"]

_STARTS_S = 30.0  # what the process may take beside waiting for the server
_LEAVES_S = 30.0
_ENDS_S = 5.0
_MODULE = "uniscene_carla.client_process"


class Lost(Exception):
    """The server does not answer any more, or the client is dead; says why."""


class _Client:
    """The process, and what it owes to the server.

    Args:
        address: the server and what is wanted of it.
        inherited: debts of a client before this one.
    """

    def __init__(self, address: CarlaAddress, inherited: Debts):
        self._address = address
        self.debts = inherited
        self.owing = False  # whether it has said that it could not pay
        self._buffer = b""
        self._errors = os.fdopen(os.memfd_create("client"), "w+b")  # what it writes to stderr
        with deferred_signals(), _lock_of(address) as lock:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0,
                pass_fds=lock,
            )  # fmt: skip

    def send(self, kind: bytes, body: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):  # it is dead: whoever reads its answer is told why
            messages.put(self.process.stdin, kind, body)

    def take(self, deadline: float) -> tuple[bytes, bytes]:
        """The next message; what is said of debts is noted.

        Raises:
            TimeoutError: none came in time.
            EOFError: the process is dead.
        """
        assert self.process.stdout is not None
        stream = self.process.stdout.fileno()
        while (message := messages.split(self._buffer)) is None:
            if not select.select([stream], [], [], max(deadline - time.monotonic(), 0.0))[0]:
                raise TimeoutError
            data = os.read(stream, 1 << 20)
            if not data:
                raise EOFError
            self._buffer += data
        kind, body, self._buffer = message
        if kind == messages.JSON:
            told = json.loads(body)
            self.debts = Debts(**told["debts"]) if "debts" in told else self.debts
            self.owing |= "owing" in told
        return kind, body

    def end(self, hands_on: bool = False) -> None:
        """Have it leave the server, make sure that it has ended, and that the server is left as it was.

        Args:
            hands_on: whether debts that it leaves are those of another client from now on.
        """
        process, deadline = self.process, time.monotonic() + _LEAVES_S
        assert process.stdin is not None and process.stdout is not None
        if not process.stdout.closed:
            self.send(messages.JSON, json.dumps({"do": "leave"}).encode())
            with suppress(OSError):
                process.stdin.close()
            with suppress(TimeoutError, EOFError):
                while True:
                    self.take(deadline)
            self._make_sure_it_ended()
            process.stdout.close()
            self._errors.close()
            if self.debts and not self.owing and not hands_on:
                self._pay()

    def last_words(self) -> tuple[int, str]:
        """Its exit code, and what it wrote last that is no warning of the client."""
        self._make_sure_it_ended()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        told = [line for line in lines if not line.startswith(("WARNING", "INFO"))]
        return self.process.returncode, told[-1] if told else ""

    def _make_sure_it_ended(self) -> None:
        try:
            self.process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _pay(self) -> None:
        """Pay what it owes, in a process of its own; what it has said that it cannot pay, nobody can."""
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                self._command("--pay"), timeout=_LEAVES_S + _STARTS_S, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                self.debts = Debts()

    def _command(self, *options: str) -> list[str]:
        given = {"address": asdict(self._address), "debts": asdict(self.debts)}
        return [sys.executable, "-m", _MODULE, *(options or ["--serve"]), json.dumps(given)]


@contextmanager
def _lock_of(address: CarlaAddress) -> Iterator[tuple[int, ...]]:
    """The file that a client of a server holds locked for as long as it lives, open; nothing where there is no cache.

    Raises:
        InputError: a client of another process holds it.
    """
    path = cache_folder("carla_clients") / f"{'_'.join(map(str, place_of(address)))}.lock"
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(path, "ab"))
        except OSError:
            yield ()
            return
        deadline = time.monotonic() + _ENDS_S  # one that is about to leave may take a while
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    why = f"another process here drives {address.server}; expected one at a time"
                    raise InputError(why, field="carla://") from None
                time.sleep(0.1)
        yield (file.fileno(),)


def place_of(address: CarlaAddress) -> tuple[str, int]:
    """Where a server is, whatever its host is called."""
    with suppress(OSError, UnicodeError):
        return socket.gethostbyname(address.host), address.port
    return address.host, address.port


def _end_and_warn(client: _Client, server: str) -> None:
    with suppress(KeyboardInterrupt):  # it leaves by itself, once it has no orders
        client.end()
    if client.debts:
        what = "its settings could not be put back, or our ego is still there"
        warnings.warn(f"{server} could not be left as it was: {what}", InputWarning, stacklevel=3)


class ClientLink:
    """A client of its own for a server.

    Args:
        address: the server and what is wanted of it.
        inherited: debts of a client before this one, which lost the server.

    Attributes:
        world: what it told of the map: `map`, `opendrive`, `standing`.

    Raises:
        Lost: the server does not answer.
        InputError: it refuses, or `carla` is not installed.
    """

    def __init__(self, address: CarlaAddress, inherited: Debts = Debts()):  # noqa: B008 - frozen
        self.address = address
        self._client = _Client(address, inherited)
        self._end = finalize(self, _end_and_warn, self._client, address.server)
        self._over: Exception | None = None  # why there are no more answers
        self.world: dict[str, Any] = self._answer("world", 6 * address.timeout_s + _STARTS_S)

    @property
    def debts(self) -> Debts:
        """What it still owes to the server."""
        return self._client.debts

    def begin(self, **facts: Any) -> tuple[dict[str, Any], LayoutFrame]:
        """Have it take over the server; facts as `scene.MapFacts`. Gives what it says, and the first layout."""
        self._order("begin", **facts)
        patience = 12 * self.address.timeout_s + self.address.wait_s + _STARTS_S
        return self._answer("ready", patience), self._layout(patience)

    def reset(self) -> LayoutFrame:
        self._order("reset")
        return self._layout(12 * self.address.timeout_s + _STARTS_S)

    def ask_tick(self, control: Control) -> None:
        """Order a tick with a control."""
        self._client.send(messages.CONTROL, control_message(control, 0).SerializeToString())

    def tick(self) -> LayoutFrame:
        """The layout of a tick that was ordered."""
        return self._layout(4 * self.address.timeout_s + _STARTS_S)

    def close(self, why: str = "was left") -> None:
        """Leave the server as it was, and end the process; what could not be put back is warned of.

        Args:
            why: what is said of the server to those who still ask for something.
        """
        self._over = self._over or InputError(f"{self.address.server} {why}", field="carla://")
        self._end()

    # --- messages -------------------------------------------------------------------------------------------------

    def _order(self, what: str, **values: Any) -> None:
        self._client.send(messages.JSON, json.dumps({"do": what, **values}).encode())

    def _layout(self, patience_s: float) -> LayoutFrame:
        return self._receive(messages.LAYOUT, "", patience_s)  # type: ignore[no-any-return]

    def _answer(self, name: str, patience_s: float) -> dict[str, Any]:
        return self._receive(messages.JSON, name, patience_s)  # type: ignore[no-any-return]

    def _receive(self, wanted: bytes, name: str, patience_s: float) -> Any:
        """The next layout, or the next JSON of a name; what is said in between is said."""
        deadline = time.monotonic() + patience_s
        while True:
            if self._over is not None:
                raise self._over
            try:
                kind, body = self._client.take(deadline)
            except TimeoutError:
                self._client.process.kill()
                raise self._lost(f"the client of {self.address.server} hangs") from None
            except EOFError:
                raise self._lost(self._why_dead()) from None
            if kind == messages.LAYOUT:
                assert wanted == messages.LAYOUT
                return layout_of(LayoutMessage.FromString(body))
            told = json.loads(body)
            if "said" in told:
                warnings.warn(f"{self.address.server}: {told['said']}", InputWarning, stacklevel=5)
            elif "refused" in told:
                self.close()
                raise InputError(**told["refused"])
            elif "lost" in told:
                raise self._lost(told["lost"])
            elif wanted == messages.JSON and name in told:
                return told[name]

    def _lost(self, why: str) -> Lost:
        """End the process; if no other client comes after it, what it owes is part of the reason."""
        hands_on = self.address.reconnect_s > 0
        self._end.detach()
        self._client.end(hands_on)
        lost = Lost(why + (", nor could it be left as it was" if self.debts and not hands_on else ""))
        self._over = lost
        return lost

    def _why_dead(self) -> str:
        """What became of a process that says nothing any more."""
        code, line = self._client.last_words()
        if "No module named 'carla'" in line:
            raise InputError("needs CARLA's client: pip install 'uniscene_sim[maps]'", field="carla://")
        if "time-out of" in line:  # its Traffic Manager ends the process when the server is gone
            self._client.owing = True  # and nobody can pay then
            return f"no answer from {self.address.server} to its Traffic Manager"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"the client of {self.address.server} {how}" + (f": {one_line(line, 120)}" if line else "")
