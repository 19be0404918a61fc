"""Benchmark of sweeps through 0.4 m labels, against Open3D's ray casting on the same voxels: exact rays through a
window, and `sparse-sdf` through all cells in range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from uniscene_sim.assembly import assemble
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.learned.engine import SparseSdf
from uniscene_sim.lidar.learned.voxels import agent_cells, dense_labels_near, join_cells, tile_cells
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels
from uniscene_sim.tracing.label_mesh import mesh_of_labels
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.zoo.models import model_names

if TYPE_CHECKING:
    from uniscene_sim.lidar.learned.model import LidarModel

__all__ = ["rows"]

_FAR_M = 100.0
_PEER = "Open3D RaycastingScene"


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    rig = load_rig("nuscenes-small")
    grid = assemble(ScenarioSource.open("cut_in"), rig, bev_schema=None).reset().occupancy
    assert grid is not None
    elevation, azimuth = np.linspace(-0.535, 0.186, 32), np.linspace(-np.pi, np.pi, 1090, endpoint=False)
    e, a = np.meshgrid(elevation, azimuth)
    directions = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1).reshape(-1, 3)
    # In float32, the peer's precision.
    directions = directions.astype(np.float32).astype(float)
    origins = np.broadcast_to(np.array([0.9, 0.0, 1.8]), directions.shape).copy()
    jobs: dict[str, Any] = {"ours": lambda: trace_labels(label_arrays(grid), origins, directions, _FAR_M)}
    what = "a sweep of 32x1090 through 200x200x16 labels"
    try:
        import open3d
    except ImportError as error:
        ms = interleaved_ms(jobs)
        yield BenchRow(what, ms["ours"], "ms", f"{_PEER} (not installed: {error}; extra `bench`)")
        return
    tensor: Any = open3d.core.Tensor
    rays = tensor(np.hstack([origins, directions]).astype(np.float32))

    def cast(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(tensor(vertices), tensor(triangles))
        t: np.ndarray = scene.cast_rays(rays)["t_hit"].numpy()
        return t

    mesh = mesh_of_labels(grid)
    jobs["built and cast"] = lambda: cast(*mesh)
    jobs["meshed, built and cast"] = lambda: cast(*mesh_of_labels(grid))
    ms = interleaved_ms(jobs)
    for name in ("built and cast", "meshed, built and cast"):
        yield BenchRow(what, ms["ours"], "ms", f"{_PEER}, {name}", ms[name])
    ours, theirs = trace_labels(label_arrays(grid), origins, directions, _FAR_M)[0], cast(*mesh).astype(float)
    equal = np.isclose(ours, theirs, rtol=0.0, atol=1e-3)  # infinite on both sides is equal
    yield BenchRow(f"{what}: rays within 1 mm of {_PEER}", 100.0 * float(equal.mean()), "%")
    if find_spec("torch") and find_spec("spconv"):
        for far_m in (40.0, _FAR_M):
            yield from _learned_rows(far_m)


def _learned_rows(far_m: float) -> Iterator[BenchRow]:
    """Whole sweeps of `sparse-sdf`, from the world to points, against building the scene and casting alone."""
    import open3d

    tensor: Any = open3d.core.Tensor
    view = _view()
    spec = lidar_model("hdl-32e", "top", Pose(0.94, 0.0, 1.84), azimuth_steps=1090, max_range_m=far_m)
    model, whose = _model()
    warm = SparseSdf(model())
    grid = _labels(view, far_m)
    vertices, triangles = mesh_of_labels(grid)
    sensor = view.frame.ego_pose.compose(spec.pose)
    elevation, azimuth = np.meshgrid(spec.elevation_rad, np.linspace(-np.pi, np.pi, 1090, endpoint=False))
    flat = np.cos(elevation)
    local = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1).reshape(-1, 3)
    # relative to the sensor, for the peer's float32
    rays = tensor(np.hstack([np.zeros_like(local), local @ sensor.rotation.T]).astype(np.float32))
    about = (vertices - sensor.position).astype(np.float32)

    def cast() -> np.ndarray:
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(tensor(about), tensor(triangles))
        t: np.ndarray = scene.cast_rays(rays)["t_hit"].numpy()
        return t

    jobs = {
        "warm": lambda: warm.step([None], [view], (spec,)),
        "cold": lambda: SparseSdf(model()).step([None], [view], (spec,)),
        "peer": cast,
    }
    ms = interleaved_ms(jobs, repeats=3)
    what = f"a sweep of 32x1090 through all labels within {far_m:g} m, `sparse-sdf` ({whose})"
    peer = f"{_PEER}, built and cast, {len(triangles) / 1e6:.1f} M triangles"
    yield BenchRow(f"{what}, features at hand", ms["warm"], "ms", peer, ms["peer"])
    yield BenchRow(f"{what}, cells and features made anew", ms["cold"], "ms", peer, ms["peer"])


def _model() -> tuple[Callable[[], LidarModel], str]:
    """A factory of the zoo's model, or, without one, of an untrained model of the same speed; and its description."""
    from uniscene_sim.lidar.learned.model import LidarModel
    from uniscene_sim.lidar.learned.network import SdfConfig, SparseSdfNet

    if "lidar" in model_names():
        net, whose = LidarModel.load("lidar", "cpu").net, "the zoo's"
    else:
        net, whose = SparseSdfNet(SdfConfig()), "untrained"
    return lambda: LidarModel("lidar", net, "", "cpu"), whose


def _view() -> WorldView:
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("nuscenes-small"), bev_schema=None, window_grid=None)
    simulator.begin()
    for _ in range(3):
        simulator.advance()
    return simulator.current_view()


def _labels(view: WorldView, far_m: float) -> OccupancyGrid:
    """All cells within range, agents included, in the map frame."""
    at, store = view.frame.ego_pose, view.atlas.store
    parts = [tile_cells(store.get(*index)) for index in store.around(at.x, at.y, far_m)]
    cells = join_cells([*parts, *(agent_cells(agent) for agent in view.frame.agents)])
    return dense_labels_near(cells.ijk, cells.label, np.array([at.x, at.y]), far_m)
