"""Glare: light of visible lamps that lens, windscreen and rain scatter around their images."""

from __future__ import annotations

import numpy as np

from uniscene_sim.camera.raycast.lamps import Lamps, lamp_power
from uniscene_sim.camera.raycast.shading import tone_map
from uniscene_sim.camera.weather import Sky
from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.rig import CameraSpec

__all__ = ["add_glare"]

_DRY, _WET = 0.8, 5.0  # strength, by the inverse square of the angle in degrees, as the CIE's equation of glare
_CORE_DEG2 = 0.12  # added to that square: the image of a lamp has a size
_LEAST = 0.004  # exposed radiance at which glare ends
_MOST_DEG = 6.0
_NEAR_M, _SLACK_M = 1.0, 0.7  # nearest lamp; how far its glass may be in front of its place
#: Exposed radiance of each uint8, the inverse of the tone curve below its shoulder.
_EXPOSED = (np.arange(256) / 255.0) ** 2.2 / 0.72


def add_glare(
    rgb: np.ndarray, depth: np.ndarray, lamps: Lamps, sky: Sky, at: np.ndarray, turn: np.ndarray, spec: CameraSpec
) -> None:
    """Add the glare of lamps to an image.

    Args:
        rgb: uint8 (H, W, 3), changed in place.
        depth: float32 (H, W) m, as in `CameraFrame`.
        lamps: all light sources.
        sky: weather and exposure.
        at: (3,) m, position of the camera.
        turn: (3, 3), map <- optical.
        spec: the camera.
    """
    place, of = _single_lamps(lamps)
    there = fixed((place - at) @ turn)
    pixel, seen = spec.project(there)
    far = np.linalg.norm(there, axis=1)
    deep = far if spec.model == "fisheye" else there[:, 2]
    inside = ((pixel > -50.0) & (pixel < np.array([spec.width, spec.height]) + 50.0)).all(axis=1)
    for k in np.flatnonzero(seen & inside & (far > _NEAR_M) & (far < spec.max_range_m)):
        share = _visible_share(depth, pixel[k, 0], pixel[k, 1], deep[k] - _SLACK_M)
        if share > 0.0:
            to_eye = fixed(place[k] - at)
            light = share * (_DRY + (_WET - _DRY) * sky.wet) * sky.exposure * lamps.rgb[of[k]]
            if lamps.aside[of[k]]:
                light = 0.5 * light
            _spread(rgb, pixel[k, 0], pixel[k, 1], 57.2958 / spec.fx, lamps, of[k], to_eye, light)


def _single_lamps(lamps: Lamps) -> tuple[np.ndarray, np.ndarray]:
    """Place (K, 3) m of each lamp, those of a pair apart, and its row (K,) in `lamps`."""
    pair = np.flatnonzero(lamps.aside)
    of = np.concatenate([np.arange(len(lamps.kind)), pair])
    side = np.ones(len(of))
    side[len(lamps.kind) :] = -1.0
    place = lamps.position[of].copy()
    place[:, 0] -= side * lamps.aside[of] * lamps.axis[of, 1]
    place[:, 1] += side * lamps.aside[of] * lamps.axis[of, 0]
    return place, of


@njit(cache=True)
def _visible_share(depth, x, y, deep):
    """Share of the pixels around an image point behind which nothing is nearer than `deep` (m)."""
    height, width = depth.shape
    seen, of = 0, 0
    for i in range(int(y) - 1, int(y) + 2):
        for j in range(int(x) - 1, int(x) + 2):
            if 0 <= i < height and 0 <= j < width:
                of += 1
                seen += depth[i, j] > deep
    return seen / of if of else 0.0


@njit(cache=True)
def _spread(rgb, x, y, degrees, lamps: Lamps, n, to_lamp, light):
    # x, y: image point; degrees: a pixel's; n: row of the lamp; to_lamp: (3,) m; light: (3,) exposed, at 1 m
    power = lamp_power(lamps, n, to_lamp[0], to_lamp[1], to_lamp[2])
    most = max(light[0], light[1], light[2]) * power
    reach2 = min(most / _LEAST, _MOST_DEG * _MOST_DEG)
    if reach2 <= degrees * degrees:
        return
    height, width, _ = rgb.shape
    radius = np.sqrt(reach2) / degrees
    for i in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
        for j in range(max(int(x - radius), 0), min(int(x + radius) + 1, width)):
            angle2 = degrees * degrees * ((i + 0.5 - y) ** 2 + (j + 0.5 - x) ** 2)
            if angle2 < reach2:
                fade = 1.0 - angle2 / reach2
                glare = power * fade * fade / (angle2 + _CORE_DEG2)
                for c in range(3):
                    rgb[i, j, c] = _added(rgb[i, j, c], glare * light[c])


@device
def _added(value, light):
    """uint8 of a pixel to which exposed radiance is added; highlights are not lowered."""
    return max(value, tone_map(_EXPOSED[value] + light))
