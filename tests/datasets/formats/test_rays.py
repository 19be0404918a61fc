"""Rays through voxels, against every place along them, and what an eye sees, against a wall."""

import numpy as np

from uniscene_sim.datasets.formats.rays import cross, look_around


def test_rays_cross_what_lies_along_them():
    """A slope of ground below; each voxel that a dense walk along the ray enters by more than a corner is counted."""
    rng = np.random.default_rng(3)
    shape, voxel, low = (40, 40, 20), 0.2, np.array([-4.0, 2.0])
    ground = (0.05 * np.arange(40)[:, None] + np.zeros(40)).astype(np.float32)
    origins = rng.uniform([-3, 3, 2.5], [3, 9, 4.0], (50, 3))
    ends = rng.uniform([-6, 0, 0.0], [6, 12, 4.0], (50, 3))
    for origin, end in zip(origins, ends, strict=True):
        crossed = np.zeros(shape, np.uint16)
        cross(crossed, ground, low, voxel, origin[None], end[None])
        length = np.linalg.norm(end - origin)
        at = np.arange(0.0, max(length - 0.3, 0.0), 0.001)[:, None] / length
        places = origin + at * (end - origin)
        i, j = np.floor((places[:, :2] - low) / voxel).astype(int).T
        inside = (i >= 0) & (j >= 0) & (i < 40) & (j < 40)
        i, j, z = i[inside], j[inside], places[inside, 2]
        k = np.floor((z - ground[i, j]) / voxel).astype(int)
        there = (k >= 0) & (k < 20)
        visits = np.zeros(shape, int)
        np.add.at(visits, (i[there], j[there], k[there]), 1)  # mm inside
        assert not crossed[visits == 0].any()
        assert (crossed[visits > 105] >= 1).all() and crossed.max(initial=0) <= 1  # a step is 0.1 m


def test_many_rays_are_counted_and_short_ones_are_not():
    crossed = np.zeros((10, 10, 10), np.uint16)
    ground = np.zeros((10, 10), np.float32)
    origins, ends = np.tile([0.1, 0.1, 0.1], (7, 1)), np.tile([1.9, 0.1, 0.1], (7, 1))
    cross(crossed, ground, np.zeros(2), 0.2, origins, ends)
    assert crossed[1:7, 0, 0].tolist() == [7] * 6 and crossed[9].sum() == 0  # it ends there
    before = crossed.copy()
    cross(crossed, ground, np.zeros(2), 0.2, origins, origins + np.array([0.2, 0, 0]))
    assert (crossed == before).all()


def test_an_eye_sees_up_to_the_first_wall_and_past_its_edge():
    solid, seen = np.zeros((30, 30, 12), bool), np.zeros((30, 30, 12), bool)
    solid[20, 10:20] = True
    look_around(solid, seen, np.array([10.5, 15.0, 6.0]))
    assert seen[:20].all() and seen[20, 10:20].all()
    assert not seen[21:, 13:17].any()  # behind the wall
    assert seen[21:, :3].all() and seen[21:, 27:].all()  # past its edges
