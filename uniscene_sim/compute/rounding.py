"""Rounding where numbers leave a stage, so that last bits that differ between two machines do not spread.

Sums, products, quotients and square roots are the same on every processor. Sines, exponentials and products of matrices
are not: libraries choose other instructions for them, and the last bit differs. Rounded to a step far above it, two
such results agree, but for about one in ten million that lies beside a half step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from uniscene_sim.compute.compiled import inlined

__all__ = ["fixed", "fixed_in_kernel", "map_metres", "map_radians"]

_STEPS = 2.0**30  # per unit: 0.9 nanometres; rounding is exact, since it is a power of two


def fixed(x: np.ndarray) -> np.ndarray:
    """Values (...) rounded to multiples of 2^-30; no zero is negative."""
    return np.floor(x * _STEPS + 0.5) / _STEPS + 0.0


@inlined
def fixed_in_kernel(x):
    """The same for one finite number within 10^9 of 0, on the CPU and on CUDA."""
    return math.floor(x * _STEPS + 0.5) / _STEPS + 0.0


def map_metres(x: Any) -> Any:
    """A length, or an array (...) of lengths or positions, from a map reader, rounded to 0.1 mm."""
    return np.round(x, 4) + 0.0


def map_radians(x: Any) -> Any:
    """An angle, or an array (...) of angles, from a map reader, rounded to 1e-7 rad."""
    return np.round(x, 7) + 0.0
