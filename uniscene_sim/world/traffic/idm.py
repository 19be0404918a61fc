"""The Intelligent Driver Model (IDM): acceleration towards a speed and behind a leader.

Treiber, Hennecke, Helbing (2000), "Congested traffic states in empirical observations and microscopic simulations": the
acceleration of a follower is a (1 - (v / v0)^4 - (s* / s)^2) with s* = s0 + max(0, v T + v dv / (2 sqrt(a b))).
"""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device

__all__ = [
    "COMFORTABLE_BRAKING_MPS2",
    "HARDEST_BRAKING_MPS2",
    "HEADWAY_S",
    "MAX_ACCEL_MPS2",
    "STANDSTILL_GAP_M",
    "idm",
    "stop_within",
]

MAX_ACCEL_MPS2 = 1.8  # a
COMFORTABLE_BRAKING_MPS2 = 2.5  # b
HEADWAY_S = 1.4  # T
STANDSTILL_GAP_M = 2.2  # s0
HARDEST_BRAKING_MPS2 = 8.0


@device
def idm(speed: float, desired: float, gap: float, leader_speed: float) -> float:
    """Acceleration of a follower, m/s2.

    Args:
        speed: its speed v, m/s.
        desired: the speed v0 that it would have on a free road, m/s.
        gap: from its front bumper to the leader's rear bumper, m; inf where there is no leader.
        leader_speed: m/s; v - leader_speed is dv.
    """
    free = 1.0 - (speed / max(desired, 0.1)) ** 4
    if gap == np.inf:
        return max(MAX_ACCEL_MPS2 * free, -HARDEST_BRAKING_MPS2)
    closing = speed * (speed - leader_speed) / (2.0 * np.sqrt(MAX_ACCEL_MPS2 * COMFORTABLE_BRAKING_MPS2))
    wish = STANDSTILL_GAP_M + max(0.0, speed * HEADWAY_S + closing)
    return max(MAX_ACCEL_MPS2 * (free - (wish / max(gap, 0.1)) ** 2), -HARDEST_BRAKING_MPS2)  # type: ignore[no-any-return]


@device
def stop_within(me, gap, limit):
    """Acceleration, m/s2, that stops the front of a body `gap` m ahead, on a road of a speed limit in m/s."""
    return idm(me.speed, max(limit, 3.0), max(gap + STANDSTILL_GAP_M - 0.6, 0.1), 0.0)
