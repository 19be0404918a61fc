"""Writes the shipped OpenDRIVE maps: a signalled city grid, a motorway with an on-ramp, a hilly country road, a
roundabout.

    python scenarios/maps/make_maps.py [FOLDER] [--xodr-only]

The same bytes every time (no dates). Beside each map its extracted `.npz` is kept,
so that no reader is needed to use it.
"""

from __future__ import annotations

import argparse
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scenariogeneration import xodr

HERE = Path(__file__).resolve().parent
KERB_M, WALK_M, PARKING_M = 0.15, 3.0, 2.2
DRIVING, WALK, SHOULDER = xodr.LaneType.driving, xodr.LaneType.sidewalk, xodr.LaneType.shoulder
PARKING, MEDIAN = xodr.LaneType.parking, xodr.LaneType.median
START, END = xodr.ContactPoint.start, xodr.ContactPoint.end
WHITE, YELLOW = xodr.RoadMarkColor.white, xodr.RoadMarkColor.yellow
Shape = tuple[str, float, float]  # line, arc or spiral; length; curvature (at the end, of a spiral)


def mark(kind: str, colour: xodr.RoadMarkColor = WHITE, change: str = "none") -> xodr.RoadMark:
    return xodr.RoadMark(
        getattr(xodr.RoadMarkType, kind), width=0.12, color=colour, laneChange=getattr(xodr.LaneChange, change)
    )


def lane(
    kind: xodr.LaneType,
    widths: float | Sequence[tuple[float, float, float, float, float]],
    paint: xodr.RoadMark | None = None,
    pred: int | None = None,
    succ: int | None = None,
) -> xodr.Lane:
    """A lane of one width or of width records (sOffset, a, b, c, d)."""
    records = [(0.0, widths, 0.0, 0.0, 0.0)] if isinstance(widths, (int, float)) else widths
    made = xodr.Lane(kind, a=records[0][1], b=records[0][2], c=records[0][3], d=records[0][4])
    for s, a, b, c, d in records[1:]:
        made.add_lane_width(a, b, c, d, s)
    made.add_roadmark(paint or mark("none"))
    if kind == WALK:
        made.add_height(KERB_M)
    if pred is not None:
        made.add_link("predecessor", pred)
    if succ is not None:
        made.add_link("successor", succ)
    return made


def smooth(s: float, length: float, a: float, b: float) -> tuple[float, float, float, float, float]:
    """Record of a cubic from a to b that starts and ends level."""
    return (round(s, 6), a, 0.0, 3 * (b - a) / length**2, -2 * (b - a) / length**3)


def section(s: float, left: Sequence[xodr.Lane], right: Sequence[xodr.Lane], centre: xodr.RoadMark) -> xodr.LaneSection:
    middle = xodr.Lane(xodr.LaneType.none)
    middle.add_roadmark(centre)
    made = xodr.LaneSection(round(s, 6), middle)
    for item in left:
        made.add_left_lane(item)
    for item in right:
        made.add_right_lane(item)
    return made


def plan(x: float, y: float, heading: float, shapes: Sequence[Shape]) -> xodr.PlanView:
    view = xodr.PlanView()
    curvature = 0.0
    for kind, length, bend in shapes:
        if length < 1e-6:
            continue
        piece = (
            xodr.Line(round(length, 6))
            if kind == "line"
            else xodr.Arc(round(bend, 9), length=round(length, 6))
            if kind == "arc"
            else xodr.Spiral(round(curvature, 9), round(bend, 9), length=round(length, 6))
        )
        curvature = 0.0 if kind == "line" else bend
        view.add_fixed_geometry(piece, round(x, 6), round(y, 6), round(heading, 9))
        x, y, heading = view.get_end_point()
    view.present_s = round(view.present_s, 6)
    return view


def road(
    number: int, view: xodr.PlanView, sections: Sequence[xodr.LaneSection], kmh: int, kind: str, junction: int = -1
) -> xodr.Road:
    lanes = xodr.Lanes()
    for item in sections:
        lanes.add_lanesection(item)
    made = xodr.Road(number, view, lanes, road_type=junction, name=f"road {number}")
    made.add_type(getattr(xodr.RoadType, kind), s=0, speed=kmh, speed_unit="km/h")
    return made


def write(
    path: Path,
    name: str,
    roads: Sequence[xodr.Road],
    junctions: Sequence[xodr.Junction],
    controllers: Sequence[tuple[int, int, int, list[int]]] = (),
) -> None:
    """`controllers`: (id, junction, sequence, signal ids), which the package has no class for."""
    drive = xodr.OpenDrive(name)
    for item in roads:
        drive.add_road(item)
    for item in junctions:
        drive.add_junction(item)
    root = drive.get_element()
    header = root.find("header")
    header.attrib.pop("date", None)  # the same file every time
    first = [child.tag for child in root].index("junction") if junctions else len(root)
    for number, junction, sequence, signals in controllers:
        element = ET.Element("controller", id=str(number), name=f"controller {number}", sequence=str(sequence))
        for signal in signals:
            ET.SubElement(element, "control", signalId=str(signal), type="0")
        root.insert(first, element)
        first += 1
        for found in root.findall("junction"):
            if found.get("id") == str(junction):
                ET.SubElement(found, "controller", id=str(number), type="0", sequence=str(sequence))
    ET.indent(root, "  ")
    path.write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root) + b"\n")


# the city grid

PITCH, RADIUS, LANE = 90.0, 10.0, 3.5
LIGHTS = ((0, 1), (1, 1), (2, 1))
SIGNS = {(1, 0): ("206", "Sign_Stop"), (1, 2): ("205", "Sign_Yield")}
STEP = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}  # direction, in quarter turns


@dataclass(frozen=True)
class Arm:
    """One road end at a junction: what drives in and out of it there."""

    road: int
    contact: xodr.ContactPoint
    lanes: int  # each way
    distance: float  # from the junction's centre

    def inbound(self, k: int) -> int:
        """OpenDRIVE id of the k-th lane (from the middle, 1 first) that leads into the junction."""
        return -k if self.contact == END else k

    def outbound(self, k: int) -> int:
        return -self.inbound(k)


def _count(horizontal: bool, line: int) -> int:
    return 2 if horizontal and line == 1 else 1


def _reach(i: int, j: int, horizontal: bool) -> float:
    """Where a road ends before a junction: so that right turns are quarter circles about one centre."""
    crossing = _count(not horizontal, i if horizontal else j)
    return RADIUS + (crossing - 0.5) * LANE


def _street(number: int, i: int, j: int, horizontal: bool) -> tuple[xodr.Road, float]:
    a, b = _reach(i, j, horizontal), _reach(i + horizontal, j + (not horizontal), horizontal)
    length = PITCH - a - b
    n = _count(horizontal, j if horizontal else i)
    x, y = PITCH * i + a * horizontal, PITCH * j + a * (not horizontal)
    view = plan(x, y, 0.0 if horizontal else math.pi / 2, [("line", length, 0.0)])

    def side() -> list[xodr.Lane]:
        made = [lane(DRIVING, LANE, mark("broken", change="both")) for _ in range(n - 1)]
        made.append(lane(DRIVING, LANE, mark("solid")))
        if n == 1:
            bay = [
                (0.0, 0.0, 0.0, 0.0, 0.0), smooth(14.0, 3.0, 0.0, PARKING_M), (17.0, PARKING_M, 0.0, 0.0, 0.0),
                smooth(length - 17.0, 3.0, PARKING_M, 0.0), (round(length - 14.0, 6), 0.0, 0.0, 0.0, 0.0),
            ]  # fmt: skip
            made.append(lane(PARKING, bay))
        made.append(lane(WALK, WALK_M))
        return made

    centre = mark("solid_solid", YELLOW) if n == 2 else mark("broken")
    return road(number, view, [section(0.0, side(), side(), centre)], 50, "town"), length


def _turn(
    number: int, jid: int, centre: tuple[float, float], source: Arm, target: Arm, way: int, quarter: int, k: int,
    m: int, walk: bool,
) -> tuple[xodr.Road, xodr.Connection]:  # fmt: skip
    """A connecting road: lane k of `source`, which comes from direction `way`, turns by `quarter` (1 left, 0, -1 right)
    into lane m of `target`. Its reference line is the lane's left border."""
    heading = (way + 2) % 4 * math.pi / 2
    ux, uy = STEP[(way + 2) % 4]
    inner = (k - 1) * LANE
    x = centre[0] - source.distance * ux + inner * uy
    y = centre[1] - source.distance * uy - inner * ux
    outer = (m - 1) * LANE
    if quarter == 0:
        shapes: list[Shape] = [("line", source.distance + target.distance, 0.0)]
    else:
        ahead = source.distance + quarter * outer
        across = target.distance + quarter * inner
        radius = min(ahead, across)
        shapes = [
            ("line", ahead - radius, 0.0),
            ("arc", radius * math.pi / 2, quarter / radius),
            ("line", across - radius, 0.0),
        ]
    right = [lane(DRIVING, LANE, pred=source.inbound(k), succ=target.outbound(m))]
    links = [(source.inbound(k), -1)]
    if walk:
        right.append(lane(WALK, WALK_M, pred=source.inbound(3), succ=target.outbound(3)))
        links.append((source.inbound(3), -2))
    made = road(number, plan(x, y, heading, shapes), [section(0.0, [], right, mark("none"))], 50, "town", jid)
    made.add_predecessor(xodr.ElementType.road, source.road, source.contact)
    made.add_successor(xodr.ElementType.road, target.road, target.contact)
    connection = xodr.Connection(source.road, number, START)
    for incoming, inside in links:
        connection.add_lanelink(incoming, inside)
    return made, connection


def _at(arm: Arm, length: float, before: float, right: float) -> tuple[float, float]:
    """s, t of a place `before` metres ahead of the junction and `right` of the road's middle, as one drives in."""
    return (round(length - before, 6), -right) if arm.contact == END else (before, right)


def _box(s: float, t: float, along: float, across: float, name: str, number: int, kind: xodr.ObjectType) -> xodr.Object:
    thing = xodr.Object(s, t, Type=kind, id=str(number), name=name, length=along, width=across, height=0.0)
    shape = xodr.Outline(closed=True)
    for u, v in ((-along, -across), (along, -across), (along, across), (-along, across), (-along, -across)):
        shape.add_corner(xodr.CornerLocal(u / 2, v / 2, 0.0, 0.0))
    thing.add_outline(shape)
    return thing


def urban_grid(path: Path) -> None:
    roads: list[xodr.Road] = []
    lengths: dict[int, float] = {}
    arms: dict[tuple[int, int], dict[int, Arm]] = {(i, j): {} for i in range(3) for j in range(3)}
    for horizontal in (True, False):
        for j in range(3 if horizontal else 2):
            for i in range(2 if horizontal else 3):
                number = len(roads) + 1
                made, lengths[number] = _street(number, i, j, horizontal)
                ends = (i, j), (i + horizontal, j + (not horizontal))
                n = _count(horizontal, j if horizontal else i)
                way = 0 if horizontal else 1
                arms[ends[0]][way] = Arm(number, START, n, _reach(*ends[0], horizontal))
                arms[ends[1]][way + 2] = Arm(number, END, n, _reach(*ends[1], horizontal))
                made.add_predecessor(xodr.ElementType.junction, 100 + 10 * ends[0][0] + ends[0][1])
                made.add_successor(xodr.ElementType.junction, 100 + 10 * ends[1][0] + ends[1][1])
                roads.append(made)
    streets = {made.id: made for made in roads}
    junctions, controllers = [], []
    number, thing = 1000, 5000
    for place, around in arms.items():
        jid = 100 + 10 * place[0] + place[1]
        junction = xodr.Junction(f"junction {jid}", jid)
        centre = (PITCH * place[0], PITCH * place[1])
        for way, source in sorted(around.items()):
            exits = [q for q in (-1, 0, 1) if (way + 2 + q) % 4 in around]
            for quarter in exits:
                target = around[(way + 2 + quarter) % 4]
                pairs = {-1: [(source.lanes, target.lanes)], 1: [(1, 1)]}.get(quarter)
                if pairs is None:
                    pairs = [(k, k) for k in range(1, source.lanes + 1)]
                for k, m in pairs:
                    walk = quarter == exits[0] and k == source.lanes and m == target.lanes
                    made, connection = _turn(number, jid, centre, source, target, way, quarter, k, m, walk)
                    roads.append(made)
                    junction.add_connection(connection)
                    number += 1
        junctions.append(junction)
        phases: dict[int, list[int]] = {0: [], 1: []}
        for way, arm in sorted(around.items()):
            here, length, half = streets[arm.road], lengths[arm.road], arm.lanes * LANE
            facing = xodr.Orientation.positive if arm.contact == END else xodr.Orientation.negative
            ruled = sorted((arm.inbound(1), arm.inbound(arm.lanes)))
            if place in LIGHTS:
                s, t = _at(arm, length, 2.5, 0.0)
                here.add_object(_box(s, t, 3.0, 2 * half, "SimpleCrosswalk", thing, xodr.ObjectType.crosswalk))
                for k in range(arm.lanes):
                    s, t = _at(arm, length, 6.0, (k + 0.5) * LANE)
                    here.add_object(_box(s, t, 0.4, LANE, "StopLine", thing + 3 + k, xodr.ObjectType.roadMark))
                s, t = _at(arm, length, 5.0, half + 0.7)
                light = xodr.Signal(
                    s, t, "OpenDRIVE", "1000001", "-1", id=str(thing + 2), name="Signal_3Light_Post01",
                    dynamic=xodr.Dynamic.yes, zOffset=0.0, orientation=facing, height=3.2, width=0.6,
                )  # fmt: skip
                light.add_validity(*ruled)
                here.add_signal(light)
                phases[way % 2].append(thing + 2)
            elif place in SIGNS and way % 2:
                s, t = _at(arm, length, 2.0, half + 0.7)
                code, name = SIGNS[place]
                sign = xodr.Signal(
                    s, t, "OpenDRIVE", code, "-1", id=str(thing + 2), name=name, zOffset=0.0,
                    orientation=facing, height=0.8, width=0.8,
                )  # fmt: skip
                sign.add_validity(*ruled)
                here.add_signal(sign)
                if name == "Sign_Stop":
                    s, t = _at(arm, length, 1.0, half / 2)
                    here.add_object(_box(s, t, 0.4, half, "StopLine", thing + 1, xodr.ObjectType.roadMark))
            thing += 10
        if place in LIGHTS:
            for sequence, axis in enumerate((0, 1)):
                controllers.append((2 * jid + axis, jid, sequence, phases[axis]))
    for number, length in lengths.items():
        if _is_avenue(streets[number]):
            continue
        bays = int((length - 2 * 17.0) // 6.0)
        first = 0.5 * (length - 6.0 * (bays - 1))
        for k in range(bays):
            for side in (-1, 1):
                space = xodr.Object(
                    round(first + 6.0 * k, 6), side * (LANE + PARKING_M / 2), Type=xodr.ObjectType.parkingSpace,
                    id=str(thing), name="ParkingSpace", length=5.6, width=2.0, height=0.0,
                    hdg=0.0 if side < 0 else round(math.pi, 9),
                )  # fmt: skip
                streets[number].add_object(space)
                thing += 1
    write(path, "urban_grid", roads, junctions, controllers)


def _is_avenue(street: xodr.Road) -> bool:
    return sum(item.lane_type == DRIVING for item in street.lanes.lanesections[0].rightlanes) == 2


# the motorway

WIDE, HARD, MIDDLE, TAPER = 3.75, 2.5, 2.0, 80.0


def _carriageway(more: Sequence[xodr.Lane] = (), shoulder: xodr.Lane | None = None, ids: int = 0) -> list[xodr.Lane]:
    """Half a median, three lanes, `more` lanes and the hard shoulder, linked to the same ids ahead and behind."""
    sign = -1 if ids < 0 else 1
    made = [lane(MEDIAN, MIDDLE, mark("solid"), sign, sign)]
    made += [lane(DRIVING, WIDE, mark("broken", change="both"), sign * k, sign * k) for k in (2, 3)]
    made.append(lane(DRIVING, WIDE, mark("broken", change="both") if more else mark("solid"), sign * 4, sign * 4))
    return [*made, *more, shoulder or lane(SHOULDER, HARD, None, sign * 5, sign * 5)]


def _rail(s: float, length: float, t: float, number: int, t_end: float | None = None) -> xodr.Object:
    rail = xodr.Object(
        s, t, Type=xodr.ObjectType.railing, id=str(number), name="GuardRail", length=4.0, width=0.3, height=0.8
    )
    t_end = t if t_end is None else t_end
    rail.repeat(length, 0.0, s, t, t_end, 0.8, 0.8, 0.0, 0.0, 0.3, 0.3, 4.0, 4.0)
    return rail


def motorway(path: Path) -> None:
    """Eastbound carriageway on the right (negative ids); the ramp joins it 400 m in."""
    edge = MIDDLE + 3 * WIDE
    before: list[Shape] = [
        ("line", 120.0, 0.0),
        ("spiral", 60.0, -1 / 1100),
        ("arc", 160.0, -1 / 1100),
        ("spiral", 60.0, 0.0),
    ]
    first = plan(0.0, 0.0, 0.12, before)
    x, y, heading = first.get_end_point()
    join = plan(x, y, heading, [("line", 60.0, 0.0)])
    x2, y2, _ = join.get_end_point()
    after: list[Shape] = [
        ("line", 240.0, 0.0),
        ("spiral", 60.0, 1 / 900),
        ("arc", 320.0, 1 / 900),
        ("spiral", 60.0, 0.0),
        ("line", 60.0, 0.0),
    ]
    last = plan(x2, y2, heading, after)
    fading = lane(SHOULDER, [smooth(0.0, 60.0, HARD, 0.0)], None, -5, None)
    plain = section(0.0, _carriageway(ids=1), _carriageway(ids=-1), mark("none"))
    joined = section(0.0, _carriageway(ids=1), _carriageway([], fading, -1), mark("none"))
    roads = [road(1, first, [plain], 120, "motorway"), road(2, join, [joined], 120, "motorway", 100)]
    along = 200.0  # of the acceleration lane at full width
    outside = mark("solid")
    extra = [
        lane(DRIVING, WIDE, outside, -5, -5),
        lane(DRIVING, [smooth(0.0, TAPER, WIDE, 0.0)], outside, -5, None),
    ]
    sections = [
        section(
            0.0, _carriageway(ids=1), _carriageway(extra[:1], lane(SHOULDER, HARD, None, -6, -6), -1), mark("none")
        ),
        section(
            along, _carriageway(ids=1), _carriageway(extra[1:], lane(SHOULDER, HARD, None, -6, -5), -1), mark("none")
        ),
        section(
            along + TAPER, _carriageway(ids=1), _carriageway([], lane(SHOULDER, HARD, None, -6, -5), -1), mark("none")
        ),
    ]
    roads.append(road(3, last, sections, 120, "motorway"))

    # The ramp ends beside the third lane, along it; it is laid out backwards from there.
    bend, length = 1 / 320, 70.0
    turned = bend * length
    sx, sy = x2 + edge * math.sin(heading), y2 - edge * math.cos(heading)
    ahead, aside = math.sin(turned) / bend, (1 - math.cos(turned)) / bend
    rx = sx - ahead * math.cos(heading) + aside * math.sin(heading)
    ry = sy - ahead * math.sin(heading) - aside * math.cos(heading)
    start = heading + turned
    merge = plan(rx, ry, start, [("arc", length, -bend)])
    straight = 160.0
    ramp = plan(rx - straight * math.cos(start), ry - straight * math.sin(start), start, [("line", straight, 0.0)])

    def single(pred: tuple[int | None, int | None], succ: tuple[int, int]) -> xodr.LaneSection:
        right = [lane(DRIVING, WIDE, outside, pred[0], succ[0]), lane(SHOULDER, HARD, None, pred[1], succ[1])]
        return section(0.0, [], right, mark("solid"))

    roads.append(road(4, ramp, [single((None, None), (-1, -2))], 80, "motorway"))
    roads.append(road(5, merge, [single((-1, -2), (-5, -6))], 100, "motorway", 100))
    one, two, three, four, five = roads
    kind = xodr.ElementType
    one.add_successor(kind.junction, 100)
    two.add_predecessor(kind.road, 1, END).add_successor(kind.road, 3, START)
    three.add_predecessor(kind.junction, 100)
    four.add_successor(kind.junction, 100)
    five.add_predecessor(kind.road, 4, END).add_successor(kind.road, 3, START)
    junction = xodr.Junction("merge", 100)
    links = ((1, 2, START, range(-5, 0)), (3, 2, END, range(1, 6)), (4, 5, START, (-2, -1)))
    for incoming, inside, contact, ids in links:
        connection = xodr.Connection(incoming, inside, contact)
        for k in ids:
            connection.add_lanelink(k, k)
        junction.add_connection(connection)
    rail = edge + HARD + 0.5
    for number, item in enumerate((one, two, three)):
        total = item.planview.get_total_length()
        item.add_object(_rail(0.0, total, 0.0, 20001 + 10 * number))
        item.add_object(_rail(0.0, total, rail, 20002 + 10 * number))
    one.add_object(_rail(0.0, one.planview.get_total_length() - 40.0, -rail, 20003))  # open where the ramp comes in
    end = three.planview.get_total_length() - along - TAPER
    three.add_object(_rail(0.0, along, -rail - WIDE, 20023))
    three.add_object(_rail(along, TAPER, -rail - WIDE, 20024, -rail))
    three.add_object(_rail(along + TAPER, end, -rail, 20025))
    four.add_object(_rail(0.0, straight, -WIDE - HARD - 0.5, 20041))
    five.add_object(_rail(0.0, length, -WIDE - HARD - 0.5, 20051))
    write(path, "motorway", roads, [junction])


# the country road


def rural(path: Path) -> None:
    shapes: list[Shape] = [("line", 80.0, 0.0)]
    for radius, arc in ((220.0, 110.0), (-160.0, 150.0), (130.0, 120.0), (-300.0, 130.0), (180.0, 90.0)):
        shapes += [("spiral", 40.0, 1 / radius), ("arc", arc, 1 / radius), ("spiral", 40.0, 0.0), ("line", 30.0, 0.0)]
    view = plan(0.0, 0.0, 0.3, shapes)
    total = view.get_total_length()

    def side(sign: int) -> list[xodr.Lane]:
        return [lane(DRIVING, 3.3, mark("solid")), lane(SHOULDER, 0.75)]

    made = road(1, view, [section(0.0, side(1), side(-1), mark("broken", change="both"))], 80, "rural")
    nodes = ((0.0, 0.0), (140.0, 0.0), (380.0, 11.0), (620.0, -5.0), (860.0, -12.0), (1090.0, 3.0), (total, 3.0))
    for (s0, z0), (s1, z1) in pairwise(nodes):
        made.add_elevation(*smooth(s0, s1 - s0, z0, z1))
    for k in range(int(total // 50.0)):
        for side_of, number in ((-1, 0), (1, 1)):
            post = xodr.Object(
                25.0 + 50.0 * k, side_of * 4.6, Type=xodr.ObjectType.pole, id=str(30100 + 2 * k + number),
                name="GuidePost", length=0.12, width=0.12, height=1.0,
            )  # fmt: skip
            made.add_object(post)
    bends = ((270.0, 60.0), (480.0, 80.0), (740.0, 60.0))
    for number, (s, length) in enumerate(bends):
        made.add_object(_rail(s, length, 5.2 if number == 1 else -5.2, 30010 + number))
    write(path, "rural", [made], [])


# the roundabout

INNER, RING_LANE, MERGE = 13.0, 5.0, math.radians(35.0)  # of the ring; half the angle that an arm's junction takes
ENTRY_RADIUS, ENTRY_FROM, STRAIGHT = 14.0, 30.0, 40.0


def roundabout(path: Path) -> None:
    """Four arms, two by two joined by a loop, so that nobody comes to an end. Driven anticlockwise: reference lines of
    the ring are its inner border."""
    loop = STRAIGHT + ENTRY_FROM
    bend = 1.5 * math.pi * loop
    length = 2 * STRAIGHT + bend

    def side() -> list[xodr.Lane]:
        return [lane(DRIVING, LANE, mark("solid")), lane(WALK, WALK_M)]

    roads, arms = [], []
    for number, turn in ((1, 0.0), (2, math.pi)):
        c, s = math.cos(turn), math.sin(turn)
        shapes: list[Shape] = [("line", STRAIGHT, 0.0), ("arc", bend, 1 / loop), ("line", STRAIGHT, 0.0)]
        view = plan(ENTRY_FROM * c, ENTRY_FROM * s, turn, shapes)
        roads.append(road(number, view, [section(0.0, side(), side(), mark("broken"))], 50, "town"))
        first = 100 + round(2 * turn / math.pi)
        roads[-1].add_predecessor(xodr.ElementType.junction, first)
        roads[-1].add_successor(xodr.ElementType.junction, first + 1)
        arms += [Arm(number, START, 1, ENTRY_FROM), Arm(number, END, 1, ENTRY_FROM)]
    arc = math.pi / 2 - 2 * MERGE
    for k in range(4):
        angle = k * math.pi / 2 + MERGE
        view = plan(INNER * math.cos(angle), INNER * math.sin(angle), angle + math.pi / 2,
                    [("arc", arc * INNER, 1 / INNER)])  # fmt: skip
        lanes = [lane(DRIVING, RING_LANE, mark("solid")), lane(WALK, WALK_M)]
        roads.append(road(11 + k, view, [section(0.0, [], lanes, mark("solid"))], 30, "town"))
        roads[-1].add_predecessor(xodr.ElementType.junction, 100 + k)
        roads[-1].add_successor(xodr.ElementType.junction, 100 + (k + 1) % 4)
    junctions = [_ring_junction(k, arms[k], roads) for k in range(4)]
    thing = 40000
    for arm in arms:
        here = roads[arm.road - 1]
        facing = xodr.Orientation.positive if arm.contact == END else xodr.Orientation.negative
        s, t = _at(arm, length, 7.0, 0.0)
        here.add_object(_box(s, t, 3.0, 2 * LANE, "SimpleCrosswalk", thing, xodr.ObjectType.crosswalk))
        s, t = _at(arm, length, 2.0, LANE + 0.7)
        sign = xodr.Signal(s, t, "OpenDRIVE", "205", "-1", id=str(thing + 1), name="Sign_Yield", zOffset=0.0,
                           orientation=facing, height=0.8, width=0.8)  # fmt: skip
        sign.add_validity(arm.inbound(1), arm.inbound(1))
        here.add_signal(sign)
        thing += 10
    write(path, "roundabout", roads, junctions)


def _ring_junction(k: int, arm: Arm, roads: list[xodr.Road]) -> xodr.Junction:
    """Round the ring past an arm, in from the arm, and out to it; its roads are added to `roads`."""
    angle, jid, number = k * math.pi / 2, 100 + k, 1000 + 10 * k
    before, after = 11 + (k + 3) % 4, 11 + k
    # In: straight, to the right, straight into the ring along its inner border; out: the same mirrored.
    turned = math.pi / 2 - MERGE
    last = (INNER * math.sin(MERGE) - ENTRY_RADIUS * (1 - math.cos(turned))) / math.sin(turned)
    first = ENTRY_FROM - INNER * math.cos(MERGE) - ENTRY_RADIUS * math.sin(turned) - last * math.cos(turned)
    shapes: list[Shape] = [("line", first, 0.0), ("arc", turned * ENTRY_RADIUS, -1 / ENTRY_RADIUS), ("line", last, 0.0)]
    length = first + turned * ENTRY_RADIUS + last
    low = angle - MERGE
    ways = (
        (plan(INNER * math.cos(low), INNER * math.sin(low), low + math.pi / 2,
              [("arc", 2 * MERGE * INNER, 1 / INNER)]), RING_LANE,
         (before, END, -1), (after, START, -1), None),
        (plan(ENTRY_FROM * math.cos(angle), ENTRY_FROM * math.sin(angle), angle + math.pi, shapes),
         [smooth(0.0, length, LANE, RING_LANE)], (arm.road, arm.contact, arm.inbound(1)), (after, START, -1),
         (arm.inbound(2), -2)),
        (plan(INNER * math.cos(low), INNER * math.sin(low), low + math.pi / 2, shapes[::-1]),
         [smooth(0.0, length, RING_LANE, LANE)], (before, END, -1), (arm.road, arm.contact, arm.outbound(1)),
         (-2, arm.outbound(2))),
    )  # fmt: skip
    junction = xodr.Junction(f"junction {jid}", jid)
    for n, (view, width, source, target, walk) in enumerate(ways):
        lanes = [lane(DRIVING, width, mark("solid"), source[2], target[2])]
        if walk is not None:
            lanes.append(lane(WALK, WALK_M, None, walk[0], walk[1]))
        made = road(number + n, view, [section(0.0, [], lanes, mark("none"))], 30, "town", jid)
        made.add_predecessor(xodr.ElementType.road, source[0], source[1])
        made.add_successor(xodr.ElementType.road, target[0], target[1])
        roads.append(made)
        connection = xodr.Connection(source[0], number + n, START)
        connection.add_lanelink(source[2], -1)
        if walk is not None:
            connection.add_lanelink(walk[0], -2)
        junction.add_connection(connection)
    return junction


MAPS: dict[str, Callable[[Path], None]] = {
    "urban_grid": urban_grid, "motorway": motorway, "rural": rural, "roundabout": roundabout,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE)
    parser.add_argument("--xodr-only", action="store_true", help="leave the .npz files as they are")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, make in MAPS.items():
        path = options.folder / f"{name}.xodr"
        make(path)
        if not options.xodr_only:
            from uniscene_sim.maps.load import extract_to

            extract_to(path, path.with_suffix(".npz"))


if __name__ == "__main__":
    main()
