"""A batch on a Ray cluster: the processes of `workers`, one for each CPU that Ray gives, wherever it is.

Ray starts, counts and replaces what runs there. Each task keeps a process of its own for the driver, as a local batch
does, so a driver that crashes or hangs costs one case there, too; and a case whose machine or Ray worker dies is driven
again elsewhere. Scenario files, rigs and drivers are found as here: the machines share this folder, or have a copy of
it at the same path.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from uniscene_sim.errors import InputError, one_line
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drive import DriveSettings
from uniscene_sim.regression.results import Batch, CaseResult
from uniscene_sim.regression.workers import Worker

__all__ = ["LOCAL", "RayDrives", "run_on_ray"]

#: The address that starts a cluster on this machine for the batch alone.
LOCAL = "local"
_ANSWER_S = 5.0  # for a cluster to take a connection
_RETRIES = 3  # of a case whose Ray worker dies
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "NUMBA", "OPENBLAS", "MKL")}


@dataclass(frozen=True)
class _Task:
    """What a Ray worker gets."""

    case: Case
    driver: str
    settings: DriveSettings
    folder: Path  # in which the batch was started


class RayDrives:
    """Drives batches of cases on a Ray cluster: an `Evaluate` of `studies.search`. A context manager: what it has
    started of Ray ends when it is left.

    Args:
        driver: name, see `drivers.driver_named`.
        settings: how cases are driven.
        address: of the cluster, as Ray takes it ("HOST:PORT", "ray://HOST:PORT", "auto"), or `LOCAL`.
        cpus: of a cluster that is started here; None for all.
        judged: what becomes of each result, see `local_drives.run_cases`.
        on_result: called with each result as it comes.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self,
        driver: str,
        settings: DriveSettings,
        address: str = LOCAL,
        cpus: int | None = None,
        *,
        judged: Callable[[CaseResult], CaseResult] = lambda result: result,
        on_result: Callable[[CaseResult], object] = lambda _: None,
    ):
        self._ray = _connected(address, cpus)
        self._driver, self._settings, self._judged, self._on_result = driver, settings, judged, on_result
        self._drive = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(_drive)

    def __enter__(self) -> RayDrives:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def __call__(self, cases: Sequence[Case]) -> list[CaseResult]:
        """The results of cases, in their order.

        Raises:
            InputError: there is no such driver.
        """
        folder = Path.cwd()
        waiting = {self._drive.remote(_Task(case, self._driver, self._settings, folder)): k
                   for k, case in enumerate(cases)}  # fmt: skip
        found: dict[int, CaseResult] = {}
        for reference in self._as_they_come(list(waiting)):
            k = waiting[reference]
            found[k] = self._judged(self._result(reference, cases[k]))
            self._on_result(found[k])
        return [found[k] for k in range(len(cases))]

    def _as_they_come(self, left: list[Any]) -> Iterator[Any]:
        while left:
            (first,), left = self._ray.wait(left, num_returns=1)
            yield first

    def _result(self, reference: Any, case: Case) -> CaseResult:
        try:
            found = pickle.loads(self._ray.get(reference))  # of our own workers
        except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.OutOfMemoryError,
                self._ray.exceptions.NodeDiedError) as error:  # fmt: skip
            why = one_line(f"the Ray worker died {_RETRIES + 1} times: {error}")
            return CaseResult.broken(case, self._driver, why)
        if isinstance(found, InputError):
            raise found
        assert isinstance(found, CaseResult)
        return found


def run_on_ray(
    cases: Sequence[Case],
    driver: str,
    settings: DriveSettings = DriveSettings(),  # noqa: B008 - frozen
    address: str = LOCAL,
    *,
    judged: Callable[[CaseResult], CaseResult] = lambda result: result,
    on_result: Callable[[CaseResult], object] = lambda _: None,
) -> Batch:
    """Drive cases on a Ray cluster; arguments and result as of `local_drives.run_cases`, with the cluster's address.

    Raises:
        InputError: as `RayDrives` and its call.
    """
    with RayDrives(driver, settings, address, judged=judged, on_result=on_result) as drives:
        return Batch(driver, drives(cases))


def _connected(address: str, cpus: int | None) -> Any:
    """The module `ray`, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # GPUs stay visible; Ray warns of this otherwise
    try:
        import ray
    except ImportError:
        raise InputError("needs Ray: pip install 'uniscene_sim[ray]'", field="ray") from None
    _require_listener(address)
    variables = {**_ONE_THREAD, "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder)}
    options: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address, runtime_env={"env_vars": variables}, log_to_driver=False, logging_level=logging.ERROR,
                 **options)  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise InputError(one_line(f"no Ray cluster at {address!r}: {error}"), field="ray") from error
    return ray


def _require_listener(address: str) -> None:
    """InputError if nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(one_line(f"no Ray cluster at {address!r}: {error}"), field="ray") from error


_kept: dict[tuple[str, str], Worker] = {}


def _drive(task: _Task) -> bytes:
    """The result of a case, pickled so that it outlives Ray's memory; in a Ray worker, whose process of the driver
    stays for the next case."""
    if Path.cwd() != task.folder and task.folder.is_dir():
        os.chdir(task.folder)
    key = task.driver, repr(task.settings)
    if key not in _kept:
        _kept[key] = Worker(task.driver, task.settings)
    try:
        return pickle.dumps(_kept[key].drive(task.case))
    except InputError as error:
        return pickle.dumps(error)
