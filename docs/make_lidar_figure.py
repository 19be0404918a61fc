"""Compares our LiDARs with real ones and draws `docs/lidar.png`: ranges, rings, intensities and drop-out.

    python docs/make_lidar_figure.py DATA_FOLDER

DATA_FOLDER holds recorded sweeps: `pandaset/*.bin` (float32 x, y, z, intensity of a Pandar64) and
`ouster/*.pcap` with the metadata `*.json` of their units beside them. Ours are of streets of the scenario library, in
clear weather. The places differ, and the OS0 was under a roof, which our streets do not have.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from uniscene_sim.frames import LidarSweep
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.lidar_makes import LIDAR_MODELS, lidar_model
from uniscene_sim.rigs.ouster import ouster_beams
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.scenario_source import ScenarioSource

OUT = Path(__file__).with_name("lidar.png")
STREETS = ("cut_in", "red_light", "cross_traffic", "child_from_behind_parked_car")
MOMENTS_S = (2.0, 6.0)
#: Pose of the Pandar64 in PandaSet's points, m and rad, with which its beam table fits the sweep of the parked car to
#: hundredths of a degree.
PANDAR = Pose(0.26, -0.07, 1.876, roll=-0.0016, pitch=-0.0108)


#: Properties in which an OS0 differs from an OS1.
OS0 = {"min_range_m": 0.3, "max_range_m": 75.0, "detect_range_m": 35.0, "divergence_rad": 6.1e-3}


@dataclass(frozen=True)
class Points:
    """Points of one or more sweeps as the figure needs them."""

    title: str
    distance: np.ndarray  # (N,) m
    ring: np.ndarray  # (N,), 0 lowest
    intensity: np.ndarray  # (N,), 0..255
    beams: int  # fired for each ring


def pandaset(folder: Path, spec: LidarSpec) -> Points:
    """Points of PandaSet, with rings derived from elevation, which motion compensation blurs where the car moved."""
    files = sorted(folder.glob("*.bin"))
    points = np.concatenate([np.fromfile(f, np.float32).reshape(-1, 4) for f in files])
    at = (points[:, :3] - PANDAR.position) @ PANDAR.rotation
    distance = np.linalg.norm(at, axis=1)
    ring = np.abs(np.arcsin(at[:, 2] / distance)[:, None] - np.array(spec.elevation_rad)).argmin(axis=1)
    return Points("PandaSet", distance, ring, points[:, 3], spec.azimuth_steps * len(files))


def ouster(path: Path) -> Points:
    """All points of a pcap of one Ouster frame, with the metadata beside it."""
    meta = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    rows = len(meta["beam_altitude_angles"])
    legacy = meta["data_format"].get("udp_profile_lidar", "LEGACY") == "LEGACY"
    # head of the packet and of a column, bytes a pixel and after a column, ranges: mask, unit in m
    head, column_head, pixel, column_tail, mask, unit = (
        (0, 16, 12, 4, 0xFFFFF, 1e-3) if legacy else (32, 12, 4, 0, 0x7FFF, 8e-3)
    )
    columns = []
    for payload in packets(path):
        stride = column_head + rows * pixel + column_tail
        for c in range(meta["data_format"]["columns_per_packet"]):
            start = head + c * stride + column_head
            cells = np.frombuffer(payload[start : start + rows * pixel], np.uint8).reshape(rows, pixel)
            word = cells[:, : 4 if legacy else 2].astype(np.uint32)
            far = (word << (8 * np.arange(word.shape[1], dtype=np.uint32))).sum(axis=1) & mask
            columns.append((far * unit, cells[:, 4 if legacy else 2]))
    distance, intensity = (np.array(x) for x in zip(*columns, strict=True))
    column, row = np.nonzero(distance)
    return Points(meta["prod_line"], distance[column, row], rows - 1 - row, intensity[column, row], len(columns))


def packets(path: Path) -> Iterator[bytes]:
    """Payloads of a pcap's UDP packets, those of the commonest length."""
    data, found = path.read_bytes(), []
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    at = 24
    while at < len(data):
        (size,) = struct.unpack_from(order + "8xI4x", data, at)
        found.append(data[at + 16 + 42 : at + 16 + size])  # Ethernet, IP and UDP have 42 bytes
        at += 16 + size
    lengths = [len(p) for p in found]
    wanted = max(set(lengths), key=lambda n: n * lengths.count(n))
    return (p for p in found if len(p) == wanted)


def views() -> Iterator[WorldView]:
    """Views of the streets at `MOMENTS_S`."""
    for street in STREETS:
        source = ScenarioSource.open(street)
        occupancy = ProceduralOccupancy(source.map, source.seed)
        atlas, history = TileAtlas(TileStore(occupancy)), [source.reset()]
        for moment in MOMENTS_S:
            while history[-1].stamp_us < moment * 1e6:
                history += source.step(source.driver_control(), 100_000)
            atlas.update(history[-1].ego_pose.x, history[-1].ego_pose.y, 208.0)
            yield WorldView(history[-1], tuple(history[-12:-1]), atlas)


def ours(specs: list[LidarSpec]) -> list[Points]:
    """Our sweeps of the streets."""
    engine = RaycastLidar()
    sweeps: list[list[LidarSweep]] = [[] for _ in specs]
    for view in views():
        (made,) = engine.step(None, [view], specs)[1]
        for kept, spec in zip(sweeps, specs, strict=True):
            kept.append(made[spec.name])
    return [
        Points(
            f"ours: {spec.name}",
            np.concatenate([np.linalg.norm(s.xyz, axis=1) for s in kept]),
            np.concatenate([s.ring for s in kept]),
            255 * np.concatenate([s.intensity for s in kept]),
            spec.azimuth_steps * len(kept),
        )
        for kept, spec in zip(sweeps, specs, strict=True)
    ]


def draw(rows: list[tuple[Points, Points]], path: Path) -> None:
    figure, axes = plt.subplots(len(rows), 4, figsize=(15, 3.1 * len(rows)), layout="constrained")
    for line, pair in zip(axes, rows, strict=True):
        for points, colour in zip(pair, ("#333333", "#d95f02"), strict=True):
            rings = max(int(p.ring.max()) for p in pair) + 1
            returned = np.bincount(points.ring, minlength=rings) / points.beams
            style = {"histtype": "step", "density": True, "color": colour, "label": points.title}
            line[0].hist(points.distance, np.geomspace(0.7, 200, 60), **style | {"density": False, "weights": np.full(
                len(points.distance), 1 / len(points.distance))})  # fmt: skip
            line[1].plot(np.arange(rings), returned / returned.sum(), color=colour, drawstyle="steps-mid")
            line[2].hist(points.intensity, np.arange(0, 257, 4), **style)
            line[3].plot(np.arange(rings), np.clip(1 - returned, 0, 1), color=colour, drawstyle="steps-mid")
        line[0].legend(frameon=False, loc="upper left", fontsize=9)
        for axis, label in zip(line, ("range, m", "ring, 0 lowest", "intensity", "ring, 0 lowest"), strict=True):
            axis.set_xlabel(label)
        line[0].set(xscale="log", ylabel="share of points")
        line[1].set(ylim=(0, None), ylabel="share of points")
        line[2].set(yscale="log", ylabel="density")
        line[3].set(ylim=(0, 1), ylabel="share of beams without return")
    with output_file(path) as part:
        figure.savefig(part, dpi=80)


def main(folder: Path) -> None:
    pandar = lidar_model("pandar64", "Pandar64", Pose(0.9, 0.0, 1.88))
    specs, real = [pandar], [pandaset(folder / "pandaset", pandar)]
    for path in sorted((folder / "ouster").glob("*.pcap")):
        real.append(ouster(path))
        beams = LIDAR_MODELS["os1-128"] | ouster_beams(path.with_suffix(".json"))
        if real[-1].title.startswith("OS-0"):
            beams |= OS0
        specs.append(LidarSpec(real[-1].title, Pose(0.9, 0.0, 1.9), **beams))
    draw(list(zip(real, ours(specs), strict=True)), OUT)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
