"""Metrics of occupancy against plain loops, and against cases whose score is known."""

import numpy as np
import pytest

from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.metrics.occupancy import (
    AGENT_CHANNELS,
    GIVEN_CLASSES,
    INVENTED_CLASSES,
    LAYOUT_15,
    MAP_CHANNELS,
    Confusion,
    LayoutScore,
    Seams,
    layout_from_above,
)
from uniscene_sim.taxonomy import OccClass

FREE = int(OccClass.FREE)
RNG = np.random.default_rng(7)


def some_labels(shape=(12, 10, 4), classes=range(21)):
    return RNG.choice(np.array(classes, np.uint8), shape)


def test_iou_is_that_of_a_plain_loop():
    confusion, pairs = Confusion(), []
    for _ in range(3):
        truth, guess = some_labels(classes=(3, 4, 11, 15, 20)), some_labels(classes=(2, 4, 11, 15, 20))
        confusion.add(truth, guess)
        pairs += list(zip(truth.ravel().tolist(), guess.ravel().tolist(), strict=True))
    ious = []
    for label in range(FREE):
        if any(t == label for t, _ in pairs):
            both = sum(t == label and g == label for t, g in pairs)
            ious.append(both / sum(t == label or g == label for t, g in pairs))
    assert confusion.miou == pytest.approx(np.mean(ious)) and len(ious) == 4
    both = sum(t != FREE and g != FREE for t, g in pairs)
    assert confusion.iou == pytest.approx(both / sum(t != FREE or g != FREE for t, g in pairs))
    ratio = sum(g == 15 for _, g in pairs) / sum(t == 15 for t, _ in pairs)
    assert confusion.volume_ratio(OccClass.MANMADE) == pytest.approx(ratio)


def test_truth_scores_one_and_emptiness_nothing():
    truth, right, empty = some_labels(), Confusion(), Confusion()
    right.add(truth, truth)
    empty.add(truth, np.full_like(truth, FREE))
    assert right.miou == right.iou == right.volume_ratio(OccClass.CAR) == 1
    assert empty.miou == empty.iou == empty.volume_ratio(OccClass.CAR) == 0
    assert np.isnan(Confusion().miou) and np.isnan(Confusion().iou) and np.isnan(Confusion().volume_ratio(4))
    with pytest.raises(ValueError, match="one shape"):
        right.add(truth, truth[:1])


def plain_from_above(labels):
    shown = {name: {name} for name in LAYOUT_15} | {"walkway": {"sidewalk"}}
    shown["drivable_area"] = {"driveable_surface", "ped_crossing", "road_divider", "lane_divider"}
    out = np.zeros((15, *labels.shape[:2]), bool)
    for c, name in enumerate(LAYOUT_15):
        for (x, y, _), label in np.ndenumerate(labels):
            out[c, x, y] |= OccClass(int(label)).name.lower() in shown[name]
    return out


def test_from_above_is_a_plain_loop():
    for classes in (range(21), (4, 7, 20), (11, 13, 17, 18, 19, 20)):
        labels = some_labels(classes=classes)
        np.testing.assert_array_equal(layout_from_above(labels), plain_from_above(labels))
    assert len(LAYOUT_15) == 15 and set(LAYOUT_15) == set(MAP_CHANNELS) | set(AGENT_CHANNELS)
    assert AGENT_CHANNELS[0] == "car" and AGENT_CHANNELS[-1] == "traffic_cone"


def drawn(labels):
    """The layout that occupancy itself would draw, with channels beside the 15."""
    layout = RNG.integers(0, 2, (len(CONDITION_CHANNELS), *labels.shape[:2])).astype(np.uint8)
    for name, seen in zip(LAYOUT_15, layout_from_above(labels), strict=True):
        layout[CONDITION_CHANNELS.index(name)] = seen
    layout[CONDITION_CHANNELS.index("road_block")] &= layout[CONDITION_CHANNELS.index("barrier")]
    return layout


def test_a_layout_agrees_with_what_it_was_drawn_from():
    score = LayoutScore(CONDITION_CHANNELS)
    for _ in range(2):
        labels = some_labels()
        score.add(drawn(labels), labels)
    assert score.by_channel == dict.fromkeys(LAYOUT_15, 1.0)
    assert score.mean() == score.mean(MAP_CHANNELS) == score.mean(AGENT_CHANNELS) == 1


def test_a_road_block_is_a_row_of_barriers():
    labels, layout = np.full((4, 4, 2), FREE, np.uint8), np.zeros((len(CONDITION_CHANNELS), 4, 4), np.uint8)
    labels[1, :, 1] = OccClass.BARRIER
    layout[CONDITION_CHANNELS.index("road_block"), 1] = 1
    score = LayoutScore(CONDITION_CHANNELS)
    score.add(layout, labels)
    assert score.by_channel == {"barrier": 1.0}


def test_iou_with_the_layout_is_over_all_scenes_and_leaves_out_what_is_never_drawn():
    labels = np.full((2, 8, 2, 2), FREE, np.uint8)
    layout = np.zeros((2, len(CONDITION_CHANNELS), 8, 2), np.uint8)
    car, road = CONDITION_CHANNELS.index("car"), CONDITION_CHANNELS.index("drivable_area")
    layout[0, car, :6, 1] = layout[:, road, :, 0] = 1
    labels[0, 2:8, 1, 1] = OccClass.CAR  # 4 of 8
    labels[1, :2, 1, 1] = OccClass.CAR  # none of 2
    labels[:, :4, 0, 0] = OccClass.LANE_DIVIDER  # 8 of 16, and a lane divider that no layout has
    score = LayoutScore(CONDITION_CHANNELS)
    for one, truth in zip(layout, labels, strict=True):
        score.add(one, truth)
    assert score.by_channel == {"drivable_area": 0.5, "car": 0.4}
    assert score.mean() == pytest.approx(0.45)
    assert score.mean(MAP_CHANNELS) == 0.5 and score.mean(AGENT_CHANNELS) == 0.4
    assert np.isnan(score.mean(("bus",)))


def test_ground_under_agents_is_no_matter_of_the_map():
    """A car hides the road that it stands on, and what is said to be there makes no difference."""
    layout = np.zeros((len(CONDITION_CHANNELS), 4, 1), np.uint8)
    layout[CONDITION_CHANNELS.index("drivable_area")] = 1
    layout[CONDITION_CHANNELS.index("car"), 2:] = 1
    labels = np.full((4, 1, 2), FREE, np.uint8)
    labels[:2, 0, 0] = OccClass.DRIVEABLE_SURFACE
    for below in (OccClass.CAR, OccClass.DRIVEABLE_SURFACE, OccClass.SIDEWALK):
        labels[2:, 0] = below, OccClass.CAR
        score = LayoutScore(CONDITION_CHANNELS)
        score.add(layout, labels)
        assert score.by_channel == {"drivable_area": 1.0, "car": 1.0}
    labels[2:, 0, 1] = FREE
    score = LayoutScore(CONDITION_CHANNELS)
    score.add(layout, labels)
    assert score.by_channel == {"drivable_area": 1.0, "car": 0.0}
    labels[0, 0, 0] = OccClass.CAR  # a car that the layout does not have does hide the road
    score.add(layout, labels)
    assert score.by_channel == {"drivable_area": 0.75, "car": 0.0}


def test_a_swapped_layout_scores_less():
    scenes = [some_labels(classes=(4, 11, 13, 20)) for _ in range(3)]
    own, other = LayoutScore(CONDITION_CHANNELS), LayoutScore(CONDITION_CHANNELS)
    for k, labels in enumerate(scenes):
        own.add(drawn(labels), labels)
        other.add(drawn(scenes[k - 1]), labels)
    assert own.mean() == 1 and other.mean() < 0.8


def plain_seams(labels, tile, phase):
    """Changed voxels for each pair of columns, one of them not empty: across borders, across other lines."""
    changes, pairs = {True: 0, False: 0}, {True: 0, False: 0}
    for axis in (0, 1):
        turned = labels if axis == 0 else labels.transpose(1, 0, 2)
        for i in range(phase, turned.shape[0], phase):
            for here, there in zip(turned[i], turned[i - 1], strict=True):
                if any(v != FREE for v in (*here, *there)):
                    pairs[i % tile == 0] += 1
                    changes[i % tile == 0] += sum(a != b for a, b in zip(here, there, strict=True))
    return (changes[True] / pairs[True]) / (changes[False] / pairs[False])


@pytest.mark.parametrize("phase", [4, 8])
def test_seams_are_those_of_a_plain_loop(phase):
    seams, mosaic = Seams(16, phase), some_labels((48, 32, 3), (4, 15, 20, 20))
    mosaic[5:20, 3:17] = FREE
    seams.add(mosaic)
    assert seams.ratio == pytest.approx(plain_seams(mosaic, 16, phase))
    twice = Seams(16, phase)
    for part in (mosaic[:16], mosaic[16:]):  # two mosaics lose the border between them, and it alone
        twice.add(part)
    assert twice.ratio != seams.ratio


def blocks(tile, n, change=0.1):
    """A mosaic whose latent cells are of one class each, the same as the one before but for a tenth."""
    cells = np.zeros((n * tile // 4, n * tile // 4), np.uint8)
    for (i, j), _ in np.ndenumerate(cells):
        keep = RNG.random() > change and (i or j)
        before = cells[i - 1, j] if (j == 0 or RNG.random() < 0.5) and i else cells[i, j - 1]
        cells[i, j] = before if keep else RNG.integers(11, 17)
    return np.repeat(np.repeat(cells, 4, 0), 4, 1)[:, :, None]


def test_a_world_without_borders_has_no_seams_and_one_cut_in_tiles_has():
    whole, cut = Seams(40), Seams(40)
    for _ in range(6):
        world = blocks(40, 4)
        whole.add(world)
        tiles = [[blocks(40, 1) for _ in range(4)] for _ in range(4)]
        cut.add(np.concatenate([np.concatenate(row, axis=1) for row in tiles]))
    assert whole.ratio == pytest.approx(1.0, abs=0.15)
    assert cut.ratio > 1.5


def test_a_tile_is_several_latent_cells():
    for tile, phase in ((42, 4), (4, 4)):
        with pytest.raises(ValueError, match="several times"):
            Seams(tile, phase)


def test_given_classes_are_those_of_the_layout_and_all_others_are_invented():
    assert set(GIVEN_CLASSES) | set(INVENTED_CLASSES) == set(range(FREE)) and not {*GIVEN_CLASSES} & {*INVENTED_CLASSES}
    assert {OccClass.CAR, OccClass.DRIVEABLE_SURFACE, OccClass.SIDEWALK, OccClass.PED_CROSSING} < set(GIVEN_CLASSES)
    assert {OccClass.MANMADE, OccClass.VEGETATION, OccClass.TERRAIN} < set(INVENTED_CLASSES)
    truth = np.repeat(np.array([OccClass.CAR, OccClass.MANMADE, OccClass.VEGETATION], np.uint8), 4)
    guess = truth.copy()
    guess[4:6], guess[8:10] = FREE, OccClass.MANMADE
    confusion = Confusion()
    confusion.add(truth, guess)
    assert confusion.miou_of(GIVEN_CLASSES) == 1
    assert confusion.class_iou(OccClass.MANMADE) == pytest.approx(2 / 6)
    assert confusion.miou_of(INVENTED_CLASSES) == pytest.approx((2 / 6 + 2 / 4) / 2)
    assert confusion.miou == pytest.approx((1 + 2 / 6 + 2 / 4) / 3)


def test_columns_that_were_not_observed_do_not_count():
    labels, layout = np.full((4, 4, 2), FREE, np.uint8), np.zeros((len(CONDITION_CHANNELS), 4, 4), np.uint8)
    layout[CONDITION_CHANNELS.index("drivable_area")] = 1
    labels[:2, :, 0] = OccClass.DRIVEABLE_SURFACE
    columns = np.zeros((4, 4), bool)
    columns[:2] = True
    whole, part = LayoutScore(CONDITION_CHANNELS), LayoutScore(CONDITION_CHANNELS)
    whole.add(layout, labels)
    part.add(layout, labels, columns)
    assert whole.by_channel == {"drivable_area": 0.5} and part.by_channel == {"drivable_area": 1.0}
