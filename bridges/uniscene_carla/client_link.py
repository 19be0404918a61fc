"""`ClientLink`: the process of the client as the simulator sees it. Its death is an error here, never ours."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from weakref import finalize

from uniscene_carla import messages
from uniscene_carla.address import CarlaAddress
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, InputWarning, one_line
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.storage.interrupts import deferred_signals
from uniscene_sim.wire.messages import control_message, layout_of
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage

__all__ = ["ClientLink", "Lost"]

_STARTS_S = 30.0  # what the process may take beside waiting for the server
_LEAVES_S = 20.0
_MODULE = "uniscene_carla.client_process"


class Lost(Exception):
    """The server does not answer any more, or the client is dead; says why."""


class _Client:
    """The process, and what it owes to the server."""

    def __init__(self, address: CarlaAddress):
        self.address = address
        self.debts: dict[str, Any] | None = None
        self.errors = tempfile.TemporaryFile()
        command = [sys.executable, "-m", _MODULE, json.dumps(asdict(address))]
        with deferred_signals():
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
            )

    def end(self) -> None:
        """Have it leave the server, and make sure that the server is left as it was."""
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        if process.poll() is None:
            with suppress(OSError):
                messages.put_json(process.stdin, do="leave")
                process.stdin.close()
            self._hear_out()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        self.errors.close()
        if process.returncode < 0:
            self.pay()

    def _hear_out(self) -> None:
        """Wait for its end, and note what it says of its debts until then."""
        process, buffer, deadline = self.process, b"", time.monotonic() + _LEAVES_S
        assert process.stdout is not None
        stream = process.stdout.fileno()
        while select.select([stream], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            data = os.read(stream, 1 << 20)
            if not data:
                break
            buffer += data
        else:
            process.kill()
        process.wait()
        while (message := messages.split(buffer)) is not None:
            kind, body, buffer = message
            if kind == messages.JSON and "debts" in (told := json.loads(body)):
                self.debts = told["debts"]

    def pay(self) -> None:
        """Pay what a killed process owes, in a process of its own."""
        if not self.debts or (self.debts["settings"] is None and not self.debts["actors"] and not self.debts["brakes"]):
            return
        given = {"host": self.address.host, "port": self.address.port, "debts": self.debts}
        self.debts = None
        try:
            done = subprocess.run(
                [sys.executable, "-m", _MODULE, "--pay", json.dumps(given)], timeout=_LEAVES_S + _STARTS_S,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            paid = done.returncode == 0
        except subprocess.TimeoutExpired:
            paid = False
        if not paid:
            warnings.warn(
                f"{self.address.server} does not answer: its settings could not be put back", InputWarning, stacklevel=2
            )


class ClientLink:
    """A client of its own for a server.

    Args:
        address: the server and what is wanted of it.

    Attributes:
        world: what it told of the map: `map`, `opendrive`, `standing`.

    Raises:
        Lost: the server does not answer.
        InputError: it refuses, or `carla` is not installed.
    """

    def __init__(self, address: CarlaAddress):
        self.address = address
        self._client = _Client(address)
        self._end = finalize(self, self._client.end)
        self._buffer = b""
        self._over = ""  # why there are no more answers
        self.world: dict[str, Any] = self._answer("world", 6 * address.timeout_s + _STARTS_S)

    def begin(self, **facts: Any) -> tuple[dict[str, Any], LayoutFrame]:
        """Have it take over the server; facts as `scene.MapFacts`. Gives what it says, and the first layout."""
        self._order("begin", **facts)
        patience = 8 * self.address.timeout_s + self.address.wait_s + _STARTS_S
        return self._answer("ready", patience), self._layout(patience)

    def reset(self) -> LayoutFrame:
        self._order("reset")
        return self._layout(6 * self.address.timeout_s + _STARTS_S)

    def ask_tick(self, control: Control) -> None:
        """Order a tick with a control."""
        self._send(messages.CONTROL, control_message(control, 0).SerializeToString())

    def tick(self) -> LayoutFrame:
        """The layout of a tick that was ordered."""
        return self._layout(4 * self.address.timeout_s + _STARTS_S)

    def close(self) -> None:
        """Leave the server as it was, and end the process."""
        self._over = self._over or f"{self.address.server} was left"
        self._end()

    # --- messages -------------------------------------------------------------------------------------------------

    def _order(self, what: str, **values: Any) -> None:
        self._send(messages.JSON, json.dumps({"do": what, **values}).encode())

    def _send(self, kind: bytes, body: bytes) -> None:
        assert self._client.process.stdin is not None
        try:
            messages.put(self._client.process.stdin, kind, body)
        except (OSError, ValueError):
            pass  # it is dead: whoever reads its answer is told why

    def _layout(self, patience_s: float) -> LayoutFrame:
        return self._receive(messages.LAYOUT, "", patience_s)  # type: ignore[no-any-return]

    def _answer(self, name: str, patience_s: float) -> dict[str, Any]:
        return self._receive(messages.JSON, name, patience_s)  # type: ignore[no-any-return]

    def _receive(self, wanted: bytes, name: str, patience_s: float) -> Any:
        """The next layout, or the next JSON of a name; what is said in between is said."""
        deadline = time.monotonic() + patience_s
        while True:
            kind, body = self._take(deadline)
            if kind == messages.LAYOUT:
                assert wanted == messages.LAYOUT
                return layout_of(LayoutMessage.FromString(body))
            told = json.loads(body)
            if "said" in told:
                warnings.warn(f"{self.address.server}: {told['said']}", InputWarning, stacklevel=5)
            elif "debts" in told:
                self._client.debts = told["debts"]
            elif "refused" in told:
                self.close()
                raise InputError(**told["refused"])
            elif "lost" in told:
                owing = told.get("owing") and self._client.debts
                raise self._lost(told["lost"] + (", nor to be left as it was" if owing else ""))
            elif wanted == messages.JSON and name in told:
                return told[name]

    def _take(self, deadline: float) -> tuple[bytes, bytes]:
        """The next message.

        Raises:
            Lost: none comes.
        """
        if self._over:
            raise Lost(self._over)
        process = self._client.process
        assert process.stdout is not None
        stream = process.stdout.fileno()
        while (message := messages.split(self._buffer)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                process.kill()
                raise self._lost(f"the client of {self.address.server} hangs")
            data = os.read(stream, 1 << 20)
            if not data:
                raise self._lost(self._why_dead())
            self._buffer += data
        kind, body, self._buffer = message
        return kind, body

    def _lost(self, why: str) -> Lost:
        self._over = why
        self.close()
        return Lost(why)

    def _why_dead(self) -> str:
        """What became of a process that says nothing any more."""
        code = self._client.process.wait()
        self._client.errors.seek(0)
        told = self._client.errors.read().decode(errors="replace").strip().splitlines()
        lines = [line for line in told if not line.startswith(("WARNING", "INFO"))]
        if lines and "No module named 'carla'" in lines[-1]:
            raise InputError("needs CARLA's client: pip install 'uniscene_sim[maps]'", field="carla://")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        said = f": {one_line(lines[-1], 120)}" if lines else ""
        return f"the client of {self.address.server} {how}{said}"
