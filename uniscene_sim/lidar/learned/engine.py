"""`sparse-sdf`: a spinning LiDAR, learned from ray-cast sweeps, whose input is 0.4 m labels (UniScene, section 3.3)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import key_of, normal_pair, unit_hash4
from uniscene_sim.engine_support.options import named_option
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import LidarSweep
from uniscene_sim.interfaces import WorldView
from uniscene_sim.lidar.learned.readings import RayBundle
from uniscene_sim.lidar.raycast.effects import Effects, with_effects
from uniscene_sim.lidar.raycast.engine import RaycastLidar, SweepJob, assemble_sweep
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.raycast.receiver import Returns
from uniscene_sim.lidar.raycast.trace import Beams, sensor_pose_at
from uniscene_sim.lidar.raycast.trace import LidarScene as Motions
from uniscene_sim.lidar.weather import CLEAR, air_of
from uniscene_sim.rig import LidarSpec
from uniscene_sim.tracing.agents import pose_at
from uniscene_sim.zoo.models import require_learned

if TYPE_CHECKING:
    from uniscene_sim.lidar.learned.model import LidarModel

__all__ = ["SparseSdf"]

_ANY_RANGE_M = 60.0  # detection range that the network is given for sensors without one
_NO_EFFECTS = Effects("none")
#: Keys of random numbers, beyond those of raycast.
_DROP, _NOISE = 200, 201


class SparseSdf:
    """Sweeps by signed distances that a network predicts from labelled cells.

    Sensor and agents move during the revolution, as in `raycast`. Weather attenuates beams; backscatter from drops and
    flakes is not generated. A beam has one return, never split by an edge: it is both the strongest and the last, and
    the only one of a sensor with dual returns, as where both coincide in `raycast`.

    Intensity is calibrated reflectivity in 1/255 where the sensor has a `detect_range_m`. Elsewhere every hit returns,
    with an intensity by reflectance and incidence of at most 1.

    Args:
        model: the model, instead of the one that the options name.
        options: which model to load.

    Raises:
        InputError: torch or spconv is not installed, or the model's weights are missing or damaged.
    """

    name = "sparse-sdf"
    coupling: Literal["independent", "joint"] = "independent"
    traces_windows = False

    @dataclass(frozen=True)
    class Options:
        """`model`: name of a model of the zoo, or a folder that `train lidar` has written."""

        model: str = "lidar"

    def __init__(self, model: LidarModel | None = None, *, options: Options = Options()):
        if model is None:
            require_learned("spconv")
            from uniscene_sim.lidar.learned.model import LidarModel  # torch comes with it

            with named_option("model"):
                model = LidarModel.load(options.model)
        from uniscene_sim.lidar.learned.sensing import LearnedSensor

        self.model, self._sensor = model, LearnedSensor(model)
        self._frame = _SweepSetup()
        self._told: set[str] = set()

    def step(
        self, state: Any, views: Sequence[WorldView], specs: Sequence[LidarSpec]
    ) -> tuple[Any, list[dict[str, LidarSweep]]]:
        """One sweep of each LiDAR in each world, ending at the world's stamp.

        Raises:
            InputError: an occupancy window is to be traced: the network reads the cells of tiles.
        """
        if any(view.window is not None for view in views):
            raise InputError("sparse-sdf reads tiles and traces no occupancy window; expected tiles", field="trace")
        return state, [{spec.name: self._scan(view, spec) for spec in specs} for view in views]

    def _scan(self, view: WorldView, spec: LidarSpec) -> LidarSweep:
        if spec.name not in self._told and with_effects(spec, _NO_EFFECTS) != spec:
            self._told.add(spec.name)
            warnings.warn(f"sparse-sdf leaves out the effects of real sweeps that the rig gives {spec.name!r}",
                          InputWarning, stacklevel=3)  # fmt: skip
        sweep = self._frame.of(view, spec)
        motions, beams, hits = sweep.scene, sweep.beams, sweep.hits
        _beam_rays(motions, beams, hits.origin, hits.direction)
        near = np.flatnonzero(_agents_in_reach(motions, hits.origin[-1], sweep.max_range_m))
        calibrated = spec.detect_range_m > 0.0
        rays = RayBundle(
            hits.origin, hits.direction.reshape(-1, 3), sweep.max_range_m, spec.detect_range_m or _ANY_RANGE_M,
            air_of(view.frame.style) if calibrated else CLEAR, _agent_offsets(motions, beams, near),
        )  # fmt: skip
        readings = self._sensor.read(view.atlas.store, _tiles_in_atlas(view), view.frame.agents[near], rays)
        shape = hits.distance.shape
        hits.distance[:] = readings.range_m.reshape(shape)
        hits.material[:] = readings.label.reshape(shape)  # each class is also the index of its default material
        hits.agent_row[:] = np.append(near, -1)[readings.agent].reshape(shape)
        bright = np.round(255.0 * readings.intensity)  # up to 100 it is reflectance in percent
        intensity = bright / 255.0 if calibrated else np.minimum(bright / 100.0, 1.0)
        dropped = readings.drop_probability.reshape(shape)
        key = key_of(view.frame.seed, view.frame.stamp_us, spec.name)
        _drop_and_add_noise(
            key, hits.distance, dropped, calibrated, spec.range_noise_m, spec.min_range_m, spec.max_range_m
        )
        one = (..., None)
        no_ghosts = np.zeros(shape, np.bool_)
        echoes = Echoes(hits.distance[one], hits.cosine[one], hits.material[one], hits.agent_row[one], no_ghosts)
        returns = Returns(hits.distance[one], intensity.reshape(shape)[one], np.zeros((*shape, 1), np.uint8))
        return assemble_sweep(view, spec, motions, beams, hits, echoes, returns)


class _SweepSetup(RaycastLidar):
    """Beams and motion of a sweep, as in `raycast`."""

    def of(self, view: WorldView, spec: LidarSpec) -> SweepJob:
        return self._sweep_job(view, spec)


def _tiles_in_atlas(view: WorldView) -> list[tuple[int, int]]:
    """Indices (ix, iy) of the tiles in the atlas."""
    arrays = view.atlas.arrays
    return [tuple(index) for index in (np.argwhere(arrays.window >= 0) + arrays.window_at).tolist()]


def _agents_in_reach(motions: Motions, origin: np.ndarray, far: float) -> np.ndarray:
    """Whether agents may be hit, bool (N,)."""
    agents = motions.agents
    near: np.ndarray = np.linalg.norm(agents.centre - origin, axis=1) < far + agents.radius + 2.0
    return near


@njit(cache=True)
def _beam_rays(motions: Motions, beams: Beams, origins, directions):
    """Write the origins (A, 3) of columns and the directions (A, R, 3) of their beams, in the map frame."""
    rot = np.empty((3, 3))
    for c in range(beams.azimuth.shape[0]):
        sensor_pose_at(motions, beams.time_s[c], origins[c], rot)
        for r in range(beams.elevation.shape[0]):
            azimuth, flat = beams.azimuth[c] + beams.offset[r], np.cos(beams.elevation[r])
            x, y, z = flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(beams.elevation[r])
            for q in range(3):
                directions[c, r, q] = rot[q, 0] * x + rot[q, 1] * y + rot[q, 2] * z


def _agent_offsets(motions: Motions, beams: Beams, near: np.ndarray) -> np.ndarray:
    """Displacement of agents at each column's time from their pose at the stamp, float64 (A, N, 4): m, yaw in rad."""
    out = np.empty((len(beams.time_s), len(near), 4))
    _write_agent_offsets(motions, beams.time_s, near, out)
    return out


@njit(cache=True)
def _write_agent_offsets(motions: Motions, times, near, out):
    for n in range(near.shape[0]):
        (x, y, z), turn = pose_at(motions.agent_motion, near[n], 0.0)
        yaw = np.arctan2(turn[1][0], turn[0][0])
        for c in range(times.shape[0]):
            (px, py, pz), then = pose_at(motions.agent_motion, near[n], times[c])
            turned = np.arctan2(then[1][0], then[0][0]) - yaw
            out[c, n, 0], out[c, n, 1], out[c, n, 2] = px - x, py - y, pz - z
            out[c, n, 3] = (turned + np.pi) % (2.0 * np.pi) - np.pi


@njit(cache=True)
def _drop_and_add_noise(key, distance, dropped, drops, noise, nearest, farthest):
    """Set dropped and out-of-range beams to inf in `distance` (A, R), and add range noise to the others."""
    # key: uint64; distance: float64 (A, R) m; dropped: (A, R) probabilities, used if `drops`
    # noise, nearest, farthest: m
    for c in range(distance.shape[0]):
        for r in range(distance.shape[1]):
            if distance[c, r] == np.inf:
                continue
            if drops and unit_hash4(key, c, r, _DROP) < dropped[c, r]:
                distance[c, r] = np.inf
                continue
            if noise > 0.0:
                distance[c, r] += (
                    noise * normal_pair(unit_hash4(key, c, r, _NOISE), unit_hash4(key, c, r, _NOISE + 1))[0]
                )
            if not nearest <= distance[c, r] <= farthest:
                distance[c, r] = np.inf
