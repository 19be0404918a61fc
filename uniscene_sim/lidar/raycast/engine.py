"""`RaycastLidar`: a spinning LiDAR by ray casting, with sensor and agents posed at each beam's firing time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from uniscene_sim.compute.keyed_random import key_of, unit_hash
from uniscene_sim.compute.rounding import fixed
from uniscene_sim.compute.threads import map_threads
from uniscene_sim.frames import LidarSweep
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.lidar.raycast.effects import RIG_EFFECTS, Effects, with_effects
from uniscene_sim.lidar.raycast.ego_body import EgoBody, ego_body_of, put_ego_body
from uniscene_sim.lidar.raycast.footprint import Echoes, empty_echoes, find_echoes
from uniscene_sim.lidar.raycast.ghosts import add_halos, add_mirror_images
from uniscene_sim.lidar.raycast.measured import measured_returns, pandar64
from uniscene_sim.lidar.raycast.receiver import AIR, Receiver, Returns, empty_returns, receive
from uniscene_sim.lidar.raycast.reflectance import ALBEDO, plain_surfaces, surfaces_of
from uniscene_sim.lidar.raycast.see_through import let_beams_through
from uniscene_sim.lidar.raycast.trace import Beams, Hits, LidarScene, beams_of, empty_hits, trace_sweep
from uniscene_sim.lidar.weather import CLEAR, air_of
from uniscene_sim.rig import RETURNS, LidarSpec
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, EGO_ID, MATERIAL_LABEL, AgentClass, Material, OccClass, PointCause
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.agents import (
    EGO_COLOUR,
    TemplateSource,
    agent_motion,
    ego_motion,
    pose_agents,
    template_arrays,
)
from uniscene_sim.tracing.templates.template_set import built_in_templates as built_in

__all__ = ["RaycastLidar", "SweepJob", "assemble_sweep"]

_KEPT_BODIES = 64  # by sensor and vehicle


class SweepJob(NamedTuple):
    """One sweep to trace."""

    scene: LidarScene
    beams: Beams
    spread: float  # rad, largest azimuth between a beam and its column, divergence included
    max_range_m: float  # m
    hits: Hits


class RaycastLidar:
    """Sweeps by ray casting. Sensor and agents move during the revolution; beams without a return yield no point.

    Points are given in the sensor's frame at the stamp, compensated for ego motion if the sensor is `deskewed`.

    Args:
        templates: shapes of agents, by default the built-in ones.
        options: which effects of real sweeps to apply, by default the rig's.
    """

    name = "raycast"
    coupling: Literal["independent", "joint"] = "independent"

    Options = Effects

    def __init__(self, templates: TemplateSource | None = None, *, options: Effects = RIG_EFFECTS):
        self._template_set: TemplateSource = built_in() if templates is None else templates
        self._templates = template_arrays(self._template_set)
        self._effects = options
        self._ego_bodies: dict[tuple[EgoVehicle, LidarSpec], EgoBody] = {}

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]:
        """One sweep of each LiDAR in each world, ending at the world's stamp."""
        return state, map_threads(lambda view: self._scan_world(view, specs), views)

    def _scan_world(self, view: WorldView, specs: Sequence[LidarSpec]) -> dict[str, LidarSweep]:
        """The sweeps of one world."""
        sweeps = self._sweep_jobs(view, specs)
        for sweep in sweeps:
            trace_sweep(sweep.scene, sweep.beams, sweep.spread, sweep.max_range_m, sweep.hits)
        return self._sweeps_of_jobs(view, specs, sweeps)

    def _sweep_jobs(self, view: WorldView, specs: Sequence[LidarSpec]) -> list[SweepJob]:
        """Jobs for the sweeps of one world, with hits still to be traced."""
        return [self._sweep_job(view, with_effects(spec, self._effects)) for spec in specs]

    def _sweeps_of_jobs(
        self, view: WorldView, specs: Sequence[LidarSpec], sweeps: Sequence[SweepJob]
    ) -> dict[str, LidarSweep]:
        """The sweeps of traced jobs, by sensor."""
        return {
            spec.name: self._sweep_of_job(view, with_effects(spec, self._effects), sweep)
            for spec, sweep in zip(specs, sweeps, strict=True)
        }

    def _sweep_of_job(self, view: WorldView, spec: LidarSpec, sweep: SweepJob) -> LidarSweep:
        if spec.ego_visible:
            put_ego_body(self._ego_body(view, spec), len(sweep.scene.agents.id), sweep.hits)
        if not self._effects.measured:
            return sweep_of_job(view, spec, sweep)
        key = key_of(view.frame.seed, view.frame.stamp_us, spec.name)
        cells = view.window is not None and bool(np.isclose(view.window.grid.voxel_m, CELL_M).all())
        echoes, returns = measured_returns(key, pandar64(), spec, sweep.hits, sweep.scene.agents.cls, cells)
        return assemble_sweep(view, spec, sweep.scene, sweep.beams, sweep.hits, echoes, returns)

    def _ego_body(self, view: WorldView, spec: LidarSpec) -> EgoBody:
        """What a sensor sees of the ego's body, kept from sweep to sweep."""
        key = (view.frame.ego_vehicle, spec)
        body = self._ego_bodies.get(key)
        if body is None:  # worlds are scanned in threads, which may all come here
            if len(self._ego_bodies) >= _KEPT_BODIES:
                self._ego_bodies.clear()
            self._ego_bodies[key] = body = ego_body_of(view.frame, spec, self._template_set)
        return body

    def _sweep_job(self, view: WorldView, spec: LidarSpec) -> SweepJob:
        beams, span_s = _beams_at(view, spec), spec.period_us * 1e-6
        moving = agent_motion(view.frame, view.history, span_s)
        scene = LidarScene(
            view.atlas.arrays,
            pose_agents(view.frame, moving, self._template_set),
            self._templates,
            moving,
            ego_motion(view.frame, view.history, span_s),
            np.ascontiguousarray(spec.pose.rotation),
            spec.pose.position,
        )
        spread = float(np.abs(beams.offset).max()) + spec.divergence_rad
        return SweepJob(scene, beams, spread, float(spec.max_range_m), empty_hits(beams))


def _beams_at(view: WorldView, spec: LidarSpec) -> Beams:
    """The beams of a sweep. Of a free-running sensor they are turned by a part of a step, so that a standing one does
    not fire along the same rays sweep after sweep."""
    beams = beams_of(spec)
    if not spec.free_running:
        return beams
    step = 2 * np.pi / spec.azimuth_steps
    turn = (unit_hash(key_of(view.frame.seed, view.frame.stamp_us, spec.name, "azimuth")) - 0.5) * step
    return beams._replace(azimuth=beams.azimuth + turn)


def sweep_of_job(view: WorldView, spec: LidarSpec, sweep: SweepJob) -> LidarSweep:
    """The sweep of a traced job, after its receiver."""
    scene, beams, spread, _, hits = sweep
    if spec.detect_range_m or spec.range_noise_m or spec.divergence_rad:
        echoes, returns = _receiver_returns(view, spec, scene, beams, spread, hits)
    else:
        echoes, returns = _ideal_returns(spec, hits)
    return assemble_sweep(view, spec, scene, beams, hits, echoes, returns)


def _ideal_returns(spec: LidarSpec, hits: Hits) -> tuple[Echoes, Returns]:
    """Echoes and returns of an ideal sensor: every hit returns."""
    bright = (ALBEDO[hits.material] * hits.cosine).astype(np.float32)
    far = np.where(hits.distance >= spec.min_range_m, hits.distance, np.inf)
    only = (..., None)
    return (
        Echoes(
            hits.distance[only],
            hits.cosine[only],
            hits.material[only],
            hits.agent_row[only],
            np.zeros(hits.distance.shape, np.bool_),
        ),
        Returns(far[only], bright[only], np.zeros((*far.shape, 1), np.uint8)),
    )


def _receiver_returns(
    view: WorldView, spec: LidarSpec, scene: LidarScene, beams: Beams, spread: float, hits: Hits
) -> tuple[Echoes, Returns]:
    """Echoes of the beams' footprints, and what the receiver reports of them."""
    colour = np.append(scene.agents.colour, np.uint32(EGO_COLOUR))  # as rows of hits: the ego after the agents
    if spec.detect_range_m:
        air = air_of(view.frame.style)
        surfaces = surfaces_of(colour, air.wet, air.snow, spec.rough_ground)
    else:
        air, surfaces = CLEAR, plain_surfaces(colour)
    echoes, returns = empty_echoes(hits), empty_returns(hits.distance.shape)
    reach, divergence = float(spec.max_range_m), float(spec.divergence_rad)
    find_echoes(scene, beams, spread, reach, divergence, spec.clockwise, hits, surfaces, echoes)
    if spec.detect_range_m and spec.multipath:
        add_mirror_images(scene, beams, reach, hits, surfaces, echoes)
    key = key_of(view.frame.seed, view.frame.stamp_us, spec.name)
    if spec.detect_range_m and spec.see_through:
        let_beams_through(key, float(spec.see_through), scene, beams, reach, hits, surfaces, echoes)
    if spec.detect_range_m and spec.bloom:
        add_halos(float(spec.bloom), beams, spec.clockwise, echoes)
    receiver = Receiver(
        float(spec.min_range_m),
        reach,
        float(spec.detect_range_m),
        float(spec.range_noise_m),
        RETURNS.index(spec.returns),
        float(spec.miss_rate),
        float(spec.dark_miss_rate),
        float(spec.dark_floor),
        float(spec.saturation),
    )
    receive(key, receiver, air, echoes, returns)
    return echoes, returns


def assemble_sweep(
    view: WorldView, spec: LidarSpec, scene: LidarScene, beams: Beams, hits: Hits, echoes: Echoes, returns: Returns
) -> LidarSweep:
    """The points of returns, in the sensor's frame.

    Args:
        view: the world, at the sweep's stamp.
        spec: the sensor.
        scene: its agents, for labels and instances.
        beams: A columns of R beams.
        hits: origins (A, 3) and directions (A, R, 3) of the rays.
        echoes: (A, R, K), materials and agents.
        returns: (A, R, K), ranges and intensities.
    """
    rings, numbers = returns.distance.shape[1:]
    seen = np.flatnonzero(returns.distance < np.inf)
    beam, number = np.divmod(seen, numbers) if numbers > 1 else (seen, np.zeros_like(seen))
    column, ring = np.divmod(beam, rings)
    of = returns.echo.reshape(-1)[seen]
    air = of == AIR
    echo = numbers * beam + np.where(air, 0, of)
    ghost = (of == 1) & echoes.ghost.reshape(-1)[beam]
    nothing = air | ghost
    row = np.where(nothing, -1, echoes.agent_row.reshape(-1)[echo])
    label = np.where(nothing, np.uint8(OccClass.OTHERS), MATERIAL_LABEL[echoes.material.reshape(-1)[echo]])
    instance = np.where(row < -1, -1 - row, 0).astype(np.uint16)
    on, ego = row >= 0, row == len(scene.agents.id)
    label[on] = AGENT_OCC_CLASS[np.append(scene.agents.cls, np.uint8(AgentClass.CAR))[row[on]]]
    instance[on] = np.append(scene.agents.id, np.uint16(EGO_ID))[row[on]]
    cause = None
    if spec.tells_causes:
        cause = np.where(ghost, np.uint8(PointCause.GHOST), np.where(air, np.uint8(PointCause.AIR), np.uint8(0)))
        cause[ego] = PointCause.EGO
        cause[~nothing & (echoes.material.reshape(-1)[echo] == Material.ROOM)] = PointCause.ROOM
    far = returns.distance.reshape(-1)[seen][:, None]
    if spec.deskewed:
        sensor = view.frame.ego_pose.compose(spec.pose)
        points = hits.origin.take(column, axis=0) + far * hits.direction.reshape(-1, 3).take(beam, axis=0)
        # Term by term, since a library's matrix product is not bit-identical on all machines.
        x, y, z = (points - fixed(sensor.position)).T
        turn = fixed(sensor.rotation)
        xyz = np.stack([x * turn[0, k] + y * turn[1, k] + z * turn[2, k] for k in range(3)], axis=1)
        # The ego's body goes along with the sensor, so it stays where it was measured.
        xyz[ego] = _as_measured(beams, column[ego], ring[ego], far[ego])
    else:
        xyz = _as_measured(beams, column, ring, far)
    return LidarSweep(
        xyz=xyz.astype(np.float32),
        intensity=returns.intensity.reshape(-1)[seen],
        ring=ring.astype(np.uint16),
        time_s=(beams.time_s[column] + beams.delay_s[ring]).astype(np.float32),
        label=label,
        instance=instance,
        stamp_us=view.frame.stamp_us,
        return_number=number.astype(np.uint8) if spec.returns == "dual" else None,
        cause=cause,
    )


def _as_measured(beams: Beams, column: np.ndarray, ring: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Points (N, 3) m in the sensor's frame at the time of each, of beams by column (N,) and ring (N,) and their ranges
    (N, 1)."""
    azimuth, elevation = beams.azimuth[column] + beams.offset[ring], beams.elevation[ring]
    flat = np.cos(elevation)
    xyz: np.ndarray = far * np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
    return xyz
