"""`Outcome`: the result of a run. Statuses and criteria follow the report format of CARLA's scenario_runner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["FAR_ENOUGH", "CriterionResult", "Outcome", "Status"]

#: Criteria that ask the ego to get far enough: they fail from the beginning on until it has.
FAR_ENOUGH = ("route_completion", "driven_distance")


class Status(StrEnum):
    RUNNING = "RUNNING"  # the run is not over
    SUCCESS = "SUCCESS"
    ACCEPTABLE = "ACCEPTABLE"  # only optional criteria failed
    FAILURE = "FAILURE"
    TIMEOUT = "TIMEOUT"  # what fails is only that the ego did not get far enough in its time
    ERROR = "ERROR"  # the driver, or what else is tested, broke down: nothing was judged


@dataclass(frozen=True)
class CriterionResult:
    """One criterion with its expected and actual value.

    Attributes:
        expected: bound, for example "<= 0".
        actual: the measured value; None if there is nothing to measure.
        bound: the number in `expected`; None if nobody tells it.
    """

    name: str
    expected: str
    actual: float | None
    success: bool
    actor: str = "ego"
    optional: bool = False
    bound: float | None = None


@dataclass(frozen=True)
class Outcome:
    """Status of a run, or its result.

    Attributes:
        details: further entries of the report, by key; values that JSON can hold.
    """

    status: Status
    criteria: tuple[CriterionResult, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, criteria: Iterable[CriterionResult], done: bool, timed_out: bool = False) -> Outcome:
        """The outcome of criteria; RUNNING until the run is done.

        Args:
            criteria: of the run.
            done: whether it is over.
            timed_out: whether its time was over first: then TIMEOUT if all that it fails is to get far enough.
        """
        criteria = tuple(criteria)
        failed = [criterion for criterion in criteria if not criterion.success]
        if not done:
            return cls(Status.RUNNING, criteria)
        if not failed:
            return cls(Status.SUCCESS, criteria)
        required = [criterion for criterion in failed if not criterion.optional]
        if not required:
            return cls(Status.ACCEPTABLE, criteria)
        late = timed_out and all(criterion.name in FAR_ENOUGH for criterion in required)
        return cls(Status.TIMEOUT if late else Status.FAILURE, criteria)

    def as_dict(self) -> dict[str, Any]:
        """The form used in report.json and in the ROS 2 topic /scenario/status."""
        names = ("name", "actor", "optional", "expected", "actual", "success")
        rows = [{name: row[name] for name in names} for row in map(asdict, self.criteria)]
        return {"status": str(self.status), "criteria": rows, **self.details}
