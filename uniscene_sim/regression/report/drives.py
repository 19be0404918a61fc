"""The drive of a result as numbers for the page: where ego and others were, and curves, thinned.

The shapes are those that the page of a recording draws (`recording.page`): times in ms, places in cm, angles in mrad.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from uniscene_sim.layout import EgoVehicle
from uniscene_sim.recording.page.drive import as_integers, class_name
from uniscene_sim.recording.page.ground import bends, flat
from uniscene_sim.regression.results import CaseResult

__all__ = ["NEAR_M", "drive_of"]

#: How far from the ego others and the map are shown.
NEAR_M = 60.0
_PICTURE_S, _PICTURES = 0.2, 600  # between two moments of the map, and how many at most
_CURVE_S, _POINTS = 0.1, 1200
_STANDS = 0.01  # m, rad


def drive_of(result: CaseResult, vehicle: EgoVehicle) -> dict[str, Any] | None:
    """What the page shows of a drive; None if it left no place of the ego.

    Args:
        result: series and tracks of it are used as far as they are finite.
        vehicle: the ego's body.
    """
    series = result.series
    ticks = np.flatnonzero(np.isfinite([series[name] for name in ("time_s", "x", "y", "yaw")]).all(axis=0))
    if not len(ticks):
        return None
    begin_s, end_s = float(series["time_s"][ticks[0]]), float(series["time_s"][ticks[-1]])
    shown = ticks[_first_of_each(series["time_s"][ticks], max(_PICTURE_S, (end_s - begin_s) / _PICTURES))]
    shown = np.unique(np.append(shown, ticks[-1]))
    ego = series[shown]
    route = result.route[np.isfinite(result.route).all(axis=1)] if len(result.route) else np.zeros((0, 2))
    return {
        "t": _milliseconds(ego["time_s"], begin_s),
        "end": _milliseconds(np.array([end_s]), begin_s)[0],
        "ego": {
            "x": as_integers(ego["x"], 100), "y": as_integers(ego["y"], 100), "yaw": as_integers(ego["yaw"], 1000),
            "size": [vehicle.length_m, vehicle.width_m, 0.0],
        },
        "agents": list(_agents(result, shown)),
        "signals": [],
        "route": flat(route[bends(route)]) if len(route) > 1 else [],
        "curves": _curves(series[ticks], begin_s),
        "moments": [
            None if v.moment_s is None or not np.isfinite(v.moment_s)
            else min(max(round((v.moment_s - begin_s) * 1000), 0), round((end_s - begin_s) * 1000))
            for v in result.violations
        ],
    }  # fmt: skip


def _curves(series: np.ndarray, begin_s: float) -> dict[str, Any]:
    """Speeds (cm/s) and times to collision (ms), of each time the least until the next one."""
    times = series["time_s"]
    first = _first_of_each(times, max(_CURVE_S, (times[-1] - times[0]) / _POINTS))
    finite = {name: np.where(np.isfinite(series[name]), series[name], np.inf) for name in ("ttc_s", "limit_mps")}
    return {
        "t": _milliseconds(times[first], begin_s),
        "v": _there(series["speed_mps"][first], 100),
        "limit": _there(finite["limit_mps"][first], 100),
        "ttc": _there(np.minimum.reduceat(finite["ttc_s"], first), 1000),
    }


def _agents(result: CaseResult, shown: np.ndarray) -> Iterator[dict[str, Any]]:
    """Others near the ego at the ticks `shown`, a piece for each stay; one that stands has one place."""
    series, tracks = result.series, result.tracks
    moment_of = np.full(len(series) + 1, -1)  # the last one takes what has no tick in the series
    moment_of[shown] = np.arange(len(shown))
    tick = np.where((tracks["tick"] >= 0) & (tracks["tick"] < len(series)), tracks["tick"], len(series))
    moment = moment_of[tick]
    places = np.isfinite([tracks[name] for name in ("x", "y", "yaw", "length", "width")]).all(axis=0)
    kept = np.flatnonzero((moment >= 0) & places)
    rows, moment, ego = tracks[kept], moment[kept], series[tick[kept]]
    near = np.hypot(rows["x"] - ego["x"], rows["y"] - ego["y"]) < NEAR_M
    rows, moment = rows[near], moment[near]
    order = np.lexsort((moment, rows["id"]))
    rows, moment = rows[order], moment[order]
    ends = np.flatnonzero((np.diff(rows["id"]) != 0) | (np.diff(moment) != 1)) + 1
    for stay in np.split(np.arange(len(rows)), ends) if len(rows) else []:
        yield _stay(rows[stay], int(moment[stay[0]]), series["time_s"][shown[moment[stay]]])


def _stay(rows: np.ndarray, begin: int, times: np.ndarray) -> dict[str, Any]:
    stands = all(np.ptp(rows[name]) < _STANDS for name in ("x", "y", "yaw"))
    speed = np.zeros(len(rows))
    if not stands:
        speed[1:] = np.hypot(np.diff(rows["x"]), np.diff(rows["y"])) / np.maximum(np.diff(times), 1e-3)
        speed[0] = speed[1]
    kept = slice(0, 1) if stands else slice(None)
    return {
        "id": int(rows["id"][0]), "cls": class_name(int(rows["cls"][0])), "at": begin, "n": len(rows),
        "size": [round(float(rows[name][0]), 2) for name in ("length", "width")],
        "x": as_integers(rows["x"][kept], 100), "y": as_integers(rows["y"][kept], 100),
        "yaw": as_integers(rows["yaw"][kept], 1000), "v": as_integers(speed[kept], 100),
    }  # fmt: skip


def _first_of_each(times: np.ndarray, step_s: float) -> np.ndarray:
    """Indices of the first of each piece of `step_s` of times (N,) that rise."""
    piece = np.floor((times - times[0]) / step_s + 1e-6)
    return np.flatnonzero(np.diff(piece, prepend=-1.0) > 0)


def _milliseconds(times: np.ndarray, begin_s: float) -> list[int]:
    return as_integers(times - begin_s, 1000)


def _there(values: np.ndarray, scale: float) -> list[int | None]:
    """Numbers in units of 1 / `scale`, None for those that are not finite."""
    return [round(value * scale) if np.isfinite(value) else None for value in values.tolist()]
