"""A run in rerun: in an `.rrd` file while it goes on, or in the viewer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.outcome import Outcome
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.pictures import PictureCoder
from uniscene_sim.recording.shapes import Box, agent_boxes, ego_box, lane_borders, sensor_poses
from uniscene_sim.rigs.ros_conventions import quaternion
from uniscene_sim.storage.growing_file import check_room, new_file
from uniscene_sim.taxonomy import OCC_RGB

__all__ = ["LogTo", "RerunSink"]

_VIEWER = "viewer"
_EGO = "map/base_link"
_POINT_M, _LINE_M = 0.04, 0.05
_PORT = 9876
#: How long a viewer may take to start, s.
_PATIENCE_S = 20.0


class RerunSink:
    """A `FrameSink` that logs to rerun: `map` with agents and lanes, `map/base_link` with the sensors below it.

    Time lines are `sim_time` and `tick`. Cameras are pinholes there: rerun knows no other lens, so boxes lie a little
    beside what a distorted picture shows, and fisheyes have a picture alone.

    Args:
        target: a file, or `viewer` for the viewer, which is started unless one runs.
        facts: description of the run.
        most_gib: size at which the file ends.

    Raises:
        InputError: rerun is not installed, the file cannot be written, or there is no viewer.
    """

    name = "rerun"
    streams = True

    def __init__(self, target: str | Path, facts: RunFacts, most_gib: float = 64.0):
        try:
            import rerun
        except ImportError:
            raise InputError("needs rerun-sdk: pip install 'uniscene_sim[rerun]'", field="rerun") from None
        self._rr, self._stream = rerun, rerun.RecordingStream("uniscene_sim")
        self._path = None if str(target) == _VIEWER else Path(target)
        self._ticks, self._begun = 0, False
        self._coders = {camera.name: PictureCoder(camera, RecordOptions()) for camera in facts.rig.cameras}
        self._facts, self._most_gib = facts, most_gib
        self._held = ExitStack()  # so that no other run writes the file
        try:
            if self._path is None:
                _start_viewer()
                self._stream.connect_grpc(f"rerun+http://127.0.0.1:{_PORT}/proxy")
                self._stream.flush(timeout_sec=_PATIENCE_S)  # fails if none answers
            else:
                self._held.callback(os.close, new_file(self._path))
                self._stream.save(self._path)
        except Exception as error:  # rerun's errors have no base of their own
            self._held.close()
            why = str(error).partition("\n")[0]
            raise InputError(f"cannot be written: {why}", file=self._path, field="rerun") from None

    def __enter__(self) -> RerunSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, whatever happened."""
        self._stream.disconnect()
        self._held.close()

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        """Log a tick."""
        if not self._ticks:
            self._log_once()
        if self._path is not None:
            check_room(self._path, self._most_gib)
        self._stream.set_time("tick", sequence=self._ticks)
        for layout in frame.steps:
            self._set_time(layout.stamp_us)
            self._log(_EGO, self._transform(layout.ego_pose))
        self._set_time(frame.stamp_us)
        self._log("map/agents", self._boxes(list(agent_boxes(frame.layout))))
        self._log("map/ego", self._boxes([ego_box(frame.layout)]))
        speed = float(np.hypot(*frame.layout.ego_velocity[:2]))
        for name, value in (
            ("speed_mps", speed),
            ("accel_mps2", frame.layout.ego_accel),
            ("tick_ms", stages_ms.total_ms),
        ):
            self._log(f"plots/{name}", self._rr.Scalars(value))
        for name, picture in frame.cameras.items():
            self._set_time(picture.stamp_us)
            message = self._coders[name].message(picture)
            self._log(self._sensor(name), self._rr.EncodedImage(contents=message.data, media_type="image/jpeg"))
        for name, sweep in frame.sweeps.items():
            self._set_time(sweep.stamp_us)
            colours = np.maximum(OCC_RGB, 70)[sweep.label]
            self._log(self._sensor(name), self._rr.Points3D(sweep.xyz, colors=colours, radii=_POINT_M))
        self._ticks += 1

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """Log the outcome and finish the file."""
        lines = [f"{c.name}: {c.actual} ({c.expected}) {'held' if c.success else 'failed'}" for c in outcome.criteria]
        self._log("outcome", self._rr.TextLog("\n".join([str(outcome.status), *lines])))
        self._stream.disconnect()
        return [] if self._path is None else [self._path]

    def _log_once(self) -> None:
        """The rig and the lanes."""
        rr, facts = self._rr, self._facts
        self._stream.set_log_time_enabled(False)  # the same run gives the same time lines
        self._stream.set_log_tick_enabled(False)
        self._stream.send_recording_name(f"{facts.title}, seed {facts.seed}")
        self._log("map", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        for name, pose in sensor_poses(facts.rig).items():
            self._log(self._sensor(name), self._transform(pose), static=True)
        for camera in facts.rig.cameras:
            if camera.model != "fisheye":
                matrix = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]
                pinhole = rr.Pinhole(image_from_camera=matrix, width=camera.width, height=camera.height)
                self._log(self._sensor(camera.name), pinhole, static=True)
        if facts.static_map is not None:
            lines = list(lane_borders(facts.static_map))
            self._log("map/lanes", rr.LineStrips3D(lines, radii=_LINE_M, colors=[(178, 178, 178)]), static=True)

    def _sensor(self, name: str) -> str:
        return f"{_EGO}/{self._rr.escape_entity_path_part(name)}"

    def _boxes(self, boxes: list[Box]) -> Any:
        return self._rr.Boxes3D(
            centers=[(box.centre.x, box.centre.y, box.centre.z) for box in boxes],
            sizes=[box.size for box in boxes],
            quaternions=[self._turn(box.centre) for box in boxes],
            colors=[tuple(round(255 * part) for part in box.colour) for box in boxes],
        )

    def _transform(self, pose: Pose) -> Any:
        """parent <- child."""
        return self._rr.Transform3D(translation=(pose.x, pose.y, pose.z), quaternion=self._turn(pose))

    def _turn(self, pose: Pose) -> Any:
        return self._rr.Quaternion(xyzw=quaternion(pose))

    def _set_time(self, stamp_us: int) -> None:
        self._stream.set_time("sim_time", duration=1e-6 * stamp_us)

    def _log(self, entity: str, what: Any, static: bool = False) -> None:
        self._stream.log(entity, what, static=static)


@dataclass(frozen=True)
class LogTo:
    """A sink for rerun where `run` expects sinks.

    Attributes:
        target: a file, `viewer`, or empty for `run.rrd` in the run's folder.
    """

    target: str = ""
    most_gib: float = 64.0
    name: str = "rerun"
    streams: bool = True

    def open(self, out: Path, facts: RunFacts) -> RerunSink:
        return RerunSink(self.target or Path(out) / "run.rrd", facts, self.most_gib)


def _start_viewer() -> None:
    """Start the viewer that pip installed, unless something listens on its port; it listens on this machine alone,
    where rerun's own way to start it would open it to the network."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", _PORT), timeout=1.0):
        return
    command = [sys.executable, "-m", "rerun", "--bind", "127.0.0.1", "--port", str(_PORT)]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
