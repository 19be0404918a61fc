"""PandaSet's sweeps as the truth of a learned LiDAR: rays of some frames through cells that other frames saw.

Cells of what stands still are those that labelled points of the frames lie in; what moves is put in by its boxes, where
the ray's own frame has them. Only the spinning Pandar64 counts. Each return is a ray from where the sensor was then.
Beams without a return are found between two returns of a ring: where they cross an occupied cell they count as dropped,
elsewhere as meeting nothing.

Frames 60 to 79 are held out: nothing may be trained or chosen on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from uniscene_sim.datasets.formats.class_maps import PANDASET_BOXES, PANDASET_LEFT_OUT
from uniscene_sim.datasets.seen_cells import cells_of_points, inside_cells
from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.lidar.learned.voxels import Cells, agent_cells, dense_labels_near, join_cells
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.array_file import read_arrays
from uniscene_sim.storage.input_file import MIB, files_in, read_json, reading
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels

__all__ = ["HELD_OUT", "KINDS", "LIDAR_AT", "TRAINED_ON", "LabelledSweep", "PandaSetSweeps", "RealSweeps"]

#: Frames that may be learned from, and those that may not.
TRAINED_ON, HELD_OUT = range(0, 56), range(60, 80)
#: What rays end on, by PandaSet's classes of points. Poles have none: signs and other static objects count as poles.
KINDS = ("ground", "buildings", "vehicles", "poles", "others")
#: Pose of the LiDAR in the sequence's frames, whose y points forward, fitted to the rings of the standing car.
LIDAR_AT = Pose(-0.005, 0.7781, 1.8561, roll=0.0157, pitch=-0.0006)
#: Frames of rays and of cells that a model is trained on: as in use, the cells are mostly of another part of the drive.
#: The last is for checks.
_LESSONS = (
    (range(30, 49, 3), range(0, 28)),
    (range(0, 27, 5), range(28, 50)),
    (range(2, 50, 10), range(0, 50)),
    (range(50, 56, 2), range(0, 45)),
)
_ARRAYS = ("sensor", "t0", "t_100us", "xyz_2cm", "origin", "intensity", "label")
_MOST_JSON = 16 * MIB
_UNIT_M = 0.02
_BODY_M = 2.5  # nearer points are of the ego
_FARTHEST_M = 72.0  # of points that make cells, and of cells that a beam may have been lost on
_CLEAR_M = 6.0  # nearer, 2 cm are a step of azimuth, and gaps between returns are not beams that were lost
_LARGER_M = 0.15  # by which boxes are too small for the points on them

_O = OccClass
_OCC = {
    5: _O.VEGETATION, 6: _O.TERRAIN, 7: _O.DRIVEABLE_SURFACE, 8: _O.LANE_DIVIDER, 9: _O.LANE_DIVIDER,
    10: _O.PED_CROSSING, 11: _O.SIDEWALK, 12: _O.OTHER_FLAT, 13: _O.CAR, 14: _O.CAR, 15: _O.TRUCK, 16: _O.TRUCK,
    17: _O.TRAILER, 18: _O.MOTORCYCLE, 19: _O.CONSTRUCTION_VEHICLE, 20: _O.CAR, 21: _O.BICYCLE, 22: _O.TRUCK,
    23: _O.BUS, 24: _O.PEDESTRIAN, 25: _O.MOTORCYCLE, 26: _O.BICYCLE, 27: _O.BUS, 28: _O.BUS, 29: _O.BUS,
    30: _O.PEDESTRIAN, 31: _O.PEDESTRIAN, 32: _O.OTHERS, 33: _O.OTHERS, 34: _O.TRAFFIC_CONE, 35: _O.BARRIER,
    36: _O.MANMADE, 37: _O.TRAFFIC_CONE, 38: _O.MANMADE, 39: _O.BARRIER, 40: _O.OTHERS, 41: _O.MANMADE,
    42: _O.MANMADE,
}  # fmt: skip
#: Class of each label of a point, FREE for those of no surface: unlabelled, smoke, exhaust, spray, reflections.
_OCC_CLASS = np.full(256, _O.FREE, np.uint8)
_OCC_CLASS[list(_OCC)] = list(_OCC.values())
_KIND = np.full(256, KINDS.index("others"), np.uint8)
for _labels, _kind in (((6, 7, 8, 9, 10, 11, 12), "ground"), ((41,), "buildings"), ((36, 38, 42), "poles"),
                       ((13, 14, 15, 16, 17, 18, 19, 20, 22, 23), "vehicles")):  # fmt: skip
    _KIND[list(_labels)] = KINDS.index(_kind)
_OBJECTS = np.isin(_OCC_CLASS, (_O.BICYCLE, _O.BUS, _O.CAR, _O.CONSTRUCTION_VEHICLE, _O.MOTORCYCLE, _O.PEDESTRIAN,
                                _O.TRAILER, _O.TRUCK))  # fmt: skip


@dataclass(frozen=True)
class LabelledSweep:
    """N returns of a sweep, and M beams that did not return."""

    xyz: np.ndarray  # float64 (N, 3) m, in the sequence's world
    origin: np.ndarray  # float64 (N, 3) m, of each ray
    intensity: np.ndarray  # float32 (N,) 0..1
    label: np.ndarray  # uint8 (N,), of PandaSet
    lost_origin: np.ndarray  # float64 (M, 3) m
    lost_direction: np.ndarray  # float64 (M, 3) of unit length


@dataclass(frozen=True)
class RealSweeps:
    """Real sweeps with the cells that other frames saw.

    Attributes:
        town: as learned LiDARs are trained on and judged by.
        kinds: of each sweep, uint8 (R,), what each ray ends on, as index into `KINDS`.
        frames: of the sweeps.
        seen: share of returns within 70 m that lie in a cell.
    """

    town: TownSweeps
    kinds: tuple[np.ndarray, ...]
    frames: tuple[int, ...]
    seen: float


class PandaSetSweeps:
    """The labelled sweeps of a sequence of PandaSet; each is read once.

    Args:
        folder: with `lidar/NN.npz`, `lidar/poses.json`, `meta/timestamps.json` and `cuboids/NN.json`.

    Attributes:
        frames: that have a sweep and boxes.

    Raises:
        InputError: a file is missing or damaged.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        there = [path.stem for path in files_in(self.folder / "lidar", "*.npz")]
        self.frames = sorted(
            int(name) for name in there if name.isdigit() and (self.folder / f"cuboids/{name}.json").is_file()
        )
        if not self.frames:
            raise InputError("holds no sweep lidar/NN.npz with boxes cuboids/NN.json", file=self.folder)
        self._path = _CarPath(self.folder)
        sensor = PRESETS["pandaset"]().lidars[0]
        self._elevation, self._step = np.array(sensor.elevation_rad), 2 * np.pi / sensor.azimuth_steps
        self._max_range_m, self._detect_range_m = sensor.max_range_m, sensor.detect_range_m
        self.sweep = lru_cache(maxsize=8)(self._sweep)
        self.movers = lru_cache(maxsize=None)(self._movers)
        self._still = lru_cache(maxsize=None)(self._still_points)

    def rays_through(self, rays_of: Sequence[int], seen_by: Iterable[int]) -> RealSweeps:
        """Rays of some frames through the cells that others saw.

        Args:
            rays_of: frames of the rays; the movers are theirs.
            seen_by: frames of the cells.

        Raises:
            InputError: a file is damaged, or there is no frame of one or of the other.
        """
        frames = [k for k in rays_of if k in self.frames]
        seen = [k for k in seen_by if k in self.frames]
        if not frames or not seen:
            raise InputError("holds none of the frames that are asked for", file=self.folder / "lidar")
        points, labels = zip(*map(self._still, seen), strict=True)
        cells = cells_of_points(np.concatenate(points), np.concatenate(labels))
        made = [self._truth(k, n, cells) for n, k in enumerate(frames)]
        sweeps, kinds, hits = zip(*made, strict=True)
        town = TownSweeps(cells, tuple(self.movers(k) for k in frames), sweeps)
        return RealSweeps(town, kinds, tuple(frames), float(np.concatenate(hits).mean()))

    def lessons(self) -> tuple[list[TownSweeps], list[TownSweeps]]:
        """Sweeps to train on and sweeps to check with, all of frames 0 to 55.

        Raises:
            InputError: a file is damaged, or frames are missing.
        """
        made = [self.rays_through(rays, seen).town for rays, seen in _LESSONS]
        return made[:-1], made[-1:]

    # --- one frame ----------------------------------------------------------------------------------------------------

    def _sweep(self, frame: int) -> LabelledSweep:
        file = self.folder / f"lidar/{frame:02d}.npz"
        data = read_arrays(file, _ARRAYS, "a sweep of PandaSet")
        with reading(file, "a sweep of PandaSet"):
            of = data["sensor"] == 0
            time_s = data["t0"] + data["t_100us"][of] * 1e-4
            xyz = data["xyz_2cm"][of] * _UNIT_M + data["origin"]
            intensity = (data["intensity"][of] / 255.0).astype(np.float32)
            label = data["label"][of]
            if not len(xyz) == len(time_s) == len(intensity) == len(label) or xyz.shape[1:] != (3,):
                raise InputError("expected arrays of as many points")
            origin, turn = self._path(time_s)
            inside = turn.inv().apply(xyz - origin) @ LIDAR_AT.rotation
            far = np.linalg.norm(inside, axis=1)
            lost_origin, lost_direction = self._lost(inside, far, time_s)
            use = (far > _BODY_M) & (_OCC_CLASS[label] != _O.FREE)
        return LabelledSweep(xyz[use], origin[use], intensity[use], label[use], lost_origin, lost_direction)

    def _lost(self, xyz: np.ndarray, far: np.ndarray, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Origins and directions (M, 3) of beams without a return: those that fit between two returns of a ring."""
        elevation = np.arcsin(np.clip(xyz[:, 2] / np.maximum(far, 1e-3), -1.0, 1.0))
        ring = np.abs(elevation[:, None] - self._elevation).argmin(axis=1)
        azimuth = np.arctan2(xyz[:, 1], xyz[:, 0])
        order = np.lexsort((azimuth, ring))
        one, other = order[:-1], order[1:]
        gap = (azimuth[other] - azimuth[one]) / self._step
        count = np.round(gap).astype(int) - 1
        count[(ring[one] != ring[other]) | (np.minimum(far[one], far[other]) < _CLEAR_M)] = 0
        count = np.maximum(count, 0)
        between = np.repeat(np.arange(len(count)), count)
        nth = np.arange(len(between)) - np.repeat(np.cumsum(count) - count, count) + 1
        part = nth / (count[between] + 1)
        a, b = one[between], other[between]
        turned = azimuth[a] + part * (azimuth[b] - azimuth[a])
        up = elevation[a] + part * (elevation[b] - elevation[a])
        direction = np.stack([np.cos(up) * np.cos(turned), np.cos(up) * np.sin(turned), np.sin(up)], axis=1)
        origin, turn = self._path(time_s[a] + part * (time_s[b] - time_s[a]))
        return origin, turn.apply(direction @ LIDAR_AT.rotation.T)

    def _movers(self, frame: int) -> np.ndarray:
        """AGENT_DTYPE (A,), boxes of what moves at some time of the sequence."""
        file = self.folder / f"cuboids/{frame:02d}.json"
        boxes = read_json(file, _MOST_JSON, "boxes of PandaSet")
        with reading(file, "boxes of PandaSet"):
            kept = []
            for n, box in enumerate(boxes):
                if box["label"] not in PANDASET_BOXES and box["label"] not in PANDASET_LEFT_OUT:
                    expected = "one of PandaSet's labels, such as 'Car'"
                    raise InputError(f"unknown label {shown(box['label'])}, expected {expected}", field=f"[{n}].label")
                # where both LiDARs see an object it has a box for each
                if box["label"] in PANDASET_BOXES and not box["stationary"] and box.get("cuboids.sensor_id", -1) != 1:
                    kept.append(box)
            agents = np.zeros(len(kept), AGENT_DTYPE)
            agents["id"], agents["cls"] = np.arange(1, len(kept) + 1), [PANDASET_BOXES[b["label"]] for b in kept]
            for k, box in enumerate(kept):
                width, length, height = (box[f"dimensions.{c}"] for c in "xyz")
                x, y, z = (box[f"position.{c}"] for c in "xyz")
                agents["pos"][k], agents["size"][k] = (x, y, z - 0.5 * height), (length, width, height)
                agents["rpy"][k, 2] = box["yaw"] + 0.5 * np.pi
            if not all(np.isfinite(agents[name]).all() for name in ("pos", "rpy", "size")):
                raise InputError("expected finite numbers")
        return agents

    def _still_points(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) m near the sensor that are on no mover, and their classes (N,)."""
        sweep = self.sweep(frame)
        use = np.linalg.norm(sweep.xyz - sweep.origin, axis=1) < _FARTHEST_M
        for agent in self.movers(frame):
            use &= ~_in_box(sweep.xyz, agent)
        return sweep.xyz[use], _OCC_CLASS[sweep.label[use]]

    def _truth(self, frame: int, moment: int, cells: Cells) -> tuple[GroundTruthSweep, np.ndarray, np.ndarray]:
        """A sweep, the kinds of its rays, and which of its returns within 70 m lie in a cell."""
        sweep = self.sweep(frame)
        every = join_cells([cells, *(agent_cells(agent) for agent in self.movers(frame))])
        ray = sweep.xyz - sweep.origin
        far = np.linalg.norm(ray, axis=1)
        lost = len(sweep.lost_origin)
        middle = sweep.origin.mean(axis=0)
        grid = label_arrays(dense_labels_near(every.ijk, every.label, middle[:2], _FARTHEST_M))
        first, met = trace_labels(grid, sweep.lost_origin, sweep.lost_direction, _FARTHEST_M)
        kind = np.concatenate([_KIND[sweep.label], np.full(lost, KINDS.index("others"), np.uint8)])
        truth = GroundTruthSweep(
            moment,
            np.concatenate([sweep.origin, sweep.lost_origin]),
            self._max_range_m,
            self._detect_range_m,
            "clear",
            np.concatenate([ray / far[:, None], sweep.lost_direction]).astype(np.float32),
            np.concatenate([far, np.where(first < np.inf, np.nan, np.inf)]).astype(np.float32),
            np.concatenate([sweep.intensity, np.zeros(lost, np.float32)]),
            np.concatenate([np.zeros(len(far), bool), first < np.inf]),
            np.concatenate([_OCC_CLASS[sweep.label], met]).astype(np.uint8),
            np.concatenate([_OBJECTS[sweep.label], np.zeros(lost, bool)]),
        )
        return truth, kind, inside_cells(sweep.xyz[far < 70.0], every.ijk)


def _in_box(xyz: np.ndarray, agent: np.void) -> np.ndarray:
    """Whether points (N, 3) lie in an agent's box, or close to it."""
    x, y, z = (xyz - agent["pos"]).T
    c, s = np.cos(agent["rpy"][2]), np.sin(agent["rpy"][2])
    length, width, height = agent["size"]
    inside: np.ndarray = np.abs(c * x + s * y) < 0.5 * length + _LARGER_M
    inside &= (np.abs(c * y - s * x) < 0.5 * width + _LARGER_M) & (z > -_LARGER_M) & (z < height + _LARGER_M)
    return inside


class _CarPath:
    """Where the sensor is at any time, and how the car is turned."""

    def __init__(self, folder: Path):
        poses = read_json(folder / "lidar/poses.json", _MOST_JSON, "poses of PandaSet")
        stamps = read_json(folder / "meta/timestamps.json", _MOST_JSON, "times of PandaSet")
        with reading(folder / "lidar/poses.json", "poses of PandaSet, one for each time"):
            self._times = np.array(stamps, np.float64)
            self._turn = Slerp(
                self._times, Rotation.from_quat([[pose["heading"][k] for k in "xyzw"] for pose in poses])
            )
            self._places = np.array([[pose["position"][k] for k in "xyz"] for pose in poses], np.float64)

    def __call__(self, time_s: np.ndarray) -> tuple[np.ndarray, Rotation]:
        """Origins of the sensor (N, 3) m and rotations world <- car at times (N,)."""
        time_s = np.clip(time_s, self._times[0], self._times[-1])
        turn = self._turn(time_s)
        at = np.stack([np.interp(time_s, self._times, self._places[:, k]) for k in range(3)], axis=1)
        return at + turn.apply(LIDAR_AT.position), turn
