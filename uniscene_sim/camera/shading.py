"""Light for ray-cast images: sun, sky, surface detail and haze, in linear RGB. All of it is a function of place."""

from __future__ import annotations

from math import exp, floor, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from uniscene_sim.compiled import device
from uniscene_sim.layout import Light, Style
from uniscene_sim.taxonomy import MATERIAL_RGB, Material
from uniscene_sim.tracing.agents import PosedAgents

__all__ = ["GAMMA", "LINEAR_RGB", "Sky", "agent_albedo", "encode", "sky_of", "sky_radiance", "surface"]

#: Linear albedo of each material, float64 (256, 3).
LINEAR_RGB = (MATERIAL_RGB / 255.0) ** 2.2
#: uint8 of linear values in 1/4095.
GAMMA = np.round(255.0 * (np.arange(4096) / 4095.0) ** (1 / 2.2)).astype(np.uint8)

_BODY, _CLOTH_UPPER, _CLOTH_LOWER = int(Material.BODY), int(Material.CLOTH_UPPER), int(Material.CLOTH_LOWER)
_PLAIN, _GROUND, _LEAF, _PANE, _PAINTED, _MASONRY = 0, 1, 2, 3, 4, 5
_KIND = np.zeros(256, np.uint8)
for _kind, _materials in {
    _GROUND: "ASPHALT ASPHALT_OLD GRASS SOIL PARKING MEDIAN PAVING CROSSING_GAP",
    _LEAF: "FOLIAGE FOLIAGE_DARK FOLIAGE_LIGHT HEDGE",
    _PANE: "WINDOW GLASS SHOP_FRONT",
    _PAINTED: "BODY CHROME RIM",
    _MASONRY: "WALL_BRICK WALL_PLASTER WALL_CONCRETE WALL_SAND WALL_BLUE ROOF_TILE ROOF_SLATE ROOF_FLAT BRIDGE",
}.items():
    for _name in _materials.split():
        _KIND[Material[_name]] = _kind
for _label in (11, 12, 13, 14, 17):
    _KIND[_label] = _GROUND
_KIND[16] = _LEAF

#: Bits of `lights` that light a lamp of each material up; 0 is not a lamp.
_LIT = np.zeros(256, np.uint8)
_LIT[Material.HEADLIGHT] = Light.HEAD
_LIT[Material.TAILLIGHT] = Light.BRAKE
_LIT[Material.INDICATOR_LEFT] = Light.LEFT
_LIT[Material.INDICATOR_RIGHT] = Light.RIGHT
_LIT[Material.LAMP_RED] = Light.RED
_LIT[Material.LAMP_YELLOW] = Light.YELLOW
_LIT[Material.LAMP_GREEN] = Light.GREEN
_HEAD, _TAIL = Light.HEAD, int(Material.TAILLIGHT)

#: Sunlight left, clouds, and haze per metre by weather.
_WEATHER = {
    "clear": (1.0, 0.45, 0.0012),
    "cloudy": (0.45, 0.8, 0.0020),
    "overcast": (0.12, 1.0, 0.0028),
    "rain": (0.08, 1.0, 0.0060),
    "fog": (0.05, 1.0, 0.0200),
}


class Sky(NamedTuple):
    sun: np.ndarray  # (3,) unit vector towards the sun, map frame
    sunlight: np.ndarray  # (3,) linear RGB
    zenith: np.ndarray  # (3,)
    horizon: np.ndarray  # (3,)
    bounce: np.ndarray  # (3,) light from below
    clouds: float  # share of the sky
    haze: float  # 1/m


def sky_of(style: Style) -> Sky:
    """Sun and sky of a style; x is taken as east, weather that is not known as clear."""
    sunlight, clouds, haze = _WEATHER.get(style.weather.lower(), _WEATHER["clear"])
    hour = np.pi * (style.time_of_day_h - 6.0) / 12.0
    height = np.sin(hour)
    elevation = np.radians(max(12.0, 58.0 * height))
    # south of the map at noon; at night the same sun stands low and dim, as a moon
    azimuth = -hour + 0.35
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    day = float(np.clip(0.06 + 1.6 * height, 0.06, 1.0))
    low = float(np.clip(1.0 - 1.8 * height, 0.0, 1.0))  # redder near the horizon
    grey = np.array([0.62, 0.66, 0.70])
    cover = max(0.0, clouds - 0.45) / 0.55
    zenith = day * ((1 - cover) * np.array([0.17, 0.34, 0.72]) + cover * 0.75 * grey)
    horizon = day * ((1 - cover) * np.array([0.72, 0.86, 1.0 - 0.3 * low]) + cover * grey)
    warm = np.array([1.0, 0.94 - 0.25 * low, 0.84 - 0.45 * low])
    return Sky(
        sun, 2.1 * sunlight * day * warm, zenith, horizon, 0.16 * day * np.array([1.0, 0.95, 0.85]), clouds, haze
    )


def agent_albedo(agents: PosedAgents, body: np.ndarray) -> np.ndarray:
    """Linear (N, 3, 3): body, upper and lower clothes of each agent; `body` (N, 3) is 0..255."""
    n = len(agents.id)
    out = np.empty((n, 3, 3))
    out[:, 0] = (body / 255.0) ** 2.2
    for i in range(n):
        random = np.random.default_rng([int(agents.colour[i]), 77])
        out[i, 1] = (0.12 + 0.75 * random.random(3)) ** 2.2
        out[i, 2] = (0.10 + 0.30 * random.random() + 0.12 * random.random(3)) ** 2.2
    return out


@device
def _hash(x, y, z):
    """0..1, fixed for three integers."""
    h = (
        np.uint32(x) * np.uint32(0x8DA6B343)
        ^ np.uint32(y) * np.uint32(0xD8163841)
        ^ np.uint32(z) * np.uint32(0xCB1AB31F)
    )
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
    h = h ^ (h >> np.uint32(15))
    return np.float64(h & np.uint32(0xFFFFFF)) / 16777215.0


@device
def _smooth(x, y, salt):
    """Value noise 0..1 with cells of one unit."""
    i, j = floor(x), floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = _hash(i, j, salt) * (1.0 - u) + _hash(i + 1, j, salt) * u
    high = _hash(i, j + 1, salt) * (1.0 - u) + _hash(i + 1, j + 1, salt) * u
    return low * (1.0 - v) + high * v


@device
def sky_radiance(sky: Sky, dx, dy, dz, clouds):
    """Linear RGB of the sky along a unit direction, with or without clouds."""
    up = max(dz, 0.0)
    f = sqrt(up)
    r = sky.horizon[0] + (sky.zenith[0] - sky.horizon[0]) * f
    g = sky.horizon[1] + (sky.zenith[1] - sky.horizon[1]) * f
    b = sky.horizon[2] + (sky.zenith[2] - sky.horizon[2]) * f
    if clouds and dz > 0.01:
        x, y = dx / (dz + 0.12), dy / (dz + 0.12)
        n = (
            0.55 * _smooth(1.1 * x, 1.1 * y, 1)
            + 0.28 * _smooth(2.7 * x, 2.7 * y, 2)
            + 0.17 * _smooth(6.1 * x, 6.1 * y, 3)
        )
        cover = min(max((n - 0.85 + 0.7 * sky.clouds) * 2.2, 0.0), 0.85) * min(1.0, 8.0 * dz)
        white = 0.25 + 0.62 * (sky.sunlight[0] / 2.1)
        r, g, b = r + (white - r) * cover, g + (white - g) * cover, b + (1.02 * white - b) * cover
    glow = max(0.0, dx * sky.sun[0] + dy * sky.sun[1] + dz * sky.sun[2]) ** 64
    return r + 0.25 * glow * sky.sunlight[0], g + 0.25 * glow * sky.sunlight[1], b + 0.25 * glow * sky.sunlight[2]


@device
def surface(sky: Sky, material, red, green, blue, lights, x, y, z, nx, ny, nz, dx, dy, dz, t, pixel_m, on_agent, lit):
    """Linear RGB that a surface sends to the camera, haze included.

    Args:
        red, green, blue: albedo.
        lights: bits of the agent, 0 on the world.
        x, y, z: the point; nx, ny, nz: normal; dx, dy, dz: from the camera; t: distance, m.
        pixel_m: width of a pixel there; detail finer than it is faded out.
        on_agent: whether it is an agent's: detail is fixed to the world and would swim over what moves.
        lit: share of the sun that reaches the point, 0..1.
    """
    kind = _KIND[material]
    mask = _LIT[material]
    if mask and on_agent:
        glow = 0.0
        if lights & mask:
            glow = 1.0
        elif material == _TAIL and lights & _HEAD:
            glow = 0.35
        if glow > 0.0:
            fade = exp(-0.5 * sky.haze * t)
            glow *= 3.0 * fade
            return glow * red + 0.03, glow * green + 0.03, glow * blue + 0.03
        if material >= 128:
            red, green, blue = 0.12 * red, 0.12 * green, 0.12 * blue
    detail = 1.0
    if not on_agent:
        px, py, pz = x - 1e-4 * nx, y - 1e-4 * ny, z - 1e-4 * nz
        if kind == _GROUND:
            near = max(0.0, 1.0 - pixel_m / 0.15)
            if near > 0.0:
                detail += 0.16 * near * (_hash(floor(px * 16), floor(py * 16), 5) - 0.5)
            detail += 0.22 * (_smooth(0.55 * px, 0.55 * py, 6) - 0.5) + 0.14 * (_smooth(0.08 * px, 0.08 * py, 7) - 0.5)
        else:
            near = max(0.0, 1.0 - pixel_m / 0.4)
            strength = 0.45 if kind == _LEAF else 0.10
            i, j, k = floor(px * 10), floor(py * 10), floor(pz * 10)
            if near > 0.0:
                detail += strength * near * (_hash(i, j, k) - 0.5)
            coarse = _hash(floor(px * 2.5), floor(py * 2.5), floor(pz * 2.5))
            detail += (0.25 if kind == _LEAF else 0.06) * (coarse - 0.5)
            if kind == _LEAF:  # leaves face anywhere, mostly up
                nx += 0.9 * (_hash(i, j, k + 1013) - 0.5)
                ny += 0.9 * (_hash(i, j, k + 2017) - 0.5)
                nz += 0.45 + 0.6 * (_hash(i, j, k + 3023) - 0.5)
                length = sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
    red, green, blue = red * detail, green * detail, blue * detail
    facing = max(0.0, nx * sky.sun[0] + ny * sky.sun[1] + nz * sky.sun[2]) * lit
    up = 0.5 + 0.5 * nz
    ambient = 0.42
    r = red * (facing * sky.sunlight[0] + up * ambient * (sky.zenith[0] + sky.horizon[0]) + (1 - up) * sky.bounce[0])
    g = green * (facing * sky.sunlight[1] + up * ambient * (sky.zenith[1] + sky.horizon[1]) + (1 - up) * sky.bounce[1])
    b = blue * (facing * sky.sunlight[2] + up * ambient * (sky.zenith[2] + sky.horizon[2]) + (1 - up) * sky.bounce[2])
    if kind == _PANE or kind == _PAINTED:
        cosine = nx * dx + ny * dy + nz * dz
        mx, my, mz = dx - 2 * cosine * nx, dy - 2 * cosine * ny, dz - 2 * cosine * nz
        fresnel = (1.0 - min(1.0, abs(cosine))) ** 4
        mirror = 0.16 + 0.7 * fresnel if kind == _PANE else 0.05 + 0.5 * fresnel
        sr, sg, sb = sky_radiance(sky, mx, my, max(mz, 0.0), False)
        down = min(max(0.5 - 6.0 * mz, 0.0), 1.0)  # what lies below the horizon is a blur of the ground
        sr, sg, sb = (
            sr + down * (1.5 * sky.bounce[0] - sr),
            sg + down * (1.5 * sky.bounce[1] - sg),
            sb + down * (1.5 * sky.bounce[2] - sb),
        )
        glint = 1.5 * lit * max(0.0, mx * sky.sun[0] + my * sky.sun[1] + mz * sky.sun[2]) ** 80
        r = r * (1 - mirror) + mirror * sr + glint * sky.sunlight[0] * 0.3
        g = g * (1 - mirror) + mirror * sg + glint * sky.sunlight[1] * 0.3
        b = b * (1 - mirror) + mirror * sb + glint * sky.sunlight[2] * 0.3
    clear = exp(-sky.haze * t)
    return (
        r * clear + sky.horizon[0] * 0.92 * (1 - clear),
        g * clear + sky.horizon[1] * 0.92 * (1 - clear),
        b * clear + sky.horizon[2] * 0.92 * (1 - clear),
    )


@njit(cache=True, inline="always")
def encode(value):
    """uint8 of a linear value; highlights are rolled off above 0.7."""
    v = 0.72 * value
    if v > 0.7:
        v = 0.7 + 0.3 * (1.0 - exp(-(v - 0.7) / 0.3))
    return GAMMA[int(min(max(v, 0.0), 1.0) * 4095.0)]
