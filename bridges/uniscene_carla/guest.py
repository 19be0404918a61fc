"""`Guest`: a client on somebody else's server, which it leaves as it was.

What it changes is told to the process that started it, so that it can be put back even if this one is killed: `debts`.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import Any

import carla

from uniscene_carla.address import CarlaAddress
from uniscene_sim.errors import InputError, did_you_mean, one_line, shown

__all__ = ["Guest", "ServerLost", "asking", "pay_debts"]

_TIMEOUT = "while waiting for the simulator"
_REFUSED = "while connecting to"
_FIRST_TICK_S = 2.0  # the first one of a client may go by unseen: it is asked for again after this
_LEAVES_S = 5.0
_SETTINGS = (
    "synchronous_mode", "no_rendering_mode", "fixed_delta_seconds", "substepping", "max_substep_delta_time",
    "max_substeps", "max_culling_distance", "deterministic_ragdolls", "tile_stream_distance", "actor_active_distance",
    "spectator_as_ego",
)  # fmt: skip


class ServerLost(Exception):
    """The server does not answer; says what was asked."""


class asking:
    """Turns what the client raises, always a `RuntimeError`, into `ServerLost` or an `InputError`.

    Args:
        what: was asked for.
        server: HOST:PORT.
    """

    def __init__(self, what: str, server: str):
        self._what, self._server = what, server

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, RuntimeError | IndexError):
            return
        text = one_line(str(error).strip() or type(error).__name__, 200)
        if _TIMEOUT in text or _REFUSED in text:
            raise ServerLost(f"no answer from {self._server} to {self._what}") from None
        raise InputError(f"{self._server} refuses {self._what}: {text}", field="carla://") from None


class Guest:
    """A connection, synchronous mode, and the ego.

    Args:
        address: the server and what is wanted.
        say: called once with each thing worth knowing.
        owe: called with `debts` whenever they change.

    Attributes:
        world: the `carla.World`.
        ego: the `carla.Vehicle`, once `find_ego` was called.
        spawned: whether it was spawned here.

    Raises:
        ServerLost: nobody answers.
        InputError: a server of another version, or one that refuses.
    """

    def __init__(
        self, address: CarlaAddress, say: Callable[[str], None], owe: Callable[[dict[str, Any]], None]
    ) -> None:
        self.address, self._say, self._owe = address, say, owe
        with asking("its version", address.server):
            self.client = carla.Client(address.host, address.port)
            self.client.set_timeout(address.timeout_s)
            self._check_version(self.client.get_server_version(), self.client.get_client_version())
        with asking("its world", address.server):
            self.world = self.client.get_world()
            self.episode: int | None = None  # known from the first state on
            self._before = self.world.get_settings()
        self.ego: Any = None
        self.spawned = False
        self._start: Any = None
        self._manager: Any = None  # CARLA's Traffic Manager, if the ego is on autopilot
        self._entered = False
        self.frame = 0

    @property
    def debts(self) -> dict[str, Any]:
        """What `pay_debts` needs to leave the server as it was."""
        settings = {name: getattr(self._before, name) for name in _SETTINGS if hasattr(self._before, name)}
        return {
            "settings": settings if self._entered else None,
            "actors": [self.ego.id] if self.spawned else [],
            "brakes": [self.ego.id] if self.ego and not self.spawned and self.address.control != "none" else [],
        }

    def take_over(self) -> None:
        """Set synchronous mode and tick once or more, so that the client has seen a state."""
        settings, step_s = self.world.get_settings(), self.address.step_s
        settings.synchronous_mode, settings.fixed_delta_seconds = True, step_s
        if settings.substepping and settings.max_substep_delta_time * settings.max_substeps < step_s:
            settings.max_substeps = round(step_s / settings.max_substep_delta_time + 0.5)
        self._entered = True
        self._owe(self.debts)
        with asking("synchronous mode", self.address.server):
            self.world.apply_settings(settings, self.address.timeout_s)
        with asking("a first tick", self.address.server):
            try:
                self.frame = self.world.tick(min(_FIRST_TICK_S, self.address.timeout_s))
            except RuntimeError:  # went by unseen
                self.frame = self.world.tick(self.address.timeout_s)
            self.episode = self.world.get_snapshot().id

    def tick(self) -> Any:
        """Advance the server by a step, and give the `carla.WorldSnapshot`.

        Raises:
            InputError: the server has another world now, or somebody else ticks it.
        """
        with asking("a tick", self.address.server):
            frame = self.world.tick(self.address.timeout_s)
            snapshot = self.world.get_snapshot()
        if snapshot.id != self.episode:  # that of the world handle stays
            raise InputError(f"{self.address.server} has loaded another world; open it again", field="carla://")
        if frame != self.frame + 1 and self.frame:
            many = f"{frame - self.frame - 1} ticks of others between two of ours"
            raise InputError(f"{self.address.server} had {many}; expected to be the only one who ticks it",
                             field="carla://")  # fmt: skip
        self.frame = frame
        return snapshot

    def find_ego(self, spawn_points: list[Any]) -> None:
        """Attach to the vehicle with the role name, or spawn one.

        Raises:
            InputError: an unknown blueprint, or no free place.
        """
        address, waited = self.address, time.monotonic() + self.address.wait_s
        while (found := self._with_role(address.ego)) is None and time.monotonic() < waited:
            self.tick()
        if found is None:
            found = self._spawn(spawn_points)
            self.spawned = True
        self.ego = found
        self._owe(self.debts)
        if address.control == "autopilot":
            self._start_autopilot()
        self.tick()

    def bring_to_start(self) -> bool:
        """Bring a spawned ego back to where it was spawned, at rest; returns whether there is one."""
        if not self.spawned or self._start is None:
            return False
        with asking("the ego back at its start", self.address.server):
            self.ego.set_target_velocity(carla.Vector3D())
            self.ego.set_transform(self._start)
            self.ego.apply_control(carla.VehicleControl(brake=1.0))
        self.tick()
        return True

    def reload(self) -> None:
        """Load the server's world anew; the ego is gone with all others."""
        if self._manager is not None:
            self._manager.shut_down()
            self._manager = None
        with asking("its world anew", self.address.server):
            self.world = self.client.reload_world(False)
        self.episode, self.frame, self.ego, self.spawned = None, 0, None, False
        self._owe(self.debts)
        self.take_over()

    def leave(self) -> None:
        """Leave the server as it was, as far as it still answers."""
        if self._manager is not None:  # it would abort the process over a vehicle that is gone
            self.ego.set_autopilot(False, self._manager.get_port())
            self._manager.set_synchronous_mode(False)
            self._manager.shut_down()
            self._manager = None
        pay_debts(self.client, self.world, self.debts, min(_LEAVES_S, self.address.timeout_s))
        self.spawned, self._entered, self.ego = False, False, None
        self._owe(self.debts)

    def _start_autopilot(self) -> None:
        """Have a Traffic Manager of our own drive the ego, the same way each time."""
        with asking("an autopilot", self.address.server):
            self._manager = self.client.get_trafficmanager(_free_port())
            self._manager.set_synchronous_mode(True)
            self._manager.set_random_device_seed(0)
            self.ego.set_autopilot(True, self._manager.get_port())

    def _check_version(self, server: str, client: str) -> None:
        of_server, of_client = (re.match(r"\d+\.\d+\.\d+", text) for text in (server, client))
        if of_server is None:
            self._say(f"the server calls its version {shown(server)}, this client is {client}; they may not agree")
        elif of_client is not None and of_server[0] != of_client[0]:
            wanted = f"expected a server of {of_client[0]}, or carla=={of_server[0]} installed here"
            raise InputError(f"{self.address.server} is CARLA {server}; {wanted}", field="carla://")

    def _with_role(self, role: str) -> Any:
        with asking("its vehicles", self.address.server):
            vehicles = self.world.get_actors().filter("vehicle.*")
        found = [one for one in vehicles if one.attributes.get("role_name") == role]
        if len(found) > 1:
            self._say(f"{len(found)} vehicles have the role name {role!r}; the one with the lowest id is taken")
        return min(found, key=lambda one: one.id, default=None)

    def _spawn(self, points: list[Any]) -> Any:
        address = self.address
        with asking("its blueprints", address.server):
            library = {blueprint.id: blueprint for blueprint in self.world.get_blueprint_library().filter("vehicle.*")}
        if address.vehicle not in library:
            hint = did_you_mean(address.vehicle, library)
            raise InputError(f"no blueprint {shown(address.vehicle)}{hint}, has {len(library)} of vehicles",
                             field="carla://vehicle")  # fmt: skip
        blueprint = library[address.vehicle]
        blueprint.set_attribute("role_name", address.ego)
        if address.start is not None and address.start >= len(points):
            raise InputError(f"expected a spawn point of 0 to {len(points) - 1}, got {address.start}",
                             field="carla://start")  # fmt: skip
        for k in range(len(points)) if address.start is None else [address.start]:
            with asking("an ego", address.server):
                actor = self.world.try_spawn_actor(blueprint, points[k])
            if actor is not None:
                if self._start is None:
                    self._say(f"no vehicle has the role name {address.ego!r}: "
                              f"{address.vehicle} was spawned at spawn point {k}")  # fmt: skip
                self._start = points[k]
                return actor
        where = f"spawn point {address.start} is taken" if address.start is not None else "no spawn point is free"
        raise InputError(f"{where} on {address.server}, of {len(points)}", field="carla://start")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def pay_debts(client: Any, world: Any, debts: dict[str, Any], timeout_s: float = _LEAVES_S) -> None:
    """Put back settings, destroy what was spawned, and let vehicles brake that were driven.

    Args:
        client, world: of carla.
        debts: see `Guest.debts`.
        timeout_s: for each answer.

    Raises:
        RuntimeError: the server does not answer.
    """
    client.set_timeout(timeout_s)
    commands = [carla.command.DestroyActor(one) for one in debts["actors"]]
    commands += [carla.command.ApplyVehicleControl(one, carla.VehicleControl(brake=1.0)) for one in debts["brakes"]]
    if commands:
        client.apply_batch_sync(commands, False)
    if debts["settings"] is None:
        return
    settings = world.get_settings()
    for name, value in debts["settings"].items():
        setattr(settings, name, value)
    if settings.synchronous_mode and commands:
        world.tick(timeout_s)  # a destroyed actor leaves with the next one
    world.apply_settings(settings, timeout_s)
