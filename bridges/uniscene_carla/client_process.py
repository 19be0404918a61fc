"""The process that `carla.Client` lives in: it takes orders on stdin and answers on stdout, see `messages`.

It ends, and leaves the server as it was, when it is told to or when nobody gives orders any more, however that came.

- `begin`, with what was read of the map: becomes the one who ticks, finds the ego, answers with facts and a layout.
- a control: applies it, ticks once, answers with a layout.
- `reset`: brings the ego back or loads the world anew, answers with a layout.
- `leave`: leaves, answers.

With `--pay` it pays the debts of a process before it that was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import carla
import numpy as np

from uniscene_carla import messages
from uniscene_carla.address import CarlaAddress
from uniscene_carla.debts import Debts
from uniscene_carla.guest import Guest, ServerLost, asking
from uniscene_carla.left_handed import pose_of
from uniscene_carla.level_objects import boxes_of_level, parked_vehicles
from uniscene_carla.scene import MapFacts, Scene
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, said
from uniscene_sim.layout import EgoVehicle, LayoutFrame
from uniscene_sim.storage.interrupts import STOP_SIGNALS
from uniscene_sim.wire.messages import control_of, layout_message
from uniscene_sim.wire.uniscene.v1.control_pb2 import Control as ControlMessage

__all__ = ["main"]

_PAYS_S = 10.0  # for each answer, where debts of another process are paid
_AHEAD_S = 1.0  # the speed that an Ackermann control asks for is the one after this time


class Session:
    """What orders are carried out with: a guest on a server, and its scene.

    Args:
        address: the server and what is wanted.
        inherited: debts of a client before this one.
        tell: sends an answer.
    """

    def __init__(self, address: CarlaAddress, inherited: Debts, tell: Callable[..., None]):
        self._address, self._tell = address, tell
        self._guest = Guest(address, lambda text: tell(said=text), lambda debts: tell(debts=asdict(debts)), inherited)
        self._scene: Any = None
        self._facts: MapFacts | None = None
        self._parked: list[list[float]] = []
        self._speed = 0.0
        self._begins = True  # whether the next control is the first one

    def describe(self) -> None:
        """Tell the map, and what stands in the level."""
        guest, server = self._guest, self._address.server
        with asking("its map", server):
            self._map = guest.world.get_map()
            text = self._map.to_opendrive()
        standing: dict[str, list[list[float]]] = {}
        with asking("what stands there", server):
            if self._address.surroundings == "server":
                standing = boxes_of_level(guest.world)
            self._parked = parked_vehicles(guest.world)
        self._tell(
            world={"map": self._map.name.rpartition("/")[2][:60] or "map", "opendrive": text, "standing": standing}
        )

    def begin(self, facts: MapFacts) -> LayoutFrame:
        """Become the one who ticks, find the ego, and give the first layout."""
        self._facts = facts
        self._guest.take_over()
        return self._enter()

    def reset(self) -> LayoutFrame:
        how = self._address.reset
        if how == "world" and self._guest.debts.spawned is not None:
            self._guest.reload()
            return self._enter()
        if how == "start":
            self._guest.bring_to_start()
        self._begins = True
        return self._layout(self._guest.world.get_snapshot())

    def tick(self, control: Control) -> LayoutFrame:
        if not self._address.open_loop:
            self._drive(control)
        return self._layout(self._guest.tick())

    def leave(self) -> Debts:
        """Leave the server; what could not be put back."""
        self._guest.leave()
        return self._guest.debts

    def _enter(self) -> LayoutFrame:
        guest, facts = self._guest, self._facts
        assert facts is not None
        with asking("its spawn points", self._address.server):
            points = self._map.get_spawn_points()
        goal = self._address.goal
        if goal is not None and goal >= len(points):
            raise InputError(f"expected a spawn point of 0 to {len(points) - 1}, got {goal}", field="carla://goal")
        guest.find_ego(points)
        with asking("its actors", self._address.server):
            self._scene = Scene(guest.world, guest.ego, facts, self._parked, lambda text: self._tell(said=text),
                                self._address.server)  # fmt: skip
            first = self._layout(guest.world.get_snapshot())
        place = None if goal is None else pose_of(points[goal])
        self._tell(ready={"goal": None if place is None else list(vars(place).values())})
        return first

    def _layout(self, snapshot: Any) -> LayoutFrame:
        with asking("its actors", self._address.server):
            layout: LayoutFrame = self._scene.layout(snapshot, self._address.step_s)
        self._speed = float(layout.ego_velocity @ layout.ego_pose.rotation[:, 0])
        return layout

    def _drive(self, control: Control) -> None:
        ego, vehicle = self._guest.ego, self._scene.vehicle
        if self._address.control == "ackermann":
            with asking("a control", self._address.server):
                ego.apply_ackermann_control(ackermann_control(control, self._speed))
        elif self._begins:
            self._guest.drive(vehicle_control(control, vehicle))
        else:
            with asking("a control", self._address.server):
                ego.apply_control(vehicle_control(control, vehicle))
        self._begins = False


def vehicle_control(control: Control, vehicle: EgoVehicle) -> Any:
    """Throttle, brake and steer of a control, as shares of the vehicle's limits."""
    steer = -control.steer_rad / vehicle.max_steer_rad
    throttle, brake = control.accel_mps2 / vehicle.max_accel_mps2, -control.accel_mps2 / vehicle.max_brake_mps2
    return carla.VehicleControl(
        throttle=float(np.clip(throttle, 0.0, 1.0)),
        steer=float(np.clip(steer, -1.0, 1.0)),
        brake=float(np.clip(brake, 0.0, 1.0)),
        reverse=bool(control.reverse),
    )


def ackermann_control(control: Control, speed: float) -> Any:
    """The Ackermann control that accelerates as a control says, from a speed in m/s."""
    wanted = max(speed + control.accel_mps2 * _AHEAD_S, 0.0)
    return carla.VehicleAckermannControl(steer=-control.steer_rad, speed=wanted, acceleration=abs(control.accel_mps2))


def main() -> int:
    """Carry out orders until there are none; 0, or 1 after an error, which was told."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the client prints, too
    for number in STOP_SIGNALS:  # of the terminal; the process that gives the orders decides
        signal.signal(number, signal.SIG_IGN)

    def tell(**values: Any) -> None:
        messages.put_json(answers, **values)

    given = json.loads(sys.argv[-1])
    address, debts = CarlaAddress(**given["address"]), Debts(**given["debts"])
    if sys.argv[1] == "--pay":
        return _pay(address, debts)
    session: Session | None = None
    last: dict[str, Any] = {"left": True}
    try:
        session = Session(address, debts, tell)
        session.describe()
        _serve(session, answers, tell)
    except (EOFError, BrokenPipeError):
        pass  # nobody gives orders any more
    except ServerLost as error:
        last = {"lost": str(error)}
    except InputError as error:
        last = {"refused": {"message": error.message, "field": error.field}}
    except Exception as error:  # whatever it is, the server is to be left as it was
        traceback.print_exc()
        last = {"lost": f"the client of {address.server} failed: {said(error)}"}
    return _end(session, tell, last)


def _serve(session: Session, answers: Any, tell: Callable[..., None]) -> None:
    """Carry out orders until told to leave."""
    while True:
        kind, body = messages.take(sys.stdin.buffer)
        if kind == messages.CONTROL:
            control = control_of(ControlMessage.FromString(body))
            assert isinstance(control, Control)
            layout = session.tick(control)
        else:
            order = json.loads(body)
            match order.pop("do"):
                case "begin":
                    layout = session.begin(MapFacts(**order))
                case "reset":
                    layout = session.reset()
                case _:
                    return
        messages.put(answers, messages.LAYOUT, layout_message(layout).SerializeToString())


def _end(session: Session | None, tell: Callable[..., None], last: dict[str, Any]) -> int:
    """Leave the server, then say how it ended."""
    with suppress(OSError):  # nobody listens any more
        if session is not None and session.leave():
            last |= {"owing": True}
        tell(**last)
    return int("left" not in last)


def _pay(address: CarlaAddress, debts: Debts) -> int:
    """Pay the debts of a client that was killed; 0 if all are paid."""
    client = carla.Client(address.host, address.port)
    client.set_timeout(_PAYS_S)
    try:
        return int(bool(debts.paid(client, client.get_world(), _PAYS_S)))
    except RuntimeError:
        return 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # the client's threads may abort a process that ends as usual
