"""Virtual junctions: roads that branch off in the middle of another one.

The main road is cut where they do, so that they begin and end where lanes do, as at any other junction.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.xml_values import finite_number

__all__ = ["cut_main_roads"]

_MARGIN_M = 0.1  # no cut this near to the border of a lane section


def cut_main_roads(root: Any) -> None:
    """Divide the lane sections of main roads, in place, where other roads branch off or join."""
    roads = {road.get("id"): road for road in root.findall("road")}
    cuts: dict[str, set[float]] = {}
    for side in ("road/link/predecessor", "road/link/successor", "junction/connection/predecessor",
                 "junction/connection/successor"):  # fmt: skip
        for end in root.findall(side):
            if end.get("elementS") is not None and end.get("elementId") in roads:
                with suppress(InputError):  # lanes whose ends meet are joined without it
                    cuts.setdefault(end.get("elementId"), set()).add(finite_number(end, "elementS"))
    for road_id, places in cuts.items():
        for s in sorted(places):
            with suppress(InputError):  # such a road is left out
                _cut(roads[road_id], s)


def _cut(road: Any, s: float) -> None:
    length = finite_number(road, "length")
    starts = [(finite_number(n, "s", 0.0), n) for n in road.findall("lanes/laneSection")]
    before = [item for item in starts if item[0] <= s]
    if not before or any(abs(s - place) < _MARGIN_M for place in (length, *(start for start, _ in starts))):
        return
    start, section = max(before, key=lambda item: item[0])
    if s > length:
        return
    after = deepcopy(section)
    after.set("s", repr(s))
    for lane in after.iter("lane"):
        for tag in {child.tag for child in lane if child.get("sOffset") is not None}:
            _begin_later(lane, tag, s - start)
    for part, side in ((section, "successor"), (after, "predecessor")):
        for lane in part.iter("lane"):
            _link_to_itself(lane, side)
    section.addnext(after)


def _begin_later(lane: Any, tag: str, by: float) -> None:
    """Move the records of one kind so that they count from a place `by` m farther on."""
    records = sorted(lane.findall(tag), key=lambda n: finite_number(n, "sOffset", 0.0))
    for record, following in zip(records, [*records[1:], None], strict=True):
        offset = finite_number(record, "sOffset", 0.0) - by
        if following is not None and finite_number(following, "sOffset", 0.0) <= by:
            lane.remove(record)
        elif offset < 0:
            if tag in ("width", "border"):
                a, b, c, d = (finite_number(record, k, 0.0) for k in "abcd")
                moved = np.poly1d([d, c, b, a])
                for k, name in enumerate("abcd"):
                    record.set(name, repr(float(moved.deriv(k)(-offset) / (1, 1, 2, 6)[k])))
            record.set("sOffset", "0")
        else:
            record.set("sOffset", repr(offset))


def _link_to_itself(lane: Any, side: str) -> None:
    if lane.get("id") == "0":
        return
    link = lane.find("link")
    if link is None:
        link = lane.makeelement("link", {})
        lane.insert(0, link)
    for old in link.findall(side):
        link.remove(old)
    link.append(link.makeelement(side, {"id": lane.get("id", "")}))
