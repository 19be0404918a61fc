"""Commands of a test: JSON objects with a `do`, each answered by a JSON object."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.carla_bridge.server.actors import ACTIVE, DORMANT, Drive, attribute_list
from tests.carla_bridge.server.rpc import CallError
from tests.carla_bridge.server.server import Server


class Commands:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._world = server.world

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """What the command gave, or {"error": text}."""
        values = dict(command)
        method = getattr(self, f"do_{values.pop('do', '')}", None)
        if method is None:
            return {"error": f"no such command: {command}"}
        try:
            with self._server.lock:
                return method(**values) or {}
        except (CallError, KeyError, TypeError, ValueError, OSError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def do_state(self) -> dict[str, Any]:
        world, server = self._world, self._server
        return {
            "frame": world.frame, "episode": world.episode, "elapsed_s": world.elapsed_s, "town": world.town,
            "settings": world.settings, "weather": world.weather,
            "actors": {str(actor.id): actor.told() for actor in world.actors.values()},
            "calls": dict(server.rpc.calls), "clients": server.rpc.clients,
            "subscribers": server.stream.subscribers, "tick_ms": server.tick_ms,
        }  # fmt: skip

    def do_freeze(self) -> None:
        self._server.faults.freeze(True)

    def do_thaw(self) -> None:
        self._server.faults.freeze(False)

    def do_die(self) -> None:
        os._exit(1)

    def do_die_in_tick(self) -> None:
        self._server.faults.die_in = "tick_cue"

    def do_delay(self, method: str, seconds: float, times: int = 1) -> None:
        self._server.faults.delays[method] += [seconds] * times

    def do_fail(self, method: str, message: str, times: int = 1) -> None:
        self._server.faults.failures[method] += [message] * times

    def do_no_state(self, on: bool = True) -> None:
        self._server.faults.no_state = on

    def do_malformed_map(self, on: bool = True) -> None:
        self._server.episode_calls.malformed_map = on

    def do_extra_tick(self, times: int = 1) -> dict[str, Any]:
        """As if another client ticked."""
        for _ in range(times):
            self._server.step()
        return {"frame": self._world.frame}

    def do_offer(self, town: str, map: str) -> None:
        """A map that clients may load."""
        self._world.maps[town] = Path(map).read_text()

    def do_load(self, town: str = "", map: str = "") -> dict[str, Any]:
        """As if another client loaded a map: the next state tells of it."""
        town = town or self._world.town
        self._world.load(town, Path(map).read_text() if map else self._world.maps[town])
        return {"episode": self._world.episode}

    def do_spawn(
        self, type_id: str, transform: list[list[float]], attributes: dict[str, str] | None = None,
        path: list[list[float]] | None = None, speed: float | None = None, velocity: list[float] | None = None,
        parent: int = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """As another client would. `path` (x, y of way points) or `speed` alone puts a vehicle on autopilot."""
        actor = self._world.spawn([0, type_id, attribute_list(attributes or {})], transform, parent)
        if actor.vehicle and (path or speed is not None):
            actor.vehicle.drive, actor.vehicle.path = Drive.AUTOPILOT, path or []
            actor.vehicle.cruise = 8.0 if speed is None else speed
        elif actor.vehicle and velocity:
            actor.vehicle.coast(velocity, actor.rotation[1])
            actor.velocity = list(velocity)
        return {"id": actor.id}

    def do_destroy(self, id: int) -> None:
        self._world.destroy(id)

    def do_move(self, id: int, transform: list[list[float]]) -> None:
        self._world.move_to(id, *transform)

    def do_velocity(self, id: int, velocity: list[float]) -> None:
        actor = self._world.actor(id)
        if actor.vehicle is None:
            raise ValueError(f"actor {id} is no vehicle")
        actor.vehicle.coast(velocity, actor.rotation[1])

    def do_dormant(self, id: int, on: bool = True) -> None:
        self._world.actor(id).state = DORMANT if on else ACTIVE

    def do_weather(self, weather: list[float]) -> None:
        self._world.weather = weather

    def do_light(self, id: int, state: int) -> None:
        light = self._world.actor(id).light
        if light is None:
            raise ValueError(f"actor {id} is no traffic light")
        light.state, light.elapsed_s = state, 0.0

    def do_settings(self, settings: list[Any]) -> None:
        self._world.settings = settings
