"""Processes that drive cases: a driver that crashes or hangs takes its process along, and costs one case. What a driver
starts ends with its process.

A process is kept from case to case, with what it has loaded and compiled: maps, tiles, weights, kernels, the driver.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from time import perf_counter, sleep
from types import TracebackType
from typing import Any

import numba

from uniscene_sim.errors import InputError
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drive import DriveSettings, drive_case
from uniscene_sim.regression.drivers import Brought, Phase, driver_named
from uniscene_sim.regression.results import CaseResult

__all__ = ["Worker"]

_START_S = 120.0  # for a process to import what it needs
_PREPARE_S = 900.0  # for tiles and kernels that nobody has made yet
_LEAST_MAKE_S = 60.0  # for a driver to be imported or made, however short its drives may be: it may load networks
_STOP_S = 5.0
_LOOKS_S = 1.0  # from one look at whether the process lives to the next
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
        """The result of a case. What breaks the process, or drives or is made for longer than the time limit allows,
        has the status ERROR; the next case gets a new process.

        Raises:
            InputError: there is no such driver, or its import takes longer than that.
        """
        begin, limit_s = perf_counter(), self._settings.limit_s(case)
        make_s = max(limit_s, _LEAST_MAKE_S)
        if self._process is None:
            self._start(make_s)
        phase, left_s = Phase.OVER, _PREPARE_S
        try:
            self._pipe.send(case)
            while isinstance(found := self._answer(left_s), Phase):
                phase = found
                left_s = {Phase.MAKES: make_s, Phase.DRIVES: limit_s}.get(phase, _PREPARE_S)
        except TimeoutError:
            self.stop(patient=False)
            what = {Phase.MAKES: "the making of the driver", Phase.DRIVES: "the drive"}.get(phase, "what is around it")
            why = f"{what} took longer than its limit of {left_s:g} s, and was stopped"
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
        if patient:
            _wait(process)
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # and what the driver has started
        if process.is_alive():
            process.kill()
        process.join()

    def _start(self, make_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._driver, self._settings, self._threads), daemon=True
        )
        self._process.start()
        theirs.close()
        found: Any = None
        try:
            found = self._answer(_START_S)
            if found is Phase.MAKES:
                found = self._answer(make_s)
        except (TimeoutError, EOFError, OSError) as error:
            if isinstance(error, TimeoutError) and found is Phase.MAKES:
                self.stop(patient=False)
                why = f"{self._driver} cannot be imported: it takes longer than {make_s:g} s"
                raise InputError(why, field="driver") from None
            death = self._death()
            raise InputError(f"the process of the driver does not start: {death}", field="driver") from None
        if isinstance(found, InputError):
            self.stop()
            raise found

    def _answer(self, limit_s: float) -> Any:
        end = perf_counter() + limit_s
        while not self._pipe.poll(min(max(end - perf_counter(), 0.0), _LOOKS_S)):
            if perf_counter() >= end:
                raise TimeoutError
            # Processes that the driver has forked may hold the pipe open.
            if not self._process.is_alive() and not self._pipe.poll():
                raise EOFError
        return self._pipe.recv()

    def _death(self) -> str:
        """How the process ended."""
        _wait(self._process)
        code = self._process.exitcode
        self.stop(patient=False)
        if code is None:
            return "no answer"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _wait(process: Any) -> None:
    """Give a process time to end; `join` would wait for what it has forked, too."""
    end = perf_counter() + _STOP_S
    while process.is_alive() and perf_counter() < end:
        sleep(0.01)


def _work(pipe: Connection, name: str, settings: DriveSettings, threads: int | None) -> None:
    """What the process does: answers each case with its result, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
    os.setpgid(0, 0)  # with all that the driver starts
    multiprocessing.current_process().daemon = False  # else a driver may not start any
    if threads is not None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of torch, which is not there yet
    brought: Brought | None = None
    try:
        pipe.send(Phase.MAKES)
        try:
            brought = driver_named(name, pipe.send)
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
