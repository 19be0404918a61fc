"""Rays through the voxels of an occupancy window, at any yaw in the map frame."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from uniscene_sim.compute.compiled import device, floor
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.atlas import WindowArrays
from uniscene_sim.tracing.slabs import Ray, clamp, slab_entry, slab_exit

__all__ = ["trace_window"]

_FREE = int(OccClass.FREE)


@device
def trace_window(w: WindowArrays, ray: Ray, t_max):
    """First full voxel of an occupancy window along a ray.

    Returns:
        t (inf if there is none up to t_max), label, normal x, y, z, instance, and t at which the ray enters and leaves
        the
        window: inf and -inf if it misses it.
    """
    ox, oy, oz, dx, dy, dz = ray
    f = w.frame
    px, py, pz = ox - f[9], oy - f[10], oz - f[11]
    nx, ny, nz = int(f[12]), int(f[13]), int(f[14])
    # in voxels; t is unchanged
    x = f[0] * px + f[1] * py + f[2] * pz
    y = f[3] * px + f[4] * py + f[5] * pz
    z = f[6] * px + f[7] * py + f[8] * pz
    u = f[0] * dx + f[1] * dy + f[2] * dz
    v = f[3] * dx + f[4] * dy + f[5] * dz
    q = f[6] * dx + f[7] * dy + f[8] * dz
    miss = (u == 0.0 and not 0.0 <= x <= nx) or (v == 0.0 and not 0.0 <= y <= ny) or (q == 0.0 and not 0.0 <= z <= nz)
    tx, ty, tz = slab_entry(x, u, 0.0, nx), slab_entry(y, v, 0.0, ny), slab_entry(z, q, 0.0, nz)
    enter = max(tx, ty, tz, 0.0)
    leave = min(slab_exit(x, u, 0.0, nx), slab_exit(y, v, 0.0, ny), slab_exit(z, q, 0.0, nz))
    if miss or enter > leave:
        return inf, np.uint8(_FREE), 0.0, 0.0, 0.0, 0, inf, -inf
    axis = 0 if tx >= ty and tx >= tz else (1 if ty >= tz else 2)
    if enter == 0.0:
        axis = -1  # it starts inside
    i = clamp(floor(x + enter * u), 0, nx - 1)
    j = clamp(floor(y + enter * v), 0, ny - 1)
    k = clamp(floor(z + enter * q), 0, nz - 1)
    si, sj, sk = (1 if u > 0.0 else -1), (1 if v > 0.0 else -1), (1 if q > 0.0 else -1)
    tx, ty, tz = slab_exit(x, u, i, i + 1), slab_exit(y, v, j, j + 1), slab_exit(z, q, k, k + 1)
    t = enter
    while t <= t_max:
        voxel = np.int64(w.voxels[(i * ny + j) * nz + k])
        label = np.uint8(voxel & 255)
        if label != _FREE:
            instance = voxel >> 8
            if axis < 0:
                length = sqrt(dx * dx + dy * dy + dz * dz)
                return t, label, -dx / length, -dy / length, -dz / length, instance, enter, leave
            along, at = u if axis == 0 else (v if axis == 1 else q), 3 * axis
            turn = (-1.0 if along > 0.0 else 1.0) / sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2])
            return t, label, turn * f[at], turn * f[at + 1], turn * f[at + 2], instance, enter, leave
        if tx <= ty and tx <= tz:
            t, axis = tx, 0
            i += si
            if i < 0 or i >= nx:
                break
            tx = slab_exit(x, u, i, i + 1)
        elif ty <= tz:
            t, axis = ty, 1
            j += sj
            if j < 0 or j >= ny:
                break
            ty = slab_exit(y, v, j, j + 1)
        else:
            t, axis = tz, 2
            k += sk
            if k < 0 or k >= nz:
                break
            tz = slab_exit(z, q, k, k + 1)
    return inf, np.uint8(_FREE), 0.0, 0.0, 0.0, 0, enter, leave
