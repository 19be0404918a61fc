"""Caching of what depends on a map alone: computed once, it lives as long as the map."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

__all__ = ["once_per_map"]

T = TypeVar("T")
Map = TypeVar("Map")


def once_per_map(make: Callable[[Map], T]) -> Callable[[Map], T]:
    """Decorator of a function of a map, or a class made from one: the same map gives the same object."""
    name = f"{make.__module__}.{make.__qualname__}"

    @wraps(make)
    def of(static_map: Map) -> T:
        kept = vars(static_map)
        made: T = kept[name] if name in kept else kept.setdefault(name, make(static_map))
        return made

    return of
