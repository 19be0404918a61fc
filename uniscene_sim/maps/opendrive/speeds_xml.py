"""Speed limits of the XML."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.xml_values import finite_number

__all__ = ["MPS_OF_UNIT", "read_speeds"]

MPS_OF_UNIT = {"mph": 0.44704, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "m/s": 1.0, "": 1.0}


def read_speeds(node: Any, losses: Losses) -> list[tuple[float, float | None]]:
    """Limits (m/s; infinite: no limit, None: not told) of the <speed> of a lane, by their places on it, m."""
    found = []
    for n in node.findall("speed"):
        limit = _speed(n)
        places = losses.readable("left out", [n], lambda x: finite_number(x, "sOffset", 0.0), "speed limit")
        if places and limit is None and _limit_word(n) != "undefined":
            losses.add("speed limits not understood", f"max={n.get('max')!r} unit={n.get('unit')!r}")
        else:
            found += [(s, limit) for s in places]
    return sorted(found, key=lambda item: item[0])


def _limit_word(node: Any) -> str:
    return str(node.get("max", "undefined")).strip().lower().replace(" ", "").replace("_", "")


def _speed(node: Any) -> float | None:
    """A limit, m/s; infinite: none; None: not told."""
    if _limit_word(node) == "nolimit":
        return inf
    factor = MPS_OF_UNIT.get(node.get("unit", "").strip().lower())
    try:
        value = finite_number(node, "max") * (factor or nan)
    except InputError:
        return None
    return value if 0.5 < value < 150 else None
