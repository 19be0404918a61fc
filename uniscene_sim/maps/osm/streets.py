"""The graph of streets of an extract: ways cut where they meet, joined where nothing changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.osm.extract import OsmExtract, Place, Way
from uniscene_sim.maps.osm.sections import Section, street_section

__all__ = ["Street", "StreetGraph", "StreetNode", "reachable", "street_graph"]

_CLUSTER_M = 14.0  # streets between two junctions shorter than this are part of one larger junction
_LARGEST_M = 32.0  # across, of such a junction
_GONE_M = 0.05  # points this near to the one before are no points of their own


@dataclass(frozen=True)
class StreetNode:
    """Something on a street: its node, and arc length along the street, m."""

    place: Place
    s_m: float


@dataclass(frozen=True)
class Street:
    """A stretch of street between two junctions or ends."""

    ends: tuple[int, int]  # nodes
    line: np.ndarray  # (N, 2) m
    section: Section
    ways: tuple[int, int]  # first and last way that it is made of
    level: int = 0  # decks above the ground, of bridges
    ring: bool = False  # part of a roundabout
    nodes: tuple[StreetNode, ...] = ()

    @property
    def length(self) -> float:
        return float(_along(self.line)[-1])

    def reversed(self) -> Street:
        """The same seen from its other end."""
        length = self.length
        nodes = tuple(StreetNode(node.place, length - node.s_m) for node in reversed(self.nodes))
        return replace(self, ends=self.ends[::-1], line=self.line[::-1], section=self.section.reversed(),
                       ways=self.ways[::-1], nodes=nodes)  # fmt: skip


@dataclass(frozen=True)
class StreetGraph:
    """Streets, and the junctions that their ends belong to."""

    streets: tuple[Street, ...]
    junctions: dict[int, tuple[int, ...]]  # nodes of each junction by its lowest node
    joints: dict[int, list[Street]]  # streets within each junction, by the same


def street_graph(extract: OsmExtract) -> StreetGraph:
    """The streets for cars of an extract; those in tunnels are left out."""
    pieces = _cut(extract, extract.losses)
    return _clustered(_joined(pieces))


def _cut(extract: OsmExtract, losses: Losses) -> list[Street]:
    """Ways cut at the nodes that they share."""
    kept: list[tuple[Way, Section]] = []
    for way in extract.ways:
        section = street_section(way.tags)
        if section is None:
            continue
        if way.tags.get("tunnel", "no") not in ("no", "building_passage") or _layer(way) < 0:
            losses.add("left out, for they lie below the ground", f"way {way.id}")
            continue
        kept.append((way, section))
    uses = Counter(node for way, _ in kept for node in set(way.nodes))
    tagged = {place.id: place for place in extract.places if "highway" in place.tags}
    found = []
    for way, section in kept:
        seen: Counter[int] = Counter(way.nodes)
        last = len(way.nodes) - 1
        cuts = [k for k, node in enumerate(way.nodes) if k in (0, last) or uses[node] > 1 or seen[node] > 1]
        for a, b in pairwise(cuts):
            line = way.xy[a : b + 1]
            keep = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > _GONE_M])
            if keep.sum() < 2 or (b == a + 1 and way.nodes[a] == way.nodes[b]):
                continue
            along = _along(line)
            nodes = tuple(StreetNode(tagged[way.nodes[k]], float(along[k - a])) for k in range(a + 1, b)
                          if way.nodes[k] in tagged)  # fmt: skip
            ring = way.tags.get("junction") in ("roundabout", "circular")
            level = max(_layer(way), 1) if way.tags.get("bridge", "no") != "no" else 0
            ends, ways = (way.nodes[a], way.nodes[b]), (way.id, way.id)
            found.append(Street(ends, line[keep], section, ways, level, ring, nodes))
    return found


def _layer(way: Way) -> int:
    try:
        return max(min(int(way.tags.get("layer", "0")), 5), -5)
    except ValueError:
        return 0


def _along(line: np.ndarray) -> np.ndarray:
    step = np.hypot(*np.diff(line, axis=0).T)
    along: np.ndarray = np.concatenate([[0.0], np.cumsum(step)])
    return along


def _joined(pieces: list[Street]) -> list[Street]:
    """Streets of pieces that go on alike at a node where no other begins."""
    at: dict[int, list[int]] = {}
    for k, piece in enumerate(pieces):
        for node in piece.ends:
            at.setdefault(node, []).append(k)
    street: dict[int, Street | None] = dict(enumerate(pieces))
    now = list(range(len(pieces)))  # which street a piece has become part of

    def of(k: int) -> int:
        while now[k] != k:
            k = now[k]
        return k

    for node, around in at.items():
        if len(around) != 2:
            continue
        i, j = of(around[0]), of(around[1])
        first, second = street[i], street[j]
        if i == j or first is None or second is None:
            continue
        first = first if first.ends[1] == node else first.reversed()
        second = second if second.ends[0] == node else second.reversed()
        if not _alike(first, second):
            continue
        length = first.length
        nodes = first.nodes + tuple(StreetNode(n.place, n.s_m + length) for n in second.nodes)
        line = np.concatenate([first.line, second.line[1:]])
        ends, ways = (first.ends[0], second.ends[1]), (first.ways[0], second.ways[1])
        street[i] = replace(first, ends=ends, nodes=nodes, line=line, ways=ways)
        street[j], now[j] = None, i
    return [found for found in street.values() if found is not None]


def _alike(a: Street, b: Street) -> bool:
    """Whether two streets, the second after the first, are one."""
    way_a, way_b = a.line[-1] - a.line[-2], b.line[1] - b.line[0]
    turn = way_a @ way_b / max(float(np.hypot(*way_a) * np.hypot(*way_b)), 1e-9)
    return (a.section, a.level, a.ring) == (b.section, b.level, b.ring) and bool(turn > 0.2)


def _clustered(streets: list[Street]) -> StreetGraph:
    """Nodes that short streets join, as of roads with two carriageways, become one junction."""
    degree = Counter(node for street in streets for node in street.ends)
    place = {node: street.line[-k] for street in streets for k, node in enumerate(street.ends)}
    group = {node: [node] for node in place}
    short = [s for s in streets if s.length < _CLUSTER_M and not s.ring and s.section.grade > 1
             and min(degree[node] for node in s.ends) > 2 and s.ends[0] != s.ends[1]]  # fmt: skip
    for street in sorted(short, key=lambda s: s.length):
        a, b = (group[node] for node in street.ends)
        if a is b:
            continue
        together = np.array([place[node] for node in a + b])
        if np.hypot(*np.ptp(together, axis=0)) > _LARGEST_M:
            continue
        a += b
        for node in b:
            group[node] = a
    name = {node: min(members) for node, members in group.items()}
    inside = [s for s in streets if name[s.ends[0]] == name[s.ends[1]] and len(group[s.ends[0]]) > 1
              and s.length < _LARGEST_M]  # fmt: skip
    joints: dict[int, list[Street]] = {}
    for street in inside:
        joints.setdefault(name[street.ends[0]], []).append(street)
    gone = set(map(id, inside))
    return StreetGraph(
        tuple(s for s in streets if id(s) not in gone),
        {name[members[0]]: tuple(members) for members in group.values()},
        joints,
    )


def reachable(joints: Sequence[Street], nodes: Sequence[int]) -> dict[int, set[int]]:
    """Nodes of a junction that traffic reaches from each of them along the streets within it."""
    ahead: dict[int, set[int]] = {node: set() for node in nodes}
    for street in joints:
        a, b = street.ends
        if street.section.forward:
            ahead[a].add(b)
        if street.section.backward:
            ahead[b].add(a)
    found = {}
    for node in nodes:
        seen, todo = {node}, [node]
        while todo:
            new = ahead[todo.pop()] - seen
            seen |= new
            todo += new
        found[node] = seen
    return found
