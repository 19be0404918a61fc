"""Scores of LiDARs: against plain code, and on cases whose answer is known."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from uniscene_sim.metrics.lidar import (
    BirdsEye,
    DepthScore,
    LabelStatistics,
    best_auc,
    birds_eye_histogram,
    chamfer,
    roc_auc,
    total_variation,
)
from uniscene_sim.taxonomy import OccClass


def test_depth():
    score = DepthScore()
    score.add(np.array([10.0, 20.0, np.inf, np.inf]), np.array([10.1, 19.0, 30.0, np.inf]), 50.0)
    score.add(np.array([30.0, 5.0]), np.array([np.inf, 5.3]), 40.0)
    np.testing.assert_allclose(np.sort(score.errors), [0.1, 0.3, 1.0, 10.0])
    assert score.mean == pytest.approx(2.85) and score.median == pytest.approx(0.65)
    assert (score.within(0.2), score.within(0.5)) == (0.25, 0.5)
    assert score.missed == 0.25 and score.ghosts == 0.5
    assert np.isnan([DepthScore().mean, DepthScore().median, DepthScore().within(1.0), DepthScore().missed]).all()


def test_chamfer():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(40, 3)), rng.normal(size=(70, 3))
    apart = cdist(a, b)
    assert chamfer(a, b) == pytest.approx(0.5 * (apart.min(axis=1).mean() + apart.min(axis=0).mean()))
    assert chamfer(a, a) == 0 and chamfer(a, a + np.array([0, 0, 1e-3])) == pytest.approx(1e-3)
    assert np.isnan(chamfer(a, np.zeros((0, 3))))


def test_the_histogram_is_voxels_pooled_as_torch_pools():
    rng = np.random.default_rng(3)
    xyz = rng.uniform([-60, -60, -7], [60, 60, 5], (20_000, 3))
    xyz = np.concatenate([xyz, xyz[:5000]])  # a voxel counts once, however many points it holds
    full = np.zeros((656, 656, 40), np.float32)
    for x, y, z in xyz:
        if -51.2 <= min(x, y) and max(x, y) < 51.3 and -5 <= z < 3:  # 656 whole voxels
            full[int((x + 51.2) / 0.15625), int((y + 51.2) / 0.15625), int((z + 5) / 0.2)] = 1
    pooled = torch.nn.functional.adaptive_avg_pool3d(torch.from_numpy(full).permute(2, 0, 1)[None], (1, 100, 100))
    np.testing.assert_allclose(birds_eye_histogram(xyz), pooled[0, 0].numpy(), atol=1e-6)
    assert birds_eye_histogram(np.zeros((0, 3))).sum() == 0


def test_mmd_and_jsd():
    rng = np.random.default_rng(4)
    truth = [rng.uniform(-40, 40, (3000, 3)) * [1, 1, 0.02] for _ in range(3)]
    guess = [rng.uniform(-20, 40, (2000, 3)) * [1, 1, 0.02] for _ in range(3)]
    both = BirdsEye()
    for one, other in zip(truth, guess, strict=True):
        both.add(one, other)
    nothing = BirdsEye()
    nothing.add(truth[0], np.zeros((0, 3)))
    assert np.isnan(nothing.jsd)
    p, q = ([birds_eye_histogram(cloud) for cloud in side] for side in (truth, guess))

    def mean_kernel(side, others):
        pairs = [(a / a.sum() - b / b.sum()) for a in side for b in others]
        return np.mean([np.exp(-(d**2).sum() / 0.5) for d in pairs])

    assert both.mmd == pytest.approx(mean_kernel(p, p) + mean_kernel(q, q) - 2 * mean_kernel(p, q), rel=1e-6)
    a, b = sum(p) / np.sum(p), sum(q) / np.sum(q)
    middle = 0.5 * (a + b)
    divergence = sum(0.5 * (s[s > 0] * np.log(s[s > 0] / middle[s > 0])).sum() for s in (a, b))
    assert both.jsd == pytest.approx(np.sqrt(divergence), rel=1e-6)
    alike, apart = BirdsEye(), BirdsEye()
    for cloud in truth:
        alike.add(cloud, cloud[::-1])
        apart.add(np.abs(cloud) * [1, 1, 0.1], -np.abs(cloud) * [1, 1, 0.1] - [0.3, 0.3, 0])
    assert alike.mmd == pytest.approx(0, abs=1e-12) and alike.jsd == pytest.approx(0, abs=1e-7)
    assert apart.jsd > 0.99 * np.sqrt(np.log(2)) and apart.mmd > both.mmd > 0


def test_roc_auc():
    rng = np.random.default_rng(5)
    positive, score = rng.random(300) < 0.3, rng.integers(0, 12, 300) / 12
    score = score + 0.2 * positive
    pairs = score[positive][:, None] - score[~positive][None]
    assert roc_auc(positive, score) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert roc_auc(positive, positive.astype(float)) == 1 and roc_auc(positive, np.zeros(300)) == 0.5
    assert np.isnan(roc_auc(np.zeros(5, bool), np.arange(5)))


def test_what_labels_tell():
    rates = LabelStatistics()
    car, wall = int(OccClass.CAR), int(OccClass.MANMADE)
    label = np.array([car, car, car, wall, wall, wall], np.uint8)
    far = np.array([3.0, 4.0, 21.0, 3.0, 3.0, np.inf])
    dropped = np.array([True, False, False, True, True, False])
    rates.add(label, far, np.array([0.0, 0.2, 0.4, 0.0, 0.0, 0.9]), dropped)
    np.testing.assert_allclose(rates.intensity(np.array([car, wall, OccClass.TRUCK])), [0.3, 0.9, 0.5])
    asked = np.array([car, car, wall, wall, car])
    np.testing.assert_allclose(rates.dropout(asked, np.array([1.0, 22.0, 4.9, np.inf, 60.0])), [0.5, 0, 1, 0, 0.5])


def test_no_function_of_label_and_range_has_a_better_auc():
    rng = np.random.default_rng(6)
    n = 20_000
    label, far = rng.integers(0, 17, n).astype(np.uint8), rng.uniform(0, 70, n)
    sensor = rng.integers(0, 2, n)
    risk = np.clip(label / 40 + far / 140 * (1 - 0.7 * sensor), 0, 1)
    dropped = rng.random(n) < risk
    known, blind = best_auc(dropped, label, far, sensor), best_auc(dropped, label, far)
    # the truth itself is no better than what is fitted, but for what the bins blur and chance adds
    assert roc_auc(dropped, risk) - 0.003 < known < roc_auc(dropped, risk) + 0.03
    assert known > blind + 0.005 and roc_auc(dropped, far) < blind


def test_total_variation():
    assert total_variation(np.array([1, 3]), np.array([2, 6])) == 0
    assert total_variation(np.array([1, 1, 0]), np.array([0, 1, 1])) == pytest.approx(0.5)
    assert total_variation(np.array([4, 0]), np.array([0, 1])) == 1
