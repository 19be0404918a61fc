"""Occlusion tests against a depth image."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from uniscene_sim.compute.compiled import njit

__all__ = ["are_unoccluded", "is_unoccluded"]

_NEARER_M = 0.02
_ON_PX = 0.01  # closer to a pixel's centre, that pixel alone counts


@njit(cache=True)
def is_unoccluded(depth, u, v, own, nearer):
    """Whether a point is in the image and not occluded.

    It is compared with the farthest of the four pixels around it, as the depth of slanting ground varies between them.

    Args:
        depth: (H, W) m.
        u, v: image point, px.
        own: its depth, m.
        nearer: an occluder is nearer by this share of depth and 2 cm.
    """
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
    """`is_unoccluded` of many points: bool (N,).

    Args:
        depth: (H, W) m.
        pixels: float64 (N, 2) px.
        own: float64 (N,) m, their depths.
        nearer: an occluder is nearer by this share of depth and 2 cm.
    """
    out = np.empty(len(pixels), np.bool_)
    for i in range(len(pixels)):
        out[i] = is_unoccluded(depth, pixels[i, 0], pixels[i, 1], own[i], nearer)
    return out
