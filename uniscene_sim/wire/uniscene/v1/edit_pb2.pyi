from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Edit(_message.Message):
    __slots__ = ("add", "remove", "move", "close_lane", "move_crossing", "style", "undo")
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_LANE_FIELD_NUMBER: _ClassVar[int]
    MOVE_CROSSING_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    add: AddAgent
    remove: RemoveAgent
    move: MoveAgent
    close_lane: CloseLane
    move_crossing: MoveCrossing
    style: ChangeStyle
    undo: Undo
    def __init__(self, add: _Optional[_Union[AddAgent, _Mapping]] = ..., remove: _Optional[_Union[RemoveAgent, _Mapping]] = ..., move: _Optional[_Union[MoveAgent, _Mapping]] = ..., close_lane: _Optional[_Union[CloseLane, _Mapping]] = ..., move_crossing: _Optional[_Union[MoveCrossing, _Mapping]] = ..., style: _Optional[_Union[ChangeStyle, _Mapping]] = ..., undo: _Optional[_Union[Undo, _Mapping]] = ...) -> None: ...

class AddAgent(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: AgentSpec
    def __init__(self, agent: _Optional[_Union[AgentSpec, _Mapping]] = ...) -> None: ...

class RemoveAgent(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class MoveAgent(_message.Message):
    __slots__ = ("name", "to")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    name: str
    to: Spawn
    def __init__(self, name: _Optional[str] = ..., to: _Optional[_Union[Spawn, _Mapping]] = ...) -> None: ...

class CloseLane(_message.Message):
    __slots__ = ("at", "length_m", "name")
    AT_FIELD_NUMBER: _ClassVar[int]
    LENGTH_M_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    at: Spawn
    length_m: float
    name: str
    def __init__(self, at: _Optional[_Union[Spawn, _Mapping]] = ..., length_m: _Optional[float] = ..., name: _Optional[str] = ...) -> None: ...

class MoveCrossing(_message.Message):
    __slots__ = ("x", "y", "by")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    by: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., by: _Optional[_Iterable[float]] = ...) -> None: ...

class ChangeStyle(_message.Message):
    __slots__ = ("weather", "time_of_day_h")
    WEATHER_FIELD_NUMBER: _ClassVar[int]
    TIME_OF_DAY_H_FIELD_NUMBER: _ClassVar[int]
    weather: str
    time_of_day_h: float
    def __init__(self, weather: _Optional[str] = ..., time_of_day_h: _Optional[float] = ...) -> None: ...

class Undo(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AgentSpec(_message.Message):
    __slots__ = ("name", "cls", "spawn", "speed_mps", "behaviour", "goal", "size")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLS_FIELD_NUMBER: _ClassVar[int]
    SPAWN_FIELD_NUMBER: _ClassVar[int]
    SPEED_MPS_FIELD_NUMBER: _ClassVar[int]
    BEHAVIOUR_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    name: str
    cls: str
    spawn: Spawn
    speed_mps: float
    behaviour: str
    goal: _containers.RepeatedScalarFieldContainer[float]
    size: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., cls: _Optional[str] = ..., spawn: _Optional[_Union[Spawn, _Mapping]] = ..., speed_mps: _Optional[float] = ..., behaviour: _Optional[str] = ..., goal: _Optional[_Iterable[float]] = ..., size: _Optional[_Iterable[float]] = ...) -> None: ...

class Spawn(_message.Message):
    __slots__ = ("x", "y", "yaw_deg", "relative_to", "ahead_m", "lanes_left", "lateral_m", "opposite", "free")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    YAW_DEG_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_TO_FIELD_NUMBER: _ClassVar[int]
    AHEAD_M_FIELD_NUMBER: _ClassVar[int]
    LANES_LEFT_FIELD_NUMBER: _ClassVar[int]
    LATERAL_M_FIELD_NUMBER: _ClassVar[int]
    OPPOSITE_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    yaw_deg: float
    relative_to: str
    ahead_m: float
    lanes_left: int
    lateral_m: float
    opposite: bool
    free: bool
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., yaw_deg: _Optional[float] = ..., relative_to: _Optional[str] = ..., ahead_m: _Optional[float] = ..., lanes_left: _Optional[int] = ..., lateral_m: _Optional[float] = ..., opposite: _Optional[bool] = ..., free: _Optional[bool] = ...) -> None: ...
