"""First hits of the beams of a sweep, with sensor and agents posed at the time of each column."""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, inlined, njit, nogil_kernel
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.rig import LidarSpec
from uniscene_sim.tracing.agents import Motion, PosedAgents, TemplateArrays, knot_at, pose_at, position_at, set_pose
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.slabs import Ray

__all__ = [
    "Beams",
    "Hits",
    "LidarScene",
    "beam_direction",
    "beams_of",
    "empty_hits",
    "first_hit",
    "near_agent_buffers",
    "pose_agents_near",
    "sensor_pose_at",
    "trace_beam",
    "trace_sweep",
    "with_poses",
]


_SLACK_M = 1e-6  # more than the rounding error of a distance


class Beams(NamedTuple):
    """Directions in the sensor's frame and firing times of A columns of R beams."""

    azimuth: np.ndarray  # float64 (A,) rad, counter-clockwise, at the end of the column
    time_s: np.ndarray  # float64 (A,) <= 0, end of each column, relative to the stamp
    elevation: np.ndarray  # float64 (R,) rad
    offset: np.ndarray  # float64 (R,) rad, from the column's azimuth: the calibration's, and the turn since firing
    delay_s: np.ndarray  # float64 (R,) <= 0, firing time of each beam, relative to the column's end


class LidarScene(NamedTuple):
    """The world of a sweep, and the motion of ego and agents during it."""

    atlas: AtlasArrays
    agents: PosedAgents  # at the stamp
    templates: TemplateArrays
    agent_motion: Motion
    ego: Motion  # one body, base_link
    mount_rotation: np.ndarray  # float64 (3, 3), base <- sensor
    mount_position: np.ndarray  # float64 (3,) m


class Hits(NamedTuple):
    """First hits of A x R beams, and the rays themselves in the map frame."""

    distance: np.ndarray  # float64 (A, R) m, inf on a miss
    cosine: np.ndarray  # float64 (A, R) of incidence
    normal_z: np.ndarray  # float32 (A, R), z of the normal
    material: np.ndarray  # uint8 (A, R)
    agent_row: np.ndarray  # int32 (A, R), row of the agent, -1 on the world, -1 - instance on a voxel of a window
    origin: np.ndarray  # float64 (A, 3) m
    direction: np.ndarray  # float64 (A, R, 3), of unit length


def beams_of(spec: LidarSpec) -> Beams:
    """The beams of a revolution, which begins and, at the stamp, ends at the back."""
    step = np.arange(1, spec.azimuth_steps + 1) / spec.azimuth_steps
    azimuth = np.pi - 2 * np.pi * step if spec.clockwise else -np.pi + 2 * np.pi * step
    rings = len(spec.elevation_rad)
    firing = np.array(spec.firing_us or (0.0,) * rings)
    delay_s = (firing - firing.max()) * 1e-6
    turn = delay_s * 2 * np.pi / (spec.period_us * 1e-6)
    return Beams(
        azimuth,
        (step - 1.0) * spec.period_us * 1e-6,
        np.array(spec.elevation_rad),
        np.array(spec.azimuth_offset_rad or (0.0,) * rings) + (-turn if spec.clockwise else turn),
        delay_s,
    )


def empty_hits(beams: Beams) -> Hits:
    """Room for the hits of beams."""
    shape = (len(beams.azimuth), len(beams.elevation))
    return Hits(
        np.full(shape, np.inf),
        np.zeros(shape),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.uint8),
        np.full(shape, -1, np.int32),
        np.empty((shape[0], 3)),
        np.empty((*shape, 3)),
    )


@device
def sensor_pose_at(scene: LidarScene, time_s, origin, rot):
    """Write the sensor's pose at a time.

    Args:
        scene: ego motion and mounting.
        time_s: <= 0, relative to the stamp.
        origin: float64 (3,) m, written.
        rot: float64 (3, 3), map <- sensor, written.
    """
    base, turn = pose_at(scene.ego, 0, time_s)
    at, mount = scene.mount_position, scene.mount_rotation
    for q in range(3):
        origin[q] = base[q] + turn[q][0] * at[0] + turn[q][1] * at[1] + turn[q][2] * at[2]
        for s in range(3):
            rot[q, s] = turn[q][0] * mount[0, s] + turn[q][1] * mount[1, s] + turn[q][2] * mount[2, s]


@inlined
def _outside_wedge(across, far, radius, narrow, wide, max_range):
    """Whether a sphere lies outside the range, or outside a wedge around a plane through the sensor.

    `across` is its distance from the plane, `far` its squared distance from the sensor; `narrow` and `wide` are cosine
    and sine of the wedge's half angle.
    """
    reach = max_range + radius
    return narrow * abs(across) - wide * sqrt(far) > radius or far > reach * reach


@device
def pose_agents_near(scene: LidarScene, time_s, origin, rot, azimuth, spread, max_range, local: PosedAgents, chosen):
    """Select and pose the agents that the beams of a column may hit.

    Args:
        scene: agents and their motion.
        time_s: of the column, <= 0, relative to the stamp.
        origin: float64 (3,) m, of the sensor then.
        rot: float64 (3, 3), map <- sensor, then.
        azimuth: rad, of the column.
        spread: rad, how far beams may lie from the column's plane.
        max_range: m.
        local: poses of the agents then, written.
        chosen: int64 (N,), rows of the selected agents, written.

    Returns:
        how many were selected.
    """
    count = 0
    ca, sa = cos(azimuth), sin(azimuth)
    # the beams of a column lie near a plane; agents whose bounding sphere misses it are left out
    px, py, pz = rot[0, 1] * ca - rot[0, 0] * sa, rot[1, 1] * ca - rot[1, 0] * sa, rot[2, 1] * ca - rot[2, 0] * sa
    narrow, wide = cos(spread), sin(spread)
    moment = knot_at(scene.agent_motion, time_s)
    for i in range(local.template.shape[0]):
        x, y, z = position_at(scene.agent_motion, i, moment)
        x, y, z = x - origin[0], y - origin[1], z - origin[2]
        # cheap test first, around the position on the ground, half a height from the sphere's centre
        radius = local.radius[i] + 0.5 * local.size[i, 2] + _SLACK_M
        if _outside_wedge(px * x + py * y + pz * z, x * x + y * y + z * z, radius, narrow, wide, max_range):
            continue
        set_pose(local, scene.agent_motion, i, time_s)
        x, y, z = local.centre[i, 0] - origin[0], local.centre[i, 1] - origin[1], local.centre[i, 2] - origin[2]
        if not _outside_wedge(
            px * x + py * y + pz * z, x * x + y * y + z * z, local.radius[i], narrow, wide, max_range
        ):
            chosen[count] = i
            count += 1
    return count


@njit(cache=True)
def with_poses(agents: PosedAgents, position, rotation, centre):
    """The same agents with other poses.

    Args:
        agents: N of them.
        position: float64 (N, 3) m, on the ground.
        rotation: float64 (N, 3, 3), map <- body.
        centre: float64 (N, 3) m, of the bounding spheres.
    """
    return PosedAgents(
        position, rotation, agents.size, centre, agents.radius, agents.template, agents.id, agents.cls, agents.lights,
        agents.colour,
    )  # fmt: skip


def near_agent_buffers(agents: PosedAgents) -> tuple[PosedAgents, np.ndarray]:
    """Buffers for `pose_agents_near`: `local` and `chosen`."""
    n = len(agents.id)
    poses = {"position": np.empty((n, 3)), "rotation": np.empty((n, 3, 3)), "centre": np.empty((n, 3))}
    return agents._replace(**poses), np.empty(n, np.int64)


@njit(cache=True, inline="always")
def beam_direction(rot, ca, sa, ce, se):
    """Unit direction in the map frame, from cosine and sine of azimuth and elevation in the sensor's frame."""
    bx, by = ce * ca, ce * sa
    dx = rot[0, 0] * bx + rot[0, 1] * by + rot[0, 2] * se
    dy = rot[1, 0] * bx + rot[1, 1] * by + rot[1, 2] * se
    dz = rot[2, 0] * bx + rot[2, 1] * by + rot[2, 2] * se
    return dx, dy, dz


@njit(cache=True, inline="always")
def first_hit(atlas, templates, local: PosedAgents, chosen, ray: Ray, max_range):
    """First hit of a ray in the world and among some agents.

    A `LidarScene` is passed by its fields: unpacked for each ray, it would cost a tenth of the sweep.

    Args:
        atlas, templates: of the scene.
        local: agents, posed at the time of the ray.
        chosen: int64 (K,), rows of the agents to test.
        ray: of unit direction, map frame.
        max_range: m.

    Returns:
        range (m, inf on a miss), material, cosine of incidence, z of the normal, agent row (as in `Hits`).
    """
    t, m, nx, ny, nz, deck = trace_world(atlas, ray, max_range)
    row = min(deck, -1)
    if chosen.shape[0]:
        ta, ma, ax, ay, az, hit = trace_agents(local, templates, chosen, chosen.shape[0], ray, min(t, max_range))
        if hit >= 0 and ta < t:
            t, m, nx, ny, nz, row = ta, ma, ax, ay, az, hit
    return t, m, min(1.0, abs(nx * ray.dx + ny * ray.dy + nz * ray.dz)), nz, row


@njit(cache=True)
def _trigonometry(beams: Beams):
    return np.cos(beams.elevation), np.sin(beams.elevation), np.cos(beams.offset), np.sin(beams.offset)


@inlined
def trace_beam(atlas, templates, local: PosedAgents, chosen, rot, ca, sa, ce, se, c, r, max_range, hits: Hits):
    """Trace one beam and write its hit; the origin of its column has been written before.

    Args:
        atlas, templates: of the scene.
        local: agents, posed at the time of the column.
        chosen: int64 (K,), rows of the agents to test.
        rot: float64 (3, 3), map <- sensor.
        ca, sa, ce, se: cosine and sine of azimuth and elevation, sensor frame.
        c, r: column and beam.
        max_range: m.
        hits: written at (c, r).
    """
    ox, oy, oz = hits.origin[c, 0], hits.origin[c, 1], hits.origin[c, 2]
    dx, dy, dz = beam_direction(rot, ca, sa, ce, se)
    t, material, cosine, up, agent_row = first_hit(
        atlas, templates, local, chosen, Ray(ox, oy, oz, dx, dy, dz), max_range
    )
    hits.distance[c, r], hits.material[c, r], hits.agent_row[c, r] = t, material, agent_row
    hits.cosine[c, r], hits.normal_z[c, r] = cosine, up
    hits.direction[c, r, 0], hits.direction[c, r, 1], hits.direction[c, r, 2] = dx, dy, dz


@nogil_kernel
def _trace_columns(
    scene: LidarScene,
    beams: Beams,
    trigonometry,
    local: PosedAgents,
    chosen,
    rot,
    spread,
    max_range,
    hits: Hits,
    first,
    last,
):
    # trigonometry: float64 (R,) each, cosine and sine of elevation, cosine and sine of offset
    # local, chosen, rot: scratch for posed agents, int64 (N,) rows and float64 (3, 3) map <- sensor
    # spread: rad; max_range: m; hits: written in columns first to last - 1
    ce, se, co, so = trigonometry
    atlas, templates = scene.atlas, scene.templates
    for c in range(first, last):
        ca, sa = cos(beams.azimuth[c]), sin(beams.azimuth[c])
        time_s, origin = beams.time_s[c], hits.origin[c]
        sensor_pose_at(scene, time_s, origin, rot)
        count = pose_agents_near(scene, time_s, origin, rot, beams.azimuth[c], spread, max_range, local, chosen)
        some = chosen[:count]
        for r in range(beams.elevation.shape[0]):
            u, v = ca * co[r] - sa * so[r], sa * co[r] + ca * so[r]
            trace_beam(atlas, templates, local, some, rot, u, v, ce[r], se[r], c, r, max_range, hits)


def trace_sweep(scene: LidarScene, beams: Beams, spread: float, max_range: float, hits: Hits) -> None:
    """Trace all beams of a sweep.

    The beams of a column share the pose at its end; it moves by millimetres while they fire.

    Args:
        scene: what is traced.
        beams: A columns of R beams.
        spread: rad, see `SweepJob`.
        max_range: m.
        hits: (A, R), written.
    """
    trigonometry = _trigonometry(beams)

    def trace(columns: tuple[int, int]) -> None:
        room = (*near_agent_buffers(scene.agents), np.empty((3, 3)))
        _trace_columns(scene, beams, trigonometry, *room, spread, max_range, hits, *columns)

    map_threads(trace, row_ranges(len(beams.azimuth)))
