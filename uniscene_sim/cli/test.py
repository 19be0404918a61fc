"""`uniscene-sim test`: a batch of scenarios as tests of a driver, without pytest."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uniscene_sim.cli.arguments import path_argument, positive_integer, real_argument
from uniscene_sim.errors import InputError

if TYPE_CHECKING:
    from uniscene_sim.regression.results import Batch, CaseResult

__all__ = ["add_test"]


def add_test(commands: Any) -> None:
    """Add the command to those of a parser."""
    test = commands.add_parser("test", help="drive scenarios as tests of a driver; exit code 1 if one fails")
    test.add_argument("paths", nargs="+", metavar="PATH", help="scenario files, folders, or names of the library")
    test.add_argument("--driver", default="builtin", metavar="DRIVER",
                      help="builtin, careless, MODULE:MAKER, policy=MODULE:MAKER, a policy .zip, a recording .mcap, "
                           "or ros2 (default: builtin)")  # fmt: skip
    test.add_argument("--rig", help="sensors that the driver gets (default: none)")
    test.add_argument("--tags", nargs="+", metavar="TAG", help="only scenarios with one of these tags")
    test.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    test.add_argument("--ray", metavar="ADDRESS", help="drive on a Ray cluster, in place of --jobs; local starts one")
    test.add_argument("--shard", metavar="K/N", help="only the K-th of N parts of the batch")
    test.add_argument("--time-limit", type=real_argument, metavar="S",
                      help="wall-clock time for one drive (default: the scenario's, or 300)")  # fmt: skip
    test.add_argument("--out", type=path_argument, default=Path("uniscene-results"),
                      help="folder for recordings of failures and pictures (default: uniscene-results)")  # fmt: skip
    test.add_argument("--report", type=path_argument, metavar="FILE", help="report of the batch, one HTML page")
    test.add_argument("--json", type=path_argument, metavar="FILE", help="merged results, as scenario_runner has them")
    test.add_argument("--junit", type=path_argument, metavar="FILE", help="results as JUnit XML")
    test.add_argument("--baselines", type=path_argument, metavar="FOLDER",
                      help="compare each drive with the one that is kept there")  # fmt: skip
    test.add_argument("--tolerant", action="store_true",
                      help="compare trajectories, scores and measures within tolerances, not digests")  # fmt: skip
    test.add_argument("--update-baselines", action="store_true", help="keep these drives in --baselines")
    test.set_defaults(command=_test)


def _test(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from uniscene_sim.regression.baselines import Baselines, Tolerances
    from uniscene_sim.regression.case_files import CaseFiles
    from uniscene_sim.regression.cases import collect, sharded
    from uniscene_sim.regression.drive import DriveSettings
    from uniscene_sim.regression.local_drives import run_cases
    from uniscene_sim.regression.loops import LoopSettings
    from uniscene_sim.regression.on_ray import run_on_ray
    from uniscene_sim.regression.report.reports import Reports

    for name in ("tolerant", "update_baselines"):
        if getattr(arguments, name) and arguments.baselines is None:
            raise InputError("expected --baselines FOLDER, too", field=name)
    reports = Reports(arguments.report, arguments.json, arguments.junit)
    reports.check()
    cases, files = collect(arguments.paths), CaseFiles()
    for case in cases:
        files.add(case)
    if arguments.tags:
        cases = [case for case in cases if set(case.plan.tags) & set(arguments.tags)]
    if arguments.shard is not None:
        cases = sharded(cases, arguments.shard)
    if not cases:
        raise InputError("no scenario has one of these tags", field="tags")
    judged: Callable[[CaseResult], CaseResult] = lambda result: result  # noqa: E731
    if arguments.baselines is not None:
        tolerances = Tolerances() if arguments.tolerant else None
        judged = Baselines(arguments.baselines, tolerances, arguments.out, arguments.update_baselines).judged
    settings = DriveSettings(LoopSettings(rig=arguments.rig), arguments.out, arguments.time_limit)

    with tqdm(total=len(cases), unit="test", disable=None) as bar:

        def show(result: CaseResult) -> None:
            bar.update()
            tqdm.write(f"{'ok  ' if result.passed else 'FAIL'}  {result.case.title}: {result.why}")
            if result.recording is not None:
                tqdm.write(f"      {result.kept}")

        if arguments.ray is None:
            batch = run_cases(cases, arguments.driver, settings, arguments.jobs, judged=judged, on_result=show)
        else:
            batch = run_on_ray(cases, arguments.driver, settings, arguments.ray, judged=judged, on_result=show)
    for path in reports.write(batch):
        print(path)
    print(_summary(batch))
    return 0 if all(result.passed for result in batch.results) else 1


def _summary(batch: Batch) -> str:
    told = batch.as_dict()
    statuses = ", ".join(f"{count} {name}" for name, count in told["statuses"].items())
    return f"{told['passed']} of {len(batch.results)} passed with driver {batch.driver}: {statuses}"
