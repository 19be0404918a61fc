"""One pixel of a picture: what the ray through its centre meets, and the mean of more rays where it lies on an edge."""

from __future__ import annotations

from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.raycast.ray import CameraScene, render_ray
from uniscene_sim.camera.raycast.shading import tone_map
from uniscene_sim.compute.compiled import device, inlined
from uniscene_sim.lens import FISHEYE, PINHOLE, pixel_ray
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, OccClass
from uniscene_sim.tracing.slabs import Ray

__all__ = ["ImageBuffers", "PosedCamera", "antialias_pixel", "is_edge", "render_pixel"]

_SKY = int(OccClass.FREE)
# ground: seen at a slant, its depth jumps from row to row without an edge
_FLAT = (11, 12, 13, 14, 17, 18, 19)
_OUTSIDE_LENS = -2.0


class PosedCamera(NamedTuple):
    """Where a camera is, how it sees, and the pixels that each agent may cover."""

    rotation: np.ndarray  # float64 (3, 3), map <- optical
    position: np.ndarray  # float64 (3,) m
    lens: np.ndarray  # float64 (11,), see `uniscene_sim.lens`
    spans: np.ndarray  # int64 (N, 4), see `uniscene_sim.camera.raycast.pixel_bounds`


class ImageBuffers(NamedTuple):
    """What is written; fields as in `CameraFrame`."""

    rgb: np.ndarray  # uint8 (H, W, 3)
    depth: np.ndarray  # float32 (H, W) m
    semantic: np.ndarray  # uint8 (H, W)
    instance: np.ndarray  # uint16 (H, W)


@device
def _pixel_direction(lens, rotation, px, py):
    """Unit direction in the map frame of an image point, and its cosine to the optical axis; `_OUTSIDE_LENS` where the
    lens has no ray."""
    if lens[0] == PINHOLE:
        cu, cv = (px - lens[3]) / lens[1], (py - lens[4]) / lens[2]
        scale = 1.0 / sqrt(cu * cu + cv * cv + 1.0)
        cu, cv = cu * scale, cv * scale
    else:
        cu, cv, scale, seen = pixel_ray(lens, px, py)
        if not seen:
            return 0.0, 0.0, 0.0, _OUTSIDE_LENS
    return (
        rotation[0, 0] * cu + rotation[0, 1] * cv + rotation[0, 2] * scale,
        rotation[1, 0] * cu + rotation[1, 1] * cv + rotation[1, 2] * scale,
        rotation[2, 0] * cu + rotation[2, 1] * cv + rotation[2, 2] * scale,
        scale,
    )


@inlined
def render_pixel(scene: CameraScene, eye: PosedCamera, picture: ImageBuffers, some, count, v, u):
    """Write the pixel in row `v` and column `u`, with the agents `some[:count]` in its way."""
    ox, oy, oz = eye.position[0], eye.position[1], eye.position[2]
    dx, dy, dz, scale = _pixel_direction(eye.lens, eye.rotation, u + 0.5, v + 0.5)
    if scale == _OUTSIDE_LENS:
        picture.depth[v, u], picture.semantic[v, u], picture.instance[v, u] = inf, _SKY, 0
        picture.rgb[v, u, 0], picture.rgb[v, u, 1], picture.rgb[v, u, 2] = 0, 0, 0
        return
    t, m, row, r, g, b = render_ray(scene, some, count, Ray(ox, oy, oz, dx, dy, dz), 1.0 / eye.lens[1])
    along = 1.0 if eye.lens[0] == FISHEYE else scale
    picture.depth[v, u], picture.semantic[v, u], picture.instance[v, u] = t * along, _SKY, 0
    if row >= 0:
        picture.semantic[v, u] = AGENT_OCC_CLASS[scene.agents.cls[row]]
        picture.instance[v, u] = scene.agents.id[row]
    elif t < inf:
        picture.semantic[v, u], picture.instance[v, u] = MATERIAL_LABEL[m], -1 - row
    exposure = scene.sky.exposure
    picture.rgb[v, u, 0], picture.rgb[v, u, 1] = tone_map(exposure * r), tone_map(exposure * g)
    picture.rgb[v, u, 2] = tone_map(exposure * b)


@device
def is_edge(picture: ImageBuffers, v, u):
    """Whether a pixel differs in kind from one beside it, or lies far before or behind it."""
    depth, semantic, instance = picture.depth, picture.semantic, picture.instance
    for q in range(4):
        i, j = v + (1 if q == 0 else (-1 if q == 1 else 0)), u + (1 if q == 2 else (-1 if q == 3 else 0))
        if 0 <= i < depth.shape[0] and 0 <= j < depth.shape[1]:
            if semantic[i, j] != semantic[v, u] or instance[i, j] != instance[v, u]:
                return True
            near, away = min(depth[i, j], depth[v, u]), max(depth[i, j], depth[v, u])
            if away > 1.15 * near and semantic[v, u] not in _FLAT:
                return True
    return False


@inlined
def antialias_pixel(scene: CameraScene, eye: PosedCamera, picture: ImageBuffers, some, count, v, u):
    """Give a pixel on an edge the mean colour of four rays."""
    ox, oy, oz, exposure = eye.position[0], eye.position[1], eye.position[2], scene.sky.exposure
    red, green, blue = 0.0, 0.0, 0.0
    for q in range(4):  # a rotated grid
        x, y = u + 0.125 + 0.25 * q, v + 0.125 + 0.25 * ((2 * q + 1) % 4 if q < 2 else 2 * (q - 2))
        dx, dy, dz, scale = _pixel_direction(eye.lens, eye.rotation, x, y)
        if scale == _OUTSIDE_LENS:
            continue
        _, _, _, r, g, b = render_ray(scene, some, count, Ray(ox, oy, oz, dx, dy, dz), 1.0 / eye.lens[1])
        most = 1.4 / exposure
        red, green, blue = red + min(r, most), green + min(g, most), blue + min(b, most)
    quarter = 0.25 * exposure
    picture.rgb[v, u, 0], picture.rgb[v, u, 1] = tone_map(quarter * red), tone_map(quarter * green)
    picture.rgb[v, u, 2] = tone_map(quarter * blue)
