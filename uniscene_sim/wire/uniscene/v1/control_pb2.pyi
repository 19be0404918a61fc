from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Control(_message.Message):
    __slots__ = ("stamp_us", "drive", "trajectory")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    DRIVE_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    drive: Drive
    trajectory: Trajectory
    def __init__(self, stamp_us: _Optional[int] = ..., drive: _Optional[_Union[Drive, _Mapping]] = ..., trajectory: _Optional[_Union[Trajectory, _Mapping]] = ...) -> None: ...

class Drive(_message.Message):
    __slots__ = ("steer_rad", "accel_mps2", "reverse")
    STEER_RAD_FIELD_NUMBER: _ClassVar[int]
    ACCEL_MPS2_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    steer_rad: float
    accel_mps2: float
    reverse: bool
    def __init__(self, steer_rad: _Optional[float] = ..., accel_mps2: _Optional[float] = ..., reverse: _Optional[bool] = ...) -> None: ...

class Trajectory(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, points: _Optional[_Iterable[float]] = ...) -> None: ...
