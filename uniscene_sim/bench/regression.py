"""Scenario regression: a batch without cameras, the start-up of a test, and Ray beside bare processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.errors import InputError
from uniscene_sim.regression.cases import Case, collect
from uniscene_sim.regression.drive import DriveSettings
from uniscene_sim.regression.drivers import DEFAULT
from uniscene_sim.regression.local_drives import Drives, run_cases
from uniscene_sim.regression.workers import Worker
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["rows"]

_BATCH, _FEW, _JOBS = 100, 26, 2


def rows() -> Iterator[BenchRow]:
    """Rows as they are measured."""
    library = collect([data_dir("scenarios")])
    batch = (library * (_BATCH // len(library) + 1))[:_BATCH]
    yield BenchRow(f"a batch of {_BATCH} scenarios without sensors, {_JOBS} processes", _batch_ms(batch), "ms")
    yield BenchRow("from one test to the next, without its drive", _start_ms(library), "ms")
    yield from _ray(library)


def _batch_ms(cases: Sequence[Case]) -> float:
    begin = perf_counter()
    run_cases(cases, DEFAULT, jobs=_JOBS)
    return 1e3 * (perf_counter() - begin)


def _start_ms(cases: Sequence[Case]) -> float:
    """What a test takes beside the ticks of its drive: a scenario of one tick, in a process that has seen its map."""
    took = []
    with scratch_folder() as folder, Worker(DEFAULT, DriveSettings()) as worker:
        for case in _of_one_tick(cases, folder):
            worker.drive(case)
            begin = perf_counter()
            worker.drive(case)
            took.append(1e3 * (perf_counter() - begin))
    return float(np.max(took))


def _of_one_tick(cases: Sequence[Case], folder: Path) -> list[Case]:
    """The scenarios with a time limit of a tick."""
    for case in cases:
        text = re.sub(r"^duration_s:.*$", "duration_s: 0.1", case.file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (folder / case.file.name).write_text(text, encoding="utf-8")
    return collect([folder])


def _ray(cases: Sequence[Case]) -> Iterator[BenchRow]:
    """Cases a second of two Ray workers beside two bare processes of one thread, in turns."""
    try:
        from uniscene_sim.regression.on_ray import LOCAL, RayDrives

        drives = RayDrives(DEFAULT, DriveSettings(), LOCAL, cpus=_JOBS)
    except InputError:
        return
    few = (list(cases) * (_FEW // len(cases) + 1))[:_FEW]
    with drives, Drives(DEFAULT, DriveSettings(), _JOBS) as bare:
        ways: dict[str, Callable[[], object]] = {"ray": lambda: drives(few), "bare": lambda: bare(few)}
        for way in ways.values():  # processes start once, and learn all maps
            way()
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(3):
            for name, way in ways.items():
                begin = perf_counter()
                way()
                took[name].append(perf_counter() - begin)
    rate = {name: _FEW / float(np.median(times)) for name, times in took.items()}
    yield BenchRow(f"scenarios on {_JOBS} Ray workers", rate["ray"], "/s", "bare processes", rate["bare"])
