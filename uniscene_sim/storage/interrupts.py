"""Signals that stop a process: raised as an exception, put off while that would do harm, and final at the second."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["STOP_SIGNALS", "Stopped", "deferred_signals", "goes_with_process", "raised_signals"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Private folders, removed also when a second signal ends the process without unwinding it.
goes_with_process: set[Path] = set()


class Stopped(KeyboardInterrupt):
    """The process was told to stop by a signal; it unwinds, and nothing half done is left."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def raised_signals() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise `Stopped`, and a second one end the process at once.

    A signal that is ignored (`nohup`, a job in the background) stays so. Outside the main thread, where signals do not
    arrive, nothing changes.
    """
    arrived: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            _end_at_once(arrived[0])
        raise Stopped(number)

    with _handled_by(stop):
        yield


@contextmanager
def deferred_signals(hurry: bool = False) -> Iterator[list[int]]:
    """Collect signals that would stop the process, and hand the first one on at the end: to raise within a kernel,
    between two renames, or while a process starts does harm.

    Args:
        hurry: whether a second signal ends the process at once; for what takes longer than a moment.
    """
    arrived: list[int] = []

    def collect(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if hurry and len(arrived) > 1:
            _end_at_once(arrived[0])

    try:
        with _handled_by(collect):
            yield arrived
    finally:
        if arrived:
            signal.raise_signal(arrived[0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in STOP_SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, handler) for number in taken}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _end_at_once(number: int) -> None:
    """End without unwinding, for which whoever sent a second signal does not wait."""
    for folder in list(goes_with_process):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(128 + number)
