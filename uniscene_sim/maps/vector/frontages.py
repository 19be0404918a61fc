"""Frontages: samples of roadsides with open ground beyond, along which houses, trees and lamps are planned."""

from __future__ import annotations

import numpy as np

from uniscene_sim.maps.elements import FRONTAGE_STEP_M, Frontage, RoadNetwork
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.surface import SurfaceModel

__all__ = ["lane_frontages"]

_BESIDE_M, _BEYOND_M = 0.25, 1.2  # beyond the border, where there may be no lane
_ROAD_WITHIN_M = 100.0  # a road that is farther away does not tell what stands here
_FAST_MPS = 21.0  # roads faster than this have rails instead of houses, except two-way country roads
_MOTORWAY_MPS = 27.0  # faster than any country road


def lane_frontages(network: RoadNetwork, graph: LaneGraph, surface: SurfaceModel) -> list[Frontage]:
    """Samples every 2 m along lane borders without a lane within 1.2 m beyond them."""
    rank, is_fast = surface.rank, _SpeedOfRoads(network)
    found = []
    for lane in network.lanes:
        if lane.length < 1.0:
            continue
        s = np.arange(1.0, lane.length, FRONTAGE_STEP_M)
        if not len(s):
            continue
        yaw = np.interp(s, lane.s, np.unwrap(lane.heading))
        town = lane.kind in ("sidewalk", "walking")
        for side in (1, -1):
            border = lane.border(side)
            x, y, z = (np.interp(s, lane.s, border[:, k]) for k in range(3))
            nx, ny = -np.sin(yaw) * side, np.cos(yaw) * side
            free = (rank(x + _BESIDE_M * nx, y + _BESIDE_M * ny, z) < 0) & (
                rank(x + _BEYOND_M * nx, y + _BEYOND_M * ny, z) < 0
            )
            width = np.interp(s, lane.s, lane.width)
            for k in np.flatnonzero(free & (width > 0.3)):
                near, near_s, _ = graph.nearest(x[k], y[k], z[k], within_m=_ROAD_WITHIN_M)
                found.append(
                    Frontage(x[k], y[k], z[k], yaw[k], nx[k], ny[k], (lane.index, side), float(s[k]), town,
                             near >= 0 and is_fast(near, near_s))
                )  # fmt: skip
    return found


class _SpeedOfRoads:
    """Tells whether a road is too fast for houses."""

    def __init__(self, network: RoadNetwork):
        self._lanes = network.lanes
        self._driving: dict[tuple[str, int], list[int]] = {}
        self._walks: set[tuple[str, int]] = set()
        for lane in network.lanes:
            if lane.kind == "driving":
                self._driving.setdefault(lane.key[:2], []).append(lane.key[2])
            elif lane.kind in ("sidewalk", "walking"):
                self._walks.add(lane.key[:2])

    def __call__(self, index: int, s_m: float) -> bool:
        """Whether the road of a lane is so at an arc length on that lane, m."""
        lane = self._lanes[index]
        ids = self._driving.get(lane.key[:2], [])
        country = len(ids) <= 2 and min(ids, default=0) < 0 < max(ids, default=0)
        limit = lane.limit_at(s_m)
        wide = len(ids) >= 4 and lane.key[:2] not in self._walks
        return limit > _MOTORWAY_MPS or wide or (limit > _FAST_MPS and not country)
