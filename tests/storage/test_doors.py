"""Every reader of files, and what a file can be: an `InputError` in one line, soon, or what can be read."""

import hashlib
import json
import signal
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.storage.nasty_files import NASTY
from uniscene_sim.cli.validate import check_file
from uniscene_sim.datasets.sweeps import read_sweeps
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.real_sweeps import read_pandaset
from uniscene_sim.evaluation.sweep_effects import read_drive
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.opendrive.road_xml import read_xml
from uniscene_sim.maps.painted.files import is_painted, read_painted
from uniscene_sim.maps.vector.npz_file import read_map, saved_ref
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.training.card import read_log
from uniscene_sim.training.recipe_file import read_recipe
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.zoo.models import load_model

MOST_S = 2.0


# --- who reads what ---------------------------------------------------------------------------------------------------

_HEAD = "resolution_m: 0.5\norigin: [0, 0]\n"
_RIG = "lidars:\n  - {name: a, position: [0, 0, 1], beams: beams.json}\n"
_MODEL = "format: 1\nweights:\n  net.safetensors: {}\n"


def _with(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _sensors(folder):
    _with(folder / "calibrated_sensor.json", "[]")
    load_rig(str(folder))


def _calibrated(folder):
    _with(folder / "sensor.json", '[{"token": "a", "channel": "b", "modality": "camera"}]')
    load_rig(str(folder))


def _ouster(folder):
    _with(folder / "rig.yaml", _RIG)
    load_rig(str(folder / "rig.yaml"))


def _picture(folder):
    _with(folder / "map.yaml", _HEAD)
    read_painted(folder)


def _weights(folder):
    path = folder / "net.safetensors"
    small = path.is_file() and path.stat().st_size < 2**24
    _with(folder / "config.yaml", _MODEL.format(hashlib.sha256(path.read_bytes() if small else b"").hexdigest()))
    load_model(folder)


def _poses(folder):
    _with(folder / "meta/timestamps.json", "[0, 1]")
    list(read_drive(folder, range(1)))


def _times(folder):
    pose = '{"heading": {"x": 0, "y": 0, "z": 0, "w": 1}, "position": {"x": 0, "y": 0, "z": 0}}'
    _with(folder / "lidar/poses.json", f"[{pose}, {pose}]")
    list(read_drive(folder, range(1)))


def _drive(folder):
    _with(folder / "meta/timestamps.json", "[0, 1]")
    _times(folder)


#: Readers by name: the file that is nasty, relative to a folder, and how the folder is read.
READERS = {
    "scenario": ("a.yaml", lambda folder: load_scenario(folder / "a.yaml")),
    "source": ("a.yaml", lambda folder: ScenarioSource.open(str(folder / "a.yaml"))),
    "rig": ("a.yaml", lambda folder: load_rig(str(folder / "a.yaml"))),
    "validate": ("a.yaml", lambda folder: check_file(folder / "a.yaml")),
    "nuscenes sensors": ("sensor.json", _sensors),
    "nuscenes calibration": ("calibrated_sensor.json", _calibrated),
    "kitti": ("calib.txt", lambda folder: load_rig(str(folder / "calib.txt"))),
    "kitti raw": ("calib_cam_to_cam.txt", lambda folder: load_rig(str(folder))),
    "ouster": ("beams.json", _ouster),
    "opendrive": ("m.xodr", lambda folder: read_xml(folder / "m.xodr")),
    "npz": ("m.npz", lambda folder: load_map(folder / "m.npz")),
    "lanes": ("m.npz", lambda folder: read_map(folder / "m.npz")),
    "painted npz": ("m.npz", lambda folder: read_painted(folder / "m.npz")),
    "painted head": ("map.yaml", lambda folder: read_painted(folder)),
    "picture": ("drivable_area.png", _picture),
    "config": ("config.yaml", lambda folder: load_model(folder)),
    "weights": ("net.safetensors", _weights),
    "recipe": ("r.yaml", lambda folder: read_recipe(folder / "r.yaml", _Recipe(), {})),
    "windows": ("town_1.npz", lambda folder: read_town(folder / "town_1.npz")),
    "sweeps": ("sweeps_1.npz", lambda folder: read_sweeps(folder / "sweeps_1.npz")),
    "log": ("vae.jsonl", lambda folder: read_log(folder / "vae.jsonl")),
    "pandaset": ("1.bin", lambda folder: read_pandaset(folder / "1.bin")),
    "pandaset poses": ("lidar/poses.json", _poses),
    "pandaset times": ("meta/timestamps.json", _times),
    "pandaset drive": ("lidar/00.npz", _drive),
}
#: What is read nevertheless: a recipe without changes, a log without rows, and in sweeps any 16 bytes are a point.
FINE = {
    ("recipe", "empty"),
    ("recipe", "blanks"),
    ("log", "empty"),
    ("log", "missing"),
    *(("pandaset", nasty) for nasty in ("zeros", "deep fields", "no date", "a date")),
}


@dataclass(frozen=True)
class _Recipe:
    steps: int = 100
    rate: float = 1e-3
    widths: tuple[int, ...] = (8, 16)


@pytest.fixture(scope="module")
def nasty_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasty")
    for nasty, make in NASTY.items():
        make(folder / nasty)
    return folder


@pytest.mark.parametrize("reader", READERS)
def test_whatever_a_file_is_a_reader_says_so_in_one_line(nasty_files, tmp_path, reader):
    name, read = READERS[reader]
    found = []
    for nasty in NASTY:
        folder = tmp_path / nasty
        (folder / name).parent.mkdir(parents=True)
        (folder / name).symlink_to(nasty_files / nasty)
        try:
            with _in_time(f"{reader} of {nasty}"), warnings.catch_warnings():
                warnings.simplefilter("error")
                read(folder)
        except InputError as error:
            line = str(error)
            if len(line) > 300 or not line.isprintable() or "root:" in line or (error.file or error.field) is None:
                found.append((nasty, line))
        except Exception as error:
            found.append((nasty, repr(error)))
        else:
            if (reader, nasty) not in FINE:
                found.append((nasty, "was read"))
    assert not found


class _in_time:
    """Ends what hangs, and tells what takes long."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        def late(*_):
            raise TimeoutError(self.what)

        self.before, self.start = signal.signal(signal.SIGALRM, late), time.process_time()
        signal.alarm(120)

    def __exit__(self, *_):
        signal.alarm(0)
        signal.signal(signal.SIGALRM, self.before)
        assert time.process_time() - self.start < MOST_S, self.what


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = [
    "a\0b",
    "x" * 300,
    "x" * 5000,
    "",
    ".",
    "\n",
    "a\nb\x1b[31m",
    "\udcff",
    "../" * 2000,
    "/dev/zero",
    "/proc/self/mem",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("ending", ["", ".yaml", ".npz", ".xodr", ".txt", ".json"])
def test_no_name_is_too_odd(name, ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for read in (
        load_map,
        load_rig,
        load_model,
        find_scenario,
        ScenarioSource.open,
        read_log,
        read_pandaset,
        read_town,
    ):
        with _in_time(f"{read.__name__} of {name!r}{ending}"):
            _told(read, f"{name}{ending}" if read is not read_log else Path(f"{name}{ending}"))
    assert not is_painted(f"{name}{ending}") and saved_ref(f"{name}{ending}") is None


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_in_a_file_is_too_odd(name, tmp_path):
    scenario = {"map": name, "duration_s": 1, "ego": {"spawn": {"x": 0, "y": 0}}}
    rig = {"lidars": [{"name": name, "position": [0, 0, 1], "beams": name}]}
    for data, read in ((scenario, ScenarioSource.open), (rig, load_rig)):
        (tmp_path / "a.yaml").write_text(json.dumps(data))
        with _in_time(name), pytest.raises(InputError) as told:
            read(str(tmp_path / "a.yaml"))
        assert len(str(told.value)) <= 300 and str(told.value).isprintable()


def test_an_empty_file_is_told_what_it_lacks(tmp_path):
    (tmp_path / "a.yaml").write_text("# nothing\n")
    with pytest.raises(InputError, match=r"a\.yaml: is empty; expected a scenario with map, duration_s, ego"):
        load_scenario(tmp_path / "a.yaml")


def _told(read, name):
    try:
        read(name)
    except InputError as error:
        assert len(str(error)) <= 300 and str(error).isprintable()
