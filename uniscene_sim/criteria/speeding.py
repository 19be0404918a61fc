"""`Speeding`: by how much the ego exceeds the speed limit of its lane."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from uniscene_sim.criteria.lane_under import LanePlace
from uniscene_sim.criteria.moment import Moment
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["Speeding", "limit_at"]


@dataclass(frozen=True)
class Speeding:
    """Speed above the limit, after nuPlan's speed limit compliance.

    Attributes:
        most_mps: the most by which the limit was exceeded; 0 if it never was, -inf if there was no lane.
        over_m: the excess integrated over time, nuPlan's `speed_violation_integral`.
    """

    most_mps: float = -inf
    over_m: float = 0.0

    def update(self, moment: Moment) -> Speeding:
        if (place := moment.lane) is None:
            return self
        over = max(abs(moment.ego.speed) - limit_at(moment.map, place), 0.0)
        return Speeding(max(self.most_mps, over), self.over_m + over * moment.dt_s)

    @property
    def values(self) -> dict[str, float | None]:
        if self.most_mps < 0.0:
            return {"speed_limit": None, "over_limit_m": None}
        return {"speed_limit": round(self.most_mps, 3), "over_limit_m": round(self.over_m, 3)}


def limit_at(static_map: StaticMap, place: LanePlace) -> float:
    """Speed limit, m/s, at a place; in a junction the highest one of the lanes that lead into this one and out of it,
    as nuPlan has it for lane connectors."""
    lane, lanes = place.lane, static_map.lanes
    if lane.junction:
        into = [lanes[i].limit_at(lanes[i].length) for i in lane.predecessors if not lanes[i].junction]
        out = [lanes[i].limit_at(0.0) for i in lane.successors if not lanes[i].junction]
        if into or out:
            return max(into + out)
    return lane.limit_at(place.s)
