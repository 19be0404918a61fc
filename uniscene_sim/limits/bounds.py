"""Bounds of the numbers that enter, and their checks: one vocabulary for files, arguments and the public nouns.

A number is finite, no truth value, and within what its quantity can mean; whole floats (`1600.0`, as writers of YAML
and JSON leave them) count as integers. Bounds are generous to real use and keep all arithmetic far from overflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown

__all__ = ["Bound", "check_numbers"]


@dataclass(frozen=True)
class Bound:
    """Least and most of a quantity, both allowed; integers alone if it is `whole`."""

    least: float
    most: float
    unit: str = ""
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.least:.12g} to {self.most:.12g} {self.unit}".rstrip()

    def times(self, factor: float, unit: str) -> Bound:
        """The same bounds in another unit."""
        return Bound(self.least * factor, self.most * factor, unit, self.whole)

    @property
    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        kind = {"type": "integer" if self.whole else "number", "minimum": self.least, "maximum": self.most}
        return kind | ({"description": self.unit} if self.unit else {})

    def holds(self, value: Any) -> bool:
        """Whether a value is a number within the bounds."""
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            return False
        return bool(self.least <= value <= self.most) and (not self.whole or bool(value == int(value)))

    def number(self, value: Any, field: str) -> Any:
        """The value as an int, if `whole`, or a plain number; InputError, naming the field, if it does not hold."""
        if not self.holds(value):
            raise InputError(f"expected {self}, got {shown(value)}", field=field)
        return int(value) if self.whole else value if type(value) is int else float(value)

    def row(self, values: Iterable[Any], field: str) -> tuple[Any, ...]:
        """Several numbers, each as `number`; InputError, naming the field and the index, if one does not hold."""
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise InputError(f"expected a row of numbers, got {shown(values)}", field=field)
        row = tuple(values)
        if not self.whole and all(type(value) is float and self.least <= value <= self.most for value in row):
            return row  # the usual case, quickly
        return tuple(self.number(value, f"{field}[{i}]") for i, value in enumerate(row))


def check_numbers(noun: Any, of: str = "", **bounds: Bound) -> None:
    """Check fields of a frozen dataclass, one number or a tuple of them each, and keep them as plain ints and floats.

    Args:
        noun: the dataclass, in its `__post_init__`. A field that is None by default may be None.
        of: what it is, in front of the field's name in messages: "camera front: ".
        bounds: by field.

    Raises:
        InputError: names the field and what was expected.
    """
    for name, bound in bounds.items():
        value, default = getattr(noun, name), type(noun).__dataclass_fields__[name].default
        if value is None and default is None:
            continue
        read = bound.row if isinstance(default, tuple) or isinstance(value, tuple) else bound.number
        object.__setattr__(noun, name, read(value, of + name))


DAY_S = 86_400.0

# What moves.
PLACE_M = Bound(-(2.0**24), 2.0**24, "m")  # no place on earth is farther from the origin of its projection
MAP_FRAME_M = PLACE_M.times(2.0, "m")  # the same in the map frame, whose origin is such a place
ANGLE_DEG = Bound(-3600.0, 3600.0, "degrees")
SIZE_M = Bound(0.01, 100.0, "m")  # of bodies: length, width, height
BODY_M = Bound(0.1, 50.0, "m")  # of the ego
AXLE_M = Bound(-50.0, 50.0, "m")
SPEED_MPS = Bound(0.0, 80.0, "m/s")
EGO_SPEED_MPS = Bound(0.0, 60.0, "m/s")
CRUISE_MPS = Bound(0.01, 60.0, "m/s")
DECEL_MPS2 = Bound(0.01, 12.0, "m/s2")
ROUTE_M = Bound(20.0, 20_000.0, "m")
AHEAD_M = Bound(-20_000.0, 20_000.0, "m")
ASIDE_M = Bound(-100.0, 100.0, "m")
LANES = Bound(-200, 200, "lanes", whole=True)
LANE_CHANGE_S = Bound(0.1, 600.0, "s")
TIME_S = Bound(0.0, DAY_S, "s")  # within a scenario
DISTANCE_M = Bound(0.0, 1e6, "m")
THRESHOLD = Bound(0.0, 1e6)  # of triggers and criteria, whose kind says the unit
STEP_MPS = Bound(0.0, 1000.0, "m/s")  # between two rows of a trajectory
WAY_M = Bound(0.0, 40_000.0, "m")  # of a whole trajectory
SCENARIO_S = Bound(0.01, 3600.0, "s")
HOUR_H = Bound(0.0, np.nextafter(24.0, 0.0).item(), "h")
SEED = Bound(0, 2**32 - 1, whole=True)
VEHICLES_PER_KM = Bound(0.0, 60.0, "vehicles/km")
PEDESTRIANS = Bound(0, 200, "pedestrians", whole=True)
AGENTS = 500  # most agents, and most events, of a scenario
VIAS = 1000
EDITS = 500  # most edits in force, and most agents that they add
NAME = 80  # characters
CLOSING_M = Bound(2.0, 200.0, "m")  # length of a closed lane
MOVE_M = Bound(-200.0, 200.0, "m")  # of a crossing, along each axis
ROW_S = Bound(-DAY_S, DAY_S, "s")  # of a row of a trajectory, which may have begun before
ROWS = 100_000  # most rows of a trajectory
WHEEL_RAD = Bound(0.01, 1.4, "rad")
WHEEL_RAD_S = Bound(0.01, 100.0, "rad/s")
ACCEL_MPS2 = Bound(0.01, 100.0, "m/s2")
TOP_SPEED_MPS = Bound(0.1, 150.0, "m/s")
LAG_S = Bound(0.0, 10.0, "s")
#: By field of an `EgoVehicle`.
EGO_VEHICLE = {
    **dict.fromkeys(("length_m", "width_m", "height_m", "wheelbase_m"), BODY_M),
    "rear_axle_to_centre_m": AXLE_M,
    "max_steer_rad": WHEEL_RAD,
    "max_steer_rate_rad_s": WHEEL_RAD_S,
    **dict.fromkeys(("max_accel_mps2", "max_brake_mps2"), ACCEL_MPS2),
    "max_speed_mps": TOP_SPEED_MPS,
    **dict.fromkeys(("steer_lag_s", "accel_lag_s"), LAG_S),
}

#: By field of `Manners`.
MANNERS = {
    "speed_factor": Bound(0.1, 3.0),
    "headway_s": Bound(0.0, 10.0, "s"),
    "gap_m": Bound(0.1, 20.0, "m"),
    "accel_mps2": Bound(0.1, 8.0, "m/s2"),
    "braking_mps2": Bound(0.1, 8.0, "m/s2"),
    "sees_m": Bound(0.0, 90.0, "m"),
}
SPREAD = Bound(0.0, 0.9)  # of the manners of traffic

# Sensors.
SENSORS = 64  # of each kind, in a rig
EGO_PARTS = 100
MOUNT_M = Bound(-200.0, 200.0, "m")
PIXELS = Bound(1, 16_384, "px", whole=True)
FOCAL_PX = Bound(0.01, 1e6, "px")
CENTRE_PX = Bound(-1e6, 1e6, "px")
DISTORTION = Bound(-1000.0, 1000.0)
FIELD_DEG = Bound(0.1, 360.0, "degrees")
EXPOSURE_EV = Bound(-16.0, 16.0, "stops")
SHUTTER_MS = Bound(0.0, 1000.0, "ms")
SHARE = Bound(0.0, 1.0)
PERIOD_MS = Bound(10, 10_000, "ms, a multiple of 10", whole=True)
PHASE_MS = Bound(0, 10_000, "ms, a multiple of 10", whole=True)
RANGE_M = Bound(0.1, 500.0, "m")
NEAREST_M = Bound(0.0, 500.0, "m")
PERIOD_US, PHASE_US = (
    PERIOD_MS.times(1000, "us, a multiple of 10,000"),
    PHASE_MS.times(1000, "us, a multiple of 10,000"),
)
BEAMS = Bound(1, 1024, "beams", whole=True)
COLUMNS = Bound(1, 36_000, "columns", whole=True)
ELEVATION_DEG = Bound(-90.0, 90.0, "degrees")
AZIMUTH_DEG = Bound(-360.0, 360.0, "degrees")
ELEVATION_RAD, AZIMUTH_RAD = ELEVATION_DEG.times(np.pi / 180, "rad"), AZIMUTH_DEG.times(np.pi / 180, "rad")
FIRING_US = Bound(0.0, 1e7, "us")
RANGE_NOISE_M = Bound(0.0, 10.0, "m")
DETECT_RANGE_M = Bound(0.0, 10_000.0, "m")
DIVERGENCE_MRAD = Bound(0.0, 100.0, "mrad")
DIVERGENCE_RAD = DIVERGENCE_MRAD.times(1e-3, "rad")
SATURATION = Bound(1.001, 10_000.0)
# Of IMU and GNSS, whose names of fields say the units.
NOISE, BIAS = Bound(0.0, 1000.0), Bound(-1000.0, 1000.0)
TILT_NOISE_DEG = Bound(0.0, 180.0, "degrees")
TILT_NOISE_RAD = TILT_NOISE_DEG.times(np.pi / 180, "rad")

# Environments.
STEP_MS = Bound(10, 10_000, "ms", whole=True)
WORLDS = Bound(1, 65_536, "worlds", whole=True)
EPISODE_STEPS = Bound(1, 10**9, "steps", whole=True)
WORLD_SEED = Bound(0, 2**63 - 1, whole=True)
WEIGHT = Bound(-1e6, 1e6)

# Maps.
LANE_WIDTH_M = Bound(0.0, 1000.0, "m")
MAP_AREA_M2 = 4e9  # 63 km x 63 km: indices over all of a map that spans half a country would fill the memory

# Grids.
VOXEL_M = Bound(0.02, 10.0, "m")
CELLS = Bound(1, 16_384, "cells", whole=True)  # of a raster, along a side
VOXELS = Bound(1, 4096, "voxels", whole=True)
GRID_PLACE_M = Bound(-10_000.0, 10_000.0, "m")
