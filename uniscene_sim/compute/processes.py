"""Processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

from uniscene_sim.errors import InputError
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.storage.interrupts import STOP_SIGNALS, deferred_signals

__all__ = ["PARENT", "end_with_parent", "in_processes", "run_child"]

_PR_SET_PDEATHSIG = 1
#: Environment variable of a child that is to end with its parent: the parent's number.
PARENT = "UNISCENE_PARENT"
_GRACE_S = 2.0
_PROCESS_BYTES = 2**27  # that numba and its kernels take, without any data
_T = TypeVar("_T")


def in_processes(
    jobs: int,
    function: Callable[..., _T],
    tasks: Sequence[Sequence[Any]],
    start: Callable[..., None] | None = None,
    arguments: Sequence[Any] = (),
) -> Generator[_T, None, None]:
    """Results of a function, in the order of the tasks, computed in processes of their own.

    To be used within `deferred_signals`; when it is closed, running tasks are finished and no others begun.

    Args:
        jobs: number of processes; no more start than there are tasks.
        function: module-level; called in one of them with the values of a task.
        tasks: values of each call.
        start: called once in each process, with `arguments`.
        arguments: of `start`.

    Raises:
        InputError: so many need more memory than there is, or one was killed.
    """
    jobs = max(1, min(jobs, len(tasks)))
    require_memory(jobs * _PROCESS_BYTES, f"{jobs} processes", "jobs")
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (start, *arguments))
    try:
        futures: list[Future[_T]] = [pool.submit(function, *task) for task in tasks]
        for future in futures:
            yield future.result()
    except BrokenProcessPool:
        why = "one of the processes was killed; if memory ran out, expected fewer"
        raise InputError(why, argument="jobs") from None
    finally:
        pool.shutdown(cancel_futures=True)


def run_child(
    command: Sequence[str | Path], timeout_s: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed, as UTF-8; it is ended with this function, however that happens.

    Args:
        command: the program and its arguments.
        timeout_s: longest time, after which it is ended.
        options: of `subprocess.Popen`.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    options |= {"env": {**os.environ, PARENT: str(os.getpid())}, "errors": "backslashreplace"}
    with ExitStack() as stack:
        with deferred_signals():  # one that arrived in between would leave a child that nobody knows
            child = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", **options)
            stack.enter_context(child)
            stack.callback(_end, child)
        out, err = child.communicate(timeout=timeout_s)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def _end(child: subprocess.Popen[str]) -> None:
    """End a child that still runs: politely, as it may have children of its own, then for good."""
    child.terminate()
    try:
        child.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def end_with_parent() -> None:
    """Let the system end this process when the one of ours that started it ends, however that happens (Linux)."""
    parent = parent_process()
    number = os.environ.pop(PARENT, None) if parent is None else str(parent.pid)
    if number is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if str(os.getppid()) != number:
            os._exit(1)  # it has ended meanwhile


def _start_worker(start: Callable[..., None] | None, *arguments: Any) -> None:
    for number in STOP_SIGNALS:  # the main process handles them, and lets this one finish its task
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    if start is not None:
        start(*arguments)
