"""`Remote`: where a server is, and how long a client waits for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from uniscene_sim.errors import InputError, shown

__all__ = ["Remote", "is_loopback", "split_address"]

_MOST_PORT = 65535
_HOST, _PORT = re.compile(r"[A-Za-z0-9._%:-]{1,255}"), re.compile("[0-9]{1,5}")


@dataclass(frozen=True)
class Remote:
    """A server of `uniscene-sim serve`.

    Attributes:
        address: HOST:PORT, or [HOST]:PORT for IPv6.
        tls_ca: certificates (PEM) that its own must go back to; None to speak without TLS.
        connect_s: how long the first connection is tried.
        reconnect_s: how long a lost connection is tried again before the run ends.
    """

    address: str
    tls_ca: str | Path | None = None
    connect_s: float = 5.0
    reconnect_s: float = 30.0

    def __post_init__(self) -> None:
        split_address(self.address)

    @classmethod
    def of(cls, given: Remote | str) -> Remote:
        """A server by its address alone, or as it is.

        Raises:
            InputError: it is neither.
        """
        if not isinstance(given, Remote | str):
            raise InputError(f"expected HOST:PORT, got {shown(given)}", field="remote")
        return given if isinstance(given, Remote) else cls(given)


def split_address(text: object) -> tuple[str, int]:
    """Host and port.

    Raises:
        InputError: the text is not HOST:PORT.
    """
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    bare = host.removeprefix("[").removesuffix("]")
    is_host = _HOST.fullmatch(bare) and (":" not in host or host == f"[{bare}]")
    if not (is_host and _PORT.fullmatch(port) and 0 < int(port) <= _MOST_PORT):
        raise InputError(f"expected HOST:PORT, got {shown(text)}", field="remote")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
