"""What hangs on a map alone is made once and lives as long as the map."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

__all__ = ["once_per_map"]

T = TypeVar("T")
Map = TypeVar("Map")


def once_per_map(make: Callable[[Map], T]) -> Callable[[Map], T]:
    """A function of a map, or a class made of one, that gives the same object for the same map ever after."""
    name = f"{make.__module__}.{make.__qualname__}"

    @wraps(make)
    def of(static_map: Map) -> T:
        kept = vars(static_map)
        made: T = kept[name] if name in kept else kept.setdefault(name, make(static_map))
        return made

    return of
