"""What goes wrong with servers, on command."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.carla_bridge.server.rpc import CallError


@dataclass
class Faults:
    no_state: bool = False  # ticks are answered, their state is never sent
    die_in: str = ""  # the call that ends the process
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds, one for each call
    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # messages, one for each call
    _thawed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thawed.set()

    def freeze(self, on: bool) -> None:
        """Keeps all connections and answers nothing, until thawed."""
        if on:
            self._thawed.clear()
        else:
            self._thawed.set()

    def wait_thawed(self) -> None:
        self._thawed.wait()

    def before(self, method: str) -> None:
        """What happens ahead of a call."""
        self._thawed.wait()
        if method == self.die_in:
            os._exit(1)
        if self.delays.get(method):
            time.sleep(self.delays[method].pop(0))
        if self.failures.get(method):
            raise CallError(self.failures[method].pop(0))
