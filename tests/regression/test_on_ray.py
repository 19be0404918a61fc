"""A batch on a Ray cluster of this machine: the results of the local run, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.regression.stopping import stopping_file
from uniscene_sim.errors import InputError
from uniscene_sim.outcome import Status
from uniscene_sim.regression.drive import DriveSettings, drive_case
from uniscene_sim.regression.on_ray import LOCAL, RayDrives, run_on_ray
from uniscene_sim.regression.studies.sampling import Space, random

#: Notes the Ray worker that each drive is in, and takes its time for one; crashes on another.
DRIVER = """
import os, time
from pathlib import Path
from uniscene_sim.control import Control

def make(task):
    with open("starts.txt", "a") as file:
        print(os.getppid(), os.environ.get("NUMBA_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS"), file=file)
    begins = [True]

    def drive(frame):
        if begins and begins.pop():
            time.sleep(1.0)
        if Path("crash").exists():
            os._exit(3)
        return Control(0.0, -6.0)

    return drive
"""


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray: needs Ray: pip install 'uniscene_sim\[ray\]'"):
        run_on_ray([], "builtin")


@pytest.fixture
def cases(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    monkeypatch.chdir(tmp_path)
    stopping_file(tmp_path)
    (tmp_path / "noting.py").write_text(DRIVER)
    return random(Space("stopping.yaml", {"speed": None, "place": None}), 6, 1)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:99999"])
def test_no_cluster_is_told(cases, address):
    with pytest.raises(InputError, match=f"ray: no Ray cluster at '{address}'"):
        run_on_ray(cases, "builtin", address=address)


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(cases, tmp_path, monkeypatch):
    """And a driver that crashes costs its case alone; a driver that is none is told."""
    told, killed = [], []

    def kill_one(result):
        told.append(result.case)
        if not killed:  # whoever began last is still driving
            killed.append(int((tmp_path / "starts.txt").read_text().split("\n")[-2].split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    with RayDrives("noting:make", DriveSettings(), LOCAL, 2, on_result=kill_one) as drives:
        found = drives(cases)
        starts = [line.split() for line in (tmp_path / "starts.txt").read_text().splitlines()]
        assert len(starts) > len(cases), "what was lost began again"
        assert {tuple(threads) for _, *threads in starts} == {("1", "1")}
        (tmp_path / "crash").touch()
        (crashed,) = drives(cases[:1])
    assert [one.case for one in found] == cases and sorted(told[:6], key=cases.index) == cases
    assert crashed.status == Status.ERROR and crashed.error == "the driver's process ended: exit code 3"
    (tmp_path / "crash").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    here = [drive_case(case, "noting:make") for case in cases]
    assert [one.digest for one in found] == [one.digest for one in here]
    assert [one.as_dict() | {"wall_s": 0} for one in found] == [one.as_dict() | {"wall_s": 0} for one in here]
    assert [one.series.tobytes() for one in found] == [one.series.tobytes() for one in here]


@pytest.mark.slow
def test_a_driver_that_is_none_is_told(cases):
    with pytest.raises(InputError, match="driver: no driver 'no_such'"):
        run_on_ray(cases, "no_such")
