"""`LastUsed`: objects that a process makes once and shares: those in use anywhere, and the few that were used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

__all__ = ["LastUsed"]

T = TypeVar("T")


class LastUsed(Generic[T]):
    """Objects by key. One that somebody still holds is always found again; of the others, those used last are kept.

    Args:
        most: how many are kept though nobody else holds them.
        max_bytes: bound of the memory of these, None for no bound; the one used last is kept whatever its size.
        nbytes: present memory of an object.
    """

    def __init__(self, most: int, max_bytes: int | None = None, nbytes: Callable[[T], int] = lambda _: 0):
        self._most, self._max_bytes, self._nbytes = most, max_bytes, nbytes
        self._in_use: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = RLock()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The object of a key, made if it is neither in use nor kept."""
        with self._lock:
            found = self._in_use.get(key)
            return self.put(key, make() if found is None else found)

    def put(self, key: Hashable, one: T) -> T:
        """Have an object be that of a key, and return it."""
        with self._lock:
            self._in_use[key] = self._kept[key] = one
            self._kept.move_to_end(key)
            self.trim()
            return one

    def trim(self) -> None:
        """Let go of what was used longest ago, as objects may have grown since."""
        with self._lock:
            bound = self._max_bytes
            held = sum(self._nbytes(one) for one in self._kept.values()) if bound is not None else 0
            while len(self._kept) > 1 and (len(self._kept) > self._most or (bound is not None and held > bound)):
                _, oldest = self._kept.popitem(last=False)
                held -= self._nbytes(oldest) if bound is not None else 0

    def clear(self) -> None:
        """Keep nothing that is not in use."""
        with self._lock:
            self._kept.clear()
