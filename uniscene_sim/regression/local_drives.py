"""Batches of cases in processes of this machine, which stay from one batch to the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from types import TracebackType

from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drive import DriveSettings
from uniscene_sim.regression.results import Batch, CaseResult
from uniscene_sim.regression.workers import Worker

__all__ = ["Drives", "run_cases"]


class Drives:
    """Drives batches of cases in some processes at once: an `Evaluate` of `studies.search`. A context manager.

    Args:
        driver: name, see `drivers.driver_named`.
        settings: how cases are driven.
        jobs: number of processes.
        judged: what becomes of each result: it may be compared with something.
        on_result: called with each result as it comes, one at a time.
    """

    def __init__(
        self,
        driver: str,
        settings: DriveSettings,
        jobs: int = 1,
        *,
        judged: Callable[[CaseResult], CaseResult] = lambda result: result,
        on_result: Callable[[CaseResult], object] = lambda _: None,
    ):
        threads = None if jobs == 1 else max((os.cpu_count() or 1) // jobs, 1)
        self._workers = [Worker(driver, settings, threads) for _ in range(jobs)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(jobs)
        self._judged, self._on_result, self._lock = judged, on_result, Lock()

    def __enter__(self) -> Drives:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error drives that have begun end first, for no process can be stopped while a thread starts it.
        interrupted = kind is not None and not issubclass(kind, Exception)
        self._threads.shutdown(wait=not interrupted, cancel_futures=True)
        for worker in self._workers:
            worker.stop(patient=kind is None)

    def __call__(self, cases: Sequence[Case]) -> list[CaseResult]:
        """The results of cases, in their order.

        Raises:
            InputError: there is no such driver.
        """
        return list(self._threads.map(self._drive, cases))

    def _drive(self, case: Case) -> CaseResult:
        worker = self._idle.get()
        try:
            result = worker.drive(case)
        finally:
            self._idle.put(worker)
        with self._lock:
            result = self._judged(result)
            self._on_result(result)
        return result


def run_cases(
    cases: Sequence[Case],
    driver: str,
    settings: DriveSettings = DriveSettings(),  # noqa: B008 - frozen
    jobs: int = 1,
    *,
    judged: Callable[[CaseResult], CaseResult] = lambda result: result,
    on_result: Callable[[CaseResult], object] = lambda _: None,
) -> Batch:
    """Drive one batch; arguments and errors as of `Drives`."""
    with Drives(driver, settings, max(min(jobs, len(cases)), 1), judged=judged, on_result=on_result) as drives:
        return Batch(driver, drives(cases))
