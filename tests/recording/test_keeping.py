"""What a recording keeps: pictures in every kind, sweeps to the last bit; limits; and the same run in rerun."""

import base64
import io
import sys
import warnings
from dataclasses import fields, replace
from importlib.util import find_spec

import numpy as np
import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from mcap_protobuf.writer import Writer
from PIL import Image

from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import CameraBuffers, CameraFrame, LidarSweep, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import RunFacts
from uniscene_sim.recording import foxglove
from uniscene_sim.recording.buffers import buffers, buffers_message
from uniscene_sim.recording.difference import difference_picture
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import McapSink, RecordTo
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.page.drive import Drive
from uniscene_sim.recording.page.pictures import PageOptions, pictures_and_sweeps
from uniscene_sim.recording.pictures import PictureCoder, pictures
from uniscene_sim.recording.rerun_sink import LogTo
from uniscene_sim.recording.sweeps import STEP_M, _sweep, sweep_columns, sweeps
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.wire.messages import layout_message, layout_of, rig_message
from uniscene_sim.wire.uniscene.v1.run_pb2 import SensorFrame as FrameMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import SweepColumns
from uniscene_sim.world.scenario_source import ScenarioSource

TICKS = 3
KINDS = {
    "jpeg": RecordOptions("jpeg:95"),
    "png": RecordOptions("png", "none"),
    "raw": RecordOptions("raw", "rounded"),
    "h264": RecordOptions("h264:18", "none"),
    "none": RecordOptions("none", "none"),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Recordings of one short run, by kind, and its frames."""
    out = tmp_path_factory.mktemp("kept")
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    frames = []
    sinks = [RecordTo(out / f"{kind}.mcap", options) for kind, options in KINDS.items()]
    if find_spec("rerun"):
        sinks.append(LogTo(str(out / "run.rrd")))
    run(simulator, sinks, out, driver=frames.append, ticks=TICKS)
    return {kind: Recording.open(out / f"{kind}.mcap") for kind in KINDS}, frames


def psnr(a, b):
    return 10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9))


@pytest.mark.parametrize(("kind", "least_db"), [("jpeg", 30), ("png", 100), ("raw", 100), ("h264", 30)])
def test_pictures_come_back_in_every_kind(kept, kind, least_db):
    recordings, frames = kept
    [camera] = frames[0].cameras
    found = list(pictures(recordings[kind], camera))
    assert [one.stamp_us for one in found] == [100_000 * k for k in range(TICKS + 1)]
    for one, frame in zip(found, frames, strict=False):
        assert psnr(one.rgb, frame.cameras[camera].rgb) > least_db


@pytest.mark.parametrize("kind", ["jpeg", "png", "raw", "h264"])
def test_a_page_shows_pictures_of_every_kind_and_the_difference_of_a_run_with_itself_is_none(kept, kind):
    recordings, frames = kept
    recording, [camera], [lidar] = recordings[kind], frames[0].cameras, frames[0].sweeps
    shown, _, _ = pictures_and_sweeps(recording, Drive.of(recording), PageOptions(rate_hz=5.0), False)
    assert [one["t"] for one in shown] == [[200 * k for k in range(TICKS // 2 + 1)]]
    last = Image.open(io.BytesIO(base64.b64decode(shown[0]["frames"][-1])))
    assert psnr(np.asarray(last), frames[2 * (TICKS // 2)].cameras[camera].rgb) > 25
    picture = np.asarray(difference_picture(recording, frames[2], camera))
    assert not (picture[120:400] == (255, 214, 64)).all(axis=2).any()
    inverted = replace(frames[2].cameras[camera], rgb=255 - frames[2].cameras[camera].rgb)
    other = difference_picture(recording, replace(frames[2], cameras={camera: inverted}), camera)
    assert np.abs(np.asarray(other).astype(int)[:, 640:] - picture[: other.height, 640:]).max() > 100
    points = difference_picture(recording, frames[2], lidar)
    assert (points is None) == (kind in ("png", "h264"))  # which keep no sweeps
    assert points is None or not (np.asarray(points) == (92, 226, 130)).all(axis=2).any()  # nothing has moved


def test_what_is_not_wanted_is_not_there(kept):
    recordings, frames = kept
    [camera], [lidar] = frames[0].cameras, frames[0].sweeps
    assert not list(pictures(recordings["none"], camera)) and not list(sweeps(recordings["none"], lidar))
    sizes = {kind: one.path.stat().st_size for kind, one in recordings.items()}
    assert sizes["none"] < sizes["h264"] < sizes["png"] < sizes["raw"]


def test_sweeps_come_back_to_the_last_bit(kept):
    recordings, frames = kept
    [lidar] = frames[0].sweeps
    found = list(sweeps(recordings["jpeg"], lidar))
    told = [m.message.digests[lidar] for m in recordings["jpeg"].messages("/uniscene/frame")]
    assert len(found) == TICKS + 1 and [digest(sweep) for sweep in found] == told


def test_rounded_sweeps_say_so_and_are_near(kept):
    recordings, frames = kept
    [lidar] = frames[0].sweeps
    for sweep, frame in zip(sweeps(recordings["raw"], lidar), frames, strict=False):
        exact = frame.sweeps[lidar]
        assert 0 < np.abs(sweep.xyz - exact.xyz).max() <= 0.5 * STEP_M + 1e-6
        assert np.array_equal(sweep.time_s, exact.time_s) and np.array_equal(sweep.instance, exact.instance)
    [columns] = next(recordings["raw"].messages("/uniscene/frame")).message.sweeps
    assert columns.step_m == STEP_M


def test_damaged_pictures_and_sweeps_are_told(tmp_path):
    path, rig = tmp_path / "a.mcap", rig_message(load_rig("rl"))
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.write_message("/uniscene/rig", rig, 0, 0)
        writer.write_message("/uniscene/frame", FrameMessage(sweeps=[SweepColumns(sensor="l")]), 0, 0)
        writer.write_message("/c/image", RawImage(width=3, height=3, data=b"12"), 0, 0)
        writer.write_message("/d/image", CompressedImage(data=b"no picture"), 0, 0)
        writer.write_message("/e/video", CompressedVideo(data=b"\0\0\0\1\x67no video"), 0, 0)
        writer.write_message("/l/points", PointCloud(data=b"123"), 0, 0)
        writer.write_message("/m/points", PointCloud(), 0, 0)
        writer.finish()
    recording = Recording.open(path)
    for read, name, said in [
        *((pictures, name, "damaged") for name in "cde"),
        (sweeps, "l", "damaged sweep"),
        (sweeps, "m", "point clouds alone"),
    ]:
        with pytest.raises(InputError, match=f"a.mcap: /{name}/.*{said}"):
            list(read(recording, name))


@pytest.mark.parametrize("points", [0, 1, 500])
def test_sweeps_of_all_kinds_of_points_survive_the_messages(points):
    rng = np.random.default_rng(points)
    sweep = LidarSweep(
        xyz=rng.normal(size=(points, 3)).astype(np.float32),
        intensity=rng.random(points, np.float32),
        ring=rng.integers(0, 64, points).astype(np.uint16),
        time_s=-rng.random(points, np.float32),
        label=rng.integers(0, 20, points).astype(np.uint8),
        instance=rng.integers(0, 2**16, points).astype(np.uint16),
        stamp_us=7,
        return_number=rng.integers(0, 2, points).astype(np.uint8),
        cause=rng.integers(0, 5, points).astype(np.uint8),
    )
    cloud = PointCloud.FromString(foxglove.cloud(sweep, "a").SerializeToString())
    columns = SweepColumns.FromString(sweep_columns(sweep, "a").SerializeToString())
    assert digest(_sweep(cloud, columns, 7)) == digest(sweep)


def test_video_is_as_foxglove_asks_for():
    """Annex B, one picture a message, parameter sets with key frames each second, no B frames; odd sides too."""
    camera = CameraSpec("c", 63, 41, 40.0, 40.0, 31.0, 20.0, pose=load_rig("rl").cameras[0].pose)
    coder = PictureCoder(camera, RecordOptions("h264"))
    rng = np.random.default_rng(1)
    rgb = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)[:41, :63]
    parts = []
    for k in range(21):
        zeros = np.zeros((41, 63))
        shifted = np.roll(rgb, k, axis=1)
        message = coder.message(CameraFrame(shifted, zeros, zeros, zeros, 100_000 * k))
        assert (message.format, message.frame_id, message.timestamp.nanos) == ("h264", "c", 100_000_000 * (k % 10))
        assert message.data.startswith(b"\0\0\0\1")
        units = message.data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
        parts.append([unit[0] & 31 for unit in units])
        slices = [unit for unit in units if unit[0] & 31 in (1, 5)]
        # first_mb_in_slice is 0 (bit 1), then slice_type, of which 1 and 6 would be B
        assert len(slices) == 1 and slices[0][1] & 0x80 and (slices[0][1] & 0x70) >> 4 != 0b010
    keys = [k for k, kinds in enumerate(parts) if 5 in kinds]
    assert keys == [0, 10, 20] and all({7, 8} <= set(parts[k]) for k in keys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record-images", "gif"], "--record-images: expected jpeg, png, raw, h264, none"),
        (["--record-images", "jpeg:0"], "quality of 1 to 100"),
        (["--record-images", "h264:x"], "--record-images: "),
        (["--record-images", "png:3"], "--record-images: expected"),
        (["--record-sweeps", "all"], "--record-sweeps: expected exact, rounded, none"),
        (["--record-limit", "0"], "--record-limit: expected GiB above 0"),
    ],
)
def test_options_that_there_are_not_are_told(options, said, tmp_path, capsys):
    assert main(["run", "cut_in", "--rig", "rl", "--record", "--out", str(tmp_path), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_limit_on_the_command_line_ends_the_run_and_keeps_the_file(tmp_path, capsys):
    words = [
        "run",
        "cut_in",
        "--rig",
        "rl",
        "--record",
        "--record-limit",
        "1e-5",
        "--no-preview",
        "--out",
        str(tmp_path),
    ]
    assert main([*words, "--ticks", "60"]) == 2
    assert "run.mcap: has reached 1e-05 GiB and ends here" in capsys.readouterr().err
    assert next(Recording.open(tmp_path / "run.mcap").messages("/uniscene/frame"))
    assert not (tmp_path / "report.json").exists()


def test_a_bag_has_raw_pictures_and_leaves_out_video(kept, tmp_path):
    pytest.importorskip("rosbags", reason="bags are written by rosbags, which is not installed")
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    from uniscene_sim.export.ros2bag import write_ros2bag

    recordings, frames = kept
    [camera] = frames[0].cameras
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_ros2bag(recordings["raw"], tmp_path / "raw")
    store, found = get_typestore(Stores.ROS2_JAZZY), []
    with Reader(tmp_path / "raw") as bag:
        for connection, _, data in bag.messages():
            if connection.topic == f"/camera/{camera}/image_raw":
                found.append(store.deserialize_cdr(data, connection.msgtype))
    assert np.array_equal(found[1].data.reshape(84, 84, 3), frames[1].cameras[camera].rgb)
    with pytest.warns(InputWarning, match=r"H\.264 video is left out"):
        write_ros2bag(recordings["h264"], tmp_path / "h264")


def test_rerun_has_the_rig_pictures_points_boxes_lanes_and_time_lines(kept):
    """Read back by rerun's own reader."""
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    from rerun.chunk import RrdReader

    recordings, frames = kept
    rows, static, last = {}, set(), {}
    for chunk in RrdReader(recordings["none"].path.with_name("run.rrd")).stream().to_chunks():
        batch, columns = chunk.to_record_batch(), last.setdefault(chunk.entity_path, {})
        rows[chunk.entity_path] = rows.get(chunk.entity_path, 0) + (0 if chunk.is_static else chunk.num_rows)
        static |= {chunk.entity_path} if chunk.is_static else set()
        columns.update({name: batch.column(name).to_pylist() for name in batch.schema.names})
    [camera], [lidar] = (f"/map/base_link/{name}" for name in frames[0].cameras), frames[0].sweeps
    cloud, agents = last[f"/map/base_link/{lidar}"], last["/map/agents"]
    assert rows["/map/base_link"] == 10 * TICKS + 1
    assert rows["/map/agents"] == rows[camera] == rows[f"/map/base_link/{lidar}"] == TICKS + 1
    assert {"/map/lanes", camera, f"/map/base_link/{lidar}"} <= static
    assert {"sim_time", "tick"} <= set(agents) and "log_time" not in agents
    assert cloud["tick"][-1] == TICKS and cloud["sim_time"][-1].total_seconds() == pytest.approx(0.1 * TICKS)
    [exact] = [sweep for sweep in sweeps(recordings["jpeg"], lidar) if sweep.stamp_us == 100_000 * TICKS]
    assert np.array_equal(np.array(cloud["Points3D:positions"][-1], np.float32), exact.xyz)
    *_, end = (layout_of(one.message) for one in recordings["none"].messages("/uniscene/layout"))
    assert np.allclose(2 * np.array(agents["Boxes3D:half_sizes"][-1]), end.agents["size"], atol=1e-5)
    [ego] = last["/map/base_link"]["Transform3D:translation"][-1]
    assert ego == pytest.approx([end.ego_pose.x, end.ego_pose.y, end.ego_pose.z])
    assert last["/outcome"]["TextLog:text"][0][0].startswith("RUNNING")


def test_rerun_says_what_it_lacks(tmp_path, monkeypatch):
    facts = RunFacts("t", 0, load_rig("rl"), {}, 100_000)
    with pytest.raises(InputError, match="cannot be written"):
        (tmp_path / "file").write_text("")
        LogTo(str(tmp_path / "file" / "a.rrd")).open(tmp_path, facts)
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InputError, match=r"pip install 'uniscene_sim\[rerun\]'"):
        LogTo().open(tmp_path, facts)


@pytest.fixture(scope="module")
def buffered(tmp_path_factory):
    """A recording of a short run with exact buffers, of three lenses, and the run's frames."""
    out = tmp_path_factory.mktemp("buffered")
    cameras = (
        CameraSpec("pin", 80, 50, 45.0, 45.0, 40.0, 25.0, Pose(1.5, 0.1, 1.6), max_range_m=60.0),
        CameraSpec("brown", 80, 50, 45.0, 45.0, 40.0, 25.0, Pose(1.5, 0.1, 1.6, yaw=0.4), model="brown_conrady",
                   distortion=(-0.25, 0.06), max_range_m=60.0),
        CameraSpec("fish", 60, 60, 8.0, 8.0, 30.0, 30.0, Pose(3.7, 0.0, 1.0), model="fisheye", ego_visible=True,
                   max_range_m=60.0, period_us=200_000),
    )  # fmt: skip
    simulator = assemble(ScenarioSource.open("hard_brake"), SensorRig("three", cameras), annotations=("buffers",))
    frames, options = [simulator.reset()], RecordOptions(buffers=True)
    facts = RunFacts("kept", 0, simulator.rig, {}, simulator.tick_us, static_map=simulator.source.map)
    with McapSink(out / "with.mcap", facts, options) as sink, McapSink(out / "without.mcap", facts) as bare:
        for _ in range(TICKS):
            frames.append(simulator.step())
        for frame in frames:
            sink.add(frame, simulator.stages_ms)
            bare.add(frame, simulator.stages_ms)
    return Recording.open(out / "with.mcap"), Recording.open(out / "without.mcap"), frames


@pytest.mark.parametrize("camera", ["pin", "brown", "fish"])
def test_buffers_come_back_to_the_last_bit(buffered, camera):
    """What is derived when they are read, coordinates, rays and motion, is what it was."""
    recording, bare, frames = buffered
    made = [f.annotations.cameras[camera].buffers for f in frames if camera in f.cameras]
    found = list(buffers(recording, camera))
    assert len(made) == (2 if camera == "fish" else TICKS + 1) and found[0].motion is None
    for one, other in zip(found, made, strict=True):
        for field in fields(CameraBuffers):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)
            if isinstance(getattr(other, field.name), np.ndarray):
                assert getattr(one, field.name).dtype == getattr(other, field.name).dtype
    assert np.isfinite(found[-1].motion).any()
    assert list(buffers(bare, camera)) == [], "none are kept unless it is asked for"
    kept = recording.path.stat().st_size - bare.path.stat().st_size
    raw = sum(b.depth.size * 22 for f in frames for c in f.annotations.cameras.values() if (b := c.buffers))
    assert kept < 0.25 * raw


def test_damaged_buffers_and_unknown_cameras_are_told(buffered, tmp_path):
    recording, _, frames = buffered
    with pytest.raises(InputError, match="no camera 'rear', expected one of pin, brown, fish"):
        next(buffers(recording, "rear"))
    record = frames[0].annotations.cameras["pin"].buffers
    for damage in ("width", "depth", "normals"):
        message = buffers_message(record, "pin")
        if damage == "width":
            message.width += 1
        elif damage == "depth":
            del message.planes["depth"]
        else:
            message.planes["normals"] = message.planes["normals"][:-4]
        path = tmp_path / f"{damage}.mcap"
        with open(path, "wb") as file:
            writer = Writer(file)
            writer.write_message("/uniscene/rig", rig_message(recording.rig), 0, 0)
            writer.write_message("/uniscene/layout", layout_message(frames[0].layout), 0, 0)
            writer.write_message("/pin/buffers", message, 0, 0)
            writer.finish()
        with pytest.raises(InputError, match=r"/pin/buffers: damaged buffers"):
            list(buffers(Recording.open(path), "pin"))


def test_the_command_line_keeps_buffers_on_request(tmp_path):
    options = ["--rig", "rl", "--ticks", "2", "--no-preview", "--record", "--record-buffers", "--record-images", "none"]
    assert main(["run", "cut_in", "--out", str(tmp_path), *options]) == 0
    found = list(buffers(Recording.open(tmp_path / "run.mcap"), "front"))
    assert [one.stamp_us for one in found] == [0, 100_000, 200_000] and found[-1].motion is not None
