"""`Guest`: a client on somebody else's server, which it leaves as it was.

What it changes is told to the process that started it, see `debts`.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import carla

from uniscene_carla.address import CarlaAddress
from uniscene_carla.debts import Debts
from uniscene_sim.errors import InputError, did_you_mean, one_line, shown

__all__ = ["Guest", "ServerLost", "asking"]

_TIMEOUT = "while waiting for the simulator"
_REFUSED = "while connecting to"
_FIRST_TICK_S = 2.0  # the first one of a client may go by unseen: it is asked for again after this
_LEAVES_S = 5.0
_SETTLES_S, _STANDS_MPS = 3.0, 0.02  # longest time until a spawned vehicle stands, and what standing is
_LISTENS_S = 0.5  # for ticks of others
_MOST_SUBSTEPS = 16  # that CARLA takes


class ServerLost(Exception):
    """The server does not answer; says what was asked."""


@contextmanager
def asking(what: str, server: str) -> Iterator[None]:
    """Turn what the client raises, always a `RuntimeError`, into `ServerLost` or an `InputError`.

    Args:
        what: is asked for.
        server: HOST:PORT.
    """
    try:
        yield
    except RuntimeError as error:
        text = one_line(str(error).strip() or type(error).__name__, 200)
        if _TIMEOUT in text or _REFUSED in text:
            raise ServerLost(f"no answer from {server} to {what}") from None
        raise InputError(f"{server} refuses {what}: {text}", field="carla://") from None


class Guest:
    """A connection, synchronous mode, and the ego.

    Args:
        address: the server and what is wanted.
        say: called with each thing worth knowing.
        owe: called with the `Debts` whenever they change.
        inherited: debts of a client before this one, which lost the server.

    Attributes:
        world: the `carla.World`.
        ego: the `carla.Vehicle`, once `find_ego` was called.
        debts: what is to be put back.

    Raises:
        ServerLost: nobody answers.
        InputError: a server of another version, or one that refuses.
    """

    def __init__(
        self, address: CarlaAddress, say: Callable[[str], None], owe: Callable[[Debts], None], inherited: Debts
    ) -> None:
        self.address, self._say, self._owe = address, say, owe
        self.debts = inherited
        with asking("its version", address.server):
            self.client = carla.Client(address.host, address.port)
            self.client.set_timeout(address.timeout_s)
            self._check_version(self.client.get_server_version(), self.client.get_client_version())
        with asking("its world", address.server):
            self.world = self.client.get_world()
        self.ego: Any = None
        self._start: Any = None  # where it was spawned
        self._manager: Any = None  # CARLA's Traffic Manager, if the ego is on autopilot
        self._is_spawning = False
        self._episode = self._frame = 0

    def take_over(self) -> None:
        """Set synchronous mode and tick once or more, so that the client has seen a state."""
        step_s, server = self.address.step_s, self.address.server
        with asking("its settings", server):
            settings = self.world.get_settings()
        before = Debts.settings_of(settings)
        if settings.synchronous_mode and self.debts.settings is None:
            self._require_nobody_else()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, step_s
        if settings.substepping and settings.max_substep_delta_time * settings.max_substeps < step_s:
            settings.max_substeps = _MOST_SUBSTEPS
            settings.max_substep_delta_time = max(settings.max_substep_delta_time, step_s / _MOST_SUBSTEPS)
        if self.debts.settings is None:
            self._note(replace(self.debts, settings=before))
        with asking("synchronous mode", server):
            self.world.apply_settings(settings, self.address.timeout_s)
        with asking("a first tick", server):
            try:
                self._frame = self.world.tick(min(_FIRST_TICK_S, self.address.timeout_s))
            except RuntimeError:  # went by unseen
                self._frame = self.world.tick(self.address.timeout_s)
            self._episode = self.world.get_snapshot().id
        if self._frame < self.debts.frame:  # it has begun anew since: nothing of the former client is left there
            self._note(Debts(settings=before))

    def tick(self) -> Any:
        """Advance the server by a step, and give the `carla.WorldSnapshot`.

        Raises:
            InputError: the server has another world now, steps otherwise, or somebody else ticks it.
        """
        server, step_s = self.address.server, self.address.step_s
        with asking("a tick", server):
            frame = self.world.tick(self.address.timeout_s)
            snapshot = self.world.get_snapshot()
        if snapshot.id != self._episode:  # that of the world handle stays
            raise InputError(f"{server} has loaded another world; open it again", field="carla://")
        if frame != self._frame + 1:
            why = f"was ticked {frame - self._frame - 1} times between two of our ticks"
            raise InputError(f"{server} {why}; expected nobody else to tick it", field="carla://")
        if abs((took := snapshot.timestamp.delta_seconds) - step_s) > 1e-4:
            raise InputError(f"{server} has made a step of {took:.4g} s, expected {step_s:g}; another client has "
                             "changed its settings", field="carla://")  # fmt: skip
        self._frame = frame
        return snapshot

    def find_ego(self, spawn_points: list[Any]) -> None:
        """Attach to the vehicle with the role name, or spawn one and wait until it stands.

        Raises:
            InputError: an unknown blueprint, or no free place.
        """
        address, until = self.address, time.monotonic() + self.address.wait_s
        while (found := self._with_role(address.ego)) is None and time.monotonic() < until:
            self.tick()
            time.sleep(address.step_s)  # the world goes on at its own pace
        if found is None:
            self.ego = self._spawn(spawn_points)
            self._note(replace(self.debts, spawned=self.ego.id, role=address.ego, frame=self._frame))
            if not address.open_loop:
                self._settle()
        elif found.id == self.debts.spawned:  # by a client before this one
            self.ego = found
        else:
            self.ego = found
            driven = None if address.control == "none" else found.id
            self._note(replace(self.debts, driven=driven, spawned=None, role=address.ego, frame=self._frame))
        if address.control == "autopilot":
            self._start_autopilot()
        self.tick()

    def bring_to_start(self) -> None:
        """Bring a spawned ego back to where it was spawned, at rest; one of others stays."""
        if self.debts.spawned is None or self._start is None:
            return
        with asking("the ego back at its start", self.address.server):
            self.ego.set_transform(self._start)
            self.ego.set_target_velocity(carla.Vector3D())
            self.ego.set_target_angular_velocity(carla.Vector3D())
        if not self.address.open_loop:
            self._settle()

    def reload(self) -> None:
        """Load the server's world anew; the ego is gone with all others."""
        self._stop_autopilot()
        with asking("its world anew", self.address.server):
            self.world = self.client.reload_world(False)
        self.ego = None
        self._note(replace(self.debts, spawned=None, driven=None, frame=0))
        self.take_over()

    def drive(self, control: Any) -> None:
        """Apply a `carla.VehicleControl` even where the client believes that it holds already: what it believes of a
        vehicle that others drove need not be so."""
        with asking("a control", self.address.server):
            self.client.apply_batch_sync([carla.command.ApplyVehicleControl(self.ego.id, control)], False)

    def leave(self) -> None:
        """Leave the server as it was; `debts` are those that could not be paid."""
        self.client.set_timeout(_LEAVES_S)
        with suppress(RuntimeError, InputError, ServerLost):  # if it does not answer, the debts say so
            self._stop_autopilot()
            if self._is_spawning:  # the answer did not come in time; the vehicle may have
                self.world.tick(_LEAVES_S)
                found = self._with_role(self.address.ego)
                self.debts = replace(self.debts, spawned=found and found.id, role=self.address.ego)
        left = self.debts.paid(self.client, self.world, _LEAVES_S)
        self._note(replace(left, frame=self._frame))

    def _note(self, debts: Debts) -> None:
        self.debts = debts
        self._owe(debts)

    def _settle(self) -> None:
        """Brake until the ego stands: spawn points hover above the road."""
        self.drive(carla.VehicleControl(brake=1.0))
        for _ in range(round(_SETTLES_S / self.address.step_s)):
            self.tick()
            if self.ego.get_velocity().length() < _STANDS_MPS:
                break

    def _stop_autopilot(self) -> None:
        """End the Traffic Manager, which would abort the process over a vehicle that is gone."""
        manager, self._manager = self._manager, None
        if manager is not None:
            self.ego.set_autopilot(False, manager.get_port())
            manager.set_synchronous_mode(False)
            manager.shut_down()

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

    def _require_nobody_else(self) -> None:
        """Make sure that a server that waits for ticks gets none of others."""
        with suppress(RuntimeError):  # no tick came
            self.world.wait_for_tick(_LISTENS_S)
            why = "is ticked by another client; expected nobody else to tick it"
            raise InputError(f"{self.address.server} {why}", field="carla://")

    def _with_role(self, role: str) -> Any:
        with asking("its vehicles", self.address.server):
            vehicles = self.world.get_actors().filter("vehicle.*")
        found = [one for one in vehicles if one.attributes.get("role_name") == role]
        if len(found) > 1:
            self._say(f"{len(found)} vehicles have the role name {role!r}; the one with the lowest id is taken")
        return min(found, key=lambda one: one.id, default=None)

    def _spawned_at(self, blueprint: Any, place: Any) -> Any:
        """The vehicle; None if the place is taken."""
        try:
            return self.world.spawn_actor(blueprint, place)
        except RuntimeError as error:
            if "collision" in str(error):
                return None
            raise

    def _spawn(self, points: list[Any]) -> Any:
        address = self.address
        with asking("its blueprints", address.server):
            library = {blueprint.id: blueprint for blueprint in self.world.get_blueprint_library().filter("vehicle.*")}
        if address.vehicle not in library:
            hint = did_you_mean(address.vehicle, library)
            raise InputError(f"no blueprint {shown(address.vehicle)}{hint}, has {len(library)} of vehicles",
                             field="carla://vehicle")  # fmt: skip
        blueprint = library[address.vehicle]
        with asking("a vehicle of this role name", address.server):
            blueprint.set_attribute("role_name", address.ego)
        if address.start is not None and address.start >= len(points):
            raise InputError(f"expected a spawn point of 0 to {len(points) - 1}, got {address.start}",
                             field="carla://start")  # fmt: skip
        for k in range(len(points)) if address.start is None else [address.start]:
            self._is_spawning = True
            with asking("an ego", address.server):
                actor = self._spawned_at(blueprint, points[k])
            self._is_spawning = False
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
