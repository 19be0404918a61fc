"""Sweeps of recorded streets as files: rays from where their sensor was to what they met, and the pictures of then."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.street import UNKNOWN, Moment, SeenSweep
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays, write_arrays
from uniscene_sim.taxonomy import OccClass

__all__ = ["read_seen_sweep", "write_seen_sweep"]

_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "place": ("float64", (3,)),
    "ends": ("float32", ("N", 3)),
    "origins": ("float32", ("N", 3)),
    "label": ("uint8", ("N",)),
    "intensity": ("float32", ("N",)),
    "time_s": ("float32", ("N",)),
    "moving": ("bool", ("N",)),
    "sensor": ("uint8", ("N",)),
    "pose": ("float64", (4,)),
    "stamp_us": ("int64", ()),
    "image_camera": ("str", ("I",)),
    "image_file": ("str", ("I",)),
}


def write_seen_sweep(path: Path, moment: Moment, sweep: SeenSweep) -> None:
    """Write a moment's sweep; places are single-precision differences to `place`, which is that of base_link."""
    pose, cameras = moment.pose, sorted(moment.images)
    place = np.array([pose.x, pose.y, pose.z])
    write_arrays(path, {
        "place": place,
        "ends": (sweep.ends - place).astype(np.float32),
        "origins": (sweep.origins - place).astype(np.float32),
        "label": sweep.label,
        "intensity": sweep.intensity.astype(np.float32),
        "time_s": sweep.time_s.astype(np.float32),
        "moving": sweep.moving,
        "sensor": sweep.sensor,
        "pose": np.array([pose.x, pose.y, pose.z, pose.yaw]),
        "stamp_us": np.array(moment.stamp_us, np.int64),
        "image_camera": np.array(cameras, dtype=str),
        "image_file": np.array([str(moment.images[camera]) for camera in cameras], dtype=str),
    })  # fmt: skip


def read_seen_sweep(path: str | Path) -> SeenSweep:
    """The sweep of a file.

    Raises:
        InputError: it is missing, damaged, or not such a file.
    """
    a = read_arrays(path, _ARRAYS, "a sweep of a recorded street")
    check_shapes(a, _ARRAYS, path)
    known = a["label"][a["label"] != UNKNOWN]
    check_span(known, 0, len(OccClass) - 1, path, "label")
    for name in ("ends", "origins", "intensity", "time_s"):
        check_span(a[name], -1e6, 1e6, path, name)
    ends, origins = (a[name].astype(np.float64) + a["place"] for name in ("ends", "origins"))
    return SeenSweep(ends, origins, a["label"], a["intensity"], a["time_s"].astype(np.float64), a["moving"],
                     a["sensor"])  # fmt: skip
