"""What a world is made of, and how it is written on the wire."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.carla_bridge.server.blueprints import STRING, Blueprint

ACTIVE, DORMANT, PENDING_KILL = 1, 2, 3
RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)
Vector = list[float]  # x, y, z, or pitch, yaw, roll


class Drive(Enum):
    """What moves a vehicle at present: the last thing it was told."""

    CONTROL = "control"
    ACKERMANN = "ackermann"
    VELOCITY = "velocity"  # a target velocity, in the frame of the world
    CONSTANT = "constant"  # enable_constant_velocity, in its own frame
    AUTOPILOT = "autopilot"


@dataclass
class Box:
    """Centre, half sizes and rotation, in the frame of the actor or, for things of the level, of the world."""

    location: Vector
    extent: Vector
    rotation: Vector = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def encoded(self, actor: int = 0) -> list[Any]:
        return [self.location, self.extent, self.rotation, actor]


@dataclass
class Thing:
    """An environment object: its box is in the frame of the world."""

    id: int
    label: int
    name: str
    box: Box

    def encoded(self) -> list[Any]:
        return [[self.box.location, self.box.rotation], self.box.encoded(), self.id, self.name, self.label]


@dataclass
class Light:
    """State of a traffic light; `group` tells lights of one junction."""

    group: int
    state: int = GREEN
    seconds: dict[int, float] = field(default_factory=lambda: {GREEN: 10.0, YELLOW: 3.0, RED: 13.0})
    elapsed_s: float = 0.0
    frozen: bool = False
    pole: int = 0


@dataclass
class VehicleState:
    """`control` is [throttle, steer, brake, hand_brake, reverse, manual_gear_shift, gear]; `ackermann` is [steer, rad;
    steer_speed, speed, acceleration, jerk]; `speed` (m/s) and `steer_deg` are of the rear axle and the front wheels."""

    wheel_base: float
    max_steer_deg: float
    control: list[Any] = field(default_factory=lambda: [0.0, 0.0, 0.0, False, False, False, 0])
    ackermann: Vector = field(default_factory=lambda: [0.0] * 5)
    drive: Drive = Drive.CONTROL
    speed: float = 0.0
    steer_deg: float = 0.0
    target_velocity: Vector = field(default_factory=lambda: [0.0] * 3)
    target_turn: Vector = field(default_factory=lambda: [0.0] * 3)  # deg/s
    path: list[Vector] = field(default_factory=list)  # x, y of way points, for the autopilot
    cruise: float = 8.0  # m/s on autopilot
    lights: int = 0
    speed_limit_kmh: float = 30.0

    def coast(self, velocity: Vector, yaw_deg: float) -> None:
        """From now on at this velocity (frame of the world), until it is told otherwise."""
        self.drive, self.target_velocity = Drive.VELOCITY, list(velocity)
        ahead_x, ahead_y = forward(yaw_deg)
        self.speed = velocity[0] * ahead_x + velocity[1] * ahead_y


@dataclass
class WalkerState:
    direction: Vector = field(default_factory=lambda: [1.0, 0.0, 0.0])
    speed: float = 0.0
    jump: bool = False


@dataclass
class Actor:
    id: int
    blueprint: Blueprint
    attributes: list[list[Any]]
    location: Vector
    rotation: Vector
    box: Box
    velocity: Vector = field(default_factory=lambda: [0.0] * 3)
    angular_velocity: Vector = field(default_factory=lambda: [0.0] * 3)  # deg/s
    acceleration: Vector = field(default_factory=lambda: [0.0] * 3)
    parent: int = 0
    relative: list[Vector] | None = None  # transform in the frame of the parent
    state: int = ACTIVE
    signal: str = ""  # OpenDRIVE id of a light or a sign
    light: Light | None = None
    vehicle: VehicleState | None = None
    walker: WalkerState | None = None

    @property
    def type_id(self) -> str:
        return self.blueprint.id

    @property
    def transform(self) -> list[Vector]:
        return [self.location, self.rotation]

    def encoded(self) -> list[Any]:
        """Actor of the RPC."""
        description = [0, self.type_id, self.attributes]
        return [self.id, self.parent, description, self.box.encoded(self.id), bytes([self.blueprint.tag]), b""]

    def tail(self) -> bytes:
        """The last 54 bytes of the record in an episode state."""
        if self.vehicle:
            throttle, steer, brake, hand, reverse, manual, gear = self.vehicle.control
            packed = struct.pack(
                "<fff???ifB?IB", throttle, steer, brake, hand, reverse, manual, gear, self.vehicle.speed_limit_kmh,
                GREEN, False, 0, 0,
            )  # fmt: skip
        elif self.light:
            light = self.light
            green, yellow, red = (light.seconds[state] for state in (GREEN, YELLOW, RED))
            packed = struct.pack(
                "<32sffffI?B", self.signal.encode(), green, yellow, red, light.elapsed_s, light.pole, light.frozen,
                light.state,
            )  # fmt: skip
        elif self.walker:
            packed = struct.pack("<3ff?", *self.walker.direction, self.walker.speed, self.walker.jump)
        else:
            packed = struct.pack("<32s", self.signal.encode())
        return packed.ljust(54, b"\0")

    def told(self) -> dict[str, Any]:
        """What a test may want to know."""
        told: dict[str, Any] = {
            "id": self.id, "type_id": self.type_id, "parent": self.parent, "state": self.state,
            "attributes": {name: text for name, _, text in self.attributes},
            "transform": self.transform, "velocity": self.velocity, "angular_velocity": self.angular_velocity,
            "acceleration": self.acceleration, "extent": self.box.extent,
        }  # fmt: skip
        if self.vehicle:
            told["drive"], told["control"] = self.vehicle.drive.value, self.vehicle.control
            told["ackermann"], told["lights"] = self.vehicle.ackermann, self.vehicle.lights
        if self.walker:
            told["control"] = [self.walker.direction, self.walker.speed, self.walker.jump]
        if self.light:
            told["light"] = self.light.state
        return told


def new_actor(
    number: int, blueprint: Blueprint, transform: list[Vector], attributes: list[list[Any]] | None = None
) -> Actor:
    """An actor at rest. Attributes not given are those of the blueprint."""
    given = {name: [name, kind, text] for name, kind, text in attributes or []}
    own = {a.id: [a.id, a.type, a.values[0]] for a in blueprint.attributes}
    centre = [0.0, 0.0, 0.0 if blueprint.centred else blueprint.extent_m[2]]
    location, rotation = transform
    actor = Actor(
        number, blueprint, [*(own | given).values()], list(location), list(rotation),
        Box(centre, list(blueprint.extent_m)),
    )  # fmt: skip
    if blueprint.wheel_base_m:
        actor.vehicle = VehicleState(blueprint.wheel_base_m, blueprint.max_steer_deg)
    elif blueprint.id.startswith("walker."):
        actor.walker = WalkerState()
    return actor


def attribute_list(values: dict[str, str]) -> list[list[Any]]:
    return [[name, STRING, text] for name, text in values.items()]


def forward(yaw_deg: float) -> tuple[float, float]:
    """Unit vector ahead, x and y."""
    yaw = math.radians(yaw_deg)
    return math.cos(yaw), math.sin(yaw)


def physics(actor: Actor) -> list[Any]:
    """VehiclePhysicsControl: only the wheels (places in centimetres of the world), mass and steering mean anything."""
    vehicle, blueprint = actor.vehicle, actor.blueprint
    assert vehicle is not None
    ahead_x, ahead_y = forward(actor.rotation[1])
    track = max(actor.box.extent[1] - 0.15, 0.0)
    wheels = []
    for along, steer in ((vehicle.wheel_base / 2, vehicle.max_steer_deg), (-vehicle.wheel_base / 2, 0.0)):
        for right in (-track, track):
            x = actor.location[0] + along * ahead_x - right * ahead_y
            y = actor.location[1] + along * ahead_y + right * ahead_x
            z = actor.location[2] + blueprint.wheel_radius_m
            place = [100.0 * x, 100.0 * y, 100.0 * z]
            hand_brake = 0.0 if steer else 3000.0
            wheels.append(
                [3.5, 0.25, steer, 100.0 * blueprint.wheel_radius_m, 1500.0, hand_brake, 3.0, 20.0, 3000.0, place]
            )
    torque, steering, gears = [[0.0, 500.0], [5000.0, 500.0]], [[0.0, 1.0], [120.0, 1.0]], [[2.85, 0.65, 0.5]]
    return [
        torque, 5800.0, 1.0, 0.15, 2.0, 0.35, True, 0.5, 10.0, 4.0, gears, blueprint.mass_kg, 0.3,
        [0.0, 0.0, 0.0], steering, wheels, False,
    ]  # fmt: skip
