"""The window engines over clips: the canvas stays in the world, states are values, what cannot be done is said."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.occupancy.temporal.small import small_model
from uniscene_sim.errors import InputError
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import WorldView
from uniscene_sim.occupancy.temporal.canvas import CANVAS, columns_at
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
from uniscene_sim.occupancy.temporal.interface import Past
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.window import no_tiles
from uniscene_sim.world.scenario_source import ScenarioSource

FREE = int(OccClass.FREE)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def source():
    return ScenarioSource.open("cut_in")


@pytest.fixture(scope="module")
def layouts(source):
    """Moments half a second apart."""
    frames = [source.reset()]
    for _ in range(5):
        frames.append(source.step(source.driver_control(), 500_000)[-1])
    return frames


@pytest.fixture(scope="module", params=CLIP_WINDOWS)
def engine(request, source):
    torch.set_num_threads(1)
    return CLIP_WINDOWS[request.param](source.map, 5, small_model(request.param))


def view(frame):
    return WorldView(frame, (), no_tiles())


class Painted:
    """A model that generates what stood in its past, and noise where nothing did: latents are labels of columns."""

    name, channels, patch, token, latent_channels, height, past, sha256 = "painted", ("car",), 4, 2, 1, 16, 2, ""

    def encode(self, labels):
        return labels[:, 2::4, 2::4, 5].astype(np.float32)[:, None]

    def generate(self, past, layout, noise, steps=None, guidance=None, held=None):
        if past is None:
            return np.floor(10 * noise)
        return np.where(past.known[-1], past.latents[-1], np.floor(10 * noise))

    def decode(self, latents, past=None, layout=None):
        labels = np.mod(latents[:, 0], FREE).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
        return labels[..., None].repeat(16, axis=3)


def within_cells(labels):
    """Columns whose neighbours look the same."""
    same = np.ones(labels.shape[:2], bool)
    for axis in (0, 1):
        for step in (-1, 1):
            same &= (labels == np.roll(labels, step, axis)).all(axis=2)
    return same


def test_what_stands_stays_where_it_is_while_the_ego_passes(source, layouts):
    engine = CLIP_WINDOWS["occdit"](source.map, 5, Painted())
    state = [None]
    before = None
    for frame in layouts:
        state, (window,) = engine.step(state, [view(frame)], DEFAULT_GRID)
        if before is not None:
            at = columns_at(window.pose, DEFAULT_GRID, before.pose, DEFAULT_GRID)
            # Two windows look at one canvas from two places: columns at borders of its cells may differ.
            judged = at.inside & within_cells(window.labels)
            assert judged.mean() > 0.15 and (at.of(before.labels, FREE) == window.labels)[judged].mean() > 0.97
        before = window
    assert state[0].canvas.i >= 5  # it came along


def house(frame):
    """A window in which there is nothing but a house."""
    labels = np.full(DEFAULT_GRID.shape, FREE, np.uint8)
    labels[60:80, 60:80] = OccClass.MANMADE
    at = frame.ego_pose
    level = Pose(at.x, at.y, at.z, yaw=at.yaw)
    return OccupancyGrid(labels, np.zeros(labels.shape, np.uint16), DEFAULT_GRID, level, frame.stamp_us)


def test_a_turn_draws_the_history_anew_and_keeps_it_in_place(source, layouts):
    engine = CLIP_WINDOWS["occdit"](source.map, 5, Painted())
    first, before = layouts[0], house(layouts[0])
    state = engine.given([first], [before])
    turned = replace(first.ego_pose, yaw=first.ego_pose.yaw + 0.3)
    later = replace(first, ego_pose=turned, stamp_us=first.stamp_us + 500_000)
    (state,), (now,) = engine.step([state], [view(later)], DEFAULT_GRID)
    assert state.canvas.number == 1
    at = columns_at(now.pose, DEFAULT_GRID, before.pose, DEFAULT_GRID)
    was, stands = (labels == OccClass.MANMADE for labels in (at.of(before.labels, FREE), now.labels))
    was, stands = was[at.inside], stands[at.inside]
    assert (was & stands).sum() / (was | stands).sum() > 0.7  # it was drawn in cells of 1.6 m


def test_records_fit_and_equal_inputs_give_equal_windows(engine, layouts, source):
    state = [None]
    for frame in layouts[:3]:
        state, (window,) = engine.step(state, [view(frame)], DEFAULT_GRID)
        assert window.labels.shape == window.instances.shape == DEFAULT_GRID.shape
        assert (window.labels.dtype, window.instances.dtype) == (np.uint8, np.uint16)
        assert window.stamp_us == frame.stamp_us and window.labels.max() <= FREE
    again = type(engine)(source.map, 5, small_model(engine.name))
    fresh = [None]
    for frame in layouts[:3]:
        fresh, (same,) = again.step(fresh, [view(frame)], DEFAULT_GRID)
    assert np.array_equal(same.labels, window.labels)


def test_worlds_of_a_batch_do_not_depend_on_each_other(engine, layouts):
    a, b = [view(layouts[0])], [view(layouts[3])]
    _, (alone,) = engine.step([None], b, DEFAULT_GRID)
    _, (_, beside) = engine.step([None, None], a + b, DEFAULT_GRID)
    assert np.array_equal(alone.labels, beside.labels)


def test_another_seed_is_another_world_and_history_counts(engine, layouts, source):
    other = type(engine)(source.map, 6, engine.model)
    _, (one,) = engine.step([None], [view(layouts[2])], DEFAULT_GRID)
    _, (two,) = other.step([None], [view(layouts[2])], DEFAULT_GRID)
    assert (one.labels != two.labels).mean() > 0.01
    state = [None]
    for frame in layouts[:3]:
        state, (after,) = engine.step(state, [view(frame)], DEFAULT_GRID)
    assert (one.labels != after.labels).mean() > 0.01


def test_a_world_goes_on_from_its_state_as_it_was_written(engine, layouts):
    state = [None]
    for frame in layouts[:4]:
        state, _ = engine.step(state, [view(frame)], DEFAULT_GRID)
    written = engine.state_of(engine.state_arrays(state[0]))
    pickled = pickle.loads(pickle.dumps(state[0]))
    made = [engine.step([one], [view(layouts[4])], DEFAULT_GRID)[1][0].labels for one in (state[0], written, pickled)]
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])
    assert state[0].stamp_us.tolist() == [frame.stamp_us for frame in layouts[2:4]]


def test_what_stands_stays_as_it_was_but_near_agents(engine, layouts, source):
    agents = layouts[0].agents.copy()
    agents["pos"][:, 0] += 0.5  # all of them are elsewhere
    later = replace(layouts[0], stamp_us=layouts[0].stamp_us + 500_000, agents=agents)
    again = type(engine)(source.map, 5, engine.model, options=engine.Options(held=False))
    changed = {}
    for one in (engine, again):
        (state,), (before,) = one.step([None], [view(layouts[0])], DEFAULT_GRID)
        _, (after,) = one.step([state], [view(later)], DEFAULT_GRID)
        differ = (before.labels != after.labels).any(axis=2)
        x, y = (axis.ravel() for axis in np.meshgrid(DEFAULT_GRID.centres(0), DEFAULT_GRID.centres(1), indexing="ij"))
        places = np.stack([x, y], axis=1)
        there = np.concatenate([frame.agents["pos"][:, :2] for frame in (layouts[0], later)])
        local = layouts[0].ego_pose.inverse().apply(np.column_stack([there, np.full(len(there), 0.0)]))[:, :2]
        far = (np.hypot(*(places[:, None] - local[None]).transpose(2, 0, 1)).min(axis=1) > 15.0).reshape(differ.shape)
        assert far.mean() > 0.05
        changed[one is engine] = differ[far].mean()
    assert changed[True] == 0.0 < changed[False]


def test_frames_between_half_seconds_do_not_lengthen_the_history(engine, layouts):
    (state,), _ = engine.step([None], [view(layouts[0])], DEFAULT_GRID)
    between = replace(layouts[1], stamp_us=layouts[0].stamp_us + 100_000)
    (after,), _ = engine.step([state], [view(between)], DEFAULT_GRID)
    assert after.stamp_us.tolist() == [layouts[0].stamp_us]


def test_time_that_goes_back_begins_anew(engine, layouts):
    (state,), (first,) = engine.step([None], [view(layouts[1])], DEFAULT_GRID)
    _, (again,) = engine.step([state], [view(layouts[1])], DEFAULT_GRID)
    assert np.array_equal(first.labels, again.labels)


def test_given_windows_are_gone_on_from(source, layouts):
    engine = CLIP_WINDOWS["occdit"](source.map, 5, Painted())
    frame, window = layouts[0], house(layouts[0])
    state = engine.given([frame], [window])
    later = replace(frame, stamp_us=frame.stamp_us + 500_000)
    _, (made,) = engine.step([state], [view(later)], DEFAULT_GRID)
    assert np.array_equal(made.labels == OccClass.MANMADE, window.labels == OccClass.MANMADE)
    with pytest.raises(InputError, match=r"windows: expected a window for each layout, got 0 for 1"):
        engine.given([frame], [])


@pytest.mark.parametrize("grid", [
    GridSpec(0.8, (100, 100, 8), (-40.0, -40.0, -1.0)),
    GridSpec(0.4, (220, 200, 16), (-44.0, -40.0, -1.0)),
    GridSpec(0.4, (200, 200, 32), (-40.0, -40.0, -1.0)),
    GridSpec(0.4, (200, 200, 16), (-40.0, -40.0, 0.0)),
])  # fmt: skip
def test_other_grids_are_refused(engine, layouts, grid):
    with pytest.raises(InputError, match=r"grid: expected voxels of 0.4 m within 40.0 m along x and y"):
        engine.step([None], [view(layouts[0])], grid)


def test_a_smaller_window_is_part_of_the_larger(engine, layouts):
    small = GridSpec(0.4, (100, 100, 8), (-20.0, -20.0, -1.0))
    _, (whole,) = engine.step([None], [view(layouts[0])], DEFAULT_GRID)
    _, (part,) = engine.step([None], [view(layouts[0])], small)
    assert np.array_equal(part.labels, whole.labels[50:150, 50:150, :8])


def test_wrong_histories_are_refused(engine, layouts):
    (state,), _ = engine.step([None], [view(layouts[0])], DEFAULT_GRID)
    arrays = engine.state_arrays(state)
    with pytest.raises(InputError, match=r"latents: .*expected a history of latents \(4, 60, 60\), got \(9, 60, 60\)"):
        engine.state_of(arrays | {"latents": np.zeros((1, 9, 60, 60), np.float32)})
    model = engine.model
    past = Past(np.zeros((2, 4, 60, 60), np.float32), np.ones((2, 60, 60), bool),
                np.zeros((2, len(model.channels), 240, 240), np.uint8), np.array([-0.5, -0.5], np.float32))  # fmt: skip
    layout = np.zeros((len(model.channels), 240, 240), np.uint8)
    with pytest.raises(InputError, match=r"past: expected earlier frames .* at \[-0.5, -0.5\] s"):
        model.generate(past, layout, np.zeros((4, 60, 60), np.float32))
    with pytest.raises(InputError, match=r"layout: expected \(22, 240, 240\), the channels drivable_area, "):
        model.generate(None, layout[:-1], np.zeros((4, 60, 60), np.float32))


def test_columns_follow_a_moved_and_turned_window():
    here, there = Pose(3.0, 4.0, yaw=0.5), Pose(0.0, 0.0, yaw=-0.4)
    at = columns_at(here, DEFAULT_GRID, there, CANVAS)
    rng = np.random.default_rng(0)
    for i, j in rng.integers(0, 200, (50, 2)):
        local = np.array([DEFAULT_GRID.centres(0)[i], DEFAULT_GRID.centres(1)[j], 0.0])
        index = CANVAS.index(there.inverse().apply(here.apply(local)))
        assert (at.i[i, j], at.j[i, j]) == tuple(index[:2]) and at.inside[i, j]


def test_an_edit_with_the_rest_held_changes_nothing_far_from_it(engine, layouts):
    (state,), _ = engine.step([None], [view(layouts[0])], DEFAULT_GRID)
    before = layouts[1]
    car = before.agents[:1].copy()
    at = before.ego_pose
    car["size"] = (24.0, 24.0, 3.0)  # small weights overlook what is small
    car["id"], car["cls"], car["pos"] = 999, 0, (at.x + 20 * np.cos(at.yaw), at.y + 20 * np.sin(at.yaw), at.z)
    after = replace(before, agents=np.concatenate([before.agents, car]))
    _, (without,) = engine.step([state], [view(before)], DEFAULT_GRID)
    held = engine.edited(state, before, after, DEFAULT_GRID)
    x = DEFAULT_GRID.centres(0)
    far = x < -8.0  # latents of the car's neighbourhood reach some metres by convolutions of the decoder
    assert np.array_equal(without.labels[far], held.labels[far])
    assert (without.labels != held.labels).any()
    with pytest.raises(InputError, match=r"after: expected two layouts of one place and time"):
        engine.edited(state, layouts[0], after, DEFAULT_GRID)
