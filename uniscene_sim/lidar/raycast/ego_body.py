"""What the beams of a LiDAR meet on the ego itself: the parts that the rig names, or its whole body.

The sensor is fixed to the body, so this is the same in every sweep, whatever the ego does.
"""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import nogil_kernel
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.lidar.raycast.trace import Beams, Hits, beam_direction, beams_of
from uniscene_sim.rig import BodyPart, LidarSpec
from uniscene_sim.taxonomy import Material
from uniscene_sim.tracing.agents import (
    PosedAgents,
    TemplateArrays,
    TemplateSource,
    agent_motion,
    ego_as_agent,
    pose_agents,
    template_arrays,
)
from uniscene_sim.tracing.kernels import trace_agents
from uniscene_sim.tracing.slabs import Ray

__all__ = ["EgoBody", "ego_body_of", "put_ego_body"]

#: Of parts: dark plastic and coated metal.
_PART = int(Material.BODY_TRIM)


class EgoBody(NamedTuple):
    """The K beams of a sensor that meet the ego's body."""

    beam: np.ndarray  # int64 (K,), index in A x R
    distance: np.ndarray  # float64 (K,) m
    cosine: np.ndarray  # float64 (K,) of incidence
    material: np.ndarray  # uint8 (K,)


def ego_body_of(frame: LayoutFrame, spec: LidarSpec, templates: TemplateSource) -> EgoBody:
    """What a sensor sees of the ego: its parts, if it has any, or its body, if the sensor is not inside it.

    Args:
        frame: whose ego it is; its pose does not matter.
        spec: the sensor.
        templates: shapes of bodies.
    """
    at_rest = replace(frame, ego_pose=Pose(), ego_velocity=np.zeros(3))
    alone = replace(at_rest, agents=ego_as_agent(at_rest))
    body = pose_agents(alone, agent_motion(alone, (), 0.0), templates)
    beams = beams_of(spec)
    shape = (len(beams.azimuth), len(beams.elevation))
    distance, cosine, material = np.full(shape, np.inf), np.zeros(shape), np.zeros(shape, np.uint8)
    rotation, position = np.ascontiguousarray(spec.pose.rotation), np.ascontiguousarray(spec.pose.position, np.float64)
    parts, only = _corners(spec.ego_parts), np.zeros(0 if spec.ego_parts else 1, np.int64)
    _trace_body(body, template_arrays(templates), rotation, position, beams, only, parts, float(spec.max_range_m),
                distance, cosine, material)  # fmt: skip
    beam = np.flatnonzero(np.isfinite(distance))
    return EgoBody(beam, distance.ravel()[beam], cosine.ravel()[beam], material.ravel()[beam])


def put_ego_body(body: EgoBody, row: int, hits: Hits) -> None:
    """Write the hits of beams that meet the ego's body before anything else.

    Args:
        body: what the sensor sees of it.
        row: written to `agent_row`, one beyond those of the agents.
        hits: (A, R), changed.
    """
    first = body.distance < hits.distance.ravel()[body.beam]
    beam = body.beam[first]
    hits.distance.reshape(-1)[beam] = body.distance[first]
    hits.cosine.reshape(-1)[beam] = body.cosine[first]
    hits.material.reshape(-1)[beam] = body.material[first]
    hits.agent_row.reshape(-1)[beam] = row


def _corners(parts: tuple[BodyPart, ...]) -> np.ndarray:
    """Lower and upper corners of parts, float64 (P, 2, 3) m."""
    middle = np.array([(p.x, p.y, p.z) for p in parts], np.float64).reshape(-1, 1, 3)
    half = 0.5 * np.array([(p.length, p.width, p.height) for p in parts], np.float64).reshape(-1, 1, 3)
    return np.concatenate([middle - half, middle + half], axis=1)


@nogil_kernel
def _trace_body(
    body: PosedAgents, templates: TemplateArrays, rotation, position, beams: Beams, only, corners, max_range,
    distance, cosine, material,
):  # fmt: skip
    # rotation, position: base <- sensor; only: (0,) or (1,) rows of `body`; corners: of parts; the last three written
    x, y, z = position[0], position[1], position[2]
    hidden = len(only) == 0 or trace_agents(body, templates, only, 1, Ray(x, y, z, 1.0, 0.0, 0.0), 1e-3)[5] >= 0
    for c in range(distance.shape[0]):
        for r in range(distance.shape[1]):
            azimuth, elevation = beams.azimuth[c] + beams.offset[r], beams.elevation[r]
            d = beam_direction(rotation, cos(azimuth), sin(azimuth), cos(elevation), sin(elevation))
            best = max_range
            if not hidden:
                t, m, nx, ny, nz, hit = trace_agents(body, templates, only, 1, Ray(x, y, z, d[0], d[1], d[2]), best)
                if hit >= 0:
                    best = t
                    distance[c, r], material[c, r] = t, m
                    cosine[c, r] = min(1.0, abs(nx * d[0] + ny * d[1] + nz * d[2]))
            for p in range(corners.shape[0]):
                enter, leave, axis = -1.0, best, 0
                for k in range(3):
                    if abs(d[k]) < 1e-12:
                        if not corners[p, 0, k] <= position[k] <= corners[p, 1, k]:
                            leave = -2.0
                        continue
                    a, b = (corners[p, 0, k] - position[k]) / d[k], (corners[p, 1, k] - position[k]) / d[k]
                    if min(a, b) > enter:
                        enter, axis = min(a, b), k
                    leave = min(leave, max(a, b))
                if 0.0 < enter < leave:
                    best = enter
                    distance[c, r], material[c, r], cosine[c, r] = enter, _PART, abs(d[axis])
