"""The edits of a recording through engines of windows: what each changes that it should not, and what of it is done."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
from tqdm import tqdm

from uniscene_sim.edit import EDIT_KINDS, AddAgent
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.evaluation.over_time.drives import PERIOD_S
from uniscene_sim.evaluation.over_time.editing import (
    EditedMoment,
    EditWindows,
    agents_elsewhere,
    edit_windows,
    view_of,
)
from uniscene_sim.evaluation.over_time.rows import WindowRow
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import PHYSICS_US, Edit, LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource

__all__ = ["EDIT_TABLES", "JudgedEdit", "Moment", "RecordedEditScores", "judge_edits", "means_of", "recorded_moments"]

_STEP_US = round(PERIOD_S * 1e6)
_KIND = {kind: name for name, kind in EDIT_KINDS.items()}
_ALL = "all edits"

#: What an engine goes through: a layout, or one that was edited in that moment.
Moment = LayoutFrame | EditedMoment

#: Columns of the table.
EDIT_TABLES = (("changed", "added", "gone", "ground"),)


@dataclass(frozen=True)
class RecordedEditScores:
    """Scores of one way to the window of an edited moment, as fractions; None where not applicable."""

    name: str  # model and way
    data: str  # the edit, or all
    changed: float | None = None  # share of the occupied voxels outside the edited region that differ, see `editing`
    added: float | None = None  # share of what was asked for that is there, see `editing.Done`
    gone: float | None = None
    ground: float | None = None


@dataclass(frozen=True)
class JudgedEdit:
    """An edit through one engine."""

    model: str
    moment: EditedMoment
    windows: EditWindows

    def scores(self) -> list[RecordedEditScores]:
        """Of the windows without the edit, generated again, and with the rest held."""
        without = self.windows.without.labels
        ways = {"without the edit": None, "plain": self.windows.plain.labels, "rest held": self.windows.held.labels}
        return [
            RecordedEditScores(
                f"{self.model}, {way}", self.moment.name,
                None if labels is None else self.moment.changed(without, labels),
                **asdict(self.moment.done(without if labels is None else labels)),
            )
            for way, labels in ways.items()
        ]  # fmt: skip


def recorded_moments(recording: Recording) -> list[Moment]:
    """The moments of a recording in order of time: layouts at 2 Hz, and moments in which edits begin.

    Args:
        recording: a run that was edited.

    Raises:
        InputError: the file is no recording, or no edit begins within it that changes a layout around the ego.
    """
    source = RecordedSource(recording)
    out: list[Moment] = []
    last, due_us, begun = None, 0, 0
    for frame in _layouts(source):
        if last is not None and frame.edits != last.edits:
            begun += 1
            moment = _moment(source.map, last, frame)
            if moment.region.any():
                out.append(moment)
            else:
                why = f"{recording.path}: {moment.name}: changes no layout around the ego, and is left out"
                warnings.warn(InputWarning(why), stacklevel=2)
        if frame.stamp_us >= due_us:
            out.append(frame)
            due_us = frame.stamp_us + _STEP_US
        last = frame
    edited = [k for k, one in enumerate(out) if isinstance(one, EditedMoment)]
    if not edited:
        why = f"{begun} begin, none of which changes the layout" if begun else "none begins"
        raise InputError(f"{why}; expected a recording in which an edit changes the layout around the ego after its "
                         "first moment", file=recording.path, field="LayoutFrame.edits")  # fmt: skip
    return out[: edited[-1] + 1]


def judge_edits(row: WindowRow, recording: Recording, moments: Sequence[Moment]) -> list[JudgedEdit]:
    """The edits of a recording through one engine, which is told the recorded layouts, edited ones too.

    Args:
        row: the engine.
        recording: the run; its seed is that of the noise.
        moments: those of `recorded_moments`.
    """
    engine, state = row.make(recording.map, recording.run.seed), None
    judged = []
    for one in tqdm(moments, desc=row.name, unit="moment", disable=None):
        if isinstance(one, EditedMoment):
            judged.append(JudgedEdit(row.name, one, edit_windows(engine, state, one)))
        else:
            (state,), _ = engine.step([state], [view_of(one)], DEFAULT_GRID)
    return judged


def means_of(scores: Sequence[RecordedEditScores]) -> list[RecordedEditScores]:
    """The mean of each row over all edits."""
    columns = [one.name for one in fields(RecordedEditScores)[2:]]
    out = []
    for name in dict.fromkeys(one.name for one in scores):
        own = [one for one in scores if one.name == name]
        values = {column: [v for one in own if (v := getattr(one, column)) is not None] for column in columns}
        means = {column: float(np.mean(given)) for column, given in values.items() if given}
        out.append(RecordedEditScores(name, f"{_ALL} ({len(own)})", **means))
    return out


def _layouts(source: RecordedSource) -> Iterator[LayoutFrame]:
    yield source.reset()
    while not source.done:
        yield from source.step(source.driver_control(), PHYSICS_US)


def _moment(static_map: StaticMap, last: LayoutFrame, now: LayoutFrame) -> EditedMoment:
    """The moment `now`, and the same without what has begun or ended since the layout before it."""
    went, came = agents_elsewhere(last, now), agents_elsewhere(now, last)
    stayed = now.agents[~np.isin(now.agents["id"], came["id"])]
    before = replace(now, edits=last.edits, map_ref=last.map_ref, style=last.style,
                     agents=np.concatenate([stayed, went]))  # fmt: skip
    return EditedMoment(f"{1e-6 * now.stamp_us:.2f} s: {_difference(last.edits, now.edits)}", static_map, before, now)


def _difference(before: Sequence[Edit], after: Sequence[Edit]) -> str:
    """What has begun or ended between two lists of edits in force."""
    old, new = (Counter(map(_named, edits)) for edits in (before, after))
    return ", ".join([*(new - old), *(f"end of {name}" for name in old - new)])


def _named(edit: Edit) -> str:
    name = edit.agent.name if isinstance(edit, AddAgent) else getattr(edit, "name", "")
    return f"{_KIND[type(edit)]} {name}".strip()
