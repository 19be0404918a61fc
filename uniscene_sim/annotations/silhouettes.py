"""Silhouettes of agents traced alone: unoccluded pixels, extent, and the share outside the image."""

from __future__ import annotations

from math import acos, asin, cos, floor, inf, pi, sin, sqrt

import numpy as np
from numba import prange

from uniscene_sim.compute.compiled import njit
from uniscene_sim.lens import project_points, unproject_pixels
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays
from uniscene_sim.tracing.kernels import trace_agent
from uniscene_sim.tracing.slabs import Ray

__all__ = ["share_outside_image", "unoccluded_extent", "visible_pixels"]

_BLOCK = 16  # px
_DIRECTIONS = 2048
_GOLDEN = pi * (3.0 - sqrt(5.0))


def visible_pixels(instance: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of pixels, int64 (N,), and bounding box, float32 (N, 4) px (left, top, right, bottom; NaN: no pixel), of
    each id (N,) in an instance image (H, W)."""
    row_of = np.full(1 << 16, -1, np.int32)
    row_of[ids] = np.arange(len(ids))
    row_of[0] = -1
    count, extent = _visible(instance, row_of, len(ids))
    return count, np.where(count[:, None] > 0, extent, np.nan).astype(np.float32)


@njit(cache=True)
def _visible(instance, row_of, n):
    count, extent = np.zeros(n, np.int64), np.empty((n, 4))
    for v in range(instance.shape[0]):
        for u in range(instance.shape[1]):
            row = row_of[instance[v, u]]
            if row < 0:
                continue
            if count[row] == 0:
                extent[row, 0], extent[row, 1], extent[row, 2], extent[row, 3] = u, v, u + 1, v + 1
            extent[row, 0], extent[row, 2] = min(extent[row, 0], u), max(extent[row, 2], u + 1)
            extent[row, 3] = v + 1
            count[row] += 1
    return count, extent


def unoccluded_extent(
    agents: PosedAgents, templates: TemplateArrays, spec: CameraSpec, rotation: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and extent of each agent without occlusion by anything else.

    Args:
        agents: N agents.
        templates: their shapes.
        spec: the camera.
        rotation: float64 (3, 3), map <- optical.
        position: float64 (3,) m, of the camera.

    Returns:
        int64 (N,), pixels whose ray hits the agent; float64 (N, 4) px (left, top, right, bottom; inf and -inf: none),
        extent of the pixel centres whose ray hits its box.
    """
    rows = -(-spec.height // _BLOCK)
    count = np.zeros((rows, len(agents.id)), np.int64)
    extent = np.empty((rows, len(agents.id), 4))
    extent[...] = (inf, inf, -inf, -inf)
    size = (spec.height, spec.width)
    _alone(
        agents, templates, spec.lens, np.ascontiguousarray(rotation), position, size, spec.max_range_m, count, extent
    )
    return count.sum(axis=0), np.hstack([extent[:, :, :2].min(axis=0), extent[:, :, 2:].max(axis=0)])


@njit(cache=True, parallel=True)
def _alone(agents: PosedAgents, templates: TemplateArrays, lens, rotation, position, size, far, count, extent):
    """Write counts and extents by rows of blocks; agents whose bounding sphere misses a block's cone are skipped.

    Args:
        agents, templates: N agents and their shapes.
        lens: float64 (11,).
        rotation, position: float64 (3, 3), (3,) m, pose of the camera.
        size: height and width, px.
        far: range, m.
        count, extent: int64 (B, N), float64 (B, N, 4) px, written by row of blocks.
    """
    for row in prange(count.shape[0]):
        v0, v1 = row * _BLOCK, min((row + 1) * _BLOCK, size[0])
        for u0 in range(0, size[1], _BLOCK):
            u1 = min(u0 + _BLOCK, size[1])
            pixels = np.empty(((v1 - v0) * (u1 - u0), 2))
            for i in range(pixels.shape[0]):
                pixels[i, 0], pixels[i, 1] = u0 + i % (u1 - u0) + 0.5, v0 + i // (u1 - u0) + 0.5
            rays, valid = unproject_pixels(lens, pixels)
            rays = rays @ rotation.T
            axis, half = _cone(rays, valid)
            if half < 0.0:
                continue
            for n in range(agents.template.shape[0]):
                to = agents.centre[n] - position
                away = sqrt(to[0] ** 2 + to[1] ** 2 + to[2] ** 2)
                if away - agents.radius[n] > far:
                    continue
                if away > agents.radius[n]:
                    off = acos(_unit((to[0] * axis[0] + to[1] * axis[1] + to[2] * axis[2]) / away))
                    if off > half + asin(agents.radius[n] / away) + 1e-9:
                        continue
                for i in range(pixels.shape[0]):
                    if not valid[i]:
                        continue
                    if _intersects_box(agents, n, position, rays[i], far):
                        extent[row, n, 0] = min(extent[row, n, 0], pixels[i, 0])
                        extent[row, n, 1] = min(extent[row, n, 1], pixels[i, 1])
                        extent[row, n, 2] = max(extent[row, n, 2], pixels[i, 0])
                        extent[row, n, 3] = max(extent[row, n, 3], pixels[i, 1])
                    if _intersects_agent(agents, templates, n, position, rays[i], far):
                        count[row, n] += 1


@njit(cache=True)
def _cone(rays, valid):
    """Axis (3,) and half angle (rad) of a cone around all valid rays (N, 3); a half angle of -1 if there is none."""
    axis = np.zeros(3)
    for i in range(rays.shape[0]):
        if valid[i]:
            axis += rays[i]
    length = sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    if length < 1e-9:
        return axis, pi if valid.any() else -1.0
    axis /= length
    least = 1.0
    for i in range(rays.shape[0]):
        if valid[i]:
            least = min(least, rays[i, 0] * axis[0] + rays[i, 1] * axis[1] + rays[i, 2] * axis[2])
    return axis, acos(_unit(least))


@njit(cache=True, inline="always")
def _unit(value):
    return max(-1.0, min(1.0, value))


@njit(cache=True)
def _intersects_agent(agents: PosedAgents, templates: TemplateArrays, n, position, ray, far):
    """Whether a ray hits an agent within range."""
    along = Ray(position[0], position[1], position[2], ray[0], ray[1], ray[2])
    hit = trace_agent(templates, agents.template[n], agents.rotation[n], agents.position[n], agents.size[n], along, far)
    return hit[0] < inf


@njit(cache=True)
def _intersects_box(agents: PosedAgents, n, position, ray, far):
    """Whether a ray hits an agent's box within range."""
    near, away = 0.0, far
    for k in range(3):
        o, d = 0.0, 0.0
        for q in range(3):
            o += agents.rotation[n, q, k] * (position[q] - agents.centre[n, q])
            d += agents.rotation[n, q, k] * ray[q]
        reach = 0.5 * agents.size[n, k]
        if d == 0.0:
            if abs(o) > reach:
                return False
            continue
        a, b = (-reach - o) / d, (reach - o) / d
        near, away = max(near, min(a, b)), min(away, max(a, b))
    return near <= away


def share_outside_image(
    agents: PosedAgents, templates: TemplateArrays, spec: CameraSpec, rotation: np.ndarray, position: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Share of the solid angle of agents, without occlusion by others, that lies outside the image: float64 (K,).

    Args:
        agents: N agents.
        templates: their shapes.
        spec: the camera.
        rotation: float64 (3, 3), map <- optical.
        position: float64 (3,) m, of the camera.
        rows: int64 (K,), the agents in question.
    """
    share: np.ndarray = _outside(
        agents, templates, spec.lens, np.ascontiguousarray(rotation), position, (spec.height, spec.width), rows
    )
    return share


@njit(cache=True, parallel=True)
def _outside(agents: PosedAgents, templates: TemplateArrays, lens, rotation, position, size, rows):
    """Sample directions of equal solid angle in the cone around each bounding sphere."""
    out = np.zeros(rows.shape[0])
    for k in prange(rows.shape[0]):
        n = rows[k]
        axis = agents.centre[n] - position
        away = sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
        least = -1.0 if away <= agents.radius[n] else sqrt(1.0 - (agents.radius[n] / away) ** 2)
        axis = axis / away if away > 0.0 else np.array([1.0, 0.0, 0.0])
        aside = np.cross(axis, np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.7 else np.array([0.0, 1.0, 0.0]))
        aside /= sqrt(aside[0] ** 2 + aside[1] ** 2 + aside[2] ** 2)
        up = np.cross(axis, aside)
        hit, found = np.empty((_DIRECTIONS, 3)), 0
        for i in range(_DIRECTIONS):
            c = 1.0 - (1.0 - least) * (i + 0.5) / _DIRECTIONS
            s = sqrt(1.0 - c * c)
            ray = c * axis + s * (cos(i * _GOLDEN) * aside + sin(i * _GOLDEN) * up)
            if _intersects_agent(agents, templates, n, position, ray, inf):
                hit[found] = ray
                found += 1
        at, seen = project_points(lens, hit[:found] @ rotation)
        inside = 0
        for i in range(found):
            u, v = floor(at[i, 0]), floor(at[i, 1])
            inside += seen[i] and 0 <= u < size[1] and 0 <= v < size[0]
        out[k] = 1.0 - inside / found if found else 0.0
    return out
