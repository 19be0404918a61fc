"""Image effects after rendering: motion blur, rain, snow and sensor noise. Depth and labels are not changed."""

from __future__ import annotations

from math import sqrt

import numpy as np

from uniscene_sim.camera.raycast.shading import GAMMA
from uniscene_sim.camera.weather import Sky
from uniscene_sim.compute.compiled import njit, nogil_kernel
from uniscene_sim.compute.keyed_random import key_of, normal_pair, unit_hash, unit_hash3
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec

__all__ = ["add_noise", "add_precipitation", "blur_motion", "image_motion"]

#: Linear value of each uint8.
_LINEAR = (np.arange(256) / 255.0) ** 2.2
_TAPS = 9  # samples of the motion blur
_SKY_M = 1e5  # depth that stands for the sky
_STREAKS_PX, _FLAKES_PX = 900, 700  # pixels per rain streak, per snowflake
_DROPS = 9  # on the lens
_DROP_US = 2_500_000  # lifetime of a drop


def add_noise(rgb: np.ndarray, sigma: float, key: np.uint64) -> None:
    """Add shot and read noise to `rgb` uint8 (H, W, 3), in place.

    The standard deviation is `sigma` (a share of full scale) at white and a tenth of it at black; `key` seeds it.
    """
    map_threads(lambda rows: _add_noise(rgb, sigma, key, *rows), row_ranges(len(rgb)))


@nogil_kernel
def _add_noise(rgb, sigma, key, first, last):
    width = rgb.shape[1]
    for v in range(first, last):
        for u in range(width):
            for c in range(3):
                at = (v * width + u) * 3 + c
                normal, _ = normal_pair(unit_hash3(key, at, 0), unit_hash3(key, at, 1))
                value = _LINEAR[rgb[v, u, c]]
                value += sigma * sqrt(value + 0.01) * normal
                rgb[v, u, c] = GAMMA[int(min(max(value, 0.0), 1.0) * 4095.0)]


def image_motion(spec: CameraSpec, depth: np.ndarray, instance: np.ndarray, frame: LayoutFrame) -> np.ndarray:
    """Image motion of each pixel's surface while the shutter is open.

    Ego and agents are taken to move at constant velocity, the ego at constant yaw rate; the sky only rotates.

    Args:
        spec: the camera.
        depth: float32 (H, W) m, inf on the sky.
        instance: uint16 (H, W), ids of agents.
        frame: the state at the end of the exposure.

    Returns:
        float64 (H, W, 2) px, NaN where unknown.
    """
    seconds = 1e-3 * spec.shutter_ms
    v, u = np.indices(depth.shape)
    rays, seen = spec.unproject(np.column_stack([u.ravel() + 0.5, v.ravel() + 0.5]))
    away = np.minimum(depth.ravel().astype(float), _SKY_M)
    points = rays * (away if spec.model == "fisheye" else away / np.maximum(rays[:, 2], 1e-6))[:, None]
    ego = frame.ego_pose
    x, y, z = ego.position - seconds * frame.ego_velocity
    before = Pose(x, y, z, ego.roll, ego.pitch, ego.yaw - seconds * frame.ego_yaw_rate)
    now_at, then_at = (p.compose(spec.pose).position for p in (ego, before))
    now, then = (p.rotation @ spec.rotation_base_from_optical for p in (ego, before))
    world = now_at + points @ now.T
    ids, velocity = frame.agents["id"], frame.agents["vel"]
    if len(ids):
        order = np.argsort(ids)
        at = order[np.clip(np.searchsorted(ids[order], instance.ravel()), 0, len(ids) - 1)]
        moves = ids[at] == instance.ravel()
        world[moves] -= seconds * velocity[at[moves]]
    pixels, before_lens = spec.project((world - then_at) @ then)
    motion = np.column_stack([u.ravel() + 0.5, v.ravel() + 0.5]) - pixels
    motion[~(seen & before_lens)] = np.nan
    flow: np.ndarray = motion.reshape(*depth.shape, 2)
    return flow


def blur_motion(rgb: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Average of linear light along each pixel's motion while the shutter is open.

    Args:
        rgb: uint8 (H, W, 3).
        motion: float64 (H, W, 2) px, NaN where unknown.

    Returns:
        uint8 (H, W, 3).
    """
    out = np.empty_like(rgb)
    map_threads(lambda rows: _blur_motion(rgb, motion, out, *rows), row_ranges(len(rgb)))
    return out


@nogil_kernel
def _blur_motion(rgb, motion, out, first, last):
    height, width, _ = rgb.shape
    for v in range(first, last):
        for u in range(width):
            du, dv = motion[v, u, 0], motion[v, u, 1]
            if not abs(du) + abs(dv) > 0.5:
                out[v, u, 0], out[v, u, 1], out[v, u, 2] = rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2]
                continue
            r, g, b = 0.0, 0.0, 0.0
            for k in range(_TAPS):
                f = k / (_TAPS - 1.0) - 0.5
                i = min(max(int(v + 0.5 + f * dv), 0), height - 1)
                j = min(max(int(u + 0.5 + f * du), 0), width - 1)
                r, g, b = r + _LINEAR[rgb[i, j, 0]], g + _LINEAR[rgb[i, j, 1]], b + _LINEAR[rgb[i, j, 2]]
            out[v, u, 0] = GAMMA[int(r / _TAPS * 4095.0)]
            out[v, u, 1] = GAMMA[int(g / _TAPS * 4095.0)]
            out[v, u, 2] = GAMMA[int(b / _TAPS * 4095.0)]


def add_precipitation(rgb: np.ndarray, depth: np.ndarray, sky: Sky, frame: LayoutFrame, spec: CameraSpec) -> None:
    """Draw rain or snow in the air, and rain drops on the lens, into an image.

    Args:
        rgb: uint8 (H, W, 3), changed in place.
        depth: float32 (H, W) m; only what is nearer than the scene is drawn.
        sky: tells what falls, and how bright it is.
        frame: seed and stamp.
        spec: the camera; its name keys the random numbers.
    """
    key = key_of(frame.seed, frame.stamp_us, spec.name)
    light = np.clip(255.0 * (0.72 * sky.exposure * sky.horizon) ** (1 / 2.2), 40.0, 235.0)
    if sky.precipitation == 1:
        _draw_rain_streaks(rgb, depth, light, key)
        drops, lens = [], int(key_of(frame.seed, spec.name))
        for k in range(_DROPS):  # their lifetimes are staggered
            life = (frame.stamp_us + k * _DROP_US // _DROPS) // _DROP_US
            u, v, r = (unit_hash(lens, k, life, n) for n in range(3))
            drops.append((u * rgb.shape[1], v * rgb.shape[0], (0.010 + 0.022 * r) * rgb.shape[0]))
        _draw_lens_drops(rgb, rgb.copy(), np.array(drops))
    elif sky.precipitation == 2:
        _draw_snowflakes(rgb, depth, light, key)


@njit(cache=True)
def _draw_rain_streaks(rgb, depth, light, key):
    height, width, _ = rgb.shape
    for q in range(height * width // _STREAKS_PX):
        x, y = unit_hash3(key, q, 0) * width, unit_hash3(key, q, 1) * height
        metres = 1.5 + 14.0 * unit_hash3(key, q, 2) ** 2
        length = 0.55 * height / metres
        slant = 0.06 * (unit_hash3(key, q, 3) - 0.3)
        alpha = 0.20 / sqrt(metres)
        for s in range(int(length) + 1):
            i, j = int(y + s), int(x + s * slant)
            if 0 <= i < height and 0 <= j < width and depth[i, j] > metres:
                for c in range(3):
                    rgb[i, j, c] = np.uint8(rgb[i, j, c] + alpha * (light[c] - rgb[i, j, c]))


@njit(cache=True)
def _draw_snowflakes(rgb, depth, light, key):
    height, width, _ = rgb.shape
    for q in range(height * width // _FLAKES_PX):
        x, y = unit_hash3(key, q, 0) * width, unit_hash3(key, q, 1) * height
        metres = 1.2 + 22.0 * unit_hash3(key, q, 2) ** 1.5
        radius = 0.011 * height / metres
        low, high = 0.45, min(1.0, 0.35 + radius)
        for i in range(int(y - radius), int(y + radius) + 1):
            for j in range(int(x - radius), int(x + radius) + 1):
                if 0 <= i < height and 0 <= j < width and depth[i, j] > metres:
                    away = sqrt((i + 0.5 - y) ** 2 + (j + 0.5 - x) ** 2) / (radius + 0.5)
                    alpha = max(0.0, 1.0 - away) * low * high * 2.0
                    for c in range(3):
                        white = min(255.0, 1.12 * light[c])
                        rgb[i, j, c] = np.uint8(rgb[i, j, c] + min(alpha, 1.0) * (white - rgb[i, j, c]))


@njit(cache=True)
def _draw_lens_drops(rgb, behind, drops):
    """Each drop (x, y, radius px) is a small lens that shows its surroundings upside down."""
    height, width, _ = rgb.shape
    for q in range(drops.shape[0]):
        x, y, radius = drops[q]
        for i in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
            for j in range(max(int(x - radius), 0), min(int(x + radius) + 1, width)):
                du, dv = j + 0.5 - x, i + 0.5 - y
                rim = sqrt(du * du + dv * dv) / radius
                if rim < 1.0:
                    a = min(max(int(x - 3.5 * du), 0), width - 1)
                    b = min(max(int(y - 3.5 * dv), 0), height - 1)
                    shade = 1.0 - 0.35 * rim**4
                    mix = min(1.0, 3.0 * (1.0 - rim))
                    for c in range(3):
                        rgb[i, j, c] = np.uint8(rgb[i, j, c] + mix * (shade * behind[b, a, c] - rgb[i, j, c]))
