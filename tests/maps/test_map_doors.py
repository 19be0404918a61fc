"""Maps that were made to mislead: hashed as they should be, and wrong; and targets that no map may replace."""

import os
import stat
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.maps.opendrive_text import road
from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import Crossing, Signal, SignalProgram, StopLine
from uniscene_sim.maps.load import extract_to, load_map
from uniscene_sim.maps.opendrive.road_xml import read_xml
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.maps.xml_values import xml_text

RURAL = Path(__file__).parents[2] / "scenarios/maps/rural.npz"
ENDS = np.zeros((2, 3))


def _with_lane(**fields):
    return lambda m: replace(m, lanes=(replace(m.lanes[0], **fields), *m.lanes[1:]))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_with_lane(successors=(10**6,)), "lanes[0].successors"),
        (_with_lane(predecessors=(-1,)), "lanes[0].predecessors"),
        (_with_lane(left=10**9), "lanes[0].left"),
        (_with_lane(right=-2), "lanes[0].right"),
        (_with_lane(opposite="1"), "lanes[0].opposite"),
        (_with_lane(kind=7), "lanes[0].kind"),
        (_with_lane(height=float("nan")), "lanes[0].height"),
        (_with_lane(can_change_left=1), "lanes[0].can_change_left"),
        (_with_lane(centre=np.zeros((1, 3)), heading=np.zeros(1), width=np.zeros(1)), "lanes[0]"),
        (_with_lane(centre=np.full((2, 3), np.nan), heading=np.zeros(2), width=np.zeros(2)), "lanes[0].centre"),
        (_with_lane(key=("1", 2)), "lanes[0].key"),
        (_with_lane(centre=np.array([[0.0, 0, 0], [1e9, 0, 0]]), heading=np.zeros(2), width=np.ones(2)), "lanes"),
        (_with_lane(centre=np.zeros((2, 3)), heading=np.zeros(2), width=np.full(2, 1e4)), "lanes[0].width"),
        (_with_lane(speed_limit_mps=-1.0), "lanes[0].speed"),
        (lambda m: replace(m, programs=(SignalProgram(((),), 0.0, 0.0, 0.0),)), "programs[0]"),
        (lambda m: replace(m, lanes=()), "lanes"),
        (lambda m: replace(m, stop_lines=(StopLine(ENDS, 99, 1.0),)), "stop_lines[0].lane"),
        (lambda m: replace(m, stop_lines=(StopLine(ENDS, 0, 1.0, 0),)), "stop_lines[0].signal"),
        (lambda m: replace(m, signals=(Signal(0, "a", "stop", ENDS[0], 0.0, (4,)),)), "signals[0].lanes"),
        (lambda m: replace(m, programs=(SignalProgram(((3,),)),)), "programs[0].phases"),
        (lambda m: replace(m, crossings=(Crossing(ENDS),)), "crossings[0]"),
        (lambda m: replace(m, name=5), "name"),
        (lambda m: replace(m, losses=(["a"],)), "losses[0]"),
    ],
)
def test_a_map_whose_hash_is_right_is_checked_too(tmp_path, change, field):
    change(VectorMap.load(RURAL)).save(tmp_path / "m.npz")
    with pytest.raises(InputError) as told:
        load_map(tmp_path / "m.npz")
    assert told.value.field == field and "m.npz" in str(told.value) and len(str(told.value)) <= 300


@pytest.mark.parametrize(
    "target", ["", ".", "..", "folder", "pipe", "device", "a\0b", "x" * 300 + ".npz", "none/m.npz"]
)
def test_a_map_replaces_nothing_but_a_regular_file(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(InputError, match=r"cannot be written|expected (the|a) name of a"):
        extract_to(RURAL.with_suffix(".xodr"), target)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_the_encoding_of_a_map_is_told_by_line(tmp_path):
    text = f'<?xml version="1.0" encoding="{{}}"?>\n<OpenDRIVE>\n{road("Straße")}</OpenDRIVE>'
    (tmp_path / "m.xodr").write_bytes(text.format("UTF-8").encode("latin-1"))
    with pytest.raises(InputError, match=r"m\.xodr:3: .*encoding"):
        read_xml(tmp_path / "m.xodr")
    honest = text.format("ISO-8859-1").encode("latin-1")
    (tmp_path / "m.xodr").write_bytes(honest)
    assert "Straße" in read_xml(tmp_path / "m.xodr").roads
    assert "Straße" in xml_text(honest) and "Straße" in xml_text(text.format("UTF-8").encode())
    assert "OpenDRIVE" in xml_text(text.format("none such").encode())


def test_a_map_may_name_its_rules_but_define_no_entities(tmp_path):
    path = tmp_path / "m.xodr"
    path.write_text(f"<!DOCTYPE OpenDRIVE SYSTEM 'OpenDRIVE.dtd'>\n<OpenDRIVE>{road('1')}</OpenDRIVE>")
    assert "1" in read_xml(path).roads
    path.write_text(f"<!DOCTYPE OpenDRIVE [<!ENTITY a 'b'>]>\n<OpenDRIVE>{road('&a;')}</OpenDRIVE>")
    with pytest.raises(InputError, match="defines entities"):
        read_xml(path)


@pytest.mark.skipif(find_spec("carla") is None, reason="needs carla")
def test_what_the_child_process_tells_names_file_and_line_once(tmp_path):
    path = tmp_path / ("a\n" + "x" * 200 + ".xodr")
    path.write_text("<OpenDRIVE>\n<road></OpenDRIVE>")
    with pytest.raises(InputError, match=r"\.xodr:2: expected an OpenDRIVE XML file") as told:
        load_map(path)
    assert str(told.value).count("xodr") == 1 and str(told.value).isprintable()
