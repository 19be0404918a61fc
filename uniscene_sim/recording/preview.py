"""The preview of a tick: all cameras above, LiDAR, occupancy and layout below."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from uniscene_sim.annotations.draw import draw_annotations
from uniscene_sim.frames import SensorFrame
from uniscene_sim.recording.panels import bev_panel, lidar_from_above, lidar_in_perspective, occupancy_panel
from uniscene_sim.rig import SensorRig

__all__ = ["compose_preview", "font"]

_WIDTH, _GAP, _HEADER = 1216, 4, 30
_BACKGROUND, _TEXT, _FAINT = (28, 30, 36), (235, 236, 240), (160, 166, 176)
#: Order of cameras: left, front, right, then the rear ones.
_ORDER = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT")


def compose_preview(frame: SensorFrame, rig: SensorRig, title: str = "") -> np.ndarray:
    """The preview, RGB uint8 (H, 1216, 3), H even and constant for a rig; missing records stay dark."""
    specs = {c.name: c for c in rig.cameras}
    names = list(specs)
    names.sort(key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER))
    rows = _camera_rows(names, rig)
    panel = (_WIDTH - 5 * _GAP) // 4
    height = _HEADER + sum(h + _GAP for _, h in rows) + panel + 2 * _GAP
    canvas = Image.new("RGB", (_WIDTH, height + height % 2), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    layout = frame.layout
    speed = float(np.linalg.norm(layout.ego_velocity))
    status = f"t = {frame.stamp_us / 1e6:5.2f} s    {3.6 * speed:5.1f} km/h    {len(layout.agents)} agents"
    draw.text((2 * _GAP, 6), title, fill=_TEXT, font=font(16))
    draw.text((_WIDTH - 2 * _GAP, 6), status, fill=_FAINT, font=font(16), anchor="ra")
    y = _HEADER
    for members, row_height in rows:
        x = (_WIDTH - sum(w + _GAP for _, w in members) + _GAP) // 2
        for name, width in members:
            if name in frame.cameras:
                image = Image.fromarray(frame.cameras[name].rgb).resize((width, row_height), Image.Resampling.BILINEAR)
                if frame.annotations is not None:
                    image = draw_annotations(image, frame.annotations.cameras[name], specs[name])
                canvas.paste(image, (x, y))
            _label(draw, x, y, name)
            x += width + _GAP
        y += row_height + _GAP
    x = _GAP
    for name, picture in _panels(frame, rig, panel):
        if picture is not None:
            canvas.paste(Image.fromarray(picture), (x, y))
        _label(draw, x, y, name)
        x += panel + _GAP
    return np.asarray(canvas)


def _camera_rows(names: list[str], rig: SensorRig) -> list[tuple[list[tuple[str, int]], int]]:
    """Rows of up to three cameras: (name, width px) of each, and the row's height, px, as large as fits."""
    aspect = {c.name: c.width / c.height for c in rig.cameras}
    rows = []
    for i in range(0, len(names), 3):
        members = names[i : i + 3]
        height = min(int((_WIDTH - _GAP * (len(members) + 1)) / sum(aspect[n] for n in members)), 400)
        rows.append(([(n, int(height * aspect[n])) for n in members], height))
    return rows


def _panels(frame: SensorFrame, rig: SensorRig, size: int) -> list[tuple[str, np.ndarray | None]]:
    above = perspective = None
    vehicle = frame.layout.ego_vehicle
    for spec in rig.lidars[:1]:
        if spec.name in frame.sweeps:
            above = lidar_from_above(frame.sweeps[spec.name], spec.pose, vehicle, size)
            perspective = lidar_in_perspective(frame.sweeps[spec.name], spec.pose, vehicle, size)
    return [
        ("LiDAR from above", above),
        ("LiDAR", perspective),
        ("occupancy", None if frame.occupancy is None else occupancy_panel(frame.occupancy, vehicle, size)),
        ("layout", None if frame.bev is None else bev_panel(frame.bev, frame.layout, size)),
    ]


def _label(draw: ImageDraw.ImageDraw, x: int, y: int, text: str) -> None:
    small = font(12)
    width = int(draw.textlength(text, font=small))
    draw.rectangle((x, y, x + width + 8, y + 17), fill=(0, 0, 0))
    draw.text((x + 4, y + 2), text, fill=_TEXT, font=small)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of previews and other drawings."""
    return ImageFont.load_default(size)
