"""What all exports share: a new folder that appears whole or not at all, and the frames of a replay with a progress
bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.limits.disk import require_disk
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.output_file import Outputs, is_private, told

__all__ = ["Exported", "exported_folder", "frame_count", "replayed", "require_empty", "written_bytes"]


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        items: how many of `unit`.
        unit: "frames", "samples", "messages".
        nbytes: of all files.
    """

    items: int
    unit: str
    nbytes: int

    def __str__(self) -> str:
        return f"{self.items} {self.unit}, {self.nbytes / 2**20:.1f} MiB"


@contextmanager
def exported_folder(out: Path, needed_bytes: float, what: str) -> Iterator[Path]:
    """A folder to write into, whose files appear in `out` when the block is left without an error.

    Args:
        out: new or empty folder.
        needed_bytes: how much will be written, estimated.
        what: takes it, for messages.

    Raises:
        InputError: the folder holds something, cannot be written, or its disk is too small.
    """
    require_empty(out)
    require_disk(out, needed_bytes, what, "out")
    with Outputs() as outputs:
        parts = outputs.folder(out, field="out")
        with told(out, "out"):
            yield parts
        outputs.publish()


def require_empty(out: Path) -> None:
    """InputError if a folder holds something."""
    with told(out, "out"):
        if out.is_dir() and any(not is_private(entry) for entry in out.iterdir()):
            raise InputError("holds files already, expected a new or empty folder", file=out, argument="out")


def frame_count(simulator: Simulator[RecordedSource]) -> int:
    """Ticks of a recording, the first one included."""
    return round(simulator.source.duration_s * 1e6 / simulator.tick_us) + 1


def replayed(
    simulator: Simulator[RecordedSource], request_at: Callable[[int], FrameRequest], progress: bool = False
) -> Iterator[SensorFrame]:
    """The frames of a recording, simulated again.

    Args:
        simulator: made by `recording.replay.replayer`.
        request_at: content of the frame at a stamp, us.
        progress: whether to show a progress bar.
    """
    simulator.begin()
    stamp_us = simulator.tick_layouts[-1].stamp_us
    ticks = range(frame_count(simulator))
    for tick in tqdm(ticks, desc="export", unit="tick", disable=None if progress else True):
        request = request_at(stamp_us + tick * simulator.tick_us)
        yield simulator.step(None, request) if tick else simulator.reset(request)


def written_bytes(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
