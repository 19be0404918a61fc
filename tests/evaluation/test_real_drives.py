"""Real towns and recorded drives as sets that models of occupancy over time are judged on."""

import numpy as np
import pytest

from tests.maps.osm_text import crossroads
from tests.pandaset_street import write_street
from uniscene_sim.datasets.formats.convert import read_street
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.over_time.evaluate import forecast, roll_out
from uniscene_sim.evaluation.over_time.real_drives import make_town_drives, recorded_drives
from uniscene_sim.evaluation.over_time.rows import LastFrame, OnCanvas, TileRow, Truth
from uniscene_sim.evaluation.over_time.scores import OverTimeScores
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE
from uniscene_sim.taxonomy import OccClass


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    folder = write_street(tmp_path_factory.mktemp("street") / "drive", list(range(60, 80)))
    return recorded_drives(read_street("pandaset", folder, held_out=True))


def test_a_recorded_drive_begins_at_each_moment_of_its_first_half_second(street):
    assert street.name == "PandaSet drive" and street.seen
    assert [len(drive) for drive in street.drives] == [4] * 5
    stamps = [[frame.stamp_us for frame in drive.layouts] for drive in street.drives]
    assert all(np.allclose(np.diff(of), 500_000, atol=2) for of in stamps)
    assert len({of[0] for of in stamps}) == 5


def test_its_map_is_what_was_seen_of_the_ground(street):
    drive = street.drives[2]
    for n in (0, 1):  # later the car is too far ahead
        own, frame = drive.condition(n), drive.layouts[n]
        drawn = condition_layout(drive.map, np.zeros(0, PLAN_DTYPE), frame.ego_pose, DEFAULT_GRID, frame.agents).data
        for channel in ("drivable_area", "car"):
            row = CONDITION_CHANNELS.index(channel)
            both, either = (own[row] & drawn[row]).sum(), (own[row] | drawn[row]).sum()
            assert both > 0.9 * either > 0


def test_only_what_was_seen_is_judged(street):
    drive = street.drives[0]
    assert 0.01 < drive.observed(1).mean() < 0.9
    assert (drive.truth(1)[~drive.observed(1)] == OccClass.FREE).mean() > 0.99  # but for boxes of agents
    truth = forecast(Truth(), street, roll_out(Truth(), street))
    assert truth.miou_1s == truth.manmade_1s == 1.0 and truth.layout_1s > 0.9 and truth.found == 1.0
    assert truth.miou_2s is truth.layout_10s is truth.swapped is truth.fid_3d is None  # two seconds were held out
    stays, moved = (forecast(LastFrame("", moved=moved), street, OverTimeScores("", "")) for moved in (False, True))
    assert stays.iou_1s < moved.iou_1s < 1.0


def test_tiles_are_no_row_of_a_street_whose_map_was_not_planned(street):
    with pytest.raises(ValueError, match="map was not planned"):
        roll_out(TileRow("procedural", ProceduralOccupancy), street)


def test_a_real_town_is_driven_through_in_parts(tmp_path):
    pytest.importorskip("osmium")
    extract = crossroads()
    extract.area([(12, 12), (30, 12), (30, 32), (12, 32)], building="yes", height="12")
    town = make_town_drives(extract.write(tmp_path / "here.osm"), 2, 2.0)
    assert town.name == "2 drives in here" and not town.seen and [len(drive) for drive in town.drives] == [5, 5]
    truth, cut = (roll_out(row, town) for row in (Truth(), OnCanvas()))
    assert truth.data == "2 drives in here" and truth.layout_1s > 0.9 and truth.swapped < truth.layout_1s
    assert 0.5 < cut.layout_1s < truth.layout_1s and cut.found > 0.9
    tiles = next(TileRow("procedural", ProceduralOccupancy).roll(town.drives[1], 2, 1, 0))
    there = town.drives[1].truth(2) == OccClass.DRIVEABLE_SURFACE
    assert (tiles == OccClass.DRIVEABLE_SURFACE)[there].mean() > 0.8


def test_what_is_no_drive_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"kind: no format of labelled sweeps .occ3d., expected one of pandaset"):
        read_street("occ3d", tmp_path, held_out=True)
    with pytest.raises(InputError, match="is no folder"):
        read_street("kitti", tmp_path / "missing", held_out=True)
    short = write_street(tmp_path / "short", list(range(60, 70)))
    with pytest.raises(InputError, match=r"short: expected at least 1.5 s, got 10 moments"):
        recorded_drives(read_street("pandaset", short, held_out=True))
