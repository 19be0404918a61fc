"""RPCs about actors, alone and in batches. Each runs with the world to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.carla_bridge.server.actors import Drive, Light, Vector, VehicleState, physics
from tests.carla_bridge.server.rpc import CallError, bare, value, void
from tests.carla_bridge.server.world import World


class ActorCalls:
    def __init__(self, world: World) -> None:
        self._world = world
        self._batch: dict[int, Callable[..., Any]] = {
            1: self.destroy_actor, 2: self.apply_control_to_vehicle, 3: self.apply_ackermann_control_to_vehicle,
            4: self.apply_control_to_walker, 5: self.apply_physics_control, 6: self.set_actor_transform,
            7: self._walker_state, 8: self.set_actor_target_velocity, 9: self.set_actor_target_angular_velocity,
            16: self._autopilot, 18: lambda number, flags: self.set_vehicle_light_state(number, [flags]),
            19: self.set_actor_location, 21: self.set_traffic_light_state,
        }  # fmt: skip

    @value
    def get_spectator(self) -> list[Any]:
        return self._world.spectator.encoded()

    @value
    def get_actors_by_id(self, numbers: list[int]) -> list[Any]:
        actors = self._world.actors
        return [actors[number].encoded() for number in numbers if number in actors]

    @value
    def spawn_actor(self, description: list[Any], transform: list[Vector]) -> list[Any]:
        return self._world.spawn(description, transform).encoded()

    @value
    def spawn_actor_with_parent(
        self, description: list[Any], transform: list[Vector], parent: int, attachment: int, socket: str
    ) -> list[Any]:
        return self._world.spawn(description, transform, parent).encoded()

    @value
    def destroy_actor(self, number: int) -> bool:
        self._world.destroy(number)
        return True

    @value
    def get_actor_bounding_box(self, number: int) -> list[Any]:
        return self._world.actor(number).box.encoded(number)

    @void
    def set_actor_transform(self, number: int, transform: list[Vector]) -> None:
        self._world.move_to(number, *transform)

    @void
    def set_actor_location(self, number: int, location: Vector) -> None:
        self._world.move_to(number, location)

    @void
    def set_actor_target_velocity(self, number: int, velocity: Vector) -> None:
        actor = self._world.actor(number)
        actor.velocity = list(velocity)
        if actor.vehicle:
            actor.vehicle.coast(velocity, actor.rotation[1])

    @void
    def set_actor_target_angular_velocity(self, number: int, velocity: Vector) -> None:
        actor = self._world.actor(number)
        actor.angular_velocity = list(velocity)
        if actor.vehicle:
            actor.vehicle.target_turn = velocity

    @void
    def enable_actor_constant_velocity(self, number: int, velocity: Vector) -> None:
        vehicle = self._vehicle(number)
        vehicle.drive, vehicle.target_velocity = Drive.CONSTANT, velocity

    @void
    def disable_actor_constant_velocity(self, number: int) -> None:
        self._vehicle(number).drive = Drive.CONTROL

    @void
    def add_actor_impulse(self, number: int, impulse: Vector) -> None: ...

    @void
    def add_actor_force(self, number: int, force: Vector) -> None: ...

    @void
    def add_actor_angular_impulse(self, number: int, impulse: Vector) -> None: ...

    @void
    def set_actor_simulate_physics(self, number: int, on: bool) -> None:
        self._world.actor(number)

    @void
    def set_actor_collisions(self, number: int, on: bool) -> None:
        self._world.actor(number)

    @void
    def set_actor_enable_gravity(self, number: int, on: bool) -> None: ...

    @void
    def apply_control_to_vehicle(self, number: int, control: list[Any]) -> None:
        """Takes effect from the next tick on; a constant velocity that was enabled stays."""
        vehicle = self._vehicle(number)
        vehicle.control = control
        if vehicle.drive is not Drive.CONSTANT:
            vehicle.drive = Drive.CONTROL

    @void
    def apply_ackermann_control_to_vehicle(self, number: int, control: list[float]) -> None:
        """The steering angle is in radians, positive to the right, as the documentation of CARLA has it."""
        vehicle = self._vehicle(number)
        vehicle.ackermann, vehicle.drive = control, Drive.ACKERMANN

    @value
    def get_ackermann_controller_settings(self, number: int) -> list[float]:
        """Gains of a controller that this server has no need of."""
        self._vehicle(number)
        return [0.15, 0.0, 0.25, 0.01, 0.0, 0.01]

    @void
    def apply_ackermann_controller_settings(self, number: int, gains: list[float]) -> None: ...

    @void
    def apply_control_to_walker(self, number: int, control: list[Any]) -> None:
        walker = self._world.actor(number).walker
        if walker is None:
            raise CallError(f"Actor {number} is no walker")
        walker.direction, walker.speed, walker.jump = control

    @value
    def get_physics_control(self, number: int) -> list[Any]:
        self._vehicle(number)
        return physics(self._world.actor(number))

    @void
    def apply_physics_control(self, number: int, control: list[Any]) -> None: ...

    @value
    def get_vehicle_light_state(self, number: int) -> list[int]:
        return [self._vehicle(number).lights]

    @void
    def set_vehicle_light_state(self, number: int, flags: list[int]) -> None:
        self._vehicle(number).lights = flags[0]

    @value
    def get_vehicle_light_states(self) -> list[Any]:
        return [[actor.id, actor.vehicle.lights] for actor in self._world.actors.values() if actor.vehicle]

    @value
    def get_wheel_steer_angle(self, number: int, wheel: int) -> float:
        return self._vehicle(number).steer_deg if wheel < 2 else 0.0

    @void
    def open_vehicle_door(self, number: int, door: int) -> None: ...

    @void
    def close_vehicle_door(self, number: int, door: int) -> None: ...

    @void
    def set_traffic_light_state(self, number: int, state: int) -> None:
        light = self._light(number)
        light.state, light.elapsed_s = state, 0.0

    @void
    def set_traffic_light_green_time(self, number: int, seconds: float) -> None:
        self._light(number).seconds[2] = seconds

    @void
    def set_traffic_light_yellow_time(self, number: int, seconds: float) -> None:
        self._light(number).seconds[1] = seconds

    @void
    def set_traffic_light_red_time(self, number: int, seconds: float) -> None:
        self._light(number).seconds[0] = seconds

    @void
    def freeze_all_traffic_lights(self, on: bool) -> None:
        for _, light in self._world.lights():
            light.frozen = on

    @void
    def reset_traffic_light_group(self, number: int) -> None:
        group = self._light(number).group
        for _, light in self._world.lights():
            if light.group == group:
                light.elapsed_s = 0.0

    @void
    def reset_all_traffic_lights(self) -> None:
        for _, light in self._world.lights():
            light.elapsed_s = 0.0

    @value
    def get_group_traffic_lights(self, number: int) -> list[int]:
        group = self._light(number).group
        return [actor.id for actor, light in self._world.lights() if light.group == group]

    @value
    def get_light_boxes(self, number: int) -> list[Any]:
        return []

    @bare
    def apply_batch(self, commands: list[Any], do_tick: bool) -> list[Any]:
        """The client ticks with a call of its own: `do_tick` does nothing here."""
        return [self._command(*command[0]) for command in commands]

    def _command(self, index: int, fields: list[Any]) -> list[Any]:
        try:
            if index == 0:
                return [[1, self._spawn(*fields)]]
            if index in self._batch:
                self._batch[index](*fields)
            return [[1, fields[0] if fields and isinstance(fields[0], int) else 0]]
        except CallError as error:
            return [[0, [str(error)]]]

    def _spawn(
        self, description: list[Any], transform: list[Vector], parent: list[Any], attachment: int, socket: str,
        then: list[Any],
    ) -> int:  # fmt: skip
        actor = self._world.spawn(description, transform, parent[1] if parent[0] else 0)
        for ((index, fields),) in then:
            self._command(index, [actor.id, *fields[1:]])
        return actor.id

    def _walker_state(self, number: int, transform: list[Vector], speed: float) -> None:
        self._world.move_to(number, *transform)
        walker = self._world.actor(number).walker
        if walker:
            walker.speed = speed

    def _autopilot(self, number: int, on: bool) -> None:
        self._vehicle(number).drive = Drive.AUTOPILOT if on else Drive.CONTROL

    def _vehicle(self, number: int) -> VehicleState:
        vehicle = self._world.actor(number).vehicle
        if vehicle is None:
            raise CallError(f"Actor {number} is no vehicle")
        return vehicle

    def _light(self, number: int) -> Light:
        light = self._world.actor(number).light
        if light is None:
            raise CallError(f"Actor {number} is no traffic light")
        return light
