"""Frontages: samples of roadsides with open ground beyond, along which houses, trees and lamps are planned."""

from __future__ import annotations

import numpy as np

from uniscene_sim.maps.elements import FRONTAGE_STEP_M, Frontage, RoadNetwork
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.surface import SurfaceModel

__all__ = ["lane_frontages"]

_BESIDE_M, _BEYOND_M = 0.25, 1.2  # beyond the border, where there may be no lane
_FAST_MPS = 21.0  # roads faster than this have rails instead of houses, except two-way country roads
_MOTORWAY_MPS = 27.0  # faster than any country road


def lane_frontages(network: RoadNetwork, graph: LaneGraph, surface: SurfaceModel) -> list[Frontage]:
    """Samples every 2 m along lane borders without a lane within 1.2 m beyond them."""
    rank, fast = surface.rank, _fast_lanes(network)
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
                near = graph.nearest(x[k], y[k], z[k])[0]
                found.append(
                    Frontage(x[k], y[k], z[k], yaw[k], nx[k], ny[k], (lane.index, side), float(s[k]), town,
                             near >= 0 and bool(fast[near]))
                )  # fmt: skip
    return found


def _fast_lanes(network: RoadNetwork) -> np.ndarray:
    """Whether each lane belongs to a road too fast for houses: bool (L,)."""
    sections: dict[tuple[int, int], list[int]] = {}
    walks: set[tuple[int, int]] = set()
    for lane in network.lanes:
        if lane.kind == "driving":
            sections.setdefault(lane.key[:2], []).append(lane.key[2])
        elif lane.kind in ("sidewalk", "walking"):
            walks.add(lane.key[:2])
    fast = np.zeros(len(network.lanes), dtype=bool)
    for lane in network.lanes:
        ids = sections.get(lane.key[:2], [])
        country = len(ids) <= 2 and min(ids, default=0) < 0 < max(ids, default=0)
        limit = lane.speed_limit_mps
        wide = len(ids) >= 4 and lane.key[:2] not in walks
        fast[lane.index] = limit > _MOTORWAY_MPS or wide or (limit > _FAST_MPS and not country)
    return fast
