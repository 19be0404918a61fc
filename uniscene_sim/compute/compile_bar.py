"""Says which kernels are compiled, with a bar, where somebody waits for them: at the first reset of an environment on a
machine that has not compiled them yet. One process says it, however many of them begin at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

from tqdm import tqdm

from uniscene_sim.compute import kernel_cache

__all__ = ["telling_compiling", "tells_compiling"]

F = TypeVar("F", bound=Callable[..., Any])
_TOLD_ONCE = "uniscene_sim: compiling kernels for this processor; that is done once, and kept in {}"


class _CompileBar:
    """The bar of one wait; it appears with the first kernel that has to be compiled."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._lock = Lock()

    def missed(self, kernel: str) -> None:
        """A kernel is not in the cache, so it is compiled now."""
        with self._lock:
            if self._bar is None and _is_the_one_that_tells():
                self._bar = tqdm(desc="compiling", unit="kernel", disable=None, leave=False)
            if self._bar is not None:
                self._bar.set_postfix_str(kernel.strip("_"))

    def made(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


_held: list[int] = []  # the file that this process has locked, if it is the one that tells
os.register_at_fork(after_in_child=_held.clear)  # its children are not


def _is_the_one_that_tells() -> bool:
    """Whether no other process tells it; the first time also the line that says why it takes so long."""
    if _held:
        return True
    disk = kernel_cache.opened()
    handle = -1
    if disk is not None:
        with suppress(ImportError, OSError):
            import fcntl

            disk.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(disk.folder / "compiling", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                return False
    _held.append(handle)
    print(_TOLD_ONCE.format(disk.folder if disk else "this process alone"), file=sys.stderr, flush=True)
    return True


@contextmanager
def telling_compiling() -> Iterator[None]:
    """Say on stderr what is compiled meanwhile."""
    if kernel_cache.watcher is not None:  # somebody around this tells it
        yield
        return
    bar = _CompileBar()
    kernel_cache.watcher = bar
    try:
        yield
    finally:
        kernel_cache.watcher = None
        bar.close()


def tells_compiling(work: F) -> F:
    """Decorator of a function during which it is said what is compiled."""

    @wraps(work)
    def told(*args: Any, **kwargs: Any) -> Any:
        with telling_compiling():
            return work(*args, **kwargs)

    return told  # type: ignore[return-value]
