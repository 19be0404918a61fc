"""Lamps at night: street lights where a tile has lamp material, headlights and brake lights of all vehicles."""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.raycast.ground_bins import GroundBins, bin_range, make_ground_bins
from uniscene_sim.compute.compiled import device
from uniscene_sim.layout import LayoutFrame, Light
from uniscene_sim.taxonomy import AgentClass

__all__ = ["Lamps", "active_lamps", "lamp_light"]

_STREET_REACH_M, _HEAD_REACH_M = 24.0, 60.0
_STREET_RGB, _HEAD_RGB, _BRAKE_RGB = (40.0, 31.0, 19.0), (260.0, 250.0, 225.0), (1.1, 0.05, 0.03)
_BROAD_M2 = 6.0  # added to the squared distance: a street light is an area, so nearby light stays bounded
_EVEN_M2 = 130.0  # added to the squared distance: a dipped beam lights the road evenly
_BRAKE_REACH_M = 7.0
_BIN_M = 16.0
_STREET, _HEAD, _BRAKE = 0, 1, 2


class Lamps(NamedTuple):
    """L light sources."""

    position: np.ndarray  # float64 (L, 3) m
    axis: np.ndarray  # float64 (L, 2) unit, direction of a headlight
    kind: np.ndarray  # uint8 (L,): 0 street light, 1 headlight, 2 brake light
    rgb: np.ndarray  # float64 (L, 3) linear, at 1 m


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
    at, axis, kind, rgb, reach = [], [], [], [], []
    if dark > 0.0:
        near = street[np.hypot(*(street[:, :2] - centre[:2]).T) < far_m]
        at += list(near)
        axis += [(1.0, 0.0)] * len(near)
        kind += [_STREET] * len(near)
        rgb += [_STREET_RGB] * len(near)
        reach += [_STREET_REACH_M] * len(near)
        vehicles = frame.agents[frame.agents["cls"] <= AgentClass.MOTORCYCLE]
        rows = [(a["pos"], float(a["rpy"][2]), 0.5 * a["size"][0], int(a["lights"])) for a in vehicles]
        ego, box = frame.ego_pose, frame.ego_vehicle
        bits = Light.HEAD | (Light.BRAKE if frame.ego_accel < -0.5 else 0)
        rows.append((ego.apply(np.array([box.rear_axle_to_centre_m, 0.0, 0.0])), ego.yaw, 0.5 * box.length_m, bits))
        for pos, yaw, half, lights in rows:
            ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
            for bit, what, sign, colour, far in (
                (Light.HEAD, _HEAD, 1.0, _HEAD_RGB, _HEAD_REACH_M),
                (Light.BRAKE, _BRAKE, -1.0, _BRAKE_RGB, _BRAKE_REACH_M),
            ):
                if lights & bit:
                    at.append(pos + sign * half * ahead + np.array([0.0, 0.0, 0.7]))
                    axis.append((sign * ahead[0], sign * ahead[1]))
                    kind.append(what)
                    rgb.append(colour)
                    reach.append(far)
    places = np.array(at, float).reshape(-1, 3)
    lamps = Lamps(
        places,
        np.array(axis, float).reshape(-1, 2),
        np.array(kind, np.uint8),
        dark * np.array(rgb, float).reshape(-1, 3),
    )
    return lamps, make_ground_bins(places[:, :2], np.array(reach, float), centre, far_m + _BIN_M, _BIN_M)


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
        d2 = vx * vx + vy * vy + vz * vz + 0.05
        d = sqrt(d2)
        facing = (nx * vx + ny * vy + nz * vz) / d
        if facing <= 0.0:
            continue
        strength = facing / d2
        if lamps.kind[n] == _STREET:
            strength = facing / (d2 + _BROAD_M2) * max(0.0, 1.0 - d / _STREET_REACH_M)
            strength *= min(1.0, max(0.0, 0.25 + vz / d))
        elif lamps.kind[n] == _HEAD:
            along = -(vx * lamps.axis[n, 0] + vy * lamps.axis[n, 1])
            if along <= 0.0:
                continue
            aside = (-vx * -lamps.axis[n, 1] + -vy * lamps.axis[n, 0]) / along
            up = -vz / along
            # A dipped beam: wide and flat, cut off a little below the horizon.
            cut = 1.0 / (1.0 + exp(min(60.0, max(-60.0, (up + 0.008) * 90.0))))
            strength = facing**0.5 / (d2 + _EVEN_M2) * exp(-((aside / 0.45) ** 2)) * (0.04 + 0.96 * cut)
            strength *= max(0.0, 1.0 - d / _HEAD_REACH_M)
        else:
            strength *= max(0.0, 1.0 - d / _BRAKE_REACH_M)
        r, g, b = r + strength * lamps.rgb[n, 0], g + strength * lamps.rgb[n, 1], b + strength * lamps.rgb[n, 2]
    return r, g, b
