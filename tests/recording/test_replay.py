"""Replays: from the middle, with engines that remember, of any scenario; what differs is named by stage."""

import json
import resource
import warnings
from dataclasses import replace
from functools import cache
from time import process_time

import numpy as np
import pytest
from mcap_protobuf.writer import Writer

from uniscene_sim.assembly import assemble, tile_store
from uniscene_sim.camera.raycast.engine import PlainCameras, RaycastCameras
from uniscene_sim.cli.main import main
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import FrameRequest
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.recording.difference import difference_picture
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.replay import replay
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.simulator import Simulator
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map
from uniscene_sim.wire.uniscene.v1.run_pb2 import Run
from uniscene_sim.world.scenario_source import ScenarioSource

TICKS = 6
OFTEN = RecordOptions(states_s=0.2)
BARE = FrameRequest(window_grid=None, bev_schema=None)
NAMES = {"occupancy": "procedural", "window": "exact", "camera": "raycast", "lidar": "raycast"}


@cache
def tiles():
    """The tiles of the scenario, made once."""
    source = ScenarioSource.open("cut_in")
    return tile_store("procedural", source.map, source.seed)


def world(source, trace="tiles", **engines):
    """A simulator; `engines` replace those that are usual."""
    usual = {"camera": RaycastCameras(), "lidar": RaycastLidar(), "window": ExactWindow(source.map, source.seed)}
    return Simulator(source, load_rig("rl"), tiles(), usual | engines, trace=trace, request=BARE)


def record(folder, ticks=TICKS, options=OFTEN, **made):
    """The recording of a short run of a `world`."""
    run(world(ScenarioSource.open("cut_in"), **made), [RecordTo(options=options)], folder, ticks=ticks, engines=NAMES)
    return Recording.open(folder / "run.mcap")


def again(recording, **made):
    return world(RecordedSource(recording), **made)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recorded"))


class Late(PlainCameras):
    """Output that hangs on all that came before, three ticks late, two moments in one call."""

    name, chunk, latency_ticks = "late", 2, 3

    def step(self, state, views, specs):
        calls = [np.zeros(1, np.int64) if one is None else one["calls"] + 1 for one in state]
        _, worlds = super().step([None] * len(state), views, specs)
        for world in worlds:
            for frame in world.values():
                frame.rgb[:, :, 0] = calls[0][0]
        return [{"calls": count} for count in calls], worlds


class Drifting(RaycastLidar):
    """A state that is no array, written and read by the engine itself."""

    name = "drifting"

    def step(self, state, views, specs):
        _, sweeps = super().step([None] * len(state), views, specs)
        counts = [f"{len(one or '')}" + (one or "") for one in state]
        for world, count in zip(sweeps, counts, strict=True):
            for sweep in world.values():
                sweep.intensity[0] = len(count) / 100
        return counts, sweeps

    def state_arrays(self, state):
        return {"text": np.frombuffer(state.encode(), np.uint8)}

    def state_of(self, arrays):
        return arrays["text"].tobytes().decode()


@pytest.mark.parametrize("trace", ["tiles", "window+tiles"])
def test_engines_go_on_from_what_they_remembered(tmp_path, trace):
    recording = record(tmp_path, trace=trace, camera=Late(), lidar=Drifting())
    assert len(list(recording.messages("/uniscene/frame"))) == TICKS + 1 + Late.latency_ticks
    for from_s in (None, 0.2, 0.5):
        simulator = again(recording, trace=trace, camera=Late(), lidar=Drifting())
        found = replay(recording, simulator, from_s=from_s)
        assert found.records and not found.differences
        assert simulator.source.reset_at(0)  # the file is read again from its beginning
    forgetful = again(recording, trace=trace, camera=Late())
    assert replay(recording, forgetful, to_s=0.1).differences[0].sensor == "lidar"


def test_a_state_that_cannot_be_kept_is_told_and_the_replay_begins_at_the_start(tmp_path):
    class Silent(Drifting):
        state_arrays = property()  # as if there were none

    with pytest.warns(InputWarning, match=r"'drifting': expected a state of named arrays.*begin at the start"):
        recording = record(tmp_path, lidar=Silent())
    assert not list(recording.messages("/uniscene/states"))
    found = replay(recording, again(recording, lidar=Silent()), from_s=0.5)
    assert found.ticks == 2 and not found.differences


def test_a_part_is_replayed_from_the_states_before_it(recording, capsys):
    assert main(["replay", str(recording.path), "--from", "0.35", "--to", "0.5"]) == 0
    assert "cut_in: 2 ticks, 4 records, all equal" in capsys.readouterr().out
    simulator = again(recording)
    steps, step = [], simulator.step
    simulator.step = lambda *given: steps.append(given) or step(*given)
    replay(recording, simulator, from_s=0.35, to_s=0.5)
    assert len(steps) == 3  # after the states of 0.2 s
    assert main(["replay", str(recording.path), "--from", "7"]) == 2
    assert "lasts from 0.00 to 0.60 s, has nothing from 7" in capsys.readouterr().err


@pytest.mark.slow
def test_the_shipped_models_go_on_in_the_middle(tmp_path):
    pytest.importorskip("torch")
    engines = {"occupancy": "occflow-tiles", "lidar": "sparse-sdf"}
    near = SensorRig("near", lidars=tuple(replace(lidar, max_range_m=15.0) for lidar in load_rig("rl").lidars))
    made = assemble(ScenarioSource.open("cut_in"), near, window_grid=None, bev_schema=None, **engines)
    run(made, [RecordTo(options=OFTEN)], tmp_path, ticks=3, engines=NAMES | engines)
    recording = Recording.open(tmp_path / "run.mcap")
    simulator = Simulator(RecordedSource(recording), near, TileStore(made.store.engine), made.engines, request=BARE)
    found = replay(recording, simulator, from_s=0.3)
    assert found.records == 1 and not found.differences


def rewritten(recording, path, change):
    """The file with messages replaced by what `change(topic, message)` makes of them."""
    with open(path, "wb") as file:
        writer = Writer(file)
        topics = [f"/uniscene/{name}" for name in ("run", "map", "rig", "layout", "stages", "states", "frame")]
        for topic, stamp_us, message in recording.messages(*topics, "/front/image", "/lidar/points"):
            change(topic, message)
            writer.write_message(topic, message, stamp_us * 1000, stamp_us * 1000)
        writer.finish()
    return Recording.open(path)


def test_the_first_stage_that_differs_is_named(recording, tmp_path, capsys):
    def nudge(topic, message):
        if topic == "/uniscene/layout" and message.stamp_us == 300_000:
            message.ego_pose.y += 1e-9

    edited = rewritten(recording, tmp_path / "edited.mcap", nudge)
    assert main(["replay", str(edited.path), "--out", str(tmp_path)]) == 1
    assert "first: layout in tick 3 at 0.30 s" in capsys.readouterr().out

    class Repainted:
        name = "repainted"

        def tile(self, ix, iy):
            tile = tiles().get(ix, iy)
            return replace(tile, paint=tile.paint ^ 1)

    usual = again(recording)
    simulator = Simulator(
        usual.source, usual.rig, TileStore(Repainted()), usual.engines, request=BARE, tick_us=usual.tick_us
    )
    found = replay(recording, simulator, to_s=0.0)
    assert [(d.stage, d.sensor) for d in found.differences[:2]] == [("occupancy", ""), ("sensor", "front")]
    picture = difference_picture(recording, found.first, "front")
    assert max(picture.size) == 960 and picture.size[1] <= 540

    def forged(topic, message):
        if topic == "/uniscene/frame" and message.stamp_us == 200_000:
            message.digests["lidar"] = "0" * 64

    forgery = rewritten(recording, tmp_path / "forged.mcap", forged)
    assert main(["replay", str(forgery.path), "--out", str(tmp_path)]) == 1
    assert "1 differences\nfirst: sensor lidar in tick 2 at 0.20 s" in capsys.readouterr().out
    assert (tmp_path / "difference.png").exists()


def test_packing_makes_no_difference(recording):
    """An image equal to the recorded one but for depth: nothing of JPEG's own shows."""
    frame = again(recording).reset()
    picture = np.asarray(difference_picture(recording, frame, "front"))
    third = picture.shape[1] // 3
    recorded, now, apart = (picture[60:300, k * third + 8 : (k + 1) * third - 8] for k in range(3))
    assert np.array_equal(recorded, now) and recorded.std() > 10 and not apart.any()


def test_another_view_of_a_drive_is_rendered_and_not_compared(recording, tmp_path, capsys):
    asked = ["--shift", "-1.5", "--style", "foggy night", "--lidar", "raycast", "--from", "0.33", "--to", "0.5"]
    assert main(["replay", str(recording.path), "--out", str(tmp_path), *asked]) == 0
    assert "2 ticks rendered otherwise, nothing compared" in capsys.readouterr().out
    assert {"report.json", "preview.mp4", "contact_sheet.png"} <= {path.name for path in tmp_path.iterdir()}
    assert json.loads((tmp_path / "report.json").read_text())["ticks"]
    source = RecordedSource(recording, from_s=0.33, to_s=0.5)
    assert source.reset().stamp_us == 400_000 and not source.done
    for bad in (["--shift", "x"], ["--rig", "nothing"], ["--camera", "nothing"]):
        try:
            code = main(["replay", str(recording.path), "--out", str(tmp_path), *bad])
        except SystemExit as end:
            code = end.code
        assert code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_other_versions_are_told(recording, tmp_path, capsys):
    def older(topic, message):
        if topic == "/uniscene/run":
            message.versions["numba"], message.versions["machine"] = "0.1", "pdp11"

    path = rewritten(recording, tmp_path / "old.mcap", older).path
    with pytest.warns(InputWarning, match=r"recorded with machine pdp11 \(here .*\), numba 0\.1 \(here "):
        assert main(["replay", str(path), "--to", "0.1"]) == 0
    assert "all equal" in capsys.readouterr().out


def test_what_any_kill_leaves_is_replayed(tmp_path):
    """A file grows at its end alone, so a kill at any moment leaves its beginning."""
    whole = record(tmp_path, ticks=12, options=RecordOptions(images="png"))
    data, ticks = whole.path.read_bytes(), []
    for part in np.linspace(0.0, 1.0, 9)[1:]:
        whole.path.write_bytes(data[: int(part * len(data))])
        left = Recording.open(whole.path)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                ticks.append(sum(1 for _ in left.messages("/uniscene/frame")))
            except InputError as error:  # not even a chunk
                assert str(error).startswith(str(whole.path)) and not ticks
                continue
            if part in (0.5, 0.75) and ticks[-1]:
                assert not replay(left, again(left), from_s=0.1).differences
        assert len(told) <= (part < 1.0)
    assert ticks == sorted(ticks) and ticks[-1] == 13 and len(set(ticks)) >= 3


def test_a_disk_that_fills_up_ends_the_run_in_one_line(tmp_path, capsys):
    """As told by the system in the middle of a write; what was written stays usable."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, usual[1]))
    try:
        with pytest.raises(InputError, match=r"run\.mcap.*cannot be written: File too large"):
            record(tmp_path, ticks=30, options=RecordOptions(images="png"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    left = Recording.open(tmp_path / "run.mcap")
    with pytest.warns(InputWarning, match="ends in the middle"):
        assert sum(1 for _ in left.messages("/uniscene/frame")) >= 1
    assert len(left.ego_path) > 1


@pytest.mark.parametrize("missing", ["map", "version", "engine"])
def test_what_is_not_at_hand_is_told(recording, tmp_path, capsys, missing):
    path = tmp_path / "a.mcap"
    if missing == "version":
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

        file = descriptor_pb2.FileDescriptorProto(name="later.proto", package="uniscene.v9", syntax="proto3")
        file.message_type.add(name="Run")
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        later = message_factory.GetMessageClass(pool.FindMessageTypeByName("uniscene.v9.Run"))
        with open(path, "wb") as out:
            writer = Writer(out)
            writer.write_message("/uniscene/run", later(), 0, 0)
            writer.finish()
    else:

        def spoil(topic, message):
            if isinstance(message, Map) and missing == "map":
                message.ClearField("npz")
            if isinstance(message, Run) and missing == "engine":
                message.engines["lidar"] = "elsewhere"

        rewritten(recording, path, spoil)
    assert main(["replay", str(path)]) == 2
    told = capsys.readouterr().err.strip()
    assert "\n" not in told and {"map": "map", "version": "uniscene.v9.Run", "engine": "elsewhere"}[missing] in told


def test_layouts_alone_are_played_many_times_faster_than_they_came(recording):
    source, spent = RecordedSource(recording), []
    for _ in range(3):
        begin = process_time()
        source.reset()
        while not source.done:
            source.step(Control(), 100_000)
        spent.append(process_time() - begin)
    assert source.duration_s / min(spent) > 20
