"""`RaycastCameras`: images by exact tracing of tiles and agents, lit by sun and sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor, inf, sqrt
from typing import Any, Literal

import numpy as np
from numba import njit, prange

from uniscene_sim.camera.shading import LINEAR_RGB, Sky, agent_albedo, encode, sky_of, sky_radiance, surface
from uniscene_sim.compiled import device
from uniscene_sim.engines import WorldView
from uniscene_sim.frames import CameraFrame
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.lens import FISHEYE, PINHOLE, project, ray
from uniscene_sim.occupancy.tiles import PAINT_CELLS, PAINT_M, TILE_M
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, AgentClass, Material, OccClass
from uniscene_sim.tracing.agents import (
    PosedAgents,
    TemplateArrays,
    TemplateSource,
    agent_motion,
    pose_agents,
    template_arrays,
)
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.templates import body_rgb
from uniscene_sim.tracing.templates import templates as built_in

__all__ = ["EGO_ID", "RaycastCameras"]

#: Instance id of the ego's own body, in cameras that see it.
EGO_ID = 65_535
_EGO_COLOUR = 0x2A6F
_SKY = int(OccClass.FREE)
# ground: seen at a slant, its depth jumps from row to row without an edge
_FLAT = (11, 12, 13, 14, 17, 18, 19)
_BODY, _UPPER, _LOWER = int(Material.BODY), int(Material.CLOTH_UPPER), int(Material.CLOTH_LOWER)
_UNSEEN = -2.0
_SHADOW_M = 70.0  # shadows reach no farther
_LIFT_M = 0.01  # shadow rays start this far off the surface
_AGENT_LIFT_M = 0.08  # more than a voxel of a template, so that its steps do not shade themselves
_MOST_SAMPLES = 12
#: Directions around the rim of a cone.
_RIM = np.stack([f(np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)) for f in (np.cos, np.sin)], axis=1)
_LANE_M, _MOST_LANES = 4.0, 512  # strips of agents along the sunlight


@njit(cache=True)
def _spans(agents: PosedAgents, rotation, position, lens, width, height, far, spans):
    """Write the columns and rows (N, 4: u0, u1, v0, v1) that each agent's bounding sphere may cover."""
    fx, fy, cx, cy = lens[1], lens[2], lens[3], lens[4]
    for n in range(agents.template.shape[0]):
        x, y, z = (
            agents.centre[n, 0] - position[0],
            agents.centre[n, 1] - position[1],
            agents.centre[n, 2] - position[2],
        )
        u = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z
        v = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z
        w = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z
        r = agents.radius[n]
        spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = 1, 0, 1, 0
        if w + r < 0.0 or x * x + y * y + z * z > (far + r) ** 2:
            continue
        if w - r < 0.1:
            spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = 0, width, 0, height
            continue
        near, away = 1.0 / (w - r), 1.0 / (w + r)
        spans[n, 0] = int(max(0.0, floor(cx + fx * min((u - r) * near, (u - r) * away)) - 1.0))
        spans[n, 1] = int(min(1.0 * width, floor(cx + fx * max((u + r) * near, (u + r) * away)) + 1.0))
        spans[n, 2] = int(max(0.0, floor(cy + fy * min((v - r) * near, (v - r) * away)) - 1.0))
        spans[n, 3] = int(min(1.0 * height, floor(cy + fy * max((v + r) * near, (v + r) * away)) + 1.0))


def _spans_of_cones(
    agents: PosedAgents, rotation: np.ndarray, position: np.ndarray, lens: np.ndarray, width: int, height: int,
    far: float, spans: np.ndarray,
) -> None:  # fmt: skip
    """The same for a lens that bends: the image of the rim of the cone around each sphere holds that of its inside, but
    where the cone leaves the field of view."""
    centre = (agents.centre - position) @ rotation
    away = np.linalg.norm(centre, axis=1)
    spans[:] = (1, 0, 1, 0)
    for n in np.flatnonzero(away - agents.radius < far):
        spans[n] = (0, width, 0, height)
        if away[n] < 1.1 * agents.radius[n]:
            continue
        axis = centre[n] / away[n]
        half = np.arcsin(agents.radius[n] / away[n]) * 1.02 + 0.005
        aside = np.cross(axis, (1.0, 0.0, 0.0) if abs(axis[0]) < 0.7 else (0.0, 1.0, 0.0))
        aside /= np.linalg.norm(aside)
        rim = np.cos(half) * axis + np.sin(half) * (_RIM[:, :1] * aside + _RIM[:, 1:] * np.cross(axis, aside))
        pixels, seen = project(lens, rim)
        if not seen.any() and half < 0.5 and not project(lens, axis[None])[1][0]:
            spans[n] = (1, 0, 1, 0)
        elif seen.all() and -axis[2] < np.cos(half):
            low, high = pixels.min(axis=0), pixels.max(axis=0)
            margin = 3.0 + 0.03 * (high - low)
            spans[n, 0::2] = np.clip(np.floor(low - margin), 0, (width, height))
            spans[n, 1::2] = np.clip(np.ceil(high + margin), 0, (width, height))


@device
def _paint_at(a: AtlasArrays, x, y, deck, otherwise):
    """Paint of a deck at a point, `otherwise` where the deck or the tile is absent."""
    tile_x, tile_y = floor(x / TILE_M), floor(y / TILE_M)
    wx, wy = tile_x - a.window_at[0], tile_y - a.window_at[1]
    if wx < 0 or wx >= a.window.shape[0] or wy < 0 or wy >= a.window.shape[1]:
        return otherwise
    slot = a.window[wx, wy]
    if slot < 0 or deck >= a.decks[slot, 1]:
        return otherwise
    i = min(int((x - tile_x * TILE_M) / PAINT_M), PAINT_CELLS - 1)
    j = min(int((y - tile_y * TILE_M) / PAINT_M), PAINT_CELLS - 1)
    return a.paint[a.decks[slot, 0] + deck, i, j]


@device
def _ground_albedo(a: AtlasArrays, material, deck, x, y, dx, dy, long_m, wide_m, albedo):
    """Mean albedo of the paint under a pixel: samples along its footprint, which slant makes long and thin."""
    count = int(min(1.0 * _MOST_SAMPLES, 1.0 + max(long_m, wide_m) / PAINT_M))
    r, g, b = 0.0, 0.0, 0.0
    length = sqrt(dx * dx + dy * dy) + 1e-12
    ux, uy = dx / length, dy / length
    for s in range(count):
        along = ((s + 0.5) / count - 0.5) * long_m
        across = (((s * 0.618034) % 1.0) - 0.5) * wide_m if count > 1 else 0.0
        m = _paint_at(a, x + along * ux - across * uy, y + along * uy + across * ux, deck, material)
        r, g, b = r + albedo[m, 0], g + albedo[m, 1], b + albedo[m, 2]
    return r / count, g / count, b / count


@njit(cache=True)
def _shadow_lanes(agents: PosedAgents, sky: Sky):
    """Agents by strips of ground along the sunlight, which only they can shade.

    Returns:
        side: (2,) unit vector across the strips; low: where the first begins, m; first (L + 1,) and rows (Q,): the
        agents of strip l are rows[first[l] : first[l + 1]].
    """
    n = agents.template.shape[0]
    level = sqrt(sky.sun[0] ** 2 + sky.sun[1] ** 2) + 1e-12
    side = np.array([-sky.sun[1] / level, sky.sun[0] / level])
    across = agents.centre[:, 0] * side[0] + agents.centre[:, 1] * side[1]
    low, high = inf, -inf
    for i in range(n):
        low, high = min(low, across[i] - agents.radius[i]), max(high, across[i] + agents.radius[i])
    lanes = min(_MOST_LANES, int((high - low) / _LANE_M) + 1) if n else 0
    first = np.zeros(lanes + 1, np.int64)
    rows = np.empty(n * lanes, np.int64)
    for lane in range(lanes):
        first[lane + 1] = first[lane]
        for i in range(n):
            a = min(int((across[i] - agents.radius[i] - low) / _LANE_M), lanes - 1)
            b = min(int((across[i] + agents.radius[i] - low) / _LANE_M), lanes - 1)
            if a <= lane <= b:
                rows[first[lane + 1]] = i
                first[lane + 1] += 1
    return side, low, first, rows


@device
def _shadowed(a: AtlasArrays, agents: PosedAgents, templates: TemplateArrays, sky: Sky, x, y, z, lanes, reach):
    """Whether something within `reach` stands between a point and the sun."""
    sx, sy, sz = sky.sun[0], sky.sun[1], sky.sun[2]
    side, low, first, rows = lanes
    across = x * side[0] + y * side[1] - low
    if across >= 0.0 and first.shape[0] > 1:
        lane = min(int(across / _LANE_M), first.shape[0] - 2)
        some, count = rows[first[lane] : first[lane + 1]], first[lane + 1] - first[lane]
        if count and trace_agents(agents, templates, some, count, x, y, z, sx, sy, sz, reach)[5] >= 0:
            return True
    t, _, _, _, _, _ = trace_world(a, x, y, z, sx, sy, sz, reach)
    return t < inf


@device
def _towards(lens, rotation, px, py):
    """Unit direction in the map frame of an image point, and its cosine to the optical axis (`_UNSEEN`: the lens sees
    nothing there)."""
    if lens[0] == PINHOLE:
        cu, cv = (px - lens[3]) / lens[1], (py - lens[4]) / lens[2]
        scale = 1.0 / sqrt(cu * cu + cv * cv + 1.0)
        cu, cv = cu * scale, cv * scale
    else:
        cu, cv, scale, seen = ray(lens, px, py)
        if not seen:
            return 0.0, 0.0, 0.0, _UNSEEN
    return (
        rotation[0, 0] * cu + rotation[0, 1] * cv + rotation[0, 2] * scale,
        rotation[1, 0] * cu + rotation[1, 1] * cv + rotation[1, 2] * scale,
        rotation[2, 0] * cu + rotation[2, 1] * cv + rotation[2, 2] * scale,
        scale,
    )


@device
def _look(
    a: AtlasArrays,
    agents: PosedAgents,
    templates: TemplateArrays,
    sky: Sky,
    position,
    lens,
    far,
    some,
    count,
    lanes,
    albedo,
    agent_rgb,
    dx,
    dy,
    dz,
):
    """Trace and shade one ray of unit direction, with the agents `some[:count]` in its way.

    Returns:
        distance (inf: sky), material, agent row (-1: world), and linear red, green, blue.
    """
    ox, oy, oz = position[0], position[1], position[2]
    t, m, nx, ny, nz, deck = trace_world(a, ox, oy, oz, dx, dy, dz, far)
    row = -1
    if count:
        ta, ma, ax, ay, az, hit = trace_agents(agents, templates, some, count, ox, oy, oz, dx, dy, dz, min(t, far))
        if hit >= 0 and ta < t:
            t, m, nx, ny, nz, row = ta, ma, ax, ay, az, hit
    if t == inf:
        r, g, b = sky_radiance(sky, dx, dy, dz, True)
        return t, m, row, r, g, b
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    pixel = t / lens[1]
    lights, lift = 0, _LIFT_M
    ar, ag, ab = albedo[m, 0], albedo[m, 1], albedo[m, 2]
    if row >= 0:
        lights, lift = int(agents.lights[row]), _AGENT_LIFT_M
        part = 0 if m == _BODY else (1 if m == _UPPER else (2 if m == _LOWER else -1))
        if part >= 0:
            ar, ag, ab = agent_rgb[row, part, 0], agent_rgb[row, part, 1], agent_rgb[row, part, 2]
    elif deck >= 0:
        slant = max(0.02, abs(nx * dx + ny * dy + nz * dz))
        ar, ag, ab = _ground_albedo(a, m, deck, x, y, dx, dy, pixel / slant, pixel, albedo)
    lit = 1.0
    if nx * sky.sun[0] + ny * sky.sun[1] + nz * sky.sun[2] > 0.0:
        # what lies beyond the camera's own range is left out: it may not be in the atlas
        reach = min(_SHADOW_M, (far - t) / max(sqrt(sky.sun[0] ** 2 + sky.sun[1] ** 2), 1e-3))
        if reach > 0.0 and _shadowed(
            a, agents, templates, sky, x + lift * nx, y + lift * ny, z + lift * nz, lanes, reach
        ):
            lit = 0.0
    r, g, b = surface(sky, m, ar, ag, ab, lights, x, y, z, nx, ny, nz, dx, dy, dz, t, pixel, row >= 0, lit)
    return t, m, row, r, g, b


@device
def _in_the_way(spans, row_of, in_row, u, some):
    """Write the agents whose span holds column `u`; their number."""
    count = 0
    for q in range(in_row):
        if spans[row_of[q], 0] <= u <= spans[row_of[q], 1]:
            some[count] = row_of[q]
            count += 1
    return count


@device
def _in_row(spans, v, row_of):
    """Write the agents whose span holds row `v`; their number."""
    count = 0
    for n in range(spans.shape[0]):
        if spans[n, 2] <= v <= spans[n, 3]:
            row_of[count] = n
            count += 1
    return count


@device
def _is_edge(depth, semantic, instance, v, u):
    """Whether a pixel differs in kind from one beside it, or lies far before or behind it."""
    for q in range(4):
        i, j = v + (1 if q == 0 else (-1 if q == 1 else 0)), u + (1 if q == 2 else (-1 if q == 3 else 0))
        if 0 <= i < depth.shape[0] and 0 <= j < depth.shape[1]:
            if semantic[i, j] != semantic[v, u] or instance[i, j] != instance[v, u]:
                return True
            near, away = min(depth[i, j], depth[v, u]), max(depth[i, j], depth[v, u])
            if away > 1.15 * near and semantic[v, u] not in _FLAT:
                return True
    return False


@njit(cache=True, parallel=True)
def _render(
    a: AtlasArrays,
    agents: PosedAgents,
    templates: TemplateArrays,
    sky: Sky,
    rotation,
    position,
    lens,
    far,
    spans,
    albedo,
    agent_rgb,
    label_of,
    agent_label,
    smooth,
    rgb,
    depth,
    semantic,
    instance,
):
    """Trace and shade one image; `rotation` map <- optical axes, `lens` see `uniscene_sim.lens`."""
    height, width = depth.shape
    n = agents.template.shape[0]
    lanes = _shadow_lanes(agents, sky)
    for v in prange(height):
        row_of, some = np.empty(n, np.int64), np.empty(n, np.int64)
        in_row = _in_row(spans, v, row_of)
        for u in range(width):
            count = _in_the_way(spans, row_of, in_row, u, some)
            dx, dy, dz, scale = _towards(lens, rotation, u + 0.5, v + 0.5)
            if scale == _UNSEEN:
                depth[v, u], semantic[v, u], instance[v, u] = inf, _SKY, 0
                rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = 0, 0, 0
                continue
            t, m, row, r, g, b = _look(
                a,
                agents,
                templates,
                sky,
                position,
                lens,
                far,
                some,
                count,
                lanes,
                albedo,
                agent_rgb,
                dx,
                dy,
                dz,
            )
            along = 1.0 if lens[0] == FISHEYE else scale
            depth[v, u], semantic[v, u], instance[v, u] = t * along, _SKY, 0
            if row >= 0:
                semantic[v, u], instance[v, u] = agent_label[agents.cls[row]], agents.id[row]
            elif t < inf:
                semantic[v, u] = label_of[m]
            rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = encode(r), encode(g), encode(b)
    if not smooth:
        return
    for v in prange(height):
        row_of, some = np.empty(n, np.int64), np.empty(n, np.int64)
        in_row = _in_row(spans, v, row_of)
        for u in range(width):
            if not _is_edge(depth, semantic, instance, v, u):
                continue
            count = _in_the_way(spans, row_of, in_row, u, some)
            red, green, blue = 0.0, 0.0, 0.0
            for q in range(4):  # a rotated grid
                x, y = u + 0.125 + 0.25 * q, v + 0.125 + 0.25 * ((2 * q + 1) % 4 if q < 2 else 2 * (q - 2))
                dx, dy, dz, scale = _towards(lens, rotation, x, y)
                if scale == _UNSEEN:
                    continue
                _, _, _, r, g, b = _look(
                    a,
                    agents,
                    templates,
                    sky,
                    position,
                    lens,
                    far,
                    some,
                    count,
                    lanes,
                    albedo,
                    agent_rgb,
                    dx,
                    dy,
                    dz,
                )
                red, green, blue = red + min(r, 1.4), green + min(g, 1.4), blue + min(b, 1.4)
            rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = encode(red / 4), encode(green / 4), encode(blue / 4)


class RaycastCameras:
    """Cameras by exact tracing. Depth, semantics and instances are those of the ray through the pixel's centre.

    Args:
        templates: shapes of agents, by default the built-in ones.
        smooth_edges: whether pixels on edges get the mean colour of four rays.
    """

    name = "raycast"
    coupling: Literal["independent", "joint"] = "independent"
    chunk = 1
    latency_ticks = 0

    def __init__(self, templates: TemplateSource | None = None, smooth_edges: bool = True):
        self._smooth = smooth_edges
        self._set: TemplateSource = built_in() if templates is None else templates
        self._templates = template_arrays(self._set)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Any, list[dict[str, CameraFrame]]]:
        """One image of each camera in each world, at the worlds' stamps."""
        out = []
        for view in views:
            posed = {with_ego: self._posed(view, with_ego) for with_ego in {s.ego_visible for s in specs}}
            images = {}
            for spec in specs:
                agents, paint = posed[spec.ego_visible]
                if spec.ego_visible and self._inside(view, spec, agents):
                    agents, paint = posed.setdefault(False, self._posed(view, False))
                images[spec.name] = self._one(view, spec, agents, paint)
            out.append(images)
        return state, out

    def _inside(self, view: WorldView, spec: CameraSpec, agents: PosedAgents) -> bool:
        """Whether a camera is inside the ego's body, the last of the agents, which then would hide all else from it."""
        x, y, z = view.frame.ego_pose.compose(spec.pose).position
        last = np.array([len(agents.id) - 1])
        return trace_agents(agents, self._templates, last, 1, x, y, z, 1.0, 0.0, 0.0, 1e-3)[5] >= 0

    def _posed(self, view: WorldView, with_ego: bool) -> tuple[PosedAgents, np.ndarray]:
        """The agents of a moment, the ego among them where it is to be seen, and their colours."""
        frame = view.frame
        if with_ego:
            frame = replace(frame, agents=np.concatenate([frame.agents, _ego_as_agent(frame)]))
        agents = pose_agents(frame, agent_motion(frame, (), 0.0), self._set)
        return agents, agent_albedo(agents, np.asarray(body_rgb(agents.colour), np.float64).reshape(-1, 3))

    def _one(self, view: WorldView, spec: CameraSpec, agents: PosedAgents, paint: np.ndarray) -> CameraFrame:
        pose = view.frame.ego_pose.compose(spec.pose)
        rotation = view.frame.ego_pose.rotation @ spec.rotation_base_from_optical
        spans = np.empty((len(agents.id), 4), np.int64)
        find = _spans if spec.lens[0] == PINHOLE else _spans_of_cones
        find(agents, rotation, pose.position, spec.lens, spec.width, spec.height, spec.max_range_m, spans)
        shape = (spec.height, spec.width)
        rgb, depth = np.empty((*shape, 3), np.uint8), np.empty(shape, np.float32)
        semantic, instance = np.empty(shape, np.uint8), np.empty(shape, np.uint16)
        _render(
            view.atlas.arrays,
            agents,
            self._templates,
            sky_of(view.frame.style),
            np.ascontiguousarray(rotation),
            pose.position,
            spec.lens,
            spec.max_range_m,
            spans,
            LINEAR_RGB,
            paint,
            MATERIAL_LABEL,
            AGENT_OCC_CLASS,
            self._smooth,
            rgb,
            depth,
            semantic,
            instance,
        )
        return CameraFrame(rgb, depth, semantic, instance, view.frame.stamp_us)


def _ego_as_agent(frame: LayoutFrame) -> np.ndarray:
    """The ego's body as a row (1,) of AGENT_DTYPE."""
    row, vehicle, pose = np.zeros(1, AGENT_DTYPE), frame.ego_vehicle, frame.ego_pose
    row["id"], row["cls"] = EGO_ID, AgentClass.CAR
    row["pos"] = pose.apply(np.array([vehicle.rear_axle_to_centre_m, 0.0, 0.0]))
    row["rpy"], row["size"] = (pose.roll, pose.pitch, pose.yaw), (vehicle.length_m, vehicle.width_m, vehicle.height_m)
    row["vel"], row["colour"] = frame.ego_velocity, _EGO_COLOUR
    return row
