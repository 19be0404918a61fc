"""The receiver of a LiDAR: which echoes are detected, with which range and intensity.

Received power follows the LiDAR equation: reflectance and incidence, the square of range, and extinction both ways. Its
unit is the power that is detected half of the time: that of a diffuse surface of 10 % that faces the sensor at
`detect_range_m` in clear air.

Intensity is calibrated reflectivity, as Velodyne and Ouster report it, over 255: a diffuse surface that faces the
sensor has its reflectance in percent, 0 to 100; 101 to 255 are for retro-reflectors, by the logarithm of their
brightness relative to white, 255 for a hundred times. It is corrected for range; it is not for incidence, partial hits,
rain, snow and fog, which no sensor can correct for. Receivers differ in the darkest reflectivity that they tell from
none and the brightest that they tell apart; both are read from real sweeps.

Real receivers lose echoes that have power enough: a few of any surface, many of dark ones, whose pulse is weak after
the gain for near echoes is turned down.

Every random number is keyed by seed, stamp, sensor, column, ring and purpose.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import normal_pair, unit_hash4
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.weather import Air
from uniscene_sim.rig import RETURNS

__all__ = ["AIR", "Receiver", "Returns", "calibrated_intensity", "empty_returns", "receive", "received_power"]

#: Standard deviation of the logarithm of power: speckle, and the receiver's noise.
FLUCTUATION = 0.12
#: Closer than this, m, the fields of emitter and receiver no longer overlap fully, so power rises no more.
NEAR_M = 5.0
#: Value of `Returns.echo` for backscatter from the air.
AIR = 2
_LAST, _DUAL = RETURNS.index("last"), RETURNS.index("dual")
_DARK = 0.1  # reflectance for which detection ranges are given
_GATE_M, _GATES = 1.0, 40  # range gates that are tested for backscatter


class Receiver(NamedTuple):
    """Properties of the receiver, from a `LidarSpec`."""

    min_range_m: float
    max_range_m: float
    detect_range_m: float  # 0: every echo is detected, and intensity is strength
    range_noise_m: float
    mode: int  # index in rig.RETURNS
    miss_rate: float = 0.0  # see `LidarSpec`, as the next ones
    dark_miss_rate: float = 0.0
    dark_floor: float = 0.0
    saturation: float = 100.0


class Returns(NamedTuple):
    """Reported returns of each of A x R beams, by return number."""

    distance: np.ndarray  # float64 (A, R, 2) m, inf where there is none
    intensity: np.ndarray  # float32 (A, R, 2)
    echo: np.ndarray  # uint8 (A, R, 2), index of the echo, or AIR


def empty_returns(shape: tuple[int, ...]) -> Returns:
    """Room for the returns of beams of shape (A, R)."""
    return Returns(np.full((*shape, 2), np.inf), np.zeros((*shape, 2), np.float32), np.zeros((*shape, 2), np.uint8))


@njit(cache=True, inline="always")
def received_power(strength, distance, detect_range, extinction):
    """Received power, in units of the power that is detected half of the time.

    Args:
        strength: of the echo, relative to a white diffuse surface that faces the sensor.
        distance: m.
        detect_range: m, of a diffuse surface of 10 % in clear air.
        extinction: 1/m.
    """
    spread = (detect_range * detect_range + NEAR_M * NEAR_M) / (distance * distance + NEAR_M * NEAR_M)
    return strength / _DARK * spread * np.exp(-2.0 * extinction * distance)


@njit(cache=True, inline="always")
def calibrated_intensity(reflectivity, dark_floor, saturation):
    """Intensity of a reflectivity (1: white), quantised to 1/255.

    Args:
        reflectivity: apparent.
        dark_floor: reflectivity up to which the receiver reads 0.
        saturation: reflectivity from which on it reads 255.
    """
    byte = 100.0 * max(reflectivity - dark_floor, 0.0)
    if reflectivity > 1.0:
        byte = 100.0 + 155.0 * np.log(reflectivity) / np.log(saturation)
    return np.round(min(byte, 255.0)) / 255.0


@njit(cache=True, inline="always")
def _is_missed(key, c, r, receiver: Receiver, reflectivity):
    """Whether an echo is lost although its power suffices."""
    if receiver.miss_rate + receiver.dark_miss_rate <= 0.0:
        return False
    dark = np.exp(-100.0 * max(reflectivity - receiver.dark_floor, 0.0))
    return unit_hash4(key, c, r, 4) < receiver.miss_rate + receiver.dark_miss_rate * dark


@njit(cache=True)
def _strongest_gate(key, c, r, nearest, receiver: Receiver, air: Air):
    """Power (0: none), range and apparent reflectivity of the strongest backscatter in front of a surface."""
    best, at, seems = 0.0, np.inf, 0.0
    for gate in range(_GATES):
        near = receiver.min_range_m + _GATE_M * gate
        if near + _GATE_M > nearest:
            break
        filled = min(1.0, air.fill * near * near)
        if filled < 1.0 and unit_hash4(key, c, r, 8 + 3 * gate) > filled:
            continue
        strength = -air.backscatter / filled * np.log(1.0 - unit_hash4(key, c, r, 9 + 3 * gate))
        power = received_power(strength, near, receiver.detect_range_m, air.extinction)
        if power > best:
            best, at = power, near + _GATE_M * unit_hash4(key, c, r, 10 + 3 * gate)
            seems = strength * np.exp(-2.0 * air.extinction * near)
    return best, at, seems


@njit(cache=True)
def _detect_echoes(key, c, r, receiver: Receiver, air: Air, echoes: Echoes, power, seen, seems):
    """Write power (0: not detected), measured range and apparent reflectivity of both echoes and of the air (3,)."""
    # key: uint64; c, r: column and ring; power, seen (m), seems: float64 (3,), written
    detect_range = receiver.detect_range_m
    power[:] = 0.0
    nearest = np.inf
    for k in range(2):
        t, strength = echoes.distance[c, r, k], echoes.strength[c, r, k]
        if t == np.inf:
            continue
        nearest = min(nearest, t)
        flicker, noise = normal_pair(unit_hash4(key, c, r, 2 * k), unit_hash4(key, c, r, 2 * k + 1))
        seen[k], seems[k] = t + receiver.range_noise_m * noise, strength
        if detect_range > 0.0:
            factor = np.exp(FLUCTUATION * flicker)
            power[k] = factor * received_power(strength, t, detect_range, air.extinction)
            seems[k] *= factor * np.exp(-2.0 * air.extinction * t)
            if power[k] < 1.0 or _is_missed(key, c, r, receiver, seems[k]):
                power[k] = 0.0
        else:
            power[k] = (strength + 1e-30) / (t * t + 1e-9)
        if not receiver.min_range_m <= seen[k] <= receiver.max_range_m:
            power[k] = 0.0
    if detect_range > 0.0 and air.backscatter > 0.0:
        power[AIR], seen[AIR], seems[AIR] = _strongest_gate(key, c, r, nearest, receiver, air)
        if power[AIR] < 1.0:
            power[AIR] = 0.0


@njit(cache=True)
def _select_returns(mode, power, seen):
    """Indices of the echoes to report first and second, -1 for none, by the receiver's mode."""
    strongest, last, other = -1, -1, -1
    for k in range(3):
        if power[k] > 0.0:
            if strongest < 0 or power[k] > power[strongest]:
                strongest = k
            if last < 0 or seen[k] > seen[last]:
                last = k
    if mode == _LAST:
        return last, -1
    if mode == _DUAL:
        other = last
        if last == strongest:  # then the second strongest, as on real sensors
            other = -1
            for k in range(3):
                if k != strongest and power[k] > 0.0 and (other < 0 or power[k] > power[other]):
                    other = k
    return strongest, other


@njit(cache=True)
def _receive_column(key, c, receiver: Receiver, air: Air, echoes: Echoes, returns: Returns):
    power, seen, seems = np.zeros(3), np.zeros(3), np.zeros(3)
    for r in range(echoes.distance.shape[1]):
        _detect_echoes(key, c, r, receiver, air, echoes, power, seen, seems)
        chosen = _select_returns(receiver.mode, power, seen)
        for number in range(2):
            k = chosen[number]
            if k >= 0:
                returns.distance[c, r, number], returns.echo[c, r, number] = seen[k], k
                bright = min(seems[k], 1.0)
                if receiver.detect_range_m > 0.0:
                    bright = calibrated_intensity(seems[k], receiver.dark_floor, receiver.saturation)
                returns.intensity[c, r, number] = bright


@njit(cache=True, nogil=True)
def _receive_columns(key, receiver: Receiver, air: Air, echoes: Echoes, returns: Returns, first, last):
    for c in range(first, last):
        _receive_column(key, c, receiver, air, echoes, returns)


def receive(key: np.uint64, receiver: Receiver, air: Air, echoes: Echoes, returns: Returns) -> None:
    """Fill `returns` with the detected echoes, and backscatter from the air in front of them.

    Args:
        key: of random numbers.
        receiver: properties of the sensor.
        air: extinction and backscatter.
        echoes: (A, R, 2).
        returns: (A, R, 2), written.
    """
    map_threads(
        lambda columns: _receive_columns(key, receiver, air, echoes, returns, *columns),
        row_ranges(len(echoes.distance)),
    )
