"""Edits of our protobuf messages and of recordings: MCAP files whose messages, records and chunks lie."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from typing import Any
from zipfile import BadZipFile

import lz4.frame
import zstandard
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st
from mcap import records as mcap
from mcap.data_stream import RecordBuilder
from mcap.stream_reader import StreamReader

from tests.fuzz.array_formats import edited_npz
from tests.fuzz.edits import Draw, edited_bytes, numbers, words
from tests.fuzz.text_formats import edited_json
from uniscene_sim.wire.uniscene.v1 import control_pb2, layout_pb2, rig_pb2, run_pb2

__all__ = ["KINDS", "edited_mcap", "edited_message", "mcap_bytes"]

#: Messages by the names of their files, `layout.pb`.
KINDS: dict[str, Any] = {
    "layout": layout_pb2.LayoutFrame, "map": layout_pb2.Map, "rig": rig_pb2.Rig, "control": control_pb2.Control,
    "outcome": run_pb2.Outcome, "frame": run_pb2.SensorFrame, "run": run_pb2.Run,
}  # fmt: skip
_BY_SCHEMA = {kind.DESCRIPTOR.full_name: name for name, kind in KINDS.items()}
#: In place of a few bytes of a message: groups in groups, lengths and numbers that go on, packed columns, fields of 0.
_BYTES = (
    b"\x0b" * 20_000, b"\xff" * 12, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00",
    b"\x42\x80\x80\x04" + b"\x0a" * 65_536, b"\x52\x80\x80\x10" + b"\0" * 2**18, b"\xfa\xff\x01\x03abc",
    b"\x12\x00" * 20_000, b"\x22\x02\x22\x00" * 5000, b"\x0c", b"\x0d\0\0",
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
)  # fmt: skip
#: What an archive may raise that is none any more.
_UNFIT = (ArithmeticError, EOFError, LookupError, MemoryError, OSError, TypeError, ValueError, BadZipFile, zlib.error)
_DTYPES = (
    "O", "object", "uint8", "float32", ">f8", "float16", "bool", "complex128", "M8[s]", "S0", "U99999999", "V999999999",
    "i4,i4", "(1000000,)u1", "(2,3)f4", "void", "x", "", "uint8\0", "str", "c", "{'names': ['a']}",
)  # fmt: skip
_WHOLE = (0, 1, 2, 5, 77, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)


def edited_message(draw: Draw, name: str, body: bytes) -> bytes:
    """A message of `KINDS` with one to four fields changed; at times bytes that no message has."""
    message = KINDS[name]()
    try:
        message.ParseFromString(body)
    except DecodeError:  # it was edited before
        return edited_bytes(draw, body)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        return body[:at] + draw(st.sampled_from(_BYTES)) + body[draw(st.sampled_from((at, at, len(body)))) :]
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        nodes = _nodes(message)
        node = nodes[draw(st.integers(0, len(nodes) - 1))]
        field = draw(st.sampled_from(list(node.DESCRIPTOR.fields)))
        _edit(draw, node, field)
    data: bytes = message.SerializeToString()
    return data


def _nodes(message: Message) -> list[Message]:
    """A message and those within, of each column the first three."""
    found = [message]
    for field, value in message.ListFields():
        if field.type != Field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            within = [v for v in value.values() if isinstance(v, Message)]
        else:
            within = list(value)[:3] if field.is_repeated else [value]
        found += [node for one in within for node in _nodes(one)]
    return found


def _edit(draw: Draw, node: Any, field: Any) -> None:
    value, edit = getattr(node, field.name), draw(st.sampled_from(("set", "set", "set", "drop", "more")))
    if field.message_type and field.message_type.GetOptions().map_entry:
        key = draw(st.sampled_from(sorted(value)) if value and edit != "more" else _texts)
        if edit == "drop":
            value.pop(key, None)
        elif field.message_type.fields_by_name["value"].message_type:
            value[key].SetInParent() if hasattr(value[key], "SetInParent") else None
        else:
            value[key] = draw(_values(field.message_type.fields_by_name["value"]))
    elif field.is_repeated and field.message_type:
        if edit == "drop" or not value:
            del value[draw(st.integers(0, len(value))) :]
        for _ in range(draw(st.sampled_from((1, 2, 70, 600))) if edit == "more" else 0):
            value.add().CopyFrom(value[0]) if value else value.add()
    elif field.is_repeated:
        _edit_column(draw, value, field, edit)
    elif edit == "drop":
        node.ClearField(field.name)
    elif field.message_type:
        value.SetInParent()
    elif field.name == "npz":
        try:
            node.npz = edited_npz(draw, value)
        except _UNFIT:  # it was edited before
            node.npz = edited_bytes(draw, value)
    elif field.name.endswith("_json"):
        setattr(node, field.name, edited_json(draw, value.encode()).decode("utf-8", "replace"))
    elif field.name == "dtype":
        node.dtype = draw(st.sampled_from(_DTYPES))
    elif field.type == Field.TYPE_BYTES:
        setattr(node, field.name, edited_bytes(draw, value))
    else:
        setattr(node, field.name, draw(_values(field)))


def _edit_column(draw: Draw, column: Any, field: Any, edit: str) -> None:
    at, new = draw(st.integers(0, max(len(column) - 1, 0))), _values(field)
    match edit:
        case "set" if column:
            column[at] = draw(new)
        case "drop":
            del column[at : draw(st.sampled_from((at + 1, at + 3, len(column))))]
        case _:
            count = draw(st.sampled_from((1, 1, 3, 1000, 20_000)))
            column.extend([draw(new)] * count)


_texts = words.map(lambda text: text.encode("utf-8", "replace").decode())


def _values(field: Any) -> st.SearchStrategy[Any]:
    """Values that a field may have."""
    match field.cpp_type:
        case Field.CPPTYPE_STRING:
            return _texts
        case Field.CPPTYPE_BOOL:
            return st.booleans()
        case Field.CPPTYPE_DOUBLE | Field.CPPTYPE_FLOAT:
            return numbers.map(lambda v: float(v) if abs(v) < 1e308 or v != v else float("inf"))
        case Field.CPPTYPE_INT64 | Field.CPPTYPE_INT32 | Field.CPPTYPE_ENUM:
            half = 2 ** (63 if field.cpp_type == Field.CPPTYPE_INT64 else 31)
            whole = st.sampled_from((*_WHOLE, -1, -5, 10_000, 20_000, 100_000))
            return whole.map(lambda v: (v + half) % (2 * half) - half)
    bits = 64 if field.cpp_type == Field.CPPTYPE_UINT64 else 32
    return st.sampled_from(_WHOLE).map(lambda v: v % 2**bits)


# --- recordings -------------------------------------------------------------------------------------------------------


@lru_cache(8)
def _records(body: bytes) -> tuple[Any, ...]:
    """Schemas, channels and messages of a recording."""
    kept = (mcap.Schema, mcap.Channel, mcap.Message)
    return tuple(record for record in StreamReader(io.BytesIO(body)).records if isinstance(record, kept))


def _changed(record: Any, **fields: Any) -> Any:
    return type(record)(**{**vars(record), **fields})


def edited_mcap(draw: Draw, body: bytes) -> bytes:
    """A recording with messages, channels or schemas changed; its chunks, lengths and summary may lie."""
    found = list(_records(body))
    schemas = {r.id: r.name for r in found if isinstance(r, mcap.Schema)}
    kinds = {r.id: _BY_SCHEMA.get(schemas[r.schema_id]) for r in found if isinstance(r, mcap.Channel)}
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        at = draw(st.integers(0, len(found) - 1)) if found else 0
        match found[at] if found else None, draw(st.sampled_from(("edit",) * 6 + ("drop", "twin", "move", "none"))):
            case None, _:
                break
            case _, "drop":
                del found[at]
            case _, "twin":
                found[at:at] = [found[at]] * draw(st.sampled_from((1, 1, 3, 2000)))
            case record, "move":
                found.insert(draw(st.integers(0, len(found) - 1)), found.pop(at))
            case mcap.Message() as record, "edit":
                found[at] = _edited_record(draw, record, kinds.get(record.channel_id))
            case mcap.Channel() as record, "edit":
                topics = st.sampled_from([r.topic for r in found if isinstance(r, mcap.Channel)])
                found[at] = _changed(record, **draw(st.sampled_from((
                    {"topic": draw(st.one_of(topics, _texts))}, {"schema_id": draw(st.sampled_from((0, 1, 2, 3, 99)))},
                    {"message_encoding": draw(st.sampled_from(("cdr", "", "x")))}, {"id": draw(st.integers(0, 9))},
                ))))  # fmt: skip
            case mcap.Schema() as record, "edit":
                names = st.one_of(st.sampled_from(sorted(schemas.values())), _texts)
                found[at] = _changed(record, **draw(st.sampled_from(({"name": draw(names)}, {"data": b""}, {"id": 9}))))
    packing = draw(st.sampled_from(("zstd", "zstd", "lz4", "", "none")))
    data = mcap_bytes(found, packing, draw(st.sampled_from((1 << 19, 1 << 19, 4096, 300))))
    return _lying(draw, data) if draw(st.integers(0, 4)) == 0 else data


def _edited_record(draw: Draw, record: Any, kind: str | None) -> Any:
    match draw(st.sampled_from(("data",) * 6 + ("time", "channel", "bytes"))):
        case "time":
            return _changed(record, log_time=draw(st.sampled_from(_WHOLE)))
        case "channel":
            return _changed(record, channel_id=draw(st.integers(0, 20)))
        case "data" if kind:
            return _changed(record, data=edited_message(draw, kind, record.data))
    return _changed(record, data=edited_bytes(draw, record.data))


def mcap_bytes(records: list[Any], packing: str = "zstd", chunk_bytes: int = 1 << 19) -> bytes:
    """An MCAP file of records, in chunks that are packed as told; "none" is without chunks."""
    pieces, size = [[]], 0
    for record in records:
        pieces[-1].append(record)
        if isinstance(record, mcap.Message) and (size := size + len(record.data)) > chunk_bytes:
            pieces, size = [*pieces, []], 0
    out = RecordBuilder()
    out.write(_MAGIC)
    mcap.Header("uniscene", "fuzz").write(out)
    for piece in pieces:
        data = _written(piece)
        if packing == "none":
            out.write(data)
        elif data:
            mcap.Chunk(packing, _PACK[packing](data), 0, 0, zlib.crc32(data), len(data)).write(out)
    for record in (mcap.DataEnd(0), mcap.Footer(0, 0, 0)):
        record.write(out)
    out.write(_MAGIC)
    return out.end()


_MAGIC = b"\x89MCAP0\r\n"
_PACK: dict[str, Any] = {"zstd": zstandard.compress, "lz4": lz4.frame.compress, "": lambda data: data}


def _written(records: list[Any]) -> bytes:
    out = RecordBuilder()
    for record in records:
        record.write(out)
    return out.end()


def _lying(draw: Draw, body: bytes) -> bytes:
    """With a chunk, an attachment or an end that says what is not so, or with another length of a record."""
    end = len(body) - len(_MAGIC) - 29
    match draw(st.sampled_from(("length", "bomb", "chunk", "attachment", "footer", "small", "end"))):
        case "length":
            at, starts = len(_MAGIC), []
            while at + 9 <= len(body) - len(_MAGIC):
                starts.append(at + 1)
                at += 9 + struct.unpack_from("<Q", body, at + 1)[0]
            start = draw(st.sampled_from(starts))
            return body[:start] + struct.pack("<Q", draw(st.sampled_from(_WHOLE))) + body[start + 8 :]
        case "bomb":
            new = _bomb(draw(st.sampled_from(("zstd", "lz4"))), draw(st.sampled_from((0, 2**20, 2**30, 2**34))))
        case "small":  # empty messages, hundreds of thousands
            new = _bomb("zstd", None)
        case "chunk":
            said, packing = draw(st.sampled_from(_WHOLE)), draw(st.sampled_from(("zstd", "lz4", "", "xz")))
            data = draw(st.sampled_from((b"", b"\0" * 40, _bomb("zstd", 0)[:99], zstandard.compress(b"\4" * 999))))
            new = _written([mcap.Chunk(packing, data, 0, 0, 1, said)])
        case "attachment":
            whole = _written([mcap.Attachment(0, 0, "a", "b", b"abc")])
            new = whole.replace(struct.pack("<Q", 3), struct.pack("<Q", 2**40))
        case "footer":
            said = draw(st.sampled_from(_WHOLE))
            return body[:end] + _written([mcap.DataEnd(9), mcap.Footer(said, said, 9)]) + _MAGIC
        case _:
            return body[: draw(st.integers(0, len(body)))]
    return body[:end] + new + body[end:]


@lru_cache(16)
def _bomb(packing: str, said: int | None) -> bytes:
    """A chunk that grows: to 256 MiB of zeros, or to two million messages."""
    piece = _written([mcap.Message(1, 0, b"", 0, 0)]) * 1000 if said is None else b"\0" * 2**20
    count = 2000 if said is None else 256
    pack = zstandard.ZstdCompressor().compressobj() if packing == "zstd" else lz4.frame.LZ4FrameCompressor()
    parts = [pack.begin()] if packing == "lz4" else []
    parts += [pack.compress(piece) for _ in range(count)] + [pack.flush()]
    return _written([mcap.Chunk(packing, b"".join(parts), 0, 0, 0, said or count * len(piece))])
