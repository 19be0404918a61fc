"""`RaycastCameras`: images by exact tracing of tiles and agents, lit by sun, sky and lamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, sqrt
from typing import Any, Literal

import numpy as np
from numba import njit, prange

from uniscene_sim.camera.bins import Bins, make_bins
from uniscene_sim.camera.lamps import Lamps, lamps_of
from uniscene_sim.camera.look import Scene, look
from uniscene_sim.camera.optics import add_noise, blur_motion, fall, image_motion, key_of
from uniscene_sim.camera.shading import LINEAR_RGB, agent_albedo, encode
from uniscene_sim.camera.spans import in_row, in_the_way, spans_of, spans_of_cones
from uniscene_sim.camera.weather import Sky, sky_of
from uniscene_sim.compiled import device
from uniscene_sim.engines import WorldView
from uniscene_sim.frames import CameraFrame
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.lens import FISHEYE, PINHOLE, ray
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, AgentClass, OccClass
from uniscene_sim.tracing.agents import (
    PosedAgents,
    TemplateArrays,
    TemplateSource,
    agent_motion,
    pose_agents,
    template_arrays,
)
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_agents
from uniscene_sim.tracing.templates import body_rgb
from uniscene_sim.tracing.templates import templates as built_in

__all__ = ["EGO_ID", "PlainCameras", "RaycastCameras"]

#: Instance id of the ego's own body, in cameras that see it.
EGO_ID = 65_535
_EGO_COLOUR = 0x2A6F
_SKY = int(OccClass.FREE)
# ground: seen at a slant, its depth jumps from row to row without an edge
_FLAT = (11, 12, 13, 14, 17, 18, 19)
_UNSEEN = -2.0
_STRIP_M, _FOOT_M = 4.0, 8.0  # bins of agents across the sunlight, and around their feet
_FEET_M = 80.0  # ground beside agents is darker up to so far from the camera
_BESIDE_M = 1.2


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
    atlas: AtlasArrays,
    agents: PosedAgents,
    templates: TemplateArrays,
    sky: Sky,
    lamps: Lamps,
    lit: Bins,
    shades: Bins,
    feet: Bins,
    albedo,
    agent_rgb,
    far,
    plain,
    rotation,
    position,
    lens,
    spans,
    label_of,
    agent_label,
    smooth,
    rgb,
    depth,
    semantic,
    instance,
):
    """Trace and shade one image: the parts of its scene first (a parallel loop takes no tuple of tuples), then its
    axes (`rotation` map <- optical), its lens (see `uniscene_sim.lens`), and what is written."""
    height, width = depth.shape
    n = agents.template.shape[0]
    ox, oy, oz, angle, exposure = position[0], position[1], position[2], 1.0 / lens[1], sky.exposure
    for v in prange(height):
        scene = Scene(atlas, agents, templates, sky, lamps, lit, shades, feet, albedo, agent_rgb, far, plain)
        row_of, some = np.empty(n, np.int64), np.empty(n, np.int64)
        count_in_row = in_row(spans, v, row_of)
        for u in range(width):
            count = in_the_way(spans, row_of, count_in_row, u, some)
            dx, dy, dz, scale = _towards(lens, rotation, u + 0.5, v + 0.5)
            if scale == _UNSEEN:
                depth[v, u], semantic[v, u], instance[v, u] = inf, _SKY, 0
                rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = 0, 0, 0
                continue
            t, m, row, r, g, b = look(scene, some, count, ox, oy, oz, dx, dy, dz, angle)
            along = 1.0 if lens[0] == FISHEYE else scale
            depth[v, u], semantic[v, u], instance[v, u] = t * along, _SKY, 0
            if row >= 0:
                semantic[v, u], instance[v, u] = agent_label[agents.cls[row]], agents.id[row]
            elif t < inf:
                semantic[v, u] = label_of[m]
            rgb[v, u, 0], rgb[v, u, 1], rgb[v, u, 2] = encode(exposure * r), encode(exposure * g), encode(exposure * b)
    if not smooth:
        return
    for v in prange(height):
        scene = Scene(atlas, agents, templates, sky, lamps, lit, shades, feet, albedo, agent_rgb, far, plain)
        row_of, some = np.empty(n, np.int64), np.empty(n, np.int64)
        count_in_row = in_row(spans, v, row_of)
        for u in range(width):
            if not _is_edge(depth, semantic, instance, v, u):
                continue
            count = in_the_way(spans, row_of, count_in_row, u, some)
            red, green, blue = 0.0, 0.0, 0.0
            for q in range(4):  # a rotated grid
                x, y = u + 0.125 + 0.25 * q, v + 0.125 + 0.25 * ((2 * q + 1) % 4 if q < 2 else 2 * (q - 2))
                dx, dy, dz, scale = _towards(lens, rotation, x, y)
                if scale == _UNSEEN:
                    continue
                _, _, _, r, g, b = look(scene, some, count, ox, oy, oz, dx, dy, dz, angle)
                most = 1.4 / exposure
                red, green, blue = red + min(r, most), green + min(g, most), blue + min(b, most)
            quarter = 0.25 * exposure
            rgb[v, u, 0], rgb[v, u, 1] = encode(quarter * red), encode(quarter * green)
            rgb[v, u, 2] = encode(quarter * blue)


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
    plain = False

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

    def _scene(self, view: WorldView, spec: CameraSpec, agents: PosedAgents, paint: np.ndarray) -> Scene:
        """What the rays of one camera share."""
        centre = view.frame.ego_pose.compose(spec.pose).position
        sky = sky_of(view.frame.style)
        sky = sky._replace(exposure=sky.exposure * 2.0**spec.exposure_ev)
        level = np.hypot(sky.sun[0], sky.sun[1]) + 1e-12
        across = np.array([-sky.sun[1], sky.sun[0]]) / level
        strips = np.column_stack([agents.centre[:, :2] @ across, np.zeros(len(agents.id))])
        middle = np.array([float(centre[:2] @ across), 0.0])
        # Feet of what only stands on the ground: a signal head hangs above it.
        reach = np.where(agents.cls == AgentClass.SIGNAL_HEAD, -1e9, agents.radius + _BESIDE_M)
        dark, far = 0.0 if self.plain else sky.dark, spec.max_range_m
        return Scene(
            view.atlas.arrays,
            agents,
            self._templates,
            sky,
            *lamps_of(view.frame, view.atlas.arrays.lamps, dark, centre, far),
            make_bins(strips, agents.radius, middle, far + _FOOT_M, _STRIP_M),
            make_bins(agents.position[:, :2], reach, centre, _FEET_M, _FOOT_M),
            LINEAR_RGB,
            paint,
            far,
            self.plain,
        )

    def _one(self, view: WorldView, spec: CameraSpec, agents: PosedAgents, paint: np.ndarray) -> CameraFrame:
        pose = view.frame.ego_pose.compose(spec.pose)
        rotation = view.frame.ego_pose.rotation @ spec.rotation_base_from_optical
        spans = np.empty((len(agents.id), 4), np.int64)
        find = spans_of if spec.lens[0] == PINHOLE else spans_of_cones
        find(agents, rotation, pose.position, spec.lens, spec.width, spec.height, spec.max_range_m, spans)
        shape = (spec.height, spec.width)
        rgb, depth = np.empty((*shape, 3), np.uint8), np.empty(shape, np.float32)
        semantic, instance = np.empty(shape, np.uint8), np.empty(shape, np.uint16)
        _render(
            *self._scene(view, spec, agents, paint),
            np.ascontiguousarray(rotation),
            pose.position,
            spec.lens,
            spans,
            MATERIAL_LABEL,
            AGENT_OCC_CLASS,
            self._smooth and not self.plain,
            rgb,
            depth,
            semantic,
            instance,
        )
        image = CameraFrame(rgb, depth, semantic, instance, view.frame.stamp_us)
        return replace(image, rgb=self._through_lens(image, view.frame, spec))

    def _through_lens(self, image: CameraFrame, frame: LayoutFrame, spec: CameraSpec) -> np.ndarray:
        """What motion, weather before the lens and the sensor make of the colours."""
        rgb, sky = image.rgb, sky_of(frame.style)
        if spec.shutter_ms > 0.0:
            rgb = blur_motion(rgb, image_motion(spec, image.depth, image.instance, frame))
        if sky.falls and not self.plain:
            fall(rgb, image.depth, sky, frame, spec)
        if spec.noise > 0.0:
            add_noise(rgb, spec.noise, key_of(frame, spec))
        return rgb


class PlainCameras(RaycastCameras):
    """The same rays and labels, with colour by sun and sky alone: no shadows, detail, lamps or weather."""

    name = "raycast-plain"
    plain = True


def _ego_as_agent(frame: LayoutFrame) -> np.ndarray:
    """The ego's body as a row (1,) of AGENT_DTYPE."""
    row, vehicle, pose = np.zeros(1, AGENT_DTYPE), frame.ego_vehicle, frame.ego_pose
    row["id"], row["cls"] = EGO_ID, AgentClass.CAR
    row["pos"] = pose.apply(np.array([vehicle.rear_axle_to_centre_m, 0.0, 0.0]))
    row["rpy"], row["size"] = (pose.roll, pose.pitch, pose.yaw), (vehicle.length_m, vehicle.width_m, vehicle.height_m)
    row["vel"], row["colour"] = frame.ego_velocity, _EGO_COLOUR
    return row
