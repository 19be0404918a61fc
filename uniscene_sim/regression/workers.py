"""Processes that drive cases: a driver that crashes or hangs takes its process along, and costs one case.

A process is kept from case to case, with what it has loaded and compiled: maps, tiles, weights, kernels, the driver.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from time import perf_counter
from types import TracebackType
from typing import Any

import numba

from uniscene_sim.errors import InputError
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drive import DriveSettings, Phase, drive_case
from uniscene_sim.regression.drivers import Brought, driver_named
from uniscene_sim.regression.results import CaseResult

__all__ = ["Worker"]

_START_S = 120.0  # for a process to import what it needs
_PREPARE_S = 900.0  # for tiles and kernels that nobody has made yet
_STOP_S = 5.0
_READY = "ready"


class Worker:
    """A process that drives cases with one driver, one after the other. A context manager: it is stopped when it is
    left.

    Args:
        driver: name, see `drivers.driver_named`.
        settings: how cases are driven.
        threads: that it computes with; None for all there are.
    """

    def __init__(self, driver: str, settings: DriveSettings, threads: int | None = None):
        self._driver, self._settings, self._threads = driver, settings, threads
        self._process: Any = None
        self._pipe: Connection

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def drive(self, case: Case) -> CaseResult:
        """The result of a case. What breaks the process, or drives longer than the time limit allows, has the status
        ERROR; the next case gets a new process.

        Raises:
            InputError: there is no such driver.
        """
        begin, limit_s = perf_counter(), self._settings.limit_s(case)
        if self._process is None:
            self._start()
        try:
            self._pipe.send(case)
            found = self._answer(_PREPARE_S)
            while isinstance(found, Phase):
                found = self._answer(limit_s if found is Phase.DRIVES else _PREPARE_S)
        except TimeoutError:
            self.stop(patient=False)
            why = f"the drive took longer than its limit of {limit_s:g} s, and was stopped"
            return CaseResult.broken(case, self._driver, why, perf_counter() - begin)
        except (EOFError, OSError):
            why = f"the driver's process ended: {self._death()}"
            return CaseResult.broken(case, self._driver, why, perf_counter() - begin)
        if isinstance(found, InputError):
            raise found
        assert isinstance(found, CaseResult)
        return found

    def stop(self, patient: bool = True) -> None:
        """End the process, by force unless it is given time."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            self._pipe.close()  # it ends by itself
        process.join(_STOP_S if patient else 0.0)
        if process.is_alive():
            process.kill()
        process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._driver, self._settings, self._threads), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            found = self._answer(_START_S)
        except (TimeoutError, EOFError, OSError):
            death = self._death()
            raise InputError(f"the process of the driver does not start: {death}", field="driver") from None
        if isinstance(found, InputError):
            self.stop()
            raise found

    def _answer(self, limit_s: float) -> Any:
        if not self._pipe.poll(limit_s):
            raise TimeoutError
        return self._pipe.recv()

    def _death(self) -> str:
        """How the process ended."""
        self._process.join(_STOP_S)
        code = self._process.exitcode
        self.stop(patient=False)
        if code is None:
            return "no answer"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _work(pipe: Connection, name: str, settings: DriveSettings, threads: int | None) -> None:
    """What the process does: answers each case with its result, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
    if threads is not None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of torch, which is not there yet
    brought: Brought | None = None
    try:
        try:
            brought = driver_named(name)
        except InputError as error:
            pipe.send(error)
            return
        pipe.send(_READY)
        while True:
            case: Case = pipe.recv()
            try:
                pipe.send(drive_case(case, name, settings, brought, tells=pipe.send))
            except InputError as error:
                pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        sys.stdout.flush()
