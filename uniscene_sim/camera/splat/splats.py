"""`Splats`: the world's surfaces as 3D Gaussians (Kerbl et al. 2023), and how neighbours become one.

A splat has the first two moments of the piece of surface that it stands for. So the moments of a group of pieces are
those of the piece that they are together, which gives coarser levels of detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np

from uniscene_sim.taxonomy import MATERIAL_LABEL

__all__ = ["Splats", "merge_splats"]

_TWO_SIDED = 6  # direction of splats without a normal


@dataclass(frozen=True)
class Splats:
    """N Gaussians. Those of closed surfaces have an outward normal and are seen from outside; thin things have none."""

    means: np.ndarray  # float32 (N, 3) m
    covariances: np.ndarray  # float32 (N, 6) m^2: xx, xy, xz, yy, yz, zz
    normals: np.ndarray  # float32 (N, 3), unit; zero: two-sided
    opacities: np.ndarray  # float32 (N,), 0..1
    albedo: np.ndarray  # float32 (N, 3), linear RGB
    material: np.ndarray  # uint8 (N,), Material
    instance: np.ndarray  # uint16 (N,), 0: none
    area: np.ndarray  # float32 (N,) m^2, of the surface that it stands for

    def __len__(self) -> int:
        return len(self.means)

    def __getitem__(self, rows: np.ndarray | slice) -> Splats:
        return Splats(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Splats]) -> Self:
        """All splats of some, in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def labels(self) -> np.ndarray:
        """OccClass uint8 (N,)."""
        labels: np.ndarray = MATERIAL_LABEL[self.material]
        return labels

    @property
    def scales(self) -> np.ndarray:
        """Standard deviations float32 (N, 3), m, along the axes of `rotations`."""
        return self._axes[0]

    @property
    def rotations(self) -> np.ndarray:
        """Unit quaternions float32 (N, 4), w first."""
        return self._axes[1]

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        from scipy.spatial.transform import Rotation

        full = self.covariances[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].astype(np.float64).reshape(-1, 3, 3)
        variance, axes = np.linalg.eigh(full)
        axes[:, :, 0] *= np.where(np.linalg.det(axes) < 0, -1.0, 1.0)[:, None] if len(axes) else 1.0
        turned = Rotation.from_matrix(axes).as_quat(scalar_first=True) if len(axes) else np.zeros((0, 4))
        return np.sqrt(np.maximum(variance, 0.0)).astype(np.float32), turned.astype(np.float32)


def merge_splats(splats: Splats, cell_m: float) -> Splats:
    """One splat for all of one material and instance that face one way within a cube.

    Args:
        splats: N of them.
        cell_m: edge of the cubes, m.
    """
    if not len(splats):
        return splats
    cube = np.floor(splats.means / cell_m).astype(np.int64)
    cube -= cube.min(axis=0)
    n = cube.max(axis=0) + 1
    key = (cube[:, 0] * n[1] + cube[:, 1]) * n[2] + cube[:, 2]
    key = ((key * 7 + _directions(splats.normals)) * 256 + splats.material) * 65536 + splats.instance
    order = np.lexsort((splats.area, key))  # the largest of each group is its last
    key = key[order]
    ends = np.flatnonzero(np.append(key[1:] != key[:-1], True))
    starts = np.concatenate([[0], ends[:-1] + 1])
    some = splats[order]
    weight = some.area.astype(np.float64)
    total = np.add.reduceat(weight, starts)

    def mean_of(values: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.add.reduceat(values * weight[:, None], starts) / total[:, None]
        return mean

    # around the middle of the cube, so that squares lose no digits
    middle = (np.floor(some.means / cell_m) + 0.5) * cell_m
    away = (some.means - middle).astype(np.float64)
    shift = mean_of(away)
    i, j = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
    second = mean_of(some.covariances + away[:, i] * away[:, j]) - shift[:, i] * shift[:, j]
    normal = mean_of(some.normals)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    last = some[ends]
    return Splats(
        (middle[ends] + shift).astype(np.float32),
        second.astype(np.float32),
        np.where(length > 0.2, normal / np.maximum(length, 1e-6), 0.0).astype(np.float32),
        mean_of(some.opacities[:, None])[:, 0].astype(np.float32),
        mean_of(some.albedo).astype(np.float32),
        last.material,
        last.instance,
        total.astype(np.float32),
    )


def _directions(normals: np.ndarray) -> np.ndarray:
    """The axis that each normal (N, 3) is nearest to, 0..5, or `_TWO_SIDED`."""
    axis = np.abs(normals).argmax(axis=1)
    along = np.take_along_axis(normals, axis[:, None], axis=1)[:, 0]
    found: np.ndarray = np.where(along == 0.0, _TWO_SIDED, 2 * axis + (along < 0.0))
    return found
