"""Radiance of surfaces towards the camera, in linear RGB: a function of position alone, so it is stable over time."""

from __future__ import annotations

from functools import lru_cache
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.weather import Sky, sky_radiance
from uniscene_sim.compute.compiled import device, floor
from uniscene_sim.compute.keyed_random import unit_hash3, unit_hash4
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.layout import Light
from uniscene_sim.taxonomy import MATERIAL_RGB, Material
from uniscene_sim.tracing.agents import PosedAgents

__all__ = [
    "GAMMA",
    "GLOSS",
    "LINEAR_RGB",
    "RETRO",
    "Illumination",
    "SurfaceMaterial",
    "SurfacePoint",
    "agent_albedo",
    "apply_haze",
    "is_ground_material",
    "is_wall_material",
    "shade_surface",
    "shade_surface_plain",
    "tone_map",
    "untoned",
]

#: Linear albedo of each material, float64 (256, 3).
LINEAR_RGB = (MATERIAL_RGB / 255.0) ** 2.2
#: uint8 of linear values in 1/4095.
GAMMA = np.round(255.0 * (np.arange(4096) / 4095.0) ** (1 / 2.2)).astype(np.uint8)

_GROUND, _LEAF, _PANE, _PAINTED = 1, 2, 3, 4  # 0 is all else
_KIND = np.zeros(256, np.uint8)
for _kind, _materials in {
    _GROUND: "ASPHALT ASPHALT_OLD GRASS SOIL PARKING MEDIAN PAVING CROSSING_GAP KERB LINE_WHITE LINE_YELLOW STOP_LINE "
    "CROSSING_STRIPE ARROW EDGE_LINE CENTRE_LINE_WHITE LINE_BLUE LINE_RED LINE_ORANGE LINE_GREEN LINE_VIOLET",
    _LEAF: "FOLIAGE FOLIAGE_DARK FOLIAGE_LIGHT HEDGE",
    _PANE: "WINDOW GLASS SHOP_FRONT",
    _PAINTED: "BODY CHROME RIM",
}.items():
    for _name in _materials.split():
        _KIND[Material[_name]] = _kind
for _label in (11, 12, 13, 14, 17):
    _KIND[_label] = _GROUND
_KIND[16] = _LEAF

#: Exponent of the lobe in which lamps shine on varnish and glass, 0 on all else.
GLOSS = np.zeros(256)
GLOSS[[Material.BODY, Material.CHROME, Material.RIM]] = 120.0
GLOSS[[Material.GLASS, Material.WINDOW, Material.SHOP_FRONT]] = 2000.0
#: Whether a material sends light back to where it came from: number plates, signs, rear lights, sheeting.
RETRO = np.zeros(256, np.bool_)
for _name in "SIGN_WHITE SIGN_RED SIGN_BLUE SIGN_YELLOW TAILLIGHT CONE_WHITE BARRIER_WHITE BARRIER_RED".split():
    RETRO[Material[_name]] = True

#: Bits of `Light` that switch a lamp of each material on; 0 is not a lamp.
_LIT = np.zeros(256, np.uint8)
_LIT[Material.HEADLIGHT] = Light.HEAD
_LIT[Material.TAILLIGHT] = Light.BRAKE
_LIT[Material.INDICATOR_LEFT] = Light.LEFT
_LIT[Material.INDICATOR_RIGHT] = Light.RIGHT
_LIT[Material.LAMP_RED] = Light.RED
_LIT[Material.LAMP_YELLOW] = Light.YELLOW
_LIT[Material.LAMP_GREEN] = Light.GREEN
_HEAD, _TAIL, _LAMP = Light.HEAD, int(Material.TAILLIGHT), int(Material.LAMP)
_FIRST_WALL, _LAST_WALL = int(Material.WALL_BRICK), int(Material.SHOP_FRONT)
_GRASS, _SOIL, _SHOP, _WINDOW = int(Material.GRASS), int(Material.SOIL), int(Material.SHOP_FRONT), int(Material.WINDOW)
_AMBIENT = 0.42
_ROOM_M, _STOREY_M = 2.6, 3.1  # size of a room, whose windows are lit together
_ROOMS_LIT = 0.35
# Keys of random numbers.
_ROOM, _GRAVEL, _BROAD, _BROADER, _DRIFT, _FINE, _COARSE, _LEAF_X, _LEAF_Y, _LEAF_Z = range(131, 141)


def agent_albedo(agents: PosedAgents, body: np.ndarray) -> np.ndarray:
    """Linear albedo float64 (N, 3, 3) of each agent's body, upper and lower clothes.

    `body` (N, 3) is the paint as sRGB, 0..255.
    """
    n = len(agents.id)
    out = np.empty((n, 3, 3))
    out[:, 0] = (body / 255.0) ** 2.2
    for i, colour in enumerate(agents.colour.tolist()):
        out[i, 1:] = _clothes(colour)
    return out


@lru_cache(4096)
def _clothes(colour: int) -> np.ndarray:
    """Linear albedo (2, 3) of upper and lower clothes, by a colour seed."""
    random = np.random.default_rng([colour, 77])
    upper = (0.12 + 0.75 * random.random(3)) ** 2.2
    return np.stack([upper, (0.10 + 0.30 * random.random() + 0.12 * random.random(3)) ** 2.2])


@device
def is_ground_material(material):
    """Whether a material is ground, which puddles and snow may cover."""
    return _KIND[material] == _GROUND


@device
def is_wall_material(material):
    """Whether a material belongs to a house."""
    return _FIRST_WALL <= material <= _LAST_WALL


@device
def shade_surface_plain(sky: Sky, red, green, blue, nx, ny, nz):
    """Radiance by sun and sky alone, linear RGB: no shadow, no detail, no haze.

    Args:
        sky: illumination.
        red, green, blue: linear albedo.
        nx, ny, nz: unit normal, map frame.
    """
    facing = max(0.0, nx * sky.sun[0] + ny * sky.sun[1] + nz * sky.sun[2])
    up = (0.5 + 0.5 * nz) * _AMBIENT
    return (
        red * (facing * sky.sunlight[0] + up * (sky.zenith[0] + sky.horizon[0]) + 0.1 * sky.bounce[0]),
        green * (facing * sky.sunlight[1] + up * (sky.zenith[1] + sky.horizon[1]) + 0.1 * sky.bounce[1]),
        blue * (facing * sky.sunlight[2] + up * (sky.zenith[2] + sky.horizon[2]) + 0.1 * sky.bounce[2]),
    )


@device
def _emission(sky: Sky, material, lights, on_agent, x, y, z, nx, ny):
    """Emission of a lamp or of a window with its light on, 0 elsewhere, and whether it is a window."""
    if on_agent:
        mask = _LIT[material]
        if mask and lights & mask:
            return 3.0, False
        if material == _TAIL and lights & _HEAD:
            return 1.5, False
        return 0.0, False
    if sky.darkness <= 0.0:
        return 0.0, False
    if material == _LAMP:
        return 4.0 * sky.darkness, False
    if material == _WINDOW or material == _SHOP:
        px, py = x - 0.2 * nx, y - 0.2 * ny
        room = unit_hash4(_ROOM, floor(px / _ROOM_M), floor(py / _ROOM_M), floor(z / _STOREY_M))
        if material == _SHOP:
            return sky.darkness * (0.5 + 0.3 * room), True
        if room < _ROOMS_LIT:
            return sky.darkness * (0.25 + 1.1 * room), True
    return 0.0, False


class SurfaceMaterial(NamedTuple):
    """Material, albedo and lights of a surface."""

    material: int
    red: float  # albedo, linear
    green: float
    blue: float
    lights: int  # bits of the agent, 0 on the world
    on_agent: bool  # then without the world-fixed detail, which would slide over a moving body


class SurfacePoint(NamedTuple):
    """A point of a surface and its normal, map frame."""

    x: float  # m
    y: float
    z: float
    nx: float
    ny: float
    nz: float


class Illumination(NamedTuple):
    """Light that reaches a point."""

    sun: float  # visible share, 0..1
    sky: float  # visible share, 0..1
    lamp_r: float  # irradiance from lamps, linear
    lamp_g: float
    lamp_b: float
    shine_r: float  # radiance of lamps that a glossy or retro-reflective surface sends to the camera, linear
    shine_g: float
    shine_b: float


@device
def shade_surface(sky: Sky, surface: SurfaceMaterial, at: SurfacePoint, dx, dy, dz, pixel_m, light: Illumination):
    """Radiance of a surface towards the camera, linear RGB, before haze.

    Args:
        sky: illumination and weather.
        surface: material and albedo.
        at: point and normal.
        dx, dy, dz: unit direction from the camera.
        pixel_m: width of a pixel there, m; finer detail is faded out.
        light: that reaches the point.
    """
    material, red, green, blue, lights, on_agent = surface
    x, y, z, nx, ny, nz = at
    sunlit, sky_share, lamp_r, lamp_g, lamp_b, shine_r, shine_g, shine_b = light
    kind = _KIND[material]
    glow, room = _emission(sky, material, lights, on_agent, x, y, z, nx, ny)
    if glow > 0.0 and not room:
        return glow * red + 0.03 + shine_r, glow * green + 0.03 + shine_g, glow * blue + 0.03 + shine_b
    if on_agent and material >= 128 and _LIT[material]:
        red, green, blue = 0.12 * red, 0.12 * green, 0.12 * blue
    detail = 1.0
    if not on_agent:
        px, py, pz = x - 1e-4 * nx, y - 1e-4 * ny, z - 1e-4 * nz
        if kind == _GROUND:
            near = max(0.0, 1.0 - pixel_m / 0.15)
            if near > 0.0:
                detail += 0.16 * near * (unit_hash3(_GRAVEL, floor(px * 16), floor(py * 16)) - 0.5)
            broad = value_noise(0.55 * px, 0.55 * py, _BROAD)
            detail += 0.22 * (broad - 0.5) + 0.14 * (value_noise(0.08 * px, 0.08 * py, _BROADER) - 0.5)
            if sky.snow > 0.0:
                # Deeper on open ground than on roads and walkways, which are cleared.
                depth = 1.0 if material == _GRASS or material == _SOIL else 0.45
                drift = 0.6 * broad + 0.4 * value_noise(2.1 * px, 2.1 * py, _DRIFT) - 0.5
                cover = sky.snow * min(max(depth + 1.1 * drift, 0.04), 0.96)
                red += (0.85 - red) * cover
                green += (0.88 - green) * cover
                blue += (0.93 - blue) * cover
            if sky.wet > 0.0:
                dark = 1.0 - 0.42 * sky.wet
                red, green, blue = red * dark, green * dark, blue * dark
        else:
            near = max(0.0, 1.0 - pixel_m / 0.4)
            strength = 0.45 if kind == _LEAF else 0.10
            i, j, k = floor(px * 10), floor(py * 10), floor(pz * 10)
            if near > 0.0:
                detail += strength * near * (unit_hash4(_FINE, i, j, k) - 0.5)
            coarse = unit_hash4(_COARSE, floor(px * 2.5), floor(py * 2.5), floor(pz * 2.5))
            detail += (0.25 if kind == _LEAF else 0.06) * (coarse - 0.5)
            if kind == _LEAF:  # leaves face anywhere, mostly up
                nx += 0.9 * (unit_hash4(_LEAF_X, i, j, k) - 0.5)
                ny += 0.9 * (unit_hash4(_LEAF_Y, i, j, k) - 0.5)
                nz += 0.45 + 0.6 * (unit_hash4(_LEAF_Z, i, j, k) - 0.5)
                length = sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
    if sky.snow > 0.0 and nz > 0.45 and kind != _GROUND:
        cover = sky.snow * min(1.0, (nz - 0.45) * 3.0) * (0.75 if kind == _LEAF or on_agent else 0.95)
        red, green, blue = red + (0.82 - red) * cover, green + (0.85 - green) * cover, blue + (0.90 - blue) * cover
    red, green, blue = red * detail, green * detail, blue * detail
    facing = max(0.0, nx * sky.sun[0] + ny * sky.sun[1] + nz * sky.sun[2]) * sunlit
    up = (0.5 + 0.5 * nz) * _AMBIENT * sky_share
    down = (0.5 - 0.5 * nz) * (0.4 + 0.6 * sky_share)
    r = red * (facing * sky.sunlight[0] + up * (sky.zenith[0] + sky.horizon[0]) + down * sky.bounce[0] + lamp_r)
    g = green * (facing * sky.sunlight[1] + up * (sky.zenith[1] + sky.horizon[1]) + down * sky.bounce[1] + lamp_g)
    b = blue * (facing * sky.sunlight[2] + up * (sky.zenith[2] + sky.horizon[2]) + down * sky.bounce[2] + lamp_b)
    if kind == _PANE or kind == _PAINTED:
        cosine = nx * dx + ny * dy + nz * dz
        mx, my, mz = dx - 2 * cosine * nx, dy - 2 * cosine * ny, dz - 2 * cosine * nz
        fresnel = (1.0 - min(1.0, abs(cosine))) ** 4
        mirror = 0.16 + 0.7 * fresnel if kind == _PANE else 0.05 + 0.5 * fresnel
        sr, sg, sb = sky_radiance(sky, mx, my, max(mz, 0.0), False)
        below = min(max(0.5 - 6.0 * mz, 0.0), 1.0)  # below the horizon, the ground is reflected as one blur
        sr, sg, sb = (
            sr + below * (1.5 * sky.bounce[0] - sr),
            sg + below * (1.5 * sky.bounce[1] - sg),
            sb + below * (1.5 * sky.bounce[2] - sb),
        )
        glint = 0.45 * sunlit * max(0.0, mx * sky.sun[0] + my * sky.sun[1] + mz * sky.sun[2]) ** 80
        r = r * (1 - mirror) + mirror * sr + glint * sky.sunlight[0]
        g = g * (1 - mirror) + mirror * sg + glint * sky.sunlight[1]
        b = b * (1 - mirror) + mirror * sb + glint * sky.sunlight[2]
    if room:
        r, g, b = r + 0.55 * glow, g + 0.40 * glow, b + 0.22 * glow
    return r + shine_r, g + shine_g, b + shine_b


@device
def apply_haze(sky: Sky, t, r, g, b):
    """Radiance (r, g, b) after t metres of haze, which absorbs light and adds the horizon's.

    Args:
        sky: its haze and horizon.
        t: distance, m.
        r, g, b: linear radiance of the surface.
    """
    clear = exp(-sky.haze * t)
    return (
        r * clear + sky.horizon[0] * 0.92 * (1 - clear),
        g * clear + sky.horizon[1] * 0.92 * (1 - clear),
        b * clear + sky.horizon[2] * 0.92 * (1 - clear),
    )


@device
def tone_map(value):
    """uint8 sRGB of a linear value; highlights are compressed above 0.7."""
    v = 0.72 * value
    if v > 0.7:
        v = 0.7 + 0.3 * (1.0 - exp(-(v - 0.7) / 0.3))
    return GAMMA[int(min(max(v, 0.0), 1.0) * 4095.0)]


@device
def untoned(value):
    """The linear value of which `tone_map` shows a share of white; the inverse of its curve."""
    v = min(max(value, 0.0), 0.995)
    return (v if v <= 0.7 else 0.7 - 0.3 * log(1.0 - (v - 0.7) / 0.3)) / 0.72
