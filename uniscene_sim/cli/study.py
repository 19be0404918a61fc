"""`uniscene-sim study`: how a driver does over the parameters of a scenario, and where it begins to fail."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from uniscene_sim import __version__
from uniscene_sim.cli.arguments import (
    parameter_argument,
    path_argument,
    positive_integer,
    real_argument,
    seed_argument,
)
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.numbers import real_number

if TYPE_CHECKING:
    from uniscene_sim.regression.drive import DriveSettings
    from uniscene_sim.regression.results import CaseResult
    from uniscene_sim.regression.studies.sampling import Space
    from uniscene_sim.regression.studies.search import Boundary, Evaluate, Sample

__all__ = ["add_study"]

_METHODS = ("grid", "random", "lhs", "boundary")
_GRID, _SAMPLES = 5, 100


def add_study(commands: Any) -> None:
    """Add the command to those of a parser."""
    study = commands.add_parser("study", help="how a driver does over parameters of a scenario: where does it fail?")
    study.add_argument("scenario", metavar="SCENARIO", help="name of a scenario, or file")
    study.add_argument("--over", action="append", required=True, type=_over_argument, metavar="NAME[=LEAST:MOST]",
                       help="a parameter to vary, by its range in the file or this one; may be repeated")  # fmt: skip
    study.add_argument("--set", action="append", type=parameter_argument, metavar="NAME=VALUE", dest="fixed",
                       help="a value of another parameter; may be repeated")  # fmt: skip
    study.add_argument("--method", choices=_METHODS, default="boundary",
                       help="grid, random draws, Latin hypercube, or the boundary of failure (default)")  # fmt: skip
    study.add_argument("--samples", type=positive_integer, metavar="N",
                       help=f"drives, of a boundary at most (default: {_SAMPLES}); of a grid values of each parameter "
                            f"(default: {_GRID})")  # fmt: skip
    study.add_argument("--seed", type=seed_argument, default=0, help="of what is drawn (default: 0)")
    study.add_argument("--tolerance", type=real_argument, default=0.005, metavar="SHARE",
                       help="of the range, to which a boundary is narrowed down (default: 0.005)")  # fmt: skip
    study.add_argument("--criterion", metavar="NAME", help="the only one that counts (default: all not optional)")
    study.add_argument("--driver", default="builtin", help="as of test (default: builtin)")
    study.add_argument("--rig", help="preset or YAML file, for a driver that looks at sensors (default: none)")
    study.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    study.add_argument("--ray", metavar="ADDRESS", help="drive on a Ray cluster, in place of --jobs; local starts one")
    study.add_argument("--out", type=path_argument, required=True, help="folder for samples.csv, study.json and a "
                       "picture")  # fmt: skip
    study.set_defaults(command=_study)


def _over_argument(text: str) -> tuple[str, tuple[float, float] | None]:
    """NAME or NAME=LEAST:MOST."""
    name, equals, ends = text.partition("=")
    if name and not equals:
        return name, None
    try:
        low, high = map(real_number, ends.split(":"))
    except ValueError:
        low = high = float("nan")
    if not name or low != low:
        raise argparse.ArgumentTypeError(f"expected NAME or NAME=LEAST:MOST, got {shown(text)}")
    return name, (low, high)


def _study(arguments: argparse.Namespace) -> int:
    from uniscene_sim.regression.studies.plot import require_matplotlib
    from uniscene_sim.regression.studies.report import boundary_lines, pictured, sample_lines, write_study
    from uniscene_sim.regression.studies.sampling import Space
    from uniscene_sim.scenario_files.read import find_scenario
    from uniscene_sim.storage.output_file import Outputs

    over = dict(arguments.over)
    if len(over) < len(arguments.over):
        raise InputError("a parameter is given twice", field="over")
    space = Space(find_scenario(arguments.scenario), over, dict(arguments.fixed or ()))
    picture = "boundary.png" if arguments.method == "boundary" else "samples.png"
    if pictured(space):
        require_matplotlib()
    with Outputs() as outputs:
        names = ["samples.csv", "study.json", *([picture] if pictured(space) else [])]
        folder = outputs.folder(arguments.out, names, "--out")
        samples, boundary = _driven(space, arguments)
        facts = {name: getattr(arguments, name) for name in ("driver", "method", "seed", "criterion")}
        write_study(folder, space, samples, {"version": __version__, **facts}, boundary)
        written = outputs.publish()
    for line in sample_lines(samples) if boundary is None else boundary_lines(boundary):
        print(line)
    print(*written, sep="\n")
    return 0


def _driven(space: Space, arguments: argparse.Namespace) -> tuple[tuple[Sample, ...], Boundary | None]:
    """All drives of a study, and the boundary where one is searched."""
    from tqdm import tqdm

    from uniscene_sim.regression.drive import DriveSettings
    from uniscene_sim.regression.loops import LoopSettings
    from uniscene_sim.regression.studies import sampling
    from uniscene_sim.regression.studies.search import sample_all, search_boundary

    samples = arguments.samples or (_GRID if arguments.method == "grid" else _SAMPLES)
    cases = {
        "grid": lambda: sampling.grid(space, samples),
        "random": lambda: sampling.random(space, samples, arguments.seed),
        "lhs": lambda: sampling.lhs(space, samples, arguments.seed),
        "boundary": list,
    }[arguments.method]()
    settings = DriveSettings(LoopSettings(rig=arguments.rig))
    with (
        tqdm(total=len(cases) or samples, desc=arguments.method, unit="drive", disable=None, leave=False) as bar,
        _drives(arguments, settings, lambda _: bar.update()) as evaluate,
    ):
        if cases:
            return sample_all(cases, evaluate, arguments.criterion), None
        found = search_boundary(space, evaluate, samples, arguments.tolerance, arguments.seed, arguments.criterion)
        return found.samples, found


def _drives(
    arguments: argparse.Namespace, settings: DriveSettings, on_result: Callable[[CaseResult], object]
) -> AbstractContextManager[Evaluate]:
    """What drives the cases: processes here, or a cluster."""
    if arguments.ray is not None:
        from uniscene_sim.regression.on_ray import RayDrives

        return RayDrives(arguments.driver, settings, arguments.ray, on_result=on_result)
    from uniscene_sim.regression.local_drives import Drives

    return Drives(arguments.driver, settings, arguments.jobs, on_result=on_result)
