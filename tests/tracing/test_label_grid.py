"""Rays through labels, held to a reference that looks at every cell."""

import numpy as np
import pytest

from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels

SPEC = GridSpec(0.4, (37, 29, 12), (-7.0, -5.0, -1.0))


def scene(share: float, seed: int) -> OccupancyGrid:
    rng = np.random.default_rng(seed)
    labels = np.full(SPEC.shape, OccClass.FREE, np.uint8)
    labels[rng.random(SPEC.shape) < share] = OccClass.MANMADE
    labels[:, :, 0] = OccClass.TERRAIN
    labels[:9, :9, 1:] = OccClass.FREE
    return OccupancyGrid(labels, np.zeros(SPEC.shape, np.uint16), SPEC, Pose())


def first_cell(grid: OccupancyGrid, origin: np.ndarray, direction: np.ndarray, far: float) -> tuple[float, int]:
    """Entry into the nearest of all full cells that a ray meets, one after the other."""
    best, label = np.inf, int(OccClass.FREE)
    cells = np.argwhere(grid.labels != OccClass.FREE)
    low = cells * SPEC.voxel_m + SPEC.origin
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - origin) / direction, (low + SPEC.voxel_m - origin) / direction
    enter, leave = np.fmin(a, b).max(axis=1), np.fmax(a, b).min(axis=1)
    met = np.flatnonzero((enter < leave) & (leave > 0.0) & (enter <= far))
    if len(met):
        k = met[np.argmin(np.maximum(enter[met], 0.0))]
        best, label = max(enter[k], 0.0), int(grid.labels[tuple(cells[k])])
    return best, label


@pytest.mark.parametrize(("share", "seed"), [(0.0, 1), (0.02, 2), (0.2, 3)])
def test_every_ray_meets_the_cell_that_the_reference_finds(share, seed):
    grid, rng = scene(share, seed), np.random.default_rng(10 + seed)
    n = 400
    inside = rng.uniform(0.05, 0.95, (n, 3)) * np.array(SPEC.shape) * SPEC.voxel_m + SPEC.origin
    outside = rng.uniform(-12, 12, (n, 3)) + np.array([0, 0, 8.0])
    origins = np.where(rng.random((n, 1)) < 0.6, inside, outside)
    directions = rng.normal(size=(n, 3))
    directions[np.arange(40), rng.integers(0, 3, 40)] = 0.0
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    t, label = trace_labels(label_arrays(grid), origins, directions, 9.0)
    hits = 0
    for k in range(n):
        expected, what = first_cell(grid, origins[k], directions[k], 9.0)
        assert t[k] == pytest.approx(expected, abs=1e-6), (origins[k], directions[k])
        if np.isfinite(expected):
            assert label[k] == what
            hits += 1
    assert hits > 60


def test_a_ray_along_an_axis_and_one_that_misses():
    grid = scene(0.0, 1)
    grid.labels[20, 14, 5] = OccClass.VEGETATION
    middle = np.array([SPEC.centres(k)[i] for k, i in enumerate((20, 14, 5))])
    origins = np.array([middle - [3.0, 0, 0], middle + [0, 0, 2.0], middle + [0, 0, 2.0]])  # noqa: RUF005
    directions = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 0, 1.0]])
    t, label = trace_labels(label_arrays(grid), origins, directions, 50.0)
    assert t.tolist() == pytest.approx([2.8, 1.8, np.inf])
    assert label.tolist() == [OccClass.VEGETATION, OccClass.VEGETATION, OccClass.FREE]
