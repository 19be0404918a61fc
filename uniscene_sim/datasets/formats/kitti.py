"""KITTI: sequences of the odometry, with SemanticKITTI's labels of points where they are, and raw recordings.

Sweeps of the odometry are compensated for the car's motion and lie in the LiDAR's frame at the moment when it looked
ahead; those of raw recordings are not compensated. Each ray is taken to begin where the LiDAR was at the stamp. Boxes
of agents are drawn around the points of an instance; those of raw recordings are read.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.boxes import in_boxes
from uniscene_sim.datasets.formats.class_maps import SEMANTIC_KITTI
from uniscene_sim.datasets.formats.kitti_files import (
    BASE_FROM_VELODYNE,
    matrix_of,
    read_calibration,
    read_rows,
    read_sweep,
    read_voxel_labels,
)
from uniscene_sim.datasets.formats.kitti_tracklets import TRACKLETS, Tracklet, read_tracklets
from uniscene_sim.datasets.formats.point_boxes import PointBoxes
from uniscene_sim.datasets.formats.semantic_kitti import base_poses
from uniscene_sim.datasets.formats.street import UNKNOWN, Moment, SeenStreet, SeenSweep
from uniscene_sim.datasets.formats.window_parts import AGENT_CLASSES
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.storage.input_file import MIB, files_in, is_folder, is_regular, read_text
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass

__all__ = ["read_kitti_street"]

_EARTH_M = 6_378_137.0
_MOVING = 252  # of SemanticKITTI's numbers, those from here on are of what moves
_GROUND_M = 0.15  # points in a box as low as this are of the ground
_NEAR_M = 2.7  # returns as near as this are the car itself
_RAW_LOSSES = ("sweeps are not compensated for the car's motion, and all rays begin where the LiDAR looked ahead",)
_LOSSES = ("each ray begins where the LiDAR looked ahead: up to half a turn away",)


def read_kitti_street(folder: Path, held_out: bool = False) -> SeenStreet:
    """A sequence of the odometry (`velodyne/`, `calib.txt`, `poses.txt`, `times.txt`, and `labels/` of SemanticKITTI),
    or a raw recording (`velodyne_points/`, `oxts/`, calibrations in the folder above).

    Args:
        folder: of the sequence or recording.
        held_out: KITTI has no part of its own for this; only whole sequences are held out, by not being read.

    Raises:
        InputError: `held_out`, it is neither, or a file is missing or damaged.
    """
    if held_out:
        raise InputError(
            "KITTI has no frames that are held out; expected another sequence in place", argument="held_out"
        )
    if is_folder(folder / "velodyne_points"):
        return _raw(folder)
    if not is_folder(folder / "velodyne"):
        raise InputError("expected velodyne/ of the odometry, or velodyne_points/ of a raw recording", file=folder)
    return _odometry(folder)


# --- odometry ---------------------------------------------------------------------------------------------------------


def _odometry(folder: Path) -> SeenStreet:
    poses, stamps = base_poses(folder)
    files = files_in(folder / "velodyne", "*.bin")
    _check_numbers(files, len(poses), folder / "velodyne")
    labelled = is_folder(folder / "labels")
    sweeps = _Labelled(folder, poses) if labelled else None
    boxes = PointBoxes()
    if sweeps is not None:
        for file in files:
            boxes.add(*sweeps.instances(int(file.stem)))
    moments = []
    for file in files:
        k = int(file.stem)
        images = {f"image_{n}": at for n in range(4) if is_regular(at := folder / f"image_{n}/{k:06}.png")}
        agents = boxes.agents(*sweeps.instances(k)) if sweeps is not None else np.zeros(0, AGENT_DTYPE)
        pose = Pose(poses[k].x, poses[k].y, poses[k].z, yaw=poses[k].yaw)
        moments.append(Moment(k, stamps[k], pose, agents, images))
    losses = (*_LOSSES, "boxes of agents are drawn around the points of each instance") if labelled else _LOSSES
    read = sweeps.sweep if sweeps is not None else _Plain(folder / "velodyne", "06", poses).sweep
    return SeenStreet(f"kitti_{folder.name}", "SemanticKITTI" if labelled else "KITTI", tuple(moments), read, None,
                      losses, labelled)  # fmt: skip


def _boxed(xyz: np.ndarray, agents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes uint8 (N,) of points (N, 3) in the world that lie in boxes, UNKNOWN of all others, and which do."""
    label, of_agents = np.full(len(xyz), UNKNOWN, np.uint8), np.zeros(len(xyz), bool)
    for agent in agents:
        inside = in_boxes(xyz, label, agent[None]) & (xyz[:, 2] > agent["pos"][2] + _GROUND_M)
        label[inside] = AGENT_OCC_CLASS[agent["cls"]]
        of_agents |= inside
    return label, of_agents


class _Plain:
    """Sweeps without labels of points; those in the boxes of agents, where there are some, have their classes."""

    def __init__(self, folder: Path, digits: str, poses: list[Pose]):
        self._folder, self._digits, self._poses = folder, digits, poses

    def sweep(self, moment: Moment) -> SeenSweep:
        xyz, reflectance = read_sweep(self._folder / f"{moment.number:{self._digits}}.bin")
        pose = self._poses[moment.number]
        label, of_agents = _boxed(pose.apply(_in_base(xyz)), moment.agents)
        return _placed(pose, xyz, reflectance, label, of_agents)


class _Labelled:
    """Sweeps with SemanticKITTI's labels: classes in the lower half of uint32, instances in the upper."""

    def __init__(self, folder: Path, poses: list[Pose]):
        self._folder, self._poses = folder, poses

    def sweep(self, moment: Moment) -> SeenSweep:
        xyz, reflectance, label, number = self._read(moment.number)
        agent = np.isin(label, AGENT_CLASSES) & (label != OccClass.BARRIER)
        has_box = agent & ((number >> 16) > 0)
        label = np.where(agent & ~has_box, UNKNOWN, label).astype(np.uint8)
        return _placed(self._poses[moment.number], xyz, reflectance, label, has_box)

    def instances(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Places (N, 3) in the world, instances, classes and whether they move (N,), of the points of agents."""
        xyz, _, label, number = self._read(k)
        use = np.isin(label, AGENT_CLASSES) & ((number >> 16) > 0)
        at = self._poses[k].apply(_in_base(xyz[use]))
        return at, (number >> 16)[use], label[use], (number & 0xFFFF)[use] >= _MOVING

    def _read(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        xyz, reflectance = read_sweep(self._folder / f"velodyne/{k:06}.bin")
        file = self._folder / f"labels/{k:06}.label"
        number = read_voxel_labels(file, (len(xyz),), "<u4")
        return xyz, reflectance, SEMANTIC_KITTI.read(number & 0xFFFF, file, "labels"), number


def _in_base(xyz: np.ndarray) -> np.ndarray:
    out: np.ndarray = xyz @ BASE_FROM_VELODYNE[:3, :3].T + BASE_FROM_VELODYNE[:3, 3]
    return out


def _placed(pose: Pose, xyz: np.ndarray, reflectance: np.ndarray, label: np.ndarray, moving: np.ndarray) -> SeenSweep:
    keep = np.hypot(xyz[:, 0], xyz[:, 1]) > _NEAR_M
    ends = pose.apply(_in_base(xyz[keep]))
    origin = pose.apply(BASE_FROM_VELODYNE[None, :3, 3])
    count = len(ends)
    return SeenSweep(ends, np.repeat(origin, count, axis=0), label[keep], np.clip(reflectance[keep], 0, 1),
                     np.zeros(count), moving[keep], np.zeros(count, np.uint8))  # fmt: skip


def _check_numbers(files: list[Path], count: int, folder: Path) -> None:
    if not files:
        raise InputError("expected NNNNNN.bin", file=folder)
    for file in files:
        if not file.stem.isdecimal() or int(file.stem) >= count:
            raise InputError(f"has no pose; expected a number below {count}", file=file)


# --- raw --------------------------------------------------------------------------------------------------------------


def _raw(folder: Path) -> SeenStreet:
    rows = [
        read_rows(file, 30, "a packet of the GPS: 30 numbers")[0] for file in files_in(folder / "oxts/data", "*.txt")
    ]
    if not rows:
        raise InputError("expected oxts/data/NNNNNNNNNN.txt", file=folder)
    velodyne_from_imu = _rigid(folder.parent / "calib_imu_to_velo.txt")
    world = _gps_poses(np.array(rows)) @ np.linalg.inv(BASE_FROM_VELODYNE @ velodyne_from_imu)
    poses = [Pose.from_matrix(matrix) for matrix in world]
    stamps = _stamps(folder / "velodyne_points/timestamps.txt")
    files = files_in(folder / "velodyne_points/data", "*.bin")
    boxed = is_regular(folder / TRACKLETS)
    tracklets: dict[int, list[Tracklet]] = {}
    for box in read_tracklets(folder / TRACKLETS) if boxed else ():
        tracklets.setdefault(box.frame, []).append(box)
    _check_numbers(files, min(len(poses), len(stamps)), folder / "velodyne_points/data")
    moments = []
    for file in files:
        k = int(file.stem)
        images = {f"image_{n:02}": at for n in range(4) if is_regular(at := folder / f"image_{n:02}/data/{k:010}.png")}
        pose = Pose(poses[k].x, poses[k].y, poses[k].z, yaw=poses[k].yaw)
        agents = np.array([_agent(box, poses[k]) for box in tracklets.get(k, ())], AGENT_DTYPE)
        moments.append(Moment(k, stamps[k] - stamps[0], pose, agents, images))
    read = _Plain(folder / "velodyne_points/data", "010", poses).sweep
    losses = (*_RAW_LOSSES, "boxes are those in view of the cameras") if boxed else _RAW_LOSSES
    return SeenStreet(folder.name, "KITTI", tuple(moments), read, None, losses, labelled=False)


def _agent(box: Tracklet, pose: Pose) -> tuple[object, ...]:
    """A row of AGENT_DTYPE in the world, of a box in the frame of the LiDAR at a pose of base_link."""
    foot = pose.apply(_in_base(box.foot[None]))[0]
    return (box.number, box.cls, foot, [0, 0, pose.yaw + box.yaw], box.size, [0, 0, 0], 0, 0.0, 0)


def _gps_poses(rows: np.ndarray) -> np.ndarray:
    """(N, 4, 4) of the IMU, east, north and up of the first: latitude, longitude (degrees), altitude (m), roll, pitch
    and yaw (rad) on a Mercator map that is true to scale at the first latitude."""
    scale = np.cos(np.radians(rows[0, 0]))
    east = scale * _EARTH_M * np.radians(rows[:, 1])
    north = scale * _EARTH_M * np.log(np.tan(0.25 * np.pi + 0.5 * np.radians(rows[:, 0])))
    places = np.stack([east, north, rows[:, 2]], axis=1)
    places -= places[0]
    return np.array(
        [Pose(*place, *rpy).matrix for place, rpy in zip(places.tolist(), rows[:, 3:6].tolist(), strict=True)]
    )


def _rigid(file: Path) -> np.ndarray:
    """(4, 4) of the rows R and T of a calibration."""
    rows = read_calibration(file)
    turn, shift = rows.get("R", np.zeros(0)), rows.get("T", np.zeros(0))
    if len(turn) != 9 or len(shift) != 3:
        raise InputError("expected nine numbers R and three numbers T", file=file)
    return matrix_of({"RT": np.column_stack([turn.reshape(3, 3), shift]).ravel()}, "RT", file)


def _stamps(file: Path) -> list[int]:
    out = []
    for number, line in enumerate(read_text(file, 16 * MIB, "times of KITTI").splitlines(), 1):
        if line.strip():
            try:
                out.append(round(datetime.fromisoformat(line.strip()[:26]).timestamp() * 1e6))
            except ValueError:
                why = f"expected a time such as 2011-09-26 13:02:25.951199337, got {shown(line)}"
                raise InputError(why, file=file, line=number) from None
    return out
