"""Recordings: read back by the library of the format, whole after a kill, and played again with equal digests."""

import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory
from PIL import Image

from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import RunFacts
from uniscene_sim.layout import Style
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.recording.capture import capture
from uniscene_sim.recording.difference import difference_picture
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import McapSink, RecordTo
from uniscene_sim.recording.replay import replay, replayer
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import frames, run
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.wire.messages import control_of, layout_of
from uniscene_sim.world.scenario_source import ScenarioSource

TICKS = 4


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A short run with steering, its frames, and its recording."""
    out = tmp_path_factory.mktemp("recorded")
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    frames = []

    def drive(frame):
        frames.append(frame)
        return Control(0.01 * len(frames), 0.5)

    result = run(simulator, [RecordTo()], out, driver=drive, ticks=TICKS)
    assert result.written == (out / "run.mcap",)
    return result.written[0], frames


def messages(path, topic):
    with open(path, "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        return [(m.log_time, decoded) for _, _, m, decoded in reader.iter_decoded_messages(topics=[topic])]


def test_the_library_reads_it_back(recorded):
    path, frames = recorded
    layouts = messages(path, "/uniscene/layout")
    assert [stamp for stamp, _ in layouts] == [10_000_000 * k for k in range(10 * TICKS + 1)]
    for k, frame in enumerate(frames):
        again = layout_of(layouts[10 * k][1])
        assert again.ego_pose == frame.layout.ego_pose
        assert again.agents.tobytes() == frame.layout.agents.tobytes()
    controls = [control_of(m) for _, m in messages(path, "/uniscene/control")]
    assert controls == [Control(0.01 * k, 0.5) for k in range(1, TICKS + 1)]
    digests = [dict(m.digests) for _, m in messages(path, "/uniscene/frame")]
    assert digests[: len(frames)] == [frame.digests for frame in frames]


def test_pictures_clouds_boxes_and_frames_are_those_of_the_run(recorded, tmp_path):
    path, frames = recorded
    camera, lidar = next(iter(frames[0].cameras)), next(iter(frames[0].sweeps))
    [_, first, *_] = [m for _, m in messages(path, f"/{camera}/image")]
    (tmp_path / "a.jpg").write_bytes(first.data)
    picture = np.asarray(Image.open(tmp_path / "a.jpg"), float)
    assert np.abs(picture - frames[1].cameras[camera].rgb).mean() < 6
    cloud = messages(path, f"/{lidar}/points")[0][1]
    points = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_stride)[:, :12].copy().view(np.float32)
    assert np.array_equal(points, frames[0].sweeps[lidar].xyz)
    transform = messages(path, "/tf")[10][1].transforms[0]
    assert transform.translation.x == frames[1].layout.ego_pose.x
    assert len(messages(path, "/agents")[0][1].entities[0].cubes) == len(frames[0].layout.agents)
    assert messages(path, "/lanes")[0][1].entities[0].lines
    assert {t.child_frame_id for t in messages(path, "/tf_static")[0][1].transforms} == {camera, lidar}


def test_replay_gives_equal_digests(recorded, capsys):
    path, _ = recorded
    assert main(["replay", str(path), "--no-cache"]) == 0
    assert f"{TICKS + 1} ticks, {2 * (TICKS + 1)} records, all equal" in capsys.readouterr().out


def test_replay_names_the_first_record_that_differs(recorded):
    recording = Recording.open(recorded[0])
    simulator = replayer(recording)
    engine, made = simulator.engines["lidar"], 0
    step = engine.step

    def later_brighter(state, views, specs):
        nonlocal made
        made += 1
        after, sweeps = step(state, views, specs)
        if made == 3:
            sweeps[0][specs[0].name].intensity[0] += 0.5
        return after, sweeps

    engine.step = later_brighter
    found = replay(recording, simulator)
    picture = difference_picture(recording, found.first, found.differences[0].sensor)
    assert picture.size[0] == 960 and picture.size[1] <= 540
    assert [(d.tick, d.stamp_us, d.sensor) for d in found.differences] == [(2, 200_000, recording.rig.lidars[0].name)]


def test_a_recording_is_a_source(recorded, capsys, tmp_path):
    path, frames = recorded
    assert main(["run", str(path), "--rig", "rl", "--out", str(tmp_path), "--no-preview", "--no-cache"]) == 0
    source = RecordedSource.open(str(path))
    assert source.reset().ego_pose == frames[0].layout.ego_pose
    steps = source.step(Control(), 100_000)
    assert len(steps) == 10 and steps[-1].ego_pose == frames[1].layout.ego_pose


@pytest.mark.parametrize(("tick_us", "stamps"), [(100_000, 5), (150_000, 3), (300_000, 2)])
def test_a_log_ends_with_the_last_tick_that_it_can_fill(recorded, tick_us, stamps):
    simulator = assemble(RecordedSource(Recording.open(recorded[0])), SensorRig("none"), tick_us=tick_us)
    assert Recording.open(recorded[0]).outcome.status == Status.RUNNING, "it was stopped after 0.4 s"
    for _ in range(2):
        assert [frame.stamp_us for frame in frames(simulator)] == [k * tick_us for k in range(stamps)]
        assert simulator.source.done and simulator.source.outcome == Outcome(Status.SUCCESS)


def test_a_capture_goes_to_the_end_of_a_run_that_is_no_multiple_of_its_step(tmp_path):
    file, text = tmp_path / "short.yaml", (data_dir("scenarios") / "cut_in.yaml").read_text()
    file.write_text(text.replace("duration_s: 8", "duration_s: 0.55"))
    done = capture(ScenarioSource.open(str(file)), tmp_path / "short.mcap", load_rig("rl"))
    assert (done.layouts, done.outcome.status) == (61, Status.TIMEOUT)


def test_an_old_drive_is_seen_from_another_path_in_other_weather(recorded):
    path, frames = recorded
    source = RecordedSource(Recording.open(path), style=Style("fog", 22.0), shift_m=(0.0, 3.5))
    layout, before = source.reset(), frames[0].layout
    moved = before.ego_pose.compose(Pose(0.0, 3.5))
    assert (layout.ego_pose.x, layout.ego_pose.y) == (moved.x, moved.y)
    assert layout.style == Style("fog", 22.0)
    assert layout.agents.tobytes() == before.agents.tobytes()


def test_a_run_that_is_stopped_keeps_what_it_has(tmp_path):
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    seen = 0

    def stop(frame):
        nonlocal seen
        seen += 1
        if seen == 3:
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        run(simulator, [RecordTo()], tmp_path, driver=stop)
    assert len(messages(tmp_path / "run.mcap", "/uniscene/frame")) == 3
    assert Recording.open(tmp_path / "run.mcap").outcome is None


def test_what_was_written_before_a_kill_is_replayed(tmp_path, capsys):
    command = [sys.executable, "-m", "uniscene_sim.cli", "run", "cut_in", "--rig", "nuscenes-small", "--record",
               "--no-preview", "--out", str(tmp_path)]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path, until = tmp_path / "run.mcap", time.monotonic() + 240
    while not (path.is_file() and path.stat().st_size > 2_000_000):
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.warns(InputWarning, match="ends in the middle"):
        assert main(["replay", str(path)]) == 0
    assert "all equal" in capsys.readouterr().out


@pytest.mark.parametrize("spoil", ["empty", "foreign", "text", "cut", "no run", "map"])
def test_what_is_no_recording_is_told(recorded, tmp_path, spoil, capsys):
    path, data = tmp_path / "a.mcap", recorded[0].read_bytes()
    bodies = {"empty": b"", "text": b"no recording", "cut": data[:9], "foreign": b"\x89MCAP0\r\n" + b"\x07" * 300}
    if spoil in bodies:
        path.write_bytes(bodies[spoil])
    else:
        from mcap_protobuf.writer import Writer

        from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map
        from uniscene_sim.wire.uniscene.v1.run_pb2 import Run

        with open(path, "wb") as file:
            writer = Writer(file)
            writer.write_message("/uniscene/map", Map(ref="x", npz=b"damaged"), 0, 0)
            if spoil == "map":
                writer.write_message("/uniscene/run", Run(title="x"), 0, 0)
            writer.finish()
    assert main(["replay", str(path)]) == 2
    line = capsys.readouterr().err.strip()
    assert str(path) in line and "\n" not in line


def test_damage_anywhere_is_told_or_passed_over(recorded, tmp_path):
    data, rng = recorded[0].read_bytes(), np.random.default_rng(2)
    path, refused = tmp_path / "a.mcap", 0
    for _ in range(60):
        body = bytearray(data)
        for at in rng.integers(0, len(body), 3):
            body[at] ^= 1 << rng.integers(8)
        path.write_bytes(body[: rng.integers(len(body) // 2, len(body))])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                source = RecordedSource.open(str(path))
                source.reset()
                source.step(Control(), 50_000)
            except InputError as error:
                refused += 1
                assert str(error).startswith(str(path))
                continue
        assert len(told) <= 1
    assert refused


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    facts = RunFacts("t", 0, load_rig("rl"), {}, 100_000, static_map=ScenarioSource.open("cut_in").map)
    with pytest.raises(InputError, match="cannot be written"):
        McapSink.open(Path(tmp_path / "file"), facts)


@pytest.mark.parametrize(
    "line",
    [
        "run {path} --rig rl --record {path}",
        "run {path} --rig rl --rerun {path}",
        "run cut_in --rig {path} --record {path}",
        "run {folder}/branch.yaml --rig rl --ticks 1 --record {path}",
        "page {path} --out {path}",
        "run cut_in --rig rl --record {folder}/x --rerun {folder}/x",
        "run cut_in --rig rl --record out/report.json",
    ],
)
def test_a_file_that_is_read_or_written_twice_is_refused(recorded, tmp_path, capsys, monkeypatch, line):
    """A recording that became its own source would be lost."""
    path, body = recorded[0], recorded[0].read_bytes()
    monkeypatch.chdir(tmp_path)
    if "branch" in line:
        (tmp_path / "branch.yaml").write_text(f"source: {path}\nbranch_at: 0.2\n", encoding="utf-8")
    assert main(line.format(path=path, folder=tmp_path).split()) == 2
    assert "cannot be written: " in capsys.readouterr().err
    assert path.read_bytes() == body


def test_nothing_to_compare_is_no_success(recorded, capsys):
    assert main(["replay", str(recorded[0]), "--from", "0.25", "--to", "0.28"]) == 2
    assert "has no frame from 0.25 to 0.28 s" in capsys.readouterr().err
