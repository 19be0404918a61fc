"""A world of the test server in which one of our scenarios happens: the client drives its ego, in CARLA's frame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.carla_bridge.server.actors import GREEN, OFF, RED, YELLOW, Actor, Vector, attribute_list
from tests.carla_bridge.server.motion import MAX_ACCEL, MAX_BRAKE
from tests.carla_bridge.server.world import World, beside
from uniscene_carla.messages import LAYOUT, put
from uniscene_sim.control import Control
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.maps.signals import signal_heads
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.wire.messages import layout_message
from uniscene_sim.world.episode.edited_world import map_props
from uniscene_sim.world.scenario_source import ScenarioSource

_TYPES = {
    AgentClass.CAR: "vehicle.tesla.model3", AgentClass.TRUCK: "vehicle.carlamotors.firetruck",
    AgentClass.BUS: "vehicle.mitsubishi.fusorosa", AgentClass.MOTORCYCLE: "vehicle.harley-davidson.low_rider",
    AgentClass.BICYCLE: "vehicle.bh.crossbike", AgentClass.PEDESTRIAN: "walker.pedestrian.0001",
    AgentClass.BARRIER: "static.prop.streetbarrier", AgentClass.TRAFFIC_CONE: "static.prop.trafficcone01",
}  # fmt: skip
_LIGHTS = {SignalState.OFF: OFF, SignalState.RED: RED, SignalState.YELLOW: YELLOW, SignalState.GREEN: GREEN}


class ScenarioWorld(World):
    """Args besides those of a `World`:
    scenario: name or file.
    truth: file that the scenario's own layouts are written to, as messages, one for each frame of the server.
    level: whether houses and other things stand on both sides of the road."""

    def __init__(self, town: str, opendrive: str, scenario: str, truth: str = "", level: bool = False) -> None:
        self._level = level
        self._source = ScenarioSource.open(scenario)
        self._source.reset()
        self._source.step(Control(), 100_000)  # kernels are compiled before anybody waits
        #: Heads and props stand in the map, which the client has as well.
        self._standing = len(signal_heads(self._source.map)) + len(map_props(self._source.map))
        self._truth = Path(truth).open("wb") if truth else None
        self._numbers: dict[int, int] = {}  # of actors, by the ids of agents
        self._signals: dict[int, tuple[int, ...]] = {}
        super().__init__(town, opendrive)

    def populate(self) -> None:
        layout = self._source.reset()
        ahead = layout.ego_pose.apply(np.array([24.0, 0.0, 0.0]))
        place, turn = [ahead[0], -ahead[1], ahead[2]], [0.0, -math.degrees(layout.ego_pose.yaw), 0.0]
        around = [thing for side in (1.0, -1.0) for thing in beside(place, turn, side)]
        self.things = [thing for thing in around if self._level and not thing.name.startswith("SM_ParkedCar")]
        ego = self.add("vehicle.lincoln.mkz_2020", _at(0.0, 0.0, 0.0), attribute_list({"role_name": "hero"}))
        vehicle, body = ego.vehicle, layout.ego_vehicle
        assert vehicle is not None
        vehicle.wheel_base, vehicle.max_steer_deg = body.wheelbase_m, math.degrees(body.max_steer_rad)
        # The origin lies between the axles.
        ego.box.location = [body.rear_axle_to_centre_m - 0.5 * body.wheelbase_m, 0.0, 0.5 * body.height_m]
        ego.box.extent = [0.5 * body.length_m, 0.5 * body.width_m, 0.5 * body.height_m]
        self._ego = ego
        self._show(layout)

    def advance(self, delta_s: float) -> None:
        vehicle = self._ego.vehicle
        assert vehicle is not None
        throttle, steer, brake, *_ = vehicle.control
        wanted = Control(-math.radians(steer * vehicle.max_steer_deg), throttle * MAX_ACCEL - brake * MAX_BRAKE)
        self._show(self._source.step(wanted, max(round(100 * delta_s), 1) * 10_000)[-1])

    def _show(self, layout: LayoutFrame) -> None:
        """Put all actors where the layout has them."""
        body, pose = layout.ego_vehicle, layout.ego_pose
        middle = pose.apply(np.array([0.5 * body.wheelbase_m, 0.0, 0.0]))
        turn = layout.ego_yaw_rate * 0.5 * body.wheelbase_m * pose.rotation[:, 1]
        _put(self._ego, middle, (pose.roll, pose.pitch, pose.yaw), layout.ego_velocity + turn)
        self._ego.angular_velocity = [0.0, 0.0, -math.degrees(layout.ego_yaw_rate)]
        inward = layout.ego_yaw_rate**2 * 0.5 * body.wheelbase_m  # of the origin, towards the rear axle
        self._ego.acceleration = ((layout.ego_accel - inward) * pose.rotation[:, 0] * (1.0, -1.0, 1.0)).tolist()
        assert self._ego.vehicle is not None
        self._ego.vehicle.control[1] = -layout.ego_steer / body.max_steer_rad
        there = {int(agent["id"]): agent for agent in layout.agents[self._standing :]}
        for gone in self._numbers.keys() - there.keys():
            self.actors.pop(self._numbers.pop(gone))
        for number, agent in there.items():
            if number not in self._numbers:
                actor = self.add(_TYPES[AgentClass(agent["cls"])], _at(0.0, 0.0, 0.0))
                length, width, height = agent["size"].tolist()
                actor.box.extent = [0.5 * length, 0.5 * width, 0.5 * height]
                actor.box.location = [0.0, 0.0, 0.5 * height]
                self._numbers[number] = actor.id
            _put(self.actors[self._numbers[number]], agent["pos"], agent["rpy"], agent["vel"])
        states = {signal.id: int(layout.signals[signal.index]) for signal in self._source.map.signals}
        for actor, light in self.lights():
            light.state = _LIGHTS[states.get(actor.signal, 0)]
        if self._truth:
            put(self._truth, LAYOUT, layout_message(layout).SerializeToString())


def _at(x: float, y: float, z: float) -> list[Vector]:
    return [[x, y, z], [0.0, 0.0, 0.0]]


def _put(actor: Actor, place: Any, rpy: Any, velocity: Any) -> None:
    """Where an actor is: right-handed, metres and radians."""
    (x, y, z), (roll, pitch, yaw) = (float(v) for v in place), (math.degrees(v) for v in rpy)
    actor.location, actor.rotation = [x, -y, z], [-pitch, -yaw, roll]
    actor.velocity = [float(velocity[0]), -float(velocity[1]), float(velocity[2])]
