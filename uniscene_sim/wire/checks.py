"""Layouts of others, before sensors are asked to show them: what no world holds may hang them or end them."""

from __future__ import annotations

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.limits.bounds import DISTANCE_M, EDITS, MAP_FRAME_M, SIZE_M, TOP_SPEED_MPS, Bound
from uniscene_sim.taxonomy import AgentClass

__all__ = ["check_layout"]

_TURN_RAD, _RATE, _WHEEL = Bound(-1e6, 1e6, "rad"), Bound(-1000.0, 1000.0, "rad/s or m/s2"), Bound(-10.0, 10.0, "rad")
_SPEED_MPS = Bound(-TOP_SPEED_MPS.most, TOP_SPEED_MPS.most, "m/s")
_AGENTS = {
    "cls": Bound(0, max(AgentClass), whole=True), "pos": MAP_FRAME_M, "rpy": _TURN_RAD,
    "size": SIZE_M, "vel": _SPEED_MPS, "gait": Bound(-DISTANCE_M.most, DISTANCE_M.most, "m"),
}  # fmt: skip
#: Most agents, and most points of a route.
_MOST_AGENTS, _MOST_POINTS = 5000, 100_000
_STAMP_US = Bound(0, 2**53, "us", whole=True)


def check_layout(layout: LayoutFrame) -> None:
    """Require a layout that a world can have.

    Raises:
        InputError: names the field, and what was expected.
    """
    agents, route, pose = layout.agents, layout.route, layout.ego_pose
    for values, most, name in (
        (agents, _MOST_AGENTS, "agents"),
        (route, _MOST_POINTS, "route"),
        (layout.edits, EDITS, "edits"),
    ):
        if len(values) > most:
            raise InputError(f"expected at most {most:,}, got {len(values):,}", field=f"LayoutFrame.{name}")
    _within(route, MAP_FRAME_M, "route")
    _STAMP_US.number(layout.stamp_us, "LayoutFrame.stamp_us")
    _within(np.array([pose.x, pose.y, pose.z]), MAP_FRAME_M, "ego_pose")
    _within(np.array([pose.roll, pose.pitch, pose.yaw]), _TURN_RAD, "ego_pose")
    _within(layout.ego_velocity, _SPEED_MPS, "ego_velocity")
    for name, bound in (("ego_yaw_rate", _RATE), ("ego_accel", _RATE), ("ego_steer", _WHEEL)):
        bound.number(getattr(layout, name), f"LayoutFrame.{name}")
    _within(layout.signals, Bound(0, SignalState.GREEN, whole=True), "signals")
    for name, bound in _AGENTS.items():
        _within(agents[name], bound, f"agents.{name}")


def _within(values: np.ndarray, bound: Bound, name: str) -> None:
    if values.size and not (bound.least <= values.min() and values.max() <= bound.most):
        wrong = values[~((values >= bound.least) & (values <= bound.most))]
        bound.number(wrong.flat[0].item(), f"LayoutFrame.{name}")
