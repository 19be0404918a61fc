"""Value noise as a function of map coordinates, so that patterns stay in place."""

from __future__ import annotations

from uniscene_sim.compute.compiled import device, floor
from uniscene_sim.compute.keyed_random import unit_hash3

__all__ = ["value_noise"]


@device
def value_noise(x, y, use):
    """Smooth noise in [0, 1) with lattice cells of one unit at (x, y); `use` is the first key, as in `unit_hash`."""
    i, j = floor(x), floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = unit_hash3(use, i, j) * (1.0 - u) + unit_hash3(use, i + 1, j) * u
    high = unit_hash3(use, i, j + 1) * (1.0 - u) + unit_hash3(use, i + 1, j + 1) * u
    return low * (1.0 - v) + high * v
