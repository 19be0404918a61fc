"""Every reader: valid examples, and how it is called. What is read is also used a little, where that is cheap."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.fuzz import examples, plans, recordings, streets, values, words
from tests.fuzz.any_hash import any_hash
from tests.fuzz.case import Bases
from tests.fuzz.examples import files_of
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["READERS", "Reader"]


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        bases: valid examples by name, each the files of a folder.
        read: reads such a folder.
        needs: modules without which it is skipped.
        share: of the time of others.
        may_die: whether the process may die, because the reader itself starts a process for what may kill it.
        guided: whether Atheris may run it too: it reads one file and takes no more than milliseconds.
    """

    bases: Callable[[], Bases]
    read: Callable[[Path], Any]
    needs: tuple[str, ...] = ()
    share: float = 1.0
    may_die: bool = False
    guided: bool = True

    def lacks(self) -> str:
        """What it needs and cannot have, empty if nothing."""
        for name in self.needs:
            try:
                importlib.import_module(name)
            except ImportError as error:
                return f"{name}: {str(error).splitlines()[0][:60]}"
        return ""


_kept: dict[Path, StaticMap] = {}


def _library_map(path: Path) -> StaticMap:
    """A map, kept if it is of the library, so that it is not loaded for each scenario again."""
    found = _kept.get(path)
    return found or _kept.setdefault(path, load_map(path)) if "scenarios/maps" in str(path) else load_map(path)


def _scenario(folder: Path) -> None:
    scenario = load_scenario(folder / "s.yaml")
    source = ScenarioSource(scenario, _library_map(scenario.map))
    source.reset()
    source.hints(lambda: np.zeros((0, 5)))
    for _ in range(2):
        source.step(source.driver_control(), 100_000)[-1]


def _use_rig(rig: SensorRig) -> None:
    """Some rays of each camera, and the beams of each LiDAR."""
    from uniscene_sim.lidar.raycast.trace import beams_of

    for camera in rig.cameras:
        corners = np.array([[0.5, 0.5], [camera.width - 0.5, camera.height - 0.5], [camera.cx, camera.cy]])
        rays, _ = camera.unproject(corners)
        camera.project(rays * 10.0)
        assert np.isfinite(camera.pose.matrix).all() and np.isfinite(rays).all()
    for lidar in rig.lidars:
        beams = beams_of(lidar)
        assert all(np.isfinite(values).all() for values in beams) and np.isfinite(lidar.pose.matrix).all()
    rig.scaled(0.5)
    assert rig.max_range_m >= 0


def _use_map(found: StaticMap) -> None:
    """Its layout around a lane or the middle, and its objects."""
    x, y = 0.0, 0.0
    if found.lanes:
        x, y = (float(v) for v in found.lanes[0].centre[0, :2])
    found.nearest_lane(x, y)
    rasterise(found, (x, y, 0.3), (40, 40), 0.8, None, LayoutSchema())
    assert all(np.isfinite(thing.position).all() for thing in found.objects)
    found.frontages()


def _opendrive(folder: Path) -> None:
    """In this process, though `read_opendrive` starts one for it."""
    from uniscene_sim.maps.opendrive.extract import extract

    _use_map(extract(folder / "m.xodr"))


def _vector_map(folder: Path) -> None:
    with any_hash():
        _use_map(load_map(folder / "m.npz"))


def _model(folder: Path) -> None:
    """With hashes that are right, as who changes weights would give it."""
    from uniscene_sim.camera.splat.learned.model import PainterModel
    from uniscene_sim.lidar.learned.model import LidarModel
    from uniscene_sim.occupancy.learned.model import OccupancyModel

    config = folder / "config.yaml"
    if config.is_file() and all(path.is_file() for path in folder.glob("*.safetensors")):
        text = config.read_bytes()
        for name, sums in _sums().items():
            if (folder / name).is_file():
                text = text.replace(sums, hashlib.sha256((folder / name).read_bytes()).hexdigest().encode())
        config.write_bytes(text)
    kind: Any = LidarModel if (folder / "net.safetensors").exists() else OccupancyModel
    if config.is_file() and b"recorded" in config.read_bytes():
        kind = PainterModel
    kind.load(folder, "cpu")


@cache
def _sums() -> dict[str, bytes]:
    """Hashes of weights in the examples that may be replaced, by file."""
    found: dict[str, bytes] = {}
    for files in examples.models().values():
        found |= {k: v.encode() for k, v in yaml.safe_load(files["config.yaml"])["weights"].items()}
    return found


def _recipe(folder: Path) -> None:
    from uniscene_sim.occupancy.learned.dit import DiTConfig
    from uniscene_sim.occupancy.learned.unet import UNetConfig
    from uniscene_sim.training.appearance import AppearanceRecipe
    from uniscene_sim.training.lidar import LidarRecipe
    from uniscene_sim.training.occupancy import OccupancyRecipe
    from uniscene_sim.training.recipe_file import read_recipe

    if (folder / "appearance.yaml").exists():
        read_recipe(folder / "appearance.yaml", AppearanceRecipe(), {})
    elif (folder / "lidar.yaml").exists():
        read_recipe(folder / "lidar.yaml", LidarRecipe(), {})
    else:
        read_recipe(folder / "occupancy.yaml", OccupancyRecipe(), {"net": {"unet": UNetConfig, "dit": DiTConfig}})


def _arrays(folder: Path) -> None:
    from uniscene_sim.datasets.images import read_images
    from uniscene_sim.datasets.sweeps import read_all_sweeps
    from uniscene_sim.datasets.windows import class_frequencies, read_split

    if (folder / "sweeps_1.npz").exists():
        for town in read_all_sweeps(folder):
            assert len(town.agents_cells) == len(town.agents)
    elif (folder / "body_0.npz").exists():
        from uniscene_sim.camera.splat.appearance import Appearance

        assert Appearance.load(folder).body_of(0, np.array([4.5, 1.8, 1.5])) in (-1, 0)
    elif (folder / "paint_1_0_0.npz").exists():
        from uniscene_sim.camera.splat.learned.conditions import columns_of
        from uniscene_sim.datasets.coloured_tiles import read_coloured_tiles

        for tile in read_coloured_tiles(folder):
            assert columns_of(tile.given).shape[1:] == (80, 80)
    elif (folder / "images_1.npz").exists():
        drive = read_images(folder / "images_1.npz")
        for spec in drive.cameras:
            assert drive.buffers(spec.name, len(drive) - 1).depth.shape == (spec.height, spec.width)
    else:
        towns = read_split(folder)
        towns[0].sample(0, agents=True)
        class_frequencies(towns)


_LEARNED = ("torch", "safetensors")
_MAPS = ("carla", "lxml", "pyproj")
_PLANS = ("lxml", "pyproj")
_OSM = ("osmium", "pyproj")

READERS: dict[str, Reader] = {
    "scenario": Reader(examples.scenarios, _scenario, share=2.0),
    "rig": Reader(files_of("rig"), lambda folder: _use_rig(load_rig(str(folder / "r.yaml"))), share=2.0),
    "ouster": Reader(files_of("ouster"), lambda folder: _use_rig(load_rig(str(folder / "r.yaml")))),
    "nuscenes": Reader(files_of("nuscenes"), lambda folder: _use_rig(load_rig(str(folder)))),
    "kitti": Reader(files_of("kitti"), lambda folder: _use_rig(load_rig(str(folder)))),
    "opendrive": Reader(files_of("opendrive"), _opendrive, _MAPS, 2.0, may_die=True, guided=False),
    "opendrive-whole": Reader(files_of("opendrive"), lambda folder: _use_map(load_map(folder / "m.xodr")), _MAPS, 0.01,
                              guided=False),
    "osm": Reader(plans.extracts, lambda folder: _use_map(load_map(folder / "m.osm")), _OSM, guided=False),
    "sumo": Reader(plans.networks, lambda folder: _use_map(load_map(folder / "m.net.xml")), _PLANS, guided=False),
    "city": Reader(plans.cities, lambda folder: _use_map(load_map(folder / "m.city.json")), ("pyproj",), guided=False),
    "boxes": Reader(plans.boxes, plans.read_boxes, ("lxml",)),
    "vector-map": Reader(examples.vector_maps, _vector_map),
    "painted": Reader(examples.painted, lambda folder: _use_map(load_map(folder))),
    "painted-archive": Reader(examples.painted_archive, lambda folder: _use_map(load_map(folder / "m.npz"))),
    "model": Reader(examples.models, _model, (*_LEARNED, "spconv")),
    "recipe": Reader(files_of("recipe"), _recipe, _LEARNED),
    "arrays": Reader(examples.arrays, _arrays),
    "pickled-table": Reader(streets.tables, streets.read_pickle),
    "seen-sweep": Reader(streets.sweeps, streets.read_sweep_of),
    "odometry": Reader(streets.odometry, streets.read_poses_of),
    "map-expansion": Reader(streets.plans, streets.read_plan),
    "options": Reader(words.OPTIONS, words.read_options),
    "style": Reader(words.STYLES, words.read_style),
    "names": Reader(words.NAMES, words.read_names),
    "environment": Reader(words.ENVIRONMENTS, words.read_environment),
    "controls": Reader(values.CONTROLS, values.read_controls, ("gymnasium",)),
    "command-line": Reader(words.COMMANDS, words.read_command, guided=False),
    "settings": Reader(values.SETTINGS, values.read_settings, ("gymnasium",), 0.2, guided=False),
    "ros-parameters": Reader(values.PARAMETERS, values.read_parameters, ("rclpy",)),
    "ros-messages": Reader(values.MESSAGES, values.read_message, ("rclpy",)),
    "recording": Reader(recordings.RECORDINGS, recordings.read_recording, guided=False),
    "recording-replay": Reader(recordings.RECORDINGS, recordings.use_recording, share=0.25, guided=False),
    "map-message": Reader(recordings.MAPS, recordings.message_reader("map"), guided=False),
    **{f"{kind}-message": Reader(recordings.MESSAGES(kind), recordings.message_reader(kind))
       for kind in ("layout", "rig", "control", "outcome", "frame")},
}  # fmt: skip
