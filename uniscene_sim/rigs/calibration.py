"""Rigs from the calibration files of recorded data sets: nuScenes tables and KITTI text files.

`base_link` is the centre of the rear axle on the ground, which is nuScenes' ego frame. KITTI gives poses relative to
the Velodyne, which is 0.81 m ahead of the rear axle and 1.73 m above the ground (Geiger et al. 2013, figure 3).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import BODY_FROM_OPTICAL, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS

__all__ = ["is_calibration", "load_calibration"]

_NUSCENES_SIZE = (1600, 900)
_KITTI_SIZE = (1242, 375)
_BASE_FROM_VELODYNE = np.array([0.81, 0.0, 1.73])
_TABLES = ("sensor.json", "calibrated_sensor.json")


def is_calibration(path: Path) -> bool:
    """Whether a path holds calibration files: a folder with them, or a KITTI text file."""
    if path.is_dir():
        return any((path / name).exists() for name in (*_TABLES, "calib_cam_to_cam.txt", "calib.txt"))
    return path.suffix == ".txt" and path.is_file()


def load_calibration(path: Path) -> SensorRig:
    """A rig from calibration files.

    These are nuScenes tables (a folder with sensor.json and calibrated_sensor.json; the first calibration of each
    sensor is used), KITTI's raw folder (calib_cam_to_cam.txt, calib_velo_to_cam.txt) or one of its object or odometry
    files. Cameras are the rectified pinholes; LiDARs have the beams of the presets.

    Raises:
        InputError: a table, key or number is missing or malformed; names the file and the field.
    """
    if path.is_dir() and any((path / name).exists() for name in _TABLES):
        return _nuscenes(path)
    if path.is_dir() and (path / "calib_cam_to_cam.txt").exists():
        return _kitti_raw(path)
    return _kitti(path / "calib.txt" if path.is_dir() else path)


def _nuscenes(folder: Path) -> SensorRig:
    sensors = {row["token"]: row for row in _table(folder / "sensor.json", ("token", "channel", "modality"))}
    cameras: dict[str, CameraSpec] = {}
    lidars: dict[str, LidarSpec] = {}
    file = folder / "calibrated_sensor.json"
    beams = PRESETS["nuscenes"]().lidars[0]
    for i, row in enumerate(_table(file, ("sensor_token", "translation", "rotation"))):
        sensor = sensors.get(row["sensor_token"])
        if sensor is None:
            missing = f"no sensor {row['sensor_token']!r} in sensor.json"
            raise InputError(missing, file=file, field=f"[{i}].sensor_token")
        name, matrix = sensor["channel"], np.eye(4)
        matrix[:3, 3] = _numbers(file, f"[{i}].translation", row["translation"], (3,))
        matrix[:3, :3] = _rotation(file, f"[{i}].rotation", row["rotation"])
        if sensor["modality"] == "camera" and name not in cameras:
            k = _numbers(file, f"[{i}].camera_intrinsic", row.get("camera_intrinsic"), (3, 3))
            # The sensor frame is the optical one.
            matrix[:3, :3] = matrix[:3, :3] @ BODY_FROM_OPTICAL.T
            size, pose = _NUSCENES_SIZE, Pose.from_matrix(matrix)
            cameras[name] = _camera(file, name, size, k, pose)
        elif sensor["modality"] == "lidar" and name not in lidars:
            # The x axis of nuScenes' LiDAR points right and its y axis ahead; here x points ahead.
            turned = matrix.copy()
            turned[:3, :3] = matrix[:3, :3] @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
            lidars[name] = replace(beams, name=name, pose=Pose.from_matrix(turned))
    return _rig(folder.name, file, cameras, lidars)


def _table(file: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        rows = json.loads(file.read_text())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}; expected a nuScenes table", file=file) from error
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", file=file) from error
    if not isinstance(rows, list) or not rows:
        raise InputError("expected a list of records", file=file)
    for i, row in enumerate(rows):
        for key in keys:
            if not isinstance(row, dict) or key not in row:
                raise InputError("is missing", file=file, field=f"[{i}].{key}")
    return rows


def _numbers(file: Path, field: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"expected {' x '.join(map(str, shape))} finite numbers", file=file, field=field)
    return array


def _rotation(file: Path, field: str, value: Any) -> np.ndarray:
    q = _numbers(file, field, value, (4,))
    if abs(np.linalg.norm(q) - 1.0) > 1e-3:
        raise InputError("expected a unit quaternion w, x, y, z", file=file, field=field)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _camera(file: Path, name: str, size: tuple[int, int], k: np.ndarray, pose: Pose) -> CameraSpec:
    try:
        return CameraSpec(name, *size, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), pose)
    except ValueError as error:
        raise InputError(str(error), file=file, field=name) from error


def _rig(name: str, file: Path, cameras: dict[str, CameraSpec], lidars: dict[str, LidarSpec]) -> SensorRig:
    if not cameras and not lidars:
        raise InputError("holds neither a camera nor a LiDAR", file=file)
    return SensorRig(name, tuple(cameras.values()), tuple(lidars.values()))


def _kitti(file: Path) -> SensorRig:
    """Object benchmark (P0..P3, R0_rect, Tr_velo_to_cam) and odometry (P0..P3, Tr)."""
    values = _text(file)
    key = "Tr_velo_to_cam" if "Tr_velo_to_cam" in values else "Tr"
    rectified_from_velodyne = _square(_row(file, values, key, (3, 4)))
    if "R0_rect" in values:
        turn = np.eye(4)
        turn[:3, :3] = _row(file, values, "R0_rect", (3, 3))
        rectified_from_velodyne = turn @ rectified_from_velodyne
    matrices = {k: _row(file, values, k, (3, 4)) for k in sorted(values) if k in {"P0", "P1", "P2", "P3"}}
    if not matrices:
        raise InputError("is missing", file=file, field="P0..P3")
    sizes = dict.fromkeys(matrices, _KITTI_SIZE)
    return _kitti_rig(file, matrices, sizes, rectified_from_velodyne)


def _kitti_raw(folder: Path) -> SensorRig:
    file, velodyne = folder / "calib_cam_to_cam.txt", folder / "calib_velo_to_cam.txt"
    values, placed = _text(file), _text(velodyne)
    rectified_from_velodyne = np.eye(4)
    rectified_from_velodyne[:3, :3] = _row(velodyne, placed, "R", (3, 3))
    rectified_from_velodyne[:3, 3] = _row(velodyne, placed, "T", (3,))
    turn = np.eye(4)
    turn[:3, :3] = _row(file, values, "R_rect_00", (3, 3))
    names = [k for k in (f"P_rect_0{i}" for i in range(4)) if k in values]
    if not names:
        raise InputError("is missing", file=file, field="P_rect_00..P_rect_03")
    matrices = {k: _row(file, values, k, (3, 4)) for k in names}
    sizes = {}
    for k in names:
        width, height = _row(file, values, f"S_rect_{k[-2:]}", (2,))
        sizes[k] = (int(width), int(height))
    return _kitti_rig(file, matrices, sizes, turn @ rectified_from_velodyne)


def _kitti_rig(
    file: Path, matrices: dict[str, np.ndarray], sizes: dict[str, tuple[int, int]], rectified_from_velodyne: np.ndarray
) -> SensorRig:
    velodyne_from_rectified = np.linalg.inv(rectified_from_velodyne)
    cameras = {}
    for key, p in matrices.items():
        # P = K [I | t]: the camera's centre is at -t in the rectified frame.
        k = p[:, :3]
        if k[0, 0] <= 0 or k[1, 1] <= 0:
            raise InputError("expected positive focal lengths", file=file, field=key)
        matrix = velodyne_from_rectified.copy()
        centre = np.append(-np.linalg.solve(k, p[:, 3]), 1.0)
        matrix[:3, 3] = (velodyne_from_rectified @ centre)[:3] + _BASE_FROM_VELODYNE
        matrix[:3, :3] = matrix[:3, :3] @ BODY_FROM_OPTICAL.T
        name = f"image_0{key[-1]}"
        cameras[name] = _camera(file, name, sizes[key], k, Pose.from_matrix(matrix))
    lidar = replace(PRESETS["kitti"]().lidars[0], name="velodyne", pose=Pose(*map(float, _BASE_FROM_VELODYNE)))
    return _rig(file.stem, file, cameras, {"velodyne": lidar})


def _text(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}; expected a KITTI calibration file", file=file) from error
    return {key.strip(): value for key, colon, value in (line.partition(":") for line in lines) if colon}


def _row(file: Path, values: dict[str, str], key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key not in values:
        raise InputError("is missing", file=file, field=key)
    texts = values[key].split()
    try:
        flat = np.array([float(w) for w in texts])
    except ValueError:
        flat = np.full(1, np.nan)
    if flat.size != np.prod(shape) or not np.isfinite(flat).all():
        raise InputError(f"expected {' x '.join(map(str, shape))} finite numbers", file=file, field=key)
    return flat.reshape(shape)


def _square(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, [0.0, 0.0, 0.0, 1.0]])
