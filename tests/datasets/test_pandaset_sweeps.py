"""Cells from labelled points, and rays of PandaSet's sweeps through them: a street by arithmetic, and the real one."""

import json

import numpy as np
import pytest

from tests.pandaset_street import ROAD_Z, SPEED, WALL_X, car_at, write_street
from uniscene_sim.datasets.pandaset_sweeps import HELD_OUT, KINDS, LIDAR_AT, TRAINED_ON, PandaSetSweeps
from uniscene_sim.datasets.seen_cells import cells_of_points, inside_cells
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

ROAD, WALL, PLANT = (int(OccClass[name]) for name in ("DRIVEABLE_SURFACE", "MANMADE", "VEGETATION"))


def cells(points):
    """Labels by cell of points (x, y, z, label)."""
    rows = np.array(points, np.float64)
    made = cells_of_points(rows[:, :3], rows[:, 3].astype(np.uint8))
    assert made.visible_count == len(made.ijk) == len({tuple(c) for c in made.ijk.tolist()})
    return dict(zip(map(tuple, made.ijk.tolist()), made.label.tolist(), strict=True))


def test_a_cell_takes_the_class_of_most_points_and_two_make_it():
    wall = [(5.1, -0.1, 1.0, WALL)] * 2 + [(5.3, -0.3, 1.1, PLANT)]
    assert cells([*wall, (9.0, 0.1, 0.1, WALL)]) == {(12, -1, 2): WALL}, "a single stray point is nothing"


def test_ground_is_one_cell_of_a_column_and_fills_gaps_of_two_metres():
    heights = [0.05, 0.1, 0.45]  # the median counts, and a top of a cell belongs to it
    made = cells([(0.2, 0.2, z, ROAD) for z in heights] + [(0.2, 0.2, -1.0, WALL)] * 3 + [(0.2, 0.2, 1.0, WALL)] * 3)
    assert made.pop((0, 0, 2)) == WALL and set(made.values()) == {ROAD}, "nothing is under the ground"
    assert {k for _, _, k in made} == {0} and {(i, 0) for i, _, _ in made} == {(i, 0) for i in range(-5, 6)}
    assert max(np.hypot(i, j) for i, j, _ in made) * CELL_M == pytest.approx(2.0)
    [(_, _, k)] = [c for c in cells([(0.2, 0.2, 0.4, ROAD)] * 2) if c[:2] == (0, 0)]
    assert k == 0, "as tiles have it"


def test_points_in_cells():
    ijk = np.array([[0, 0, 0], [-3, 2, 1]], np.int32)
    points = np.array([[0.1, 0.3, 0.39], [0.1, 0.3, 0.41], [-1.1, 0.9, 0.5], [-0.9, -0.8, 0.5]])
    assert inside_cells(points, ijk).tolist() == [True, False, True, False]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return PandaSetSweeps(write_street(tmp_path_factory.mktemp("street") / "002", [0, 10, 20, 60], lost=0.05))


def test_rays_start_at_the_sensor_and_end_on_what_was_hit(street):
    real = street.rays_through([60], [0, 10, 20])
    [sweep], [kind] = real.town.sweeps, real.kinds
    back = np.isfinite(sweep.range_m)
    sensor = LIDAR_AT.position + np.array([0.0, 60 * SPEED, 0.0])
    np.testing.assert_allclose(sweep.origin, np.broadcast_to(sensor, sweep.origin.shape))
    end = sweep.origin + sweep.direction * np.where(back, sweep.range_m, 0)[:, None]
    for name, axis, at in (("ground", 2, ROAD_Z), ("buildings", 0, WALL_X)):
        assert np.abs(end[back & (kind == KINDS.index(name)), axis] - at).max() < 0.02, "points are kept to 2 cm"
    assert (sweep.is_object == (back & (kind == KINDS.index("vehicles")))).all() and sweep.is_object.sum() > 30
    assert sweep.intensity[back & (kind == 1)] == pytest.approx(100 / 255)


def test_what_moves_is_where_the_rays_have_it_and_leaves_no_trace(street):
    real = street.rays_through([60], [0, 10, 20])
    assert set(real.town.cells.label.tolist()) == {ROAD, WALL}, "three frames saw the car, each elsewhere"
    [car] = real.town.agents[0]
    assert car["pos"][:2].tolist() == car_at(60)[:2].tolist() and car["pos"][2] == pytest.approx(ROAD_Z)
    assert car["size"].tolist() == [4.4, 1.8, 1.6] and car["rpy"][2] == pytest.approx(np.pi / 2), "x is ahead"
    # the road was seen 30 m ahead of frame 20 and farther, the car's cells are whole
    assert 0.6 < real.seen < 1


def test_beams_that_do_not_return_are_found_between_those_that_do(street):
    """Of the wall every twentieth is lost; nothing else is."""
    [sweep] = street.rays_through([20], [0, 10, 20]).town.sweeps
    lost = np.isnan(sweep.range_m)
    assert (sweep.dropped == lost).all() and (sweep.label[lost] == WALL).mean() > 0.9
    on_wall = np.isfinite(sweep.range_m) & (sweep.label == WALL)
    assert 0.03 < lost.sum() / (on_wall.sum() + lost.sum()) < 0.07
    assert (sweep.direction[lost, 0] > 0).mean() > 0.95, "they go where returns are missing, but for some past the car"


def test_damaged_sequences_are_refused_in_one_line(tmp_path, street):
    with pytest.raises(InputError, match=r"holds no sweep lidar/NN\.npz"):
        PandaSetSweeps(tmp_path)
    with pytest.raises(InputError, match="none of the frames"):
        street.rays_through([60], [57, 58])
    folder = write_street(tmp_path / "002", [0, 60])
    (folder / "cuboids/60.json").write_text(json.dumps([{"label": "Spaceship"}]))
    with pytest.raises(InputError, match=r"60\.json.*\[0\]\.label: unknown label 'Spaceship'"):
        PandaSetSweeps(folder).rays_through([60], [0])
    (folder / "cuboids/60.json").write_text(json.dumps([{"label": "Car", "stationary": False}]))
    with pytest.raises(InputError, match=r"60\.json"):
        PandaSetSweeps(folder).rays_through([60], [0])
    np.savez(folder / "lidar/00.npz", xyz_2cm=np.zeros((3, 3), np.int16))
    with pytest.raises(InputError, match=r"00\.npz.*sensor: not there"):
        PandaSetSweeps(folder).rays_through([60], [0])
    (folder / "meta/timestamps.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"poses\.json"):
        PandaSetSweeps(folder)


def test_nothing_is_learned_from_held_out_frames(street, monkeypatch):
    asked = []
    monkeypatch.setattr(street, "rays_through", lambda rays, seen: asked.extend([*rays, *seen]) or _Nothing())
    street.lessons()
    assert set(asked) <= set(TRAINED_ON) and not set(asked) & set(HELD_OUT) and min(HELD_OUT) > max(TRAINED_ON)


class _Nothing:
    town = None


def test_the_real_street(shared_data):
    if not (shared_data / "real/pandaset_002").is_dir():
        pytest.skip("PandaSet's sequence 002 is not among the recordings made by others")
    real = PandaSetSweeps(shared_data / "real/pandaset_002").rays_through([54], range(0, 50, 7))
    [sweep], [kind] = real.town.sweeps, real.kinds
    back = np.isfinite(sweep.range_m)
    assert back.sum() > 100_000 and 0.75 < real.seen < 1 and (np.bincount(kind[back], minlength=5) > 5000).all()
    assert 0.01 < np.isnan(sweep.range_m).mean() < 0.1
    assert np.linalg.norm(np.ptp(sweep.origin, axis=0)) < 1.5, "m that the car drives in a revolution"
