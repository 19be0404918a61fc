"""The plug-in table finds what is installed, and says what is wrong with what is not."""

from importlib.metadata import EntryPoint

import pytest

from uniscene_sim import plugins
from uniscene_sim.errors import InputError


def offer(monkeypatch, *values, name="mine"):
    points = [EntryPoint(name, value, "uniscene_sim.camera") for value in values]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)


def test_built_in_engines_are_installed():
    assert "procedural" in plugins.plugin_names("occupancy")
    assert "raycast" in plugins.plugin_names("camera")
    assert "raycast" in plugins.plugin_names("lidar")
    for slot in plugins.SLOTS:
        for name in plugins.plugin_names(slot):
            assert plugins.load_plugin(slot, name).name == name


def test_unknown_name_lists_what_exists():
    with pytest.raises(InputError, match=r"no camera engine 'dream'; installed: .*raycast"):
        plugins.load_plugin("camera", "dream")


def test_duplicate_raises(monkeypatch):
    offer(monkeypatch, "a:A", "b:B")
    with pytest.raises(InputError, match="offered twice"):
        plugins.plugin_names("camera")


def test_broken_engine_fails_loudly(monkeypatch):
    offer(monkeypatch, "no_such_module_at_all:Engine")
    with pytest.raises(InputError, match=r"mine.*cannot be loaded: No module named"):
        plugins.load_plugin("camera", "mine")


def test_unknown_name_suggests_a_close_one():
    with pytest.raises(InputError, match=r"no camera engine 'raycats' \(did you mean raycast\?\)"):
        plugins.load_plugin("camera", "raycats")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("math:no_such_attribute", "cannot be loaded: .*no_such_attribute"),
        ("math:pi", "is not a class"),
        ("collections:Counter", r"has name = None; expected 'mine'"),
    ],
)
def test_broken_engine_says_what_is_wrong(monkeypatch, value, wrong):
    offer(monkeypatch, value)
    with pytest.raises(InputError, match=rf"mine.*{wrong}"):
        plugins.load_plugin("camera", "mine")


def test_missing_method_is_named(monkeypatch):
    offer(monkeypatch, "uniscene_sim.occupancy.procedural.engine:ProceduralOccupancy", name="procedural")
    with pytest.raises(InputError, match=r"procedural.*lacks step\(\)"):
        plugins.load_plugin("camera", "procedural")


def test_duplicate_names_both_distributions(tmp_path, monkeypatch):
    for dist in ("first_cameras", "second_cameras"):
        info = tmp_path / f"{dist}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[uniscene_sim.camera]\nmine = math:sqrt\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"offered twice.*_cameras 1\.0 and .*_cameras 1\.0"):
        plugins.plugin_names("camera")
