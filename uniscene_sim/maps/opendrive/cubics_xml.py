"""Piecewise cubics and lateral profiles of the XML."""

from __future__ import annotations

from typing import Any

from uniscene_sim.maps.opendrive.cubics import Cubics
from uniscene_sim.maps.opendrive.lateral_profile import LateralProfile, ShapeProfile
from uniscene_sim.maps.xml_values import finite_number

__all__ = ["read_cubics", "read_lateral"]


def read_cubics(parent: Any, path: str, start: str = "s") -> Cubics:
    """Records of an element, zero before the first one."""
    cubics = Cubics([]) if parent is None else _records(parent.findall(path), start)
    if cubics.rows[0, 0] > 0:
        return Cubics([(0.0, 0.0, 0.0, 0.0, 0.0), *cubics.rows.tolist()])
    return cubics


def _records(nodes: list[Any], start: str = "s") -> Cubics:
    return Cubics([(finite_number(n, start, 0.0), *(finite_number(n, k, 0.0) for k in "abcd")) for n in nodes])  # type: ignore[misc]


def read_lateral(node: Any) -> LateralProfile:
    if node is None:
        return LateralProfile(Cubics([]), (Cubics([]), Cubics([])), ())
    sides = (("left", "both"), ("right", "both"))
    falls = [[n for n in node.findall("crossfall") if n.get("side", "both") in side] for side in sides]
    rows: dict[float, list[tuple[float, float, float, float, float]]] = {}
    for n in node.findall("shape"):
        a, b, c, d = (finite_number(n, k, 0.0) for k in "abcd")
        rows.setdefault(finite_number(n, "s", 0.0), []).append((finite_number(n, "t", 0.0), a, b, c, d))
    shapes = [ShapeProfile(s, Cubics(pieces)) for s, pieces in rows.items()]
    return LateralProfile(read_cubics(node, "superelevation"), (_records(falls[0]), _records(falls[1])), shapes)
