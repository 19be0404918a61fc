"""The zoo gives back what was put in, and refuses what was changed since."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from uniscene_sim.errors import InputError
from uniscene_sim.zoo import models as zoo
from uniscene_sim.zoo.models import check_tensors, load_model, model_names, save_model

WEIGHTS = {
    "vae": {"out.bias": np.array([0.1, -2.0, 3e-5]), "in.weight": np.arange(12, dtype=np.float32).reshape(3, 2, 2)},
    "flow": {"w": np.zeros((4, 0), np.float32)},
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An own zoo with the model `town` in it."""
    monkeypatch.setenv("UNISCENE_SIM_DATA", str(tmp_path))
    save_model(tmp_path / "models" / "town", {"latent_channels": 4, "note": "größer"}, WEIGHTS, "# town\n")
    return tmp_path / "models"


def message(action) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_saved_is_loaded_by_name_and_by_folder(home):
    model = load_model("town")
    assert model.name == "town" and model_names() == ["town"]
    assert model.config["latent_channels"] == 4 and model.config["note"] == "größer"
    for file, tensors in WEIGHTS.items():
        assert set(model.weights[file]) == set(tensors)
        for name, tensor in tensors.items():
            assert model.weights[file][name].dtype == np.float16
            np.testing.assert_array_equal(model.weights[file][name], tensor.astype(np.float16))
    assert (home / "town" / "README.md").read_text() == "# town\n"
    assert load_model(home / "town").sha256 == load_model(str(home / "town")).sha256 == model.sha256


def test_the_hash_is_of_content(home):
    first = load_model("town").sha256
    save_model(home / "again", {"latent_channels": 4, "note": "größer"}, WEIGHTS, "another card")
    assert load_model("again").sha256 == first
    for config, weights in (({"latent_channels": 8}, WEIGHTS), ({"latent_channels": 4}, {"vae": WEIGHTS["vae"]})):
        save_model(home / "other", config, weights, "")
        assert load_model("other").sha256 != first


def test_unknown_names_list_what_is_there(home, tmp_path):
    assert "the zoo has town" in message(lambda: load_model("city"))
    assert "the zoo has town" in message(lambda: load_model(str(tmp_path / "models" / "city")))
    assert "the zoo has town" in message(lambda: load_model("../models"))
    assert "config.yaml: cannot be read" in message(lambda: load_model(tmp_path))


def test_a_missing_or_changed_file_is_refused(home):
    path = home / "town" / "vae.safetensors"
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    assert "vae.safetensors: expected the SHA-256" in message(lambda: load_model("town"))
    path.unlink()
    assert "vae.safetensors: cannot be read" in message(lambda: load_model("town"))


def change(folder, **fields):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **fields}))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"format": 2}, "format: this version reads format 1, got 2"),
        ({"weights": {}}, "weights"),
        ({"weights": {"../../vae.safetensors": "0" * 64}}, "weights"),
        ({"weights": {"vae.pt": "0" * 64}}, "weights"),
        ({"weights": {"vae.safetensors": "short"}}, "weights.vae.safetensors"),
    ],
)
def test_a_bad_config_is_refused(home, fields, what):
    change(home / "town", **fields)
    assert what in message(lambda: load_model("town"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "expected weights as safetensors"),
        (b"\x80\x04N.", "expected weights as safetensors"),
        (b"\xff" * 64, "expected weights as safetensors"),
        (None, "expected float16"),
    ],
)
def test_what_is_no_weights_is_refused_though_its_hash_is_right(home, content, what):
    path = home / "town" / "vae.safetensors"
    if content is None:
        save_file({"w": np.ones(3, np.float32)}, path)
    else:
        path.write_bytes(content)
    hashes = load_config(home / "town")["weights"] | {"vae.safetensors": zoo._hash(path.read_bytes())}
    change(home / "town", weights=hashes)
    assert what in message(lambda: load_model("town"))


def load_config(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        (np.zeros(8 * 2**20 + 1), "expected at most 16777216"),
        (np.array([1e6]), "vae.w: not finite in float16"),
        (np.array([np.nan]), "vae.w: not finite in float16"),
    ],
)
def test_nothing_is_written_of_what_cannot_be(home, tensor, what):
    before = everything(home)
    weights = {"flow": {"w": np.ones(2)}, "vae": {"w": tensor}}
    assert what in message(lambda: save_model(home / "town", {}, weights, ""))
    assert what in message(lambda: save_model(home / "new", {}, weights, ""))
    assert everything(home) == before and not (home / "new").exists()


def test_a_failure_on_the_way_leaves_what_was_there(home, monkeypatch):
    before = everything(home)
    write = type(home).write_bytes

    def fail(path, body):
        if path.name == "config.yaml":
            raise OSError(28, "No space left on device")
        return write(path, body)

    monkeypatch.setattr(type(home), "write_bytes", fail)
    for name in ("town", "new"):
        assert "No space left" in message(lambda name=name: save_model(home / name, {}, WEIGHTS, "changed"))
    assert everything(home) == before and sorted(os.listdir(home)) == ["town"]


def test_a_new_version_replaces_the_old_and_keeps_its_other_files(home):
    (home / "town" / "curves.png").write_bytes(b"png")
    save_model(home / "town", {}, {"vae": {"w": np.ones(2)}}, "new")
    assert sorted(os.listdir(home / "town")) == ["README.md", "config.yaml", "curves.png", "vae.safetensors"]
    assert list(load_model("town").weights) == ["vae"]


def test_tensors_have_to_be_those_that_the_code_has():
    tensors = {"a": np.zeros((2, 3)), "b": np.zeros(1)}
    check_tensors(tensors, {"a": (2, 3), "b": (1,)}, "f")
    assert (
        message(lambda: check_tensors(tensors, {"a": (3, 2), "b": (1,)}, "f"))
        == "f: a: expected shape (3, 2), got (2, 3)"
    )
    assert message(lambda: check_tensors(tensors, {"a": (2, 3), "b": (1,), "c": (1,)}, "f")) == "f: c: missing tensor"
    assert message(lambda: check_tensors(tensors, {"a": (2, 3)}, "f")) == "f: b: unknown tensor"


def test_the_zoo_needs_no_torch(home):
    code = "import sys; from uniscene_sim.zoo import models; models.load_model('town'); exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_zoo_there_are_no_models(tmp_path, monkeypatch):
    monkeypatch.setenv("UNISCENE_SIM_DATA", str(tmp_path / "none"))
    assert model_names() == [] and "the zoo has none" in message(lambda: load_model("town"))
