"""Messages as the bytes that ROS makes of them, which a publisher takes as well.

To fill in a message and to have it converted, each time, is most of what telling it costs. So ROS serialises one of a
kind, and only what changes is written into its bytes.
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

#: What a form knows its blanks by: values that nothing else has.
BLANK, BLANK_TIME = -1.6180339887498949e300, Time(sec=-1_618_033_988)
DATA = array("B", b"here go the data")


class PrefilledMessage:
    """A message that was serialised once, with blanks that are filled in each time it is told.

    Args:
        message: its blanks are stamps that are `BLANK_TIME`, float64s that are `BLANK`, and bytes that are `DATA`.
    """

    def __init__(self, message: Any):
        size = np.uint32(len(DATA)).tobytes()
        head, _, self._tail = serialize_message(message).partition(size + DATA.tobytes())
        self._head = bytearray(head)
        # CDR aligns numbers to their size, from after the four bytes that say which CDR it is.
        self._words = np.frombuffer(self._head, np.int32, len(head) // 4)
        self._numbers = np.frombuffer(self._head, np.float64, (len(head) - 4) // 8, 4)
        self._stamps = np.flatnonzero(self._words == BLANK_TIME.sec)
        self._blanks = np.flatnonzero(self._numbers == BLANK)

    def fill(self, stamp_us: int, numbers: Sequence[float] | np.ndarray = (), data: np.ndarray | None = None) -> bytes:
        """The bytes of the message with this stamp, these numbers in the order of its fields, and these data."""
        self._words[self._stamps] = stamp_us // 1_000_000
        self._words[self._stamps + 1] = stamp_us % 1_000_000 * 1000
        self._numbers[self._blanks] = numbers
        if data is None:
            return bytes(self._head)
        return b"".join((self._head, np.uint32(data.nbytes).tobytes(), np.ascontiguousarray(data).data, self._tail))


def set_blanks(*parts: Any) -> None:
    """Make blanks of all numbers of parts of a message: of points, vectors, quaternions."""
    for part in parts:
        for field in part.get_fields_and_field_types():
            setattr(part, field, BLANK)


def blank_header(frame_id: str) -> Header:
    return Header(stamp=BLANK_TIME, frame_id=frame_id)


def labelled_array(values: np.ndarray, labels: tuple[str, ...]) -> bytes:
    """An array of uint8 with the name of each of its axes, as `UInt8MultiArray`."""
    return _labelled(values.shape, labels).fill(0, data=values)


@cache
def _labelled(shape: tuple[int, ...], labels: tuple[str, ...]) -> PrefilledMessage:
    dim, stride = [], int(np.prod(shape))
    for label, size in zip(labels, shape, strict=True):
        dim.append(MultiArrayDimension(label=label, size=size, stride=stride))
        stride //= max(size, 1)
    return PrefilledMessage(UInt8MultiArray(layout=MultiArrayLayout(dim=dim, data_offset=0), data=DATA))
