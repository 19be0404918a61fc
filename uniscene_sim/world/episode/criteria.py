"""Criteria: what is counted in each step, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Criterion, Outcome
from uniscene_sim.scenario import Scenario
from uniscene_sim.world.physics import TALLY_COLUMNS, VehicleParameters
from uniscene_sim.world.state import Tally
from uniscene_sim.world.voxel_collision import collides_with_voxels

__all__ = ["PhysicsLog", "evaluate_criteria", "tally_row", "update_tally"]

_VOXELS = -1  # the "agent" that generated voxels are


class PhysicsLog(NamedTuple):
    """What physics noted in K steps; see `world.physics.run_steps`."""

    egos: np.ndarray  # (K, 10) after each step
    marks: np.ndarray  # (K, 3)
    contacts: np.ndarray  # bool (K, A)
    ids: np.ndarray  # (A,) of what may be touched
    tally: np.ndarray  # (4,) at the end


def tally_row(tally: Tally) -> np.ndarray:
    """The part of a tally that physics keeps, columns `physics.TALLY`."""
    return np.array([getattr(tally, name) for name in TALLY_COLUMNS], dtype=float)


def update_tally(
    static_map: StaticMap,
    vehicle: VehicleParameters,
    before: Tally,
    noted: PhysicsLog,
    solid: Callable[[np.ndarray], np.ndarray] | None,
) -> tuple[Tally, list[tuple[str, ...]]]:
    """The tally after some steps, and the events of each step by name.

    Voxels are asked about only where the ego is not wholly on lanes for driving: none stands there.
    """
    touching, collisions, reds = before.touching, before.collisions, before.red_lights
    events: list[tuple[str, ...]] = []
    for k, (off, beside, red) in enumerate(noted.marks.tolist()):
        now = frozenset(noted.ids[noted.contacts[k]].tolist()) if noted.contacts[k].any() else frozenset()
        if beside and solid is not None and collides_with_voxels(noted.egos[k], vehicle, solid):
            now |= {_VOXELS}
        said = [f"contact:{'static' if i == _VOXELS else i}" for i in sorted(now - touching)]
        collisions += len(said)
        touching = now
        if off:
            said.append("off_road")
        if red >= 0:
            said.append(f"red_light:{static_map.stop_lines[red].signal}")
            reds += 1
        events.append(tuple(said))
    row = dict(zip(TALLY_COLUMNS, noted.tally.tolist(), strict=True))
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
        criteria.append(Criterion(criterion.kind, expected, value, good, optional=criterion.optional))
    return Outcome.of(criteria, done)
