"""Beam footprint: at an edge one beam hits two surfaces, and returns two echoes or one in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.raycast.reflectance import Surfaces, echo_strength
from uniscene_sim.lidar.raycast.trace import (
    Beams,
    Hits,
    LidarScene,
    first_hit,
    near_agent_buffers,
    pose_agents_near,
    sensor_pose_at,
)
from uniscene_sim.tracing.agents import PosedAgents
from uniscene_sim.tracing.slabs import Ray

__all__ = ["Echoes", "empty_echoes", "find_echoes", "group_echoes"]

#: Surfaces closer to each other than this, m, merge into one echo: half of a pulse of 5 ns.
_PULSE_M = 0.75
#: A beam as five rays: its axis and four on a ring around it, at this share of the divergence from the axis.
_RING, _AXIS_SHARE, _RING_SHARE = 0.35, 0.4, 0.15


class Echoes(NamedTuple):
    """Up to two echoes of each of A x R beams: the strongest, and the farthest of the others, or a ghost."""

    distance: np.ndarray  # float64 (A, R, 2) m, inf where there is none
    strength: np.ndarray  # float64 (A, R, 2), relative to a white diffuse surface that faces the sensor
    material: np.ndarray  # uint8 (A, R, 2)
    agent_row: np.ndarray  # int32 (A, R, 2), as in `Hits`
    ghost: np.ndarray  # bool (A, R), whether the second one is a ghost, see `lidar.raycast.ghosts`


def empty_echoes(hits: Hits) -> Echoes:
    """Room for the echoes of hits."""
    shape = (*hits.distance.shape, 2)
    return Echoes(
        np.full(shape, np.inf),
        np.zeros(shape),
        np.zeros(shape, np.uint8),
        np.full(shape, -1, np.int32),
        np.zeros(shape[:2], np.bool_),
    )


@njit(cache=True)
def group_echoes(distance, strength, out_distance, out_strength, out_ray):
    """Merge K rays of one beam into up to two echoes.

    Hits closer than a pulse form one echo at their mean range, weighted by strength. The first echo is the strongest by
    received power, the second the farthest of the others; where there is none its entries are not written.

    Args:
        distance: float64 (K,) m, inf for a ray without a hit.
        strength: float64 (K,), 0 for a ray without a hit.
        out_distance, out_strength: float64 (2,), written.
        out_ray: int64 (2,), written: the strongest ray of each echo.
    """
    order = np.argsort(distance)
    groups = 0
    k = distance.shape[0]
    far, power = np.empty(k), np.empty(k)
    total, best = np.empty(k), np.empty(k, np.int64)
    i = 0
    while i < k and distance[order[i]] < np.inf:
        first = order[i]
        t, total[groups], best[groups] = 0.0, 0.0, first
        end = distance[first] + _PULSE_M
        while i < k and distance[order[i]] <= end:
            ray = order[i]
            t += distance[ray] * strength[ray]
            total[groups] += strength[ray]
            if strength[ray] > strength[best[groups]]:
                best[groups] = ray
            i += 1
        far[groups] = t / total[groups] if total[groups] > 0.0 else distance[first]
        power[groups] = total[groups] / (far[groups] * far[groups] + 1e-9)
        groups += 1
    if groups == 0:
        return
    strongest = np.argmax(power[:groups])
    out_distance[0], out_strength[0], out_ray[0] = far[strongest], total[strongest], best[strongest]
    other = groups - 1 if strongest < groups - 1 else groups - 2
    if other >= 0:
        out_distance[1], out_strength[1], out_ray[1] = far[other], total[other], best[other]


@njit(cache=True)
def _unit_cross(a, b, otherwise):
    """Normalised cross product (3,); `otherwise` if the vectors are parallel."""
    out = np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
    length = np.sqrt((out * out).sum())
    return out / length if length > 0.0 else otherwise.copy()


@njit(cache=True, inline="always")
def _is_discontinuity(hits: Hits, c, r, c2, r2, angle):
    """Whether the hits of two beams, `angle` rad apart, lie on surfaces that are not continuous."""
    a, b = hits.distance[c, r], hits.distance[c2, r2]
    if a == np.inf or b == np.inf:
        return a != b
    cosine = max(min(hits.cosine[c, r], hits.cosine[c2, r2]), 0.02)
    slope = np.sqrt(1.0 - cosine * cosine) / cosine
    return abs(a - b) > 0.5 + 2.0 * min(a, b) * angle * slope


@njit(cache=True, inline="always")
def _on_edge(hits: Hits, beams: Beams, step, c, r):
    """Whether a beam's hit is discontinuous with one of its four neighbours'. `step`: azimuth between columns, rad."""
    columns, rings = hits.distance.shape
    for side in (-1, 1):
        if 0 <= c + side < columns and _is_discontinuity(hits, c, r, c + side, r, abs(step)):
            return True
        above = r + side
        if 0 <= above < rings:
            # the column in which that ring has the same azimuth
            there = int(np.round((beams.offset[r] - beams.offset[above]) / step))
            if _is_discontinuity(
                hits, c, r, (c + there) % columns, above, abs(beams.elevation[r] - beams.elevation[above])
            ):
                return True
    return False


@njit(cache=True)
def _find_column_echoes(
    scene: LidarScene, beams: Beams, local: PosedAgents, chosen, c, spread, max_range, divergence, step, hits: Hits,
    surfaces: Surfaces, echoes: Echoes,
):  # fmt: skip
    # local, chosen: scratch for posed agents and int64 (N,) rows; c: column; spread, divergence: rad; max_range: m
    # step: azimuth between columns, rad, signed; echoes: written in column c
    edges = np.zeros(beams.elevation.shape[0], np.bool_)
    for r in range(beams.elevation.shape[0]):
        t, m, w = hits.distance[c, r], hits.material[c, r], hits.agent_row[c, r]
        echoes.distance[c, r, 0], echoes.material[c, r, 0], echoes.agent_row[c, r, 0] = t, m, w
        if t < np.inf:
            echoes.strength[c, r, 0] = echo_strength(surfaces, m, hits.cosine[c, r], hits.normal_z[c, r], w)
        # the ego's body, a row beyond the agents, is not in the scene that would be traced again
        edges[r] = divergence > 0.0 and w < scene.agents.id.shape[0] and _on_edge(hits, beams, step, c, r)
    if not edges.any():
        return
    distance, strength = np.empty(5), np.empty(5)
    material, agent_row = np.empty(5, np.uint8), np.empty(5, np.int32)
    of, origin, rot = np.empty(2, np.int64), np.empty(3), np.empty((3, 3))
    sensor_pose_at(scene, beams.time_s[c], origin, rot)
    some = chosen[
        : pose_agents_near(scene, beams.time_s[c], origin, rot, beams.azimuth[c], spread, max_range, local, chosen)
    ]
    atlas, templates = scene.atlas, scene.templates
    ox, oy, oz = origin[0], origin[1], origin[2]
    for r in range(edges.shape[0]):
        if not edges[r]:
            continue
        distance[0], material[0], agent_row[0] = (
            echoes.distance[c, r, 0],
            echoes.material[c, r, 0],
            echoes.agent_row[c, r, 0],
        )
        strength[0] = _AXIS_SHARE * echoes.strength[c, r, 0]
        d = hits.direction[c, r]
        left = _unit_cross(rot[:, 2], d, rot[:, 1])
        above = _unit_cross(d, left, d)
        for q in range(1, 5):
            side = left if q < 3 else above
            to = d + (_RING * divergence if q % 2 else -_RING * divergence) * side
            to /= np.sqrt((to * to).sum())
            ray = Ray(ox, oy, oz, to[0], to[1], to[2])
            t, m, cosine, up, w = first_hit(atlas, templates, local, some, ray, max_range)
            distance[q], material[q], agent_row[q], strength[q] = t, m, w, 0.0
            if t < np.inf:
                strength[q] = _RING_SHARE * echo_strength(surfaces, m, cosine, up, w)
        echoes.distance[c, r, 0] = np.inf
        group_echoes(distance, strength, echoes.distance[c, r], echoes.strength[c, r], of)
        for k in range(2):
            if echoes.distance[c, r, k] < np.inf:
                echoes.material[c, r, k], echoes.agent_row[c, r, k] = material[of[k]], agent_row[of[k]]


@njit(cache=True, nogil=True)
def _find_columns_echoes(
    scene: LidarScene, beams: Beams, local: PosedAgents, chosen, spread, max_range, divergence, step, hits: Hits,
    surfaces: Surfaces, echoes: Echoes, first, last,
):  # fmt: skip
    for c in range(first, last):
        _find_column_echoes(scene, beams, local, chosen, c, spread, max_range, divergence, step, hits, surfaces, echoes)


def find_echoes(
    scene: LidarScene, beams: Beams, spread: float, max_range: float, divergence: float, clockwise: bool, hits: Hits,
    surfaces: Surfaces, echoes: Echoes,
) -> None:  # fmt: skip
    """Fill `echoes` from `hits`; beams at edges are traced again, with four more rays around the axis.

    Args:
        scene: what is traced.
        beams: A columns of R beams.
        spread: rad, see `SweepJob`.
        max_range: m.
        divergence: of a beam, full angle, rad; 0: beams have no width.
        clockwise: direction of rotation.
        hits: (A, R), traced.
        surfaces: reflectances.
        echoes: (A, R, 2), written.
    """
    step = (-2.0 if clockwise else 2.0) * np.pi / len(beams.azimuth)

    def find(columns: tuple[int, int]) -> None:
        room = near_agent_buffers(scene.agents)
        _find_columns_echoes(scene, beams, *room, spread, max_range, divergence, step, hits, surfaces, echoes, *columns)

    map_threads(find, row_ranges(len(beams.azimuth)))
