"""Random numbers as functions of integer keys: a use, a seed, a place, a time.

None is drawn from a shared stream, so that nothing depends on order or threads. Python and kernels, on the CPU and in
CUDA, get the same number for the same keys. Keys are integers, of which the low 64 bits count: floats would lose their
low bits next to a large seed, and neighbouring places would share a number. Keys are hashed one after the other and
never added up, so a seed is a key of its own, and so is the number of the use.
"""

from __future__ import annotations

import hashlib
from math import cos, log, pi, sin, sqrt
from operator import index
from typing import SupportsIndex

import numpy as np

from uniscene_sim.compute.compiled import inlined

__all__ = [
    "key_of",
    "normal_pair",
    "unit_hash",
    "unit_hash2",
    "unit_hash3",
    "unit_hash4",
    "unit_hash5",
    "unit_hashes",
]

_MASK = 0xFFFFFFFFFFFFFFFF
_BEGIN, _EACH, _LAST = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BEGIN_64, _EACH_64, _LAST_64 = np.uint64(_BEGIN), np.uint64(_EACH), np.uint64(_LAST)


def unit_hash(*keys: SupportsIndex) -> float:
    """A number in [0, 1) that is fixed for its integer keys, from Python; kernels call `unit_hash2` and so on."""
    h = _BEGIN
    for key in keys:
        h = ((h ^ (index(key) & _MASK)) * _EACH) & _MASK
        h ^= h >> 29
    h = (h * _LAST) & _MASK
    return ((h ^ (h >> 32)) >> 11) / 2**53


def unit_hashes(*keys: SupportsIndex | np.ndarray) -> np.ndarray:
    """The same as `unit_hash` for many keys at once: (N,) of integers and arrays (N,) of them."""
    h: np.ndarray = np.full((), _BEGIN, np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            number = key if isinstance(key, np.ndarray) else np.asarray(index(key) & _MASK, np.uint64)
            h = (h ^ number.astype(np.int64).view(np.uint64)) * np.uint64(_EACH)
            h = h ^ (h >> np.uint64(29))
        h = h * np.uint64(_LAST)
    unit: np.ndarray = ((h ^ (h >> np.uint64(32))) >> np.uint64(11)).astype(np.float64) / 2**53
    return unit


@inlined
def _mixed(h, key):
    h = (h ^ np.uint64(key ^ 0)) * _EACH_64  # a float has no ^, so no kernel compiles with one for a key
    return h ^ (h >> np.uint64(29))


@inlined
def _unit(h):
    h = h * _LAST_64
    return np.float64(np.int64((h ^ (h >> np.uint64(32))) >> np.uint64(11))) / 9007199254740992.0


@inlined
def unit_hash2(a, b):
    """A number in [0, 1) that is fixed for two integer keys, equal to `unit_hash`, in kernels."""
    return _unit(_mixed(_mixed(_BEGIN_64, a), b))


@inlined
def unit_hash3(a, b, c):
    """The same for three keys."""
    return _unit(_mixed(_mixed(_mixed(_BEGIN_64, a), b), c))


@inlined
def unit_hash4(a, b, c, d):
    """The same for four keys.

    Args:
        a, b, c, d: integers; order matters.
    """
    return _unit(_mixed(_mixed(_mixed(_mixed(_BEGIN_64, a), b), c), d))


@inlined
def unit_hash5(a, b, c, d, e):
    """The same for five keys.

    Args:
        a, b, c, d, e: integers; order matters.
    """
    return _unit(_mixed(_mixed(_mixed(_mixed(_mixed(_BEGIN_64, a), b), c), d), e))


@inlined
def normal_pair(u, v):
    """Two independent standard normal numbers from two uniform ones in [0, 1), by the Box-Muller transform."""
    radius = sqrt(-2.0 * log(1.0 - u))
    return radius * cos(2.0 * pi * v), radius * sin(2.0 * pi * v)


def key_of(*parts: int | str) -> np.uint64:
    """A 64-bit key for numbers and names."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))
