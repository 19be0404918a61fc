"""Occupancy as Occ3D has it: classes, heights, and what rays have seen."""

from types import SimpleNamespace

import numpy as np
import pytest

from uniscene_sim.export.occ3d import CLASSES, GRID, TALL_GRID, _follow, _in_ego_frame
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.taxonomy import OccClass


def test_classes_are_occ3ds():
    """Its 18: 0 to 16 are those of nuScenes-lidarseg, 17 is free."""
    assert CLASSES[: OccClass.VEGETATION + 1].tolist() == list(range(17)) and CLASSES[OccClass.FREE] == 17
    for paint in (OccClass.PED_CROSSING, OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER):
        assert CLASSES[paint] == OccClass.DRIVEABLE_SURFACE
    assert len(CLASSES) == len(OccClass)


@pytest.mark.parametrize("slope", [0.0, 0.05, -0.05])
@pytest.mark.parametrize("tilted", [False, True])
def test_columns_stand_at_their_true_height(slope, tilted):
    """On a slope straight ahead: level for an ego that stands on it, and a ramp for one that is level."""
    labels = np.full(TALL_GRID.shape, OccClass.FREE, np.uint8)
    labels[..., 2] = OccClass.DRIVEABLE_SURFACE
    labels[150, 100, 3:8] = OccClass.MANMADE
    ground = SimpleNamespace(surface_height=lambda x, y, z_hint: 4.0 + slope * (x - 100.0))
    ego = Pose(100.0, 50.0, 4.0, pitch=-np.arctan(slope) if tilted else 0.0)
    window = OccupancyGrid(labels, np.zeros(TALL_GRID.shape, np.uint16), TALL_GRID, ego)
    found = _in_ego_frame(window, ground, ego)
    assert found.shape == GRID.shape and found.dtype == np.uint8
    # 20.2 m ahead the ground is 1.01 m higher or lower: two or three voxels.
    rise = 0 if tilted else round(slope * 20.2 / 0.4)
    column = [17, 17, 11, 15, 15, 15, 15, 15, *[17] * 8]
    free = [17] * abs(rise)
    assert found[150, 100].tolist() == (free + column[:-rise] if rise > 0 else column[-rise:] + free)


def test_rays_mark_what_they_pass_and_no_more():
    """Held to a slow count of the voxels that points 2 cm apart lie in."""
    rng = np.random.default_rng(1)
    start = np.array([1.0, 0.2, 1.5])
    ends = start + rng.normal(size=(300, 3)) * [30.0, 30.0, 3.0]
    seen, plain = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    _follow(seen, start, ends)
    for end in ends:
        steps = np.linspace(0.0, 1.0, int(np.linalg.norm(end - start) / 0.02) + 2)[:, None]
        cells = GRID.index(start + steps * (end - start))
        plain[tuple(cells[((cells >= 0) & (cells < GRID.shape)).all(axis=1)].T)] = 1
    assert (seen > plain).sum() < 0.002 * plain.sum()  # corners that are cut by less than 2 cm
    assert seen.sum() > 0.9 * plain.sum()  # corners that are cut by less than 0.1 m may be missed
    inside = GRID.index(ends)
    inside = inside[((inside >= 0) & (inside < GRID.shape)).all(axis=1)]
    assert len(inside) > 100 and seen[tuple(inside.T)].all()
    nothing = np.zeros(GRID.shape, np.uint8)
    _follow(nothing, np.array([0.0, 0.0, 9.0]), ends)
    _follow(nothing, start, ends[:0])
    assert not nothing.any()
