"""A sweep through 0.4 m labels, beside Open3D's ray casting on the same voxels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from uniscene_sim.assemble import assemble
from uniscene_sim.bench import Row, interleaved_ms
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.rig_file import load_rig
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.labels import label_arrays, trace_labels
from uniscene_sim.world.source import ScenarioSource

__all__ = ["mesh_of", "rows"]

_FAR_M = 100.0
_PEER = "Open3D RaycastingScene"


def mesh_of(grid: OccupancyGrid) -> tuple[np.ndarray, np.ndarray]:
    """Vertices float32 (V, 3) and triangles uint32 (F, 3) of all faces between full and empty cells."""
    full = np.pad(grid.labels != OccClass.FREE, 1)
    voxel, low = grid.grid.voxel_m, np.asarray(grid.grid.origin)
    vertices, triangles, count = [], [], 0
    for axis in range(3):
        for side in (0, 1):
            inner = full[1:-1, 1:-1, 1:-1]
            beside = np.roll(full, 1 - 2 * side, axis)[1:-1, 1:-1, 1:-1]
            cells = np.argwhere(inner & ~beside)
            corners = np.zeros((4, 3), int)
            a, b = [k for k in range(3) if k != axis]
            corners[:, axis] = side
            corners[[1, 2], a] = 1
            corners[[2, 3], b] = 1
            vertices.append((cells[:, None] + corners).reshape(-1, 3))
            quads = count + 4 * np.arange(len(cells))[:, None]
            triangles += [quads + np.array([[0, 1, 2]]), quads + np.array([[0, 2, 3]])]
            count += 4 * len(cells)
    points = np.concatenate(vertices) * voxel + low
    return points.astype(np.float32), np.concatenate(triangles).astype(np.uint32)


def rows() -> Iterator[Row]:
    rig = load_rig("nuscenes-small")
    grid = assemble(ScenarioSource.open("cut_in"), rig, bev_schema=None).reset().occupancy
    assert grid is not None
    elevation, azimuth = np.linspace(-0.535, 0.186, 32), np.linspace(-np.pi, np.pi, 1090, endpoint=False)
    e, a = np.meshgrid(elevation, azimuth)
    directions = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1).reshape(-1, 3)
    # As floats of 32 bits, which is all that the peer takes.
    directions = directions.astype(np.float32).astype(float)
    origins = np.broadcast_to(np.array([0.9, 0.0, 1.8]), directions.shape).copy()
    jobs: dict[str, Any] = {"ours": lambda: trace_labels(label_arrays(grid), origins, directions, _FAR_M)}
    what = "a sweep of 32x1090 through 200x200x16 labels"
    try:
        import open3d
    except ImportError as error:
        ms = interleaved_ms(jobs)
        yield Row(what, ms["ours"], "ms", f"{_PEER} (not installed: {error}; extra `bench`)")
        return
    tensor: Any = open3d.core.Tensor
    rays = tensor(np.hstack([origins, directions]).astype(np.float32))

    def cast(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(tensor(vertices), tensor(triangles))
        return scene.cast_rays(rays)["t_hit"].numpy()

    mesh = mesh_of(grid)
    jobs["built and cast"] = lambda: cast(*mesh)
    jobs["meshed, built and cast"] = lambda: cast(*mesh_of(grid))
    ms = interleaved_ms(jobs)
    for name in ("built and cast", "meshed, built and cast"):
        yield Row(what, ms["ours"], "ms", f"{_PEER}, {name}", ms[name])
    ours, theirs = trace_labels(label_arrays(grid), origins, directions, _FAR_M)[0], cast(*mesh).astype(float)
    equal = np.isclose(ours, theirs, rtol=0.0, atol=1e-3)  # infinite on both sides is equal
    yield Row(f"{what}: rays within 1 mm of {_PEER}", 100.0 * float(equal.mean()), "%")
