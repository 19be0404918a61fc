"""`LaneKeeping`: where the ego drives against the direction of its lane, or off all lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, hypot, pi, sin

import numpy as np

from uniscene_sim.criteria.boxes import turn_between
from uniscene_sim.criteria.lane_under import LanePlace
from uniscene_sim.criteria.moment import Ego, Moment

__all__ = ["LaneKeeping"]

_WINDOW_US = 1_000_000  # nuPlan's `time_horizon` of driving direction compliance


@dataclass(frozen=True)
class LaneKeeping:
    """Time on the wrong lane, and ways driven where no way is.

    CARLA's scenario_runner has WrongLaneTest and OutsideRouteLanesTest, nuPlan driving direction compliance. Junctions
    have no wrong lane here: lanes of all directions lie there one on another.

    Attributes:
        wrong_s: s with the middle of the body on a lane whose direction differs from the ego's by more than 90 degrees.
        against_m: most metres that the middle moved against its lane's direction within a second.
        outside_m: metres that the middle moved off the ground for cars, or on a wrong lane.
        recent: (time in us, metres moved against the direction since the moment before) of the last second.
        seen: whether the map has lanes.
    """

    wrong_s: float = 0.0
    against_m: float = 0.0
    outside_m: float = 0.0
    recent: tuple[tuple[int, float], ...] = ()
    seen: bool = False

    def update(self, moment: Moment) -> LaneKeeping:
        if not moment.map.lanes:
            return self
        ego, before = moment.ego, moment.before
        if before is None:
            return replace(self, seen=True)
        place = moment.lane
        ruled = place is not None and not place.lane.junction
        wrong = ruled and place is not None and bool(turn_between(ego.yaw, place.heading) > 0.5 * pi)
        against = _against_m(before, ego, place) if ruled and place is not None else 0.0
        recent = tuple(row for row in self.recent if row[0] > ego.time_us - _WINDOW_US)
        recent = (*recent, (ego.time_us, against)) if against else recent
        outside = wrong or (place is None and not _for_cars(moment))
        return LaneKeeping(
            self.wrong_s + moment.dt_s * wrong,
            max(self.against_m, sum(metres for _, metres in recent)),
            self.outside_m + hypot(ego.x - before.x, ego.y - before.y) * outside,
            recent,
            True,
        )

    @property
    def values(self) -> dict[str, float | None]:
        if not self.seen:
            return {"wrong_lane": None, "against_traffic_m": None, "outside_lanes_m": None}
        return {
            "wrong_lane": round(self.wrong_s, 2),
            "against_traffic_m": round(self.against_m, 3),
            "outside_lanes_m": round(self.outside_m, 2),
        }


def _against_m(before: Ego, now: Ego, place: LanePlace) -> float:
    along = cos(place.heading) * (now.x - before.x) + sin(place.heading) * (now.y - before.y)
    return max(-along, 0.0)


def _for_cars(moment: Moment) -> bool:
    ego = moment.ego
    return bool(moment.map.surface.drivable(*(np.array([v]) for v in (ego.x, ego.y, ego.z)))[0])
