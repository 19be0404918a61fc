"""Heights that a plan does not tell: drawn, each by the number of its element, from those that it tells.

A house takes the height of one of the known houses whose footprints are most alike in area, so that sheds do not become
towers. A plan that knows too few borrows from `_TYPICAL`, quantiles over all houses with known heights of the extracts
of Berlin-Neukölln, Helsinki, Monaco and Seattle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.maps.street_plans.footprints import ring_area
from uniscene_sim.maps.street_plans.surroundings import Building, Tree

__all__ = ["building_heights", "tree_sizes"]

_FEW = 12  # known heights below which typical ones are used as well
_ALIKE = 24  # known houses of similar area, from which one is drawn
_HEIGHT, _TREE, _CROWN = 601, 602, 603  # uses of random numbers
_LOWEST_M, _HIGHEST_M = 2.4, 38.0  # tiles rise to 40 m
#: Area, m2, and heights, m, of houses by rising area, each height as likely as the others of its row.
_TYPICAL: tuple[tuple[float, tuple[float, ...]], ...] = (
    (15.0, (2.5, 2.8, 3.1, 3.1, 3.4, 4.0)),
    (60.0, (3.1, 4.0, 4.0, 6.2, 7.1, 9.3)),
    (150.0, (4.0, 6.2, 7.1, 7.1, 9.3, 12.4)),
    (400.0, (6.2, 9.3, 12.4, 15.5, 15.5, 18.6)),
    (1500.0, (4.0, 9.3, 12.4, 15.5, 18.6, 21.7)),
)
_TREE_M = (5.0, 6.5, 7.5, 8.5, 9.5, 10.5, 12.0, 14.0)  # typical heights


def building_heights(buildings: Sequence[Building]) -> np.ndarray:
    """Heights (N,), m, of all buildings: those known as given, the others drawn."""
    area = np.array([max(abs(ring_area(b.rings[0])), 1.0) for b in buildings])
    known = np.array([b.height_m if b.height_m is not None else np.nan for b in buildings], dtype=float)
    told = ~np.isnan(known)
    from_area, from_height = area[told], known[told]
    if told.sum() < _FEW:
        rows = [(a, h) for a, heights in _TYPICAL for h in heights]
        from_area = np.concatenate([from_area, [a for a, _ in rows]])
        from_height = np.concatenate([from_height, [h for _, h in rows]])
    order = np.argsort(from_area, kind="stable")
    from_area, from_height = np.log(from_area[order]), from_height[order]
    many = min(_ALIKE, len(from_area))
    for i in np.flatnonzero(~told).tolist():
        mine = float(np.log(area[i]))
        at = int(np.searchsorted(from_area, mine))
        runs = np.arange(max(at - many, 0), min(at, len(from_area) - many) + 1)
        unlike = np.maximum(mine - from_area[runs], from_area[runs + many - 1] - mine)
        first = int(runs[np.argmin(unlike)])
        known[i] = from_height[first + int(many * unit_hash(_HEIGHT, buildings[i].id))]
    heights: np.ndarray = np.clip(known, _LOWEST_M, _HIGHEST_M)
    return heights


def tree_sizes(trees: Sequence[Tree]) -> list[tuple[float, float]]:
    """Height and width of the crown, m, of all trees: those known as given, the others drawn."""
    told = [t.height_m for t in trees if t.height_m is not None]
    heights = sorted(told) if len(told) >= _FEW else sorted([*told, *_TREE_M])
    found = []
    for tree in trees:
        height = tree.height_m
        if height is None:
            height = heights[int(len(heights) * unit_hash(_TREE, tree.id))]
        height = float(np.clip(height, 1.0, 30.0))
        crown = tree.crown_m if tree.crown_m is not None else height * (0.45 + 0.25 * unit_hash(_CROWN, tree.id))
        found.append((height, float(np.clip(crown, 0.6, 16.0))))
    return found
