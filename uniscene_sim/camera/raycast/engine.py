"""`RaycastCameras`: images by ray casting into tiles and agents, shaded by sun, sky and lamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from uniscene_sim.camera.effects import add_noise, add_precipitation, blur_motion, image_motion
from uniscene_sim.camera.raycast.glare import add_glare
from uniscene_sim.camera.raycast.ground_bins import make_ground_bins
from uniscene_sim.camera.raycast.lamps import active_lamps
from uniscene_sim.camera.raycast.pixels import ImageBuffers, antialias_pixel, is_edge, render_pixel
from uniscene_sim.camera.raycast.ray import CameraScene
from uniscene_sim.camera.raycast.shading import LINEAR_RGB, agent_albedo
from uniscene_sim.camera.weather import sky_of
from uniscene_sim.compute.compiled import nogil_kernel
from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.frames import CameraFrame
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.tracing.agents import PosedAgents, TemplateSource, template_arrays
from uniscene_sim.tracing.camera_rays import PosedCamera, SeenAgents, posed_camera
from uniscene_sim.tracing.pixel_bounds import agents_in_column, agents_in_row
from uniscene_sim.tracing.templates.template_set import body_rgb
from uniscene_sim.tracing.templates.template_set import built_in_templates as built_in

__all__ = ["PlainCameras", "RaycastCameras", "RenderJob"]

_SHADOW_STRIP_M, _CONTACT_BIN_M = 4.0, 8.0  # widths of the bins of agents for sun shadows and ambient occlusion
_CONTACT_RANGE_M = 80.0  # from the camera: ambient occlusion by agents
_CONTACT_MARGIN_M = 1.2  # reach of ambient occlusion beside an agent


class RenderJob(NamedTuple):
    """One image to render."""

    scene: CameraScene
    camera: PosedCamera
    image: ImageBuffers


@nogil_kernel
def _render_rows(scene: CameraScene, camera: PosedCamera, image: ImageBuffers, row_of, candidates, first, last):
    """Trace and shade the rows `first` to `last` - 1 of an image.

    `row_of` and `candidates` are scratch int64 (N,) for rows of agents: those on an image row, and those at a pixel.
    """
    for v in range(first, last):
        count_in_row = agents_in_row(camera.spans, v, row_of)
        for u in range(image.depth.shape[1]):
            render_pixel(
                scene,
                camera,
                image,
                candidates,
                agents_in_column(camera.spans, row_of, count_in_row, u, candidates),
                v,
                u,
            )


@nogil_kernel
def _antialias_rows(scene: CameraScene, camera: PosedCamera, image: ImageBuffers, row_of, candidates, first, last):
    """Anti-alias edge pixels in rows of an image that has been traced as a whole."""
    for v in range(first, last):
        count_in_row = agents_in_row(camera.spans, v, row_of)
        for u in range(image.depth.shape[1]):
            if is_edge(image, v, u):
                antialias_pixel(
                    scene,
                    camera,
                    image,
                    candidates,
                    agents_in_column(camera.spans, row_of, count_in_row, u, candidates),
                    v,
                    u,
                )


class RaycastCameras:
    """Cameras by ray casting. Depth, semantics and instances are those of the ray through the pixel's centre.

    Args:
        templates: shapes of agents, by default the built-in ones.
        smooth_edges: whether edge pixels are anti-aliased with four rays.
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
        return state, map_threads(lambda view: self._render_world(view, specs), views)

    def _render_world(self, view: WorldView, specs: Sequence[CameraSpec]) -> dict[str, CameraFrame]:
        """The images of one world."""
        jobs = self._render_jobs(view, specs)
        for job in jobs:
            self._trace(job)
        return self._camera_frames(view, specs, jobs)

    def _trace(self, job: RenderJob) -> None:
        """Fill the image."""
        n, rows = len(job.camera.spans), row_ranges(len(job.image.depth))
        map_threads(lambda part: _render_rows(*job, np.empty(n, np.int64), np.empty(n, np.int64), *part), rows)
        if self._smooth and not self.plain:
            map_threads(lambda part: _antialias_rows(*job, np.empty(n, np.int64), np.empty(n, np.int64), *part), rows)

    def _render_jobs(self, view: WorldView, specs: Sequence[CameraSpec]) -> list[RenderJob]:
        """Jobs for the images of one world, with buffers still to be filled."""
        seen = SeenAgents(view, self._template_set)
        return [self._render_job(view, spec, seen.by(spec)) for spec in specs]

    def _camera_scene(self, view: WorldView, spec: CameraSpec, agents: PosedAgents) -> CameraScene:
        """The scene of one camera's rays."""
        centre = fixed(view.frame.ego_pose.compose(spec.pose).position)
        sky = sky_of(view.frame.style)
        sky = sky._replace(exposure=sky.exposure * 2.0**spec.exposure_ev)
        level = np.hypot(sky.sun[0], sky.sun[1]) + 1e-12
        across = np.array([-sky.sun[1], sky.sun[0]]) / level
        strips = np.column_stack([agents.centre[:, :2] @ across, np.zeros(len(agents.id))])
        middle = np.array([float(centre[:2] @ across), 0.0])
        # A signal head hangs above the ground, so it does not darken it.
        reach = np.where(agents.cls == AgentClass.SIGNAL_HEAD, -1e9, agents.radius + _CONTACT_MARGIN_M)
        dark, far = 0.0 if self.plain else sky.darkness, float(spec.max_range_m)
        return CameraScene(
            view.atlas.arrays,
            agents,
            self._templates,
            sky,
            *active_lamps(view.frame, view.atlas.arrays.lamps, dark, centre, far),
            make_ground_bins(strips, agents.radius, middle, far + _CONTACT_BIN_M, _SHADOW_STRIP_M),
            make_ground_bins(agents.position[:, :2], reach, centre, _CONTACT_RANGE_M, _CONTACT_BIN_M),
            LINEAR_RGB,
            agent_albedo(agents, np.asarray(body_rgb(agents.colour), np.float64).reshape(-1, 3)),
            far,
            self.plain,
        )

    def _render_job(self, view: WorldView, spec: CameraSpec, agents: PosedAgents) -> RenderJob:
        shape = (spec.height, spec.width)
        return RenderJob(
            self._camera_scene(view, spec, agents),
            posed_camera(view, spec, agents),
            ImageBuffers(
                np.empty((*shape, 3), np.uint8),
                np.empty(shape, np.float32),
                np.empty(shape, np.uint8),
                np.empty(shape, np.uint16),
            ),
        )

    def _camera_frames(
        self, view: WorldView, specs: Sequence[CameraSpec], jobs: Sequence[RenderJob]
    ) -> dict[str, CameraFrame]:
        """Frames of one world from its traced images."""
        return {spec.name: self._camera_frame(job, view, spec) for spec, job in zip(specs, jobs, strict=True)}

    def _camera_frame(self, job: RenderJob, view: WorldView, spec: CameraSpec) -> CameraFrame:
        image = CameraFrame(*job.image, view.frame.stamp_us)
        return replace(image, rgb=self._apply_effects(image, job.scene, view.frame, spec))

    def _apply_effects(
        self, image: CameraFrame, scene: CameraScene, frame: LayoutFrame, spec: CameraSpec
    ) -> np.ndarray:
        """The colours after the glare of lamps, motion blur, precipitation and sensor noise."""
        rgb, sky = image.rgb, sky_of(frame.style)
        if len(scene.lamps.kind):
            add_glare(rgb, image.depth, scene.lamps, scene.sky, frame.ego_pose.compose(spec.pose).position,
                      frame.ego_pose.rotation @ spec.rotation_base_from_optical, spec)  # fmt: skip
        if spec.shutter_ms > 0.0:
            rgb = blur_motion(rgb, image_motion(spec, image.depth, image.instance, frame))
        if sky.precipitation and not self.plain:
            add_precipitation(rgb, image.depth, sky, frame, spec)
        if spec.noise > 0.0:
            add_noise(rgb, spec.noise, key_of(frame.seed, frame.stamp_us, spec.name))
        return rgb


class PlainCameras(RaycastCameras):
    """The same rays and labels, shaded by sun and sky alone: no shadows, detail, lamps or weather."""

    name = "raycast-plain"
    plain = True
