"""`VoxelCanvas`: a small grid of voxels on which templates are drawn in metres."""

from __future__ import annotations

import numpy as np

from uniscene_sim.taxonomy import Material

__all__ = ["VoxelCanvas"]


class VoxelCanvas:
    """A box of voxels, x forward, y left (0 is the middle), z up from the ground.

    Args:
        length, width, height: extent, m.
        voxel_m: size of a voxel.

    Attributes:
        material: uint8 (X, Y, Z).
        x, y, z: coordinates of voxel centres, m, which broadcast to (X, Y, Z).
    """

    def __init__(self, length: float, width: float, height: float, voxel_m: float = 0.05):
        self.voxel_m = voxel_m
        shape = tuple(max(round(v / voxel_m), 1) for v in (length, width, height))
        self.material = np.full(shape, Material.NONE, dtype=np.uint8)
        self.x, self.y, self.z = np.meshgrid(
            (np.arange(shape[0]) + 0.5) * voxel_m - 0.5 * length,
            (np.arange(shape[1]) + 0.5) * voxel_m - 0.5 * width,
            (np.arange(shape[2]) + 0.5) * voxel_m,
            indexing="ij",
            sparse=True,
        )

    @property
    def filled(self) -> np.ndarray:
        """Voxels that are not empty, bool (X, Y, Z)."""
        filled: np.ndarray = self.material != Material.NONE
        return filled

    def paint(self, where: np.ndarray, material: Material) -> None:
        """Set the material of a mask that broadcasts to the canvas (X, Y, Z)."""
        self.material[np.broadcast_to(where, self.material.shape)] = material

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
        """Mask (X, Y, Z) of an axis-aligned box, by its ranges, m."""
        inside: np.ndarray = (
            (self.x >= x[0]) & (self.x < x[1]) & (self.y >= y[0]) & (self.y < y[1]) & (self.z >= z[0]) & (self.z < z[1])
        )
        return inside

    def ellipsoid(self, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
        """Mask (X, Y, Z) of an axis-aligned ellipsoid, by its centre and radii, m."""
        (cx, cy, cz), (rx, ry, rz) = centre, radii
        inside: np.ndarray = ((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 + ((self.z - cz) / rz) ** 2 < 1
        return inside

    def capsule(self, a: tuple[float, float, float], b: tuple[float, float, float], radius: float) -> np.ndarray:
        """Mask (X, Y, Z) of all within `radius` of the segment from a to b, m."""
        ab, axes = np.subtract(b, a), (self.x, self.y, self.z)
        far = radius + self.voxel_m  # a voxel to spare
        near = tuple(
            slice(*np.searchsorted(axis.ravel(), (min(p, q) - far, max(p, q) + far)))
            for axis, p, q in zip(axes, a, b, strict=True)
        )
        ax, ay, az = self.x[near[0]] - a[0], self.y[:, near[1]] - a[1], self.z[:, :, near[2]] - a[2]
        t = np.clip((ax * ab[0] + ay * ab[1] + az * ab[2]) / max(float(ab @ ab), 1e-9), 0, 1)
        inside = np.zeros(self.material.shape, bool)
        inside[near] = (ax - t * ab[0]) ** 2 + (ay - t * ab[1]) ** 2 + (az - t * ab[2]) ** 2 < radius**2
        return inside

    def wheel(self, x: float, y: float, radius: float, width: float) -> None:
        """Draw a tyre and its rim, upright on the ground.

        Args:
            x, y: centre, m; y is from the centre line.
            radius, width: m.
        """
        r2 = (self.x - x) ** 2 + (self.z - radius) ** 2
        side = np.abs(self.y - y) < 0.5 * width
        self.paint((r2 < radius**2) & side, Material.TYRE)
        self.paint((r2 < (0.62 * radius) ** 2) & side, Material.RIM)
