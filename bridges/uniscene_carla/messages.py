"""What goes between the process of the client and ours: a letter, a length and a body, on pipes.

`L` a protobuf `LayoutFrame`, `C` a protobuf `Control`, `J` JSON: an order, an answer, something to be said, an error.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

__all__ = ["CONTROL", "JSON", "LAYOUT", "put", "put_json", "split", "take"]

LAYOUT, CONTROL, JSON = b"L", b"C", b"J"
_HEAD = struct.Struct("<cI")


def put(stream: IO[bytes], kind: bytes, body: bytes) -> None:
    """Write one message.

    Raises:
        OSError: nobody reads any more.
    """
    stream.write(_HEAD.pack(kind, len(body)) + body)
    stream.flush()


def put_json(stream: IO[bytes], **values: Any) -> None:
    put(stream, JSON, json.dumps(values).encode())


def take(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """The next message, its kind and body.

    Raises:
        EOFError: nobody writes any more.
    """
    kind, size = _HEAD.unpack(_exactly(stream, _HEAD.size))
    return kind, _exactly(stream, size)


def split(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Kind and body of the message at the beginning of a buffer, and the rest; None if it is not whole."""
    if len(buffer) < _HEAD.size:
        return None
    kind, size = _HEAD.unpack_from(buffer)
    end = _HEAD.size + size
    return (kind, buffer[_HEAD.size : end], buffer[end:]) if len(buffer) >= end else None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
