"""PandaSet: a sequence's labelled sweeps and boxes as a `SeenStreet`.

Points come in the world frame and compensated for the car's motion, so each ray begins where its sensor was when it
fired. Where both LiDARs see an object, each has a box of its own: points are taken out by that of their sensor, and the
agent has that of the spinning one.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from uniscene_sim.datasets.formats.boxes import in_boxes
from uniscene_sim.datasets.formats.class_maps import PANDASET_BOXES, PANDASET_LEFT_OUT
from uniscene_sim.datasets.formats.pandaset_files import PandaSetFiles
from uniscene_sim.datasets.formats.street import UNKNOWN, Moment, SeenStreet, SeenSweep
from uniscene_sim.datasets.logs.pandaset import LIDAR_AT, CarFrame, level_base, mean_tilt, read_poses
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.storage.input_file import reading
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass

__all__ = ["HELD_OUT", "read_pandaset_street"]

#: Frames of a sequence that nothing learns from, unless asked for.
HELD_OUT = range(60, 80)
#: The forward LiDAR in the frame of the spinning one, whose -y is ahead.
_GT_IN_PANDAR = (-0.00045, -0.60565, -0.30153)
_ROAD = (int(OccClass.DRIVEABLE_SURFACE), int(OccClass.LANE_DIVIDER))
_NEAR_M = 2.0  # returns as near as this are the car itself
_ROAD_AROUND_M = 6.0
_AGENT_LABELS = np.isin(np.arange(256), AGENT_OCC_CLASS[[cls for cls in set(PANDASET_BOXES.values())]])


def read_pandaset_street(folder: Path, held_out: bool = False, frames: Container[int] | None = None) -> SeenStreet:
    """Frames 0 to 59 of a sequence, or those that are held out.

    Args:
        folder: of the sequence, see `PandaSetFiles`.
        held_out: frames 60 to 79 in place of those before.
        frames: numbers of the frames, in place of these.

    Raises:
        InputError: a file is missing or damaged, nothing is labelled, or a label is unknown.
    """
    times, poses = read_poses(folder / "lidar/poses.json", folder / "lidar/timestamps.json")
    kept = [k for k in range(len(times)) if (k in HELD_OUT) == held_out and k < HELD_OUT.stop]
    if frames is not None:
        kept = [k for k in range(len(times)) if k in frames]
    if not kept:
        wanted = f"some from {HELD_OUT.start} on" if frames is None else "some of the frames"
        raise InputError(f"has {len(times)} sweeps, expected {wanted}", file=folder)
    files = PandaSetFiles(folder)
    there = [k for k in kept if files.has(k)]
    if not there:
        raise InputError("expected labelled sweeps of the frames, as NN.npz or NN.pkl.gz", file=folder / "lidar")
    reader = _Reader(files, times, poses)
    base = reader.base(there)
    numbers: dict[str, int] = {}
    moments = []
    for k in there:
        pose = Pose.from_matrix(base[k])
        level = Pose(pose.x, pose.y, pose.z, yaw=pose.yaw)
        stamp_us = round(float(times[k] - times[0]) * 1e6)
        moments.append(Moment(k, stamp_us, level, reader.agents(k, numbers), files.images(k)))
    losses: tuple[str, ...] = ("lines between lanes and between directions are one class: all are lane dividers",)
    if len(there) < len(kept):
        losses += (f"{len(kept) - len(there)} of {len(kept)} frames have no sweep",)
    return SeenStreet(folder.name, "PandaSet", tuple(moments), reader.sweep, None, losses)


class _Reader:
    def __init__(self, files: PandaSetFiles, times: np.ndarray, frames: list[np.ndarray]):
        self._files, self._times, self._frames = files, times, frames
        self._at = CarFrame(times, frames)

    def base(self, there: list[int]) -> dict[int, np.ndarray]:
        """(4, 4) of base_link by frame: on the road as the sweeps see it around the car, level in the mean."""
        heights = []
        for k in there[:: max(len(there) // 12, 1)]:
            a, frame = self._files.sweep(k), self._frames[k]
            near = np.isin(a.label, _ROAD) & (np.hypot(*(a.xyz[:, :2] - frame[:2, 3]).T) < _ROAD_AROUND_M)
            if near.sum() > 50:
                heights.append(float(np.median(a.xyz[near, 2])) - frame[2, 3])
        if not heights:
            raise InputError("no point of the road near the car; expected labelled sweeps", file=self._files.folder)
        matrices = [self._frames[k] @ level_base(float(np.median(heights))) for k in there]
        tilt = mean_tilt(matrices)
        return {k: matrix @ tilt for k, matrix in zip(there, matrices, strict=True)}

    def agents(self, k: int, numbers: dict[str, int]) -> np.ndarray:
        """Boxes (A,) AGENT_DTYPE of a frame; `numbers` keeps the id of each object. Speeds are not told."""
        file, boxes = self._files.boxes(k)
        return np.array([row for row, sensor in _rows(file, boxes, numbers) if sensor != 1], AGENT_DTYPE)

    def sweep(self, moment: Moment) -> SeenSweep | None:
        k = moment.number
        a = self._files.sweep(k)
        origins = self._origins(a.time, a.sensor)
        keep = np.linalg.norm(a.xyz - origins, axis=1) > _NEAR_M
        xyz, label, sensor = a.xyz[keep], a.label[keep], a.sensor[keep]
        moving = np.zeros(len(xyz), bool)
        file, boxes = self._files.boxes(k)
        rows = list(_rows(file, boxes, {}))
        for number in (0, 1):
            agents = np.array([row for row, of in rows if of in (-1, number)], AGENT_DTYPE)
            at = sensor == number
            moving[at] = in_boxes(xyz[at], label[at], agents)
        # What is labelled as a vehicle or a person and has no box is no part of the street.
        label = np.where(_AGENT_LABELS[label] & ~moving & (label != OccClass.BARRIER), UNKNOWN, label)
        return SeenSweep(xyz, origins[keep], label.astype(np.uint8), a.intensity[keep],
                         a.time[keep] - self._times[k], moving, sensor)  # fmt: skip

    def _origins(self, time: np.ndarray, sensor: np.ndarray) -> np.ndarray:
        """(N, 3) m, world: where each point's LiDAR was at its time, by the millisecond."""
        turned = Rotation.from_euler("z", 180, degrees=True).as_matrix()  # their -y is ahead, the car's y
        mounts = np.array([LIDAR_AT, LIDAR_AT + turned @ _GT_IN_PANDAR])
        ticks, which = np.unique(np.round(time * 1000), return_inverse=True)
        frames = np.array([self._at(tick / 1000) for tick in ticks])
        places = np.einsum("tij,sj->tsi", frames[:, :3, :3], mounts) + frames[:, None, :3, 3]
        out: np.ndarray = places[which, np.minimum(sensor, 1)]
        return out


def _rows(file: Path, boxes: list[dict[str, Any]], numbers: dict[str, int]) -> list[tuple[tuple[Any, ...], int]]:
    """Rows of AGENT_DTYPE and the LiDAR of each, -1 for both, of boxes that are agents."""
    out = []
    with reading(file, "boxes of PandaSet"):
        for n, box in enumerate(boxes):
            label = box["label"]
            if label in PANDASET_LEFT_OUT:
                continue
            if label not in PANDASET_BOXES:
                raise InputError(f"unknown label {shown(label)}, expected one of PandaSet's labels, such as 'Car'",
                                 field=f"[{n}].label")  # fmt: skip
            x, y, z = (float(box[f"position.{c}"]) for c in "xyz")
            size = [float(box[f"dimensions.{c}"]) for c in "yxz"]
            yaw = float(box["yaw"]) + 0.5 * np.pi
            if not np.isfinite([x, y, z, *size, yaw]).all() or min(size) <= 0:
                raise InputError("expected finite numbers and sizes above 0", field=f"[{n}]")
            number = numbers.setdefault(str(box["uuid"]), len(numbers) + 1)
            row = (number, PANDASET_BOXES[label], [x, y, z - 0.5 * size[2]], [0, 0, yaw], size, [0, 0, 0], 0, 0.0, 0)
            out.append((row, int(box.get("cuboids.sensor_id", -1))))
    return out
