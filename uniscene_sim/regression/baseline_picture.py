"""The picture of a difference from a baseline: both paths from above, both speeds over time."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.recording.preview import font
from uniscene_sim.regression.results import CaseResult

__all__ = ["baseline_picture"]

_SIZE = 960, 540
_BACK, _INK, _FAINT, _GRID = (16, 18, 22), (236, 238, 240), (158, 164, 172), (52, 56, 64)
_WAS, _NOW, _MARK = (120, 170, 255), (255, 196, 64), (255, 92, 92)
_MARGIN, _TITLE = 46, 56  # px


def baseline_picture(result: CaseResult, was: np.ndarray, moment_s: float | None) -> Image.Image:
    """Draw it, 960x540.

    Args:
        result: the drive now.
        was: (T, 5) time_s, x, y, yaw, speed_mps of the baseline.
        moment_s: of the first difference, which is marked; None for none.
    """
    picture = Image.new("RGB", _SIZE, _BACK)
    draw = ImageDraw.Draw(picture)
    draw.text((16, 10), f"{result.case.title}, {result.driver}", _INK, font(20))
    draw.text((16, 34), "baseline", _WAS, font(15))
    draw.text((96, 34), "now", _NOW, font(15))
    if moment_s is not None:
        draw.text((146, 34), f"first difference at {moment_s:.2f} s", _MARK, font(15))
    now = np.stack([result.series[name] for name in ("time_s", "x", "y", "yaw", "speed_mps")], axis=1)
    middle = _SIZE[0] // 2
    at = None if moment_s is None else int(np.abs(now[:, 0] - moment_s).argmin())
    _panel(draw, (0, _TITLE, middle, _SIZE[1]), was[:, 1:3], now[:, 1:3], at, ("x, m", "y, m"), equal=True)
    _panel(draw, (middle, _TITLE, _SIZE[0], _SIZE[1]), was[:, [0, 4]], now[:, [0, 4]], at, ("time, s", "speed, m/s"))
    return picture


def _panel(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    was: np.ndarray,
    now: np.ndarray,
    at: int | None,
    names: tuple[str, str],
    equal: bool = False,
) -> None:
    """Two curves (T, 2) and (S, 2) in a box of the picture, the point `at` of the second marked."""
    both = np.concatenate([was, now])
    low, high = both.min(axis=0), both.max(axis=0)
    spans = 1.1 * np.maximum(high - low, 4.0 if equal else 1.0)
    left, top, right, bottom = box[0] + _MARGIN, box[1] + 26, box[2] - 18, box[3] - _MARGIN
    scale = np.array([right - left, bottom - top]) / spans
    if equal:
        scale[:] = scale.min()
    centre = 0.5 * (low + high)

    def pixel(points: np.ndarray) -> list[tuple[float, float]]:
        shift = (points - centre) * scale
        x, y = 0.5 * (left + right) + shift[:, 0], 0.5 * (top + bottom) - shift[:, 1]
        return list(zip(x.tolist(), y.tolist(), strict=True))

    draw.rectangle((left, top, right, bottom), outline=_GRID)
    reach = 0.5 * np.array([right - left, bottom - top]) / scale
    for axis in range(2):
        for value in _ticks(centre[axis] - reach[axis], centre[axis] + reach[axis]):
            point = np.array([centre])
            point[0, axis] = value
            x, y = pixel(point)[0]
            if axis == 0:
                draw.line((x, top, x, bottom), _GRID)
                draw.text((x, bottom + 4), f"{value:g}", _FAINT, font(13), anchor="mt")
            else:
                draw.line((left, y, right, y), _GRID)
                draw.text((left - 5, y), f"{value:g}", _FAINT, font(13), anchor="rm")
    draw.text(((left + right) / 2, bottom + 24), names[0], _FAINT, font(14), anchor="mt")
    draw.text((left, top - 4), names[1], _FAINT, font(14), anchor="lb")
    for curve, colour, width in ((was, _WAS, 5), (now, _NOW, 2)):
        if len(curve) > 1:
            draw.line(pixel(curve), colour, width)
    if at is not None and len(now):
        x, y = pixel(now[at : at + 1])[0]
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), outline=_MARK, width=3)


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers within a range."""
    step = 10.0 ** np.floor(np.log10((high - low) / 3.0))
    for factor in (5.0, 2.0):
        if (high - low) / (step * factor) >= 3.0:
            step *= factor
            break
    first = np.ceil(low / step) * step
    return [round(float(value), 6) for value in np.arange(first, high + 1e-9, step)]
