"""`RecordOptions`: what a recording keeps beside layouts, controls and digests, as it is typed on command lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.numbers import whole_number

__all__ = ["PICTURE_KINDS", "SWEEP_KINDS", "RecordOptions"]


class _Quality(NamedTuple):
    """The number after a kind's name: what it is without one, and its bounds."""

    usual: int
    least: int
    most: int


#: Kinds of pictures. The number of `jpeg` is PIL's quality, that of `h264` x264's constant rate factor (lower: better).
_QUALITIES = {"jpeg": _Quality(85, 1, 100), "png": None, "raw": None, "h264": _Quality(23, 1, 51), "none": None}
PICTURE_KINDS = tuple(_QUALITIES)
SWEEP_KINDS = ("exact", "rounded", "none")


@dataclass(frozen=True)
class RecordOptions:
    """What a recording holds beside layouts, controls and digests.

    Attributes:
        images: jpeg, png, raw, h264 or none; jpeg:90 and h264:18 choose the quality.
        sweeps: exact, every bit of a record; rounded, to 2 mm and 1/255 of intensity; or none.
        most_gib: size at which the recording ends.
        states_s: time between states of the engines, at which a replay can begin.
        buffers: whether exact buffers of images are kept, of frames whose annotations have them.

    Raises:
        InputError: no such kind or quality, or a size that is not positive.
    """

    images: str = "jpeg"
    sweeps: str = "exact"
    most_gib: float = 64.0
    states_s: float = 1.0
    buffers: bool = False

    def __post_init__(self) -> None:
        name, colon, _ = str(self.images).partition(":")
        span = _QUALITIES.get(name)
        if name not in _QUALITIES or (colon and span is None):
            expected = f"{', '.join(PICTURE_KINDS)}, jpeg:QUALITY or h264:QUALITY"
            raise InputError(f"expected {expected}, got {shown(self.images)}", field="record_images")
        if span is not None and not span.least <= self.quality <= span.most:
            expected = f"a quality of {span.least} to {span.most}"
            raise InputError(f"expected {expected}, got {shown(self.images)}", field="record_images")
        if self.sweeps not in SWEEP_KINDS:
            raise InputError(f"expected {', '.join(SWEEP_KINDS)}, got {shown(self.sweeps)}", field="record_sweeps")
        if not self.most_gib > 0.0:
            raise InputError(f"expected GiB above 0, got {shown(self.most_gib)}", field="record_limit")

    @property
    def picture_kind(self) -> str:
        """`images` without its quality."""
        return self.images.partition(":")[0]

    @property
    def quality(self) -> int:
        """The number of `images`, or the usual one of its kind; 0 where there is none."""
        text, span = self.images.partition(":")[2], _QUALITIES[self.picture_kind]
        if text:
            try:
                return whole_number(text)
            except ValueError as error:
                raise InputError(str(error), field="record_images") from None
        return span.usual if span else 0
