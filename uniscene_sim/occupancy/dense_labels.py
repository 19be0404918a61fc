"""Labels of the static world in an ego-aligned window, without tiles, at any pose: training data of learned occupancy.

They follow the rules of `occupancy.window` over procedural tiles, but objects are rotated into the frame of the window
and drawn into its cells, each at its height above the ground at its foot. Slabs of bridges are not drawn.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.layout import CONDITION_CHANNELS, PLAN_CHANNELS, BevLayout, LayoutSchema
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.procedural.draw import draw_objects
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass

__all__ = ["column_heights", "condition_layout", "window_labels"]

_SCHEMA = LayoutSchema(CONDITION_CHANNELS)
_BUILDING, _TREE, _BUSH, _HEDGE = int(PlanKind.BUILDING), int(PlanKind.TREE), int(PlanKind.BUSH), int(PlanKind.HEDGE)
_RAIL, _BEAM = int(PlanKind.RAIL), int(PlanKind.BEAM)
_FREE = np.uint8(OccClass.FREE)
#: Label of the ground by `Surface.rank` + 1.
_GROUND = np.array(
    [OccClass.TERRAIN, OccClass.OTHER_FLAT, OccClass.SIDEWALK, OccClass.DRIVEABLE_SURFACE, OccClass.DRIVEABLE_SURFACE],
    dtype=np.uint8,
)
#: Labels painted on the ground by channel, in the order of painting.
_PAINT = (
    ("lane_divider", OccClass.LANE_DIVIDER),
    ("road_divider", OccClass.ROAD_DIVIDER),
    ("ped_crossing", OccClass.PED_CROSSING),
)


def window_labels(
    objects: np.ndarray, static_map: StaticMap, pose: Pose, grid: GridSpec = DEFAULT_GRID,
    layout: BevLayout | None = None,
) -> np.ndarray:  # fmt: skip
    """Labels uint8 (X, Y, Z) of the static world.

    Args:
        objects: (N,) PLAN_DTYPE, objects of the map, from `plan_map`.
        static_map: the map.
        pose: base_link; the window has its yaw.
        grid: the window's voxels, of 0.4 m.
        layout: `condition_layout` at the same pose; computed if None.
    """
    if layout is None:
        layout = condition_layout(static_map, objects, pose, grid)
    voxel = grid.voxel_m
    near = _in_window(objects, pose, grid)
    xy = objects[near]
    local = _in_window_axes(xy, pose)
    local["z"] = xy["z"] - static_map.surface.height(xy["x"], xy["y"], np.full(len(xy), pose.z))
    material = np.full(grid.shape, Material.NONE, dtype=np.uint8)
    mask = np.zeros(grid.shape, dtype=np.uint64)
    # A voxel takes the label of the cell at its centre, and cells are counted from the ground.
    low = np.floor((grid.origin[2] + 0.5 * voxel) / voxel + 1e-6)
    draw_objects(material, mask, pose.x + grid.origin[0], pose.y + grid.origin[1], low * voxel, local)
    labels = MATERIAL_LABEL[material]
    labels[:, :, : max(int(-low), 0)] = _FREE
    at = int(np.floor((-0.5 * voxel - grid.origin[2]) / voxel))
    if 0 <= at < grid.shape[2]:
        labels[:, :, at] = _ground(static_map, pose, grid, layout)
    return labels


def condition_layout(
    static_map: StaticMap, objects: np.ndarray, pose: Pose, grid: GridSpec = DEFAULT_GRID,
    agents: np.ndarray | None = None, *, all_decks: bool = False,
) -> BevLayout:  # fmt: skip
    """The condition of learned occupancy around a pose: the raster of map and agents, with the footprints of buildings,
    plants and guard rails.

    Args:
        static_map: the map.
        objects: (N,) PLAN_DTYPE, objects of the map, from `plan_map`.
        pose: base_link; the window has its yaw.
        grid: the window's voxels.
        agents: (M,) AGENT_DTYPE.
        all_decks: whether bridges and what is below them are drawn, at any height of the pose.
    """
    extent = grid.extent
    u, v = 0.5 * (extent[0] + extent[3]), 0.5 * (extent[1] + extent[4])
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    centre = (pose.x + c * u - s * v, pose.y + s * u + c * v, pose.yaw)
    # Heights separate bridges from what is below. Without bridges they are ignored: they would cut off steep streets.
    z_hint = pose.z if static_map.surface.decks > 1 and not all_decks else None
    layout = rasterise(static_map, centre, grid.shape[:2], grid.voxel_m, z_hint, _SCHEMA, agents)
    near = _in_window_axes(objects[_in_window(objects, pose, grid)], pose)
    building, vegetation, rail = (layout.data[_SCHEMA.index(name)] for name in PLAN_CHANNELS)
    corner = np.array([pose.x + grid.origin[0], pose.y + grid.origin[1]])
    _footprints(building, vegetation, rail, corner, grid.voxel_m, near)
    return layout


def column_heights(static_map: StaticMap, pose: Pose, grid: GridSpec = DEFAULT_GRID) -> np.ndarray:
    """Ground height (X, Y), m, at the centre of each column of a window, on the deck nearest to the ego."""
    x, y = _columns(pose, grid)
    return static_map.surface.height(x, y, np.full(len(x), pose.z)).reshape(grid.shape[:2])


def _columns(pose: Pose, grid: GridSpec) -> tuple[np.ndarray, np.ndarray]:
    u, v = (w.ravel() for w in np.meshgrid(grid.centres(0), grid.centres(1), indexing="ij"))
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    return pose.x + c * u - s * v, pose.y + s * u + c * v


def _ground(static_map: StaticMap, pose: Pose, grid: GridSpec, layout: BevLayout) -> np.ndarray:
    """Labels uint8 (X, Y) of the ground."""
    x, y = _columns(pose, grid)
    surface = static_map.surface
    rank = surface.rank(x, y, surface.height(x, y, np.full(len(x), pose.z)))
    out: np.ndarray = _GROUND[rank + 1].reshape(grid.shape[:2])
    for name, label in _PAINT:
        out[layout.data[layout.schema.index(name)] > 0] = label
    return out


def _in_window(objects: np.ndarray, pose: Pose, grid: GridSpec) -> np.ndarray:
    """Whether each object (N,) may reach into a window, bool (N,)."""
    extent = np.abs(grid.extent)
    reach = np.hypot(max(extent[0], extent[3]), max(extent[1], extent[4]))
    size = 0.6 * np.hypot(objects["length"], objects["width"]) + 1.0
    near: np.ndarray = np.hypot(objects["x"] - pose.x, objects["y"] - pose.y) < reach + size
    return near


def _in_window_axes(objects: np.ndarray, pose: Pose) -> np.ndarray:
    """Objects (N,) rotated about a pose into the axes of its window; their heights are unchanged.

    The position of the pose is kept, so that without rotation leaves are the same as in tiles.
    """
    out = objects.copy()
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    x, y = objects["x"] - pose.x, objects["y"] - pose.y
    out["x"], out["y"], out["yaw"] = pose.x + c * x + s * y, pose.y + c * y - s * x, objects["yaw"] - pose.yaw
    return out


@njit(cache=True)
def _footprints(building, vegetation, rail, origin, voxel, objects):
    """Mark the cells whose centre lies in the footprint of a house, a crown, a hedge or a rail. Rails are drawn at
    least a cell wide, so that none passes between cell centres.

    Arguments by group:
        building, vegetation, rail: uint8 (X, Y), changed.
        origin, voxel: (2,) m, corner of cell (0, 0), and size of a cell, m.
        objects: (N,) PLAN_DTYPE in the axes of the window.
    """
    n, m = building.shape
    for q in range(objects.size):
        o = objects[q]
        rails = o.kind == _RAIL or o.kind == _BEAM
        box = o.kind == _BUILDING or o.kind == _HEDGE or rails
        if not box and o.kind != _TREE and o.kind != _BUSH:
            continue
        target = building if o.kind == _BUILDING else rail if rails else vegetation
        width = max(o.width, voxel) if rails else o.width
        radius = 0.5 * o.length if o.kind == _TREE else 0.6 * o.length
        reach = 0.5 * np.hypot(o.length, o.width) if box else radius
        c, s = np.cos(o.yaw), np.sin(o.yaw)
        i0, i1 = int(np.floor((o.x - reach - origin[0]) / voxel)), int(np.floor((o.x + reach - origin[0]) / voxel))
        j0, j1 = int(np.floor((o.y - reach - origin[1]) / voxel)), int(np.floor((o.y + reach - origin[1]) / voxel))
        for i in range(max(i0, 0), min(i1, n - 1) + 1):
            for j in range(max(j0, 0), min(j1, m - 1) + 1):
                x, y = origin[0] + (i + 0.5) * voxel - o.x, origin[1] + (j + 0.5) * voxel - o.y
                if box:
                    inside = abs(c * x + s * y) <= 0.5 * o.length and abs(-s * x + c * y) <= 0.5 * width
                else:
                    inside = x * x + y * y <= radius * radius
                if inside:
                    target[i, j] = 1
