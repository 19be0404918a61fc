"""Messages in serialised form, which publishers accept as well.

Filling and serialising a message is most of the cost of publishing it. So one message of each kind is serialised by
ROS, and later only the values that change are written into its bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header, MultiArrayDimension, MultiArrayLayout, UInt8MultiArray

__all__ = ["BLANK", "BLANK_TIME", "DATA", "PrefilledMessage", "blank_header", "labelled_array", "set_blanks"]

#: Values by which the fields to fill are found; no other field has them.
BLANK, BLANK_TIME = -1.6180339887498949e300, Time(sec=-1_618_033_988)
DATA = array("B", b"here go the data")


class PrefilledMessage:
    """A message that is serialised once, and whose blanks are filled each time it is published.

    Args:
        message: its blanks are stamps equal to `BLANK_TIME`, float64 values `BLANK`, and bytes `DATA`.
    """

    def __init__(self, message: Any):
        size = np.uint32(len(DATA)).tobytes()
        head, _, self._tail = serialize_message(message).partition(size + DATA.tobytes())
        self._head = bytearray(head)
        # CDR aligns numbers to their size, counted from after the four bytes of the encapsulation header.
        self._words = np.frombuffer(self._head, np.int32, len(head) // 4)
        self._numbers = np.frombuffer(self._head, np.float64, (len(head) - 4) // 8, 4)
        self._stamps = np.flatnonzero(self._words == BLANK_TIME.sec)
        self._blanks = np.flatnonzero(self._numbers == BLANK)

    def fill(self, stamp_us: int, numbers: Sequence[float] | np.ndarray = (), data: np.ndarray | None = None) -> bytes:
        """The serialised message with a stamp, numbers in the order of its fields, and data."""
        self._words[self._stamps] = stamp_us // 1_000_000
        self._words[self._stamps + 1] = stamp_us % 1_000_000 * 1000
        self._numbers[self._blanks] = numbers
        if data is None:
            return bytes(self._head)
        return b"".join((self._head, np.uint32(data.nbytes).tobytes(), np.ascontiguousarray(data).data, self._tail))


def set_blanks(*parts: Any) -> None:
    """Make all numbers of some parts of a message (points, vectors, quaternions) blanks."""
    for part in parts:
        for field in part.get_fields_and_field_types():
            setattr(part, field, BLANK)


def blank_header(frame_id: str) -> Header:
    return Header(stamp=BLANK_TIME, frame_id=frame_id)


def labelled_array(values: np.ndarray, labels: tuple[str, ...]) -> bytes:
    """A uint8 array with the names of its axes, as `UInt8MultiArray`."""
    return _labelled(values.shape, labels).fill(0, data=values)


@cache
def _labelled(shape: tuple[int, ...], labels: tuple[str, ...]) -> PrefilledMessage:
    dim, stride = [], int(np.prod(shape))
    for label, size in zip(labels, shape, strict=True):
        dim.append(MultiArrayDimension(label=label, size=size, stride=stride))
        stride //= max(size, 1)
    return PrefilledMessage(UInt8MultiArray(layout=MultiArrayLayout(dim=dim, data_offset=0), data=DATA))
