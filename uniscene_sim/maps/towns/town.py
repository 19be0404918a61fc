"""Random towns by seed, each a `VectorMap`, on which learned occupancy is trained.

Streets of `streets.street_graph` become lanes. Each ends before its junctions, where turning lanes, walkways around the
corners and pavement join them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Crossing, Lane, Signal, SignalProgram, StopLine
from uniscene_sim.maps.towns.streets import Edge, Street, TownPlan, street_graph
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["build_town", "make_town"]

_KERB_M = 0.15
_STRAIGHT_RAD = 0.6  # turns below this count as straight on
_CORNER_RAD = 2.6  # streets farther apart in angle than this have no corner between them


def make_town(seed: int, height_m: float = 0.0, plan: TownPlan = TownPlan()) -> VectorMap:  # noqa: B008 - frozen
    """A town about 400 m across, the same for the same seed and plan.

    Args:
        seed: of the town.
        height_m: of its ground, where it is flat; added to its hills, where it is not.
        plan: what its streets are like at least; the default is that of learned models, `streets.DRIVABLE` is for
            drives.
    """
    rng = np.random.default_rng([seed, 7])
    places, edges = street_graph(rng, plan.lane_m)
    return _TownBuilder(rng, seed, height_m, plan).build(places, edges)


def build_town(
    rng: np.random.Generator, seed: int, places: np.ndarray, edges: list[Edge], plan: TownPlan, lit: frozenset[int]
) -> VectorMap:
    """The town of a street graph.

    Args:
        rng: what is drawn with it.
        seed: in its name.
        places: positions of nodes (N, 2), m.
        edges: the streets between them.
        plan: what its streets are like at least.
        lit: the nodes that have traffic lights.
    """
    return _TownBuilder(rng, seed, plan=plan, lights=lit).build(places, edges)


@dataclass(eq=False)
class _StreetEnd:
    """The end of a street at a junction."""

    street: Street
    place: np.ndarray  # (3,) m, centre of the cross-section
    out: float  # heading away from the junction, rad
    ingoing: list[int]  # driving lanes towards the junction, from the centre line outwards
    outgoing: list[int]
    walk_in: int  # walkway on the side of the ingoing lanes, -1 if none
    walk_out: int
    side_in: int  # which side of the street that is: 0 right, 1 left
    length_m: float  # of the street between its ends

    def at(self, ingoing: bool, offset: float) -> tuple[np.ndarray, float]:
        """Place (3,), m, and heading of travel, rad, at an offset (m) from the centre line to the side of the lanes in
        or out."""
        heading = self.out + (np.pi if ingoing else 0.0)
        return self.place + offset * np.array([np.sin(heading), -np.cos(heading), 0.0]), heading


@dataclass
class _TownBuilder:
    """Lanes and rules of a town, added street by street and junction by junction."""

    rng: np.random.Generator
    seed: int
    height_m: float = 0.0
    plan: TownPlan = TownPlan()  # noqa: RUF009 - frozen
    lights: frozenset[int] | None = None  # nodes with traffic lights; None draws them
    lanes: list[dict[str, Any]] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    stops: list[StopLine] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    programs: list[SignalProgram] = field(default_factory=list)
    roads: int = 0

    def build(self, places: np.ndarray, edges: list[Edge]) -> VectorMap:
        """The town of a street graph: positions of nodes (N, 2), m, and the streets between them."""
        rng = self.rng
        hilly = rng.random() < 0.5
        self.hills = [
            (rng.uniform(0.5, 3.0) if hilly else 0.0, rng.uniform(0, 2 * np.pi), rng.uniform(180.0, 420.0),
             rng.uniform(0, 2 * np.pi)) for _ in range(3)
        ]  # fmt: skip
        self.lit, self.corner = rng.uniform(*self.plan.lit), rng.uniform(*self.plan.corner_m)
        arms: list[list[tuple[float, int, int]]] = [[] for _ in places]
        for k, edge in enumerate(edges):
            for end, node in ((0, edge.a), (1, edge.b)):
                way = edge.curve[1] - edge.curve[0] if end == 0 else edge.curve[2] - edge.curve[3]
                arms[node].append((float(np.arctan2(way[1], way[0])), k, end))
        cuts = np.zeros((len(edges), 2))
        for around in arms:
            around.sort()
            for (_, k, end), cut in zip(around, self._cuts(around, edges), strict=True):
                cuts[k, end] = cut
        end_pairs = [self._street(edge, cuts[k]) for k, edge in enumerate(edges)]
        for node, around in enumerate(arms):
            street_ends = [pair[end] for _, k, end in around if (pair := end_pairs[k]) is not None]
            if len(street_ends) == 1 and len(around) == 1 and node < len(places):
                self._dead_end(street_ends[0], node)
            elif street_ends:
                self._junction(street_ends, node, places[node])
        lanes = tuple(Lane(index=i, **row) for i, row in enumerate(self._linked()))
        return VectorMap(f"town_{self.seed}", lanes, tuple(self.crossings), tuple(self.stops), tuple(self.signals),
                         tuple(self.programs))  # fmt: skip

    def _with_height(self, xy: np.ndarray) -> np.ndarray:
        """Places (..., 2) as (..., 3), m, with the height of the hills."""
        z = np.full(xy.shape[:-1], self.height_m)
        for amplitude, angle, length, phase in self.hills:
            z = z + amplitude * np.sin(2 * np.pi * (xy @ [np.cos(angle), np.sin(angle)]) / length + phase)
        return np.concatenate([xy, z[..., None]], axis=-1)

    def _cuts(self, around: Sequence[tuple[float, int, int]], edges: list[Edge]) -> list[float]:
        """Distance from a node at which each street ends, m: where it is clear of its neighbours."""
        n = len(around)
        cuts = [0.0 if n == 1 else 5.0] * n
        for i in range(n if n > 1 else 0):
            (angle, k, end), (beyond, q, other) = around[i], around[(i + 1) % n]
            between = (beyond - angle) % (2 * np.pi) or 2 * np.pi
            # Seen from the node, the left side of one street is next to the right side of the following one.
            left, right = edges[k].street.outside(1 - end), edges[q].street.outside(other)
            if between < _CORNER_RAD:
                c, s = np.cos(between), np.sin(between)
                # The lane next to the corner turns with a radius of at least that of the plan.
                least = 0.0
                if self.plan.turn_radius_m:
                    edge = max(edges[k].street.drive_edge(0), edges[q].street.drive_edge(0))
                    least = (self.plan.turn_radius_m + edge) / np.tan(0.5 * between)
                cuts[i] = max(cuts[i], (right + left * c) / s + self.corner, least)
                cuts[(i + 1) % n] = max(cuts[(i + 1) % n], (left + right * c) / s + self.corner, least)
        return cuts

    # --- lanes ----------------------------------------------------------------------------------------------------

    def _add(
        self, key: tuple[str, int, int], kind: str, centre: np.ndarray, heading: np.ndarray, width: np.ndarray
    ) -> int:
        row: dict[str, Any] = {"key": key, "kind": kind, "centre": centre, "heading": heading, "width": width,
               "left_mark": "none", "right_mark": "none", "successors": [], "predecessors": []}  # fmt: skip
        row["height"] = _KERB_M if kind == "sidewalk" else 0.0
        self.lanes.append(row)
        return len(self.lanes) - 1

    def _link(self, before: int, after: int) -> None:
        self.lanes[before]["successors"].append(after)
        self.lanes[after]["predecessors"].append(before)

    def _linked(self) -> list[dict[str, Any]]:
        return [row | {k: tuple(row[k]) for k in ("successors", "predecessors")} for row in self.lanes]

    def _street(self, edge: Edge, cut: np.ndarray) -> tuple[_StreetEnd, _StreetEnd] | None:
        """The lanes of a street and its two ends, which are cut back from its nodes by `cut` (2,), m; None if its
        junctions leave no room for it."""
        t = np.linspace(0.0, 1.0, 801)[:, None]
        b = edge.curve
        fine = (1 - t) ** 3 * b[0] + 3 * t * (1 - t) ** 2 * b[1] + 3 * t**2 * (1 - t) * b[2] + t**3 * b[3]
        slope = 3 * (1 - t) ** 2 * (b[1] - b[0]) + 6 * t * (1 - t) * (b[2] - b[1]) + 3 * t**2 * (b[3] - b[2])
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
        length = s[-1] - cut.sum()
        if length < 8.0:
            return None
        at = np.linspace(cut[0], s[-1] - cut[1], int(np.ceil(length)) + 1)
        # Streets are level across: all lanes have the height of the centre line.
        line = self._with_height(np.stack([np.interp(at, s, fine[:, k]) for k in range(2)], axis=1))
        yaw = np.interp(at, s, np.unwrap(np.arctan2(slope[:, 1], slope[:, 0])))
        self.roads += 1
        sides = [self._side(edge.street, side, line, yaw) for side in range(2)]
        for mine, other in ((0, 1), (1, 0)):
            if edge.street.median_m == 0.0:
                self.lanes[sides[mine][0][0]]["opposite"] = sides[other][0][0]
        (right, walk_right), (left, walk_left) = sides
        return (
            _StreetEnd(edge.street, line[0], yaw[0], left, right, walk_left, walk_right, 1, length),
            _StreetEnd(edge.street, line[-1], yaw[-1] + np.pi, right, left, walk_right, walk_left, 0, length),
        )

    def _side(self, street: Street, side: int, line: np.ndarray, yaw: np.ndarray) -> tuple[list[int], int]:
        """The lanes on one side of a centre line (N, 3), m, with headings (N,), rad, from the centre outwards: indices
        of those for driving, and of the walkway or -1."""
        parts = [("median", 0.5 * street.median_m)] + [("driving", street.lane_m)] * street.lanes
        parts += [("biking" if street.walk_m[side] else "shoulder", street.shoulder_m)]
        parts += [("parking", street.parking_m[side]), ("sidewalk", street.walk_m[side])]
        normal = np.stack([np.sin(yaw), -np.cos(yaw), 0.0 * yaw], axis=1) * (1 if side == 0 else -1)
        made: list[int] = []
        driving: list[int] = []
        offset, walk = 0.0, -1
        for kind, width in parts:
            if width <= 0.0:
                continue
            centre, heading = line + (offset + 0.5 * width) * normal, yaw
            if side == 1:
                centre, heading = centre[::-1], yaw[::-1] + np.pi
            offset += width
            key = (str(self.roads), 0, (len(made) + 1) * (-1 if side == 0 else 1))
            lane = self._add(key, kind, centre, wrap_angle(heading), np.full(len(centre), width))
            row = self.lanes[lane]
            row["speed_limit_mps"] = street.speed_mps
            if made:
                row["left"], self.lanes[made[-1]]["right"] = made[-1], lane
            if kind == "driving":
                row["left_mark"] = "broken" if driving else street.middle
                row["right_mark"] = "broken" if len(driving) + 1 < street.lanes else street.edge
                row["can_change_left"] = bool(driving)
                row["can_change_right"] = len(driving) + 1 < street.lanes
                driving.append(lane)
            elif kind == "sidewalk":
                walk = lane
            made.append(lane)
        return driving, walk

    def _add_connector(self, key: tuple[str, int, int], kind: str, ends: Sequence[tuple[np.ndarray, float]],
              widths: tuple[float, float], junction: int, reach: float = 1.0) -> int:  # fmt: skip
        """A lane from one place and heading to another, approximately an arc."""
        (begin, yaw_a), (end, yaw_b) = ends
        a, b = begin[:2], end[:2]
        turn = min(abs(float(wrap_angle(yaw_b - yaw_a))), 3.0)
        chord = float(np.linalg.norm(b - a))
        handle = reach * chord * (1 / 3 if turn < 0.05 else 4 / 3 * np.tan(turn / 4) / (2 * np.sin(turn / 2)))
        p1 = a + handle * np.array([np.cos(yaw_a), np.sin(yaw_a)])
        p2 = b - handle * np.array([np.cos(yaw_b), np.sin(yaw_b)])
        way = np.linalg.norm(p1 - a) + np.linalg.norm(p2 - p1) + np.linalg.norm(b - p2)
        t = np.linspace(0.0, 1.0, max(int(np.ceil(0.5 * (way + chord))), 2) + 1)[:, None]
        xy = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * b
        slope = 3 * (1 - t) ** 2 * (p1 - a) + 6 * t * (1 - t) * (p2 - p1) + 3 * t**2 * (b - p2)
        width = widths[0] + (widths[1] - widths[0]) * t[:, 0]
        centre = np.concatenate([xy, begin[2] + (end[2] - begin[2]) * t], axis=1)
        lane = self._add(key, kind, centre, np.arctan2(slope[:, 1], slope[:, 0]), width)
        self.lanes[lane]["junction"] = str(junction)
        return lane

    def _end_of(self, lane: int, last: bool) -> tuple[np.ndarray, float]:
        row, k = self.lanes[lane], -1 if last else 0
        return row["centre"][k], float(row["heading"][k])

    def _connect(self, before: int, after: int, junction: int, reach: float = 1.0) -> int:
        """A lane from the end of one lane to the beginning of another."""
        self.roads += 1
        a, b = self.lanes[before], self.lanes[after]
        ends = (self._end_of(before, True), self._end_of(after, False))
        widths = (float(a["width"][-1]), float(b["width"][0]))
        lane = self._add_connector((str(self.roads), 0, -1), a["kind"], ends, widths, junction, reach)
        self.lanes[lane]["speed_limit_mps"] = min(a["speed_limit_mps"], b["speed_limit_mps"])
        self._link(before, lane)
        self._link(lane, after)
        return lane

    # --- junctions ------------------------------------------------------------------------------------------------

    def _dead_end(self, street_end: _StreetEnd, node: int) -> None:
        """A turning place at the end of slow streets; other streets lead out of the map."""
        if street_end.street.speed_mps > 15.0 or self.rng.random() < 0.4 or not self.plan.turning_places:
            return
        self._connect(street_end.ingoing[0], street_end.outgoing[0], node, 4.0)
        wide = street_end.street.drive_edge(0)
        for sign in (-1, 1):
            self.roads += 1
            ends = (street_end.at(True, 0.5 * wide), street_end.at(False, 0.5 * wide))
            self._add_connector((str(self.roads), 0, sign), "shoulder", ends, (wide, wide), node, 3.0)
        if street_end.walk_in >= 0 and street_end.walk_out >= 0:
            self._connect(street_end.walk_in, street_end.walk_out, node, 2.0)

    def _junction(self, street_ends: list[_StreetEnd], node: int, place: np.ndarray) -> None:
        n = len(street_ends)
        for street_end in street_ends:
            self._pave(street_end, node, place)
        for i, street_end in enumerate(street_ends):
            following = street_ends[(i + 1) % n]
            if n > 1:
                self._corner(street_end, following, node)
        for i, street_end in enumerate(street_ends):
            self._turns(street_end, [street_ends[(i + k) % n] for k in range(1, n)], node)
        fed = {b for row in self.lanes for b in row["successors"]}
        for i, street_end in enumerate(street_ends):
            for lane in street_end.outgoing:
                if lane not in fed and n > 1:
                    source = min(
                        (street_ends[(i + k) % n] for k in range(1, n)), key=lambda m: abs(_turn(m, street_end))
                    )
                    self._connect(source.ingoing[-1], lane, node)
        if n > 2:
            self._traffic_control(street_ends, node)

    def _pave(self, street_end: _StreetEnd, node: int, place: np.ndarray) -> None:
        self.roads += 1
        street, k = street_end.street, street_end.side_in
        inner, outer = street.kerb(k), street.kerb(1 - k)
        begin, yaw = street_end.at(True, 0.5 * (inner - outer))
        middle = self._with_height(place)
        gap = (middle - street_end.place)[:2]
        if np.linalg.norm(gap) > 1.0:
            towards = float(np.arctan2(gap[1], gap[0]))
            wide = inner + outer
            self._add_connector(
                (str(self.roads), 0, -1), "border", ((begin, yaw), (middle, towards)), (wide, wide), node
            )

    def _corner(self, street_end: _StreetEnd, following: _StreetEnd, node: int) -> None:
        """Pavement and walkway around a corner, from the ingoing side of one street to the outgoing side of
        the next."""
        walks = street_end.walk_in >= 0 and following.walk_out >= 0
        a, b = street_end.street, following.street
        side_a, side_b = street_end.side_in, 1 - following.side_in
        low, high = (a.drive_edge(side_a), b.drive_edge(side_b)), (a.kerb(side_a), b.kerb(side_b))
        if max(high[0] - low[0], high[1] - low[1]) > 0.05:
            self.roads += 1
            ends = (street_end.at(True, 0.5 * (low[0] + high[0])), following.at(False, 0.5 * (low[1] + high[1])))
            self._add_connector((str(self.roads), 0, -1), "shoulder", ends, (high[0] - low[0], high[1] - low[1]), node)
        if walks:
            self._connect(street_end.walk_in, following.walk_out, node)

    def _turns(self, street_end: _StreetEnd, others: list[_StreetEnd], node: int) -> None:
        """Connect lanes: right turns from the outermost lane, left turns from the innermost, others straight on."""
        ahead = [m for m in others if abs(_turn(street_end, m)) < _STRAIGHT_RAD]
        wanted: list[tuple[int, int]] = []
        for other in others:
            turn = _turn(street_end, other)
            if other in ahead or len(others) == 1:
                last = len(other.outgoing) - 1
                wanted += [(lane, other.outgoing[min(k, last)]) for k, lane in enumerate(street_end.ingoing)]
            elif turn < 0:
                wanted.append((street_end.ingoing[-1], other.outgoing[-1]))
            else:
                wanted.append((street_end.ingoing[0], other.outgoing[0]))
        for lane in street_end.ingoing:
            if others and all(lane != a for a, _ in wanted):
                wanted.append((lane, max(others, key=lambda m: len(m.outgoing)).outgoing[-1]))
        for before, after in wanted:
            self._connect(before, after, node)

    def _traffic_control(self, street_ends: list[_StreetEnd], node: int) -> None:
        """Add crossings, and traffic lights or stop signs."""
        wide = sum(m.street.lanes for m in street_ends) > 4
        lit = self.rng.random() < (self.lit if wide else 0.3 * self.lit) if self.lights is None else node in self.lights
        main = max(m.street.lanes * 10 + m.street.speed_mps for m in street_ends)
        ruled: dict[int, int] = {}
        for i, street_end in enumerate(street_ends):
            if street_end.length_m < 16.0:
                continue
            street, walked = street_end.street, min(street_end.walk_in, street_end.walk_out) >= 0
            crossed = walked and self.rng.random() < (0.9 if lit else 0.35)
            near, deep = self.rng.uniform(0.5, 1.5), self.rng.uniform(2.5, 4.0)
            if crossed:
                self.crossings.append(self._crossing(street_end, near, deep))
            minor = street.lanes * 10 + street.speed_mps < main - 0.1 and self.rng.random() < 0.8
            if not (lit or minor):
                continue
            back = near + deep + 1.0 if crossed else 1.0
            if lit:
                ruled[i] = len(self.signals)
            self._stop(street_end, back, ruled.get(i, -1))
        if ruled:
            pairs: list[tuple[int, ...]] = []
            for i, signal in ruled.items():
                if not any(signal in pair for pair in pairs):
                    facing = [ruled[k] for k in ruled if k != i
                              and abs(_turn(street_ends[i], street_ends[k])) < _STRAIGHT_RAD
                              and not any(ruled[k] in pair for pair in pairs)]  # fmt: skip
                    pairs.append((signal, *facing[:1]))
            self.programs.append(SignalProgram(tuple(pairs)))

    def _crossing(self, street_end: _StreetEnd, near: float, deep: float) -> Crossing:
        out = np.array([np.cos(street_end.out), np.sin(street_end.out), 0.0])
        k = street_end.side_in
        (left, _), (right, _) = (
            street_end.at(True, street_end.street.kerb(k)),
            street_end.at(False, street_end.street.kerb(1 - k)),
        )
        corners = [left + near * out, left + (near + deep) * out, right + (near + deep) * out, right + near * out]
        return Crossing(np.array(corners))

    def _stop(self, street_end: _StreetEnd, back: float, signal: int) -> None:
        """Stop lines of all lanes towards a junction, and their traffic light or sign."""
        for lane in street_end.ingoing:
            row = self.lanes[lane]
            s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(row["centre"][:, :2], axis=0), axis=1))])
            at = float(s[-1] - back)
            columns = (*row["centre"].T, np.unwrap(row["heading"]), row["width"])
            x, y, z, yaw, wide = (np.interp(at, s, column) for column in columns)
            across = 0.5 * wide * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
            ends = np.array([x, y, z]) + np.stack([across, -across])
            self.stops.append(StopLine(ends, lane, at, signal))
        foot, _ = street_end.at(True, street_end.street.kerb(street_end.side_in) + 0.6)
        kind, index = "traffic_light" if signal >= 0 else "stop", len(self.signals)
        self.signals.append(Signal(index, str(index), kind, foot, float(wrap_angle(street_end.out)),
                                   tuple(street_end.ingoing)))  # fmt: skip


def _turn(a: _StreetEnd, b: _StreetEnd) -> float:
    """Angle by which the way from one street into another turns left, rad."""
    return float(wrap_angle(b.out - a.out - np.pi))
