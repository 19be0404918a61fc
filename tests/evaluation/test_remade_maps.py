"""Maps of windows are found by their content and made again as they were."""

import gzip
import warnings

import numpy as np
import pytest

from tests.maps.osm_text import Extract, crossroads
from uniscene_sim.datasets.real_towns import make_real_data
from uniscene_sim.datasets.windows import REAL_TEST, read_town
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.evaluation.held_out import HeldOutWindows, read_held_out
from uniscene_sim.evaluation.methods import replanned
from uniscene_sim.evaluation.remade_maps import EmittedWindows, MapShelf, Origin, Replanned
from uniscene_sim.maps.load import load_map, plan_ref
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.storage.array_file import read_arrays, write_arrays
from uniscene_sim.taxonomy import OccClass

pytest.importorskip("osmium")

FREE = int(OccClass.FREE)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A town with houses and its held-out windows: folder of maps, and of data."""
    folder = tmp_path_factory.mktemp("town")
    extract: Extract = crossroads()
    for x, y in ((12, 12), (-30, 12), (12, -32), (-30, -32)):
        extract.area([(x, y), (x + 18, y), (x + 18, y + 20), (x, y + 20)], building="yes", height="12")
    (folder / "maps").mkdir()
    extract.write(folder / "maps" / "here.osm")
    make_real_data(folder / "data", [folder / "maps"], ["here"], 4)
    return folder


def held_out(town, *maps) -> HeldOutWindows:
    (scenes,) = read_held_out(town / "data" / REAL_TEST, 4, MapShelf(maps))
    return scenes


def test_windows_name_their_map_and_no_place_on_this_machine(town):
    windows = read_town(town / "data" / REAL_TEST / "here.npz")
    cut = windows.cut_from
    assert cut.map_name == "here.osm" and cut.map_ref == plan_ref(town / "maps" / "here.osm")
    assert cut.map_ref == load_map(town / "maps" / "here.osm").ref
    assert cut.map_square.shape == (4, 3) and (cut.map_square[:, 2] == 330).all() and cut.plan_seed.shape == (4,)
    away = np.abs(windows.pose[:, :2] - cut.map_square[:, :2])
    assert (away <= 270).all()


def test_a_map_is_found_by_its_content_and_made_again_as_it_was(town, tmp_path):
    scenes = held_out(town, town / "maps")
    assert all(place.origin.source == town / "maps" / "here.osm" for place in scenes.places)
    (tmp_path / "renamed.osm").write_bytes((town / "maps" / "here.osm").read_bytes())
    assert held_out(town, tmp_path / "renamed.osm").places[0].origin.source == tmp_path / "renamed.osm"
    emitted, place = EmittedWindows(ProceduralOccupancy), scenes.places[0]
    made = np.where(scenes.agents[0], scenes.labels[0], emitted(place.origin, place.pose))
    high = np.s_[..., 3:]
    truth = scenes.labels[0]
    both, either = ((made[high] != FREE) & (truth[high] != FREE)), ((made[high] != FREE) | (truth[high] != FREE))
    assert both.sum() > 0.7 * either.sum() > 1000
    mosaic = emitted.mosaic(place.origin, place.pose)
    assert mosaic.shape == (480, 480, 32) and (mosaic == OccClass.MANMADE).sum() > 1000


def test_another_plan_of_a_known_town_forgets_its_houses(town):
    scenes = held_out(town, town / "maps")
    (method,) = replanned(scenes)
    other = method.make(np.array([0]))[0]
    truth = scenes.labels[0]
    walls, others = truth == OccClass.MANMADE, other == OccClass.MANMADE
    assert (walls & others).sum() < 0.6 * (walls | others).sum()
    roads = np.isin(truth, (OccClass.DRIVEABLE_SURFACE, OccClass.SIDEWALK))
    assert (other[roads & ~scenes.agents[0]] == truth[roads & ~scenes.agents[0]]).mean() > 0.99
    again = Replanned()
    place = scenes.places[0]
    assert (again(place.origin, place.pose, 1) != again(place.origin, place.pose, 0)).any()


def test_a_map_that_changed_or_is_not_there_is_told_once_and_its_windows_have_no_origin(town, tmp_path):
    text = (town / "maps" / "here.osm").read_text()
    (tmp_path / "here.osm").write_text(text.replace('v="12"', 'v="13"'))
    assert text.count('v="12"') == 4
    for maps in ((), (tmp_path,)):
        with pytest.warns(InputWarning, match=r"here\.npz: the map 'here\.osm' .* is not among the maps given") as told:
            scenes = held_out(town, *maps)
        assert len(told) == 1 and all(place.origin is None for place in scenes.places) and not replanned(scenes)


def test_windows_of_before_have_no_map_and_nothing_is_told(town, tmp_path):
    arrays = read_arrays(town / "data" / REAL_TEST / "here.npz", None, "windows")
    kept = {name: array for name, array in arrays.items() if not name.startswith(("map_", "plan_"))}
    (tmp_path / "real_test").mkdir()
    write_arrays(tmp_path / "real_test" / "here.npz", kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (scenes,) = read_held_out(tmp_path / "real_test", 4, MapShelf([town / "maps"]))
    assert scenes.places[0].origin is None
    nowhere = np.full((4, 3), np.nan)
    for wrong in ({"plan_seed": np.full(4, -1)}, {"map_square": nowhere}, {"map_ref": np.zeros(3)}):
        (field,) = wrong
        write_arrays(tmp_path / "real_test" / "here.npz", arrays | wrong)
        with pytest.raises(InputError, match=field):
            read_town(tmp_path / "real_test" / "here.npz")


def test_seeded_towns_are_made_by_their_seed(town, tmp_path):
    arrays = read_arrays(town / "data" / REAL_TEST / "here.npz", None, "windows")
    kept = {name: array for name, array in arrays.items() if not name.startswith(("map_", "plan_"))}
    (tmp_path / "test").mkdir()
    write_arrays(tmp_path / "test" / "town_20001.npz", kept | {"maker": np.array("seeded town")})
    (scenes,) = read_held_out(tmp_path / "test", 4)
    assert [place.origin for place in scenes.places] == [
        Origin(20_001, 20_001_000 + place.sequence // 2 * 2) for place in scenes.places
    ]


@pytest.mark.parametrize(("name", "told"), [
    ("none.osm", "cannot be read"), ("a.txt", "expected maps"), (".", "expected maps"),
])  # fmt: skip
def test_maps_that_are_none_are_told_at_once(tmp_path, name, told):
    (tmp_path / "a.txt").write_text("no map")
    with pytest.raises(InputError, match=told):
        MapShelf([tmp_path / name])


def test_a_packed_map_is_another_file(town, tmp_path):
    body = (town / "maps" / "here.osm").read_bytes()
    (tmp_path / "here.osm.gz").write_bytes(gzip.compress(body))
    assert plan_ref(tmp_path / "here.osm.gz") != plan_ref(town / "maps" / "here.osm")
    assert plan_ref(tmp_path / "here.txt") is None
