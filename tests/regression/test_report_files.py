"""JUnit and merged JSON of a batch: valid whatever stands in names, errors and numbers."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.outcome import CriterionResult, Status
from uniscene_sim.regression.cases import Case, collect
from uniscene_sim.regression.drive import drive_case
from uniscene_sim.regression.report.junit import junit_of
from uniscene_sim.regression.report.page import page_of
from uniscene_sim.regression.report.plain import json_of, plain
from uniscene_sim.regression.report.reports import Reports
from uniscene_sim.regression.results import Batch, CaseResult

#: Every character that XML 1.0 cannot hold stands here, and those that it must escape.
NASTY = "".join(map(chr, [*range(32), 0x7F, 0xFFFE, 0xFFFF, 0xD800])) + " <&>\"']]>"


@pytest.fixture(scope="module")
def batch():
    """One that passes, one that collides, a time-out, one that broke down and one that may fail."""
    (case,) = collect(["cut_in"])
    case = replace(case, plan=replace(case.plan, expect={}))  # a careless driver's collision is no success here
    passed, failed = (drive_case(case, driver) for driver in ("builtin", "careless"))
    failed = replace(failed, scores={"completion": 0.7})
    case = Case(Path("cut_in.yaml"), "late_seed_3", seed=3)
    slow = replace(passed, case=case, status=Status.TIMEOUT, passed=False, wall_s=1234.5678)
    broken = CaseResult(case, "careful", Status.ERROR, False, error=NASTY)
    return Batch("careful", [passed, failed, slow, broken, replace(failed, passed=True)])


def strict(text: bytes):
    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_junit_has_the_form_that_pytest_writes(batch):
    """Elements and attributes are those of the schema junit-10.xsd of Jenkins's xunit plug-in, which pytest's own
    tests hold its family xunit2 against, and `error` and `properties` of a case, which pytest writes beside it."""
    root = ElementTree.fromstring(junit_of(batch))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert set(suite.attrib) <= {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"}
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 5, "failures": 2, "errors": 1, "skipped": 0}
    for case in suite:
        assert case.tag == "testcase" and set(case.attrib) == {"classname", "name", "time"}
        assert [child.tag for child in case][:1] == ["properties"]
        assert {child.tag for child in case} <= {"properties", "failure", "error"}
        for one in case.find("properties"):
            assert one.tag == "property" and set(one.attrib) == {"name", "value"} and one.attrib["value"]
        for broken in (*case.iter("failure"), *case.iter("error")):
            assert set(broken.attrib) == {"type", "message"} and broken.text


def test_junit_names_the_cases_and_tells_why_they_failed(batch):
    passed, failed, slow, broken, accepted = ElementTree.fromstring(junit_of(batch))[0]
    assert [case.find("failure") is not None for case in (passed, failed, slow, broken, accepted)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert (slow.get("classname"), slow.get("name"), slow.get("time")) == ("cut_in", "late_seed_3", "1234.568")
    failure = failed.find("failure")
    assert failure.get("message") == batch.results[1].why
    assert "collision (ego): expected <= 0, actual 1: missed" in failure.text.splitlines()
    told = {one.get("name"): one.get("value") for one in failed.iter("property")}
    assert told["digest"] == batch.results[1].digest and told["status"] == "FAILURE"
    assert float(told["score.completion"]) == 0.7
    assert {f"parameter.{name}" for name in batch.results[1].drawn} <= set(told)
    assert {one.get("name"): one.get("value") for one in slow.iter("property")}["seed"] == "3"


def test_junit_tells_control_characters_in_words(batch):
    error = ElementTree.fromstring(junit_of(batch))[0][3].find("error")
    assert "#x00#x01" in error.text and "#x1B" in error.text and "#xFFFE#xFFFF#xD800 <&>\"']]>" in error.text
    assert error.get("type") == "ERROR" and error.text.splitlines()[0].startswith("ERROR, expected SUCCESS")


def test_json_holds_what_the_batch_holds_and_no_number_that_json_does_not_know(batch):
    worst = replace(
        batch.results[0],
        criteria=(CriterionResult("min_ttc", ">= 1", float("nan"), False),),
        scores={"a": float("inf"), "b": np.float64("-inf"), "c": np.float32(0.5)},
        measured={"d": None, "e": float("nan"), "f": np.int64(3)},
        drawn={"g": "fog", "h": 1.5},
    )
    told = strict(json_of(Batch("careful", [worst, *batch.results])))
    assert told["success"] is False and told["passed"] == 3
    assert told["statuses"] == {"SUCCESS": 2, "FAILURE": 2, "TIMEOUT": 1, "ERROR": 1}
    first, second = told["results"][:2]
    assert first["scores"] == {"a": None, "b": None, "c": 0.5}
    assert first["measured"] == {"d": None, "e": None, "f": 3} and first["parameters"] == {"g": "fog", "h": 1.5}
    assert first["criteria"][0] == {
        "name": "min_ttc", "actor": "ego", "optional": False, "expected": ">= 1", "actual": None, "success": False,
    }  # fmt: skip
    assert second == plain(batch.results[0].as_dict())
    assert told["results"][4]["error"] == NASTY


def test_a_batch_of_nothing_has_reports_too():
    empty = Batch("careful", [])
    (suite,) = ElementTree.fromstring(junit_of(empty))
    assert suite.get("tests") == "0" and suite.get("time") == "0.000" and len(suite) == 0
    assert strict(json_of(empty)) == {"driver": "careful", "success": True, "passed": 0, "statuses": {}, "results": []}


def test_files_appear_whole_or_one_error_names_them(batch, tmp_path):
    written = Reports(*(tmp_path / name for name in ("report.html", "report.json", "report.xml"))).write(batch)
    contents = page_of(batch), json_of(batch), junit_of(batch)
    assert [path.read_bytes() for path in written] == list(contents)
    wrong = Reports(tmp_path / "other.html", junit=tmp_path / "nowhere" / "report.xml")
    for attempt in (wrong.check, lambda: wrong.write(batch)):
        with pytest.raises(InputError, match=r"nowhere.*junit|junit.*nowhere"):
            attempt()
    assert sorted(tmp_path.iterdir()) == sorted(written)
