"""Images of seeded towns with their exact buffers, from which generators of images may learn: a file for each drive.

A file holds the moments of a drive at 2 Hz, each seen by all cameras of a rig. Coordinates, rays and motion follow from
depth, poses and calibration, so they are not kept: `DriveImages.buffers` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.annotations.flow import camera_flow
from uniscene_sim.assembly import tile_store
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.compute.processes import in_processes
from uniscene_sim.datasets.drives import SEQUENCE, DriveSample, check_split, moment_layout, plan_seed, sample_drives
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraBuffers
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame, Style
from uniscene_sim.lens import LENSES
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.rig import CameraSpec
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays, write_arrays
from uniscene_sim.storage.input_file import reading
from uniscene_sim.storage.interrupts import deferred_signals
from uniscene_sim.storage.output_file import told
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.tracing.buffers import camera_buffers, coordinates_of, origin_near, pluecker_rays

__all__ = ["DriveImages", "make_images", "read_images", "simulate_images", "write_images"]

_FARTHEST_M = 1e7  # of places that are read
_WEATHERS = ("clear", "clear", "clear", "rain", "snow", "fog")
#: Arrays of each camera: dtype, and shape with M moments of H rows and W columns.
_PLANES: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "rgb": ("uint8", ("M", "H", "W", 3)), "depth": ("float32", ("M", "H", "W")),
    "normals": ("float32", ("M", "H", "W", 3)), "semantic": ("uint8", ("M", "H", "W")),
    "instance": ("uint16", ("M", "H", "W")), "material": ("uint8", ("M", "H", "W")),
    "paint": ("uint8", ("M", "H", "W")),
}  # fmt: skip
#: The other arrays, with C cameras and A agents of all moments together.
_ARRAYS: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "stamp_us": ("int64", ("M",)),
    "pose": ("float64", ("M", 6)),  # map <- base_link: x, y, z (m), roll, pitch, yaw (rad)
    "agents": (AGENT_DTYPE, ("A",)),
    "agents_of": ("int64", ("M",)),
    "seed": ("int64", ()),  # of the town
    "weather": ("str", ()),
    "hour": ("float64", ()),
    "camera": ("str", ("C",)),
    "model": ("str", ("C",)),
    "intrinsics": ("float64", ("C", 4)),  # fx, fy, cx, cy, px
    "distortion": ("float64", ("C", 5)),  # of the model, see `rig.CameraSpec`; 0 where it takes fewer
    "mount": ("float64", ("C", 6)),  # base_link <- camera body, as `pose`
    "range_m": ("float64", ("C",)),
    "ego_visible": ("bool", ("C",)),
}


@dataclass(frozen=True)
class DriveImages:
    """What the cameras of a rig see along a drive."""

    seed: int  # of the town
    style: Style
    cameras: tuple[CameraSpec, ...]
    layouts: tuple[LayoutFrame, ...]  # by moment: ego, agents and style alone
    planes: dict[str, dict[str, np.ndarray]]  # by camera and name: rgb, and those of `CameraBuffers` that are kept

    def __len__(self) -> int:
        return len(self.layouts)

    def rgb(self, camera: str, moment: int) -> np.ndarray:
        """An image, uint8 (H, W, 3)."""
        image: np.ndarray = self.planes[camera]["rgb"][moment]
        return image

    def buffers(self, camera: str, moment: int) -> CameraBuffers:
        """The exact buffers of an image; their motion is from the moment before, so the first has none."""
        spec = next(spec for spec in self.cameras if spec.name == camera)
        found = self._buffers(spec, moment)
        if moment == 0:
            return found
        before = self.layouts[moment - 1], self._buffers(spec, moment - 1)
        return replace(found, motion=camera_flow(self.layouts[moment], found, before, spec)[0])

    def _buffers(self, spec: CameraSpec, moment: int) -> CameraBuffers:
        kept = {name: plane[moment] for name, plane in self.planes[spec.name].items() if name != "rgb"}
        pose = self.layouts[moment].ego_pose
        return CameraBuffers(
            **kept,
            coordinates=coordinates_of(kept["depth"], pose, spec),
            rays=pluecker_rays(spec),
            origin=origin_near(pose),
            stamp_us=self.layouts[moment].stamp_us,
        )


def make_images(
    out: str | Path, split: str, seeds: Sequence[int], cameras: Sequence[CameraSpec], drives: int = 2, jobs: int = 1
) -> None:
    """Write drives through towns to `out/images/split/town_<seed>_<drive>.npz`; existing files are kept.

    Args:
        out: folder of the data.
        split: of `drives.SPLITS`.
        seeds: of the towns.
        cameras: of the rig.
        drives: number of drives through each town.
        jobs: processes.

    Raises:
        InputError: no such split, a seed that belongs to another, or no cameras.
    """
    check_split(split, seeds)
    if not cameras:
        raise InputError("has no camera, expected one at least", argument="rig")
    folder = Path(out) / "images" / split
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    tasks = [(folder, seed, tuple(cameras), drives) for seed in seeds if _missing(folder, seed, drives)]
    with tqdm(total=sum(len(_missing(*task[:2], drives)) for task in tasks), desc=split, unit="drive",
              disable=None) as bar:  # fmt: skip
        if jobs <= 1:
            for task in tasks:
                for _ in _town(*task):
                    bar.update()
            return
        with deferred_signals(hurry=True) as arrived, closing(in_processes(jobs, _whole_town, tasks)) as written:
            for count in written:
                bar.update(count)
                if arrived:
                    break


def _missing(folder: Path, seed: int, drives: int) -> list[int]:
    return [n for n in range(drives) if not (folder / f"town_{seed}_{n}.npz").exists()]


def _whole_town(folder: Path, seed: int, cameras: tuple[CameraSpec, ...], drives: int) -> int:
    """Write the drives of a town that are missing; how many."""
    return sum(1 for _ in _town(folder, seed, cameras, drives))


def _town(folder: Path, seed: int, cameras: tuple[CameraSpec, ...], drives: int) -> Iterator[None]:
    static_map, missing = make_town(seed), _missing(folder, seed, drives)
    samples = sample_drives(static_map, seed, SEQUENCE * drives, signal_heads=True)
    for n, moments in groupby(samples, key=lambda moment: moment.sequence):
        if n in missing:
            write_images(folder / f"town_{seed}_{n}.npz", simulate_images(static_map, seed, list(moments), cameras))
            yield


def simulate_images(
    static_map: StaticMap, seed: int, moments: Sequence[DriveSample], cameras: Sequence[CameraSpec]
) -> DriveImages:
    """What cameras see along one drive, in weather and at an hour that are drawn.

    Args:
        static_map: the town.
        seed: of the town.
        moments: of the drive.
        cameras: of the rig.
    """
    drive = moments[0].sequence
    random = np.random.default_rng([seed, drive, 12])
    weather = _WEATHERS[int(random.integers(len(_WEATHERS)))]
    style = Style(weather, float(random.uniform(8.0, 17.0) if random.random() < 0.7 else random.uniform(0.0, 24.0)))
    atlas = TileAtlas(tile_store("procedural", static_map, plan_seed(seed, drive)))
    engine, reach = RaycastCameras(), max(spec.max_range_m for spec in cameras)
    planes: dict[str, dict[str, list[np.ndarray]]] = {s.name: {name: [] for name in _PLANES} for s in cameras}
    layouts = []
    for moment in moments:
        layout = moment_layout(moment.stamp_us, moment.pose, moment.agents, seed, style)
        atlas.update(moment.pose.x, moment.pose.y, reach)
        view = WorldView(layout, (), atlas)
        images = engine.step([None], [view], cameras)[1][0]
        for spec in cameras:
            found = camera_buffers(view, spec)
            for name, column in planes[spec.name].items():
                column.append(images[spec.name].rgb if name == "rgb" else getattr(found, name))
        layouts.append(layout)
    stacked = {camera: {name: np.stack(some) for name, some in of.items()} for camera, of in planes.items()}
    return DriveImages(seed, style, tuple(cameras), tuple(layouts), stacked)


# --- files ------------------------------------------------------------------------------------------------------------


def write_images(path: Path, drive: DriveImages) -> None:
    """Write one file, completely or not at all; see `read_images`."""
    cameras, layouts = drive.cameras, drive.layouts
    arrays: dict[str, np.ndarray] = dict(
        stamp_us=np.array([layout.stamp_us for layout in layouts], np.int64),
        pose=np.array([_numbers(layout.ego_pose) for layout in layouts]),
        agents=np.concatenate([np.zeros(0, AGENT_DTYPE), *(layout.agents for layout in layouts)]),
        agents_of=np.array([len(layout.agents) for layout in layouts], np.int64),
        seed=np.array(drive.seed, np.int64),
        weather=np.array(drive.style.weather),
        hour=np.array(drive.style.time_of_day_h, np.float64),
        camera=np.array([spec.name for spec in cameras]),
        model=np.array([spec.model for spec in cameras]),
        intrinsics=np.array([(spec.fx, spec.fy, spec.cx, spec.cy) for spec in cameras], np.float64),
        distortion=np.array([(*spec.distortion, *(5 - len(spec.distortion)) * (0.0,)) for spec in cameras]),
        mount=np.array([_numbers(spec.pose) for spec in cameras]),
        range_m=np.array([spec.max_range_m for spec in cameras], np.float64),
        ego_visible=np.array([spec.ego_visible for spec in cameras]),
    )
    kept = {f"{camera}/{name}": plane for camera, planes in drive.planes.items() for name, plane in planes.items()}
    write_arrays(path, arrays | kept)


def _numbers(pose: Pose) -> tuple[float, ...]:
    return pose.x, pose.y, pose.z, pose.roll, pose.pitch, pose.yaw


def read_images(path: str | Path, cameras: Sequence[str] | None = None) -> DriveImages:
    """The images of one file.

    Args:
        path: the file.
        cameras: names of those that are read, None for all.

    Raises:
        InputError: it is missing, damaged, not such a file, or lacks a camera.
    """
    what = "images of a drive"
    a = read_arrays(path, _ARRAYS, what)
    with reading(path, what):
        lengths = check_shapes(a, _ARRAYS, path)
        for field, values, low, high in (
            ("pose", a["pose"], -_FARTHEST_M, _FARTHEST_M),
            ("agents_of", a["agents_of"], 0, lengths["A"]),
            ("agents.cls", a["agents"]["cls"], 0, len(AGENT_OCC_CLASS) - 1),
            ("agents.pos", a["agents"]["pos"], -_FARTHEST_M, _FARTHEST_M),
            ("agents.rpy", a["agents"]["rpy"], -10.0, 10.0),
        ):
            check_span(values, low, high, path, field)
        if a["agents_of"].sum() != lengths["A"] or not lengths["M"]:
            raise InputError("expected the number of agents at each of some moments", file=path, field="agents_of")
        names: list[str] = a["camera"].tolist()
        wanted = names if cameras is None else list(cameras)
        if lacking := [name for name in wanted if name not in names]:
            raise InputError(f"no camera {lacking[0]!r}, expected some of {', '.join(names)}", file=path)
        style = Style(str(a["weather"]), float(a["hour"]))
        ends = np.cumsum(a["agents_of"])
        layouts = tuple(
            moment_layout(int(stamp), Pose(*pose), agents, int(a["seed"]), style)
            for stamp, pose, agents in zip(
                a["stamp_us"], a["pose"].tolist(), np.split(a["agents"], ends[:-1]), strict=True
            )
        )
    planes, specs = {}, []
    for name in wanted:
        found = read_arrays(path, [f"{name}/{plane}" for plane in _PLANES], what)
        mine = {key.removeprefix(f"{name}/"): plane for key, plane in found.items()}
        with reading(path, what):
            shape = check_shapes(mine, _PLANES, path)
            if shape["M"] != len(layouts):
                raise InputError(f"expected {len(layouts)} moments, got {shape['M']}", file=path, field=f"{name}/rgb")
            check_span(mine["semantic"], 0, len(OccClass) - 1, path, f"{name}/semantic")
            specs.append(_camera(a, names.index(name), shape["W"], shape["H"]))
        planes[name] = mine
    return DriveImages(int(a["seed"]), style, tuple(specs), layouts, planes)


def _camera(a: dict[str, np.ndarray], k: int, width: int, height: int) -> CameraSpec:
    model = str(a["model"][k])
    if model not in LENSES:
        raise InputError(f"no lens model {model!r}, expected one of {', '.join(LENSES)}", field="model")
    fx, fy, cx, cy = a["intrinsics"][k].tolist()
    return CameraSpec(
        str(a["camera"][k]),
        width,
        height,
        fx,
        fy,
        cx,
        cy,
        pose=Pose(*a["mount"][k].tolist()),
        max_range_m=float(a["range_m"][k]),
        model=model,  # type: ignore[arg-type]
        distortion=tuple(a["distortion"][k].tolist()[: LENSES[model][1]]),
        ego_visible=bool(a["ego_visible"][k]),
    )
