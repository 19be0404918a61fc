"""The script for a machine with a GPU: what travels there, and steps that fail, hang or have no time."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

from tests.gpu import __main__ as script
from tests.gpu.contents import LEFT_OUT, ON_THE_MACHINE, ROOT, WHEELS, pins


def test_each_requirement_travels_or_is_there_or_stays_behind_for_a_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["learned"], *extras["cuda"]]
    names = {name.split("[")[0].split(">")[0].split("=")[0].strip() for name in needed}
    told = [*WHEELS, *ON_THE_MACHINE, *LEFT_OUT]
    assert names <= set(told)
    assert len(told) == len(set(told)), "each has one place"
    assert {"protobuf", "pytest-rerunfailures"} <= set(WHEELS) & pins().keys(), "of the versions that tests have"


def test_git_ignores_the_pack():
    assert "gpu-pack/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("code", "result"), [("print('made')", 0), ("raise SystemExit(3)", 3), ("import time; time.sleep(60)", None)]
)
def test_a_step_ends_in_time_with_its_code_and_words(tmp_path, code, result):
    done = script.run_step(script.Step("one", 0.0, lambda *_: (sys.executable, "-c", code)), tmp_path, 3.0)
    assert done.code == result and done.seconds < 30.0
    assert done.tail == (("made",) if result == 0 else ())
    assert (tmp_path / "log.txt").read_text() == "made\n" * (result == 0)


def test_a_step_that_fails_does_not_stop_the_next(tmp_path, monkeypatch):
    def exits(code: int) -> script.Step:
        return script.Step(str(code), 20.0, lambda *_: (sys.executable, "-c", f"raise SystemExit({code})"))

    missing = script.Step("missing", 20.0, lambda *_: (tmp_path / "no such program",))
    monkeypatch.setattr(script, "STEPS", (exits(4), missing, exits(0)))
    monkeypatch.setattr(script, "_WORK", tmp_path / "work")
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    assert script.main(60.0) == 1
    steps = json.loads((tmp_path / "out" / "summary.json").read_text())["steps"]
    assert [step["code"] for step in steps] == [4, 127, 0]
    assert script.main(1.0) == 1, "no time is left for any"
    steps = json.loads((tmp_path / "out" / "summary.json").read_text())["steps"]
    assert [step["code"] for step in steps] == [None, None, None]


def test_gpu_tests_are_found_by_their_mark():
    words = {step.name: step.command for step in script.STEPS}["gpu tests"](Path("out"), 1.0)
    assert {ROOT / "tests" / "cuda" / name for name in ("test_cuda.py", "test_learned_on_device.py")} <= set(words)
