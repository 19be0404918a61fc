"""Lamps at night: street lights where a tile has lamp material, headlights and rear lights of all vehicles.

They light what is matt, shine in what is glossy, and come back from retro-reflectors to eyes beside them.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.raycast.ground_bins import GroundBins, bin_range, make_ground_bins
from uniscene_sim.compute.compiled import device
from uniscene_sim.layout import LayoutFrame, Light
from uniscene_sim.taxonomy import AgentClass

__all__ = ["Lamps", "active_lamps", "lamp_light", "lamp_power", "lamp_retro", "lamp_shine"]

_STREET, _HEAD, _REAR = 0, 1, 2
_STREET_REACH_M, _HEAD_REACH_M, _REAR_REACH_M = 24.0, 60.0, 14.0
_STREET_RGB, _HEAD_RGB = (40.0, 31.0, 19.0), (330.0, 317.0, 286.0)
_TAIL_RGB, _BRAKE_RGB = (0.9, 0.035, 0.02), (2.6, 0.11, 0.06)
_BROAD_M2 = 6.0  # added to the squared distance: a street light is an area, so nearby light stays bounded
_EVEN_M2 = 130.0  # added to the squared distance: a dipped beam lights the road evenly
_ABOVE_CUT = 0.08  # share of a dipped beam above its cut-off
_GLOSS = 0.03  # of wet asphalt and varnish, which are dirty and rough
_RETRO_GAIN, _RETRO_SHARP, _RETRO_END = 25.0, 400.0, 0.015  # by 1 - cosine of the angle between lamp and eye
_TWO_WHEELS_M = 1.0  # vehicles narrower than this have one lamp
_LAMP_M = 0.7  # height of vehicles' lamps
_BIN_M = 16.0


class Lamps(NamedTuple):
    """L light sources."""

    position: np.ndarray  # float64 (L, 3) m
    axis: np.ndarray  # float64 (L, 2) unit, direction of a headlight
    kind: np.ndarray  # uint8 (L,): 0 street light, 1 headlights, 2 rear lights
    rgb: np.ndarray  # float64 (L, 3) linear, at 1 m
    aside: np.ndarray  # float64 (L,) m, of the two lamps of a pair from its middle; 0: a single one


def active_lamps(
    frame: LayoutFrame, street: np.ndarray, dark: float, centre: np.ndarray, far_m: float
) -> tuple[Lamps, GroundBins]:
    """Lamps around a place, and bins of the ground that each reaches; none by day.

    Args:
        frame: agents and ego with their lights.
        street: float (S, 3) m, street lights.
        dark: 0..1, intensity of lamps.
        centre: float64 (3,) m.
        far_m: the camera's range; street lights beyond are left out, since their tiles may not be loaded.
    """
    at, axis, kind, rgb, aside, reach = [], [], [], [], [], []
    if dark > 0.0:
        near = street[np.hypot(*(street[:, :2] - centre[:2]).T) < far_m]
        at += list(near)
        axis += [(1.0, 0.0)] * len(near)
        kind += [_STREET] * len(near)
        rgb += [_STREET_RGB] * len(near)
        aside += [0.0] * len(near)
        reach += [_STREET_REACH_M] * len(near)
        vehicles = frame.agents[frame.agents["cls"] <= AgentClass.MOTORCYCLE]
        rows = [(a["pos"], float(a["rpy"][2]), *a["size"][:2].tolist(), int(a["lights"])) for a in vehicles]
        ego, box = frame.ego_pose, frame.ego_vehicle
        bits = Light.HEAD | (Light.BRAKE if frame.ego_accel < -0.5 else 0)
        middle = ego.apply(np.array([box.rear_axle_to_centre_m, 0.0, 0.0]))
        rows.append((middle, ego.yaw, box.length_m, box.width_m, bits))
        for pos, yaw, long, wide, lights in rows:
            ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
            rear = _BRAKE_RGB if lights & Light.BRAKE else _TAIL_RGB
            for bit, what, sign, colour, far in (
                (Light.HEAD, _HEAD, 1.0, _HEAD_RGB, _HEAD_REACH_M),
                (Light.HEAD | Light.BRAKE, _REAR, -1.0, rear, _REAR_REACH_M),
            ):
                if lights & bit:
                    at.append(pos + sign * 0.5 * long * ahead + np.array([0.0, 0.0, _LAMP_M]))
                    axis.append((sign * ahead[0], sign * ahead[1]))
                    kind.append(what)
                    rgb.append(colour)
                    aside.append(max(0.5 * wide - 0.25, 0.0) if wide > _TWO_WHEELS_M else 0.0)
                    reach.append(far)
    places = np.array(at, float).reshape(-1, 3)
    lamps = Lamps(
        places,
        np.array(axis, float).reshape(-1, 2),
        np.array(kind, np.uint8),
        dark * np.array(rgb, float).reshape(-1, 3),
        np.array(aside, float),
    )
    return lamps, make_ground_bins(places[:, :2], np.array(reach, float), centre, far_m + _BIN_M, _BIN_M)


@device
def lamp_power(lamps: Lamps, n, vx, vy, vz):
    """Irradiance, as a share of that at 1 m, on a surface that faces lamp `n`, which is at (vx, vy, vz) m from it."""
    d2 = vx * vx + vy * vy + vz * vz + 0.05
    d = sqrt(d2)
    if lamps.kind[n] == _STREET:
        fade = max(0.0, 1.0 - d / _STREET_REACH_M)
        return fade * min(1.0, max(0.0, 0.25 + vz / d)) / (d2 + _BROAD_M2)
    along = -(vx * lamps.axis[n, 0] + vy * lamps.axis[n, 1])
    if lamps.kind[n] == _REAR:
        return max(0.0, 1.0 - d / _REAR_REACH_M) * min(1.0, max(0.0, 3.0 * along / d)) / d2
    if along <= 0.0:
        return 0.0
    aside = (-vx * -lamps.axis[n, 1] + -vy * lamps.axis[n, 0]) / along
    up = -vz / along
    # A dipped beam: wide and flat, cut off a little below the horizon.
    cut = 1.0 / (1.0 + exp(min(60.0, max(-60.0, (up + 0.008) * 90.0))))
    beam = exp(-((aside / 0.45) ** 2)) * (_ABOVE_CUT + (1.0 - _ABOVE_CUT) * cut)
    return max(0.0, 1.0 - (d / _HEAD_REACH_M) ** 2) * beam / (d2 + _EVEN_M2)


@device
def lamp_light(lamps: Lamps, bins: GroundBins, x, y, z, nx, ny, nz):
    """Irradiance from lamps on a surface, linear RGB.

    Args:
        lamps: all light sources.
        bins: lamps by the ground that they reach.
        x, y, z: point, m.
        nx, ny, nz: its unit normal.
    """
    r, g, b = 0.0, 0.0, 0.0
    begin, end = bin_range(bins, x, y)
    for q in range(begin, end):
        n = bins.rows[q]
        vx, vy, vz = lamps.position[n, 0] - x, lamps.position[n, 1] - y, lamps.position[n, 2] - z
        facing = (nx * vx + ny * vy + nz * vz) / sqrt(vx * vx + vy * vy + vz * vz + 0.05)
        if facing <= 0.0:
            continue
        strength = lamp_power(lamps, n, vx, vy, vz)
        strength *= sqrt(facing) if lamps.kind[n] == _HEAD else facing
        r, g, b = r + strength * lamps.rgb[n, 0], g + strength * lamps.rgb[n, 1], b + strength * lamps.rgb[n, 2]
    return r, g, b


@device
def lamp_shine(lamps: Lamps, bins: GroundBins, x, y, z, nx, ny, nz, dx, dy, dz, sharp):
    """Radiance of lamps mirrored by a glossy surface that is not quite smooth, linear RGB: streaks on wet asphalt.

    Args:
        lamps, bins, x, y, z, nx, ny, nz: as in `lamp_light`.
        dx, dy, dz: unit direction from the camera.
        sharp: exponent of the lobe around the mirrored direction.
    """
    r, g, b = 0.0, 0.0, 0.0
    begin, end = bin_range(bins, x, y)
    for q in range(begin, end):
        n = bins.rows[q]
        pair = lamps.aside[n] > 0.0
        for side in range(-1 if pair else 0, 2 if pair else 1, 2):
            vx = lamps.position[n, 0] - x - side * lamps.aside[n] * lamps.axis[n, 1]
            vy = lamps.position[n, 1] - y + side * lamps.aside[n] * lamps.axis[n, 0]
            vz = lamps.position[n, 2] - z
            if nx * vx + ny * vy + nz * vz <= 0.0:
                continue
            d = sqrt(vx * vx + vy * vy + vz * vz + 1e-4)
            hx, hy, hz = vx / d - dx, vy / d - dy, vz / d - dz
            length = sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            off = 1.0 - (nx * hx + ny * hy + nz * hz) / length
            if off * sharp > 8.0:
                continue
            # Blinn's and Phong's lobe with Fresnel's reflectance by Schlick, of water or varnish
            away = 1.0 - min(1.0, max(0.0, -(hx * dx + hy * dy + hz * dz) / length))
            strength = lamp_power(lamps, n, vx, vy, vz) * (0.03 + 0.97 * away**5) * sharp * exp(-sharp * off)
            strength *= _GLOSS * (0.5 if pair else 1.0)
            r, g, b = r + strength * lamps.rgb[n, 0], g + strength * lamps.rgb[n, 1], b + strength * lamps.rgb[n, 2]
    return r, g, b


@device
def lamp_retro(lamps: Lamps, bins: GroundBins, x, y, z, dx, dy, dz):
    """Irradiance, linear RGB, from headlights so near to the eye that a retro-reflector sends it there, times its gain.

    Args:
        lamps, bins, x, y, z: as in `lamp_light`.
        dx, dy, dz: unit direction from the camera.
    """
    r, g, b = 0.0, 0.0, 0.0
    begin, end = bin_range(bins, x, y)
    for q in range(begin, end):
        n = bins.rows[q]
        if lamps.kind[n] != _HEAD:
            continue
        vx, vy, vz = lamps.position[n, 0] - x, lamps.position[n, 1] - y, lamps.position[n, 2] - z
        apart = 1.0 + (vx * dx + vy * dy + vz * dz) / sqrt(vx * vx + vy * vy + vz * vz + 1e-4)
        if apart < _RETRO_END:
            strength = _RETRO_GAIN * exp(-_RETRO_SHARP * apart) * lamp_power(lamps, n, vx, vy, vz)
            r, g, b = r + strength * lamps.rgb[n, 0], g + strength * lamps.rgb[n, 1], b + strength * lamps.rgb[n, 2]
    return r, g, b
