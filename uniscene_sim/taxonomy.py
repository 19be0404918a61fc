"""Classes and their numbers: occupancy classes, layout channels, agent classes and materials."""

from enum import IntEnum

import numpy as np

__all__ = [
    "AGENT_OCC_CLASS",
    "EGO_ID",
    "GROUND_CLASSES",
    "IS_ROAD_MARKING",
    "MATERIAL_LABEL",
    "MATERIAL_RGB",
    "OCC_RGB",
    "AgentClass",
    "Material",
    "OccClass",
    "PointCause",
]

#: Instance id of the ego's own body, where a sensor shows it.
EGO_ID = 65_535


class OccClass(IntEnum):
    """Occupancy classes: 0-16 as Occ3D-nuScenes, then three map classes, then free."""

    OTHERS = 0
    BARRIER = 1
    BICYCLE = 2
    BUS = 3
    CAR = 4
    CONSTRUCTION_VEHICLE = 5
    MOTORCYCLE = 6
    PEDESTRIAN = 7
    TRAFFIC_CONE = 8
    TRAILER = 9
    TRUCK = 10
    DRIVEABLE_SURFACE = 11
    OTHER_FLAT = 12
    SIDEWALK = 13
    TERRAIN = 14
    MANMADE = 15
    VEGETATION = 16
    PED_CROSSING = 17
    ROAD_DIVIDER = 18
    LANE_DIVIDER = 19
    FREE = 20


#: Classes that are ground.
GROUND_CLASSES = (
    OccClass.DRIVEABLE_SURFACE, OccClass.OTHER_FLAT, OccClass.SIDEWALK, OccClass.TERRAIN, OccClass.PED_CROSSING,
    OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER,
)  # fmt: skip


class PointCause(IntEnum):
    """What a LiDAR's point is a return of."""

    SURFACE = 0  # of the world or of an agent, where it is
    AIR = 1  # rain, snow, fog
    EGO = 2  # the ego's own body
    GHOST = 3  # nothing is there: a mirror image, or the glare of a retro-reflector in the beams around it
    ROOM = 4  # the room behind a window, where the world itself is solid


class AgentClass(IntEnum):
    """What can move or be placed: agents and static objects of the map."""

    CAR = 0
    TRUCK = 1
    CONSTRUCTION_VEHICLE = 2
    BUS = 3
    TRAILER = 4
    MOTORCYCLE = 5
    BICYCLE = 6
    PEDESTRIAN = 7
    BARRIER = 8
    TRAFFIC_CONE = 9
    SIGNAL_HEAD = 10  # the lamp box of a traffic light, lit by its state


#: Occupancy class of each agent class, indexed by `AgentClass`.
AGENT_OCC_CLASS = np.array(
    [
        OccClass.CAR,
        OccClass.TRUCK,
        OccClass.CONSTRUCTION_VEHICLE,
        OccClass.BUS,
        OccClass.TRAILER,
        OccClass.MOTORCYCLE,
        OccClass.BICYCLE,
        OccClass.PEDESTRIAN,
        OccClass.BARRIER,
        OccClass.TRAFFIC_CONE,
        OccClass.MANMADE,
    ],
    dtype=np.uint8,
)


class Material(IntEnum):
    """What a surface is made of. Numbers below `OccClass.FREE` are the classes themselves in a default appearance, so
    that a generator of labels can write them as materials unchanged; from 32 on, finer materials of those classes."""

    NONE = 20  # empty
    # ground
    ASPHALT = 32
    ASPHALT_OLD = 33
    LINE_WHITE = 34  # divides lanes of one direction
    LINE_YELLOW = 35  # divides directions
    STOP_LINE = 36
    CROSSING_STRIPE = 37
    CROSSING_GAP = 38
    PAVING = 39  # walkway
    KERB = 40
    GRASS = 41
    SOIL = 42
    PARKING = 43
    MEDIAN = 44
    ARROW = 45
    EDGE_LINE = 46  # white line at the edge of the carriageway
    CENTRE_LINE_WHITE = 47  # divides directions, painted white
    LINE_BLUE = 48
    LINE_RED = 49
    LINE_ORANGE = 50
    LINE_GREEN = 51
    LINE_VIOLET = 52
    # buildings
    WALL_BRICK = 64
    WALL_PLASTER = 65
    WALL_CONCRETE = 66
    WALL_SAND = 67
    WALL_BLUE = 68
    WINDOW = 69
    DOOR = 70
    ROOF_TILE = 71
    ROOF_FLAT = 72
    ROOF_SLATE = 73
    CHIMNEY = 74
    SHOP_FRONT = 75
    ROOM = 76  # behind a window: in no map, seen by LiDARs alone
    # street furniture
    POLE = 80
    FENCE = 81
    SIGN_WHITE = 82
    SIGN_RED = 83
    SIGN_BLUE = 84
    BENCH = 85
    BRIDGE = 86
    GUARD_RAIL = 87
    LAMP = 88
    SIGN_YELLOW = 89
    # vegetation
    TRUNK = 96
    FOLIAGE = 97
    FOLIAGE_DARK = 98
    HEDGE = 99
    FOLIAGE_LIGHT = 100
    # agents; BODY takes the colour of the agent
    BODY = 112
    GLASS = 113
    TYRE = 114
    RIM = 115
    HEADLIGHT = 116
    TAILLIGHT = 117
    CLOTH_UPPER = 118
    CLOTH_LOWER = 119
    SKIN = 120
    HAIR = 121
    CARGO = 122
    CHROME = 123
    CONE_ORANGE = 124
    CONE_WHITE = 125
    BARRIER_RED = 126
    BARRIER_WHITE = 127
    LAMP_RED = 128
    LAMP_YELLOW = 129
    LAMP_GREEN = 130
    SIGNAL_HOUSING = 131
    INDICATOR_LEFT = 132
    INDICATOR_RIGHT = 133
    BODY_TRIM = 134  # bumpers, sills, mirrors


_O, _M = OccClass, Material

#: Preview colour of each class as RGB, indexed by `OccClass`.
OCC_RGB = np.array(
    [
        (0, 0, 0),
        (112, 128, 144),
        (220, 20, 60),
        (255, 127, 80),
        (255, 158, 0),
        (233, 150, 70),
        (255, 61, 99),
        (0, 0, 230),
        (47, 79, 79),
        (255, 140, 0),
        (255, 99, 71),
        (96, 96, 104),
        (175, 0, 75),
        (160, 120, 160),
        (112, 180, 60),
        (222, 184, 135),
        (0, 175, 0),
        (240, 240, 240),
        (250, 200, 40),
        (200, 200, 220),
        (255, 255, 255),
    ],
    dtype=np.uint8,
)

_FINE: dict[Material, tuple[OccClass, tuple[int, int, int]]] = {
    _M.ASPHALT: (_O.DRIVEABLE_SURFACE, (74, 75, 78)),
    _M.ASPHALT_OLD: (_O.DRIVEABLE_SURFACE, (92, 91, 89)),
    _M.LINE_WHITE: (_O.LANE_DIVIDER, (222, 222, 218)),
    _M.LINE_YELLOW: (_O.ROAD_DIVIDER, (214, 168, 52)),
    _M.STOP_LINE: (_O.DRIVEABLE_SURFACE, (228, 228, 226)),
    _M.CROSSING_STRIPE: (_O.PED_CROSSING, (226, 226, 222)),
    _M.CROSSING_GAP: (_O.PED_CROSSING, (78, 78, 80)),
    _M.PAVING: (_O.SIDEWALK, (158, 153, 146)),
    _M.KERB: (_O.SIDEWALK, (186, 184, 178)),
    _M.GRASS: (_O.TERRAIN, (96, 126, 62)),
    _M.SOIL: (_O.TERRAIN, (128, 108, 80)),
    _M.PARKING: (_O.DRIVEABLE_SURFACE, (104, 100, 100)),
    _M.MEDIAN: (_O.OTHER_FLAT, (132, 134, 118)),
    _M.ARROW: (_O.DRIVEABLE_SURFACE, (220, 220, 216)),
    _M.EDGE_LINE: (_O.DRIVEABLE_SURFACE, (216, 216, 212)),
    _M.CENTRE_LINE_WHITE: (_O.ROAD_DIVIDER, (222, 222, 218)),
    _M.LINE_BLUE: (_O.LANE_DIVIDER, (40, 84, 170)),
    _M.LINE_RED: (_O.LANE_DIVIDER, (176, 40, 40)),
    _M.LINE_ORANGE: (_O.LANE_DIVIDER, (224, 124, 40)),
    _M.LINE_GREEN: (_O.LANE_DIVIDER, (52, 136, 76)),
    _M.LINE_VIOLET: (_O.LANE_DIVIDER, (120, 70, 150)),
    _M.WALL_BRICK: (_O.MANMADE, (150, 84, 66)),
    _M.WALL_PLASTER: (_O.MANMADE, (216, 206, 186)),
    _M.WALL_CONCRETE: (_O.MANMADE, (164, 164, 160)),
    _M.WALL_SAND: (_O.MANMADE, (204, 172, 124)),
    _M.WALL_BLUE: (_O.MANMADE, (150, 168, 180)),
    _M.WINDOW: (_O.MANMADE, (66, 88, 108)),
    _M.DOOR: (_O.MANMADE, (88, 60, 44)),
    _M.ROOF_TILE: (_O.MANMADE, (152, 70, 50)),
    _M.ROOF_FLAT: (_O.MANMADE, (120, 118, 116)),
    _M.ROOF_SLATE: (_O.MANMADE, (76, 80, 90)),
    _M.CHIMNEY: (_O.MANMADE, (118, 70, 58)),
    _M.SHOP_FRONT: (_O.MANMADE, (120, 150, 160)),
    _M.ROOM: (_O.MANMADE, (180, 172, 160)),
    _M.POLE: (_O.MANMADE, (112, 114, 116)),
    _M.FENCE: (_O.MANMADE, (134, 104, 72)),
    _M.SIGN_WHITE: (_O.MANMADE, (236, 236, 236)),
    _M.SIGN_RED: (_O.MANMADE, (196, 32, 36)),
    _M.SIGN_BLUE: (_O.MANMADE, (32, 84, 170)),
    _M.SIGN_YELLOW: (_O.MANMADE, (240, 196, 40)),
    _M.BENCH: (_O.MANMADE, (126, 88, 56)),
    _M.BRIDGE: (_O.MANMADE, (150, 148, 144)),
    _M.GUARD_RAIL: (_O.BARRIER, (172, 176, 180)),
    _M.LAMP: (_O.MANMADE, (244, 240, 220)),
    _M.TRUNK: (_O.VEGETATION, (92, 70, 50)),
    _M.FOLIAGE: (_O.VEGETATION, (72, 116, 46)),
    _M.FOLIAGE_DARK: (_O.VEGETATION, (46, 84, 44)),
    _M.FOLIAGE_LIGHT: (_O.VEGETATION, (112, 142, 60)),
    _M.HEDGE: (_O.VEGETATION, (60, 98, 48)),
    _M.BODY: (_O.CAR, (150, 30, 34)),
    _M.BODY_TRIM: (_O.CAR, (48, 48, 52)),
    _M.GLASS: (_O.CAR, (42, 56, 66)),
    _M.TYRE: (_O.CAR, (26, 26, 28)),
    _M.RIM: (_O.CAR, (150, 152, 156)),
    _M.HEADLIGHT: (_O.CAR, (236, 236, 226)),
    _M.TAILLIGHT: (_O.CAR, (150, 16, 20)),
    _M.CLOTH_UPPER: (_O.PEDESTRIAN, (120, 60, 70)),
    _M.CLOTH_LOWER: (_O.PEDESTRIAN, (48, 56, 80)),
    _M.SKIN: (_O.PEDESTRIAN, (200, 156, 128)),
    _M.HAIR: (_O.PEDESTRIAN, (62, 44, 32)),
    _M.CARGO: (_O.TRUCK, (214, 214, 210)),
    _M.CHROME: (_O.CAR, (190, 192, 196)),
    _M.CONE_ORANGE: (_O.TRAFFIC_CONE, (236, 96, 28)),
    _M.CONE_WHITE: (_O.TRAFFIC_CONE, (240, 240, 236)),
    _M.BARRIER_RED: (_O.BARRIER, (204, 44, 40)),
    _M.BARRIER_WHITE: (_O.BARRIER, (236, 236, 232)),
    _M.LAMP_RED: (_O.MANMADE, (255, 40, 30)),
    _M.LAMP_YELLOW: (_O.MANMADE, (255, 190, 30)),
    _M.LAMP_GREEN: (_O.MANMADE, (40, 235, 110)),
    _M.SIGNAL_HOUSING: (_O.MANMADE, (34, 38, 34)),
    _M.INDICATOR_LEFT: (_O.CAR, (232, 140, 24)),
    _M.INDICATOR_RIGHT: (_O.CAR, (232, 140, 24)),
}

#: Occupancy class of each material, indexed by material number (agents take their own class instead).
MATERIAL_LABEL = np.zeros(256, dtype=np.uint8)
#: Diffuse colour of each material as RGB, indexed by material number.
MATERIAL_RGB = np.zeros((256, 3), dtype=np.uint8)
MATERIAL_LABEL[: len(OccClass)] = np.arange(len(OccClass))
MATERIAL_RGB[: len(OccClass)] = OCC_RGB
for _material, (_label, _rgb) in _FINE.items():
    MATERIAL_LABEL[_material] = _label
    MATERIAL_RGB[_material] = _rgb

#: What is painted on a road: lines of all kinds, and the whole of a crossing.
_MARKINGS = (
    _O.PED_CROSSING, _O.ROAD_DIVIDER, _O.LANE_DIVIDER, _M.LINE_WHITE, _M.LINE_YELLOW, _M.STOP_LINE,
    _M.CROSSING_STRIPE, _M.CROSSING_GAP, _M.ARROW, _M.EDGE_LINE, _M.CENTRE_LINE_WHITE, _M.LINE_BLUE, _M.LINE_RED,
    _M.LINE_ORANGE, _M.LINE_GREEN, _M.LINE_VIOLET,
)  # fmt: skip
#: Whether a material is a road marking, indexed by material number.
IS_ROAD_MARKING = np.isin(np.arange(256), _MARKINGS)
