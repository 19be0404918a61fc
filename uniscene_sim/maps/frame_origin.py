"""The map frame of maps that lie far from the origin of their coordinates, as UTM ones do.

Kernels, clouds and carla hold places in single precision, which is half a metre at five million. So a map of which
nothing lies near the origin is moved to it by whole tiles, which stay the same. Users keep the map's own coordinates:
they are those of the map frame plus `frame_origin`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uniscene_sim.limits.bounds import PLACE_M
from uniscene_sim.maps.elements import RoadNetwork
from uniscene_sim.tile import TILE_M

__all__ = ["FARTHEST_M", "REACH_M", "best_frame_origin", "is_near", "network_near_origin"]

NEAR_M = 64 * TILE_M  # single precision holds 0.25 mm here
_FEW = 0.1  # share of the places of a map
REACH_M = 2.0**17  # what lies farther from the rest of its map is an error in it
FARTHEST_M = PLACE_M.most  # no place on earth is farther from the origin of its projection


def is_near(places: np.ndarray) -> bool:
    """Whether a map with some places (N, 2), m, lies near the origin. It does not if only few places do, as those of a
    broken road, or if most lie out of reach."""
    if not len(places):
        return True
    in_reach = np.abs(places).max(axis=1) <= REACH_M
    return float(_near(places).mean()) >= _FEW and float(in_reach.mean()) >= 0.5


def best_frame_origin(places: np.ndarray) -> tuple[float, float]:
    """Origin x, y, m, of the map frame of a map with some places (N, 2), m: (0, 0) if it lies near; otherwise the
    corner of a tile that is nearest to the first place, so that a map keeps its frame wherever it is moved by whole
    tiles; to the first that is not far from most."""
    if is_near(places):
        return 0.0, 0.0
    far = places[~_near(places)]
    among_others = np.abs(far - np.median(far, axis=0)).max(axis=1) < REACH_M
    x, y = (TILE_M * np.floor(far[np.argmax(among_others)] / TILE_M + 0.5)).tolist()
    return x, y


def _near(places: np.ndarray) -> np.ndarray:
    near: np.ndarray = np.abs(places).max(axis=1) < NEAR_M
    return near


def network_near_origin(network: RoadNetwork) -> RoadNetwork:
    """The network in its best map frame, if it is not already in another one than that of its coordinates."""
    x, y = best_frame_origin(np.array([lane.centre[0, :2] for lane in network.lanes]).reshape(-1, 2))
    if any(network.frame_origin) or not (x or y):
        return network
    back = np.array([x, y, 0.0])
    return replace(
        network,
        lanes=tuple(replace(lane, centre=lane.centre - back) for lane in network.lanes),
        crossings=tuple(replace(c, polygon=c.polygon - back) for c in network.crossings),
        stop_lines=tuple(replace(line, ends=line.ends - back) for line in network.stop_lines),
        signals=tuple(replace(s, position=s.position - back) for s in network.signals),
        objects=tuple(replace(o, position=o.position - back) for o in network.objects),
        covers=tuple(replace(c, rings=tuple(ring - back[:2] for ring in c.rings)) for c in network.covers),
        frame_origin=(x, y),
    )
