"""`Session`: a rig and its engines on a server, through as many connections as it takes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from threading import RLock
from typing import TypeVar
from weakref import finalize

from uniscene_sim import plugins
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.library import MIB, VERSION
from uniscene_sim.remote.link import Hopeless, Link, Lost
from uniscene_sim.rig import SensorRig
from uniscene_sim.wire.map_bytes import map_message
from uniscene_sim.wire.messages import rig_message
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map as MapMessage

__all__ = ["RemoteEngine", "Session"]

R = TypeVar("R")
#: Seconds before a connection is tried again: the first wait, and the longest.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
_KEPT_MAPS = 4
_PIECE = MIB


@dataclass(frozen=True)
class RemoteEngine:
    """An engine of the server, as far as a simulator here has to know it."""

    name: str
    chunk: int
    latency_ticks: int


class Session:
    """A rig and its engines on a server. Worlds may use it from several threads.

    Args:
        remote: the server.
        rig: sensors.
        engines: names with options by slot, the defaults for the rest.
        trace: what rays are traced through.
        tick_us: length of a tick, None for the greatest common divisor of all periods and phases.

    Attributes:
        engines: by slot.

    Raises:
        InputError: nobody answers, or the server refuses.
    """

    def __init__(
        self, remote: Remote, rig: SensorRig, engines: dict[str, str], trace: str = "tiles", tick_us: int | None = None
    ):
        chosen = plugins.choose_engines(engines, trace)
        self.remote, self.rig, self.trace, self.tick_us = remote, rig, chosen.trace, tick_us
        self._opening = pb.Open(
            rig=rig_message(rig), engines=chosen.names, trace=chosen.trace, tick_us=tick_us or 0
        )
        self._lock, self._numbers = RLock(), count()
        self._free: list[int] = []  # numbers of worlds that nobody uses any longer
        self._maps: dict[str, tuple[MapMessage, bytes]] = {}  # those sent last, with their hashes, by ref
        self._links: list[Link] = []  # the live one, if there is one
        finalize(self, _close_all, self._links)
        opened = self.attempt(lambda link: link.opened)
        self.engines = {
            slot: RemoteEngine(engine.name, engine.chunk, engine.latency_ticks)
            for slot, engine in opened.engines.items()
        }
        if opened.version != VERSION:
            why = f"{remote.address} has uniscene_sim {opened.version}, here is {VERSION}: frames may differ"
            warnings.warn(InputWarning(why), stacklevel=2)

    def new_world(self, user: object) -> int:
        """The number of a new world: that of one whose user is gone, if there is one, so that the server forgets it."""
        with self._lock:
            number = self._free.pop() if self._free else next(self._numbers)
            for link in self._links:
                link.worlds.discard(number)
        finalize(user, self._free.append, number)
        return number

    def attempt(self, work: Callable[[Link], R]) -> R:
        """Do something on a live connection; should it be lost, once more on a new one.

        Args:
            work: whatever it does, it can do again from the beginning.

        Raises:
            InputError: there is no connection for longer than `Remote` allows, or the server refuses.
        """
        with self._lock:
            first = not hasattr(self, "engines")
            begin, wait_s = time.monotonic(), _FIRST_WAIT_S
            while True:
                try:
                    if not self._links:
                        self._links.append(Link(self.remote, self._opening, self.rig.frame_bytes))
                    return work(self._links[0])
                except Lost as lost:
                    self.close()
                    patience_s = self.remote.connect_s if first else self.remote.reconnect_s
                    is_hopeless = first and isinstance(lost, Hopeless)
                    if is_hopeless or time.monotonic() - begin + wait_s > patience_s:
                        raise InputError(self._said(lost, patience_s, first), field="remote") from None
                    time.sleep(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                except BaseException:
                    self.close()  # replies that nobody waits for any longer may be under way
                    raise

    def open_world(self, link: Link, world: int, static_map: StaticMap, seed: int) -> bool:
        """Make sure that a connection has a world; returns whether it is new there.

        Args:
            link: the live connection.
            world: its number.
            static_map: its map, sent if the server does not hold it.
            seed: of its tiles.
        """
        if world in link.worlds:
            return False
        if static_map.ref not in self._maps:
            message = map_message(static_map)
            self._maps[static_map.ref] = message, sha256(message.npz).digest()
            while len(self._maps) > _KEPT_MAPS:
                del self._maps[next(iter(self._maps))]
        message, digest = self._maps[static_map.ref]
        opening = pb.OpenWorld(world=world, map_hash=digest, seed=seed)
        if link.ask(pb.Request(world=opening), "world").world.need_map:
            for at in range(0, len(message.npz), _PIECE):
                part = MapMessage(
                    ref=message.ref, name=message.name, kind=message.kind, npz=message.npz[at : at + _PIECE]
                )
                link.send(pb.Request(map=pb.MapPiece(part=part, last=at + _PIECE >= len(message.npz))))
            link.receive("world")
        link.worlds.add(world)
        return True

    def close(self) -> None:
        """End the connection; the next use makes another."""
        _close_all(self._links)

    def _said(self, lost: Lost, patience_s: float, first: bool) -> str:
        what = "cannot be reached" if first else f"is gone, and did not come back within {patience_s:g} s"
        wants_tls = first and self.remote.tls_ca is None and str(lost) == "Socket closed"
        tls = ", and `tls_ca` if that has a certificate" if wants_tls else ""
        return f"{self.remote.address} {what} ({lost}); expected a running `uniscene-sim serve`{tls}"


def _close_all(links: list[Link]) -> None:
    while links:
        links.pop().close()
