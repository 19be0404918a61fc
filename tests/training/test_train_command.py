"""`uniscene-sim train` and `eval`, from nothing to a judged model of the zoo, and what they refuse."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.pandaset_street import write_street
from uniscene_sim.cli.main import main
from uniscene_sim.datasets import make_datasets as data

TINY = {
    "vae": {"widths": [8, 16], "encoder_blocks": [1, 1], "decoder_blocks": [1, 1], "layout_width": 4},
    "net": {"kind": "dit", "width": 32, "depth": 1, "heads": 2, "layout_width": 4},
    "vae_schedule": {"steps": 3},
    "decoder_schedule": {"steps": 3},
    "flow_schedule": {"steps": 3},
    "vae_crop": 32,
    "vae_batch": 2,
    "flow_crop": 32,
    "flow_batch": 2,
}


@pytest.mark.slow
def test_one_command_trains_and_judges_a_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "TOWNS", {"train": (1, 6), "validation": (1, 2), "test": (1, 4)})
    monkeypatch.setattr("uniscene_sim.evaluation.diversity._EACH", 1)
    monkeypatch.setattr("uniscene_sim.evaluation.occupancy.NOISES", 2)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "model")]
    assert main(["train", "occupancy", *folders, "--recipe", str(tmp_path / "tiny.yaml"), "--device", "cpu"]) == 0
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "README.md", "config.yaml", "flow.safetensors", "vae.safetensors",
    ]  # fmt: skip
    card = (tmp_path / "model" / "README.md").read_text()
    assert "6 windows of 1 towns" in card and "seeded town (6 windows)" in card and "Told: roads" in card
    assert "3 steps of the VAE" in card and "| VAE ceiling |" in card

    arguments = ["--model", str(tmp_path / "model"), "--data", str(tmp_path / "data"), "--windows", "2"]
    outputs = ["--json", str(tmp_path / "rows.json"), "--picture", str(tmp_path / "scenes.png")]
    capsys.readouterr()
    assert main(["eval", "occupancy", *arguments, "--steps", "1", "--device", "cpu", *outputs]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    by_name = rows["test, seeded town"]
    assert by_name["truth"]["miou"] == 1 and by_name["flow, untold"]["miou"] < 0.5
    assert by_name["engine, untold"]["seam"] > 0 and 0 <= by_name["flow, told"]["precision_3d"] <= 1
    told = capsys.readouterr().out
    assert "| truth | test, seeded town |" in told and "a lookup table without neighbours reaches" in told
    assert np.asarray(Image.open(tmp_path / "scenes.png")).std() > 10


@pytest.mark.slow
def test_networks_that_judge_are_trained_by_one_command(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "TOWNS", {"train": (1, 6)})
    (tmp_path / "tiny.yaml").write_text("{schedule: {steps: 3}, widths: [8, 16], latent: 4, kinds: 2, batch: 2}")
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "judge")]
    assert main(["train", "features", *folders, "--recipe", str(tmp_path / "tiny.yaml"), "--device", "cpu"]) == 0
    card = (tmp_path / "judge" / "README.md").read_text()
    assert "3 steps of each" in card and "seeded town (6 windows)" in card and "no engine uses it" in card
    config = yaml.safe_load((tmp_path / "judge" / "config.yaml").read_text())
    assert config["features_3d"]["latent"] == 4 and config["features_2d"]["inputs"] == 20


TINY_LIDAR = {"net": {"widths": [8, 8], "blocks": [1, 1], "hidden": 16}, "schedule": {"steps": 8}, "rays": 512}


@pytest.mark.slow
def test_a_lidar_is_trained_and_judged_beside_another(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "SWEPT_TOWNS", {"train": (1, 2), "validation": (1, 1), "test": (1, 1)})
    for name, net in (("with", {}), ("without", {"prior": False, "samples": 16})):
        recipe = TINY_LIDAR | {"net": TINY_LIDAR["net"] | net}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
        out = tmp_path / "zoo" / name
        folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / name), "--out", str(out)]
        assert main(["train", "lidar", *folders, "--recipe", str(tmp_path / f"{name}.yaml"), "--device", "cpu"]) == 0
    card = (tmp_path / "zoo" / "with" / "README.md").read_text()
    assert "2 sweeps of 1 seeded towns" in card and "8 steps" in card and "| raycast on labels | test |" in card

    [name] = [path.name for path in (tmp_path / "data" / "test").iterdir()]
    (tmp_path / "theirs").mkdir()
    np.savez(tmp_path / "theirs" / name, range_m=np.load(tmp_path / "data" / "test" / name)["range_m"])
    models = [
        "--predictions",
        str(tmp_path / "theirs"),
        "--model",
        str(tmp_path / "zoo" / "with"),
        "--also",
        str(tmp_path / "zoo" / "without"),
    ]
    outputs = ["--json", str(tmp_path / "rows.json"), "--picture", str(tmp_path / "sweeps.png")]
    capsys.readouterr()
    assert main(["eval", "lidar", *models, "--data", str(tmp_path / "data"), "--device", "cpu", *outputs]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]["test"]
    assert rows["predictions of theirs"]["mean_m"] == 0, "the truth, told by others"
    full, deaf, spaced = rows["with"], rows["with without ray-drop head"], rows["without"]
    assert full["within_05"] > spaced["within_05"], "half a cell within the first cell is a better guess than none"
    assert deaf["median_m"] == full["median_m"] and deaf["drop_auc"] != full["drop_auc"]
    assert "| raycast on labels | test |" in capsys.readouterr().out
    assert np.asarray(Image.open(tmp_path / "sweeps.png")).std() > 10


@pytest.mark.slow
def test_a_lidar_learns_from_real_sweeps(tmp_path, capsys):
    street = write_street(tmp_path / "002", [0, 5, 28, 30, 32, 33, 50, 52, 60, 61, 63], lost=0.05)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY_LIDAR | {"start": ""}))
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "model")]
    recipe = ["--recipe", str(tmp_path / "tiny.yaml"), "--device", "cpu"]
    assert main(["train", "lidar", "--real", str(street), *folders, *recipe]) == 0
    card = (tmp_path / "model" / "README.md").read_text()
    assert "CC BY 4.0" in card and "begun from random weights" in card and "8 steps" in card
    for row in ("raycast on labels", "raycast, measured", "model", "model, depth by equation 10"):
        assert f"| {row} | frames 0 to 55 |" in card and f"| {row} | neighbours |" in card
    assert not (tmp_path / "data").exists(), "no town is needed"
    capsys.readouterr()
    assert main(["train", "sensor", "--real", str(street), "--out", str(tmp_path / "sensor.json")]) == 0
    assert "frames 0 to 55" in json.loads((tmp_path / "sensor.json").read_text())["source"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "occupancy", "--model", "no_such"], "no_such: no such model"),
        (["eval", "lidar", "--predictions", "a"], "--predictions: holds predictions of the rays of --data or --real"),
        (["eval", "lidar", "--write-rays", "a"], "--write-rays: writes the rays of PandaSet's sequence 002"),
        (["train", "lidar", "--real", "{tmp}"], "holds no sweep lidar/NN.npz"),
        (["train", "sensor", "--real", "{tmp}/none"], "none"),
        (["eval", "occupancy", "--picture", "a.png"], "--picture: draws some of --data"),
        (["eval", "occupancy", "--predictions", "{tmp}"], "--predictions: are for windows of --data"),
        (["train", "data", "--xodr", "{tmp}"], "--xodr: expected .xodr files"),
        (["train", "occupancy", "--recipe", "{tmp}/no.yaml"], "no.yaml: cannot be read: No such file"),
        (["eval", "lidar", "--also", "no_such"], "no_such: no such model"),
        (["eval", "lidar", "--data", "{tmp}"], "expected files sweeps_<seed>.npz"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(data, "TOWNS", {})
    monkeypatch.chdir(tmp_path)
    assert main([a.replace("{tmp}", str(tmp_path)) for a in arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "out" / "models").exists()


def test_a_gpu_that_is_not_there_is_named(tmp_path, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert main(["train", "occupancy", "--data", str(tmp_path), "--device", "cuda"]) == 2
    assert "--device: no CUDA device here" in capsys.readouterr().err


def test_without_torch_one_line_says_what_to_install(monkeypatch, capsys):
    from importlib import util

    from uniscene_sim.zoo import models as zoo

    monkeypatch.setattr(zoo, "find_spec", lambda name: None if name == "torch" else util.find_spec(name))
    for arguments in (["eval", "occupancy"], ["run", "cut_in", "--occupancy", "occflow-tiles", "--ticks", "1"]):
        assert main(arguments) == 2
        assert "need torch: pip install 'uniscene_sim[learned]'" in capsys.readouterr().err
