"""Recordings of drives that failed: the same controls once more, this time recorded. Nothing is recorded of drives that
pass, and `uniscene-sim replay` reproduces what is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.recorder import VIDEO, Recorder
from uniscene_sim.regression.case_files import case_file
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.loops import DirectLoop
from uniscene_sim.regression.recorded_driver import ControlTape
from uniscene_sim.run import run
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.output_file import scratch_folder, told, write_file

__all__ = ["KeptDrive", "record_drive", "remove_recording"]


@dataclass(frozen=True)
class KeptDrive:
    """Files of a drive.

    Attributes:
        recording: MCAP.
        video: what its cameras saw, MP4; None without cameras.
    """

    recording: Path
    video: Path | None


def record_drive(
    case: Case,
    driver: str,
    controls: Sequence[tuple[int, Control | Trajectory]],
    driven: Simulator[Any],
    folder: Path,
) -> KeptDrive:
    """The files of a drive with known controls.

    Args:
        case: that was driven.
        driver: its name, for the name of the file.
        controls: with the time from which each holds, us since the beginning.
        driven: the simulator of the drive.
        folder: that the files appear in.

    Raises:
        InputError: it cannot be written.
    """
    has_pictures = bool(driven.rig.cameras)
    loop = DirectLoop.with_sensors(case, driven.rig, driven.tick_us, driven.engine_names, whole=has_pictures)
    path = folder / case_file(case, driver, ".mcap")
    with told(folder, "recordings"):
        path.parent.mkdir(parents=True, exist_ok=True)
    sinks: list[Any] = [RecordTo(path)]
    with scratch_folder() as scratch:
        if has_pictures:
            sinks.append(Recorder)
        run(loop.simulator, sinks, scratch, driver=ControlTape(controls), ticks=len(controls), preview=has_pictures)
        if not has_pictures:
            return KeptDrive(path, None)
        video = path.with_suffix(".mp4")
        write_file(video, (scratch / VIDEO).read_bytes(), "recordings")
    return KeptDrive(path, video)


def remove_recording(case: Case, driver: str, folder: Path, since_s: float) -> None:
    """Remove the files that `record_drive` once wrote of a case and its driver, if they can be.

    Args:
        since_s: files that are not older, s since the epoch, stay: they are of this batch.
    """
    for suffix in (".mcap", ".mp4"):
        path = folder / case_file(case, driver, suffix)
        with suppress(OSError):
            if path.lstat().st_mtime < since_s:
                path.unlink()
