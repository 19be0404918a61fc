"""`RaycastCameras`: images by exact tracing of tiles and agents, lit by sun, sky and lamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from uniscene_sim.camera.effects import add_noise, add_precipitation, blur_motion, image_motion
from uniscene_sim.camera.raycast.ground_bins import make_ground_bins
from uniscene_sim.camera.raycast.lamps import lit_lamps
from uniscene_sim.camera.raycast.pixel_bounds import (
    agent_pixel_bounds,
    agent_pixel_bounds_distorted,
    agents_in_column,
    agents_in_row,
)
from uniscene_sim.camera.raycast.pixels import ImageBuffers, PosedCamera, antialias_pixel, is_edge, render_pixel
from uniscene_sim.camera.raycast.ray import CameraScene
from uniscene_sim.camera.raycast.shading import LINEAR_RGB, agent_albedo
from uniscene_sim.camera.sky import sky_of
from uniscene_sim.compute.compiled import nogil_kernel
from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.frames import CameraFrame
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.lens import PINHOLE
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import EGO_ID, AgentClass
from uniscene_sim.tracing.agents import PosedAgents, TemplateSource, agent_motion, pose_agents, template_arrays
from uniscene_sim.tracing.kernels import trace_agents
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.tracing.templates.template_set import body_rgb
from uniscene_sim.tracing.templates.template_set import built_in_templates as built_in

__all__ = ["PlainCameras", "RaycastCameras", "RenderJob"]

_EGO_COLOUR = 0x2A6F
_STRIP_M, _FOOT_M = 4.0, 8.0  # bins of agents across the sunlight, and around their feet
_FEET_M = 80.0  # ground beside agents is darker up to so far from the camera
_BESIDE_M = 1.2


class RenderJob(NamedTuple):
    """One picture to be made: what is there, who looks, and what is written."""

    scene: CameraScene
    eye: PosedCamera
    picture: ImageBuffers


@nogil_kernel
def _render_rows(scene: CameraScene, eye: PosedCamera, picture: ImageBuffers, row_of, some, first, last):
    """Trace and shade rows of a picture; `row_of` and `some` (N,) are room for agents."""
    for v in range(first, last):
        count_in_row = agents_in_row(eye.spans, v, row_of)
        for u in range(picture.depth.shape[1]):
            render_pixel(scene, eye, picture, some, agents_in_column(eye.spans, row_of, count_in_row, u, some), v, u)


@nogil_kernel
def _antialias_rows(scene: CameraScene, eye: PosedCamera, picture: ImageBuffers, row_of, some, first, last):
    """Smooth the edges in rows of a picture whose every pixel has been seen."""
    for v in range(first, last):
        count_in_row = agents_in_row(eye.spans, v, row_of)
        for u in range(picture.depth.shape[1]):
            if is_edge(picture, v, u):
                antialias_pixel(
                    scene, eye, picture, some, agents_in_column(eye.spans, row_of, count_in_row, u, some), v, u
                )


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
        self._template_set: TemplateSource = built_in() if templates is None else templates
        self._templates = template_arrays(self._template_set)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Any, list[dict[str, CameraFrame]]]:
        """One image of each camera in each world, at the worlds' stamps."""
        return state, map_threads(lambda view: self._seen(view, specs), views)

    def _seen(self, view: WorldView, specs: Sequence[CameraSpec]) -> dict[str, CameraFrame]:
        """The images of one world."""
        shots = self._render_jobs(view, specs)
        for shot in shots:
            self._trace(shot)
        return self._frames(view, specs, shots)

    def _trace(self, shot: RenderJob) -> None:
        """Fill the picture."""
        n, rows = len(shot.eye.spans), row_ranges(len(shot.picture.depth))
        map_threads(lambda part: _render_rows(*shot, np.empty(n, np.int64), np.empty(n, np.int64), *part), rows)
        if self._smooth and not self.plain:
            map_threads(lambda part: _antialias_rows(*shot, np.empty(n, np.int64), np.empty(n, np.int64), *part), rows)

    def _render_jobs(self, view: WorldView, specs: Sequence[CameraSpec]) -> list[RenderJob]:
        """The pictures of one world, yet to be made."""
        posed = {with_ego: self._posed_agents(view, with_ego) for with_ego in {s.ego_visible for s in specs}}
        shots = []
        for spec in specs:
            agents, paint = posed[spec.ego_visible]
            if spec.ego_visible and self._inside_ego_body(view, spec, agents):
                if False not in posed:
                    posed[False] = self._posed_agents(view, False)
                agents, paint = posed[False]
            shots.append(self._render_job(view, spec, agents, paint))
        return shots

    def _inside_ego_body(self, view: WorldView, spec: CameraSpec, agents: PosedAgents) -> bool:
        """Whether a camera is inside the ego's body, the last of the agents, which then would hide all else from it."""
        x, y, z = view.frame.ego_pose.compose(spec.pose).position
        last = np.array([len(agents.id) - 1])
        return bool(trace_agents(agents, self._templates, last, 1, Ray(x, y, z, 1.0, 0.0, 0.0), 1e-3)[5] >= 0)

    def _posed_agents(self, view: WorldView, with_ego: bool) -> tuple[PosedAgents, np.ndarray]:
        """The agents of a moment, the ego among them where it is to be seen, and their colours."""
        frame = view.frame
        if with_ego:
            frame = replace(frame, agents=np.concatenate([frame.agents, _ego_as_agent(frame)]))
        agents = pose_agents(frame, agent_motion(frame, (), 0.0), self._template_set)
        return agents, agent_albedo(agents, np.asarray(body_rgb(agents.colour), np.float64).reshape(-1, 3))

    def _scene(self, view: WorldView, spec: CameraSpec, agents: PosedAgents, paint: np.ndarray) -> CameraScene:
        """What the rays of one camera share."""
        centre = fixed(view.frame.ego_pose.compose(spec.pose).position)
        sky = sky_of(view.frame.style)
        sky = sky._replace(exposure=sky.exposure * 2.0**spec.exposure_ev)
        level = np.hypot(sky.sun[0], sky.sun[1]) + 1e-12
        across = np.array([-sky.sun[1], sky.sun[0]]) / level
        strips = np.column_stack([agents.centre[:, :2] @ across, np.zeros(len(agents.id))])
        middle = np.array([float(centre[:2] @ across), 0.0])
        # Feet of what only stands on the ground: a signal head hangs above it.
        reach = np.where(agents.cls == AgentClass.SIGNAL_HEAD, -1e9, agents.radius + _BESIDE_M)
        dark, far = 0.0 if self.plain else sky.darkness, spec.max_range_m
        return CameraScene(
            view.atlas.arrays,
            agents,
            self._templates,
            sky,
            *lit_lamps(view.frame, view.atlas.arrays.lamps, dark, centre, far),
            make_ground_bins(strips, agents.radius, middle, far + _FOOT_M, _STRIP_M),
            make_ground_bins(agents.position[:, :2], reach, centre, _FEET_M, _FOOT_M),
            LINEAR_RGB,
            paint,
            far,
            self.plain,
        )

    def _render_job(self, view: WorldView, spec: CameraSpec, agents: PosedAgents, paint: np.ndarray) -> RenderJob:
        rotation = fixed(np.ascontiguousarray(view.frame.ego_pose.rotation @ spec.rotation_base_from_optical))
        position = fixed(view.frame.ego_pose.compose(spec.pose).position)
        spans = np.empty((len(agents.id), 4), np.int64)
        find = agent_pixel_bounds if spec.lens[0] == PINHOLE else agent_pixel_bounds_distorted
        find(agents, rotation, position, spec.lens, spec.width, spec.height, spec.max_range_m, spans)
        shape = (spec.height, spec.width)
        return RenderJob(
            self._scene(view, spec, agents, paint),
            PosedCamera(rotation, position, spec.lens, spans),
            ImageBuffers(
                np.empty((*shape, 3), np.uint8),
                np.empty(shape, np.float32),
                np.empty(shape, np.uint8),
                np.empty(shape, np.uint16),
            ),
        )

    def _frames(
        self, view: WorldView, specs: Sequence[CameraSpec], shots: Sequence[RenderJob]
    ) -> dict[str, CameraFrame]:
        """What the cameras of one world make of pictures that have been traced."""
        return {spec.name: self._frame(shot, view, spec) for spec, shot in zip(specs, shots, strict=True)}

    def _frame(self, shot: RenderJob, view: WorldView, spec: CameraSpec) -> CameraFrame:
        image = CameraFrame(*shot.picture, view.frame.stamp_us)
        return replace(image, rgb=self._apply_effects(image, view.frame, spec))

    def _apply_effects(self, image: CameraFrame, frame: LayoutFrame, spec: CameraSpec) -> np.ndarray:
        """What motion, weather before the lens and the sensor make of the colours."""
        rgb, sky = image.rgb, sky_of(frame.style)
        if spec.shutter_ms > 0.0:
            rgb = blur_motion(rgb, image_motion(spec, image.depth, image.instance, frame))
        if sky.precipitation and not self.plain:
            add_precipitation(rgb, image.depth, sky, frame, spec)
        if spec.noise > 0.0:
            add_noise(rgb, spec.noise, key_of(frame.seed, frame.stamp_us, spec.name))
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
