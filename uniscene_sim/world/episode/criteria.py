"""Criteria: the tally of each step, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.collisions import Body, is_at_fault, partner_of
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import CriterionResult, Outcome
from uniscene_sim.scenario import Scenario
from uniscene_sim.world.path_columns import LIMIT
from uniscene_sim.world.physics import TALLY_COLUMNS, StepArrays, VehicleParameters
from uniscene_sim.world.state import Tally, WorldState
from uniscene_sim.world.voxel_collision import collides_with_voxels

__all__ = ["ARRIVED", "evaluate_criteria", "measured_so_far", "tally_row", "update_tally"]

#: The end of the route is reached once this share of it is driven.
ARRIVED = 0.995
_ENDS_M = 5.0  # before its last point a route counts as driven
_SLOWEST_MPS = 0.5
_VOXELS = -1  # the "agent" that generated voxels are
_NOBODY = np.zeros(0, np.uint16)
_NOTHING = Body(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # stands


def tally_row(tally: Tally) -> np.ndarray:
    """The part of a tally that physics keeps, columns `physics.TALLY_COLUMNS`."""
    return np.array([getattr(tally, name) for name in TALLY_COLUMNS], dtype=float)


def update_tally(
    static_map: StaticMap,
    vehicle: VehicleParameters,
    before: Tally,
    steps: StepArrays,
    made: int,
    props: np.ndarray,
    solid: Callable[[np.ndarray], np.ndarray] | None,
    ends_off_road: bool = False,
    row: int = 0,
) -> tuple[Tally, list[tuple[str, ...]]]:
    """The tally after some steps, and the events of each step by name.

    Args:
        static_map: the map.
        vehicle: the ego's.
        before: the tally at the first row of `steps`.
        steps: what physics has written.
        made: how many steps were made.
        props: (H,) AGENT_DTYPE, what stands in the order of the first columns of `steps.contacts`.
        solid: maps points (N, 3), m, to whether a generated voxel is there, bool (N,). It is asked only where the ego
            is not wholly on lanes for driving: there are none on these.
        ends_off_road: whether the run ends off the road, so that nobody asks what is touched there.
        row: of the body whose tally it is.
    """
    touching, collisions, reds = before.touching, before.collisions, before.red_lights
    partners, at_fault = before.partners, before.at_fault
    ids = np.concatenate([props["id"], steps.bodies[made]["id"]]) if steps.contacts[:made].any() else _NOBODY
    events: list[tuple[str, ...]] = []
    for k, (off_road, beside_lanes, red_line) in enumerate(steps.marks[:made].tolist()):
        now = frozenset(ids[steps.contacts[k]].tolist()) if steps.contacts[k].any() else frozenset()
        beside_lanes &= not (off_road and ends_off_road)
        if beside_lanes and solid is not None and collides_with_voxels(steps.egos[k + 1], vehicle, solid):
            now |= {_VOXELS}
        names = [f"contact:{'static' if i == _VOXELS else i}" for i in sorted(now - touching)]
        collisions += len(names)
        for i in sorted(now - touching):
            touched = _touched(i, props, steps.bodies[k + 1])
            partners = partners.plus(touched.partner)
            if _to_blame(steps.bodies[k + 1][row], vehicle, touched.body, static_map):
                at_fault = at_fault.plus(touched.partner)
        touching = now
        if off_road:
            names.append("off_road")
        if red_line >= 0:
            names.append(f"red_light:{static_map.stop_lines[red_line].signal}")
            reds += 1
        events.append(tuple(names))
    kept = dict(zip(TALLY_COLUMNS, steps.tally.tolist(), strict=True))
    kept["crossed_line"] = int(kept["crossed_line"])
    return replace(before, collisions=collisions, red_lights=reds, touching=touching, partners=partners,
                   at_fault=at_fault, **kept), events  # fmt: skip


class _Touched(NamedTuple):
    partner: str
    body: Body


def _touched(identity: int, props: np.ndarray, bodies: np.ndarray) -> _Touched:
    """What has an id: a prop of (H,) AGENT_DTYPE, one of the bodies (N,) BODY_DTYPE, or generated voxels."""
    if identity == _VOXELS:
        return _Touched("static", _NOTHING)
    if len(found := np.flatnonzero(props["id"] == identity)):
        prop = props[found[0]]
        x, y = prop["pos"][:2].tolist()
        length, width = prop["size"][:2].tolist()
        return _Touched(partner_of(prop["cls"]), Body(x, y, float(prop["rpy"][2]), length, width, 0.0))
    body = bodies[np.flatnonzero(bodies["id"] == identity)[0]]
    return _Touched(partner_of(body["cls"]), _body(body))


def _body(row: np.ndarray) -> Body:
    x, y, yaw, length, width, speed = (float(row[name]) for name in Body._fields)
    return Body(x, y, yaw, length, width, speed if row["started"] else 0.0)


def _to_blame(me: np.ndarray, vehicle: VehicleParameters, other: Body, static_map: StaticMap) -> bool:
    return is_at_fault(_body(me), float(me["z"]), vehicle.rear_axle_to_centre_m, other, static_map)


def measured_so_far(
    scenario: Scenario, state: WorldState, route: np.ndarray, completion: float
) -> dict[str, float | None]:
    """What was measured, by name: of criteria, and numbers that scores need; None where there was nothing to measure.

    Args:
        scenario: whose run it is.
        state: now.
        route: (R, 10), the ego's, see `world.path_columns`.
        completion: share of it that is driven, 0..1.
    """
    driven = state.route_at + float(state.bodies[0]["s"])
    return _measured(state, completion) | {"progress": _progress(scenario, route, driven)}


def _measured(state: WorldState, completion: float) -> dict[str, float | None]:
    tally, watch = state.tally, state.watch
    return {
        **_counted(tally, completion),
        **{f"collision_{partner}": count for partner, count in tally.partners._asdict().items()},
        **{f"at_fault_{partner}": count for partner, count in tally.at_fault._asdict().items()},
        **({} if watch is None else watch.values),
    }


def _progress(scenario: Scenario, route: np.ndarray, driven_m: float) -> float:
    """Share, 0..1, that is driven of the way that should be: to the end of the route, but at most as far as the ego's
    target speed, or the limit where it is lower, leads in the scenario's time."""
    paces = np.maximum(np.minimum(route[:, LIMIT], scenario.ego.target_speed_mps), _SLOWEST_MPS)
    way = int(np.searchsorted(np.cumsum(1.0 / paces), scenario.duration_s))
    share = driven_m / max(min(way, ARRIVED * (len(route) - _ENDS_M)), 1.0)
    return round(float(min(max(share, 0.0), 1.0)), 4)


def _counted(tally: Tally, completion: float) -> dict[str, float | None]:
    """What is counted for everybody."""
    return {
        "collision": tally.collisions,
        "off_road": round(tally.off_road_s, 2),
        "red_light": tally.red_lights,
        "route_completion": round(completion, 4),
        "driven_distance": round(tally.driven_m, 2),
        "min_ttc": None if np.isinf(tally.min_ttc_s) else round(tally.min_ttc_s, 3),
    }


def evaluate_criteria(scenario: Scenario, state: WorldState, completion: float, done: bool) -> Outcome:
    """The outcome of a scenario.

    Args:
        scenario: whose criteria count.
        state: now.
        completion: share of the route that is driven, 0..1.
        done: whether the run is over.
    """
    measured: Mapping[str, float | None] = _counted(state.tally, completion)
    if any(criterion.name not in measured for criterion in scenario.criteria):
        measured = _measured(state, completion)
    criteria = []
    for criterion in scenario.criteria:
        value = measured.get(criterion.name)
        good = value is None or bool(value >= criterion.value if criterion.at_least else value <= criterion.value)
        expected = f"{'>=' if criterion.at_least else '<='} {criterion.value:g}"
        criteria.append(
            CriterionResult(
                criterion.name, expected, value, good, optional=criterion.optional, bound=float(criterion.value)
            )
        )
    return Outcome.of(criteria, done, timed_out=completion < ARRIVED)
