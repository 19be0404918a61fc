"""Lanes with more samples where they turn, so that their borders follow the arcs that the samples lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.maps.elements import Lane

__all__ = ["smooth_lanes"]

_OFF_M = 0.0015  # largest distance from a chord to its arc
_MOST_PIECES = 16
_BENT = 0.3  # rad, by which a chord may differ from the mean heading of its ends


def smooth_lanes(lanes: Sequence[Lane]) -> tuple[list[Lane], list[np.ndarray]]:
    """The lanes, and for each of its samples its place between the given ones: float64 (N,), 1.5 is midway between the
    second and the third."""
    pairs = [_smooth(lane) for lane in lanes]
    return [lane for lane, _ in pairs], [place for _, place in pairs]


def _smooth(lane: Lane) -> tuple[Lane, np.ndarray]:
    pieces = _pieces(lane)
    place = np.concatenate([k + np.arange(n) / n for k, n in enumerate(pieces)] + [[len(pieces)]])
    if pieces.max(initial=1) == 1:
        return lane, place
    k = np.minimum(place.astype(np.int64), len(pieces) - 1)
    u = (place - k)[:, None]
    # Cubic Hermite pieces: tangents as long as the chord follow an arc to the fourth order of its angle.
    chord = np.linalg.norm(np.diff(lane.centre[:, :2], axis=0), axis=1)[k][:, None]
    ahead = np.stack([np.cos(lane.heading), np.sin(lane.heading)], axis=1)
    turn = np.diff(lane.heading)[k][:, None]
    length = chord * (1.0 + turn * turn / 24.0)
    a, b = lane.centre[k, :2], lane.centre[k + 1, :2]
    xy = (
        (1 + 2 * u) * (1 - u) ** 2 * a + u * u * (3 - 2 * u) * b
        + length * u * (1 - u) * ((1 - u) * ahead[k] - u * ahead[k + 1])
    )  # fmt: skip
    at = np.arange(len(lane.width))
    z = np.interp(place, at, lane.centre[:, 2])
    heading, width = np.interp(place, at, lane.heading), np.interp(place, at, lane.width)
    columns = [np.interp(place, at, column) for column in lane.profile.T if len(column)]
    profile = np.stack(columns, axis=1) if columns else lane.profile
    centre = fixed(np.column_stack([xy, z]))
    return replace(lane, centre=centre, heading=heading, width=width, profile=profile), place


def _pieces(lane: Lane) -> np.ndarray:
    """Number of pieces of each interval between samples, int64 (N - 1,)."""
    step = np.diff(lane.centre[:, :2], axis=0)
    chord, turn = np.sqrt((step * step).sum(axis=1)), np.abs(np.diff(lane.heading))
    mean = 0.5 * (lane.heading[1:] + lane.heading[:-1])
    aligned = step[:, 0] * np.cos(mean) + step[:, 1] * np.sin(mean) > np.cos(_BENT) * chord
    outer = chord + 0.25 * (lane.width[1:] + lane.width[:-1]) * turn
    pieces = np.ceil(np.sqrt(outer * turn / 8 / _OFF_M) - 1e-6)
    return np.where(aligned & (turn < 1.0), np.clip(pieces, 1, _MOST_PIECES), 1).astype(np.int64)
