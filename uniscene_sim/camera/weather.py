"""Illumination by time of day and weather: sun, sky, clouds and haze."""

from __future__ import annotations

from functools import lru_cache
from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.layout import Style

__all__ = ["Sky", "sky_of", "sky_radiance"]

#: Share of direct sunlight, cloud cover, haze (1/m), wetness of the ground, snow on it, precipitation (1 rain, 2 snow).
_WEATHER = {
    "clear": (1.0, 0.45, 0.0012, 0.0, 0.0, 0),
    "cloudy": (0.45, 0.8, 0.0020, 0.0, 0.0, 0),
    "overcast": (0.12, 1.0, 0.0028, 0.0, 0.0, 0),
    "rain": (0.08, 1.0, 0.0050, 1.0, 0.0, 1),
    "fog": (0.05, 1.0, 0.0200, 0.2, 0.0, 0),
    "snow": (0.10, 1.0, 0.0060, 0.1, 1.0, 2),
}
_THICK_M = 45.0  # of haze between camera and zenith
_CLOUDS = 121  # key of random numbers; the two after it are used, too
_NOON_DEG = 58.0  # elevation of the sun at noon
_MOON = np.array([0.42, -0.55, 0.72]) / np.linalg.norm([0.42, -0.55, 0.72])


class Sky(NamedTuple):
    """Illumination of a scene; colours are linear RGB."""

    sun: np.ndarray  # (3,) unit vector towards the sun, or the moon, map frame
    sunlight: np.ndarray  # (3,)
    zenith: np.ndarray  # (3,)
    horizon: np.ndarray  # (3,)
    glow: np.ndarray  # (3,) of the horizon below the sun, at dawn and dusk
    bounce: np.ndarray  # (3,) light reflected by the ground
    clouds: float  # share of the sky
    haze: float  # 1/m
    darkness: float  # 0 day, 1 night: intensity of lamps
    wet: float  # 0..1, of the ground
    snow: float  # 0..1, on the ground
    precipitation: int  # 0 nothing, 1 rain, 2 snow
    exposure: float  # factor on linear values before tone mapping


@lru_cache(64)
def sky_of(style: Style) -> Sky:
    """The sky of a style. The map's x axis is taken as east; unknown weather is clear."""
    left, clouds, haze, wet, snow, falls = _WEATHER.get(style.weather.lower(), _WEATHER["clear"])
    hour = np.pi * (style.time_of_day_h - 6.0) / 12.0
    height = _NOON_DEG * np.sin(hour)  # elevation of the sun, degrees; negative at night
    day = float(np.clip((height + 7.0) / 26.0, 0.0, 1.0)) ** 1.6
    low = float(np.clip(1.0 - height / 30.0, 0.0, 1.0))  # redder near the horizon
    cover = max(0.0, clouds - 0.45) / 0.55
    grey = np.array([0.62, 0.66, 0.70])
    night = np.array([0.010, 0.014, 0.026])
    zenith = night + day * ((1 - cover) * np.array([0.17, 0.34, 0.72]) + cover * 0.75 * grey)
    blue = np.array([0.72, 0.86 - 0.06 * low, 1.0 - 0.28 * low])
    horizon = 2.2 * night + day * ((1 - cover) * blue + cover * grey)
    twilight = float(np.exp(-(((height - 1.0) / 9.0) ** 2))) * (1.0 - 0.8 * cover)
    if height > -3.0:
        elevation = np.radians(max(height, 4.0))
        azimuth = -hour + 0.35  # south of the map at noon
        sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        warm = np.array([1.0, 0.94 - 0.36 * low, 0.84 - 0.62 * low])
        sunlight = 2.1 * left * float(np.clip((height + 1.0) / 14.0, 0.0, 1.0)) * warm
    else:
        sun, sunlight = _MOON, 0.035 * (1.0 - 0.9 * cover) * np.array([0.75, 0.85, 1.0])
    snowy = 1.0 + 0.6 * snow
    return Sky(
        sun,
        sunlight,
        zenith,
        horizon,
        twilight * np.array([0.85, 0.38, 0.12]),
        (0.004 + 0.16 * day) * snowy * np.array([1.0, 0.95, 0.85]),
        clouds,
        haze,
        float(np.clip((5.0 - height) / 8.0, 0.0, 1.0)),
        wet,
        snow,
        falls,
        float((0.10 + 0.90 * day) ** -0.55) * (1.0 + 0.45 * cover * day),
    )


@device
def sky_radiance(sky: Sky, dx, dy, dz, clouds):
    """Radiance of the sky, linear RGB.

    Args:
        sky: illumination.
        dx, dy, dz: unit direction, map frame.
        clouds: whether to add clouds and haze; reflections leave them out.
    """
    up = max(dz, 0.0)
    f = sqrt(up)
    r = sky.horizon[0] + (sky.zenith[0] - sky.horizon[0]) * f
    g = sky.horizon[1] + (sky.zenith[1] - sky.horizon[1]) * f
    b = sky.horizon[2] + (sky.zenith[2] - sky.horizon[2]) * f
    towards = dx * sky.sun[0] + dy * sky.sun[1] + dz * sky.sun[2]
    near = (1.0 - f) * (0.35 + 0.65 * max(0.0, towards) ** 3)
    r, g, b = r + near * sky.glow[0], g + near * sky.glow[1], b + near * sky.glow[2]
    if clouds and dz > 0.01:
        x, y = dx / (dz + 0.12), dy / (dz + 0.12)
        n = 0.55 * value_noise(1.1 * x, 1.1 * y, _CLOUDS) + 0.28 * value_noise(2.7 * x, 2.7 * y, _CLOUDS + 1)
        n += 0.17 * value_noise(6.1 * x, 6.1 * y, _CLOUDS + 2)
        cover = min(max((n - 0.85 + 0.7 * sky.clouds) * 2.2, 0.0), 0.85) * min(1.0, 8.0 * dz)
        wr = 0.28 * sky.horizon[0] + 0.3 * sky.sunlight[0] + 0.4 * near * sky.glow[0]
        wg = 0.28 * sky.horizon[1] + 0.3 * sky.sunlight[1] + 0.4 * near * sky.glow[1]
        wb = 0.28 * sky.horizon[2] + 0.3 * sky.sunlight[2] + 0.4 * near * sky.glow[2]
        r, g, b = r + (wr - r) * cover, g + (wg - g) * cover, b + (1.02 * wb - b) * cover
    if clouds:
        clear = exp(-_THICK_M * sky.haze / (up + 0.05))  # the air is thick towards the horizon, and in fog everywhere
        r, g, b = (
            r * clear + 0.92 * sky.horizon[0] * (1 - clear),
            g * clear + 0.92 * sky.horizon[1] * (1 - clear),
            b * clear + 0.92 * sky.horizon[2] * (1 - clear),
        )
    glow = 0.25 * max(0.0, towards) ** 64
    return r + glow * sky.sunlight[0], g + glow * sky.sunlight[1], b + glow * sky.sunlight[2]
