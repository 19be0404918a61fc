"""Scenario files as collectors, their cases as tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.regression.cases import Case, cases_of
from uniscene_sim.regression.results import CaseResult

if TYPE_CHECKING:
    from uniscene_pytest.session import ScenarioSession

__all__ = ["ScenarioFailed", "ScenarioFile", "ScenarioItem"]


class ScenarioFailed(Exception):
    """A test that did not pass; holds the result."""

    def __init__(self, result: CaseResult):
        super().__init__(result.why)
        self.result = result


class ScenarioFile(pytest.File):
    """A scenario file; its tests are the cases of its plan."""

    scenarios: ScenarioSession

    def collect(self) -> Iterator[pytest.Item]:
        try:
            cases = cases_of(self.path)
            for case in cases:
                self.scenarios.files.add(case)
        except InputError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            # As a text, so that pytest parses it as it parses the ids that it has kept: --last-failed compares both.
            item = ScenarioItem.from_parent(self, name=case.title, nodeid=f"{self.nodeid}::{case.title}", case=case)
            for tag in case.plan.tags:
                self.config.addinivalue_line("markers", f"{tag}: scenarios with this tag")
                item.add_marker(tag)
            yield item


class ScenarioItem(pytest.Item):
    """One case, driven by the driver under test."""

    parent: ScenarioFile

    def __init__(self, *, case: Case, **others: Any):
        super().__init__(**others)
        self.case, self.number = case, 0

    def runtest(self) -> None:
        try:
            result = self.parent.scenarios.drive(self.case, self.number)
        except InputError as error:
            if error.field == "driver":  # no other test can have it either
                self.session.shouldstop = str(error)
            raise
        self.user_properties += [
            ("driver", result.driver),
            ("status", str(result.status)),
            ("digest", result.digest),
            *((f"drawn_{name}", value) for name, value in result.drawn.items()),
            *((f"score_{name}", round(value, 4)) for name, value in result.scores.items()),
        ]
        if not result.passed:
            raise ScenarioFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, InputError):
            return str(error)
        if not isinstance(error, ScenarioFailed):
            return super().repr_failure(excinfo, style)
        result = error.result
        lines = [result.why.replace("; ", "\n  ").replace(": ", ":\n  ", 1)]
        if result.recording is not None:
            lines.append(result.kept)
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, 0, self.name
