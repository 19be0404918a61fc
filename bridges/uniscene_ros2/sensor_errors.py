"""Errors of the IMU and of the satellite receiver, as a rig has them.

They are functions of the seed of the run and the time in it, so that they are the same whoever listens from when on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, log, pi, sqrt

import numpy as np

from uniscene_sim.compute.keyed_random import key_of, unit_hash
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.rig import GnssSpec, ImuSpec

__all__ = ["ImuErrors", "ImuVariances", "gnss_error", "imu_errors", "imu_variances"]

_STEP_S = 1e-6 * PHYSICS_US
#: Steps of a walk that are drawn as one and then divided: 3 hours.
_CHUNK = 2**20


@dataclass(frozen=True)
class ImuErrors:
    """What is added to the exact readings, in the IMU's axes."""

    rates: np.ndarray  # (3,) rad/s
    acceleration: np.ndarray  # (3,) m/s2
    orientation: np.ndarray  # (3,) rad, a small rotation


_NONE = ImuErrors(np.zeros(3), np.zeros(3), np.zeros(3))


def imu_errors(spec: ImuSpec, seed: int, stamp_us: int) -> ImuErrors:
    """The errors at a time.

    Args:
        spec: of the IMU.
        seed: of the run.
        stamp_us: since the run began.
    """
    if spec.is_exact:
        return _NONE
    variances = imu_variances(spec)

    def drawn(use: str, variance: float, bias: tuple[float, ...] = (0.0, 0.0, 0.0), walk: float = 0.0) -> np.ndarray:
        at = use, seed, stamp_us
        error: np.ndarray = np.array(bias) + _white(variance, *at) + _walk(walk, *at)
        return error

    return ImuErrors(
        drawn("gyro", variances.rates, spec.gyro_bias, spec.gyro_walk),
        drawn("accel", variances.acceleration, spec.accel_bias, spec.accel_walk),
        drawn("orientation", variances.orientation),
    )


@dataclass(frozen=True)
class ImuVariances:
    """Of the white noise of each axis."""

    rates: float  # (rad/s)2
    acceleration: float  # (m/s2)2
    orientation: float  # rad2


def imu_variances(spec: ImuSpec) -> ImuVariances:
    return ImuVariances(spec.gyro_noise**2 / _STEP_S, spec.accel_noise**2 / _STEP_S, spec.orientation_noise_rad**2)


def gnss_error(spec: GnssSpec, seed: int, stamp_us: int) -> np.ndarray:
    """The error (3,) east, north, up, m, of a fix.

    Args:
        spec: of the receiver.
        seed: of the run.
        stamp_us: since the run began.
    """
    deviation = spec.horizontal_noise_m, spec.horizontal_noise_m, spec.vertical_noise_m
    error: np.ndarray = np.add(
        spec.bias_m, np.multiply(deviation, _white(float(any(deviation)), "gnss", seed, stamp_us))
    )
    return error


def _white(variance: float, use: str, seed: int, stamp_us: int) -> np.ndarray:
    if not variance:
        return np.zeros(3)
    key = int(key_of(use, seed, stamp_us))
    return sqrt(variance) * np.array([_normal(key, axis) for axis in range(3)])


def _walk(density: float, use: str, seed: int, stamp_us: int) -> np.ndarray:
    if not density:
        return np.zeros(3)
    chunks, step = divmod(stamp_us // PHYSICS_US, _CHUNK)
    keys = [int(key_of(use, seed, "walk", axis)) for axis in range(3)]
    whole = [sum(_chunk(key, n) for n in range(chunks)) for key in keys]
    gone = [far + _within(key, chunks, step) for far, key in zip(whole, keys, strict=True)]
    return density * sqrt(_STEP_S) * np.array(gone)


def _chunk(key: int, number: int) -> float:
    """How far a walk with steps of variance 1 goes in a chunk."""
    return sqrt(_CHUNK) * _normal(key, number, 0)


def _within(key: int, chunk: int, step: int) -> float:
    """How far it is gone after some steps of a chunk: that is halved over and over, and the middle of each half drawn
    given its ends (Levy's construction of Brownian motion)."""
    begin, end, first, last = 0, _CHUNK, 0.0, _chunk(key, chunk)
    while begin < step:
        middle = (begin + end) // 2
        drawn = 0.5 * (first + last) + 0.5 * sqrt(end - begin) * _normal(key, chunk, middle)
        begin, end, first, last = (middle, end, drawn, last) if step >= middle else (begin, middle, first, drawn)
    return first


@lru_cache(4096)
def _normal(*keys: int) -> float:
    return sqrt(-2.0 * log(1.0 - unit_hash(*keys, 0))) * cos(2.0 * pi * unit_hash(*keys, 1))
