"""Which turns a vehicle can make: the built-in driver tries whether a corner of its body leaves the road.

Maps of real towns have turns that no car can make in one go: round at a dead end, or into a narrow street. A random
route leads through none of them, see `world.episode.random_spawn`.
"""

from __future__ import annotations

from collections.abc import Container
from math import ceil, cos, exp, sin, tan

import numpy as np

from uniscene_sim.compute.last_used import LastUsed
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.static_map import StaticMap, Surface
from uniscene_sim.world.ego import EgoState, steer_along
from uniscene_sim.world.path_columns import LANE, LIMIT, YAW, X, Y, Z
from uniscene_sim.world.paths import path_of_lanes

__all__ = ["Turns", "stays_on_road"]

_WIDE_M = 9.0  # any vehicle makes turns of this radius
_SPARE_M = 0.4  # any driver keeps in a lane that is so much wider than the vehicle
_BEYOND_M = 12.0  # of the road before and after a turn that is driven, too
_STEP_S = 0.1
_MARGIN_M = 0.1  # by which the body is taken for wider than it is
_SLOWEST_MPS, _BRAKE_MPS2 = 1.5, 1.5
_SEAM_M = 0.1  # a crack between lanes, as `world.physics` passes over it
_CORNERS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) / 2


class _Tried(dict[int, bool]):
    """What was found out of lanes."""


#: Of the maps used last, by their identity and the vehicle.
_tried: LastUsed[_Tried] = LastUsed(32)


class Turns(Container[int]):
    """The lanes of a map, by index, that a vehicle can drive along without leaving the road; tried as they are asked
    for.

    Args:
        vector_map: the map.
        vehicle: that is to drive there.
        passes: whether it must have room to pass oncoming traffic, too.
    """

    def __init__(self, vector_map: StaticMap, vehicle: EgoVehicle, passes: bool):
        self._map, self._vehicle, self._passes = vector_map, vehicle, passes
        self._tried = _tried.get((vector_map.ref, vehicle), _Tried)

    def __contains__(self, lane: object) -> bool:
        assert isinstance(lane, int)
        if self._passes and not self._has_room(lane):
            return False
        if lane not in self._tried:
            self._tried[lane] = self._is_wide(lane) or self._try(lane)
        return self._tried[lane]

    def drives(self, path: np.ndarray) -> bool:
        """Whether the vehicle stays on the road along a whole path (R, 10): one turn may be too close to another."""
        lanes = np.unique(path[:, LANE].astype(int)).tolist()
        return all(self._is_wide(lane) for lane in lanes) or stays_on_road(path, self._map.surface, self._vehicle)

    def _is_wide(self, index: int) -> bool:
        """Whether there is no doubt that a lane can be driven."""
        lane = self._map.lanes[index]
        turn, step = np.abs(np.diff(np.unwrap(lane.heading))), np.diff(lane.s)
        return bool((_WIDE_M * turn < step).all() and lane.width.min() > self._vehicle.width_m + _SPARE_M)

    def _has_room(self, index: int) -> bool:
        """Whether two such vehicles can pass each other."""
        lane = self._map.lanes[index]
        return lane.opposite < 0 or bool(lane.width.min() > self._vehicle.width_m + _MARGIN_M)

    def _try(self, lane: int) -> bool:
        """Drive from the lane before to the lane behind."""
        lanes, turn = self._map.lanes, self._map.lanes[lane]
        before, after = turn.predecessors[:1], turn.successors[:1]
        run_up = min(_BEYOND_M, lanes[before[0]].length) if before else 0.0
        begin = lanes[before[0]].length - run_up if before else 0.0
        length_m = run_up + turn.length + _BEYOND_M
        path = path_of_lanes(self._map, (*before, lane, *after), begin, length_m)
        return stays_on_road(path, self._map.surface, self._vehicle)


def stays_on_road(path: np.ndarray, surface: Surface, vehicle: EgoVehicle) -> bool:
    """Whether all corners of a vehicle stay where cars may be while the built-in driver follows a path (R, 10)."""
    driven = _drive(path, vehicle)
    forward = np.stack([np.cos(driven[:, YAW]), np.sin(driven[:, YAW])], axis=1)
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    centre = driven[:, [X, Y]] + vehicle.rear_axle_to_centre_m * forward
    corners = np.concatenate(
        [centre + a * vehicle.length_m * forward + b * (vehicle.width_m + _MARGIN_M) * left for a, b in _CORNERS]
    )
    z = np.tile(driven[:, Z], len(_CORNERS))
    off = ~surface.drivable(*corners.T, z)
    if not off.any():
        return True
    corners, z = corners[off], z[off]
    sides = [[surface.drivable(*(corners + sign * step).T, z) for sign in (1, -1)]
             for step in (np.array([_SEAM_M, 0.0]), np.array([0.0, _SEAM_M]))]  # fmt: skip
    return bool(np.array([a & b for a, b in sides]).any(axis=0).all())


def _drive(path: np.ndarray, vehicle: EgoVehicle) -> np.ndarray:
    """Poses (K, 4) x, y, z, yaw of the rear axle along a path (R, 10), while the whole vehicle is on it."""
    # No faster than one can brake from for each limit ahead.
    paces = np.minimum.accumulate((path[:, LIMIT] ** 2 - 2.0 * _BRAKE_MPS2 * np.arange(len(path), 0, -1))[::-1])[::-1]
    paces = np.sqrt(paces + 2.0 * _BRAKE_MPS2 * np.arange(len(path), 0, -1))
    x, y, _, yaw = path[0, [X, Y, Z, YAW]].tolist()
    steer, at, poses = 0.0, 0, []
    follows = 1.0 - exp(-_STEP_S / max(vehicle.steer_lag_s, 0.01))  # what the wheels do of a change of the wheel
    rear = ceil(0.5 * vehicle.length_m - vehicle.rear_axle_to_centre_m)  # what lies behind the path is not judged
    front = ceil(0.5 * vehicle.length_m + vehicle.rear_axle_to_centre_m)
    for _ in range(40 * len(path)):
        near = path[at : at + 6]
        at += int(np.argmin(np.hypot(near[:, X] - x, near[:, Y] - y)))
        if at + front > len(path) - 1:
            break
        if at >= rear:
            poses.append((x, y, path[at, Z], yaw))
        speed = max(float(paces[at]), _SLOWEST_MPS)
        want = steer_along(EgoState(Pose(x, y, 0.0, 0.0, 0.0, yaw), speed, 0.0, steer), path, at, vehicle)
        want = min(max(want, -vehicle.max_steer_rad), vehicle.max_steer_rad)
        most = vehicle.max_steer_rate_rad_s * _STEP_S
        before, steer = steer, steer + min(max(follows * (want - steer), -most), most)
        turn = speed * _STEP_S * tan(0.5 * (before + steer)) / vehicle.wheelbase_m
        x += speed * _STEP_S * cos(yaw + 0.5 * turn)
        y += speed * _STEP_S * sin(yaw + 0.5 * turn)
        yaw += turn
    return np.array(poses).reshape(-1, 4)
