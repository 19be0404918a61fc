"""Recordings of episodes: one MCAP file each, `world0_episode000.mcap` and so on, in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.frames import SensorFrame
from uniscene_sim.interfaces import LayoutSource, RunFacts, StageTimes, TileStats
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.recording.mcap_sink import McapSink
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.simulator import Simulator

__all__ = ["EpisodeRecordings"]


class EpisodeRecordings:
    """The recordings of many worlds. A world that is restored begins a file of its own, like an episode.

    Args:
        folder: created if missing.
        options: what is kept.
        replace_files: whether files of earlier episodes there are replaced, or come before.
    """

    def __init__(
        self,
        folder: Path,
        options: RecordOptions = RecordOptions(),  # noqa: B008 - frozen
        replace_files: bool = True,
    ):
        self.folder, self.options, self._replace = Path(folder), options, replace_files
        self._open: dict[int, tuple[McapSink, LayoutSource]] = {}
        self._begun: dict[int, int] = {}

    def begin(self, world: int, simulator: Simulator[LayoutSource], facts: RunFacts) -> None:
        """Finish the file of a world and begin its next one.

        Args:
            world: index of the world.
            simulator: its simulator, whose source knows the outcome at the end.
            facts: description of the run.

        Raises:
            InputError: the file cannot be written.
        """
        self.end(world)
        episode = self._begun.get(world, 0)
        while not self._replace and self._file(world, episode).exists():
            episode += 1
        self._begun[world] = episode + 1
        sink = McapSink(self._file(world, episode), facts, self.options)
        sink.watch(simulator)
        self._open[world] = sink, simulator.source

    def _file(self, world: int, episode: int) -> Path:
        return self.folder / f"world{world}_episode{episode:03}.mcap"

    def add_steps(self, world: int, control: Control | Trajectory | None, layouts: Sequence[LayoutFrame]) -> None:
        self._open[world][0].add_steps(control, layouts)

    def add(self, world: int, frame: SensorFrame, stages_ms: StageTimes) -> None:
        self._open[world][0].add(frame, stages_ms)

    def end(self, world: int) -> None:
        """Finish the file of a world with the outcome so far."""
        if world in self._open:
            sink, source = self._open.pop(world)
            sink.close(source.outcome, TileStats())

    def close(self) -> None:
        """Finish all files."""
        for world in list(self._open):
            self.end(world)
