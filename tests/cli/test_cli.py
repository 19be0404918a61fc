"""The command line as a user meets it: what it prints, what it exits with, what it leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from uniscene_sim.cli.main import main

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_info_names_engines_rigs_and_scenarios(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in ("procedural", "raycast", "nuscenes-small", "cut_in", "red_light", "cpu", "numba"):
        assert word in out


def test_validate_accepts_the_library(capsys):
    files = sorted(map(str, SCENARIOS.glob("*.yaml")))
    assert len(files) >= 5
    assert main(["validate", *files]) == 0
    assert capsys.readouterr().out.count(": ok") == len(files)


def test_validate_exports_the_schema(capsys):
    assert main(["validate", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no_such_scenario.yaml"],
        ["run", "cut_in", "--camera", "dream"],
        ["run", "cut_in", "--rig", "no_such_rig"],
        ["validate"],
        ["validate", "no_such_map.xodr"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("uniscene-sim: ") and "\n" not in err and "Traceback" not in err
    assert not list(tmp_path.iterdir()), "bad input leaves nothing behind"


@pytest.mark.parametrize("arguments", [["run", "cut_in", "--seed", "-1"], ["run", "cut_in", "--ticks", "0"]])
def test_bad_numbers_are_refused_by_the_parser(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def run(out, *extra):
    """A short run in a process of its own; its report."""
    command = [sys.executable, "-m", "uniscene_sim.cli", "run", "cut_in", "--rig", "rl", "--ticks", "3"]
    done = subprocess.run([*command, "--out", str(out), *extra], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "report.json").read_text())


@pytest.mark.slow
def test_run_twice_in_new_processes_gives_the_same_digest(tmp_path):
    first, second = run(tmp_path / "a"), run(tmp_path / "b", "--no-preview")
    assert first["digest"] == second["digest"]
    assert run(tmp_path / "c", "--no-preview", "--seed", "99")["digest"] != first["digest"]
    assert {"seed", "versions", "stages_ms", "ticks_per_s", "digest", "outcome"} <= first.keys()
    assert {"p50", "p95"} <= first["stages_ms"]["camera"].keys()
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"preview.mp4", "contact_sheet.png", "report.json"}
