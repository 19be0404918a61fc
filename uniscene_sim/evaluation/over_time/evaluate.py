"""`uniscene-sim eval occupancy --over-time`: roll-outs and forecasts of all rows on the same held-out drives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.evaluation.over_time.drives import PERIOD_S, DriveSet, TestDrive
from uniscene_sim.evaluation.over_time.rows import Row
from uniscene_sim.evaluation.over_time.scores import OverTimeScores, Steadiness
from uniscene_sim.evaluation.scoreboard import Judge, set_scores
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.limits.memory import PeakMemory
from uniscene_sim.metrics.occupancy import AGENT_CHANNELS, Confusion, LayoutScore
from uniscene_sim.occupancy.temporal.instances import find_instances, lost_agents, shown_agents
from uniscene_sim.storage.input_file import MIB
from uniscene_sim.taxonomy import OccClass

__all__ = ["forecast", "roll_out"]

_AROUND = 2  # windows before and after a time that are judged with it
_NOISES = 8
_EVERY = 4  # of a roll-out, one window of so many is in the sets that are compared
_FORECAST_EVERY_S = 10.0
_GIVEN = 2


def roll_out(row: Row, judged: DriveSet, judge: Judge | None = None) -> OverTimeScores:
    """Scores of windows from nothing on: only layouts are told, moment by moment.

    Args:
        row: what is judged.
        judged: drives, about as long as each other; times beyond the shortest are left out.
        judge: finds features; None leaves out what compares sets of them, as it is where not all is known.
    """
    drives = judged.drives
    length = min(map(len, drives))
    times = {name: int(seconds / PERIOD_S) for name, seconds in (("1s", 1.0), ("10s", 10.0), ("60s", 60.0))
             if int(seconds / PERIOD_S) < length}  # fmt: skip
    layouts = {name: LayoutScore(CONDITION_CHANNELS) for name in times}
    volumes = {name: Confusion() for name in times}
    swapped, steady, seconds = LayoutScore(CONDITION_CHANNELS), Steadiness(), []
    made: list[np.ndarray] = []
    true: list[np.ndarray] = []
    shown = lost = 0
    with PeakMemory() as peak:
        for _ in row.roll(drives[0], 0, min(_EVERY, length), 0):
            pass
    for number, drive in enumerate(tqdm(drives, desc=row.name, disable=None)):
        other = drives[(number + len(drives) // 2) % len(drives)]
        before = None
        since = perf_counter()
        for n, labels in enumerate(row.roll(drive, 0, length, 0)):
            seconds.append(perf_counter() - since)
            for name, at in times.items():
                if abs(n - at) <= _AROUND:
                    observed = drive.observed(n)
                    layouts[name].add(drive.condition(n), labels, observed.max(axis=2))
                    volumes[name].add(drive.truth(n), labels, observed)
            swapped.add(other.condition(length - 1 - n), labels)
            if before is not None:
                steady.add(drive, n, before, labels)
            agents, pose = drive.layouts[n].agents, drive.layouts[n].ego_pose
            instances = find_instances(labels, agents, pose, DEFAULT_GRID)
            shown += len(shown_agents(agents, pose, DEFAULT_GRID))
            lost += len(lost_agents(instances, agents, pose, DEFAULT_GRID))
            if n % _EVERY == 0:
                made.append(labels)
                true.append(drive.truth(n))
            before, since = labels, perf_counter()
    scores: dict[str, Any] = {f"layout_{name}": score.mean() for name, score in layouts.items()}
    for name in ("1s", "60s"):
        if name in volumes:
            scores[f"manmade_{name}"] = volumes[name].volume_ratio(OccClass.MANMADE)
            scores[f"vegetation_{name}"] = volumes[name].volume_ratio(OccClass.VEGETATION)
    if judge is not None and not judged.seen:
        scores |= set_scores(judge(np.stack(true)), judge(np.stack(made)))
    return OverTimeScores(
        row.name, judged.name,
        agents_10s=layouts["10s"].mean(AGENT_CHANNELS) if "10s" in layouts else None,
        swapped=None if judged.seen else swapped.mean(), steady=steady.iou, found=1 - lost / shown if shown else None,
        seconds=float(np.median(seconds)), mib=None if peak.bytes is None else peak.bytes / MIB,
        pairwise=_pairwise(row, drives), **scores,
    )  # fmt: skip


def forecast(row: Row, judged: DriveSet, scores: OverTimeScores) -> OverTimeScores:
    """The scores with those of windows 1, 2 and 3 s after two that are told; None of times that no drive reaches.

    Args:
        row: what is judged.
        judged: drives.
        scores: so far.
    """
    ahead = {name: int(seconds / PERIOD_S) for name, seconds in (("1s", 1.0), ("2s", 2.0), ("3s", 3.0))}
    voxels = {name: Confusion() for name in ahead}
    most = max(ahead.values())
    for drive in tqdm(judged.drives, desc=f"{row.name}, forecasts", disable=None):
        last = max(len(drive) - most, _GIVEN)  # short drives: as far as they go
        for first in range(_GIVEN, last + 1, int(_FORECAST_EVERY_S / PERIOD_S)):
            count = min(most, len(drive) - first)
            for k, labels in enumerate(row.roll(drive, first, count, _GIVEN), 1):
                for name, at in ahead.items():
                    if k == at:
                        n = first + k - 1
                        voxels[name].add(drive.truth(n), labels, drive.observed(n))
    reached = {name: of_time for name, of_time in voxels.items() if of_time.counts.any()}
    found: dict[str, Any] = {f"miou_{name}": of_time.miou for name, of_time in reached.items()}
    found |= {f"iou_{name}": of_time.iou for name, of_time in reached.items()}
    return replace(scores, **found)


def _pairwise(row: Row, drives: Sequence[TestDrive]) -> float | None:
    """Mean IoU of houses and plants of eight noises, on the first layout of each drive."""
    kinds, found = (OccClass.MANMADE, OccClass.VEGETATION), []
    for drive in drives:
        made = [next(iter(row.roll(drive, 0, 1, 0, noise))) for noise in range(_NOISES)]
        for a, b in combinations(made, 2):
            either = np.isin(a, kinds) | np.isin(b, kinds)
            if either.any():
                found.append(float((np.isin(a, kinds) & (a == b)).sum() / either.sum()))
    return float(np.mean(found)) if found else None
