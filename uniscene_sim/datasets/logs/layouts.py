"""Layouts of a logged drive every 10 ms, between the moments that its data set has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.datasets.logs.drive import LoggedDrive, Track
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, PHYSICS_US, LayoutFrame, Style
from uniscene_sim.maps.signals import signal_heads
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.episode.edited_world import map_props

__all__ = ["Alignment", "LogLayouts"]

_STANDS_M = 0.6  # an object whose boxes stay this near to each other stands: labels jitter
_GAP_S = 1.6  # longest gap in a track that is interpolated
_ROUTE_POINTS = 80
_MOST_AGENTS = 60_000


@dataclass(frozen=True)
class Alignment:
    """Where the world of a drive lies in a map's own coordinates."""

    x: float = 0.0  # m
    y: float = 0.0
    yaw: float = 0.0  # rad


class LogLayouts:
    """The layouts of a drive on a map: an iterable.

    Boxes stand on the map's ground, whatever their height in the data set. What a track has at its moments is
    interpolated without overshoot; over a gap longer than 1.6 s an object is away.

    Args:
        drive: the drive.
        static_map: what it is on.
        where: of the drive on the map.
        style: weather and time of day.

    Attributes:
        gaps: how many gaps of tracks are too long to be interpolated.

    Raises:
        InputError: it has more objects than ids.
    """

    def __init__(self, drive: LoggedDrive, static_map: StaticMap, where: Alignment, style: Style):
        self._drive, self._map, self._style = drive, static_map, style
        self._turn = np.array([[np.cos(where.yaw), -np.sin(where.yaw)], [np.sin(where.yaw), np.cos(where.yaw)]])
        self._yaw, self._offset = where.yaw, np.array([where.x, where.y]) - static_map.frame_origin
        heads, props = signal_heads(static_map), map_props(static_map)
        self._standing = np.concatenate([heads, props])
        if len(drive.tracks) + len(self._standing) > _MOST_AGENTS:
            raise InputError(f"has {len(drive.tracks):,} objects, expected at most {_MOST_AGENTS:,}", field="tracks")
        self._count = int(np.floor(drive.times_s[-1] * 1e6 / PHYSICS_US + 1e-6)) + 1
        self._t = np.arange(self._count) * PHYSICS_US * 1e-6
        self.gaps = 0
        self._rows = [row for k, track in enumerate(drive.tracks) for row in self._agent(track, k)]

    def __len__(self) -> int:
        return self._count

    @property
    def ego_path(self) -> np.ndarray:
        """Where base_link goes (R, 3), m, map frame, a point each metre."""
        places = self._placed(self._drive.poses[:, :3])
        gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(places[:, :2], axis=0).T))])
        rising = np.concatenate([[True], np.diff(gone) > 1e-6])
        at = np.append(np.arange(0.0, gone[-1]), gone[-1])
        return np.stack([np.interp(at, gone[rising], places[rising, k]) for k in range(3)], axis=1)

    def __iter__(self) -> Iterator[LayoutFrame]:
        drive, t = self._drive, self._t
        way = self.ego_path
        places = self._placed(drive.poses[:, :3])
        curve = PchipInterpolator(drive.times_s, places)
        tilt = PchipInterpolator(drive.times_s, drive.poses[:, 3:] + [0.0, 0.0, self._yaw])
        at, velocity, lean = curve(t), curve(t, 1), tilt(t)
        yaw_rate = tilt(t, 1)[:, 2]
        at[:, 2] = self._map.surface_height(at[:, 0], at[:, 1], at[:, 2])
        heading = np.stack([np.cos(lean[:, 2]), np.sin(lean[:, 2])], axis=1)
        speed = (velocity[:, :2] * heading).sum(axis=1)
        accel = np.gradient(_smoothed(speed), t)
        steer = np.where(speed > 1.0, np.arctan2(drive.vehicle.wheelbase_m * yaw_rate, np.maximum(speed, 1.0)), 0.0)
        steer = np.clip(steer, -drive.vehicle.max_steer_rad, drive.vehicle.max_steer_rad)
        signals = np.zeros(len(self._map.signals), np.uint8)
        nearest = 0
        for k in range(self._count):
            gone = np.hypot(*(way[nearest : nearest + 20, :2] - at[k, :2]).T)
            nearest += int(gone.argmin())
            yield LayoutFrame(
                stamp_us=k * PHYSICS_US,
                ego_pose=Pose(*at[k].tolist(), *lean[k].tolist()),
                ego_velocity=np.array([*velocity[k, :2], 0.0]),
                ego_yaw_rate=float(yaw_rate[k]),
                ego_accel=float(accel[k]),
                ego_steer=float(steer[k]),
                ego_vehicle=drive.vehicle,
                agents=self._agents(k),
                signals=signals,
                route=way[nearest : nearest + _ROUTE_POINTS],
                map_ref=self._map.ref,
                seed=0,
                style=self._style,
            )

    def _placed(self, places: np.ndarray) -> np.ndarray:
        """Places (K, 3) of the drive's world, on the map's ground."""
        xy = places[:, :2] @ self._turn.T + self._offset
        return np.column_stack([xy, self._map.surface_height(xy[:, 0], xy[:, 1], places[:, 2])])

    def _agents(self, k: int) -> np.ndarray:
        there = [row[k - first] for first, row in self._rows if first <= k < first + len(row)]
        return np.concatenate([self._standing, np.array(there, AGENT_DTYPE)]) if there else self._standing

    def _agent(self, track: Track, number: int) -> Iterator[tuple[int, np.ndarray]]:
        """First layout and rows of each stretch of a track without long gaps."""
        long = np.flatnonzero(np.diff(track.times_s) > _GAP_S) + 1
        self.gaps += len(long)
        middle = np.median(track.places[:, :2], axis=0)
        stands = track.still or float(np.hypot(*(track.places[:, :2] - middle).T).max()) < _STANDS_M
        identity = len(self._standing) + 1 + number
        gait = 0.0
        for part in np.split(np.arange(len(track.times_s)), long):
            found = self._stretch(track, part, stands)
            if found is None:
                continue
            first, rows = found
            rows["id"], rows["cls"], rows["size"] = identity, track.cls, track.size
            rows["colour"] = int(unit_hash(identity, 77) * 2**32)
            rows["gait"] = gait + np.cumsum(np.hypot(*rows["vel"][:, :2].T)) * PHYSICS_US * 1e-6
            gait = float(rows["gait"][-1])
            yield first, rows

    def _stretch(self, track: Track, part: np.ndarray, stands: bool) -> tuple[int, np.ndarray] | None:
        times = track.times_s[part]
        # What is labelled at a moment is there half a moment before and after it, too.
        half = 0.5 * float(np.median(np.diff(track.times_s))) if len(track.times_s) > 1 else 0.05
        begin, end = np.searchsorted(self._t, (times[0] - half - 1e-9, times[-1] + half + 1e-9))
        if end <= begin:
            return None
        t = self._t[begin:end]
        rows = np.zeros(len(t), AGENT_DTYPE)
        places = self._placed(track.places[part])
        yaws = track.yaws[part] + self._yaw
        if stands or len(part) == 1:
            rows["pos"] = np.median(places, axis=0)
            rows["rpy"][:, 2] = np.arctan2(np.median(np.sin(yaws)), np.median(np.cos(yaws)))
        else:
            clipped = np.clip(t, times[0], times[-1])
            curve, turn = PchipInterpolator(times, places[:, :2]), PchipInterpolator(times, np.unwrap(yaws))
            velocity = curve(clipped, 1)
            rows["pos"][:, :2] = curve(clipped) + velocity * (t - clipped)[:, None]
            rows["vel"][:, :2], rows["rpy"][:, 2] = velocity, turn(clipped)
            hint = np.interp(t, times, places[:, 2])
            rows["pos"][:, 2] = self._map.surface_height(rows["pos"][:, 0], rows["pos"][:, 1], hint)
        return int(begin), rows


def _smoothed(values: np.ndarray, steps: int = 21) -> np.ndarray:
    """A running mean (N,) over some steps, with the ends held."""
    steps = min(steps, len(values) // 2 * 2 - 1) if len(values) > 2 else 1
    padded = np.pad(values, steps // 2, "edge")
    return np.convolve(padded, np.full(steps, 1.0 / steps), "valid")
