"""The checker passes what keeps the rules, names what does not, and takes an engine that somebody else installed."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim import conformance
from uniscene_sim.camera.raycast import RaycastCameras
from uniscene_sim.lidar.raycast import RaycastLidar
from uniscene_sim.occupancy.procedural import ProceduralOccupancy
from uniscene_sim.occupancy.tiles import CELL_M

RANGES = "shapes, types and ranges"
THIRD_PARTY = Path(__file__).parent / "third_party"


@pytest.mark.parametrize(("slot", "name"), [("camera", "raycast"), ("lidar", "raycast"), ("occupancy", "procedural")])
def test_built_in_engines_keep_the_rules(slot, name):
    findings = list(conformance.check(slot, name))
    assert len(findings) >= 6 and all(f.good for f in findings), [f for f in findings if not f.good]


def altered(base, **changes):
    """A class of camera or LiDAR engine whose every record is changed: each change is a function of the record."""

    class Engine(base):
        def step(self, state, views, specs):
            state, worlds = super().step(state, views, specs)
            return state, [
                {n: replace(r, **{k: f(r) for k, f in changes.items()}) for n, r in w.items()} for w in worlds
            ]

    return Engine


_camera, _lidar = partial(altered, RaycastCameras), partial(altered, RaycastLidar)


class Forgetful(RaycastCameras):
    """Keeps what it should hand back as state."""

    def step(self, state, views, specs):
        self.calls = getattr(self, "calls", 0) + 1
        state, worlds = super().step(state, views, specs)
        return state, [{n: replace(f, rgb=f.rgb + np.uint8(self.calls)) for n, f in w.items()} for w in worlds]


class Meddling(RaycastCameras):
    def step(self, state, views, specs):
        views[0].frame.agents["colour"] += 1
        return super().step(state, views, specs)


class Blind(RaycastCameras):
    def step(self, state, views, specs):
        return super().step(
            state, [replace(v, frame=replace(v.frame, agents=v.frame.agents[:0])) for v in views], specs
        )


class Crosstalk(RaycastCameras):
    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        return state, [{n: replace(f, rgb=f.rgb + np.uint8(len(specs))) for n, f in w.items()} for w in worlds]


class Mixed(RaycastCameras):
    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        return state, [worlds[0] for _ in worlds]


class Nameless(RaycastCameras):
    coupling = "loose"


class Dice(RaycastCameras):
    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        noise = np.uint8(np.random.default_rng().integers(1, 200))
        return state, [{n: replace(f, rgb=f.rgb + noise) for n, f in w.items()} for w in worlds]


@pytest.mark.parametrize(
    ("slot", "engine", "rule", "message"),
    [
        ("camera", Nameless, "declares its attributes", "coupling must be"),
        ("camera", _camera(rgb=lambda f: f.rgb[1:]), RANGES, r"front.rgb must be uint8"),
        ("camera", _camera(depth=lambda f: -f.depth), RANGES, "depth must be at least 0"),
        ("camera", _camera(instance=lambda f: f.instance + np.uint16(50_000)), RANGES,
         "none of the layout's agents"),
        ("camera", _camera(stamp_us=lambda f: 0), RANGES, "stamp_us must be"),
        ("camera", Dice, "repeats", "new engine gave other output"),
        ("camera", Forgetful, "repeats", "state must be passed"),
        ("camera", Mixed, "batch equals single worlds", "other output than each alone"),
        ("camera", Crosstalk, "coupling as declared", "front changes with the other sensors"),
        ("camera", Meddling, "leaves its input alone", "must not change the layout"),
        ("camera", Blind, "conditions show in the output", "changes nothing"),
        ("lidar", _lidar(ring=lambda s: s.ring + np.uint16(9)), RANGES, "ring must be below 8"),
        ("lidar", _lidar(time_s=lambda s: s.time_s - np.float32(1)), RANGES, "time_s must lie"),
        ("lidar", _lidar(xyz=lambda s: s.xyz.astype(float)), RANGES, "xyz must be float32"),
    ],
)  # fmt: skip
def test_broken_sensors_are_named(slot, engine, rule, message):
    rules = dict(conformance._sensor_rules(slot, engine, "unused"))
    with pytest.raises(conformance._Broken, match=message):
        rules[rule]()


class Trail(ProceduralOccupancy):
    """Tiles that hang on how many were made before."""

    def tile(self, ix, iy):
        self.count = getattr(self, "count", 0) + 1
        made = super().tile(ix, iy)
        return replace(made, base_z=made.base_z + CELL_M * self.count)


class Seedless(ProceduralOccupancy):
    def __init__(self, static_map, seed):
        super().__init__(static_map, 0)


class Torn(ProceduralOccupancy):
    def tile(self, ix, iy):
        made = super().tile(ix, iy)
        return replace(made, ground=made.ground + np.float32(0.1 * iy))


@pytest.mark.parametrize(
    ("engine", "rule", "message"),
    [(Trail, "repeats", "tiles made before"), (Seedless, "seed shows in the world", "same world"),
     (Torn, "ground meets at edges", "north edge")],
)  # fmt: skip
def test_broken_tiles_are_named(engine, rule, message):
    rules = dict(conformance._tile_rules(engine, "unused"))
    with pytest.raises(conformance._Broken, match=message):
        rules[rule]()


def test_an_engine_that_somebody_else_installs(tmp_path):
    """Installed for real, checked and run by its name."""
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(tmp_path),
    ]
    subprocess.run([*install, str(THIRD_PARTY)], check=True, capture_output=True)
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])}

    def cli(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "uniscene_sim.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    checked = cli("check", "fog")
    assert checked.returncode == 0 and checked.stdout.count("ok") == 8, checked.stdout + checked.stderr
    out = tmp_path / "out"
    ran = cli("run", "cut_in", "--rig", "rl", "--camera", "fog", "--ticks", "2", "--out", str(out), "--no-cache")
    assert ran.returncode == 0 and (out / "report.json").is_file(), ran.stderr
    assert '"fog"' in (out / "report.json").read_text()
    broken = cli("check", "fog_camera:FOG_RGB", "--slot", "camera")
    assert broken.returncode == 1 and "FAIL" in broken.stdout
    assert cli("check", "fogg").returncode == 2
