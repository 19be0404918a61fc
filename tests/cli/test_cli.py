"""The command line as a user meets it: what it prints, what it exits with, what it leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from uniscene_sim.cli.main import main

SCENARIOS = Path(__file__).parents[2] / "scenarios"
#: Command lines, and how what is told of them begins: with the argument as it is typed.
TOLD = {
    "run nosuch": "SCENARIO: no scenario 'nosuch'; expected",
    "run": "SCENARIO: expected a scenario, a file, a folder or an address",
    "run cut_in --rig nosuch": "--rig: no rig 'nosuch'; presets: ",
    "run cut_in --lidar dream": "--lidar: no lidar engine 'dream'; installed: ",
    "run cut_in --camera raycast:x": "--camera: raycast takes no options, got 'x'",
    "run cut_in --annotations flow,x": "--annotations: no annotation 'x'; expected some of flow",
    "run cut_in --source nosuch": "--source: no source 'nosuch'; installed: ",
    "run cut_in --sink nosuch": "--sink: no sink 'nosuch'; installed: ",
    "bake nosuch": "MAP: no map and no scenario 'nosuch'; expected ",
    "bake cut_in --occupancy dream": "--occupancy: no occupancy engine 'dream'",
    "check nosuch": "NAME: nothing is called 'nosuch'",
    "check math:pi --slot camera": "NAME: math:pi is not a class",
    "check math:nosuch --slot camera": "NAME: 'math:nosuch' cannot be loaded: AttributeError",
    "check scenario --on nosuch": "--on: scenario: no scenario 'nosuch'",
}
LEARNED = {
    "run cut_in --lidar sparse-sdf:model=x": "--lidar: sparse-sdf: option 'model': x: no such model; the zoo has ",
    "run cut_in --lidar sparse-sdf:model=": "--lidar: sparse-sdf: option 'model': expected a folder or a model of",
    "run cut_in --trace window --lidar sparse-sdf": "--trace: lidar engine 'sparse-sdf' reads tiles and traces no",
    "check sparse-sdf:model=x": "NAME: sparse-sdf: option 'model': x: no such model",
}


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
        *(line.split() for line in TOLD),
        ["run", ""],
        ["run", " "],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, capsys, tmp_path, monkeypatch, told=""):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("uniscene-sim: ") and "\n" not in err and "Traceback" not in err
    assert not list(tmp_path.iterdir()), "bad input leaves nothing behind"
    assert err.removeprefix("uniscene-sim: ").startswith(told or TOLD.get(" ".join(arguments), ""))


@pytest.mark.parametrize("line", LEARNED)
def test_errors_of_models_name_engine_and_option(line, capsys, tmp_path, monkeypatch):
    pytest.importorskip("spconv")
    test_bad_input_is_one_line_and_exit_code_2(line.split(), capsys, tmp_path, monkeypatch, LEARNED[line])


def test_a_model_of_another_kind_is_named(capsys):
    pytest.importorskip("spconv")
    others = {"lidar": ("sparse-sdf", "occupancy", "flow and vae and without net"),
              "occupancy": ("occflow-tiles", "lidar", "net and without vae and flow")}  # fmt: skip
    for slot, (engine, of, expected) in others.items():
        assert main(["run", "cut_in", f"--{slot}", f"{engine}:model={of}"]) == 2
        told = f"is a model with {expected}; expected one that `uniscene-sim train {slot}` writes"
        assert told in capsys.readouterr().err


#: What the parser refuses, and what it says.
REFUSED = {
    "run cut_in --seed -1": "--seed: expected a whole number in [0, 2^32), got -1",
    "run cut_in --seed 1_0": "--seed: expected a whole number, got '1_0'",
    "run cut_in --seed 1e3": "--seed: expected a whole number, got '1e3'",
    f"run cut_in --seed {'9' * 5000}": "--seed: expected a whole number of at most 18 digits, got '999",
    "run cut_in --ticks 0": "--ticks: expected a positive whole number, got 0",
    "run cut_in --ticks \u0663": "--ticks: expected a whole number, got '\u0663'",
    "bake cut_in --jobs nan": "--jobs: expected a whole number, got 'nan'",
    "eval occupancy --guidance nan": "--guidance: expected a number, got 'nan'",
    "eval occupancy --guidance 1e999": "--guidance: expected a number, got '1e999'",
    "run cut_in --trace nonsense": "--trace: invalid choice: 'nonsense'",
    "run cut_in --nosuch": "unrecognized arguments: --nosuch",
    "nosuch": "COMMAND: invalid choice: 'nosuch'",
    "train": "the following arguments are required: NAME",
    "": "the following arguments are required: COMMAND",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_the_parser_refuses_is_one_line(line, capsys):
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"uniscene-sim: {REFUSED[line]}") and err.count("\n") == 1 and len(err) < 320


def test_a_plugin_that_ends_the_program_does_not_end_it_well(capsys, monkeypatch):
    """Wherever it does so: `sys.exit(0)` in a step would pass for success."""
    monkeypatch.setattr("uniscene_sim.rigs.rig_file.load_rig", lambda name: sys.exit(0))
    assert main(["run", "cut_in"]) == 2
    err = capsys.readouterr().err
    assert "test_cli.py" in err and "would end the program (SystemExit: 0)" in err and err.count("\n") == 1


def test_a_scenario_of_the_library_is_no_folder_of_its_name(capsys, monkeypatch, tmp_path):
    """To `bake` as to `run`."""
    from uniscene_sim.cli.bake import tiles_to_bake
    from uniscene_sim.rigs.rig_file import load_rig

    (tmp_path / "cut_in").mkdir()
    monkeypatch.chdir(tmp_path)
    assert tiles_to_bake("cut_in", None, load_rig("rl"))[2]


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
