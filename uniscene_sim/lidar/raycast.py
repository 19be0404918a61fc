"""`RaycastLidar`: a spinning LiDAR by exact tracing of tiles and agents, each where it is when its beam fires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numba import njit, prange

from uniscene_sim.engines import WorldView
from uniscene_sim.frames import LidarSweep
from uniscene_sim.rig import LidarSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, MATERIAL_LABEL, MATERIAL_RGB, Material
from uniscene_sim.tracing.agents import (
    Motion,
    PosedAgents,
    TemplateArrays,
    TemplateSource,
    agent_motion,
    ego_motion,
    interpolate,
    pose_agents,
    set_pose,
    template_arrays,
)
from uniscene_sim.tracing.atlas import AtlasArrays
from uniscene_sim.tracing.kernels import trace_agents, trace_world
from uniscene_sim.tracing.templates import templates as built_in

__all__ = ["RaycastLidar", "firing_times"]


def _albedo() -> np.ndarray:
    """float32 (256,), what each material sends back at 905 nm, guessed from its colour and kind."""
    albedo = MATERIAL_RGB.astype(np.float64).mean(axis=1) / 255.0
    # leaves are bright in the near infrared; plates and lamps send light back to where it came from; glass does not
    for material in (Material.FOLIAGE, Material.FOLIAGE_DARK, Material.FOLIAGE_LIGHT, Material.HEDGE, Material.GRASS):
        albedo[material] = max(0.45, albedo[material])
    for material in (Material.SIGN_WHITE, Material.SIGN_RED, Material.SIGN_BLUE, Material.SIGN_YELLOW):
        albedo[material] = 0.95
    for material in (Material.HEADLIGHT, Material.TAILLIGHT):
        albedo[material] = 0.85
    for material in (Material.WINDOW, Material.GLASS):
        albedo[material] = 0.08
    return albedo.astype(np.float32)


_ALBEDO = _albedo()


def firing_times(spec: LidarSpec) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth (A,) rad and time (A,) s <= 0 of each column: a revolution begins behind and ends there at the stamp."""
    step = np.arange(1, spec.azimuth_steps + 1) / spec.azimuth_steps
    azimuth = np.pi - 2 * np.pi * step if spec.clockwise else -np.pi + 2 * np.pi * step
    return azimuth, (step - 1.0) * spec.period_us * 1e-6


@njit(cache=True, parallel=True)
def _sweep(
    a: AtlasArrays,
    agents: PosedAgents,
    templates: TemplateArrays,
    moving: Motion,
    ego: Motion,
    mount,
    mount_at,
    azimuth,
    time_s,
    elevation,
    max_range,
    albedo,
    distance,
    points,
    intensity,
    material,
    who,
):
    """Trace A x R beams. Writes range (inf on a miss), map points, intensity, material and agent row (-1: world)."""
    n = agents.template.shape[0]
    for c in prange(azimuth.shape[0]):
        base, turn = np.empty(3), np.empty((3, 3))
        interpolate(ego, 0, time_s[c], base, turn)
        rot = turn @ mount
        ox = base[0] + turn[0, 0] * mount_at[0] + turn[0, 1] * mount_at[1] + turn[0, 2] * mount_at[2]
        oy = base[1] + turn[1, 0] * mount_at[0] + turn[1, 1] * mount_at[1] + turn[1, 2] * mount_at[2]
        oz = base[2] + turn[2, 0] * mount_at[0] + turn[2, 1] * mount_at[1] + turn[2, 2] * mount_at[2]
        ca, sa = np.cos(azimuth[c]), np.sin(azimuth[c])
        # the beams of a column lie in a half plane: agents whose sphere it misses are left out
        px, py, pz = rot[0, 1] * ca - rot[0, 0] * sa, rot[1, 1] * ca - rot[1, 0] * sa, rot[2, 1] * ca - rot[2, 0] * sa
        local = PosedAgents(
            np.empty((n, 3)),
            np.empty((n, 3, 3)),
            agents.size,
            np.empty((n, 3)),
            agents.radius,
            agents.template,
            agents.id,
            agents.cls,
            agents.lights,
            agents.colour,
        )
        chosen = np.empty(n, np.int64)
        count = 0
        for i in range(n):
            set_pose(local, moving, i, time_s[c])
            x, y, z = local.centre[i, 0] - ox, local.centre[i, 1] - oy, local.centre[i, 2] - oz
            reach = max_range + agents.radius[i]
            if abs(px * x + py * y + pz * z) <= agents.radius[i] and x * x + y * y + z * z <= reach * reach:
                chosen[count] = i
                count += 1
        for r in range(elevation.shape[0]):
            ce, se = np.cos(elevation[r]), np.sin(elevation[r])
            bx, by = ce * ca, ce * sa
            dx = rot[0, 0] * bx + rot[0, 1] * by + rot[0, 2] * se
            dy = rot[1, 0] * bx + rot[1, 1] * by + rot[1, 2] * se
            dz = rot[2, 0] * bx + rot[2, 1] * by + rot[2, 2] * se
            t, m, nx, ny, nz, _ = trace_world(a, ox, oy, oz, dx, dy, dz, max_range)
            row = -1
            if count:
                ta, ma, ax, ay, az, hit = trace_agents(
                    local, templates, chosen, count, ox, oy, oz, dx, dy, dz, min(t, max_range)
                )
                if hit >= 0 and ta < t:
                    t, m, nx, ny, nz, row = ta, ma, ax, ay, az, hit
            distance[c, r], material[c, r], who[c, r] = t, m, row
            if t < np.inf:
                points[c, r, 0], points[c, r, 1], points[c, r, 2] = ox + t * dx, oy + t * dy, oz + t * dz
                intensity[c, r] = albedo[m] * min(1.0, abs(nx * dx + ny * dy + nz * dz))


class RaycastLidar:
    """Sweeps by exact tracing. The sensor and the agents move while it turns; misses are left out.

    Points are given in the sensor's frame at the stamp, as if each had been compensated for the ego's motion.
    """

    name = "raycast"
    coupling: Literal["independent", "joint"] = "independent"

    def __init__(self, templates: TemplateSource | None = None):
        self._set: TemplateSource = built_in() if templates is None else templates
        self._templates = template_arrays(self._set)

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]:
        """One sweep of each LiDAR in each world, which end at the worlds' stamps."""
        return state, [{spec.name: self._one(view, spec) for spec in specs} for view in views]

    def _one(self, view: WorldView, spec: LidarSpec) -> LidarSweep:
        azimuth, time_s = firing_times(spec)
        span_s = spec.period_us * 1e-6
        moving = agent_motion(view.frame, view.history, span_s)
        shape = (spec.azimuth_steps, len(spec.elevation_rad))
        distance, points = np.empty(shape), np.empty((*shape, 3))
        intensity = np.empty(shape, np.float32)
        material, who = np.empty(shape, np.uint8), np.empty(shape, np.int32)
        agents = pose_agents(view.frame, moving, self._set)
        _sweep(
            view.atlas.arrays,
            agents,
            self._templates,
            moving,
            ego_motion(view.frame, view.history, span_s),
            np.ascontiguousarray(spec.pose.rotation),
            spec.pose.position,
            azimuth,
            time_s,
            np.array(spec.elevation_rad),
            spec.max_range_m,
            _ALBEDO,
            distance,
            points,
            intensity,
            material,
            who,
        )
        column, ring = np.nonzero((distance >= spec.min_range_m) & (distance < np.inf))
        row = who[column, ring]
        label = MATERIAL_LABEL[material[column, ring]]
        instance = np.zeros(len(row), np.uint16)
        on = row >= 0
        label[on] = AGENT_OCC_CLASS[agents.cls[row[on]]]
        instance[on] = agents.id[row[on]]
        sensor = view.frame.ego_pose.compose(spec.pose)
        return LidarSweep(
            xyz=((points[column, ring] - sensor.position) @ sensor.rotation).astype(np.float32),
            intensity=intensity[column, ring],
            ring=ring.astype(np.uint16),
            time_s=time_s[column].astype(np.float32),
            label=label,
            instance=instance,
            stamp_us=view.frame.stamp_us,
        )
