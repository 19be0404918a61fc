"""Drawings of annotations: flow in the usual colour wheel, boxes as wire frames, lanes as lines."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.annotations.boxes import EDGES, box_corners_3d
from uniscene_sim.frames import CameraAnnotations
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OCC_RGB

__all__ = ["draw_annotations", "flow_rgb"]

_CENTRE, _UNMARKED, _WHITE, _YELLOW = (60, 210, 120), (120, 170, 255), (255, 255, 255), (255, 205, 60)
_FINE = 3  # supersampling, as lines consist of many short pieces
_ALONG = np.linspace(0.0, 1.0, 9)[:, None]  # points along an edge, which lens distortion bends


def flow_rgb(flow: np.ndarray, longest_px: float | None = None) -> np.ndarray:
    """Flow (H, W, 2) px as RGB uint8 (H, W, 3): direction as hue, length as saturation, NaN as black.

    `longest_px` is the length of full saturation, by default the 99th percentile of the image.
    """
    known = ~np.isnan(flow[..., 0])
    u, v = np.where(known[..., None], flow, 0.0).transpose(2, 0, 1)
    length = np.hypot(u, v)
    if longest_px is None:
        longest_px = float(np.percentile(length[known], 99)) if known.any() else 1.0
    full = np.minimum(length / max(longest_px, 1e-6), 1.0)
    turn = np.arctan2(v, u) / (2 * np.pi)
    hue = np.abs((turn[..., None] + (1.0, 2 / 3, 1 / 3)) % 1.0 * 6.0 - 3.0) - 1.0
    rgb = 1.0 - full[..., None] * (1.0 - np.clip(hue, 0.0, 1.0))
    picture: np.ndarray = (255 * rgb * known[..., None]).round().astype(np.uint8)
    return picture


def draw_annotations(image: Image.Image, found: CameraAnnotations, spec: CameraSpec) -> Image.Image:
    """A camera's image, of any size, with its annotations drawn on it; flow replaces the colours of the image."""
    if found.optical_flow is not None:
        wheel = Image.fromarray(flow_rgb(found.optical_flow)).resize(image.size)
        image = Image.blend(wheel, image.convert("L").convert("RGB"), 0.3)
    scale = _FINE * np.array([image.width / spec.width, image.height / spec.height])
    image = image.resize((_FINE * image.width, _FINE * image.height), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for line in found.lanes or ():
        colour = _YELLOW if line.mark.endswith("yellow") else _UNMARKED if line.mark == "none" else _WHITE
        width = 1 if line.mark == "none" else 2
        _line(draw, line.pixels * scale, _CENTRE if line.kind == "centre" else colour, width)
    if found.boxes is not None:
        boxes = found.boxes[found.boxes["num_pixels"] > 0]
        for box, corners in zip(boxes, box_corners_3d(boxes), strict=True):
            colour = tuple(OCC_RGB[AGENT_OCC_CLASS[box["cls"]]].tolist())
            for a, b in EDGES:
                pixels, seen = spec.project(corners[a] + _ALONG * (corners[b] - corners[a]))
                if seen.all() and (np.abs(pixels) < 4 * (spec.width + spec.height)).all():
                    _line(draw, pixels * scale, colour, 1)
            left, top, right, bottom = box["bbox"]
            _line(draw, np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]) * scale,
                  _WHITE, 1)  # fmt: skip
    return image.reduce(_FINE)


def _line(draw: ImageDraw.ImageDraw, pixels: np.ndarray, colour: tuple[int, int, int], width: int) -> None:
    draw.line([tuple(p) for p in pixels.tolist()], fill=colour, width=_FINE * width)
