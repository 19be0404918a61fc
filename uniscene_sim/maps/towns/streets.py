"""Street graphs of random towns: junctions, the streets between them, and the cross-section of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["DRIVABLE", "Edge", "Street", "TownPlan", "street_graph"]

_Ends = tuple[int, int, tuple[int, int]]  # two nodes, and which line of which axis joins them


@dataclass(frozen=True)
class Street:
    """A cross-section, the same on both sides except for parking and walkways (right, left of the direction of its
    curve)."""

    lanes: int = 1  # in each direction
    lane_m: float = 3.25
    median_m: float = 0.0
    parking_m: tuple[float, float] = (0.0, 0.0)
    shoulder_m: float = 0.0
    walk_m: tuple[float, float] = (2.0, 2.0)
    speed_mps: float = 13.9
    middle: str = "broken"  # mark between the directions
    edge: str = "none"  # mark at the edge of the carriageway

    def drive_edge(self, side: int) -> float:
        """Distance from the centre line to the outer edge of the driving lanes, m."""
        return 0.5 * self.median_m + self.lanes * self.lane_m

    def kerb(self, side: int) -> float:
        """Distance from the centre line to the walkway, m; side 0 is right, 1 left."""
        return self.drive_edge(side) + self.shoulder_m + self.parking_m[side]

    def outside(self, side: int) -> float:
        """Distance from the centre line to the outer edge of the walkway, m."""
        return self.kerb(side) + self.walk_m[side]


@dataclass(frozen=True)
class Edge:
    """A street between two junctions: a Bezier curve (4, 2), m, from node `a` to node `b`."""

    a: int
    b: int
    curve: np.ndarray
    street: Street


@dataclass(frozen=True)
class TownPlan:
    """What streets of towns are like at least.

    The default is for learned models: towns with corners and lanes as tight as they are anywhere, on which shipped
    models were trained and tested, so that it must stay as it is, bit for bit. `DRIVABLE` is for those who drive.
    """

    corner_m: tuple[float, float] = (2.0, 6.0)  # least and greatest way around a corner, from one street to the next
    turn_radius_m: float = 0.0  # least radius of turning lanes
    lane_m: float = 0.0  # least width of lanes
    lit: tuple[float, float] = (0.0, 0.8)  # least and greatest share of wide junctions with traffic lights
    turning_places: bool = True  # at dead ends, in one move for small cars only


#: Towns in which a car of any preset turns without touching a kerb, wherever lanes lead.
DRIVABLE = TownPlan(corner_m=(4.0, 8.0), turn_radius_m=8.0, lane_m=3.0, lit=(0.8, 1.0), turning_places=False)


def street_graph(rng: np.random.Generator, lane_m: float = 0.0) -> tuple[np.ndarray, list[Edge]]:
    """Positions of nodes (N, 2), m, and the streets between them: a grid, bent, rotated and thinned out.

    Args:
        rng: what they are drawn with.
        lane_m: least width of lanes.
    """
    theme = _THEMES[int(rng.integers(len(_THEMES)))]
    low, high, bend, thin, dead_ends, kinds = theme
    extent = rng.uniform(300.0, 380.0)
    lines = [_lines(rng, extent, low, high) for _ in range(2)]
    nodes, index = _bent(rng, lines[0], lines[1], bend * rng.uniform(0.4, 1.0))
    streets = [[_at_least(lane_m, _street(rng, kinds)) for _ in line] for line in lines]
    nx, ny = index.shape
    ends = [(index[i, j], index[i + 1, j], (1, j)) for i in range(nx - 1) for j in range(ny)]
    ends += [(index[i, j], index[i, j + 1], (0, i)) for i in range(nx) for j in range(ny - 1)]
    ends = _thinned(rng, ends, len(nodes), thin, dead_ends)
    places, edges = list(nodes), []
    along = {1: _tangents(nodes[index], 0), 0: _tangents(nodes[index], 1)}
    flat = {axis: values.reshape(-1, 2) for axis, values in along.items()}
    for a, b, (axis, line) in ends:
        edges.append(Edge(a, b, _bezier(nodes[a], nodes[b], flat[axis][a], flat[axis][b]), streets[axis][line]))
    # Some streets lead out of town.
    for axis, line, node, sign in _rim(index):
        if any(node in (e.a, e.b) for e in edges) and rng.random() < 0.35:
            way = sign * flat[axis][node]
            end = nodes[node] + rng.uniform(50.0, 110.0) * _rotated(way, rng.uniform(-0.3, 0.3))
            street = streets[axis][line]
            edges.append(Edge(node, len(places), _bezier(nodes[node], end, way, end - nodes[node]), street))
            places.append(end)
    return np.array(places), edges


#: Least and greatest distance between streets (m), amplitude of bends (m), share of streets left out, whether dead ends
#: are allowed, and probability of each kind of street (lane, street, avenue, boulevard, country, fast).
_THEMES: tuple[tuple[float, float, float, float, bool, tuple[float, ...]], ...] = (
    (60.0, 85.0, 26.0, 0.25, True, (0.6, 0.4, 0.0, 0.0, 0.0, 0.0)),  # an old town
    (75.0, 110.0, 3.0, 0.08, False, (0.1, 0.5, 0.25, 0.15, 0.0, 0.0)),  # blocks
    (80.0, 130.0, 18.0, 0.3, True, (0.55, 0.35, 0.1, 0.0, 0.0, 0.0)),  # a suburb
    (130.0, 220.0, 35.0, 0.25, True, (0.1, 0.1, 0.0, 0.0, 0.8, 0.0)),  # the country
    (100.0, 170.0, 14.0, 0.15, False, (0.1, 0.3, 0.2, 0.1, 0.0, 0.3)),  # a city by a fast road
    (85.0, 140.0, 10.0, 0.15, False, (0.1, 0.2, 0.35, 0.35, 0.0, 0.0)),  # wide avenues
    (80.0, 170.0, 22.0, 0.2, True, (0.25, 0.25, 0.15, 0.05, 0.2, 0.1)),  # something of all
)


def _street(rng: np.random.Generator, kinds: tuple[float, ...]) -> Street:
    kind = int(rng.choice(6, p=np.array(kinds)))
    yellow = "-yellow" if rng.random() < 0.5 else ""
    lane = rng.uniform(3.0, 3.6)
    walk = (0.0 if rng.random() < 0.08 else rng.uniform(1.5, 3.2), rng.uniform(1.5, 3.2))
    bays = tuple(float(rng.random() < 0.45) * rng.uniform(2.0, 2.4) for _ in range(2))
    edge = "solid" if rng.random() < 0.5 else "none"
    town = Street(1, lane, 0.0, (bays[0], bays[1]), 0.0, walk, 13.9, "broken" + yellow, edge)
    if kind == 0:
        middle = "none" if rng.random() < 0.6 else "broken"
        return replace(town, lane_m=rng.uniform(2.6, 3.1), speed_mps=8.3, middle=middle, edge="none")
    if kind == 1:
        cycle = rng.uniform(1.2, 1.8) if rng.random() < 0.3 else 0.0
        return replace(town, shoulder_m=cycle, middle=("solid" if rng.random() < 0.3 else "broken") + yellow)
    wide = (rng.uniform(2.0, 5.0), rng.uniform(2.0, 5.0))
    if kind == 2:
        return replace(town, lanes=2, walk_m=wide, middle="solid_solid" + yellow)
    if kind == 3:
        median = rng.uniform(1.5, 6.0)
        return replace(town, lanes=int(rng.integers(2, 4)), median_m=median, walk_m=wide, middle="solid" + yellow,
                       speed_mps=16.7)  # fmt: skip
    verge = rng.uniform(0.4, 1.5)
    if kind == 4:
        middle = ("solid" if rng.random() < 0.3 else "broken") + yellow
        return Street(1, lane, 0.0, (0.0, 0.0), verge, (0.0, 0.0), 19.4, middle, "solid")
    lanes, median = int(rng.integers(2, 4)), rng.uniform(1.5, 5.0)
    return Street(lanes, 3.5, median, (0.0, 0.0), rng.uniform(1.5, 3.0), (0.0, 0.0), 25.0, "solid" + yellow, "solid")


def _at_least(lane_m: float, street: Street) -> Street:
    return street if street.lane_m >= lane_m else replace(street, lane_m=lane_m)


def _lines(rng: np.random.Generator, extent: float, low: float, high: float) -> np.ndarray:
    """Positions (N,), m, of parallel streets across the town."""
    at = [0.0]
    while at[-1] < extent - 0.5 * low:
        at.append(at[-1] + rng.uniform(low, high))
    return np.array(at[: max(len(at), 2)]) - 0.5 * at[-1]


def _bent(rng: np.random.Generator, xs: np.ndarray, ys: np.ndarray, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (N, 2), m, of a grid bent by long waves and rotated by any angle; and their numbers by row and column."""
    x, y = (v.ravel() for v in np.meshgrid(xs, ys, indexing="ij"))
    at = np.stack([x, y], axis=1)
    for _ in range(3):
        angle, length, phase = rng.uniform(0, 2 * np.pi), rng.uniform(220.0, 500.0), rng.uniform(0, 2 * np.pi)
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / length + phase)
        at += bend * wave[:, None] * rng.normal(0.0, 0.6, 2)
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    return at @ np.array([[c, s], [-s, c]]), np.arange(len(at)).reshape(len(xs), len(ys))


def _thinned(rng: np.random.Generator, ends: list[_Ends], nodes: int, share: float, dead_ends: bool) -> list[_Ends]:
    """The streets without a share of them, such that the town stays connected."""
    degree = np.bincount([n for a, b, _ in ends for n in (a, b)], minlength=nodes)
    least = 1 if dead_ends else 2
    gone: set[int] = set()
    for k in rng.permutation(len(ends))[: int(share * len(ends))]:
        a, b, _ = ends[k]
        rest = [e for n, e in enumerate(ends) if n != k and n not in gone]
        if degree[a] > least and degree[b] > least and _is_connected(rest, nodes):
            gone.add(k)
            degree[[a, b]] -= 1
    return [e for n, e in enumerate(ends) if n not in gone]


def _is_connected(ends: list[_Ends], nodes: int) -> bool:
    beside: dict[int, list[int]] = {n: [] for n in range(nodes)}
    for a, b, _ in ends:
        beside[a].append(b)
        beside[b].append(a)
    todo, seen = [0], {0}
    while todo:
        for n in beside[todo.pop()]:
            if n not in seen:
                seen.add(n)
                todo.append(n)
    return len(seen) == nodes


def _tangents(grid: np.ndarray, axis: int) -> np.ndarray:
    """Directions (X, Y, 2) of the streets along one axis at each node."""
    way = np.gradient(grid, axis=axis)
    tangents: np.ndarray = way / np.linalg.norm(way, axis=2, keepdims=True)
    return tangents


def _rim(index: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Ends of streets at the rim: axis, line, node, and sign of the outward direction."""
    out = [(1, j, int(index[i, j]), sign) for i, sign in ((0, -1), (-1, 1)) for j in range(index.shape[1])]
    return out + [(0, i, int(index[i, j]), sign) for j, sign in ((0, -1), (-1, 1)) for i in range(index.shape[0])]


def _rotated(way: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * way[0] - s * way[1], s * way[0] + c * way[1]])


def _bezier(a: np.ndarray, b: np.ndarray, way_a: np.ndarray, way_b: np.ndarray) -> np.ndarray:
    third = np.linalg.norm(b - a) / 3.0
    return np.stack([a, a + third * way_a / np.linalg.norm(way_a), b - third * way_b / np.linalg.norm(way_b), b])
