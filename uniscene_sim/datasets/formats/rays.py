"""Which voxels rays cross, in a grid whose heights are counted from the ground of each column."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit

__all__ = ["cross", "look_around"]

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


@njit(cache=True)
def look_around(solid, seen, eye):
    """Mark what an eye sees: from it to each voxel of the grid's outside, up to the first that is solid.

    Args:
        solid: bool (X, Y, Z).
        seen: bool (X, Y, Z), set where the eye sees.
        eye: float64 (3,), in voxels, inside the grid.
    """
    nx, ny, nz = solid.shape
    for i in range(nx):
        for j in range(ny):
            edge = i == 0 or j == 0 or i == nx - 1 or j == ny - 1
            step = 1 if edge else max(nz - 1, 1)
            for k in range(0, nz, step):
                x, y, z = eye[0], eye[1], eye[2]
                dx, dy, dz = i + 0.5 - x, j + 0.5 - y, k + 0.5 - z
                steps = int(np.sqrt(dx * dx + dy * dy + dz * dz) / _STEP) + 1
                dx, dy, dz = dx / steps, dy / steps, dz / steps
                for _ in range(steps + 1):
                    a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
                    if a < 0 or b < 0 or c < 0 or a >= nx or b >= ny or c >= nz:
                        break
                    seen[a, b, c] = True
                    if solid[a, b, c]:
                        break
                    x += dx
                    y += dy
                    z += dz
