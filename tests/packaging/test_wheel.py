"""What a wheel holds, and that it works where it is installed: built once, laid out as installers do."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.checkout import copy_of_the_checkout

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
#: Loads every entry point of the distribution; where each came from, and what the library and the zoo hold.
LOOK = """
import sys
from importlib.metadata import distribution
from uniscene_sim.storage.data_folders import data_dir, scenario_names
for point in distribution("uniscene_sim").entry_points:
    found = point.load()  # a plug-in of pytest is a module
    print(point.group, point.name, sys.modules[getattr(found, "__module__", found.__name__)].__file__)
print("data", "scenarios", data_dir("scenarios"))
print("data", "models", data_dir("models"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    copy_of_the_checkout(folder / "source")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, folder], cwd=folder / "source", capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def names(wheel):
    return {name for name in wheel.namelist() if not name.endswith("/")}


def tracked(folder: Path, pattern: str) -> set[str]:
    return {p.relative_to(ROOT).as_posix() for p in folder.rglob(pattern) if "__pycache__" not in p.parts}


def test_it_holds_the_packages_whole_and_nothing_else(names):
    python = tracked(ROOT / "uniscene_sim", "*.py") | {
        name.removeprefix("bridges/") for name in tracked(ROOT / "bridges", "*.py")
    }
    messages = tracked(ROOT / "uniscene_sim", "*.proto") | tracked(ROOT / "uniscene_sim", "*.pyi")
    page = {name for kind in ("html", "css", "js") for name in tracked(ROOT / "uniscene_sim", f"*.{kind}")}
    constants = tracked(ROOT / "uniscene_sim", "*.json")
    data = {
        *constants,
        "uniscene_sim/py.typed",
        "uniscene_ros2/fastdds.xml",
        "uniscene_ros2/fastdds_loopback.xml",
        *messages,
        *page,
    }
    assert {name for name in names if ".data/" not in name and ".dist-info/" not in name} == python | data
    for folder in {Path(name).parent.as_posix() for name in python}:
        assert f"{folder}/__init__.py" in names, f"{folder} is no package"


def test_it_shares_scenarios_maps_models_and_what_ros_wants(names):
    shared = {name.split(".data/data/share/")[1] for name in names if ".data/" in name}
    wanted = {
        *tracked(ROOT / "launch", "*.*"),
        *tracked(ROOT / "scenarios", "*.yaml"),
        *tracked(ROOT / "scenarios" / "maps", "*.xodr"),
        *tracked(ROOT / "scenarios" / "maps", "*.npz"),
        *tracked(ROOT / "models", "*.*"),
        *("package.xml", "pyproject.toml", "README.md"),
    }
    index = "ament_index/resource_index/packages/uniscene_sim"
    assert shared == {f"uniscene_sim/{name}" for name in wanted} | {index}


def test_entry_points_resolve_and_data_are_found_where_it_is_installed(wheel, names, tmp_path):
    site = tmp_path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    wheel.extractall(site)
    (data,) = site.glob("*.data")
    (data / "data" / "share").rename(tmp_path / "share")
    environ = {k: v for k, v in os.environ.items() if k != "UNISCENE_SIM_DATA"} | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert all(Path(path).is_relative_to(tmp_path) for _, _, path in rows), done.stdout
    found = {(group, name) for group, name, _ in rows}
    assert {("console_scripts", "uniscene-sim"), ("console_scripts", "uniscene-ros2")} <= found
    assert {("pytest11", "uniscene"), ("uniscene_sim.driver", "ros2")} <= found
    slots = ("source", "sink", "occupancy", "window", "camera", "lidar")
    assert {f"uniscene_sim.{slot}" for slot in slots} <= {group for group, _ in found}
    assert rows[-1] == ["data", "models", str(tmp_path / "share" / "uniscene_sim" / "models")]
