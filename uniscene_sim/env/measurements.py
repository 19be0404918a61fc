"""Measurements of each world beside its observations; rewards and `info` are computed from them."""

from __future__ import annotations

import numpy as np

from uniscene_sim.criteria.blocked import loiter
from uniscene_sim.criteria.comfort import comfort_of
from uniscene_sim.env.progress import Progress
from uniscene_sim.env.state_vectors import left_of_route
from uniscene_sim.world.time_to_collision import HORIZON_S

__all__ = ["INFO_COUNTERS", "MEASUREMENT_DTYPE", "episode_info", "finish_measurement", "write_measurement"]

#: The current state of one world; counts are since the start of its episode.
MEASUREMENT_DTYPE = np.dtype(
    [
        ("progress_m", float),  # along the route
        ("left_of_route_m", float),
        ("route_speed_mps", float),  # what the task asks for where the limit allows it
        ("limit_mps", float),
        ("driver_accel_mps2", float),  # that the rule-keeping driver chose at the last decision; 0 without one
        ("motion", float, 3),  # see criteria.comfort.MOTION
        ("jerk_mps3", float),
        ("route_completion", float),  # 0..1
        ("driven_m", float),
        ("collisions", np.int64),
        ("off_road_s", float),
        ("red_lights", np.int64),
        ("ttc_s", float),
        ("min_ttc_s", float),
        ("ticks", np.int64),
        ("comfortable", np.int64),
        ("loiters_s", float),  # for how long now it is slow though the way is free
        ("blocked", np.int64),
    ]
)
#: Measurements that `info` holds unchanged.
INFO_COUNTERS = (
    "route_completion", "driven_m", "collisions", "off_road_s", "red_lights", "blocked", "ttc_s", "min_ttc_s",
)  # fmt: skip


def write_measurement(progress: Progress, row: np.ndarray) -> None:
    """Write the measurements () `MEASUREMENT_DTYPE` of a world, except for those that `finish_measurement` adds."""
    tally = progress.tally
    row["progress_m"] = progress.driven_path_m
    row["left_of_route_m"] = left_of_route(progress.bodies, progress.paths, progress.counts)
    row["limit_mps"] = limit = progress.speed_limit_mps
    row["route_speed_mps"] = min(progress.target_speed_mps, limit)
    row["driver_accel_mps2"] = progress.bodies[0]["chosen"]
    row["motion"] = progress.motion
    row["route_completion"] = progress.completion
    row["driven_m"], row["ttc_s"], row["min_ttc_s"] = tally.driven_m, tally.ttc_s, tally.min_ttc_s
    row["collisions"], row["off_road_s"], row["red_lights"] = tally.collisions, tally.off_road_s, tally.red_lights


def finish_measurement(before: np.ndarray, after: np.ndarray, dt_s: float) -> None:
    """Complete measurements (N,) with what depends on those of the previous tick (N,)."""
    comfort = comfort_of(before["motion"], after["motion"], dt_s)
    after["jerk_mps3"] = comfort.jerk_mps3
    after["ticks"] = before["ticks"] + 1
    after["comfortable"] = before["comfortable"] + comfort.comfortable
    now = loiter(before["loiters_s"], after["motion"][:, 0], after["driver_accel_mps2"], dt_s)
    after["loiters_s"] = now.seconds
    after["blocked"] = before["blocked"] + now.blocks


def episode_info(measured: np.ndarray) -> dict[str, np.ndarray]:
    """Entries (N,) of `info`: `INFO_COUNTERS`, times to collision of at most 10 s, `comfort` (share of ticks within
    nuPlan's bounds) and `speed_mps`."""
    info = {name: measured[name].copy() for name in INFO_COUNTERS}
    for name in ("ttc_s", "min_ttc_s"):  # infinite numbers stop frameworks that stack or average
        np.minimum(info[name], HORIZON_S, out=info[name])
    info["comfort"] = np.where(measured["ticks"] > 0, measured["comfortable"] / np.maximum(measured["ticks"], 1), 1.0)
    info["speed_mps"] = measured["motion"][:, 0].copy()
    return info
