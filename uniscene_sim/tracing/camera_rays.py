"""The rays of a camera and what they hit first: what cameras that trace and exact buffers share."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, inlined
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lens import PINHOLE, pixel_ray
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.agents import (
    PosedAgents,
    TemplateArrays,
    TemplateSource,
    agent_motion,
    ego_as_agent,
    pose_agents,
    template_arrays,
)
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.pixel_bounds import agent_pixel_bounds, agent_pixel_bounds_distorted
from uniscene_sim.tracing.slabs import Ray

__all__ = ["OUTSIDE_LENS", "Hit", "PosedCamera", "SeenAgents", "camera_pose", "first_hit", "pixel_direction",
           "posed_camera"]  # fmt: skip

#: Cosine to the optical axis that `pixel_direction` gives where the lens has no ray.
OUTSIDE_LENS = -2.0


class PosedCamera(NamedTuple):
    """Pose and lens of a camera, and the pixels that each agent may cover."""

    rotation: np.ndarray  # float64 (3, 3), map <- optical
    position: np.ndarray  # float64 (3,) m
    lens: np.ndarray  # float64 (11,), see `uniscene_sim.lens`
    spans: np.ndarray  # int64 (N, 4), see `uniscene_sim.tracing.pixel_bounds`


class Hit(NamedTuple):
    """Where a ray ends."""

    t: float  # m, inf where nothing is hit
    material: int
    nx: float  # normal, map frame
    ny: float
    nz: float
    deck: int  # of the ground, -1 on all else
    row: int  # of the agent; -1 on the world; -1 - instance on a voxel of a window


def camera_pose(ego_pose: Pose, spec: CameraSpec) -> tuple[np.ndarray, np.ndarray]:
    """Rotation map <- optical (3, 3) and position (3,), m, of a camera, as its rays have them.

    Args:
        ego_pose: map <- base_link.
        spec: the camera.
    """
    rotation = fixed(np.ascontiguousarray(ego_pose.rotation @ spec.rotation_base_from_optical))
    return rotation, fixed(ego_pose.compose(spec.pose).position)


def posed_camera(view: WorldView, spec: CameraSpec, agents: PosedAgents) -> PosedCamera:
    """A camera at a moment.

    Args:
        view: the world at the image's stamp.
        spec: the camera.
        agents: the N agents that it may see.
    """
    rotation, position = camera_pose(view.frame.ego_pose, spec)
    spans = np.empty((len(agents.id), 4), np.int64)
    find = agent_pixel_bounds if spec.lens[0] == PINHOLE else agent_pixel_bounds_distorted
    find(agents, rotation, position, spec.lens, spec.width, spec.height, float(spec.max_range_m), spans)
    return PosedCamera(rotation, position, spec.lens, spans)


class SeenAgents:
    """The agents of a moment as its cameras see them, each set posed once.

    Args:
        view: the world at the images' stamp.
        templates: shapes of agents.
    """

    def __init__(self, view: WorldView, templates: TemplateSource):
        self._view, self._templates = view, templates
        self._posed: dict[bool, PosedAgents] = {}

    def by(self, spec: CameraSpec) -> PosedAgents:
        """Those that a camera may see: with the ego's body last, if it sees that and is not inside of it."""
        if not spec.ego_visible:
            return self._with_ego(False)
        agents = self._with_ego(True)
        return self._with_ego(False) if self._inside_ego_body(spec, agents) else agents

    def _with_ego(self, wanted: bool) -> PosedAgents:
        if wanted not in self._posed:
            frame = self._view.frame
            if wanted:
                frame = replace(frame, agents=np.concatenate([frame.agents, ego_as_agent(frame)]))
            self._posed[wanted] = pose_agents(frame, agent_motion(frame, (), 0.0), self._templates)
        return self._posed[wanted]

    def _inside_ego_body(self, spec: CameraSpec, agents: PosedAgents) -> bool:
        """Whether a camera lies inside the ego's body (the last agent), which would then occlude everything."""
        x, y, z = self._view.frame.ego_pose.compose(spec.pose).position
        last, templates = np.array([len(agents.id) - 1]), template_arrays(self._templates)
        return bool(trace_agents(agents, templates, last, 1, Ray(x, y, z, 1.0, 0.0, 0.0), 1e-3)[5] >= 0)


@device
def pixel_direction(lens, rotation, px, py):
    """Unit direction (3 numbers, map frame) of an image point, and its cosine to the optical axis, `OUTSIDE_LENS`
    where the lens has no ray."""
    if lens[0] == PINHOLE:
        cu, cv = (px - lens[3]) / lens[1], (py - lens[4]) / lens[2]
        scale = 1.0 / sqrt(cu * cu + cv * cv + 1.0)
        cu, cv = cu * scale, cv * scale
    else:
        cu, cv, scale, seen = pixel_ray(lens, px, py)
        if not seen:
            return 0.0, 0.0, 0.0, OUTSIDE_LENS
    return (
        rotation[0, 0] * cu + rotation[0, 1] * cv + rotation[0, 2] * scale,
        rotation[1, 0] * cu + rotation[1, 1] * cv + rotation[1, 2] * scale,
        rotation[2, 0] * cu + rotation[2, 1] * cv + rotation[2, 2] * scale,
        scale,
    )


@inlined
def first_hit(atlas: AtlasArrays, agents: PosedAgents, templates: TemplateArrays, candidates, count, ray: Ray, far):
    """The first hit of a ray within `far` (m) on the world and on the agents `candidates[:count]`."""
    t, m, nx, ny, nz, deck = trace_world(atlas, ray, far)
    row = min(deck, -1)
    if count:
        ta, ma, ax, ay, az, agent = trace_agents(agents, templates, candidates, count, ray, min(t, far))
        if agent >= 0 and ta < t:
            t, m, nx, ny, nz, deck, row = ta, ma, ax, ay, az, -1, agent
    return Hit(t, m, nx, ny, nz, deck, row)
