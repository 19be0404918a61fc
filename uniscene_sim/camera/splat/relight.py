"""Light on splats: what the static world hides from each of them, and the colours of an image by its surfaces.

Sun, sky, lamps and weather are those of ray casting. Which share of sun and sky a splat of the static world sees is
found once; agents' shadows, and all light on agents, are traced for each pixel.
"""

from __future__ import annotations

from math import inf, sqrt

from uniscene_sim.camera.raycast.ray import (
    SHADOW_M,
    CameraScene,
    agent_ambient_occlusion,
    cell_density,
    in_shadow_of_agents,
    in_sun_shadow,
    light_surface,
    mirror_in_wet_ground,
)
from uniscene_sim.camera.raycast.shading import (
    SurfaceMaterial,
    SurfacePoint,
    apply_haze,
    is_ground_material,
    tone_map,
    untoned,
)
from uniscene_sim.camera.splat.blend import Blended
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.weather import Sky, sky_of, sky_radiance
from uniscene_sim.compute.compiled import device, inlined, nogil_kernel
from uniscene_sim.layout import Style
from uniscene_sim.lens import FISHEYE
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.camera_rays import OUTSIDE_LENS, Hit, PosedCamera, pixel_direction
from uniscene_sim.tracing.occlusion import occluded
from uniscene_sim.tracing.slabs import Ray

__all__ = ["light_patch", "relight_rows"]

_FREE = int(OccClass.FREE)
_SHADOW_M = 60.0  # less than a tile, so that a shadow on a splat comes from its tile or a neighbour
_OFF_M = 0.12  # shadow rays start this far off a splat, plus a share of its level's size
_OFF_AGENT_M, _OFF_GROUND_M = 0.2, 0.02  # the same, off pixels of agents and of the world
_FULL = 1.25  # what little shines through between splats is not seen
_MOSTLY_RECORDED = 1.5  # share of sun, where most of a pixel is splats that have `RECORDED`, and agents have 1
_LEAST_OPACITY = 0.5  # of pixels that have a depth and a label


@device
def _daylight(sky: Sky):
    """How bright it is."""
    return (sky.sunlight[0] + sky.sunlight[1] + sky.sunlight[2] + sky.zenith[0] + sky.zenith[1] + sky.zenith[2]
            + sky.horizon[0] + sky.horizon[1] + sky.horizon[2])  # fmt: skip


_REFERENCE = sky_of(Style())
#: The light in which recorded colours are shown as they are.
_DAY = float((_REFERENCE.sunlight + _REFERENCE.zenith + _REFERENCE.horizon).sum())


@nogil_kernel
def light_patch(atlas: AtlasArrays, patch: Patch, x0, y0, sun, begin, end):
    """Set the visible shares of sun and sky of splats `begin` to `end` - 1.

    Args:
        atlas: what hides sun and sky.
        patch: of a tile, with its corner at (x0, y0), m; its `light` is written.
        sun: float64 (3,), unit vector towards the sun.
        begin, end: of its splats.
    """
    count = patch.first.shape[1] - 1
    for q in range(begin, end):
        level = 0
        while patch.first[level, count] <= q:
            level += 1
        nx, ny, nz = patch.normals[q, 0], patch.normals[q, 1], patch.normals[q, 2]
        two_sided = nx == 0.0 and ny == 0.0 and nz == 0.0
        if two_sided:  # lit from where the sun is
            nx, ny, nz = sun[0], sun[1], sun[2]
        x, y, z = x0 + patch.means[q, 0], y0 + patch.means[q, 1], patch.means[q, 2]
        density = cell_density(atlas, x + 0.9 * nx, y + 0.9 * ny, z + 0.9 * nz)
        patch.light[q, 1] = 1.0 - min(0.8, 1.5 * density)
        patch.light[q, 0] = 0.0
        facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
        if facing > 0.0:
            off = _OFF_M + 0.3 * patch.level_m[level]
            ray = Ray(x + off * nx, y + off * ny, z + off * nz, sun[0], sun[1], sun[2])
            if not occluded(atlas, ray, _SHADOW_M):
                patch.light[q, 0] = 1.0


@inlined
def _lit(scene: CameraScene, candidates, surface: SurfaceMaterial, row, at: SurfacePoint, ray: Ray, t, pixel, sun, sky):
    """Radiance of a surface that a ray meets at t, before haze.

    Args:
        scene: light and agents.
        candidates: int64 (N,), all agents.
        surface: material and albedo.
        row: of the agent, -1 on the world.
        at: point and normal.
        ray: the camera's.
        t: m.
        pixel: width of a pixel there, m.
        sun, sky: shares of them that the static world leaves visible, unless it is an agent.
    """
    x, y, z, nx, ny, nz = at
    to = scene.sky.sun
    ground = row < 0 and is_ground_material(surface.material)
    reach = min(SHADOW_M, scene.max_range_m)
    bright = nx * to[0] + ny * to[1] + nz * to[2] > 0.0 and scene.sky.sunlight[0] > 0.002
    if row >= 0:
        off, sun = _OFF_AGENT_M, 0.0
        sky = 0.55 + 0.45 * min(1.0, max(0.0, z - scene.agents.position[row, 2]) / 0.9)
        if bright and not in_sun_shadow(scene, x + off * nx, y + off * ny, z + off * nz, reach):
            sun = 1.0
    else:
        off = _OFF_GROUND_M
        if sun > 0.02 and bright:
            to_sun = Ray(x + off * nx, y + off * ny, z + off * nz, to[0], to[1], to[2])
            if in_shadow_of_agents(scene, to_sun, reach):
                sun = 0.0
        if ground:
            sky *= agent_ambient_occlusion(scene, x, y, z)
    r, g, b = light_surface(scene, surface, at, ground, ray, pixel, sun, sky)
    if ground and scene.sky.wet > 0.0:
        hit = Hit(t, surface.material, nx, ny, nz, 0, -1)
        r, g, b = mirror_in_wet_ground(scene, candidates, candidates.shape[0], hit, ray, r, g, b)
    return r, g, b


@nogil_kernel
def relight_rows(scene: CameraScene, camera: PosedCamera, projected, blended: Blended, image, candidates, begin, end):
    """Colours, depth and labels of the rows `begin` to `end` - 1 of an image.

    Args:
        scene: light and agents.
        camera: pose and lens.
        projected: float32 (M, 22), see `project.FIELDS`.
        blended: surfaces of the image.
        image: `ImageBuffers`, written.
        candidates: int64 (N,), all agents.
        begin, end: rows.
    """
    sky = scene.sky
    ox, oy, oz = camera.position[0], camera.position[1], camera.position[2]
    pixel_angle = 1.0 / camera.lens[1]
    day = _daylight(sky) / _DAY / sky.exposure
    for v in range(begin, end):
        for u in range(blended.opacity.shape[1]):
            image.depth[v, u], image.semantic[v, u], image.instance[v, u] = inf, _FREE, 0
            dx, dy, dz, scale = pixel_direction(camera.lens, camera.rotation, u + 0.5, v + 0.5)
            if scale == OUTSIDE_LENS:
                image.rgb[v, u, 0], image.rgb[v, u, 1], image.rgb[v, u, 2] = 0, 0, 0
                continue
            opacity, splat = min(float(blended.opacity[v, u]) * _FULL, 1.0), blended.splat[v, u]
            red, green, blue = 0.0, 0.0, 0.0
            if splat >= 0:
                m, row = int(projected[splat, 17]), int(projected[splat, 18])
                along = 1.0 if camera.lens[0] == FISHEYE else scale
                if opacity >= _LEAST_OPACITY:
                    image.depth[v, u], image.semantic[v, u] = blended.depth[v, u], blended.label[v, u]
                    if row >= 0 and projected[splat, 19] == blended.label[v, u]:
                        image.instance[v, u] = scene.agents.id[row]
                t = float(blended.depth[v, u] if opacity >= _LEAST_OPACITY else projected[splat, 5]) / along
                x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
                nx, ny, nz = (float(blended.normal[v, u, 0]), float(blended.normal[v, u, 1]),
                              float(blended.normal[v, u, 2]))  # fmt: skip
                length = sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
                ray, at = Ray(ox, oy, oz, dx, dy, dz), SurfacePoint(x, y, z, nx, ny, nz)
                sun, open_sky = float(blended.light[v, u, 0]), float(blended.light[v, u, 1])
                albedo = blended.albedo[v, u]
                if sun > _MOSTLY_RECORDED:
                    shade = day * (agent_ambient_occlusion(scene, x, y, z) if row < 0 else 1.0)
                    red, green = shade * untoned(float(albedo[0])), shade * untoned(float(albedo[1]))
                    blue = shade * untoned(float(albedo[2]))
                else:
                    lights = int(scene.agents.lights[row]) if row >= 0 else 0
                    surface = SurfaceMaterial(m, float(albedo[0]), float(albedo[1]), float(albedo[2]), lights, row >= 0)
                    red, green, blue = _lit(
                        scene, candidates, surface, row, at, ray, t, t * pixel_angle, min(sun, 1.0), open_sky
                    )
                    red, green, blue = apply_haze(sky, t, red, green, blue)
            if opacity < 0.996:
                r, g, b = sky_radiance(sky, dx, dy, dz, True)
                red, green, blue = (opacity * red + (1.0 - opacity) * r, opacity * green + (1.0 - opacity) * g,
                                    opacity * blue + (1.0 - opacity) * b)  # fmt: skip
            image.rgb[v, u, 0] = tone_map(sky.exposure * red)
            image.rgb[v, u, 1] = tone_map(sky.exposure * green)
            image.rgb[v, u, 2] = tone_map(sky.exposure * blue)
