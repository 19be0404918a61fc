"""Houses and trees found in labels: straight, clear of roads, one house on both sides of a border."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.occupancy.oracle import oracle_engine
from tests.occupancy.test_occupancy import URBAN, digest, frame_at
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, CONDITION_CHANNELS, PLAN_CHANNELS
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.from_labels.fitted_houses import fit_houses, house_cells
from uniscene_sim.occupancy.from_labels.fitted_plan import Mosaic, fit_plan
from uniscene_sim.occupancy.from_labels.fitted_trees import fit_trees
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_GRID
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M, TILE_M

CELLS = 480
TILE = slice(160, 320)
FLAT = SimpleNamespace(surface=SimpleNamespace(height=lambda x, y, z: np.zeros(len(x))))
SEED = 7


def empty() -> tuple[np.ndarray, np.ndarray]:
    return np.full((CELLS, CELLS, 32), OccClass.FREE, np.uint8), np.zeros((CELLS, CELLS), np.bool_)


def draw_box(labels, x, y, yaw, length, width, height, kind=OccClass.MANMADE):
    """A box in cells whose corner is (0, 0), all in m."""
    u, v = np.meshgrid(*(((np.arange(CELLS) + 0.5) * CELL_M,) * 2), indexing="ij")
    c, s = np.cos(yaw), np.sin(yaw)
    inside = (abs(c * (u - x) + s * (v - y)) <= 0.5 * length) & (abs(-s * (u - x) + c * (v - y)) <= 0.5 * width)
    labels[inside, GROUND_LAYER + 1 : GROUND_LAYER + 1 + round(height / CELL_M)] = kind
    return inside


def fit(labels, barred, x0=0.0, y0=0.0):
    return fit_houses(house_cells(labels, barred), barred, x0, y0, TILE, FLAT, SEED)


def footprints(houses) -> np.ndarray:
    out = np.zeros((CELLS, CELLS), np.bool_)
    for h in houses:
        out |= draw_box(np.zeros((CELLS, CELLS, 32), np.uint8), h["x"], h["y"], h["yaw"], h["length"], h["width"], 1.0)
    return out


def iou(a, b) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("yaw", [0.0, 0.3, 0.75, 1.2])
def test_a_ragged_house_becomes_one_straight_box_that_faces_the_road(yaw):
    labels, barred = empty()
    true = draw_box(labels, 96.0, 96.0, yaw, 12.0, 9.0, 8.0)
    c, s = np.cos(yaw), np.sin(yaw)
    road = draw_box(np.zeros((CELLS, CELLS, 32), np.uint8), 96.0 + 14 * c, 96.0 + 14 * s, yaw, 6.0, 60.0, 1.0)
    barred |= road
    rng = np.random.default_rng(3)
    rim = true & ~np.roll(true, 1, 0) | true & ~np.roll(true, -1, 1)
    labels[rim & (rng.random(rim.shape) < 0.4)] = OccClass.FREE
    (house,) = fit(labels, barred)
    assert np.hypot(house["x"] - 96.0, house["y"] - 96.0) < 0.4
    assert abs(np.sin(house["yaw"] - yaw)) < 0.03 and np.cos(house["yaw"] - yaw) > 0.99
    assert abs(house["length"] - 12.0) < 0.85 and abs(house["width"] - 9.0) < 0.85
    assert iou(footprints([house]), true) > 0.9


def test_wings_and_steps_in_height_become_boxes_of_their_own():
    labels, barred = empty()
    wings = draw_box(labels, 90.0, 90.0, 0.4, 24.0, 8.0, 7.0)
    c, s = np.cos(0.4), np.sin(0.4)
    wings |= draw_box(labels, 90.0 + 8 * c - 9 * s, 90.0 + 8 * s + 9 * c, 0.4, 8.0, 12.0, 7.0)
    row = draw_box(labels, 80.0, 115.0, 0.4, 10.0, 9.0, 5.0)
    row |= draw_box(labels, 80.0 + 10 * c, 115.0 + 10 * s, 0.4, 10.0, 9.0, 10.0)
    houses = fit(labels, barred)
    assert iou(footprints(houses), wings | row) > 0.9
    assert len(houses) == 4
    tall = houses[np.argmax(houses["height"])]
    assert np.hypot(tall["x"] - 80.0 - 10 * c, tall["y"] - 115.0 - 10 * s) < 1.0
    wing = houses[np.hypot(houses["x"] - 90, houses["y"] - 90) < 16]
    assert len(set(wing["variant"].tolist())) == 1  # one house, one look


def test_no_house_on_a_road_and_none_of_a_fence():
    labels, barred = empty()
    draw_box(labels, 96.0, 96.0, 0.2, 30.0, 14.0, 8.0)
    barred |= draw_box(np.zeros((CELLS, CELLS, 32), np.uint8), 96.0, 96.0, 0.2, 5.0, 100.0, 1.0)
    draw_box(labels, 110.0, 70.0, 0.0, 20.0, 0.5, 1.2)
    draw_box(labels, 120.0, 80.0, 0.0, 0.8, 0.8, 6.0)
    houses = fit(labels, barred)
    assert len(houses) == 2 and not (footprints(houses) & barred).any()


def test_a_house_across_a_border_is_the_same_for_both_tiles():
    labels, barred = empty()
    for n, y in enumerate((70.0, 96.0, 121.0)):
        draw_box(labels, 64.0 + 1.5 * n, y, 0.5 + 0.1 * n, 14.0, 10.0, 6.0 + n)
    here = fit(labels, barred)
    beside = fit(np.roll(labels, 160, axis=0), np.roll(barred, 160, axis=0), x0=-TILE_M)
    assert len(here) == 3
    np.testing.assert_array_equal(here, beside)


def test_what_reaches_the_top_goes_on_in_storeys_and_the_rest_keeps_its_volume():
    labels, barred = empty()
    draw_box(labels, 80.0, 96.0, 0.0, 10.0, 10.0, 11.6)
    draw_box(labels, 110.0, 96.0, 0.0, 10.0, 10.0, 6.0)
    tall, low = sorted(fit(labels, barred), key=lambda h: h["x"])
    storeys = (tall["height"] - 0.4 - 0.9) / 3.1
    assert storeys == pytest.approx(round(storeys)) and tall["height"] > 11.6
    assert 3.5 < low["height"] - 0.4 <= 6.0  # walls; the roof has the rest


def test_crowns_get_a_stem_each_but_bushes_and_roads_do_not():
    labels, barred = empty()
    k = slice(GROUND_LAYER + 5, GROUND_LAYER + 18)
    u, v = np.meshgrid(*(((np.arange(CELLS) + 0.5) * CELL_M,) * 2), indexing="ij")
    for x, y in ((80.0, 80.0), (90.0, 80.0), (120.0, 120.0)):
        labels[np.hypot(u - x, v - y) < 2.5, k] = OccClass.VEGETATION
    labels[np.hypot(u - 100.0, v - 100.0) < 1.5, GROUND_LAYER + 1 : GROUND_LAYER + 4] = OccClass.VEGETATION
    barred[np.hypot(u - 120.0, v - 120.0) < 5.0] = True
    trees = fit_trees(labels, barred, 0.0, 0.0, TILE, FLAT, SEED)
    assert sorted(np.round(trees["x"]).tolist()) == [80, 90] and (trees["kind"] == PlanKind.TREE).all()
    assert np.abs(trees["length"] - 5.0).max() < 1.0 and np.abs(trees["height"] - 6.8).max() < 0.5
    fitted = fit_plan(Mosaic(labels, barred), TILE_M, TILE_M, FLAT, SEED)
    assert len(fitted.objects) == 2 and (fitted.labels == OccClass.VEGETATION).any()


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return VectorMap.load(URBAN)


def test_untold_tiles_show_the_houses_that_were_generated_and_meet_at_borders(urban):
    """The oracle generates what `procedural` plans; nobody tells the engine."""
    engine, planned = oracle_engine(urban, 5, told=False), ProceduralOccupancy(urban, 5)
    layout = engine.layout(0, 0)
    assert not layout[[CONDITION_CHANNELS.index(name) for name in PLAN_CHANNELS]].any()
    assert layout[CONDITION_CHANNELS.index("unplanned")].all()
    frame = frame_at(Pose(TILE_M, 0.5 * TILE_M, 0.0), np.zeros(0, AGENT_DTYPE))
    seen, wanted = (occupancy_window(TileStore(e), frame, CANVAS_GRID).labels[:, :, 4:] for e in (engine, planned))
    one, other = (labels == OccClass.MANMADE for labels in (seen, wanted))
    assert other.sum() > 10_000 and iou(one, other) > 0.85
    again = oracle_engine(urban, 5, told=False)
    for key in ((0, 0), (1, 0)):
        assert digest(again.tile(*key)) == digest(engine.tile(*key))
