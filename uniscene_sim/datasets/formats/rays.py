"""Which voxels rays cross, in a grid whose heights are counted from the ground of each column."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit

__all__ = ["cross"]

_STEP = 0.5  # of a voxel, from point to point of a ray
_SHORT_M = 0.3  # a ray is free up to this far before its end


@njit(cache=True)
def cross(crossed, ground, low, voxel, origins, ends):
    """Count the rays that cross each voxel; a ray counts once for the voxels it passes in turn.

    Args:
        crossed: uint16 (X, Y, L), counted up, up to 65,535.
        ground: float32 (X, Y) m, height of the ground.
        low: (2,) m, corner of the grid.
        voxel: m.
        origins, ends: float64 (N, 3) m.
    """
    nx, ny, nl = crossed.shape
    for n in range(len(ends)):
        x, y, z = origins[n, 0] - low[0], origins[n, 1] - low[1], origins[n, 2]
        dx, dy, dz = ends[n, 0] - origins[n, 0], ends[n, 1] - origins[n, 1], ends[n, 2] - origins[n, 2]
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        steps = int((length - _SHORT_M) / (_STEP * voxel))
        if steps <= 0:
            continue
        scale = _STEP * voxel / length
        dx, dy, dz = dx * scale, dy * scale, dz * scale
        last = -1
        for _ in range(steps):
            x += dx
            y += dy
            z += dz
            i, j = int(np.floor(x / voxel)), int(np.floor(y / voxel))
            if i < 0 or j < 0 or i >= nx or j >= ny:
                continue
            k = int(np.floor((z - ground[i, j]) / voxel))
            if k < 0 or k >= nl:
                continue
            at = (i * ny + j) * nl + k
            if at != last:
                last = at
                if crossed[i, j, k] < 65535:
                    crossed[i, j, k] += 1
