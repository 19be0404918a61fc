"""Signals, references and objects of the XML: what is placed on roads, with outlines and repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.xml_values import finite_number, whole_number

__all__ = ["OutlineRecord", "RepeatRecord", "read_placed"]

_FARTHEST_M = 1e5  # of a corner of an outline
_MOST = {"s": 1e5, "t": 1e4, "zOffset": 1e4, "length": 1e4, "width": 1e4, "height": 1e3, "radius": 1e3}  # m
_MOST_TURN = 1e6  # rad
_SIZES = ("length", "width", "height", "radius")


@dataclass(frozen=True)
class OutlineRecord:
    """An outline of an object: corners (N, 4), m, along s and t of the road or u and v of the object (`by_road`), above
    its foot, and height."""

    corners: np.ndarray
    by_road: bool
    closed: bool


@dataclass(frozen=True)
class RepeatRecord:
    """A row of copies of an object from s on, or one long body where the distance between copies is 0, m; what changes
    along it by name (t, height, width, length, zOffset, radius), from the first value to the second."""

    s: float
    length: float
    distance: float
    both: dict[str, tuple[float, float]]
    straight: bool  # from end to end, whatever the bends of the road

    def at(self, name: str, q: float) -> float:
        """A value at a part of the way."""
        start, end = self.both[name]
        return start + q * (end - start)


def read_placed(node: Any) -> dict[str, Any]:
    """A signal, reference or object as a dictionary of its attributes, with its validity and outlines."""
    record: dict[str, Any] = dict(node.attrib)
    for name in ("s", "t", "zOffset", "hOffset", "hdg", "length", "width", "height", "radius"):
        record[name] = finite_number(node, name) if node.get(name) else 0.0
        _check_reach(node, name, record[name])
    record["validity"] = [
        (whole_number(v, "fromLane", 0), whole_number(v, "toLane", 0)) for v in node.findall("validity")
    ]
    record["cornerLocal"] = [
        tuple(finite_number(c, k, 0.0) for k in ("u", "v", "z")) for c in node.findall(".//cornerLocal")
    ]
    record["cornerRoad"] = [
        tuple(finite_number(c, k, 0.0) for k in ("s", "t", "dz")) for c in node.findall(".//cornerRoad")
    ]
    record["outlines"] = [_outline(n, record["height"]) for n in node.iter("outline")]
    record["repeat"] = [_repeat(r, record) for r in node.findall("repeat")]
    return record


def _check_reach(node: Any, name: str, value: float) -> None:
    most = _MOST.get(name, _MOST_TURN)
    low = 0.0 if name in _SIZES else -most
    if not low <= value <= most:
        why = f"<{node.tag}> needs a number from {low:g} to {most:g}, got {value:g}"
        raise InputError(why, line=node.sourceline, field=name)


def _outline(node: Any, height: float) -> OutlineRecord:
    road = [[finite_number(c, k, 0.0) for k in ("s", "t", "dz")] for c in node.findall("cornerRoad")]
    local = [[finite_number(c, k, 0.0) for k in ("u", "v", "z")] for c in node.findall("cornerLocal")]
    heights = [finite_number(c, "height", height) for c in node.findall("cornerRoad" if road else "cornerLocal")]
    corners = np.column_stack([road or local, heights]) if heights else np.zeros((0, 4))
    if np.abs(corners).max(initial=0.0) > _FARTHEST_M:
        raise InputError(f"<outline> must stay within {_FARTHEST_M:.0e} m", line=node.sourceline, field="outline")
    return OutlineRecord(corners, bool(road), node.get("closed", "true") not in ("false", "0"))


def _repeat(node: Any, record: dict[str, Any]) -> RepeatRecord:
    """A repeat; what it does not say is as with the object itself."""
    both = {}
    for name, usual in (("t", "t"), ("height", "height"), ("width", "width"), ("length", "length"),
                        ("zOffset", "zOffset"), ("radius", "radius")):  # fmt: skip
        start = finite_number(node, f"{name}Start", record[usual])
        both[name] = (start, finite_number(node, f"{name}End", start))
        for value in both[name]:
            _check_reach(node, name, value)
    s, length, distance = (finite_number(node, k, 0.0) for k in ("s", "length", "distance"))
    return RepeatRecord(s, length, distance, both, node.get("detachFromReferenceLine") in ("true", "1"))
