"""A source by somebody else: the ego drives round a painted ring, whatever the control."""

import numpy as np

from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.outcome import Outcome, Status

SPEED_MPS = 8.0
STEP_US = 10_000


class RingSource:
    name = "ring"
    schemes = ("ring",)
    open_loop = True
    duration_s = 20.0
    solid = None

    def __init__(self, radius_m, seed):
        self.radius_m, self.seed, self.title = radius_m, seed, f"ring of {radius_m:g} m"
        around = np.arange(-radius_m - 30.0, radius_m + 30.0, 0.5) + 0.25
        off = abs(np.hypot(*np.meshgrid(around, around)) - radius_m)
        painted = {"drivable_area": off < 4.0, "walkway": (off > 4.0) & (off < 7.0)}
        corner = around[0] - 0.25
        self.map = PaintedMap(self.title, tuple(painted), np.stack(list(painted.values())), 0.5, (corner, corner))
        self._now_us = 0

    @classmethod
    def open(cls, what, seed=None):
        try:
            radius_m = float(what.removeprefix("ring://"))
        except ValueError:
            raise InputError(f"expected a radius in metres, got {what!r}", field="SCENARIO") from None
        if not 15.0 <= radius_m <= 500.0:
            raise InputError(f"expected a radius of 15 to 500 m, got {what}", field="SCENARIO")
        return cls(radius_m, seed or 0)

    @property
    def done(self):
        return self._now_us >= self.duration_s * 1e6

    @property
    def outcome(self):
        return Outcome(Status.SUCCESS if self.done else Status.RUNNING)

    @property
    def route_path(self):
        angle = np.arange(0.0, self.duration_s * SPEED_MPS) / self.radius_m
        return self.radius_m * np.column_stack([np.sin(angle), -np.cos(angle), 0.0 * angle])

    def reset(self):
        self._now_us = 0
        return self._layout()

    def step(self, control, dt_us):
        if dt_us <= 0 or dt_us % STEP_US:
            raise InputError(f"must be a positive multiple of {STEP_US} us, got {dt_us}", field="dt_us")
        layouts = []
        for _ in range(dt_us // STEP_US):
            self._now_us += STEP_US
            layouts.append(self._layout())
        return layouts

    def driver_control(self):
        return Control()

    def _layout(self):
        angle = SPEED_MPS * self._now_us * 1e-6 / self.radius_m
        pose = Pose(self.radius_m * np.sin(angle), -self.radius_m * np.cos(angle), 0.0, yaw=angle)
        return LayoutFrame(
            stamp_us=self._now_us,
            ego_pose=pose,
            ego_velocity=SPEED_MPS * np.array([np.cos(angle), np.sin(angle), 0.0]),
            ego_yaw_rate=SPEED_MPS / self.radius_m,
            ego_accel=0.0,
            ego_steer=0.0,
            ego_vehicle=EgoVehicle(),
            agents=np.zeros(0, AGENT_DTYPE),
            signals=np.zeros(0, np.uint8),
            route=self.route_path,
            map_ref=self.map.ref,
            seed=self.seed,
        )
