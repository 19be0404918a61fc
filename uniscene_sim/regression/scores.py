"""Scores of a drive as three benchmarks publish them: CARLA's leaderboard, nuPlan and NAVSIM.

`docs/criteria.md` says where what goes in is measured otherwise here than there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod

from uniscene_sim.errors import InputError

__all__ = ["DriveNumbers", "carla_driving_score", "nuplan_score", "pdm_score", "scores_of"]

# Leaderboard 2.0: what remains of the score after each infraction of a kind.
_PEDESTRIAN, _VEHICLE, _STATIC, _RED_LIGHT, _STOP_SIGN = 0.50, 0.60, 0.65, 0.70, 0.80
# nuPlan, docs/metrics_description.md and docs/nuplan_metrics_aggeregation.md.
_PROGRESSES, _TTC_S, _OVERSPEED_MPS = 0.2, 0.95, 2.23
_COMPLIES_M, _VIOLATES_M = 2.0, 6.0  # against the traffic within a second
_PROGRESS_WEIGHT, _TTC_WEIGHT, _LIMIT_WEIGHT, _COMFORT_WEIGHT = 5.0, 5.0, 4.0, 2.0


@dataclass(frozen=True)
class DriveNumbers:
    """What the scores are made of.

    Attributes:
        duration_s: how long the drive took.
        progress: 0 to 1, of the way that it should have made.
        pedestrians, vehicles, cyclists, statics: number of collisions by type of partner.
        fault_people: at-fault collisions with pedestrians and cyclists.
        fault_vehicles, fault_statics: those with vehicles, and with anything that does not move by itself.
        red_lights, stop_signs: number of lines that were run.
        off_road_s: time with a corner of the body off the road.
        outside_share: share of the way with the middle of the body off all lanes, or on a wrong one, 0 to 1.
        against_m: most metres against the direction of traffic within a second.
        min_ttc_s: least time to collision; None where there never was one.
        over_limit_m: excess over the speed limit, integrated over time.
        comfort: share of moments within the bounds of comfort, 0 to 1.
    """

    duration_s: float
    progress: float
    pedestrians: int = 0
    vehicles: int = 0
    cyclists: int = 0
    statics: int = 0
    fault_people: int = 0
    fault_vehicles: int = 0
    fault_statics: int = 0
    red_lights: int = 0
    stop_signs: int = 0
    off_road_s: float = 0.0
    outside_share: float = 0.0
    against_m: float = 0.0
    min_ttc_s: float | None = None
    over_limit_m: float = 0.0
    comfort: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name in ("progress", "outside_share", "comfort") else float("inf")
            if value is not None and not 0.0 <= value <= most:
                raise InputError(f"expected 0 to {most:g}, got {value!r}", field=field.name)

    @classmethod
    def of(cls, measured: Mapping[str, float | None], duration_s: float) -> DriveNumbers:
        """The numbers of a drive on which all measures were asked for.

        Args:
            measured: `ScenarioSource.measured`; what is not there, or is None, is taken as flawless.
            duration_s: how long the drive took.
        """

        def number(name: str) -> float:
            return measured.get(name) or 0.0

        comfort, driven = measured.get("comfort"), number("driven_distance")
        return cls(
            duration_s,
            number("progress" if "progress" in measured else "route_completion"),
            pedestrians=int(number("collision_pedestrian")),
            vehicles=int(number("collision_vehicle")),
            cyclists=int(number("collision_cyclist")),
            statics=int(number("collision_static")),
            fault_people=int(number("at_fault_pedestrian") + number("at_fault_cyclist")),
            fault_vehicles=int(number("at_fault_vehicle")),
            fault_statics=int(number("at_fault_static")),
            red_lights=int(number("red_light")),
            stop_signs=int(number("stop_line")),
            off_road_s=number("off_road"),
            outside_share=min(number("outside_lanes_m") / driven, 1.0) if driven > 0.0 else 0.0,
            against_m=number("against_traffic_m"),
            min_ttc_s=measured.get("min_ttc"),
            over_limit_m=number("over_limit_m"),
            comfort=1.0 if comfort is None else comfort,
        )


def carla_driving_score(drive: DriveNumbers) -> float:
    """Driving score of CARLA's leaderboard 2.0, 0 to 100: route completion in percent times the infraction penalty,
    the product of .50 for each pedestrian that is hit, .60 for each vehicle (bicycles are some), .65 for each static
    thing, .70 for each red light and .80 for each stop sign run, times the share of the way that is not outside the
    lanes of the route."""
    penalty = prod((
        _PEDESTRIAN**drive.pedestrians, _VEHICLE ** (drive.vehicles + drive.cyclists), _STATIC**drive.statics,
        _RED_LIGHT**drive.red_lights, _STOP_SIGN**drive.stop_signs, 1.0 - drive.outside_share,
    ))  # fmt: skip
    return 100.0 * drive.progress * penalty


def nuplan_score(drive: DriveNumbers) -> float:
    """nuPlan's closed-loop score, 0 to 1: the product of no at-fault collision, drivable area, driving direction and
    making progress, times the weighted mean of progress (5), time to collision (5), speed limit (4) and comfort (2)."""
    gate = prod((
        _no_fault(drive), drive.off_road_s == 0.0, _direction(drive), drive.progress >= _PROGRESSES
    ))  # fmt: skip
    over = drive.over_limit_m / (_OVERSPEED_MPS * drive.duration_s) if drive.duration_s > 0.0 else 0.0
    weighted = (
        _PROGRESS_WEIGHT * drive.progress
        + _TTC_WEIGHT * _keeps_time(drive)
        + _LIMIT_WEIGHT * max(1.0 - over, 0.0)
        + _COMFORT_WEIGHT * (drive.comfort == 1.0)
    )
    return gate * weighted / (_PROGRESS_WEIGHT + _TTC_WEIGHT + _LIMIT_WEIGHT + _COMFORT_WEIGHT)


def pdm_score(drive: DriveNumbers) -> float:
    """PDM score of NAVSIM, 0 to 1 (Dauner et al. 2024, "NAVSIM: Data-Driven Non-Reactive Autonomous Vehicle Simulation
    and Benchmarking", section 3): no at-fault collision times drivable area times the weighted mean of time to
    collision (5), comfort (2) and progress (5)."""
    weighted = 5.0 * _keeps_time(drive) + 2.0 * (drive.comfort == 1.0) + 5.0 * drive.progress
    return _no_fault(drive) * (drive.off_road_s == 0.0) * weighted / 12.0


def scores_of(drive: DriveNumbers) -> dict[str, float]:
    """All scores by name."""
    scores = {
        "carla_driving_score": carla_driving_score(drive),
        "nuplan_score": nuplan_score(drive),
        "pdm_score": pdm_score(drive),
    }
    return {name: round(float(score), 4) for name, score in scores.items()}


def _no_fault(drive: DriveNumbers) -> float:
    """0 after an at-fault collision with a road user or two with things, 1/2 after one with a thing."""
    if drive.fault_people or drive.fault_vehicles or drive.fault_statics > 1:
        return 0.0
    return 0.5 if drive.fault_statics else 1.0


def _direction(drive: DriveNumbers) -> float:
    if drive.against_m <= _COMPLIES_M:
        return 1.0
    return 0.5 if drive.against_m <= _VIOLATES_M else 0.0


def _keeps_time(drive: DriveNumbers) -> float:
    return float(drive.min_ttc_s is None or drive.min_ttc_s >= _TTC_S)
