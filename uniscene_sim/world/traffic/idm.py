"""The Intelligent Driver Model (IDM): acceleration towards a speed and behind a leader.

Treiber, Hennecke, Helbing (2000), "Congested traffic states in empirical observations and microscopic simulations": the
acceleration of a follower is a (1 - (v / v0)^4 - (s* / s)^2) with s* = s0 + max(0, v T + v dv / (2 sqrt(a b))).
a, b, T and s0 are the `Manners` of the follower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.compute.compiled import device

__all__ = ["HARDEST_BRAKING_MPS2", "idm", "stop_within"]

HARDEST_BRAKING_MPS2 = 8.0


@device
def idm(me: Any, desired: float, gap: float, leader_speed: float) -> float:
    """Acceleration of a follower, m/s2.

    Args:
        me: the follower, a row of BODY_DTYPE; its speed is v.
        desired: the speed v0 that it would have on a free road, m/s.
        gap: from its front bumper to the leader's rear bumper, m; inf where there is no leader.
        leader_speed: m/s; v - leader_speed is dv.
    """
    speed = me.speed
    free = 1.0 - (speed / max(desired, 0.1)) ** 4
    if gap == np.inf:
        return max(me.accel_mps2 * free, -HARDEST_BRAKING_MPS2)  # type: ignore[no-any-return]
    closing = speed * (speed - leader_speed) / (2.0 * np.sqrt(me.accel_mps2 * me.braking_mps2))
    wish = me.gap_m + max(0.0, speed * me.headway_s + closing)
    return max(me.accel_mps2 * (free - (wish / max(gap, 0.1)) ** 2), -HARDEST_BRAKING_MPS2)  # type: ignore[no-any-return]


@device
def stop_within(me, gap, limit):
    """Acceleration, m/s2, that stops the front of a body `gap` m ahead, on a road of a speed limit in m/s."""
    return idm(me, max(limit, 3.0), max(gap + me.gap_m - 0.6, 0.1), 0.0)
