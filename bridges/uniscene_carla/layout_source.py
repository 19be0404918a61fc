"""`CarlaSource`: a server's world as a source of layouts, and controls back to it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from uniscene_carla.address import CarlaAddress
from uniscene_carla.between import layouts_between
from uniscene_carla.client_link import ClientLink, Lost, place_of
from uniscene_carla.ego_events import EgoEvents
from uniscene_carla.ego_route import EgoRoute
from uniscene_carla.server_map import read_server_map, with_surroundings
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.signals import head_lights, signal_heads
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import CriterionResult, Outcome
from uniscene_sim.world.ego import follow_trajectory
from uniscene_sim.world.episode.edited_world import map_props

__all__ = ["CarlaSource"]

_ON_GROUND_M = 1.0  # what is nearer to our ground stands on it
_ARRIVED = 0.95
_AGAIN_S = 1.0
#: Sources of this process by the place of their server: two would both tick it.
_alive: WeakValueDictionary[tuple[str, int], CarlaSource] = WeakValueDictionary()


class CarlaSource:
    """A server's world: a `LayoutSource` that goes on, whoever looks. One that is opened on the same server later takes
    its place.

    Layouts between the server's ticks are interpolated. Bodies stand on the ground as its OpenDRIVE has it.

    Args:
        address: the server and what is wanted of it.
        seed: of everything that the server does not tell.

    Raises:
        InputError: no answer, a server that refuses, or a map that cannot be read.
    """

    name = "carla"
    schemes = ("carla",)
    live = True

    def __init__(self, address: CarlaAddress, seed: int = 0):
        self.address, self.seed = address, seed
        place = place_of(address)
        if (other := _alive.pop(place, None)) is not None:
            other._link.close("has another source of this process now")
        self.open_loop = address.open_loop
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self._stamp_us, self._collisions, self._reds = 0, 0, 0
        self._ahead = False  # whether a tick is ordered whose layout nobody has asked for
        self._link: ClientLink = self._connected()
        try:
            self._enter()
        except BaseException:
            self._link.close()
            raise
        _alive[place] = self

    def _enter(self) -> None:
        """Read the map, take over the server, and plan the ego's way."""
        self.map: StaticMap = self._server_map()
        self._heads, self._props = signal_heads(self.map), map_props(self.map)
        self._events = EgoEvents(self.map)
        first_id = len(self._heads) + len(self._props) + 1
        self._facts = {"signals": [signal.id for signal in self.map.signals], "first_id": first_id,
                       "ref": self.map.ref, "seed": self.seed}  # fmt: skip
        ready, first = self._answer(lambda: self._link.begin(**self._facts))
        goal: Sequence[float] | None = ready["goal"]  # a pose
        self._has_goal = goal is not None
        there = None if goal is None else self._in_map_frame(Pose(*goal))
        self._route = EgoRoute(self.map, self._in_map_frame(first.ego_pose), there)
        self._now = self._begin_episode(first)
        self._fresh = True

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> CarlaSource:
        return cls(CarlaAddress.of(what), seed or 0)

    @property
    def step_us(self) -> int:
        return self.address.step_us

    @property
    def opendrive(self) -> str:
        """The server's map as OpenDRIVE text."""
        return str(self._link.world["opendrive"])

    @property
    def title(self) -> str:
        return f"{self.map.name} of {self.address.server}"

    @property
    def duration_s(self) -> float:
        return self.address.duration_s

    @property
    def route_path(self) -> np.ndarray:
        """Expected path of the ego (R, 3), m, from where the episode began: to the goal, or straight ahead."""
        return self._route.path

    @property
    def arrived(self) -> bool:
        return self._has_goal and self._route.completion >= _ARRIVED

    @property
    def done(self) -> bool:
        return self.arrived or self._stamp_us >= self.duration_s * 1e6

    @property
    def outcome(self) -> Outcome:
        """Of a driven ego: no contacts, no red lights, and the goal if there is one."""
        if self.open_loop:
            return Outcome.of((), self.done)
        criteria = [
            CriterionResult("collision", "<= 0", self._collisions, self._collisions == 0, bound=0.0),
            CriterionResult("red_light", "<= 0", self._reds, self._reds == 0, bound=0.0),
        ]
        if self._has_goal:
            done = self._route.completion
            criteria.append(
                CriterionResult("route_completion", f">= {_ARRIVED}", round(done, 4), done >= _ARRIVED, bound=_ARRIVED)
            )
        return Outcome.of(criteria, self.done, timed_out=not self.arrived)

    def reset(self) -> LayoutFrame:
        """Begin anew at time 0, as `reset` of the address says."""
        if not self._fresh:
            self._take_ordered()
            try:
                first = self._link.reset()
            except Lost as lost:
                first = self._again(lost)
            self._now = self._begin_episode(first)
        self._fresh = False
        return self._now

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """Layouts up to `dt_us` from now.

        Raises:
            InputError: `dt_us` is not a multiple of the server's ticks, or the server is lost.
        """
        step_us = self.step_us
        if dt_us <= 0 or dt_us % step_us:
            raise InputError(f"must be a positive multiple of {step_us:,} us, got {dt_us:,}", field="dt_us")
        self._fresh = False
        ticks = [self._now]
        for k in range(dt_us // step_us):
            self._now = self._tick(_control_at(control, self._now, 1e-6 * k * step_us))
            ticks.append(self._now)
        return layouts_between(ticks)

    def driver_control(self) -> Control | Trajectory:
        """The built-in driver's along the route; nothing for an ego that others drive."""
        return Control() if self.open_loop else self._route.control(self._now)

    def close(self) -> None:
        """Leave the server as it was; also done when this is collected, and when the process ends."""
        self._link.close()

    # --- the server -----------------------------------------------------------------------------------------------

    def _connected(self) -> ClientLink:
        try:
            return ClientLink(self.address)
        except Lost as lost:
            raise InputError(f"{lost}; expected a CARLA server there", field="carla://") from None

    def _tick(self, control: Control) -> LayoutFrame:
        """The completed layout after one tick of the server."""
        try:
            if not self._ahead:
                self._link.ask_tick(control)
            self._ahead = False
            raw = self._link.tick()
        except Lost as lost:
            raw = self._again(lost)
        if self.open_loop:  # what it is told does not matter, so the next tick can be on its way
            self._link.ask_tick(Control())
            self._ahead = True
        self._stamp_us += self.address.step_us
        return self._completed(raw)

    def _take_ordered(self) -> None:
        if self._ahead:
            self._ahead = False
            with suppress(Lost):  # which whoever asks next is told
                self._link.tick()

    def _answer(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Lost as lost:
            raise InputError(f"{lost}, {1e-6 * self._stamp_us:.2f} s into the run", field="carla://") from None

    def _again(self, lost: Lost) -> LayoutFrame:
        """The first layout of a server that has come back.

        Raises:
            InputError: it has not, or with another map.
        """
        address, when = self.address, f"{1e-6 * self._stamp_us:.2f} s into the run"
        if not address.reconnect_s:
            raise InputError(f"{lost}, {when}", field="carla://") from None
        deadline, debts = time.monotonic() + address.reconnect_s, self._link.debts
        while True:
            try:
                self._link = ClientLink(address, debts)
                self._require_same_map(lost, when)
                first = self._link.begin(**self._facts)[1]
                break
            except Lost as again:
                debts = self._link.debts
                if time.monotonic() > deadline:
                    self._link.close()
                    why = f"{lost}, {when}; and it was not back after {address.reconnect_s:g} s: {again}"
                    why += ", nor could it be left as it was" if debts else ""
                    raise InputError(why, field="carla://") from None
                time.sleep(_AGAIN_S)
        warnings.warn(f"{lost}, {when}; it is back", InputWarning, stacklevel=5)
        return first

    def _server_map(self) -> StaticMap:
        world, server = self._link.world, self.address.server
        lanes = read_server_map(world["map"], world["opendrive"], server)
        return with_surroundings(lanes, world["standing"], server)

    def _require_same_map(self, lost: Lost, when: str) -> None:
        if (there := self._server_map()).ref != self.map.ref:
            self._link.close()
            raise InputError(f"{lost}, {when}; it came back with another map, {there.name}", field="carla://")

    # --- layouts --------------------------------------------------------------------------------------------------

    def _begin_episode(self, raw: LayoutFrame) -> LayoutFrame:
        self._stamp_us, self._collisions, self._reds = 0, 0, 0
        self._route.restart(self._in_map_frame(raw.ego_pose))
        self._events = EgoEvents(self.map)
        return self._completed(raw)

    def _completed(self, raw: LayoutFrame) -> LayoutFrame:
        """A layout of the client in the map frame, on the ground, with heads, props, route and events."""
        pose, agents = self._in_map_frame(raw.ego_pose), raw.agents.copy()
        agents["pos"] -= (*self.map.frame_origin, 0.0)
        places = np.vstack([agents["pos"], pose.position])
        ground = self.map.surface_height(*places.T)
        stands = np.abs(ground - places[:, 2]) < _ON_GROUND_M
        places[stands, 2] = ground[stands]
        agents["pos"][:, 2] = places[:-1, 2]
        heads = self._heads.copy()
        heads["lights"] = head_lights(heads, raw.signals)
        layout = replace(
            raw,
            stamp_us=self._stamp_us,
            ego_pose=replace(pose, z=float(places[-1, 2])),
            agents=np.concatenate([heads, self._props, agents]),
            route=self._route.ahead(pose, self._stamp_us),
        )
        events = self._events.of(layout, self.solid)
        self._collisions += sum(name.startswith("contact") for name in events)
        self._reds += sum(name.startswith("red_light") for name in events)
        return replace(layout, events=events)

    def _in_map_frame(self, pose: Pose) -> Pose:
        east, north = self.map.frame_origin
        return replace(pose, x=pose.x - east, y=pose.y - north)


def _control_at(control: Control | Trajectory, layout: LayoutFrame, driven_s: float) -> Control:
    """The control itself, or the one that follows a trajectory of which some seconds are over."""
    if isinstance(control, Control):
        return control
    return follow_trajectory(control, layout, driven_s)
