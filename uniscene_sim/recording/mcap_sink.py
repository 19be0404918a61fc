"""The sink `mcap`: a run as it happens, in one MCAP file that Foxglove and others open, and that replays.

Layouts come at the physics rate, with controls and the digests of all sensors; pictures and sweeps beside them in
Foxglove's schemas. Chunks are written as they fill, so what was written before a kill can be read.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mcap_protobuf.writer import Writer

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import SensorFrame
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.outcome import Outcome
from uniscene_sim.recording import foxglove
from uniscene_sim.recording.buffers import buffers_message
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.pictures import PictureCoder
from uniscene_sim.recording.stages import StageWatch
from uniscene_sim.recording.sweeps import STEP_M, rounded, sweep_columns
from uniscene_sim.recording.versions import versions_of_run
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.growing_file import check_room, new_file
from uniscene_sim.wire.map_bytes import map_message
from uniscene_sim.wire.messages import control_message, frame_message, layout_message, outcome_message, rig_message
from uniscene_sim.wire.states import states_message
from uniscene_sim.wire.uniscene.v1.run_pb2 import Run

__all__ = ["McapSink", "RecordTo"]

#: Bytes of a chunk: what a kill may lose.
_CHUNK = 512 * 1024


class McapSink:
    """A `FrameSink` that writes one MCAP file while the run goes on.

    Unlike other sinks it keeps what it has when a run is stopped: the file is finished and stays.

    Args:
        path: the file; one that is there is replaced.
        facts: description of the run.
        options: what is kept.

    Raises:
        InputError: the file cannot be written, the disk is full, or the run's map cannot be kept.
    """

    name = "mcap"
    streams = True

    def __init__(self, path: Path, facts: RunFacts, options: RecordOptions = RecordOptions()):  # noqa: B008 - frozen
        self.path, self.facts, self.options = Path(path), facts, options
        if facts.static_map is None:
            raise InputError("a recording needs the run's map", field="record")
        try:
            self._file: Any = os.fdopen(new_file(self.path), "wb")
        except (OSError, ValueError) as error:
            raise self._refused(error) from None
        self._writer: Any = Writer(self._file, chunk_size=_CHUNK, profile="uniscene")
        kept = () if options.picture_kind == "none" else facts.rig.cameras
        self._coders = {camera.name: PictureCoder(camera, options) for camera in kept}
        self._stamp_us, self._begun = 0, False
        self._watched: tuple[Simulator[Any], StageWatch] | None = None
        self._behind_us = -1  # when stages were written last
        self._states_us: int | None = None  # when engine states were written last

    @classmethod
    def open(cls, out: Path, facts: RunFacts) -> McapSink:
        return cls(Path(out) / "run.mcap", facts)

    def __enter__(self) -> McapSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, whatever happened."""
        self._finish()

    def watch(self, simulator: Simulator[Any]) -> None:
        """From now on write the states of the engines and the digests of the stages of this simulator, too, whenever a
        frame of it is added."""
        self._watched = simulator, StageWatch()

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        """Add a tick: its layouts and control, what its sensors gave, and the times of its stages."""
        try:
            if not self._begun:
                self._begin(frame.steps[0] if frame.steps else frame.layout)
            self._add_behind(frame.stamp_us)
            self._add_steps(frame.control, frame.steps)
            self._add(frame, stages_ms)
            check_room(self.path, self.options.most_gib, self._file.fileno())
        except OSError as error:
            raise self._refused(error) from None

    def add_steps(self, control: Control | Trajectory | None, layouts: Sequence[LayoutFrame]) -> None:
        """Add layouts within a tick and what moved the ego there; the frame at its end is then added without."""
        try:
            if not self._begun:
                self._begin(layouts[0])
            self._add_steps(control, layouts)
            check_room(self.path, self.options.most_gib, self._file.fileno())
        except OSError as error:
            raise self._refused(error) from None

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """Finish the file with the run's outcome."""
        try:
            self._put("/uniscene/outcome", outcome_message(outcome), self._stamp_us)
        except OSError as error:
            raise self._refused(error) from None
        self._finish()
        return [self.path]

    def _begin(self, first: LayoutFrame) -> None:
        """What is sent once: how the run was made, its map and rig."""
        facts, at = self.facts, first.stamp_us
        assert facts.static_map is not None
        run = Run(
            title=facts.title, seed=facts.seed, engines=facts.engines, trace=facts.trace, tick_us=facts.tick_us,
            versions=versions_of_run(), drawn={name: str(value) for name, value in facts.drawn.items()},
        )  # fmt: skip
        self._put("/uniscene/run", run, at)
        self._put("/uniscene/map", map_message(facts.static_map), at)
        self._put("/uniscene/rig", rig_message(facts.rig), at)
        self._put("/lanes", foxglove.lanes(facts.static_map, at), at)
        self._put("/tf_static", foxglove.sensor_transforms(facts.rig, at), at)
        for camera in facts.rig.cameras:
            self._put(f"/{camera.name}/calibration", foxglove.calibration(camera, at), at)
        self._begun = True

    def _add_steps(self, control: Control | Trajectory | None, layouts: Sequence[LayoutFrame]) -> None:
        begin = self._stamp_us
        if control is not None and layouts:
            self._put("/uniscene/control", control_message(control, begin), begin)
        for layout in layouts:
            self._put("/uniscene/layout", layout_message(layout), layout.stamp_us)
            self._put("/tf", foxglove.ego_transform(layout), layout.stamp_us)
            self._stamp_us = layout.stamp_us

    def _add(self, frame: SensorFrame, stages_ms: Mapping[str, float]) -> None:
        at = self._stamp_us = frame.stamp_us
        self._put("/agents", foxglove.scene(frame.layout), at)
        rough = self.options.sweeps == "rounded"
        kept = {} if self.options.sweeps == "none" else frame.sweeps
        clouds = {name: rounded(sweep) if rough else sweep for name, sweep in kept.items()}
        told = frame_message(frame, stages_ms, records=False)
        told.sweeps.extend(sweep_columns(sweep, name, STEP_M * rough) for name, sweep in clouds.items())
        self._put("/uniscene/frame", told, at)
        for name, record in frame.cameras.items():
            if coder := self._coders.get(name):
                self._put(coder.topic, coder.message(record), at)
        if self.options.buffers and frame.annotations is not None:
            for name, found in frame.annotations.cameras.items():
                if found.buffers is not None:
                    self._put(f"/{name}/buffers", buffers_message(found.buffers, name), at)
        for name, sweep in clouds.items():
            self._put(f"/{name}/points", foxglove.cloud(sweep, name), at)

    def _add_behind(self, at: int) -> None:
        """What the sensors' output hangs on besides the layouts. Late output after the last tick adds nothing."""
        if self._watched is None or at <= self._behind_us:
            return
        self._behind_us = at
        simulator, stages = self._watched
        self._put("/uniscene/stages", stages.digests(simulator), at)
        if self._states_us is None or at >= self._states_us + self.options.states_s * 1e6:
            try:
                traced = simulator.trace != "tiles"
                self._put("/uniscene/states", states_message(at, simulator.after, simulator.engines, traced), at)
            except InputError as error:
                warnings.warn(f"{error}; a replay must begin at the start", InputWarning, stacklevel=3)
                self._states_us = sys.maxsize
            else:
                self._states_us = at

    def _put(self, topic: str, message: Any, stamp_us: int) -> None:
        self._writer.write_message(topic, message, stamp_us * 1000, stamp_us * 1000)

    def _finish(self) -> None:
        if self._file.closed:
            return
        try:
            self._writer.finish()
            self._file.close()
        except OSError as error:
            with suppress(OSError):
                self._file.close()
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> InputError:
        why = getattr(error, "strerror", None) or error
        return InputError(f"cannot be written: {why}", file=self.path, field="record")


@dataclass(frozen=True)
class RecordTo:
    """A sink `mcap` with a file and options of its own, where `run` expects sinks.

    Attributes:
        path: None for `run.mcap` in the run's folder.
    """

    path: Path | None = None
    options: RecordOptions = RecordOptions()  # noqa: RUF009 - frozen
    name: str = "mcap"
    streams: bool = True

    def open(self, out: Path, facts: RunFacts) -> McapSink:
        return McapSink(self.path or Path(out) / "run.mcap", facts, self.options)
