"""What an actor of CARLA is in our classes: by what its blueprint says, or else the class nearest in size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log

from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import CLASS_SIZES

__all__ = ["ActorKind", "is_seen", "kind_of_actor"]

#: Actors that are seen; sensors, controllers, signs, lights, the spectator and triggers are not.
_SEEN = ("vehicle.", "walker.pedestrian.", "static.prop.")
_BICYCLES = re.compile(r"crossbike|century|omafiets|bicycle")
_BUILDERS = re.compile(r"excavator|bulldozer|construction_?vehicle|crane")
_CONES = re.compile(r"cone|warningaccident")
_BARRIERS = re.compile(r"barrier|fence|guardrail")
#: `base_type` of blueprints, where size does not matter.
_BASE_TYPES = {
    "car": AgentClass.CAR, "truck": AgentClass.TRUCK, "bus": AgentClass.BUS, "motorcycle": AgentClass.MOTORCYCLE,
    "bicycle": AgentClass.BICYCLE,
}  # fmt: skip
_LONG_VAN_M = 5.5
_LEAST_M = 0.05  # a side shorter than this was not measured: some blueprints have empty boxes
_ROAD_USERS = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.CONSTRUCTION_VEHICLE, AgentClass.BUS)
_THINGS = (AgentClass.BARRIER, AgentClass.TRAFFIC_CONE)


@dataclass(frozen=True)
class ActorKind:
    """Class and size of an actor.

    Attributes:
        size: length, width, height, m; a side that CARLA does not know has the usual length of the class.
        guessed: whether the class is only the nearest in size.
    """

    cls: AgentClass
    size: tuple[float, float, float]
    guessed: bool = False


def is_seen(type_id: str) -> bool:
    """Whether actors of a blueprint are bodies."""
    return type_id.startswith(_SEEN)


def kind_of_actor(type_id: str, attributes: Mapping[str, str], size: Sequence[float]) -> ActorKind:
    """What an actor that is seen is.

    Args:
        type_id: of its blueprint: vehicle.tesla.model3.
        attributes: of its blueprint.
        size: length, width, height of its box, m.
    """
    found = _class_of(type_id, attributes, size)
    among = _ROAD_USERS if type_id.startswith("vehicle.") else _THINGS
    cls = _nearest(size, among) if found is None else found
    usual = CLASS_SIZES[cls]
    sides = tuple(float(given) if _LEAST_M <= given < inf else use for given, use in zip(size, usual, strict=True))
    return ActorKind(cls, (sides[0], sides[1], sides[2]), found is None)


def _class_of(type_id: str, attributes: Mapping[str, str], size: Sequence[float]) -> AgentClass | None:
    if type_id.startswith("walker."):
        return AgentClass.PEDESTRIAN
    if type_id.startswith("static."):
        if _CONES.search(type_id):
            return AgentClass.TRAFFIC_CONE
        return AgentClass.BARRIER if _BARRIERS.search(type_id) else None
    if _BUILDERS.search(type_id):
        return AgentClass.CONSTRUCTION_VEHICLE
    if "trailer" in type_id:
        return AgentClass.TRAILER
    if attributes.get("number_of_wheels") == "2":
        bicycle = attributes.get("base_type") == "bicycle" or _BICYCLES.search(type_id)
        return AgentClass.BICYCLE if bicycle else AgentClass.MOTORCYCLE
    base = attributes.get("base_type", "").lower()
    if base == "van":
        return AgentClass.TRUCK if size[0] > _LONG_VAN_M else AgentClass.CAR
    return _BASE_TYPES.get(base)


def _nearest(size: Sequence[float], among: Sequence[AgentClass]) -> AgentClass:
    """The class whose usual size differs least, as a factor along each side."""
    given = [min(max(float(side), _LEAST_M), 100.0) for side in size]

    def distance(cls: AgentClass) -> float:
        return sum(log(side / usual) ** 2 for side, usual in zip(given, CLASS_SIZES[cls], strict=True))

    return min(among, key=distance)
