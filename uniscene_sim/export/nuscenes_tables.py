"""The tables of nuScenes' schema v1.0 for one scene: rows, and the tokens that link them.

Rows are added while a recording is simulated again; what needs the whole of it (next rows, instances, what is parked)
is filled in by `finished`. Tokens are hashes of what they stand for, so the same recording gives the same tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.rigs.ros_conventions import quaternion
from uniscene_sim.taxonomy import AgentClass

__all__ = ["CATEGORIES", "SceneTables", "rotation_of", "token"]

Row = dict[str, Any]

#: Category of each agent class; signal heads have none.
CATEGORIES = {
    AgentClass.CAR: "vehicle.car",
    AgentClass.TRUCK: "vehicle.truck",
    AgentClass.CONSTRUCTION_VEHICLE: "vehicle.construction",
    AgentClass.BUS: "vehicle.bus.rigid",
    AgentClass.TRAILER: "vehicle.trailer",
    AgentClass.MOTORCYCLE: "vehicle.motorcycle",
    AgentClass.BICYCLE: "vehicle.bicycle",
    AgentClass.PEDESTRIAN: "human.pedestrian.adult",
    AgentClass.BARRIER: "movable_object.barrier",
    AgentClass.TRAFFIC_CONE: "movable_object.trafficcone",
}
_ATTRIBUTES = (
    "vehicle.moving", "vehicle.stopped", "vehicle.parked", "cycle.with_rider", "cycle.without_rider",
    "pedestrian.moving", "pedestrian.standing", "pedestrian.sitting_lying_down",
)  # fmt: skip
_VISIBILITIES = ("v0-40", "v40-60", "v60-80", "v80-100")
_MOVING_MPS = 0.3
_CYCLES = ("vehicle.bicycle", "vehicle.motorcycle")


def token(*what: object) -> str:
    """The token, 32 hexadecimal digits, of something by its table and key."""
    return hashlib.md5(repr(what).encode(), usedforsecurity=False).hexdigest()


def rotation_of(pose: Pose) -> list[float]:
    """Its quaternion w, x, y, z."""
    x, y, z, w = quaternion(pose)
    return [w, x, y, z]


@dataclass(frozen=True)
class _State:
    """What an annotation's attribute will be told from."""

    category: str
    speed_mps: float


@dataclass
class SceneTables:
    """Tables of one scene while they grow.

    Attributes:
        name, description: of the scene.
        location: name of the map.
        key: of this recording among all.
        rows: by table.
    """

    name: str
    description: str
    location: str
    key: str
    rows: dict[str, list[Row]] = field(default_factory=dict)
    _states: list[_State] = field(default_factory=list)  # of the annotations

    def __post_init__(self) -> None:
        self._log = token("log", self.key)
        self._scene = token("scene", self.key)
        self.rows = {name: [] for name in ("ego_pose", "sample", "sample_data", "sample_annotation", "instance")}
        self.rows |= {"sensor": [], "calibrated_sensor": []}
        self._instances: set[str] = set()

    def add_sensor(self, channel: str, modality: str, pose: Pose, intrinsic: Iterable[Iterable[float]] = ()) -> None:
        """A sensor and its calibration.

        Args:
            channel: its name.
            modality: "camera" or "lidar".
            pose: of its own axes, as nuScenes has them, in the ego frame.
            intrinsic: 3 x 3 of a camera.
        """
        sensor = token("sensor", channel)
        self.rows["sensor"].append({"token": sensor, "channel": channel, "modality": modality})
        self.rows["calibrated_sensor"].append(
            {
                "token": token("calibrated_sensor", self.key, channel),
                "sensor_token": sensor,
                "translation": pose.position.tolist(),
                "rotation": rotation_of(pose),
                "camera_intrinsic": [list(row) for row in intrinsic],
            }
        )

    def add_sample(self, stamp_us: int) -> str:
        """A moment of which all is labelled; returns its token."""
        sample = token("sample", self.key, stamp_us)
        self.rows["sample"].append({"token": sample, "timestamp": stamp_us, "scene_token": self._scene})
        return sample

    def add_data(
        self, channel: str, stamp_us: int, filename: str, ego: Pose, *, key: bool, size: tuple[int, int] = (0, 0)
    ) -> None:
        """A file of a sensor, with the ego's pose at its stamp.

        Args:
            channel: the sensor.
            stamp_us: of the record.
            filename: below the data set's folder.
            ego: in the global frame.
            key: whether it belongs to a sample of its own stamp.
            size: width and height of an image.
        """
        data = token("sample_data", self.key, channel, stamp_us)
        pose = {
            "token": data,
            "timestamp": stamp_us,
            "rotation": rotation_of(ego),
            "translation": ego.position.tolist(),
        }
        self.rows["ego_pose"].append(pose)
        self.rows["sample_data"].append(
            {
                "token": data,
                "sample_token": "",
                "ego_pose_token": data,
                "calibrated_sensor_token": token("calibrated_sensor", self.key, channel),
                "timestamp": stamp_us,
                "fileformat": filename.rpartition(".")[2].replace("bin", "pcd"),
                "is_key_frame": key,
                "height": size[1],
                "width": size[0],
                "filename": filename,
            }
        )

    def add_annotation(self, sample: str, box: np.void, ego: Pose) -> None:
        """A box (BOX_DTYPE, in base_link) of a sample, with the ego's pose in the global frame."""
        category = CATEGORIES[AgentClass(int(box["cls"]))]
        instance = token("instance", self.key, int(box["id"]), category)
        if instance not in self._instances:
            self._instances.add(instance)
            self.rows["instance"].append({"token": instance, "category_token": token("category", category)})
        self._states.append(_State(category, float(np.linalg.norm(box["velocity"]))))
        turned = np.eye(4)
        turned[:3, :3] = ego.rotation @ box["rotation"]
        length, width, height = box["size"].tolist()
        self.rows["sample_annotation"].append(
            {
                "token": token("sample_annotation", sample, instance),
                "sample_token": sample,
                "instance_token": instance,
                "visibility_token": str(max(int(box["visibility_level"]), 1)),
                "attribute_tokens": [],  # until it is known whether it ever moves
                "translation": ego.apply(box["centre"]).tolist(),
                "size": [width, length, height],
                "rotation": rotation_of(Pose.from_matrix(turned)),
                "num_lidar_pts": int(box["num_lidar_pts"]),
                "num_radar_pts": 0,
            }
        )

    def finished(self, mask: str, origin: tuple[float, float]) -> dict[str, list[Row]]:
        """All tables by name, complete.

        Args:
            mask: the map's file, below the data set's folder.
            origin: place in the map frame, m, of the global frame's origin.
        """
        rows = self.rows
        _chain(rows["sample"], lambda row: "")
        _chain(rows["sample_data"], lambda row: row["calibrated_sensor_token"])
        _chain(rows["sample_annotation"], lambda row: row["instance_token"])
        stamps = np.array([row["timestamp"] for row in rows["sample"]])
        for data in rows["sample_data"]:
            data["sample_token"] = rows["sample"][int(np.abs(stamps - data["timestamp"]).argmin())]["token"]
        self._tell_attributes()
        of_instance: dict[str, list[Row]] = {}
        for annotation in rows["sample_annotation"]:
            of_instance.setdefault(annotation["instance_token"], []).append(annotation)
        for instance in rows["instance"]:
            annotations = of_instance[instance["token"]]
            instance["nbr_annotations"] = len(annotations)
            instance["first_annotation_token"] = annotations[0]["token"]
            instance["last_annotation_token"] = annotations[-1]["token"]
        log = {"token": self._log, "logfile": self.name, "vehicle": "uniscene_sim", "date_captured": "1970-01-01",
               "location": self.location}  # fmt: skip
        scene = {
            "token": self._scene, "log_token": self._log, "nbr_samples": len(rows["sample"]),
            "first_sample_token": rows["sample"][0]["token"], "last_sample_token": rows["sample"][-1]["token"],
            "name": self.name, "description": self.description,
        }  # fmt: skip
        prior = {"token": token("map", mask), "category": "semantic_prior", "filename": mask,
                 "log_tokens": [self._log], "origin_in_map_frame": list(origin)}  # fmt: skip
        return {
            **rows, "log": [log], "scene": [scene], "map": [prior],
            "category": [_named("category", name) for name in CATEGORIES.values()],
            "attribute": [_named("attribute", name) for name in _ATTRIBUTES],
            "visibility": [
                {"token": str(k), "level": level, "description": f"{level[1:]} % of the object's pixels are visible"}
                for k, level in enumerate(_VISIBILITIES, start=1)
            ],
        }  # fmt: skip

    def _tell_attributes(self) -> None:
        """What moves, stands or is parked: what never moves in the whole recording."""
        told = list(zip(self.rows["sample_annotation"], self._states, strict=True))
        movers = {row["instance_token"] for row, state in told if state.speed_mps > _MOVING_MPS}
        for row, state in told:
            moves, ever = state.speed_mps > _MOVING_MPS, row["instance_token"] in movers
            attribute = _attribute(state.category, moves, ever)
            row["attribute_tokens"] = [token("attribute", attribute)] if attribute else []


def _chain(rows: list[Row], key: Any) -> None:
    """Link rows of the same key, in their order, by `prev` and `next`."""
    last: dict[str, Row] = {}
    for row in rows:
        before = last.get(key(row))
        row["prev"], row["next"] = "" if before is None else before["token"], ""
        if before is not None:
            before["next"] = row["token"]
        last[key(row)] = row


def _attribute(category: str, moves: bool, ever: bool) -> str | None:
    """What nuScenes says of an object's state."""
    if category in _CYCLES:
        return "cycle.with_rider" if ever else "cycle.without_rider"
    if category.startswith("vehicle"):
        return "vehicle.moving" if moves else "vehicle.stopped" if ever else "vehicle.parked"
    if category.startswith("human"):
        return "pedestrian.moving" if moves else "pedestrian.standing"
    return None


def _named(table: str, name: str) -> Row:
    return {"token": token(table, name), "name": name, "description": ""}
