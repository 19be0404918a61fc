"""Values of tags as numbers: lengths, speeds, counts. What cannot be read counts as untold."""

from __future__ import annotations

import re
from math import inf

__all__ = ["count", "height_m", "length_m", "speed_mps"]

_FEET_M, _STOREY_M, _MPH = 0.3048, 3.1, 0.44704
_NUMBER = re.compile(r"^\s*(\d+(?:[.,]\d+)?)\s*([a-zA-Z'/ ]*)")
_NAMED_KMH = {"urban": 50.0, "rural": 100.0, "motorway": inf, "walk": 7.0, "living_street": 7.0, "none": inf,
              "zone30": 30.0, "zone:30": 30.0, "30": 30.0}  # fmt: skip


def length_m(tags: dict[str, str], key: str, most: float) -> float | None:
    """A length, m, of more than 0 and at most `most`; None if it is not told."""
    found = _NUMBER.match(tags.get(key, ""))
    if not found:
        return None
    unit = found[2].strip().lower()
    value = float(found[1].replace(",", "."))
    value *= _FEET_M if unit in ("ft", "'", "feet") else 0.01 if unit == "cm" else 1.0 if unit in ("", "m") else 0.0
    return value if 0.0 < value <= most else None


def count(tags: dict[str, str], key: str, most: int) -> int | None:
    """A whole number from 1 to `most`; None if it is not told."""
    found = _NUMBER.match(tags.get(key, "").split(";")[0])
    value = round(float(found[1].replace(",", "."))) if found else 0
    return value if 1 <= value <= most else None


def height_m(tags: dict[str, str], most: float = 500.0) -> float | None:
    """Height of a building, m, from its height or its storeys; None if neither is told."""
    told = length_m(tags, "height", most)
    if told is not None:
        return told
    storeys = _NUMBER.match(tags.get("building:levels", ""))
    if not storeys:
        return None
    roof = _NUMBER.match(tags.get("roof:levels", ""))
    levels = float(storeys[1].replace(",", ".")) + (0.7 * float(roof[1].replace(",", ".")) if roof else 0.0)
    return min(_STOREY_M * levels + 0.9, most) if levels > 0 else None


def speed_mps(tags: dict[str, str]) -> float | None:
    """A speed limit, m/s, infinite if there is none; None if it is not told."""
    told = tags.get("maxspeed", "").lower()
    found = _NUMBER.match(told)
    if found and float(found[1].replace(",", ".")) > 0:
        unit = found[2].strip()
        return float(found[1].replace(",", ".")) * (_MPH if unit == "mph" else 1 / 3.6)
    named = _NAMED_KMH.get(told.split(":", 1)[-1])
    return named / 3.6 if named is not None else None
