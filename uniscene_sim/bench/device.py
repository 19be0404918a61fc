"""Benchmark of what runs on a CUDA device, against the same on this machine's CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

import numpy as np

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.bench.windows import window_jobs
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.cuda.device import require_device
from uniscene_sim.cuda.engines import CudaCameras, CudaLidar
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.maps.load import load_map
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.data_folders import data_dir

__all__ = ["rows"]

_WORLDS = (1, 8)


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark.

    Raises:
        InputError: there is no CUDA device.
    """
    require_device("device")
    rig, view = load_rig("nuscenes-small"), street_view("cut_in")
    for worlds in _WORLDS:
        views = [view] * worlds
        jobs: dict[str, Callable[[], object]] = {
            "cameras": partial(RaycastCameras().step, None, views, rig.cameras),
            "cameras there": partial(CudaCameras().step, None, views, rig.cameras),
            "sweep": partial(RaycastLidar().step, None, views, rig.lidars),
            "sweep there": partial(CudaLidar().step, None, views, rig.lidars),
        }
        ms = interleaved_ms(jobs, repeats=3)
        for what, job in (("6 cameras of 224x400", "cameras"), ("a LiDAR of `nuscenes-small`", "sweep")):
            name = f"{what}, {worlds} world{'s' if worlds > 1 else ''}, `raycast-cuda`"
            yield BenchRow(name, ms[f"{job} there"], "ms", "`raycast` on the CPU", ms[job])
    if find_spec("torch"):
        yield from _tile_rows()
        yield from _window_rows(view)


def _window_rows(view: WorldView) -> Iterator[BenchRow]:
    """Windows by engines that generate them, on both devices."""
    static_map = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    here, there = (window_jobs(static_map, view, device) for device in ("cpu", "cuda"))
    ms = interleaved_ms(here | {f"{name} there": job for name, job in there.items()}, repeats=3)
    for name in here:
        yield BenchRow(f"a window by `{name}`, on CUDA", ms[f"{name} there"], "ms", "on the CPU", ms[name])


def _tile_rows() -> Iterator[BenchRow]:
    """A generated tile by what makes its latents and labels, on both devices."""
    from uniscene_sim.occupancy.learned.model import OccupancyModel

    static_map = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    engines = {
        device: OccflowTiles(static_map, 0, OccupancyModel.load("occupancy", device)) for device in ("cpu", "cuda")
    }
    model = engines["cpu"].model
    layout = engines["cpu"].layout(0, 0)[None]
    shape = (1, model.latent_channels, layout.shape[2] // model.patch, layout.shape[3] // model.patch)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    def make(device: str) -> object:
        made = engines[device].model
        return made.decode(made.generate(layout, noise), layout)

    ms = interleaved_ms({device: partial(make, device) for device in engines}, repeats=3)
    yield BenchRow(
        "latents and labels of a tile by `occflow-tiles`, on CUDA", ms["cuda"], "ms", "on the CPU", ms["cpu"]
    )
