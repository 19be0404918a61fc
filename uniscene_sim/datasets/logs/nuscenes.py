"""nuScenes: a scene of its tables as a `LoggedDrive`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from uniscene_sim.datasets.logs.drive import LoggedDrive, LoggedImage, Track
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.rig import BODY_FROM_OPTICAL, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.storage.input_file import is_regular, read_json, reading
from uniscene_sim.taxonomy import AgentClass

__all__ = ["Table", "is_nuscenes", "matrix_of_row", "read_nuscenes_drive"]

_ZOE = EgoVehicle("zoe", 4.08, 1.73, 1.56, wheelbase_m=2.588, rear_axle_to_centre_m=1.2)
_MOST_JSON = 2**30  # sample_data.json of the whole set has 900 MB
_TABLES = ("scene", "sample", "sample_data", "sample_annotation", "instance", "category", "ego_pose",
           "calibrated_sensor", "sensor")  # fmt: skip
_CLASSES = {
    "vehicle.car": AgentClass.CAR,
    "vehicle.truck": AgentClass.TRUCK,
    "vehicle.bus.bendy": AgentClass.BUS,
    "vehicle.bus.rigid": AgentClass.BUS,
    "vehicle.trailer": AgentClass.TRAILER,
    "vehicle.construction": AgentClass.CONSTRUCTION_VEHICLE,
    "vehicle.motorcycle": AgentClass.MOTORCYCLE,
    "vehicle.bicycle": AgentClass.BICYCLE,
    "vehicle.emergency.ambulance": AgentClass.TRUCK,
    "vehicle.emergency.police": AgentClass.CAR,
    "movable_object.barrier": AgentClass.BARRIER,
    "movable_object.trafficcone": AgentClass.TRAFFIC_CONE,
    **{
        f"human.pedestrian.{kind}": AgentClass.PEDESTRIAN
        for kind in ("adult", "child", "construction_worker", "police_officer", "stroller", "wheelchair")
    },
}
_KEPT_AS = {"vehicle.emergency.ambulance", "vehicle.emergency.police", "human.pedestrian.stroller",
            "human.pedestrian.wheelchair"}  # fmt: skip
_LEFT_OUT = {"animal", "human.pedestrian.personal_mobility", "movable_object.debris",
             "movable_object.pushable_pullable", "static_object.bicycle_rack", "static.bicycle_rack"}  # fmt: skip


def is_nuscenes(folder: Path) -> bool:
    return is_regular(folder / "scene.json") and is_regular(folder / "sample_annotation.json")


def read_nuscenes_drive(folder: Path, scene: str | None = None) -> LoggedDrive:
    """A scene.

    Args:
        folder: of the tables, such as `v1.0-mini`; pictures are looked for beside it.
        scene: its name; None for the first.

    Raises:
        InputError: a table is missing or damaged, a row it names is not there, or a category is unknown.
    """
    tables = {name: Table(folder / f"{name}.json") for name in _TABLES}
    which = _scene(tables["scene"], scene)
    samples = [row for row in tables["sample"].rows if row["scene_token"] == which["token"]]
    with reading(folder / "sample_data.json", "a table of nuScenes"):
        kept = {row["token"] for row in samples}
        data = sorted(
            (row for row in tables["sample_data"].rows if row["sample_token"] in kept), key=lambda row: row["timestamp"]
        )
        if not data:
            raise InputError(f"has no data of the scene {shown(which['name'])}")
        begin_us = min(int(row["timestamp"]) for row in samples)
        last_us = max(int(row["timestamp"]) for row in samples)
        stamped = {int(row["timestamp"]): tables["ego_pose"][row["ego_pose_token"]] for row in data}
        stamps = np.array(sorted(t for t in stamped if begin_us <= t <= last_us))
        if len(stamps) < 2:
            raise InputError(f"has {len(stamps)} ego poses of the scene, expected two at least", field="ego_pose")
    poses = np.array([_row(matrix_of_row(stamped[t], folder / "ego_pose.json")) for t in stamps.tolist()])
    poses[:, 3:] = np.unwrap(poses[:, 3:], axis=0)
    tracks, losses = _tracks(tables, samples, begin_us, folder)
    numbers = {row["token"]: k for k, row in enumerate(sorted(samples, key=lambda row: int(row["timestamp"])))}
    images = tuple(
        LoggedImage(
            tables["sensor"][mount["sensor_token"]]["channel"],
            (row["timestamp"] - begin_us) * 1e-6,
            file,
            matrix_of_row(tables["ego_pose"][row["ego_pose_token"]], folder / "ego_pose.json")
            @ matrix_of_row(mount, folder / "calibrated_sensor.json"),
            numbers[row["sample_token"]],
        )
        for row in data
        if begin_us <= row["timestamp"] <= last_us
        and row["fileformat"] in ("jpg", "png")
        and is_regular(file := folder.parent / row["filename"])
        for mount in [tables["calibrated_sensor"][row["calibrated_sensor_token"]]]
    )
    rig = _rig(tables, data, begin_us, folder)
    return LoggedDrive(str(which["name"]), _ZOE, (stamps - stamps[0]) * 1e-6, poses, tracks, rig, None, images, losses)


class Table:
    """Rows of a table, and those by token."""

    def __init__(self, file: Path):
        self.file = file
        self.rows: list[dict[str, Any]] = read_json(file, _MOST_JSON, "a table of nuScenes")
        with reading(file, "a table of nuScenes: a list of rows"):
            self._by_token = {row["token"]: row for row in self.rows}

    def __getitem__(self, token: str) -> dict[str, Any]:
        if token not in self._by_token:
            raise InputError(f"has no row {shown(token)}, which another table names", file=self.file, field="token")
        row: dict[str, Any] = self._by_token[token]
        return row


def _scene(table: Table, name: str | None) -> dict[str, Any]:
    names = [str(row["name"]) for row in table.rows]
    if not names:
        raise InputError("holds no scene", file=table.file)
    if name is not None and name not in names:
        known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise InputError(f"no scene {shown(name)}{did_you_mean(name, names)}; expected one of {known}", field="scene")
    found: dict[str, Any] = table.rows[0 if name is None else names.index(name)]
    return found


def matrix_of_row(row: dict[str, Any], file: Path) -> np.ndarray:
    """(4, 4) of a row with translation and rotation (w, x, y, z)."""
    with reading(file, "poses of nuScenes"):
        w, x, y, z = (float(v) for v in row["rotation"])
        out = np.eye(4)
        out[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
        out[:3, 3] = [float(v) for v in row["translation"]]
        if not np.isfinite(out).all():
            raise InputError("expected finite numbers", field=str(row.get("token")))
    return out


def _row(matrix: np.ndarray) -> list[float]:
    pose = Pose.from_matrix(matrix)
    return [pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw]


def _tracks(
    tables: dict[str, Table], samples: list[dict[str, Any]], begin_us: int, folder: Path
) -> tuple[tuple[Track, ...], tuple[str, ...]]:
    when = {row["token"]: (row["timestamp"] - begin_us) * 1e-6 for row in samples}
    boxes: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    file = folder / "sample_annotation.json"
    with reading(file, "boxes of nuScenes"):
        for row in tables["sample_annotation"].rows:
            if row["sample_token"] in when:
                boxes.setdefault(row["instance_token"], []).append((when[row["sample_token"]], row))
        seen, lost, tracks = Counter[str](), Counter[str](), []
        for instance, rows in boxes.items():
            name = str(tables["category"][tables["instance"][instance]["category_token"]]["name"])
            if name in _LEFT_OUT:
                lost[name] += 1
                continue
            if name not in _CLASSES:
                known = "one of nuScenes', such as 'vehicle.car'"
                raise InputError(f"unknown category {shown(name)}, expected {known}", field="category.name")
            seen[name] += name in _KEPT_AS
            tracks.append(_track(instance, _CLASSES[name], sorted(rows, key=lambda one: one[0]), file))
    losses = [f"{n} objects {name!r} are left out" for name, n in sorted(lost.items())]
    losses += [f"{name!r} counts as {_CLASSES[name].name.lower()}" for name in sorted(+seen)]
    return tuple(tracks), tuple(losses)


def _track(name: str, cls: AgentClass, rows: list[tuple[float, dict[str, Any]]], file: Path) -> Track:
    matrices = np.array([matrix_of_row(row, file) for _, row in rows])
    width, length, height = np.median([row["size"] for _, row in rows], axis=0).tolist()
    places = matrices[:, :3, 3].copy()
    places[:, 2] -= 0.5 * np.array([float(row["size"][2]) for _, row in rows])
    yaws = np.unwrap(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    return Track(name, cls, np.array([time for time, _ in rows]), places, yaws, (length, width, height))


def _rig(tables: dict[str, Table], data: list[dict[str, Any]], begin_us: int, folder: Path) -> SensorRig:
    cameras, lidars = dict[str, CameraSpec](), dict[str, LidarSpec]()
    file = folder / "calibrated_sensor.json"
    for row in data:
        mount = tables["calibrated_sensor"][row["calibrated_sensor_token"]]
        sensor = tables["sensor"][mount["sensor_token"]]
        name = str(sensor["channel"])
        with reading(file, "calibrations of nuScenes"):
            if sensor["modality"] == "lidar" and name not in lidars:
                pose = matrix_of_row(mount, file)
                pose[:3, :3] = pose[:3, :3] @ Rotation.from_euler("z", 90, degrees=True).as_matrix()  # y is forward
                lidars[name] = lidar_model("hdl-32e", name, Pose.from_matrix(pose), azimuth_steps=1090)
            elif sensor["modality"] == "camera" and name not in cameras:
                pose = matrix_of_row(mount, file)
                pose[:3, :3] = pose[:3, :3] @ BODY_FROM_OPTICAL.T
                k = np.array(mount["camera_intrinsic"], float)
                late_us = round((row["timestamp"] - begin_us) % 100_000 / 10_000) % 10 * 10_000
                cameras[name] = CameraSpec(
                    name, int(row["width"]), int(row["height"]), k[0, 0], k[1, 1], k[0, 2], k[1, 2],
                    Pose.from_matrix(pose), phase_us=late_us,
                )  # fmt: skip
    return SensorRig("nuscenes", tuple(cameras.values()), tuple(lidars.values()))
