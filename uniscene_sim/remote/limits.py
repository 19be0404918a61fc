"""`ServerLimits`: what a server takes from those who reach it."""

from __future__ import annotations

from dataclasses import dataclass

from uniscene_sim.limits.bounds import Bound, check_numbers

__all__ = ["ServerLimits"]


@dataclass(frozen=True)
class ServerLimits:
    """Bounds of what clients may ask for.

    Attributes:
        sessions: open at once.
        worlds: in a session.
        places: worlds of another map or seed in use at once, each with tiles of its own.
        layouts: of one world in a tick.
        message_mib: size of a request.
        map_mib: size of a map.
    """

    sessions: int = 8
    worlds: int = 256
    places: int = 32
    layouts: int = 4096
    message_mib: int = 16
    map_mib: int = 64

    def __post_init__(self) -> None:
        count, size = Bound(1, 10_000, whole=True), Bound(1, 1024, "MiB", whole=True)
        check_numbers(self, sessions=count, worlds=count, places=count, layouts=count, message_mib=size, map_mib=size)
