"""Pictures of studies over one or two parameters: margins, verdicts and the boundary between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.regression.studies.sampling import Axis, Space
from uniscene_sim.regression.studies.search import Boundary, Sample

__all__ = ["draw_study", "require_matplotlib"]

_INCHES, _DPI = (9.6, 5.4), 100  # 960 x 540 pixels
_PASSED, _FAILED, _LINE = "#2a6fbb", "#d1495b", "#222222"
_BROKEN = "#888888"
_MOST_TOLD = 6


def require_matplotlib() -> None:
    """InputError if there is no Matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("pictures need matplotlib: pip install 'uniscene_sim[studies]'") from None


def draw_study(
    path: Path, space: Space, samples: Sequence[Sample], title: str, boundary: Boundary | None = None
) -> None:
    """Write a PNG file of 960 x 540 pixels.

    Args:
        path: of the file.
        space: of one or two axes.
        samples: the drives.
        title: above the picture.
        boundary: drawn into it, where one was searched.

    Raises:
        InputError: Matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    plot: Any = figure.add_subplot()
    plot.set_title(title)
    plot.grid(color="#e4e4e4", linewidth=0.8)
    plot.set_axisbelow(True)
    if len(space.axes) == 1:
        _draw_margins(plot, space.axes[0], samples, boundary)
    else:
        _draw_places(plot, space, samples, boundary)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw_margins(plot: Any, axis: Axis, samples: Sequence[Sample], boundary: Boundary | None) -> None:
    """Margin over the value of one parameter."""
    plot.axhline(0.0, color=_LINE, linewidth=1.0)
    _dots(plot, samples, lambda one: (_number(axis, one), 0.0 if one.margin is None else one.margin))
    points = boundary.points if boundary else ()
    for k, point in enumerate(points):
        at = point.values[axis.name]
        plot.axvline(at, color=_LINE, linestyle="--", linewidth=1.5, label=None if k else "boundary")
        if k < _MOST_TOLD:
            plot.annotate(f"{at:.4g} ± {point.within[axis.name]:.2g}", (at, 0.03 + 0.06 * k),
                          xycoords=("data", "axes fraction"), xytext=(6, 0), textcoords="offset points",
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
    _name(plot.xaxis, axis)
    plot.set_ylabel("margin (fails below 0)")
    plot.set_ylim(-1.08, 1.08)
    plot.legend(loc="best", framealpha=0.95)


def _draw_places(plot: Any, space: Space, samples: Sequence[Sample], boundary: Boundary | None) -> None:
    """Verdicts over the values of two parameters."""
    across, up = space.axes
    _dots(plot, samples, lambda one: (_number(across, one), _number(up, one)))
    if boundary is not None:
        places = [(point.values[across.name], point.values[up.name]) for point in boundary.points]
        for k, link in enumerate(boundary.links):
            plot.plot(*zip(*(places[i] for i in link), strict=True), color=_LINE, linewidth=2.0,
                      label=None if k else "boundary")  # fmt: skip
        if places and not boundary.links:
            plot.plot(*zip(*places, strict=True), "D", color=_LINE, markersize=5, label="boundary")
    _name(plot.xaxis, across)
    _name(plot.yaxis, up)
    plot.figure.legend(*plot.get_legend_handles_labels(), loc="outside right upper", frameon=False)


def _dots(plot: Any, samples: Sequence[Sample], place: Any) -> None:
    kinds = (
        ("passed", "o", _PASSED, [one for one in samples if one.passed]),
        ("failed", "X", _FAILED, [one for one in samples if one.margin is not None and not one.passed]),
        ("broke down", "s", _BROKEN, [one for one in samples if one.margin is None]),
    )
    for name, marker, colour, some in kinds:
        if some:
            plot.plot(*zip(*map(place, some), strict=True), marker, color=colour, markersize=7, markeredgecolor="white",
                      markeredgewidth=0.6, label=f"{name} ({len(some)})")  # fmt: skip


def _number(axis: Axis, sample: Sample) -> float:
    return axis.parameter.number(sample.case.parameters[axis.name])


def _name(side: Any, axis: Axis) -> None:
    """Label one side of a picture; choices among texts are told by their names."""
    side.axes.set(**{f"{side.axis_name}label": axis.label})
    if not axis.is_continuous and isinstance(axis.parameter.value, str):
        side.set_ticks(range(len(axis.parameter.choice)), axis.parameter.choice)
