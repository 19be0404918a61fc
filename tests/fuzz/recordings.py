"""Readers of recordings and of messages, and valid examples: a short drive through a painted street."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.fuzz import examples
from tests.fuzz.any_hash import any_hash
from tests.fuzz.case import Bases
from tests.fuzz.wire_formats import KINDS
from tests.fuzz.words import each_read
from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.export.ros2bag import write_ros2bag
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, LayoutSchema, Style
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import CriterionResult, Outcome, Status
from uniscene_sim.recording import foxglove
from uniscene_sim.recording.difference import difference_picture
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import McapSink
from uniscene_sim.recording.replay import replay, replayer
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import BodyPart, CameraSpec, GnssSpec, ImuSpec, LidarSpec, SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.wire import messages
from uniscene_sim.wire.by_name import parse
from uniscene_sim.wire.checks import check_layout
from uniscene_sim.wire.map_bytes import map_message, map_of

__all__ = ["MAPS", "MESSAGES", "RECORDINGS", "message_reader", "read_recording", "use_recording"]

_STEP_US, _TICKS = 100_000, 2


@cache
def _street() -> StaticMap:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "street.npz")
        path.write_bytes(examples.painted_archive()["street"]["m.npz"])
        return load_map(path)


def _rig() -> SensorRig:
    camera = CameraSpec("front", 8, 6, 6.0, 6.0, 4.0, 3.0, Pose(1.0, 0.0, 1.5), _STEP_US, max_range_m=15.0)
    place, lens = Pose(1.0, 0.5, 1.5), {"model": "fisheye", "distortion": (0.1,)}
    bent = CameraSpec("left", 6, 6, 4.0, 4.0, 3.0, 3.0, place, _STEP_US, max_range_m=15.0, **lens)
    lidar = LidarSpec("top", Pose(0.0, 0.0, 2.0), (-0.2, 0.0), 16, _STEP_US, azimuth_offset_rad=(0.0, 0.1),
                      firing_us=(0.0, 5.0), max_range_m=15.0, ego_parts=(BodyPart(0, 0, 1, 1, 1, 1),))  # fmt: skip
    imu = ImuSpec(Pose(), gyro_noise=1e-3, gyro_bias=(0.1, 0.2, 0.3), accel_bias=(0.1, 0.2, 0.3))
    return SensorRig("small", (camera, bent), (lidar,), imu=imu, gnss=GnssSpec(Pose(), 0.5, bias_m=(1.0, 2.0, 3.0)))


def _layout(stamp_us: int) -> LayoutFrame:
    agents = np.zeros(3, AGENT_DTYPE)
    agents["id"], agents["cls"], agents["lights"], agents["colour"] = (1, 2, 3), (0, 7, 9), (1, 0, 0), (5, 6, 7)
    agents["pos"], agents["size"], agents["vel"][:, 0] = np.eye(3) * 4.0, (4.5, 1.8, 1.5), 3.0
    return LayoutFrame(
        stamp_us, Pose(x=3e-6 * stamp_us, yaw=0.1), np.array([3.0, 0.0, 0.0]), 0.1, 0.5, 0.02, EgoVehicle(), agents,
        np.array([1, 3], np.uint8), np.linspace((0, 0, 0), (20, 0, 0), 5), _street().ref, 7, Style("rain", 9.5, "wet"),
        ("contact:17",),
    )  # fmt: skip


def _frame(tick: int) -> SensorFrame:
    now = tick * _STEP_US
    steps = tuple(_layout(now - _STEP_US + 10_000 * k) for k in range(1, 11)) if tick else (_layout(0),)
    rgb, depth, labels = np.full((6, 8, 3), 90, np.uint8), np.ones((6, 8), np.float32), np.zeros((6, 8), np.uint8)
    camera = CameraFrame(rgb, depth, labels, labels.astype(np.uint16), now)
    kinds = {"intensity": "f4", "ring": "u2", "time_s": "f4", "label": "u1", "instance": "u2"}
    points: dict[str, Any] = {name: np.zeros(4, kind) for name, kind in kinds.items()}
    sweep = LidarSweep(np.ones((4, 3), np.float32), stamp_us=now, **points)
    return SensorFrame(steps[-1], {"front": camera}, {"top": sweep}, steps=steps,
                       control=Control(0.1, 1.0) if tick else None,
                       digests={"front": digest(camera), "top": digest(sweep)})  # fmt: skip


_OUTCOME = Outcome(Status.SUCCESS, (CriterionResult("collision", "<= 0", 0.0, True, "ego"),), {"a": [1, 2.5, None]})


@cache
def RECORDINGS() -> Bases:
    """Of the drive, from the sink that writes them all."""
    engines = {"camera": "raycast", "lidar": "raycast:effects=none"}
    facts = RunFacts("drive", 7, _rig(), engines, _STEP_US, False, _street())
    with tempfile.TemporaryDirectory() as folder:
        with McapSink(Path(folder, "run.mcap"), facts) as sink:
            for tick in range(_TICKS + 1):
                sink.add(_frame(tick), StageTimes({"camera": 1.0}))
            (path,) = sink.close(_OUTCOME, TileStats())
        return {"drive": {"run.mcap": path.read_bytes()}}


def read_recording(folder: Path) -> None:
    """What is read of a recording, and its layouts as a source."""
    path = folder / "run.mcap"
    each_read(
        lambda: (recording := Recording.open(path)).run and (recording.outcome, recording.map, recording.rig),
        lambda: _play(RecordedSource(Recording.open(path), style=Style("fog", 22.0), shift_m=(0.0, 1.0))),
        lambda: [messages.control_of(m.message) for m in Recording.open(path).messages("/uniscene/control")],
    )


def use_recording(folder: Path) -> None:
    """A replay, the pictures of a difference, an export."""
    path = folder / "run.mcap"
    each_read(
        lambda: _replay(Recording.open(path)),
        lambda: [difference_picture(Recording.open(path), _frame(1), sensor) for sensor in ("front", "top")],
        lambda: _export(Recording.open(path), folder / "bag") if find_spec("rosbags") else None,
    )


def _play(source: RecordedSource) -> None:
    layout = source.reset()
    for _ in range(_TICKS + 1):
        _use_layout(layout)
        layout = source.step(Control(), _STEP_US)[-1]
    assert source.outcome and np.isfinite(source.route_path).all() and source.duration_s >= 0


def _replay(recording: Recording) -> None:
    """Without tiles, and with sensors that give what they gave."""
    with (
        patch.object(Simulator, "prepare"),
        patch("uniscene_sim.plugins.entry_points", _entry_points),
    ):
        simulator = replayer(recording)

    def sensed(worlds: Any, request: Any) -> list[SensorFrame]:
        (world,) = worlds
        return [replace(_frame(1), layout=world.tick_layouts[-1])]

    with patch("uniscene_sim.simulator.sense", sensed), patch("uniscene_sim.recording.replay.sense", sensed):
        replay(recording, simulator)


_entry_points = cache(entry_points)  # half a second, the same each time


def _export(recording: Recording, out: Path) -> None:
    typesys = importlib.import_module("rosbags.typesys")
    with patch.object(typesys, "get_typestore", _typestore):
        write_ros2bag(recording, out)


@cache
def _typestore(version: Any) -> Any:
    return importlib.import_module("rosbags.typesys.stores").get_typestore(version)


def _use_layout(layout: LayoutFrame) -> None:
    foxglove.scene(layout), foxglove.ego_transform(layout)
    pose = layout.ego_pose
    rasterise(_street(), (pose.x, pose.y, pose.yaw), (20, 20), 0.8, None, LayoutSchema())


class _Given:
    """A source that stands still in one layout."""

    name, title, seed, open_loop, done, solid = "given", "given", 7, True, False, None

    def __init__(self) -> None:
        self.map, self.layout = _street(), _layout(0)

    def reset(self) -> LayoutFrame:
        return self.layout

    def step(self, control: Control | Trajectory, dt_us: int) -> list[LayoutFrame]:
        return [replace(self.layout, stamp_us=self.layout.stamp_us + dt_us)]

    def driver_control(self) -> Control:
        return Control()


@cache
def _simulator() -> Any:
    return assemble(_Given(), _rig(), window_grid=None, annotations=("flow", "boxes"), lidar="raycast:effects=none")


def _sense(layout: LayoutFrame) -> None:
    """What the sensors make of a layout; elsewhere, and of more agents, it takes its time for a reason."""
    check_layout(layout)
    _use_layout(layout)
    if np.abs(layout.ego_pose.position).max() < 100.0 and len(layout.agents) < 300:
        simulator = _simulator()
        simulator.source.layout = layout
        simulator.reset()
        simulator.step()


# --- messages ---------------------------------------------------------------------------------------------------------


@cache
def _messages() -> dict[str, dict[str, bytes]]:
    frame = messages.frame_message(_frame(1), {"camera": 1.5})
    found = {
        "layout": {"drive": messages.layout_message(_layout(0))},
        "rig": {"small": messages.rig_message(_rig())},
        "control": {
            "drive": messages.control_message(Control(0.1, 2.0), 5),
            "trajectory": messages.control_message(Trajectory(np.array([[0.0, 1, 2], [1, 2, 3.5]])), 5),
        },
        "outcome": {"success": messages.outcome_message(_OUTCOME)},
        "frame": {"both": frame},
    }
    return {kind: {name: m.SerializeToString() for name, m in some.items()} for kind, some in found.items()}


@cache
def MAPS() -> Bases:
    """The street, and vector maps."""
    found = {"street": map_message(_street())}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in examples.vector_maps().items():
            path = Path(folder, f"{name}.npz")
            path.write_bytes(files["m.npz"])
            found[name] = map_message(load_map(path))
    return {name: {"map.pb": message.SerializeToString()} for name, message in found.items()}


def MESSAGES(kind: str) -> Callable[[], Bases]:
    return lambda: {name: {f"{kind}.pb": body} for name, body in _messages()[kind].items()}


def message_reader(kind: str) -> Callable[[Path], None]:
    """Of a kind of message, from a file."""

    def read(folder: Path) -> None:
        path = folder / f"{kind}.pb"
        if path.is_file() and path.stat().st_size < 2**28:
            _USES[kind](parse(KINDS[kind], path.read_bytes(), f"{kind}.pb"))

    return read


def _use_map(message: Any) -> None:
    with any_hash():
        map_of(message)


def _use_frame(message: Any) -> None:
    for record in messages.records_of(message).values():
        digest(record)


_USES: dict[str, Callable[[Any], Any]] = {
    "layout": lambda message: _sense(messages.layout_of(message)),
    "map": _use_map,
    "rig": lambda message: messages.rig_of(message),
    "control": messages.control_of,
    "outcome": lambda message: messages.outcome_message(messages.outcome_of(message)),
    "frame": _use_frame,
}
