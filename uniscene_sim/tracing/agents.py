"""Agents for kernels: templates, poses, and motion during a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin
from typing import NamedTuple, Protocol

import numpy as np

from uniscene_sim.compute.compiled import device, inlined, nogil_kernel
from uniscene_sim.compute.rounding import fixed_in_kernel
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.taxonomy import EGO_ID, AgentClass

__all__ = [
    "EGO_COLOUR",
    "Motion",
    "PosedAgents",
    "TemplateArrays",
    "TemplateSource",
    "agent_motion",
    "ego_as_agent",
    "ego_motion",
    "interpolate",
    "knot_at",
    "pose_agents",
    "pose_at",
    "position_at",
    "set_pose",
    "template_arrays",
]

#: Seed of the ego's paint.
EGO_COLOUR = 0x2A6F


class TemplateSource(Protocol):
    """What templates are taken from: a `TemplateSet` or another. The arrays are those of `TemplateArrays`."""

    @property
    def material(self) -> np.ndarray: ...

    @property
    def normal(self) -> np.ndarray: ...

    @property
    def offset(self) -> np.ndarray: ...

    @property
    def shape(self) -> np.ndarray: ...

    @property
    def voxel_m(self) -> np.ndarray: ...

    @property
    def size_m(self) -> np.ndarray: ...

    def template_of(self, cls: np.ndarray, colour: np.ndarray, gait: np.ndarray) -> np.ndarray:
        """Template index int (N,) by class (N,), colour seed (N,) and distance travelled (N,), m."""
        ...


class TemplateArrays(NamedTuple):
    """T voxel templates, concatenated. Axes x forward, y left, z up; the origin is the footprint's centre."""

    material: np.ndarray  # uint8 (V,), Material; NONE is empty
    normal: np.ndarray  # int8 (V, 3), outward, not of unit length
    offset: np.ndarray  # int64 (T,), first voxel of each
    shape: np.ndarray  # int32 (T, 3)
    voxel_m: np.ndarray  # float64 (T,) m
    size_m: np.ndarray  # float64 (T, 3) m, natural size, from which it is scaled to an agent's box


class PosedAgents(NamedTuple):
    """N agents at one instant, map frame."""

    position: np.ndarray  # float64 (N, 3) m, footprint's centre on the ground
    rotation: np.ndarray  # float64 (N, 3, 3), map <- box
    size: np.ndarray  # float64 (N, 3) m
    centre: np.ndarray  # float64 (N, 3) m, of the bounding sphere
    radius: np.ndarray  # float64 (N,) m
    template: np.ndarray  # int32 (N,)
    id: np.ndarray  # uint16 (N,)
    cls: np.ndarray  # uint8 (N,)
    lights: np.ndarray  # uint8 (N,)
    colour: np.ndarray  # uint32 (N,)


class Motion(NamedTuple):
    """Poses of N bodies at K knots, linear between them; angles are unwrapped."""

    time_s: np.ndarray  # float64 (K,), ascending, the last is 0
    position: np.ndarray  # float64 (K, N, 3) m
    rpy: np.ndarray  # float64 (K, N, 3) rad


def template_arrays(templates: TemplateSource) -> TemplateArrays:
    """A template set for kernels."""
    return TemplateArrays(
        np.ascontiguousarray(templates.material, np.uint8).reshape(-1),
        np.ascontiguousarray(templates.normal, np.int8).reshape(-1, 3),
        np.ascontiguousarray(templates.offset, np.int64),
        np.ascontiguousarray(templates.shape, np.int32),
        np.ascontiguousarray(templates.voxel_m, np.float64),
        np.ascontiguousarray(templates.size_m, np.float64),
    )


def agent_motion(frame: LayoutFrame, history: Sequence[LayoutFrame], span_s: float) -> Motion:
    """Motion of the agents of `frame` over the `span_s` before it.

    Where an agent is missing from an earlier frame, and before the first frame, it is extrapolated from its velocity.
    """
    frames = _knots(frame, history, span_s)
    time_s = np.array([(f.stamp_us - frame.stamp_us) * 1e-6 for f in frames])
    n = len(frame.agents)
    position, rpy = np.empty((len(frames), n, 3)), np.empty((len(frames), n, 3))
    position[-1], rpy[-1] = frame.agents["pos"], frame.agents["rpy"]
    velocity = frame.agents["vel"].astype(np.float64)
    for k in range(len(frames) - 2, -1, -1):
        position[k] = position[k + 1] + velocity * (time_s[k] - time_s[k + 1])
        rpy[k] = rpy[k + 1]
        mine, theirs = np.nonzero(frame.agents["id"][:, None] == frames[k].agents["id"][None, :])
        position[k, mine] = frames[k].agents["pos"][theirs]
        rpy[k, mine] = frames[k].agents["rpy"][theirs]
    return _extend_to_span_start(time_s, position, rpy, velocity, np.zeros((n, 3)), span_s)


def ego_motion(frame: LayoutFrame, history: Sequence[LayoutFrame], span_s: float) -> Motion:
    """Motion of `base_link` over the `span_s` before a frame; extrapolated from velocity and yaw rate before the first
    one."""
    frames = _knots(frame, history, span_s)
    time_s = np.array([(f.stamp_us - frame.stamp_us) * 1e-6 for f in frames])
    poses = [f.ego_pose for f in frames]
    position = np.array([[(p.x, p.y, p.z)] for p in poses])
    rpy = np.array([[(p.roll, p.pitch, p.yaw)] for p in poses])
    velocity = np.asarray(frames[0].ego_velocity, np.float64).reshape(1, 3)
    return _extend_to_span_start(
        time_s, position, rpy, velocity, np.array([[0.0, 0.0, frames[0].ego_yaw_rate]]), span_s
    )


def _knots(frame: LayoutFrame, history: Sequence[LayoutFrame], span_s: float) -> list[LayoutFrame]:
    """The frame, last, and the frames within the span before it, with one earlier than the span if there is one; by
    ascending stamp."""
    kept = [frame]
    for earlier in reversed(history):
        if (frame.stamp_us - kept[-1].stamp_us) * 1e-6 >= span_s:
            break
        if earlier.stamp_us < kept[-1].stamp_us:
            kept.append(earlier)
    return kept[::-1]


def _extend_to_span_start(
    time_s: np.ndarray, position: np.ndarray, rpy: np.ndarray, velocity: np.ndarray, rate: np.ndarray, span_s: float
) -> Motion:
    """Motion with unwrapped angles, and with one more knot in front if the first one is after the start of the span.

    Args:
        time_s: (K,), ascending.
        position, rpy: (K, N, 3), m and rad.
        velocity, rate: (N, 3), m/s and rad/s, for the knot in front.
        span_s: length of the span.
    """
    for k in range(len(time_s) - 2, -1, -1):
        rpy[k] = rpy[k + 1] + wrap_angle(rpy[k] - rpy[k + 1])
    if time_s[0] > -span_s:
        back = -span_s - time_s[0]
        time_s = np.concatenate([[-span_s], time_s])
        position = np.concatenate([position[:1] + velocity * back, position])
        rpy = np.concatenate([rpy[:1] + rate * back, rpy])
    return Motion(time_s, np.ascontiguousarray(position), np.ascontiguousarray(rpy))


def ego_as_agent(frame: LayoutFrame) -> np.ndarray:
    """The ego's body as a row (1,) of AGENT_DTYPE."""
    row, vehicle, pose = np.zeros(1, AGENT_DTYPE), frame.ego_vehicle, frame.ego_pose
    row["id"], row["cls"] = EGO_ID, AgentClass.CAR
    row["pos"] = pose.apply(np.array([vehicle.rear_axle_to_centre_m, 0.0, 0.0]))
    row["rpy"], row["size"] = (pose.roll, pose.pitch, pose.yaw), (vehicle.length_m, vehicle.width_m, vehicle.height_m)
    row["vel"], row["colour"] = frame.ego_velocity, EGO_COLOUR
    return row


@inlined
def knot_at(motion: Motion, time_s):
    """The knots before and after a time, and the fraction of the way between them."""
    last = motion.time_s.shape[0] - 1
    k = 0
    while k < last - 1 and motion.time_s[k + 1] <= time_s:
        k += 1
    to = min(k + 1, last)
    span = motion.time_s[to] - motion.time_s[k]
    return k, to, (time_s - motion.time_s[k]) / span if span > 0.0 else 0.0


@inlined
def position_at(motion: Motion, n, knot):
    """Position (x, y, z), m, of body `n` at a time, given by its `knot_at`."""
    k, to, f = knot
    here, there = motion.position[k, n], motion.position[to, n]
    return (
        here[0] + f * (there[0] - here[0]),
        here[1] + f * (there[1] - here[1]),
        here[2] + f * (there[2] - here[2]),
    )


@inlined
def pose_at(motion: Motion, n, time_s):
    """Position (x, y, z), m, and rotation (three rows) of body `n` at a time."""
    knot = knot_at(motion, time_s)
    k, to, f = knot
    here, there = motion.rpy[k, n], motion.rpy[to, n]
    roll = here[0] + f * (there[0] - here[0])
    pitch = here[1] + f * (there[1] - here[1])
    yaw = here[2] + f * (there[2] - here[2])
    cr, sr = fixed_in_kernel(cos(roll)), fixed_in_kernel(sin(roll))
    cp, sp = fixed_in_kernel(cos(pitch)), fixed_in_kernel(sin(pitch))
    cy, sy = fixed_in_kernel(cos(yaw)), fixed_in_kernel(sin(yaw))
    return position_at(motion, n, knot), (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )


@device
def interpolate(motion: Motion, n, time_s, position, rotation):
    """Write the pose of a body at a time.

    Args:
        motion: of the bodies.
        n: index of the body.
        time_s: relative to the last knot, <= 0.
        position: (3,) m, written.
        rotation: (3, 3), map <- body, written.
    """
    at, turn = pose_at(motion, n, time_s)
    for q in range(3):
        position[q] = at[q]
        for s in range(3):
            rotation[q, s] = turn[q][s]


@device
def set_pose(agents: PosedAgents, motion: Motion, n, time_s):
    """Move an agent to its pose at a time.

    Args:
        agents: changed.
        motion: of the agents.
        n: index of the agent.
        time_s: relative to the last knot, <= 0.
    """
    interpolate(motion, n, time_s, agents.position[n], agents.rotation[n])
    for q in range(3):
        agents.centre[n, q] = agents.position[n, q] + 0.5 * agents.rotation[n, q, 2] * agents.size[n, 2]


@nogil_kernel
def _set_poses(agents: PosedAgents, motion: Motion, time_s):
    for n in range(agents.template.shape[0]):
        set_pose(agents, motion, n, time_s)


def pose_agents(frame: LayoutFrame, motion: Motion, templates: TemplateSource, time_s: float = 0.0) -> PosedAgents:
    """The agents of a frame, posed at a time before its stamp.

    Args:
        frame: the layout.
        motion: of its agents.
        templates: their shapes.
        time_s: relative to the stamp, <= 0.
    """
    agents = frame.agents
    n = len(agents)
    template = np.asarray(templates.template_of(agents["cls"], agents["colour"], agents["gait"]), np.int32).reshape(n)
    size = np.ascontiguousarray(agents["size"], np.float64)
    grid = np.asarray(templates.shape)[template] * np.asarray(templates.voxel_m)[template][:, None]
    reach = np.maximum(grid / np.asarray(templates.size_m)[template], 1.0) * size  # grids may extend beyond their box
    posed = PosedAgents(
        position=np.empty((n, 3)),
        rotation=np.empty((n, 3, 3)),
        size=size,
        centre=np.empty((n, 3)),
        # they extend upward and evenly to both sides: distance of the farthest corner from the box's centre
        radius=np.sqrt((0.5 * reach[:, :2]) ** 2 @ np.ones(2) + (reach[:, 2] - 0.5 * size[:, 2]) ** 2) + 1e-6,
        template=template,
        id=np.ascontiguousarray(agents["id"]),
        cls=np.ascontiguousarray(agents["cls"]),
        lights=np.ascontiguousarray(agents["lights"]),
        colour=np.ascontiguousarray(agents["colour"]),
    )
    _set_poses(posed, motion, time_s)
    return posed
