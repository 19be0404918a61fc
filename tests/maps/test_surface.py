"""Ground, paint and raster of a map against slow plain references."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.maps import rolling_ground
from uniscene_sim.maps.elements import DRIVABLE_KINDS, Lane
from uniscene_sim.maps.painted.cells import PaintedRaster
from uniscene_sim.maps.terrain import terrain_frame
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE
from uniscene_sim.taxonomy import Material

URBAN = Path(__file__).parents[2] / "scenarios" / "maps" / "urban_grid.npz"
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return VectorMap.load(URBAN)


def straight(index: int, start, end, kind="driving", width=4.0, marks=("solid-yellow", "solid")) -> Lane:
    t = np.linspace(0, 1, int(np.hypot(*(np.subtract(end, start)[:2]))) + 1)[:, None]
    centre = np.asarray(start, float) * (1 - t) + np.asarray(end, float) * t
    yaw = np.arctan2(end[1] - start[1], end[0] - start[0])
    ones = np.ones(len(centre))
    return Lane(index, (str(index + 1), 0, -1), kind, centre, yaw * ones, width * ones, *marks)


@pytest.fixture(scope="module")
def two_decks() -> VectorMap:
    """A road along x at height 0 with a walkway to its right, and one along y 7 m above."""
    return VectorMap(
        "two_decks",
        (
            straight(0, (-60, 0, 0), (60, 0, 0)),
            straight(1, (0, -60, 7), (0, 60, 7)),
            straight(2, (-60, -3.5, 0), (60, -3.5, 0), kind="sidewalk", width=3.0, marks=("none", "none")),
        ),
    )


def planes_at(surface, x, y):
    """(triangle, height) of every triangle that holds a place: three edge signs, all triangles, no index."""
    a, b, c = surface.triangles.corners[:, 0], surface.triangles.corners[:, 1], surface.triangles.corners[:, 2]

    def side(p, q):
        return (q[:, 0] - p[:, 0]) * (y - p[:, 1]) - (q[:, 1] - p[:, 1]) * (x - p[:, 0])

    signs = np.stack([side(a, b), side(b, c), side(c, a)])
    found = np.flatnonzero((signs >= 0).all(0) | (signs <= 0).all(0))
    out = []
    for t in found:
        normal = np.cross(b[t] - a[t], c[t] - a[t])
        out.append((t, a[t, 2] - (normal[0] * (x - a[t, 0]) + normal[1] * (y - a[t, 1])) / normal[2]))
    return out


@given(seed=SEEDS)
@settings(max_examples=15)
def test_height_and_rank_agree_with_all_triangles(urban, seed):
    surface = urban.surface
    low_x, low_y, high_x, high_y = urban.bounds
    xy = np.random.default_rng(seed).uniform((low_x - 5, low_y - 5), (high_x + 5, high_y + 5), (25, 2))
    zero = np.zeros(len(xy))
    heights, ranks = surface.height(xy[:, 0], xy[:, 1], zero), surface.rank(xy[:, 0], xy[:, 1], zero)
    drivable = surface.drivable(xy[:, 0], xy[:, 1], zero)
    for (x, y), height, rank, drives in zip(xy, heights, ranks, drivable, strict=True):
        found = planes_at(surface, x, y)
        best = max((surface.triangles.rank[t] for t, _ in found), default=-1)
        assert rank == best
        kinds = {urban.lanes[surface.triangles.lane[t]].kind for t, _ in found}
        assert drives == bool(kinds & DRIVABLE_KINDS)
        if found:
            assert min(abs(height - z) for t, z in found if surface.triangles.rank[t] == best) < 1e-6
        else:
            assert height == surface.terrain_height(np.array([x]), np.array([y]))[0]


@given(seed=SEEDS)
@settings(max_examples=10)
def test_raster_areas_agree_with_all_triangles(urban, seed):
    rng = np.random.default_rng(seed)
    low_x, low_y, high_x, high_y = urban.bounds
    x, y, yaw = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y), rng.uniform(-np.pi, np.pi)
    shape, step = (14, 10), 1.7
    layout = urban.rasterise((x, y, yaw), shape, step)
    drivable = layout.data[layout.schema.index("drivable_area")]
    walkway = layout.data[layout.schema.index("walkway")]
    for i in range(shape[0]):
        for j in range(shape[1]):
            u, v = (i + 0.5 - shape[0] / 2) * step, (j + 0.5 - shape[1] / 2) * step
            px, py = x + np.cos(yaw) * u - np.sin(yaw) * v, y + np.sin(yaw) * u + np.cos(yaw) * v
            kinds = {urban.lanes[urban.surface.triangles.lane[t]].kind for t, _ in planes_at(urban.surface, px, py)}
            assert bool(drivable[i, j]) == bool(kinds & DRIVABLE_KINDS)
            assert bool(walkway[i, j]) == bool(kinds & {"sidewalk", "walking"})


def test_height_picks_the_deck_by_hint(two_decks):
    x, y = np.array([0.3, 0.3]), np.array([0.4, 0.4])
    assert two_decks.surface.height(x, y, np.array([0.5, 6.4])) == pytest.approx([0.0, 7.0])
    assert list(two_decks.surface.rank(x, y, np.array([3.5, 7.0]))) == [-1, 3]


def test_raster_of_one_deck_leaves_out_the_other(two_decks):
    def area(z):
        layout = two_decks.rasterise((0, 0, 0), (40, 40), 0.5, z_hint=z)
        return layout.data[layout.schema.index("drivable_area")].astype(bool)

    along_x, along_y = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    along_x[:, 16:24] = True
    along_y[16:24] = True
    np.testing.assert_array_equal(area(0.0), along_x)
    np.testing.assert_array_equal(area(7.0), along_y)
    np.testing.assert_array_equal(area(None), along_x | along_y)


def test_ground_has_two_decks_with_holes(two_decks):
    ground = two_decks.surface.ground(-32.0, -32.0, 321, 0.2)
    assert ground.shape == (2, 321, 321)
    assert np.isfinite(ground[0]).all()
    assert ground[:, 160, 160] == pytest.approx([0.0, 7.0])
    assert np.isnan(ground[1, 100]).all()  # beside the bridge
    present = np.isfinite(ground[1])
    assert ground[1][present] == pytest.approx(7.0)
    assert 0 < present.mean() < 0.1
    assert np.isnan(ground[1, 160, 0])  # far from the crossing the upper road lies on its embankment
    assert ground[0, 160, 0] == pytest.approx(7.0)


def test_embankments_stay_below_one_in_two(two_decks):
    surface = two_decks.surface
    x, y = (v.ravel() for v in np.meshgrid(np.arange(-40, 41, 2.0), np.arange(-40, 41, 2.0)))
    z = surface.terrain_height(x, y)
    # The lower road runs along y = 0 at height 0; chamfer distances are up to 9 % long, samples up to 1.5 m off.
    assert (z <= 0.5 * 1.09 * (np.abs(y) + 1.5)).all()
    assert z.max() > 5.0
    # Under the bridge itself the ground rises from the lower road no faster than that, sample by sample.
    under = surface.ground(-2.0, 0.0, 60, 0.2)[0, :20]
    assert (under <= 0.5 * 1.09 * (0.2 * np.arange(60) + 1.5)).all()


def test_walkway_stands_above_the_road(two_decks, urban):
    surface = two_decks.surface
    road, walk = surface.height(np.array([30.0, 30.0]), np.array([0.5, -3.5]), np.zeros(2))
    assert 0.12 <= walk - road <= 0.15
    for lane in urban.lanes:
        if lane.kind == "sidewalk" and not lane.junction:
            x, y, z = lane.centre[len(lane.centre) // 2]
            assert 0.12 <= urban.surface.height([x], [y], [z])[0] - z <= 0.15 + 1e-9


def test_neighbouring_tiles_share_their_edge(urban, two_decks):
    for source, ix, iy in ((urban, 0, 0), (urban, 1, 1), (urban, -1, 2), (two_decks, -1, -1)):
        surface = source.surface
        here = surface.ground(64.0 * ix, 64.0 * iy, 321, 0.2)[0]
        right = surface.ground(64.0 * (ix + 1), 64.0 * iy, 321, 0.2)[0]
        above = surface.ground(64.0 * ix, 64.0 * (iy + 1), 321, 0.2)[0]
        assert here[-1].tobytes() == right[0].tobytes()
        assert np.ascontiguousarray(here[:, -1]).tobytes() == np.ascontiguousarray(above[:, 0]).tobytes()


def material_at(source: VectorMap, x: float, y: float) -> int:
    x0, y0 = np.floor(x) - 2.0, np.floor(y) - 2.0
    paint = source.surface.paint(x0, y0, 50, 0.1, 1)
    return int(paint[0, int((x - x0) / 0.1), int((y - y0) / 0.1)])


def test_lines_lie_on_their_borders(two_decks):
    paint = two_decks.surface.paint(20.0, -3.0, 60, 0.1, 1)[0]  # y of row j is -3 + 0.1 (j + 0.5)
    assert (paint[:, 49] == Material.LINE_YELLOW).all()  # just inside the left border, y = 2
    assert (paint[:, 10] == Material.EDGE_LINE).all()  # just inside the right border, y = -2
    assert (paint[:, 30] == Material.ASPHALT).all() or (paint[:, 30] == Material.ASPHALT_OLD).all()
    assert np.isin(paint[:, :9], (Material.PAVING, Material.KERB)).all()


def test_broken_lines_are_three_metres_in_nine():
    broken = VectorMap("broken", (straight(0, (0, 0, 0), (60, 0, 0), marks=("broken", "none")),))
    paint = broken.surface.paint(9.0, 1.0, 90, 0.1, 1)[0]
    line = paint[:, 9]  # y = 1.95
    assert (line[:30] == line[0]).all() and line[0] in (Material.EDGE_LINE, Material.LINE_WHITE)
    assert not np.isin(line[30:], (Material.EDGE_LINE, Material.LINE_WHITE)).any()


def test_stop_lines_and_stripes_where_the_map_has_them(urban):
    for line in urban.stop_lines:
        x, y, _ = line.ends.mean(axis=0)
        assert material_at(urban, x, y) == Material.STOP_LINE
    for crossing in urban.crossings:
        x, y, _ = crossing.polygon.mean(axis=0)
        paint = urban.surface.paint(np.floor(x) - 2.0, np.floor(y) - 2.0, 40, 0.1, 1)[0]
        assert (paint == Material.CROSSING_STRIPE).sum() > 50
        assert (paint == Material.CROSSING_GAP).sum() > 50


def test_urban_lines_are_white_and_yellow_or_central(urban):
    paint = urban.surface.paint(0.0, 0.0, 640, 0.1, 1)
    assert (paint == Material.LINE_WHITE).any() or (paint == Material.EDGE_LINE).any()
    assert (paint == Material.LINE_YELLOW).any() or (paint == Material.CENTRE_LINE_WHITE).any()


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 17), (90, 40)])
def test_paint_of_a_window_is_a_part_of_a_bigger_one(urban, dx, dy):
    big = urban.surface.paint(64.0, 64.0, 300, 0.1, 1)
    small = urban.surface.paint(64.0 + 0.1 * dx, 64.0 + 0.1 * dy, 200, 0.1, 1)
    np.testing.assert_array_equal(small, big[:, dx : dx + 200, dy : dy + 200])


def test_layouts_of_learned_tiles_keep_decks_apart(two_decks, urban):
    """Only what lies on the deck of the pose is drawn, on maps with bridges."""
    assert (two_decks.surface.decks, urban.surface.decks) == (2, 1)
    below, above = (condition_layout(two_decks, np.zeros(0, PLAN_DTYPE), Pose(0.0, 0.0, z)) for z in (0.0, 7.0))
    for layout, along_x, along_y in ((below, True, False), (above, False, True)):
        road = layout.data[layout.schema.index("drivable_area")].astype(bool)
        n, m = road.shape
        assert (road[n // 2 + 40, m // 2], road[n // 2, m // 2 + 40]) == (along_x, along_y)


def test_terrain_that_no_memory_holds_is_refused_with_the_estimate(monkeypatch):
    monkeypatch.setenv("UNISCENE_MEMORY_GB", "16")
    terrain_frame(np.zeros(2), np.full(2, 2e4))
    with pytest.raises(InputError, match=r"map: needs 40.* GiB \(the terrain of 60.0 x 60.0 km\), expected at most 16"):
        terrain_frame(np.zeros(2), np.full(2, 6e4))
    with pytest.raises(InputError, match="raster: expected at most 131 km along a side"):
        PaintedRaster("strip", ("drivable_area",), np.ones((1, 2**20, 1), bool), 2.0)


@pytest.mark.parametrize("window", [64, 200])
def test_terrain_does_not_depend_on_the_windows_it_is_worked_on(monkeypatch, window):
    rng = np.random.default_rng(3)
    height, metres = np.full((420, 300), np.inf), np.zeros((420, 300))
    for i, j, z in zip(rng.integers(0, 400, 12), rng.integers(0, 280, 12), rng.uniform(0, 12, 12), strict=True):
        height[i : i + 20, j : j + 4], metres[i : i + 20, j : j + 4] = z, rng.uniform(0, 3)
    whole = rolling_ground.rolling_terrain(height, metres, np.array([-100.0, 40.0]), 2.0)
    monkeypatch.setattr(rolling_ground, "_WINDOW", window)
    parts = rolling_ground.rolling_terrain(height, metres, np.array([-100.0, 40.0]), 2.0)
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-4)
    assert np.isfinite(whole).all() and np.abs(whole - 6).max() < 8
