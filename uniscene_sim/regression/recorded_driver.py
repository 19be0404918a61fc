"""Recorded controls as a driver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.loops import DirectLoop, Loop, LoopSettings
from uniscene_sim.storage.input_file import reading
from uniscene_sim.wire.messages import control_of

__all__ = ["ControlTape", "RecordedControls"]


class ControlTape:
    """A sequence of controls as a driver of frames: each is held until the next one's time; behind the last one the
    ego stops.

    Args:
        controls: with the time from which they hold, us since the beginning, rising.
    """

    def __init__(self, controls: Sequence[tuple[int, Control | Trajectory]]):
        self._controls, self._at, self._begin_us = controls, -1, -1

    def __call__(self, frame: SensorFrame) -> Control | Trajectory:
        if self._begin_us < 0:
            self._begin_us = frame.stamp_us
        now_us = frame.stamp_us - self._begin_us
        while self._at + 1 < len(self._controls) and self._controls[self._at + 1][0] <= now_us:
            self._at += 1
        if self._at < 0:
            return Control()
        since_us, control = self._controls[self._at]
        return control.later(1e-6 * (now_us - since_us)) if isinstance(control, Trajectory) else control


class RecordedControls:
    """Drives each case with the controls of a recording.

    Args:
        path: MCAP.

    Raises:
        InputError: it is no recording, or holds no controls.
    """

    def __init__(self, path: Path):
        messages = Recording.open(path).messages("/uniscene/control")
        with reading(path, "a recording with controls"):
            found = [(m.stamp_us, control_of(m.message)) for m in messages]
        if not found:
            raise InputError("holds no controls; expected a run that was driven", file=path, argument="driver")
        self._controls = [(stamp - found[0][0], control) for stamp, control in found]

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        return DirectLoop.open(case, settings).driven_by(ControlTape(self._controls))
