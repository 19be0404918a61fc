"""Boxes of KITTI's raw recordings, `tracklet_labels.xml`: each object's box in every frame in which it was in view.

Places are those of the middle of a box's floor in the frame of the LiDAR, headings turn about its upward axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.maps.xml_file import xml_root
from uniscene_sim.storage.input_file import MIB
from uniscene_sim.taxonomy import AgentClass

__all__ = ["TRACKLETS", "Tracklet", "read_tracklets"]

TRACKLETS = "tracklet_labels.xml"
_WHAT = "boxes of KITTI (tracklet_labels.xml)"
_MOST = 64 * MIB
_MOST_FRAMES = 100_000
_FARTHEST_M, _LARGEST_M = 1e4, 100.0
_IN_VIEW = (0, 1)  # of `truncation`: wholly, or in part; what is out of view was not looked at
#: Who rides a bicycle is of it, as among the labels of points.
_CLASSES = {
    "Car": AgentClass.CAR, "Van": AgentClass.CAR, "Truck": AgentClass.TRUCK, "Tram": AgentClass.BUS,
    "Pedestrian": AgentClass.PEDESTRIAN, "Person (sitting)": AgentClass.PEDESTRIAN, "Cyclist": AgentClass.BICYCLE,
}  # fmt: skip
_LEFT_OUT = ("Misc",)


@dataclass(frozen=True)
class Tracklet:
    """A box in a frame, in the frame of the LiDAR."""

    frame: int
    number: int  # of the object, from 1
    cls: AgentClass
    foot: np.ndarray  # float64 (3,) m, middle of its floor
    yaw: float  # rad
    size: np.ndarray  # float64 (3,) length, width, height, m


def read_tracklets(file: Path) -> list[Tracklet]:
    """The boxes of all objects that have a class of ours, in the frames in which they are in view.

    Raises:
        InputError: it is missing or damaged, or has a type of object that is unknown.
    """
    root = xml_root(file, _MOST, _WHAT, "boost_serialization")
    tracklets = root.find("tracklets")
    if tracklets is None:
        raise InputError("expected tracklets", file=file, field="tracklets")
    found: list[Tracklet] = []
    for number, item in enumerate(tracklets.findall("item"), 1):
        kind = (item.findtext("objectType") or "").strip()
        if kind in _CLASSES:
            found += _boxes(item, number, _CLASSES[kind], file)
        elif kind not in _LEFT_OUT:
            expected = ", ".join((*_CLASSES, *_LEFT_OUT))
            raise InputError(f"expected one of {expected}, got {shown(kind)}", file=file, line=item.sourceline,
                             field="objectType")  # fmt: skip
    return found


def _boxes(item: Any, number: int, cls: AgentClass, file: Path) -> Iterator[Tracklet]:
    size = np.array([_number(item, name, 0.0, _LARGEST_M, file) for name in ("l", "w", "h")])
    first = int(_number(item, "first_frame", 0, _MOST_FRAMES, file))
    poses = item.find("poses")
    for k, pose in enumerate(() if poses is None else poses.findall("item")):
        if int(_number(pose, "truncation", -1, 255, file)) in _IN_VIEW:
            foot = np.array([_number(pose, name, -_FARTHEST_M, _FARTHEST_M, file) for name in ("tx", "ty", "tz")])
            yaw = _number(pose, "rz", -1e3, 1e3, file)
            yield Tracklet(first + k, number, cls, foot, yaw, size)


def _number(node: Any, name: str, least: float, most: float, file: Path) -> float:
    text = node.findtext(name)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise InputError(f"expected a number from {least:g} to {most:g}, got {shown(text)}", file=file,
                         line=node.sourceline, field=name)  # fmt: skip
    return value
