"""Bodies of objects from outlines and repeats, and cross-sections of roads: what stands where, and how agents stand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.maps.opendrive_text import lane, road
from uniscene_sim.geometry import box_corners, point_in_polygon
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.maps.elements import MapObject
from uniscene_sim.maps.opendrive.cubics import Cubics
from uniscene_sim.maps.opendrive.extract import extract
from uniscene_sim.maps.opendrive.outlines import boxes_within
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import AgentSpec, EgoSpec, Scenario, Spawn
from uniscene_sim.taxonomy import AgentClass, Material
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.standing import stand_on_ground

CAN_READ = importlib.util.find_spec("carla") is not None and importlib.util.find_spec("lxml") is not None
needs_reader = pytest.mark.skipif(not CAN_READ, reason="needs uniscene_sim[maps] (carla, lxml)")
BEND = dict(length=90, shape='<arc curvature="0.016666666666666666"/>')


@pytest.fixture
def read(tmp_path: Path):
    def read_text(**o) -> VectorMap:
        path = tmp_path / "map.xodr"
        path.write_text(f'<OpenDRIVE><header revMajor="1" revMinor="7"/>{road("1", **o)}</OpenDRIVE>')
        return extract(path)

    return read_text


def thing(kind: str, inside: str = "", **values) -> str:
    said = "".join(f' {k}="{v}"' for k, v in ({"s": 50, "t": -8, "zOffset": 0, "hdg": 0} | values).items())
    return f'<object id="1" type="{kind}"{said}>{inside}</object>'


def outline(corners: list[tuple], kind: str = "cornerLocal", closed: str = "true") -> str:
    names = ("u", "v", "z", "height") if kind == "cornerLocal" else ("s", "t", "dz", "height")
    inner = "".join(
        f"<{kind} " + " ".join(f'{n}="{v}"' for n, v in zip(names, c, strict=False)) + "/>" for c in corners
    )
    return f'<outline closed="{closed}">{inner}</outline>'


def covers(objects, x: float, y: float) -> bool:
    return any(point_in_polygon(x, y, box_corners(*o.position[:2], o.yaw, *o.size[:2])) for o in objects)


def area(objects: tuple[MapObject, ...]) -> float:
    return sum(o.size[0] * o.size[1] for o in objects)


# outlines


@needs_reader
@pytest.mark.parametrize("kind", ["cornerLocal", "cornerRoad"])
def test_a_rectangle_is_one_box_of_its_own_height(read, kind):
    a, b = (0, 0) if kind == "cornerLocal" else (50, 12)
    corners = [(a - 10, b - 5, 0, 12), (a + 10, b - 5, 0, 12), (a + 10, b + 5, 0, 12), (a - 10, b + 5, 0, 12)]
    house = thing("building", f"<outlines>{outline(corners, kind)}</outlines>", t=12, length=99, width=99, height=1)
    (o,) = read(objects=house).objects
    assert o.kind == "building" and o.size == pytest.approx((20, 10, 12)) and o.position == pytest.approx([50, 12, 0])


@needs_reader
def test_an_obstacle_is_a_wall_that_tiles_hold(read):
    wall = thing("obstacle", outline([(-8, -0.3, 0, 2), (8, -0.3, 0, 2), (8, 0.3, 0, 2), (-8, 0.3, 0, 2)]))
    m = read(objects=wall)
    assert [(o.kind, o.size) for o in m.objects] == [("wall", (16.0, 0.6, 2.0))]
    from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy

    planned = ProceduralOccupancy(m, 1).objects(0.0, -64.0)
    assert any(abs(p["x"] - 50) < 0.01 and abs(p["length"] - 16) < 0.01 and abs(p["height"] - 2) < 0.2 for p in planned)


@needs_reader
@pytest.mark.parametrize(("values", "kind"), [({"subtype": "guardRail"}, "guard_rail"), ({"name": "noise"}, "wall")])
def test_a_line_in_a_bend_is_thin_and_bent(read, values, kind):
    """The bounding box of the rail is 90 m by 18 m; its line is given in the frame of its middle."""
    angle = np.linspace(-0.75, 0.75, 11)
    corners = [(66 * np.sin(v), 66 * (1 - np.cos(v)), 0, 0.75) for v in angle]
    local = thing("barrier", outline(corners, closed="false"), s=45, t=-6, length=90, width=0.2, height=0.75, **values)
    by_road = [(s, -6, 0, 0.75) for s in (0, 90)]
    along = thing("barrier", outline(by_road, "cornerRoad", "false"), s=0, t=0, width=0.2, **values)
    repeat = '<repeat s="0" length="90" distance="0" tStart="-6" tEnd="-6" heightStart="0.75" heightEnd="0.75"/>'
    repeated = thing("barrier", repeat, s=0, t=0, width=0.2, **values)
    for text in (local, along, repeated):
        objects = read(objects=text, **BEND).objects
        assert len(objects) >= 20 and {o.kind for o in objects} == {kind}
        for o in objects:
            assert o.size[0] < 4.5 and o.size[1:] == pytest.approx((0.2, 0.75))
            corners = box_corners(*o.position[:2], o.yaw, *o.size[:2])
            assert np.hypot(corners[:, 0], corners[:, 1] - 60) == pytest.approx(66, abs=0.35)
        assert sum(o.size[0] for o in objects) == pytest.approx(66 * 1.5, rel=0.01)


@needs_reader
def test_an_l_is_two_boxes_and_a_hole_stays_open(read):
    ell = [(0, 0), (20, 0), (20, 8), (8, 8), (8, 16), (0, 16)]
    objects = read(objects=thing("building", outline([(*c, 0, 6) for c in ell]), t=20)).objects
    assert len(objects) == 2 and area(objects) == pytest.approx(20 * 8 + 8 * 8)
    assert not covers(objects, 65, 32) and covers(objects, 54, 32) and objects[0].group == objects[1].group > 0
    ring = [(-10, -10), (10, -10), (10, 10), (-10, 10)]
    court = outline([(*c, 0, 6) for c in ring]) + outline([(0.5 * u, 0.5 * v, 0, 6) for u, v in ring])
    objects = read(objects=thing("building", f"<outlines>{court}</outlines>", t=20)).objects
    assert area(objects) == pytest.approx(300) and not covers(objects, 50, 20) and covers(objects, 43, 20)


@needs_reader
def test_heights_of_corners_change_along_a_wall(read):
    ramp = [(-8, -0.3, 0, 1), (8, -0.3, 0, 3), (8, 0.3, 0, 3), (-8, 0.3, 0, 1)]
    objects = read(objects=thing("barrier", outline(ramp))).objects
    assert len(objects) > 5 and all(o.size[2] == pytest.approx(2 + (o.position[0] - 50) / 8, abs=0.02) for o in objects)
    raised = [(u, v, 0.1 * (u + 8), 1) for u, v, _, _ in ramp]
    objects = read(objects=thing("barrier", outline(raised))).objects
    assert all(o.position[2] == pytest.approx(0.1 * (o.position[0] - 42), abs=0.02) for o in objects)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 9), st.floats(3, 30), st.floats(0.3, 1.0), st.integers(0, 99))
def test_boxes_cover_what_an_outline_covers(corners, radius, least, seed):
    """Area of the boxes, and points in and out, against the polygon itself."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    if np.diff(np.append(angle, angle[0] + 2 * np.pi)).max() > 2.5:
        return
    r = radius * rng.uniform(least, 1, corners)
    ring = np.column_stack([r * np.cos(angle), r * np.sin(angle), 0 * r, 0 * r + 5])
    x, y = ring[:, 0], ring[:, 1]
    true = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    boxes = boxes_within([ring])
    assert sum(b.size[0] * b.size[1] for b in boxes) == pytest.approx(true, rel=0.03, abs=0.1)
    objects = [MapObject("wall", b.foot, b.yaw, b.size) for b in boxes]
    wrong = [covers(objects, *p) != point_in_polygon(*p, ring[:, :2]) for p in rng.uniform(-radius, radius, (60, 2))]
    assert np.mean(wrong) < 0.12


# repeats


@needs_reader
def test_repeats_change_along_the_road(read):
    row = ('<repeat s="10" length="100" distance="{}" tStart="-5" tEnd="-15" heightStart="1" heightEnd="3" '
           'widthStart="0.2" widthEnd="1.2" zOffsetStart="0" zOffsetEnd="2"/>')  # fmt: skip
    for distance in (0, 10):
        objects = read(objects=thing("barrier", row.format(distance), s=0, length=1, width=0.3, height=1)).objects
        assert len(objects) == 11 if distance else len(objects) >= 50
        for o in objects:
            q = (o.position[0] - 10) / 100
            assert o.position[1:] == pytest.approx([-5 - 10 * q, 2 * q], abs=0.06)
            assert o.size[1:] == pytest.approx((0.2 + q, 1 + 2 * q), abs=0.03)
        if not distance:
            assert objects[5].yaw == pytest.approx(np.arctan2(-10, 100), abs=1e-6)


@needs_reader
def test_trees_of_a_row_grow_and_an_outline_is_repeated(read):
    row = '<repeat s="0" length="100" distance="25" radiusStart="1" radiusEnd="3" heightStart="4" heightEnd="8"/>'
    objects = read(objects=thing("tree", row, radius=1, height=4)).objects
    assert [o.size for o in objects] == [(2 + k, 2 + k, 4 + k) for k in range(5)]
    square = outline([(-1, -1, 0, 2), (1, -1, 0, 2), (1, 1, 0, 2), (-1, 1, 0, 2)])
    objects = read(objects=thing("obstacle", square + '<repeat s="0" length="100" distance="50"/>')).objects
    assert [o.position.tolist() for o in objects] == [[0, -8, 0], [50, -8, 0], [100, -8, 0]]


# cross-sections

V_SHAPE = '<shape s="0" t="-3.5" a="0.5" b="-0.1428" c="0" d="0"/><shape s="0" t="0" a="0" b="0.1428" c="0" d="0"/>'


@needs_reader
@pytest.mark.parametrize(
    ("lateral", "height"),
    [
        ('<superelevation s="0" a="0.1" b="0" c="0" d="0"/>', lambda x, y: y * np.tan(0.1)),
        ('<superelevation s="50" a="0" b="0.001" c="0" d="0"/>',
         lambda x, y: y * np.tan(0.001 * np.maximum(x - 50, 0))),
        (V_SHAPE, lambda x, y: 0.1428 * abs(y)),
        ('<crossfall side="both" s="0" a="0.03" b="0" c="0" d="0"/>', lambda x, y: -abs(y) * np.tan(0.03)),
        ('<crossfall side="right" s="0" a="0.03" b="0" c="0" d="0"/>', lambda x, y: np.minimum(y, 0) * np.tan(0.03)),
        ('<shape s="0" t="-5" a="0.25" b="-0.1" c="0.01" d="0"/>', lambda x, y: 0.01 * y * y),
        ('<shape s="0" t="-5" a="0" b="0" c="0" d="0"/><shape s="200" t="-5" a="1" b="0" c="0" d="0"/>',
         lambda x, y: 0.005 * x + 0 * y),
    ],
)  # fmt: skip
def test_the_ground_has_the_shape_of_the_road(read, lateral, height):
    m = read(lateral=lateral)
    x, y = (w.ravel() for w in np.meshgrid(np.linspace(5, 195, 20), np.linspace(-3.3, 3.3, 22)))
    assert m.surface_height(x, y, 0 * x) == pytest.approx(height(x, y), abs=0.004)
    assert (m.surface.rank(x, y, height(x, y)) == 3).all()
    ground = m.surface.ground(64.0, -3.0, 24, 0.25)[0]
    gx, gy = np.meshgrid(64 + 0.25 * np.arange(24), -3 + 0.25 * np.arange(24), indexing="ij")
    assert ground == pytest.approx(height(gx, gy), abs=0.004)


@needs_reader
def test_level_lanes_stay_level_on_a_tilted_road(read):
    width = '<width sOffset="0" a="2" b="0" c="0" d="0"/>'
    walk = lane(-2, width, type="sidewalk", level="true", more='<height sOffset="0" inner="0.1" outer="0.1"/>')
    m = read(lanes=f"<right>{lane(-1)}{walk}</right>", lateral='<superelevation s="0" a="0.1" b="0" c="0" d="0"/>')
    across = m.surface_height(np.full(3, 50.0), np.array([-3.6, -4.5, -5.4]), np.zeros(3))
    assert across == pytest.approx(-3.5 * np.sin(0.1) + 0.1, abs=0.004)


@needs_reader
def test_paint_of_a_tilted_road_lies_on_its_borders(read):
    mark = '<roadMark sOffset="0" type="solid" color="white" width="0.12"/>'
    lanes = f'<center><lane id="0" type="none">{mark}</lane></center><right>{lane(-1, more=mark)}</right>'
    for lateral in ("", V_SHAPE, '<shape s="0" t="-5" a="0.25" b="-0.1" c="0.01" d="0"/>'):
        paint = read(lanes=lanes, lateral=lateral).surface.paint(64.0, -8.0, 160, 0.1, 1)[0]
        painted = np.isin(paint, (Material.LINE_WHITE, Material.EDGE_LINE, Material.CENTRE_LINE_WHITE))
        rows = -8 + 0.1 * (np.flatnonzero(painted.mean(axis=0) > 0.5) + 0.5)
        assert rows.max() == pytest.approx(-0.1, abs=0.15) and rows.min() == pytest.approx(-3.4, abs=0.15)
        assert len(rows) <= 6


@needs_reader
def test_things_beside_a_tilted_road_stand_on_it(read):
    post = thing("pole", s=50, t=-5, height=2, radius=0.1)
    (o,) = read(objects=post, lateral='<superelevation s="0" a="0.1" b="0" c="0" d="0"/>').objects
    assert o.position == pytest.approx([50, -5 * np.cos(0.1), -5 * np.sin(0.1)], abs=1e-3)


@needs_reader
def test_agents_stand_on_the_tilted_road(read):
    agents = (AgentSpec("lead", "car", Spawn(x=40.0, y=-1.75, yaw_deg=0.0), 5.0),
              AgentSpec("oncoming", "truck", Spawn(x=60.0, y=1.75, yaw_deg=180.0), 5.0))  # fmt: skip
    for lateral, of_lead in ((V_SHAPE, -0.1428), ('<superelevation s="0" a="0.1" b="0" c="0" d="0"/>', np.tan(0.1))):
        m = read(lateral=lateral)
        ego = EgoSpec(Spawn(x=20.0, y=-1.75, yaw_deg=0.0), 5.0, 5.0)
        layout = ScenarioSource(Scenario("tilted", Path("map.xodr"), 1, 2.0, ego, agents=agents), m).reset()
        cars = layout.agents[np.isin(layout.agents["cls"], (AgentClass.CAR, AgentClass.TRUCK))]
        roll = np.arctan(of_lead)
        assert layout.ego_pose.roll == pytest.approx(roll, abs=0.01)
        assert cars["rpy"][0, 0] == pytest.approx(roll, abs=0.01)
        assert cars["rpy"][1, 0] == pytest.approx(roll if lateral == V_SHAPE else -roll, abs=0.01)
        assert cars["pos"][:, 2] == pytest.approx(m.surface_height(*cars["pos"].T.astype(float)), abs=0.01)


@needs_reader
def test_people_stand_upright(read):
    m = read(lateral='<superelevation s="0" a="0.1" b="0" c="0" d="0"/>')
    agents = np.zeros(2, AGENT_DTYPE)
    agents["cls"], agents["size"], agents["pos"] = (AgentClass.PEDESTRIAN, AgentClass.CAR), (4, 2, 1.5), (50, -2, 0)
    stand_on_ground(agents, m)
    assert agents["rpy"][0].tolist() == [0, 0, 0] and agents["rpy"][1, 0] == pytest.approx(0.1, abs=1e-3)


@needs_reader
@pytest.mark.parametrize(
    "inside",
    [
        outline([(0, 0, 0, 1), (5, 0, 0, 1), (9, 0, 0, 1)]),
        '<repeat s="10" length="0" distance="0"/>',
        '<repeat s="500" length="10" distance="5"/>',
        '<repeat s="10" length="50" distance="1e-6"/>',
    ],
)
def test_an_object_of_no_extent_is_told(read, inside):
    m = read(objects=thing("building", inside, s="20", t="9", height="3"))
    assert not m.objects and len(m.losses) == 1 and "left out: object" in m.losses[0]


@needs_reader
def test_long_rails_and_open_parking_places_are_there(read):
    rail = thing("railing", '<repeat s="0" length="30000" distance="0" tStart="9" tEnd="9"/>', height="1", length="4")
    place = thing("parkingSpace", outline([(0, 0, 0, 0), (5, 0, 0, 0), (5, 2, 0, 0), (0, 2, 0, 0)], closed="false"))
    m = read(length=30000, objects=rail + place)
    rails = [o for o in m.objects if o.kind == "guard_rail"]
    assert sum(o.size[0] for o in rails) == pytest.approx(30000, rel=1e-3)
    assert [o.size[:2] for o in m.objects if o.kind == "parking_space"] == [(5.0, 2.0)]


def test_differences_of_cubics():
    a, b = Cubics([(0, 1, 0.1, 0, 0), (10, 2, 0, 0.01, 0)]), Cubics([(4, 1, 0, 0, 0.001)])
    s = np.linspace(0, 20, 41)
    assert (a - b)(s) == pytest.approx(a(s) - b(s))
    assert a.scaled(-2.0)(s) == pytest.approx(-2 * a(s))
