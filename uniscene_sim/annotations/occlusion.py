"""Whether a place that a camera looks at is hidden, by the depth of its image."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numba import njit

__all__ = ["are_unoccluded", "is_unoccluded"]

_NEARER_M = 0.02
_ON_PX = 0.01  # so near a pixel's centre that pixel alone counts


@njit(cache=True)
def is_unoccluded(depth, u, v, own, nearer):
    """Whether a point at image point (u, v) and depth `own` lies in the image and no farther than what is seen there:
    the farthest of the four pixels around, between which the depth of slanting ground may change much. What is nearer
    by 2 cm and by the share `nearer` hides."""
    height, width = depth.shape
    if not (0.0 <= u < width and 0.0 <= v < height):
        return False
    left, right = floor(u - 0.5 + _ON_PX), ceil(u - 0.5 - _ON_PX)
    top, bottom = floor(v - 0.5 + _ON_PX), ceil(v - 0.5 - _ON_PX)
    there = 0.0
    for i in (max(top, 0), min(bottom, height - 1)):
        for j in (max(left, 0), min(right, width - 1)):
            there = max(there, depth[i, j])
    return own * (1.0 - nearer) - _NEARER_M <= there


@njit(cache=True)
def are_unoccluded(depth, pixels, own, nearer):
    """The same of points (N, 2) with depths (N,): bool (N,)."""
    out = np.empty(len(pixels), np.bool_)
    for i in range(len(pixels)):
        out[i] = is_unoccluded(depth, pixels[i, 0], pixels[i, 1], own[i], nearer)
    return out
