"""Whether what a map file holds is a road network: kernels follow its indices without looking where they lead.

The hash of a file reveals damage. It does not reveal a writer who hashes what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from math import inf
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import LANE_WIDTH_M, MAP_AREA_M2
from uniscene_sim.maps.elements import COVER_KINDS, RoadNetwork
from uniscene_sim.maps.frame_origin import FARTHEST_M, REACH_M

__all__ = ["check_network"]

_FARTHEST_APART_M, _BESIDE_M, _LONGEST_S = 100.0, 1e4, 3600.0
_MOST_AREA_M2 = 1.025 * MAP_AREA_M2  # readers leave out what is beyond, and then round


def check_network(network: RoadNetwork) -> None:
    """Check types, shapes and indices of all elements.

    Raises:
        InputError: names the element and what was expected.
    """
    _check(network, type(network), "")
    lanes, signals = len(network.lanes), len(network.signals)
    if not lanes:
        raise InputError("expected at least one lane", field="lanes")
    for i, lane in enumerate(network.lanes):
        where = f"lanes[{i}]"
        n = len(lane.centre)
        if n < 2 or lane.centre.shape != (n, 3) or lane.heading.shape != (n,) or lane.width.shape != (n,):
            raise InputError("expected at least two samples of x, y, z, heading and width", field=where)
        if lane.profile.ndim != 2 or lane.profile.shape[1] < 2 or len(lane.profile) not in (0, n):
            raise InputError(f"expected none or {n} rows of at least two heights", field=f"{where}.profile")
        for name in ("left", "right", "opposite"):
            _check_indices((getattr(lane, name),), -1, lanes, f"{where}.{name}")
        _check_indices(lane.successors, 0, lanes, f"{where}.successors")
        _check_indices(lane.predecessors, 0, lanes, f"{where}.predecessors")
        _check_range(lane.width, LANE_WIDTH_M.least, LANE_WIDTH_M.most, f"{where}.width")
        _check_range([lane.speed_limit_mps, *(limit.mps for limit in lane.speed_changes)], 0.0, inf, f"{where}.speed")
    places = np.concatenate([lane.centre for lane in network.lanes])
    _check_extent(places)
    box = (places.min(axis=0) - _BESIDE_M, places.max(axis=0) + _BESIDE_M)
    for i, lane in enumerate(network.lanes):
        if (gap := float(np.diff(lane.s).max())) > _FARTHEST_APART_M:  # who looks for the nearest sample looks far
            raise InputError(f"expected samples about every metre, got some {gap:.0f} m apart", field=f"lanes[{i}]")
    for i, line in enumerate(network.stop_lines):
        _check_indices((line.lane,), 0, lanes, f"stop_lines[{i}].lane")
        _check_indices((line.signal,), -1, signals, f"stop_lines[{i}].signal")
        _check_shape(line.ends, (2, 3), f"stop_lines[{i}]")
        _check_beside(line.ends, box, f"stop_lines[{i}]")
    for i, signal in enumerate(network.signals):
        _check_indices(signal.lanes, 0, lanes, f"signals[{i}].lanes")
        _check_shape(signal.position, (3,), f"signals[{i}]")
        _check_beside(signal.position, box, f"signals[{i}]")
    for i, program in enumerate(network.programs):
        times = (program.green_s, program.yellow_s, program.all_red_s)
        _check_range(times, 0.0, _LONGEST_S, f"programs[{i}]")
        _check_range([sum(times)], 0.1, inf, f"programs[{i}]")
        for phase in program.phases:
            _check_indices(phase, 0, signals, f"programs[{i}].phases")
    for i, crossing in enumerate(network.crossings):
        _check_shape(crossing.polygon, (max(3, len(crossing.polygon)), 3), f"crossings[{i}]")
        _check_beside(crossing.polygon, box, f"crossings[{i}]")
        _check_range(np.ptp(crossing.polygon, axis=0), 0.0, LANE_WIDTH_M.most, f"crossings[{i}]: its size")
    for i, placed in enumerate(network.objects):
        _check_shape(placed.position, (3,), f"objects[{i}]")
        _check_beside(placed.position, box, f"objects[{i}]")
        _check_range(placed.size, 0.0, _BESIDE_M, f"objects[{i}].size")
    for i, cover in enumerate(network.covers):
        if cover.kind not in COVER_KINDS or not cover.rings:
            raise InputError(f"expected a ring, and {' or '.join(COVER_KINDS)}", field=f"covers[{i}]")
        for ring in cover.rings:
            _check_shape(ring, (max(3, len(ring)), 2), f"covers[{i}]")
            _check_range(ring, -2 * FARTHEST_M, 2 * FARTHEST_M, f"covers[{i}]")


def _check_indices(indices: Iterable[int], low: int, end: int, field: str) -> None:
    for index in indices:
        if not low <= index < end:
            raise InputError(f"expected indices from {low} to {end - 1}, got {shown(index)}", field=field)


def _check_range(values: np.ndarray | Sequence[float], low: float, high: float, field: str) -> None:
    least, most = np.min(values), np.max(values)
    if not (low <= least and most <= high):
        raise InputError(f"expected numbers from {low:g} to {high:g}, got {least:g} to {most:g}", field=field)


def _check_extent(places: np.ndarray) -> None:
    """Check places (N, 3), m, of all lanes."""
    spans = np.ptp(places, axis=0).tolist()
    if np.abs(places).max() > 2 * FARTHEST_M or max(spans) > 4 * REACH_M or spans[0] * spans[1] > _MOST_AREA_M2:
        told = " x ".join(f"{span / 1e3:.3g}" for span in spans)
        raise InputError(f"the lanes span {told} km, expected up to {_MOST_AREA_M2 / 1e6:g} km2", field="lanes")


def _check_beside(places: np.ndarray, box: tuple[np.ndarray, np.ndarray], field: str) -> None:
    if not ((box[0] <= places) & (places <= box[1])).all():
        raise InputError(f"expected places within {_BESIDE_M / 1e3:g} km of the lanes", field=field)


def _check_shape(array: np.ndarray, shape: tuple[int, ...], field: str) -> None:
    if array.shape != shape:
        raise InputError(f"expected an array of shape {shape}, got {array.shape}", field=field)


def _check(value: Any, wanted: Any, field: str) -> None:
    """Check the type of a value against an annotation, and of all that it holds; arrays and numbers must be finite,
    but for limits of speed."""
    options = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    if value is None and NoneType in options:
        return
    wanted = next(option for option in options if option is not NoneType)
    if wanted is np.ndarray:
        fits = isinstance(value, np.ndarray) and value.dtype == np.float64 and bool(np.isfinite(value).all())
    elif get_origin(wanted) is tuple:
        fits = isinstance(value, tuple)
    elif wanted is float:
        endless = isinstance(value, float) and value == inf and field.endswith("mps")
        fits = endless or (type(value) in (int, float) and abs(value) < inf)
    else:
        fits = type(value) is wanted or (is_dataclass(wanted) and is_dataclass(value))
    if not fits:
        name = getattr(wanted, "__name__", str(wanted)).replace("ndarray", "a finite array of float64")
        raise InputError(f"expected {name}, got {shown(value)}", field=field)
    if get_origin(wanted) is tuple:
        kinds = get_args(wanted)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        if len(kinds) != len(value):
            raise InputError(f"expected {len(kinds)} values, got {shown(value)}", field=field)
        for i, (inner, kind) in enumerate(zip(value, kinds, strict=True)):
            if kind is not str:
                _check(inner, kind, f"{field}[{i}]")
            elif not isinstance(inner, str):
                raise InputError(f"expected text, got {shown(inner)}", field=f"{field}[{i}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for name, kind in _hints(type(value)):
            _check(getattr(value, name), kind, f"{field}.{name}".lstrip("."))


@cache
def _hints(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields(kind))
