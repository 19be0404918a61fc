"""Road networks of SUMO: lanes, links, lights and polygons as the file has them, and files that are broken."""

import gzip

import numpy as np
import pytest

from tests.maps.sumo_text import NET, POLYGONS
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map

pytest.importorskip("lxml")


@pytest.fixture
def town(tmp_path):
    (tmp_path / "town.net.xml").write_text(NET)
    (tmp_path / "houses.add.xml").write_text(POLYGONS)
    with pytest.warns(InputWarning):
        return load_map(tmp_path / "town.net.xml")


def _lane(town, x, y, yaw=0.0):
    return town.nearest_lane(x, y, yaw=yaw)[0]


def test_traffic_drives_through_the_junction_as_it_connects(town):
    straight = town.route(_lane(town, 20, -1.6), 1.0, _lane(town, 180, -1.6))
    turned = town.route(_lane(town, 98.4, 80, -np.pi / 2), 1.0, _lane(town, 20, 1.6, np.pi))
    for route in (straight, turned):
        assert len(route.lanes) == 3
        assert np.hypot(*np.diff(route.path[:, :2], axis=0).T).max() < 1.5
        assert (town.surface.rank(*route.path.T) >= 2).all()


def test_lanes_are_of_the_kinds_that_may_use_them(town):
    kinds = {kind: sum(lane.kind == kind for lane in town.lanes) for kind in ("driving", "sidewalk", "border")}
    assert kinds["driving"] == 6  # the rails are none
    assert kinds["sidewalk"] >= 2 and kinds["border"] >= 1
    assert town.lanes[_lane(town, 20, -1.6)].opposite == _lane(town, 20, 1.6, np.pi)
    assert town.lanes[_lane(town, 98.4, 80, -np.pi / 2)].speed_limit_mps == 8.3


def test_lights_keep_the_program(town):
    lights = [s for s in town.signals if s.kind == "traffic_light"]
    (program,) = town.programs
    assert len(lights) == 2 and len(program.phases) == 2
    assert program.green_s == 25.0 and program.yellow_s == 4.0
    first = town.signals[program.phases[0][0]]
    assert first.lanes == (_lane(town, 20, -1.6),)
    assert {line.lane for line in town.stop_lines} == {lane for s in lights for lane in s.lanes}


def test_crossings_and_junctions_have_their_ground(town):
    (crossing,) = town.crossings
    assert np.ptp(crossing.polygon[:, :2], axis=0) == pytest.approx([4.0, 8.0])
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(92, 108, 9), np.linspace(-3, 3, 5)))
    assert (town.surface.rank(x, y, np.zeros(len(x))) >= 2).all()


def test_polygons_beside_the_network_are_houses_and_trees(town):
    houses = [o for o in town.objects if o.kind == "building"]
    known = next(o for o in houses if o.position[0] == pytest.approx(30, abs=0.1))
    assert sorted(known.size[:2]) == pytest.approx([12, 20], abs=0.1)
    assert len(houses) == 2 and town.complete == {"building", "tree"}
    trees = [o for o in town.objects if o.kind == "tree"]
    assert len(trees) > 20  # one, and a wood
    assert any(o.position[:2] == pytest.approx([10, 15]) for o in trees)


def test_the_network_knows_its_place_on_the_earth(town):
    lat, lon, _ = town.geo_reference.locate(500_000.0 - 100.0, 5_800_000.0 - 200.0)
    assert lon == pytest.approx(15.0, abs=1e-6) and 52 < lat < 53


def test_packed_networks_are_the_same_map(town, tmp_path):
    (tmp_path / "packed").mkdir()
    with gzip.open(tmp_path / "packed/town.net.xml.gz", "wt") as stream:
        stream.write(NET)
    with pytest.warns(InputWarning, match="nothing drives"):
        packed = load_map(tmp_path / "packed/town.net.xml.gz")
    assert len(packed.lanes) == len(town.lanes) and not packed.objects


@pytest.mark.parametrize(
    ("text", "told", "field"),
    [
        ("", "expected a road network of SUMO", None),
        (NET[:500], "expected a road network of SUMO", None),
        ("<additional/>", "expected <net> at the root", None),
        ("<net/>", "has no roads", "edge"),
        ('<!DOCTYPE net [<!ENTITY a "b">]>' + "<net>&a;</net>", "defines entities", "DOCTYPE"),
    ],
)
def test_a_file_that_is_no_network_gives_one_message(tmp_path, text, told, field):
    (tmp_path / "bad.net.xml").write_text(text)
    with pytest.raises(InputError, match=told) as error:
        load_map(tmp_path / "bad.net.xml")
    assert error.value.field == field


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('shape="0,-1.6 90,-1.6"', 'shape="0,nan 90,-1.6"', "'in'"),
        ('shape="0,-1.6 90,-1.6"', 'shape="here"', "'in'"),
        ('width="2"', 'width="1e9"', "'in'"),
        ('duration="30"', 'duration="long"', "tlLogic"),
        ('edge id="out"', 'edge id="side"', "ids occur before"),
    ],
)
def test_what_is_broken_is_left_out_and_told(tmp_path, old, new, told):
    (tmp_path / "bad.net.xml").write_text(NET.replace(old, new))
    with pytest.warns(InputWarning) as warned:
        assert load_map(tmp_path / "bad.net.xml").lanes
    assert any(told in str(warning.message) for warning in warned)


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(NET.encode())[:200]])
def test_packed_files_that_are_damaged_give_one_message(tmp_path, content):
    (tmp_path / "bad.net.xml.gz").write_bytes(content)
    with pytest.raises(InputError, match="expected a road network of SUMO"):
        load_map(tmp_path / "bad.net.xml.gz")
