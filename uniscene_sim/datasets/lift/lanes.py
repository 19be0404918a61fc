"""Lanes from ways that were driven: that of the ego, and those of the vehicles that it saw.

A way that runs along a lane that is there already makes it longer; any other makes one of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from uniscene_sim.datasets.logs.drive import LoggedDrive
from uniscene_sim.maps.elements import Lane
from uniscene_sim.taxonomy import AgentClass

__all__ = ["lanes_of"]

_VEHICLES = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.MOTORCYCLE)
_LEAST_M = 8.0  # of a way that makes a lane
_ALONG_M, _ALONG_RAD = 1.6, 0.5  # a way this near to a lane, and headed like it, is on it
_SMOOTH_M = 4.0
_WIDTH_M = 3.2
_ON_M, _OFF_M = 40.0, 0.5  # a lane goes straight on where cars may be, at most so far; how far beyond the raster


def lanes_of(
    drive: LoggedDrive,
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    drivable: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[Lane, ...]:
    """Lanes, that of the ego first.

    Args:
        drive: poses and tracks.
        height: of the ground, m, at places (N,) and (N,), m.
        drivable: whether cars may be there, bool (N,).
    """
    ways = [_every_metre(drive.poses[:, :2])]
    others = [track.places[:, :2] for track in drive.tracks if track.cls in _VEHICLES and not track.still]
    ways += sorted((way for way in map(_every_metre, others) if len(way) > _LEAST_M), key=len, reverse=True)
    if len(ways[0]) < 2:  # the ego stands: its lane is where it looks
        x, y, yaw = drive.poses[0, [0, 1, 5]]
        ways[0] = np.array([[x, y], [x + np.cos(yaw), y + np.sin(yaw)]])
    lanes: list[np.ndarray] = []
    for way in ways:
        if not any(_lengthened(lanes, k, way) for k in range(len(lanes))):
            lanes.append(way)
    finished = [_finished(_straight_on(lane, drivable)) for lane in lanes]
    return tuple(_lane(k, way, height) for k, way in enumerate(finished))


def _every_metre(way: np.ndarray) -> np.ndarray:
    """Points (N, 2), m, a metre apart, where a way moves."""
    kept = [way[0]]
    for place in way[1:]:
        if np.hypot(*(place - kept[-1])) > 0.5:
            kept.append(place)
    points = np.array(kept)
    gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0.0, gone[-1] + 1e-9)
    return np.stack([np.interp(at, gone, points[:, k]) for k in (0, 1)], axis=1)


def _headings(way: np.ndarray) -> np.ndarray:
    ahead = np.gradient(ndimage.gaussian_filter1d(way, 2.0, axis=0, mode="nearest"), axis=0)
    return np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))


def _lengthened(lanes: list[np.ndarray], k: int, way: np.ndarray) -> bool:
    """Whether a way lies on lane k, which then begins or ends where the way does."""
    lane = lanes[k]
    gaps = np.hypot(way[:, None, 0] - lane[None, :, 0], way[:, None, 1] - lane[None, :, 1])
    nearest = gaps.argmin(axis=1)
    # What is ahead of the lane or behind it is judged by the straight line on.
    heading = _headings(lane)
    away = way - lane[nearest]
    yaw = heading[nearest]
    aside = np.abs(away[:, 1] * np.cos(yaw) - away[:, 0] * np.sin(yaw))
    along = away[:, 0] * np.cos(yaw) + away[:, 1] * np.sin(yaw)
    turned = np.abs((_headings(way) - yaw + np.pi) % (2 * np.pi) - np.pi)
    on = (aside < _ALONG_M) & (turned < _ALONG_RAD)
    beside = (nearest > 0) & (nearest < len(lane) - 1)
    if not on.all() or not (beside.any() or np.abs(along).min() < 30.0):
        return False
    before, after = (nearest == 0) & (along < -2.0), (nearest == len(lane) - 1) & (along > 2.0)
    lanes[k] = _every_metre(np.concatenate([way[before], lane, way[after]]))
    return True


def _straight_on(way: np.ndarray, drivable: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """A way that goes straight on at both ends while cars may be there."""
    out = way
    for end in (0, -1):
        inner = out[min(10, len(out) - 1)] if end == 0 else out[max(len(out) - 11, 0)]
        ahead = (out[end] - inner) / max(float(np.hypot(*(out[end] - inner))), 1e-6)
        more = out[end] + np.arange(1.0, _ON_M + 1.0)[:, None] * ahead
        free = drivable(more[:, 0], more[:, 1])
        more = more[: int(np.argmin(free)) if not free.all() else len(more)]
        out = np.concatenate([more[::-1], out]) if end == 0 else np.concatenate([out, more])
    return out


def _finished(way: np.ndarray) -> np.ndarray:
    """The way without the joints of its parts: smooth, its ends kept."""
    smooth = ndimage.gaussian_filter1d(_every_metre(way), _SMOOTH_M, axis=0, mode="nearest")
    return _every_metre(smooth) if len(smooth) > 8 else _every_metre(way)


def _lane(index: int, way: np.ndarray, height: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Lane:
    z = height(way[:, 0], way[:, 1])
    return Lane(
        index=index,
        key=(str(index), 0, -1),
        kind="driving",
        centre=np.column_stack([way, z]).astype(np.float64),
        heading=_headings(way),
        width=np.full(len(way), _WIDTH_M),
        left_mark="none",
        right_mark="none",
    )
