"""Benchmark of what others make of our sweeps: odometry by KISS-ICP against the true path, ground by Patchwork++
against the exact labels. Open3D, if installed, traces the same beams from the same poses through the world's labels:
this tells the sensor's share of an error from that of the world and the method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.assembly import assemble
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, LidarSweep
from uniscene_sim.geometry import Pose
from uniscene_sim.lidar.learned.voxels import dense_labels_near, join_cells, tile_cells
from uniscene_sim.metrics.odometry import PathErrors, path_errors
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.rig import LidarSpec, SensorRig
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.taxonomy import GROUND_CLASSES
from uniscene_sim.tracing.label_mesh import mesh_of_labels
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["Drive", "drive", "ground_scores", "kiss_icp_poses", "rows"]

_SCENARIO, _SECONDS, _SUB_PATH_M = "red_light", 12.0, 20.0
_MODELS = {"hdl-32e": Pose(0.94, 0.0, 1.84), "hdl-64e": Pose(0.81, 0.0, 1.73), "os1-128": Pose(0.94, 0.0, 1.84)}


@dataclass(frozen=True)
class Drive:
    """Sweeps of one LiDAR along a drive, each point in the sensor's frame at its own time, as drivers publish them."""

    spec: LidarSpec
    sweeps: tuple[LidarSweep, ...]
    poses: np.ndarray  # (N, 4, 4), map <- sensor at the sweeps' stamps
    tiles: TileStore


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark.

    Raises:
        InputError: the extra `consumers` is not installed.
    """
    _require_consumers()
    for model, pose in _MODELS.items():
        driven = drive(_SCENARIO, lidar_model(model, "lidar", pose, deskewed=False), _SECONDS)
        ours = path_errors(kiss_icp_poses(driven.spec, driven.sweeps), driven.poses, _SUB_PATH_M)
        peer, theirs = _open3d_errors(driven)
        yield from _odometry_rows(f"`{model}`, KISS-ICP", ours, peer, theirs)
        for what, value in zip(("precision", "recall"), ground_scores(driven.spec, driven.sweeps), strict=True):
            yield BenchRow(f"`{model}`, Patchwork++: {what} of ground", 100.0 * value, "%")


def _require_consumers() -> None:
    try:
        import kiss_icp  # noqa: F401
        import pypatchworkpp  # noqa: F401
    except ImportError as error:
        raise InputError(f"the bench of consumers needs KISS-ICP and Patchwork++ ({error}); install "
                         "uniscene_sim[consumers]") from error  # fmt: skip


def drive(scenario: str, spec: LidarSpec, seconds: float) -> Drive:
    """The sweeps of a LiDAR that drives through a scenario with the built-in driver."""
    simulator = assemble(ScenarioSource.open(scenario), SensorRig("consumers", lidars=(spec,)))
    request = FrameRequest(window_grid=None, bev_schema=None, digests=False)
    sweeps, poses = [], []
    for tick in tqdm(range(round(seconds * 1e6 / spec.period_us)), desc=spec.name, unit="sweep", disable=None):
        frame = simulator.step(request=request) if tick else simulator.reset(request)
        sweeps.append(frame.sweeps[spec.name])
        poses.append(frame.layout.ego_pose.compose(spec.pose).matrix)
    return Drive(spec, tuple(sweeps), np.array(poses), simulator.store)


def kiss_icp_poses(spec: LidarSpec, sweeps: Sequence[LidarSweep]) -> np.ndarray:
    """Poses (N, 4, 4) by KISS-ICP as it is configured by default, first <- sweep.

    It compensates the motion itself, from the time of each point, unless the sweeps are deskewed already. Where all
    times are equal there is nothing to compensate, and its scaling of them would divide by zero.
    """
    from kiss_icp.config import KISSConfig
    from kiss_icp.kiss_icp import KissICP

    config = KISSConfig()
    config.data.max_range, config.data.min_range = spec.max_range_m, spec.min_range_m
    config.data.deskew = not spec.deskewed and all(np.ptp(sweep.time_s) > 0 for sweep in sweeps)
    config.mapping.voxel_size = spec.max_range_m / 100.0
    config.registration.max_num_threads = 1  # its sums would depend on the number of threads
    odometry, poses = KissICP(config), []
    for sweep in tqdm(sweeps, desc="KISS-ICP", unit="sweep", disable=None):
        odometry.register_frame(sweep.xyz.astype(np.float64), sweep.time_s.astype(np.float64))
        poses.append(odometry.last_pose.copy())
    return np.array(poses)


def _odometry_rows(name: str, ours: PathErrors, peer: str, theirs: PathErrors | None) -> Iterator[BenchRow]:
    def values(of: PathErrors) -> list[float]:
        # signs are of no interest to a ratio
        return [100.0 * of.translation, of.rotation_deg_per_m, abs(float(of.end_m[2])), abs(of.end_pitch_deg)]

    what = (
        (f"translation error over {_SUB_PATH_M:g} m", "% of error"),
        (f"rotation error over {_SUB_PATH_M:g} m", "deg/m of error"),
        (f"height error after {ours.driven_m:.0f} m", "m of error"),
        (f"pitch error after {ours.driven_m:.0f} m", "deg of error"),
    )
    others = values(theirs) if theirs else [None] * len(what)
    for (quantity, unit), value, other in zip(what, values(ours), others, strict=True):
        yield BenchRow(f"{name}: {quantity}", value, unit, peer, other)


def _open3d_errors(driven: Drive) -> tuple[str, PathErrors | None]:
    """What the peer is, and its errors: the same beams, at the same poses, all fired at the stamp."""
    name = "Open3D on the same labels"
    try:
        import open3d
    except ImportError as error:
        return f"{name} (not installed: {error}; extra `bench`)", None
    spec, position = driven.spec, driven.poses[:, :3, 3]
    centre, reach = position[:, :2].mean(axis=0), spec.max_range_m
    far = reach + float(np.linalg.norm(position[:, :2] - centre, axis=1).max())
    cells = join_cells([tile_cells(driven.tiles.get(*index)) for index in tiles_along(position, reach)])
    vertices, triangles = mesh_of_labels(dense_labels_near(cells.ijk, cells.label, centre, far))
    about = np.array([*centre, 0.0])
    tensor: Any = open3d.core.Tensor
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(tensor((vertices - about).astype(np.float32)), tensor(triangles))
    azimuth = np.linspace(-np.pi, np.pi, spec.azimuth_steps, endpoint=False)
    azimuth, elevation = (x.ravel() for x in np.meshgrid(azimuth, spec.elevation_rad, indexing="ij"))
    flat = np.cos(elevation)
    local = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1)
    sweeps = []
    for pose in driven.poses:
        origins = np.broadcast_to(pose[:3, 3] - about, local.shape)
        rays = tensor(np.hstack([origins, local @ pose[:3, :3].T]).astype(np.float32))
        t = scene.cast_rays(rays)["t_hit"].numpy()
        seen = t < reach
        sweeps.append(_points(local[seen] * t[seen, None]))
    return name, path_errors(kiss_icp_poses(spec, sweeps), driven.poses, _SUB_PATH_M)


def _points(xyz: np.ndarray) -> LidarSweep:
    """A sweep of points (N, 3), m, of one time."""
    n = len(xyz)
    none = np.zeros(n, np.uint16)
    return LidarSweep(xyz.astype(np.float32), np.zeros(n, np.float32), none, np.zeros(n, np.float32),
                      np.zeros(n, np.uint8), none, 0)  # fmt: skip


def ground_scores(spec: LidarSpec, sweeps: Sequence[LidarSweep]) -> tuple[float, float]:
    """Mean precision and recall (0 to 1) of the points that Patchwork++ calls ground, against the labels."""
    import pypatchworkpp

    settings = pypatchworkpp.Parameters()
    settings.verbose, settings.sensor_height, settings.max_range = False, spec.pose.z, spec.max_range_m
    finder, scores = pypatchworkpp.patchworkpp(settings), []
    for sweep in sweeps:
        finder.estimateGround(np.column_stack([sweep.xyz, 255.0 * sweep.intensity]).astype(np.float32))
        found, true = np.zeros(len(sweep.xyz), np.bool_), np.isin(sweep.label, GROUND_CLASSES)
        found[finder.getGroundIndices()] = True
        right = float((found & true).sum())
        scores.append((right / max(int(found.sum()), 1), right / max(int(true.sum()), 1)))
    precision, recall = np.mean(scores, axis=0).tolist()
    return precision, recall
