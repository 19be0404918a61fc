"""Others' predictions in Occ3D's format are judged by the same table, on what the windows' makers observed."""

import numpy as np
import pytest

from tests.evaluation.test_eval_occupancy import Tall
from uniscene_sim.datasets.windows import SEEDED
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.methods import Naming
from uniscene_sim.evaluation.occupancy import evaluate_occupancy
from uniscene_sim.evaluation.predictions import as_occ3d, read_predictions
from uniscene_sim.evaluation.score_table import as_nested_records
from uniscene_sim.export.occ3d import CLASSES
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.taxonomy import OccClass

FREE = int(OccClass.FREE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Windows of a recording, half of them observed, in training and test."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    for name in ("train/drive.npz", "test/drive_2.npz", "test/town_5.npz"):
        labels = np.full((3, 200, 200, 32), FREE, np.uint8)
        labels[..., 2] = OccClass.DRIVEABLE_SURFACE
        labels[:, ::9, :, 2] = OccClass.LANE_DIVIDER
        for window in labels:
            i, j = rng.integers(0, 160, 2)
            window[i : i + 30, j : j + 25, 2:20] = OccClass.MANMADE
        layout = (labels[..., 2] != OccClass.MANMADE) * np.uint32(1) | np.uint32(1 << len(CONDITION_CHANNELS) - 1)
        observed = np.full((3, 200, 200), 2**32 - 1, np.uint32)
        observed[:, 150:] = 0
        none = np.zeros(0, np.int32)
        (folder / name).parent.mkdir(exist_ok=True)
        write_arrays(folder / name, {
            "labels": labels, "layout": layout.astype(np.uint32), "agents_window": none, "agents_voxel": none,
            "agents_label": none.astype(np.uint8), "pose": np.zeros((3, 4)), "sequence": np.zeros(3, np.int32),
            "stamp_us": np.arange(3), "observed": observed,
            "maker": np.array(SEEDED if name.startswith("train") else "PandaSet"),
        })  # fmt: skip
    return folder


def predicted(folder, data, name, change=lambda labels, observed: labels, mask=1):
    """Write predictions that are the truth, changed, for windows 0 and 2 of a file."""
    with np.load(data / "test" / f"{name}.npz") as file:
        labels, observed = file["labels"], file["observed"]
    folder.mkdir(exist_ok=True)
    for n in (0, 2):
        semantics = CLASSES[change(labels[n, ..., :16].copy(), observed[n] > 0)]
        masks = np.full(semantics.shape, mask, np.uint8)
        write_arrays(folder / f"{name}_{n}.npz", {"semantics": semantics, "mask_lidar": masks, "mask_camera": masks})


def judged(data, folder):
    rows = as_nested_records(evaluate_occupancy(Tall(), data, windows=8, predictions=folder).rows)
    assert list(rows) == ["test, PandaSet, as Occ3D"]
    return rows["test, PandaSet, as Occ3D"]


def test_the_truth_as_a_prediction_scores_one_and_nothing_is_gained_by_masks(data, tmp_path):
    predicted(tmp_path / "right", data, "drive_2", mask=0)
    predicted(tmp_path / "right", data, "town_5")
    row = judged(data, tmp_path / "right")["predictions"]
    assert row["miou"] == row["iou"] == row["surface_iou"] == row["manmade"] == 1 and row["windows"] == 4

    def emptied(labels, observed):
        labels[labels == OccClass.MANMADE] = FREE
        return labels

    def beyond(labels, observed):
        labels[~observed] = OccClass.VEGETATION
        return labels

    predicted(tmp_path / "empty", data, "drive_2", emptied, mask=0)
    predicted(tmp_path / "beyond", data, "drive_2", beyond)
    empty, fine = (judged(data, tmp_path / name) for name in ("empty", "beyond"))
    assert empty["predictions"]["manmade_iou"] == 0 and empty["predictions"]["windows"] == 2
    assert fine["predictions"]["miou"] == 1  # what nobody saw is not judged
    assert set(fine) == {Naming.TRUTH, Naming.OTHERS, Naming.LOOKUP_UNTOLD, Naming.UNTOLD, "predictions"}


def test_paint_is_road_as_occ3d_has_it(data, tmp_path):
    labels = np.array([OccClass.CAR, OccClass.LANE_DIVIDER, OccClass.PED_CROSSING, FREE] * 8, np.uint8)
    assert as_occ3d(labels).tolist() == [OccClass.CAR, OccClass.DRIVEABLE_SURFACE, OccClass.DRIVEABLE_SURFACE, FREE] * 4
    predicted(tmp_path / "p", data, "town_5")
    (found,) = read_predictions(data, tmp_path / "p", 9)
    assert found.judged.labels.shape == (2, 200, 200, 16) and not (found.judged.labels == OccClass.LANE_DIVIDER).any()
    assert [place.index for place in found.scenes.places] == [0, 2]


def test_predictions_for_nothing_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="predictions: expected predictions"):
        read_predictions(data, tmp_path, 4)
    predicted(tmp_path / "p", data, "town_5")
    good = (tmp_path / "p" / "town_5_0.npz").read_bytes()
    for name, said in (("town_5_3", "of town_5.npz, 0 to 2"), ("town_6_0", "no window held out"), ("x", "FILE_N")):
        strange = tmp_path / "p" / f"{name}.npz"
        strange.write_bytes(good)
        with pytest.raises(InputError, match=said) as caught:
            read_predictions(data, tmp_path / "p", 4)
        assert strange.name in str(caught.value)
        strange.unlink()
    masks = np.ones((200, 200, 16), np.uint8)
    for semantics, said in ((np.full((200, 200, 16), 18, np.uint8), "0 to 17"), (masks[..., :8], "expected uint8")):
        arrays = {"semantics": semantics, "mask_lidar": masks, "mask_camera": masks}
        write_arrays(tmp_path / "p" / "town_5_0.npz", arrays)
        with pytest.raises(InputError, match=said):
            read_predictions(data, tmp_path / "p", 4)
