"""Beams that pass what they meet: panes and gaps between leaves.

Behind the windows of a vehicle, and behind leaves, is what the scene has there. Behind the windows of a house is a
room, of which the scene has nothing: its far wall is put where rooms end, and its points are told apart by their cause.
Vehicles have no inside here, so a beam that passes one window has passed the vehicle.
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import floor, nogil_kernel
from uniscene_sim.compute.keyed_random import unit_hash4
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.raycast.reflectance import Surfaces, echo_strength
from uniscene_sim.lidar.raycast.trace import Beams, Hits, LidarScene, first_hit, near_agent_buffers
from uniscene_sim.taxonomy import Material
from uniscene_sim.tracing.agents import PosedAgents, set_pose
from uniscene_sim.tracing.slabs import Ray

__all__ = ["let_beams_through"]

_PANE, _WINDOW, _LEAF = 1, 2, 3
_KIND = np.zeros(256, np.uint8)
_KIND[Material.GLASS] = _PANE
_KIND[[Material.WINDOW, Material.SHOP_FRONT]] = _WINDOW
_KIND[[Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT, Material.HEDGE]] = _LEAF
_ROOM = int(Material.ROOM)
_BOTH_WAYS = 0.6  # power that is left after a pane has been passed twice
_ROOM_M, _SHALLOW_M, _DEEP_M = 3.0, 2.5, 5.5  # width of rooms, and their depth, as in PandaSet's street
_STEP_M, _STEPS = 0.6, 8  # through leaves
_SOLID_M = 0.05  # a hit this near to where a ray starts is that of the solid that it starts in


@nogil_kernel
def _pass_columns(
    scene: LidarScene, beams: Beams, local: PosedAgents, chosen, key, share, max_range, hits: Hits, surfaces: Surfaces,
    echoes: Echoes, first, last,
):  # fmt: skip
    # local, chosen: scratch for posed agents and int64 (N,) rows; key: uint64; max_range: m; echoes: written
    atlas, templates = scene.atlas, scene.templates
    count = chosen.shape[0]
    for c in range(first, last):
        posed = False
        for r in range(beams.elevation.shape[0]):
            t, row, kind = hits.distance[c, r], hits.agent_row[c, r], _KIND[hits.material[c, r]]
            if kind == 0 or t == np.inf or row >= count or echoes.distance[c, r, 1] < np.inf:
                continue
            if (kind == _PANE) != (row >= 0) or unit_hash4(key, c, r, 5) >= share:
                continue
            o, d = hits.origin[c], hits.direction[c, r]
            if kind == _WINDOW:
                x, y, z = o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]
                room = unit_hash4(78, floor(x / _ROOM_M), floor(y / _ROOM_M), floor(z / _ROOM_M))
                cosine = max(hits.cosine[c, r], 0.3)
                echoes.distance[c, r, 0] = t + (_SHALLOW_M + (_DEEP_M - _SHALLOW_M) * room) / cosine
                echoes.strength[c, r, 0] = _BOTH_WAYS * surfaces.diffuse[_ROOM] * cosine
                echoes.material[c, r, 0], echoes.agent_row[c, r, 0] = _ROOM, -1
                continue
            if not posed:
                for n in range(count):
                    set_pose(local, scene.agent_motion, n, beams.time_s[c])
                posed = True
            others = 0
            for n in range(count):
                if n != row:
                    chosen[others] = n
                    others += 1
            start, left = t, _BOTH_WAYS
            if kind == _LEAF:
                left = 1.0
            for _ in range(_STEPS if kind == _LEAF else 1):
                start += _STEP_M if kind == _LEAF else 0.0
                ray = Ray(o[0] + start * d[0], o[1] + start * d[1], o[2] + start * d[2], d[0], d[1], d[2])
                on, material, cosine, up, whose = first_hit(
                    atlas, templates, local, chosen[:others], ray, max_range - start
                )
                if on > _SOLID_M:
                    echoes.distance[c, r, 0], echoes.strength[c, r, 0] = np.inf, 0.0
                    if on < np.inf:
                        echoes.distance[c, r, 0] = start + on
                        echoes.strength[c, r, 0] = left * echo_strength(surfaces, material, cosine, up, whose)
                        echoes.material[c, r, 0], echoes.agent_row[c, r, 0] = material, whose
                    break


def let_beams_through(
    key: np.uint64, share: float, scene: LidarScene, beams: Beams, max_range: float, hits: Hits, surfaces: Surfaces,
    echoes: Echoes,
) -> None:  # fmt: skip
    """Put the echoes of some beams behind the panes and leaves that they meet.

    Args:
        key: of random numbers.
        share: of beams that pass.
        scene: what is traced.
        beams: A columns of R beams.
        max_range: m.
        hits: (A, R), traced.
        surfaces: reflectances.
        echoes: (A, R, 2), changed.
    """
    map_threads(
        lambda columns: _pass_columns(
            scene, beams, *near_agent_buffers(scene.agents), key, share, max_range, hits, surfaces, echoes, *columns
        ),
        row_ranges(len(beams.azimuth)),
    )
