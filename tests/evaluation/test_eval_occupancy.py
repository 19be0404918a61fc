"""The evaluation tells apart models whose faults are known."""

import json
import shutil

import numpy as np
import pytest

from uniscene_sim.datasets.drives import make_data
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.held_out import HeldOutWindows, choose_windows, read_held_out
from uniscene_sim.evaluation.lidar import LIDAR_TABLES, LidarScores
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.occupancy import evaluate_occupancy, score_generator
from uniscene_sim.evaluation.pictures import layout_picture, occupancy_comparison_picture, top_view
from uniscene_sim.evaluation.published import PUBLISHED
from uniscene_sim.evaluation.score_table import (
    OCCUPANCY_TABLES,
    OccupancyScores,
    as_markdown,
    as_markdown_tables,
    as_records,
)
from uniscene_sim.evaluation.seams import tile_mosaics
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.metrics.occupancy import AGENT_CHANNELS, LAYOUT_15, Seams, layout_from_above
from uniscene_sim.taxonomy import OCC_RGB, OccClass
from uniscene_sim.tile import TILE_CELLS

FREE = int(OccClass.FREE)
CELLS, HEIGHT = 160, 6


def a_scene(rng):
    """A road of any width and heading among grass, houses and cars, and the layout that shows all of it."""
    x, y = np.meshgrid(np.arange(CELLS) - 80, np.arange(CELLS) - 80, indexing="ij")
    turn = rng.uniform(0, np.pi)
    aside = x * np.sin(turn) - y * np.cos(turn) + rng.uniform(-30, 30)
    labels = np.full((CELLS, CELLS, HEIGHT), FREE, np.uint8)
    labels[..., 1] = OccClass.TERRAIN
    labels[np.abs(aside) < 24, 1] = OccClass.SIDEWALK
    labels[np.abs(aside) < 16, 1] = OccClass.DRIVEABLE_SURFACE
    labels[np.abs(aside) < 1, 1] = OccClass.ROAD_DIVIDER
    for label, size, high in ((OccClass.MANMADE, 20, 6), (OccClass.VEGETATION, 6, 4), (OccClass.CAR, 8, 4)):
        for _ in range(8):
            i, j = rng.integers(0, CELLS - size, 2)
            labels[i : i + size, j : j + size, 2:high] = label
    layout = np.zeros((len(CONDITION_CHANNELS), CELLS, CELLS), np.uint8)
    for name, seen in zip(LAYOUT_15, layout_from_above(labels), strict=True):
        layout[CONDITION_CHANNELS.index(name)] = seen
    for name, label in (("building", OccClass.MANMADE), ("vegetation", OccClass.VEGETATION)):
        layout[CONDITION_CHANNELS.index(name)] = (labels == label).any(axis=2)
    return layout, labels


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(3)
    layouts, labels = (np.stack(part) for part in zip(*(a_scene(rng) for _ in range(4)), strict=True))
    return HeldOutWindows("test", layouts, labels)


@pytest.fixture(scope="module")
def mean(scenes):
    columns = MeanColumnBaseline(CONDITION_CHANNELS, HEIGHT)
    rng = np.random.default_rng(4)
    for _ in range(6):
        columns.add(*a_scene(rng))
    return columns


class Drawn:
    """Draws what the layout says, and lets latents decide the rest: where the first is above 1 stands a house.

    `encode` keeps nothing but those houses; `generate` gives back the noise.
    """

    name, channels, patch, latent_channels = "drawn", CONDITION_CHANNELS, 4, 2

    def encode(self, labels, layout):
        houses = (labels == OccClass.MANMADE).any(axis=3)
        b, nx, ny = houses.shape
        cells = houses.reshape(b, nx // 4, 4, ny // 4, 4).mean(axis=(2, 4))
        return np.stack([4 * cells, cells], axis=1).astype(np.float32)

    def generate(self, layout, noise, known=None, mask=None, steps=4, guidance=1.5):
        return noise if known is None else np.where(mask[:, None], known, noise)

    def decode(self, latents, layout):
        b, _, nx, ny = latents.shape
        out = np.full((b, 4 * nx, 4 * ny, HEIGHT), FREE, np.uint8)
        out[..., 1] = OccClass.TERRAIN
        out[np.repeat(np.repeat(latents[:, 0] > 1, 4, 1), 4, 2), 2:] = OccClass.MANMADE
        if layout is None:
            return out
        for name, label in (
            ("walkway", OccClass.SIDEWALK),
            ("drivable_area", OccClass.DRIVEABLE_SURFACE),
            ("road_divider", OccClass.ROAD_DIVIDER),
        ):
            out[layout[:, self.channels.index(name)] > 0, 1] = label
        for name in AGENT_CHANNELS:
            out[layout[:, self.channels.index(name)] > 0, 2:4] = OccClass[name.upper()]
        return out


class Oracle(Drawn):
    """Knows each scene by its layout, whatever the latents."""

    def __init__(self, scenes):
        self.known = {layout.tobytes(): labels for layout, labels in zip(scenes.layouts, scenes.labels, strict=True)}

    def decode(self, latents, layout):
        nothing = np.full((len(latents), CELLS, CELLS, HEIGHT), FREE, np.uint8)
        return nothing if layout is None else np.stack([self.known.get(one.tobytes(), nothing[0]) for one in layout])


class Deaf(Oracle):
    """Its flow makes the first scene whatever the layout."""

    def generate(self, layout, noise, known=None, mask=None, steps=4, guidance=1.5):
        return np.full_like(noise, 5.0)

    def decode(self, latents, layout):
        if layout is not None and latents.min() == 5.0:
            layout = np.stack([np.frombuffer(next(iter(self.known)), np.uint8).reshape(layout.shape[1:])] * len(layout))
        return super().decode(latents, layout)


def rows_of(model, scenes, mean):
    return {row.name: row for row in score_generator(model, scenes, mean, seed=1)}


def test_an_oracle_scores_one(scenes, mean):
    rows = rows_of(Oracle(scenes), scenes, mean)
    for name in ("truth", "VAE ceiling", "decoder alone", "flow"):
        row = rows[name]
        assert row.miou == row.iou == row.layout == row.layout_map == row.layout_agents == 1
        assert row.manmade == row.vegetation == 1 and row.swapped == row.swapped_truth < 0.4
    assert rows["VAE without layout"].miou == 0


def test_a_flow_that_knows_nothing_is_no_better_than_the_decoder_alone(scenes, mean):
    rows = rows_of(Drawn(), scenes, mean)
    floor, flow, ceiling = rows["decoder alone"], rows["flow"], rows["VAE ceiling"]
    # The layout alone satisfies its own score, which is why the floor stands beside it.
    assert floor.layout == flow.layout == ceiling.layout == 1
    assert flow.miou < floor.miou + 0.02 < ceiling.miou and floor.manmade == 0 < flow.manmade
    assert rows["VAE without layout"].layout == 0 and rows["VAE without layout"].miou < ceiling.miou
    assert rows["VAE ceiling"].vegetation == 0


def test_the_swap_catches_a_flow_that_does_not_listen(scenes, mean):
    rows = rows_of(Deaf(scenes), scenes, mean)
    assert rows["VAE ceiling"].layout == 1 and rows["VAE ceiling"].swapped == rows["truth"].swapped
    # One scene for all: right for its own layout, wrong for those of the others.
    assert rows["flow"].layout < 0.6 and rows["flow"].swapped > rows["truth"].swapped + 0.1


def test_the_mean_column_beats_nothing_and_loses_to_the_truth(scenes, mean):
    row = rows_of(Drawn(), scenes, mean)["mean column"]
    assert row.layout_map > 0.99 and row.layout_agents == 0
    assert 0.5 < row.miou < 1 and row.iou > 0.8


def test_the_mean_column_is_a_plain_count():
    rng = np.random.default_rng(5)
    names = ("drivable_area", "car", "building")
    mean, seen = MeanColumnBaseline(names, 3), {}
    for _ in range(2):
        layout, labels = rng.integers(0, 2, (3, 5, 4)).astype(np.uint8), rng.integers(0, 3, (5, 4, 3)).astype(np.uint8)
        layout[2] = 0
        mean.add(layout, labels)
        for i, j, k in np.ndindex(5, 4, 3):
            for key in ((int(layout[0, i, j]), k), (None, k)):
                seen.setdefault(key, []).append(int(labels[i, j, k]))
    ask = rng.integers(0, 2, (2, 3, 5, 4)).astype(np.uint8)
    made = mean(ask)
    for b, i, j, k in np.ndindex(made.shape):
        known = seen[(None if ask[b, 2, i, j] else int(ask[b, 0, i, j]), k)]
        assert made[b, i, j, k] == np.bincount(known).argmax()


def test_procedural_stands_beside_where_it_was_planned_anew(scenes, mean):
    moved = scenes.labels.copy()
    moved[moved == OccClass.MANMADE] = FREE
    rows = rows_of(Drawn(), HeldOutWindows("test", scenes.layouts, scenes.labels, moved), mean)
    row = rows["procedural, another seed"]
    assert row.layout == 1 and row.manmade == 0 and row.vegetation == 1 and row.miou < 1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of data as `train data` writes it, small."""
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, "train", [0], 3)
    make_data(folder, "test", [20_000, 20_001], 3)
    return folder


def test_windows_are_chosen_evenly_over_towns(data):
    assert [(seed, at) for seed, _, at in choose_windows(data / "test", 4)] == [(20_000, [0, 2]), (20_001, [0, 2])]
    assert [(seed, at) for seed, _, at in choose_windows(data / "test", 1)] == [(20_000, [0])]
    assert [at for _, _, at in choose_windows(data / "test", 10**17)] == [[0, 1, 2]] * 2


def test_scenes_are_those_of_the_files_and_a_plan_of_their_own(data):
    scenes = read_held_out(data / "test", 4)
    for k, (name, n) in enumerate((name, n) for name in (20_000, 20_001) for n in (0, 2)):
        layout, labels = read_town(data / "test" / f"town_{name}.npz").sample(n, agents=True)
        np.testing.assert_array_equal(scenes.layouts[k], layout)
        np.testing.assert_array_equal(scenes.labels[k], labels)
    # The same roads and agents, other houses.
    planned = np.isin(scenes.labels, (OccClass.MANMADE, OccClass.VEGETATION, OccClass.BARRIER, FREE))
    again = np.isin(scenes.replanned, (OccClass.MANMADE, OccClass.VEGETATION, OccClass.BARRIER, FREE))
    both = ~planned & ~again
    assert (scenes.labels[both] == scenes.replanned[both]).all() and both.sum() > 4 * 30_000
    assert (planned != again).sum() < 20 and (scenes.labels != scenes.replanned).sum() > 1000
    (data / "carla").mkdir()
    (data / "carla" / "town_of_mine.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"town_<seed>\.npz"):
        read_held_out(data / "carla", 4)


class Tall(Drawn):
    """At the height of the data, grass where nothing is drawn."""

    sha256 = ""

    def decode(self, latents, layout):
        low = super().decode(latents, layout)
        return np.concatenate(
            [np.full((*low.shape[:3], 1), FREE, np.uint8), low, np.full((*low.shape[:3], 9), FREE, np.uint8)], axis=3
        )


class Apart(Tall):
    """Each call plants houses of its own, so what was made apart does not fit."""

    def __init__(self):
        self.calls = 0

    def generate(self, layout, noise, known=None, mask=None, steps=4, guidance=1.5):
        self.calls += 1
        rng = np.random.default_rng(self.calls)
        return np.full_like(noise, 5.0 * (rng.random() < 0.5))


def test_tiles_lie_where_their_layout_says_and_show_whether_they_fit():
    ratios = []
    for model in (Tall(), Apart()):
        truth, made = tile_mosaics(model, 20_000, 1)
        assert truth.shape == made.shape == (480, 480, 16)
        roads = [np.isin(world[..., 2], (OccClass.DRIVEABLE_SURFACE, OccClass.ROAD_DIVIDER)) for world in (truth, made)]
        assert (roads[0] & roads[1]).sum() > 0.9 * (roads[0] | roads[1]).sum() > 1000
        seams = Seams(TILE_CELLS, 4)
        seams.add(made)
        ratios.append(seams.ratio)
    assert ratios[0] == pytest.approx(1.0, abs=0.2) and ratios[1] > 1.5


def test_the_whole_evaluation(data, monkeypatch):
    monkeypatch.setattr("uniscene_sim.evaluation.occupancy._TOWNS", 1)
    shutil.copytree(data / "test", data / "carla", dirs_exist_ok=True)
    rows = evaluate_occupancy(Tall(), data, windows=2)
    own, carla = ({row.name: row for row in rows if row.data == name} for name in ("test", "carla"))
    assert len(own) == 7 and len(rows) == 13 + len(PUBLISHED)
    # The same windows here, but of maps that cannot be made again.
    assert "procedural, another seed" not in carla and carla["truth"].seam is None
    assert carla["flow"].miou == own["flow"].miou and carla["mean column"].iou == own["mean column"].iou
    assert own["truth"].miou == 1 and own["truth"].layout > 0.8 and own["truth"].swapped < 0.2
    assert own["procedural, another seed"].layout == pytest.approx(own["truth"].layout, abs=0.02)
    assert own["procedural, another seed"].iou < 1 and own["mean column"].layout_map > 0.5 > own["mean column"].layout
    assert own["truth"].seam and own["flow"].seam and own["VAE ceiling"].seam is None
    assert all(row.source and row.data not in ("test", "carla") for row in rows[13:])


def test_pictures_show_layout_truth_and_what_was_made(data):
    scenes = read_held_out(data / "test", 2)
    rgb = occupancy_comparison_picture(Tall(), scenes, count=2)
    assert rgb.dtype == np.uint8 and rgb.shape[1] > 3 * rgb.shape[0]
    layout, labels = scenes.layouts[0], scenes.labels[0]
    car = layout[CONDITION_CHANNELS.index("car")] > 0
    forward_up = car[::-1, ::-1]
    assert car.any() and (layout_picture(layout)[forward_up] == OCC_RGB[OccClass.CAR]).all()
    shade = top_view(labels)[forward_up] / np.maximum(OCC_RGB[OccClass.CAR], 1)
    assert 0.7 <= np.median(shade[:, 0]) <= 1  # the roof of most of it; brighter than the road below


def test_rows_for_people_and_for_json(scenes, mean):
    rows = score_generator(Drawn(), HeldOutWindows("test", scenes.layouts[:2], scenes.labels[:2]), mean)
    records = json.loads(json.dumps(as_records(rows), allow_nan=False))
    assert [r["name"] for r in records][:2] == ["truth", "VAE ceiling"] and records[0]["miou"] == 1.0
    assert records[1]["seam"] is None and records[0]["seconds"] is None and records[1]["seconds"] > 0
    lines = as_markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows) and lines[2].startswith("| truth | test | 1.000 | 1.000 | 1.000 |")
    assert len({line.count("|") for line in lines}) == 1


def test_tables_of_a_card_are_narrow_and_leave_nothing_out():
    rows = [
        OccupancyScores("flow", "test", miou=0.5, seconds=0.25),
        OccupancyScores("theirs", "x", iou=0.75, source="a"),
    ]
    first, second = as_markdown_tables(rows, OCCUPANCY_TABLES).split("\n\n")
    assert first.splitlines()[2:] == [
        "| flow | test | 0.500 |  |  |  |  |  |",
        "| theirs | x |  | 0.750 |  |  |  | a |",
    ]
    assert second.splitlines()[2:] == ["| flow | test |  |  |  |  |  | 0.250 |"]  # no empty row for the other
    columns = [name for table in OCCUPANCY_TABLES for name in table]
    assert sorted(["name", "data", *columns]) == sorted(as_records(rows)[0])
    columns = [name for table in LIDAR_TABLES for name in table]
    assert sorted(["name", "data", *columns]) == sorted(as_records([LidarScores("a", "test")])[0])
