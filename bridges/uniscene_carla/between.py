"""Layouts every 10 ms between ticks of the server, made when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from uniscene_sim.geometry import Pose, wrap_angle
from uniscene_sim.layout import AGENT_DTYPE, PHYSICS_US, LayoutFrame
from uniscene_sim.world.physics_record import LazyLayouts

__all__ = ["layouts_between"]

#: What moves farther than its speed explains was put elsewhere, and is there at once.
_SLACK_M, _SLACK = 1.0, 2.0


def layouts_between(ticks: Sequence[LayoutFrame]) -> Sequence[LayoutFrame]:
    """Layouts every 10 ms after the first of some ticks, up to the last one.

    Between two ticks places follow the cubic that has both places and both velocities; angles, velocities and distances
    driven change evenly. Who is at one of the two alone is in no layout between them. Signals and lights are as before.

    Args:
        ticks: two or more moments; the first is not among the layouts, the others are.
    """
    gaps = [_Gap(before, after) for before, after in pairwise(ticks)]
    return LazyLayouts([(gap, step) for gap in gaps for step in range(1, gap.steps + 1)], _Gap.layout)


class _Gap:
    """The time between two ticks."""

    def __init__(self, before: LayoutFrame, after: LayoutFrame):
        self._before, self._after = before, after
        self.steps = (after.stamp_us - before.stamp_us) // PHYSICS_US
        self._span_s = self.steps * PHYSICS_US * 1e-6

    @cached_property
    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        """Agents (N,) that are in both moments, before and after."""
        a, b = self._before.agents, self._after.agents
        _, first, second = np.intersect1d(a["id"], b["id"], assume_unique=True, return_indices=True)
        order = np.argsort(second)
        return a[first[order]], b[second[order]]

    def layout(self, step: int) -> LayoutFrame:
        """The layout after so many steps; the last is the later moment itself."""
        if step == self.steps:
            return self._after
        a, b, share = self._before, self._after, step / self.steps
        places = a.ego_pose.position[None], b.ego_pose.position[None]
        at = _between(*places, a.ego_velocity[None], b.ego_velocity[None], share, self._span_s)[0]
        p, q = a.ego_pose, b.ego_pose
        turn = _turned((p.roll, p.pitch, p.yaw), (q.roll, q.pitch, q.yaw), share)
        return replace(
            a,
            stamp_us=a.stamp_us + step * PHYSICS_US,
            ego_pose=Pose(*at.tolist(), *turn.tolist()),
            ego_velocity=_even(a.ego_velocity, b.ego_velocity, share),
            ego_yaw_rate=float(_even(a.ego_yaw_rate, b.ego_yaw_rate, share)),
            ego_accel=float(_even(a.ego_accel, b.ego_accel, share)),
            ego_steer=float(_even(a.ego_steer, b.ego_steer, share)),
            agents=self._agents(share),
            events=("off_road",) if "off_road" in a.events and "off_road" in b.events else (),
        )

    def _agents(self, share: float) -> np.ndarray:
        a, b = self._both
        agents = np.empty(len(a), AGENT_DTYPE)
        agents[:] = a
        agents["pos"] = _between(a["pos"], b["pos"], a["vel"], b["vel"], share, self._span_s)
        agents["rpy"] = _turned(a["rpy"], b["rpy"], share)
        agents["vel"], agents["gait"] = _even(a["vel"], b["vel"], share), _even(a["gait"], b["gait"], share)
        return agents


def _even(a: np.ndarray | float, b: np.ndarray | float, share: float) -> np.ndarray:
    return np.asarray(a + share * (np.asarray(b) - a))


def _turned(a: object, b: object, share: float) -> np.ndarray:
    """Angles between two, the short way round."""
    begin = np.asarray(a, float)
    return np.asarray(begin + share * wrap_angle(np.asarray(b, float) - begin))


def _between(a: np.ndarray, b: np.ndarray, va: np.ndarray, vb: np.ndarray, share: float, span_s: float) -> np.ndarray:
    """Places (N, 3) on the cubics from `a` to `b` with velocities `va` and `vb`."""
    h, u = share, 1.0 - share
    at = u * u * (1 + 2 * h) * a + h * h * (1 + 2 * u) * b + span_s * h * u * (u * va - h * vb)
    speed = np.linalg.norm(va, axis=1) + np.linalg.norm(vb, axis=1)
    jumped = np.linalg.norm(b - a, axis=1) > _SLACK_M + _SLACK * speed * span_s
    at[jumped] = b[jumped]
    return np.asarray(at)
