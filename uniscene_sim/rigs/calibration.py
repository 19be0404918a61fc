"""Rigs from the calibration files of recorded data sets: nuScenes tables and KITTI text files.

`base_link` is the centre of the rear axle on the ground, which is nuScenes' ego frame. KITTI gives poses relative to
the Velodyne, which is 0.81 m ahead of the rear axle and 1.73 m above the ground (Geiger et al. 2013, figure 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.limits import bounds
from uniscene_sim.rig import BODY_FROM_OPTICAL, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.input_file import MIB, is_folder, is_regular, read_json, read_text, reading

__all__ = ["is_calibration", "load_calibration"]

_NUSCENES_SIZE = (1600, 900)
_KITTI_SIZE = (1242, 375)
_BASE_FROM_VELODYNE = np.array([0.81, 0.0, 1.73])
_ROTATION = 0.01  # most error of a product of axes
_TABLES = ("sensor.json", "calibrated_sensor.json")


def is_calibration(path: Path) -> bool:
    """Whether a path holds calibration files: a folder with them, or a KITTI text file."""
    if is_folder(path):
        return any((path / name).exists() for name in (*_TABLES, "calib_cam_to_cam.txt", "calib.txt"))
    return path.suffix == ".txt" and is_regular(path)


def load_calibration(path: Path) -> SensorRig:
    """A rig from calibration files.

    These are nuScenes tables (a folder with sensor.json and calibrated_sensor.json; the first calibration of each
    sensor is used), KITTI's raw folder (calib_cam_to_cam.txt, calib_velo_to_cam.txt) or one of its object or odometry
    files. Cameras are the rectified pinholes; LiDARs have the beams of the presets.

    Raises:
        InputError: a table, key or number is missing or malformed; names the file and the field.
    """
    with reading(path, "calibration files of nuScenes or KITTI"):
        if is_folder(path) and any((path / name).exists() for name in _TABLES):
            return _nuscenes(path)
        if is_folder(path) and (path / "calib_cam_to_cam.txt").exists():
            return _kitti_raw(path)
        return _kitti(path / "calib.txt" if is_folder(path) else path)


def _nuscenes(folder: Path) -> SensorRig:
    sensors = {row["token"]: row for row in _table(folder / "sensor.json", ("token", "channel", "modality"), text=3)}
    cameras: dict[str, CameraSpec] = {}
    lidars: dict[str, LidarSpec] = {}
    file = folder / "calibrated_sensor.json"
    beams = PRESETS["nuscenes"]().lidars[0]
    for i, row in enumerate(_table(file, ("sensor_token", "translation", "rotation"), text=1)):
        sensor = sensors.get(row["sensor_token"])
        if sensor is None:
            missing = f"no sensor {shown(row['sensor_token'])} in sensor.json"
            raise InputError(missing, file=file, field=f"[{i}].sensor_token")
        name, matrix = sensor["channel"], np.eye(4)
        matrix[:3, 3] = _numbers(file, f"[{i}].translation", row["translation"], (3,))
        matrix[:3, :3] = _rotation(file, f"[{i}].rotation", row["rotation"])
        if sensor["modality"] == "camera" and name not in cameras:
            k = _numbers(file, f"[{i}].camera_intrinsic", row.get("camera_intrinsic"), (3, 3))
            # The sensor frame is the optical one.
            matrix[:3, :3] = matrix[:3, :3] @ BODY_FROM_OPTICAL.T
            size, pose = _NUSCENES_SIZE, _pose(file, f"[{i}].translation", matrix)
            cameras[name] = _camera(file, name, size, _upper(file, f"[{i}].camera_intrinsic", k), pose)
        elif sensor["modality"] == "lidar" and name not in lidars:
            # The x axis of nuScenes' LiDAR points right and its y axis ahead; here x points ahead.
            turned = matrix.copy()
            turned[:3, :3] = matrix[:3, :3] @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
            lidars[name] = replace(beams, name=name, pose=_pose(file, f"[{i}].translation", turned))
    return _rig(folder.name, file, cameras, lidars)


def _table(file: Path, keys: tuple[str, ...], text: int) -> list[dict[str, Any]]:
    """Rows of a table that have all keys, the first `text` of which are texts."""
    rows = read_json(file, 64 * MIB, "a nuScenes table")
    if not isinstance(rows, list) or not rows:
        raise InputError("expected a list of records", file=file)
    for i, row in enumerate(rows):
        for key in keys:
            if not isinstance(row, dict) or key not in row:
                raise InputError("is missing", file=file, field=f"[{i}].{key}")
        for key in keys[:text]:
            if not isinstance(row[key], str) or not row[key]:
                raise InputError(f"expected text, got {shown(row[key])}", file=file, field=f"[{i}].{key}")
    return rows


def _numbers(file: Path, field: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(value)
    except (TypeError, ValueError, OverflowError):
        array = np.full(1, np.nan)
    if array.dtype.kind not in "iuf" or array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"expected {' x '.join(map(str, shape))} finite numbers", file=file, field=field)
    return array.astype(np.float64)


def _pose(file: Path, field: str, matrix: np.ndarray) -> Pose:
    """The pose of a matrix (4, 4), within reach of the vehicle."""
    try:
        bounds.MOUNT_M.row(matrix[:3, 3].tolist(), field)
    except InputError as error:
        raise error.within(file) from None
    return Pose.from_matrix(matrix)


def _turn(file: Path, field: str, matrix: np.ndarray) -> np.ndarray:
    """The matrix (3, 3), if it is a rotation to the precision that files keep."""
    if not (np.abs(matrix @ matrix.T - np.eye(3)).max() < _ROTATION and np.linalg.det(matrix) > 0):
        raise InputError("expected a rotation matrix", file=file, field=field)
    return matrix


def _upper(file: Path, field: str, k: np.ndarray) -> np.ndarray:
    """The matrix (3, 3), if it is one of intrinsics: fx 0 cx, 0 fy cy, 0 0 1."""
    held = np.array([[k[0, 0], 0.0, k[0, 2]], [0.0, k[1, 1], k[1, 2]], [0.0, 0.0, 1.0]])
    if not np.allclose(k, held, atol=1e-6) or min(k[0, 0], k[1, 1]) <= 0:
        raise InputError("expected positive focal lengths in fx 0 cx, 0 fy cy, 0 0 1", file=file, field=field)
    return k


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


def _camera(file: Path, name: str, size: tuple[float, float], k: np.ndarray, pose: Pose) -> CameraSpec:
    try:
        width, height = (bounds.PIXELS.number(side, "size") for side in size)
        return CameraSpec(name, width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), pose)
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
    _turn(file, key, rectified_from_velodyne[:3, :3])
    if "R0_rect" in values:
        turn = np.eye(4)
        turn[:3, :3] = _turn(file, "R0_rect", _row(file, values, "R0_rect", (3, 3)))
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
    rectified_from_velodyne[:3, :3] = _turn(velodyne, "R", _row(velodyne, placed, "R", (3, 3)))
    rectified_from_velodyne[:3, 3] = _row(velodyne, placed, "T", (3,))
    turn = np.eye(4)
    turn[:3, :3] = _turn(file, "R_rect_00", _row(file, values, "R_rect_00", (3, 3)))
    names = [k for k in (f"P_rect_0{i}" for i in range(4)) if k in values]
    if not names:
        raise InputError("is missing", file=file, field="P_rect_00..P_rect_03")
    matrices = {k: _row(file, values, k, (3, 4)) for k in names}
    sizes = {}
    for k in names:
        width, height = _row(file, values, f"S_rect_{k[-2:]}", (2,)).tolist()
        sizes[k] = (width, height)
    return _kitti_rig(file, matrices, sizes, turn @ rectified_from_velodyne)


def _kitti_rig(
    file: Path,
    matrices: dict[str, np.ndarray],
    sizes: Mapping[str, tuple[float, float]],
    rectified_from_velodyne: np.ndarray,
) -> SensorRig:
    velodyne_from_rectified = np.linalg.inv(rectified_from_velodyne)
    cameras = {}
    for key, p in matrices.items():
        # P = K [I | t]: the camera's centre is at -t in the rectified frame.
        k = _upper(file, key, p[:, :3])
        matrix = velodyne_from_rectified.copy()
        centre = np.append(-np.linalg.solve(k, p[:, 3]), 1.0)
        matrix[:3, 3] = (velodyne_from_rectified @ centre)[:3] + _BASE_FROM_VELODYNE
        matrix[:3, :3] = matrix[:3, :3] @ BODY_FROM_OPTICAL.T
        name = f"image_0{key[-1]}"
        cameras[name] = _camera(file, name, sizes[key], k, _pose(file, key, matrix))
    lidar = replace(PRESETS["kitti"]().lidars[0], name="velodyne", pose=Pose(*map(float, _BASE_FROM_VELODYNE)))
    return _rig(file.stem, file, cameras, {"velodyne": lidar})


def _text(file: Path) -> dict[str, str]:
    lines = read_text(file, MIB, "a KITTI calibration file").splitlines()
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
