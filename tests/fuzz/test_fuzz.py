"""Some seconds of the fuzzer, the cases that it found once, and whether it finds anything at all."""

import ctypes
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import guided
from tests.fuzz.case import DOOR, Case, load_case, save_case, write_case
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.machine import slowness
from tests.fuzz.oracle import Verdict, judge
from uniscene_sim.errors import InputError, InputWarning

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"


def fuzz(tmp_path, *words):
    """The fuzzer in a process of its own; it must find nothing."""
    command = [sys.executable, "-m", "tests.fuzz", "--keep", tmp_path / "found", *words]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    details = [path.read_text() for path in sorted(tmp_path.glob("found/details/*"))]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr[-3000:], *details])
    return done.stdout


@pytest.mark.slow
def test_drawn_cases_of_every_reader_and_those_that_were_found_once_are_read_or_refused(tmp_path):
    """In one process, for readers take longer to get ready than a case to be read."""
    said = fuzz(tmp_path, "--replay", CASES, "--seconds", 8)
    assert said.count(str(CASES)) >= len(list(CASES.glob("*/*~*")))


@pytest.mark.slow
@pytest.mark.skipif(bool(guided.ABSENT), reason=guided.ABSENT)
def test_guided_cases_are_read_or_refused(tmp_path):
    """Some readers: with all of them, these seconds would go by while the valid examples are read."""
    some = ("scenario", "rig", "kitti", "options", "layout-message", "control-message")
    fuzz(tmp_path, "--seconds", 0, "--guided", 6, *(word for name in some for word in ("--reader", name)))


def test_a_reader_that_gets_few_cases_gets_various_ones(tmp_path):
    seen = []

    class Seen:
        def warm_up(self, reader):
            pass

        def judge_all(self, cases):
            seen.extend(cases)
            return [Verdict(outcome="read") for _ in cases]

    Fuzzer(["opendrive-whole"], tmp_path, 0, Seen()).run_cases(800)
    assert len(seen) == 8 and len({case.key for case in seen}) > 5


def loop():
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "finding"),
    [
        (lambda: {}["a"], "KeyError at"),
        (loop, "more than 2 s"),
        (lambda: np.ones(2**28), "MemoryError"),
        (lambda: sys.exit(0), "SystemExit"),
        (lambda: refuse("a\nb", raw=True), "control characters"),
        (lambda: refuse("a" * 400, raw=True), "more than 300"),
        (lambda: warn("\x1b[2J"), "control characters"),
    ],
)
def test_the_oracle_finds(read, finding):
    assert finding in judge(read).finding


def warn(text):
    warning = InputWarning("")
    warning.args = (text,)
    warnings.warn(warning, stacklevel=1)


def refuse(text, raw=False):
    error = InputError(text)
    if raw:
        error.args = (text,)
    raise error


def test_the_oracle_is_content_with_refusals_and_results():
    refused, read = judge(lambda: refuse("expected a number", False)), judge(lambda: np.ones(10**6))
    assert (refused.finding, refused.outcome, refused.detail) == ("", "refused", "expected a number")
    assert (read.finding, read.outcome) == ("", "read") and read.peak_bytes < 2**28


def test_a_case_is_kept_and_found_again(tmp_path):
    case = Case("rig", "all", (("r.yaml", b"cameras: 1\n"),))
    kept = save_case(case, tmp_path)
    assert load_case(kept) == case and kept.parent.name == "rig"


@pytest.mark.parametrize(("door", "test"), [("pipe", Path.is_fifo), ("folder", Path.is_dir), ("loop", Path.is_symlink)])
def test_what_is_no_file_is_made(tmp_path, door, test):
    write_case(Case("rig", "all", (("r.yaml", DOOR + door.encode()),)), {"all": {"r.yaml": b""}}, tmp_path / "case")
    assert test(tmp_path / "case" / "r.yaml")


def test_what_was_slow_once_is_judged_again(tmp_path):
    """And what is slow each time is a finding."""

    class Held:
        def __init__(self, *verdicts):
            self.left = list(verdicts)

        def warm_up(self, reader):
            pass

        def judge(self, case):
            return self.left.pop(0)

        def judge_all(self, cases):
            return map(self.judge, cases)

    slow, read, case = Verdict("hangs"), Verdict(outcome="read"), Case("style", "0", (("text", b"rain"),))
    key_error = Verdict("a KeyError")
    for verdicts, found in (
        ((slow, read), ""), ((slow, slow, read), ""), ((slow, slow, slow), "hangs"), ((key_error, read), "a KeyError"),
    ):  # fmt: skip
        [verdict] = Fuzzer(["style"], tmp_path, 0, Held(*verdicts)).judge(case)
        assert verdict.finding == found


def test_a_machine_is_never_counted_as_faster():
    assert 1.0 <= slowness() <= 4.0


def test_a_crash_is_a_finding(monkeypatch):
    from tests.fuzz import readers
    from tests.fuzz.sandbox import Sandbox

    crash = readers.Reader(lambda: {"a": {"text": b""}}, lambda folder: ctypes.string_at(0))
    monkeypatch.setitem(readers.READERS, "crash", crash)
    sandbox = Sandbox()
    try:
        for _ in range(2):
            assert sandbox.judge(Case("crash", "a", ())).finding == "crash (SIGSEGV)"
        assert sandbox.judge(Case("style", "0", ())).outcome == "read", "it goes on after a crash"
    finally:
        sandbox.close()
