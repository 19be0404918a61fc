"""The shipped maps: written again byte for byte, extracted from what is committed, and whole."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uniscene_sim.geometry import point_in_polygon
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.opendrive import extract as opendrive_extract
from uniscene_sim.maps.opendrive.extract import opendrive_ref
from uniscene_sim.maps.opendrive.reader import read_opendrive
from uniscene_sim.maps.precision import rounded_network
from uniscene_sim.maps.vector.content import content_hash
from uniscene_sim.maps.vector.npz_file import saved_ref
from uniscene_sim.maps.vector.vector_map import VectorMap

MAPS = Path(__file__).parents[2] / "scenarios/maps"
NAMES = ("urban_grid", "motorway", "rural", "roundabout")
CAN_READ = importlib.util.find_spec("carla") is not None and importlib.util.find_spec("lxml") is not None


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> VectorMap:
    return load_map(MAPS / f"{request.param}.npz")


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return load_map(MAPS / "urban_grid.npz")


def test_script_writes_the_committed_files(tmp_path: Path) -> None:
    pytest.importorskip("scenariogeneration", reason="the maps are written with scenariogeneration")
    command = [sys.executable, str(MAPS / "make_maps.py"), str(tmp_path), "--xodr-only"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stdout  # the package renumbers objects whose id is taken
    for name in NAMES:
        assert (tmp_path / f"{name}.xodr").read_bytes() == (MAPS / f"{name}.xodr").read_bytes(), name


@pytest.mark.parametrize("name", NAMES)
def test_npz_is_of_its_xodr_and_small(name: str) -> None:
    xodr, npz = MAPS / f"{name}.xodr", MAPS / f"{name}.npz"
    assert saved_ref(npz) == opendrive_ref(xodr.read_bytes())
    assert npz.stat().st_size < 2_000_000
    assert load_map(xodr).ref == load_map(npz).ref


@pytest.mark.skipif(not CAN_READ, reason="needs uniscene_sim[maps] (carla, lxml)")
@pytest.mark.parametrize("name", NAMES)
def test_npz_is_what_the_reader_makes(name: str) -> None:
    """The same identity, links and kinds; numbers differ by one step of their rounding at most, for another machine's
    last bit may put a value that lies between two steps on the other one."""
    made, kept = read_opendrive(MAPS / f"{name}.xodr"), load_map(MAPS / f"{name}.npz")
    assert made.ref == kept.ref
    differ = list(differences(made, kept))
    assert not differ, differ[:5]


def differences(one: Any, two: Any, where: str = "map") -> Iterator[str]:
    """Where two maps differ, numbers by more than a step of 0.1 mm (angles: the same number of rad)."""
    if is_dataclass(one):
        for f in fields(one):
            if f.compare:
                yield from differences(getattr(one, f.name), getattr(two, f.name), f"{where}.{f.name}")
    elif isinstance(one, tuple) and len(one) == len(two):
        for i, pair in enumerate(zip(one, two, strict=True)):
            yield from differences(*pair, f"{where}[{i}]")
    elif isinstance(one, np.ndarray):
        if one.shape != two.shape or not (np.abs(one - two) <= 1.001e-4).all():
            yield where
    elif not (isinstance(one, float) and abs(one - two) <= 1.001e-4) and one != two:
        yield where


def test_numbers_of_a_map_lie_on_whole_steps(shipped: VectorMap) -> None:
    again = rounded_network(shipped)
    for one, two in zip(shipped.lanes, again.lanes, strict=True):
        assert np.array_equal(one.centre, two.centre) and np.array_equal(one.heading, two.heading)
    assert content_hash(again) == content_hash(shipped)


def test_identity_is_of_the_source_and_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xodr = tmp_path / "other_name.xodr"
    xodr.write_bytes((MAPS / "rural.xodr").read_bytes())
    (tmp_path / "other_name.npz").write_bytes((MAPS / "rural.npz").read_bytes())
    assert load_map(xodr).ref == load_map(MAPS / "rural.npz").ref == opendrive_ref(xodr.read_bytes())
    assert opendrive_ref(xodr.read_bytes() + b" ") != load_map(xodr).ref
    monkeypatch.setattr(opendrive_extract, "READER_VERSION", opendrive_extract.READER_VERSION + 1)
    assert opendrive_ref(xodr.read_bytes()) != load_map(xodr).ref  # what an older reader made is not taken any more


def test_lanes_connect(shipped: VectorMap) -> None:
    for lane in shipped.lanes:
        assert np.isfinite(lane.centre).all()
        for ahead in (shipped.lanes[i] for i in lane.successors):
            assert np.linalg.norm(lane.centre[-1] - ahead.centre[0]) < 0.05, (lane.key, ahead.key)
            turn = np.angle(np.exp(1j * (ahead.heading[0] - lane.heading[-1])))
            assert abs(turn) < 0.03, (lane.key, ahead.key)
            assert lane.index in ahead.predecessors


def test_city_has_no_dead_ends(urban: VectorMap) -> None:
    driving = [lane for lane in urban.lanes if lane.kind == "driving"]
    assert all(lane.successors and lane.predecessors for lane in driving)
    assert {round(lane.speed_limit_mps * 3.6) for lane in driving} == {50}
    assert {lane.height for lane in urban.lanes if lane.kind == "sidewalk"} == {0.15}
    ends = [lane for lane in urban.lanes if lane.kind == "sidewalk" and not lane.junction]
    inside = [lane for lane in urban.lanes if lane.kind == "sidewalk" and lane.junction]
    tips = np.concatenate([[lane.centre[0], lane.centre[-1]] for lane in inside])
    for lane in ends:  # walkways go on round every corner
        for tip in (lane.centre[0], lane.centre[-1]):
            assert np.linalg.norm(tips - tip, axis=1).min() < 0.05, lane.key


def test_city_lights_have_programs(urban: VectorMap) -> None:
    lights = [signal.index for signal in urban.signals if signal.kind == "traffic_light"]
    assert len(lights) == 10
    assert len(urban.programs) == 3
    assert sorted(i for program in urban.programs for phase in program.phases for i in phase) == sorted(lights)
    for program in urban.programs:
        assert len(program.phases) == 2
        for phase in program.phases:  # only lights of one axis are green together
            axes = [np.exp(2j * urban.signals[i].yaw) for i in phase]
            assert np.allclose(axes, axes[0], atol=0.1)
    assert {signal.kind for signal in urban.signals} == {"traffic_light", "stop", "yield"}


def test_city_lights_stand_to_the_right(urban: VectorMap) -> None:
    for signal in urban.signals:
        assert signal.lanes
        for lane in (urban.lanes[i] for i in signal.lanes):
            offset = signal.position - lane.centre[-1]
            heading = lane.heading[-1]
            aside = -np.sin(heading) * offset[0] + np.cos(heading) * offset[1]
            assert -0.5 * lane.width[-1] - 4.5 < aside < -0.5 * lane.width[-1]


def test_city_stops_before_crossings(urban: VectorMap) -> None:
    assert len(urban.crossings) == 10
    ruled = [line for line in urban.stop_lines if line.signal >= 0]
    assert {line.lane for line in ruled} == {i for s in urban.signals if s.kind == "traffic_light" for i in s.lanes}
    for line in ruled:
        lane = urban.lanes[line.lane]
        s = np.linspace(0, lane.length, 400)
        track = np.stack([np.interp(s, lane.s, lane.centre[:, k]) for k in (0, 1)], axis=1)
        inside = np.zeros(len(s), dtype=bool)
        for crossing in urban.crossings:
            inside |= np.array([bool(point_in_polygon(px, py, crossing.polygon[:, :2])) for px, py in track])
        assert inside[s > line.s_m].any()
        gap = s[inside & (s > lane.length - 20)].min() - line.s_m
        assert 1.0 < gap < 4.0


def test_motorway_ramp_merges() -> None:
    motorway = load_map(MAPS / "motorway.npz")
    by_key = {lane.key: lane for lane in motorway.lanes}
    ramp = by_key["4", 0, -1]
    route = motorway.route(ramp.index, 0.0, None, 400.0)
    assert {by_key["3", 0, -5].index} <= set(route.lanes)
    assert by_key["3", 0, -5].can_change_left
    assert sum(o.kind == "guard_rail" for o in motorway.objects) > 500
    assert {round(lane.speed_limit_mps * 3.6) for lane in motorway.lanes if lane.key[0] == "3"} == {120}


def test_country_road_is_hilly() -> None:
    rural = load_map(MAPS / "rural.npz")
    lane = next(lane for lane in rural.lanes if lane.key == ("1", 0, -1))
    assert 1100 < lane.length < 1400
    assert np.ptp(lane.centre[:, 2]) > 20
    grade = np.diff(lane.centre[:, 2]) / np.diff(lane.s)
    assert np.abs(grade).max() < 0.12
    assert round(lane.speed_limit_mps * 3.6) == 80


def test_a_damaged_npz_beside_an_intact_map_is_not_taken(tmp_path: Path) -> None:
    """One byte of the compressed head is flipped, wherever it is."""
    whole = (MAPS / "rural.npz").read_bytes()
    for at in range(40, 140, 7):
        damaged = tmp_path / "rural.npz"
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert saved_ref(damaged) in (None, saved_ref(MAPS / "rural.npz"))
