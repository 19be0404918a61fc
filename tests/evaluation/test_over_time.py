"""The table of occupancy over time: what a perfect, a standing and a drawn generator reach."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.occupancy.temporal.small import small_model
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.over_time.drives import DriveSet, make_test_drives
from uniscene_sim.evaluation.over_time.editing import score_edits
from uniscene_sim.evaluation.over_time.evaluate import forecast, roll_out
from uniscene_sim.evaluation.over_time.rows import LastFrame, LookedUp, TileRow, Truth, WindowRow
from uniscene_sim.evaluation.over_time.scores import OverTimeScores, Steadiness
from uniscene_sim.evaluation.over_time.table import over_time_table
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.limits.memory import PeakMemory
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS


@pytest.fixture(scope="module")
def drives():
    torch.set_num_threads(1)
    return make_test_drives(2, 6.0).drives


def test_drives_repeat_and_go_on(drives):
    (again,) = make_test_drives(1, 6.0).drives
    assert len(again) == 13 and np.array_equal(again.truth(7), drives[0].truth(7))
    stamps = [frame.stamp_us for frame in again.layouts]
    assert np.diff(stamps).tolist() == [500_000] * 12
    assert drives[0].seed != drives[1].seed
    assert not drives[0].condition(3)[CONDITION_CHANNELS.index("building")].any()


def test_the_truth_is_perfect(drives):
    row = Truth()
    judged = DriveSet("", drives)
    scores = forecast(row, judged, roll_out(row, judged))
    assert scores.miou_1s == scores.miou_3s == scores.iou_2s == 1.0
    assert scores.manmade_1s == scores.vegetation_1s == scores.pairwise == 1.0
    assert scores.layout_1s > 0.85 and scores.layout_60s is None and scores.found > 0.95
    assert scores.swapped < 0.3 and scores.steady > 0.9


def test_the_last_window_is_worth_less_the_longer_it_stays(drives):
    nothing = OverTimeScores("", "")
    stays, moved = (forecast(LastFrame("", moved=moved), DriveSet("", drives), nothing) for moved in (False, True))
    assert 1.0 > stays.iou_1s > stays.iou_3s and moved.iou_1s > moved.iou_3s
    assert moved.iou_1s > stays.iou_1s and moved.miou_1s > stays.miou_1s + 0.2


def test_tables_and_tiles_are_rows_too(drives):
    one = drives[:1]
    table = MeanColumnBaseline(CONDITION_CHANNELS, 16)
    for n in range(len(drives[1])):
        table.add(drives[1].condition(n), np.ascontiguousarray(drives[1].still(n)))
    looked_up, _ = (list(LookedUp("table", table).roll(one[0], 0, 2, 0)) for _ in range(2))
    assert looked_up[0].shape == (200, 200, 16)
    tiles = roll_out(TileRow("procedural", ProceduralOccupancy), DriveSet("", one))
    assert tiles.layout_1s > 0.6 and tiles.found > 0.95


def test_a_window_that_flickers_is_not_steady(drives):
    drive, rng = drives[0], np.random.default_rng(0)
    still, flickers = Steadiness(), Steadiness()
    for n in range(1, 5):
        still.add(drive, n, drive.still(n - 1), drive.still(n))
        noise = rng.random(drive.still(n).shape) < 0.3
        flickers.add(drive, n, drive.still(n - 1), np.where(noise, 15, drive.still(n)))
    assert still.iou > 0.9 > 0.5 > flickers.iou


@pytest.mark.parametrize("kind", CLIP_WINDOWS)
def test_engines_of_windows_are_rolled_and_edited(kind, drives):
    torch.set_num_threads(1)
    model = small_model(kind)
    model.steps = 1

    def make(static_map, seed):
        return CLIP_WINDOWS[kind](static_map, seed, model)

    row = WindowRow(kind, make)
    short = [replace(drive, layouts=drive.layouts[:9]) for drive in drives[:1]]
    a, b = (list(row.roll(short[0], 2, 2, 2, noise)) for noise in (0, 1))
    assert a[0].shape == (200, 200, 16) and (a[0] != b[0]).any()
    assert np.array_equal(a[1], list(row.roll(short[0], 2, 2, 2))[1])
    edits = score_edits(make, short)
    assert 0.0 <= edits.edit_held <= 1.0 and 0.0 <= edits.edit_plain <= 1.0


def test_what_cannot_be_judged_is_refused(capsys, tmp_path):
    with pytest.raises(InputError, match=r"kind: expected one of occdit, occ-uniscene, got None"):
        over_time_table(["occupancy"], [])
    assert main(["eval", "occupancy", "--over-time", "--drive-s", "3"]) == 2
    assert "--drive-s: expected 6 to 600 s, got 3" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_the_peak_of_memory_is_that_of_what_runs_within():
    with PeakMemory() as peak:
        np.ones(30_000_000, np.uint8).sum()
    with PeakMemory() as little:
        np.ones(1_000, np.uint8).sum()
    assert 25e6 < peak.bytes < 60e6 and little.bytes < 5e6
