"""Reflectance of surfaces at 905 nm: diffuse, specular and retro-reflective."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.taxonomy import MATERIAL_RGB, Material
from uniscene_sim.tracing.templates.template_set import body_rgb

__all__ = ["ALBEDO", "Surfaces", "body_reflectance", "echo_strength", "plain_surfaces", "surfaces_of"]

_LEAVES = (Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT, Material.HEDGE, Material.GRASS)
_SIGNS = (Material.SIGN_WHITE, Material.SIGN_RED, Material.SIGN_BLUE, Material.SIGN_YELLOW)
_BODY = int(Material.BODY)
#: Oren's and Nayar's coefficients for light that returns whence it came, with slopes of 30 degrees.
_SLOPE = np.radians(30.0) ** 2
_FACING, _GRAZING = float(1.0 - 0.5 * _SLOPE / (_SLOPE + 0.33)), float(0.45 * _SLOPE / (_SLOPE + 0.09))


def _albedo() -> np.ndarray:
    """float32 (256,), estimated from colour and material; used by LiDARs without `detect_range_m`."""
    albedo: np.ndarray = MATERIAL_RGB.astype(np.float64).mean(axis=1) / 255.0
    # leaves are bright in the near infrared; signs and lamps are retro-reflective; glass lets light through
    for material in _LEAVES:
        albedo[material] = max(0.45, albedo[material])
    for material in _SIGNS:
        albedo[material] = 0.95
    for material in (Material.HEADLIGHT, Material.TAILLIGHT):
        albedo[material] = 0.85
    for material in (Material.WINDOW, Material.GLASS):
        albedo[material] = 0.08
    return albedo.astype(np.float32)


ALBEDO = _albedo()


class Surfaces(NamedTuple):
    """Reflectances in the current weather, relative to a white diffuse surface that faces the sensor."""

    diffuse: np.ndarray  # float64 (256,) by Material
    specular: np.ndarray  # float64 (256,), at normal incidence
    retro: np.ndarray  # float64 (256,), of corner cubes and glass beads
    mirror: np.ndarray  # float64 (256,), share that is mirrored at normal incidence
    body: np.ndarray  # float64 (N,), diffuse, of the agents' paint
    wet: bool  # water on the ground
    snow: bool  # snow on the ground
    rough: bool  # dry ground returns as rough surfaces do, not as Lambert's


#: Diffuse, specular, retro. Asphalt, leaves and paint as in spectral libraries for the near infrared; the reflective
#: sheeting of signs returns hundreds of times what white paint does, beads in lane paint less than the paint itself.
_TABLE: dict[str, tuple[float, float, float]] = {
    "ASPHALT": (0.11, 0, 0), "ASPHALT_OLD": (0.17, 0, 0), "PARKING": (0.15, 0, 0),
    "LINE_WHITE": (0.45, 0, 0.25), "LINE_YELLOW": (0.40, 0, 0.20), "STOP_LINE": (0.45, 0, 0.20),
    "CROSSING_STRIPE": (0.42, 0, 0.15), "CROSSING_GAP": (0.12, 0, 0), "ARROW": (0.42, 0, 0.20),
    "EDGE_LINE": (0.42, 0, 0.20), "CENTRE_LINE_WHITE": (0.45, 0, 0.25),
    "LINE_BLUE": (0.25, 0, 0.12), "LINE_RED": (0.38, 0, 0.15), "LINE_ORANGE": (0.40, 0, 0.18),
    "LINE_GREEN": (0.25, 0, 0.12), "LINE_VIOLET": (0.30, 0, 0.12),
    "PAVING": (0.28, 0, 0), "KERB": (0.32, 0, 0), "GRASS": (0.50, 0, 0), "SOIL": (0.25, 0, 0), "MEDIAN": (0.25, 0, 0),
    "WALL_BRICK": (0.35, 0, 0), "WALL_PLASTER": (0.60, 0, 0), "WALL_CONCRETE": (0.35, 0, 0),
    "WALL_SAND": (0.45, 0, 0), "WALL_BLUE": (0.45, 0, 0), "WINDOW": (0.03, 1.0, 0), "DOOR": (0.25, 0, 0),
    "ROOF_TILE": (0.35, 0, 0), "ROOF_FLAT": (0.20, 0, 0), "ROOF_SLATE": (0.12, 0, 0), "CHIMNEY": (0.30, 0, 0),
    "SHOP_FRONT": (0.08, 1.0, 0), "ROOM": (0.45, 0, 0), "POLE": (0.25, 0.5, 0), "FENCE": (0.40, 0, 0),
    "SIGN_WHITE": (0.50, 0, 300), "SIGN_RED": (0.45, 0, 60), "SIGN_BLUE": (0.25, 0, 30), "SIGN_YELLOW": (0.45, 0, 200),
    "BENCH": (0.40, 0, 0), "BRIDGE": (0.35, 0, 0), "GUARD_RAIL": (0.40, 1.0, 0), "LAMP": (0.35, 0, 0.3),
    "TRUNK": (0.35, 0, 0), "FOLIAGE": (0.50, 0, 0), "FOLIAGE_DARK": (0.42, 0, 0), "FOLIAGE_LIGHT": (0.55, 0, 0),
    "HEDGE": (0.48, 0, 0),
    "BODY": (0.30, 1.0, 0), "BODY_TRIM": (0.06, 0, 0), "GLASS": (0.03, 1.0, 0), "TYRE": (0.05, 0, 0),
    "RIM": (0.35, 1.0, 0), "CHROME": (0.30, 3.0, 0), "HEADLIGHT": (0.15, 0.5, 2), "TAILLIGHT": (0.12, 0, 30),
    "INDICATOR_LEFT": (0.20, 0, 3), "INDICATOR_RIGHT": (0.20, 0, 3), "CARGO": (0.55, 0, 0),
    "CLOTH_UPPER": (0.45, 0, 0), "CLOTH_LOWER": (0.35, 0, 0), "SKIN": (0.55, 0, 0), "HAIR": (0.15, 0, 0),
    "CONE_ORANGE": (0.50, 0, 0), "CONE_WHITE": (0.50, 0, 100), "BARRIER_RED": (0.45, 0, 15),
    "BARRIER_WHITE": (0.50, 0, 50), "LAMP_RED": (0.10, 0, 1), "LAMP_YELLOW": (0.10, 0, 1),
    "LAMP_GREEN": (0.10, 0, 1), "SIGNAL_HOUSING": (0.06, 0, 0),
}  # fmt: skip


#: Smooth surfaces by their share of mirrored light at normal incidence: glass on both sides, clear coats on one.
_MIRRORS = {
    Material.WINDOW: 0.08, Material.SHOP_FRONT: 0.08, Material.GLASS: 0.08, Material.BODY: 0.04, Material.CHROME: 0.6,
}  # fmt: skip


def _mirrors() -> np.ndarray:
    mirror = np.zeros(256)
    mirror[list(_MIRRORS)] = list(_MIRRORS.values())
    return mirror


def _surfaces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Diffuse, specular and retro, float64 (256,) each; materials without a row are estimated from their colour."""
    diffuse = 0.1 + 0.5 * (MATERIAL_RGB.astype(np.float64).mean(axis=1) / 255.0) ** 2.2
    specular, retro = np.zeros(256), np.zeros(256)
    for name, row in _TABLE.items():
        diffuse[Material[name]], specular[Material[name]], retro[Material[name]] = row
    return diffuse, specular, retro


_SURFACES = (*_surfaces(), _mirrors())
_NOTHING = np.zeros(256)


def surfaces_of(colour: np.ndarray, wet: bool, snow: bool, rough: bool = False) -> Surfaces:
    """Surfaces of a scene.

    Args:
        colour: seeds (N,) of the agents' paint.
        wet, snow: what lies on the ground.
        rough: whether dry ground returns as rough surfaces do.
    """
    return Surfaces(*_SURFACES, body_reflectance(colour), wet, snow, rough)


def plain_surfaces(colour: np.ndarray) -> Surfaces:
    """Surfaces for a LiDAR without `detect_range_m`: diffuse alone, paint alike on all agents."""
    body = np.full(len(colour), ALBEDO[_BODY], np.float64)
    return Surfaces(ALBEDO.astype(np.float64), _NOTHING, _NOTHING, _NOTHING, body, False, False, False)


def body_reflectance(colour: np.ndarray) -> np.ndarray:
    """Diffuse reflectance of the paint of agents, float64 (N,), from their colour seeds (N,): 4 % black, 60 % white."""
    rgb = np.asarray(body_rgb(colour), np.float64).reshape(-1, 3) / 255.0
    reflectance: np.ndarray = 0.04 + 0.68 * (rgb**2.2).mean(axis=1)
    return reflectance


@njit(cache=True)
def echo_strength(surfaces: Surfaces, material, cosine, normal_z, agent_row):
    """Strength of an echo, relative to a white diffuse surface that faces the sensor.

    Diffuse reflection falls with the cosine of incidence, retro-reflection with its root. Rough ground keeps a third of
    it at grazing incidence, where its grains still face the sensor (Oren and Nayar, with slopes of 30 degrees). A film
    of water darkens ground and reflects grazing beams away (Fresnel, by Schlick). Snow lies on surfaces that face up.

    Args:
        surfaces: reflectances.
        material: index.
        cosine: of incidence.
        normal_z: z of the unit normal.
        agent_row: row of the agent, negative for the world.
    """
    diffuse = surfaces.diffuse[material]
    if agent_row >= 0 and material == _BODY:
        diffuse = surfaces.body[agent_row]
    retro = surfaces.retro[material]
    if agent_row < 0 and normal_z > 0.7:
        if surfaces.snow:
            return 0.8 * cosine
        if surfaces.wet:
            through = 1.0 - (0.02 + 0.98 * (1.0 - cosine) ** 5)
            return (0.5 * diffuse * cosine + 0.3 * retro * np.sqrt(cosine)) * through * through
        if surfaces.rough:
            return diffuse * (_FACING * cosine + _GRAZING * (1.0 - cosine * cosine)) + retro * np.sqrt(cosine)
    specular = surfaces.specular[material]
    if specular > 0.0:
        sharp = cosine * cosine
        sharp *= sharp
        sharp *= sharp
        specular *= (sharp * sharp) ** 8  # cosine to the 128th, 6 degrees wide
    return diffuse * cosine + specular + retro * np.sqrt(cosine)
