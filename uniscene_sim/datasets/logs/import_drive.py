"""A real drive as a recording: its layouts, map, sensors and pictures in one MCAP file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from mcap_protobuf.writer import Writer
from tqdm import tqdm

from uniscene_sim.datasets.logs.drive import LoggedDrive
from uniscene_sim.datasets.logs.layouts import Alignment, LogLayouts
from uniscene_sim.datasets.logs.nuscenes import is_nuscenes, read_nuscenes_drive
from uniscene_sim.datasets.logs.paint import paint_map
from uniscene_sim.datasets.logs.pandaset import is_pandaset, read_pandaset_drive
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.layout import LayoutFrame, Style
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.plugins import DEFAULTS
from uniscene_sim.recording import foxglove
from uniscene_sim.recording.versions import package_versions
from uniscene_sim.storage.input_file import MIB, read_input
from uniscene_sim.storage.output_file import Outputs, told
from uniscene_sim.wire.map_bytes import map_message
from uniscene_sim.wire.messages import layout_message, rig_message
from uniscene_sim.wire.uniscene.v1.run_pb2 import Run

__all__ = ["import_drive", "read_drive"]

_SCENE_US = 100_000  # between boxes for viewers
_MOST_IMAGE = 64 * MIB


def read_drive(folder: str | Path, scene: str | None = None) -> LoggedDrive:
    """A drive from the folder of a data set.

    Args:
        folder: a sequence of PandaSet, or a version of nuScenes (its tables).
        scene: which of nuScenes' scenes; None for the first.

    Raises:
        InputError: it is neither, or damaged.
    """
    folder = Path(folder)
    if is_pandaset(folder):
        if scene is not None:
            raise InputError("a sequence of PandaSet has no scenes", field="scene")
        return read_pandaset_drive(folder)
    if is_nuscenes(folder):
        return read_nuscenes_drive(folder, scene)
    expected = "a sequence of PandaSet (cuboids/, lidar/) or a version of nuScenes (scene.json, sample.json)"
    raise InputError(f"is no data set; expected {expected}", file=folder)


def import_drive(
    folder: str | Path,
    out: str | Path,
    *,
    scene: str | None = None,
    map_file: str | Path | None = None,
    where: Alignment = Alignment(),  # noqa: B008 - frozen
    style: Style = Style(),  # noqa: B008 - frozen
    progress: bool = False,
) -> LogLayouts:
    """Write a drive of a data set as a recording, completely or not at all; what is left out is warned of once.

    Args:
        folder, scene: the drive, see `read_drive`.
        out: the file (.mcap).
        map_file: a map that it lies on, in place of one painted from its labels.
        where: the drive's world lies on that map.
        style: weather and time of day, which data sets do not have.
        progress: whether to show a progress bar.

    Returns:
        The layouts that were written.

    Raises:
        InputError: the data set or the map cannot be read, or the file not be written.
    """
    with Outputs() as outputs:  # told before the data set is read
        part = outputs.file(out, "out")
        drive = read_drive(folder, scene)
        static_map = load_map(map_file) if map_file is not None else paint_map(drive)
        layouts = LogLayouts(drive, static_map, where, style)
        for line in _losses(drive, layouts, map_file):
            warnings.warn(f"{folder}: {line}", InputWarning, stacklevel=2)
        with told(Path(out), "out"), open(part, "wb") as file:
            writer: Any = Writer(file, profile="uniscene")
            for topic, message, stamp_us in _messages(drive, static_map, layouts, progress):
                writer.write_message(topic, message, stamp_us * 1000, stamp_us * 1000)
            writer.finish()
        outputs.publish()
    return layouts


def _losses(drive: LoggedDrive, layouts: LogLayouts, map_file: str | Path | None) -> Iterator[str]:
    yield from drive.losses
    if layouts.gaps:
        yield f"{layouts.gaps} gaps in tracks are too long to be interpolated; the objects are away meanwhile"
    if map_file is None:
        yield "the ground is painted flat; heights of the data set are left out"


def _messages(
    drive: LoggedDrive, static_map: StaticMap, layouts: LogLayouts, progress: bool
) -> Iterator[tuple[str, Any, int]]:
    """Topic, message and stamp in us of all that a recording holds, in the order of time."""
    run = Run(
        title=drive.name, seed=0, engines=DEFAULTS, trace="tiles", tick_us=_SCENE_US,
        versions=package_versions("uniscene_sim", "numpy", "numba"), open_loop=True,
    )  # fmt: skip
    yield "/uniscene/run", run, 0
    yield "/uniscene/map", map_message(static_map), 0
    yield "/uniscene/rig", rig_message(drive.rig), 0
    yield "/lanes", foxglove.lanes(static_map, 0), 0
    yield "/tf_static", foxglove.sensor_transforms(drive.rig, 0), 0
    for camera in drive.rig.cameras:
        yield f"/{camera.name}/calibration", foxglove.calibration(camera, 0), 0
    images = sorted(drive.images, key=lambda image: image.time_s)
    shown = tqdm(layouts, desc="import", unit="layout", disable=None if progress else True)
    for layout in shown:
        yield from _moment(layout)
        while images and images[0].time_s * 1e6 <= layout.stamp_us + 5000:
            image = images.pop(0)
            body = read_input(image.file, _MOST_IMAGE, "a picture")
            stamp = foxglove.stamp(layout.stamp_us)
            kind = "png" if image.file.suffix == ".png" else "jpeg"
            message = CompressedImage(timestamp=stamp, frame_id=image.camera, data=body, format=kind)
            yield f"/{image.camera}/image", message, layout.stamp_us


def _moment(layout: LayoutFrame) -> Iterator[tuple[str, Any, int]]:
    at = layout.stamp_us
    yield "/uniscene/layout", layout_message(layout), at
    yield "/tf", foxglove.ego_transform(layout), at
    if at % _SCENE_US == 0:
        yield "/agents", foxglove.scene(layout), at
