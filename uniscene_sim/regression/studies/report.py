"""What a study found: lines for a terminal, `samples.csv`, `study.json` and a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from uniscene_sim.regression.studies.plot import draw_study
from uniscene_sim.regression.studies.sampling import Space
from uniscene_sim.regression.studies.search import Boundary, Sample

__all__ = ["boundary_lines", "pictured", "sample_lines", "write_study"]

_MOST_LINES = 12


def sample_lines(samples: Sequence[Sample]) -> Iterator[str]:
    """How many drives passed, a line or two."""
    broken = [one for one in samples if one.margin is None]
    passed = sum(one.passed for one in samples)
    yield f"{len(samples)} drives: {passed} passed, {len(samples) - passed - len(broken)} failed"
    if broken:
        yield f"{len(broken)} broke down, the first {broken[0].case.name}: {broken[0].result.error}"


def boundary_lines(boundary: Boundary) -> Iterator[str]:
    """Where the boundary is, a line for each point of it, of many for some."""
    yield from sample_lines(boundary.samples)
    points, axes = boundary.points, boundary.space.axes
    judged = [one for one in boundary.samples if one.margin is not None]
    if not points:
        if judged:
            least = min(judged, key=lambda one: abs(one.margin or 0.0))
            verdict = "pass" if least.passed else "fail"
            yield f"no boundary: all that were judged {verdict}, by a margin of {least.margin:.3g} at {least.case.name}"
        return
    if len(axes) == 1:
        if len(points) > 1:
            yield f"not monotone: {len(points)} changes between passing and failing"
        (axis,) = axes
        for point in points:
            good, bad = (float(one.case.parameters[axis.name]) for one in (point.passing, point.failing))
            yield (f"boundary at {axis.name} = {point.values[axis.name]:.6g} ± {point.within[axis.name]:.2g}: fails at "
                   f"{bad:.6g}, passes at {good:.6g}")  # fmt: skip
        return
    widest = max(point.within[axis.name] / (axis.ends[1] - axis.ends[0]) for point in points for axis in axes)
    yield f"{len(points)} points of the boundary, each within {100.0 * widest:.2g} % of the ranges"
    shown = sorted(points, key=lambda point: tuple(point.values.values()))
    step = max(1, -(-len(shown) // _MOST_LINES))
    for point in shown[::step]:
        told = (f"{name} = {value:.5g} ± {point.within[name]:.2g}" for name, value in point.values.items())
        yield f"  {', '.join(told)}"


def pictured(space: Space) -> bool:
    """Whether a study is drawn: one of one or two parameters."""
    return len(space.axes) <= 2


def write_study(
    folder: Path, space: Space, samples: Sequence[Sample], facts: Mapping[str, Any], boundary: Boundary | None = None
) -> None:
    """Write all files of a study.

    Args:
        folder: that exists.
        space: that was studied.
        samples: the drives.
        facts: of the study, that JSON can hold; `driver` and `method` are among them.
        boundary: where one was searched.
    """
    names = [axis.name for axis in space.axes]
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["case", *names, "status", "passed", "margin", "error"])
        for one in samples:
            values = [one.case.parameters[name] for name in names]
            margin = "" if one.margin is None else f"{one.margin:.6g}"
            table.writerow([one.case.name, *values, one.result.status, one.passed, margin, one.result.error])
    study = {
        "scenario": space.path.name,
        **facts,
        "over": {axis.name: {"ends": list(axis.parameter.ends), "unit": axis.unit} for axis in space.axes},
        "fixed": space.fixed,
        "samples": [{"case": one.case.name, "margin": one.margin, **one.result.as_dict()} for one in samples],
    }
    if boundary is not None:
        study["boundary"] = {
            "tolerance": boundary.tolerance,
            "points": [{"values": p.values, "within": p.within, "passing": p.passing.case.name,
                        "failing": p.failing.case.name} for p in boundary.points],
            "links": boundary.links,
        }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    if pictured(space):
        title = f"{space.path.stem}, driver {facts['driver']}: {len(samples)} drives"
        name = "samples.png" if boundary is None else "boundary.png"
        draw_study(folder / name, space, samples, title, boundary)
