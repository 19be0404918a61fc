"""What is seen from the ego: walls hide what is behind them."""

import numpy as np
import pytest

from uniscene_sim.grid import GridSpec
from uniscene_sim.metrics.surfaces import VisibleSurface, visible_voxels
from uniscene_sim.taxonomy import OccClass

GRID = GridSpec(shape=(60, 60, 16), origin=(-12.0, -12.0, -1.0))


def world(wall):
    labels = np.full(GRID.shape, OccClass.FREE, np.uint8)
    labels[..., 2] = OccClass.TERRAIN
    labels[wall, 5:55, 2:14] = OccClass.MANMADE
    return labels


def test_what_is_behind_a_wall_is_not_seen():
    seen = np.zeros(GRID.shape, bool)
    seen.ravel()[visible_voxels(world(45), GRID)] = True
    assert seen[45, 5:55].sum() > 200 and not seen[46:, 25:35].any()
    assert seen[20:40, 20:40, 2].any() and not seen[..., :2].any()


def test_a_surface_agrees_with_itself_and_not_with_one_a_cell_off():
    truth = world(45)
    hidden = truth.copy()
    hidden[50:, 20:40, 3:8] = OccClass.VEGETATION  # behind the wall
    for made, low, high in ((truth, 1.0, 1.0), (hidden, 0.99, 1.0), (world(44), 0.3, 0.8)):
        score = VisibleSurface(GRID)
        score.add(truth, made)
        assert low <= score.iou <= high
    recoloured = truth.copy()
    recoloured[45, :, 3:][recoloured[45, :, 3:] == OccClass.MANMADE] = OccClass.VEGETATION
    score = VisibleSurface(GRID)
    score.add(truth, recoloured)
    assert score.iou < 0.8  # the same voxels with another label


def test_unobserved_voxels_are_not_judged():
    truth, made = world(45), world(45)
    made[45, 30:] = OccClass.FREE
    observed = np.ones(GRID.shape, bool)
    observed[45:, 28:] = False
    whole, part = VisibleSurface(GRID), VisibleSurface(GRID)
    whole.add(truth, made)
    part.add(truth, made, observed)
    assert part.iou == pytest.approx(1.0) and whole.iou < 0.9
    assert np.isnan(VisibleSurface(GRID).iou)
