"""Results: what became of a case, with the numbers and curves that explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.outcome import CriterionResult, Status
from uniscene_sim.regression.cases import Case

__all__ = ["SERIES_DTYPE", "TRACK_DTYPE", "Batch", "CaseResult", "Violation"]

#: The ego at each tick, m, rad, s, in the map frame; `x`, `y` are the centre of its box. Times to collision are
#: infinite where there is none; the limit is that of the criterion `speed_limit`, NaN where the ego is on no lane.
SERIES_DTYPE = np.dtype([(name, np.float64) for name in (
    "time_s", "x", "y", "yaw", "speed_mps", "accel_mps2", "ttc_s", "limit_mps",
)])  # fmt: skip
#: Whoever moves around the ego, a row for each of them and each tick.
TRACK_DTYPE = np.dtype([("tick", np.int32), ("id", np.int32), ("cls", np.uint8)] + [
    (name, np.float32) for name in ("x", "y", "yaw", "length", "width")
])  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """A criterion that failed.

    Attributes:
        criterion: its name.
        moment_s: simulated time at which it began to fail; None for what is known at the end only.
        text: one line: criterion, moment and numbers.
    """

    criterion: str
    moment_s: float | None
    text: str


@dataclass(frozen=True)
class CaseResult:
    """One case, driven and judged.

    Attributes:
        driver: its name.
        passed: whether the status is one that the test accepts, and all repetitions agree.
        violations: one for each criterion that failed, the first one first.
        error: what broke down or did not repeat, one line; "" if nothing did.
        scores: by name.
        measured: further numbers by name; None where there is nothing to measure.
        sensors: means over the drive of each sensor's statistics, by name of the sensor.
        drawn: values of the scenario's parameters.
        digest: SHA-256 of all layouts and sensor records; "" if none were made.
        digests: the same of each tick, shortened, by name of the sensor, and of the "/layout".
        simulated_s, wall_s: how long the drive is, and how long it took.
        series: (T,) SERIES_DTYPE.
        tracks: (M,) TRACK_DTYPE.
        route: (R, 2) m, the ego's.
        recording, video: MCAP and MP4 of the drive, where they are kept.
    """

    case: Case
    driver: str
    status: Status
    passed: bool
    criteria: tuple[CriterionResult, ...] = ()
    violations: tuple[Violation, ...] = ()
    error: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float | None] = field(default_factory=dict)
    sensors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    drawn: Mapping[str, float | str] = field(default_factory=dict)
    digest: str = ""
    digests: tuple[Mapping[str, str], ...] = ()
    simulated_s: float = 0.0
    wall_s: float = 0.0
    series: np.ndarray = field(default_factory=lambda: np.zeros(0, SERIES_DTYPE))
    tracks: np.ndarray = field(default_factory=lambda: np.zeros(0, TRACK_DTYPE))
    route: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    recording: Path | None = None
    video: Path | None = None

    @classmethod
    def broken(cls, case: Case, driver: str, why: str, wall_s: float = 0.0) -> CaseResult:
        """The result of a case that nothing was judged of: the status is ERROR."""
        accepted = str(Status.ERROR) in case.accepts(driver)
        return cls(case, driver, Status.ERROR, accepted, error=why, wall_s=wall_s)

    @property
    def why(self) -> str:
        """One line that says why the test did not pass, or with what status it did."""
        told = [text for text in (self.error, *(violation.text for violation in self.violations)) if text]
        wanted = " or ".join(self.case.accepts(self.driver))
        why = f": {'; '.join(told)}" if told else ""
        return str(self.status) if self.passed else f"{self.status}, expected {wanted}{why}"

    @property
    def kept(self) -> str:
        """One line that says where the recording is, and what for; "" if there is none."""
        return "" if self.recording is None else f"recording: {self.recording} (uniscene-sim replay shows it again)"

    def as_dict(self) -> dict[str, Any]:
        """In scenario_runner's shape, with what we add behind it; values that JSON can hold."""
        names = ("name", "actor", "optional", "expected", "actual", "success")
        return {
            "scenario": self.case.title,
            "success": self.passed,
            "criteria": [{name: getattr(row, name) for name in names} for row in self.criteria],
            "status": str(self.status),
            "driver": self.driver,
            "file": self.case.file.name,
            "seed": self.case.seed,
            "parameters": dict(self.drawn),
            "violations": [{"criterion": v.criterion, "moment_s": v.moment_s, "text": v.text} for v in self.violations],
            "error": self.error,
            "scores": dict(self.scores),
            "measured": dict(self.measured),
            "sensors": {name: dict(row) for name, row in self.sensors.items()},
            "digest": self.digest,
            "simulated_s": self.simulated_s,
            "wall_s": round(self.wall_s, 3),
            "recording": None if self.recording is None else str(self.recording),
            "video": None if self.video is None else str(self.video),
        }


@dataclass(frozen=True)
class Batch:
    """The results of a batch of cases with one driver, in order."""

    driver: str
    results: Sequence[CaseResult]

    def as_dict(self) -> dict[str, Any]:
        """The merged report for JSON."""
        counts = {str(status): sum(r.status == status for r in self.results) for status in Status}
        return {
            "driver": self.driver,
            "success": all(r.passed for r in self.results),
            "passed": sum(r.passed for r in self.results),
            "statuses": {name: count for name, count in counts.items() if count},
            "results": [r.as_dict() for r in self.results],
        }
