"""A recorded drive as a folder that runs: map with all that stands there, scenarios, and the rig that recorded it."""

from __future__ import annotations

import warnings
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.formats.street import SeenSweep
from uniscene_sim.datasets.lift.appearance import lift_appearance
from uniscene_sim.datasets.lift.colours import ROUNDS
from uniscene_sim.datasets.lift.drive import HELD_OUT_CAMERA, RecordedDrive, View, read_recorded
from uniscene_sim.datasets.lift.ground import lay_street
from uniscene_sim.datasets.lift.lanes import lanes_of
from uniscene_sim.datasets.lift.rig_text import rig_text
from uniscene_sim.datasets.lift.scenario_text import scenario_text
from uniscene_sim.datasets.lift.solids import rays_of, stand_on
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.recorded.recorded_map import RecordedMap
from uniscene_sim.maps.recorded.street import RecordedStreet
from uniscene_sim.maps.recorded.surface import RecordedSurface
from uniscene_sim.storage.output_file import Outputs, told

__all__ = ["APPEARANCE", "FILES", "REACH_M", "Lifted", "lift", "lifted_map"]

#: Files of a lifted folder: its map, two scenarios and the rig.
FILES = ("map.npz", "drive.yaml", "recorded.yaml", "rig.yaml")
#: Folder of colours in it, for `--camera splat:appearance=`.
APPEARANCE = "appearance"
REACH_M = 120.0  # around the ego's way, that is lifted


@dataclass(frozen=True)
class Lifted:
    """What `lift` wrote, and what it was made from."""

    folder: Path
    map: RecordedMap
    drive: RecordedDrive

    files = FILES


def lift(
    folder: str | Path,
    out: str | Path,
    *,
    scene: str | None = None,
    frames: Container[int] | None = None,
    reach_m: float = REACH_M,
    rounds: int = ROUNDS,
) -> Lifted:
    """Write a drive as a folder of `FILES`, and its `APPEARANCE` where there are pictures, completely or not at all.

    What is left out is warned of once.

    Args:
        folder, scene, frames: the drive, see `read_recorded`.
        out: the folder.
        reach_m: around the ego's way, that is lifted.
        rounds: of finding colours, see `colours.lift_colours`; 0 for none.

    Raises:
        InputError: the drive cannot be read, or the folder not be written.
    """
    out = Path(out)
    with Outputs() as outputs:  # told before the drive is read
        part = outputs.folder(out, FILES, "out")
        drive = read_recorded(folder, scene, frames)
        made = lifted_map(drive, reach_m)
        end_s = drive.end_s
        for line in (*drive.losses, f"what no beam reached within {reach_m:g} m is left empty, and the ground level"):
            warnings.warn(f"{folder}: {line}", InputWarning, stacklevel=2)
        made.save(part / FILES[0])
        with told(out, "out"):
            for name, replayed in ((FILES[1], False), (FILES[2], True)):
                text = scenario_text(drive.used, FILES[0], end_s, replayed=replayed)
                (part / name).write_text(text, encoding="utf-8")
            (part / FILES[3]).write_text(rig_text(drive.log.rig, drive.street.maker), encoding="utf-8")
        if rounds and drive.views:
            (part / APPEARANCE).mkdir()
            lift_appearance(drive, made, part / APPEARANCE, _lifted_views(drive, frames), rounds)
        outputs.publish()
    return Lifted(out, made, drive)


def _lifted_views(drive: RecordedDrive, frames: Container[int] | None) -> list[View]:
    """Pictures that colours are taken from: where frames are held out, so is a camera."""
    return [view for view in drive.views if frames is not None or view.camera.name != HELD_OUT_CAMERA]


def lifted_map(drive: RecordedDrive, reach_m: float = REACH_M) -> RecordedMap:
    """The map of a drive: lanes, ground and what stands on it, in the drive's own world frame.

    Raises:
        InputError: it needs more memory than there is, or lies farther than 4 km from the origin of its frame.
    """
    path = drive.used.poses[:, :2]
    low, high = path.min(axis=0) - reach_m, path.max(axis=0) + reach_m
    if np.abs([low, high]).max() > 4000.0:
        raise InputError("lies farther than 4 km from the origin of its world, expected one nearer", field="poses")
    sweeps = list(_sweeps(drive))
    still = [~sweep.moving for sweep in sweeps]
    xyz, label = (
        np.concatenate([getattr(sweep, name)[use] for sweep, use in zip(sweeps, still, strict=True)])
        for name in ("ends", "label")
    )
    ground = lay_street(xyz, label, drive.tracks, low, high)
    solids = stand_on(ground, rays_of(sweeps), low, high)
    street = RecordedStreet(ground.corner, ground.height, ground.seen, ground.channels, ground.raster, solids)
    surface = RecordedSurface(street)

    def drivable(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return surface.drivable(x, y, surface.terrain_height(x, y))

    lanes = lanes_of(drive.used, surface.terrain_height, drivable)
    return RecordedMap(drive.log.name, lanes, street=street)


def _sweeps(drive: RecordedDrive) -> list[SeenSweep]:
    moments = tqdm(drive.street.moments, desc=drive.street.name, unit="sweep", disable=None)
    return [sweep for moment in moments if (sweep := drive.street.sweep(moment)) is not None]
