"""Work on several threads.

Kernels that Python calls are `nogil_kernel`s: while one runs, other threads run Python or kernels of their own. So
worlds are best rendered one per thread, and a single large image by ranges of its rows.

numba's parallel loops would divide each small image anew, and not every threading layer allows two threads to start one
at the same time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import numba

__all__ = ["map_threads", "row_ranges"]

T = TypeVar("T")
R = TypeVar("R")
_RANGES = 4  # for each thread, so that one with cheap rows can take more of them
_thread_state = threading.local()


def map_threads(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of `work` on `items`, in their order, on as many threads as numba may use (`set_num_threads`).

    Nested calls stay on their thread. If there are fewer items than threads, items run one after the other, so that
    each may use all threads itself.
    """
    threads = _threads()
    if threads == 1 or len(items) < threads:
        return [work(item) for item in items]
    results: list[R] = [None] * len(items)  # type: ignore[list-item]
    left = iter(range(len(items)))

    def take() -> None:
        _thread_state.busy = True
        try:
            for k in left:
                results[k] = work(items[k])
        finally:
            _thread_state.busy = False

    helpers = [_pool().submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        wait(helpers)
    for helper in helpers:
        helper.result()
    return results


def row_ranges(count: int) -> list[tuple[int, int]]:
    """Ranges (begin, end) that divide `count` rows into items for `map_threads`."""
    parts = min(_RANGES * _threads(), count) if _threads() > 1 else min(1, count)
    return [(count * k // parts, count * (k + 1) // parts) for k in range(parts)]


def _threads() -> int:
    return 1 if getattr(_thread_state, "busy", False) else numba.get_num_threads()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS, "worker")  # type: ignore[attr-defined]


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
