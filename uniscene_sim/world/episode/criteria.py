"""Criteria: the tally of each step, and the verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import CriterionResult, Outcome
from uniscene_sim.scenario import Scenario
from uniscene_sim.world.physics import TALLY_COLUMNS, StepArrays, VehicleParameters
from uniscene_sim.world.state import Tally
from uniscene_sim.world.voxel_collision import collides_with_voxels

__all__ = ["evaluate_criteria", "tally_row", "update_tally"]

_VOXELS = -1  # the "agent" that generated voxels are


def tally_row(tally: Tally) -> np.ndarray:
    """The part of a tally that physics keeps, columns `physics.TALLY_COLUMNS`."""
    return np.array([getattr(tally, name) for name in TALLY_COLUMNS], dtype=float)


def update_tally(
    static_map: StaticMap,
    vehicle: VehicleParameters,
    before: Tally,
    steps: StepArrays,
    made: int,
    ids: np.ndarray,
    solid: Callable[[np.ndarray], np.ndarray] | None,
    ends_off_road: bool = False,
) -> tuple[Tally, list[tuple[str, ...]]]:
    """The tally after some steps, and the events of each step by name.

    Args:
        static_map: the map.
        vehicle: the ego's.
        before: the tally at the first row of `steps`.
        steps: what physics has written.
        made: how many steps were made.
        ids: (H + N,) of what may be touched, in the order of `steps.contacts`.
        solid: maps points (N, 3), m, to whether a generated voxel is there, bool (N,). It is asked only where the ego
            is not wholly on lanes for driving: there are none on these.
        ends_off_road: whether the run ends off the road, so that nobody asks what is touched there.
    """
    touching, collisions, reds = before.touching, before.collisions, before.red_lights
    events: list[tuple[str, ...]] = []
    for k, (off_road, beside_lanes, red_line) in enumerate(steps.marks[:made].tolist()):
        now = frozenset(ids[steps.contacts[k]].tolist()) if steps.contacts[k].any() else frozenset()
        beside_lanes &= not (off_road and ends_off_road)
        if beside_lanes and solid is not None and collides_with_voxels(steps.egos[k + 1], vehicle, solid):
            now |= {_VOXELS}
        names = [f"contact:{'static' if i == _VOXELS else i}" for i in sorted(now - touching)]
        collisions += len(names)
        touching = now
        if off_road:
            names.append("off_road")
        if red_line >= 0:
            names.append(f"red_light:{static_map.stop_lines[red_line].signal}")
            reds += 1
        events.append(tuple(names))
    row = dict(zip(TALLY_COLUMNS, steps.tally.tolist(), strict=True))
    crossed = int(row.pop("crossed_line"))
    return Tally(collisions=collisions, red_lights=reds, touching=touching, crossed_line=crossed, **row), events


def evaluate_criteria(scenario: Scenario, tally: Tally, completion: float, done: bool) -> Outcome:
    """The outcome of a scenario.

    Args:
        scenario: whose criteria count.
        tally: what was counted since it began.
        completion: share of the route that is driven, 0..1.
        done: whether the run is over.
    """
    actual = {
        "collision": tally.collisions,
        "off_road": round(tally.off_road_s, 2),
        "red_light": tally.red_lights,
        "route_completion": round(completion, 4),
        "driven_distance": round(tally.driven_m, 2),
        "min_ttc": None if np.isinf(tally.min_ttc_s) else round(tally.min_ttc_s, 3),
    }
    criteria = []
    for criterion in scenario.criteria:
        value = actual[criterion.kind]
        most = criterion.kind in ("collision", "off_road", "red_light")
        good = value is None or bool(value <= criterion.value if most else value >= criterion.value)
        expected = f"{'<=' if most else '>='} {criterion.value:g}"
        criteria.append(CriterionResult(criterion.kind, expected, value, good, optional=criterion.optional))
    return Outcome.of(criteria, done)
