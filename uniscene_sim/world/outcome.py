"""Criteria: what is counted in each step, and the verdict.

Statuses and the form of a criterion follow scenario_runner: SUCCESS, ACCEPTABLE, FAILURE, and RUNNING before the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit

from uniscene_sim.world import contacts
from uniscene_sim.world.events import time_to_collision
from uniscene_sim.world.map import StaticMap
from uniscene_sim.world.paths import STOP
from uniscene_sim.world.scenario import Scenario
from uniscene_sim.world.state import Tally, WorldState

__all__ = ["count", "judge"]

_VOXELS = -1  # the "agent" that generated voxels are
_TTC_RANGE_M = 60.0


def count(
    vector_map: StaticMap,
    scenario: Scenario,
    before: WorldState,
    after: WorldState,
    agents: np.ndarray,
    line_states: np.ndarray,
    solid: Callable[[np.ndarray], np.ndarray] | None,
) -> tuple[Tally, tuple[str, ...]]:
    """The tally after a step, and the events of that step by name."""
    vehicle, ego, tally = scenario.ego.vehicle, after.ego, before.tally
    events = []
    touching = set(contacts.contacts_with_agents(ego, vehicle, agents))
    if solid is not None and contacts.touches_voxels(ego, vehicle, solid):
        touching.add(_VOXELS)
    new = touching - tally.touching
    events += [f"contact:{'static' if i == _VOXELS else i}" for i in sorted(new)]
    off = contacts.off_road(ego, vehicle, vector_map.surface)
    if off:
        events.append("off_road")
    line = _line_crossed(before, after)
    ran = line >= 0 and line_states[line] == 1 and line != tally.crossed_line
    if ran:
        events.append(f"red_light:{vector_map.stop_lines[line].signal}")
    step = np.hypot(ego.pose.x - before.ego.pose.x, ego.pose.y - before.ego.pose.y)
    ttc = _soonest(after.bodies)
    return (
        replace(
            tally,
            collisions=tally.collisions + len(new),
            off_road_s=tally.off_road_s + 0.01 * off,
            red_lights=tally.red_lights + int(ran),
            driven_m=tally.driven_m + float(step),
            min_ttc_s=min(tally.min_ttc_s, ttc),
            touching=frozenset(touching),
            crossed_line=line if line >= 0 else tally.crossed_line,
        ),
        tuple(events),
    )


@njit(cache=True)
def _soonest(bodies):
    """Least time to collision, s, with a body near in the lane-wide strip ahead of the ego, which is the first."""
    ego, best = bodies[0], np.inf
    c, s = np.cos(ego["yaw"]), np.sin(ego["yaw"])
    for i in range(1, bodies.shape[0]):
        other = bodies[i]
        dx, dy = other["x"] - ego["x"], other["y"] - ego["y"]
        if c * dx + s * dy > 0 and abs(c * dy - s * dx) < 0.5 * (ego["width"] + other["width"]):
            if np.hypot(dx, dy) < _TTC_RANGE_M:
                best = min(best, time_to_collision(ego, other))
    return best


def _line_crossed(before: WorldState, after: WorldState) -> int:
    """Stop line that the ego's front passed in this step, -1 where none."""
    front = 0.5 * after.bodies[0]["length"]
    low, high = before.bodies[0]["s"] + front, after.bodies[0]["s"] + front
    path = after.paths[0]
    for k in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        if k < after.counts[0] and path[k, STOP] > 0:
            return int(path[k, STOP]) - 1
    return -1


def judge(scenario: Scenario, tally: Tally, completion: float, done: bool) -> dict[str, Any]:
    """`status` and `criteria` as {name, actor, optional, expected, actual, success}."""
    actual = {
        "collision": tally.collisions,
        "off_road": round(tally.off_road_s, 2),
        "red_light": tally.red_lights,
        "route_completion": round(completion, 4),
        "driven_distance": round(tally.driven_m, 2),
        "min_ttc": None if np.isinf(tally.min_ttc_s) else round(tally.min_ttc_s, 3),
    }
    rows = []
    for criterion in scenario.criteria:
        value = actual[criterion.kind]
        most = criterion.kind in ("collision", "off_road", "red_light")
        good = value is None or (value <= criterion.value if most else value >= criterion.value)
        rows.append(
            {
                "name": criterion.kind,
                "actor": "ego",
                "optional": criterion.optional,
                "expected": f"{'<=' if most else '>='} {criterion.value:g}",
                "actual": value,
                "success": bool(good),
            }
        )
    failed = [r for r in rows if not r["success"]]
    if not done:
        status = "RUNNING"
    elif not failed:
        status = "SUCCESS"
    else:
        status = "ACCEPTABLE" if all(r["optional"] for r in failed) else "FAILURE"
    return {"status": status, "criteria": rows}
