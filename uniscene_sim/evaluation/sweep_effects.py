"""`uniscene-sim eval sweeps`: what real sweeps have beside range and noise, counted in PandaSet's and in ours.

The real ones are sequence 002 of PandaSet: a Pandar64 on a car in San Francisco. The effects of our sensors are
calibrated on its frames 0 to 55; frames 60 to 79 are held out from that, but they are of the same drive, sensor and
street. Ours are of the same sensor on a car as large, in streets of the scenario library, rounded to 2 cm as the real
ones are.

All shares are found the same way on both sides, by geometry alone, in the frame of the sensor when each beam fired. A
regular grid of azimuths does not serve: the real columns drift by whole steps in a sweep, and up to 5 % of the cells of
such a grid stay empty although no return is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from uniscene_sim.assembly import tile_store
from uniscene_sim.datasets.pandaset_sweeps import HELD_OUT, LIDAR_AT, TRAINED_ON
from uniscene_sim.errors import InputError
from uniscene_sim.frames import LidarSweep
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.lidar.raycast.effects import Effects
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.array_file import read_arrays
from uniscene_sim.storage.input_file import MIB, read_json, reading
from uniscene_sim.taxonomy import PointCause
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["CALIBRATION", "HELD_OUT", "SweepEffects", "SweepInSensor", "compare_effects", "count_effects", "read_drive"]

#: Frames of PandaSet's sequence 002.
CALIBRATION = TRAINED_ON
_ARRAYS = ("sensor", "t0", "t_100us", "xyz_2cm", "origin", "intensity", "label")  # of a sweep
_MOST_JSON = 16 * MIB
_UNIT_M = 0.02  # of the real points' coordinates
_NEAR_M = 2.5
_SURFACE_M = (14.0, 25.0)  # between which holes are counted; nearer, 2 cm are more than a step of azimuth
_MOST = 10  # missing beams in a row that are still a hole
_MINIVAN = EgoVehicle("minivan", 5.18, 2.02, 1.77, wheelbase_m=3.09, rear_axle_to_centre_m=1.5)
_STREETS, _MOMENTS_S = ("cut_in", "red_light", "cross_traffic", "child_from_behind_parked_car"), (2.0, 6.0)
_REFLECTION = 4  # PandaSet's class of points where nothing is, and of the ego's body


@dataclass(frozen=True)
class SweepEffects:
    """Effects in some sweeps."""

    name: str
    sweeps: int
    points: float  # per sweep
    near: float  # points per sweep closer than 2.5 m
    body: float  # of these, those on the ego itself, by their labels
    holes: float  # share of beams that are missing between two of the same surface, 14 to 25 m away
    dark: float  # share of points of intensity 0
    saturated: float  # share of points of intensity 255
    behind: float  # share of points behind a surface: up to three in a row between two that are nearer
    ghosts: float  # share of points that are so labelled


class SweepInSensor(NamedTuple):
    """N points in the frame of the sensor when each was measured."""

    xyz: np.ndarray  # float64 (N, 3) m
    intensity: np.ndarray  # (N,) 0 to 255
    ghost: np.ndarray  # bool (N,), labelled as a ghost
    body: np.ndarray  # bool (N,), labelled as the ego


def read_drive(folder: str | Path, frames: Iterable[int]) -> Iterator[SweepInSensor]:
    """Sweeps of the spinning LiDAR of PandaSet's sequence 002, with the compensation for the ego's motion undone.

    Args:
        folder: with `lidar/NN.npz`, `lidar/poses.json` and `meta/timestamps.json`.
        frames: their numbers; missing ones are left out.

    Raises:
        InputError: a file cannot be read, or there is none of the frames.
    """
    folder = Path(folder)
    poses = read_json(folder / "lidar/poses.json", _MOST_JSON, "poses of PandaSet")
    times = read_json(folder / "meta/timestamps.json", _MOST_JSON, "times of PandaSet")
    with reading(folder / "lidar/poses.json", "poses of PandaSet, one for each time"):
        stamps = np.array(times, np.float64)
        heading = np.array([[p["heading"][k] for k in "xyzw"] for p in poses], np.float64)
        position = np.array([[p["position"][k] for k in "xyz"] for p in poses], np.float64)
        turn, found = Slerp(stamps, Rotation.from_quat(heading)), False
    for frame in frames:
        file = folder / f"lidar/{frame:02d}.npz"
        if not file.exists():
            continue
        found = True
        data = read_arrays(file, _ARRAYS, "a sweep of PandaSet")
        with reading(file, "a sweep of PandaSet"):
            of = data["sensor"] == 0
            time_s = np.clip(data["t0"] + data["t_100us"][of] * 1e-4, stamps[0], stamps[-1])
            world = data["xyz_2cm"][of] * _UNIT_M + data["origin"]
            intensity, label = data["intensity"][of], data["label"][of]
            at = np.stack([np.interp(time_s, stamps, position[:, k]) for k in range(3)], axis=1)
            xyz = (turn(time_s).inv().apply(world - at) - LIDAR_AT.position) @ LIDAR_AT.rotation
        near = np.linalg.norm(xyz, axis=1) < _NEAR_M
        yield SweepInSensor(xyz, intensity, (label == _REFLECTION) & ~near, (label == _REFLECTION) & near)
    if not found:
        raise InputError("holds none of the frames", file=folder / "lidar")


def compare_effects(folder: str | Path | None = None) -> list[SweepEffects]:
    """Rows of real sweeps, those of the calibration and those held out, and of ours without and with effects.

    Args:
        folder: of PandaSet's sequence 002; None: only ours.

    Raises:
        InputError: it cannot be read.
    """
    sensor = replace(PRESETS["pandaset"]().lidars[0], deskewed=False)
    rows = []
    if folder is not None:
        rows += [
            count_effects(name, read_drive(folder, frames), sensor)
            for name, frames in (("real, calibration", CALIBRATION), ("real, held out", HELD_OUT))
        ]
    views = list(_views(sensor.max_range_m))
    for name, chosen in (("ours, without effects", Effects("none")), ("ours", Effects())):
        engine = RaycastLidar(options=chosen)
        made = [engine.step(None, [view], [sensor])[1][0][sensor.name] for view in views]
        rows.append(count_effects(name, map(_as_recorded, made), sensor))
    return rows


def count_effects(name: str, sweeps: Iterable[SweepInSensor], sensor: LidarSpec) -> SweepEffects:
    """The effects in sweeps of one sensor.

    Args:
        name: of the row.
        sweeps: at least one.
        sensor: its beams.
    """
    counts = np.array([_count(sweep, sensor) for sweep in sweeps], np.float64)
    points, near, body, surface, holes, dark, saturated, behind, ghosts = counts.sum(axis=0).tolist()
    n = len(counts)
    return SweepEffects(name, n, points / n, near / n, body / n, holes / max(surface + holes, 1),
                        dark / points, saturated / points, behind / points, ghosts / points)  # fmt: skip


def _count(sweep: SweepInSensor, sensor: LidarSpec) -> list[int]:
    """Numbers of points, near ones, those on the ego, neighbours on a surface, beams missing between them, dark,
    saturated and hidden points, and ghosts."""
    far = np.maximum(np.linalg.norm(sweep.xyz, axis=1), 1e-3)
    elevation = np.arcsin(np.clip(sweep.xyz[:, 2] / far, -1.0, 1.0))
    ring = np.abs(elevation[:, None] - np.array(sensor.elevation_rad)).argmin(axis=1)
    azimuth = np.arctan2(sweep.xyz[:, 1], sweep.xyz[:, 0]) * sensor.azimuth_steps / (2.0 * np.pi)
    order = np.lexsort((azimuth, ring))
    r, g, a = far[order], ring[order], azimuth[order]  # azimuth in steps
    one = _same_surface(r, g, a, 1) & (np.minimum(r[1:], r[:-1]) > _SURFACE_M[0])
    missing = np.maximum(np.round(a[1:] - a[:-1])[one] - 1, 0)
    hidden = np.zeros(len(r), np.bool_)
    for run in (1, 2, 3):
        sides = _same_surface(r, g, a, run + 1)
        edge = 1.05 * np.maximum(r[: -run - 1], r[run + 1 :]) + 1.0
        for k in range(1, run + 1):
            sides &= r[k : len(r) - run - 1 + k] > edge
        for k in range(1, run + 1):
            hidden[k : len(r) - run - 1 + k] |= sides
    of = (sweep.intensity == 0, sweep.intensity == 255, hidden, sweep.ghost)
    counts = [len(r), np.count_nonzero(far < _NEAR_M), np.count_nonzero(sweep.body), len(missing), missing.sum()]
    return [int(n) for n in (*counts, *map(np.count_nonzero, of))]


def _same_surface(r: np.ndarray, g: np.ndarray, a: np.ndarray, apart: int) -> np.ndarray:
    """Whether points that are `apart` in the order of their rings lie on one near surface, bool (N - apart,).

    Args:
        r: ranges (N,) m.
        g: rings (N,).
        a: azimuths (N,), in steps between columns.
        apart: number of points.
    """
    x, y = r[:-apart], r[apart:]
    near = (np.minimum(x, y) > _NEAR_M) & (np.maximum(x, y) < _SURFACE_M[1])
    smooth = np.abs(x - y) < 0.05 * np.minimum(x, y) + 0.05
    together: np.ndarray = near & smooth & (g[:-apart] == g[apart:]) & (a[apart:] - a[:-apart] < apart + _MOST + 0.5)
    return together


def _as_recorded(sweep: LidarSweep) -> SweepInSensor:
    """One of our sweeps, rounded as PandaSet's are."""
    cause = np.zeros(len(sweep.xyz), np.uint8) if sweep.cause is None else sweep.cause
    xyz = np.round(sweep.xyz.astype(np.float64) / _UNIT_M) * _UNIT_M
    return SweepInSensor(xyz, np.round(255.0 * sweep.intensity).astype(np.uint8), cause == PointCause.GHOST,
                         cause == PointCause.EGO)  # fmt: skip


def _views(max_range_m: float) -> Iterator[WorldView]:
    """Moments in streets, driven by the scenarios' drivers, with a minivan for the ego."""
    for street in _STREETS:
        source = ScenarioSource.open(street)
        atlas, history = TileAtlas(tile_store("procedural", source.map, source.seed)), [source.reset()]
        for moment in _MOMENTS_S:
            while history[-1].stamp_us < moment * 1e6:
                history += source.step(source.driver_control(), 100_000)
            atlas.update(history[-1].ego_pose.x, history[-1].ego_pose.y, max_range_m + 8.0)
            yield WorldView(replace(history[-1], ego_vehicle=_MINIVAN), tuple(history[-12:-1]), atlas)
