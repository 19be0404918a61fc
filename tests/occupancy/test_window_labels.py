"""Static labels without tiles against the window over tiles; footprints and thin agents against slow references."""

from math import floor

import numpy as np
import pytest

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import AGENT_DTYPE, CONDITION_CHANNELS, EgoVehicle, LayoutFrame
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.dense_labels import condition_layout, window_labels
from uniscene_sim.occupancy.procedural.draw import draw_objects
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE, PlanKind, plan_map
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.taxonomy import AgentClass, Material, OccClass

PAINT = (OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER)
ALIGNED, TURNED = Pose(40.0, 1.6, 0.0), Pose(40.3, 85.1, 0.0, yaw=0.7)


@pytest.fixture(scope="module")
def grid_map():
    return VectorMap.load(data_dir("scenarios") / "maps" / "urban_grid.npz")


@pytest.fixture(scope="module")
def store(grid_map):
    return TileStore(ProceduralOccupancy(grid_map, 3))


@pytest.fixture(scope="module")
def objects(grid_map):
    return plan_map(grid_map, 3)


def frame_at(pose, agents=None):
    nobody = np.zeros(0, AGENT_DTYPE) if agents is None else agents
    return LayoutFrame(0, pose, np.zeros(3), 0.0, 0.0, 0.0, EgoVehicle(), nobody, np.zeros(0, np.uint8),
                       np.zeros((0, 3)), "", 3)  # fmt: skip


def overlap(a, b, cls):
    return ((a == cls) & (b == cls)).sum() / ((a == cls) | (b == cls)).sum()


@pytest.mark.parametrize(
    ("pose", "same", "solid", "leaves"), [(ALIGNED, 0.998, 0.99, 0.85), (TURNED, 0.985, 0.95, 0.55)]
)
def test_labels_agree_with_the_window_over_tiles(grid_map, store, objects, pose, same, solid, leaves):
    ours, theirs = window_labels(objects, grid_map, pose), occupancy_window(store, frame_at(pose), DEFAULT_GRID).labels
    assert (ours == theirs).mean() > same
    assert overlap(ours, theirs, OccClass.MANMADE) > solid
    assert overlap(ours, theirs, OccClass.TERRAIN) > 0.98
    assert overlap(ours, theirs, OccClass.SIDEWALK) > 0.96
    assert overlap(ours, theirs, OccClass.VEGETATION) > leaves  # crowns have gaps, leaves noise fixed to the map
    # Lines are thinner than a voxel: the layout says where one passes, a sample of the paint seldom meets it.
    both_roads = [np.where(np.isin(v, PAINT), OccClass.DRIVEABLE_SURFACE, v) for v in (ours, theirs)]
    # Tiles also pave narrow wedges between lanes.
    assert overlap(*both_roads, OccClass.DRIVEABLE_SURFACE) > 0.96


def test_above_the_ground_a_flat_aligned_street_is_the_same_but_for_leaves(grid_map, store, objects):
    ours, theirs = (
        window_labels(objects, grid_map, ALIGNED),
        occupancy_window(store, frame_at(ALIGNED), DEFAULT_GRID).labels,
    )
    differs = ours[:, :, 3:] != theirs[:, :, 3:]
    leafy = (ours[:, :, 3:] == OccClass.VEGETATION) | (theirs[:, :, 3:] == OccClass.VEGETATION)
    assert (differs & ~leafy).mean() < 1e-4
    assert (ours[:, :, :2] == OccClass.FREE).all() and (ours[:, :, 2] != OccClass.FREE).all()


def test_footprints_are_the_cells_whose_centre_an_object_covers(grid_map):
    kinds = [PlanKind.BUILDING, PlanKind.TREE, PlanKind.BUSH, PlanKind.HEDGE, PlanKind.LAMP]
    rng = np.random.default_rng(2)
    things = np.zeros(40, PLAN_DTYPE)
    things["kind"] = rng.choice(kinds, len(things))
    things["x"], things["y"] = TURNED.x + rng.uniform(-60, 60, 40), TURNED.y + rng.uniform(-60, 60, 40)
    things["yaw"], things["length"] = rng.uniform(-3, 3, 40), rng.uniform(0.5, 14, 40)
    things["width"] = things["length"] * np.where(np.isin(things["kind"], kinds[1:3]), 1.0, 0.4)
    layout = condition_layout(grid_map, things, TURNED)
    wanted = {"building": np.zeros((200, 200), bool), "vegetation": np.zeros((200, 200), bool)}
    u, v = np.meshgrid(DEFAULT_GRID.centres(0), DEFAULT_GRID.centres(1), indexing="ij")
    x = TURNED.x + np.cos(0.7) * u - np.sin(0.7) * v
    y = TURNED.y + np.sin(0.7) * u + np.cos(0.7) * v
    for o in things:
        dx, dy, c, s = x - o["x"], y - o["y"], np.cos(o["yaw"]), np.sin(o["yaw"])
        box = (abs(c * dx + s * dy) <= o["length"] / 2) & (abs(c * dy - s * dx) <= o["width"] / 2)
        if o["kind"] == PlanKind.BUILDING:
            wanted["building"] |= box
        elif o["kind"] == PlanKind.HEDGE:
            wanted["vegetation"] |= box
        elif o["kind"] in (PlanKind.TREE, PlanKind.BUSH):
            wanted["vegetation"] |= np.hypot(dx, dy) <= o["length"] * (0.5 if o["kind"] == PlanKind.TREE else 0.6)
    for name, cells in wanted.items():
        drawn = layout.data[CONDITION_CHANNELS.index(name)] > 0
        assert cells.any() and (drawn != cells).mean() < 1e-4


def test_no_thin_agent_is_lost_between_cell_centres(grid_map, store, objects):
    rng = np.random.default_rng(4)
    agents = np.zeros(60, AGENT_DTYPE)
    agents["id"] = np.arange(60) + 1
    agents["cls"] = np.resize([AgentClass.TRAFFIC_CONE, AgentClass.PEDESTRIAN, AgentClass.BICYCLE], 60)
    agents["size"] = np.array([(0.3, 0.3, 0.75), (0.3, 0.5, 1.7), (1.8, 0.1, 1.7)])[np.arange(60) % 3]
    agents["rpy"][:, 2] = rng.uniform(-3, 3, 60)
    spread = np.stack([np.repeat(np.arange(10), 6) * 6.0 - 30.0, np.tile(np.arange(6), 10) * 3.0 - 9.0], axis=1)
    spread += rng.uniform(-1, 1, (60, 2))
    c, s = np.cos(TURNED.yaw), np.sin(TURNED.yaw)
    agents["pos"][:, 0] = TURNED.x + c * spread[:, 0] - s * spread[:, 1]
    agents["pos"][:, 1] = TURNED.y + s * spread[:, 0] + c * spread[:, 1]
    agents["pos"][:, 2] = grid_map.surface_height(*agents["pos"][:, :2].T, np.zeros(60))
    seen = occupancy_window(store, frame_at(TURNED, agents), DEFAULT_GRID).instances
    layout = condition_layout(grid_map, objects, TURNED, agents=agents).data
    cell = DEFAULT_GRID.index(np.column_stack([spread, np.zeros(60)]))
    names = ("traffic_cone", "pedestrian", "bicycle")
    for k in range(60):
        assert (seen == k + 1).any()
        assert layout[CONDITION_CHANNELS.index(names[k % 3])][cell[k, 0], cell[k, 1]] == 1


def test_a_crown_is_what_its_formula_says():
    """Cell by cell, without the short cuts of the kernel."""
    tree = np.zeros(1, PLAN_DTYPE)
    tree["kind"], tree["x"], tree["y"], tree["length"], tree["width"] = PlanKind.BUSH, 3.1, 2.7, 2.6, 2.6
    tree["style"] = 0.37
    material = np.full((16, 16, 8), Material.NONE, np.uint8)
    mask = np.zeros(material.shape, np.uint64)
    draw_objects(material, mask, 0.0, 0.0, 0.0, tree)
    salt, wide, high = 18, 0.6 * 2.6, 0.9
    inside = np.zeros((64, 64, 32), bool)
    for i, j, k in np.ndindex(inside.shape):
        x, y, z = (i + 0.5) * 0.1, (j + 0.5) * 0.1, (k + 0.5) * 0.1
        r = ((x - 3.1) / wide) ** 2 + ((y - 2.7) / wide) ** 2 + ((z - 0.6) / high) ** 2
        if r <= 1.0:
            lump = unit_hash(111, salt, floor(x / 0.7), floor(y / 0.7), floor(z / 0.7))
            fine = unit_hash(112, salt, floor(x / 0.3), floor(y / 0.3), floor(z / 0.3))
            inside[i, j, k] = r < 0.45 + 0.4 * lump + 0.2 * (fine - 0.35)
    bits = inside.reshape(16, 4, 16, 4, 8, 4).transpose(0, 2, 4, 1, 3, 5).reshape(16, 16, 8, 64)
    assert np.array_equal((mask[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1), bits)
    assert np.array_equal(material != Material.NONE, bits.any(axis=-1))
