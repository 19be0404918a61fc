"""`Outcome`: the verdict over a run. Statuses and the form of a criterion follow scenario_runner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Criterion", "Outcome", "Status"]


class Status(StrEnum):
    RUNNING = "RUNNING"  # the run is not over
    SUCCESS = "SUCCESS"
    ACCEPTABLE = "ACCEPTABLE"  # only optional criteria failed
    FAILURE = "FAILURE"


@dataclass(frozen=True)
class Criterion:
    """One criterion, what it expects and what came out.

    Attributes:
        expected: bound, as "<= 0".
        actual: the number held against it; None where there is nothing to measure.
    """

    name: str
    expected: str
    actual: float | None
    success: bool
    actor: str = "ego"
    optional: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run stands, or how it ended.

    Attributes:
        details: what else the report should tell, by key; values can stand in JSON.
    """

    status: Status
    criteria: tuple[Criterion, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, criteria: Iterable[Criterion], done: bool) -> Outcome:
        """The outcome that criteria give: RUNNING until the run is done."""
        criteria = tuple(criteria)
        failed = [criterion for criterion in criteria if not criterion.success]
        if not done:
            return cls(Status.RUNNING, criteria)
        if not failed:
            return cls(Status.SUCCESS, criteria)
        return cls(Status.ACCEPTABLE if all(c.optional for c in failed) else Status.FAILURE, criteria)

    def as_dict(self) -> dict[str, Any]:
        """What stands in report.json and, in ROS 2, in /scenario/status."""
        names = ("name", "actor", "optional", "expected", "actual", "success")
        rows = [{name: row[name] for name in names} for row in map(asdict, self.criteria)]
        return {"status": str(self.status), "criteria": rows, **self.details}
