"""Networks that judge: trained, saved, loaded, and able to tell good occupancy from bad."""

import numpy as np
import pytest
import torch

from uniscene_sim.datasets.windows import Windows
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.features import (
    FEATURES_MODEL,
    FeatureNet,
    FeatureSizes,
    OccupancyFeatures,
    view_from_above,
    volume,
)
from uniscene_sim.evaluation.scoreboard import set_scores
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.features import FeaturesRecipe, save_features, set_statistics, train_features
from uniscene_sim.training.loop import Schedule

FREE = int(OccClass.FREE)


def some_labels(rng, count):
    """Windows with a road and houses of any size and place."""
    labels = np.full((count, 200, 200, 32), FREE, np.uint8)
    labels[..., 2] = OccClass.TERRAIN
    for window in labels:
        at = rng.integers(20, 160)
        window[at : at + 20, :, 2] = OccClass.DRIVEABLE_SURFACE
        for _ in range(12):
            i, j = rng.integers(0, 170, 2)
            a, b, high = rng.integers(12, 30, 3)
            window[i : i + a, j : j + b, 3:high] = OccClass.MANMADE
    return labels


def windows_of(labels):
    n = len(labels)
    none = np.zeros(0, np.int32)
    return Windows(
        labels, np.zeros((n, 200, 200), np.uint32), none, none, none.astype(np.uint8), np.zeros((n, 4)),
        np.zeros(n, np.int32), np.zeros(n, np.int64), np.full((n, 200, 200), 2**32 - 1, np.uint32), "nobody",
    )  # fmt: skip


def test_views_show_every_voxel_and_the_highest_of_each_column():
    labels = torch.full((1, 4, 2, 32), FREE, dtype=torch.uint8)
    labels[0, 1, 0, 5], labels[0, 1, 0, 2] = int(OccClass.MANMADE), int(OccClass.TERRAIN)
    embedding = torch.arange(21.0)[:, None].repeat(1, 4)
    shown = volume(labels, embedding)
    assert shown.shape == (1, 4 * 32 * 4, 2, 1)
    assert (shown == 15).sum() == 4 and (shown == 14).sum() == 4 and (shown == 20).sum() == shown.numel() - 8
    above = view_from_above(labels, embedding)
    assert above.shape == (1, 20, 2, 1)
    assert (above == 15).sum() == 4 and not (above == 14).any() and (above == 5 * 4 / 32).sum() == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    rng = np.random.default_rng(0)
    recipe = FeaturesRecipe(Schedule(12, 3e-3, warmup=3, average=0.8), widths=(8, 16), latent=8, kinds=3, batch=4)
    folder = tmp_path_factory.mktemp("features")
    nets = train_features(recipe, [windows_of(some_labels(rng, 4))], folder / "work", torch.device("cpu"))
    save_features(folder / "model", nets, {"seed": 0}, "# card\n")
    return folder / "model", nets


def test_what_was_saved_is_loaded(trained):
    folder, nets = trained
    labels = some_labels(np.random.default_rng(1), 2)
    kept, loaded = (judge(labels) for judge in (OccupancyFeatures(nets), OccupancyFeatures.load(folder)))
    for view in ("3d", "2d"):
        assert loaded[view].features.shape == (8, 8) and loaded[view].kinds.shape == (8, 3)  # four squares a window
        alike = np.corrcoef(loaded[view].features.ravel(), kept[view].features.ravel())[0, 1]
        assert 0.95 < alike  # half precision tells in directions that hardly vary
        np.testing.assert_allclose(loaded[view].kinds.sum(axis=1), 1.0, atol=1e-5)
    low = OccupancyFeatures(nets)(labels[..., :16])
    high = labels.copy()
    high[..., 16:] = FREE
    np.testing.assert_array_equal(low["3d"].features, OccupancyFeatures(nets)(high)["3d"].features)


def test_features_are_whitened_over_training_samples():
    raw = np.random.default_rng(3).normal(0, 1, (400, 6)) @ np.diag([30.0, 3.0, 1.0, 1.0, 0.3, 1e-5]) + 4.0
    raw[:, 1] += raw[:, 0]
    net = FeatureNet(FeatureSizes(20, (6, 8), 4, 3))
    set_statistics(net, raw, FeaturesRecipe(kinds=3))
    white = (raw - net.mean.numpy()) @ net.whitening.numpy()
    spread = np.cov(white, rowvar=False)
    assert np.abs(spread - np.diag(np.diag(spread))).max() < 0.05
    assert np.sort(np.diag(spread))[2:] == pytest.approx(1.0, abs=0.05) and np.diag(spread).max() < 1.05
    shares = net.kinds(torch.from_numpy(white).float()).numpy()
    nearest = ((white[:, None] - net.centres.numpy()) ** 2).sum(axis=2).argmin(axis=1)
    assert (shares.argmax(axis=1) == nearest).all() and len(np.unique(nearest)) == 3


def test_other_models_are_refused(trained, tmp_path):
    with pytest.raises(InputError, match="train features"):
        OccupancyFeatures.load("occupancy")
    _, nets = trained
    swapped = {"3d": nets["2d"], "2d": nets["3d"]}
    save_features(tmp_path / "swapped", swapped, {}, "# card\n")
    with pytest.raises(InputError, match="features_3d: expected 512 inputs, got 20"):
        OccupancyFeatures.load(tmp_path / "swapped")


def test_the_shipped_networks_tell_towns_from_noise_and_from_one_town_again_and_again():
    judge, rng = OccupancyFeatures.load(FEATURES_MODEL), np.random.default_rng(7)
    true, other = judge(some_labels(rng, 8)), some_labels(rng, 8)
    noisy = other.copy()
    hit = rng.random(other.shape) < 0.02
    noisy[hit] = rng.integers(0, 21, int(hit.sum()))
    one = some_labels(rng, 1).repeat(8, axis=0)
    good, bad, same = (set_scores(true, judge(labels)) for labels in (other, noisy, one))
    for view in ("3d", "2d"):
        assert good[f"precision_{view}"] > 0.8 and good[f"recall_{view}"] > 0.8
        assert (
            bad[f"precision_{view}"] < good[f"precision_{view}"] - 0.3 and bad[f"fid_{view}"] > 3 * good[f"fid_{view}"]
        )
        assert same[f"recall_{view}"] < 0.2 < good[f"recall_{view}"] and bad[f"kid_{view}"] > good[f"kid_{view}"]
