"""The world of the server: actors, level, weather and time. A subclass may replace `advance` to move actors itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tests.carla_bridge.server.actors import (
    ACTIVE,
    GREEN,
    PENDING_KILL,
    RED,
    Actor,
    Box,
    Light,
    Thing,
    Vector,
    forward,
    new_actor,
)  # fmt: skip
from tests.carla_bridge.server.blueprints import BLUEPRINTS, LEVEL_BLUEPRINTS
from tests.carla_bridge.server.motion import move, wrapped
from tests.carla_bridge.server.opendrive import read_map
from tests.carla_bridge.server.rpc import CallError

CLEAR_NOON = [10.0, 0.0, 0.0, 5.0, 45.0, 60.0, 0.0, 0.75, 0.1, 0.0, 1.0, 0.03, 0.0331, 0.0]
SETTINGS: list[Any] = [
    False,
    False,
    [False],
    True,
    0.01,
    10,
    0.0,
    False,
    3000.0,
    2000.0,
    True,
]  # synchronous first, delta third
SYNCHRONOUS, FIXED_DELTA = 0, 2


class World:
    """One episode after the other on maps given as OpenDRIVE text.

    A subclass adds its actors in `populate` and sets their fields in `advance`; those it does not move itself it may
    give to `motion.move`.

    Not safe for threads: whoever calls it holds the lock of the server. Vectors are lists of floats in CARLA's frame
    (metres, degrees), a transform is [location, rotation as pitch, yaw, roll].
    """

    def __init__(self, town: str = "Town10HD", opendrive: str = "") -> None:
        self.frame = 0
        self.episode = 0
        self.elapsed_s = 0.0
        self.settings: list[Any] = list(SETTINGS)
        self.maps: dict[str, str] = {}
        self._last_id = 23
        self.load(town, opendrive)
        self.map_changed = False  # to those who come later, this was ever so

    def load(self, town: str, opendrive: str) -> None:
        """A new episode: all actors of the last one are gone, lights, signs and spawn points are those of the map."""
        self.town, self.opendrive = town, opendrive
        self.maps[town] = opendrive
        self.episode += 1
        self.map_changed = True  # until a state has told so
        self.elapsed_s = 0.0
        self.weather = list(CLEAR_NOON)
        self.actors: dict[int, Actor] = {}
        found = read_map(opendrive)
        points = found.spawn_points or [((0.0, 0.0, 0.0), 0.0)]
        self.spawn_points = [[list(place), [0.0, wrapped(yaw), 0.0]] for place, yaw in points]
        self.things = beside(*self.spawn_points[0])
        self.spectator = self.add("spectator", [[0.0, 0.0, 10.0], [-90.0, 0.0, 0.0]])
        groups: dict[str, int] = {}
        for signal in found.signals:
            actor = self.add(signal.type_id, [list(signal.location), [0.0, wrapped(signal.yaw_deg), 0.0]])
            actor.signal = signal.id
            if signal.type_id == "traffic.traffic_light":
                group = groups.setdefault(signal.group, len(groups))
                actor.light = Light(group, state=GREEN if group % 2 == 0 else RED)
        self.populate()

    def populate(self) -> None:
        """What a subclass puts into each new episode."""

    def tick(self, delta_s: float) -> None:
        """One frame: the destroyed leave, all others move."""
        self.frame += 1
        self.elapsed_s += delta_s
        self.actors = {number: actor for number, actor in self.actors.items() if actor.state != PENDING_KILL}
        self.advance(delta_s)
        for actor in self.actors.values():
            if actor.relative:
                self._follow(actor)

    def advance(self, delta_s: float) -> None:
        """Moves what is not attached to anything."""
        for actor in self.actors.values():
            if not actor.relative and actor.state == ACTIVE:
                move(actor, delta_s)

    def add(self, type_id: str, transform: list[Vector], attributes: list[list[Any]] | None = None) -> Actor:
        """An actor, wherever it may stand."""
        blueprint = BLUEPRINTS.get(type_id) or LEVEL_BLUEPRINTS[type_id]
        self._last_id += 1
        actor = new_actor(self._last_id, blueprint, transform, attributes)
        self.actors[actor.id] = actor
        return actor

    def spawn(self, description: list[Any], transform: list[Vector], parent: int = 0) -> Actor:
        """As a client asks for it; the transform is relative to the parent."""
        _, type_id, attributes = description
        if type_id not in BLUEPRINTS:
            raise CallError("Spawn failed because of invalid actor description")
        if parent and parent not in self.alive:
            raise CallError("unable to attach actor: parent actor not found")
        actor = new_actor(self._last_id + 1, BLUEPRINTS[type_id], transform, attributes)
        if parent:
            actor.parent, actor.relative = parent, [list(vector) for vector in transform]
            self._follow(actor)
        elif any(_overlap(actor, other) for other in self.alive.values()):
            raise CallError("Spawn failed because of collision at spawn position")
        self._last_id += 1
        self.actors[actor.id] = actor
        return actor

    def destroy(self, number: int) -> None:
        self.actor(number, "unable to destroy actor: not found").state = PENDING_KILL

    @property
    def alive(self) -> dict[int, Actor]:
        return {number: actor for number, actor in self.actors.items() if actor.state != PENDING_KILL}

    def actor(self, number: int, missing: str = "") -> Actor:
        actor = self.actors.get(number)
        if actor is None or actor.state == PENDING_KILL:
            raise CallError(missing or f"Actor could not be found in the registry.  Actor Id: {number}")
        return actor

    def move_to(self, number: int, location: Vector | None = None, rotation: Vector | None = None) -> None:
        """Teleports; an attached actor moves within the frame of its parent."""
        actor = self.actor(number)
        place = actor.relative or [actor.location, actor.rotation]
        place = [list(location or place[0]), list(rotation or place[1])]
        if actor.relative:
            actor.relative = place
            self._follow(actor)
        else:
            actor.location, actor.rotation = place

    def lights(self) -> list[tuple[Actor, Light]]:
        return [(actor, actor.light) for actor in self.actors.values() if actor.light]

    def line_up(self, count: int, spacing_m: float = 12.0, speed: float = 8.0) -> None:
        """Vehicles that drive straight on, on a grid around the first spawn point, with its own line left free."""
        (x, y, z), rotation = self.spawn_points[0]
        ahead_x, ahead_y = forward(rotation[1])
        rows = math.ceil(math.sqrt(count))
        for k in range(count):
            column, row = divmod(k, rows)
            along = spacing_m * (row - rows // 2)
            right = spacing_m * (column // 2 + 1) * (1 if column % 2 else -1)
            place = [x + along * ahead_x - right * ahead_y, y + along * ahead_y + right * ahead_x, z]
            actor = self.add("vehicle.tesla.model3", [place, list(rotation)])
            assert actor.vehicle is not None
            actor.velocity = [speed * ahead_x, speed * ahead_y, 0.0]
            actor.vehicle.coast(actor.velocity, rotation[1])

    def _follow(self, actor: Actor) -> None:
        """Puts an attached actor where its parent has it; only the parent's yaw turns it."""
        parent = self.actors.get(actor.parent)
        if parent is None or actor.relative is None:
            return
        (x, y, z), (pitch, yaw, roll) = actor.relative
        ahead_x, ahead_y = forward(parent.rotation[1])
        px, py, pz = parent.location
        actor.location = [px + x * ahead_x - y * ahead_y, py + x * ahead_y + y * ahead_x, pz + z]
        actor.rotation = [pitch, wrapped(yaw + parent.rotation[1]), roll]
        actor.velocity = list(parent.velocity)


def _corners(actor: Actor) -> list[tuple[float, float]]:
    ahead_x, ahead_y = forward(actor.rotation[1])
    x, y = actor.location[0] + actor.box.location[0] * ahead_x, actor.location[1] + actor.box.location[0] * ahead_y
    a, b = actor.box.extent[:2]
    return [
        (x + u * ahead_x - v * ahead_y, y + u * ahead_y + v * ahead_x) for u, v in ((a, b), (a, -b), (-a, -b), (-a, b))
    ]


def _overlap(one: Actor, other: Actor) -> bool:
    """Whether the boxes of two solid actors meet: no axis of either separates them."""
    if any(actor.type_id.startswith(("traffic.", "controller.", "spectator")) for actor in (one, other)):
        return False
    heights = [actor.location[2] + actor.box.location[2] for actor in (one, other)]
    if abs(heights[0] - heights[1]) >= one.box.extent[2] + other.box.extent[2]:
        return False
    corners = _corners(one), _corners(other)
    for actor in (one, other):
        ahead_x, ahead_y = forward(actor.rotation[1])
        for axis_x, axis_y in ((ahead_x, ahead_y), (-ahead_y, ahead_x)):
            first, second = (_shadow(box, axis_x, axis_y) for box in corners)
            if first[1] <= second[0] or second[1] <= first[0]:
                return False
    return True


def _shadow(corners: Iterable[tuple[float, float]], axis_x: float, axis_y: float) -> tuple[float, float]:
    along = [x * axis_x + y * axis_y for x, y in corners]
    return min(along), max(along)


def beside(location: Vector, rotation: Vector, side: float = 1.0) -> list[Thing]:
    """A few things of the level to the right of a place, or to the left for a side of -1."""
    listed = (  # label, name, metres ahead and to the side, half sizes
        (3, "BP_House_01", 0.0, 30.0, [8.0, 6.0, 5.0]),
        (3, "BP_Apartment_02", 22.0, 32.0, [7.0, 8.0, 11.0]),
        (6, "BP_StreetLight_01", 10.0, 8.0, [0.15, 0.15, 4.0]),
        (9, "SM_Acer_01", -8.0, 12.0, [2.5, 2.5, 4.0]),
        (5, "BP_Fence_01", 5.0, 14.0, [4.0, 0.1, 0.6]),
        (14, "SM_ParkedCar_01", -14.0, 5.0, [2.2, 0.95, 0.75]),
        (20, "BP_Bench_01", 2.0, 9.0, [0.9, 0.3, 0.45]),
    )
    ahead_x, ahead_y = forward(rotation[1])
    things = []
    for number, (label, name, along, right, extent) in enumerate(listed):
        x = location[0] + along * ahead_x - side * right * ahead_y
        y = location[1] + along * ahead_y + side * right * ahead_x
        things.append(Thing(1000 + number, label, name, Box([x, y, location[2] + extent[2]], extent, list(rotation))))
    return things
