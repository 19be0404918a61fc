"""The evaluation of LiDARs tells apart predictors whose faults are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.datasets.sweeps import SENSORS, TownSweeps, make_sweeps, read_sweeps
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.generated_occupancy import ThroughGenerated
from uniscene_sim.evaluation.lidar import (
    baselines,
    evaluate_lidar,
    fit_label_rates,
    one_sweep_each,
    score_predictors,
)
from uniscene_sim.evaluation.ray_predictors import (
    FirstHitBaseline,
    HalfVoxelBaseline,
    Open3dBaseline,
    RayPredictions,
    label_grid_around,
)
from uniscene_sim.evaluation.real_sweeps import SweepPoints, compare_with_real, read_pandaset, score_against_real
from uniscene_sim.evaluation.score_table import as_markdown, as_records
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.lidar.learned.voxels import Cells
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.reference import nearest_box


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of sweeps as `make_sweeps` writes it, small."""
    folder = tmp_path_factory.mktemp("sweeps")
    make_sweeps(folder, "train", [0], 2)
    make_sweeps(folder, "test", [20_000], 2)
    return folder


@pytest.fixture(scope="module")
def town(data):
    """Its sweep, every twentieth ray of it."""
    whole = read_sweeps(data / "test" / "sweeps_20000.npz")
    some = slice(None, None, 20)
    rays = ("direction", "range_m", "intensity", "dropped", "label", "is_object")
    sweep = replace(whole.sweeps[0], **{name: getattr(whole.sweeps[0], name)[some] for name in rays})
    return replace(whole, sweeps=(sweep,))


@pytest.fixture(scope="module")
def rates(town):
    return fit_label_rates([town])


class Told:
    """Knows the truth, and tells it with an error."""

    def __init__(self, name="oracle", off_m=0.0, heads=True, objects=True):
        self.name, self.off_m, self.heads, self.objects = name, off_m, heads, objects

    def __call__(self, town, sweep):
        off = self.off_m * (sweep.is_object if self.objects else ~sweep.is_object)
        heads = (sweep.intensity, sweep.dropped.astype(float)) if self.heads else (None, None)
        return RayPredictions(sweep.range_m + off, sweep.label, *heads)


def test_an_oracle_has_nothing_to_mend(town, rates):
    oracle, deaf = score_predictors([Told(), Told("deaf", heads=False)], [town], rates)
    assert oracle.median_m == oracle.mean_m == oracle.missed == oracle.ghosts == oracle.intensity == 0
    assert oracle.within_02 == oracle.objects_within_02 == oracle.drop_auc == 1
    assert oracle.chamfer_m < 1e-5 and oracle.mmd == pytest.approx(0, abs=1e-12) and oracle.jsd < 1e-6
    # rates are told by where hard rays end; these end elsewhere. What does not return is there
    assert 0.9 < deaf.drop_auc < deaf.best_auc < 1
    assert deaf.median_m == 0 and deaf.intensity > 0.01 and deaf.chamfer_m > 0 and deaf.jsd > 0.01


def test_errors_show_where_they_are(town, rates):
    near, far = score_predictors([Told("objects", 0.3), Told("rest", 0.3, objects=False)], [town], rates)
    assert near.objects_median_m == pytest.approx(0.3, abs=1e-4) and near.rest_median_m == near.median_m == 0
    assert near.objects_within_02 == 0 and near.objects_within_05 == 1
    assert far.rest_median_m == pytest.approx(0.3, abs=1e-4) and far.objects_median_m == 0
    assert far.within_05 > 0.99 > 0.5 > far.within_02


def test_hard_rays_meet_the_first_box(town):
    """Of all cells near the sensor, each as a box."""
    sweep = town.sweeps[0]
    some = replace(sweep, direction=sweep.direction[::40])
    cells = np.concatenate([town.cells.ijk, *town.agents_cells[sweep.moment]])
    cells = cells[(np.abs((cells[:, :2] + 0.5) * CELL_M - sweep.origin[:2]) < 72.0).all(axis=1)]
    hard, half = (predictor(town, some) for predictor in (FirstHitBaseline(), HalfVoxelBaseline()))
    for n, direction in enumerate(some.direction.astype(float)):
        t, _ = nearest_box(cells * CELL_M, (cells + 1) * CELL_M, sweep.origin, direction)
        assert hard.range_m[n] == pytest.approx(t if t <= sweep.max_range_m else np.inf, abs=1e-6)
    np.testing.assert_allclose(half.range_m, hard.range_m + 0.2)
    assert np.isfinite(hard.range_m).sum() > 20 and (hard.label[np.isinf(hard.range_m)] == OccClass.FREE).all()


@pytest.mark.skipif(not Open3dBaseline.installed(), reason="Open3D is not installed (extra `bench`)")
def test_open3d_says_the_same_of_the_faces_of_cells(town):
    hard, peer = (predictor(town, town.sweeps[0]) for predictor in (FirstHitBaseline(), Open3dBaseline()))
    same = np.isclose(peer.range_m, hard.range_m, atol=2e-3) | (np.isinf(peer.range_m) & np.isinf(hard.range_m))
    assert same.mean() > 0.98 and (peer.label == hard.label)[same].mean() > 0.95


def test_nothing_around(town):
    nothing = Cells(np.zeros((0, 3), np.int32), np.zeros(0, np.uint8), 0)
    empty = TownSweeps(nothing, (np.zeros(0, AGENT_DTYPE),), town.sweeps)
    assert (label_grid_around(empty, town.sweeps[0]).labels == OccClass.FREE).all()
    for predictor in baselines():
        assert np.isinf(predictor(empty, town.sweeps[0]).range_m).all()


def test_the_whole_evaluation(data):
    rows = evaluate_lidar([Told()], data)
    assert [row.name for row in rows] == [*(predictor.name for predictor in baselines()), "oracle"]
    hard, half, *peer, oracle = rows
    for row in peer:  # Open3D's, where it is installed
        assert row.median_m == pytest.approx(hard.median_m, abs=1e-3) and row.mmd == pytest.approx(hard.mmd, rel=0.05)
    # this town is flat, at 0.027 m: nearly a whole cell below the tops of its ground's cells
    assert hard.median_m == pytest.approx(half.median_m + 0.2, abs=0.01) and half.median_m > 0.4 > hard.within_05
    assert oracle.jsd < 0.5 * hard.jsd and oracle.mmd < hard.mmd and oracle.intensity < hard.intensity
    assert 0.5 < hard.drop_auc < hard.best_auc <= 1 and len({row.best_auc for row in rows}) == 1
    assert all(row.seconds > 0 for row in rows)
    records = json.loads(json.dumps(as_records(rows), allow_nan=False))
    assert records[0]["name"] == FirstHitBaseline.name and as_markdown(rows).count("\n") == 1 + len(rows)
    with pytest.raises(InputError, match=r"sweeps_<seed>\.npz"):
        evaluate_lidar((), data / "none")


def test_flat_and_hilly_towns_are_scored_apart(town, rates):
    hilly = replace(town, flat=False)
    rows = score_predictors([Told(), Told("rest", 0.3, objects=False)], [town, hilly], rates)
    assert town.flat and [row.data for row in rows] == ["test"] * 2 + ["test, flat"] * 2 + ["test, hilly"] * 2
    assert rows[3] == replace(rows[5], data="test, flat", seconds=rows[3].seconds), "the same sweeps"
    assert rows[3].rest_mean_m == pytest.approx(0.3, abs=1e-4) and rows[2].rest_mean_m == 0
    assert [row.data for row in score_predictors([Told()], [hilly], rates)] == ["test"], (
        "there is nothing to tell apart"
    )


def test_towns_lie_anywhere_in_a_cell(town):
    sweep = town.sweeps[0]
    road = np.isfinite(sweep.range_m) & (sweep.label == OccClass.DRIVEABLE_SURFACE)
    height = sweep.origin[2] + sweep.range_m[road] * sweep.direction[road, 2]
    assert np.median(height) == pytest.approx(0.0266, abs=1e-3), "of [0, 0.4) m, drawn by the seed of the town"
    plain, high = (make_town(20_000, h).surface_height(*np.zeros((3, 1))) for h in (0.0, 0.3))
    assert high == pytest.approx(plain + 0.3)


def test_a_sensor_that_training_lacks_is_told_what_all_others_show(town, rates):
    [known] = score_predictors([FirstHitBaseline()], [town], rates)
    [unknown] = score_predictors([FirstHitBaseline()], [town], {None: rates[None]})
    assert unknown == replace(known, seconds=unknown.seconds)  # the town's own is all there is


# --- generated occupancy ----------------------------------------------------------------------------------------------


def test_an_engine_that_makes_the_town_again_gives_its_sweep(town):
    again = ThroughGenerated(FirstHitBaseline(), "the same", ProceduralOccupancy)
    other = ThroughGenerated(
        FirstHitBaseline(), "replanned", lambda static_map, seed: ProceduralOccupancy(static_map, seed + 1)
    )
    sweep = town.sweeps[0]
    truth, same, replanned = (one(town, sweep) for one in (FirstHitBaseline(), again, other))
    assert again.name == "raycast on labels, the same"
    np.testing.assert_array_equal(same.range_m, truth.range_m)
    moved = same.range_m != replanned.range_m
    assert 0.02 < moved.mean() < 0.9 and not moved[truth.label == OccClass.DRIVEABLE_SURFACE].all()


def test_generated_occupancy_is_judged_as_sets_of_points(data):
    again = ThroughGenerated(FirstHitBaseline(), "the same", ProceduralOccupancy)
    rows = evaluate_lidar([Told()], data, generated=[again], generated_sweeps=3)
    sets = {row.name: row for row in rows if row.data == "generated, 1 sweeps"}
    assert list(sets) == [FirstHitBaseline.name, "oracle", again.name], "of one town, its first sweep"
    hard, oracle, made = sets.values()
    assert made == replace(hard, name=made.name) and hard.median_m is None and hard.chamfer_m > oracle.chamfer_m


def test_sweeps_are_drawn_from_flat_and_hilly_towns_in_turn(town):
    towns = [replace(town, flat=flat, name=name) for flat, name in ((1, "a"), (1, "b"), (0, "c"), (1, "d"))]
    assert [one.name for one in one_sweep_each(towns, 3)] == ["a", "c", "b"]
    assert len(one_sweep_each(towns, 9)) == 4 and all(len(one.sweeps) == 1 for one in one_sweep_each(towns, 9))


def test_a_town_that_cannot_be_made_again_is_refused(town):
    again = ThroughGenerated(FirstHitBaseline(), "the same", ProceduralOccupancy)
    with pytest.raises(InputError, match=r"sweeps_mine\.npz: .*no seeded town"):
        again(replace(town, name="sweeps_mine"), town.sweeps[0])
    sunk = town.cells._replace(ijk=town.cells.ijk - np.int32([0, 0, 2]))
    with pytest.raises(InputError, match=r"sweeps_20000\.npz: .*other ground"):
        again(replace(town, cells=sunk), town.sweeps[0])


# --- real sweeps ------------------------------------------------------------------------------------------------------


def test_rows_against_real_ones():
    rng = np.random.default_rng(7)

    def seen(scale, n=40_000, rings=64, sweeps=1):
        return SweepPoints(rng.uniform(0, scale, n), rng.integers(0, rings, n), rng.random(n) * 0.5, sweeps)

    real = [seen(50), seen(50)]
    rows = score_against_real(
        real, {"same": seen(50), "half": seen(100, 20_000, 32), "dark": seen(50)._replace(intensity=None)}
    )
    assert [row.name for row in rows] == ["one real sweep, the others", "same", "half", "dark"]
    for row in rows[:2]:
        assert max(row.range, row.ring, row.intensity, row.dropout) < 0.03
    assert rows[2].range == pytest.approx(0.5, abs=0.02) and rows[2].ring == pytest.approx(0.5, abs=0.02)
    # 20,000 on 32 of the rings: half of them return as often as before, the others never
    assert rows[2].dropout == pytest.approx(0.5 * 40_000 / 64 / 1800, abs=0.01) and rows[3].intensity is None


def test_files_that_are_no_sweeps(tmp_path):
    assert compare_with_real(tmp_path) == []
    (tmp_path / "a.bin").write_bytes(b"123456")
    with pytest.raises(InputError, match=r"a\.bin.*four floats"):
        read_pandaset(tmp_path / "a.bin")
    with pytest.raises(InputError, match="cannot be read"):
        read_pandaset(tmp_path / "b.bin")


def test_pandaset(shared_data):
    still = read_pandaset(shared_data / "lidar/pandaset/000500.bin")
    assert len(still.range_m) == 111233 and 10 < np.median(still.range_m) < 18
    assert (np.bincount(still.ring, minlength=64)[12:57] > 1600).all()
    rows = compare_with_real(shared_data / "lidar/pandaset", [FirstHitBaseline()], moments=1)
    assert [row.name for row in rows] == ["one real sweep, the others", "raycast", FirstHitBaseline.name]
    # no more than sane: another town, other paint
    assert rows[1].range < 0.6 and rows[1].ring < 0.25 and rows[1].intensity < 0.6 and rows[1].dropout < 0.35


def test_sensors_are_three():
    assert len({spec.detect_range_m for spec in SENSORS}) == 3, "rates are kept by detection range"


def test_a_learned_one_has_its_place(town):
    """Not trained, so its ranges are anywhere in the cells along the ray, and its heads tell what they will."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("spconv")
    from uniscene_sim.evaluation.learned_lidar import LearnedRayPredictor
    from uniscene_sim.lidar.learned.model import LidarModel
    from uniscene_sim.lidar.learned.network import SdfConfig, SparseSdfNet

    sweep, cells = town.sweeps[0], town.cells
    near = np.flatnonzero((np.abs((cells.ijk[:, :2] + 0.5) * CELL_M - sweep.origin[:2]) < 10.0).all(axis=1))
    few = Cells(cells.ijk[near], cells.label[near], int((near < cells.visible_count).sum()))
    small = replace(town, cells=few, sweeps=(replace(sweep, direction=sweep.direction[::10]),))
    net = SparseSdfNet(SdfConfig())
    torch.nn.init.constant_(net.heads.bias, -9.0)  # nothing is missed
    model = LidarModel("small", net, "")
    prediction, hard = (
        predictor(small, small.sweeps[0]) for predictor in (LearnedRayPredictor(model), FirstHitBaseline())
    )
    both = np.isfinite(prediction.range_m) & np.isfinite(hard.range_m)
    assert both.sum() > 20 and (np.abs(prediction.range_m[both] - hard.range_m[both]) < 3.0).mean() > 0.5
    assert (
        (prediction.dropout >= 0)
        & (prediction.dropout <= 1)
        & (prediction.intensity >= 0)
        & (prediction.intensity <= 1)
    ).all()
    assert LearnedRayPredictor(model, "without ray-drop head", drops=False)(small, small.sweeps[0]).dropout is None
