"""OpenDRIVE files as people have them: what they mean is read, and what is broken in them costs no more than itself."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.maps.opendrive_text import lane, road
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.elements import FREE_SPEED_MPS, Lane
from uniscene_sim.maps.load import extract_to, load_map
from uniscene_sim.maps.opendrive.extract import extract
from uniscene_sim.maps.vector.vector_map import VectorMap

CAN_READ = importlib.util.find_spec("carla") is not None and importlib.util.find_spec("lxml") is not None
pytestmark = pytest.mark.skipif(not CAN_READ, reason="needs uniscene_sim[maps] (carla, lxml)")


@pytest.fixture
def read(tmp_path: Path):
    """Reads a map of some elements; a kind of loss fails the test unless it is expected."""

    def read_text(*parts: str, losses: int = 0) -> VectorMap:
        path = tmp_path / "map.xodr"
        path.write_text(f'<OpenDRIVE><header revMajor="1" revMinor="7"/>{"".join(parts)}</OpenDRIVE>')
        found = extract(path)
        assert len(found.losses) == losses, found.losses
        return found

    return read_text


def by_key(m: VectorMap, *key: object) -> Lane:
    return next(lane for lane in m.lanes if lane.key == key)


def limits(lane: Lane) -> list[tuple[float, float]]:
    """Places, m, and limits, km/h."""
    told = [(0.0, lane.speed_limit_mps), *((limit.s_m, limit.mps) for limit in lane.speed_changes)]
    return [(round(s, 1), round(3.6 * mps, 1)) for s, mps in told]


# speed limits


def test_no_limit_is_none(read):
    m = read(road("1", type='<type s="0" type="motorway"><speed max="no limit" unit="km/h"/></type>'))
    assert all(lane.speed_limit_mps == np.inf and lane.pace_mps == FREE_SPEED_MPS for lane in m.lanes)


def test_limits_change_along_a_road_in_both_directions(read):
    m = read(road("1", type='<type s="0" type="rural"><speed max="100" unit="km/h"/></type>'
                            '<type s="50" type="town"><speed max="30" unit="mph"/></type>'
                            '<type s="120" type="motorway"><speed max="no limit"/></type>'))  # fmt: skip
    assert limits(by_key(m, "1", 0, -1)) == [(0.0, 100.0), (50.0, 48.3), (120.0, np.inf)]
    assert limits(by_key(m, "1", 0, 1)) == [(0.0, np.inf), (80.0, 48.3), (150.0, 100.0)]
    assert [round(3.6 * by_key(m, "1", 0, -1).limit_at(s)) for s in (0.0, 49.0, 51.0)] == [100, 100, 48]


def test_limits_of_a_lane_come_before_those_of_the_road(read):
    speeds = (
        '<speed sOffset="0" max="20"/><speed sOffset="60" max="undefined"/><speed sOffset="90" max="36" unit="kph"/>'
    )
    kind = '<type s="0" type="town"><speed max="50" unit="km/h"/></type><type s="150" type="town"/>'
    m = read(road("1", f"<left>{lane(1)}</left><right>{lane(-1, more=speeds)}</right>", type=kind))
    assert limits(by_key(m, "1", 0, -1)) == [(0.0, 72.0), (60.0, 50.0), (90.0, 36.0)]
    assert limits(by_key(m, "1", 0, 1)) == [(0.0, 50.0)], "the second <type> tells none: that is the usual one again"


def test_a_limit_that_is_no_number_is_told(read):
    m = read(road("1", type='<type s="0" type="town"><speed max="fast" unit="km/h"/></type>'), losses=1)
    assert "'fast'" in m.losses[0] and limits(by_key(m, "1", 0, -1)) == [(0.0, 50.0)]


def test_limits_survive_the_file(read, tmp_path):
    m = read(road("1", type='<type s="0" type="x"><speed max="no limit"/></type>'
                            '<type s="9" type="x"><speed max="10"/></type>'))  # fmt: skip
    m.save(tmp_path / "a.npz")
    again = load_map(tmp_path / "a.npz")
    assert [limits(a) for a in again.lanes] == [limits(b) for b in m.lanes]


def test_a_bad_type_or_speed_is_told_once_and_costs_only_itself(read):
    bad = lane(-1, more='<speed sOffset="x" max="y"/>')
    m = read(road("1", f"<right>{bad}</right>", type='<type s="x" type="town"><speed max="9"/></type>'), losses=1)
    assert "speed limit in line" in m.losses[0] and "road type in line" in m.losses[0]
    assert limits(m.lanes[0]) == [(0.0, 50.0)]


@pytest.mark.parametrize(
    ("value", "unit", "kmh"), [("10", "m/s", 36), ("30", "MPH", 48.3), ("30", "", 30), ("nan", "", 0), ("1e9", "", 0)]
)
def test_units_of_speed_signs(read, value, unit, kmh):
    sign = f'<signal id="g" s="50" t="-5" type="274" value="{value}" unit="{unit}" orientation="+"/>'
    assert 3.6 * read(road("1", signals=sign)).signals[0].value == pytest.approx(kmh, abs=0.1)


# ids


@pytest.mark.parametrize("names", [("main_a", "b"), ("1_0", "10"), ("4200000001", "100000000000010004"), ("007", "7")])
def test_ids_are_strings(read, names):
    a, b = names
    link = '<{} elementType="road" elementId="{}" contactPoint="{}"/>'
    linked = lane(-1, more='<link><predecessor id="-1"/><successor id="-1"/></link>')
    m = read(road(a, f"<right>{linked}</right>", link=link.format("successor", b, "start")),
             road(b, f"<right>{linked}</right>", x=200.5, link=link.format("predecessor", a, "end")))  # fmt: skip
    first, second = by_key(m, a, 0, -1), by_key(m, b, 0, -1)
    assert len(m.lanes) == 2 and first.successors == (second.index,) and second.predecessors == (first.index,)
    assert first.centre[0, 0] == pytest.approx(0.0, abs=0.01) and second.centre[0, 0] == pytest.approx(200.5, abs=0.01)


def test_ids_of_junctions_signals_and_controllers_are_strings(read):
    light = '<signal id="{}" s="195" t="-4" type="1000001" orientation="+" dynamic="yes"/>'
    m = read(
        road("in", signals=light.format("L_1"), link='<successor elementType="junction" elementId="J-a"/>'),
        road("over", f"<right>{lane(-1)}</right>", x=200, length=20, junction="J-a"),
        '<junction id="J-a"><connection id="c" incomingRoad="in" connectingRoad="over" contactPoint="start">'
        '<laneLink from="-1" to="-1"/></connection><controller id="K:1"/></junction>'
        '<controller id="K:1"><control signalId="L_1"/></controller>',
    )
    assert by_key(m, "over", 0, -1).junction == "J-a" and by_key(m, "in", 0, -1).junction == ""
    assert by_key(m, "in", 0, -1).successors == (by_key(m, "over", 0, -1).index,)
    assert m.signals[0].id == "L_1" and m.programs[0].phases[0] == (0,)


def test_of_two_roads_with_one_id_the_second_is_told(read):
    m = read(road("a"), road("a", y=50), losses=1)
    assert "'a'" in m.losses[0] and {lane.key[0] for lane in m.lanes} == {"a"} and abs(m.bounds[3]) < 10


def test_signals_of_one_id_are_all_there(read):
    sign = '<signal id="g" s="{}" t="{}" type="274" value="{}" orientation="{}"/>'
    refer = '<signalReference id="g" s="20" t="0" orientation="-"/>'
    m = read(road("1", signals=sign.format(50, -5, 30, "+") + sign.format(80, 5, 50, "-") + refer))
    one, two = (by_key(m, "1", 0, k).index for k in (-1, 1))
    assert [set(s.lanes) for s in m.signals] == [{one, two}, {two}], "the reference is to the first"


# borders


def border(a: float, b: float = 0.0, s: float = 0.0) -> str:
    return f'<border sOffset="{s}" a="{a}" b="{b}" c="0" d="0"/>'


def test_borders_in_place_of_widths(read):
    m = read(road("1", f"<left>{lane(1, border(3.5))}</left>"
                       f"<right>{lane(-1, border(-3.0, -0.005))}{lane(-2, border(-7.0))}</right>"))  # fmt: skip
    inner, outer = by_key(m, "1", 0, -1), by_key(m, "1", 0, -2)
    assert by_key(m, "1", 0, 1).width == pytest.approx(3.5) and by_key(m, "1", 0, 1).centre[:, 1] == pytest.approx(1.75)
    assert inner.width == pytest.approx(3.0 + 0.005 * inner.centre[:, 0], abs=1e-3)
    assert outer.border(1)[:, 1] == pytest.approx(inner.border(-1)[:, 1], abs=1e-3)
    assert outer.border(-1)[:, 1] == pytest.approx(-7.0, abs=1e-3)


def test_borders_and_widths_side_by_side_and_at_once(read):
    both = '<width sOffset="0" a="2" b="0" c="0" d="0"/>' + border(-4.0)
    m = read(road("1", f"<right>{lane(-1, both)}{lane(-2, border(-5.0))}{lane(-3)}</right>"))
    assert [by_key(m, "1", 0, -k).width.mean() for k in (1, 2, 3)] == pytest.approx([2.0, 3.0, 3.5])


def test_borders_are_positions_whatever_the_lane_offset(read):
    m = read(
        road("1", f"<right>{lane(-1, border(-3.5))}</right>", offset='<laneOffset s="0" a="1" b="0" c="0" d="0"/>')
    )
    assert m.lanes[0].border(1)[0, 1] == pytest.approx(1.0) and m.lanes[0].border(-1)[0, 1] == pytest.approx(-3.5)


def test_a_lane_of_no_width_is_told(read):
    m = read(road("1", f"<left>{lane(1)}</left><right>{lane(-1, '')}</right>"), losses=1)
    assert "lane -1 of road '1'" in m.losses[0] and len(m.lanes) == 1


# broken parts


BROKEN = {
    "length 0": road("x", length="0.0"),
    "no lanes": road("x", "<center><lane id='0' type='none'/></center>"),
    "no lane section": road("x", sections=""),
    "no geometry": road("x", geometry=""),
    "nan": road("x", x="nan"),
    "no number": road("x", length="long"),
    "endless": road("x", length="1e300"),
    "lane id": road("x", '<right><lane id="a" type="driving"/></right>'),
}


BROKEN |= {
    "arc of no curvature": road("x", shape="<arc/>"),
    "spiral of no curvature": road("x", shape='<spiral curvStart="0"/>'),
    "polynomial of few numbers": road("x", shape='<paramPoly3 aU="0" bU="1"/>'),
    "shape not known": road("x", shape="<clothoid/>"),
    "far off": road("x", x=4.5e5, y=5.4e6),
    "not on earth": road("x", x=1e18),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_bad_road_is_left_out(read, broken):
    m = read(road("1"), broken, road("2", x=200), losses=1)
    assert m.losses[0].startswith("left out: road 'x' (")
    assert by_key(m, "1", 0, -1).successors == (by_key(m, "2", 0, -1).index,)


def test_a_bad_object_costs_only_itself(read):
    bad = '<object id="o" type="tree" s="5" t="9"><repeat s="a" length="5" distance="1"/></object>'
    good = '<object id="p" type="tree" s="5" t="9" height="5" radius="1"/>'
    sign = '<signal id="g" s="1" t="1" type="206"><validity fromLane="x" toLane="1"/></signal>'
    m = read(road("1", objects=bad + good, signals=sign), losses=1)
    assert len(m.lanes) == 2 and len(m.objects) == 1 and "object 'o'" in m.losses[0] and "signal 'g'" in m.losses[0]


@pytest.mark.parametrize("where", ["s='nan' t='9'", "s='900' t='9'", "s='5' t='1e9'", "s='5' t='9' height='-1'"])
def test_an_object_at_no_place_is_left_out(read, where):
    m = read(road("1", objects=f"<object id='o' type='tree' {where}/>"), losses=1)
    assert not m.objects and "object 'o'" in m.losses[0]


ENDLESS = lane(-3, '<width sOffset="0" a="1e6" b="0" c="0" d="0"/>')
PARTS = {
    "one id": (f"<right>{lane(-1)}{lane(-1)}{lane(-2)}</right>", {}, "another lane"),
    "late lanes": ("", {"sections": f'<laneSection s="50"><right>{lane(-1)}{lane(-2)}</right></laneSection>'}, "50"),
    "lanes twice": ("", {"sections": f'<laneSection s="0"><right>{lane(-1)}</right></laneSection>'
                                     f'<laneSection s="0"><right>{lane(-1)}{lane(-2)}</right></laneSection>'},
                    "no length"),
    "lanes beyond": ("", {"sections": f'<laneSection s="0"><right>{lane(-1)}{lane(-2)}</right></laneSection>'
                                      f'<laneSection s="300"><right>{lane(-1)}</right></laneSection>'}, "no length"),
    "short line": (f"<right>{lane(-1)}{lane(-2)}</right>",
                   {"geometry": '<geometry s="0" x="0" y="0" hdg="0" length="150"><line/></geometry>'}, "150 to 200"),
    "wide lane": (f"<right>{lane(-1)}{lane(-2)}{ENDLESS}</right>",
                  {}, "endless"),
    "bad link": (f"<right>{lane(-1)}{lane(-2)}</right>",
                 {"link": '<successor elementType="road" elementId="2" elementS="x"/>'}, "road link"),
    "odd type": (f"<right>{lane(-1, type='Driving')}{lane(-2)}{lane(-3, type='magic')}</right>", {}, "'magic'"),
}  # fmt: skip


@pytest.mark.parametrize(("lanes", "o", "told"), PARTS.values(), ids=PARTS)
def test_a_bad_part_of_a_road_is_told_and_the_rest_is_there(read, lanes, o, told):
    m = read(road("1", lanes, **o), losses=1)
    assert told in m.losses[0] and len([lane for lane in m.lanes if lane.kind == "driving"]) == 2
    assert all(lane.length > 100 for lane in m.lanes)


def test_a_bad_link_or_height_costs_only_itself(read):
    more = '<link><successor id="x"/></link><height sOffset="0" inner="0" outer="nan"/><speed sOffset="x" max="9"/>'
    m = read(road("1", f"<right>{lane(-1, more=more)}</right>"), losses=1)
    assert len(m.lanes) == 1 and all(word in m.losses[0] for word in ("lane link", "lane height", "speed limit"))


def test_lanes_without_a_centre_lane_or_with_gaps_in_their_numbers(read):
    m = read(road("1", f"<right>{lane(-1)}{lane(-3)}</right>"))
    assert by_key(m, "1", 0, -3).centre[:, 1] == pytest.approx(-5.25)


def test_a_planview_that_begins_late(read):
    pieces = '<geometry s="{}" x="0" y="0" hdg="0" length="200"><line/></geometry>'
    assert len(read(road("1", geometry=pieces.format("1e-9"))).lanes) == 2
    assert "begins at s = 5" in read(road("1"), road("2", geometry=pieces.format(5)), losses=1).losses[0]


WIDTH = '<width sOffset="0" a="{}" b="0" c="0" d="0"/>'


def test_where_nothing_is_left_the_file_is_refused(read):
    with pytest.raises(InputError, match=r"nothing to drive on.*length"):
        read(BROKEN["length 0"])
    with pytest.raises(InputError, match="nothing to drive on"):
        read(road("1", f"<right>{lane(-1, type='sidewalk')}</right>"))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (road("2", x=1.2e5, y=1.2e5), "it lies far from the rest"),
        (road("2", x=9e5), "it lies far from the rest"),
        (road("2", length=9e5), "expected a length above 0 and up to 100000 m"),
        (road("2", f"<right>{lane(-1, WIDTH.format('1e6'))}</right>"), "lanes of endless width or place"),
        (road("2", f"<right>{lane(-1, WIDTH.format('1e300'))}</right>"), "lanes of endless width or place"),
        (road("2", elevation='<elevation s="0" a="1e300" b="0" c="0" d="0"/>'), "lanes of endless width or place"),
        (road("2", shape='<arc curvature="1e300"/>'), "lanes of endless width or place"),
        (road("2", hdg="1e300"), "lanes of endless width or place"),
    ],
)
def test_numbers_beyond_all_measure_leave_out_their_road(read, broken, told):
    found = read(road("0", y=30), road("1"), broken, losses=1)
    assert told in found.losses[0] and "'2'" in found.losses[0] and {lane.key[0] for lane in found.lanes} == {"0", "1"}


def test_an_offset_that_leads_nowhere_is_not_used(read):
    for offset in ('x="1e300"', 'z="1e6"'):
        assert "not used: <offset>" in read(f"<header><offset {offset}/></header>", road("1"), losses=1).losses[0]


def test_losses_are_warned_of_once_and_strict_makes_them_an_error(tmp_path, capsys):
    path = tmp_path / "lossy.xodr"
    path.write_text(f"<OpenDRIVE>{road('1')}{BROKEN['length 0']}{BROKEN['nan'].replace('x', 'y', 1)}</OpenDRIVE>")
    with pytest.warns(InputWarning, match="left out: road 'x'") as told:
        extract_to(path, path.with_suffix(".npz"))
    assert len(told) == 1
    with pytest.warns(InputWarning, match="left out"):
        load_map(path)  # from the .npz beside it
    assert main(["validate", str(path)]) == 0
    assert "warning" in capsys.readouterr().err
    assert main(["validate", "--strict", str(path)]) == 2
    clean = tmp_path / "clean.xodr"
    clean.write_text(f"<OpenDRIVE>{road('1')}</OpenDRIVE>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["validate", "--strict", str(clean)]) == 0


# junctions


def successors(m: VectorMap, *key: object) -> set[tuple[str, int, int]]:
    return {m.lanes[i].key for i in by_key(m, *key).successors}


@pytest.mark.parametrize("how", ['type="direct"', 'type="default"'])
def test_direct_junctions_link_as_others(read, how):
    to = "linkedRoad" if "direct" in how else "connectingRoad"
    three = "".join(lane(-k) for k in (1, 2, 3))
    before, after = (f'<{side} elementType="junction" elementId="j"/>' for side in ("successor", "predecessor"))
    m = read(
        road("1", f"<right>{three}</right>", link=before),
        road("2", f"<right>{lane(-1)}{lane(-2)}</right>", x=200, link=after),
        road("3", f"<right>{lane(-1)}</right>", x=200, y=-7, shape='<arc curvature="-0.005"/>', link=after),
        f'<junction id="j" {how}><connection id="0" incomingRoad="1" {to}="2" contactPoint="start">'
        '<laneLink from="-1" to="-1"/><laneLink from="-2" to="-2"/></connection>'
        f'<connection id="1" incomingRoad="1" {to}="3" contactPoint="start"><laneLink from="-3" to="-1"/></connection>'
        "</junction>",
    )
    assert successors(m, "1", 0, -1) == {("2", 0, -1)} and successors(m, "1", 0, -2) == {("2", 0, -2)}
    assert successors(m, "1", 0, -3) == {("3", 0, -1)}
    assert m.route(by_key(m, "1", 0, -3).index, 0.0, by_key(m, "3", 0, -1).index).length > 390


def test_roads_branch_off_at_a_virtual_junction(read):
    narrow = '<width sOffset="0" a="3" b="0.005" c="0" d="0"/>'
    linked = lane(-1, more='<link><predecessor id="-1"/></link>')
    away = '<predecessor elementType="road" elementId="m" elementS="100" elementDir="+"/>'
    bend = '<arc curvature="-0.1"/>'
    turn = road("t", f"<right>{linked}</right>", x=100, length=15.7, shape=bend, junction="v", link=away)
    m = read(
        road("m", f"<left>{lane(1, narrow)}</left><right>{lane(-1, narrow)}</right>",
             type='<type s="0" type="town"><speed max="10"/></type>'),
        turn,
        '<junction id="v" type="virtual" mainRoad="m" sStart="95" sEnd="125" orientation="-"/>',
    )  # fmt: skip
    assert successors(m, "m", 0, -1) == {("m", 1, -1), ("t", 0, -1)}
    assert successors(m, "m", 1, 1) == {("m", 0, 1)}
    assert by_key(m, "m", 1, -1).width[0] == pytest.approx(3.5, abs=1e-3), "widths go on where the road is cut"
    assert by_key(m, "m", 1, -1).width[-1] == pytest.approx(4.0, abs=1e-3)
    assert by_key(m, "m", 0, -1).length + by_key(m, "m", 1, -1).length == pytest.approx(200, abs=0.05)
    assert by_key(m, "t", 0, -1).junction == "v"


def test_a_connection_of_a_virtual_junction_cuts_its_main_road(read):
    m = read(
        road("m"),
        road("t", f"<right>{lane(-1)}</right>", x=100, length=15.7, shape='<arc curvature="-0.1"/>', junction="v"),
        '<junction id="v" type="virtual" mainRoad="m" sStart="95" sEnd="125"><connection id="0" type="virtual">'
        '<predecessor elementType="road" elementId="m" elementS="100" elementDir="+"/>'
        '<successor elementType="road" elementId="t" contactPoint="start"/></connection></junction>',
    )
    assert successors(m, "m", 0, -1) == {("m", 1, -1), ("t", 0, -1)}
