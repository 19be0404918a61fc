"""nuScenes itself, where it lies beside occupancy made for it: poses, calibrations and places of its scenes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.formats.nuscenes_plan import NuScenesPlan
from uniscene_sim.datasets.logs.nuscenes import Table, is_nuscenes, matrix_of_row
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.storage.input_file import files_in, is_regular

__all__ = ["NuScenesTables", "find_tables"]


def find_tables(folder: Path) -> NuScenesTables | None:
    """The tables in `v1.0-*` in a folder, beside it, or in `nuscenes` beside it; None where there are none."""
    for root in (folder, folder.parent, folder.parent / "nuscenes"):
        for version in files_in(root, "v1.0-*"):
            if is_nuscenes(version):
                return NuScenesTables(version)
    return None


class NuScenesTables:
    """A version of nuScenes.

    Args:
        folder: of the tables, such as `v1.0-trainval`; `maps/expansion/` is beside it.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._plans: dict[str, NuScenesPlan | None] = {}

    def table(self, name: str) -> Table:
        """A table, read once; InputError if it is missing or damaged."""
        found = self.__dict__.get(f"_{name}")
        if found is None:
            found = self.__dict__[f"_{name}"] = Table(self._folder / f"{name}.json")
        return found

    def scene_name(self, token: str) -> str:
        """Name of a scene by its token; InputError if there is none."""
        return str(self.table("scene")[token]["name"])

    def lidar(self, token: str) -> tuple[np.ndarray, np.ndarray, int]:
        """World <- LiDAR and ego <- LiDAR, (4, 4), and the stamp in us, of a row of `sample_data`.

        Raises:
            InputError: there is none, or a pose is damaged.
        """
        row = self.table("sample_data")[token]
        mount = matrix_of_row(self.table("calibrated_sensor")[row["calibrated_sensor_token"]],
                              self._folder / "calibrated_sensor.json")  # fmt: skip
        ego = matrix_of_row(self.table("ego_pose")[row["ego_pose_token"]], self._folder / "ego_pose.json")
        return ego @ mount, mount, int(row["timestamp"])

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {str(row["name"]): str(row["log_token"]) for row in self.table("scene").rows}

    def plan(self, scene: str) -> Callable[[Pose], dict[str, np.ndarray]] | None:
        """Channels around a pose, of the map expansion of a scene's place; None where there is no such file.

        Raises:
            InputError: no such scene, or a damaged map.
        """
        if scene not in self._by_name:
            raise InputError(f"no scene {shown(scene)}", file=self._folder / "scene.json")
        place = str(self.table("log")[self._by_name[scene]]["location"])
        if place not in self._plans:
            file = self._folder.parent / "maps/expansion" / f"{place}.json"
            self._plans[place] = NuScenesPlan(file) if is_regular(file) else None
        found = self._plans[place]
        return None if found is None else found.around
