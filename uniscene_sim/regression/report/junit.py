"""A batch as JUnit XML, in the family xunit2 that pytest writes and Jenkins, GitLab and GitHub's actions read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from uniscene_sim.outcome import CriterionResult, Status
from uniscene_sim.regression.report.plain import plain
from uniscene_sim.regression.results import Batch, CaseResult

__all__ = ["junit_of"]

#: What XML 1.0 cannot hold, not even as a reference: https://www.w3.org/TR/xml/#charsets.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_of(batch: Batch) -> bytes:
    """A suite of the batch, with a test case for each result: `failure` if its test did not pass, `error` if the
    driver broke down, and seed, parameters, scores, measured numbers and digest as properties."""
    failed = [result for result in batch.results if not result.passed]
    errors = sum(result.status == Status.ERROR for result in failed)
    counts = {
        "name": batch.driver, "tests": len(batch.results), "failures": len(failed) - errors, "errors": errors,
        "skipped": 0, "time": _seconds(sum(result.wall_s for result in batch.results)),
    }  # fmt: skip
    root = ElementTree.Element("testsuites", name="uniscene-sim test")
    suite = _element(root, "testsuite", **counts)
    for result in batch.results:
        _add_case(suite, result)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add_case(suite: ElementTree.Element, result: CaseResult) -> None:
    case = _element(
        suite, "testcase", classname=result.case.file.stem, name=result.case.name, time=_seconds(result.wall_s)
    )
    properties = _element(case, "properties")
    for name, value in _properties(result):
        _element(properties, "property", name=name, value=value)
    if result.passed:
        return
    kind = "error" if result.status == Status.ERROR else "failure"
    broken = _element(case, kind, type=str(result.status), message=result.why)
    broken.text = _text("\n".join([result.why, *map(_line, result.criteria)]))


def _properties(result: CaseResult) -> Iterator[tuple[str, Any]]:
    """Names and values; numbers that there are not have none."""
    facts = {"driver": result.driver, "status": result.status, "seed": result.case.seed, "digest": result.digest,
             "simulated_s": result.simulated_s, "recording": result.recording}  # fmt: skip
    groups = {"parameter": result.drawn, "score": result.scores, "measured": result.measured}
    told = facts | {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    for name, value in plain(told).items():
        if value is not None and value != "":
            yield name, value


def _line(row: CriterionResult) -> str:
    verdict = "met" if row.success else "missed, optional" if row.optional else "missed"
    actual = "nothing to measure" if row.actual is None else f"{row.actual:g}"
    return f"{row.name} ({row.actor}): expected {row.expected}, actual {actual}: {verdict}"


def _element(parent: ElementTree.Element, tag: str, **attributes: Any) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: _text(str(value)) for name, value in attributes.items()})


def _text(text: str) -> str:
    """A text with what XML cannot hold as pytest tells it: "#x1B"."""
    return _NO_CHARACTER.sub(lambda found: f"#x{ord(found[0]):02X}", text)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
