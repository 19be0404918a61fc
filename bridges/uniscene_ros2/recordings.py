"""Recordings of a node's runs: one MCAP file each, from its start or reset to its end."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from uniscene_ros2.run import RosRun
from uniscene_sim.env.recording import EpisodeRecordings
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame, digest
from uniscene_sim.interfaces import RunFacts
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.storage.output_file import told

__all__ = ["NodeRecordings"]


class NodeRecordings:
    """Records each run of a node. A recording that cannot go on ends, and the run goes on without it.

    Args:
        folder: of the files, after those that are there; None to record nothing.
        options: what is kept.
        complain: called with what it is about and its description when a recording ends early.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, folder: Path | None, options: RecordOptions, complain: Callable[[str, str], None]):
        self._files = None if folder is None else EpisodeRecordings(folder, options, replace_files=False)
        self._complain, self._is_open = complain, False
        if folder is not None:
            if folder.suffix == ".mcap":
                raise InputError("expected a folder, in which each run gets a file", file=folder, field="record")
            with told(folder, "record"):
                folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> NodeRecordings:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file of the present run."""
        self.end()

    def needs(self, run: RosRun) -> Set[str]:
        """The sensors that must be simulated for a recording, heard or not."""
        return {sensor.name for sensor in run.rig.sensors} if self._is_open else set()

    def begin(self, run: RosRun) -> None:
        """Finish the file before and begin that of a run."""
        self.end()
        if self._files is None:
            return
        source = run.source
        facts = RunFacts(
            source.title, source.seed, run.rig, run.engines, run.tick_us, static_map=source.map,
            trace=run.simulator.trace,
        )  # fmt: skip
        files, self._is_open = self._files, True
        self._try(lambda: files.begin(0, run.simulator, facts))
        self.advanced(run)

    def advanced(self, run: RosRun) -> None:
        """Add the layouts since the last call, and what moved the ego there."""
        if self._files is not None and self._is_open:
            files, simulator = self._files, run.simulator
            self._try(lambda: files.add_steps(0, simulator.last_control, simulator.tick_layouts))

    def add(self, run: RosRun, frame: SensorFrame) -> None:
        """Add a frame, whose layouts have been added."""
        if self._files is not None and self._is_open:
            digests = {name: digest(record) for name, record in frame.records.items()}
            files, whole = self._files, replace(frame, digests=digests, steps=(), control=None)
            self._try(lambda: files.add(0, whole, run.simulator.stages_ms))

    def end(self) -> None:
        """Finish the file of the present run with its outcome."""
        if self._files is not None and self._is_open:
            self._is_open = False
            self._try(self._files.close)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except InputError as error:
            self._complain("record", f"{error}; the run goes on")
            self.end()
