"""PandaSet: a sequence's folder as a `LoggedDrive`.

Read are poses, times and intrinsics as JSON, pictures, and the boxes and labelled sweeps of `PandaSetFiles`. PandaSet's
frame of the car has y forward and its origin above the road, ahead of the rear axle.

Boxes carry the time of their sweep's end, but lie where the beam met them: up to 0.1 s earlier. Each gets the time at
which the sensor looked its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp

from uniscene_sim.datasets.formats.class_maps import PANDASET_BOXES, PANDASET_LEFT_OUT
from uniscene_sim.datasets.formats.pandaset_files import PandaSetFiles
from uniscene_sim.datasets.logs.drive import GroundPoints, LoggedDrive, LoggedImage, Track
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.rig import BODY_FROM_OPTICAL, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.input_file import MIB, files_in, is_folder, read_json, reading

__all__ = [
    "LIDAR_AT",
    "CarFrame",
    "is_pandaset",
    "level_base",
    "looked_at",
    "mean_tilt",
    "read_pandaset_drive",
    "read_poses",
]

MINIVAN = EgoVehicle("minivan", 5.18, 2.02, 1.77, wheelbase_m=3.09, rear_axle_to_centre_m=1.5)
#: The LiDAR in PandaSet's frame of the car, as in `evaluation.sweep_effects`, and how far ahead of the rear axle it is
#: on the rig `pandaset`.
LIDAR_AT, _LIDAR_AHEAD_M = (-0.005, 0.7781, 1.8561), 1.45
_REVOLUTION_S = 0.1
_ROLL, _PITCH = 0.0157, -0.0006  # of the LiDAR in that frame
_MOST_JSON, _MOST_IMAGE = 16 * MIB, 32 * MIB
_FULL = 1920, 1080  # px: what intrinsics refer to
_EVERY = 4  # of the sweeps that the ground is painted from
#: Labels that our taxonomy takes as something else, or not at all.
_KEPT_AS = {"Pickup Truck", "Towed Object", "Motorized Scooter", "Other Vehicle - Uncommon", "Emergency Vehicle"}
#: Channels of the classes of points that the ground is painted from.
_PAINT = {7: 0, 8: 0, 9: 0, 10: 0, 12: 0, 11: 1, 41: 2, 5: 3, 6: -1}


def is_pandaset(folder: Path) -> bool:
    boxes = is_folder(folder / "cuboids") or is_folder(folder / "annotations/cuboids")
    return boxes and is_folder(folder / "lidar")


def read_pandaset_drive(folder: Path) -> LoggedDrive:
    """A sequence of PandaSet.

    Raises:
        InputError: a file is missing or damaged, a sweep has no pose, or a label is unknown.
    """
    times, frames = read_poses(folder / "lidar/poses.json", folder / "lidar/timestamps.json")
    begin_s = float(times[0])
    at = CarFrame(times, frames)
    ground = _ground(folder, len(times))
    height = _height_of_car(ground, frames) if ground is not None else -(2.24 - LIDAR_AT[2])
    base = [frame @ level_base(height) for frame in frames]
    tilt = mean_tilt(base)
    base = [matrix @ tilt for matrix in base]
    poses = np.array([_row(matrix) for matrix in base])
    poses[:, 3:] = np.unwrap(poses[:, 3:], axis=0)
    tracks, losses = _tracks(folder, times - begin_s, at)
    images = tuple(_images(folder, begin_s, float(times[-1]) - begin_s))
    rig = _rig(folder, at, level_base(height) @ tilt, begin_s, {image.camera for image in images})
    return LoggedDrive(folder.name, MINIVAN, times - begin_s, poses, tracks, rig, ground, images, losses)


class CarFrame:
    """PandaSet's frame of the car in the world at any time."""

    def __init__(self, times: np.ndarray, frames: list[np.ndarray]):
        self._times, stack = times, np.array(frames)
        self._places, self._turn = stack[:, :3, 3], Slerp(times, Rotation.from_matrix(stack[:, :3, :3]))

    def __call__(self, time: float) -> np.ndarray:
        """(4, 4), world <- car."""
        time = float(np.clip(time, self._times[0], self._times[-1]))
        out = np.eye(4)
        out[:3, :3] = self._turn(time).as_matrix()
        out[:3, 3] = [np.interp(time, self._times, self._places[:, k]) for k in range(3)]
        return out


def level_base(height_m: float) -> np.ndarray:
    """(4, 4), PandaSet's frame of the car <- a level base_link on the ground `height_m` above its origin."""
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    out[:3, 3] = LIDAR_AT[0], LIDAR_AT[1] - _LIDAR_AHEAD_M, height_m
    return out


def _row(matrix: np.ndarray) -> list[float]:
    pose = Pose.from_matrix(matrix)
    return [pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw]


def mean_tilt(base: list[np.ndarray]) -> np.ndarray:
    """(4, 4) that takes the mean roll and pitch out of poses: how the frame is mounted, not how the car leans."""
    rolls, pitches = np.array([_row(matrix)[3:5] for matrix in base]).T
    return np.linalg.inv(Pose(roll=float(np.median(rolls)), pitch=float(np.median(pitches))).matrix)


def read_poses(poses_file: Path, times_file: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Times (N,), s, and poses (4, 4) in the world, one for each."""
    poses = read_json(poses_file, _MOST_JSON, "poses of PandaSet")
    times = read_json(times_file, _MOST_JSON, "times of PandaSet")
    with reading(poses_file, "poses of PandaSet"):
        if len(poses) != len(times) or len(times) < 2:
            raise InputError(f"has {len(poses)} poses for {len(times)} times; expected one for each, and two at least")
        stamps = np.array(times, float)
        if not np.isfinite(stamps).all() or (np.diff(stamps) <= 0).any():
            raise InputError("times must rise", file=times_file)
        out = []
        for k, pose in enumerate(poses):
            matrix = np.eye(4)
            try:
                matrix[:3, :3] = Rotation.from_quat([float(pose["heading"][c]) for c in "xyzw"]).as_matrix()
                matrix[:3, 3] = [float(pose["position"][c]) for c in "xyz"]
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"expected position and heading ({error})", field=f"[{k}]") from None
            if not np.isfinite(matrix).all():
                raise InputError("expected finite numbers", field=f"[{k}]")
            out.append(matrix)
    return stamps, out


# --- boxes ------------------------------------------------------------------------------------------------------------


def _tracks(folder: Path, times_s: np.ndarray, at: CarFrame) -> tuple[tuple[Track, ...], tuple[str, ...]]:
    rows: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    seen, lost = Counter[str](), Counter[str]()
    begin = at._times[0]
    files = PandaSetFiles(folder)
    missing = [k for k in range(len(times_s)) if not files.has_boxes(k)]
    if len(missing) == len(times_s):
        raise InputError("holds no NN.json or NN.pkl.gz; expected the boxes of each sweep", file=folder / "cuboids")
    for k in sorted(set(range(len(times_s))) - set(missing)):
        file, boxes = files.boxes(k)
        frame = np.linalg.inv(at(begin + times_s[k]))
        with reading(file, "boxes of PandaSet"):
            for n, box in enumerate(boxes):
                label = box["label"]
                if label not in PANDASET_BOXES and label not in PANDASET_LEFT_OUT:
                    known = "one of PandaSet's labels, such as 'Car'"
                    raise InputError(f"unknown label {shown(label)}, expected {known}", field=f"[{n}].label")
                if label in PANDASET_LEFT_OUT:
                    lost[label] += 1
                    continue
                # Where both LiDARs see an object it has a box for each; that of the spinning one is kept.
                if box.get("cuboids.sensor_id", -1) == 1:
                    continue
                seen[label] += label in _KEPT_AS
                place = np.array([box[f"position.{c}"] for c in "xyz"], float)
                if not np.isfinite(place).all():
                    raise InputError("expected finite numbers", field=f"[{n}].position")
                ahead = (frame @ [*place, 1.0])[:3] - LIDAR_AT
                rows.setdefault(box["uuid"], []).append((times_s[k] + looked_at(ahead), box))
    losses = [f"{n} boxes of {label!r} are left out" for label, n in sorted(lost.items())]
    losses += [f"{label!r} counts as {PANDASET_BOXES[label].name.lower()}" for label in sorted(+seen)]
    if missing:
        losses.append(f"{len(missing)} of {len(times_s)} sweeps have no boxes; tracks are interpolated over them")
    return tuple(_track(name, boxes) for name, boxes in rows.items()), tuple(losses)


def looked_at(ahead: np.ndarray) -> float:
    """When a direction (3,) in the frame of the car was looked at, s after the sweep's stamp: it turns clockwise and
    ends behind the car."""
    clockwise = np.arctan2(ahead[0], ahead[1])  # 0 ahead, pi/2 on the right
    return float(-_REVOLUTION_S * (0.5 - clockwise / (2 * np.pi)))


def _track(name: str, boxes: list[tuple[float, dict[str, Any]]]) -> Track:
    times = np.array([time for time, _ in boxes])
    keep = np.concatenate([[True], np.diff(times) > 1e-3])
    rows = [box for (_, box), use in zip(boxes, keep, strict=True) if use]
    size = np.median([[box[f"dimensions.{c}"] for c in "yxz"] for box in rows], axis=0)
    places = np.array([[box[f"position.{c}"] for c in "xyz"] for box in rows], float)
    places[:, 2] -= 0.5 * np.array([box["dimensions.z"] for box in rows])
    yaws = np.unwrap([box["yaw"] + 0.5 * np.pi for box in rows])
    label = Counter(box["label"] for box in rows).most_common(1)[0][0]
    still = all(bool(box.get("stationary")) for box in rows)
    return Track(name, PANDASET_BOXES[label], times[keep], places, yaws, (size[0], size[1], size[2]), still)


# --- sensors ----------------------------------------------------------------------------------------------------------


def _rig(folder: Path, at: CarFrame, base: np.ndarray, begin_s: float, with_images: set[str]) -> SensorRig:
    cameras = []
    for place in sorted(path for path in (folder / "camera").glob("*") if (path / "poses.json").is_file()):
        k = read_json(place / "intrinsics.json", _MOST_JSON, "intrinsics of PandaSet")
        times, poses = read_poses(place / "poses.json", place / "timestamps.json")
        inside = [(t, pose) for t, pose in zip(times, poses, strict=True) if at._times[0] <= t <= at._times[-1]]
        if not inside:
            raise InputError("has no pose while the LiDAR has", file=place / "poses.json")
        mounts = np.array([np.linalg.inv(at(t) @ base) @ pose for t, pose in inside])
        mean = np.eye(4)
        mean[:3, :3] = Rotation.from_matrix(mounts[:, :3, :3]).mean().as_matrix() @ BODY_FROM_OPTICAL.T
        mean[:3, 3] = np.median(mounts[:, :3, 3], axis=0)
        late_s = np.median([(t - begin_s + 0.5 * _REVOLUTION_S) % _REVOLUTION_S for t, _ in inside])  # no wrap inside
        late_us = (round(float(late_s) * 100) * 10_000 - 50_000) % 100_000
        spec = CameraSpec(
            place.name, *_FULL, k["fx"], k["fy"], k["cx"], k["cy"], Pose.from_matrix(mean), phase_us=late_us
        )
        size = _size_of(folder, place.name) if place.name in with_images else _FULL
        cameras.append(spec.scaled(size[0] / _FULL[0]))
    mount = np.eye(4)
    mount[:3, :3] = Pose(roll=_ROLL, pitch=_PITCH).rotation @ Rotation.from_euler("z", 90, degrees=True).as_matrix()
    mount[:3, 3] = LIDAR_AT
    real: LidarSpec = PRESETS["pandaset"]().lidars[0]
    lidar = _placed(real, Pose.from_matrix(np.linalg.inv(base) @ mount))
    return SensorRig("pandaset", tuple(cameras), (lidar,))


def _placed(lidar: LidarSpec, pose: Pose) -> LidarSpec:
    """The LiDAR of the preset at its own pose, without the rack."""
    return replace(lidar, pose=pose, ego_parts=())


def _image_folder(folder: Path, camera: str) -> Path | None:
    """Where a camera's pictures are: beside its poses, or in a folder of smaller ones."""
    for place in (folder / "camera" / camera, *sorted(folder.glob(f"images_*/{camera}"))):
        if files_in(place, "*.jpg"):
            return place
    return None


def _size_of(folder: Path, camera: str) -> tuple[int, int]:
    place = _image_folder(folder, camera)
    assert place is not None
    file = files_in(place, "*.jpg")[0]
    with reading(file, "a picture"), Image.open(file) as picture:
        return picture.size


def _images(folder: Path, begin_s: float, last_s: float) -> Iterator[LoggedImage]:
    for poses in files_in(folder / "camera", "*/timestamps.json"):
        place = _image_folder(folder, poses.parent.name)
        if place is None:
            continue
        stamps, matrices = read_poses(poses.parent / "poses.json", poses)
        for k, (stamp, pose) in enumerate(zip(stamps.tolist(), matrices, strict=True)):
            file = place / f"{k:02d}.jpg"
            if 0.0 <= stamp - begin_s <= last_s and file.is_file():
                yield LoggedImage(poses.parent.name, stamp - begin_s, file, pose, k)


# --- ground -----------------------------------------------------------------------------------------------------------


def _ground(folder: Path, sweeps: int) -> GroundPoints | None:
    """Points of ground, houses and plants, thinned; None without labelled sweeps."""
    parts, kinds = [], []
    lut = np.full(256, -2, np.int8)
    for label, channel in _PAINT.items():
        lut[label] = channel
    files = PandaSetFiles(folder)
    for k in range(0, sweeps, _EVERY):
        if files.has(k):
            points = files.sweep(k)
            kind = lut[points.number]
            parts.append(points.xyz[kind > -2].astype(np.float32))
            kinds.append(kind[kind > -2])
    return GroundPoints(np.concatenate(parts), np.concatenate(kinds)) if parts else None


def _height_of_car(ground: GroundPoints, frames: list[np.ndarray]) -> float:
    """Height of the road in the frame of the car, m: of its points around it, by median."""
    road = ground.xyz[ground.channel == 0]
    heights = []
    for frame in frames[::_EVERY]:
        near = road[np.hypot(*(road[:, :2] - frame[:2, 3]).T) < 6.0]
        if len(near) > 50:
            heights.append(float(np.median(near[:, 2])) - frame[2, 3])
    return float(np.median(heights)) if heights else -(2.24 - LIDAR_AT[2])
