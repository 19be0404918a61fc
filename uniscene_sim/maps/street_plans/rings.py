"""Places inside rings: many at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["inside_rings"]


def inside_rings(x: np.ndarray, y: np.ndarray, rings: Sequence[np.ndarray]) -> np.ndarray:
    """Whether places (N,), m, lie inside, bool (N,).

    Args:
        x, y: places.
        rings: (K, 2) m each, not closed; rings within rings are holes.
    """
    inside = np.zeros(len(x), bool)
    for ring in rings:
        for (ax, ay), (bx, by) in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
            if ay != by:
                inside ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return inside
