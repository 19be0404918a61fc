"""`RecordedDrive`: a drive with all that a world is made of: sweeps with labels, poses, tracks, and pictures."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from uniscene_sim.datasets.formats.pandaset import HELD_OUT, read_pandaset_street
from uniscene_sim.datasets.formats.street import SeenStreet
from uniscene_sim.datasets.logs.drive import LoggedDrive, Track
from uniscene_sim.datasets.logs.import_drive import read_drive
from uniscene_sim.datasets.logs.pandaset import is_pandaset
from uniscene_sim.errors import InputError
from uniscene_sim.rig import CameraSpec
from uniscene_sim.storage.input_file import reading

__all__ = ["HELD_OUT_CAMERA", "RecordedDrive", "View", "boxes_at", "read_recorded"]

#: Of PandaSet, whose pictures judge what is made of the others.
HELD_OUT_CAMERA = "left_camera"
_HALF_S = 0.05  # between moments


@dataclass(frozen=True)
class View:
    """A picture, and from where it was taken.

    Attributes:
        camera: of the picture's size; its own pose on the car is that of the rig.
        frame: number of the frame in the data set.
        time_s: since the drive began.
        pose: float64 (4, 4), map <- optical frame (x right, y down, z ahead).
        file: JPEG or PNG.
    """

    camera: CameraSpec
    frame: int
    time_s: float
    pose: np.ndarray
    file: Path


@dataclass(frozen=True)
class RecordedDrive:
    """A drive; its world frame is the map frame.

    Attributes:
        street: sweeps and boxes of the frames that are used.
        log: poses, tracks and sensors of the whole drive.
        views: all pictures of the frames that are used, those that cannot be read left out.
        losses: what is left out, a line each.
    """

    street: SeenStreet
    log: LoggedDrive
    views: tuple[View, ...]
    losses: tuple[str, ...]

    @property
    def end_s(self) -> float:
        """When the last frame that is used was taken, since the drive began."""
        return self.street.moments[-1].stamp_us * 1e-6

    @property
    def used(self) -> LoggedDrive:
        """The drive up to the last frame that is used."""
        last = max(int((self.log.times_s <= self.end_s + _HALF_S).sum()), 2)
        log = replace(self.log, times_s=self.log.times_s[:last], poses=self.log.poses[:last])
        return replace(log, tracks=self.tracks)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks up to the last frame that is used."""
        return tuple(part for track in self.log.tracks if (part := _until(track, self.end_s)) is not None)


def read_recorded(folder: str | Path, scene: str | None = None, frames: Container[int] | None = None) -> RecordedDrive:
    """A drive from the folder of a data set.

    Args:
        folder: a sequence of PandaSet.
        scene: which of nuScenes' scenes; None for the first.
        frames: numbers of the frames that are used; None for all but those that are held out (of PandaSet 60 to 79).

    Raises:
        InputError: it is no data set, damaged, or has no labelled sweep.
    """
    folder = Path(folder)
    log = read_drive(folder, scene)
    if not is_pandaset(folder):
        raise InputError("has no labelled sweeps; expected a sequence of PandaSet", file=folder)
    if frames is None:
        frames = [k for k in range(len(log.times_s)) if k not in HELD_OUT]
    street = read_pandaset_street(folder, frames=frames)
    views, losses = _views(log, frames)
    return RecordedDrive(street, log, views, (*log.losses, *street.losses, *losses))


def _views(log: LoggedDrive, frames: Container[int]) -> tuple[tuple[View, ...], tuple[str, ...]]:
    cameras = {camera.name: camera for camera in log.rig.cameras}
    views, odd = list[View](), 0
    for image in log.images:
        if image.frame not in frames:
            continue
        camera = cameras[image.camera]
        with reading(image.file, "a picture"), Image.open(image.file) as picture:
            size = picture.size
        if size == (camera.width, camera.height):
            views.append(View(camera, image.frame, image.time_s, image.pose, image.file))
        else:
            odd += 1
    losses = [f"{odd} pictures are of another size than the first of their camera and left out"] if odd else []
    if not views:
        losses.append("there are no pictures, so nothing tells colours")
    return tuple(views), tuple(losses)


def _until(track: Track, end_s: float) -> Track | None:
    use = track.times_s <= end_s + _HALF_S
    if not use.any():
        return None
    return replace(track, times_s=track.times_s[use], places=track.places[use], yaws=track.yaws[use])


def boxes_at(tracks: tuple[Track, ...], time_s: float) -> np.ndarray:
    """Boxes (N, 8) of what is tracked at a time: x, y, z of the middle of the foot (m), yaw (rad), length, width,
    height (m), and number of the track; of tracks that have begun and not ended."""
    rows = []
    for number, track in enumerate(tracks):
        half = 0.5 * float(np.median(np.diff(track.times_s))) if len(track.times_s) > 1 else 0.05
        if track.times_s[0] - half <= time_s <= track.times_s[-1] + half:
            place = [np.interp(time_s, track.times_s, track.places[:, k]) for k in range(3)]
            yaw = np.interp(time_s, track.times_s, track.yaws)
            rows.append([*place, yaw, *track.size, number])
    return np.array(rows).reshape(-1, 8)
