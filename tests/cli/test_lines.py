"""What commands print about bad input and odd input is a line each, whatever files and variables hold."""

import os
import subprocess
import sys
import warnings

import pytest

from tests.maps.opendrive_text import road
from uniscene_sim.cli.main import main
from uniscene_sim.compute.environment import warnings_in_lines
from uniscene_sim.errors import InputWarning, one_line

SCENARIO = """map: motorway
duration_s: 5
ego: {{spawn: {{x: 5, y: -7.5, yaw_deg: 0}}, {goal}}}
"""


def _lines(told):
    assert told.endswith("\n") and "\x1b" not in told
    return told.splitlines()


@pytest.mark.parametrize(
    "name", ["a\nb.yaml", "a\x1b[31m.yaml", "x" * 300 + ".yaml", "/dev/zero", "a\0b.yaml", "\udcff.npz"]
)
def test_validate_says_a_line_for_each_file(capsys, name):
    assert main(["validate", name, name]) == 2
    lines = _lines(capsys.readouterr().err)
    assert len(lines) == 2 and all(len(line) <= 320 and line.isprintable() for line in lines)


def test_a_map_with_odd_ids_is_warned_of_in_lines(tmp_path, capsys):
    pytest.importorskip("carla")
    (tmp_path / "m\n.xodr").write_text(
        f"<OpenDRIVE>{road('1')}{road('&#10;' * 9 + 'x' * 5000, length='a')}</OpenDRIVE>"
    )
    assert main(["validate", str(tmp_path / "m\n.xodr")]) == 0
    told = capsys.readouterr()
    assert all(line.isprintable() and len(line) < 1100 for line in _lines(told.err)) and "left out" in told.err
    assert len(_lines(told.out)) == 1


def test_warnings_are_lines():
    before = warnings.formatwarning
    with warnings_in_lines("program"):
        first = warnings.formatwarning(InputWarning("a\n" * 2000), InputWarning, "file.py", 1)
        second = warnings.formatwarning(RuntimeWarning("of numpy"), RuntimeWarning, "file.py", 1)
    assert first.startswith("program: warning: a\\na") and len(_lines(first)) == 1 and len(first) < 1100
    assert second == "program: RuntimeWarning: of numpy\n" and warnings.formatwarning is before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("NUMBA_NUM_THREADS", threads) for threads in ("0", "many", "9" * 50)),
        *(("NUMBA_THREADING_LAYER", "none"), ("TQDM_MININTERVAL", "often"), ("TQDM_NCOLS", "1.5")),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variable, value):
    command = [sys.executable, "-m", "uniscene_sim.cli", "validate", "none.yaml"]
    done = subprocess.run(command, env={**os.environ, variable: value}, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and len(_lines(done.stderr)) == 1 and variable[:5] in done.stderr


@pytest.mark.parametrize(
    ("goal", "field"),
    [("goal: [5, 7.6]", "ego.goal"), ("via: [[5, 7.6]], goal: [390, 12]", "ego.via[0]")],
)
def test_a_goal_without_a_way_names_file_and_field(tmp_path, capsys, goal, field):
    (tmp_path / "a.yaml").write_text(SCENARIO.format(goal=goal))
    assert main(["validate", str(tmp_path / "a.yaml")]) == 2
    (line,) = _lines(capsys.readouterr().err)
    assert "a.yaml" in line and f"{field}: no way" in line and "expected" in line


def test_one_line_is_one_line():
    assert one_line("a\u2028b\r\n\t") == "a\\u2028b\\r\\n\\t"
