"""Colours from pictures: what is seen gets them, whatever a picture's exposure; what cannot be used is told."""

import numpy as np
import pytest
from PIL import Image

from tests.datasets.formats.test_pandaset import pandaset
from tests.datasets.test_lift import FRAMES, with_camera
from uniscene_sim.camera.splat.appearance import Appearance
from uniscene_sim.datasets.coloured_tiles import make_lifted_tiles, read_coloured_tiles
from uniscene_sim.datasets.lift.appearance import StreetCanvas, linear_image
from uniscene_sim.datasets.lift.colours import box_mask, lift_colours
from uniscene_sim.datasets.lift.drive import boxes_at, read_recorded
from uniscene_sim.datasets.lift.lift import APPEARANCE, lift, lifted_map
from uniscene_sim.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
COLOUR = np.array([180.0, 90.0, 50.0])


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A street whose pictures are of one colour, each other one taken at a third more light."""
    folder = with_camera(pandaset(tmp_path_factory.mktemp("street") / "001", frames=FRAMES))
    for k in range(FRAMES):
        value = COLOUR * (1.0 if k % 2 else 1.0 / 1.333 ** (1 / 2.2))
        picture = np.tile(np.rint(value).astype(np.uint8), (27, 48, 1))
        Image.fromarray(picture).save(folder / "camera/front_camera" / f"{k:02d}.jpg", quality=100, subsampling=0)
    return folder


def test_what_pictures_show_has_their_colour_and_exposure_is_solved_for(street):
    drive = read_recorded(street)
    canvas = StreetCanvas.of_drive(drive, lifted_map(drive, 30.0)).canvas
    colours, seen, gains = lift_colours(canvas, drive.views, lambda view: linear_image(view, drive.log))
    ratio = gains[1::2].mean(axis=0) / gains[::2].mean(axis=0)
    assert np.allclose(ratio, 1.333, atol=0.04)
    much = colours[seen > 0.3]
    mean = (COLOUR / 255.0) ** 2.2 / np.sqrt(1.333)  # at the mean exposure
    assert len(much) > 60 and np.abs(np.median(much, axis=0) / mean - 1.0).max() < 0.03
    assert (np.abs(much / mean - 1.0).max(axis=1) < 0.1).mean() > 0.95
    # a round of correction leaves less than the first mean does
    rest = [np.abs(canvas.show(view).albedo - mean)[canvas.show(view).opacity > 0.9].mean() for view in drive.views]
    assert max(rest) < 0.02


def test_lift_writes_colours_that_the_engine_opens(street, tmp_path):
    made = lift(street, tmp_path / "001", reach_m=30.0, rounds=1)
    appearance = Appearance.load(made.folder / APPEARANCE)
    assert list((made.folder / APPEARANCE).glob("tile_*.npz")) and isinstance(appearance.bodies, tuple)
    bare = lift(street, tmp_path / "002", reach_m=30.0, rounds=0)
    assert not (bare.folder / APPEARANCE).exists()


def test_tiles_to_learn_from_are_those_that_pictures_showed(street, tmp_path, monkeypatch):
    lifted = lift(street, tmp_path / "001", reach_m=30.0, rounds=1).folder
    with pytest.raises(InputError, match="some of whose tiles pictures showed"):
        make_lifted_tiles(tmp_path / "data", lifted)
    monkeypatch.setattr("uniscene_sim.datasets.coloured_tiles._LEAST_KNOWN", 5)
    tiles = read_coloured_tiles(make_lifted_tiles(tmp_path / "data", lifted))
    assert tiles and all(t.maker == "pictures of pandaset (001)" and t.pane is None for t in tiles)
    assert all(5 <= t.known.sum() < len(t.known) for t in tiles)
    learned = np.concatenate([t.colours[t.known] for t in tiles]).astype(float)
    assert np.abs(np.median(learned, axis=0) - COLOUR / 1.333 ** (0.5 / 2.2)).max() < 12.0
    with pytest.raises(InputError, match=r"appearance\.json"):
        make_lifted_tiles(tmp_path / "data", tmp_path)


def test_agents_are_outlined_and_a_picture_of_another_size_is_refused(street):
    drive = read_recorded(street)
    view = drive.views[2]
    boxes = boxes_at(drive.tracks, view.time_s)
    mask = box_mask(view, boxes)
    assert not mask.all()
    ahead = view.pose[:3, 3] + 8.0 * view.pose[:3, 2]
    one = np.array([[*ahead[:2], ahead[2] - 1.0, 0.0, 2.0, 2.0, 2.0, 0]])
    around = box_mask(view, one, grow_m=0.0)
    assert around[13, 24] and not around[0, 0] and 0.005 < around.mean() < 0.4
    view.file.with_name("odd.jpg").write_bytes(view.file.read_bytes())
    Image.new("RGB", (10, 10)).save(view.file.with_name("odd.jpg"))
    import dataclasses

    with pytest.raises(InputError, match=r"odd\.jpg.*48x27|48x27"):
        linear_image(dataclasses.replace(view, file=view.file.with_name("odd.jpg")), drive.log)
    view.file.with_name("odd.jpg").unlink()
