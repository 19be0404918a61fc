"""Blueprints under their real CARLA names, with plausible sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BOOL, INT, FLOAT, STRING, COLOUR = 1, 2, 3, 4, 5  # types of attributes
MAX_STEER_DEG = 70.0  # front wheels of every vehicle but those that say otherwise


@dataclass(frozen=True)
class Attribute:
    id: str
    type: int
    values: tuple[str, ...]  # recommended ones, the default first
    modifiable: bool = False

    def encoded(self) -> list[Any]:
        return [self.id, self.type, self.values[0], list(self.values), self.modifiable, False]


@dataclass(frozen=True)
class Blueprint:
    """Extents are half sizes in metres. `wheel_base_m` 0: it has no wheels."""

    id: str
    extent_m: tuple[float, float, float]
    attributes: tuple[Attribute, ...] = ()
    tag: int = 0  # semantic, by CityObjectLabel
    wheel_base_m: float = 0.0
    wheel_radius_m: float = 0.35
    max_steer_deg: float = MAX_STEER_DEG
    mass_kg: float = 1800.0
    centred: bool = False  # the origin is in the middle of the box, not below it

    def encoded(self, uid: int) -> list[Any]:
        """ActorDefinition."""
        return [uid, self.id, ",".join(self.id.split(".")), [a.encoded() for a in self.attributes]]


def _role(*names: str) -> Attribute:
    return Attribute("role_name", STRING, names, modifiable=True)


def _vehicle(
    id: str,
    extent_m: tuple[float, float, float],
    base_type: str,
    tag: int,
    wheel_base_m: float,
    *,
    wheels: int = 4,
    generation: int = 2,
    radius_m: float = 0.35,
    special: str = "",
    mass_kg: float = 1800.0,
    object_type: str = "",
    max_steer_deg: float = MAX_STEER_DEG,
) -> Blueprint:
    attributes = (
        _role("autopilot", "scenario", "ego_vehicle"),
        Attribute("sticky_control", BOOL, ("True",), modifiable=True),
        Attribute("terramechanics", BOOL, ("False",), modifiable=True),
        Attribute("object_type", STRING, (object_type,)),
        Attribute("base_type", STRING, (base_type,)),
        Attribute("special_type", STRING, (special,)),
        Attribute("number_of_wheels", INT, (str(wheels),)),
        Attribute("generation", INT, (str(generation),)),
        Attribute("has_lights", BOOL, ("true" if base_type != "bicycle" else "false",)),
        Attribute("has_dynamic_doors", BOOL, ("false",)),
        Attribute("color", COLOUR, ("38,38,38", "180,44,44", "210,210,210"), modifiable=True),
    )
    return Blueprint(id, extent_m, attributes, tag, wheel_base_m, radius_m, max_steer_deg, mass_kg)


def _prop(id: str, extent_m: tuple[float, float, float], size: str) -> Blueprint:
    attributes = (_role("prop"), Attribute("size", STRING, (size,)), Attribute("object_type", STRING, ("",)))
    return Blueprint(id, extent_m, attributes, tag=21)


_ALL = (
    _vehicle("vehicle.lincoln.mkz_2020", (2.446, 0.918, 0.755), "car", 14, 2.85, radius_m=0.35, mass_kg=2040.0),
    _vehicle("vehicle.tesla.model3", (2.396, 1.082, 0.744), "car", 14, 2.88, radius_m=0.37, mass_kg=1845.0),
    _vehicle("vehicle.audi.tt", (2.091, 0.997, 0.693), "car", 14, 2.47, generation=1, mass_kg=1420.0),
    _vehicle("vehicle.carlamotors.firetruck", (4.234, 1.446, 1.714), "truck", 15, 5.0, radius_m=0.5, mass_kg=15000.0,
             special="emergency"),
    _vehicle("vehicle.mitsubishi.fusorosa", (5.137, 1.972, 2.126), "bus", 16, 5.8, radius_m=0.45, mass_kg=6400.0),
    _vehicle("vehicle.mercedes.sprinter", (2.958, 0.994, 1.280), "van", 14, 3.67, mass_kg=2650.0),
    _vehicle("vehicle.harley-davidson.low_rider", (1.178, 0.382, 0.798), "motorcycle", 18, 1.62, wheels=2,
             generation=1, radius_m=0.33, mass_kg=300.0),
    _vehicle("vehicle.bh.crossbike", (0.744, 0.429, 0.895), "bicycle", 19, 1.05, wheels=2, generation=1, mass_kg=90.0),
    # Nobody's vehicle: its `base_type` is none that a reader knows, and its steering is tighter.
    _vehicle("vehicle.acme.hovercraft", (3.0, 1.5, 1.2), "hovercraft", 22, 3.5, wheels=4, max_steer_deg=40.0),
    Blueprint(
        "walker.pedestrian.0001", (0.188, 0.188, 0.93),
        (
            _role("pedestrian"),
            Attribute("gender", STRING, ("female",)),
            Attribute("age", STRING, ("adult",)),
            Attribute("generation", INT, ("1",)),
            Attribute("is_invincible", BOOL, ("true",), modifiable=True),
            Attribute("speed", FLOAT, ("0.0", "1.42", "2.5"), modifiable=True),
        ),
        tag=12, centred=True,
    ),
    Blueprint(
        "walker.pedestrian.0012", (0.188, 0.188, 0.55),
        (
            _role("pedestrian"),
            Attribute("gender", STRING, ("male",)),
            Attribute("age", STRING, ("child",)),
            Attribute("generation", INT, ("1",)),
            Attribute("is_invincible", BOOL, ("true",), modifiable=True),
            Attribute("speed", FLOAT, ("0.0", "1.1", "2.0"), modifiable=True),
        ),
        tag=12, centred=True,
    ),
    _prop("static.prop.trafficcone01", (0.20, 0.20, 0.35), "small"),
    _prop("static.prop.constructioncone", (0.17, 0.17, 0.30), "small"),
    _prop("static.prop.streetbarrier", (0.60, 0.19, 0.53), "medium"),
    _prop("static.prop.shoppingcart", (0.50, 0.30, 0.55), "small"),
    Blueprint("controller.ai.walker", (0.0, 0.0, 0.0), (_role("controller"),)),
)  # fmt: skip
BLUEPRINTS = {blueprint.id: blueprint for blueprint in _ALL}

#: Not to be spawned by clients: what a level itself holds. The boxes are those of the trigger volumes.
LEVEL_BLUEPRINTS = {
    blueprint.id: blueprint
    for blueprint in (
        Blueprint("traffic.traffic_light", (1.5, 1.5, 1.0), tag=7),
        Blueprint("traffic.stop", (1.5, 1.5, 1.0), tag=8),
        Blueprint("traffic.yield", (1.5, 1.5, 1.0), tag=8),
        Blueprint("traffic.speed_limit.50", (1.5, 1.5, 1.0), tag=8),
        Blueprint("spectator", (0.0, 0.0, 0.0)),
    )
}
