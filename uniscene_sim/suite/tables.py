"""Tables of judged drives: drivers over all scenarios, and the success of drivers by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from uniscene_sim.suite.judge import DISCOUNTS, JudgedDrive

__all__ = ["as_records", "outranked", "ranking_table", "task_table"]


def ranking_table(drives: Sequence[JudgedDrive]) -> str:
    """Markdown: a row for each driver, the best first; all scenarios count alike."""
    rows = []
    for name in dict.fromkeys(d.driver for d in drives):
        own = [d for d in drives if d.driver == name]
        means = [_mean(own, lambda d, k=k: d.returns[k]) for k in range(len(DISCOUNTS))]
        shares = [100 * _mean(own, f) for f in (lambda d: d.success, lambda d: d.clean, lambda d: d.completion)]
        rows.append((means[0], f"| {name} | " + " | ".join(f"{m:.1f}" for m in means)
                     + " | " + " | ".join(f"{s:.0f} %" for s in shares) + " |"))  # fmt: skip
    heads = ["return", *(f"discounted by {d:g}" for d in DISCOUNTS[1:]), "success", "clean", "route driven"]
    lines = ["| driver | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    return "\n".join([*lines, *(row for _, row in sorted(rows, key=lambda r: -r[0]))])


def task_table(drives: Mapping[str, Sequence[JudgedDrive]]) -> str:
    """Markdown: success of each driver in each task, in percent."""
    names = list(dict.fromkeys(d.driver for own in drives.values() for d in own))
    lines = ["| task | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for task, own in drives.items():
        by = [[d.success for d in own if d.driver == name] for name in names]
        lines.append(f"| `{task}` | " + " | ".join(f"{100 * np.mean(s):.0f} %" if s else "" for s in by) + " |")
    return "\n".join(lines)


def outranked(drives: Sequence[JudgedDrive], discount: float = 1.0) -> list[tuple[JudgedDrive, JudgedDrive]]:
    """Pairs of a clean drive and one that is not, of the same driver in the same scenario, that earned as much or more.

    Args:
        drives: any.
        discount: one of `DISCOUNTS`, by which drives are compared.
    """
    k = DISCOUNTS.index(discount)
    clean, unclean = [d for d in drives if d.clean], [d for d in drives if not d.clean]
    return [
        (a, b)
        for a in clean
        for b in unclean
        if (a.driver, a.scenario) == (b.driver, b.scenario) and b.returns[k] >= a.returns[k]
    ]


def as_records(drives: Sequence[JudgedDrive]) -> list[dict[str, Any]]:
    """The drives for JSON."""
    return [asdict(d) | {"end": d.end.name.lower(), "clean": d.clean} for d in drives]


def _mean(drives: Sequence[JudgedDrive], value: Any) -> float:
    """Mean over scenarios of the mean over their drives."""
    scenarios = dict.fromkeys(d.scenario for d in drives)
    return float(np.mean([np.mean([value(d) for d in drives if d.scenario == name]) for name in scenarios]))
