"""The Intelligent Driver Model: acceleration towards a speed and behind a leader."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device

__all__ = ["IDM", "idm"]


class IDM:
    """Parameters of the model: m/s2, m/s2, s, m."""

    ACCEL, DECEL, HEADWAY_S, GAP_M, HARDEST = 1.8, 2.5, 1.4, 2.2, 8.0


_A, _B, _T, _S0, _HARDEST = IDM.ACCEL, IDM.DECEL, IDM.HEADWAY_S, IDM.GAP_M, IDM.HARDEST


@device
def idm(speed: float, desired: float, gap: float, leader_speed: float) -> float:
    """Acceleration, m/s2, behind a leader at a bumper-to-bumper `gap` (inf: none)."""
    free = 1.0 - (speed / max(desired, 0.1)) ** 4
    if gap == np.inf:
        return max(_A * free, -_HARDEST)
    wish = _S0 + max(0.0, speed * _T + speed * (speed - leader_speed) / (2.0 * np.sqrt(_A * _B)))
    return max(_A * (free - (wish / max(gap, 0.1)) ** 2), -_HARDEST)


@device
def _stop_within(me, gap, limit):
    """Acceleration that stops the front `gap` m ahead."""
    return idm(me.speed, max(limit, 3.0), max(gap + _S0 - 0.6, 0.1), 0.0)
