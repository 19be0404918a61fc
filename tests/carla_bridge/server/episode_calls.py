"""RPCs about the episode as a whole: settings, ticks, map, weather, level, Traffic Manager. Each runs with the world to
itself, as in the game thread of a real server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.carla_bridge.server.actors import Vector
from tests.carla_bridge.server.blueprints import BLUEPRINTS
from tests.carla_bridge.server.rpc import CallError, value, void
from tests.carla_bridge.server.stream import token
from tests.carla_bridge.server.world import SETTINGS, SYNCHRONOUS

if TYPE_CHECKING:
    from tests.carla_bridge.server.server import Server

ANY_LABEL = 255
NONSENSE = "<OpenDRIVE><road"


class EpisodeCalls:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._world = server.world
        self._copied = ""
        self._gravity = 9.81
        self.malformed_map = False

    @value
    def version(self) -> str:
        return self._server.version

    @value
    def get_episode_info(self) -> list[Any]:
        return [self._world.episode, [token(self._server.stream_port)]]

    @value
    def get_sensor_token(self, stream: int) -> list[Any]:
        self._server.stream.promise()
        return [token(self._server.stream_port)]

    @value
    def get_episode_settings(self) -> list[Any]:
        return self._world.settings

    @value
    def set_episode_settings(self, settings: list[Any]) -> int:
        self._world.settings = settings
        return self._world.frame

    @value
    def tick_cue(self) -> int:
        began = time.perf_counter()
        if not self._world.settings[SYNCHRONOUS]:
            return self._world.frame + 1
        self._server.stream.await_promised()
        frame = self._server.step()
        self._server.note_tick(time.perf_counter() - began)
        return frame

    @value
    def get_map_info(self) -> list[Any]:
        town = self._world.town
        return [town if "/" in town else f"Carla/Maps/{town}", self._world.spawn_points]

    @value
    def get_map_data(self) -> str:
        return NONSENSE if self.malformed_map else self._world.opendrive

    @value
    def get_required_files(self, folder: str) -> list[str]:
        return []

    @value
    def request_file(self, name: str) -> bytes:
        return b""

    @value
    def get_available_maps(self) -> list[str]:
        return [f"/Game/Carla/Maps/{name}" for name in self._world.maps]

    @void
    def load_new_episode(self, name: str, reset_settings: bool, layers: int) -> None:
        world, town = self._world, name.rpartition("/")[2] or self._world.town
        text = self._copied if town == "OpenDriveMap" else world.maps.get(town)
        if text is None:
            raise CallError(f"Map '{name}' not found")
        if reset_settings:
            world.settings = list(SETTINGS)
        world.load(town, text)

    @void
    def copy_opendrive_to_file(self, text: str, parameters: list[Any]) -> None:
        if "<OpenDRIVE" not in text:
            raise CallError("opendrive could not be correctly parsed")
        self._copied = text

    @void
    def load_map_layer(self, layers: int) -> None: ...

    @void
    def unload_map_layer(self, layers: int) -> None: ...

    @value
    def get_actor_definitions(self) -> list[Any]:
        return [blueprint.encoded(number) for number, blueprint in enumerate(BLUEPRINTS.values(), start=1)]

    @value
    def get_weather_parameters(self) -> list[float]:
        return self._world.weather

    @void
    def set_weather_parameters(self, weather: list[float]) -> None:
        self._world.weather = weather

    @value
    def get_all_level_BBs(self, label: int) -> list[Any]:
        return [thing.box.encoded() for thing in self._world.things if label in (ANY_LABEL, thing.label)]

    @value
    def get_environment_objects(self, label: int) -> list[Any]:
        return [thing.encoded() for thing in self._world.things if label in (ANY_LABEL, thing.label)]

    @void
    def enable_environment_objects(self, numbers: list[int], on: bool) -> None: ...

    @value
    def get_names_of_all_objects(self) -> list[str]:
        return [thing.name for thing in self._world.things]

    @value
    def project_point(self, location: Vector, direction: Vector, distance: float) -> list[Any]:
        """Onto the ground, which is at height zero; straight down only."""
        hits = direction[2] < 0.0 and 0.0 <= location[2] <= distance
        return [hits, [[location[0], location[1], 0.0], 1]]

    @value
    def cast_ray(self, start: Vector, end: Vector) -> list[Any]:
        return []

    @value
    def query_lights_state(self, client: str) -> list[Any]:
        return []

    @void
    def update_lights_state(self, client: str, lights: list[Any], discard: bool) -> None: ...

    @value
    def get_imui_gravity(self) -> float:
        return self._gravity

    @void
    def set_imui_gravity(self, gravity: float) -> None:
        self._gravity = gravity

    @void
    def draw_debug_shape(self, shape: list[Any]) -> None: ...

    @value
    def is_traffic_manager_running(self, port: int) -> bool:
        return False

    @value
    def add_traffic_manager_running(self, where: list[Any]) -> bool:
        return True

    @value
    def get_traffic_manager_running(self, port: int) -> list[Any]:
        return ["", 0]

    @value
    def destroy_traffic_manager(self, port: int) -> bool:
        return False
