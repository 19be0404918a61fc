"""Scores on real sweeps, on a street by arithmetic, and predictions that others made."""

import numpy as np
import pytest

from tests.pandaset_street import write_street
from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.foreign_predictions import ForeignPredictions
from uniscene_sim.evaluation.ray_predictors import FirstHitBaseline, HalfVoxelBaseline, RayPredictions
from uniscene_sim.evaluation.raycast_on_cells import MeasuredRaycast, RaycastOnCells
from uniscene_sim.evaluation.real_lidar import REAL_TABLES, held_out_sweeps, score_on_real
from uniscene_sim.evaluation.real_questions import write_questions
from uniscene_sim.evaluation.score_table import as_markdown_tables, as_nested_records
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.lidar.learned.voxels import Cells, dense_labels_near
from uniscene_sim.lidar.raycast.measured import BINS, MeasuredSensor
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels

FRAMES = [0, 20, 40, 55, 59, 60, 61, 62, 63, 64]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return PandaSetSweeps(write_street(tmp_path_factory.mktemp("street") / "002", FRAMES, lost=0.05))


class Oracle:
    def __init__(self, name="oracle", off_m=0.0, heads=True):
        self.name, self.off_m, self.heads = name, off_m, heads

    def __call__(self, town, sweep):
        heads = (sweep.intensity, sweep.dropped.astype(float)) if self.heads else (None, None)
        far = np.where(np.isnan(sweep.range_m), 30.0, sweep.range_m) + self.off_m * (sweep.label == OccClass.MANMADE)
        return RayPredictions(far, sweep.label, *heads)


def test_rows_are_of_held_out_frames_and_show_what_is_wrong(street):
    assert [part.frames for part in held_out_sweeps(street)["neighbours"]] == [(60,), (63,)]
    rows = score_on_real(street, [Oracle(), Oracle("walls", 0.7), Oracle("deaf", heads=False)])
    assert [(row.name, row.data) for row in rows] == [
        (name, data) for data in ("frames 0 to 55", "neighbours") for name in ("oracle", "walls", "deaf")
    ]
    oracle, walls, deaf = rows[:3]
    assert oracle.median_m == oracle.mean_m == oracle.intensity == 0 and oracle.within_05 == oracle.drop_auc == 1
    assert oracle.chamfer_m < 1e-6 and oracle.jsd < 1e-6 and oracle.mmd == pytest.approx(0, abs=1e-12)
    assert walls.buildings_median_m == pytest.approx(0.7, abs=1e-4) and walls.buildings_within_05 == 0
    assert walls.ground_mean_m == walls.vehicles_mean_m == 0 and walls.chamfer_m > 0.05
    assert deaf.intensity is None and deaf.drop_auc is None and deaf.chamfer_m > 0, "lost beams return"
    assert rows[3].seen > oracle.seen > 0.4, "the next frames saw more of the street than those long before"
    assert np.isnan(oracle.poles_median_m), "there is none"
    table = as_markdown_tables(rows, REAL_TABLES)
    assert "| walls | frames 0 to 55 |" in table and table.count("\n\n") == len(REAL_TABLES) - 1
    assert as_nested_records(rows)["neighbours"]["walls"]["buildings_within_05"] == 0


def test_real_rays_through_cells(street):
    """The wall's face is 0.3 m within its cells, the road 0.13 m below the top of its own."""
    real = street.rays_through([40], [0, 20, 40, 55])
    [sweep] = real.town.sweeps
    hard, half = (predictor(real.town, sweep) for predictor in (FirstHitBaseline(), HalfVoxelBaseline()))
    wall = np.isfinite(sweep.range_m) & (hard.label == OccClass.MANMADE) & (sweep.label == OccClass.MANMADE)
    into = (sweep.range_m[wall] - hard.range_m[wall]) * sweep.direction[wall, 0]
    assert np.median(into) == pytest.approx(0.3, abs=0.02) and wall.sum() > 1000
    np.testing.assert_allclose(half.range_m, hard.range_m + 0.2)
    behind = np.full(20, 0.0)
    behind[OccClass.MANMADE], behind[OccClass.DRIVEABLE_SURFACE] = 0.3, 0.27
    bright, lost = np.full((20, BINS), 0.5), np.full((20, BINS), 0.25)
    made = MeasuredRaycast(MeasuredSensor(bright, lost, behind))(real.town, sweep)
    road = np.isfinite(sweep.range_m) & (hard.label == sweep.label) & (sweep.label == OccClass.DRIVEABLE_SURFACE)
    off = np.abs(made.range_m[road] - sweep.range_m[road])
    assert np.median(off) < 0.15 < 1 < np.median(sweep.range_m[road] - hard.range_m[road]), "one height, from above"
    np.testing.assert_allclose(made.range_m[wall], hard.range_m[wall] + 0.3)
    assert set(made.intensity.tolist()) == {0.5} and set(made.dropout.tolist()) == {0.25}


def test_raycast_on_cells_reads_faces(street):
    real = street.rays_through([40], [0, 20, 40, 55])
    [sweep] = real.town.sweeps
    made = RaycastOnCells()(real.town, sweep)
    wall = np.isfinite(made.range_m) & (made.label == OccClass.MANMADE)
    road = np.isfinite(made.range_m) & (made.label == OccClass.DRIVEABLE_SURFACE)
    facing, grazing = (wall & of for of in (sweep.direction[:, 0] > 0.9, sweep.direction[:, 0] < 0.5))
    assert made.intensity[facing].mean() > 2 * made.intensity[grazing].mean() > 0, "by the cosine of incidence"
    near, far = (road & of for of in (made.range_m < 12, made.range_m > 30))
    assert near.sum() > 100 < far.sum() and made.dropout[far].mean() > made.dropout[near].mean()
    assert ((made.dropout >= 0) & (made.dropout <= 1)).all()


def test_rays_and_cells_are_told_to_others_and_their_answers_judged(street, tmp_path):
    """Whoever walks the written rays through the written cells gets the row of hard rays."""
    written = write_questions(street, tmp_path / "rays")
    assert [path.stem for path in written] == ["frames_0_to_55", "neighbours_of_60", "neighbours_of_63"]
    (tmp_path / "theirs").mkdir()
    for path in written:
        asked = np.load(path)
        assert not {"range_m", "intensity", "dropped"} & set(asked.files), "nothing of the truth"
        ends = [np.cumsum(asked[name]) for name in ("rays_of", "movers_of")]
        far = []
        for k, (end, movers) in enumerate(zip(*ends, strict=True)):
            rays = slice(end - asked["rays_of"][k], end)
            mine = slice(movers - asked["movers_of"][k], movers)
            ijk = np.concatenate([asked["ijk"], asked["mover_ijk"][mine]])
            label = np.concatenate([asked["label"], asked["mover_label"][mine]])
            origin = asked["origin"][rays]
            grid = label_arrays(dense_labels_near(ijk, label, origin.mean(axis=0)[:2], 72.0))
            far.append(trace_labels(grid, origin, asked["direction"][rays].astype(float), 100.0)[0])
        np.savez(tmp_path / "theirs" / path.name, range_m=np.concatenate(far))
    theirs = ForeignPredictions(tmp_path / "theirs")
    assert theirs.has("neighbours_of_*") and not theirs.has("sweeps_*")
    rows = score_on_real(street, [FirstHitBaseline(), theirs])
    for hard, told in zip(rows[::2], rows[1::2], strict=True):
        assert told.name == "predictions of theirs" and told.data == hard.data
        assert told.mean_m == pytest.approx(hard.mean_m, abs=1e-6) and told.chamfer_m == pytest.approx(hard.chamfer_m)
    (tmp_path / "theirs/neighbours_of_63.npz").unlink()
    with pytest.raises(InputError, match=r"neighbours_of_63\.npz"):
        score_on_real(street, [theirs])


# --- of others --------------------------------------------------------------------------------------------------------


@pytest.fixture
def town():
    def sweep(moment, n):
        nothing = np.zeros(n, bool)
        return GroundTruthSweep(moment, np.zeros(3), 70.0, 30.0, "clear", np.tile(np.float32([1, 0, 0]), (n, 1)),
                                np.full(n, 5, np.float32), np.ones(n, np.float32), nothing, np.zeros(n, np.uint8),
                                nothing)  # fmt: skip

    cells = Cells(np.zeros((0, 3), np.int32), np.zeros(0, np.uint8), 0)
    return TownSweeps(cells, (np.zeros(0, AGENT_DTYPE),) * 2, (sweep(0, 3), sweep(1, 2)), name="sweeps_20000")


def test_predictions_of_others_are_taken_ray_by_ray(tmp_path, town):
    np.savez(tmp_path / "sweeps_20000.npz", range_m=np.float32([1, 2, 3, 4, np.inf]), dropout=np.linspace(0, 1, 5))
    other = ForeignPredictions(tmp_path)
    first, second = (other(town, sweep) for sweep in town.sweeps)
    assert other.name == f"predictions of {tmp_path.name}"
    assert first.range_m.tolist() == [1, 2, 3] and second.range_m.tolist() == [4, np.inf]
    assert second.dropout.tolist() == [0.75, 1] and second.intensity is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"range_m": np.zeros(4)}, r"range_m: has shape \(4,\), expected \(5,\)"),
        ({"intensity": np.zeros(5)}, "range_m: not there"),
        ({"range_m": np.zeros(5), "dropout": np.full(5, 1.5)}, "dropout: expected values from 0 to 1"),
        ({"range_m": np.full(5, np.nan)}, "range_m: expected values from 0"),
        ({"range_m": np.array(list("abcde"))}, "range_m: expected numbers"),
    ],
)
def test_bad_predictions_are_refused_in_one_line(tmp_path, town, arrays, message):
    np.savez(tmp_path / "sweeps_20000.npz", **arrays)
    with pytest.raises(InputError, match=rf"sweeps_20000\.npz.*{message}"):
        ForeignPredictions(tmp_path)(town, town.sweeps[0])


def test_predictions_that_are_not_there(tmp_path, town):
    with pytest.raises(InputError, match="no such folder"):
        ForeignPredictions(tmp_path / "none")
    with pytest.raises(InputError, match=r"sweeps_20000\.npz"):
        ForeignPredictions(tmp_path)(town, town.sweeps[0])
