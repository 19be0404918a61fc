"""Sampling of windows along drives through towns with traffic, and the files written of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.compute.processes import in_processes
from uniscene_sim.datasets.props import scatter_props, without_overlapping
from uniscene_sim.datasets.windows import SEEDED
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Style
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.occupancy.dense_labels import column_heights, condition_layout, window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.occupancy.window import stamp_agent
from uniscene_sim.scenario import EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.storage.interrupts import deferred_signals
from uniscene_sim.storage.output_file import told
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["SPLITS", "DriveSample", "check_split", "make_carla_data", "make_data", "map_arrays", "moment_labels",
           "moment_layout", "plan_seed", "sample_drives", "square_arrays", "window_arrays"]  # fmt: skip

#: Seeds of the towns of each split; the splits are disjoint.
SPLITS = {"train": range(0, 10_000), "validation": range(10_000, 20_000), "test": range(20_000, 30_000)}
SEQUENCE = 6  # windows per drive
_STEP_US, _DECIDE_US = 500_000, 100_000
_DENSITIES = ((0.0, 0), (4.0, 6), (8.0, 14), (14.0, 25), (22.0, 40))  # vehicles per km, number of pedestrians


@dataclass(frozen=True)
class DriveSample:
    """One window of a drive."""

    sequence: int  # index of the drive
    stamp_us: int
    pose: Pose  # map <- base_link
    objects: np.ndarray  # PLAN_DTYPE, houses and plants of the town
    agents: np.ndarray  # AGENT_DTYPE


def sample_drives(
    static_map: StaticMap, seed: int, windows: int, signal_heads: bool = False, sequence: int = SEQUENCE
) -> Iterator[DriveSample]:
    """Windows at 2 Hz along drives through a map, reproducible by seed.

    Two drives share a plan of houses and plants; each has its own traffic, and every fifth leads over open country.

    Args:
        static_map: the map.
        seed: of the drives.
        windows: how many.
        signal_heads: whether the heads of traffic lights are among the agents: cameras see them.
        sequence: windows of each drive.
    """
    objects = np.zeros(0)
    for n in range(-(-windows // sequence)):
        rng = np.random.default_rng([seed, n, 8])
        if n % 2 == 0:
            objects = plan_map(static_map, plan_seed(seed, n))
        way = _open_country(static_map, rng) if n % 5 == 4 else _drive(static_map, 1000 * seed + n, rng)
        moments = list(islice(way, sequence))
        props = scatter_props(static_map, np.array([[p.x, p.y] for _, p, _ in moments]), rng)
        for stamp_us, pose, agents in moments[: windows - n * sequence]:
            is_head = agents["cls"] == AgentClass.SIGNAL_HEAD
            there = agents[~is_head]
            there = np.concatenate([there, without_overlapping(props, there, pose)])
            if signal_heads:
                there = np.concatenate([there, agents[is_head]])
            yield DriveSample(n, stamp_us, pose, objects, there)


def moment_layout(stamp_us: int, pose: Pose, agents: np.ndarray, seed: int, style: Style) -> LayoutFrame:
    """The layout of a single moment, whose ego stands.

    Args:
        stamp_us: its time.
        pose: of the ego.
        agents: AGENT_DTYPE.
        seed: of the world.
        style: weather and hour.
    """
    return LayoutFrame(
        stamp_us, pose, np.zeros(3), 0.0, 0.0, 0.0, EgoVehicle(), agents, np.zeros(0, np.uint8), np.zeros((0, 3)), "",
        seed, style=style,
    )  # fmt: skip


def plan_seed(seed: int, sequence: int) -> int:
    """Seed of the plan of houses and plants that a drive has; two drives share one.

    Args:
        seed: of `sample_drives`.
        sequence: number of the drive.
    """
    return 1000 * seed + sequence // 2 * 2


def _drive(static_map: StaticMap, seed: int, rng: np.random.Generator) -> Iterator[tuple[int, Pose, np.ndarray]]:
    """Stamps, ego poses and agents of a drive from a random start; over open country if the map has no start."""
    vehicles, people = _DENSITIES[int(rng.integers(len(_DENSITIES)))]
    ego = EgoSpec(Spawn(random=True), speed_mps=rng.uniform(0.0, 10.0), target_speed_mps=rng.uniform(6.0, 22.0))
    scenario = Scenario("drive", Path(), seed, 3600.0, ego, traffic=TrafficSpec(vehicles, people))
    try:
        source = ScenarioSource(scenario, static_map)
    except InputError:
        yield from _open_country(static_map, rng)
        return
    frame = source.reset()
    for k in count():
        for _ in range(int(rng.integers(0, 30)) if k == 0 else _STEP_US // _DECIDE_US):
            frame = source.step(source.driver_control(), _DECIDE_US)[-1]
        yield frame.stamp_us, frame.ego_pose, frame.agents


def _open_country(static_map: StaticMap, rng: np.random.Generator) -> Iterator[tuple[int, Pose, np.ndarray]]:
    """Stamps, ego poses and no agents of a straight drive over open ground beside a road."""
    points = static_map.road_points()
    x, y = points[int(rng.integers(len(points)))]
    away, yaw, speed = rng.uniform(0, 2 * np.pi), rng.uniform(-np.pi, np.pi), rng.uniform(0.0, 8.0)
    distance = rng.uniform(15.0, 70.0)
    x, y = x + distance * np.cos(away), y + distance * np.sin(away)
    nobody = np.zeros(0, dtype=AGENT_DTYPE)
    for k in count():
        gone = 0.5 * k * speed
        px, py = x + gone * np.cos(yaw), y + gone * np.sin(yaw)
        z = static_map.surface_height(np.array([px]), np.array([py]), np.array([0.0]))[0]
        yield k * _STEP_US, Pose(float(px), float(py), float(z), yaw=float(yaw)), nobody


# --- files ------------------------------------------------------------------------------------------------------------


def check_split(split: str, seeds: Sequence[int]) -> None:
    """Make sure that seeds of towns belong to a split.

    Raises:
        InputError: no such split, or a seed of another.
    """
    if split not in SPLITS:
        raise InputError(f"no split {split!r}, expected one of {', '.join(SPLITS)}", field="split")
    if (wrong := next((seed for seed in seeds if seed not in SPLITS[split]), None)) is not None:
        low, high = SPLITS[split].start, SPLITS[split].stop - 1
        raise InputError(f"seed {wrong} is not of {split}, expected {low} to {high}", field="seeds")


def make_data(out: str | Path, split: str, seeds: Sequence[int], windows_per_town: int = 30, jobs: int = 1) -> None:
    """Write windows of towns to `out/split/town_<seed>.npz`; existing files are kept.

    Args:
        out: folder of the data.
        split: of `SPLITS`.
        seeds: of the towns.
        windows_per_town: number of windows.
        jobs: processes.

    Raises:
        InputError: no such split, or a seed that belongs to another.
    """
    check_split(split, seeds)
    makers = [partial(make_town, seed) for seed in seeds]
    _write_all(makers, Path(out) / split, seeds, [None] * len(seeds), SEEDED, windows_per_town, jobs)


def make_carla_data(out: str | Path, folder: str | Path, windows_per_town: int = 12, jobs: int = 1) -> None:
    """Write windows of all OpenDRIVE maps in a folder to `out/carla/town_<n>.npz`, n by the order of their paths.

    Args:
        out: folder of the data.
        folder: searched for `.xodr` files.
        windows_per_town: number of windows.
        jobs: processes.

    Raises:
        InputError: a map that is damaged.
    """
    files = files_in(folder, "**/*.xodr")
    makers = [partial(load_map, file) for file in files]
    _write_all(makers, Path(out) / "carla", range(len(files)), files, "OpenDRIVE", windows_per_town, jobs)


def _write_all(
    makers: Sequence[Callable[[], StaticMap]], folder: Path, seeds: Sequence[int], files: Sequence[Path | None],
    maker: str, windows: int, jobs: int,
) -> None:  # fmt: skip
    if makers:
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"town_{seed}.npz" for seed in seeds]
    todo = [args for args in zip(makers, paths, seeds, files, strict=True) if not args[1].exists()]
    bar = tqdm(total=len(todo), desc=folder.name, unit="town", disable=None)
    with bar:
        if jobs <= 1:
            for args in todo:
                _write(*args, maker, windows)
                bar.update()
            return
        tasks = [(*args, maker, windows) for args in todo]
        with deferred_signals(hurry=True) as arrived, closing(in_processes(jobs, _write, tasks)) as written:
            for _ in written:
                bar.update()
                if arrived:
                    break


def _write(
    make: Callable[[], StaticMap], path: Path, seed: int, file: Path | None, maker: str, windows: int
) -> None:  # fmt: skip
    static_map = make()
    arrays = window_arrays(static_map, sample_drives(static_map, seed, windows), maker)
    if file is not None:
        arrays |= map_arrays(file.name, static_map.ref) | square_arrays((0.0, 0.0, 0.0), seed, arrays["sequence"])
    write_arrays(path, arrays)


def map_arrays(name: str, ref: str) -> dict[str, np.ndarray]:
    """Arrays of a file that name the map its windows were cut from, see `datasets.windows.CutFrom`."""
    return {"map_name": np.array(name), "map_ref": np.array(ref)}


def square_arrays(square: tuple[float, float, float], seed: int, sequence: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of N windows that tell which part of their map was planned, see `datasets.windows.CutFrom`.

    Args:
        square: middle and half side of the part, m.
        seed: of `sample_drives`.
        sequence: int (N,), number of each window's drive.
    """
    return {
        "map_square": np.tile(np.array(square, np.float64), (len(sequence), 1)),
        "plan_seed": np.array([plan_seed(seed, n) for n in sequence.tolist()], np.int64),
    }


def window_arrays(static_map: StaticMap, moments: Iterator[DriveSample], maker: str) -> dict[str, np.ndarray]:
    """Arrays of a file, see `datasets.windows.Windows`.

    Args:
        static_map: the map.
        moments: of drives through it.
        maker: of the map.
    """
    labels, layouts, voxels, kinds, poses, sequences, stamps = [], [], [], [], [], [], []
    for moment in moments:
        layout = condition_layout(static_map, moment.objects, moment.pose, GENERATED_GRID, agents=moment.agents)
        labels.append(window_labels(moment.objects, static_map, moment.pose, GENERATED_GRID, layout))
        bits = np.arange(len(layout.data), dtype=np.uint32)[:, None, None]
        layouts.append((layout.data.astype(np.uint32) << bits).sum(axis=0, dtype=np.uint32))
        at, kind = _agent_voxels(static_map, moment, GENERATED_GRID)
        voxels.append(at)
        kinds.append(kind)
        pose = moment.pose
        poses.append((pose.x, pose.y, pose.z, pose.yaw))
        sequences.append(moment.sequence)
        stamps.append(moment.stamp_us)
    return {
        "labels": np.stack(labels),
        "layout": np.stack(layouts),
        "agents_window": np.repeat(np.arange(len(voxels)), [len(v) for v in voxels]).astype(np.int32),
        "agents_voxel": np.concatenate(voxels).astype(np.int32),
        "agents_label": np.concatenate(kinds),
        "pose": np.array(poses, dtype=np.float64),
        "sequence": np.array(sequences, dtype=np.int32),
        "stamp_us": np.array(stamps, dtype=np.int64),
        "observed": np.full((len(labels), *GENERATED_GRID.shape[:2]), 0xFFFFFFFF, dtype=np.uint32),
        "maker": np.array(maker),
    }


def moment_labels(static_map: StaticMap, moment: DriveSample, grid: GridSpec) -> np.ndarray:
    """Labels uint8 (X, Y, Z) of a moment, agents included.

    Args:
        static_map: the map.
        moment: of a drive through it; what is around its pose is drawn.
        grid: voxels of 0.4 m.
    """
    labels = window_labels(moment.objects, static_map, moment.pose, grid)
    at, kind = _agent_voxels(static_map, moment, grid)
    labels.ravel()[at] = kind
    return labels


def _agent_voxels(static_map: StaticMap, moment: DriveSample, grid: GridSpec) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices int64 (K,) and labels uint8 (K,) of the voxels of agents."""
    pose = moment.pose
    labels, instances = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint16)
    ground = column_heights(static_map, pose, grid)
    view, origin = np.array([pose.x, pose.y, pose.z, pose.yaw]), np.array(grid.origin)
    for agent in moment.agents[np.hypot(*(moment.agents["pos"][:, :2] - [pose.x, pose.y]).T) < 70.0]:
        stamp_agent(labels, instances, ground, grid.voxel_m, origin, view, agent["pos"], agent["rpy"][2], agent["size"],
              AGENT_OCC_CLASS[agent["cls"]], 1)  # fmt: skip
    at = np.flatnonzero(instances)
    return at, labels.ravel()[at]
