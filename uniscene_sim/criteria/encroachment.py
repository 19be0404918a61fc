"""`Encroachment`: post-encroachment time of the ego and whoever crosses its way."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.boxes import between, overlap, turn_between
from uniscene_sim.criteria.moment import Moment

__all__ = ["MOST_S", "Encroachment"]

#: Longer post-encroachment times are none.
MOST_S = 5.0
_CROSSES_RAD = pi / 6.0  # headings of ways that cross differ by more
_NEAR_M, _JUMP_M = 100.0, 10.0  # whoever is farther away is not kept; whoever moves farther in 0.1 s was put there
_HALVINGS = 16


class _Past(NamedTuple):
    """Where everybody was."""

    time_us: int
    ego: np.ndarray  # (6,), see `criteria.boxes`
    ids: np.ndarray  # (N,)
    boxes: np.ndarray  # (N, 6)

    def box_of(self, identity: int) -> np.ndarray | None:
        found = np.flatnonzero(self.ids == identity)
        return self.boxes[found[0]] if len(found) else None


@dataclass(frozen=True)
class Encroachment:
    """The least post-encroachment time so far, see Allen, Shin and Cooper 1978, "Analysis of traffic conflicts and
    collisions", Transportation Research Record 667.

    It is the time between one of two road users leaving a place and the other one entering it, least over all places
    and over both orders, where their headings there differ by more than 30 degrees. Places are those that boxes cover;
    between moments boxes move straight.
    """

    least_s: float = inf
    past: tuple[_Past, ...] = ()

    def update(self, moment: Moment) -> Encroachment:
        if self.least_s == 0.0:
            return self
        ego, boxes = moment.ego.box, moment.user_boxes
        near = np.hypot(boxes[:, 0] - ego[0], boxes[:, 1] - ego[1]) < _NEAR_M
        now = _Past(moment.ego.time_us, ego, moment.users["id"][near], boxes[near])
        horizon = now.time_us - MOST_S * 1e6
        past = tuple(row for row in self.past if row.time_us >= horizon)
        least = min(self.least_s, _ego_second(past, now, self.least_s))
        return Encroachment(min(least, _ego_first(past, now, least)), (*past, now))

    @property
    def values(self) -> dict[str, float | None]:
        return {"min_pet": None if self.least_s == inf else round(self.least_s, 3)}


def _ego_second(past: tuple[_Past, ...], now: _Past, least_s: float) -> float:
    """The least time, s, since somebody left a place that the ego covers now; inf if that is not below the least."""
    rows = (*_recent(past, now, least_s), now)
    boxes = np.concatenate([row.boxes for row in rows])
    of = np.repeat(np.arange(len(rows)), [len(row.ids) for row in rows])
    ids = np.concatenate([row.ids for row in rows])
    hit = overlap(now.ego, boxes) & (turn_between(boxes[:, 2], now.ego[2]) > _CROSSES_RAD)
    best = inf
    for identity in np.unique(ids[hit]).tolist():
        k = int(of[hit & (ids == identity)].max())
        if rows[k] is now:
            return 0.0
        was, then = rows[k].box_of(identity), rows[k + 1].box_of(identity)
        left = _left_us(rows[k].time_us, was, rows[k + 1].time_us, then, now.ego)
        before = past[-1] if past else None
        came = _came_us(None if before is None else (before.time_us, before.ego), now.time_us, now.ego, left.box)
        best = min(best, max(came - left.time_us, 0.0) / 1e6)
    return best


def _ego_first(past: tuple[_Past, ...], now: _Past, least_s: float) -> float:
    """The least time, s, since the ego left a place that somebody covers now."""
    rows = _recent(past, now, least_s)
    if not rows or not len(now.ids):
        return inf
    egos = np.array([row.ego for row in rows])
    best = inf
    apart = np.hypot(*(now.boxes[:, None, :2] - egos[None, :, :2]).transpose(2, 0, 1)).min(axis=1)
    reach = 0.5 * (np.hypot(now.boxes[:, 3], now.boxes[:, 4]) + np.hypot(now.ego[3], now.ego[4]))
    for i in np.flatnonzero(apart < reach).tolist():
        box = now.boxes[i]
        hit = overlap(box, egos) & (turn_between(egos[:, 2], box[2]) > _CROSSES_RAD)
        if not hit.any():
            continue
        k = int(np.flatnonzero(hit).max())
        then = rows[k + 1] if k + 1 < len(rows) else now
        left = _left_us(rows[k].time_us, rows[k].ego, then.time_us, then.ego, box)
        before = past[-1].box_of(int(now.ids[i]))
        came = _came_us(None if before is None else (past[-1].time_us, before), now.time_us, box, left.box)
        best = min(best, max(came - left.time_us, 0.0) / 1e6)
    return best


def _recent(past: tuple[_Past, ...], now: _Past, least_s: float) -> tuple[_Past, ...]:
    """Moments since which less time has passed than the least, and the one before them."""
    if least_s == inf:
        return past
    since = now.time_us - least_s * 1e6
    return tuple(row for row in past if row.time_us >= since - 100_000)


class _Left(NamedTuple):
    """When a place was left, us, and the box just before."""

    time_us: float
    box: np.ndarray


def _left_us(at_us: int, was: np.ndarray | None, then_us: int, then: np.ndarray | None, covered: np.ndarray) -> _Left:
    """When a box that overlapped the covered one at a moment did so last; at the next one it did not."""
    assert was is not None
    if then is None or np.hypot(*(then[:2] - was[:2])) > _JUMP_M:
        return _Left(at_us, was)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if overlap(covered, between(was, then, middle)[None])[0]:
            low = middle
        else:
            high = middle
    return _Left(at_us + low * (then_us - at_us), between(was, then, low))


def _came_us(before: tuple[int, np.ndarray] | None, now_us: int, now: np.ndarray, place: np.ndarray) -> float:
    """When a box first overlapped a place that it overlaps now, since the moment before."""
    if before is None or np.hypot(*(now[:2] - before[1][:2])) > _JUMP_M:
        return now_us
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if overlap(place, between(before[1], now, middle)[None])[0]:
            high = middle
        else:
            low = middle
    return before[0] + high * (now_us - before[0])
