"""The plug-in table finds what is installed, and says what is wrong with what is not."""

from importlib.metadata import EntryPoint

import pytest

from uniscene_sim import plugins
from uniscene_sim.errors import InputError


def offer(monkeypatch, *values, name="mine"):
    points = [EntryPoint(name, value, "uniscene_sim.camera") for value in values]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)


def test_built_in_engines_are_installed():
    assert "procedural" in plugins.names("occupancy")
    assert "raycast" in plugins.names("camera")
    assert "raycast" in plugins.names("lidar")
    for slot in plugins.SLOTS:
        for name in plugins.names(slot):
            assert plugins.load_engine(slot, name).name == name


def test_unknown_name_lists_what_exists():
    with pytest.raises(InputError, match=r"no camera engine 'dream'; installed: .*raycast"):
        plugins.load_engine("camera", "dream")


def test_duplicate_raises(monkeypatch):
    offer(monkeypatch, "a:A", "b:B")
    with pytest.raises(InputError, match="offered twice"):
        plugins.names("camera")


def test_broken_engine_fails_loudly(monkeypatch):
    offer(monkeypatch, "no_such_module_at_all:Engine")
    with pytest.raises(InputError, match=r"mine.*cannot be loaded: No module named"):
        plugins.load_engine("camera", "mine")
