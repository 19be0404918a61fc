"""Baselines hold a drive bit for bit or within tolerances, and a difference says where it begins."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.regression.baselines import Baselines, Tolerances
from uniscene_sim.regression.cases import cases_of
from uniscene_sim.regression.drive import DriveSettings, drive_case
from uniscene_sim.regression.log import LAYOUT
from uniscene_sim.regression.loops import LoopSettings
from uniscene_sim.storage.data_folders import data_dir

WITH_SENSORS = DriveSettings(LoopSettings(rig="rl"))


@pytest.fixture(scope="module")
def drive():
    (case,) = cases_of(data_dir("scenarios") / "cut_in.yaml")
    return drive_case(case, settings=WITH_SENSORS)


def hasty(drive):
    return replace(drive_case(drive.case, "hasty", WITH_SENSORS), driver=drive.driver)


def test_the_same_drive_is_the_baseline(drive, tmp_path):
    kept = Baselines(tmp_path)
    assert not kept.judged(drive).passed and "there is no baseline" in kept.judged(drive).why
    path = kept.keep(drive)
    assert path == tmp_path / "scenarios" / "cut_in-nominal-builtin.json" and kept.judged(drive) is drive
    assert Baselines(tmp_path, Tolerances()).judged(drive) is drive
    before = path.read_bytes()
    kept.keep(drive)
    assert path.read_bytes() == before, "kept again it is the same file, so that a difference in git means one"


def test_a_difference_of_the_layout_says_tick_and_distance(drive, tmp_path):
    Baselines(tmp_path).keep(drive)
    pictures = tmp_path / "pictures"
    told = Baselines(tmp_path, pictures=pictures).judged(hasty(drive))
    first = told.violations[0]
    assert not told.passed and first.criterion == "baseline" and first.moment_s is not None
    assert " s) on the layout differs, 0" in first.text and re.search(r"up to [3-9]\.\d m from its path", first.text)
    picture = np.asarray(Image.open(pictures / "scenarios" / "cut_in-nominal-builtin.png"))
    assert picture.shape == (540, 960, 3)
    for colour in ((120, 170, 255), (255, 196, 64), (255, 92, 92)):
        assert (picture == colour).all(axis=2).sum() > 50, "both curves and the first difference are drawn"
    assert Baselines(tmp_path, pictures=pictures).judged(drive) is drive
    assert not list(pictures.rglob("*.png")), "where nothing differs any more there is no picture of it"


def test_a_difference_of_one_sensor_names_it(drive, tmp_path):
    Baselines(tmp_path).keep(drive)
    digests = [dict(one) for one in drive.digests]
    digests[7]["lidar"] = "0" * 16
    told = Baselines(tmp_path).judged(replace(drive, digests=tuple(digests), digest="1" * 64))
    moment = drive.series["time_s"][7]
    assert f"from tick 7 ({moment:.2f} s) on the layout is the same, what differs is lidar" in told.why
    assert LAYOUT not in told.why
    short = replace(drive, digests=drive.digests[:-1], digest="1" * 64)
    assert f"the drive has {len(drive.digests) - 1} ticks, the baseline's {len(drive.digests)}" in (
        Baselines(tmp_path).judged(short).why
    )


def test_tolerances_let_pass_what_hardly_differs(drive, tmp_path):
    Baselines(tmp_path).keep(drive)
    near = Baselines(tmp_path, Tolerances())
    series = drive.series.copy()
    series["x"] += 0.4
    series["speed_mps"][30] += 0.4
    assert near.judged(replace(drive, series=series, digest="1" * 64)).passed
    series["x"] += 0.2
    told = near.judged(replace(drive, series=series))
    assert "position is 0.6 m off, expected at most 0.5" in told.why and "speed" not in told.why
    series = drive.series.copy()
    series["speed_mps"][30] += 0.6
    (violation,) = near.judged(replace(drive, series=series)).violations
    assert violation.moment_s == series["time_s"][30] and "speed is 0.6 m/s off" in violation.text
    assert "it takes 7." in near.judged(replace(drive, series=drive.series[:-4])).why
    sensors = {name: dict(row) for name, row in drive.sensors.items()}
    sensors["lidar"]["points"] *= 1.04
    assert near.judged(replace(drive, sensors=sensors)).passed
    sensors["lidar"]["points"] *= 1.04
    assert "lidar.points is" in near.judged(replace(drive, sensors=sensors)).why
    told = near.judged(replace(drive, measured={**drive.measured, "driven_distance": None}))
    assert "driven_distance is None, was" in told.why
    assert "the status is FAILURE, was SUCCESS" in near.judged(replace(drive, status="FAILURE")).why
    (name, value), *_ = drive.scores.items()
    assert f"score {name} is" in near.judged(replace(drive, scores={**drive.scores, name: value - 0.9})).why


def test_a_baseline_of_another_version_or_a_damaged_one_is_refused(drive, tmp_path):
    kept = Baselines(tmp_path)
    path = kept.keep(drive)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(InputError, match=r"builtin\.json: format: expected 1, got 99: a baseline of another"):
        kept.judged(drive)
    for damaged in ("", "[]", "{}", '{"format": 1}', json.dumps({**data, "ticks": [[1, {}]]}),
                    json.dumps({**data, "scores": {"pdms": "x"}})):  # fmt: skip
        path.write_text(damaged)
        with pytest.raises(InputError, match=r"nominal-builtin\.json: is damaged"):
            kept.judged(drive)
    path.write_text(json.dumps({**data, "version": "0.0.1"}))
    assert kept.judged(drive) is drive, "as long as nothing differs"
    assert "(kept by version 0.0.1, this is " in kept.judged(hasty(drive)).why


def test_a_folder_that_cannot_be_written_is_told(drive, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="baselines: "):
        Baselines(tmp_path / "file").keep(drive)
