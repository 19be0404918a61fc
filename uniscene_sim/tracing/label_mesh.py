"""The surface of labelled cells as a triangle mesh."""

from __future__ import annotations

import numpy as np

from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.taxonomy import OccClass

__all__ = ["mesh_of_labels"]


def mesh_of_labels(grid: OccupancyGrid) -> tuple[np.ndarray, np.ndarray]:
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
