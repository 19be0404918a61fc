"""The reward of a step: a weighted sum of terms, each of which is in `info` too, as `reward_TERM`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.limits.bounds import WEIGHT
from uniscene_sim.metrics.driving import MOST_JERK_MPS3

__all__ = ["TERMS", "WEIGHTS", "reward_terms", "reward_weights"]

#: Terms and their default weights. Penalties are negative terms with positive weights.
WEIGHTS: dict[str, float] = {
    "progress": 1.0,  # distance along the route, as a share of what the target speed gives; in [-1, 1]
    "comfort": 0.1,  # minus jerk, as a share of nuPlan's bound; at least -1
    "lane_keeping": 0.2,  # minus distance from the route, as a share of 1.75 m; at least -1
    "collision": 10.0,  # -1 for each new collision
    "off_road": 10.0,  # -1 in a step in which a corner of the body is off the road
    "red_light": 5.0,  # -1 for each line crossed at red
    "time_to_collision": 1.0,  # -1 in a step that ends with less than nuPlan's bound of 0.95 s
}
TERMS = tuple(WEIGHTS)
_LANE_M = 1.75
_LEAST_TTC_S = 0.95


def reward_weights(given: Mapping[str, float] | None) -> np.ndarray:
    """Weights (7,) of the terms: the given ones replace the defaults.

    Raises:
        InputError: an unknown term, or a weight that is negative or no finite number.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"expected weights by name of the term, got {given!r}", field="reward")
    for name, value in (given or {}).items():
        if name not in WEIGHTS:
            raise InputError(f"expected terms among {', '.join(TERMS)}, got {name!r}", field="reward")
        if WEIGHT.number(value, f"reward.{name}") < 0.0:
            why = f"expected 0 or more, for penalties are negative terms, got {value}"
            raise InputError(why, field=f"reward.{name}")
    return np.array([float((WEIGHTS | dict(given or {}))[name]) for name in TERMS])


def reward_terms(before: np.ndarray, after: np.ndarray, dt_s: float) -> np.ndarray:
    """Terms (N, 7) of a tick of `dt_s` seconds between two measurements (N,) `MEASUREMENT_DTYPE`."""
    progress = (after["progress_m"] - before["progress_m"]) / (after["target_speed_mps"] * dt_s)
    return np.stack(
        [
            np.clip(progress, -1.0, 1.0),
            -np.minimum(after["jerk_mps3"] / MOST_JERK_MPS3, 1.0),
            -np.minimum(np.abs(after["left_of_route_m"]) / _LANE_M, 1.0),
            -(after["collisions"] - before["collisions"]).astype(float),
            -(after["off_road_s"] > before["off_road_s"]).astype(float),
            -(after["red_lights"] - before["red_lights"]).astype(float),
            -(after["ttc_s"] < _LEAST_TTC_S).astype(float),
        ],
        axis=1,
    )
