"""Windows of real towns: whole towns are held out, and what is asked for wrongly is told before any work."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from tests.maps.osm_text import Extract, crossroads
from uniscene_sim.cli.main import main
from uniscene_sim.datasets.real_towns import make_real_data, town_files, town_name
from uniscene_sim.datasets.windows import REAL_TEST, REAL_TRAIN, read_split
from uniscene_sim.errors import InputError
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.taxonomy import OccClass

pytest.importorskip("osmium")


def _town(folder, name: str):
    extract: Extract = crossroads()
    for x, y in ((12, 12), (-30, 12), (12, -32), (-30, -32)):
        extract.area([(x, y), (x + 18, y), (x + 18, y + 20), (x, y + 20)], building="yes", height="12")
    return extract.write(folder / f"{name}.osm")


@pytest.mark.slow
def test_towns_are_held_out_whole_and_their_houses_are_in_the_windows(tmp_path):
    for name in ("here", "there"):
        _town(tmp_path, name)
    out = tmp_path / "data"
    command = ["train", "data", "--data", str(out), "--maps", str(tmp_path), "--held-out", "there", "--windows", "4"]
    assert main(command) == 0
    assert [p.name for p in (out / REAL_TRAIN).iterdir()] == ["here.npz"]
    assert [p.name for p in (out / REAL_TEST).iterdir()] == ["there.npz"]
    (windows,) = read_split(out / REAL_TRAIN)
    assert len(windows) == 4 and windows.maker == "OpenStreetMap"
    building = (windows.layout >> CONDITION_CHANNELS.index("building")) & 1
    drivable = (windows.layout >> CONDITION_CHANNELS.index("drivable_area")) & 1
    manmade = windows.labels[..., 8] == OccClass.MANMADE  # two metres above the ground
    assert building.any() and manmade.any() and not (building & drivable).any()
    beside = manmade & ~binary_dilation(building, np.ones((1, 3, 3)))
    assert beside.sum() < 0.005 * manmade.sum()  # lamp posts
    assert (windows.observed == np.uint32(0xFFFFFFFF)).all()
    before = (out / REAL_TRAIN / "here.npz").read_bytes()
    make_real_data(out, [tmp_path / "here.osm"], [], 4)  # kept as it is
    assert (out / REAL_TRAIN / "here.npz").read_bytes() == before


def test_names_of_towns_are_those_of_their_files(tmp_path):
    assert town_name("a/neukolln.osm.gz") == "neukolln"
    assert town_name("a/Town01.net.xml") == "Town01"
    assert town_name("bad_hersfeld/osm_edited.net.xml.gz") == "bad_hersfeld"
    _town(tmp_path, "one")
    assert town_files([tmp_path]) == [tmp_path / "one.osm"]


@pytest.mark.parametrize(("paths", "held_out", "told"), [
    (["."], ["elsewhere"], "no town 'elsewhere'"), (["empty"], [], "expected extracts"), ([".", "again"], [], "'one'"),
])  # fmt: skip
def test_what_cannot_be_made_is_told_at_once(tmp_path, paths, held_out, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "towns").mkdir()
    (tmp_path / "again").mkdir()
    _town(tmp_path / "towns", "one")
    _town(tmp_path / "again", "one")
    folders = [tmp_path / (p if p != "." else "towns") for p in paths]
    with pytest.raises(InputError, match=told):
        make_real_data(tmp_path / "data", folders, held_out)
    assert not (tmp_path / "data").exists()
