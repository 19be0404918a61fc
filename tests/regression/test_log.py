"""What is told of a drive: whom it touched, since when criteria fail, and the limit that it had."""

import numpy as np
import pytest

from uniscene_sim.criteria.watch import ALL_MEASURES
from uniscene_sim.regression.cases import cases_of
from uniscene_sim.regression.drive import drive_case
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

LIBRARY = data_dir("scenarios")


def driven(folder, name, criteria, driver="builtin"):
    """A scenario of the library with other criteria, driven."""
    text = (LIBRARY / f"{name}.yaml").read_text()
    head, _, _ = text.partition("criteria:")
    (folder / f"{name}.yaml").write_text(head + "criteria:\n" + "".join(f"  - {{{one}}}\n" for one in criteria))
    (case,) = cases_of(folder / f"{name}.yaml")
    return drive_case(case, driver)


def test_collisions_with_one_type_of_partner_name_those(tmp_path):
    criteria = [f"kind: collision{more}" for more in ("", ", with: pedestrian", ", with: vehicle")]
    result = driven(tmp_path, "child_from_behind_parked_car", criteria, "careless")
    told = {v.criterion: v.text.partition("; touched ")[2] for v in result.violations}
    assert set(told) == {"collision", "collision_pedestrian", "collision_vehicle"}
    assert told["collision_pedestrian"].startswith("child (pedestrian, ") and " (car, " in told["collision_vehicle"]
    assert told["collision"] == f"{told['collision_pedestrian']}, {told['collision_vehicle']}"


def test_what_fails_at_once_has_its_moment(tmp_path):
    criteria = ("kind: min_headway, value: 60", "kind: min_ttc, value: 99", "kind: driven_distance, value: 9999")
    result = driven(tmp_path, "hard_brake", criteria)
    moments = {v.criterion: v.moment_s for v in result.violations}
    assert moments == {"min_headway": 0.0, "min_ttc": pytest.approx(moments["min_ttc"]), "driven_distance": None}
    assert moments["min_ttc"] < 4.0
    assert "expected >= 60, from 0.00 s on at (" in result.violations[0].text


def test_the_limit_is_that_of_the_criterion(tmp_path):
    """Through a junction, in a bend of which nobody drives as fast as the limit."""
    result = driven(tmp_path, "oncoming_left_turn", ("kind: speed_limit", "kind: collision"), "hasty")
    source = ScenarioSource.open(str(tmp_path / "oncoming_left_turn.yaml"))
    limits = {lane.limit_at(0.0) for lane in source.map.lanes}
    assert set(result.series["limit_mps"]) <= limits
    assert "speed_limit" in ALL_MEASURES
    over = np.maximum(np.abs(result.series["speed_mps"]) - result.series["limit_mps"], 0.0)
    assert over.max() == pytest.approx(result.measured["speed_limit"], abs=1e-3)
