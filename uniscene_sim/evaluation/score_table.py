"""Rows of evaluations, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

__all__ = [
    "OCCUPANCY_TABLES",
    "OccupancyScores",
    "as_markdown",
    "as_markdown_tables",
    "as_nested_records",
    "as_records",
]


@dataclass(frozen=True)
class OccupancyScores:
    """Scores of one method on one set, as fractions; None where not applicable. `uniscene_sim.metrics` defines each."""

    name: str
    data: str  # folder and maker
    miou: float | None = None
    iou: float | None = None
    layout: float | None = None  # IoU with the layout from above: mean over map and agent channels
    layout_map: float | None = None
    layout_agents: float | None = None
    swapped: float | None = None  # IoU with another window's layout
    swapped_truth: float | None = None  # the same of the truth
    windows: int | None = None
    miou_given: float | None = None  # of classes that a channel of the layout tells
    miou_invented: float | None = None  # of the others
    manmade_iou: float | None = None
    vegetation_iou: float | None = None
    surface_iou: float | None = None  # of what is seen from the ego
    manmade: float | None = None  # voxels over the truth's
    vegetation: float | None = None
    seam: float | None = None  # ratio at tile borders, see `metrics.occupancy.Seams`
    seconds: float | None = None  # per window
    precision_3d: float | None = None  # of features of volumes, in quarters of windows
    recall_3d: float | None = None
    f_3d: float | None = None
    fid_3d: float | None = None
    kid_3d: float | None = None
    is_3d: float | None = None
    precision_2d: float | None = None  # of features of the view from above
    recall_2d: float | None = None
    f_2d: float | None = None
    fid_2d: float | None = None
    kid_2d: float | None = None
    is_2d: float | None = None
    pairwise: float | None = None  # IoU of houses and plants of two noises, or seeds, on one layout
    house_sizes: float | None = None  # total variation of histograms to the truth's
    house_heights: float | None = None
    crown_sizes: float | None = None
    off_edges: float | None = None  # share of houses' outline cells off their edges, over the truth's share
    melted: float | None = None  # share of houses a third of whose outline is off their edges
    on_roads: float | None = None  # share of houses' cells
    source: str = ""  # of published figures, measured on other data


#: Columns of a model card's tables.
OCCUPANCY_TABLES = (
    ("windows", "miou", "miou_given", "miou_invented", "iou", "manmade_iou", "vegetation_iou", "surface_iou", "source"),
    ("layout", "layout_map", "layout_agents", "swapped", "swapped_truth", "manmade", "vegetation", "seam", "seconds"),
    ("precision_3d", "recall_3d", "f_3d", "fid_3d", "kid_3d", "is_3d",
     "precision_2d", "recall_2d", "f_2d", "fid_2d", "kid_2d", "is_2d"),
    ("pairwise", "house_sizes", "house_heights", "crown_sizes", "off_edges", "melted", "on_roads"),
)  # fmt: skip


def as_records(rows: Iterable[Any]) -> list[dict[str, object]]:
    """Rows, dataclasses of numbers and text, for JSON."""
    return [{name: None if _empty(value) else value for name, value in asdict(row).items()} for row in rows]


def as_nested_records(rows: Iterable[Any]) -> dict[str, dict[str, dict[str, object]]]:
    """Rows for JSON by data, name and column; columns without a value are left out."""
    out: dict[str, dict[str, dict[str, object]]] = {}
    for record in as_records(rows):
        columns = {key: value for key, value in record.items()
                   if key not in ("data", "name") and value not in (None, "")}  # fmt: skip
        out.setdefault(str(record["data"]), {})[str(record["name"])] = columns
    return out


def as_markdown(rows: Iterable[Any]) -> str:
    """Rows of one kind as a Markdown table."""
    return _table(as_records(rows))


def as_markdown_tables(rows: Iterable[Any], tables: Iterable[Sequence[str]]) -> str:
    """Rows of one kind as several Markdown tables, each with name, data and some columns; empty rows, and tables of
    empty rows alone, are left out."""
    records = as_records(rows)
    parts = [[{name: r[name] for name in ("name", "data", *columns)} for r in records] for columns in tables]
    filled = [[r for r in part if any(list(map(_cell, r.values()))[2:])] for part in parts]
    return "\n\n".join(_table(part) for part in filled if part)


def _table(records: Sequence[dict[str, object]]) -> str:
    names = list(records[0]) if records else []
    lines = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * len(names) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(_cell, record.values())) + " |" for record in records])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0.0 or abs(value) >= 1e-3 else f"{value:.1e}"
    return "" if value is None else str(value)


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, float) and isnan(value))
