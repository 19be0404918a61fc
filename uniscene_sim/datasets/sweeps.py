"""Ground-truth sweeps of towns by `raycast`, with the 0.4 m cells that are a learned LiDAR's input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.datasets.drives import DriveSample, check_split, moment_layout, sample_drives
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, Style
from uniscene_sim.lidar.learned.voxels import Cells, agent_cells, join_cells, tile_cells
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.lidar.raycast.footprint import empty_echoes, find_echoes
from uniscene_sim.lidar.raycast.receiver import Receiver, empty_returns, receive
from uniscene_sim.lidar.raycast.reflectance import surfaces_of
from uniscene_sim.lidar.raycast.trace import trace_sweep
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays, write_arrays
from uniscene_sim.storage.input_file import files_in, reading
from uniscene_sim.storage.output_file import told
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, OccClass
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.atlas import TileAtlas

__all__ = [
    "SENSORS",
    "WEATHERS",
    "GroundTruthSweep",
    "TownSweeps",
    "make_sweeps",
    "plan_of",
    "read_all_sweeps",
    "read_sweeps",
    "simulate_sweeps",
    "sweep_truth",
    "swept_town",
    "write_sweeps",
]

#: Sensors of the sweeps: nuScenes', KITTI's, and that of the rig `rl`. Noise and divergence are off.
SENSORS = (
    lidar_model("hdl-32e", "nuscenes", Pose(0.94, 0.0, 1.84), azimuth_steps=1090, range_noise_m=0.0,
                divergence_rad=0.0),
    lidar_model("hdl-64e", "kitti", Pose(0.81, 0.0, 1.73), azimuth_steps=1042, range_noise_m=0.0, divergence_rad=0.0),
    LidarSpec("rl", Pose(0.9, 0.0, 1.8), tuple(np.radians(np.linspace(-15.0, 15.0, 16)).tolist()), 360,
              max_range_m=60.0, detect_range_m=30.0),
)  # fmt: skip
WEATHERS = ("clear", "clear", "rain", "snow", "fog")
_CELLS_M = 72.0  # tiles around each sensor


@dataclass(frozen=True)
class GroundTruthSweep:
    """Ground truth of R rays of a sensor."""

    moment: int  # index in its town
    origin: np.ndarray  # float64 (3,) m, map frame; (R, 3) of a moving sensor, whose rays have an origin each
    max_range_m: float
    detect_range_m: float
    weather: str
    direction: np.ndarray  # float32 (R, 3), of unit length
    range_m: np.ndarray  # float32 (R,) m, inf where nothing is hit within range; NaN: hit, but how far is not known
    intensity: np.ndarray  # float32 (R,), 0 where nothing returns
    dropped: np.ndarray  # bool (R,), hit but not detected
    label: np.ndarray  # uint8 (R,) OccClass of the hit
    is_object: np.ndarray  # bool (R,), hit on an agent

    @property
    def middle(self) -> np.ndarray:
        """Where the sensor is, float64 (3,) m: the mean of its origins."""
        at: np.ndarray = self.origin.reshape(-1, 3).mean(axis=0)
        return at

    def origins(self, rays: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Origins of some rays, float64 (1, 3), or (rays, 3) of a moving sensor."""
        return self.origin[None] if self.origin.ndim == 1 else self.origin[rays]


@dataclass(frozen=True)
class TownSweeps:
    """Sweeps through a town with one plan."""

    cells: Cells
    agents: tuple[np.ndarray, ...]  # AGENT_DTYPE, by moment
    sweeps: tuple[GroundTruthSweep, ...]
    flat: bool = False  # whether all roads lie at one height
    name: str = ""  # of its file

    @cached_property
    def agents_cells(self) -> list[list[np.ndarray]]:
        """Cells int32 (M, 3) of each agent at each moment."""
        return [[agent_cells(a).ijk for a in agents] for agents in self.agents]


class _GroundTruthLidar(RaycastLidar):
    def of(self, view: WorldView, spec: LidarSpec, moment: int) -> GroundTruthSweep:
        sweep = self._sweep_job(view, spec)
        trace_sweep(sweep.scene, sweep.beams, sweep.spread, sweep.max_range_m, sweep.hits)
        hits, agents = sweep.hits, sweep.scene.agents
        air = air_of(view.frame.style)
        echoes, returns = empty_echoes(hits), empty_returns(hits.distance.shape)
        surfaces = surfaces_of(agents.colour, air.wet, air.snow)
        find_echoes(
            sweep.scene, sweep.beams, sweep.spread, sweep.max_range_m, 0.0, spec.clockwise, hits, surfaces, echoes
        )
        receiver = Receiver(spec.min_range_m, spec.max_range_m, spec.detect_range_m, 0.0, 0)
        key = key_of(view.frame.seed, view.frame.stamp_us, spec.name)
        receive(key, receiver, air._replace(backscatter=0.0), echoes, returns)
        far, who = hits.distance.ravel(), hits.agent_row.ravel()
        label = MATERIAL_LABEL[hits.material.ravel()]
        label[who >= 0] = AGENT_OCC_CLASS[agents.cls[who[who >= 0]]]
        hit = far >= spec.min_range_m
        return GroundTruthSweep(
            moment,
            hits.origin[0].copy(),
            spec.max_range_m,
            spec.detect_range_m,
            view.frame.style.weather,
            hits.direction.reshape(-1, 3)[hit].astype(np.float32),
            far[hit].astype(np.float32),
            returns.intensity[..., 0].ravel()[hit],
            (np.isfinite(far) & ~np.isfinite(returns.distance[..., 0].ravel()))[hit],
            label[hit],
            (who >= 0)[hit],
        )


def sweep_truth(view: WorldView, spec: LidarSpec, moment: int = 0) -> GroundTruthSweep:
    """Ground truth of a stationary sensor in a static world.

    Args:
        view: without history or velocities.
        spec: with `detect_range_m`; range noise and divergence are ignored.
        moment: index of the sweep in its town.
    """
    return _GroundTruthLidar().of(view, spec, moment)


def simulate_sweeps(
    static_map: StaticMap,
    seed: int,
    moments: Iterable[DriveSample],
    sensors: Sequence[LidarSpec] = SENSORS,
    weathers: Sequence[str] = WEATHERS,
) -> TownSweeps:
    """Sweeps of samples with one plan, one each.

    Args:
        static_map: the town.
        seed: of the plan.
        moments: samples.
        sensors: used in turn.
        weathers: from which each sample's weather is drawn.
    """
    store = tile_store("procedural", static_map, seed)
    atlas = TileAtlas(store)
    tiles: dict[tuple[int, int], Cells] = {}
    agents, sweeps, rng = [], [], np.random.default_rng([seed, 9])
    for n, moment in enumerate(moments):
        there, pose, spec = moment.agents.copy(), moment.pose, sensors[n % len(sensors)]
        there["vel"] = 0.0
        style = Style(weathers[int(rng.integers(len(weathers)))])
        frame = moment_layout(moment.stamp_us, pose, there, seed + n, style)
        atlas.update(pose.x, pose.y, spec.max_range_m + 4.0)
        sweeps.append(sweep_truth(WorldView(frame, (), atlas), spec, n))
        agents.append(there)
        tiles |= {index: tile_cells(store.get(*index)) for index in store.around(pose.x, pose.y, _CELLS_M)
                  if index not in tiles}  # fmt: skip
    roads = np.concatenate([lane.centre[:, 2] for lane in static_map.lanes]) if static_map.lanes else np.zeros(1)
    cells = join_cells([tiles[index] for index in sorted(tiles)])
    return TownSweeps(cells, tuple(agents), tuple(sweeps), bool(np.ptp(roads) < 1e-6))


# --- files ------------------------------------------------------------------------------------------------------------


def swept_town(seed: int) -> StaticMap:
    """The town of a seed, at a height drawn from [0, 0.4) m: at 0 the ground of flat ones would be the top of their
    cells."""
    return make_town(seed, float(np.random.default_rng([seed, 11]).uniform(0.0, CELL_M)))


def plan_of(seed: int) -> int:
    """Seed of the plan of houses and plants in the sweeps of a town."""
    return 1000 * seed


def make_sweeps(out: str | Path, split: str, seeds: Sequence[int], moments: int = 6) -> None:
    """Write sweeps of towns to `out/split/sweeps_<seed>.npz`; existing files are kept.

    Each town lies at a height of its own, see `swept_town`.

    Args:
        out: folder of the data.
        split: of `SPLITS`.
        seeds: of the towns.
        moments: sweeps per town, at most twelve; all share one plan.

    Raises:
        InputError: no such split, or a seed that belongs to another.
    """
    check_split(split, seeds)
    folder = Path(out) / split
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    todo = [seed for seed in seeds if not (folder / f"sweeps_{seed}.npz").exists()]
    for seed in tqdm(todo, desc=split, unit="town", disable=None):
        static_map = swept_town(seed)
        every = list(sample_drives(static_map, seed, 12))  # two drives, which share a plan
        apart = every[:: max(1, len(every) // moments)][:moments]
        write_sweeps(folder / f"sweeps_{seed}.npz", simulate_sweeps(static_map, plan_of(seed), apart))


def write_sweeps(path: Path, town: TownSweeps) -> None:
    """Write one file, completely or not at all; see `read_sweeps`."""
    low = town.cells.ijk.min(axis=0)
    rays = {name: np.concatenate([getattr(s, name) for s in town.sweeps]) for name in _RAYS}
    arrays = dict(
        low=low,
        ijk=(town.cells.ijk - low).astype(np.int16),
        cell_label=town.cells.label,
        seen=np.int64(town.cells.visible_count),
        agents=np.concatenate([np.zeros(0, AGENT_DTYPE), *town.agents]),
        agents_of=np.array([len(a) for a in town.agents]),
        moment=np.array([s.moment for s in town.sweeps]),
        origin=np.array([s.origin for s in town.sweeps]),
        ranges=np.array([(s.max_range_m, s.detect_range_m) for s in town.sweeps]),
        weather=np.array([s.weather for s in town.sweeps]),
        rays_of=np.array([len(s.range_m) for s in town.sweeps]),
        flat=np.bool_(town.flat),
    )
    write_arrays(path, arrays | rays)


_RAYS = ("direction", "range_m", "intensity", "dropped", "label", "is_object")
#: Arrays of a file: dtype, and shape with C cells, M moments with A agents, and S sweeps of R rays, together.
_ARRAYS: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "low": ("int32", (3,)),
    "ijk": ("int16", ("C", 3)),
    "cell_label": ("uint8", ("C",)),
    "seen": ("int64", ()),
    "agents": (AGENT_DTYPE, ("A",)),
    "agents_of": ("int64", ("M",)),
    "moment": ("int64", ("S",)),
    "origin": ("float64", ("S", 3)),
    "ranges": ("float64", ("S", 2)),
    "weather": ("str", ("S",)),
    "rays_of": ("int64", ("S",)),
    "flat": ("bool", ()),
    "direction": ("float32", ("R", 3)),
    "range_m": ("float32", ("R",)),
    "intensity": ("float32", ("R",)),
    "dropped": ("bool", ("R",)),
    "label": ("uint8", ("R",)),
    "is_object": ("bool", ("R",)),
}
_FARTHEST_CELL, _FARTHEST_M, _LARGEST_M = 10**8, 1e7, 40.0  # of cells, of places, of an agent


def read_sweeps(path: str | Path) -> TownSweeps:
    """The sweeps of one file.

    Raises:
        InputError: it is missing, damaged, or not such a file.
    """
    a = read_arrays(path, _ARRAYS, "sweeps of a town")
    with reading(path, "sweeps of a town"):
        _check(a, path)
        return replace(_sweeps(a), name=Path(path).stem)


def _check(a: dict[str, np.ndarray], path: str | Path) -> None:
    lengths = check_shapes(a, _ARRAYS, path)
    agents, classes = a["agents"], len(OccClass) - 1
    for field, values, low, high in (
        ("low", a["low"], -_FARTHEST_CELL, _FARTHEST_CELL),
        ("cell_label", a["cell_label"], 0, classes),
        ("seen", a["seen"], 0, lengths["C"]),
        ("agents.pos", agents["pos"], -_FARTHEST_M, _FARTHEST_M),
        ("agents.rpy", agents["rpy"], -10.0, 10.0),
        ("agents.size", agents["size"], 0.0, _LARGEST_M),
        ("agents.cls", agents["cls"], 0, len(AGENT_OCC_CLASS) - 1),
        ("agents_of", a["agents_of"], 0, lengths["A"]),
        ("moment", a["moment"], 0, lengths["M"] - 1),
        ("origin", a["origin"], -_FARTHEST_M, _FARTHEST_M),
        ("ranges", a["ranges"], 0.0, _FARTHEST_M),
        ("rays_of", a["rays_of"], 0, lengths["R"]),
        ("direction", a["direction"], -1.001, 1.001),
        ("range_m", a["range_m"], 0.0, np.inf),
        ("intensity", a["intensity"], 0.0, 1.001),
        ("label", a["label"], 0, classes),
    ):
        check_span(values, low, high, path, field)


def _sweeps(a: dict[str, np.ndarray]) -> TownSweeps:
    cells = Cells(a["ijk"].astype(np.int32) + a["low"], a["cell_label"], int(a["seen"]))
    agents = tuple(_parts(a["agents"], a["agents_of"]))
    rays = [list(_parts(a[name], a["rays_of"])) for name in _RAYS]
    sweeps = tuple(
        GroundTruthSweep(int(moment), origin, *map(float, ranges), str(weather), *(r[n] for r in rays))  # type: ignore
        for n, (moment, origin, ranges, weather) in enumerate(
            zip(a["moment"], a["origin"], a["ranges"], a["weather"], strict=True)
        )
    )
    return TownSweeps(cells, agents, sweeps, bool(a["flat"]))


def read_all_sweeps(folder: str | Path, most: int | None = None) -> list[TownSweeps]:
    """The sweeps of all towns in a folder, by seed.

    Args:
        folder: of the split.
        most: number of towns, the first ones; None for all.

    Raises:
        InputError: there are none, or one is damaged.
    """
    files = sorted(files_in(folder, "sweeps_*.npz"), key=lambda path: (len(path.name), path.name))[:most]
    if not files:
        raise InputError("expected files sweeps_<seed>.npz", file=folder)
    return [read_sweeps(file) for file in tqdm(files, desc="read", unit="town", disable=None)]


def _parts(array: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    ends = np.cumsum(counts)
    if (counts < 0).any() or ends[-1:].sum() != len(array):
        raise InputError(f"expected parts of {len(array)} rows, got {ends[-1:].sum()}")
    return (array[end - count : end] for end, count in zip(ends, counts, strict=True))
