"""The reward of a step: a weighted sum of terms, each of which is in `info` too, as `reward_TERM`; and costs.

It ranks drives as a driving instructor would. One point is a second driven as fast as the road and the task ask for.
A violation takes more than what a drive could win by it: who runs a red light wins less than the time that it is red.
Standing where a driver who keeps the rules would go costs as much as driving earns, standing at a red light nothing but
time; so neither recklessness nor waiting for the end pays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.control import NORMAL
from uniscene_sim.criteria.comfort import MOST_JERK_MPS3
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import WEIGHT

__all__ = [
    "COSTS",
    "TERMS",
    "WEIGHTS",
    "Reward",
    "RewardFunction",
    "RewardTerm",
    "no_terms",
    "reward_terms",
    "step_costs",
]

_LANE_M = 1.75
_LEAST_TTC_S = 0.95  # nuPlan's
_SPEEDING = 0.2  # share above the limit that counts in full

#: A reward of one's own: from the terms of a step, unweighted and by name, and its `info`, both of one world.
RewardFunction = Callable[[Mapping[str, float], Mapping[str, Any]], float]


@dataclass(frozen=True)
class RewardTerm:
    """A term of the reward.

    Attributes:
        weight: default, 0 or more.
        low, high: range of the term of a step of one second; of events, of one event.
        text: what it is, and why.
    """

    weight: float
    low: float
    high: float
    text: str


#: Terms by name. Penalties are negative terms with positive weights. All but the last four are rates, times the
#: seconds of a step.
TERMS: dict[str, RewardTerm] = {
    "progress": RewardTerm(1.0, -1.0, 1.0, "distance along the route, as a share of what the route speed gives"),
    "time": RewardTerm(0.2, -1.0, 0.0, "minus the time: to arrive early is better"),
    "hesitation": RewardTerm(
        2.0, -1.0, 0.0, "minus the acceleration that the rule-keeping driver chooses, as a share of its full one: "
        "what is missing to the speed that road, lights and others allow"),
    "comfort": RewardTerm(0.2, -1.0, 0.0, "minus jerk, as a share of nuPlan's bound"),
    "lane_keeping": RewardTerm(0.2, -1.0, 0.0, "minus distance from the route, as a share of 1.75 m"),
    "speed_limit": RewardTerm(1.0, -1.0, 0.0, "minus speed above the limit, -1 at a fifth above it"),
    "time_to_collision": RewardTerm(1.0, -1.0, 0.0, "-1 while the time to collision is below nuPlan's 0.95 s"),
    "collision": RewardTerm(35.0, -np.inf, 0.0, "-1 for each new collision"),
    "off_road": RewardTerm(35.0, -1.0, 0.0, "-1 as a corner of the body leaves the road, and for each second after"),
    "red_light": RewardTerm(35.0, -np.inf, 0.0, "-1 for each line crossed at red"),
    "blocked": RewardTerm(35.0, -1.0, 0.0, "-1 for 10 s in which it is slower than 2 m/s though the way is free"),
}  # fmt: skip
WEIGHTS: dict[str, float] = {name: term.weight for name, term in TERMS.items()}
#: Costs of a step, 0 or 1 each, by Safety-Gymnasium's convention; `cost` is their sum.
COSTS = ("collision", "off_road", "red_light")


class Reward:
    """The reward of steps.

    Args:
        given: weights that replace the defaults, by term; or a function of one's own, of the terms (unweighted, by
            name) and the `info` of a step.

    Raises:
        InputError: an unknown term, a weight that is negative or no finite number, or neither weights nor a function.
    """

    def __init__(self, given: Mapping[str, float] | RewardFunction | None = None):
        self._function = given if callable(given) and not isinstance(given, type) else None
        weights = {} if given is None or self._function else given
        if not isinstance(weights, Mapping):
            raise InputError(f"expected weights by name of the term, or a function, got {shown(given)}", field="reward")
        for name, value in weights.items():
            if name not in WEIGHTS:
                raise InputError(f"expected terms among {', '.join(TERMS)}, got {name!r}", field="reward")
            if WEIGHT.number(value, f"reward.{name}") < 0.0:
                why = f"expected 0 or more, for penalties are negative terms, got {value}"
                raise InputError(why, field=f"reward.{name}")
        chosen = dict.fromkeys(TERMS, 1.0) if self._function else WEIGHTS | dict(weights)
        self._weights = np.array([float(chosen[name]) for name in TERMS])

    def __call__(self, terms: np.ndarray, info: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Rewards (N,) and entries `reward_TERM` (N,) of `info`: weighted terms, of a function the terms as they are.

        Args:
            terms: (N, T), see `reward_terms`.
            info: the other entries (N,) of `info`.

        Raises:
            InputError: the function gives no finite number.
        """
        weighted = self._weights * terms
        by_name = _by_name(weighted)
        if self._function is None:
            return weighted.sum(axis=1), by_name
        rewards = np.zeros(len(terms))
        for i, row in enumerate(terms.tolist()):
            one = {key: values[i].item() for key, values in info.items()}
            rewards[i] = WEIGHT.number(self._function(dict(zip(TERMS, row, strict=True)), one), "reward")
        return rewards, by_name


def no_terms(count: int) -> dict[str, np.ndarray]:
    """Entries `reward_TERM` (N,) of `info` before the first step."""
    return _by_name(np.zeros((count, len(TERMS))))


def _by_name(terms: np.ndarray) -> dict[str, np.ndarray]:
    return {f"reward_{name}": terms[:, k].copy() for k, name in enumerate(TERMS)}


def reward_terms(before: np.ndarray, after: np.ndarray, dt_s: float) -> np.ndarray:
    """Terms (N, 11) of a step of `dt_s` seconds between two measurements (N,) `MEASUREMENT_DTYPE`, as `TERMS`."""
    progress = (after["progress_m"] - before["progress_m"]) / (np.maximum(after["route_speed_mps"], 1.0) * dt_s)
    speeding = after["motion"][:, 0] / np.maximum(after["limit_mps"], 1.0) - 1.0
    rates = [
        np.clip(progress, -1.0, 1.0),
        -np.ones(len(after)),
        -np.clip(after["driver_accel_mps2"] / NORMAL.accel_mps2, 0.0, 1.0),
        -np.minimum(after["jerk_mps3"] / MOST_JERK_MPS3, 1.0),
        -np.minimum(np.abs(after["left_of_route_m"]) / _LANE_M, 1.0),
        -np.clip(speeding / _SPEEDING, 0.0, 1.0),
        -(after["ttc_s"] < _LEAST_TTC_S).astype(float),
    ]
    begun = np.ceil(np.round(after["off_road_s"], 6)) - np.ceil(np.round(before["off_road_s"], 6))
    events = [before["collisions"] - after["collisions"], -begun, before["red_lights"] - after["red_lights"],
              before["blocked"] - after["blocked"]]  # fmt: skip
    return np.stack([*(dt_s * rate for rate in rates), *(event.astype(float) for event in events)], axis=1)


def step_costs(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """Entries (N,) of `info`: `cost`, for safe reinforcement learning, and its parts `cost_KIND`, see `COSTS`."""
    counters = {"collision": "collisions", "off_road": "off_road_s", "red_light": "red_lights"}
    parts = {f"cost_{kind}": (after[counters[kind]] > before[counters[kind]]).astype(float) for kind in COSTS}
    return {"cost": sum(parts.values(), np.zeros(len(after))), **parts}
