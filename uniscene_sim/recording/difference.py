"""The picture of a difference: what a sensor gave when recorded, what it gives now, and how they differ."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from PIL import Image, ImageDraw, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.panels import lidar_from_above
from uniscene_sim.recording.pictures import PictureReader
from uniscene_sim.recording.preview import font
from uniscene_sim.recording.sweeps import rounded
from uniscene_sim.rig import LidarSpec
from uniscene_sim.storage.input_file import reading

__all__ = ["difference_picture"]

_MOST_GAIN = 32
_VIDEO_LOSS = 32  # of 255: what the coding of video may change
_SIZE = 960, 540
_TITLE, _CAPTION, _LINE, _GAP = 34, 22, 18, 6  # px
_SIDE = _SIZE[0] // 3 - 2 * _GAP  # of a view from above
_BACK, _INK, _FAINT = (16, 18, 22), (236, 238, 240), (158, 164, 172)
_SAME, _GONE, _NEW, _OTHER = (84, 88, 96), (255, 92, 92), (92, 226, 130), (255, 214, 64)


@dataclass(frozen=True)
class _Panel:
    title: str
    rgb: np.ndarray  # uint8 (H, W, 3)


@dataclass(frozen=True)
class _Note:
    text: str
    colour: tuple[int, int, int] = _INK


@dataclass(frozen=True)
class _Comparison:
    """Three panels and what is said about them."""

    panels: tuple[_Panel, _Panel, _Panel]
    notes: tuple[_Note, ...]


def difference_picture(recording: Recording, frame: SensorFrame, sensor: str) -> Image.Image | None:
    """The record of the file, that of the frame and their difference; None if the file has no picture of it.

    Args:
        recording: the run.
        frame: the frame now.
        sensor: name of the sensor.
    """
    now, compared = frame.records.get(sensor), None
    with reading(recording.path, f"a picture or points of {sensor}"):
        if isinstance(now, CameraFrame):
            compared = _camera(recording, frame.stamp_us, sensor, now.rgb)
        elif isinstance(now, LidarSweep):
            compared = _lidar(recording, frame, sensor, now)
    return None if compared is None else _sheet(f"{sensor} at {1e-6 * frame.stamp_us:.2f} s", compared)


def _camera(recording: Recording, stamp_us: int, sensor: str, now: np.ndarray) -> _Comparison | None:
    """The recorded picture of a time, if there is one of that size, and that of now."""
    reader = PictureReader(recording, sensor)
    for one in recording.messages(*reader.topics):
        if one.stamp_us != stamp_us:
            reader.skip(one)
            continue
        if isinstance(one.message, CompressedImage):
            return _images(one.message.data, now)
        try:
            old = reader.rgb(one)
        except InputError:
            return None
        return _compared(old, now, isinstance(one.message, CompressedVideo)) if old.shape == now.shape else None
    return None


def _images(data: bytes, now: np.ndarray) -> _Comparison | None:
    """Two images. That of now is packed as the recorded one was, so that packing alone makes no difference."""
    try:
        kept = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        if kept.size != now.shape[1::-1]:  # not decoded, so that no claim of its size takes memory
            return None
        old, new = np.asarray(kept.convert("RGB")), now
    except (UnidentifiedImageError, OSError):
        return None
    if isinstance(kept, JpegImageFile):
        packed = io.BytesIO()
        Image.fromarray(now).save(packed, "jpeg", qtables=kept.quantization, subsampling=get_sampling(kept))
        new = np.asarray(Image.open(packed).convert("RGB"))
    return _compared(old, new)


def _compared(old: np.ndarray, new: np.ndarray, is_video: bool = False) -> _Comparison:
    apart = np.abs(old.astype(int) - new)
    if is_video:
        apart[(apart <= _VIDEO_LOSS).all(axis=2)] = 0
    count, total = int(apart.any(axis=2).sum()), apart.shape[0] * apart.shape[1]
    if is_video:
        said = [f"{count} of {total} pixels differ by more than {_VIDEO_LOSS} of 255;", "video hides less than that."]
    elif count:
        said = [f"{count} of {total} pixels differ ({100 * count / total:.3g} %),", f"by up to {apart.max()} of 255"]
    else:
        said = ["The pictures are equal: depth, labels or", "instances differ, which recordings do not keep."]
    gain = int(np.clip(255 // max(int(apart.max()), 1), 1, _MOST_GAIN))
    shown = (gain * apart).clip(0, 255).astype(np.uint8)
    _frame_what_differs(shown, apart.any(axis=2))
    panels = _Panel("recorded", old), _Panel("now", new), _Panel(f"difference x {gain}", shown)
    return _Comparison(panels, tuple(map(_Note, said)))


def _frame_what_differs(picture: np.ndarray, apart: np.ndarray) -> None:
    """Draw a frame around a small place that differs, which nobody would find else."""
    rows, columns = np.nonzero(apart)
    if not len(rows) or np.ptp(rows) * np.ptp(columns) > 0.05 * apart.size:
        return
    margin = max(2, min(apart.shape) // 40)
    top, left = max(rows.min() - margin, 0), max(columns.min() - margin, 0)
    bottom, right = min(rows.max() + margin, len(apart) - 1), min(columns.max() + margin, apart.shape[1] - 1)
    picture[[top, bottom], left : right + 1] = _OTHER
    picture[top : bottom + 1, [left, right]] = _OTHER


def _lidar(recording: Recording, frame: SensorFrame, sensor: str, now: LidarSweep) -> _Comparison | None:
    """The recorded points of a time, if there are some, and those of now, rounded as the recorded ones are."""
    is_rounded = False
    for topic, stamp_us, message in recording.messages("/uniscene/frame", f"/{sensor}/points"):
        if stamp_us != frame.stamp_us:
            continue
        if topic == "/uniscene/frame":
            is_rounded = any(one.step_m > 0 for one in message.sweeps if one.sensor == sensor)
            continue
        spec = next(s for s in recording.rig.lidars if s.name == sensor)
        new = rounded(now) if is_rounded else now
        return _sweeps(_recorded_points(message, now), new, spec, frame.layout.ego_vehicle, is_rounded)
    return None


def _recorded_points(message: Any, now: LidarSweep) -> LidarSweep:
    """The points of a cloud, as far as it has them."""
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.point_stride)
    columns = {field.name: field.offset for field in message.fields}

    def column(name: str, dtype: type, fields: int = 1) -> np.ndarray:
        start = columns[name]
        found: np.ndarray = np.ascontiguousarray(rows[:, start : start + fields * np.dtype(dtype).itemsize]).view(dtype)
        return found if fields > 1 else found[:, 0]

    return replace(
        now,
        xyz=column("x", np.float32, 3),
        intensity=column("intensity", np.float32),
        ring=column("ring", np.uint16),
        label=column("label", np.uint8),
    )


def _sweeps(
    old: LidarSweep, new: LidarSweep, spec: LidarSpec, vehicle: EgoVehicle, is_rounded: bool = False
) -> _Comparison:
    """Two sweeps, and which of their points are in both.

    Args:
        old, new: recorded, and now.
        spec: the LiDAR.
        vehicle: the ego.
        is_rounded: whether both have rounded numbers.
    """
    here, there = _places(old), _places(new)
    gone, added = ~np.isin(here, there), ~np.isin(there, here)
    other = ~added & ~np.isin(_values(new), _values(old))
    only_now = f"{added.sum()} of {len(there)} points only now"
    if len(old.xyz) == len(new.xyz) and np.array_equal(old.ring, new.ring):  # the same beams hit, beam by beam
        moved = np.linalg.norm(new.xyz - old.xyz, axis=1)
        gone, added = np.zeros(len(moved), bool), moved > 0
        other = ~added & ((old.intensity != new.intensity) | (old.label != new.label))
        only_now = f"{added.sum()} of {len(moved)} points have moved, by up to {moved.max(initial=0.0):.3g} m"
    notes = [
        _Note(text, colour)
        for which, text, colour in (
            (gone, f"{gone.sum()} of {len(here)} points only recorded", _GONE),
            (added, only_now, _NEW),
            (other, f"{other.sum()} of {len(there)} points with another intensity, ring or label", _OTHER),
        )
        if which.any()
    ]
    if not notes:
        lost = "time, instance, cause, order" + (", what rounding takes" if is_rounded else "")
        notes = [_Note(f"The points are equal: what differs is not kept ({lost}).")]
    reach = float(np.clip(np.quantile(np.abs(new.xyz[:, :2]), 0.98), 10.0, 100.0)) if len(new.xyz) else 45.0
    before, now = (lidar_from_above(sweep, spec.pose, vehicle, _SIDE, reach) for sweep in (old, new))
    apart = np.full((_SIDE, _SIDE, 3), _BACK, np.uint8)
    width = 1 if (gone.sum() + added.sum() + other.sum()) > 0.05 * len(new.xyz) else 3
    _dots(apart, spec.pose.apply(new.xyz), reach, _SAME)
    for xyz, colour in ((old.xyz[gone], _GONE), (new.xyz[added], _NEW), (new.xyz[other], _OTHER)):
        _dots(apart, spec.pose.apply(xyz), reach, colour, width)
    panels = _Panel("recorded", before), _Panel("now", now), _Panel(f"difference, {reach:.0f} m around", apart)
    return _Comparison(panels, tuple(notes))


def _dots(picture: np.ndarray, xyz: np.ndarray, reach: float, colour: tuple[int, int, int], width: int = 1) -> None:
    """Draw points from above, as `lidar_from_above` does.

    Args:
        picture: uint8 (N, N, 3), written.
        xyz: (P, 3) m, base_link.
        reach: from the middle to the border, m.
        colour: RGB.
        width: of a dot, px.
    """
    side = len(picture)
    at = np.floor(0.5 * side * (1.0 - xyz[:, :2] / reach)).astype(int)
    for step in np.ndindex(width, width):
        spot = at + step - np.array(width // 2)
        spot = spot[((spot >= 0) & (spot < side)).all(axis=1)]
        picture[spot[:, 0], spot[:, 1]] = colour


def _places(sweep: LidarSweep) -> np.ndarray:
    """Each point's place as one value (N,)."""
    return _joined(np.ascontiguousarray(sweep.xyz, "<f4").view(np.uint8).reshape(-1, 12))


def _values(sweep: LidarSweep) -> np.ndarray:
    """Each point's place, intensity, ring and label as one value (N,)."""
    columns = [np.ascontiguousarray(sweep.xyz, "<f4").view(np.uint8).reshape(-1, 12)]
    for name, dtype in (("intensity", "<f4"), ("ring", "<u2"), ("label", "u1")):
        column = np.ascontiguousarray(getattr(sweep, name), dtype)
        columns.append(column.view(np.uint8).reshape(len(column), -1))
    return _joined(np.concatenate(columns, axis=1))


def _joined(rows: np.ndarray) -> np.ndarray:
    """Rows of bytes (N, B) as numbers (N,) of rows that are equal; hashes, so two in 2^64 may be taken for one."""
    weights = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], np.uint64) | np.uint64(1)
    joined: np.ndarray = ((rows.astype(np.uint64) + np.uint64(1)) * weights).sum(axis=1, dtype=np.uint64)
    return joined


def _sheet(title: str, compared: _Comparison) -> Image.Image:
    """Panels beside each other, or two above one, whichever shows them larger; notes below or beside the last."""
    sheet = Image.new("RGB", _SIZE, _BACK)
    draw = ImageDraw.Draw(sheet)
    draw.text((2 * _GAP, _GAP), title, fill=_INK, font=font(18))
    height, width = compared.panels[0].rgb.shape[:2]
    below = len(compared.notes) * _LINE + _GAP
    row, square = (
        min((_SIZE[0] / columns - 2 * _GAP) / width, (_SIZE[1] - _TITLE - spare) / rows / height)
        for columns, rows, spare in ((3, 1, _CAPTION + below), (2, 2, 2 * (_CAPTION + _GAP)))
    )
    columns, scale = (3, row) if row >= square else (2, square)
    across, down = max(1, int(width * scale)), max(1, int(height * scale))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    for k, panel in enumerate(compared.panels):
        x, y = (k % columns) * _SIZE[0] // columns + _GAP, _TITLE + (k // columns) * (down + _CAPTION + _GAP)
        draw.text((x + _GAP, y), panel.title, fill=_FAINT, font=font(14))
        sheet.paste(Image.fromarray(panel.rgb).resize((across, down), method), (x, y + _CAPTION))
    x, y = (_GAP, _TITLE + down + _CAPTION + _GAP) if columns == 3 else (x + _SIZE[0] // 2, y + _CAPTION)
    for k, note in enumerate(compared.notes):
        draw.text((x + _GAP, y + k * _LINE), note.text, fill=note.colour, font=font(14))
    return sheet.crop((0, 0, _SIZE[0], y + max(below, down * (columns == 2)) + _GAP))
