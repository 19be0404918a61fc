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
    """Scores of one method, as fractions; None where not applicable."""

    name: str
    data: str
    miou: float | None = None
    iou: float | None = None
    layout: float | None = None  # IoU with the layout from above: mean over map and agent channels
    layout_map: float | None = None
    layout_agents: float | None = None
    swapped: float | None = None  # IoU with another window's layout
    swapped_truth: float | None = None  # the same of the truth
    manmade: float | None = None  # voxels over the truth's
    vegetation: float | None = None
    seam: float | None = None  # ratio at tile borders, see `metrics.occupancy.Seams`
    seconds: float | None = None  # per window
    source: str = ""  # of published figures, measured on other data


#: Columns of a model card's tables.
OCCUPANCY_TABLES = (
    ("miou", "iou", "layout", "layout_map", "layout_agents", "source"),
    ("swapped", "swapped_truth", "manmade", "vegetation", "seam", "seconds"),
)


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
    """Rows of one kind as several Markdown tables, each with name, data and some columns; empty rows are left out."""
    records = as_records(rows)
    parts = [[{name: r[name] for name in ("name", "data", *columns)} for r in records] for columns in tables]
    return "\n\n".join(_table([r for r in part if any(list(map(_cell, r.values()))[2:])]) for part in parts)


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
