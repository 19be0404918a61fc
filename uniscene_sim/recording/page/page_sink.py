"""The sink behind `run --page`: a run as an HTML page, made of a recording that is kept no longer than the run."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from uniscene_sim.frames import SensorFrame
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.outcome import Outcome
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import McapSink
from uniscene_sim.recording.page.build import page_of
from uniscene_sim.storage.output_file import told

__all__ = ["PageSink"]

_PAGE, _RECORDING = "page.html", "page.mcap"


class PageSink:
    """A `FrameSink` that writes `page.html`.

    Args:
        out: folder of this run.
        facts: description of the run.

    Raises:
        InputError: the folder cannot be written, the disk is full, or the run's map cannot be kept.
    """

    name = "page"
    files = (_PAGE,)

    def __init__(self, out: Path, facts: RunFacts):
        self.out = Path(out)
        self._recording = McapSink(self.out / _RECORDING, facts)

    @classmethod
    def open(cls, out: Path, facts: RunFacts) -> PageSink:
        return cls(out, facts)

    def __enter__(self) -> PageSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the recording."""
        self._recording.__exit__(kind, error, trace)
        (self.out / _RECORDING).unlink(missing_ok=True)

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        self._recording.add(frame, stages_ms)

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """Make the page and return its path."""
        (path,) = self._recording.close(outcome, tiles)
        page = page_of(Recording.open(path), progress=True)
        path.unlink()
        with told(_PAGE, "out"):
            (self.out / _PAGE).write_bytes(page)
        return [self.out / _PAGE]
