"""Trajectories in time that agents are replayed on, all of a scenario's as flat arrays.

A body is where the rows of its trajectory (t, x, y) say, on straight lines between them. Its heading follows from the
way alone, never from time: its axles lie on the way, so that it bends round corners, keeps its heading where it stands,
and drives backwards after a cusp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed, fixed_in_kernel
from uniscene_sim.maps.ground import Ground, height_at

__all__ = ["AXLE_SHARE", "TRACK_COLUMNS", "Tracks", "follow_track", "pose_on_track", "predicted_on_track", "track_rows"]

#: Of a body's length, from its middle to an axle.
AXLE_SHARE = 0.3
#: Columns of a track: time, s; place, m; yaw and pitch, rad; speed up to the next row, m/s, negative backwards; length
#: of the way so far, m.
TRACK_COLUMNS = 8
_T, _X, _Y, _Z, _YAW, _PITCH, _SPEED, _GONE = range(TRACK_COLUMNS)
_ROW_M = 0.5  # rows are at most this far apart, so that headings between them can be interpolated
_MOST_ROWS = 100_000  # that are added
_STEP_M = 0.3  # shorter steps are noise of a body that stands: they turn nobody
_CUSP = -0.5  # cosine of a turn that no wheels make
_WALKER_REACH_M = 0.15
_BLEND_M = 10.0  # on which a body comes from where it was onto its track


class Tracks(NamedTuple):
    """Track k owns rows `first[k]` to `first[k + 1]`."""

    rows: np.ndarray  # (R, 8) float64, columns `TRACK_COLUMNS`
    first: np.ndarray  # (K + 1,) int64

    @classmethod
    def of(cls, tracks: Sequence[np.ndarray]) -> Tracks:
        first = np.cumsum([0, *map(len, tracks)]).astype(np.int64)
        return cls(np.concatenate([np.zeros((0, TRACK_COLUMNS)), *tracks]), first)


def track_rows(
    points: Sequence[tuple[float, float, float]], ground: Ground, z: float, yaw: float, length_m: float, walks: bool
) -> np.ndarray:
    """A trajectory as rows (R, 8) of a track.

    Args:
        points: t (s, rising), x, y (m).
        ground: on which it lies.
        z: about how high it begins, m: it picks the deck.
        yaw: of a body that never moves, rad.
        length_m: of the body.
        walks: whether the body turns on the spot instead of driving backwards.
    """
    given = np.array(points, dtype=float)
    way = _Way(given[:, 1:])
    steps = np.hypot(*np.diff(given[:, 1:], axis=0).T)
    cuts = np.ceil(steps / max(_ROW_M, steps.sum() / _MOST_ROWS)).astype(int).clip(1)
    at = np.concatenate([[0.0], *(k + np.arange(1, n + 1) / n for k, n in enumerate(cuts.tolist()))])
    every = np.arange(len(given))
    rows = np.zeros((len(at), TRACK_COLUMNS))
    for column, values in ((_T, given[:, 0]), (_X, given[:, 1]), (_Y, given[:, 2]), (_GONE, way.arc)):
        rows[:, column] = np.interp(at, every, values)
    rows[:, _Z] = _heights_along(ground, np.ascontiguousarray(rows[:, [_X, _Y]]), z)
    rows[:, _YAW] = yaw
    backwards = np.zeros(len(rows), dtype=bool)
    reach = _WALKER_REACH_M if walks else AXLE_SHARE * length_m
    for run, (begin, end) in enumerate(way.runs()):
        here = np.searchsorted(way.cusps, rows[:, _GONE], side="right") == run
        turned = run % 2 == 1 and not walks
        front, rear = (way.places(rows[here, _GONE] + ahead, begin, end) for ahead in (reach, -reach))
        along = front - rear
        rows[here, _YAW] = np.arctan2(along[:, 1], along[:, 0]) + (np.pi if turned else 0.0)
        gone, heights = rows[here, _GONE], rows[here, _Z]
        climb = np.interp(gone + reach, gone, heights) - np.interp(gone - reach, gone, heights)
        length = np.clip(gone + reach, None, gone[-1]) - np.clip(gone - reach, gone[0], None) if len(gone) else gone
        rows[here, _PITCH] = -np.arctan2(climb, np.maximum(length, 0.1)) * (-1.0 if turned else 1.0)
        backwards[here] = turned
    rows[:, _YAW] = np.unwrap(rows[:, _YAW])
    if walks:
        rows[:, _PITCH] = 0.0
    moved = np.hypot(*np.diff(rows[:, [_X, _Y]], axis=0).T) / np.diff(rows[:, _T])
    rows[:-1, _SPEED] = np.where(backwards[:-1], -moved, moved)
    return fixed(rows)


class _Way:
    """Where a trajectory leads, without times: its corners, but for the noise of a body that stands.

    Attributes:
        arc: (N,) length of the way up to each given place, m.
        cusps: length up to each corner that is too sharp for wheels, m.
    """

    def __init__(self, places: np.ndarray):
        kept, self.arc, gone = [places[0]], np.zeros(len(places)), [0.0]
        for k, place in enumerate(places):
            step = float(np.hypot(*(place - kept[-1])))
            if step >= _STEP_M:
                kept.append(place)
                gone.append(gone[-1] + step)
            self.arc[k] = gone[-1]
        self._corners, self._gone = np.array(kept), np.array(gone)
        along = np.diff(self._corners, axis=0) / np.maximum(np.diff(self._gone), 1e-9)[:, None]
        sharp = np.flatnonzero((along[1:] * along[:-1]).sum(axis=1) < _CUSP) + 1
        self.cusps = self._gone[sharp]
        self._ends = [0, *sharp.tolist(), len(kept) - 1]

    def runs(self) -> list[tuple[int, int]]:
        """First and last corner of each stretch between cusps; none where the body never moves."""
        return [(a, b) for a, b in zip(self._ends, self._ends[1:], strict=False) if b > a]

    def places(self, arc: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Places (M, 2) at lengths (M,) along a stretch, which goes straight on beyond its ends."""
        gone, corners = self._gone[begin : end + 1], self._corners[begin : end + 1]
        out = np.stack([np.interp(arc, gone, corners[:, k]) for k in (0, 1)], axis=1)
        for beyond, a, b in ((np.minimum(arc - gone[0], 0.0), 0, 1), (np.maximum(arc - gone[-1], 0.0), -2, -1)):
            out += beyond[:, None] * (corners[b] - corners[a]) / (gone[b] - gone[a])
        return out


@njit(cache=True)
def _heights_along(ground, places, z):
    """Heights (R,) of the ground under places (R, 2) that follow each other, the first about `z` high."""
    out = np.empty(len(places))
    for k in range(len(places)):
        z = height_at(ground, places[k, 0], places[k, 1], z)
        out[k] = z
    return out


@device
def pose_on_track(tracks, k, t, out):
    """Write the row of track `k` at a time, s, into `out` (8,); it stands before its first row and after its last."""
    rows, low, high = tracks.rows, tracks.first[k], tracks.first[k + 1] - 1
    last = high
    if t >= rows[high, _T]:
        low = high
    while high - low > 1:
        middle = (low + high) // 2
        if rows[middle, _T] <= t:
            low = middle
        else:
            high = middle
    b = min(low + 1, last)
    f = min(max((t - rows[low, _T]) / max(rows[b, _T] - rows[low, _T], 1e-9), 0.0), 1.0)
    for column in range(TRACK_COLUMNS):
        out[column] = rows[low, column] + f * (rows[b, column] - rows[low, column])
    out[_SPEED] = rows[low, _SPEED] if t >= rows[low, _T] else 0.0


@device
def predicted_on_track(me, tracks, t, out):
    """Write the row at scenario time `t`, s, of a body on its track into `out` (8,), blended from where it came."""
    pose_on_track(tracks, me.track, t - me.track_begin, out)
    q = min(out[_GONE] / _BLEND_M, 1.0)
    left = 1.0 - q * q * (3.0 - 2.0 * q)
    out[_X] += left * me.shift_x
    out[_Y] += left * me.shift_y
    out[_YAW] += left * me.shift_yaw
    if me.backwards:
        out[_YAW] += np.pi
        out[_PITCH], out[_SPEED] = -out[_PITCH], -out[_SPEED]


@njit(cache=True)
def follow_track(bodies, i, tracks, time_s, scratch):
    """Put a body where its track has it.

    Args:
        bodies: (N,) BODY_DTYPE, row `i` is changed.
        i: row of the body.
        tracks: Tracks.
        time_s: of the scenario, s.
        scratch: (8,) float64.
    """
    predicted_on_track(bodies[i], tracks, time_s, scratch)
    bodies[i].x, bodies[i].y = fixed_in_kernel(scratch[_X]), fixed_in_kernel(scratch[_Y])
    bodies[i].z, bodies[i].yaw = fixed_in_kernel(bodies[i].z), fixed_in_kernel(scratch[_YAW])
    bodies[i].pitch, bodies[i].speed = fixed_in_kernel(scratch[_PITCH]), fixed_in_kernel(scratch[_SPEED])
