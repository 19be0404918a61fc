"""Processes of drivers: those that die, hang, or start others cost one case, and leave nothing."""

import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep

import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.regression import workers
from uniscene_sim.regression.cases import collect
from uniscene_sim.regression.drive import DriveSettings
from uniscene_sim.regression.workers import Worker

HERE = "drivers_under_test"


@pytest.fixture(autouse=True)
def users_module(monkeypatch, tmp_path):
    """The user's folder, with the module in it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop(HERE, None)


def first(driver: str, settings: DriveSettings = DriveSettings()) -> str:  # noqa: B008 - frozen
    """What broke down when a driver had its first case."""
    with Worker(f"{HERE}:{driver}", settings) as worker:
        return worker.drive(collect(["cut_in"])[0]).error


def test_processes_that_die_or_hang_cost_one_case():
    cases = collect(["cut_in", "hard_brake"])
    with Worker(f"{HERE}:dies", DriveSettings()) as worker:
        results = [worker.drive(one) for one in cases]
    assert [r.error for r in results] == ["the driver's process ended: SIGSEGV"] * 2
    limit = DriveSettings(time_limit_s=1.0)
    assert first("hangs", limit) == "the drive took longer than its limit of 1 s, and was stopped"
    assert first("exits") == "the driver's process ended: exit code 0"


def test_the_making_of_a_driver_has_the_time_limit_of_the_test(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "_LEAST_MAKE_S", 1.5)
    why = "the making of the driver took longer than its limit of 1.5 s, and was stopped"
    assert first("is_never_made", DriveSettings(time_limit_s=0.5)) == why
    (tmp_path / "never_there.py").write_text("import time\ntime.sleep(600)\n")
    with (
        Worker("never_there:x", DriveSettings(time_limit_s=0.5)) as worker,
        pytest.raises(InputError, match=r"driver: never_there:x cannot be imported: it takes longer than 1.5 s"),
    ):
        worker.drive(collect(["cut_in"])[0])


def test_a_driver_may_close_stdout(capfd):
    assert first("closes_stdout") == ""
    assert capfd.readouterr().err == ""


def test_what_a_driver_starts_ends_with_it_and_keeps_nobody_waiting(tmp_path):
    assert first("starts_a_process") == ""
    assert first("starts_a_process_and_dies") == "the driver's process ended: SIGSEGV"
    for name in ("first", "second"):
        assert has_ended((tmp_path / name).read_text())


def has_ended(process: str, within_s: float = 10.0) -> bool:
    """Whether a process is gone soon, or waits for nothing but that somebody asks how it ended."""
    state, end = Path("/proc", process, "stat"), perf_counter() + within_s
    while perf_counter() < end:
        with suppress(OSError):
            if state.read_text().rpartition(")")[2].split()[0] != "Z":
                sleep(0.05)
                continue
        return True
    return False
