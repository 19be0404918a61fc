"""Maps: extraction from OpenDRIVE, the .npz file, lane look-ups and routes, each held to a plain reference."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from uniscene_sim.errors import InputError
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Crossing, Lane, MapObject, Signal, SignalProgram, StopLine
from uniscene_sim.maps.load import extract_to, load_map
from uniscene_sim.maps.opendrive.reader import read_opendrive
from uniscene_sim.maps.vector.routing import plan_route
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.traffic.conflict_table import ConflictTable

DATA = Path(__file__).parents[2].parent / "shared/data/xodr"
FILES = sorted(DATA.glob("*/*.xodr"))
QUICK = {"Town10HD", "fabriksgatan_traffic_lights", "Ex_Line-Spiral-Arc", "soderleden", "shoulders", "od_merge"}
CAN_READ = importlib.util.find_spec("carla") is not None and importlib.util.find_spec("lxml") is not None
needs_reader = pytest.mark.skipif(not CAN_READ, reason="needs uniscene_sim[maps] (carla, lxml)")
needs_data = pytest.mark.skipif(not FILES, reason="needs the OpenDRIVE files in ../shared/data/xodr")


def straight_lane(index: int, y: float, x0: float = 0.0, length: float = 60.0, **fields) -> Lane:
    n = int(length) + 1
    x = np.linspace(x0, x0 + length, n)
    z = fields.pop("z", 0.0)
    centre = np.stack([x, np.full(n, y), np.full(n, z)], axis=1)
    return Lane(
        index=index, key=("0", 0, -1 - index), kind=fields.pop("kind", "driving"), centre=centre, heading=np.zeros(n),
        width=np.full(n, 3.5), left_mark="broken", right_mark="solid", **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def toy() -> VectorMap:
    """Two lanes side by side, each with one lane ahead; a bridge over the first; a walkway."""
    lanes = (
        straight_lane(0, 0.0, left=1, can_change_left=True, successors=(2,)),
        straight_lane(1, 3.5, right=0, can_change_right=True, successors=(3,)),
        straight_lane(2, 0.0, 60.0, predecessors=(0,)),
        straight_lane(3, 3.5, 60.0, predecessors=(1,)),
        straight_lane(4, 0.5, z=7.0),
        straight_lane(5, -3.5, kind="sidewalk"),
    )
    return VectorMap(
        name="toy",
        lanes=lanes,
        crossings=(Crossing(np.array([[50.0, -2, 0], [53, -2, 0], [53, 6, 0], [50, 6, 0]])),),
        stop_lines=(StopLine(np.array([[49.0, 1.7, 0], [49, -1.7, 0]]), 0, 49.0, 0),),
        signals=(Signal(0, "a", "traffic_light", np.array([55.0, -4, 0]), np.pi, (0,)),),
        programs=(SignalProgram(((0,), ())),),
        objects=(MapObject("tree", np.array([10.0, -8, 0]), 0.3, (3.0, 3.0, 6.0)),),
    )


@pytest.fixture(scope="module")
def town10() -> VectorMap:
    if not FILES or not CAN_READ:
        pytest.skip("needs carla, lxml and ../shared/data/xodr")
    return read_opendrive(DATA / "carla_towns/Town10HD.xodr")


def same(a: VectorMap, b: VectorMap) -> bool:
    return a.ref == b.ref and [lane.key for lane in a.lanes] == [lane.key for lane in b.lanes]


# the file


def test_npz_keeps_all(toy: VectorMap, tmp_path: Path) -> None:
    toy.save(tmp_path / "toy.npz")
    back = VectorMap.load(tmp_path / "toy.npz")
    assert same(toy, back) and back.bounds == toy.bounds
    for one, two in zip(toy.lanes, back.lanes, strict=True):
        assert np.array_equal(one.centre, two.centre) and one.successors == two.successors
        assert (one.left, one.can_change_left, one.kind, one.key) == (two.left, two.can_change_left, two.kind, two.key)
    assert back.signals[0].lanes == (0,) and back.programs == toy.programs and back.stop_lines[0].signal == 0
    assert np.array_equal(back.crossings[0].polygon, toy.crossings[0].polygon) and back.objects[0].size == (
        3.0,
        3.0,
        6.0,
    )
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*"))


def test_ref_tells_changes(toy: VectorMap) -> None:
    moved = replace(toy.lanes[0], speed_limit_mps=9.0)
    assert replace(toy, lanes=(moved, *toy.lanes[1:])).ref != toy.ref
    assert replace(toy).ref == toy.ref


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_npz_is_an_input_error(toy: VectorMap, tmp_path: Path, data: st.DataObject) -> None:
    toy.save(tmp_path / "toy.npz")
    raw = bytearray((tmp_path / "toy.npz").read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    bad = tmp_path / "bad.npz"
    bad.write_bytes(raw)
    try:
        back = VectorMap.load(bad)
    except InputError as error:
        assert "bad.npz" in str(error) and "\n" not in str(error)
    else:
        assert same(back, toy)  # the damage hit bytes that carry nothing


def test_pickle_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "evil.npz", "wb") as stream:
        np.savez(stream, head=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError):
        VectorMap.load(tmp_path / "evil.npz")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("head.npy", "nonsense")
    with pytest.raises(InputError):
        VectorMap.load(tmp_path / "zip.npz")
    with pytest.raises(InputError, match="No such"):
        VectorMap.load(tmp_path / "none.npz")


# look-ups


def plain_nearest(
    m: VectorMap, x: float, y: float, z: float | None, yaw: float | None, kinds: tuple[str, ...]
) -> float:
    """The least cost over all segments, by hand."""
    best = np.inf
    for lane in m.lanes:
        if lane.kind not in kinds:
            continue
        a, d = lane.centre[:-1], np.diff(lane.centre, axis=0)
        span = np.maximum((d[:, :2] ** 2).sum(axis=1), 1e-12)
        q = np.clip(((x - a[:, 0]) * d[:, 0] + (y - a[:, 1]) * d[:, 1]) / span, 0, 1)
        distance = np.hypot(x - a[:, 0] - q * d[:, 0], y - a[:, 1] - q * d[:, 1])
        half = 0.5 * (lane.width[:-1] + q * np.diff(lane.width))
        cost = np.maximum(distance - half, 0) + 0.1 * distance
        if z is not None:
            cost = cost + np.maximum(np.abs(a[:, 2] + q * d[:, 2] - z) - 0.5, 0)
        if yaw is not None:
            turn = np.abs(wrap_angle(lane.heading[:-1] - yaw))
            cost = cost + np.minimum(np.maximum(turn - np.pi / 4, 0) * 8, 10) + 0.05 * turn
        best = min(best, float(cost.min()))
    return best


def cost_of(
    m: VectorMap, found: tuple[int, float, float], x: float, y: float, z: float | None, yaw: float | None
) -> float:
    lane = m.lanes[found[0]]
    return plain_nearest(replace(m, lanes=(lane,)), x, y, z, yaw, (lane.kind,))


def test_nearest_lane_is_the_best_of_all(town10: VectorMap) -> None:
    rng = np.random.default_rng(7)
    x0, y0, x1, y1 = town10.bounds
    for k in range(120):
        x, y = rng.uniform(x0 - 80, x1 + 80), rng.uniform(y0 - 80, y1 + 80)
        z = float(rng.uniform(-2, 4)) if k % 2 else None
        yaw = float(rng.uniform(-np.pi, np.pi)) if k % 3 else None
        kinds = ("driving",) if k % 5 else ("driving", "sidewalk")
        found = town10.nearest_lane(x, y, z, yaw, kinds)
        assert town10.lanes[found[0]].kind in kinds
        assert cost_of(town10, found, x, y, z, yaw) == pytest.approx(
            plain_nearest(town10, x, y, z, yaw, kinds), abs=1e-9
        )


@settings(max_examples=60, deadline=None)
@given(lane=st.integers(0, 5), f=st.floats(0.02, 0.98), side=st.floats(-1.2, 1.2))
def test_place_on_a_lane_is_found_again(toy: VectorMap, lane: int, f: float, side: float) -> None:
    s = f * toy.lanes[lane].length
    x, y, z, yaw = toy.lane_point(lane, s)
    found, s_found, lateral = toy.nearest_lane(x, y + side, z, yaw, (toy.lanes[lane].kind,))
    assert found == lane and s_found == pytest.approx(s, abs=1e-6) and lateral == pytest.approx(side, abs=1e-6)


def test_decks_and_missing_kinds(toy: VectorMap) -> None:
    assert toy.nearest_lane(30, 0.4, 7.1)[0] == 4 and toy.nearest_lane(30, 0.4, 0.1)[0] == 0
    assert toy.nearest_lane(30, 0.4, kinds=("tram",))[0] == -1


def test_nearest_lane_of_points_far_apart() -> None:
    """As maps of others have them: a segment that began long ago is as near as one that begins here."""
    ends = {"width": np.full(2, 3.5), "heading": np.zeros(2)}
    long = Lane(0, ("0", 0, -1), "driving", np.array([[0.0, 0, 0], [400, 0, 0]]), left_mark="", right_mark="", **ends)
    short = replace(long, index=1, key=("1", 0, -1), centre=np.array([[195.0, 12, 0], [205, 12, 0]]))
    far = replace(long, index=2, key=("2", 0, -1), kind="sidewalk", centre=np.array([[0.0, 500, 0], [400, 500, 0]]))
    m = VectorMap(name="sparse", lanes=(long, short, far))
    assert m.nearest_lane(200, 1.0) == (0, pytest.approx(200), pytest.approx(1))
    assert m.nearest_lane(200, 11.0)[0] == 1
    assert m.graph.nearest(200, 400.0, within_m=100.0)[0] == -1 and m.graph.nearest(200, 400.0)[0] == 1


def test_lane_point_is_clipped(toy: VectorMap) -> None:
    assert toy.lane_point(0, -5)[0] == 0 and toy.lane_point(0, 1e9)[0] == 60
    assert toy.lane_point(0, 12.25)[:2] == pytest.approx((12.25, 0.0))


# routes


def test_route_changes_lane_smoothly(toy: VectorMap) -> None:
    route = toy.route(0, 5.0, 3)
    assert route.lanes == (0, 1, 3)
    assert route.path[0] == pytest.approx([5, 0, 0]) and route.path[-1] == pytest.approx([120, 3.5, 0])
    assert np.abs(np.diff(np.arctan2(*np.diff(route.path[:, :2], axis=0).T[::-1]))).max() < 0.02
    step = np.linalg.norm(np.diff(route.path, axis=0), axis=1)
    assert step.max() < 1.01 and step.min() > 0.2


def test_route_ahead_and_its_ends(toy: VectorMap) -> None:
    route = toy.route(0, 10.0, length_m=80.0)
    assert route.lanes == (0, 2) and route.length == pytest.approx(80.0)
    assert toy.route(0, 10.0, length_m=500.0).length == pytest.approx(110.0)
    with pytest.raises(InputError, match="no way"):
        toy.route(2, 0.0, 0)
    with pytest.raises(InputError, match="no lane 99"):
        plan_route(toy, 0, 0.0, 99, 10.0)


def test_routes_of_a_town(town10: VectorMap) -> None:
    rng = np.random.default_rng(3)
    driving = [lane.index for lane in town10.lanes if lane.kind == "driving" and not lane.junction]
    found = 0
    for _ in range(30):
        a, b = (int(v) for v in rng.choice(driving, 2))
        try:
            route = town10.route(a, 1.0, b)
        except InputError:
            continue
        found += 1
        assert route.lanes[0] == a and route.lanes[-1] == b
        heading = np.unwrap(np.arctan2(*np.diff(route.path[:, :2], axis=0).T[::-1]))
        assert np.abs(np.diff(heading)).max() < 0.5
        on = [town10.nearest_lane(*p)[2] for p in route.path[::10]]
        assert np.abs(on).max() < 2.3
    assert found >= 25


# OpenDRIVE


def check_map(m: VectorMap) -> None:
    """What must hold for every map."""
    assert m.lanes
    for i, lane in enumerate(m.lanes):
        assert lane.index == i and len(lane.centre) == len(lane.heading) == len(lane.width) >= 2
        assert np.isfinite(lane.centre).all() and (lane.width >= 0).all()
        step = np.linalg.norm(np.diff(lane.centre[:, :2], axis=0), axis=1)
        assert step.max() < 2.5
        way = np.diff(lane.centre[:, :2], axis=0)[step > 0.05]
        if len(way) and lane.kind == "driving":  # heading goes with the travel
            assert np.abs(wrap_angle(np.arctan2(way[:, 1], way[:, 0]) - lane.heading[:-1][step > 0.05])).max() < 0.5
        for b in lane.successors:
            assert i in m.lanes[b].predecessors
            assert np.linalg.norm(lane.centre[-1] - m.lanes[b].centre[0]) < 3.0
        for a in lane.predecessors:
            assert i in m.lanes[a].successors
        for side, name in ((1, "left"), (-1, "right")):
            beside = getattr(lane, name)
            if beside >= 0:
                half = len(lane.centre) // 2
                x, y, _, _ = m.lane_point(beside, m.lanes[beside].length * 0.5)
                normal = np.array([-np.sin(lane.heading[half]), np.cos(lane.heading[half])])
                assert side * (np.array([x, y]) - lane.centre[half, :2]) @ normal > -0.1
            else:
                assert not getattr(lane, f"can_change_{name}")
    for line in m.stop_lines:
        assert 0 <= line.s_m <= m.lanes[line.lane].length + 1e-9 and line.signal < len(m.signals)
    phased = [i for program in m.programs for phase in program.phases for i in phase]
    assert len(phased) == len(set(phased))
    assert {s.index for s in m.signals if s.kind == "traffic_light"} == set(phased)
    # files give one id to several signals, each at a place of its own
    assert len({(s.id, s.yaw, *s.position.tolist()) for s in m.signals}) == len(m.signals)


def dead_ends(m: VectorMap) -> list[tuple[str, int, int]]:
    """Driving lanes without a successor although another driving lane goes on from their end."""
    driving = [lane for lane in m.lanes if lane.kind == "driving"]
    found = []
    for lane in driving:
        if not lane.successors:
            for other in driving:
                gap = np.linalg.norm(other.centre[0] - lane.centre[-1])
                if other is not lane and gap < 1.0 and abs(wrap_angle(other.heading[0] - lane.heading[-1])) < 0.5:
                    found.append(lane.key)
    return found


@needs_reader
@needs_data
@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=() if p.stem in QUICK else pytest.mark.slow) for p in FILES]
)
def test_every_file_loads(path: Path) -> None:
    try:
        m = read_opendrive(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        pytest.fail(str(error))
    else:
        check_map(m)
        assert dead_ends(m) == []


def test_town10_lights(town10: VectorMap) -> None:
    lights = [s for s in town10.signals if s.kind == "traffic_light"]
    assert len(lights) == 17 and len(town10.programs) == 5 and all(s.lanes for s in lights)
    assert len(town10.crossings) == 16 and not town10.left_hand_traffic
    ruled = {line.lane: line for line in town10.stop_lines if line.signal >= 0}
    for light in lights:
        for i in light.lanes:
            lane = town10.lanes[i]
            assert not lane.junction and any(town10.lanes[b].junction for b in lane.successors)
            assert lane.length - ruled[i].s_m < 6.0
            assert abs(wrap_angle(light.yaw - lane.heading[-1] - np.pi)) < 0.8
        beside, s, lateral = town10.nearest_lane(*light.position)
        assert abs(lateral) > 0.5 * np.interp(s, town10.lanes[beside].s, town10.lanes[beside].width)


def test_town10_marks_agree_with_carla(town10: VectorMap) -> None:
    """Borders, kinds and marks as carla itself tells them, at the middle of the lanes."""
    import carla

    source = carla.Map("t", (DATA / "carla_towns/Town10HD.xodr").read_text())
    agree = total = 0
    for lane in town10.lanes:
        if lane.kind != "driving" or lane.length < 5 or lane.junction:
            continue
        x, y, z, yaw = town10.lane_point(lane.index, 0.5 * lane.length)
        waypoint = source.get_waypoint(carla.Location(x, -y, z))
        assert waypoint.lane_id == lane.key[2] and str(waypoint.road_id) == lane.key[0]
        assert abs(wrap_angle(-np.radians(waypoint.transform.rotation.yaw) - yaw)) < 0.02
        for mark, ours in (
            (waypoint.left_lane_marking, lane.left_mark),
            (waypoint.right_lane_marking, lane.right_mark),
        ):
            total += 1
            agree += str(mark.type).lower() == ours.removesuffix("-yellow").replace("_", "")
    assert total > 80 and agree >= 0.95 * total


@pytest.mark.slow
@needs_reader
@needs_data
def test_town04_decks_are_told_apart() -> None:
    m = read_opendrive(DATA / "carla_towns/Town04.xodr")
    points = np.concatenate([lane.centre[::2] for lane in m.lanes if lane.kind == "driving"])
    owner = np.concatenate([np.full(len(x.centre[::2]), x.index) for x in m.lanes if x.kind == "driving"])
    pairs = cKDTree(points[:, :2]).query_pairs(1.0, output_type="ndarray")
    stacked = pairs[np.abs(points[pairs[:, 0], 2] - points[pairs[:, 1], 2]) > 4.0]
    assert len(stacked) > 20
    for i in stacked.ravel():
        found, s, _ = m.nearest_lane(*points[i])
        assert abs(m.lane_point(found, s)[2] - points[i, 2]) < 0.5
        assert found == owner[i] or m.lanes[found].junction or m.lanes[owner[i]].width.min() < 1.0


@needs_reader
def test_speeds_and_left_hand_traffic(tmp_path: Path) -> None:
    road = """<OpenDRIVE><header revMajor="1" revMinor="6"/>
    <road id="1" length="40" junction="-1" rule="{rule}">
      <type s="0" type="town"><speed max="25" unit="mph"/></type>
      <planView><geometry s="0" x="0" y="0" hdg="0" length="40"><line/></geometry></planView>
      <elevationProfile><elevation s="0" a="1" b="0.1" c="0" d="0"/></elevationProfile>
      <lanes><laneSection s="0">
        <left><lane id="1" type="driving"><width sOffset="0" a="3" b="0" c="0" d="0"/>
          <roadMark sOffset="0" type="solid" color="white"/></lane></left>
        <center><lane id="0" type="none"><roadMark sOffset="0" type="broken" color="yellow"/></lane></center>
        <right><lane id="-1" type="driving"><width sOffset="0" a="4" b="0" c="0" d="0"/>
          <roadMark sOffset="0" type="solid" color="white"/></lane></right>
      </laneSection></lanes>
      <objects><object id="7" type="tree" s="10" t="8" zOffset="0" hdg="0" radius="1.5" height="5"/>
        <object id="8" type="-1" name="Speed_30" s="20" t="-5" zOffset="0" hdg="0" orientation="-"/></objects>
      <signals><signal id="s" s="30" t="-5" type="206" subtype="" country="DE" orientation="+" dynamic="no" zOffset="0"
        value="0" hOffset="0"/></signals>
    </road></OpenDRIVE>"""
    for rule, turn in (("RHT", 1.0), ("LHT", -1.0)):
        path = tmp_path / f"{rule}.xodr"
        path.write_text(road.format(rule=rule))
        m = read_opendrive(path)
        check_map(m)
        right = next(lane for lane in m.lanes if lane.key[2] == -1)
        assert m.left_hand_traffic == (rule == "LHT")
        assert np.cos(right.heading[0]) * turn == pytest.approx(1.0) and right.speed_limit_mps == pytest.approx(11.176)
        assert right.opposite >= 0 and right.left == right.right == -1
        assert right.centre[:, 1] == pytest.approx(-2.0, abs=1e-4)
        assert right.centre[:, 2] == pytest.approx(1 + 0.1 * right.centre[:, 0], abs=1e-3)
        inner, outer = ("left_mark", "right_mark") if rule == "RHT" else ("right_mark", "left_mark")
        assert getattr(right, inner) == "broken-yellow" and getattr(right, outer) == "solid"
        assert m.objects[0].kind == "tree" and m.objects[0].position == pytest.approx([10, 8, 2])
        assert len(m.objects) == 1 and m.signals[1].value == pytest.approx(30 / 3.6)
        assert m.signals[1].lanes == (right.index,)
        assert m.signals[0].kind == "stop" and len(m.stop_lines) == 1
        assert m.lanes[m.stop_lines[0].lane].key[2] == (-1 if rule == "RHT" else 1)


@needs_reader
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "XML"),
        ("<OpenDRIVE>", "XML"),
        ("<Other/>", "OpenDRIVE"),
        ("<OpenDRIVE/>", "road"),
        ('<OpenDRIVE><road id="1" length="x"/></OpenDRIVE>', "length"),
        ('<OpenDRIVE><road id="1" length="5"/></OpenDRIVE>', "planView"),
        ('<OpenDRIVE><road id="1" length="5"><lanes><laneSection s="0"/></lanes></road></OpenDRIVE>', "planView"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bad.xodr"
    path.write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        read_opendrive(path)
    assert str(path) in str(caught.value)


@needs_reader
@needs_data
@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")  # what is left out is told
@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_a_broken_number_never_hurts(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any number of a good file made nonsense: the file loads, or is refused in one line."""
    text = (DATA / "esmini/soderleden.xodr").read_text()
    spots = [found.span(1) for found in re.finditer(r'="(-?[0-9.]+(?:e[-+][0-9]+)?)"', text)]
    start, end = data.draw(st.sampled_from(spots))
    nonsense = data.draw(st.sampled_from(["nan", "inf", "-1", "1e9", "1e300", "", "x", "0", "-7e5"]))
    path = tmp_path_factory.mktemp("broken") / "broken.xodr"
    path.write_text(text[:start] + nonsense + text[end:])
    try:
        check_shape(read_opendrive(path, timeout_s=60))
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def check_shape(m: VectorMap) -> None:
    for lane in m.lanes:
        assert np.isfinite(lane.centre).all() and np.isfinite(lane.width).all() and len(lane.centre) >= 2
    assert np.isfinite(m.bounds).all()


def test_timeout_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such"):
        read_opendrive(tmp_path / "none.xodr")
    (tmp_path / "a.xodr").write_text("<OpenDRIVE/>")
    with pytest.raises(InputError, match="longer than"):
        read_opendrive(tmp_path / "a.xodr", timeout_s=0.001)


@needs_reader
@needs_data
def test_npz_beside_is_used_while_it_fits(tmp_path: Path) -> None:
    source = tmp_path / "road.xodr"
    source.write_bytes((DATA / "asam/Ex_Line-Spiral-Arc.xodr").read_bytes())
    made = extract_to(source, tmp_path / "road.npz")
    stamp = hashlib.sha256((tmp_path / "road.npz").read_bytes()).hexdigest()
    assert same(load_map(source), made) and same(load_map(tmp_path / "road.npz"), made)
    source.write_text("<OpenDRIVE/>")
    with pytest.raises(InputError):
        load_map(source)  # the file changed: the old extraction is not taken for it
    assert hashlib.sha256((tmp_path / "road.npz").read_bytes()).hexdigest() == stamp


def test_a_map_in_use_is_not_read_again(tmp_path):
    file = tmp_path / "m.npz"
    file.write_bytes((data_dir("scenarios") / "maps" / "roundabout.npz").read_bytes())
    first = load_map(file)
    assert load_map(file) is first
    file.write_bytes((data_dir("scenarios") / "maps" / "urban_grid.npz").read_bytes())
    second = load_map(file)
    assert second.name != first.name, "another file at the same place"
    file.write_bytes(b"")
    with pytest.raises(InputError):
        load_map(file)


def test_what_hangs_on_a_map_is_made_once():
    road = load_map(data_dir("scenarios") / "maps" / "roundabout.npz")
    assert ConflictTable.of(road) is ConflictTable.of(road)
    other = VectorMap.load(data_dir("scenarios") / "maps" / "roundabout.npz")
    assert ConflictTable.of(other) is not ConflictTable.of(road)
