"""Pictures and sweeps of a recording, thinned to what a page may weigh."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
from PIL import Image
from tqdm import tqdm

from uniscene_sim.geometry import Pose
from uniscene_sim.limits.bounds import Bound, check_numbers
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.page.drive import Drive
from uniscene_sim.recording.pictures import PictureReader
from uniscene_sim.taxonomy import GROUND_CLASSES, OCC_RGB

__all__ = ["PageOptions", "pictures_and_sweeps"]

_BYTES_PER_PIXEL = 0.06  # about, of WebP at the quality below, of our cameras
_QUALITY = 55
_PICTURES_SHARE = 0.84  # of the page's weight
_BASE64 = 0.75
_SWEEP_HZ, _SWEEPS, _POINTS = 5.0, 300, 1200  # at most
_UNIT_M = 0.02  # of a point's coordinates
_TYPES = {PackedElementField.FLOAT32: "<f4", PackedElementField.FLOAT64: "<f8", PackedElementField.UINT8: "u1",
          PackedElementField.UINT16: "<u2", PackedElementField.UINT32: "<u4"}  # fmt: skip


@dataclass(frozen=True)
class PageOptions:
    """How much of a recording's pictures a page shows.

    Attributes:
        width_px: most of a picture's width.
        rate_hz: most pictures of a camera in a second.
        most_mib: weight of a page that pictures are thinned to.
    """

    width_px: int = 400
    rate_hz: float = 10.0
    most_mib: float = 15.0

    def __post_init__(self) -> None:
        most_mib = Bound(0.1, 1024.0, "MiB")
        check_numbers(
            self, width_px=Bound(16, 4096, "px", whole=True), rate_hz=Bound(0.01, 100.0, "Hz"), most_mib=most_mib
        )


def pictures_and_sweeps(
    recording: Recording, drive: Drive, options: PageOptions, progress: bool
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, list[str]]:
    """The cameras with their pictures as WebP, the first LiDAR with points from above, and what was left out.

    Args:
        recording: the file.
        drive: what moved.
        options: size and rate.
        progress: whether to show a progress bar.
    """
    rig, notes = recording.rig, list[str]()
    shown = {c.name: _Camera(c.name, *_size(c.width, c.height, options.width_px)) for c in rig.cameras}
    budget = options.most_mib * 2**20 * _PICTURES_SHARE * _BASE64
    gap_us = _gap_us(recording, drive, options, sum(c.width * c.height for c in shown.values()), budget)
    seconds = (drive.end_us - drive.begin_us) * 1e-6
    lidar = rig.lidars[0] if rig.lidars else None
    sweeps = _Sweeps(lidar.name, lidar.pose, max(1e6 / _SWEEP_HZ, seconds * 1e6 / _SWEEPS)) if lidar else None
    readers = {name: PictureReader(recording, name) for name in shown}
    topics = [topic for reader in readers.values() for topic in reader.topics]
    topics += [f"/{sweeps.name}/points"] if sweeps else []
    bar = tqdm(recording.messages(*topics), desc="page", unit="picture", disable=None if progress else True)
    for one in bar:
        name, at = one.topic.split("/")[1], drive.milliseconds(one.stamp_us)
        if one.topic.endswith("/points") and sweeps:
            sweeps.add(at, one.message)
        elif shown[name].is_due(at, gap_us):
            shown[name].add(at, _webp(readers[name].rgb(one), shown[name]))
        else:
            readers[name].skip(one)
    gap_us *= _thin(shown, budget)
    if not any(c.frames for c in shown.values()):
        notes.append("The recording holds no pictures.")
    else:
        smaller = [c.name for c in rig.cameras if c.width > shown[c.name].width]
        most = max((1e6 / c.period_us for c in rig.cameras), default=0.0)
        rate = 1e6 / max(gap_us, 1.0)
        size = f"{options.width_px} px wide" if smaller else "in full size"
        often = f", at most {rate:.3g} a second for each camera" if rate < 0.99 * most else ""
        notes.append(f"Pictures are {size}{often}, compressed again with loss (WebP, quality {_QUALITY}).")
    if sweeps and sweeps.t:
        hz = 1e6 / sweeps.gap_us
        notes.append(f"{sweeps.name}: up to {_POINTS} points above the ground, of {hz:.3g} sweeps a second at most.")
    return [c.as_dict() for c in shown.values() if c.frames], sweeps.as_dict() if sweeps and sweeps.t else None, notes


class _Camera:
    def __init__(self, name: str, width: int, height: int):
        self.name, self.width, self.height = name, width, height
        self.t, self.frames = list[int](), list[bytes]()
        self._due_ms = -1.0

    def is_due(self, at: int, gap_us: float) -> bool:
        """Whether to take a picture, so that they come `gap_us` apart on average."""
        if at < self._due_ms - 0.5:
            return False
        self._due_ms = max(self._due_ms + 1e-3 * gap_us, at + 1.0) if self.t else at + 1e-3 * gap_us
        return True

    def add(self, at: int, frame: bytes) -> None:
        self.t.append(at)
        self.frames.append(frame)

    def as_dict(self) -> dict[str, Any]:
        frames = [base64.b64encode(frame).decode() for frame in self.frames]
        return {"name": self.name, "width": self.width, "height": self.height, "t": self.t, "frames": frames}


class _Sweeps:
    """Sweeps of a LiDAR in the ego's frame: x and y as int16, and a class for each point."""

    def __init__(self, name: str, pose: Pose, gap_us: float):
        self.name, self.pose, self.gap_us = name, pose, gap_us
        self.t, self.points, self.labels = list[int](), list[bytes](), list[bytes]()

    def add(self, at: int, message: Any) -> None:
        if self.t and (at - self.t[-1]) * 1000 < 0.99 * self.gap_us:
            return
        fields = [f for f in message.fields if f.type in _TYPES and f.offset < message.point_stride]
        names = [f.name for f in fields]
        if not {"x", "y", "z"} <= set(names):
            return
        dtype = np.dtype({"names": names, "formats": [_TYPES[f.type] for f in fields],
                          "offsets": [f.offset for f in fields], "itemsize": message.point_stride})  # fmt: skip
        cloud = np.frombuffer(message.data, dtype, len(message.data) // message.point_stride)
        label = cloud["label"].astype(np.uint8) if "label" in names else np.zeros(len(cloud), np.uint8)
        some = _some(~np.isin(label, GROUND_CLASSES), _POINTS)
        xyz = self.pose.apply(np.stack([cloud[some][axis].astype(float) for axis in "xyz"], axis=1))
        units = np.round(np.nan_to_num(xyz[:, :2]) / _UNIT_M)
        self.t.append(at)
        self.points.append(np.clip(units, -32768, 32767).astype("<i2").tobytes())
        self.labels.append(np.minimum(label[some], len(OCC_RGB) - 1).tobytes())

    def as_dict(self) -> dict[str, Any]:
        points, labels = ([base64.b64encode(one).decode() for one in of] for of in (self.points, self.labels))
        colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in OCC_RGB.tolist()]
        return {"name": self.name, "t": self.t, "points": points, "labels": labels, "unit": _UNIT_M, "colours": colours}


def _some(chosen: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` indices, evenly spread, of those that are chosen."""
    at = np.flatnonzero(chosen)
    return at[np.linspace(0, len(at) - 1, most).astype(int)] if len(at) > most else at


def _size(width: int, height: int, most_width: int) -> tuple[int, int]:
    part = min(most_width / width, 1.0)
    return max(round(width * part), 1), max(round(height * part), 1)


def _gap_us(recording: Recording, drive: Drive, options: PageOptions, pixels: int, budget: float) -> float:
    """Time between two pictures of a camera, us, so that all pictures are likely to fit."""
    seconds = (drive.end_us - drive.begin_us) * 1e-6
    period = max((c.period_us for c in recording.rig.cameras), default=100_000)
    gap = max(1e6 / options.rate_hz, period)
    expected = seconds * 1e6 / gap * pixels * _BYTES_PER_PIXEL
    return gap * max(expected / budget, 1.0)


def _thin(shown: dict[str, _Camera], budget: float) -> float:
    """Leave out pictures, evenly, until all fit; returns one in how many is left."""
    one_in = 1.0
    while (total := sum(len(f) for c in shown.values() for f in c.frames)) > budget:
        if all(len(camera.t) < 2 for camera in shown.values()):
            break
        part = min(0.97 * budget / total, 0.97)
        one_in /= part
        for camera in shown.values():
            keep = np.linspace(0, len(camera.t) - 1, max(int(part * len(camera.t)), 1)).astype(int)
            camera.t, camera.frames = [camera.t[k] for k in keep], [camera.frames[k] for k in keep]
    return one_in


def _webp(rgb: np.ndarray, camera: _Camera) -> bytes:
    picture = Image.fromarray(rgb)
    if picture.size != (camera.width, camera.height):
        picture = picture.resize((camera.width, camera.height), Image.Resampling.LANCZOS)
    body = io.BytesIO()
    picture.save(body, "webp", quality=_QUALITY, method=2)
    return body.getvalue()
