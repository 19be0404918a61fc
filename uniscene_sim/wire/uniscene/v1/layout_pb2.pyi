from uniscene_sim.wire.uniscene.v1 import edit_pb2 as _edit_pb2
from uniscene_sim.wire.uniscene.v1 import geometry_pb2 as _geometry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LayoutFrame(_message.Message):
    __slots__ = ("stamp_us", "ego_pose", "ego_velocity", "ego_yaw_rate", "ego_accel", "ego_steer", "ego_vehicle", "agents", "signals", "route", "map_ref", "seed", "style", "events", "edits")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    EGO_POSE_FIELD_NUMBER: _ClassVar[int]
    EGO_VELOCITY_FIELD_NUMBER: _ClassVar[int]
    EGO_YAW_RATE_FIELD_NUMBER: _ClassVar[int]
    EGO_ACCEL_FIELD_NUMBER: _ClassVar[int]
    EGO_STEER_FIELD_NUMBER: _ClassVar[int]
    EGO_VEHICLE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    MAP_REF_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    ego_pose: _geometry_pb2.Pose
    ego_velocity: _containers.RepeatedScalarFieldContainer[float]
    ego_yaw_rate: float
    ego_accel: float
    ego_steer: float
    ego_vehicle: EgoVehicle
    agents: Agents
    signals: bytes
    route: _containers.RepeatedScalarFieldContainer[float]
    map_ref: str
    seed: int
    style: Style
    events: _containers.RepeatedScalarFieldContainer[str]
    edits: _containers.RepeatedCompositeFieldContainer[_edit_pb2.Edit]
    def __init__(self, stamp_us: _Optional[int] = ..., ego_pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., ego_velocity: _Optional[_Iterable[float]] = ..., ego_yaw_rate: _Optional[float] = ..., ego_accel: _Optional[float] = ..., ego_steer: _Optional[float] = ..., ego_vehicle: _Optional[_Union[EgoVehicle, _Mapping]] = ..., agents: _Optional[_Union[Agents, _Mapping]] = ..., signals: _Optional[bytes] = ..., route: _Optional[_Iterable[float]] = ..., map_ref: _Optional[str] = ..., seed: _Optional[int] = ..., style: _Optional[_Union[Style, _Mapping]] = ..., events: _Optional[_Iterable[str]] = ..., edits: _Optional[_Iterable[_Union[_edit_pb2.Edit, _Mapping]]] = ...) -> None: ...

class EgoVehicle(_message.Message):
    __slots__ = ("name", "length_m", "width_m", "height_m", "wheelbase_m", "rear_axle_to_centre_m", "max_steer_rad", "max_steer_rate_rad_s", "max_accel_mps2", "max_brake_mps2", "max_speed_mps", "steer_lag_s", "accel_lag_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LENGTH_M_FIELD_NUMBER: _ClassVar[int]
    WIDTH_M_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_M_FIELD_NUMBER: _ClassVar[int]
    WHEELBASE_M_FIELD_NUMBER: _ClassVar[int]
    REAR_AXLE_TO_CENTRE_M_FIELD_NUMBER: _ClassVar[int]
    MAX_STEER_RAD_FIELD_NUMBER: _ClassVar[int]
    MAX_STEER_RATE_RAD_S_FIELD_NUMBER: _ClassVar[int]
    MAX_ACCEL_MPS2_FIELD_NUMBER: _ClassVar[int]
    MAX_BRAKE_MPS2_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEED_MPS_FIELD_NUMBER: _ClassVar[int]
    STEER_LAG_S_FIELD_NUMBER: _ClassVar[int]
    ACCEL_LAG_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    length_m: float
    width_m: float
    height_m: float
    wheelbase_m: float
    rear_axle_to_centre_m: float
    max_steer_rad: float
    max_steer_rate_rad_s: float
    max_accel_mps2: float
    max_brake_mps2: float
    max_speed_mps: float
    steer_lag_s: float
    accel_lag_s: float
    def __init__(self, name: _Optional[str] = ..., length_m: _Optional[float] = ..., width_m: _Optional[float] = ..., height_m: _Optional[float] = ..., wheelbase_m: _Optional[float] = ..., rear_axle_to_centre_m: _Optional[float] = ..., max_steer_rad: _Optional[float] = ..., max_steer_rate_rad_s: _Optional[float] = ..., max_accel_mps2: _Optional[float] = ..., max_brake_mps2: _Optional[float] = ..., max_speed_mps: _Optional[float] = ..., steer_lag_s: _Optional[float] = ..., accel_lag_s: _Optional[float] = ...) -> None: ...

class Style(_message.Message):
    __slots__ = ("weather", "time_of_day_h", "text")
    WEATHER_FIELD_NUMBER: _ClassVar[int]
    TIME_OF_DAY_H_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    weather: str
    time_of_day_h: float
    text: str
    def __init__(self, weather: _Optional[str] = ..., time_of_day_h: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class Agents(_message.Message):
    __slots__ = ("id", "cls", "pos", "rpy", "size", "vel", "lights", "gait", "colour")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLS_FIELD_NUMBER: _ClassVar[int]
    POS_FIELD_NUMBER: _ClassVar[int]
    RPY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VEL_FIELD_NUMBER: _ClassVar[int]
    LIGHTS_FIELD_NUMBER: _ClassVar[int]
    GAIT_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    id: _containers.RepeatedScalarFieldContainer[int]
    cls: _containers.RepeatedScalarFieldContainer[int]
    pos: _containers.RepeatedScalarFieldContainer[float]
    rpy: _containers.RepeatedScalarFieldContainer[float]
    size: _containers.RepeatedScalarFieldContainer[float]
    vel: _containers.RepeatedScalarFieldContainer[float]
    lights: _containers.RepeatedScalarFieldContainer[int]
    gait: _containers.RepeatedScalarFieldContainer[float]
    colour: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[_Iterable[int]] = ..., cls: _Optional[_Iterable[int]] = ..., pos: _Optional[_Iterable[float]] = ..., rpy: _Optional[_Iterable[float]] = ..., size: _Optional[_Iterable[float]] = ..., vel: _Optional[_Iterable[float]] = ..., lights: _Optional[_Iterable[int]] = ..., gait: _Optional[_Iterable[float]] = ..., colour: _Optional[_Iterable[int]] = ...) -> None: ...

class Map(_message.Message):
    __slots__ = ("ref", "name", "kind", "npz")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Map.Kind]
        VECTOR: _ClassVar[Map.Kind]
        PAINTED: _ClassVar[Map.Kind]
    KIND_UNSPECIFIED: Map.Kind
    VECTOR: Map.Kind
    PAINTED: Map.Kind
    REF_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NPZ_FIELD_NUMBER: _ClassVar[int]
    ref: str
    name: str
    kind: Map.Kind
    npz: bytes
    def __init__(self, ref: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[Map.Kind, str]] = ..., npz: _Optional[bytes] = ...) -> None: ...
