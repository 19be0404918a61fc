"""What the numbers are that an environment tells: entries of `info` and of observed states, with units and ranges.

`docs/env-reference.md` is made of these tables, and a test drives to see that they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from uniscene_sim.env.endings import CriterionState, EndReason, EpisodeOutcome
from uniscene_sim.env.reward import COSTS, TERMS
from uniscene_sim.env.state_vectors import AGENTS, EGO, ROUTE
from uniscene_sim.scenario import CRITERION_NAMES
from uniscene_sim.world.time_to_collision import HORIZON_S

__all__ = ["INFO", "OBSERVATIONS", "STATES", "Quantity", "info_quantity"]

_ENDLESS = np.inf


@dataclass(frozen=True)
class Quantity:
    """A number: its unit ("" for shares, counts, codes and flags), its range, and what it is."""

    unit: str
    low: float
    high: float
    text: str


def _codes(kind: type[EpisodeOutcome] | type[EndReason] | type[CriterionState]) -> Quantity:
    names = ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in kind)
    return Quantity("", min(kind), max(kind), f"`{kind.__name__}`: {names}")


def _flag(text: str) -> Quantity:
    return Quantity("", 0.0, 1.0, text)


def _criteria() -> dict[str, Quantity]:
    states = _codes(CriterionState)
    return {f"criterion_{name}": Quantity("", states.low, states.high, f"the criterion {name}, {states.text}")
            for name in CRITERION_NAMES}  # fmt: skip


#: Entries of `info`, but for terms of the reward and what scenarios draw, see `info_quantity`.
INFO: dict[str, Quantity] = {
    "is_success": _flag("whether the episode has ended as the scenario's criteria ask for"),
    "outcome": _codes(EpisodeOutcome),
    "end_reason": _codes(EndReason),
    **_criteria(),
    "route_completion": Quantity("", 0.0, 1.0, "share of the route that is driven"),
    "driven_m": Quantity("m", 0.0, _ENDLESS, "way driven"),
    "collisions": Quantity("", 0.0, _ENDLESS, "number of collisions"),
    "off_road_s": Quantity("s", 0.0, _ENDLESS, "time with a corner of the body off the road"),
    "red_lights": Quantity("", 0.0, _ENDLESS, "number of lines crossed at red"),
    "blocked": Quantity("", 0.0, _ENDLESS, "number of times that it stood in the way for 10 s"),
    "min_ttc_s": Quantity("s", 0.0, HORIZON_S, "least time to collision; 10 where there was none within 10 s"),
    "ttc_s": Quantity("s", 0.0, HORIZON_S, "time to collision now; 10 where there is none within 10 s"),
    "speed_mps": Quantity("m/s", -_ENDLESS, _ENDLESS, "speed now, forward"),
    "comfort": Quantity("", 0.0, 1.0, "share of steps within nuPlan's bounds of comfort"),
    "cost": Quantity("", 0.0, float(len(COSTS)), "sum of the costs of the step"),
    **{f"cost_{kind}": _flag(f"whether the step has added to: {kind.replace('_', ' ')}") for kind in COSTS},
    "scenario": Quantity("", 0.0, _ENDLESS, "index into `env.unwrapped.scenarios`"),
    "scenario_seed": Quantity("", 0.0, 2.0**63, "seed of the episode"),
}


def info_quantity(key: str, weights: Mapping[str, float]) -> Quantity | None:
    """What an entry of `info` is; None for an unknown one.

    Args:
        key: of the entry.
        weights: of the reward's terms, by name. The range of a rate is that of a step of one second.
    """
    if key.startswith("reward_") and (term := TERMS.get(key.removeprefix("reward_"))) is not None:
        weight = weights[key.removeprefix("reward_")]
        low, high = (weight * most if most else 0.0 for most in (term.low, term.high))
        return Quantity("points", low, high, term.text)
    if key.startswith("drawn_"):
        return Quantity("", -_ENDLESS, _ENDLESS, "what the seed has drawn for this parameter of the scenario")
    if key == "action_mask":
        return _flag("of meta-actions: whether each can be done now")
    return INFO.get(key)


def _states(scales: Mapping[str, float], told: Mapping[str, tuple[str, str]]) -> dict[str, Quantity]:
    """Entries in [-1, 1] by what they are divided by."""
    return {name: Quantity(unit, -scales[name], scales[name], text) for name, (unit, text) in told.items()}


#: What `observations` may name; a camera's or a LiDAR's stand for an entry of each of the rig.
OBSERVATIONS: dict[str, str] = {
    "ego": "motion, place in the lane, limits, next stop line, rest of the route",
    "route": "points of the route each 4 m ahead, in `base_link`",
    "agents": "the nearest agents within 80 m, nearest first, in `base_link`",
    "layout": "layout raster of 0.75 m cells, 0 or 255 a channel, the ego in the middle, forward up",
    "occupancy": "`OccClass` of 0.4 m cells in [-40, 40) x [-40, 40) x [-1, 5.4) m of `base_link`",
    "rgb": "images of each camera",
    "depth": "m along the optical axis; the camera's range where nothing was hit",
    "semantic": "`OccClass` of each pixel; `FREE` is sky",
    "points": "x, y, z (m) and intensity of a LiDAR's points, 0 after the first `LIDAR_count` rows; and their number",
    "range": "share of the LiDAR's range, 1 where nothing returned; highest ring on top, forward in the middle",
}
#: Columns of observed states, by entry. A column is its value divided by `high`, and cut to [-1, 1].
STATES: dict[str, dict[str, Quantity]] = {
    "ego": _states(EGO, {
        "speed": ("m/s", "forward"),
        "acceleration": ("m/s²", "forward"),
        "steering": ("rad", "angle of the front wheels, left positive"),
        "yaw_rate": ("rad/s", "left positive"),
        "left_of_route": ("m", "distance of the middle of the body from the route, left positive"),
        "heading_off_route": ("rad", "heading relative to the route"),
        "speed_limit": ("m/s", "here"),
        "route_speed": ("m/s", "what the task asks for, where the limit allows it"),
        "next_line": ("m", "from the front to the next stop line, 80 where none is near"),
        "line_stops": ("", "1 where that line must not be crossed now: red or yellow"),
        "route_left": ("m", "rest of the route"),
    }),
    "route": _states(ROUTE, {
        "x": ("m", "forward, of a point of the route each 4 m ahead"),
        "y": ("m", "left"),
        "heading": ("rad", "of the route there, relative to the ego"),
    }),
    "agents": _states(AGENTS, {
        "present": ("", "1 where the row has an agent; the other rows are 0"),
        "x": ("m", "forward"),
        "y": ("m", "left"),
        "vx": ("m/s", "forward, relative to the ego"),
        "vy": ("m/s", "left, relative to the ego"),
        "cos": ("", "of its heading relative to the ego"),
        "sin": ("", "of its heading relative to the ego"),
        "length": ("m", "of its box"),
        "person": ("", "1 for somebody on foot"),
    }),
}  # fmt: skip
