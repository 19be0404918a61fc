"""Where maps lie: far from the origin of their coordinates, moved by a header, and on the earth."""

from __future__ import annotations

import importlib.util
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniscene_sim.assembly import assemble
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import FrameRequest
from uniscene_sim.maps.frame_origin import best_frame_origin
from uniscene_sim.maps.geo_reference import GeoReference, MapOffset
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.opendrive.extract import extract
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.vector.content import pack
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

HERE = Path(__file__).parent
needs_reader = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("carla", "lxml")), reason="needs uniscene_sim[maps]"
)
#: Tiles by which maps are moved: along one axis, both, and to 5,000 km.
MOVES = [(10796, 83343), (-78125, 78125), (78125, -1), (0, -4000)]


def straight(path: Path, x: float, y: float, hdg: float = 0.0, header: str = "", z: str = "") -> Path:
    """A file with one road of 300 m with two lanes, a crossing and a tree."""
    lane = '<lane id="{}" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
    path.write_text(
        f'<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="7">{header}</header>'
        f'<road name="r" length="300" id="1" junction="-1"><planView><geometry s="0" x="{x!r}" y="{y!r}" hdg="{hdg!r}" '
        f'length="300"><line/></geometry></planView>{z}<lanes><laneSection s="0"><left>{lane.format(1)}</left><center>'
        f'<lane id="0" type="none"/></center><right>{lane.format(-1)}</right></laneSection></lanes><objects>'
        '<object id="1" type="tree" s="50" t="12" zOffset="0" height="6" radius="1"/></objects></road></OpenDRIVE>'
    )
    return path


def moved(text: str, dx: float, dy: float, header: str = "") -> str:
    """The text of a file with its roads elsewhere."""
    text = re.sub(
        r'(<geometry\b[^>]*?\bx=")([^"]*)("[^>]*?\by=")([^"]*)',
        lambda m: f"{m[1]}{float(m[2]) + dx!r}{m[3]}{float(m[4]) + dy!r}",
        text,
    )
    return re.sub(
        r"(<header\b[^>]*?)/?>", rf"\1>{header}" + ("" if "</header>" in text else "</header>"), text, count=1
    )


def same_content(one: VectorMap, two: VectorMap) -> bool:
    (arrays, meta), (others, their_meta) = pack(one), pack(two)
    ours, theirs = json.loads(meta), json.loads(their_meta)
    for head in (ours, theirs):
        head.pop("frame_origin", None)
        head.pop("name")
    return ours == theirs and all(arrays[k].tobytes() == others[k].tobytes() for k in arrays)


@needs_reader
def test_utm_coordinates_keep_their_precision(tmp_path: Path) -> None:
    m = extract(straight(tmp_path / "utm.xodr", 691000.25, 5334000.75, 0.3))
    assert m.frame_origin == (691008.0, 5334016.0)
    along = np.array([np.cos(0.3), np.sin(0.3)])
    for lane in m.lanes:
        assert lane.length == pytest.approx(300.0, abs=0.01)  # lanes are read from 4 mm after their start on
        from_start = lane.centre[:, :2] + m.frame_origin - (691000.25, 5334000.75)
        off = from_start @ (-along[1], along[0])
        assert np.abs(np.abs(off) - 1.75).max() < 2e-4
    tree = m.objects[0].position[:2] + m.frame_origin - (691000.25, 5334000.75)
    assert np.allclose([tree @ along, tree @ (-along[1], along[0])], (50.0, 12.0), atol=2e-4)


@needs_reader
@pytest.mark.parametrize("tiles", [*MOVES, (3, -5)])
def test_a_map_moved_by_whole_tiles_is_the_same(tmp_path: Path, tiles: tuple[int, int]) -> None:
    text = (data_dir("scenarios") / "maps" / "roundabout.xodr").read_text()
    here = extract(data_dir("scenarios") / "maps" / "roundabout.xodr")
    dx, dy = 64.0 * tiles[0], 64.0 * tiles[1]
    assert here.frame_origin == (0.0, 0.0)
    by_header = tmp_path / "by_header.xodr"
    by_header.write_text(moved(text, dx, dy, f'<offset x="{-dx}" y="{-dy}" z="0" hdg="0"/>'))
    back = extract(by_header)
    assert back.frame_origin == (0.0, 0.0) and same_content(here, back)
    if max(map(abs, tiles)) > 64:  # nearer, it keeps its coordinates
        (tmp_path / "by_us.xodr").write_text(moved(text, dx, dy))
        back = extract(tmp_path / "by_us.xodr")
        assert back.frame_origin == (dx, dy) and same_content(here, back)


@needs_reader
@pytest.mark.parametrize("hdg", [0.0, 0.7])
def test_the_offset_of_a_header_turns_and_moves(tmp_path: Path, hdg: float) -> None:
    c, n = np.cos(hdg), np.sin(hdg)
    x, y = 600000.0, -4000000.0
    back = MapOffset(-(c * x - n * y) + 20.0, -(n * x + c * y) - 5.0, 12.5, hdg)
    slope = '<elevationProfile><elevation s="0" a="1" b="0.01" c="0" d="0"/></elevationProfile>'
    header = "<offset {}/>".format(" ".join(f'{k}="{float(v)!r}"' for k, v in vars(back).items()))
    for z, rise in (("", 0.0), (slope, 3.0)):
        m = extract(straight(tmp_path / "turned.xodr", x, y, 0.25, header, z))
        assert m.frame_origin == (0.0, 0.0)
        start, end = m.lanes[0].centre[0], m.lanes[0].centre[-1]
        if m.lanes[0].key[2] > 0:
            start, end = end, start
        assert np.allclose(
            (end - start)[:2] / np.linalg.norm((end - start)[:2]), (np.cos(0.25 + hdg), np.sin(0.25 + hdg))
        )
        assert np.hypot(*(start[:2] - (20.0, -5.0))) == pytest.approx(1.75, abs=0.01)
        assert start[2] == pytest.approx(12.5 + bool(z), abs=1e-3) and end[2] - start[2] == pytest.approx(
            rise, abs=1e-3
        )


@needs_reader
def test_an_offset_into_a_grid_leaves_the_coordinates_of_the_file(tmp_path: Path) -> None:
    header = '<geoReference>EPSG:25832</geoReference><offset x="691000" y="5334000" z="520" hdg="0"/>'
    m = extract(straight(tmp_path / "local.xodr", 10.0, 5.0, 0.0, header))
    assert (
        m.frame_origin == (0.0, 0.0) and m.bounds[0] == pytest.approx(10.0, abs=0.01) and m.lanes[0].centre[0, 2] == 0
    )
    assert m.geo_reference == GeoReference("EPSG:25832", MapOffset(691000.0, 5334000.0, 520.0, 0.0))


@needs_reader
@pytest.mark.parametrize("offset", ['<offset x="a" y="0"/>', '<offset x="nan"/>', '<offset x="1_0"/>'])
def test_a_broken_offset_is_told(tmp_path: Path, offset: str) -> None:
    m = extract(straight(tmp_path / "broken.xodr", 0.0, 0.0, header=offset))
    assert len(m.lanes) == 2 and len(m.losses) == 1 and "offset" in m.losses[0]


@needs_reader
def test_one_broken_road_does_not_hold_a_far_map_at_the_origin(tmp_path: Path) -> None:
    roads = [(0.0, 0.0), *((691000.0 + 10 * k, 5334000.0) for k in range(20))]
    assert best_frame_origin(np.array(roads)) == (691008.0, 5334016.0)
    assert best_frame_origin(np.array([*roads[:1] * 3, *roads[1:3]])) == (0.0, 0.0)
    assert best_frame_origin(np.array(roads[:3])) == (691008.0, 5334016.0)
    assert best_frame_origin(np.array([(1e7, 0.0), *roads[1:]])) == (691008.0, 5334016.0), "nor a farther one"


# --- worlds ---------------------------------------------------------------------------------------------------------


def world(folder: Path, name: str, dx: float, dy: float) -> dict[str, bytes]:
    """All that comes out of a short run on a map and with a scenario that are moved."""
    straight(folder / f"{name}.xodr", 3.7 + dx, 8.1 + dy, 0.2)
    at = [[t, 30.3 + 5.1 * t + dx, 14.2 + dy] for t in range(4)]
    scenario = {
        "map": f"{name}.xodr",
        "duration_s": 3,
        "ego": {"spawn": {"x": 20.3 + dx, "y": 9.7 + dy, "yaw_deg": 11}, "speed_mps": 8,
                "goal": [130.4 + dx, 32.0 + dy]},
        "agents": [
            {"name": "walker", "class": "pedestrian", "spawn": {"x": 42.1 + dx, "y": 12.3 + dy, "free": True}},
            {"name": "logged", "class": "car", "behaviour": "trajectory", "trajectory": at,
             "spawn": {"x": at[0][1], "y": at[0][2], "free": True}},
            {"name": "parked", "class": "car", "behaviour": "parked",
             "spawn": {"x": 60.9 + dx, "y": 14.4 + dy, "free": True}},
        ],
        "events": [
            {"trigger": {"kind": "reach", "value": 30, "x": 40.0 + dx, "y": 12.0 + dy},
             "actions": [{"kind": "cross", "agent": "walker", "to": [44.2 + dx, 25.8 + dy], "speed_mps": 2}]},
        ],
    }  # fmt: skip
    (folder / f"{name}.yaml").write_text(json.dumps(scenario))
    simulator = assemble(
        ScenarioSource.open(str(folder / f"{name}.yaml")), load_rig(str(HERE.parent / "golden/rig.yaml"))
    )
    out: dict[str, bytes] = {}
    simulator.reset(FrameRequest())
    for _ in range(4):
        frame = simulator.step()
    out |= {f"digest {k}": v.encode() for k, v in frame.digests.items()}
    assert frame.occupancy is not None
    out["occupancy"] = frame.occupancy.labels.tobytes() + frame.occupancy.instances.tobytes()
    out["poses"] = frame.layout.agents.tobytes() + frame.layout.route.tobytes() + str(frame.layout.ego_pose).encode()
    walker = frame.layout.agents[frame.layout.agents["cls"] == 6]
    out["fired"] = str(simulator.source.state.fired).encode() + walker.tobytes()
    assert any(simulator.source.state.fired)
    return out


@needs_reader
def test_a_world_five_thousand_kilometres_away_is_the_same(tmp_path: Path) -> None:
    here, there = world(tmp_path, "here", 0.0, 0.0), world(tmp_path, "there", -5e6, 5e6 - 64.0)
    assert len(here) > 5 and [name for name in here if here[name] != there[name]] == []


@needs_reader
def test_messages_give_the_coordinates_of_the_file(tmp_path: Path) -> None:
    straight(tmp_path / "utm.xodr", 691000.25, 5334000.75)
    ego = {"spawn": {"x": 691050.5, "y": 5334100.25}, "speed_mps": 5}
    (tmp_path / "off.yaml").write_text(json.dumps({"map": "utm.xodr", "duration_s": 1, "ego": ego}))
    with pytest.raises(InputError, match=r"\(691050.5, 5334100.25\) lies 9"):
        ScenarioSource.open(str(tmp_path / "off.yaml"))
    ego["spawn"]["y"] = 5334000.0
    (tmp_path / "on.yaml").write_text(json.dumps({"map": "utm.xodr", "duration_s": 1, "ego": ego}))
    source = ScenarioSource.open(str(tmp_path / "on.yaml"))
    again = ScenarioSource(source.scenario, source.map)  # already in the map frame
    assert source.reset().ego_pose == again.reset().ego_pose
    assert source.reset().ego_pose.x + source.map.frame_origin[0] == pytest.approx(691050.5)


# --- other forms ----------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(-78125, 78125), st.integers(-78125, 78125), st.booleans())
def test_a_painted_map_is_the_same_wherever_it_lies(tmp_path_factory, i: int, j: int, folder: bool) -> None:
    cells = np.zeros((1, 40, 30), dtype=bool)
    cells[0, 5:30, 10:20] = True
    near = PaintedMap("road", ("drivable_area",), cells, 0.5, (12.3, 7.7))
    far = PaintedMap("road", ("drivable_area",), cells, 0.5, (12.3 + 64.0 * i, 7.7 + 64.0 * j))
    assert far.own_origin == (12.3 + 64.0 * i, 7.7 + 64.0 * j)
    if max(abs(i), abs(j)) < 64:
        assert far.frame_origin == (0.0, 0.0)
        return
    assert far.frame_origin == (64.0 * i, 64.0 * j)
    assert np.allclose(far.origin, near.origin, rtol=0, atol=1e-9) and np.allclose(far.bounds, near.bounds)
    path = tmp_path_factory.mktemp("painted") / ("road" if folder else "road.npz")
    far.save(path)
    kept = PaintedMap.load(path)
    assert (kept.frame_origin, kept.origin, kept.ref) == (far.frame_origin, far.origin, far.ref)


@needs_reader
def test_an_npz_with_far_lanes_is_moved_and_keeps_where_it_lies(tmp_path: Path) -> None:
    near = extract(data_dir("scenarios") / "maps" / "roundabout.xodr")
    away = np.array([64.0 * 10796, 64.0 * 83343, 0.0])
    far = VectorMap(
        "far",
        tuple(replace(lane, centre=lane.centre + away) for lane in near.lanes),
        signals=tuple(replace(s, position=s.position + away) for s in near.signals),
        geo_reference=GeoReference("EPSG:25832", MapOffset(1.0, 2.0, 3.0, 0.5)),
    )
    far.save(tmp_path / "far.npz")
    found = load_map(tmp_path / "far.npz")
    assert isinstance(found, VectorMap) and np.allclose(found.bounds, near.bounds, atol=70.0)
    found.save(tmp_path / "again.npz")
    again = load_map(tmp_path / "again.npz")
    assert again.frame_origin == found.frame_origin and again.geo_reference == far.geo_reference
    own = again.lanes[3].centre + np.array([*again.frame_origin, 0.0])
    assert np.allclose(own, far.lanes[3].centre, rtol=0, atol=1e-9)


# --- the earth ------------------------------------------------------------------------------------------------------

TMERC = "+proj=tmerc +lat_0=48.1 +lon_0=11.5 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
UTM = "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"
MUNICH = (48.130577083, 11.567056567)  # of UTM 32 (691000.25, 5334000.75)


@pytest.mark.parametrize(
    "projection, place, expected",
    [
        (TMERC, (0.0, 0.0), (48.1, 11.5)),
        (UTM, (691000.25, 5334000.75), MUNICH),
        ("EPSG:25832", (691000.25, 5334000.75), MUNICH),
        ("25832", (691000.25, 5334000.75), MUNICH),
        ("+init=epsg:25832", (691000.25, 5334000.75), MUNICH),
        ("urn:ogc:def:crs:EPSG::32632", (691000.25, 5334000.75), MUNICH),
        (f"{UTM} +geoidgrids=egm96_15.gtx +vunits=m", (691000.25, 5334000.75), MUNICH),
        (f"+lat_0=37.3 +lon_0=-122 +k_0=1 +x_0=0 {UTM} +geoidgrids=egm96_15.gtx", (691000.25, 5334000.75), MUNICH),
        ("+lat_0=4.9e+1 +lon_0=8.0", (0.0, 0.0), (49.0, 8.0)),  # as in CARLA's towns
    ],
)
def test_projections(projection: str, place: tuple[float, float], expected: tuple[float, float]) -> None:
    pytest.importorskip("pyproj")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GeoReference(projection).locate(*place, 5.0) == pytest.approx((*expected, 5.0), abs=1e-7)


def test_offset_and_convergence() -> None:
    pyproj = pytest.importorskip("pyproj")
    plain = GeoReference(UTM)
    local = GeoReference(UTM, MapOffset(691000.0, 5334000.0, 520.0, 0.4))
    east, north = 691000.0 + 100 * np.cos(0.4) - 50 * np.sin(0.4), 5334000.0 + 100 * np.sin(0.4) + 50 * np.cos(0.4)
    lat, lon, _ = plain.locate(east, north)
    assert local.locate(100.0, 50.0, 2.0) == pytest.approx((lat, lon, 522.0), abs=1e-10)
    convergence = np.radians(pyproj.Proj(UTM).get_factors(lon, lat).meridian_convergence)
    assert abs(convergence) > 0.03  # grid north lies 1.9 degrees east of true north here
    assert plain.x_axis_yaw(east, north) == pytest.approx(-convergence, abs=2e-5)
    assert local.x_axis_yaw(100.0, 50.0) == pytest.approx(0.4 - convergence, abs=2e-5)
    assert GeoReference(TMERC).x_axis_yaw(0.0, 0.0) == pytest.approx(0.0, abs=1e-5)


@needs_reader
@pytest.mark.parametrize("cdata", [True, False])
def test_geo_reference_of_a_far_file(tmp_path: Path, cdata: bool) -> None:
    pytest.importorskip("pyproj")
    text = f"<![CDATA[ {UTM} ]]>" if cdata else UTM
    m = extract(straight(tmp_path / "utm.xodr", 691000.25, 5334000.75, 0.0, f"<geoReference>{text}</geoReference>"))
    assert m.geo_reference is not None and m.frame_origin[0] == 691008.0
    assert m.geo_reference.locate(691000.25, 5334000.75)[:2] == pytest.approx(MUNICH, abs=1e-7)


@needs_reader
@pytest.mark.parametrize("hdg", [0.0, 0.4])
@pytest.mark.parametrize("projection, place", [(UTM, MUNICH), (TMERC, None)])
def test_geo_reference_of_a_file_that_its_header_brings_back(
    tmp_path: Path, projection: str, place: tuple[float, float] | None, hdg: float
) -> None:
    """Of the grid that the file is in, or of the coordinates that the offset leads to."""
    pytest.importorskip("pyproj")
    x, y = (691000.25, 5334000.75) if place else (-5e6, 5e6)
    turned = MapOffset(hdg=hdg).apply(x, y)
    header = (
        f'<geoReference>{projection}</geoReference><offset x="{-turned[0]!r}" y="{-turned[1]!r}" z="3" hdg="{hdg}"/>'
    )
    m = extract(straight(tmp_path / "back.xodr", x, y, 0.0, header))
    assert m.frame_origin == (0.0, 0.0) and m.geo_reference is not None
    expected = (*place, -3.0) if place else (48.1, 11.5, 0.0)
    assert m.geo_reference.locate(0.0, 0.0) == pytest.approx(expected, abs=1e-7)
    ahead = GeoReference(UTM).x_axis_yaw(x, y) - hdg if place else 0.0
    assert m.geo_reference.x_axis_yaw(0.0, 0.0) == pytest.approx(ahead, abs=2e-5)


@needs_reader
@pytest.mark.parametrize(
    "text", ["+proj=nonsense", "hello", "EPSG:999999", "EPSG:4326", "EPSG:2263", "+lat_0=abc +lon_0=8"]
)
def test_an_unknown_projection_is_told_once(tmp_path: Path, text: str) -> None:
    pytest.importorskip("pyproj")
    path = straight(tmp_path / "odd.xodr", 0.0, 0.0, header=f"<geoReference>{text}</geoReference>")
    m = extract(path)
    assert len(m.losses) == 1 and "geoReference" in m.losses[0] and m.geo_reference is None and len(m.lanes) == 2
    if text == "hello":
        with pytest.warns(InputWarning, match="geoReference") as told:
            load_map(path)
        assert len(told) == 1


@needs_reader
def test_an_empty_geo_reference_is_none(tmp_path: Path) -> None:
    for header in ("<geoReference/>", "<geoReference> </geoReference>", ""):
        m = extract(straight(tmp_path / "none.xodr", 0.0, 0.0, header=header))
        assert m.geo_reference is None and not m.losses
