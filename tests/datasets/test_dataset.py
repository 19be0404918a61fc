"""Windows of towns: written the same twice, read back whole, and refused where damaged."""

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.datasets.drives import make_carla_data, make_data
from uniscene_sim.datasets.windows import SEEDED, class_frequencies, read_split, read_town
from uniscene_sim.errors import InputError
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass

SEED, WINDOWS = 10_001, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    make_data(out, "validation", [SEED], WINDOWS)
    return out


@pytest.fixture(scope="module")
def town(folder):
    return read_town(folder / "validation" / f"town_{SEED}.npz")


def test_the_same_bytes_twice(folder, tmp_path):
    make_data(tmp_path, "validation", [SEED], WINDOWS)
    name = f"validation/town_{SEED}.npz"
    assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"town_{SEED}.npz"]


def test_windows_are_drives_at_2_hz(town):
    assert len(town) == WINDOWS and town.sequence.tolist() == [0] * 6 + [1] * 2
    for sequence in (0, 1):
        assert (np.diff(town.stamp_us[town.sequence == sequence]) == 500_000).all()
        step = np.diff(town.pose[town.sequence == sequence, :2], axis=0)
        assert (np.hypot(*step.T) < 20.0).all()
    assert np.hypot(*(town.pose[-1, :2] - town.pose[0, :2])) > 1.0


def test_a_sample_has_its_agents_or_has_none(town):
    agents = slice(CONDITION_CHANNELS.index("car"), CONDITION_CHANNELS.index("building"))
    living = np.unique(AGENT_OCC_CLASS[:10])
    met = 0
    for n in range(len(town)):
        window, empty = town.sample(n, agents=True), town.sample(n, agents=False)
        layout, labels, bare, still = window.layout, window.labels, empty.layout, empty.labels
        assert layout.shape == (len(CONDITION_CHANNELS), 200, 200) and labels.shape == (200, 200, 32)
        assert window.observed.all() and window.observed.shape == labels.shape
        assert np.array_equal(still, town.labels[n]) and not bare[agents].any()
        assert np.array_equal(np.delete(bare, agents, axis=0), np.delete(layout, agents, axis=0))
        here = town.agents_window == n
        differs = np.flatnonzero(labels.ravel() != still.ravel())
        assert np.isin(differs, town.agents_voxel[here]).all()
        assert np.array_equal(labels.ravel()[town.agents_voxel[here]], town.agents_label[here])
        assert np.isin(town.agents_label[here], living).all()
        # Wherever voxels of an agent are, the layout says so, and the other way round.
        columns = np.zeros((200, 200), dtype=bool)
        columns.ravel()[town.agents_voxel[here] // 32] = True
        drawn = layout[agents].any(axis=0)
        assert (columns & drawn).sum() > 0.9 * max(columns.sum(), drawn.sum()) or columns.sum() < 20
        met += int(columns.sum())
    assert met > 200


def test_ground_and_houses_are_where_the_layout_says(town):
    window = town.sample(0, agents=False)
    layout, labels = window.layout, window.labels
    road = layout[CONDITION_CHANNELS.index("drivable_area")] > 0
    ground = labels[:, :, 2]
    paved = (OccClass.DRIVEABLE_SURFACE, OccClass.PED_CROSSING, OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER)
    assert road.any() and np.isin(ground[road], paved).mean() > 0.99
    for n in range(len(town)):  # however steep the street
        window = town.sample(n, agents=False)
        layout, labels = window.layout, window.labels
        asphalt = labels[:, :, 2] == OccClass.DRIVEABLE_SURFACE
        assert layout[CONDITION_CHANNELS.index("drivable_area")][asphalt].mean() > 0.999
    window = town.sample(0, agents=False)
    layout, labels = window.layout, window.labels
    houses = layout[CONDITION_CHANNELS.index("building")] > 0
    assert houses.any() and (labels[houses][:, 3:] == OccClass.MANMADE).any(axis=1).mean() > 0.95


def test_class_frequencies_count_every_voxel_once(town):
    for agents in (True, False):
        count = np.zeros(len(OccClass))
        for n in range(len(town)):
            count += np.bincount(town.sample(n, agents).labels.ravel(), minlength=len(OccClass))
        assert np.allclose(class_frequencies([town], agents), count / count.sum())


def test_frequencies_and_samples_leave_out_what_was_not_observed(town):
    seen = np.zeros((len(town), 200, 200), np.uint32)
    seen[:, :50] = 0b100  # the ground layer of a quarter of each window
    part = replace(town, observed=seen)
    window = part.sample(1, agents=True)
    assert window.observed[:50, :, 2].all() and window.observed.sum() == 50 * 200
    share = class_frequencies([part])
    assert share.sum() == pytest.approx(1.0) and share[OccClass.FREE] < 0.05 < class_frequencies([town])[OccClass.FREE]


def test_a_maker_is_kept(town):
    assert town.maker == SEEDED


def test_a_split_takes_its_own_seeds_alone(tmp_path):
    with pytest.raises(InputError, match="seed 5 is not of test, expected 20000 to 29999"):
        make_data(tmp_path, "test", [20_000, 5])
    with pytest.raises(InputError, match="seed 10000 is not of train"):
        make_data(tmp_path, "train", range(10**12))
    with pytest.raises(InputError, match="no split 'trian'"):
        make_data(tmp_path, "trian", [1])
    assert not list(tmp_path.iterdir())


def test_where_there_are_no_maps_nothing_is_written(tmp_path):
    make_carla_data(tmp_path / "out", tmp_path / "missing")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"expected windows \(\*\.npz\)"):
        read_split(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": np.zeros((2, 200, 200, 8), np.uint8)}, r"labels: expected uint8 \(N, 200, 200, 32\)"),
        ({"pose": np.zeros((3, 4))}, r"pose: expected float64 \(N, 4\)"),
        ({"layout": np.zeros((2, 200, 200), np.int64)}, r"layout: expected uint32"),
        ({"labels": np.full((2, 200, 200, 32), 21, np.uint8)}, "labels: expected values from 0 to 20"),
        ({"agents_voxel": np.array([1_280_000], np.int32)}, r"agents_voxel: expected values from 0 to 1.28e\+06"),
        ({"agents_window": np.array([2], np.int32)}, "agents_window: expected values from 0 to 1"),
        ({"observed": np.zeros((2, 200, 200), np.uint16)}, r"observed: expected uint32"),
        ({"maker": np.array([1])}, "maker: expected str"),
        ({"sequence": None}, "sequence: not there"),
    ],
)
def test_foreign_arrays_are_refused(tmp_path, change, said):
    good = {
        "labels": np.full((2, 200, 200, 32), 20, np.uint8), "layout": np.zeros((2, 200, 200), np.uint32),
        "agents_window": np.zeros(1, np.int32), "agents_voxel": np.zeros(1, np.int32),
        "agents_label": np.zeros(1, np.uint8), "pose": np.zeros((2, 4)), "sequence": np.zeros(2, np.int32),
        "stamp_us": np.zeros(2, np.int64), "observed": np.zeros((2, 200, 200), np.uint32), "maker": np.array("nobody"),
    }  # fmt: skip
    path = tmp_path / "town_1.npz"
    np.savez(path, **good)
    assert len(read_town(path)) == 2
    np.savez(path, **{name: array for name, array in (good | change).items() if array is not None})
    with pytest.raises(InputError, match=said) as caught:
        read_town(path)
    assert str(path) in str(caught.value)


def test_damaged_files_are_refused(folder, tmp_path):
    whole = (folder / "validation" / f"town_{SEED}.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    for content in (whole[: len(whole) // 2], b"", b"not an archive", bytes(flipped)):
        path = tmp_path / "town_2.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"town_2\.npz"):
            read_town(path)
    with pytest.raises(InputError):
        read_town(tmp_path / "missing.npz")
