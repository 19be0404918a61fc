"""The record of physics, step by step, and the layouts of its moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import PHYSICS_US, LayoutFrame
from uniscene_sim.world.bodies import BODY_DTYPE
from uniscene_sim.world.ego import EgoState
from uniscene_sim.world.episode.edited_world import EditedWorld
from uniscene_sim.world.physics import EGO_COLUMNS
from uniscene_sim.world.state import WorldState

__all__ = ["LazyLayouts", "PhysicsRecord"]

_Record = TypeVar("_Record")


class PhysicsRecord:
    """Rows of `steps` + 1 moments, 10 ms apart; the first one is the state that it begins with.

    Attributes:
        egos: (K + 1, 10) columns `physics.EGO_COLUMNS`.
        bodies: (K + 1, N) BODY_DTYPE.
        route_at: int64 (K + 1,), see `WorldState`.
        events: names of what happened in the step up to each moment.
        world: the scenario's fixed parts; after an edit a record of its own goes on.
    """

    def __init__(self, state: WorldState, steps: int, world: EditedWorld):
        self.begin_us, self.steps = state.time_us, steps
        self.egos = np.empty((steps + 1, len(EGO_COLUMNS)))
        self.bodies = np.empty((steps + 1, len(state.bodies)), dtype=BODY_DTYPE)
        self.route_at = np.empty(steps + 1, dtype=np.int64)
        self.events: list[tuple[str, ...]] = [()] * (steps + 1)
        p, e = state.ego.pose, state.ego
        self.egos[0] = p.x, p.y, p.z, p.roll, p.pitch, p.yaw, e.speed, e.accel, e.steer, e.yaw_rate
        self.route_at[0] = state.route_at
        self.bodies[0] = state.bodies
        self.world = world

    def ego(self, k: int) -> EgoState:
        *pose, speed, accel, steer, rate = self.egos[k].tolist()
        return EgoState(Pose(*pose), speed, accel, steer, rate)

    def put(self, state: WorldState) -> None:
        """Write a state into the row of its moment."""
        k = (state.time_us - self.begin_us) // PHYSICS_US
        self.bodies[k], self.route_at[k] = state.bodies, state.route_at


class LazyLayouts(Sequence[LayoutFrame], Generic[_Record]):
    """The layouts of moments, as records and rows of them, each made by `make` when it is first read."""

    def __init__(self, moments: Sequence[tuple[_Record, int]], make: Callable[[_Record, int], LayoutFrame]):
        self._moments, self._make = moments, make
        self._made: dict[int, LayoutFrame] = {}

    def __len__(self) -> int:
        return len(self._moments)

    @overload
    def __getitem__(self, k: int) -> LayoutFrame: ...

    @overload
    def __getitem__(self, k: slice) -> Sequence[LayoutFrame]: ...

    def __getitem__(self, k: int | slice) -> LayoutFrame | Sequence[LayoutFrame]:
        at = range(len(self))[k]
        if isinstance(at, range):
            return [self[i] for i in at]
        if at not in self._made:
            self._made[at] = self._make(*self._moments[at])
        return self._made[at]
