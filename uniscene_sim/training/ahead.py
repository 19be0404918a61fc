"""Batches that a background thread makes while one trains on those before."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Thread
from typing import Generic, Protocol, TypeVar

__all__ = ["Ahead", "made_ahead"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Numbered(Protocol[_T_co]):
    """Batches by number."""

    def __getitem__(self, n: int) -> _T_co: ...


def made_ahead(batches: Numbered[_T], first: int, last: int) -> Iterator[_T]:
    """Batches `first` to `last` - 1; what making one raises is raised where it is asked for."""
    queue: Queue[tuple[_T, None] | tuple[None, BaseException]] = Queue(maxsize=2)

    def make() -> None:
        try:
            for n in range(first, last):
                queue.put((batches[n], None))
        except BaseException as error:  # else who waits would wait for ever
            queue.put((None, error))

    Thread(target=make, daemon=True).start()
    for _ in range(first, last):
        batch, error = queue.get()
        if error is not None:
            raise error
        yield batch  # type: ignore[misc]


class Ahead(Generic[_T]):
    """Batches by step, made ahead as long as they are asked for in order."""

    def __init__(self, batches: Numbered[_T], steps: int):
        self._batches, self._steps, self._next = batches, steps, -1

    def __getitem__(self, step: int) -> _T:
        if step != self._next:
            self._ahead = made_ahead(self._batches, step, self._steps)
        self._next = step + 1
        return next(self._ahead)
