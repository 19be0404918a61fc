"""Held-out drives through real towns, and drives that were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.datasets.drives import moment_layout, plan_seed, sample_drives, window_arrays
from uniscene_sim.datasets.formats.street import Moment, SeenStreet
from uniscene_sim.datasets.formats.street_windows import street_arrays
from uniscene_sim.datasets.real_towns import town_name, town_squares
from uniscene_sim.datasets.windows import Windows
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.over_time.drives import PERIOD_S, DriveSet, TestDrive
from uniscene_sim.evaluation.remade_maps import Origin
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.layout import CONDITION_CHANNELS, STATIC_CHANNELS, Style
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.temporal.canvas import columns_at

__all__ = ["make_town_drives", "recorded_drives"]

_FEWEST = 4  # moments: two that are told, and forecasts of a second
_AROUND_M = 60.0  # of a recorded drive, that is painted


def make_town_drives(file: Path, count: int, seconds: float) -> DriveSet:
    """Drives through parts of a real town, whose houses stand where its plan has them.

    Args:
        file: of the town, see `load_map`.
        count: of drives, each through another part.
        seconds: length of a drive.

    Raises:
        InputError: the file is no map with lanes.
    """
    town = load_map(file)
    if not isinstance(town, VectorMap):
        raise InputError("expected a map with lanes", file=file, argument="maps")
    frames, drives = round(seconds / PERIOD_S) + 1, []
    for square in town_squares(town, town_name(file), count):
        samples = list(sample_drives(square.part, square.seed, frames, sequence=frames))
        arrays: dict[str, Any] = window_arrays(square.part, iter(samples), "")
        arrays.pop("maker")
        layouts = [moment_layout(one.stamp_us, one.pose, one.agents, square.seed, Style()) for one in samples]
        origin = Origin(file, plan_seed(square.seed, 0), (square.x, square.y, square.half_m))
        drives.append(TestDrive(square.seed, square.part, origin, layouts, Windows(**arrays, maker=""), samples))
    return DriveSet(f"{count} drives in {town_name(file)}", drives)


def recorded_drives(street: SeenStreet) -> DriveSet:
    """The drive of a recording at 2 Hz, beginning at each of its moments in the first half second. What is around the
    road is known where it was seen.

    Args:
        street: labelled.

    Raises:
        InputError: it is shorter than a second and a half, or a sweep cannot be read.
    """
    stamps = np.array([moment.stamp_us for moment in street.moments])
    step = max(round(PERIOD_S * 1e6 / float(np.median(np.diff(stamps)))), 1) if len(stamps) > 1 else 1
    if len(stamps) <= (_FEWEST - 1) * step:
        raise InputError(f"{street.name}: expected at least {PERIOD_S * (_FEWEST - 1)} s, got {len(stamps)} moments")
    arrays: dict[str, Any] = street_arrays(street, street.moments)
    of_windows = {field.name: arrays[field.name] for field in fields(Windows) if field.name in arrays}
    windows = Windows(**of_windows | {"maker": street.maker})
    painted = _painted(street.name, windows)
    drives = [_every(street.moments, windows, painted, first, step) for first in range(step)]
    return DriveSet(f"{street.maker} {street.name}", [drive for drive in drives if len(drive) >= _FEWEST], seen=True)


def _every(moments: Sequence[Moment], windows: Windows, painted: PaintedMap, first: int, step: int) -> TestDrive:
    """The drive of one moment out of some."""
    at = np.arange(first, len(moments), step)
    voxels = np.isin(windows.agents_window, at)
    kept = Windows(
        windows.labels[at], windows.layout[at], np.searchsorted(at, windows.agents_window[voxels]).astype(np.int32),
        windows.agents_voxel[voxels], windows.agents_label[voxels], windows.pose[at], windows.sequence[at],
        windows.stamp_us[at], windows.observed[at], windows.maker,
    )  # fmt: skip
    layouts = [moment_layout(m.stamp_us, m.pose, m.agents, 0, Style()) for m in moments[first::step]]
    return TestDrive(0, painted, None, layouts, kept)


def _painted(name: str, windows: Windows) -> PaintedMap:
    """A flat map of the layouts of all windows, cell by cell."""
    cell = GENERATED_GRID.voxel_m / 2
    low = np.floor(windows.pose[:, :2].min(axis=0) - _AROUND_M)
    size = np.ceil((windows.pose[:, :2].max(axis=0) + _AROUND_M - low) / cell).astype(int)
    grid = GridSpec(cell, (*size.tolist(), 1), (0.0, 0.0, -1.0))
    bits = np.zeros(grid.shape[:2], np.uint32)
    for pose, layout in zip(windows.pose, windows.layout, strict=True):
        x, y, z, yaw = pose.tolist()
        at = columns_at(Pose(float(low[0]), float(low[1]), z), grid, Pose(x, y, z, yaw=yaw), GENERATED_GRID)
        bits |= at.of(layout)
    rows = [CONDITION_CHANNELS.index(channel) for channel in STATIC_CHANNELS]
    raster = np.stack([(bits >> np.uint32(row)) & 1 for row in rows]).astype(np.bool_)
    there = np.flatnonzero(raster.any(axis=(1, 2)))
    names = tuple(STATIC_CHANNELS[row] for row in there.tolist())
    return PaintedMap(name, names, raster[there], cell, (float(low[0]), float(low[1])))
