"""What is opened picks its source: by scheme, by suffix, a folder, or a name of the library."""

import pytest

from tests.third_party.ring_source import RingSource
from uniscene_sim import plugins
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.world.scenario_source import ScenarioSource


class Carla(RingSource):
    name, schemes = "carla", ("carla",)


class Bag(RingSource):
    name, schemes, suffixes = "bag", (), (".mcap", ".bag", "/")


class OtherBag(RingSource):
    name, schemes, suffixes = "other", (), (".mcap",)


class _Point:
    def __init__(self, source, broken=False):
        self.name, self.value, self.dist = source.name, f"tests:{source.__name__}", None
        self.load = (lambda: 1 / 0) if broken else (lambda: source)


def offer(monkeypatch, *sources, broken=()):
    points = [_Point(source, source in broken) for source in (ScenarioSource, RingSource, *sources)]
    own = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group.endswith("source") else own(group=group))


def picked(what, source=None):
    found, opened = plugins.find_source(what, source)
    return found.name, opened


def test_scheme_suffix_and_folder_pick_the_source(monkeypatch, tmp_path):
    offer(monkeypatch, Carla, Bag)
    assert picked("cut_in") == ("scenario", "cut_in")
    assert picked("nowhere/story.yaml") == ("scenario", "nowhere/story.yaml")
    assert picked("carla://localhost:2000") == ("carla", "carla://localhost:2000")
    assert picked("CARLA://host:1") == ("carla", "CARLA://host:1")
    assert picked("drives/one.mcap")[0] == picked("x.BAG")[0] == "bag"
    assert picked(str(tmp_path)) == ("bag", str(tmp_path))
    assert picked(None, "carla://localhost:2000") == ("carla", "carla://localhost:2000")
    assert picked("30", "ring") == ("ring", "30")
    assert picked("one.mcap", "ring") == ("ring", "one.mcap")  # a name says it, whatever the suffix


def test_a_scenario_of_the_library_is_no_folder_of_its_name(monkeypatch, tmp_path):
    offer(monkeypatch, Bag)
    (tmp_path / "cut_in").mkdir()
    monkeypatch.chdir(tmp_path)
    assert picked("cut_in")[0] == "scenario" and picked("./cut_in")[0] == "bag"


@pytest.mark.parametrize(
    ("what", "source", "wrong"),
    [
        ("drive.mcap", None, r"what: no source opens \.mcap, got 'drive\.mcap'; installed: ring \(ring://\), sc"),
        ("carla://localhost:2000", None, r"no source opens carla://, .*installed: ring .*, scenario \(.*\.json\)$"),
        (None, "carla://localhost:2000", r"source: no source opens carla://"),
        (None, None, "what: expected a scenario, a file, a folder or an address"),
        (None, "ring", "what: expected what the source 'ring' is to open"),
        ("cut_in", "sceanrio", r"source: no source 'sceanrio' \(did you mean scenario\?\); installed: ring, scenario"),
    ],
)
def test_what_nobody_opens_lists_what_is_installed(monkeypatch, what, source, wrong):
    offer(monkeypatch)
    with pytest.raises(InputError, match=wrong):
        plugins.find_source(what, source)


def test_two_that_open_the_same_are_named(monkeypatch):
    offer(monkeypatch, Bag, OtherBag)
    with pytest.raises(InputError, match=r"bag and other both open \.mcap; say which by `source`; installed: "):
        plugins.find_source("one.mcap")
    assert picked("one.bag")[0] == "bag" and picked("one.mcap", "other")[0] == "other"


def test_a_broken_source_is_in_nobodys_way(monkeypatch):
    offer(monkeypatch, Bag, Carla, broken=(Bag,))
    assert picked("story.yaml")[0] == "scenario" and picked("carla://x")[0] == "carla"
    with pytest.raises(InputError, match=r"no source opens \.mcap.* bag \(cannot be loaded\)"):
        plugins.find_source("one.mcap")


def test_the_command_line_names_its_own_fields(monkeypatch, capsys, tmp_path):
    offer(monkeypatch)
    for arguments, wrong in (
        ([], "SCENARIO: expected a scenario"),
        (["drive.mcap"], "SCENARIO: no source opens .mcap"),
        (["--source", "carla://x"], "--source: no source opens carla://"),
        (["x", "--source", "rign"], "--source: no source 'rign' (did you mean ring?)"),
        (["--source", "rign"], "--source: no source 'rign' (did you mean ring?)"),
        (["cut_in", "--lidar", "raycast:x=1"], "--lidar: raycast has no option 'x'; expected effects"),
        (["cut_in", "--occupancy", "procedral"], "--occupancy: no occupancy engine 'procedral'"),
    ):
        assert main(["run", *arguments, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert wrong in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_source_by_its_address_runs(monkeypatch, capsys, tmp_path):
    offer(monkeypatch)
    common = ["--rig", "rl", "--ticks", "2", "--no-preview", "--no-cache", "--out", str(tmp_path)]
    for arguments in (["ring://30"], ["--source", "ring://30"], ["ring://30", "--source", "ring"]):
        assert main(["run", *arguments, *common]) == 0
        assert "ring of 30 m: RUNNING" in capsys.readouterr().out
