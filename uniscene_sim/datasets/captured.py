"""Windows along a recording of ours, such as one that was captured of CARLA: its map, its poses, its traffic.

What stands beside the roads is what the map knows, and else what our planner plants there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from uniscene_sim.datasets.drives import SEQUENCE, DriveSample, window_arrays
from uniscene_sim.errors import InputError
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.output_file import told
from uniscene_sim.taxonomy import AgentClass

__all__ = ["captured_windows"]

_MOMENT_US = 500_000  # between moments, as in drives through seeded towns


def captured_windows(file: Path, data: Path, *, held_out: bool = False, every: int = 2) -> Path:
    """Write windows of a recording to `data/train/recording_NAME.npz`, or to `data/test` if they are held out.

    Args:
        file: the recording (.mcap).
        data: folder of training data.
        held_out: whether nothing may learn from them.
        every: a window for every so many moments of half a second.

    Returns:
        The file that was written.

    Raises:
        InputError: the file is no recording, or the windows cannot be written.
    """
    recording = Recording.open(file)
    folder = data / ("test" if held_out else "train")
    path = folder / f"recording_{file.stem}.npz"
    arrays = window_arrays(recording.map, _moments(recording, every), f"recording of {recording.run.title}")
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)
    return path


def _moments(recording: Recording, every: int) -> Iterator[DriveSample]:
    source = RecordedSource(recording)
    if source.map.solids is not None:
        raise InputError("is of a recorded street; expected the data set itself", file=recording.path)
    objects, layout, step_us = plan_map(source.map, source.seed), source.reset(), every * _MOMENT_US
    count = int(source.duration_s * 1e6) // step_us + 1
    for k in tqdm(range(count), desc=recording.path.name, unit="window", disable=None):
        if k:
            layout = source.step(source.driver_control(), step_us)[-1]
        agents = layout.agents[layout.agents["cls"] != AgentClass.SIGNAL_HEAD]
        yield DriveSample(k // SEQUENCE, layout.stamp_us, layout.ego_pose, objects, agents)
