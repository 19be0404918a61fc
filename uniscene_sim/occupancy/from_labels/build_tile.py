"""A tile from generated labels: cells of 0.4 m on the map's own smooth ground.

Labels describe what stands on the ground, by height above it. What the map defines takes precedence: roads keep their
fine paint and stay clear; bridges, posts, signs, rails and parapets are drawn exactly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.paint_edges import EdgeFit, GroundPaint
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER, TILE_IN_CANVAS, extend_above_grid
from uniscene_sim.occupancy.from_labels.cell_owners import cell_owners
from uniscene_sim.occupancy.from_labels.materials import assign_materials
from uniscene_sim.occupancy.from_labels.poles import lamps_from_poles, walls_and_poles
from uniscene_sim.occupancy.from_labels.support import keep_supported, near_bridges
from uniscene_sim.occupancy.procedural.draw import draw_objects
from uniscene_sim.occupancy.procedural.plan import PlanKind
from uniscene_sim.occupancy.procedural.trees import draw_stems
from uniscene_sim.occupancy.site import Site
from uniscene_sim.taxonomy import Material, OccClass
from uniscene_sim.tile import CELL_M, PAINT_CELLS, PAINT_M, TILE_CELLS, Tile

__all__ = ["EXACT_KINDS", "build_tile"]

_OPEN = (Material.GRASS, Material.SOIL)
_PAVING = {OccClass.SIDEWALK: Material.PAVING, OccClass.OTHER_FLAT: Material.MEDIAN}
_THIN = (PlanKind.POST, PlanKind.SIGN, PlanKind.RAIL, PlanKind.BEAM)
#: What is drawn as the map has it, whatever was generated.
EXACT_KINDS = (*_THIN, PlanKind.PARAPET, PlanKind.PILLAR)
_ROOTS = 2  # cells filled below the lowest one, since the ground may slope
_LAMP, _FREE = int(PlanKind.LAMP), int(OccClass.FREE)
_NONE, _MANMADE, _ALL = np.uint8(Material.NONE), np.uint8(OccClass.MANMADE), np.uint64(0xFFFFFFFFFFFFFFFF)


def build_tile(site: Site, labels: np.ndarray, objects: np.ndarray, seed: int, *, draw_houses: bool = False) -> Tile:
    """The tile that generated labels describe.

    Args:
        site: the tile's ground and bridges.
        labels: uint8 (208, 208, Z) `OccClass` of its canvas, cells of `GENERATED_GRID` along the map's axes.
        objects: (N,) PLAN_DTYPE near the tile: heights and appearance of houses and trees, and what is drawn exactly.
        seed: of unplanned heights and appearances.
        draw_houses: whether the houses among the objects are drawn as they are, and not to be found in the labels.
    """
    x0, y0 = site.x0, site.y0
    cells = site.material, site.mask
    z = np.ascontiguousarray(site.ground[0, 1::2, 1::2])
    owners = cell_owners(objects, x0, y0)
    labels = keep_supported(labels, site, owners.tree)
    walls, poles = walls_and_poles(labels)
    thin = objects[np.isin(objects["kind"], _THIN)]
    lamps = lamps_from_poles(labels, poles, z, x0, y0, thin)
    drawn = (*EXACT_KINDS, PlanKind.BUILDING) if draw_houses else EXACT_KINDS
    exact = np.concatenate([objects[np.isin(objects["kind"], drawn)], lamps])
    site = replace(site, paint=_repaint(site.paint, labels[:, :, GROUND_LAYER]))
    above = extend_above_grid(labels, walls, z, x0, y0, owners, seed)
    layers = _fill_cells(*cells, site.base, labels[TILE_IN_CANVAS, TILE_IN_CANVAS], z, near_bridges(site), above)
    house, gap, tree = (a[TILE_IN_CANVAS, TILE_IN_CANVAS] for a in (owners.house, owners.gap, owners.tree))
    _clear_around(*cells, x0, y0, site.base, np.concatenate([thin, lamps]), gap)
    assign_materials(*cells, x0, y0, site.base, layers, z, objects, house, tree, seed)
    draw_stems(*cells, x0, y0, site.base, _trees_with_leaves(labels, objects, x0, y0))
    draw_objects(*cells, x0, y0, site.base, exact)
    return site.tile()


def _trees_with_leaves(labels: np.ndarray, objects: np.ndarray, x0: float, y0: float) -> np.ndarray:
    """Planned trees (N,) whose leaves were generated; their stems may be too thin to have been generated."""
    leaves = (labels[:, :, GROUND_LAYER + 1 :] == OccClass.VEGETATION).any(axis=2)
    leaves = ndimage.maximum_filter(leaves, 3)
    trees = objects[objects["kind"] == PlanKind.TREE]
    i, j = (np.floor((trees[a] - o) / CELL_M).astype(int) + TILE_IN_CANVAS.start for a, o in (("x", x0), ("y", y0)))
    near = (np.minimum(i, j) >= 0) & (np.maximum(i, j) < len(leaves))
    leafy: np.ndarray = trees[near][leaves[i[near], j[near]]]
    return leafy


def _repaint(paint: GroundPaint, generated: np.ndarray) -> GroundPaint:
    """Paint pavement on open ground where the generated ground (208, 208) has it in the cell and around it."""
    fine = PAINT_CELLS // TILE_CELLS
    is_open = np.isin(paint.material[0], _OPEN).reshape(TILE_CELLS, fine, TILE_CELLS, fine).all(axis=(1, 3))
    is_open = ndimage.minimum_filter(is_open, 3, mode="nearest")  # the map's own areas keep their smooth edges
    around = slice(TILE_IN_CANVAS.start - 1, TILE_IN_CANVAS.stop + 1)
    material, changed = paint.material.copy(), np.zeros((TILE_CELLS, TILE_CELLS), bool)
    for label, pavement in _PAVING.items():
        share = ndimage.uniform_filter((generated == label).astype(np.float32), 3, mode="nearest")[around, around]
        smooth = ndimage.zoom(share, fine, order=1, mode="nearest", grid_mode=True)[fine:-fine, fine:-fine]
        laid = (smooth > 0.5) & is_open.repeat(fine, axis=0).repeat(fine, axis=1)
        material[0][laid] = pavement
        changed |= laid.reshape(TILE_CELLS, fine, TILE_CELLS, fine).any(axis=(1, 3))
    if not changed.any():
        return paint
    fit = EdgeFit(material[0], 0, 0, PAINT_M)
    fit.fit(np.zeros((0, 4)), np.zeros(0, np.int32), [])
    edges = paint.edges_by_cell()
    near = ndimage.maximum_filter(changed, 3, mode="nearest").repeat(fine, axis=0).repeat(fine, axis=1)
    edges[0][near] = fit.packed[near]
    return GroundPaint.of_decks(material, list(edges))


@njit(cache=True, nogil=True)
def _fill_cells(material, mask, base, labels, z, bridge, above):
    """Fill cells with labels and with what is above the grid; returns the highest layer filled.

    Arguments by group:
        material, mask, base: cells (160, 160, 192) of the tile, changed, and their bottom, m.
        labels, z: uint8 (160, 160, Z), and height of the ground (160, 160), m.
        bridge, above: bool (160, 160) under or at a bridge, and `AboveGrid`.
    """
    n, m, layers = labels.shape
    what, begin, end = above
    highest = 0
    for i in range(n):
        for j in range(m):
            top = -1
            for k in range(GROUND_LAYER + 1, layers):
                high = CELL_M * (k - GROUND_LAYER)
                if labels[i, j, k] == _FREE:
                    continue
                top = int(np.floor((z[i, j] + high - base) / CELL_M))
                roots = _ROOTS if k == GROUND_LAYER + 1 else 0
                for at in range(max(top - roots, 0), top + 1):
                    material[i, j, at] = labels[i, j, k]
                    mask[i, j, at] = _ALL
            if what[i, j] != _FREE and not bridge[i, j]:
                last = min(int((end[i, j] - base) / CELL_M), material.shape[2] - 2)
                for at in range(int((begin[i, j] - base) / CELL_M), last + 1):
                    material[i, j, at] = what[i, j]
                    mask[i, j, at] = _ALL
                top = max(top, last)
            highest = max(highest, top)
    return highest


@njit(cache=True, nogil=True)
def _clear_around(material, mask, x0, y0, base, objects, gap):
    """Remove generated cells around objects (N,) PLAN_DTYPE that are drawn exactly, except in houses.

    Arguments by group:
        material, mask: cells (160, 160, 192) of the tile, changed.
        x0, y0, base: corner of the tile, m.
        gap: float64 (160, 160) m, distance to the nearest house.
    """
    n, m, h = material.shape
    for q in range(objects.size):
        o = objects[q]
        c, s = np.cos(o.yaw), np.sin(o.yaw)
        length, width = 0.6 + (0.5 * o.length if o.kind != _LAMP else 0.0), 0.6 + 0.5 * o.width
        reach = length + width
        i0, i1 = max(int((o.x - reach - x0) / CELL_M), 0), min(int((o.x + reach - x0) / CELL_M), n - 1)
        j0, j1 = max(int((o.y - reach - y0) / CELL_M), 0), min(int((o.y + reach - y0) / CELL_M), m - 1)
        k0 = max(int((o.z - 1.0 - base) / CELL_M), 0)
        k1 = min(int((o.z + o.height + 0.6 - base) / CELL_M), h - 1)
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                dx, dy = x0 + (i + 0.5) * CELL_M - o.x, y0 + (j + 0.5) * CELL_M - o.y
                if abs(c * dx + s * dy) > length or abs(-s * dx + c * dy) > width or gap[i, j] < 0.5:
                    continue
                for k in range(k0, k1 + 1):
                    if material[i, j, k] == _MANMADE:
                        material[i, j, k], mask[i, j, k] = _NONE, 0
