"""`RecordedSource`: the layouts of a recording as a source; the ego drives where it drove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import PHYSICS_US, LayoutFrame, Style
from uniscene_sim.limits.bounds import DAY_S
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.recording.mcap_file import Recording, TopicMessage
from uniscene_sim.storage.growing_file import keep_while_alive
from uniscene_sim.wire.checks import check_layout
from uniscene_sim.wire.messages import layout_of

__all__ = ["RecordedSource", "part_of"]


class RecordedSource:
    """Plays the layouts of an MCAP recording: a `LayoutSource` that ignores controls.

    Args:
        recording: the file.
        seed: of the world, in place of the recorded one.
        style: weather and time of day in place of the recorded ones.
        shift_m: how far ahead and to the left of its recorded path the ego drives: a novel trajectory, as in AnyScene.
        from_s, to_s: the part of the recording that is played, by its own clock; None to its begin or end.

    Raises:
        InputError: the file is no recording, its map is damaged, or it ends before `from_s`.
    """

    name = "recording"
    suffixes = (".mcap",)
    open_loop = True

    def __init__(
        self,
        recording: Recording,
        seed: int | None = None,
        *,
        style: Style | None = None,
        shift_m: tuple[float, float] = (0.0, 0.0),
        from_s: float | None = None,
        to_s: float | None = None,
    ):
        self.recording = recording
        keep_while_alive(recording.path, self)
        self.map: StaticMap = recording.map
        self.seed, self._seed = recording.run.seed if seed is None else seed, seed
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self._layouts: Iterator[LayoutFrame] = iter(())
        self._now: LayoutFrame | None = None
        self._step_us = PHYSICS_US  # the last one
        whole = recording.ego_path
        path = part_of(whole, from_s, to_s, recording.path)
        # Sensors fire at multiples of their periods, as they did.
        early = int((whole[0, 0] - path[0, 0]) % (recording.run.tick_us or PHYSICS_US)) // PHYSICS_US
        path = path[min(early, len(path) - 1) :]
        self._begin_us, self._end_us = int(path[0, 0]), int(path[-1, 0])
        if (np.diff(path[:, 0]) <= 0).any() or self.duration_s > DAY_S:
            raise InputError("expected stamps that rise, within a day", file=recording.path, field="/uniscene/layout")
        self._style, self._shift_m = style, shift_m
        self._path = path[::10, 1:]

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> RecordedSource:
        return cls(Recording.open(Path(what)), seed)

    @property
    def title(self) -> str:
        return self.recording.run.title

    @property
    def duration_s(self) -> float:
        return (self._end_us - self._begin_us) * 1e-6

    @property
    def route_path(self) -> np.ndarray:
        """Where the ego drives (R, 3), m."""
        return self._path

    @property
    def done(self) -> bool:
        """Whether its end is reached, or is so near that no further step like the last one fits."""
        return self._now is not None and self._now.stamp_us + self._step_us > self._end_us

    @property
    def outcome(self) -> Outcome:
        """That of the recorded run, once this one is done; a run that was stopped counts as a success."""
        if not self.done:
            return Outcome(Status.RUNNING)
        recorded = self.recording.outcome
        return Outcome(Status.SUCCESS) if recorded is None or recorded.status == Status.RUNNING else recorded

    def reset(self) -> LayoutFrame:
        return self.reset_at(self._begin_us)[-1]

    def reset_at(self, stamp_us: int, since_us: int | None = None) -> list[LayoutFrame]:
        """Go to a moment, and give its layout, last, after those since an earlier one."""
        since_us = stamp_us if since_us is None else since_us
        messages = self.recording.messages("/uniscene/layout")
        self._layouts = (self._altered(self._read(m)) for m in messages if m.stamp_us >= since_us)
        self._step_us = PHYSICS_US
        self._now, past = None, [self._next()]
        while past[-1].stamp_us < stamp_us:
            past.append(self._next())
            if past[-1] is past[-2]:
                at = f"{1e-6 * stamp_us:.2f} s, its layouts end at {1e-6 * past[-1].stamp_us:.2f} s"
                raise InputError(f"names {at}", file=self.recording.path, field="/uniscene/layout")
        return past

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """The next layouts, up to `dt_us` from now; at the end the last one stays.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        if dt_us <= 0 or dt_us % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10,000 us, got {dt_us}", field="dt_us")
        self._step_us = dt_us
        return [self._next() for _ in range(dt_us // PHYSICS_US)]

    def driver_control(self) -> Control:
        return Control()

    def _read(self, sent: TopicMessage) -> LayoutFrame:
        try:
            layout = layout_of(sent.message)
            check_layout(layout)
        except InputError as error:
            raise error.within(self.recording.path) from None
        if layout.stamp_us != sent.stamp_us:
            at = f"{1e-6 * layout.stamp_us:.2f} s, was recorded as of {1e-6 * sent.stamp_us:.2f} s"
            raise InputError(f"is of {at}", file=self.recording.path, field="LayoutFrame.stamp_us")
        return layout

    def _altered(self, layout: LayoutFrame) -> LayoutFrame:
        if any(self._shift_m):
            moved = layout.ego_pose.compose(Pose(*self._shift_m))
            z = self.map.surface_height(*(np.array([v]) for v in (moved.x, moved.y, layout.ego_pose.z)))
            layout = replace(layout, ego_pose=replace(layout.ego_pose, x=moved.x, y=moved.y, z=float(z[0])))
        if self._seed is not None:
            layout = replace(layout, seed=self._seed)
        return layout if self._style is None else replace(layout, style=self._style)

    def _next(self) -> LayoutFrame:
        layout = next(self._layouts, self._now)
        if layout is None:
            raise InputError("holds no layouts", file=self.recording.path)
        self._now = layout
        return layout


def part_of(path: np.ndarray, from_s: float | None, to_s: float | None, file: Path) -> np.ndarray:
    """The rows of an ego's path, stamps in us first, between two times.

    Args:
        path: (N, 4), see `Recording.ego_path`.
        from_s, to_s: the times, None for its ends.
        file: for the error message.

    Raises:
        InputError: nothing lies between them.
    """
    first, last = path[0, 0] * 1e-6, path[-1, 0] * 1e-6
    begin, end = (first if from_s is None else from_s), (last if to_s is None else to_s)
    part = path[(path[:, 0] >= begin * 1e6 - 1) & (path[:, 0] <= end * 1e6 + 1)]
    if not len(part):
        raise InputError(f"lasts from {first:.2f} to {last:.2f} s, has nothing from {begin:g} to {end:g} s", file=file)
    return part
