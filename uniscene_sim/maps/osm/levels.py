"""Heights of streets: all lie on flat ground but bridges over other streets, and what leads up to them.

OpenStreetMap tells which street passes over which, and no heights. A bridge is as high as vehicles below need it, and
the streets that meet it fall to the ground as steeply as ramps do.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np
from scipy.ndimage import gaussian_filter1d

from uniscene_sim.maps.osm.streets import Street, StreetGraph

__all__ = ["street_heights"]

_CLEAR_M = 5.5  # of a bridge above the street below it
_GRADE = 0.07  # of ramps
_MEET_M = 4.0  # middles of streets this near to each other cross
_ROUND_M = 6.0  # over which the grade changes


def street_heights(graph: StreetGraph, lines: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Heights (N,), m, of the lines of all streets.

    Args:
        graph: the streets.
        lines: (N, 2) m each, sampled every metre.
    """
    raised = _over_others(graph.streets, lines)
    if not raised:
        return [np.zeros(len(line)) for line in lines]
    at: dict[int, float] = {}
    for k, height in raised.items():
        for node in graph.streets[k].ends:
            at[node] = max(at.get(node, 0.0), height)
    _fall(at, graph)
    found = []
    for k, (street, line) in enumerate(zip(graph.streets, lines, strict=True)):
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        begin, end = (at.get(node, 0.0) for node in street.ends)
        if k in raised:
            found.append(np.interp(along, [0.0, along[-1]], [begin, end]))
            continue
        z = np.maximum(np.maximum(begin - _GRADE * along, end - _GRADE * (along[-1] - along)), 0.0)
        found.append(_rounded(z) if z.any() else z)
    return found


def _over_others(streets: Sequence[Street], lines: Sequence[np.ndarray]) -> dict[int, float]:
    """Bridges that lead over other streets, and their heights, m."""
    from scipy.spatial import cKDTree

    bridges = [k for k, street in enumerate(streets) if street.level > 0]
    if not bridges:
        return {}
    owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    tree, level = cKDTree(np.concatenate(lines)), np.array([street.level for street in streets])
    found = {}
    for k in bridges:
        met = {int(owner[i]) for near in tree.query_ball_point(lines[k], _MEET_M) for i in near} - {k}
        below = [j for j in met if level[j] < level[k] and not set(streets[j].ends) & set(streets[k].ends)]
        if below:
            found[k] = _CLEAR_M * float(level[k])
    return found


def _fall(at: dict[int, float], graph: StreetGraph) -> None:
    """Let the heights, m, of nodes fall along the streets to nodes around, changed in place."""
    beside: dict[int, list[tuple[int, float]]] = {}
    for street in (*graph.streets, *(joint for of in graph.joints.values() for joint in of)):
        (a, b), length = street.ends, street.length
        beside.setdefault(a, []).append((b, length))
        beside.setdefault(b, []).append((a, length))
    todo = [(-height, node) for node, height in at.items()]
    todo.sort()
    while todo:
        low, node = heappop(todo)
        if -low < at.get(node, 0.0):
            continue
        for other, length in beside.get(node, ()):
            height = -low - _GRADE * length
            if height > at.get(other, 0.0):
                at[other] = height
                heappush(todo, (-height, other))


def _rounded(z: np.ndarray) -> np.ndarray:
    """Heights (N,) with round changes of grade; the ends stay."""
    pad = min(int(3 * _ROUND_M), len(z) - 1)
    before, after = 2 * z[0] - z[pad:0:-1], 2 * z[-1] - z[-2 : -pad - 2 : -1]
    smooth = gaussian_filter1d(np.concatenate([before, z, after]), 0.5 * _ROUND_M)[pad : pad + len(z)]
    above: np.ndarray = np.maximum(smooth, 0.0)
    return above
