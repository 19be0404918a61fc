"""Houses and crowns whose sizes, walls and places are known."""

import numpy as np
import pytest
from scipy import ndimage

from uniscene_sim.metrics.objects import ObjectStatistics, edge_fit, total_variation
from uniscene_sim.taxonomy import OccClass

RNG = np.random.default_rng(5)
NO_ROAD = np.zeros((100, 100), bool)


def empty():
    return np.full((100, 100, 32), OccClass.FREE, np.uint8)


def house(turn=0.0, size=(30.0, 22.0), shape=(100, 100)):
    """Footprint of a box, of a size in cells, turned about the middle."""
    x, y = np.meshgrid(*(np.arange(n) - 0.5 * n + 0.5 for n in shape), indexing="ij")
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return (np.abs(u) < 0.5 * size[0]) & (np.abs(v) < 0.5 * size[1])


def jagged(footprint, share):
    """A footprint whose outline has lost and won a share of its cells."""
    rim = ndimage.binary_dilation(footprint) & ~footprint, footprint & ~ndimage.binary_erosion(footprint)
    chance = RNG.random(footprint.shape) < share
    return (footprint | rim[0] & chance) & ~(rim[1] & chance)


@pytest.mark.parametrize("turn", np.radians([0.0, 17.0, 30.0, 45.0, 71.0]))
def test_straight_walls_lie_on_their_edges_and_jagged_ones_do_not(turn):
    cells, off = edge_fit(house(turn))
    assert cells > 60 and off < 0.12 * cells
    worse = [edge_fit(jagged(house(turn), 0.15)) for _ in range(5)]
    assert sum(off for _, off in worse) > 2.0 * 5 * max(off, 0.05 * cells)


def test_an_outline_is_counted_as_it_is():
    square = np.zeros((20, 20), bool)
    square[4:14, 5:15] = True
    assert edge_fit(square) == (36, 0)
    square[13, 8:10] = False  # a notch of two cells in the last row: four outline cells, two of them off the edge
    cells, off = edge_fit(square)
    assert (cells, off) == (36, 2)
    small = np.zeros((9, 9), bool)
    small[3:6, 3:6] = True
    assert edge_fit(small) == (8, 8)  # no edge of 2.4 m


def test_a_blob_is_melted_and_a_box_is_not():
    for footprint, melted in ((house(0.3), 0), (jagged(house(0.3), 0.5), 1)):
        labels, found = empty(), ObjectStatistics()
        labels[footprint, 3:20] = OccClass.MANMADE
        found.add(labels, NO_ROAD)
        assert found.melted_share == melted
    assert np.isnan(ObjectStatistics().melted_share) and np.isnan(ObjectStatistics().off_share)


def test_houses_are_counted_by_size_and_height_unless_the_window_cuts_them():
    labels, found = empty(), ObjectStatistics()
    labels[10:30, 10:30, 3:18] = OccClass.MANMADE  # 64 m2, 6 m
    labels[40:45, 40:44, 3:18] = OccClass.MANMADE  # too small
    labels[60:80, 60:80, 3:6] = OccClass.MANMADE  # a wall of 1.2 m
    labels[90:, 10:30, 3:18] = OccClass.MANMADE  # cut
    labels[40:50, 70:80, 9:15] = OccClass.VEGETATION  # a crown of 16 m2
    found.add(labels, NO_ROAD)
    assert found.house_sizes.sum() == found.house_heights.sum() == found.crown_sizes.sum() == 1
    assert found.house_sizes.argmax() == 4  # 60 to 80 m2
    assert found.house_cells == 400 + 200 and found.road_share == 0
    road = NO_ROAD.copy()
    road[:, :13] = True
    found = ObjectStatistics()
    found.add(labels, road)
    assert found.road_share == pytest.approx((20 * 3 + 10 * 3) / 600)


def test_variation_is_half_the_sum_of_differences():
    assert total_variation(np.array([1, 1]), np.array([3, 3])) == 0
    assert total_variation(np.array([2, 0]), np.array([0, 1])) == 1
    assert total_variation(np.array([3, 1]), np.array([1, 3])) == pytest.approx(0.5)
    assert np.isnan(total_variation(np.zeros(2), np.array([1, 0])))
