"""Ghosts: returns from where nothing is.

Glass, clear coats and puddles are mirrors. A beam that meets one goes on to what it mirrors, and the echo of that comes
back the same way: a point behind the mirror, at the length of the whole path. It matters where the mirror itself
returns less, mostly at grazing incidence. Panels of vehicles are bowed, so less of a distant image comes back from
them.

A retro-reflector is so bright that the light which optics scatter into the beams around is an echo too: a halo at its
range.

A ghost is a beam's second echo, where its footprint has not found one. The receiver decides what becomes of it.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import inlined, njit
from uniscene_sim.compute.keyed_random import unit_hash3
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.raycast.reflectance import Surfaces, echo_strength
from uniscene_sim.lidar.raycast.trace import Beams, Hits, LidarScene, first_hit, near_agent_buffers
from uniscene_sim.tracing.agents import PosedAgents, set_pose
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.slabs import Ray

__all__ = ["add_halos", "add_mirror_images"]

_BRIGHT = 0.6  # strength of most of what is mirrored; retro-reflectors are more, and left out
_WATER = 0.02  # share of light that water mirrors at normal incidence
_PANE = 0.15  # power that comes back by way of panes: they are dirty, and not quite flat
_BOW_M = 0.5  # distance from a panel at which half of the power is lost by its being bowed
_PUDDLE_M, _PUDDLES = 1.5, 0.08  # size of puddles, and their share of wet ground
_OFF_M = 0.02  # from the mirror, where the mirrored ray starts
_OWN_M = 0.5  # hits closer to the mirror than this are its own roughness
_HALO = 2  # beams on either side, in azimuth and elevation
_RETRO = 3.0  # strength from which a surface has a halo


@inlined
def _mirrored(first, cosine):
    """Share of light that is mirrored, by Schlick's approximation of Fresnel's equations."""
    grazing = (1.0 - cosine) * (1.0 - cosine)
    return first + (1.0 - first) * grazing * grazing * (1.0 - cosine)


@inlined
def _mirror_there(surfaces: Surfaces, hits: Hits, c, r):
    """Share of light that the surface of a hit mirrors at normal incidence."""
    wet = surfaces.wet and hits.agent_row[c, r] < 0 and hits.normal_z[c, r] > 0.7
    if not wet:
        return surfaces.mirror[hits.material[c, r]]
    t = hits.distance[c, r]
    x = np.int64(np.floor((hits.origin[c, 0] + t * hits.direction[c, r, 0]) / _PUDDLE_M))
    y = np.int64(np.floor((hits.origin[c, 1] + t * hits.direction[c, r, 1]) / _PUDDLE_M))
    return _WATER if unit_hash3(77, x, y) < _PUDDLES else 0.0


@njit(cache=True, nogil=True)
def _mirror_columns(
    scene: LidarScene, beams: Beams, local: PosedAgents, chosen, max_range, hits: Hits, surfaces: Surfaces,
    echoes: Echoes, first, last,
):  # fmt: skip
    # local, chosen: scratch for posed agents and int64 (N,) rows; max_range: m; echoes: written in these columns
    atlas, templates = scene.atlas, scene.templates
    count = chosen.shape[0]
    for n in range(count):
        chosen[n] = n
    for c in range(first, last):
        posed = False
        for r in range(beams.elevation.shape[0]):
            t, row = hits.distance[c, r], hits.agent_row[c, r]
            if t == np.inf or row >= count or echoes.distance[c, r, 1] < np.inf:
                continue
            mirror = _mirror_there(surfaces, hits, c, r)
            if mirror == 0.0:
                continue
            share = _mirrored(mirror, hits.cosine[c, r])
            power = _PANE * share * share  # both ways
            if power * _BRIGHT < echoes.strength[c, r, 0]:
                continue
            if not posed:
                for n in range(count):
                    set_pose(local, scene.agent_motion, n, beams.time_s[c])
                posed = True
            d = hits.direction[c, r]
            ray = Ray(hits.origin[c, 0], hits.origin[c, 1], hits.origin[c, 2], d[0], d[1], d[2])
            if row >= 0:
                one = chosen[row : row + 1]
                near, _, nx, ny, nz, _ = trace_agents(local, templates, one, 1, ray, t + 0.1)
            else:
                near, _, nx, ny, nz, _ = trace_world(atlas, ray, t + 0.1)
            if near == np.inf:
                continue
            down = 2.0 * (d[0] * nx + d[1] * ny + d[2] * nz)
            off = -_OFF_M if down > 0.0 else _OFF_M
            there = Ray(
                ray.ox + near * d[0] + off * nx, ray.oy + near * d[1] + off * ny, ray.oz + near * d[2] + off * nz,
                d[0] - down * nx, d[1] - down * ny, d[2] - down * nz,
            )  # fmt: skip
            on, material, cosine, up, whose = first_hit(atlas, templates, local, chosen, there, max_range - near)
            if on == np.inf or on < _OWN_M:
                continue
            if row >= 0:
                power *= _BOW_M / (_BOW_M + on)
            strength = power * echo_strength(surfaces, material, cosine, up, whose)
            echoes.distance[c, r, 1], echoes.strength[c, r, 1] = near + on, strength
            echoes.material[c, r, 1], echoes.agent_row[c, r, 1], echoes.ghost[c, r] = material, whose, True


def add_mirror_images(
    scene: LidarScene, beams: Beams, max_range: float, hits: Hits, surfaces: Surfaces, echoes: Echoes
) -> None:
    """Add the echoes of what smooth surfaces mirror.

    Args:
        scene: what is traced.
        beams: A columns of R beams.
        max_range: m.
        hits: (A, R), traced.
        surfaces: reflectances.
        echoes: (A, R, 2), changed.
    """
    map_threads(
        lambda columns: _mirror_columns(
            scene, beams, *near_agent_buffers(scene.agents), max_range, hits, surfaces, echoes, *columns
        ),
        row_ranges(len(beams.azimuth)),
    )


def add_halos(bloom: float, beams: Beams, clockwise: bool, echoes: Echoes) -> None:
    """Add halos around retro-reflectors.

    Args:
        bloom: share of their power that leaks into the next beam.
        beams: A columns of R beams.
        clockwise: direction of rotation.
        echoes: (A, R, 2), changed.
    """
    step = (-2.0 if clockwise else 2.0) * np.pi / len(beams.azimuth)
    column, ring = np.nonzero(echoes.strength[..., 0] > _RETRO)
    _spread_halos(bloom, column, ring, beams.offset, step, echoes)


@njit(cache=True)
def _spread_halos(bloom, column, ring, offset, step, echoes: Echoes):
    # column, ring: int64 (K,) of beams on retro-reflectors; offset: float64 (R,) rad; step: rad, signed
    columns, rings = echoes.ghost.shape
    for k in range(column.shape[0]):
        c, r = column[k], ring[k]
        far, bright = echoes.distance[c, r, 0], echoes.strength[c, r, 0]
        for up in range(-_HALO, _HALO + 1):
            r2 = r + up
            if not 0 <= r2 < rings:
                continue
            there = c + int(np.round((offset[r] - offset[r2]) / step))
            for side in range(-_HALO, _HALO + 1):
                c2 = (there + side) % columns
                own = echoes.distance[c2, r2, 0]
                leak = bright * bloom ** (abs(up) + abs(side))
                if own < far + _OWN_M or leak <= 0.0:
                    continue  # something in front of it, or itself
                taken = echoes.distance[c2, r2, 1] < np.inf
                if taken and not (echoes.ghost[c2, r2] and leak > echoes.strength[c2, r2, 1]):
                    continue
                echoes.distance[c2, r2, 1], echoes.strength[c2, r2, 1] = far, leak
                echoes.material[c2, r2, 1], echoes.agent_row[c2, r2, 1] = (
                    echoes.material[c, r, 0],
                    echoes.agent_row[c, r, 0],
                )
                echoes.ghost[c2, r2] = True
