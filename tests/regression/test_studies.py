"""Parameter studies: what is sampled, and the boundary that a search finds against one worked out by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.regression.stopping import BRAKING_MPS2, REACTION_S, TEXT, drive, least_place_m, stopping_file
from uniscene_sim.errors import InputError
from uniscene_sim.outcome import CriterionResult, Status
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.results import CaseResult
from uniscene_sim.regression.studies.margin import margin_of
from uniscene_sim.regression.studies.report import boundary_lines, sample_lines, write_study
from uniscene_sim.regression.studies.sampling import Space, grid, lhs, random
from uniscene_sim.regression.studies.search import sample_all, search_boundary
from uniscene_sim.scenario_files.read import ScenarioFile


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return stopping_file(tmp_path_factory.mktemp("stopping"))


def drive_all(cases):
    return [drive(case) for case in cases]


def values(cases, name):
    return np.array([case.parameters[name] for case in cases])


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_a_grid_has_every_combination_with_both_ends(file):
    cases = grid(Space(file, {"speed": None, "weather": None, "place": (40.0, 60.0)}), 3)
    assert len({case.name for case in cases}) == len(cases) == 27
    assert set(values(cases, "speed")) == {5, 15, 25} and set(values(cases, "place")) == {40, 50, 60}
    assert set(values(cases, "weather")) == {"clear", "rain", "fog"}
    assert cases[1].name == "0001_speed=5_weather=clear_place=50" and cases[1].seed is None


def test_random_draws_repeat_and_more_of_them_begin_with_the_same(file):
    space = Space(file, {"speed": None, "place": None})
    few, many = random(space, 20, 7), random(space, 400, 7)
    assert few == many[:20] and few != random(space, 20, 8)
    speeds = values(many, "speed")
    assert speeds.min() >= 5 and speeds.max() <= 25 and abs(speeds.mean() - 15) < 1
    assert abs(np.corrcoef(speeds, values(many, "place"))[0, 1]) < 0.15


def test_a_latin_hypercube_has_one_value_in_each_part_as_likely(file, tmp_path):
    cases = lhs(Space(file, {"speed": None, "place": None}), 50, 3)
    for name, low, high in (("speed", 5, 25), ("place", 30, 110)):
        assert sorted(np.floor((values(cases, name) - low) / (high - low) * 50).astype(int)) == list(range(50))
    assert cases == lhs(Space(file, {"speed": None, "place": None}), 50, 3)
    stopping_file(tmp_path)
    bell = tmp_path / "bell.yaml"
    bell.write_text(TEXT.replace("uniform: [5, 25]", "normal: [15, 4], within: [5, 25]"))
    speeds = values(lhs(Space(bell, {"speed": None}), 200, 3), "speed")
    assert abs(np.median(speeds) - 15) < 0.1 and 0.65 < (abs(speeds - 15) < 4).mean() < 0.72, "a bell, cut off"


def test_whole_numbers_stay_whole(file, tmp_path):
    stopping_file(tmp_path)
    crowd = tmp_path / "crowd.yaml"
    people = "  people: {value: 3, uniform: [1, 6]}\nstyle:"
    crowd.write_text(TEXT.replace("style:", people) + "traffic: {pedestrians: $people}\n")
    space = Space(crowd, {"people": None})
    assert [case.parameters["people"] for case in grid(space, 20)] == [1, 2, 3, 4, 5, 6], "each once"
    assert all(isinstance(value, int) for value in values(lhs(space, 9, 0), "people").tolist())
    for case in random(space, 5, 0):
        assert ScenarioFile(crowd).scenario(None, case.parameters).traffic.pedestrians == case.parameters["people"]


def test_what_is_fixed_is_in_every_case_and_expectations_are_not(file):
    assert ScenarioFile(file).test.expect
    (case, *_) = grid(Space(file, {"speed": None}, {"place": 70.0}), 2)
    assert case.parameters == {"speed": 5, "place": 70.0}
    assert case.accepts("stops") == ("SUCCESS", "ACCEPTABLE"), "a study asks what passes, not what is expected to fail"


def test_units_are_those_of_the_fields(file):
    axes = Space(file, {"speed": None, "place": None, "weather": None}).axes
    assert [axis.label for axis in axes] == ["speed (m/s)", "place (m)", "weather"]


@pytest.mark.parametrize(
    ("over", "fixed", "told"),
    [
        ({"sped": None}, {}, "over: no parameter 'sped' (did you mean speed?); expected one of speed, place, weather"),
        ({"speed": None}, {"plac": 3.0}, "fixed: no parameter 'plac' (did you mean place?)"),
        ({}, {}, "over: expected one parameter at least, of speed, place, weather"),
        ({"speed": (9.0, 4.0)}, {}, "over: expected a number or a range [least, most], got [9.0, 4.0]"),
        ({"speed": (9.0, 9.0)}, {}, "over: speed is 9.0 in all cases; expected NAME=LEAST:MOST that differ"),
        ({"weather": (0.0, 1.0)}, {}, "over: expected one or some of clear, rain, fog"),
        ({"speed": None}, {"speed": 3.0}, "over: speed has one value, so there is nothing to study"),
        ({"speed": (5.0, 1e6)}, {}, "speed_mps"),
    ],
)
def test_bad_ranges_are_told(file, over, fixed, told):
    with pytest.raises(InputError) as error:
        Space(file, over, fixed)
    assert told in str(error.value)


def test_a_study_of_too_many_cases_is_refused(file):
    with pytest.raises(InputError, match="samples: expected at most 100,000 cases, got 250,000"):
        grid(Space(file, {"speed": None, "place": None}), 500)


# --- margins ----------------------------------------------------------------------------------------------------------


def result(*rows: CriterionResult, status: Status = Status.SUCCESS, passed: bool = True) -> CaseResult:
    return CaseResult(Case(None), "any", status, passed, rows)  # type: ignore[arg-type]


def row(name: str, bound: float, actual: float, success: bool, optional: bool = False) -> CriterionResult:
    return CriterionResult(name, f">= {bound:g}", actual, success, optional=optional, bound=bound)


def test_a_margin_is_the_least_slack_or_the_worst_failure():
    far, near = row("driven_distance", 30, 60.0, True), row("min_ttc", 2, 2.5, True)
    assert margin_of(result(far)) == pytest.approx(0.5)
    assert margin_of(result(far, near)) == pytest.approx(0.2)
    assert margin_of(result(far, near), "driven_distance") == pytest.approx(0.5)
    slow, slower = row("driven_distance", 30, 15.0, False), row("driven_distance", 30, 3.0, False)
    failed = {"status": Status.FAILURE, "passed": False}
    assert 0 > margin_of(result(near, slow, **failed)) > margin_of(result(near, slower, **failed))
    assert margin_of(result(near, replace(slow, optional=True))) == pytest.approx(0.2)
    assert margin_of(result(status=Status.ERROR, passed=False)) is None
    with pytest.raises(InputError, match="criterion: the scenario has none of that name; expected one of min_ttc"):
        margin_of(result(near), "comfort")


def test_margins_of_collisions_near_zero_from_both_sides(file):
    """Without a collision by the least time to one, with one by the speed of the impact."""
    space = Space(file, {"place": None})
    at = least_place_m(15.0)
    found = sample_all([space.case([at + off], k) for k, off in enumerate((-15, -5, -0.5, 0.5, 5, 15))], drive_all)
    margins = [one.margin for one in found]
    assert margins == sorted(margins) and margins[2] < 0 < margins[3]
    assert margins[0] < -0.85 and margins[5] > 0.6
    impact = np.sqrt(2 * BRAKING_MPS2 * 5.0)
    assert -margins[1] == pytest.approx(impact / (1 + impact), abs=0.02)


# --- the boundary -----------------------------------------------------------------------------------------------------


def test_the_boundary_of_one_parameter_is_that_of_a_hand_calculation(file):
    found = search_boundary(Space(file, {"place": None}), drive_all, drives=40, tolerance=0.0002)
    (point,) = found.points
    assert point.passing.passed and not point.failing.passed
    assert point.within["place"] <= 0.5 * 0.0002 * 80 + 1e-6 and found.drives <= 9 + 10
    assert point.values["place"] == pytest.approx(least_place_m(15.0), abs=0.03)
    assert any(f"boundary at place = {point.values['place']:.6g} ±" in line for line in boundary_lines(found))


def test_the_boundary_of_two_parameters_is_the_parabola_of_the_braking_distance(file):
    """v (t + tau) + v^2 / (2 b): each point lies on it as exactly as its two sides lie apart."""
    space = Space(file, {"speed": None, "place": None})
    found = search_boundary(space, drive_all, drives=160, tolerance=0.005, seed=5)
    assert found.drives <= 160 and len(found.points) > 12
    speeds = np.array([point.values["speed"] for point in found.points])
    assert speeds.min() < 6 and speeds.max() > 24, "from one end of the range to the other"
    slope = REACTION_S + 25.0 / BRAKING_MPS2 + 0.2
    for point in found.points:
        off = point.values["place"] - least_place_m(point.values["speed"])
        assert abs(off) < point.within["place"] + slope * point.within["speed"] + 0.05
        assert point.within["place"] < 0.03 * 80 and point.within["speed"] < 0.03 * 20
    ends = [i for link in found.links for i in link]
    assert sum(ends.count(i) == 1 for i in range(len(found.points))) == 2, "one line, with two ends"


def test_a_search_repeats_with_its_seed(file):
    space = Space(file, {"speed": None, "place": None})
    one, again, other = (search_boundary(space, drive_all, drives=48, seed=seed) for seed in (5, 5, 6))
    assert [s.case for s in one.samples] == [s.case for s in again.samples] and len(one.points) > 5
    assert [s.case for s in one.samples] != [s.case for s in other.samples]


def test_ends_that_agree_have_no_boundary_and_it_is_said(file):
    found = search_boundary(Space(file, {"place": (70.0, 110.0)}), drive_all)
    assert not found.points and found.drives == 9
    assert "no boundary: all that were judged pass, by a margin of" in " ".join(boundary_lines(found))
    found = search_boundary(Space(file, {"place": (30.0, 45.0)}), drive_all)
    assert "no boundary: all that were judged fail" in " ".join(boundary_lines(found))


def test_what_is_not_monotone_is_said(file):
    def passes_between(cases):
        return [result(row("speed", 0, 0, ok), status=Status.SUCCESS if ok else Status.FAILURE, passed=ok)
                for ok in (10 < case.parameters["speed"] < 20 for case in cases)]  # fmt: skip

    found = search_boundary(Space(file, {"speed": None}), passes_between, tolerance=0.001)
    assert [point.values["speed"] for point in found.points] == pytest.approx([10, 20], abs=0.02)
    assert "not monotone: 2 changes between passing and failing" in list(boundary_lines(found))


def test_drives_that_break_down_are_left_out_and_told(file):
    def sometimes(cases):
        return [replace(one, status=Status.ERROR, passed=False, error="driver: ZeroDivisionError")
                if 60 < one.case.parameters["place"] < 75 else one for one in drive_all(cases)]  # fmt: skip

    found = search_boundary(Space(file, {"place": None}), sometimes, tolerance=0.001)
    assert [point.values["place"] for point in found.points] == pytest.approx([least_place_m(15.0)], abs=0.06)
    told = "1 broke down, the first 0004_place=70: driver: ZeroDivisionError"
    assert told in list(sample_lines(found.samples))


def test_a_search_ends_with_its_drives(file):
    found = search_boundary(Space(file, {"place": None}), drive_all, drives=16, tolerance=1e-6)
    assert found.drives == 16 and len(found.points) == 1


@pytest.mark.parametrize(
    ("over", "settings", "told"),
    [
        ({"weather": None}, {}, "over: weather is a choice, between which nothing lies"),
        ({"place": None}, {"drives": 15}, "samples: expected at least 16 for one parameter, got 15"),
        ({"place": None, "speed": None}, {"drives": 31}, "samples: expected at least 32 for 2 parameters, got 31"),
        ({"place": None}, {"tolerance": 0.0}, "tolerance: expected a share of the range"),
        ({"place": None}, {"criterion": "comfort"}, "criterion: the scenario has none of that name; expected one of"),
    ],
)
def test_what_cannot_be_searched_is_told(file, over, settings, told):
    with pytest.raises(InputError) as error:
        search_boundary(Space(file, over), drive_all, **settings)
    assert told in str(error.value)


# --- what is written --------------------------------------------------------------------------------------------------


def test_all_drives_are_written_and_drawn(file, tmp_path):
    space = Space(file, {"place": None}, {"speed": 12.0})
    found = search_boundary(space, drive_all)
    write_study(tmp_path, space, found.samples, {"driver": "stops", "method": "boundary"}, found)
    with (tmp_path / "samples.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [(float(one["place"]), one["passed"]) for one in rows] == [
        (one.case.parameters["place"], str(one.passed)) for one in found.samples
    ]
    study = json.loads((tmp_path / "study.json").read_text())
    assert study["boundary"]["points"][0]["values"]["place"] == pytest.approx(least_place_m(12.0), abs=0.3)
    assert study["fixed"] == {"speed": 12.0} and len(study["samples"]) == found.drives
    with Image.open(tmp_path / "boundary.png") as picture:
        assert picture.size == (960, 540)
        dark = np.asarray(picture.convert("L"))[60:450] < 60
        assert (dark.mean(axis=0) > 0.4).any(), "a dashed line at the boundary"


def test_two_parameters_are_drawn_with_texts_by_name_and_three_are_not(file, tmp_path):
    for name, over in (("two", ("place", "weather")), ("three", ("place", "weather", "speed"))):
        (tmp_path / name).mkdir()
        space = Space(file, dict.fromkeys(over))
        samples = sample_all(lhs(space, 8, 1), drive_all)
        write_study(tmp_path / name, space, samples, {"driver": "stops", "method": "lhs"})
    with Image.open(tmp_path / "two" / "samples.png") as picture:
        assert picture.size == (960, 540)
    assert sorted(p.name for p in (tmp_path / "three").iterdir()) == ["samples.csv", "study.json"]
