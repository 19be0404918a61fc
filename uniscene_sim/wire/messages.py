"""Nouns as messages of `uniscene.v1`, and back: the same values to the last bit.

What comes back is checked as the nouns themselves are; anything that does not fit together is one `InputError` that
names the message and the field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError, shown
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Style
from uniscene_sim.outcome import CriterionResult, Outcome, Status
from uniscene_sim.rig import BodyPart, CameraSpec, GnssSpec, ImuSpec, LidarSpec, SensorRig
from uniscene_sim.wire.by_name import fill, values_of
from uniscene_sim.wire.edits import edit_message, edit_of
from uniscene_sim.wire.uniscene.v1.control_pb2 import Control as ControlMessage
from uniscene_sim.wire.uniscene.v1.geometry_pb2 import Array as ArrayMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Agents as AgentsMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage
from uniscene_sim.wire.uniscene.v1.rig_pb2 import Rig as RigMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import Outcome as OutcomeMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import Record as RecordMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import SensorFrame as FrameMessage

__all__ = [
    "array_of",
    "control_message",
    "control_of",
    "fill_array",
    "fill_record",
    "frame_message",
    "layout_message",
    "layout_of",
    "outcome_message",
    "outcome_of",
    "record_of",
    "records_of",
    "rig_message",
    "rig_of",
]

_RECORDS = {kind.kept_in: kind for kind in (CameraFrame, LidarSweep)}
#: Largest array that a message may announce, bytes.
_MOST_BYTES = 2**28


def layout_message(layout: LayoutFrame) -> LayoutMessage:
    """A layout as a message; the map is named by its hash alone."""
    message = LayoutMessage(
        stamp_us=layout.stamp_us,
        ego_velocity=layout.ego_velocity.tolist(),
        ego_yaw_rate=layout.ego_yaw_rate,
        ego_accel=layout.ego_accel,
        ego_steer=layout.ego_steer,
        signals=np.asarray(layout.signals, np.uint8).tobytes(),
        route=np.asarray(layout.route, float).ravel().tolist(),
        map_ref=layout.map_ref,
        seed=layout.seed,
        events=layout.events,
    )
    message.edits.extend(edit_message(edit) for edit in layout.edits)
    for name in ("ego_pose", "ego_vehicle", "style"):
        fill(getattr(message, name), getattr(layout, name))
    for name in AGENT_DTYPE.names or ():
        getattr(message.agents, name).extend(layout.agents[name].ravel().tolist())
    return message


def layout_of(message: LayoutMessage) -> LayoutFrame:
    """The layout of a message.

    Raises:
        InputError: columns of different length, numbers that are not finite, or agents beyond their types.
    """
    what = "LayoutFrame"
    try:
        pose = Pose(**values_of(message.ego_pose, Pose))
    except InputError as error:
        raise InputError(error.message, field=f"{what}.ego_pose") from None
    _rows([*vars(pose).values(), message.ego_yaw_rate, message.ego_accel, message.ego_steer], (9,), f"{what}.ego_pose")
    return LayoutFrame(
        stamp_us=message.stamp_us,
        ego_pose=pose,
        ego_velocity=_rows(message.ego_velocity, (3,), f"{what}.ego_velocity"),
        ego_yaw_rate=message.ego_yaw_rate,
        ego_accel=message.ego_accel,
        ego_steer=message.ego_steer,
        ego_vehicle=EgoVehicle(**values_of(message.ego_vehicle, EgoVehicle)),
        agents=_agents(message.agents),
        signals=np.frombuffer(message.signals, np.uint8),
        route=_rows(message.route, (-1, 3), f"{what}.route"),
        map_ref=message.map_ref,
        seed=message.seed,
        style=Style(**values_of(message.style, Style)),
        events=tuple(message.events),
        edits=tuple(edit_of(edit) for edit in message.edits),
    )


def _agents(message: AgentsMessage) -> np.ndarray:
    agents = np.zeros(len(message.id), AGENT_DTYPE)
    for name in AGENT_DTYPE.names or ():
        column, what = getattr(message, name), f"LayoutFrame.agents.{name}"
        shape = (len(agents), *AGENT_DTYPE[name].shape)
        if AGENT_DTYPE[name].base.kind == "f":
            agents[name] = _rows(column, shape, what)
            continue
        values = np.array(column, np.uint32)
        most = np.iinfo(AGENT_DTYPE[name].base).max
        if values.shape != shape or (values > most).any():
            raise InputError(f"expected {len(agents)} integers up to {most}, got {len(values)}", field=what)
        agents[name] = values
    return agents


def control_message(control: Control | Trajectory, stamp_us: int) -> ControlMessage:
    """A control, with the stamp of the layout that it answers."""
    message = ControlMessage(stamp_us=stamp_us)
    if isinstance(control, Trajectory):
        message.trajectory.points.extend(control.points.ravel().tolist())
    else:
        message.drive.SetInParent()
        fill(message.drive, control)
    return message


def control_of(message: ControlMessage) -> Control | Trajectory:
    """The control of a message; InputError if it holds none, or one that `Control` refuses."""
    match message.WhichOneof("command"):
        case "drive":
            return Control(message.drive.steer_rad, message.drive.accel_mps2, message.drive.reverse)
        case "trajectory":
            return Trajectory(_rows(message.trajectory.points, (-1, 3), "Control.trajectory.points"))
    raise InputError("holds neither drive nor trajectory", field="Control.command")


def rig_message(rig: SensorRig) -> RigMessage:
    return fill(RigMessage(), rig)


def rig_of(message: RigMessage) -> SensorRig:
    """The rig of a message; InputError if a spec refuses its values."""
    try:
        cameras = tuple(CameraSpec(**values_of(one, CameraSpec, {"pose": Pose})) for one in message.cameras)
        lidars = tuple(
            LidarSpec(**values_of(one, LidarSpec, {"pose": Pose, "ego_parts": BodyPart})) for one in message.lidars
        )
        of_motion = {"pose": Pose}
        imu = ImuSpec(**_filled(values_of(message.imu, ImuSpec, of_motion)))
        gnss = GnssSpec(**_filled(values_of(message.gnss, GnssSpec, of_motion)))
        return SensorRig(message.name, cameras, lidars, imu=imu, gnss=gnss)
    except (ValueError, TypeError) as error:
        raise InputError(str(error), field="Rig") from None


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """Values without empty vectors, which an older writer has not sent."""
    return {name: value for name, value in values.items() if value != ()}


def outcome_message(outcome: Outcome) -> OutcomeMessage:
    message = OutcomeMessage(status=str(outcome.status), details_json=json.dumps(dict(outcome.details)))
    for criterion in outcome.criteria:
        fill(message.criteria.add(), criterion)
    return message


def outcome_of(message: OutcomeMessage) -> Outcome:
    """The outcome of a message; InputError for a status that is none."""
    try:
        rows = [{"actual": None} | values_of(one, CriterionResult) for one in message.criteria]
        details = dict(json.loads(message.details_json or "{}"))
        return Outcome(Status(message.status), tuple(CriterionResult(**row) for row in rows), details)
    except (ValueError, TypeError, RecursionError):
        expected = f"expected a status of {', '.join(Status)}, criteria and JSON"
        raise InputError(f"{expected}, got {shown(message.status)}", field="Outcome") from None


def frame_message(frame: SensorFrame, stages_ms: Mapping[str, float], records: bool = True) -> FrameMessage:
    """A frame as a message.

    Args:
        frame: the frame.
        stages_ms: durations of its stages.
        records: whether the sensors' arrays are sent, or their digests alone.
    """
    message = FrameMessage(stamp_us=frame.stamp_us, digests=frame.digests, stages_ms=dict(stages_ms))
    for name, record in frame.records.items() if records else ():
        fill_record(message.records.add(), name, record)
    return message


def fill_record(message: RecordMessage, sensor: str, record: Any) -> None:
    """Write what a sensor measured into a message."""
    message.sensor, message.kind, message.stamp_us = sensor, record.kept_in, record.stamp_us
    for field, value in vars(record).items():
        if isinstance(value, np.ndarray):
            fill_array(message.arrays[field], value)


def fill_array(message: ArrayMessage, array: np.ndarray) -> None:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    message.dtype, message.data = little.dtype.name, little.tobytes()
    message.shape.extend(little.shape)


def records_of(message: FrameMessage) -> dict[str, Any]:
    """The sensors' records of a message, by name; InputError if one is of no known kind or lacks an array."""
    return {one.sensor: record_of(one) for one in message.records}


def record_of(message: RecordMessage) -> Any:
    """What a sensor measured; InputError if it is of no known kind or lacks an array."""
    what = f"SensorFrame.records.{message.sensor}"
    kind = _RECORDS.get(message.kind)
    if kind is None:
        raise InputError(f"expected one of {', '.join(_RECORDS)}, got {shown(message.kind)}", field=f"{what}.kind")
    arrays = {field: array_of(array, f"{what}.{field}") for field, array in message.arrays.items()}
    try:
        return kind(**arrays, stamp_us=message.stamp_us)
    except TypeError as error:
        raise InputError(f"is no {kind.__name__}: {error}", field=what) from None


def array_of(message: ArrayMessage, what: str) -> np.ndarray:
    """The array of a message, which may not be written to; InputError if its bytes do not fit its shape."""
    data = message.data  # copied each time it is read
    try:
        dtype = np.dtype(message.dtype).newbyteorder("<")
        count = int(np.prod([int(n) for n in message.shape], dtype=object))
        if dtype.hasobject or count * dtype.itemsize != len(data) or len(data) > _MOST_BYTES:
            raise ValueError
        array = np.frombuffer(data, dtype).reshape(tuple(message.shape))
    except (TypeError, ValueError, OverflowError):
        got = f"{shown(message.dtype)} {shown(list(message.shape))} in {len(data)} bytes"
        raise InputError(f"dtype, shape and data do not agree, got {got}", field=what) from None
    return array.astype(dtype.newbyteorder("="), copy=False)


def _rows(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Numbers in a shape, which may leave one side open."""
    array = np.array(values, float)
    try:
        array = array.reshape(shape) if array.size or -1 not in shape else array.reshape(0, *shape[1:])
    except ValueError:
        expected = " x ".join("n" if n < 0 else str(n) for n in shape)
        raise InputError(f"expected {expected} numbers, got {array.size}", field=what) from None
    if not np.isfinite(array).all():
        raise InputError("expected finite numbers", field=what)
    return array
