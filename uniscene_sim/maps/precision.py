"""Numbers of a map rounded to a meaningful precision, 0.1 mm and 1e-7 rad.

What is computed from them then agrees on machines whose last bits differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from uniscene_sim.compute.rounding import map_metres, map_radians
from uniscene_sim.maps.elements import BORDER_FIELDS, BorderStretch, Crossing, Lane, MapObject, MarkLine, RoadNetwork

_Part = TypeVar("_Part", BorderStretch, MarkLine)

__all__ = ["rounded_lane", "rounded_network", "rounded_object"]


def rounded_network(network: RoadNetwork) -> RoadNetwork:
    """The network with all of its numbers rounded."""
    return replace(
        network,
        lanes=_rounded_lanes(network.lanes),
        crossings=tuple(Crossing(map_metres(c.polygon)) for c in network.crossings),
        stop_lines=tuple(
            replace(line, ends=map_metres(line.ends), s_m=float(map_metres(line.s_m))) for line in network.stop_lines
        ),
        signals=tuple(
            replace(s, position=map_metres(s.position), yaw=float(map_radians(s.yaw))) for s in network.signals
        ),
        objects=tuple(map(rounded_object, network.objects)),
        covers=tuple(replace(c, rings=tuple(map(map_metres, c.rings))) for c in network.covers),
    )


def rounded_lane(lane: Lane) -> Lane:
    """The lane with its numbers rounded."""
    return _rounded_lanes((lane,))[0]


def _rounded_lanes(lanes: Sequence[Lane]) -> tuple[Lane, ...]:
    """Lanes with their numbers rounded, the samples of all at once."""
    if not lanes:
        return ()
    ends = np.cumsum([len(lane.centre) for lane in lanes])[:-1]
    samples = [
        np.split(rounded(np.concatenate([getattr(lane, name) for lane in lanes])), ends)
        for name, rounded in (("centre", map_metres), ("heading", map_radians), ("width", map_metres))
    ]
    return tuple(_with_samples(lane, *parts) for lane, *parts in zip(lanes, *samples, strict=True))


def _with_samples(lane: Lane, centre: np.ndarray, heading: np.ndarray, width: np.ndarray) -> Lane:
    """The lane with samples that are rounded, and its other numbers rounded."""
    changes = tuple(replace(limit, s_m=float(map_metres(limit.s_m))) for limit in lane.speed_changes)
    borders: dict[str, Any] = {name: tuple(map(_rounded, getattr(lane, name))) for name in BORDER_FIELDS}
    profile = map_metres(lane.profile) if len(lane.profile) else lane.profile
    return replace(lane, centre=centre, heading=heading, width=width, height=float(map_metres(lane.height)),
                   speed_changes=changes, profile=profile, **borders)  # fmt: skip


def _rounded(part: _Part) -> _Part:
    """A part of a border with its numbers rounded."""
    numbers: dict[str, Any] = {
        name: float(map_metres(value)) for name, value in vars(part).items() if isinstance(value, float)
    }
    return replace(part, **numbers)


def rounded_object(o: MapObject) -> MapObject:
    """The object with its numbers rounded."""
    length, width, height = map_metres(np.array(o.size)).tolist()
    return MapObject(o.kind, map_metres(o.position), float(map_radians(o.yaw)), (length, width, height), o.group)
