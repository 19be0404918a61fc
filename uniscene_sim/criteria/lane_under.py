"""The lane for driving that a place lies on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["LanePlace", "lane_under"]


class LanePlace(NamedTuple):
    """A place on a lane: arc length, m, and the lane's heading there, rad."""

    lane: Lane
    s: float
    heading: float


def lane_under(static_map: StaticMap, x: float, y: float, z: float, yaw: float) -> LanePlace | None:
    """The lane for driving on whose width a place lies; None where it is on none.

    Of lanes that lie there one on another, as in junctions and on narrow roads, it is the one whose direction is that
    of the heading, rad, if there is such a one.
    """
    if not static_map.lanes:
        return None
    for heading in (yaw, None):
        index, s, left = static_map.nearest_lane(x, y, z, heading)
        if index < 0:
            return None
        lane = static_map.lanes[index]
        if abs(left) <= 0.5 * float(np.interp(s, lane.s, lane.width)):
            return LanePlace(lane, s, static_map.lane_point(index, s)[3])
    return None
