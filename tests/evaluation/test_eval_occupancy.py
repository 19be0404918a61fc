"""The evaluation tells apart models whose faults are known."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from uniscene_sim.datasets.drives import make_data
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.diversity import diverse_windows, pairwise_iou
from uniscene_sim.evaluation.held_out import HeldOutWindows, Place, choose_windows, held_out_folders, read_held_out
from uniscene_sim.evaluation.lidar import LIDAR_TABLES, LidarScores
from uniscene_sim.evaluation.makers import makers_of
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.methods import Method, Naming, learned_methods, lookup_tables, replanned, truth
from uniscene_sim.evaluation.occupancy import evaluate_occupancy, fit_tables, score_methods, table_head
from uniscene_sim.evaluation.pictures import layout_picture, occupancy_comparison_picture, top_view
from uniscene_sim.evaluation.published import PUBLISHED
from uniscene_sim.evaluation.remade_maps import EmittedWindows, Origin, Replanned
from uniscene_sim.evaluation.score_table import (
    OCCUPANCY_TABLES,
    OccupancyScores,
    as_markdown,
    as_markdown_tables,
    as_nested_records,
    as_records,
)
from uniscene_sim.evaluation.scoreboard import histogram_floor, set_scores
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import CONDITION_CHANNELS, without_plan
from uniscene_sim.metrics.occupancy import AGENT_CHANNELS, LAYOUT_15, layout_from_above
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.storage.array_file import read_arrays, write_arrays
from uniscene_sim.taxonomy import OCC_RGB, OccClass
from uniscene_sim.zoo.models import save_model

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


def held_out(layouts, labels, observed=None):
    """Windows of one folder and maker, of which half stand for what sets are compared with."""
    agents = np.isin(labels, range(1, 11))
    places = tuple(Place(f"town_{k // 2}", k, 0, Pose(), None) for k in range(len(labels)))
    observed = np.ones(labels.shape, bool) if observed is None else observed
    return HeldOutWindows(
        "test, nobody",
        layouts,
        labels,
        observed,
        agents,
        places,
        labels[::-1].copy(),
        tuple(place.file for place in places[::-1]),
    )


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(3)
    return held_out(*(np.stack(part) for part in zip(*(a_scene(rng) for _ in range(4)), strict=True)))


@pytest.fixture(scope="module")
def tables():
    told, untold = (MeanColumnBaseline(CONDITION_CHANNELS, HEIGHT) for _ in range(2))
    rng = np.random.default_rng(4)
    for _ in range(6):
        layout, labels = a_scene(rng)
        told.add(layout, labels)
        untold.add(without_plan(layout), labels)
    return told, untold


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

    def generate(self, layout, noise, known=None, mask=None):
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
        self.known = {}
        for layout, labels in zip(scenes.layouts, scenes.labels, strict=True):
            self.known |= {layout.tobytes(): labels, without_plan(layout).tobytes(): labels}

    def decode(self, latents, layout):
        nothing = np.full((len(latents), CELLS, CELLS, HEIGHT), FREE, np.uint8)
        return nothing if layout is None else np.stack([self.known.get(one.tobytes(), nothing[0]) for one in layout])


class Deaf(Oracle):
    """Its flow makes the first scene whatever the layout."""

    def generate(self, layout, noise, known=None, mask=None):
        return np.full_like(noise, 5.0)

    def decode(self, latents, layout):
        if layout is not None and latents.min() == 5.0:
            layout = np.stack([np.frombuffer(next(iter(self.known)), np.uint8).reshape(layout.shape[1:])] * len(layout))
        return super().decode(latents, layout)


def rows_of(model, scenes, tables):
    methods = [truth(scenes), *lookup_tables(scenes, *tables), *learned_methods(model, scenes, 1)]
    return {row.name: row for row in score_methods(scenes, methods)}


def test_an_oracle_scores_one(scenes, tables):
    rows = rows_of(Oracle(scenes), scenes, tables)
    for name in (Naming.TRUTH, "VAE ceiling", "decoder alone", Naming.UNTOLD, Naming.TOLD):
        row = rows[name]
        assert row.miou == row.iou == row.layout == row.layout_map == row.layout_agents == row.windows / 4 == 1
        assert row.miou_given == row.miou_invented == row.manmade_iou == row.vegetation_iou == row.surface_iou == 1
        assert row.manmade == row.vegetation == 1 and row.swapped == row.swapped_truth < 0.4
        assert row.house_sizes in (0, None) or np.isnan(row.house_sizes)
    assert rows["VAE without layout"].miou == 0
    assert rows[Naming.UNTOLD].pairwise == 1 and rows[Naming.TRUTH].pairwise is None


def test_a_flow_that_knows_nothing_is_no_better_than_the_decoder_alone(scenes, tables):
    rows = rows_of(Drawn(), scenes, tables)
    floor, flow, ceiling = rows["decoder alone"], rows[Naming.UNTOLD], rows["VAE ceiling"]
    # The layout alone satisfies its own score, which is why the floor stands beside it.
    assert floor.layout == flow.layout == ceiling.layout == 1
    assert floor.miou_given == flow.miou_given == 1 > flow.miou_invented
    assert flow.miou < floor.miou + 0.02 < ceiling.miou and floor.manmade == 0 < flow.manmade
    assert flow.manmade_iou < 0.3 < ceiling.manmade_iou and flow.surface_iou < ceiling.surface_iou
    assert rows["VAE without layout"].layout == 0 and rows["VAE without layout"].miou < ceiling.miou
    assert rows["VAE ceiling"].vegetation == 0
    assert 0 < flow.pairwise < 0.3  # its houses are noise


def test_the_swap_catches_a_flow_that_does_not_listen(scenes, tables):
    rows = rows_of(Deaf(scenes), scenes, tables)
    assert rows["VAE ceiling"].layout == 1 and rows["VAE ceiling"].swapped == rows[Naming.TRUTH].swapped
    # One scene for all: right for its own layout, wrong for those of the others.
    assert rows[Naming.UNTOLD].layout < 0.6 and rows[Naming.UNTOLD].swapped > rows[Naming.TRUTH].swapped + 0.1


def test_a_lookup_table_that_is_told_beats_nothing_and_one_that_is_not_knows_no_house(scenes, tables):
    rows = rows_of(Drawn(), scenes, tables)
    told, untold = rows[Naming.LOOKUP_TOLD], rows[Naming.LOOKUP_UNTOLD]
    assert told.layout_map > 0.99 and told.layout_agents == 0 and untold.layout_map > 0.99
    assert 0.5 < told.miou < 1 and told.iou > 0.8 and told.manmade_iou > 0.9
    assert untold.manmade_iou == untold.vegetation_iou == 0
    assert untold.miou_given == pytest.approx(told.miou_given, abs=0.01)


def test_what_was_not_observed_is_not_judged(scenes, tables):
    observed = np.ones(scenes.labels.shape, bool)
    observed[:, :80] = False
    half = held_out(scenes.layouts, np.where(observed, scenes.labels, FREE).astype(np.uint8), observed)
    wrong = scenes.labels.copy()
    wrong[:, :80] = OccClass.MANMADE  # there alone
    methods = [truth(half), Method("wrong", lambda at: wrong[at], np.arange(4))]
    judged = {row.name: row for row in score_methods(half, methods)}
    for row in (judged[Naming.TRUTH], judged["wrong"]):
        assert row.miou == row.iou == row.layout == row.surface_iou == row.manmade == 1
    whole = score_methods(scenes, [truth(scenes), *methods[1:]])[-1]
    assert whole.iou < 0.5 and whole.manmade > 2


def test_where_no_plan_is_known_nothing_is_told(scenes, tables):
    blind = held_out(without_plan(scenes.layouts), scenes.labels)
    names = rows_of(Drawn(), blind, tables)
    assert Naming.UNTOLD in names and Naming.TOLD not in names and Naming.LOOKUP_TOLD not in names
    assert not blind.planned and scenes.planned and not replanned(blind)


def test_diversity_is_the_mean_over_pairs(scenes):
    assert diverse_windows(scenes) == [0, 1, 2, 3]
    houses = np.full((3, *scenes.labels.shape[1:]), FREE, np.uint8)
    houses[0, :10, 0, 5] = houses[1, 5:10, 0, 5] = OccClass.MANMADE
    houses[2, 5:10, 0, 5] = OccClass.VEGETATION
    nobody = held_out(scenes.layouts, np.full_like(scenes.labels, FREE))
    found = pairwise_iou(nobody, [0, 1], lambda k, noise: houses[noise], noises=3)
    assert found == pytest.approx((0.5 + 0 + 0) / 3)
    assert np.isnan(pairwise_iou(nobody, [0], lambda k, noise: nobody.labels[0]))


def test_sets_are_compared_by_view_if_they_are_large_enough():
    rng = np.random.default_rng(2)

    def some(n, at=0.0):
        shares = np.full((n, 4), 0.25)
        return {view: SimpleNamespace(features=rng.normal(at, 1, (n, 6)), kinds=shares) for view in ("3d", "2d")}

    near, far = set_scores(some(60), some(60)), set_scores(some(60), some(60, at=9.0))
    assert near["precision_3d"] > 0.6 and near["recall_2d"] > 0.6 and near["is_3d"] == pytest.approx(1.0)
    assert far["precision_2d"] == far["f_3d"] == 0 and far["fid_3d"] > 100 > 10 > near["fid_3d"]
    assert far["kid_2d"] > near["kid_2d"] and set_scores(some(4), some(60)) == {}
    assert set(near) < set(as_records([OccupancyScores("a", "b")])[0])


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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of data as `train data` writes it, small."""
    folder = tmp_path_factory.mktemp("data")
    make_data(folder, "train", [0], 3)
    make_data(folder, "test", [20_000, 20_001], 3)
    return folder


def test_windows_are_chosen_evenly_over_files(data):
    names = "town_20000", "town_20001"
    assert [(p.stem, at) for p, _, at in choose_windows(data / "test", 4)] == [(name, [0, 2]) for name in names]
    assert [(p.stem, at) for p, _, at in choose_windows(data / "test", 1)] == [("town_20000", [0])]
    assert [at for _, _, at in choose_windows(data / "test", 10**17)] == [[0, 1, 2]] * 2
    with pytest.raises(InputError, match=r"expected windows \(\*\.npz\)"):
        next(choose_windows(data, 4))


def test_scenes_are_those_of_the_files_and_a_plan_of_their_own(data):
    (scenes,) = read_held_out(data / "test", 4)
    assert scenes.data == "test, seeded town" and scenes.planned and len(scenes.others) == 2
    again = Replanned()
    planned = (OccClass.MANMADE, OccClass.VEGETATION, OccClass.BARRIER, FREE)
    for k, (seed, n) in enumerate((seed, n) for seed in (20_000, 20_001) for n in (0, 2)):
        town = read_town(data / "test" / f"town_{seed}.npz")
        window = town.sample(n, agents=True)
        np.testing.assert_array_equal(scenes.layouts[k], window.layout)
        np.testing.assert_array_equal(scenes.labels[k], window.labels)
        np.testing.assert_array_equal(scenes.agents[k], window.labels != town.labels[n])
        place = scenes.places[k]
        assert (place.file, place.index) == (f"town_{seed}", n) and place.origin == Origin(seed, 1000 * seed)
        # The same roads, other houses.
        other = again(place.origin, place.pose)
        both = ~np.isin(town.labels[n], planned) & ~np.isin(other, planned)
        assert (town.labels[n][both] == other[both]).all() and both.sum() > 30_000
        assert (town.labels[n] != other).sum() > 1000 < (other != again(place.origin, place.pose, 1)).sum()


def test_a_maker_is_what_a_file_says_and_not_its_name(data, tmp_path):
    arrays = read_arrays(data / "test" / "town_20000.npz", None, "windows")
    for name, maker in (("town_0.npz", "OpenDRIVE"), ("town_20000.npz", "seeded town"), ("mine.npz", "seeded town")):
        (tmp_path / "test").mkdir(exist_ok=True)
        write_arrays(tmp_path / "test" / name, arrays | {"maker": np.array(maker)})
    own, foreign = sorted(read_held_out(tmp_path / "test", 6), key=lambda scenes: scenes.data, reverse=True)
    assert (own.data, foreign.data) == ("test, seeded town", "test, OpenDRIVE")
    sources = {place.file: place.origin and place.origin.source for place in own.places}
    assert sources == {"town_20000": 20_000, "mine": None}
    assert all(place.origin is None for place in foreign.places) and not replanned(foreign) and not replanned(own)
    for name in ("train", "real_test", "real_train", "carla", "validation"):
        (tmp_path / name).mkdir()
        write_arrays(tmp_path / name / "a.npz", arrays)
    assert [folder.name for folder in held_out_folders(tmp_path)] == ["test", "carla", "real_test"]
    (tmp_path / "carla" / "b.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"b\.npz"):
        read_held_out(tmp_path / "carla", 4)


class Tall(Drawn):
    """At the height of the data, grass where nothing is drawn."""

    sha256, device, height = "", "cpu", 32

    def decode(self, latents, layout):
        low = super().decode(latents, layout)
        under, above = (np.full((*low.shape[:3], n), FREE, np.uint8) for n in (1, 25))
        return np.concatenate([under, low, above], axis=3)


def test_what_procedural_emits_is_the_truth_that_the_windows_hold(data):
    """Tiles of the same plan, cut back into windows, are the windows but for cells at edges."""
    (scenes,) = read_held_out(data / "test", 2)
    emitted, place = EmittedWindows(ProceduralOccupancy), scenes.places[0]
    made = np.where(scenes.agents[0], scenes.labels[0], emitted(place.origin, place.pose))
    mean = {label: (made == label).sum() / (scenes.labels[0] == label).sum() for label in (15, 16)}
    assert all(0.8 < ratio < 1.25 for ratio in mean.values())
    high = np.s_[..., 3:]
    both = (made[high] != FREE) & (scenes.labels[0][high] != FREE)
    assert both.sum() > 0.7 * ((made[high] != FREE) | (scenes.labels[0][high] != FREE)).sum() > 1000
    mosaic = emitted.mosaic(place.origin, place.pose)
    assert mosaic.shape == (480, 480, 32)
    # The window is within the mosaic.
    assert (mosaic == OccClass.MANMADE).sum() >= (made == OccClass.MANMADE).sum() > 0


@pytest.mark.slow
def test_the_whole_evaluation(data, monkeypatch):
    monkeypatch.setattr("uniscene_sim.evaluation.diversity._TOWNS", 1)
    monkeypatch.setattr("uniscene_sim.evaluation.occupancy.NOISES", 2)
    (data / "carla").mkdir()
    for path in (data / "test").iterdir():
        arrays = read_arrays(path, None, "windows")
        write_arrays(data / "carla" / path.name, arrays | {"maker": np.array("OpenDRIVE")})
    table = evaluate_occupancy(Tall(), data, windows=2, engine_towns=1)
    rows = as_nested_records(table.rows)
    own, carla = rows["test, seeded town"], rows["carla, OpenDRIVE"]
    # The same windows here, but of maps that cannot be made again.
    seeded = {Naming.PROCEDURAL, Naming.TILES, Naming.ENGINE_UNTOLD, Naming.ENGINE_TOLD, Naming.ENGINE_OTHERS}
    assert set(own) - set(carla) == seeded and len(carla) == 9
    assert carla[Naming.UNTOLD]["miou"] == own[Naming.UNTOLD]["miou"]
    assert own[Naming.TRUTH]["miou"] == 1 and own[Naming.TRUTH]["layout"] > 0.8 and own[Naming.TRUTH]["swapped"] < 0.2
    assert own[Naming.PROCEDURAL]["layout"] == pytest.approx(own[Naming.TRUTH]["layout"], abs=0.02)
    assert own[Naming.PROCEDURAL]["iou"] < 1 and own[Naming.PROCEDURAL]["pairwise"] < 0.9
    assert own[Naming.TILES]["seam"] and own[Naming.ENGINE_UNTOLD]["seam"] and "seam" not in own[Naming.TRUTH]
    assert own[Naming.TILES]["manmade_iou"] > 0.6 > own[Naming.ENGINE_UNTOLD]["manmade_iou"]
    assert "seeded town" in table.head and "lookup table" in table.head and table.fitted_to == ("seeded town",)
    assert len(table.rows) == len(own) + len(carla) + len(PUBLISHED)


def test_pictures_show_layout_truth_and_what_was_made(data):
    (scenes,) = read_held_out(data / "test", 2)
    rgb = occupancy_comparison_picture(Tall(), scenes, count=2)
    assert rgb.dtype == np.uint8 and rgb.shape[1] > 3 * rgb.shape[0]
    layout, labels = scenes.layouts[0], scenes.labels[0]
    car = layout[CONDITION_CHANNELS.index("car")] > 0
    forward_up = car[::-1, ::-1]
    assert car.any() and (layout_picture(layout)[forward_up] == OCC_RGB[OccClass.CAR]).all()
    shade = top_view(labels)[forward_up] / np.maximum(OCC_RGB[OccClass.CAR], 1)
    assert 0.7 <= np.median(shade[:, 0]) <= 1  # the roof of most of it; brighter than the road below


def test_rows_for_people_and_for_json(scenes, tables):
    rows = list(rows_of(Drawn(), scenes, tables).values())
    nested = json.loads(json.dumps(as_nested_records(rows), allow_nan=False))
    assert list(nested) == ["test, nobody"] and nested["test, nobody"][Naming.TRUTH]["miou"] == 1.0
    ceiling = nested["test, nobody"]["VAE ceiling"]
    assert "seam" not in ceiling and ceiling["seconds"] > 0 and "data" not in ceiling
    lines = as_markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows) and lines[2].startswith("| truth | test, nobody | 1.000 | 1.000 | 1.000 |")
    assert len({line.count("|") for line in lines}) == 1
    head = table_head(rows, ["PandaSet"])
    assert "PandaSet" in head and f"{nested['test, nobody'][Naming.LOOKUP_TOLD]['miou_invented']:.3f}" in head
    assert f"{nested['test, nobody'][Naming.UNTOLD]['pairwise']:.3f}" in head


def test_few_houses_differ_by_chance_and_the_table_says_how_much(scenes):
    """The truth against other windows of the same files, counted by hand: houses of 64 m2 against those of 16 m2."""
    houses = np.full((2, 160, 160, 32), FREE, np.uint8)
    for n, (size, count) in enumerate(((20, 3), (10, 3))):
        for k in range(count):
            houses[n, 20 + 40 * k : 20 + 40 * k + size, 40 : 40 + size, 5:20] = OccClass.MANMADE
    places = tuple(Place(file, 0, 0, Pose(), None) for file in ("a", "b"))
    layouts = np.zeros((2, len(CONDITION_CHANNELS), 160, 160), np.uint8)
    few = HeldOutWindows(
        "test, nobody", layouts, houses[[0, 0]], np.ones((2, 160, 160, 32), bool), np.zeros((2, 160, 160, 32), bool),
        places, houses[[0, 1]], ("a", "b"),
    )  # fmt: skip
    row = histogram_floor("floor", few, np.arange(2))
    assert row.windows == 2 and row.house_sizes == pytest.approx(0.5) and row.house_heights == 0 == row.melted
    alike, unlike = (histogram_floor("floor", few, np.array([k])) for k in range(2))
    assert alike.house_sizes == 0 and unlike.house_sizes == 1 and unlike.windows == 1
    assert histogram_floor("floor", replace(few, others=houses[:0], other_files=()), np.arange(2)) is None
    names = [row.name for row in score_methods(scenes, [truth(scenes)])]
    assert names == [Naming.TRUTH, Naming.OTHERS]


def test_the_head_names_what_the_model_learned_from_and_what_the_tables_are_fitted_to():
    own = makers_of("occupancy")
    assert own and own["seeded town"] > 0
    alike = table_head([], list(own), own)
    assert all(f"{maker} ({count})" in alike for maker, count in own.items()) and "differ" not in alike
    assert "These makers differ from the model's" in table_head([], ["seeded town"], {"PandaSet": 3})
    assert "does not say" in table_head([], ["seeded town"])


@pytest.mark.parametrize("makers", ["", "[1]", "{a: -1}", '{"\\a": 2}', "{a: true}"])
def test_a_model_that_does_not_say_what_it_learned_from_is_judged_all_the_same(tmp_path, makers):
    save_model(tmp_path / "mine", {}, {"net": {"w": np.zeros(2, np.float32)}}, "")
    config = tmp_path / "mine" / "config.yaml"
    config.write_text(config.read_text() + f"\ntraining: {{makers: {makers}}}\n")
    assert makers_of(tmp_path / "mine") is None


def test_tables_are_fitted_to_windows_as_observed(data):
    tables = fit_tables([data / "train"])
    assert tables.makers == ("seeded town",)
    (scenes,) = read_held_out(data / "test", 2)
    told, untold = tables.told(scenes.layouts), tables.untold(without_plan(scenes.layouts))
    assert (told == OccClass.MANMADE).any() and not (untold == OccClass.MANMADE).any()


def test_tables_of_a_card_are_narrow_and_leave_nothing_out():
    rows = [
        OccupancyScores("flow", "test", miou=0.5, seconds=0.25),
        OccupancyScores("theirs", "x", iou=0.75, source="a"),
    ]
    first, second = as_markdown_tables(rows, OCCUPANCY_TABLES).split("\n\n")
    assert first.splitlines()[2:] == [
        "| flow | test |  | 0.500 |  |  |  |  |  |  |  |",
        "| theirs | x |  |  |  |  | 0.750 |  |  |  | a |",
    ]
    assert second.splitlines()[2:] == ["| flow | test |  |  |  |  |  |  |  |  | 0.250 |"]  # no empty row for the other
    columns = [name for table in OCCUPANCY_TABLES for name in table]
    assert sorted(["name", "data", *columns]) == sorted(as_records(rows)[0])
    columns = [name for table in LIDAR_TABLES for name in table]
    assert sorted(["name", "data", *columns]) == sorted(as_records([LidarScores("a", "test")])[0])
