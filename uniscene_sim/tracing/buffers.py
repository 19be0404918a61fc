"""`camera_buffers`: the exact conditions of an image, from the ray through each pixel's centre.

Any camera engine may call it for what it is to draw: a generator of images needs no ray caster of its own.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, nan, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, floor, inlined, nogil_kernel
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.frames import CameraBuffers
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lens import FISHEYE, unproject_pixels
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, GROUND_CLASSES, MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import GROUND_STEP_M, TILE_M
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays, TemplateSource, template_arrays
from uniscene_sim.tracing.atlas import AtlasArrays, slot_of
from uniscene_sim.tracing.camera_rays import (
    OUTSIDE_LENS,
    PosedCamera,
    SeenAgents,
    camera_pose,
    first_hit,
    pixel_direction,
    posed_camera,
)
from uniscene_sim.tracing.paint import paint_at
from uniscene_sim.tracing.pixel_bounds import agents_in_column, agents_in_row
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.tracing.templates.template_set import built_in_templates

__all__ = ["camera_buffers", "coordinates_of", "origin_near", "pluecker_rays"]

_SKY, _NONE = int(OccClass.FREE), int(Material.NONE)
_FLAT = np.isin(np.arange(256), GROUND_CLASSES)
#: Height within which the ground of the layout is that of a window's voxel: a window lies on a plane, roads do not.
_NEAR_M = 3.0


class _Scene(NamedTuple):
    """What all rays of one image share."""

    atlas: AtlasArrays  # what is traced
    layout: AtlasArrays  # the tiles of the layout, whose paint is the road's
    agents: PosedAgents
    templates: TemplateArrays
    max_range_m: float


class _Traced(NamedTuple):
    """What is written; fields as in `CameraBuffers`."""

    depth: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    material: np.ndarray
    paint: np.ndarray
    normals: np.ndarray


def camera_buffers(view: WorldView, spec: CameraSpec, templates: TemplateSource | None = None) -> CameraBuffers:
    """The buffers of one camera at one moment, without `motion`.

    Args:
        view: the world as camera engines receive it; the occupancy window that it traces is traced here, too.
        spec: the camera, of any lens.
        templates: shapes of agents, by default the built-in ones.
    """
    templates = built_in_templates() if templates is None else templates
    agents = SeenAgents(view, templates).by(spec)
    camera, shape, n = posed_camera(view, spec, agents), (spec.height, spec.width), len(agents.id)
    reach_m = float(spec.max_range_m)  # a whole number of a rig file would have all kernels compiled anew
    scene = _Scene(view.atlas.arrays, view.atlas.layout_arrays, agents, template_arrays(templates), reach_m)
    traced = _Traced(
        np.empty(shape, np.float32),
        np.empty(shape, np.uint8),
        np.empty(shape, np.uint16),
        np.empty(shape, np.uint8),
        np.empty(shape, np.uint8),
        np.empty((*shape, 3), np.float32),
    )

    def trace(rows: tuple[int, int]) -> None:
        _trace_rows(scene, camera, traced, np.empty(n, np.int64), np.empty(n, np.int64), *rows)

    map_threads(trace, row_ranges(spec.height))
    pose = view.frame.ego_pose
    return CameraBuffers(
        **traced._asdict(),
        coordinates=coordinates_of(traced.depth, pose, spec),
        rays=pluecker_rays(spec),
        origin=origin_near(pose),
        stamp_us=view.frame.stamp_us,
    )


def origin_near(ego_pose: Pose) -> np.ndarray:
    """`CameraBuffers.origin` at a pose of the ego, float64 (3,) m."""
    corner: np.ndarray = np.floor(ego_pose.position / TILE_M) * TILE_M
    return corner


def coordinates_of(depth: np.ndarray, ego_pose: Pose, spec: CameraSpec) -> np.ndarray:
    """`CameraBuffers.coordinates` of a depth image, to the last bit: float32 (H, W, 3) m from `origin_near`.

    Args:
        depth: float32 (H, W) m, of the camera.
        ego_pose: map <- base_link at its stamp.
        spec: the camera.
    """
    rotation, position = camera_pose(ego_pose, spec)
    out = np.empty((*depth.shape, 3), np.float32)
    begin = position - origin_near(ego_pose)
    map_threads(lambda rows: _coordinates(spec.lens, rotation, begin, depth, out, *rows), row_ranges(len(depth)))
    return out


@lru_cache(32)
def pluecker_rays(spec: CameraSpec) -> np.ndarray:
    """`CameraBuffers.rays` of a camera, float32 (H, W, 6): the same array each time, so it is not to be written to."""
    v, u = np.mgrid[: spec.height, : spec.width] + 0.5
    rays, seen = unproject_pixels(spec.lens, np.stack([u.ravel(), v.ravel()], axis=1))
    direction = rays @ spec.rotation_base_from_optical.T * seen[:, None]
    both = np.concatenate([direction, np.cross(spec.pose.position, direction)], axis=1)
    out = both.reshape(spec.height, spec.width, 6).astype(np.float32)
    out.flags.writeable = False
    return out


# --- kernels ----------------------------------------------------------------------------------------------------------


@nogil_kernel
def _trace_rows(scene: _Scene, camera: PosedCamera, out: _Traced, row_of, candidates, first, last):
    """Trace the rows `first` to `last` - 1 of an image.

    `row_of` and `candidates` are scratch int64 (N,) for rows of agents: those on an image row, and those at a pixel.
    """
    for v in range(first, last):
        in_row = agents_in_row(camera.spans, v, row_of)
        for u in range(out.depth.shape[1]):
            count = agents_in_column(camera.spans, row_of, in_row, u, candidates)
            _trace_pixel(scene, camera, out, candidates, count, v, u)


@inlined
def _trace_pixel(scene: _Scene, camera: PosedCamera, out: _Traced, candidates, count, v, u):
    out.depth[v, u], out.semantic[v, u], out.instance[v, u] = inf, _SKY, 0
    out.material[v, u], out.paint[v, u] = _NONE, _NONE
    out.normals[v, u, 0], out.normals[v, u, 1], out.normals[v, u, 2] = 0.0, 0.0, 0.0
    dx, dy, dz, cosine = pixel_direction(camera.lens, camera.rotation, u + 0.5, v + 0.5)
    if cosine == OUTSIDE_LENS:
        return
    ray = Ray(camera.position[0], camera.position[1], camera.position[2], dx, dy, dz)
    t, m, nx, ny, nz, deck, row = first_hit(
        scene.atlas, scene.agents, scene.templates, candidates, count, ray, scene.max_range_m
    )
    if t == inf:
        return
    out.depth[v, u], out.material[v, u] = t * (1.0 if camera.lens[0] == FISHEYE else cosine), m
    out.normals[v, u, 0], out.normals[v, u, 1], out.normals[v, u, 2] = _facing(nx, ny, nz, dx, dy, dz)
    if row >= 0:
        out.semantic[v, u], out.instance[v, u] = AGENT_OCC_CLASS[scene.agents.cls[row]], scene.agents.id[row]
        return
    out.semantic[v, u], out.instance[v, u] = MATERIAL_LABEL[m], -1 - row
    if deck >= 0:
        out.paint[v, u] = m
    elif m < _SKY and _FLAT[m]:  # ground of an occupancy window
        out.paint[v, u] = _paint_near(scene.layout, ray.ox + t * dx, ray.oy + t * dy, ray.oz + t * dz, m)


@device
def _facing(nx, ny, nz, dx, dy, dz):
    """A unit normal that faces against a ray. The shapes of agents have the normals of what their voxels sample, which
    may point away at a silhouette: there, the nearest one that does not is taken."""
    away = nx * dx + ny * dy + nz * dz
    if away <= 0.0:
        return nx, ny, nz
    nx, ny, nz = nx - away * dx, ny - away * dy, nz - away * dz
    length = sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-9:
        return -dx, -dy, -dz
    return nx / length, ny / length, nz / length


@device
def _paint_near(a: AtlasArrays, x, y, z, otherwise):
    """Material of the layout's ground at (x, y), on the deck that is nearest in height; `otherwise` if there is none
    within `_NEAR_M`."""
    tile_x, tile_y = floor(x / TILE_M), floor(y / TILE_M)
    slot = slot_of(a, tile_x, tile_y)
    if slot < 0:
        return np.uint8(otherwise)
    px, py = x - tile_x * TILE_M, y - tile_y * TILE_M
    i, j = int(px / GROUND_STEP_M), int(py / GROUND_STEP_M)
    best, found = _NEAR_M, -1
    for row in range(a.decks[slot, 0], a.decks[slot, 0] + a.decks[slot, 1]):
        away = abs(a.ground[row, i, j] - z)  # NaN where the deck is absent
        if away < best:
            best, found = away, row
    return paint_at(a, found, px, py) if found >= 0 else np.uint8(otherwise)


@nogil_kernel
def _coordinates(lens, rotation, begin, depth, out, first, last):
    """Write where the rays of some rows end, (H, W, 3) m, from the camera's place `begin` (3,) m."""
    for v in range(first, last):
        for u in range(depth.shape[1]):
            dx, dy, dz, cosine = pixel_direction(lens, rotation, u + 0.5, v + 0.5)
            if cosine == OUTSIDE_LENS or depth[v, u] == inf:
                out[v, u, 0], out[v, u, 1], out[v, u, 2] = nan, nan, nan
                continue
            t = np.float64(depth[v, u]) / (1.0 if lens[0] == FISHEYE else cosine)
            out[v, u, 0], out[v, u, 1], out[v, u, 2] = begin[0] + t * dx, begin[1] + t * dy, begin[2] + t * dz
