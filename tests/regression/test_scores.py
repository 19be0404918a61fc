"""Scores, each against what is worked out with pencil and paper."""

from dataclasses import fields, replace
from itertools import pairwise

import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.regression.scores import DriveNumbers, carla_driving_score, nuplan_score, pdm_score, scores_of

GOOD = DriveNumbers(duration_s=20.0, progress=1.0)


def test_a_flawless_drive_has_every_full_score():
    assert scores_of(GOOD) == {"carla_driving_score": 100.0, "nuplan_score": 1.0, "pdm_score": 1.0}


@pytest.mark.parametrize(("change", "score"), [
    ({"pedestrians": 1}, 50.0), ({"vehicles": 1}, 60.0), ({"cyclists": 1}, 60.0), ({"statics": 1}, 65.0),
    ({"red_lights": 1}, 70.0), ({"stop_signs": 1}, 80.0), ({"outside_share": 0.25}, 75.0), ({"progress": 0.4}, 40.0),
    ({"vehicles": 2, "red_lights": 1, "progress": 0.5}, 50.0 * 0.6 * 0.6 * 0.7),
])  # fmt: skip
def test_carla_multiplies_what_remains_after_each_infraction(change, score):
    assert carla_driving_score(replace(GOOD, **change)) == pytest.approx(score)


@pytest.mark.parametrize(("change", "score"), [
    ({"fault_people": 1}, 0.0), ({"fault_vehicles": 1}, 0.0), ({"fault_statics": 1}, 0.5), ({"fault_statics": 2}, 0.0),
    ({"vehicles": 1}, 1.0), ({"off_road_s": 0.01}, 0.0), ({"against_m": 2.0}, 1.0), ({"against_m": 2.1}, 0.5),
    ({"against_m": 6.1}, 0.0), ({"progress": 0.19}, 0.0), ({"progress": 0.5}, 13.5 / 16),
    ({"min_ttc_s": 0.94}, 11 / 16), ({"min_ttc_s": 0.95}, 1.0), ({"comfort": 0.99}, 14 / 16),
    ({"over_limit_m": 22.3}, 14 / 16), ({"over_limit_m": 99.0}, 12 / 16),
    ({"fault_statics": 1, "min_ttc_s": 0.0, "comfort": 0.5}, 0.5 * 9 / 16),
])  # fmt: skip
def test_nuplan_gates_and_averages(change, score):
    assert nuplan_score(replace(GOOD, **change)) == pytest.approx(score)


@pytest.mark.parametrize(("change", "score"), [
    ({"fault_vehicles": 1}, 0.0), ({"fault_statics": 1}, 0.5), ({"off_road_s": 1.0}, 0.0), ({"min_ttc_s": 0.5}, 7 / 12),
    ({"comfort": 0.9}, 10 / 12), ({"progress": 0.4}, 9 / 12), ({"against_m": 9.0}, 1.0), ({"progress": 0.0}, 7 / 12),
])  # fmt: skip
def test_navsim_gates_and_averages(change, score):
    assert pdm_score(replace(GOOD, **change)) == pytest.approx(score)


@pytest.mark.parametrize("name", [field.name for field in fields(DriveNumbers)])
def test_no_score_rises_where_a_number_gets_worse(name):
    better = name in ("progress", "comfort", "min_ttc_s", "duration_s")
    steps = {"duration_s": (1.0, 10.0, 60.0), "min_ttc_s": (0.0, 0.5, 0.94, 0.95, 3.0)}.get(
        name, (0.0, 0.1, 0.19, 0.2, 0.5, 1.0) if name in ("progress", "comfort", "outside_share") else (0, 1, 2, 5, 9)
    )
    base = replace(GOOD, progress=0.8, over_limit_m=3.0, min_ttc_s=2.0)
    rows = [scores_of(replace(base, **{name: step})) for step in steps]
    for one, two in pairwise(rows):
        for score in one:
            low, high = (one[score], two[score]) if better else (two[score], one[score])
            assert 0.0 <= low <= high <= (100.0 if score == "carla_driving_score" else 1.0)


def test_numbers_come_from_what_a_source_has_measured():
    told = {"progress": 0.9, "route_completion": 0.3, "driven_distance": 80.0, "outside_lanes_m": 8.0, "collision": 2,
            "collision_pedestrian": 1, "collision_static": 1, "at_fault_cyclist": 1, "red_light": 1, "stop_line": None,
            "min_ttc": None, "comfort": 0.95, "over_limit_m": 1.5, "against_traffic_m": None}  # fmt: skip
    drive = DriveNumbers.of(told, 12.0)
    assert drive == DriveNumbers(12.0, 0.9, pedestrians=1, statics=1, fault_people=1, red_lights=1, outside_share=0.1,
                                 over_limit_m=1.5, comfort=0.95)  # fmt: skip
    assert DriveNumbers.of({"route_completion": 0.5}, 1.0).progress == 0.5


def test_numbers_that_cannot_be_are_refused():
    for wrong in ({"progress": 1.2}, {"vehicles": -1}, {"comfort": float("nan")}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}: expected 0 to "):
            replace(GOOD, **wrong)
