"""The plug-in as users of pytest have it: in processes of their own, by its entry point."""

import json
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from uniscene_sim.storage.data_folders import data_dir

pytest_plugins = "pytester"
LIBRARY = data_dir("scenarios")
HOME = os.environ["HOME"]  # pytester has another one, where all kernels would be compiled anew


@pytest.fixture
def folder(pytester, monkeypatch):
    """Three scenarios, with files beside them that are none, and a module with drivers."""
    place = pytester.path / "scenarios"
    place.mkdir()
    for name in ("cut_in", "hard_brake", "lane_following"):
        shutil.copy(LIBRARY / f"{name}.yaml", place)
    (place / "rig.yaml").write_text("cameras: []\n")
    (place / "notes.yml").write_text("- nothing\n")
    shutil.copy(Path(__file__).parent / "drivers_under_test.py", pytester.path)
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]) + ":" + str(Path(__file__).parents[2] / "bridges"))
    return place


def run(pytester, *words):
    return pytester.runpytest_subprocess("scenarios", "-p", "no:cacheprovider", *words)


def test_bare_pytest_is_green(pytester, folder):
    result = run(pytester, "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["scenarios/cut_in.yaml::cut_in?nominal? PASSED*"])
    assert result.ret == 0


def test_a_failure_says_criterion_moment_and_numbers_and_x_and_k_hold(pytester, folder):
    result = run(pytester, "--uniscene-driver", "drivers_under_test:follower", "-x", "-k", "lane or brake",
                 "--junitxml", "out.xml", "--uniscene-json", "out.json", "--uniscene-report", "out.html")  # fmt: skip
    text = result.stdout.str()
    assert result.ret == 1 and "1 deselected" in text
    assert re.search(r"hard_brake.*driven_distance is [0-9.]+, expected >= 50|lane_following", text, re.DOTALL)
    assert "recording: uniscene-results/" in text and list((pytester.path / "uniscene-results").rglob("*.mcap"))
    failed = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase[failure]")
    assert failed and failed[0].find("./properties/property[@name='digest']").get("value")
    merged = json.loads((pytester.path / "out.json").read_text())
    assert merged["driver"] == "drivers_under_test:follower" and not merged["success"]
    assert [row["scenario"] for row in merged["results"]][-1] == failed[0].get("name")
    assert (pytester.path / "out.html").read_text().startswith("<!doctype html>")


def test_the_careless_driver_is_expected_to_fail_and_tags_select(pytester, folder):
    result = run(pytester, "--uniscene-driver", "careless", "-m", "following")
    result.assert_outcomes(passed=3)
    run(pytester, "-m", "pedestrians").assert_outcomes(deselected=3)


def test_last_failed_and_xdist(pytester, folder):
    words = ("scenarios", "--uniscene-driver", "careful", "-n", "2", "--uniscene-json", "out.json")
    for name in ("cut_in", "hard_brake"):
        file = folder / f"{name}.yaml"
        file.write_text(file.read_text().replace("expect: {", "expect: {careful: ERROR, "))
    first = pytester.runpytest_subprocess(*words)
    first.assert_outcomes(passed=1, failed=2)
    merged = json.loads((pytester.path / "out.json").read_text())
    assert [row["scenario"] for row in merged["results"]] == [
        "cut_in[nominal]", "hard_brake[nominal]", "lane_following[nominal]"
    ]  # fmt: skip
    again = pytester.runpytest_subprocess("scenarios", "--uniscene-driver", "careful", "--last-failed")
    again.assert_outcomes(failed=2)
    again.stdout.fnmatch_lines(["run-last-failure: rerun previous 2 failures*"])


def test_baselines(pytester, folder):
    run(pytester, "--uniscene-baselines", "kept", "--uniscene-update-baselines").assert_outcomes(passed=3)
    run(pytester, "--uniscene-baselines", "kept").assert_outcomes(passed=3)
    file = folder / "cut_in.yaml"
    file.write_text(file.read_text().replace("ego_speed: {value: 7,", "ego_speed: {value: 7.2,"))
    result = run(pytester, "--uniscene-baselines", "kept")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*baseline: from tick 0 (0.00 s) on the layout differs*"])
    assert (pytester.path / "uniscene-results" / "scenarios" / "cut_in-nominal-builtin.png").exists()
    refused = run(pytester, "--uniscene-tolerant")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*--uniscene-tolerant: expected --uniscene-baselines FOLDER, too"])


def test_bad_input_is_told_once(pytester, folder):
    result = run(pytester, "--uniscene-driver", "nobody")
    assert result.stdout.str().count("FAILED ") == 1
    result.stdout.fnmatch_lines(["driver: no driver 'nobody'; expected one of builtin,*"])
    (folder / "broken.yaml").write_text((folder / "cut_in.yaml").read_text().replace("duration_s: 8", "duration_s: -8"))
    result = run(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*broken.yaml:*: duration_s: *"])
    (folder / "broken.yaml").unlink()
    shutil.copy(folder / "cut_in.yaml", folder / "cut_in.yml")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*cut_in.yml: shares recordings and baselines with *cut_in.yaml: rename one, *own"])
    (folder / "cut_in.yml").unlink()
    result = run(pytester, "--uniscene-shard", "3/2")
    result.stderr.fnmatch_lines(["*--uniscene-shard: expected K/N with K from 1 to N, got '3/2'"])
    run(pytester, "--uniscene-shard", "1/2", "--collect-only").assert_outcomes(deselected=1)


def test_a_driver_that_dies_costs_its_test_and_in_process_a_debugger_sees_it(pytester, folder):
    result = run(pytester, "--uniscene-driver", "drivers_under_test:dies", "-k", "cut_in or hard_brake")
    result.assert_outcomes(failed=2, deselected=1)
    result.stdout.fnmatch_lines(["*the driver's process ended: SIGSEGV"])
    result = run(pytester, "--uniscene-driver", "drivers_under_test:raises", "--uniscene-in-process", "-k", "cut_in")
    result.stdout.fnmatch_lines(["*RuntimeError: boom*"])


def test_other_suites_do_not_load_us(pytester):
    pytester.makepyfile("""
        import sys

        def test_nothing():
            assert not [name for name in sys.modules if name.startswith("uniscene_sim")]
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_entry_point_is_installed():
    from importlib.metadata import entry_points

    (found,) = entry_points(group="pytest11", name="uniscene")
    assert found.value == "uniscene_pytest.plugin"
