"""The checker passes what keeps the rules, names what does not, and takes an engine that somebody else installed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim import conformance
from uniscene_sim.assembly import tile_store
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.conformance.rules import RuleViolation, refused_with_input_error
from uniscene_sim.conformance.sensors import sensor_rules
from uniscene_sim.conformance.sinks import sink_rules
from uniscene_sim.conformance.sources import source_rules
from uniscene_sim.conformance.tiles import tile_rules
from uniscene_sim.conformance.windows import window_rules
from uniscene_sim.errors import InputError
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.recording.recorder import Recorder
from uniscene_sim.scenario_files.read import find_scenario
from uniscene_sim.tile import CELL_M
from uniscene_sim.world.scenario_source import ScenarioSource

RANGES, SEVERAL = "shapes, types and ranges", "serves several moments at once"
THIRD_PARTY = Path(__file__).parents[1] / "third_party"


@pytest.fixture(scope="module")
def street_tiles():
    source = ScenarioSource.open("cut_in")
    return tile_store("procedural", source.map, source.seed)


@pytest.fixture
def one_street(street_tiles, monkeypatch):
    """What is broken in sensors and windows shows in a street whose tiles are made once."""
    monkeypatch.setattr("uniscene_sim.conformance.sensors.tile_store", lambda *_: street_tiles)


BUILT_IN = [("source", "scenario"), ("occupancy", "procedural"), ("window", "exact"), ("camera", "raycast"),
            ("camera", "splat"), ("lidar", "raycast"), ("sink", "report")]  # fmt: skip


@pytest.mark.parametrize(("slot", "name"), BUILT_IN)
def test_what_is_built_in_keeps_the_rules(slot, name, one_street):
    findings = list(conformance.check(slot, name))
    assert len(findings) >= 6 and all(f.passed for f in findings), [f for f in findings if not f.passed]


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
    rolls = cycle((3, 1, 4, 1, 5, 9, 2, 6))

    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        noise = np.uint8(next(self.rolls))
        return state, [{n: replace(f, rgb=f.rgb + noise) for n, f in w.items()} for w in worlds]


class Brittle(RaycastCameras):
    """Fails on a lens that it does not know, in words of its own."""

    def step(self, state, views, specs):
        return super().step(state, views, [{"pinhole": s}[s.model] for s in specs])


class Never(RaycastCameras):
    """Believes that there is always a world."""

    def step(self, state, views, specs):
        assert views[0].frame
        return super().step(state, views, specs)


class Sulking(RaycastCameras):
    """Refuses a lens as it should, and is not what it was after that."""

    refused = 0

    def step(self, state, views, specs):
        if any(s.model == "fisheye" for s in specs):
            self.refused = 1
            raise InputError("no fisheyes here", field="model")
        state, worlds = super().step(state, views, specs)
        return state, [{n: replace(f, rgb=f.rgb + np.uint8(self.refused)) for n, f in w.items()} for w in worlds]


class Hasty(RaycastCameras):
    """Makes three frames at once and says that the first of them is a tick late."""

    chunk, latency_ticks = 3, 1


class Chunked(RaycastCameras):
    """Keeps the rules; what is broken goes on from it."""

    chunk, latency_ticks = 2, 3


class OneForAll(Chunked):
    """Believes that each view is a world."""

    def step(self, state, views, specs):
        _, worlds = super().step(state, views, specs)
        return [None] * len(views), worlds


class LastAlone(Chunked):
    """Makes the last frame of a chunk alone."""

    def step(self, state, views, specs):
        each = max(len(views) // max(len(state), 1), 1)
        return super().step(state, views[each - 1 :: each], specs)


class Backwards(Chunked):
    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        return state, worlds if len(state) == len(views) else worlds[::-1]


class Interleaved(Chunked):
    """Takes the first moments of all worlds before the second ones."""

    def step(self, state, views, specs):
        _, worlds = super().step(state, views, specs)
        if len(views) == 2 * len(state):
            place = np.arange(len(views)).reshape(2, -1).T.ravel()
            worlds = [worlds[k] for k in (place if len(state) > 1 else range(2))]
        return state, worlds


class InPlace(RaycastCameras):
    """Writes into the state that it is given."""

    def step(self, state, views, specs):
        state = [[] if s is None else s for s in state]
        _, worlds = super().step(state, views, specs)
        for s in state:
            s.append(1)
        return state, [{n: replace(f, rgb=f.rgb + np.uint8(len(s))) for n, f in w.items()}
                       for s, w in zip(state, worlds, strict=True)]  # fmt: skip


class Locked(RaycastCameras):
    def step(self, state, views, specs):
        return [lambda: 0 for _ in state], super().step(state, views, specs)[1]


@pytest.mark.parametrize(
    ("slot", "engine", "rule", "message"),
    [
        ("camera", Hasty, "declares its attributes", r"at least chunk - 1 = 2, the ticks that .* is 1"),
        ("camera", OneForAll, SEVERAL, "must give 1 state, gave 2"),
        ("camera", LastAlone, SEVERAL, "must give 2 outputs, gave 1"),
        ("camera", Backwards, SEVERAL, "must have their stamps"),
        ("camera", Interleaved, SEVERAL, "views are those of the first world"),
        ("camera", InPlace, "its state is a value", "leave the one that it is given alone"),
        ("camera", Locked, "its state is a value", "must be one that can be pickled"),
        ("camera", Brittle, "errors", "'fisheye' must be served or refused with InputError, raised KeyError"),
        ("camera", Never, "errors", "list index out of range"),
        ("camera", Sulking, "errors", "after an error the engine goes on in another way"),
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
def test_broken_sensors_are_named(one_street, slot, engine, rule, message):
    rules = dict(sensor_rules(slot, engine, "unused"))
    with pytest.raises((RuleViolation, IndexError), match=message):
        rules[rule]()


def test_an_engine_that_serves_chunks_keeps_the_rules(one_street):
    rules = dict(sensor_rules("camera", Chunked, "unused"))
    for rule in ("declares its attributes", RANGES, SEVERAL, "its state is a value", "batch equals single worlds"):
        rules[rule]()


def windows(**changes):
    """A class of window engines whose every grid is changed: each change is a function of the grid."""

    class Engine(ExactWindow):
        def step(self, state, views, grid):
            state, grids = super().step(state, views, grid)
            return state, [replace(g, **{k: f(g) for k, f in changes.items()}) for g in grids]

    return Engine


class Static(ExactWindow):
    """Without agents."""

    def step(self, state, views, grid):
        bare = [replace(v, frame=replace(v.frame, agents=v.frame.agents[:0])) for v in views]
        return super().step(state, bare, grid)


class Hasting(ExactWindow):
    chunk = 2


class Numberless(ExactWindow):
    chunk = None


class Fixed(ExactWindow):
    """Makes one grid, whatever is asked for."""

    def step(self, state, views, grid):
        if grid != DEFAULT_GRID:
            raise KeyError(grid)
        return super().step(state, views, grid)


class Forgetting(ExactWindow):
    calls = 0

    def step(self, state, views, grid):
        self.calls += 1
        state, grids = super().step(state, views, grid)
        for made in grids:
            made.labels[self.calls] = 0
        return state, grids


@pytest.mark.parametrize(
    ("engine", "rule", "message"),
    [
        (Hasting, "declares its attributes", "at least chunk - 1 = 1"),
        (Numberless, "declares its attributes", "chunk must be an integer of at least 1, is None"),
        (windows(labels=lambda g: g.labels.astype(np.int32)), RANGES, "labels must be uint8"),
        (windows(instances=lambda g: g.instances + np.uint16(50_000)), RANGES, "none of the layout's agents"),
        (windows(stamp_us=lambda g: 1), RANGES, "stamp_us must be 500000, is 1"),
        (windows(pose=lambda g: replace(g.pose, yaw=g.pose.yaw + 0.1)), RANGES, "0.10 rad off"),
        (windows(grid=lambda g: replace(g.grid, voxel_m=0.5)), RANGES, "grid must be the one that is asked for"),
        (Static, "conditions show in the output", "changes nothing"),
        (Fixed, "errors", "raised KeyError"),
        (Forgetting, "repeats", "state must be passed, not kept"),
    ],
)
def test_broken_windows_are_named(one_street, engine, rule, message):
    with pytest.raises(RuleViolation, match=message):
        dict(window_rules(engine, "unused"))[rule]()


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


class Keyless(ProceduralOccupancy):
    def __init__(self, static_map, seed):
        super().__init__(static_map, seed)
        self.cache_key = 5


class Doubled(ProceduralOccupancy):
    def tile(self, ix, iy):
        made = super().tile(ix, iy)
        return replace(made, ground=made.ground.astype(float))


class Bounded(ProceduralOccupancy):
    def tile(self, ix, iy):
        if abs(ix) > 1000:
            raise IndexError(ix)
        return super().tile(ix, iy)


@pytest.mark.parametrize(
    ("engine", "rule", "message"),
    [(Trail, "repeats", "tiles made before"), (Seedless, "seed shows in the world", "same world"),
     (Torn, "ground meets at edges", "north edge"), (Keyless, "declares its attributes", "cache_key must be"),
     (Doubled, RANGES, "ground must be float32"), (Bounded, "errors", "raised IndexError")],
)  # fmt: skip
def test_broken_tiles_are_named(engine, rule, message):
    rules = dict(tile_rules(engine, "unused"))
    with pytest.raises(RuleViolation, match=message):
        rules[rule]()


class Untitled(ScenarioSource):
    title = ""


class Stubborn(ScenarioSource):
    @classmethod
    def open(cls, what, seed=None):
        return super().open(what)


class Sparse(ScenarioSource):
    def step(self, control, dt_us):
        return super().step(control, dt_us)[-1:]


class Twins(ScenarioSource):
    def step(self, control, dt_us):
        frames = super().step(control, dt_us)
        frames[0].agents["id"][-1] = frames[0].agents["id"][-2]
        return frames


class Endless(ScenarioSource):
    """Goes on where it was."""

    def reset(self):
        return self._frame_of(self._state)


class Smeared(ScenarioSource):
    """Hands out what it goes on to write."""

    def reset(self):
        self.first = super().reset()
        return self.first

    def step(self, control, dt_us):
        self.first.agents["pos"] += 1.0
        return super().step(control, dt_us)


class Deaf(ScenarioSource):
    def step(self, control, dt_us):
        return super().step(self.driver_control(), dt_us)


class Recording(ScenarioSource):
    open_loop = True


class Lenient(ScenarioSource):
    def step(self, control, dt_us):
        return super().step(control, max(dt_us // 10_000, 1) * 10_000)


class Raw(ScenarioSource):
    @classmethod
    def open(cls, what, seed=None):
        if not find_scenario("cut_in").with_stem(what).is_file():
            raise FileNotFoundError(what)
        return super().open(what, seed)


@pytest.mark.parametrize(
    ("source", "rule", "message"),
    [
        (Untitled, "declares its attributes", "title must be a string"),
        (Stubborn, "takes a seed", "must take that seed"),
        (Sparse, "layouts every 10 ms", "must give 10 layouts, gave 1"),
        (Twins, "layouts every 10 ms", "ids of agents must differ"),
        (Endless, "repeats", "after a reset"),
        (Smeared, "what is handed out stays", "changed after it was handed out"),
        (Deaf, "controls move the ego", "differ by 0.00 m"),
        (Recording, "controls move the ego", "open_loop is True"),
        (Lenient, "errors", "a step of 0 us must raise InputError"),
        (Raw, "errors", "raised FileNotFoundError"),
    ],
)  # fmt: skip
def test_broken_sources_are_named(source, rule, message):
    with pytest.raises(RuleViolation, match=message):
        dict(source_rules(source, "unused", "cut_in"))[rule]()


class Numbered(Recorder):
    name = 5


class Boastful(Recorder):
    def close(self, outcome, tiles):
        return [*super().close(outcome, tiles), self.out / "video.mkv"]


class Elsewhere(Recorder):
    def close(self, outcome, tiles):
        super().close(outcome, tiles)
        return [Path(__file__)]


class Frontal(Recorder):
    def add(self, frame, stages_ms):
        frame.cameras["front"]
        super().add(frame, stages_ms)


class Touching(Recorder):
    def add(self, frame, stages_ms):
        frame.cameras["front"].rgb[0, 0] += 1


class Littering(Recorder):
    def add(self, frame, stages_ms):
        (self.out / "log.txt").write_text("a frame")


class Blunt(Recorder):
    def __init__(self, out, facts):
        out.mkdir(parents=True, exist_ok=True)
        super().__init__(out, facts)


@pytest.mark.parametrize(
    ("sink", "rule", "message"),
    [
        (Numbered, "declares its attributes", "name must be a string"),
        (Boastful, "takes a run", "video.mkv, which is not there"),
        (Elsewhere, "takes a run", "which is not in the folder"),
        (Frontal, "takes frames without sensors", "front"),
        (Touching, "leaves its input alone", "must not change the frame"),
        (Littering, "left without close, leaves nothing", "left log.txt"),
        (Blunt, "errors", "raised FileExistsError"),
    ],
)  # fmt: skip
def test_broken_sinks_are_named(sink, rule, message):
    with pytest.raises((RuleViolation, KeyError), match=message):
        dict(sink_rules(sink))[rule]()


OF_THIS_PROCESS = """
from dataclasses import replace
from os import getpid
import numpy as np
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.world.scenario_source import ScenarioSource

class Cameras(RaycastCameras):
    def step(self, state, views, specs):
        state, worlds = super().step(state, views, specs)
        return state, [{n: replace(f, rgb=f.rgb + np.uint8(getpid() % 251)) for n, f in w.items()} for w in worlds]

class Tiles(ProceduralOccupancy):
    def __init__(self, static_map, seed):
        super().__init__(static_map, seed + getpid())

class Source(ScenarioSource):
    @classmethod
    def open(cls, what, seed=None):
        return super().open(what, getpid() if seed is None else seed)
"""


@pytest.mark.parametrize(("slot", "name"), [("camera", "Cameras"), ("occupancy", "Tiles"), ("source", "Source")])
def test_what_hangs_on_the_process_is_named(tmp_path, monkeypatch, slot, name):
    (tmp_path / "of_this_process.py").write_text(OF_THIS_PROCESS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bad = {f.rule: f.detail for f in conformance.check(slot, f"of_this_process:{name}") if not f.passed}
    assert "a new process" in bad.pop("repeats in a new process")
    assert not bad, bad


#: Commands one after the other in one process, each with its code and what it printed: starting takes seconds.
COMMANDS = """
import contextlib, io, json, sys
from uniscene_sim.cli.main import main

results = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
    results.append((code, out.getvalue(), err.getvalue()))
json.dump(results, sys.stdout)
"""


def test_what_somebody_else_installs(tmp_path):
    """A source, an engine and a sink: installed for real, checked and run by name."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(tmp_path), str(THIRD_PARTY)], check=True, capture_output=True)
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])}
    own = {"text": True, "env": environment, "cwd": tmp_path, "capture_output": True}
    fog, late, track, ring = (tmp_path / name for name in ("fog", "late", "track", "ring"))
    rl = ("--rig", "rl", "--out")
    commands = (
        ("check", "fog"), ("check", "late"), ("check", "ring", "--on", "30"), ("check", "track"),
        ("run", "cut_in", "--camera", "fog", "--ticks", "2", *rl, str(fog)),
        ("run", "cut_in", "--camera", "late", "--ticks", "5", "--trace", "window+tiles", "--no-preview", *rl,
         str(late)),
        ("run", "30", "--source", "ring", "--sink", "track", "--sink", "report", "--no-preview", "--ticks", "3", *rl,
         str(track)),
        ("run", "--source", "ring://30", "--no-preview", "--ticks", "1", *rl, str(ring)),
        ("run", "wide", "--source", "ring", "--out", str(tmp_path / "none")), ("run", "30", "--source", "rign"),
        ("info",), ("check", "fog_camera:FOG_RGB", "--slot", "camera"), ("check", "fogg"),
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", COMMANDS], input=json.dumps(commands), **own)
    assert done.returncode == 0, done.stderr
    results = [subprocess.CompletedProcess("uniscene-sim", *result) for result in json.loads(done.stdout)]
    a_fog, a_late, a_ring, a_track, ran_fog, ran_late, ran_track, ran_ring, wide, rign, info, no_class, fogg = results
    for checked in (a_fog, a_late):
        assert checked.returncode == 0 and checked.stdout.count("ok") == 11, checked.stdout + checked.stderr
    for checked in (a_ring, a_track):
        assert checked.returncode == 0 and checked.stdout.count("ok") >= 6, checked.stdout + checked.stderr
    for ran in (ran_fog, ran_late, ran_track, ran_ring):
        assert ran.returncode == 0, ran.stderr
    assert '"fog"' in (fog / "report.json").read_text()
    assert json.loads((late / "report.json").read_text())["ticks"] == 6
    rows = (track / "track.csv").read_text().splitlines()
    assert len(rows) == 5 and rows[-1].startswith("300000,2.397,")  # 0.3 s at 8 m/s
    assert json.loads((track / "report.json").read_text())["scenario"] == "ring of 30 m"
    assert "ring of 30 m: RUNNING" in ran_ring.stdout
    assert wide.returncode == 2 and "expected a radius in metres, got 'wide'" in wide.stderr
    assert rign.returncode == 2 and fogg.returncode == 2
    assert "ring (other_house 1.0)" in info.stdout and "track (other_house 1.0)" in info.stdout
    assert no_class.returncode == 2 and "is not a class" in no_class.stderr


def test_a_rule_in_which_a_plugin_ends_the_program_fails(monkeypatch):
    """And does not pass for success."""
    monkeypatch.setattr(conformance, "_rules", lambda *_: [("ends", lambda: sys.exit(0)), ("goes on", lambda: None)])
    ends, goes_on = conformance.check("camera", "raycast-plain")
    assert (ends.passed, ends.detail, goes_on.passed) == (False, "raised SystemExit: 0", True)
    with pytest.raises(RuleViolation, match="x must be served or refused with InputError, raised SystemExit: 3"):
        refused_with_input_error("x", lambda: sys.exit(3))
