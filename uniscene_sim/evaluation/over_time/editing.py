"""A moment whose layout was edited: how much of a window an edit changes that it should not, and what of it is done.

The moment is generated three times from one history: as if there were no edit, again from the edited layout, and with
the rest held (AnyScene's editing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_dilation

from uniscene_sim.evaluation.over_time.drives import PERIOD_S, TestDrive
from uniscene_sim.evaluation.over_time.rows import GoesOn
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, CONDITION_CHANNELS, LayoutFrame, without_plan
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.metrics.occupancy import LAYOUT_15, MAP_CHANNELS, layout_from_above
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE
from uniscene_sim.occupancy.temporal.instances import find_instances, shown_agents
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.tracing.window import no_tiles

__all__ = [
    "Done",
    "EditScores",
    "EditWindows",
    "EditedMoment",
    "agents_elsewhere",
    "edit_windows",
    "score_edits",
    "view_of",
]

_AROUND_CELLS = 10  # about where the layouts differ, that an edit may change
_AWAY_M = 0.5  # from where it would have driven: who is there was moved
_MAP = [CONDITION_CHANNELS.index(name) for name in MAP_CHANNELS]
_AGENTS = [CONDITION_CHANNELS.index(name) for name in LAYOUT_15 if name not in MAP_CHANNELS]
_SEEN = [LAYOUT_15.index(name) for name in MAP_CHANNELS]

_AHEAD_M, _LEFT_M = 14.0, -6.0  # of the ego: where a car is added in test drives
_SIZE_M = (4.6, 1.9, 1.5)
_AFTER_S = 2.0  # of a roll-out


@dataclass(frozen=True)
class Done:
    """What of an edit a window shows, as shares; None where nothing of the kind was asked for."""

    added: float | None  # agents that came, or were moved, that are found in their boxes
    gone: float | None  # agents that were removed, or moved away, of whom nothing is found any longer
    ground: float | None  # cells whose road, walkway, crossing or divider was changed that show it from above


@dataclass(frozen=True)
class EditedMoment:
    """The layouts of a moment without and with an edit, of one place and time."""

    name: str  # what was edited
    map: StaticMap  # without edits
    before: LayoutFrame
    after: LayoutFrame

    @cached_property
    def layouts(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the window without and with the edit, each uint8 (C, 200, 200) over `CONDITION_CHANNELS`."""
        return _layout(self.map, self.before), _layout(self.map, self.after)

    @cached_property
    def region(self) -> np.ndarray:
        """Columns bool (200, 200) of the window that the edit may change: where the layouts differ, and around."""
        was, now = self.layouts
        differs = (was != now).any(axis=0)
        around: np.ndarray = binary_dilation(differs, iterations=_AROUND_CELLS) if differs.any() else differs
        return around

    def changed(self, without: np.ndarray, labels: np.ndarray) -> float:
        """Of the voxels outside the region that are occupied in one of two windows (200, 200, 16), or in both, the
        share that differs."""
        occupied = ~self.region[:, :, None] & ((without != OccClass.FREE) | (labels != OccClass.FREE))
        return float((occupied & (without != labels)).sum() / max(occupied.sum(), 1))

    def done(self, labels: np.ndarray) -> Done:
        """What of the edit a window (200, 200, 16) shows."""
        agents, pose = self.after.agents, _level(self.after)
        instances = find_instances(labels, agents, pose, DEFAULT_GRID)
        of_nobody = np.where(instances > 0, np.uint8(OccClass.FREE), labels)
        came, went = shown_agents(self._came, pose, DEFAULT_GRID), shown_agents(self._went, pose, DEFAULT_GRID)
        left = np.intersect1d(went, find_instances(of_nobody, self._went, pose, DEFAULT_GRID))
        was, now = self.layouts
        switched = (was != now)[_MAP] & ~now[_AGENTS].any(axis=0)
        shows = layout_from_above(labels)[_SEEN] == (now[_MAP] > 0)
        return Done(
            len(np.intersect1d(came, instances)) / len(came) if len(came) else None,
            1.0 - len(left) / len(went) if len(went) else None,
            float(shows[switched].mean()) if switched.any() else None,
        )

    @cached_property
    def _came(self) -> np.ndarray:
        """Agents (N,) AGENT_DTYPE that are somewhere only with the edit."""
        return agents_elsewhere(self.after, self.before)

    @cached_property
    def _went(self) -> np.ndarray:
        return agents_elsewhere(self.before, self.after)


@dataclass(frozen=True)
class EditWindows:
    """One moment, generated three times from one history."""

    without: OccupancyGrid  # from the layout without the edit
    plain: OccupancyGrid  # from the edited layout
    held: OccupancyGrid  # from the edited layout, with the rest held


@dataclass(frozen=True)
class EditScores:
    """Means over edits, see `EditedMoment.changed`."""

    edit_plain: float  # generated again from the edited layout
    edit_held: float  # with the rest held
    edit_done: float  # share of the added cars that are found, with the rest held


def view_of(frame: LayoutFrame) -> WorldView:
    """What an engine of windows is told: the layout alone."""
    return WorldView(frame, (), no_tiles())


def edit_windows(engine: GoesOn, state: object, moment: EditedMoment) -> EditWindows:
    """The windows of an edited moment.

    Args:
        engine: of windows.
        state: before the moment; None for no history.
        moment: the edit.
    """
    without, plain = (
        engine.step([state], [view_of(frame)], DEFAULT_GRID)[1][0] for frame in (moment.before, moment.after)
    )
    return EditWindows(without, plain, engine.edited(state, moment.before, moment.after, DEFAULT_GRID))


def score_edits(make: Callable[[StaticMap, int], GoesOn], drives: Sequence[TestDrive]) -> EditScores:
    """Scores of an engine that is asked for a car ahead, in windows with a history.

    Args:
        make: the engine of a map and a seed.
        drives: one edit each.
    """
    plain, held, done = [], [], []
    at = int(_AFTER_S / PERIOD_S)
    for drive in drives:
        engine, state = make(drive.map, 0), None
        for frame in drive.layouts[:at]:
            (state,), _ = engine.step([state], [view_of(frame)], DEFAULT_GRID)
        before = drive.layouts[at]
        after = replace(before, agents=np.concatenate([before.agents, _car(before)]))
        moment = EditedMoment("a car ahead", drive.map, before, after)
        windows = edit_windows(engine, state, moment)
        plain.append(moment.changed(windows.without.labels, windows.plain.labels))
        held.append(moment.changed(windows.without.labels, windows.held.labels))
        done.append(moment.done(windows.held.labels).added or 0.0)
    return EditScores(float(np.mean(plain)), float(np.mean(held)), float(np.mean(done)))


def agents_elsewhere(here: LayoutFrame, there: LayoutFrame) -> np.ndarray:
    """Agents (N,) AGENT_DTYPE of a layout that another one, at the same or nearly the same time, has not, or has
    elsewhere than driving would have taken them."""
    seconds = 1e-6 * (here.stamp_us - there.stamp_us)
    others = {int(agent["id"]): agent for agent in there.agents}

    def elsewhere(agent: np.void) -> bool:
        other = others.get(int(agent["id"]))
        return other is None or bool(np.hypot(*(agent["pos"] - other["pos"] - seconds * other["vel"])[:2]) > _AWAY_M)

    chosen: np.ndarray = here.agents[[elsewhere(agent) for agent in here.agents]]
    return chosen


def _level(frame: LayoutFrame) -> Pose:
    return Pose(frame.ego_pose.x, frame.ego_pose.y, frame.ego_pose.z, yaw=frame.ego_pose.yaw)


def _layout(static_map: StaticMap, frame: LayoutFrame) -> np.ndarray:
    """The condition uint8 (C, 200, 200) of the window, without houses and plants."""
    drawn = condition_layout(edited_map(static_map, frame.edits).map, np.zeros(0, PLAN_DTYPE), _level(frame),
                             DEFAULT_GRID, frame.agents)  # fmt: skip
    return without_plan(drawn.data)


def _car(frame: LayoutFrame) -> np.ndarray:
    """A car ahead of the ego, at rest, of an id that nobody has."""
    pose, car = frame.ego_pose, np.zeros(1, AGENT_DTYPE)
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    car["id"], car["cls"], car["size"] = int(frame.agents["id"].max(initial=0)) + 1, AgentClass.CAR, _SIZE_M
    car["pos"] = (pose.x + c * _AHEAD_M - s * _LEFT_M, pose.y + s * _AHEAD_M + c * _LEFT_M, pose.z)
    car["rpy"][0, 2] = pose.yaw
    return car
