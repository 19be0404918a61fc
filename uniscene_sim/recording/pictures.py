"""Pictures as recordings keep them, in Foxglove's schemas: JPEG, PNG, raw, or H.264 video; and back as arrays."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame
from uniscene_sim.recording.foxglove import stamp, stamp_us_of
from uniscene_sim.recording.mcap_file import Recording, TopicMessage
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.rig import CameraSpec

__all__ = ["Picture", "PictureCoder", "PictureReader", "pictures"]

#: BT.709 in H.264's numbers, said in the stream so that every player shows the same colours.
_BT709 = 1
#: Pixels of a picture that is read.
_MOST_PIXELS = 2**26
#: Where a frame of H.264 in Annex B begins that needs no other.
_KEY_FRAME = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")
_MOST_SKIPPED = 100  # frames of a video that wait to be decoded
R = TypeVar("R")


class PictureCoder:
    """Codes the pictures of one camera, in the order of their stamps.

    Args:
        camera: the camera.
        options: which of the kinds but `none`.
    """

    def __init__(self, camera: CameraSpec, options: RecordOptions):
        self.camera, self.kind, self._quality = camera, options.picture_kind, options.quality
        self.topic = f"/{camera.name}/{'video' if self.kind == 'h264' else 'image'}"
        self._video: Any = _encoder(camera, self._quality) if self.kind == "h264" else None

    def message(self, record: CameraFrame) -> Any:
        """A picture as CompressedImage, RawImage, or one frame of CompressedVideo."""
        common: dict[str, Any] = {"timestamp": stamp(record.stamp_us), "frame_id": self.camera.name}
        if self._video is not None:
            return CompressedVideo(**common, format="h264", data=self._frame(record))
        if self.kind == "raw":
            height, width = record.rgb.shape[:2]
            data = np.ascontiguousarray(record.rgb).tobytes()
            return RawImage(**common, width=width, height=height, encoding="rgb8", step=3 * width, data=data)
        body = io.BytesIO()
        settings = {"compress_level": 1} if self.kind == "png" else {"quality": self._quality}
        Image.fromarray(record.rgb).save(body, self.kind, **settings)
        return CompressedImage(**common, format=self.kind, data=body.getvalue())

    def _frame(self, record: CameraFrame) -> bytes:
        """An access unit; sides are made even by repeating the last row and column, as 4:2:0 needs."""
        height, width = record.rgb.shape[:2]
        rgb = np.pad(record.rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts = record.stamp_us
        return b"".join(bytes(packet) for packet in self._video.encode(picture))


def _encoder(camera: CameraSpec, rate_factor: int) -> Any:
    """An H.264 encoder as Foxglove asks for: Annex B, parameter sets in every key frame, no B frames, no delay."""
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = (
        camera.width + camera.width % 2,
        camera.height + camera.height % 2,
        "yuv420p",
    )
    codec.framerate, codec.time_base = Fraction(1_000_000, camera.period_us), Fraction(1, 1_000_000)
    codec.gop_size = max(1_000_000 // camera.period_us, 1)  # a player that jumps waits for a second at most
    codec.max_b_frames, codec.thread_count = 0, 1
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = ColorRange.MPEG
    codec.options = {"crf": str(rate_factor), "preset": "veryfast", "tune": "zerolatency"}
    return codec


@dataclass(frozen=True)
class Picture:
    stamp_us: int
    rgb: np.ndarray  # uint8 (H, W, 3)


class PictureReader:
    """Reads the pictures of one camera, whatever they are kept as.

    Each of its messages is given to it in order, to `rgb` or to `skip`. What is skipped is not decoded, except for the
    frames of a video between a key frame and one that is read.

    Args:
        recording: the run.
        camera: name of the camera.
    """

    def __init__(self, recording: Recording, camera: str):
        self.topics = f"/{camera}/image", f"/{camera}/video"
        self._path = recording.path
        self._size = next(((c.height, c.width) for c in recording.rig.cameras if c.name == camera), None)
        self._video: Any = av.CodecContext.create("h264", "r")
        self._video.thread_type = "SLICE"  # a picture for each packet at once
        self._video.options = {"max_pixels": str(_MOST_PIXELS)}
        self._skipped: list[bytes] = []  # frames of the video since the last key frame

    def skip(self, one: TopicMessage) -> None:
        """Go past a picture."""
        if not isinstance(one.message, CompressedVideo):
            return
        if _KEY_FRAME.search(one.message.data):
            self._skipped.clear()
        self._skipped.append(one.message.data)
        if len(self._skipped) >= _MOST_SKIPPED:
            self._reading(one, self._catch_up)

    def rgb(self, one: TopicMessage) -> np.ndarray:
        """A picture, uint8 (H, W, 3).

        Raises:
            InputError: it is damaged.
        """
        rgb = self._reading(one, lambda: self._decoded(one.message))
        height, width = self._size or rgb.shape[:2]
        return rgb[:height, :width]

    def _decoded(self, message: Any) -> np.ndarray:
        if isinstance(message, RawImage):
            return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        if isinstance(message, CompressedImage):
            with Image.open(io.BytesIO(message.data)) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise ValueError("it is too large")
                return np.asarray(picture.convert("RGB"))
        if _KEY_FRAME.search(message.data):
            self._skipped.clear()
        self._catch_up()
        [frame] = self._video.decode(av.Packet(message.data))
        rgb: np.ndarray = frame.to_ndarray(format="rgb24")
        return rgb

    def _catch_up(self) -> None:
        for data in self._skipped:
            self._video.decode(av.Packet(data))
        self._skipped.clear()

    def _reading(self, one: TopicMessage, read: Callable[[], R]) -> R:
        try:
            return read()
        except Exception as error:  # what fails inside the libraries has no common base
            raise InputError(f"damaged ({type(error).__name__})", file=self._path, field=one.topic) from None


def pictures(recording: Recording, camera: str) -> Iterator[Picture]:
    """The pictures of a camera, whatever they are kept as; none if the recording has none.

    Args:
        recording: the run.
        camera: name of the camera.

    Raises:
        InputError: a picture is damaged.
    """
    reader = PictureReader(recording, camera)
    for one in recording.messages(*reader.topics):
        yield Picture(stamp_us_of(one.message.timestamp), reader.rgb(one))
