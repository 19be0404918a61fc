"""Rendering of one pixel: colour, depth and labels by the ray through its centre, and anti-aliasing of edges."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.raycast.ray import CameraScene, render_ray
from uniscene_sim.camera.raycast.shading import tone_map
from uniscene_sim.compute.compiled import device, inlined
from uniscene_sim.lens import FISHEYE
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, GROUND_CLASSES, MATERIAL_LABEL, OccClass
from uniscene_sim.tracing.camera_rays import OUTSIDE_LENS, PosedCamera, pixel_direction
from uniscene_sim.tracing.slabs import Ray

__all__ = ["ImageBuffers", "antialias_pixel", "is_edge", "render_pixel"]

_SKY = int(OccClass.FREE)
# at grazing angles the depth of ground jumps from row to row without an edge
_FLAT = tuple(int(c) for c in GROUND_CLASSES)


class ImageBuffers(NamedTuple):
    """Buffers to be filled; fields as in `CameraFrame`."""

    rgb: np.ndarray  # uint8 (H, W, 3)
    depth: np.ndarray  # float32 (H, W) m
    semantic: np.ndarray  # uint8 (H, W)
    instance: np.ndarray  # uint16 (H, W)


@inlined
def render_pixel(scene: CameraScene, camera: PosedCamera, image: ImageBuffers, candidates, count, v, u):
    """Trace, shade and write one pixel.

    Args:
        scene: what is rendered.
        camera: pose and lens.
        image: buffers, written.
        candidates, count: int64 (N,), of which the first `count` are the agents to test.
        v, u: row and column.
    """
    ox, oy, oz = camera.position[0], camera.position[1], camera.position[2]
    dx, dy, dz, scale = pixel_direction(camera.lens, camera.rotation, u + 0.5, v + 0.5)
    if scale == OUTSIDE_LENS:
        image.depth[v, u], image.semantic[v, u], image.instance[v, u] = inf, _SKY, 0
        image.rgb[v, u, 0], image.rgb[v, u, 1], image.rgb[v, u, 2] = 0, 0, 0
        return
    t, m, row, r, g, b = render_ray(scene, candidates, count, Ray(ox, oy, oz, dx, dy, dz), 1.0 / camera.lens[1])
    along = 1.0 if camera.lens[0] == FISHEYE else scale
    image.depth[v, u], image.semantic[v, u], image.instance[v, u] = t * along, _SKY, 0
    if row >= 0:
        image.semantic[v, u] = AGENT_OCC_CLASS[scene.agents.cls[row]]
        image.instance[v, u] = scene.agents.id[row]
    elif t < inf:
        image.semantic[v, u], image.instance[v, u] = MATERIAL_LABEL[m], -1 - row
    exposure = scene.sky.exposure
    image.rgb[v, u, 0], image.rgb[v, u, 1] = tone_map(exposure * r), tone_map(exposure * g)
    image.rgb[v, u, 2] = tone_map(exposure * b)


@device
def is_edge(image: ImageBuffers, v, u):
    """Whether a pixel differs from one of its four neighbours in class, instance, or much in depth."""
    depth, semantic, instance = image.depth, image.semantic, image.instance
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
def antialias_pixel(scene: CameraScene, camera: PosedCamera, image: ImageBuffers, candidates, count, v, u):
    """Give an edge pixel the mean colour of four rays.

    Args:
        scene: what is rendered.
        camera: pose and lens.
        image: buffers, of which the colour is written.
        candidates, count: int64 (N,), of which the first `count` are the agents to test.
        v, u: row and column.
    """
    ox, oy, oz, exposure = camera.position[0], camera.position[1], camera.position[2], scene.sky.exposure
    red, green, blue = 0.0, 0.0, 0.0
    for q in range(4):  # a rotated grid
        x, y = u + 0.125 + 0.25 * q, v + 0.125 + 0.25 * ((2 * q + 1) % 4 if q < 2 else 2 * (q - 2))
        dx, dy, dz, scale = pixel_direction(camera.lens, camera.rotation, x, y)
        if scale == OUTSIDE_LENS:
            continue
        _, _, _, r, g, b = render_ray(scene, candidates, count, Ray(ox, oy, oz, dx, dy, dz), 1.0 / camera.lens[1])
        most = 1.4 / exposure  # clamped, so that one bright sample does not decide the mean
        red, green, blue = red + min(r, most), green + min(g, most), blue + min(b, most)
    quarter = 0.25 * exposure
    image.rgb[v, u, 0], image.rgb[v, u, 1] = tone_map(quarter * red), tone_map(quarter * green)
    image.rgb[v, u, 2] = tone_map(quarter * blue)
