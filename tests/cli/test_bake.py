"""Tiles made ahead of runs: of a whole map or a route, by many processes, and interrupted."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.occupancy.test_tile_cache import GIB, TILES, URBAN, digest
from uniscene_sim.cli.bake import bake, tiles_to_bake
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.tile_cache import TileCache
from uniscene_sim.rig import SensorRig
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.tile import TILE_M


@pytest.fixture(scope="module")
def urban() -> VectorMap:
    return VectorMap.load(URBAN)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("UNISCENE_CACHE", str(tmp_path))
    return tmp_path / "tiles"


def test_bake_a_map_twice(here, capsys):
    assert main(["bake", "urban_grid", "--rig", "rl"]) == 0
    out = capsys.readouterr().out
    count = len(list(here.iterdir()))
    assert f"{count} tiles, {count} made, 0 found" in out and str(here) in out
    assert f"{sum(p.stat().st_size for p in here.iterdir())} bytes" in out
    assert main(["bake", str(URBAN), "--rig", "rl"]) == 0
    assert f"{count} tiles, 0 made, {count} found" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_finds_what_bake_has_made_and_sees_the_same(here, tmp_path, capsys):
    assert main(["bake", "cut_in", "--rig", "rl"]) == 0
    reports = []
    for extra in ([], ["--no-cache"]):
        command = ["run", "cut_in", "--rig", "rl", "--ticks", "3", "--no-preview", "--out", str(tmp_path / "out")]
        # In a process of its own, whose memory no other test has grown.
        run = "import sys; from uniscene_sim.cli.main import main; sys.exit(main(sys.argv[1:]))"
        assert subprocess.run([sys.executable, "-c", run, *command, *extra]).returncode in (0, 1)
        reports.append(json.loads((tmp_path / "out" / "report.json").read_text()))
    cached, fresh = reports
    assert cached["digest"] == fresh["digest"]
    assert cached["tiles"]["made"] == 0 and cached["tiles"]["from_cache"] > 10
    assert fresh["tiles"]["from_cache"] == 0 and fresh["tiles"]["made"] >= cached["tiles"]["from_cache"]
    assert cached["tiles"]["stalled_ticks"] == 0 and cached["tiles"]["worst_stall_ms"] > 0
    assert 100 < cached["peak_memory_mib"] < 1536


def test_fields_far_from_any_lane_are_left_out():
    static_map, seed, tiles = tiles_to_bake("rural", None, SensorRig("blind"))
    x0, y0, x1, y1 = static_map.bounds
    assert seed == 0 and len(tiles) < 0.5 * (x1 - x0) * (y1 - y0) / TILE_M**2
    on = {(int(x // TILE_M), int(y // TILE_M)) for lane in static_map.lanes if lane.kind == "driving"
          for x, y, _ in lane.centre}  # fmt: skip
    assert on <= set(tiles)


def test_many_processes_bake_what_one_does(urban, tmp_path):
    disk = DiskCache(tmp_path, GIB, strict=True)
    many = [*TILES, (2, 0), (2, 1)]
    baked = bake(urban, 5, many, disk, jobs=2)
    assert (baked.made, baked.found) == (6, 0)
    assert baked.nbytes == sum(p.stat().st_size for p in tmp_path.iterdir())
    engine = ProceduralOccupancy(urban, 5)
    cache = TileCache(disk, urban.ref, 5, engine)
    assert all(digest(cache.load(*key)) == digest(engine.tile(*key)) for key in TILES)
    again = bake(urban, 5, many, DiskCache(tmp_path, GIB, strict=True))
    assert (again.made, again.found, again.nbytes) == (0, 6, baked.nbytes)


def test_a_bound_that_cannot_hold_all_tiles_is_an_error(urban, tmp_path):
    with pytest.raises(InputError, match=r"UNISCENE_CACHE_GB: . of 4 tiles take .* expected a bound that holds"):
        bake(urban, 5, TILES, DiskCache(tmp_path, 1 << 20, strict=True))


@pytest.mark.slow
def test_two_bakes_at_once_are_both_right(here, capsys):
    arguments = [sys.executable, "-m", "uniscene_sim.cli", "bake", "cut_in", "--rig", "rl"]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0 and "cache:" not in err, err
    assert not list(here.glob("*.part"))
    assert main(["bake", "cut_in", "--rig", "rl"]) == 0
    assert ", 0 made" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_bake_leaves_only_whole_files(here, jobs):
    arguments = [sys.executable, "-m", "uniscene_sim.cli", "bake", "urban_grid", "--jobs", jobs]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not here.is_dir() or len(list(here.iterdir())) < 3:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert not list(here.glob("*.part"))
    disk = DiskCache(here, GIB)
    assert all(disk.read(p.name) is not None for p in here.iterdir())


def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("UNISCENE_CACHE", str(blocked))
    cases = (
        ["urban_grid", "--rig", "rl"],
        ["no_such_map"],
        ["no_such_map.xodr"],
        ["urban_grid", "--occupancy", "dream"],
    )
    for case in cases:
        assert main(["bake", *case]) == 2
        err = capsys.readouterr().err.strip()
        assert err.startswith("uniscene-sim: ") and "\n" not in err, err
    assert list(tmp_path.iterdir()) == [blocked]


def test_an_engine_that_cannot_be_cached_cannot_be_baked(urban, tmp_path, monkeypatch):
    class Silent(ProceduralOccupancy):
        def __init__(self, static_map, seed):
            super().__init__(static_map, seed)
            self.cache_key = None

    monkeypatch.setattr("uniscene_sim.plugins.load_plugin", lambda slot, text: Silent)
    with pytest.raises(InputError, match="declares no cache_key"):
        bake(urban, 5, TILES, DiskCache(tmp_path, GIB, strict=True))
