"""What stands in a server's level, as the client tells it: houses, walls, poles and plants, and parked vehicles that
are part of the level. Boxes are in CARLA's world frame and come out in ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from uniscene_carla.left_handed import box_size, pose_of
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import AgentClass

__all__ = ["PARKED", "STANDING", "boxes_of_level", "parked_vehicles"]

_LARGEST_M = 500.0  # what is larger is no single thing
#: Kinds of map objects by the names of CARLA's labels.
STANDING = {"Buildings": "building", "Walls": "wall", "Fences": "wall", "Poles": "pole", "Vegetation": "tree",
            "GuardRail": "guard_rail"}  # fmt: skip
#: Classes of parked vehicles by the names of CARLA's labels.
PARKED = {"Car": AgentClass.CAR, "Truck": AgentClass.TRUCK, "Bus": AgentClass.BUS, "Motorcycle": AgentClass.MOTORCYCLE,
          "Bicycle": AgentClass.BICYCLE}  # fmt: skip


def boxes_of_level(world: Any) -> dict[str, list[list[float]]]:
    """By kind of map object, rows of x, y, z of the foot's centre (m), yaw (rad), length, width, height (m)."""
    import carla

    rows: dict[str, list[list[float]]] = {kind: [] for kind in STANDING.values()}
    for label, kind in STANDING.items():
        boxes = world.get_level_bbs(getattr(carla.CityObjectLabel, label))
        rows[kind] += [row for box in boxes for row in _row(box)]
    return rows


def parked_vehicles(world: Any) -> list[list[float]]:
    """Rows as above, each after the number of its `AgentClass`."""
    import carla

    found = []
    for label, cls in PARKED.items():
        for item in world.get_environment_objects(getattr(carla.CityObjectLabel, label)):
            found += [[int(cls), *row] for row in _row(item.bounding_box)]
    return found


def _row(box: Any) -> Iterator[list[float]]:
    """The row of a `carla.BoundingBox` in the world frame; none of one that is empty or beyond measure."""
    size = box_size(box.extent)
    try:
        pose = pose_of(box)
    except InputError:  # nowhere
        return
    row = [pose.x, pose.y, pose.z - 0.5 * size[2], pose.yaw, *size]
    if np.isfinite(row).all() and 0.0 < min(size) and max(size) < _LARGEST_M:
        yield [round(float(value), 3) for value in row]
