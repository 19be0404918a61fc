"""How much of a window an edit changes that it should not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from uniscene_sim.evaluation.over_time.drives import PERIOD_S, TestDrive
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.tracing.window import no_tiles

__all__ = ["EditScores", "score_edits"]

_AHEAD_M, _LEFT_M = 14.0, -6.0  # of the ego: where a car is added
_SIZE_M = (4.6, 1.9, 1.5)
_AFTER_S = 2.0  # of a roll-out
_AROUND_CELLS = 10  # about the car, that an edit may change


@dataclass(frozen=True)
class EditScores:
    """Of the voxels outside the edited region that are occupied with or without the edit, the share that differs."""

    edit_plain: float  # generated again from the edited layout
    edit_held: float  # with the rest held
    edit_done: float  # share of the added cars that are found, with the rest held


def score_edits(make: Callable[[StaticMap, int], Any], drives: Sequence[TestDrive]) -> EditScores:
    """Scores of an engine that is asked for a car ahead, in windows with a history.

    Args:
        make: the engine of a map and a seed.
        drives: one edit each.
    """
    plain, held, done = [], [], []
    at = int(_AFTER_S / PERIOD_S)
    for drive in drives:
        engine, state = make(drive.map, 0), None
        for n in range(at):
            (state,), _ = engine.step([state], [_view(drive.layouts[n])], DEFAULT_GRID)
        before = drive.layouts[at]
        after = replace(before, agents=np.concatenate([before.agents, _car(before)]))
        _, (without,) = engine.step([state], [_view(before)], DEFAULT_GRID)
        _, (again,) = engine.step([state], [_view(after)], DEFAULT_GRID)
        kept = engine.edited(state, before, after, DEFAULT_GRID)
        plain.append(_changed(without.labels, again.labels))
        held.append(_changed(without.labels, kept.labels))
        done.append(bool((kept.instances == _car(before)["id"][0]).any()))
    return EditScores(float(np.mean(plain)), float(np.mean(held)), float(np.mean(done)))


def _view(frame: LayoutFrame) -> WorldView:
    return WorldView(frame, (), no_tiles())


def _car(frame: LayoutFrame) -> np.ndarray:
    """A car ahead of the ego, at rest, of an id that nobody has."""
    pose, car = frame.ego_pose, np.zeros(1, AGENT_DTYPE)
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    car["id"], car["cls"], car["size"] = int(frame.agents["id"].max(initial=0)) + 1, AgentClass.CAR, _SIZE_M
    car["pos"] = (pose.x + c * _AHEAD_M - s * _LEFT_M, pose.y + s * _AHEAD_M + c * _LEFT_M, pose.z)
    car["rpy"][0, 2] = pose.yaw
    return car


def _changed(before: np.ndarray, after: np.ndarray) -> float:
    there = np.zeros(before.shape[:2], np.bool_)
    i, j = DEFAULT_GRID.index(np.array([_AHEAD_M, _LEFT_M, 0.0]))[:2]
    half = (0.5 * np.array(_SIZE_M[:2]) / DEFAULT_GRID.voxel_m).astype(int) + 1
    there[i - half[0] : i + half[0], j - half[1] : j + half[1]] = True
    outside = ~binary_dilation(there, iterations=_AROUND_CELLS)[:, :, None]
    occupied = outside & ((before != OccClass.FREE) | (after != OccClass.FREE))
    return float((occupied & (before != after)).sum() / max(occupied.sum(), 1))
