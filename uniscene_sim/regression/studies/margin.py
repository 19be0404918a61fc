"""The margin of a drive: one number that is positive where it passed, negative where it failed, and nears zero towards
the boundary between the two from either side, so that a search can follow it there."""

from __future__ import annotations

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.outcome import CriterionResult, Status
from uniscene_sim.regression.results import CaseResult

__all__ = ["margin_of"]

_LEAST = 1e-3  # of what fails, however slightly
_UNKNOWN = 0.5


def margin_of(result: CaseResult, criterion: str | None = None) -> float | None:
    """The margin of a drive, -1..1; None where nothing was judged (status ERROR).

    A criterion that holds gives its slack: how far the value is from the bound, as a share of the bound; one about
    collisions the least time to collision in seconds. One that fails gives its severity: the same share, and for a
    collision the ego's speed then in m/s. What is x becomes x / (1 + x). The margin is the least slack, or the greatest
    severity with a minus sign.

    Args:
        result: of the drive.
        criterion: the only one that counts; None for all that are not optional.

    Raises:
        InputError: the scenario has no such criterion.
    """
    if result.status == Status.ERROR:
        return None
    rows = [row for row in result.criteria if (row.name == criterion if criterion else not row.optional)]
    if criterion and not rows:
        known = ", ".join(dict.fromkeys(row.name for row in result.criteria))
        raise InputError(f"the scenario has none of that name; expected one of {known}", field="criterion")
    failed = [row for row in rows if not row.success]
    if failed:
        return -max(_squashed(_severity(row, result)) for row in failed)
    if criterion is None and not result.passed:
        return -_UNKNOWN
    return min((_squashed(_slack(row, result)) for row in rows), default=1.0)


def _squashed(x: float) -> float:
    return 1.0 if np.isinf(x) else max(x / (1.0 + x), _LEAST)


def _from_bound(row: CriterionResult) -> float | None:
    """Distance of the value from the bound as a share of it; None where the value says nothing of how near it is: a
    count or a duration of what must not happen at all."""
    bound = row.bound
    if bound is None or row.actual is None:
        return None
    return abs(row.actual - bound) / (abs(bound) or 1.0) if bound or not row.success else None


def _slack(row: CriterionResult, result: CaseResult) -> float:
    if row.name.startswith("collision"):
        return float(result.series["ttc_s"].min()) if len(result.series) else float("inf")
    share = _from_bound(row)
    return float("inf") if share is None else share


def _severity(row: CriterionResult, result: CaseResult) -> float:
    if row.name.startswith("collision"):
        at = next((v.moment_s for v in result.violations if v.criterion == row.name and v.moment_s is not None), None)
        if at is None or not len(result.series):
            return _UNKNOWN
        return float(abs(np.interp(at, result.series["time_s"], result.series["speed_mps"])))
    share = _from_bound(row)
    return _UNKNOWN if share is None else share
