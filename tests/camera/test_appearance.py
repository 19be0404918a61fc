"""Appearances: colours of tiles and bodies that are kept, found again, refused when damaged, and shown as they are."""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.camera.splat.appearance import Appearance, Body, ColouredTile, write_appearance
from uniscene_sim.camera.splat.assets import template_splats
from uniscene_sim.camera.splat.engine import SplatCameras
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.tracing.templates.template_set import built_in_templates

COLOUR = (0.6, 0.1, 0.3)


@pytest.fixture(scope="module")
def view():
    return street_view("cut_in", "rl")


def painted(view, folder, index, bodies=()):
    """An appearance of one tile in one colour, with columns of 0.1 m in its middle."""
    tile, fine = view.atlas.store.get(*index), np.zeros((20, 20), np.bool_)
    fine[9:11, 9:11] = True
    splats = tile_splats(tile, fine)
    albedo = np.tile(np.float32(COLOUR), (len(splats), 1))
    folder.mkdir(exist_ok=True)
    shown = ColouredTile(fine, dataclasses.replace(splats, albedo=albedo), splats.means[:, 0] < 30.0)
    write_appearance(folder, {index: shown}, list(bodies))
    return tile, splats


def test_what_is_written_is_read_and_fine_columns_have_finer_splats(view, tmp_path):
    tile, splats = painted(view, tmp_path, (0, 1))
    assert len(splats) > len(tile_splats(tile)) + 2000
    store = view.atlas.store
    coloured = Appearance.load(tmp_path).coloured((0, 1), store)
    found = coloured.splats
    assert np.array_equal(coloured.seen, splats.means[:, 0] < 30.0) and coloured.fine.sum() == 4
    assert np.array_equal(found.means, splats.means) and np.array_equal(found.covariances, splats.covariances)
    assert np.abs(found.albedo - np.float32(COLOUR)).max() < 0.006  # 8 bits
    assert Appearance.load(tmp_path).coloured((1, 1), store) is None  # no file

    class Elsewhere:
        get = staticmethod(lambda ix, iy: store.get(1, 1))

    assert Appearance.load(tmp_path).coloured((0, 1), Elsewhere()) is None  # another tile stands there now


def test_a_damaged_appearance_is_one_error(view, tmp_path):
    painted(view, tmp_path, (0, 1))
    with pytest.raises(InputError, match=r"appearance\.json"):
        Appearance.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="appearance"):
        SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path / "nowhere")))
    for text in ("{", "[]", '{"format": 2, "bodies": 0}', '{"format": 1, "bodies": -1}', '{"format": 1, "bodies": 1}'):
        (tmp_path / "appearance.json").write_text(text)
        with pytest.raises(InputError):
            Appearance.load(tmp_path)
    with pytest.raises(InputError, match=r"option 'appearance'.*body_0"):
        SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path)))
    (tmp_path / "appearance.json").write_text('{"format": 1, "bodies": 0}')
    file = tmp_path / "tile_0_1.npz"
    arrays = dict(np.load(file))
    for name, value in (("fine", np.zeros((3, 3), np.bool_)), ("colours", arrays["colours"].astype(np.float32)),
                        ("seen", arrays["seen"][1:])):  # fmt: skip
        np.savez(file, **{**arrays, name: value})
        with pytest.raises(InputError, match="tile_0_1"):
            Appearance.load(tmp_path).coloured((0, 1), view.atlas.store)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match="tile_0_1"):
        Appearance.load(tmp_path).coloured((0, 1), view.atlas.store)


def test_recorded_colours_are_shown_as_they_are_and_what_lacks_them_is_told_once(view, tmp_path):
    specs = load_rig("rl").cameras
    index = tuple(int(v // 64) for v in view.frame.ego_pose.position[:2])
    painted(view, tmp_path, index)
    engine = SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path)))
    with pytest.warns(InputWarning, match="no colours for"):
        image = engine.step(None, [view], specs)[1][0][specs[0].name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.step(None, [view], specs)
    plain = SplatCameras().step(None, [view], specs)[1][0][specs[0].name]
    assert np.array_equal(image.semantic, plain.semantic)  # only colours differ
    near = (image.depth < 12.0) & np.isin(image.semantic, (11, 17, 18, 19))  # ground of the ego's own tile
    shown, wanted = image.rgb[near].astype(float), 255.0 * np.array(COLOUR) ** (1 / 2.2)
    assert near.sum() > 200 and np.abs(np.median(shown, axis=0) - wanted).max() < 6.0
    assert np.abs(plain.rgb[near].astype(float) - wanted).mean() > 30.0


def test_an_agent_without_a_recorded_body_looks_as_ever_on_recorded_ground(view, tmp_path):
    """Though its splats blend with those behind it, whose colours hold their light."""
    specs, around = load_rig("rl").cameras, view.frame.ego_pose.position[:2] // 64
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            painted(view, tmp_path, (int(around[0]) + i, int(around[1]) + j))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        image = SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path))).step(None, [view], specs)
    plain = SplatCameras().step(None, [view], specs)[1][0][specs[0].name]
    cars = binary_erosion((plain.semantic == 4) & (plain.instance > 0))
    assert cars.sum() > 10
    off = np.abs(image[1][0][specs[0].name].rgb.astype(float) - plain.rgb)[cars].max(axis=1)
    assert np.quantile(off, 0.95) < 25.0


def test_an_agent_gets_the_recorded_body_nearest_in_size(view, tmp_path):
    templates = built_in_templates()
    first = int(templates.first[AgentClass.CAR, 0])
    count = len(template_splats(templates, first))
    bodies = [Body(int(AgentClass.CAR), first, np.array(size), np.full((count, 3), grey, np.float32))
              for size, grey in (((4.0, 1.7, 1.4), 0.9), ((5.2, 2.0, 1.9), 0.02))]  # fmt: skip
    painted(view, tmp_path, (0, 1), bodies)
    appearance = Appearance.load(tmp_path)
    assert appearance.body_of(int(AgentClass.CAR), np.array([4.1, 1.7, 1.5])) == 0
    assert appearance.body_of(int(AgentClass.CAR), np.array([5.0, 2.0, 1.8])) == 1
    assert appearance.body_of(int(AgentClass.BUS), np.array([5.0, 2.0, 1.8])) == -1
    specs = load_rig("rl").cameras
    means = []
    for kept in bodies:
        painted(view, tmp_path, (0, 1), [kept])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            engine = SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path)))
            image = engine.step(None, [view], specs)[1][0][specs[0].name]
        cars = (image.semantic == 4) & (image.instance > 0)
        means.append(image.rgb[cars].mean())
    assert cars.sum() > 20 and means[0] > means[1] + 80.0
    painted(view, tmp_path, (0, 1), [dataclasses.replace(bodies[0], albedo=bodies[0].albedo[:-1])])
    broken = SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path)))
    with pytest.raises(InputError, match="colours of template"), warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        broken.step(None, [view], specs)
