"""A client of the test server in synchronous mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import carla

from tests.carla_bridge.serving import CarlaServer

STEP_S = 0.05


class Session(NamedTuple):
    server: CarlaServer
    client: Any
    world: Any

    def spawn(self, blueprint: str, transform: Any | None = None) -> Any:
        """At the first spawn point unless told otherwise, and known to the client."""
        library = self.world.get_blueprint_library()
        actor = self.world.spawn_actor(library.find(blueprint), transform or self.first_point())
        self.world.tick()
        return actor

    def first_point(self) -> Any:
        return self.world.get_map().get_spawn_points()[0]

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.world.tick()


def connected(server: CarlaServer) -> Session:
    client = carla.Client("127.0.0.1", server.port)
    client.set_timeout(5.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP_S
    world.apply_settings(settings)
    return Session(server, client, world)


def comes(what: Callable[[], bool]) -> bool:
    """Whether it becomes true within five seconds."""
    end = time.monotonic() + 5.0
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
