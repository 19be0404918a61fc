"""One camera ray: its first hit, and the radiance along it."""

from __future__ import annotations

from math import exp, inf, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.raycast.ground_bins import GroundBins, bin_range
from uniscene_sim.camera.raycast.lamps import Lamps, lamp_light, lamp_retro, lamp_shine
from uniscene_sim.camera.raycast.shading import (
    GLOSS,
    RETRO,
    Illumination,
    SurfaceMaterial,
    SurfacePoint,
    apply_haze,
    is_ground_material,
    is_wall_material,
    shade_surface,
    shade_surface_plain,
)
from uniscene_sim.camera.weather import Sky, sky_radiance
from uniscene_sim.compute.compiled import device, floor, inlined
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import (
    BLOCK_CELLS,
    BLOCKS_Z,
    CELL_M,
    EDGES_A_CELL,
    PAINT_BLOCK,
    PAINT_M,
    TILE_BLOCKS,
    TILE_M,
)
from uniscene_sim.tracing.agents import PosedAgents, TemplateArrays
from uniscene_sim.tracing.atlas import BLOCK_M, AtlasArrays, slot_of
from uniscene_sim.tracing.camera_rays import Hit, first_hit
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.occlusion import occluded
from uniscene_sim.tracing.paint import beyond_edge, paint_cell
from uniscene_sim.tracing.slabs import Ray

__all__ = [
    "SHADOW_M",
    "CameraScene",
    "Hit",
    "agent_ambient_occlusion",
    "cell_density",
    "in_shadow_of_agents",
    "in_sun_shadow",
    "light_surface",
    "mirror_in_wet_ground",
    "render_ray",
]

_BODY, _UPPER, _LOWER = int(Material.BODY), int(Material.CLOTH_UPPER), int(Material.CLOTH_LOWER)
_EMPTY = int(Material.NONE)
_PUDDLES = 124  # key of random numbers
SHADOW_M = 70.0  # length of shadow rays
_RAY_OFFSET_M = 0.01  # rays from a surface start this far off it
_AGENT_RAY_OFFSET_M = 0.08  # more than a voxel of a template, so that voxel steps do not shadow themselves
_MOST_SAMPLES = 12
_SOFT_M = 2 * BLOCK_M / 4  # cell density is averaged over this length, for ambient occlusion
_AROUND = 2  # cells to each side that a wall's smoothed normal is estimated from
_WET_GLOSS = 120.0  # exponent of the lobe in which wet ground mirrors lamps
_MIRROR_M = 60.0  # range of reflections in wet ground


class CameraScene(NamedTuple):
    """What all rays of one image share."""

    atlas: AtlasArrays
    agents: PosedAgents
    templates: TemplateArrays
    sky: Sky
    lamps: Lamps
    lamp_bins: GroundBins  # lamps by the ground that they reach
    shadow_bins: GroundBins  # agents by strips along the sun's azimuth, in which their shadows lie
    contact_bins: GroundBins  # agents by the ground that they darken by ambient occlusion
    albedo: np.ndarray  # float64 (256, 3) linear
    agent_rgb: np.ndarray  # float64 (N, 3, 3): body, upper and lower clothes
    max_range_m: float  # m
    plain: bool  # sun and sky alone: no shadows, detail, weather


@inlined
def render_ray(scene: CameraScene, candidates, count, ray: Ray, pixel_angle):
    """Trace and shade one ray.

    Args:
        scene: what is rendered.
        candidates, count: int64 (N,), of which the first `count` are the agents to test.
        ray: of unit direction, map frame.
        pixel_angle: width of a pixel, rad.

    Returns:
        distance (inf: sky), material, agent row (-1: world, -1 - instance: a voxel of a window), and linear red,
        green, blue.
    """
    sky, far = scene.sky, scene.max_range_m
    dx, dy, dz = ray.dx, ray.dy, ray.dz
    hit = first_hit(scene.atlas, scene.agents, scene.templates, candidates, count, ray, far)
    t, m, nx, ny, nz, deck, row = hit
    if t == inf:
        r, g, b = sky_radiance(sky, dx, dy, dz, not scene.plain)
        return t, m, row, r, g, b
    if scene.plain:
        ar, ag, ab = _albedo(scene, m, row)
        r, g, b = shade_surface_plain(sky, ar, ag, ab, nx, ny, nz)
        return t, m, row, r, g, b
    r, g, b = _shade_hit(scene, hit, ray, pixel_angle)
    if sky.wet > 0.0 and deck >= 0 and is_ground_material(m):
        r, g, b = mirror_in_wet_ground(scene, candidates, count, hit, ray, r, g, b)
    r, g, b = apply_haze(sky, t, r, g, b)
    return t, m, row, r, g, b


@inlined
def mirror_in_wet_ground(scene: CameraScene, candidates, count, hit: Hit, ray: Ray, r, g, b):
    """Radiance (r, g, b) of wet ground with what it mirrors."""
    sky, far = scene.sky, scene.max_range_m
    ox, oy, oz, dx, dy, dz = ray
    t, _, nx, ny, nz, _, _ = hit
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    cosine = min(1.0, max(0.0, -(nx * dx + ny * dy + nz * dz)))
    # Puddles by value noise, a film of water between them; Fresnel reflection by Schlick.
    pool = min(1.0, max(0.0, (value_noise(0.35 * x, 0.35 * y, _PUDDLES) - 0.42) * 4.0))
    mirror = sky.wet * (0.14 + 0.76 * pool) * (0.02 + 0.98 * (1.0 - cosine) ** 5)
    if mirror > 0.03:
        mx, my, mz = dx + 2 * cosine * nx, dy + 2 * cosine * ny, dz + 2 * cosine * nz
        sr, sg, sb = sky_radiance(sky, mx, my, max(mz, 0.0), False)
        reach = min(_MIRROR_M, far - t)
        if reach > 0.0 and mirror > 0.08:
            mirrored = Ray(x + _RAY_OFFSET_M * nx, y + _RAY_OFFSET_M * ny, z + _RAY_OFFSET_M * nz, mx, my, mz)
            mirrored_hit = first_hit(scene.atlas, scene.agents, scene.templates, candidates, count, mirrored, reach)
            if mirrored_hit.t < inf:
                sr, sg, sb = _shade_reflection(scene, mirrored_hit, mirrored)
        r, g, b = r + mirror * (sr - r), g + mirror * (sg - g), b + mirror * (sb - b)
    return r, g, b


@inlined
def _albedo(scene: CameraScene, m, row):
    if row >= 0:
        part = 0 if m == _BODY else (1 if m == _UPPER else (2 if m == _LOWER else -1))
        if part >= 0:
            return scene.agent_rgb[row, part, 0], scene.agent_rgb[row, part, 1], scene.agent_rgb[row, part, 2]
    return scene.albedo[m, 0], scene.albedo[m, 1], scene.albedo[m, 2]


@inlined
def _shade_hit(scene: CameraScene, hit: Hit, ray: Ray, pixel_angle):
    """Radiance of a hit towards the camera, linear RGB, before haze."""
    a, sky = scene.atlas, scene.sky
    ox, oy, oz, dx, dy, dz = ray
    t, m, nx, ny, nz, deck, row = hit
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    pixel = t * pixel_angle
    lights, ray_offset = 0, _RAY_OFFSET_M
    ar, ag, ab = _albedo(scene, m, row)
    sky_share = 1.0
    sx, sy = nx, ny  # shading normal
    if row >= 0:
        lights, ray_offset = int(scene.agents.lights[row]), _AGENT_RAY_OFFSET_M
        sky_share = 0.55 + 0.45 * min(1.0, max(0.0, z - scene.agents.position[row, 2]) / 0.9)
    else:
        if deck >= 0:
            slant = max(0.02, abs(nx * dx + ny * dy + nz * dz))
            ar, ag, ab = _ground_albedo(a, m, deck, x, y, dx, dy, pixel / slant, pixel, scene.albedo)
            sky_share = agent_ambient_occlusion(scene, x, y, z)
        elif nz == 0.0 and is_wall_material(m):
            sx, sy = _smoothed_wall_normal(a, x, y, z, nx, ny)
        sky_share *= 1.0 - min(0.8, 1.5 * cell_density(a, x + 0.9 * sx, y + 0.9 * sy, z + 0.9 * nz))
    sunlit = 1.0
    if sx * sky.sun[0] + sy * sky.sun[1] + nz * sky.sun[2] <= 0.0:
        sunlit = 0.0
    elif sky.sunlight[0] > 0.002:
        # shadow rays stay within the camera's range, as tiles beyond may not be in the atlas
        reach = min(SHADOW_M, (scene.max_range_m - t) / max(sqrt(sky.sun[0] ** 2 + sky.sun[1] ** 2), 1e-3))
        if sx != nx or sy != ny:
            ray_offset = CELL_M  # the next step of a slanting wall of cells is not to shadow it
        if reach > 0.0 and in_sun_shadow(scene, x + ray_offset * sx, y + ray_offset * sy, z + ray_offset * nz, reach):
            sunlit = 0.0
    at = SurfacePoint(x, y, z, sx, sy, nz)
    surface = SurfaceMaterial(m, ar, ag, ab, lights, row >= 0)
    return light_surface(scene, surface, at, deck >= 0, ray, pixel, sunlit, sky_share)


@inlined
def light_surface(
    scene: CameraScene, surface: SurfaceMaterial, at: SurfacePoint, ground, ray: Ray, pixel, sunlit, sky_share
):
    """Radiance of a surface towards the camera by sun, sky and lamps, linear RGB, before haze.

    Args:
        scene: what is rendered.
        surface: material and albedo.
        at: point and normal.
        ground: whether it is ground, which may be wet.
        ray: the camera's.
        pixel: width of a pixel there, m.
        sunlit, sky_share: visible shares of sun and sky.
    """
    sky = scene.sky
    x, y, z, sx, sy, nz = at
    m, ar, ag, ab = surface.material, surface.red, surface.green, surface.blue
    dx, dy, dz = ray.dx, ray.dy, ray.dz
    lr, lg, lb = 0.0, 0.0, 0.0
    hr, hg, hb = 0.0, 0.0, 0.0
    if sky.darkness > 0.0:
        lamps, bins = scene.lamps, scene.lamp_bins
        lr, lg, lb = lamp_light(lamps, bins, x, y, z, sx, sy, nz)
        gloss = sky.wet * _WET_GLOSS if ground else GLOSS[m]
        if gloss > 0.0:
            hr, hg, hb = lamp_shine(lamps, bins, x, y, z, sx, sy, nz, dx, dy, dz, gloss)
        elif RETRO[m]:
            hr, hg, hb = lamp_retro(lamps, bins, x, y, z, dx, dy, dz)
            hr, hg, hb = hr * ar, hg * ag, hb * ab
    return shade_surface(sky, surface, at, dx, dy, dz, pixel, Illumination(sunlit, sky_share, lr, lg, lb, hr, hg, hb))


@device
def _shade_reflection(scene: CameraScene, hit: Hit, ray: Ray):
    """Radiance of what wet ground reflects, without shadows."""
    ox, oy, oz, dx, dy, dz = ray
    t, m, nx, ny, nz, _, row = hit
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    ar, ag, ab = _albedo(scene, m, row)
    lights = int(scene.agents.lights[row]) if row >= 0 else 0
    lr, lg, lb = 0.0, 0.0, 0.0
    if scene.sky.darkness > 0.0:
        lr, lg, lb = lamp_light(scene.lamps, scene.lamp_bins, x, y, z, nx, ny, nz)
    surface, at = SurfaceMaterial(m, ar, ag, ab, lights, row >= 0), SurfacePoint(x, y, z, nx, ny, nz)
    return shade_surface(scene.sky, surface, at, dx, dy, dz, 1.0, Illumination(0.5, 0.8, lr, lg, lb, 0.0, 0.0, 0.0))


# --- shadows and ambient occlusion ------------------------------------------------------------------------------------


@device
def in_sun_shadow(scene: CameraScene, x, y, z, reach):
    """Whether something within `reach` (m) occludes the sun from a point."""
    sun = scene.sky.sun
    to_sun = Ray(x, y, z, sun[0], sun[1], sun[2])
    if in_shadow_of_agents(scene, to_sun, reach):
        return True
    if scene.atlas.occupancy.voxels.shape[0]:
        return trace_world(scene.atlas, to_sun, reach)[0] < inf
    return occluded(scene.atlas, to_sun, reach)


@device
def in_shadow_of_agents(scene: CameraScene, to_sun: Ray, reach):
    """Whether an agent occludes the sun."""
    sun, x, y = scene.sky.sun, to_sun.ox, to_sun.oy
    level = sqrt(sun[0] ** 2 + sun[1] ** 2) + 1e-12
    begin, end = bin_range(scene.shadow_bins, (y * sun[0] - x * sun[1]) / level, 0.0)
    if end > begin:
        candidates, count = scene.shadow_bins.rows[begin:end], end - begin
        return trace_agents(scene.agents, scene.templates, candidates, count, to_sun, reach)[5] >= 0
    return False


@device
def agent_ambient_occlusion(scene: CameraScene, x, y, z):
    """Share of the sky that agents leave visible from a point of the ground."""
    sky_share = 1.0
    begin, end = bin_range(scene.contact_bins, x, y)
    for q in range(begin, end):
        n = scene.contact_bins.rows[q]
        if abs(scene.agents.position[n, 2] - z) > 1.5:
            continue
        px, py = x - scene.agents.position[n, 0], y - scene.agents.position[n, 1]
        r = scene.agents.rotation[n]
        u = abs(r[0, 0] * px + r[1, 0] * py) - 0.5 * scene.agents.size[n, 0]
        v = abs(r[0, 1] * px + r[1, 1] * py) - 0.5 * scene.agents.size[n, 1]
        away = sqrt(max(u, 0.0) ** 2 + max(v, 0.0) ** 2)
        deep = min(1.0, max(0.0, -max(u, v)) / 0.4)
        broad = min(1.0, scene.agents.size[n, 1] / 1.5)
        sky_share *= 1.0 - broad * (0.5 * exp(-away / 0.35) + 0.35 * deep)
    return sky_share


@device
def cell_density(a: AtlasArrays, x, y, z):
    """Share of occupied cells around a point, trilinear over 1.6 m."""
    u, v = x / _SOFT_M - 0.5, y / _SOFT_M - 0.5
    i, j = floor(u), floor(v)
    fu, fv = u - i, v - j
    total = 0.0
    for q in range(4):
        ci, cj = i + (q >> 1), j + (q & 1)
        weight = (fu if q >> 1 else 1.0 - fu) * (fv if q & 1 else 1.0 - fv)
        if weight < 1e-3:
            continue
        bx, by = ci >> 1, cj >> 1
        tile_x, tile_y = bx // TILE_BLOCKS, by // TILE_BLOCKS
        slot = slot_of(a, tile_x, tile_y)
        if slot < 0:
            continue
        bx, by = bx - tile_x * TILE_BLOCKS, by - tile_y * TILE_BLOCKS
        if z - _SOFT_M > a.cells_hi[slot, bx, by]:
            continue
        w = (z - a.base_z[slot]) / _SOFT_M - 0.5
        k = floor(w)
        fw = w - k
        for s in range(2):
            ck = k + s
            bz = ck >> 1
            if 0 <= bz < BLOCKS_Z:
                row = a.blocks[slot, bx, by, bz]
                if row >= 0:
                    total += weight * (fw if s else 1.0 - fw) * a.density[row, ci & 1, cj & 1, ck & 1]
    return total / 255.0


# --- normals and paint ------------------------------------------------------------------------------------------------


@device
def _is_occupied(a: AtlasArrays, i, j, k_m):
    """Whether the cell with map indices (i, j) at height `k_m` (m) is occupied."""
    bx, by = i >> 3, j >> 3
    tile_x, tile_y = bx // TILE_BLOCKS, by // TILE_BLOCKS
    slot = slot_of(a, tile_x, tile_y)
    if slot < 0:
        return False
    k = floor((k_m - a.base_z[slot]) / CELL_M)
    bz = k >> 3
    if bz < 0 or bz >= BLOCKS_Z:
        return False
    row = a.blocks[slot, bx - tile_x * TILE_BLOCKS, by - tile_y * TILE_BLOCKS, bz]
    return row >= 0 and a.materials[row, i & (BLOCK_CELLS - 1), j & (BLOCK_CELLS - 1), k & (BLOCK_CELLS - 1)] != _EMPTY


@device
def _smoothed_wall_normal(a: AtlasArrays, x, y, z, nx, ny):
    """Horizontal normal of a wall, averaged over its cells: houses need not be aligned with the grid."""
    i, j = floor((x - 0.01 * nx) / CELL_M), floor((y - 0.01 * ny) / CELL_M)
    gx, gy = 0.0, 0.0
    for u in range(-_AROUND, _AROUND + 1):
        for v in range(-_AROUND, _AROUND + 1):
            if (u != 0 or v != 0) and not _is_occupied(a, i + u, j + v, z):
                weight = 1.0 / (u * u + v * v)
                gx, gy = gx + weight * u, gy + weight * v
    length = sqrt(gx * gx + gy * gy)
    if length < 1e-6 or gx * nx + gy * ny < 0.2 * length:
        return nx, ny
    return gx / length, gy / length


@device
def _paint_albedo(a: AtlasArrays, material, deck, x, y, ux, uy, long_m, wide_m, albedo):
    """Mean albedo of the paint in a footprint of `long_m` along (ux, uy) by `wide_m` across, up to the size of a cell,
    around a point; that of `material` where the deck or the tile is absent."""
    tile_x, tile_y = floor(x / TILE_M), floor(y / TILE_M)
    slot = slot_of(a, tile_x, tile_y)
    if slot < 0 or deck >= a.decks[slot, 1]:
        return albedo[material, 0], albedo[material, 1], albedo[material, 2]
    px, py, deck_row = x - tile_x * TILE_M, y - tile_y * TILE_M, a.decks[slot, 0] + deck
    i, j = paint_cell(px), paint_cell(py)
    m = a.paint[deck_row, i, j]
    r, g, b = albedo[m, 0], albedo[m, 1], albedo[m, 2]
    row = a.edge_of[deck_row, i // PAINT_BLOCK, j // PAINT_BLOCK]
    if row < 0:
        return r, g, b
    share = 1.0  # of the footprint that no edge before cut off
    for k in range(EDGES_A_CELL):
        beyond, nx, ny, other = beyond_edge(a, row, i, j, k, px, py)
        if other == 0:
            break
        span = abs(nx * ux + ny * uy) * long_m + abs(nx * uy - ny * ux) * wide_m + 1e-9
        part = min(max(0.5 + beyond / span, 0.0), share)
        share -= part
        r, g, b = (
            r + part * (albedo[other, 0] - albedo[m, 0]),
            g + part * (albedo[other, 1] - albedo[m, 1]),
            b + part * (albedo[other, 2] - albedo[m, 2]),
        )
    return r, g, b


@device
def _ground_albedo(a: AtlasArrays, material, deck, x, y, dx, dy, long_m, wide_m, albedo):
    """Mean albedo of the paint in a pixel's footprint of `long_m` along the ray by `wide_m` across it."""
    count = int(min(1.0 * _MOST_SAMPLES, 1.0 + max(long_m, wide_m) / PAINT_M))
    r, g, b = 0.0, 0.0, 0.0
    length = sqrt(dx * dx + dy * dy) + 1e-12
    ux, uy = dx / length, dy / length
    part_m, scatter_m = long_m / count, max(wide_m - PAINT_M, 0.0)
    for s in range(count):
        along = (s + 0.5 - 0.5 * count) * part_m
        across = (((s * 0.618034) % 1.0) - 0.5) * scatter_m
        at_x, at_y = x + along * ux - across * uy, y + along * uy + across * ux
        sr, sg, sb = _paint_albedo(a, material, deck, at_x, at_y, ux, uy, part_m, wide_m - scatter_m, albedo)
        r, g, b = r + sr, g + sg, b + sb
    return r / count, g / count, b / count
