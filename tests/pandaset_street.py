"""A street in PandaSet's files, by arithmetic: a road, a wall beside it, and a car that drives ahead."""

import json
from pathlib import Path

import numpy as np

from uniscene_sim.datasets.pandaset_sweeps import LIDAR_AT
from uniscene_sim.rigs.lidar_makes import lidar_model

ROAD_Z, WALL_X, CAR = -0.27, 9.1, (1.8, 4.4, 1.6)  # the car's width, length and height
SPEED = 0.5  # m per frame, along y
WALL_READS, ROAD_READS = 100, 20
RINGS = slice(0, 64, 5)
_SENSOR = lidar_model("pandar64", "pandar64", LIDAR_AT)


def car_at(frame: int) -> np.ndarray:
    """Middle of the car's box, m."""
    return np.array([-2.0, 12.0 + 0.9 * frame, ROAD_Z + 0.5 * CAR[2]])


def write_street(folder: Path, frames: list[int], lost: float = 0.0) -> Path:
    """Write frames of a sequence; a share of the returns of the wall is missing."""
    for name in ("lidar", "meta", "cuboids"):
        (folder / name).mkdir(parents=True)
    times = [100.0 + 0.1 * k for k in range(80)]
    poses = [{"position": {"x": 0.0, "y": SPEED * k, "z": 0.0}, "heading": {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}}
             for k in range(80)]  # fmt: skip
    (folder / "lidar/poses.json").write_text(json.dumps(poses))
    for part in ("lidar", "meta"):
        (folder / part / "timestamps.json").write_text(json.dumps(times))
    rng = np.random.default_rng(3)
    for k in frames:
        box = {"uuid": "a", "label": "Car", "yaw": 0.0, "stationary": False, "cuboids.sensor_id": -1}
        box |= {f"position.{c}": v for c, v in zip("xyz", car_at(k).tolist(), strict=True)}
        box |= {f"dimensions.{c}": v for c, v in zip("xyz", CAR, strict=True)}
        (folder / f"cuboids/{k:02d}.json").write_text(json.dumps([box]))
        np.savez(folder / f"lidar/{k:02d}.npz", **_sweep(k, times[k], lost, rng))
    return folder


def _sweep(frame: int, time_s: float, lost: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    up, turn = np.meshgrid(_SENSOR.elevation_rad[RINGS], np.arange(1800) * 2 * np.pi / 1800, indexing="ij")
    rays = np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)], axis=-1).reshape(-1, 3)
    rays = rays @ LIDAR_AT.rotation.T
    origin = LIDAR_AT.position + np.array([0.0, SPEED * frame, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        road = np.where(rays[:, 2] < 0, (ROAD_Z - origin[2]) / rays[:, 2], np.inf)
        wall = np.where(rays[:, 0] > 0, (WALL_X - origin[0]) / rays[:, 0], np.inf)
        half = 0.5 * np.array(CAR)
        near = np.sort([(car_at(frame) + s * half - origin) / rays for s in (-1, 1)], axis=0)
    enter, leave = near[0].max(axis=1), near[1].min(axis=1)
    car = np.where((enter < leave) & (enter > 0), enter, np.inf)
    every = np.stack([road, wall, car])
    far, which = every.min(axis=0), every.argmin(axis=0)
    use = (far < 60.0) & (far > 2.5) & ~((which == 1) & (rng.random(len(far)) < lost))
    xyz = (origin + far[:, None] * rays)[use]
    at = np.round(origin, 2)
    return {
        "xyz_2cm": np.round((xyz - at) / 0.02).astype(np.int16),
        "origin": at,
        "intensity": np.choose(which[use], [ROAD_READS, WALL_READS, 50]).astype(np.uint8),
        "t0": np.float64(time_s),
        "t_100us": np.zeros(int(use.sum()), np.uint16),
        "label": np.choose(which[use], [7, 41, 13]).astype(np.uint8),
        "sensor": np.zeros(int(use.sum()), np.uint8),
    }
