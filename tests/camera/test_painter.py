"""Painters: what they are given, that they paint places and not moments, keep what pictures showed, and can learn."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import yaml
from scipy.spatial import cKDTree

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.camera.splat.appearance import ColouredTile, write_appearance
from uniscene_sim.camera.splat.engine import SplatCameras
from uniscene_sim.camera.splat.learned.conditions import COLUMNS, KEPT, columns_of, splat_conditions
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.cli.main import main
from uniscene_sim.datasets.coloured_tiles import make_town_tiles, read_coloured_tiles
from uniscene_sim.errors import InputError
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass

torch = pytest.importorskip("torch")

from uniscene_sim.camera.splat.learned.model import PainterModel  # noqa: E402
from uniscene_sim.camera.splat.learned.nets import PaintVae, PaintVaeConfig  # noqa: E402
from uniscene_sim.camera.splat.learned.painted import PaintedTiles  # noqa: E402
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig  # noqa: E402
from uniscene_sim.training.appearance import AppearanceRecipe, save_appearance, train_paint_vae  # noqa: E402
from uniscene_sim.training.loop import Schedule  # noqa: E402

TINY_VAE = PaintVaeConfig(latent=4, width=16, fine=8, hidden=16, embed=4, encoder_blocks=1, decoder_blocks=1)
TINY_NET = UNetConfig(latent=4, patch=2, widths=(16, 16), blocks=(1, 1, 1), layout_width=4, attention=False,
                      channels=COLUMNS)  # fmt: skip
INDEX = (0, 1)


@pytest.fixture(scope="module")
def store():
    return street_view("cut_in", "rl").atlas.store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A painter of random weights, as it is kept."""
    torch.manual_seed(3)
    recipe = replace(AppearanceRecipe(), vae=TINY_VAE, net=TINY_NET, steps=2)
    vae, flow = PaintVae(TINY_VAE), UNet(TINY_NET)
    for part in (*vae.parameters(), *flow.parameters()):
        torch.nn.init.normal_(part, std=0.3)
    folder = tmp_path_factory.mktemp("zoo") / "painter"
    save_appearance(folder, recipe, vae, flow, {}, "random")
    return folder


@pytest.fixture(scope="module")
def of_pictures(folder, tmp_path_factory):
    """The same, as if it had learned from pictures."""
    copy = tmp_path_factory.mktemp("zoo") / "of_pictures"
    shutil.copytree(folder, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["engine"]["recorded"] = True
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    return copy


@pytest.fixture(scope="module")
def model(folder):
    return PainterModel.load(folder, "cpu")


def test_materials_of_houses_are_not_told_and_columns_turn_with_the_tile(store):
    tile = store.get(*INDEX)
    splats = tile_splats(tile)
    house = (MATERIAL_LABEL[splats.material] == OccClass.MANMADE) & ~KEPT[splats.material]
    assert house.sum() > 1000 and len(np.unique(splats.material[house])) > 3
    plain = replace(splats, material=np.where(house, np.uint8(Material.WALL_BRICK), splats.material))
    given, other = splat_conditions(splats, tile), splat_conditions(plain, tile)
    assert np.array_equal(given.label, other.label) and np.array_equal(columns_of(given), columns_of(other))
    given = replace(given, place=given.place + np.float32((0.013, 0.017, 0.0)))  # no wall on a border between columns
    columns = columns_of(given)
    ground = columns[: len([c for c in COLUMNS if c.startswith("ground_")])]
    assert 0.9 < np.median(ground.sum(axis=0)[ground.sum(axis=0) > 0]) < 1.1  # one layer of it
    mirrored = columns_of(given.turned(True, False, False))
    x = [COLUMNS.index(f"manmade_x_{band}") for band in range(6)]
    rest = [k for k in range(len(COLUMNS)) if k not in x]
    assert np.allclose(mirrored[rest], columns[rest, ::-1], atol=1e-4)
    assert np.allclose(mirrored[x], -columns[x, ::-1], atol=1e-4) and np.abs(columns[x]).max() > 0.3
    turned = columns_of(given.turned(False, False, True))
    y = [COLUMNS.index(f"manmade_y_{band}") for band in range(6)]
    assert np.allclose(turned[rest[-5:]], columns[rest[-5:]].swapaxes(1, 2), atol=1e-5)
    assert np.allclose(turned[y], columns[x].swapaxes(1, 2), atol=1e-4)


def test_a_place_is_painted_by_its_noise_alone_and_by_what_is_around_it(store, model):
    asked = set()

    class Watched:
        def get(self, ix, iy):
            asked.add((ix - INDEX[0], iy - INDEX[1]))
            return store.get(ix, iy)

    first = PaintedTiles(model, 7).coloured(INDEX, Watched())
    assert asked == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    again = PaintedTiles(model, 7)
    again.coloured((1, 1), store)
    assert np.array_equal(again.coloured(INDEX, store).splats.albedo, first.splats.albedo)
    other = PaintedTiles(model, 8).coloured(INDEX, store)
    plain = tile_splats(store.get(*INDEX))
    kept = KEPT[plain.material]
    assert kept.sum() > 100
    for one in (first, other):
        assert np.array_equal(one.splats.albedo[kept], plain.albedo[kept]) and not one.seen.any()
        assert np.array_equal(one.splats.labels, plain.labels)
        house = (plain.labels == OccClass.MANMADE) & ~kept
        assert set(np.unique(one.splats.material[house])) <= {int(OccClass.MANMADE), int(Material.WINDOW)}
    assert np.abs(first.splats.albedo - other.splats.albedo)[~kept].mean() > 0.01


def pictured(store, folder):
    """An appearance in whose only tile pictures showed the half with small x, in pink."""
    splats = tile_splats(store.get(*INDEX))
    seen = splats.means[:, 0] < 32.0
    albedo = np.where(seen[:, None], np.float32((0.9, 0.2, 0.5)), np.float32(0.0))
    folder.mkdir()
    fine = np.zeros((20, 20), np.bool_)
    write_appearance(folder, {INDEX: ColouredTile(fine, replace(splats, albedo=albedo), seen)}, [])
    return seen


def test_what_pictures_showed_stays_and_the_rest_is_painted(store, folder, of_pictures, tmp_path):
    seen = pictured(store, tmp_path / "pink")
    engine = SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path / "pink"), unseen=str(of_pictures)))
    colours = engine._colours
    assert isinstance(colours, PaintedTiles) and colours.recorded
    found = colours.coloured(INDEX, store)
    assert np.abs(found.splats.albedo[seen] - np.float32((0.9, 0.2, 0.5))).max() < 0.01
    unseen = ~seen & ~KEPT[found.splats.material]
    assert (found.splats.albedo[unseen].max(axis=1) > 0.0).all()
    assert colours.coloured((1, 1), store).splats.albedo.std() > 0.0  # no picture showed any of it
    with pytest.raises(InputError, match=r"option 'unseen'.*learned from pictures"):
        SplatCameras(options=SplatCameras.Options(appearance=str(tmp_path / "pink"), unseen=str(folder)))
    latents, mask = colours._known(colours._canvas(INDEX, store), _told(store), found)
    assert mask[:20].mean() > 0.4 and not mask[27:].any() and latents.shape == (4, 52, 52)


def _told(store):
    from uniscene_sim.camera.splat.learned.painted import _shifted

    tile = store.get(*INDEX)
    return _shifted(splat_conditions(tile_splats(tile), tile))


def test_a_painter_is_an_engines_option_and_its_pictures_differ_by_noise(folder, tmp_path, monkeypatch):
    view, cameras = street_view("cut_in", "rl"), [replace(load_rig("rl").cameras[0], max_range_m=40.0)]

    def shot(**options):
        engine = SplatCameras(options=SplatCameras.Options(**options))
        return engine.step([None], [view], cameras)[1][0][cameras[0].name].rgb.astype(int)

    plain, first = shot(), shot(appearance=str(folder))
    monkeypatch.setenv("UNISCENE_CACHE", str(tmp_path))  # painted anew
    again, other = shot(appearance=str(folder)), shot(appearance=str(folder), noise=1)
    assert np.array_equal(first, again)
    assert np.abs(first - plain).mean() > 3.0 and np.abs(first - other).mean() > 1.0


def test_what_was_painted_is_kept_and_found_by_all_that_it_depends_on(store, model, tmp_path):
    cache = DiskCache(tmp_path / "painted", 2**30)
    first = PaintedTiles(model, 7, cache=cache).coloured(INDEX, store)
    (file,) = (tmp_path / "painted").iterdir()
    again, read = PaintedTiles(model, 7, cache=cache), cache.nbytes_read
    found = again.coloured(INDEX, store)
    assert np.array_equal(found.splats.albedo, first.splats.albedo) and cache.nbytes_read > read
    assert np.array_equal(found.splats.material, first.splats.material)
    PaintedTiles(model, 8, cache=cache).coloured(INDEX, store)
    again.coloured((1, 1), store)
    assert len(list((tmp_path / "painted").iterdir())) == 3
    file.write_bytes(file.read_bytes()[:-5])  # damaged: painted anew
    assert np.array_equal(PaintedTiles(model, 7, cache=cache).coloured(INDEX, store).splats.albedo, first.splats.albedo)


def test_what_cannot_paint_is_refused(folder, tmp_path):
    for options, words in (
        ({"appearance": str(tmp_path / "none")}, "option 'appearance'.*no such model"),
        ({"appearance": "lidar"}, "without vae and flow.*train appearance"),
        ({"unseen": str(folder)}, "an appearance of pictures"),
        ({"appearance": str(folder), "noise": -1}, "noise: expected a number from 0"),
    ):
        with pytest.raises(InputError, match=words):
            SplatCameras(options=SplatCameras.Options(**options))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for part, value in (
        ("engine", {"steps": 0, "shift": 1.0, "recorded": False, "grain": 0.0}),
        ("engine", {"steps": 2, "shift": 1.0, "recorded": 1, "grain": 0.0}),
        ("flow", config["flow"] | {"channels": ["a"]}),
    ):
        broken = tmp_path / f"{part}{len(str(value))}"
        broken.mkdir()
        for file in folder.iterdir():
            (broken / file.name).write_bytes(file.read_bytes())
        (broken / "config.yaml").write_text(yaml.safe_dump(config | {part: value}))
        with pytest.raises(InputError, match=part):
            PainterModel.load(broken, "cpu")


def test_tiles_to_learn_from_are_kept_and_a_small_painter_learns_from_them(tmp_path):
    make_town_tiles(tmp_path, "train", 1, 2)
    tiles = read_coloured_tiles(tmp_path / "train")
    assert len(tiles) == 2 and tiles[0].maker == "seeded towns, materials"
    for tile in tiles:
        house = tile.given.label == OccClass.MANMADE
        assert tile.known.mean() > 0.8 and (tile.pane is None or 0.02 < tile.pane[house].mean() < 0.5)
    recipe = replace(AppearanceRecipe(), vae=TINY_VAE, vae_schedule=Schedule(120, 6e-3, warmup=10, average=0.97),
                     batch=1, shown=3000, asked=3000)  # fmt: skip
    train_paint_vae(recipe, tiles, tiles, tmp_path / "work", torch.device("cpu"))
    last = yaml.safe_load((tmp_path / "work" / "vae.jsonl").read_text().splitlines()[-1])
    assert last["held_out"] < 0.9 * last["held_out_class_mean"]


def test_an_appearance_is_named_on_the_command_line(folder, tmp_path, capsys):
    run = ["run", "cut_in", "--rig", "rl", "--ticks", "1", "--no-preview", "--out", str(tmp_path / "out")]
    assert main([*run, "--appearance", str(folder), "--camera", "splat"]) == 2
    assert "--appearance: is short for --camera splat:appearance=" in capsys.readouterr().err
    for given, words in ((str(tmp_path / "none"), "option 'appearance'"), ("", "a painter or a folder"),
                         ("a,b", "without commas")):  # fmt: skip
        assert main([*run, "--appearance", given]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_one_command_trains_a_painter_and_another_judges_it(tmp_path, monkeypatch, capsys):
    from uniscene_sim.cli import train
    from uniscene_sim.datasets import coloured_tiles

    towns = {"train": (1, 2), "validation": (1, 1), "test": (1, 1)}
    monkeypatch.setattr(train, "PAINTED_TOWNS", towns)
    monkeypatch.setattr(coloured_tiles, "PAINTED_TOWNS", towns)
    sizes = {"latent": 4, "width": 16, "fine": 8, "hidden": 16, "embed": 4, "encoder_blocks": 1, "decoder_blocks": 1}
    net = {"latent": 4, "widths": [16, 16], "blocks": [1, 1, 1], "layout_width": 4}
    recipe = {"vae": sizes, "net": net, "vae_schedule": {"steps": 3}, "flow_schedule": {"steps": 3}, "steps": 2,
              "shown": 2000, "asked": 1000}  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "model")]
    assert main(["train", "appearance", *folders, "--recipe", str(tmp_path / "tiny.yaml"), "--device", "cpu"]) == 0
    card = (tmp_path / "model" / "README.md").read_text()
    assert "2 tiles of 64 m" in card and "3 steps of the VAE" in card and "table by class" in card
    capsys.readouterr()
    judged = ["--model", str(tmp_path / "model"), "--data", str(tmp_path / "data"), "--json", str(tmp_path / "r.json")]
    assert main(["eval", "appearance", *judged, "--device", "cpu"]) == 0
    assert "| painted | 1 |" in capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads((tmp_path / "r.json").read_text())["rows"]}
    assert rows["truth"]["error_houses"] == 0 and rows["table by class"]["error_houses"] > 5
    assert rows["painted"]["by_noise"] > 0 and rows["table by class"]["within_houses"] < 0.01
    assert main(["eval", "appearance", "--photographs", str(tmp_path)]) == 2
    assert "--lifted" in capsys.readouterr().err


def test_houses_are_painted_across_the_border_of_tiles_and_windows_glow_at_night(store):
    """By the model that is shipped: along a border, colours change as they do within a tile."""
    painted = PaintedTiles(PainterModel.load("appearance", "cpu"), 2)
    tiles = [painted.coloured((1, iy), store).splats for iy in (0, 1, 2)]
    over = np.concatenate([_steps(one, other, 64.0) for one, other in pairwise(tiles)])
    within = np.concatenate([_steps(one, one, at) for one in tiles for at in (16.0, 32.0, 48.0)])
    assert len(over) > 100 and len(within) > 100
    right = tiles[1]
    assert np.abs(over).mean() < 1.5 * np.abs(within).mean() + 0.02
    pane = right.material == Material.WINDOW
    house = right.labels == OccClass.MANMADE
    assert 0.02 < pane[house].mean() < 0.6
    assert right.albedo[pane].mean(axis=0) @ (-1, 0, 1) > right.albedo[house & ~pane].mean(axis=0) @ (
        -1,
        0,
        1,
    )  # bluish


def _steps(one, other, at):
    """Differences of colours (N, 3) of walls that go on across a plane of y, from one tile to its neighbour."""
    shift = 64.0 if other is not one else 0.0
    sides = []
    for splats, low, high, off in ((one, at - 0.8, at, 0.0), (other, at, at + 0.8, shift)):
        y = splats.means[:, 1] + off
        use = (splats.labels == OccClass.MANMADE) & (np.abs(splats.normals[:, 0]) > 0.9) & (y > low) & (y < high)
        sides.append((splats.means[use][:, [0, 2]], splats.albedo[use] ** (1 / 2.2)))
    (a, colour_a), (b, colour_b) = sides
    if not len(b):
        return np.zeros((0, 3))
    away, near = cKDTree(b).query(a)
    return (colour_a - colour_b[near])[away < 0.05]
