"""Roads of blocks, one after the other: straight, bent, crossed, joined; by letters or as a seed draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.maps.towns.streets import DRIVABLE, Edge, Street
from uniscene_sim.maps.towns.town import build_town
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["BLOCKS", "MOST_BLOCKS", "BlockRoad", "make_blocks"]

#: What letters stand for. At crossings and T junctions the way goes on straight, to the left or to the right.
BLOCKS = {"S": "straight", "C": "curve", "X": "crossing", "L": "crossing with traffic lights", "T": "T junction"}
MOST_BLOCKS = 20
_TRIES = 200
_SIDE_M = 120.0  # of side streets: traffic queues at their ends
_START_M, _BEYOND_M = 15.0, 120.0  # of road behind the start, and beyond the goal
_APART_M = 12.0  # least way between two roads beside the lanes of one


@dataclass(frozen=True)
class BlockRoad:
    """A road of blocks: a map, and a way through all blocks.

    Attributes:
        map: with lanes, signals and crossings.
        sequence: letters of its blocks, see `BLOCKS`.
        start: x, y, m, and heading, rad, on a lane.
        goal: x, y, m, on a lane.
    """

    map: VectorMap
    sequence: str
    start: tuple[float, float, float]
    goal: tuple[float, float]


def make_blocks(seed: int, sequence: str | int = 7, lanes: int | None = None) -> BlockRoad:
    """A road of blocks, the same for the same arguments.

    Args:
        seed: of lengths, angles and turns, and of what is not given.
        sequence: letters of `BLOCKS`, or how many are drawn.
        lanes: in each direction; None draws 1 to 3.

    Raises:
        InputError: an unknown letter, or blocks that never fit without crossing each other.
    """
    if (sequence if isinstance(sequence, int) else len(sequence)) not in range(1, MOST_BLOCKS + 1):
        raise InputError(f"expected 1 to {MOST_BLOCKS} blocks, got {shown(sequence)}", field="map")
    if isinstance(sequence, str) and (unknown := sorted(set(sequence) - set(BLOCKS))):
        known = ", ".join(f"{letter} ({what})" for letter, what in BLOCKS.items())
        raise InputError(f"no block {', '.join(unknown)}; expected letters of {known}", field="map")
    for attempt in range(_TRIES):
        rng = np.random.default_rng([seed, attempt, 29])
        letters = sequence if isinstance(sequence, str) else "".join(rng.choice(list(BLOCKS), sequence))
        street = Street(int(rng.integers(1, 4)) if lanes is None else lanes, float(rng.uniform(3.2, 3.7)))
        wide = street.lanes > 1
        street = replace(street, middle="solid_solid" if wide else "broken", edge="solid")
        layer = _Layer(rng, street)
        layer.straight(2.0 * _START_M)
        for letter in letters:
            layer.lay(letter)
        layer.straight(_BEYOND_M)
        if layer.is_clear():
            break
    else:
        raise InputError(f"found no way to lay {letters} without crossing itself", field="map")
    town = build_town(rng, seed, np.array(layer.places), layer.edges, DRIVABLE, frozenset(layer.lit))
    ways = [layer.edges[0].curve, layer.edges[layer.way[-1]].curve]
    lane = 0.5 * street.median_m + (int(rng.integers(street.lanes)) + 0.5) * street.lane_m
    x, y, yaw = _beside(ways[0], _START_M, lane)
    return BlockRoad(
        replace(town, name=f"blocks_{letters}_{seed}"), letters, (x, y, yaw), _beside(ways[1], 5.0, lane)[:2]
    )


class _Layer:
    """Lays blocks from a place on, in a direction."""

    def __init__(self, rng: np.random.Generator, street: Street):
        self._rng, self._street = rng, street
        self._side = replace(street, lanes=1, speed_mps=8.3, middle="broken")
        self.places: list[np.ndarray] = [np.zeros(2)]
        self.edges: list[Edge] = []
        self.way: list[int] = []  # edges of the main road
        self.lit: set[int] = set()
        self._here, self._yaw = 0, float(rng.uniform(0.0, 2.0 * np.pi))

    def lay(self, letter: str) -> None:
        rng = self._rng
        if letter == "S":
            self.straight(float(rng.uniform(60.0, 120.0)))
        elif letter == "C":
            self._curve(float(rng.uniform(25.0, 60.0)), float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.6)))
        else:
            self.straight(float(rng.uniform(60.0, 90.0)))
            self._junction(letter)

    def straight(self, length_m: float) -> None:
        """Go on straight."""
        self._go(self.places[self._here] + length_m * _way(self._yaw), self._yaw, self._street, main=True)

    def _curve(self, radius_m: float, turn: float) -> None:
        chord = 2.0 * radius_m * np.sin(0.5 * abs(turn))
        end = self.places[self._here] + chord * _way(self._yaw + 0.5 * turn)
        self._go(end, self._yaw + turn, self._street, main=True, handle=4 / 3 * np.tan(abs(turn) / 4) * radius_m)
        self.straight(30.0)

    def _junction(self, letter: str) -> None:
        """Arms at the end of the road; the main road goes on along one of them."""
        rng, node, yaw = self._rng, self._here, self._yaw
        tilt = float(rng.uniform(-0.2, 0.2))
        turns = [0.0, 0.5 * np.pi + tilt, -0.5 * np.pi + tilt]
        if letter == "T":
            turns.pop(int(rng.integers(3)))
        if letter == "L":
            self.lit.add(node)
        on = int(rng.integers(len(turns)))
        for k, turn in enumerate(turns):
            if k != on:
                self._here, self._yaw = node, yaw + turn
                self._go(self.places[node] + _SIDE_M * _way(self._yaw), self._yaw, self._side, main=False)
        self._here, self._yaw = node, yaw + turns[on]
        self.straight(float(rng.uniform(50.0, 80.0)))

    def _go(self, end: np.ndarray, yaw: float, street: Street, *, main: bool, handle: float | None = None) -> None:
        begin = self.places[self._here]
        third = float(np.linalg.norm(end - begin)) / 3.0 if handle is None else handle
        curve = np.stack([begin, begin + third * _way(self._yaw), end - third * _way(yaw), end])
        if main:
            self.way.append(len(self.edges))
        self.edges.append(Edge(self._here, len(self.places), curve, street))
        self.places.append(end)
        self._here, self._yaw = len(self.places) - 1, yaw

    def is_clear(self) -> bool:
        """Whether no road comes near another one, but where they join."""
        wide = 2.0 * self._street.outside(0) + _APART_M
        lines = [_points(edge.curve) for edge in self.edges]
        for i, a in enumerate(self.edges):
            for k, b in enumerate(self.edges[:i]):
                ends = {a.a, a.b} & {b.a, b.b}
                one, other = lines[i], lines[k]
                if ends:  # beyond the junction that they share
                    at = self.places[ends.pop()]
                    one, other = (v[np.hypot(*(v - at).T) > wide] for v in (one, other))
                if len(one) and len(other) and np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1)).min() < wide:
                    return False
        return True


def _way(yaw: float) -> np.ndarray:
    return np.array([np.cos(yaw), np.sin(yaw)])


def _points(curve: np.ndarray) -> np.ndarray:
    """Points (33, 2), m, of a Bezier curve (4, 2)."""
    t = np.linspace(0.0, 1.0, 33)[:, None]
    points: np.ndarray = (
        (1 - t) ** 3 * curve[0] + 3 * t * (1 - t) ** 2 * curve[1] + 3 * t**2 * (1 - t) * curve[2] + t**3 * curve[3]
    )
    return points


def _beside(curve: np.ndarray, along_m: float, right_m: float) -> tuple[float, float, float]:
    """x, y, m, and heading, rad, to the right of a straight or gentle curve, near its beginning."""
    way = curve[1] - curve[0]
    yaw = float(np.arctan2(way[1], way[0]))
    x, y = curve[0] + along_m * _way(yaw) + right_m * _way(yaw - 0.5 * np.pi)
    return float(x), float(y), yaw
