"""Road marks: they change along a lane, lie side by side, have patterns, colours and rules of their own."""

import numpy as np
import pytest

from uniscene_sim.maps.opendrive.reader import read_opendrive
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.taxonomy import Material

CENTRE = """
<roadMark sOffset="0" type="solid" color="yellow"/><roadMark sOffset="100" type="broken" color="yellow"/>"""
BETWEEN = """
<roadMark sOffset="0" type="broken" width="0.12" laneChange="both"/>
<roadMark sOffset="60" type="solid" width="0.12" laneChange="none"/>
<roadMark sOffset="120" type="solid broken" width="0.12" color="white"/>
<roadMark sOffset="160" type="none"/>"""
OUTER = """
<roadMark sOffset="0" type="custom"><type name="dots" width="0.2">
  <line length="1" space="3" tOffset="0.5" sOffset="0.5" width="0.2" color="blue"/>
  <line length="4" space="0" tOffset="1.0" sOffset="0" width="0.3"/></type></roadMark>
<roadMark sOffset="100" type="custom"><explicit>
  <line length="5" tOffset="0.5" sOffset="10" width="0.4"/></explicit></roadMark>
<roadMark sOffset="150" type="solid" color="red" width="0.2"/>
<roadMark sOffset="150" type="broken" color="red" width="0.2"/>"""
ROAD = """<OpenDRIVE><header revMajor="1" revMinor="6"/><road name="" length="200" id="1" junction="-1">
<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView>
<lanes><laneSection s="0"><left>{left}</left><center><lane id="0" type="none">{centre}</lane></center>
<right>{right}</right></laneSection></lanes></road></OpenDRIVE>"""


def lane(number: int, marks: str) -> str:
    width = '<width sOffset="0" a="4" b="0" c="0" d="0"/>'
    return f'<lane id="{number}" type="driving" level="false">{width}{marks}</lane>'


def read(folder, left: str, centre: str, right: str) -> VectorMap:
    path = folder / "marks.xodr"
    path.write_text(ROAD.format(left=left, centre=centre, right=right))
    return read_opendrive(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> VectorMap:
    """Lanes of 4 m along x: 1 at y = 2 (towards -x), -1 at y = -2 and -2 at y = -6."""
    right = lane(-1, BETWEEN) + lane(-2, OUTER)
    return read(tmp_path_factory.mktemp("marks"), lane(1, ""), CENTRE, right)


def by_id(world: VectorMap, number: int):
    return next(lane for lane in world.lanes if lane.key[2] == number)


def across(world: VectorMap, x: float, y: float, reach_m: float = 0.6) -> dict[int, tuple[float, float]]:
    """Where each material of lines begins and ends across the road at x, relative to y, to 2 cm."""
    step = 0.02
    x0, y0 = np.floor(x / step - 2) * step, np.floor((y - reach_m) / step) * step
    row = world.surface.paint(x0, y0, int(2 * reach_m / step), step, 1)[0, int((x - x0) / step)]
    at = y0 + (np.arange(len(row)) + 0.5) * step - y
    other = (Material.ASPHALT, Material.ASPHALT_OLD, Material.GRASS, Material.SOIL)
    return {
        int(m): pytest.approx((at[row == m].min() - step / 2, at[row == m].max() + step / 2), abs=0.021)
        for m in np.unique(row) if m not in other
    }  # fmt: skip


def test_marks_by_s(world):
    inner = by_id(world, -1)
    assert [(round(s.begin_m), s.mark, s.may_cross) for s in inner.right_stretches] == [
        (0, "broken", True), (60, "solid", False), (120, "solid_broken", False), (160, "none", True)
    ]  # fmt: skip
    outer = by_id(world, -2)
    assert [s.may_cross for s in outer.left_stretches] == [
        True,
        False,
        True,
        True,
    ]  # solid broken: from outside one may
    assert inner.can_change_right and outer.can_change_left
    assert inner.may_change(False, 30.0) and not inner.may_change(False, 130.0) and outer.may_change(True, 130.0)
    assert not inner.may_overtake(50.0) and inner.may_overtake(150.0)
    assert by_id(world, 1).may_overtake(50.0) and not by_id(world, 1).may_overtake(150.0)  # it runs the other way
    assert inner.mark_at(True, 150.0) == "broken-yellow" and inner.mark_at(True, 20.0) == "solid-yellow"


def test_lines_are_painted_by_s(world):
    white, yellow = Material.LINE_WHITE, Material.LINE_YELLOW
    assert across(world, 50.0, 0.0) == {yellow: (-0.07, 0.07)}
    assert across(world, 101.5, 0.0) == {yellow: (-0.07, 0.07)} and across(world, 105.5, 0.0) == {}
    assert across(world, 1.5, -4.0) == {white: (-0.06, 0.06)} and across(world, 5.0, -4.0) == {}
    assert across(world, 64.5, -4.0) == {white: (-0.06, 0.06)} and white in across(world, 66.5, -4.0)
    # Solid inside, broken outside: from y = -3.82 to -3.94 and from -4.06 to -4.18.
    assert across(world, 127.5, -4.0) == {white: (-0.18, 0.18)} and across(world, 123.5, -4.0) == {white: (0.06, 0.18)}
    assert across(world, 170.0, -4.0) == {}


def test_patterns_and_colours(world):
    edge, blue, red = Material.EDGE_LINE, Material.LINE_BLUE, Material.LINE_RED
    assert across(world, 1.0, -8.0, 1.2) == {blue: (0.4, 0.6), edge: (0.85, 1.15)}
    assert across(world, 2.5, -8.0, 1.2) == {edge: (0.85, 1.15)} and blue in across(world, 5.0, -8.0, 1.2)
    assert across(world, 112.0, -8.0, 1.2) == {edge: (0.3, 0.7)} and across(world, 117.0, -8.0) == {}
    # Solid and broken side by side, in red, on the side of the only lane.
    assert across(world, 155.0, -8.0, 1.2) == {red: (0.0, 0.6)} and across(world, 159.0, -8.0, 1.2) == {red: (0.4, 0.6)}


def test_lines_survive_saving(world, tmp_path):
    world.save(tmp_path / "marks.npz")
    again = VectorMap.load(tmp_path / "marks.npz")
    for a, b in zip(world.lanes, again.lanes, strict=True):
        assert (a.left_stretches, a.right_lines, a.left_lines) == (b.left_stretches, b.right_lines, b.left_lines)


def test_a_bad_mark_is_left_out_and_told(tmp_path):
    with pytest.warns(UserWarning, match="road marks left out"):
        world = read(
            tmp_path, "", "", lane(-1, '<roadMark sOffset="often" type="solid"/><roadMark sOffset="0" type="broken"/>')
        )
    assert by_id(world, -1).right_mark == "broken"


def test_odd_marks_are_taken_as_usual_ones_and_told(tmp_path):
    odd = '<roadMark sOffset="0" type="Dashed" color="pink"/><roadMark sOffset="50" type="SOLID" color="Yellow"/>'
    with pytest.warns(UserWarning) as told:
        world = read(tmp_path, "", "", lane(-1, odd))
    assert ["'dashed'" in str(told[0].message), "'pink'" in str(told[1].message), len(told)] == [True, True, 2]
    assert by_id(world, -1).right_mark == "solid-yellow"
    with pytest.warns(UserWarning, match="needs a number up to 5"):
        read(tmp_path, "", "", lane(-1, '<roadMark sOffset="0" type="solid" width="30"/>'))
