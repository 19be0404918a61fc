"""`uniscene-sim study` from end to end, with a driver in processes of its own."""

from __future__ import annotations

import json

import pytest

from tests.regression.stopping import TEXT, stopping_file
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.regression.drive import DriveSettings
from uniscene_sim.regression.local_drives import Drives
from uniscene_sim.regression.studies.sampling import Space, grid


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return stopping_file(tmp_path_factory.mktemp("stopping"))


def test_a_boundary_is_printed_written_and_drawn(file, tmp_path, capfd):
    """Whoever begins too near to a car that stands there can go round it no more."""
    argv = ["study", str(file), "--over", "place=28:60", "--driver", "careless", "--criterion", "collision"]
    assert main([*argv, "--samples", "16", "--out", str(tmp_path / "out")]) == 0
    told = capfd.readouterr().out.splitlines()
    assert "drives:" in told[0] and told[1].startswith("boundary at place = ")
    assert told[2:] == [str(tmp_path / "out" / name) for name in ("boundary.png", "samples.csv", "study.json")]
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    (point,) = study["boundary"]["points"]
    assert 28 < point["values"]["place"] < 60 and study["driver"] == "careless"
    rows = {one["case"]: one for one in study["samples"]}
    assert rows[point["passing"]]["margin"] > 0 > rows[point["failing"]]["margin"]
    assert rows[point["passing"]]["parameters"]["place"] > rows[point["failing"]]["parameters"]["place"]


def test_a_sample_of_cases_is_driven_alike_by_one_process_and_by_two(file, tmp_path, capfd):
    tables = []
    for jobs in ("1", "2"):
        argv = ["study", str(file), "--over", "speed", "--over", "weather", "--method", "lhs", "--samples", "6"]
        assert main([*argv, "--seed", "4", "--jobs", jobs, "--out", str(tmp_path / jobs)]) == 0
        assert capfd.readouterr().out.startswith("6 drives: ")
        assert (tmp_path / jobs / "samples.png").exists()
        tables.append((tmp_path / jobs / "samples.csv").read_text())
    assert tables[0] == tables[1]


def test_processes_stay_from_batch_to_batch(file):
    cases = grid(Space(file, {"speed": None}), 4)
    seen = []
    with Drives("builtin", DriveSettings(), 1, on_result=lambda result: seen.append(result.case.name)) as drives:
        first, second = drives(cases[:2]), drives(cases[2:])
        (worker,) = drives._workers
        process = worker._process
        assert process.is_alive()
    assert not process.is_alive()
    assert seen == [case.name for case in cases] == [one.case.name for one in first + second]


def test_a_driver_that_is_none_is_told(file):
    with Drives("no_such", DriveSettings(), 2) as drives, pytest.raises(InputError, match="driver"):
        drives(grid(Space(file, {"speed": None}), 2))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--over", "sped"], "uniscene-sim: --over: no parameter 'sped' (did you mean speed?); expected one of"),
        (["--over", "speed=9:4"], "uniscene-sim: --over: expected a number or a range [least, most], got [9.0, 4.0]"),
        (["--over", "speed=fast"], "uniscene-sim: --over: expected NAME or NAME=LEAST:MOST, got 'speed=fast'"),
        (["--over", "speed", "--over", "speed=1:2"], "uniscene-sim: --over: a parameter is given twice"),
        (["--over", "weather"], "uniscene-sim: --over: weather is a choice, between which nothing lies"),
        (["--over", "speed", "--set", "plac=3"], "uniscene-sim: --set: no parameter 'plac' (did you mean place?)"),
        (["--over", "speed", "--samples", "9"], "uniscene-sim: --samples: expected at least 16 for one parameter"),
        (["--over", "speed", "--driver", "none_such"], "uniscene-sim: --driver: "),
        (
            ["--over", "speed", "--criterion", "comfort"],
            "uniscene-sim: --criterion: the scenario has none of that name",
        ),
        (["--over", "speed", "--tolerance", "2"], "uniscene-sim: --tolerance: expected a share of the range"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(file, tmp_path, capfd, options, told):
    try:
        code = main(["study", str(file), *options, "--out", str(tmp_path / "out")])
    except SystemExit as end:  # of the parser
        code = end.code
    assert code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(told)
    assert not (tmp_path / "out").exists()


def test_a_scenario_without_parameters_says_so(tmp_path, capfd):
    stopping_file(tmp_path)
    plain = tmp_path / "plain.yaml"
    head, _, tail = TEXT.partition("parameters:")
    body = tail.partition("style:")[2].replace("$weather", "clear").replace("$speed", "9").replace("$place", "80")
    plain.write_text(f"{head}style:{body}")
    assert main(["study", str(plain), "--over", "speed", "--out", str(tmp_path / "out")]) == 2
    assert "no parameter 'speed'; expected a scenario that has some" in capfd.readouterr().err
