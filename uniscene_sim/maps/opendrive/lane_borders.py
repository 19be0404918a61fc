"""Widths of lanes whose outer borders are given in place of them."""

from __future__ import annotations

from uniscene_sim.maps.opendrive.cubics import Cubics

__all__ = ["widths_from_borders"]


def widths_from_borders(widths: dict[int, Cubics], borders: dict[int, Cubics], middle: Cubics) -> dict[int, Cubics]:
    """Widths of all lanes of a section, by lane id.

    Args:
        widths: of the lanes that have them; they come before borders.
        borders: lateral positions of outer borders, of the lanes that have them.
        middle: lateral position of the centre lane; all by distance from the start of the section.
    """
    found = dict(widths)
    for sign in (1, -1):
        inner = middle
        for lane_id in sorted((k for k in {*widths, *borders} if sign * k > 0), key=abs):
            if lane_id in borders and lane_id not in widths:
                found[lane_id] = (borders[lane_id] - inner).scaled(sign)
            inner = inner - found[lane_id].scaled(-sign)
    return found
