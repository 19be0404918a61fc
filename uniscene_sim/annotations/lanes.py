"""Lanes in the image: centrelines and borders as polylines, clipped to the view and split where they are occluded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from uniscene_sim.frames import CameraFrame, LaneLine
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.depth_images import are_unoccluded

__all__ = ["LaneLines"]

#: Kinds of lanes that are annotated.
_KINDS = frozenset(
    {"driving", "bidirectional", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "biking", "bus", "taxi", "HOV"}
)
_STEP_M = 0.5  # between points
_NEARER = 0.01  # share of depth by which an occluder is nearer
_KERB_M = 0.15  # lower things occlude no line: the rendered ground rises to kerbs within 0.2 m


@dataclass(frozen=True)
class _Line:
    lane: int
    kind: Literal["centre", "left", "right"]
    mark: str
    points: np.ndarray  # (P, 3) m, map frame, on the lane's surface


class LaneLines:
    """The lines of a map's lanes, each sampled when a camera first comes near.

    A border shared by two lanes is given once: as the right border of the left lane, or, between opposite directions,
    as the left border of the lane with the smaller index.
    """

    def __init__(self, static_map: StaticMap):
        self._map = static_map
        self._lanes = [lane for lane in static_map.lanes if lane.kind in _KINDS]
        self._middle = np.array([lane.centre.mean(axis=0) for lane in self._lanes]).reshape(-1, 3)
        spread = [
            np.linalg.norm(lane.centre - m, axis=1).max() for lane, m in zip(self._lanes, self._middle, strict=True)
        ]
        self._reach = np.array(spread) + 10.0
        self._lines: dict[int, list[_Line]] = {}

    def visible_lines(self, frame: LayoutFrame, spec: CameraSpec, image: CameraFrame) -> tuple[LaneLine, ...]:
        """The visible pieces of all lines within the camera's range."""
        position = frame.ego_pose.compose(spec.pose).position
        rotation = frame.ego_pose.rotation @ spec.rotation_base_from_optical
        near = np.linalg.norm(self._middle - position, axis=1) - self._reach < spec.max_range_m
        lines = [line for k in np.flatnonzero(near) for line in self._lines_of_lane(int(k))]
        if not lines:
            return ()
        points = (np.concatenate([line.points for line in lines]) - position) @ rotation
        owner = np.repeat(np.arange(len(lines)), [len(line.points) for line in lines])
        return tuple(
            LaneLine(lines[k].lane, lines[k].kind, lines[k].mark, spec.project(xyz)[0].astype(np.float32),
                     xyz.astype(np.float32))
            for k, xyz in _visible_runs(spec, image.depth, _KERB_M * rotation[2], points, owner)
        )  # fmt: skip

    def _lines_of_lane(self, k: int) -> list[_Line]:
        if k not in self._lines:
            lane = self._lanes[k]
            self._lines[k] = [_Line(lane.index, "centre", "none", _on_surface(lane, lane.centre))]
            if self._has_lines(lane.left) or (self._has_lines(lane.opposite) and lane.opposite < lane.index):
                sides: tuple[tuple[int, Literal["left", "right"], str], ...] = ((-1, "right", lane.right_mark),)
            else:
                sides = ((1, "left", lane.left_mark), (-1, "right", lane.right_mark))
            for side, kind, mark in sides:
                self._lines[k].append(_Line(lane.index, kind, mark, _on_surface(lane, lane.border(side))))
        return self._lines[k]

    def _has_lines(self, lane: int) -> bool:
        return lane >= 0 and self._map.lanes[lane].kind in _KINDS


def _on_surface(lane: Lane, points: np.ndarray) -> np.ndarray:
    """One of a lane's polylines (N, 3) m, resampled, on the lane's surface."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
    at = np.linspace(0.0, s[-1], max(int(np.ceil(s[-1] / _STEP_M)), 1) + 1)
    x, y, z = (np.interp(at, s, points[:, k]) for k in range(3))
    return np.stack([x, y, z + lane.height], axis=1)


def _visible_runs(
    spec: CameraSpec, depth: np.ndarray, up: np.ndarray, points: np.ndarray, owner: np.ndarray
) -> list[tuple[int, np.ndarray]]:
    """Visible runs of points (N, 3) m, optical frame, that belong to one line by `owner` (N,): owner and (P, 3) m."""
    seen = _is_visible(spec, depth, up, points)
    begins = np.flatnonzero(seen & np.concatenate([[True], ~seen[:-1] | (owner[1:] != owner[:-1])]))
    ends = np.flatnonzero(seen & np.concatenate([~seen[1:] | (owner[1:] != owner[:-1]), [True]]))
    first = _last_visible(spec, depth, up, points, owner, begins, -1)
    last = _last_visible(spec, depth, up, points, owner, ends, 1)
    out = []
    for k, (i, j) in enumerate(zip(begins, ends, strict=True)):
        run = [points[i : j + 1]]
        if (first[k] != points[i]).any():
            run.insert(0, first[k : k + 1])
        if (last[k] != points[j]).any():
            run.append(last[k : k + 1])
        piece = np.concatenate(run)
        if len(piece) > 1:
            out.append((int(owner[i]), piece))
    return out


def _is_visible(spec: CameraSpec, depth: np.ndarray, up: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (N, 3) m, optical frame, are in the image, in range, and unoccluded, they or the points raised by
    `up` (3,) m."""
    pixels, seen = spec.project(points)
    seen &= (np.linalg.norm(points, axis=1) < spec.max_range_m) & (pixels >= 0).all(axis=1)
    seen &= (pixels < (spec.width, spec.height)).all(axis=1)
    visible: np.ndarray = seen & (_in_sight(spec, depth, points) | _in_sight(spec, depth, points + up))
    return visible


def _in_sight(spec: CameraSpec, depth: np.ndarray, points: np.ndarray) -> np.ndarray:
    pixels, seen = spec.project(points)
    own = np.linalg.norm(points, axis=1) if spec.model == "fisheye" else points[:, 2]
    in_sight: np.ndarray = seen & are_unoccluded(depth, pixels, own, _NEARER)
    return in_sight


def _last_visible(
    spec: CameraSpec,
    depth: np.ndarray,
    up: np.ndarray,
    points: np.ndarray,
    owner: np.ndarray,
    at: np.ndarray,
    step: int,
) -> np.ndarray:
    """Ends (K, 3) m of visibility between the visible points `at` (K,) and their neighbours at `step`, by bisection."""
    beside = np.clip(at + step, 0, len(points) - 1)
    inside: np.ndarray = points[at]
    beyond = np.where((owner[beside] == owner[at])[:, None], points[beside], inside)
    for _ in range(12):
        middle = 0.5 * (inside + beyond)
        seen = _is_visible(spec, depth, up, middle)[:, None]
        inside, beyond = np.where(seen, middle, inside), np.where(seen, beyond, middle)
    return inside
