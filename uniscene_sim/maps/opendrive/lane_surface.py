"""What a lane takes from its road: how it is tilted and shaped across, and its speed limits."""

from __future__ import annotations

import numpy as np

from uniscene_sim.maps.elements import SpeedLimit
from uniscene_sim.maps.opendrive.road_xml import LaneRecord, RoadRecord, SectionRecord

__all__ = ["lane_limits", "tilt"]

_LEVEL_M, _SHAPE_M = 1e-4, 2e-3  # what is this level is level; how well a profile follows the shape of a road
_FINEST = 17  # places across a lane


def tilt(table: np.ndarray, road: RoadRecord, section: SectionRecord, lane_id: int) -> np.ndarray:
    """Move the rows (N, 6) of a lane onto the tilted and shaped road, in place, and return its profile (N, K), m."""
    s = table[:, 5]
    inner, outer = road.lane_span(section, lane_id, s)
    level_from = _level_from(road, section, lane_id, s)
    to_left = (inner, outer) if (lane_id > 0) == road.forward(section.lanes[lane_id]) else (outer, inner)

    def surface(part: float) -> tuple[np.ndarray, np.ndarray]:
        """Offset and height (N,), m, at a part of the way from the right border to the left one."""
        t = to_left[0] + part * (to_left[1] - to_left[0])
        if level_from is None:
            return road.lateral.place(s, t)
        beside, above = road.lateral.place(s, level_from)
        return beside + t - level_from, above

    middle, above = surface(0.5)
    aside = middle - 0.5 * (inner + outer)
    heading = np.array([road.reference(float(at))[2] for at in s])
    table[:, 0] -= aside * np.sin(heading)
    table[:, 1] += aside * np.cos(heading)
    table[:, 2] += above
    table[:, 4] *= np.abs(surface(1.0)[0] - surface(0.0)[0]) / np.maximum(np.abs(outer - inner), 1e-9)
    fine: np.ndarray = np.stack([surface(part)[1] for part in np.linspace(1.0, 0.0, _FINEST)], axis=1) - above[:, None]
    if np.abs(fine).max() < _LEVEL_M:
        return np.zeros((0, 2))
    for count in (2, 3, 5, 9):  # as many places across as its shape needs
        coarse: np.ndarray = fine[:, :: (_FINEST - 1) // (count - 1)]
        between = np.linspace(0, count - 1, _FINEST)
        low = np.minimum(between.astype(int), count - 2)
        filled = coarse[:, low] + (between - low) * (coarse[:, low + 1] - coarse[:, low])
        if np.abs(filled - fine).max() < _SHAPE_M:
            return coarse
    return fine


def _level_from(road: RoadRecord, section: SectionRecord, lane_id: int, s: np.ndarray) -> np.ndarray | None:
    """Lateral position (N,), m, from which the lanes of a side are level, if a lane is among these."""
    side = 1 if lane_id > 0 else -1
    for k in range(1, abs(lane_id) + 1):
        if side * k in section.lanes and section.lanes[side * k].is_level:
            return road.lane_span(section, side * k, s)[0]
    return None


def lane_limits(
    table: np.ndarray, road: RoadRecord, section: SectionRecord, lane: LaneRecord
) -> tuple[SpeedLimit, ...]:
    """Speed limits of a lane with rows (N, 6), by rising arc length in its direction of travel."""
    limits = road.speed_limits(section, lane)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(table[:, :2], axis=0).T))])
    if road.forward(lane):
        return tuple(SpeedLimit(float(np.interp(s, table[:, 5], along)), mps) for s, mps in limits)
    ends = [*(s for s, _ in limits[1:]), section.s1]
    at = [float(np.interp(-end, -table[:, 5], along)) for end in ends]
    return tuple(SpeedLimit(s, mps) for s, (_, mps) in zip(at[::-1], limits[::-1], strict=True))
