"""What tests of scenarios share: the process that drives, and the results for the reports at the end.

With xdist each of its processes has a session of its own; results meet in a folder.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from uniscene_sim.regression.baselines import Baselines, Tolerances
from uniscene_sim.regression.case_files import CaseFiles
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drive import DriveSettings, drive_case
from uniscene_sim.regression.drivers import driver_named
from uniscene_sim.regression.loops import LoopSettings
from uniscene_sim.regression.results import Batch, CaseResult
from uniscene_sim.regression.workers import Worker

__all__ = ["ScenarioSession", "kept_results"]


class ScenarioSession:
    """Drives the cases of a run of pytest.

    Args:
        config: of pytest.
        results: folder in which results are kept for the reports; None if nobody asks for any.

    Attributes:
        files: of the cases that are collected.
    """

    def __init__(self, config: pytest.Config, results: Path | None):
        option = config.getoption
        self._name: str = option("--uniscene-driver")
        self._settings = DriveSettings(
            LoopSettings(rig=option("--uniscene-rig")),
            recordings=option("--uniscene-out"),
            time_limit_s=option("--uniscene-time-limit"),
        )
        self._here = driver_named(self._name) if option("--uniscene-in-process") else None
        self._worker = Worker(self._name, self._settings)
        self._results, self.files = results, CaseFiles()
        self._baselines: Baselines | None = None
        if (folder := option("--uniscene-baselines")) is not None:
            tolerances = Tolerances() if option("--uniscene-tolerant") else None
            updates = option("--uniscene-update-baselines")
            self._baselines = Baselines(folder, tolerances, option("--uniscene-out"), updates)

    def drive(self, case: Case, number: int) -> CaseResult:
        """The result of a case.

        Args:
            case: what to drive.
            number: of the test in this run, by which reports are ordered.

        Raises:
            InputError: there is no such driver.
        """
        if self._here is not None:
            result = drive_case(case, self._name, self._settings, self._here)
        else:
            result = self._worker.drive(case)
        if self._baselines is not None:
            result = self._baselines.judged(result)
        if self._results is not None:
            (self._results / f"{number:06d}.pickle").write_bytes(pickle.dumps(result))
        return result

    def finish(self) -> None:
        """Stop the process."""
        self._worker.stop()


def kept_results(driver: str, folder: Path) -> Batch:
    """The results that the tests of this run have kept, in order."""
    return Batch(driver, [pickle.loads(path.read_bytes()) for path in sorted(folder.glob("*.pickle"))])
