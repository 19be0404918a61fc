"""`Scene`: what is in a server's world, as `LayoutFrame`s in the map's own coordinates.

Everything that does not change is asked for once: a moment takes what the client already has, and no call to the server
but the light states of vehicles and the weather, now and then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import nan
from typing import Any

import carla
import numpy as np

from uniscene_carla.agent_classes import ActorKind, is_seen, kind_of_actor
from uniscene_carla.guest import asking
from uniscene_carla.left_handed import angle_of, box_size, pose_of, rpy_of, vectors, yaw_rate_of
from uniscene_carla.paint import seed_of_colour
from uniscene_carla.weather import style_of_weather
from uniscene_sim.compute.rounding import map_metres, map_radians
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose, rotation_from_rpy
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Light, SignalState
from uniscene_sim.taxonomy import EGO_ID

__all__ = ["MapFacts", "Scene", "ego_vehicle_of"]

_LIGHTS_EVERY, _WEATHER_EVERY = 4, 20  # ticks
_BRAKING = 0.02  # share of the pedal
_FARTHEST_M = 1e6
_BITS = (
    (carla.VehicleLightState.Brake, Light.BRAKE), (carla.VehicleLightState.LeftBlinker, Light.LEFT),
    (carla.VehicleLightState.RightBlinker, Light.RIGHT), (carla.VehicleLightState.LowBeam, Light.HEAD),
    (carla.VehicleLightState.HighBeam, Light.HEAD),
)  # fmt: skip
_STATES = {
    carla.TrafficLightState.Red: SignalState.RED, carla.TrafficLightState.Yellow: SignalState.YELLOW,
    carla.TrafficLightState.Green: SignalState.GREEN,
}  # fmt: skip


@dataclass(frozen=True)
class MapFacts:
    """What layouts need of the map that was read.

    Attributes:
        signals: OpenDRIVE ids of its signals, in their order.
        first_id: of agents; lower ones are those of signal heads and props.
        ref, seed: see `LayoutFrame`.
    """

    signals: Sequence[str]
    first_id: int
    ref: str
    seed: int


@dataclass
class _Known:
    """An actor that is seen."""

    actor: Any
    kind: ActorKind
    foot: np.ndarray  # (3,) m, centre of the box's foot from the actor's origin, right-handed
    number: int
    colour: int
    is_vehicle: bool
    gait: float = 0.0


class Scene:
    """The layouts of a world.

    Args:
        world: the `carla.World`.
        ego: the `carla.Vehicle` that sensors ride on.
        facts: of the map.
        parked: rows of vehicles that are part of the level, see `level_objects.parked_vehicles`.
        say: called once with each thing worth knowing.
        server: HOST:PORT.
    """

    def __init__(
        self,
        world: Any,
        ego: Any,
        facts: MapFacts,
        parked: Sequence[Sequence[float]],
        say: Callable[[str], None],
        server: str,
    ):
        self._world, self._ego, self._facts, self._say, self._server = world, ego, facts, say, server
        self.vehicle, self._axle = ego_vehicle_of(ego, say)
        self._known: dict[int, _Known | None] = {}
        self._lights_of: dict[int, tuple[Any, tuple[int, ...]]] = {}
        self._fresh = iter(range(facts.first_id, EGO_ID))
        self._free: deque[int] = deque()
        self._parked = _parked_agents(parked, self._fresh)
        self._light_bits: dict[int, int] = {}
        self._style = style_of_weather(world.get_weather())
        self._ticks = 0
        self._told: set[str] = set()  # kinds of what was said

    def layout(self, snapshot: Any, step_s: float) -> LayoutFrame:
        """The layout of a moment; its stamp is left to whoever counts the ticks.

        Args:
            snapshot: the `carla.WorldSnapshot`.
            step_s: since the last one.

        Raises:
            InputError: the ego is gone.
        """
        me = snapshot.find(self._ego.id)
        if me is None:
            raise InputError(f"the ego, vehicle {self._ego.id} of {self._server}, is gone", field="carla://ego")
        self._meet(snapshot)
        if self._ticks % _LIGHTS_EVERY == 0:
            self._light_bits = dict(self._world.get_vehicles_light_states())
        if self._ticks % _WEATHER_EVERY == 0 and self._ticks:
            self._style = style_of_weather(self._world.get_weather())
        self._ticks += 1
        numbers = [*_xyz(me.get_velocity()), *_xyz(me.get_acceleration()), me.get_angular_velocity().z]
        try:
            pose = pose_of(me.get_transform()).compose(self._axle)
        except InputError:
            numbers = [nan]
        if not np.isfinite(numbers).all():
            raise InputError(f"the ego, vehicle {self._ego.id} of {self._server}, is nowhere", field="carla://ego")
        acceleration, control = me.get_acceleration(), self._ego.get_control()
        forward = pose.rotation[:, 0]
        velocity = vectors(_xyz(me.get_velocity()))
        rate = yaw_rate_of(me.get_angular_velocity())
        # What the client tells is taken to be of the vehicle's origin; the rear axle is behind it.
        arm = pose.rotation @ self._axle.position
        velocity = velocity + rate * np.array([-arm[1], arm[0], 0.0])
        accel = vectors(_xyz(acceleration)) @ forward - rate * rate * self._axle.x
        return LayoutFrame(
            stamp_us=0,
            ego_pose=pose,
            ego_velocity=velocity,
            ego_yaw_rate=rate,
            ego_accel=float(accel),
            ego_steer=-float(np.nan_to_num(control.steer)) * self.vehicle.max_steer_rad,
            ego_vehicle=self.vehicle,
            agents=self._agents(snapshot, step_s),
            signals=self._signals(),
            route=np.zeros((0, 3)),
            map_ref=self._facts.ref,
            seed=self._facts.seed,
            style=self._style,
        )

    def _meet(self, snapshot: Any) -> None:
        """Ask who those are that were not here before, and forget those that are gone."""
        there = {one.id for one in snapshot}
        for gone in self._known.keys() - there:
            if (was := self._known.pop(gone)) is not None:
                self._free.append(was.number)
        self._lights_of = {number: light for number, light in self._lights_of.items() if number in there}
        new = sorted(there - self._known.keys())
        if not new:
            return
        with asking("its actors", self._server):
            described = list(self._world.get_actors(new))
        for actor in described:
            with suppress(RuntimeError):  # it was destroyed meanwhile, or is asked for again
                self._known[actor.id] = self._kept_of(actor)
        self._add_lights([actor for actor in described if actor.type_id.startswith("traffic.traffic_light")])

    def _kept_of(self, actor: Any) -> _Known | None:
        """What is kept of an actor; None of one that is not seen.

        Raises:
            RuntimeError: it is gone.
        """
        if actor.id == self._ego.id or not is_seen(actor.type_id):
            return None
        box = actor.bounding_box
        size, attributes = box_size(box.extent), actor.attributes
        kind = kind_of_actor(actor.type_id, attributes, size)
        if kind.guessed:
            guess = f"it is taken for a {kind.cls.name.lower()} by its size"
            self._say_once(actor.type_id, f"{actor.type_id} is none of our classes; {guess}")
        number = next(self._fresh, None) or (self._free.popleft() if self._free else None)
        if number is None:
            self._say_once("ids", "has more actors than there are ids; some are left out")
            return None
        foot = np.nan_to_num(vectors(_xyz(box.location)), posinf=0.0, neginf=0.0) - (0.0, 0.0, 0.5 * kind.size[2])
        colour = seed_of_colour(attributes.get("color", ""), number)
        return _Known(actor, kind, foot, number, colour, actor.type_id.startswith("vehicle."))

    def _add_lights(self, lights: Sequence[Any]) -> None:
        """Find the signals of the map that traffic lights are, by their OpenDRIVE ids."""
        at: dict[str, list[int]] = {}
        for index, name in enumerate(self._facts.signals):
            at.setdefault(name, []).append(index)
        unknown = 0
        for light in lights:
            found = at.get(light.get_opendrive_id(), [])
            unknown += not found
            if found:
                self._lights_of[light.id] = light, tuple(found)
        if unknown:
            self._say(f"{unknown} of {len(lights)} traffic lights are no signals of the map; they are left out")

    def _signals(self) -> np.ndarray:
        states = np.zeros(len(self._facts.signals), np.uint8)
        for light, indices in self._lights_of.values():
            state = _STATES.get(light.get_state(), SignalState.OFF)
            for index in indices:
                states[index] = state
        return states

    def _agents(self, snapshot: Any, step_s: float) -> np.ndarray:
        """(N,) AGENT_DTYPE: what moves, and what is parked."""
        seen, rows = [], []
        for one in snapshot:
            known = self._known.get(one.id)
            if known is None:
                continue
            transform, velocity = one.get_transform(), one.get_velocity()
            at, turn = transform.location, transform.rotation
            still = 0.0 if known.actor.is_dormant else 1.0  # asleep: what was known of it stays, but for its speed
            rows.append((at.x, at.y, at.z, turn.pitch, turn.yaw, turn.roll,
                         still * velocity.x, still * velocity.y, still * velocity.z))  # fmt: skip
            seen.append(known)
        table = np.array(rows).reshape(-1, 9)
        placed = np.asarray((np.isfinite(table) & (np.abs(table) < _FARTHEST_M)).all(axis=1))
        if not placed.all():
            seen = [known for known, there in zip(seen, placed.tolist(), strict=True) if there]
            table = table[placed]
            lost = np.count_nonzero(~placed)
            self._say_once("nowhere", f"of {len(placed)} actors {lost} are nowhere; they are left out")
        agents = np.zeros(len(seen), AGENT_DTYPE)
        agents["rpy"], agents["vel"] = map_radians(rpy_of(table[:, 3:6])), map_metres(vectors(table[:, 6:]))
        feet = np.array([known.foot for known in seen]).reshape(-1, 3)
        turned = np.einsum("ijn,nj->ni", rotation_from_rpy(*agents["rpy"].T), feet)  # of all at once
        agents["pos"] = map_metres(vectors(table[:, :3]) + turned)
        speeds = np.hypot(agents["vel"][:, 0], agents["vel"][:, 1]).tolist()
        for known, speed in zip(seen, speeds, strict=True):
            known.gait += speed * step_s
        agents["id"], agents["cls"] = [known.number for known in seen], [known.kind.cls for known in seen]
        agents["size"] = np.array([known.kind.size for known in seen]).reshape(-1, 3)
        agents["gait"], agents["colour"] = [known.gait for known in seen], [known.colour for known in seen]
        agents["lights"] = [self._bits(known) for known in seen]
        agents = agents[np.argsort(agents["id"])]
        return np.concatenate([agents, self._parked]) if len(self._parked) else agents

    def _say_once(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._say(text)

    def _bits(self, known: _Known) -> int:
        if not known.is_vehicle:
            return 0
        state, bits = int(self._light_bits.get(known.actor.id, 0)), 0
        for theirs, ours in _BITS:
            if state & int(theirs):
                bits |= ours
        return bits | (Light.BRAKE if known.actor.get_control().brake > _BRAKING else 0)


def ego_vehicle_of(vehicle: Any, say: Callable[[str], None]) -> tuple[EgoVehicle, Pose]:
    """Body and limits of a `carla.Vehicle`, and base_link, the centre of its rear axle on the ground, in the vehicle's
    own frame. Axles that the server does not tell are guessed from the box, which is said."""
    box, here = vehicle.bounding_box, vehicle.get_transform()
    length, width, height = kind_of_actor(vehicle.type_id, vehicle.attributes, box_size(box.extent)).size
    centre = np.nan_to_num(_xyz(box.location), posinf=0.0, neginf=0.0)
    middle, foot = float(centre[0]), float(centre[2]) - 0.5 * height
    wheels = vehicle.get_physics_control().wheels
    inverse = np.array(here.get_inverse_matrix())
    places = np.array([[0.01 * w.position.x, 0.01 * w.position.y, 0.01 * w.position.z, 1.0] for w in wheels])
    usual = EgoVehicle()
    rear, base, steer = middle - 0.29 * length, 0.61 * length, usual.max_steer_rad
    if len(places) >= 2:
        along = np.sort((places @ inverse.T)[:, 0])
        front_axle, rear_axle = along[len(along) // 2 :].mean(), along[: len(along) // 2].mean()
        if 0.4 * length < front_axle - rear_axle < length:
            rear, base = float(rear_axle), float(front_axle - rear_axle)
        else:
            say(f"{vehicle.type_id} does not tell its axles; they are taken from its box")
        turns = max(float(w.max_steer_angle) for w in wheels)
        if 5.0 <= turns <= 89.0:
            steer = angle_of(turns)
    body = EgoVehicle(
        name=vehicle.type_id, length_m=round(length, 3), width_m=round(width, 3), height_m=round(height, 3),
        wheelbase_m=round(base, 3), rear_axle_to_centre_m=round(middle - rear, 3), max_steer_rad=round(steer, 4),
    )  # fmt: skip
    return body, Pose(rear, 0.0, foot)


def _xyz(vector: Any) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z


def _parked_agents(rows: Sequence[Sequence[float]], numbers: Any) -> np.ndarray:
    """(P,) AGENT_DTYPE of vehicles that are part of the level."""
    agents = np.zeros(len(rows), AGENT_DTYPE)
    for agent, (cls, x, y, z, yaw, *size) in zip(agents, rows, strict=True):
        number = next(numbers)
        agent["id"], agent["cls"], agent["pos"], agent["rpy"] = number, int(cls), (x, y, z), (0.0, 0.0, yaw)
        agent["size"], agent["colour"] = size, seed_of_colour("", number)
    return agents
