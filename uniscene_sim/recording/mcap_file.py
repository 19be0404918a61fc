"""`Recording`: an MCAP file of a run, read in order and never held whole."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import lz4.frame
import numpy as np
import zstandard
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Schema
from mcap.stream_reader import StreamReader

from uniscene_sim.errors import InputError, InputWarning, said, shown
from uniscene_sim.limits.bounds import PERIOD_US
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome
from uniscene_sim.rig import SensorRig
from uniscene_sim.storage.input_file import require_regular
from uniscene_sim.wire.by_name import parse
from uniscene_sim.wire.map_bytes import map_of
from uniscene_sim.wire.messages import outcome_of, rig_of
from uniscene_sim.wire.uniscene.v1.control_pb2 import Control as ControlMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map as MapMessage
from uniscene_sim.wire.uniscene.v1.rig_pb2 import Rig as RigMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import CameraBuffers, Run
from uniscene_sim.wire.uniscene.v1.run_pb2 import Outcome as OutcomeMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import SensorFrame as FrameMessage
from uniscene_sim.wire.uniscene.v1.state_pb2 import EngineStates, StageDigests

__all__ = ["Recording", "TopicMessage"]

#: What is on a topic: by its name, or by the last part of it.
_KINDS: dict[str, tuple[Any, ...]] = {
    "/uniscene/run": (Run,), "/uniscene/map": (MapMessage,), "/uniscene/rig": (RigMessage,),
    "/uniscene/layout": (LayoutMessage,), "/uniscene/control": (ControlMessage,), "/uniscene/frame": (FrameMessage,),
    "/uniscene/stages": (StageDigests,), "/uniscene/states": (EngineStates,), "/uniscene/outcome": (OutcomeMessage,),
    "image": (CompressedImage, RawImage), "video": (CompressedVideo,), "calibration": (CameraCalibration,),
    "points": (PointCloud,), "buffers": (CameraBuffers,), "tf": (FrameTransforms,), "tf_static": (FrameTransforms,),
}  # fmt: skip
_MOST_BYTES = 2**37
#: Largest chunk or record that is read, packed or unpacked, bytes.
_MOST_RECORD = 2**28
#: How many times as large a chunk may become: ours of a standing world reach 40, what would fill memory thousands.
_MOST_GROWTH, _SMALL_CHUNK = 400, 2**22


class TopicMessage(NamedTuple):
    topic: str
    stamp_us: int
    message: Any


@dataclass(frozen=True)
class Recording:
    """A recorded run.

    A file without its end, of a run that was killed, is read as far as it is whole, with one InputWarning.

    Attributes:
        path: the file.

    Raises:
        InputError: it cannot be read, is no MCAP, or holds no run of uniscene_sim.
    """

    path: Path
    _told: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Recording:
        require_regular(path, _MOST_BYTES, "a recording (.mcap)")
        return cls(Path(path))

    def messages(self, *topics: str) -> Iterator[TopicMessage]:
        """Messages on some topics, in the order of writing.

        Raises:
            InputError: the file is no MCAP, or a message is damaged or of a version that is not known here.
        """
        with open(self.path, "rb") as file:
            schemas: dict[int, str] = {}
            channels: dict[int, Channel] = {}
            records, begun = _unpacked(file), False
            while True:
                try:
                    record = next(records, None)
                except Exception as error:  # what fails inside the libraries has no common base
                    self._tell_of_end(error, begun)
                    return
                if record is None:
                    return
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel):
                    begun = begun or record.topic.startswith("/uniscene/")
                    if record.topic in topics:
                        channels[record.id] = record
                elif isinstance(record, Message) and record.channel_id in channels:
                    channel = channels[record.channel_id]
                    message = self._parsed(record.data, schemas.get(channel.schema_id, ""), channel.topic)
                    yield TopicMessage(channel.topic, record.log_time // 1000, message)

    @cached_property
    def run(self) -> Run:
        """How it was made."""
        run: Run = self._one("/uniscene/run")
        if run.tick_us and not PERIOD_US.holds(run.tick_us):
            raise InputError(f"expected {PERIOD_US}, got {run.tick_us}", file=self.path, field="Run.tick_us")
        return run

    @cached_property
    def map(self) -> StaticMap:
        static_map: StaticMap = self._checked(map_of, "/uniscene/map")
        return static_map

    @cached_property
    def rig(self) -> SensorRig:
        rig: SensorRig = self._checked(rig_of, "/uniscene/rig")
        return rig

    @cached_property
    def outcome(self) -> Outcome | None:
        """How it ended; None if it was stopped before."""
        found = next(self.messages("/uniscene/outcome"), None)
        return None if found is None else self._built(outcome_of, found.message)

    @cached_property
    def ego_path(self) -> np.ndarray:
        """Stamps in us and places of the ego (N, 4), one for each layout."""
        poses = ((m.stamp_us, m.message.ego_pose) for m in self.messages("/uniscene/layout"))
        path = np.array([(stamp, pose.x, pose.y, pose.z) for stamp, pose in poses], float).reshape(-1, 4)
        if not len(path):
            raise InputError("holds no layouts", file=self.path, field="/uniscene/layout")
        return path

    def _parsed(self, data: bytes, schema: str, topic: str) -> Any:
        kinds = {k.DESCRIPTOR.full_name: k for k in _KINDS.get(topic) or _KINDS[topic.rpartition("/")[2]]}
        kind = kinds.get(schema)
        if kind is None:
            raise InputError(f"holds {shown(schema)}, expected {' or '.join(kinds)}", file=self.path, field=topic)
        try:
            return parse(kind, data, topic)
        except InputError as error:
            raise InputError(str(error), file=self.path) from None

    def _one(self, topic: str) -> Any:
        found = next(self.messages(topic), None)
        if found is None:
            raise InputError("not there; expected a recording of uniscene_sim", file=self.path, field=topic)
        return found.message

    def _checked(self, build: Any, topic: str) -> Any:
        return self._built(build, self._one(topic))

    def _built(self, build: Any, message: Any) -> Any:
        try:
            return build(message)
        except InputError as error:
            raise error if error.file == self.path else InputError(str(error), file=self.path) from None

    def _tell_of_end(self, error: Exception, begun: bool) -> None:
        """Warn once that the file ends early, or refuse it if nothing of ours came before."""
        if not begun:
            raise InputError(f"is no whole MCAP file ({said(error)}), expected a recording", file=self.path)
        if not self._told:
            self._told.append(str(error))
            warnings.warn(
                f"{self.path}: ends in the middle of a record; what is whole is used", InputWarning, stacklevel=3
            )


class _Whole:
    """A file that gives as many bytes as it is asked for or none, so that a length that lies takes no memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, os.fstat(file.fileno()).st_size

    def read(self, length: int) -> bytes:
        if not 0 <= length <= self._left:
            raise EOFError("a record is longer than the file")
        self._left -= length
        return self._file.read(length)


def _unpacked(file: IO[bytes]) -> Iterator[Any]:
    """The records of a file, of its chunks too; a chunk that would unpack to more than it says is damage."""
    whole: Any = _Whole(file)
    for record in StreamReader(whole, record_size_limit=_MOST_RECORD, emit_chunks=True).records:
        if not isinstance(record, Chunk):
            yield record
            continue
        data = _content(record)
        stream = ReadDataStream(BytesIO(data))
        while stream.count < len(data):
            opcode, length = stream.read1(), stream.read8()
            if length > len(data) - stream.count:
                raise EOFError("a record is longer than its chunk")
            match opcode:
                case Opcode.MESSAGE:
                    yield Message.read(stream, length)
                case Opcode.CHANNEL:
                    yield Channel.read(stream)
                case Opcode.SCHEMA:
                    yield Schema.read(stream)
                case _:
                    stream.read(length)


def _content(chunk: Chunk) -> bytes:
    """A chunk, unpacked; never more than it says, nor than is good for a file of its size."""
    size = chunk.uncompressed_size
    if size > min(_MOST_RECORD, max(_MOST_GROWTH * len(chunk.data), _SMALL_CHUNK)):
        raise ValueError("a chunk grows too large")
    match chunk.compression:
        case "":
            data = chunk.data
        case "zstd":
            data = zstandard.ZstdDecompressor().stream_reader(chunk.data).read(size + 1)
        case "lz4":
            data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
        case _:
            raise ValueError("a chunk is packed in a way that is not known")
    if len(data) != size or chunk.uncompressed_crc not in (0, zlib.crc32(data)):
        raise ValueError("a chunk is not what it states")
    return data
