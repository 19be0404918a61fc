"""Noise that is a function of place: it neither swims nor flickers."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, floor

__all__ = ["lattice_noise", "value_noise"]


@device
def lattice_noise(x, y, z):
    """0..1, fixed for three integers."""
    h = (
        np.uint32(x) * np.uint32(0x8DA6B343)
        ^ np.uint32(y) * np.uint32(0xD8163841)
        ^ np.uint32(z) * np.uint32(0xCB1AB31F)
    )
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
    h = h ^ (h >> np.uint32(15))
    return np.float64(h & np.uint32(0xFFFFFF)) / 16777215.0


@device
def value_noise(x, y, salt):
    """Value noise 0..1 with cells of one unit."""
    i, j = floor(x), floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = lattice_noise(i, j, salt) * (1.0 - u) + lattice_noise(i + 1, j, salt) * u
    high = lattice_noise(i, j + 1, salt) * (1.0 - u) + lattice_noise(i + 1, j + 1, salt) * u
    return low * (1.0 - v) + high * v
