from uniscene_sim.wire.uniscene.v1 import geometry_pb2 as _geometry_pb2
from uniscene_sim.wire.uniscene.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EngineStates(_message.Message):
    __slots__ = ("stamp_us", "queues", "traced")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TRACED_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    queues: _containers.RepeatedCompositeFieldContainer[EngineQueue]
    traced: Delivery
    def __init__(self, stamp_us: _Optional[int] = ..., queues: _Optional[_Iterable[_Union[EngineQueue, _Mapping]]] = ..., traced: _Optional[_Union[Delivery, _Mapping]] = ...) -> None: ...

class EngineQueue(_message.Message):
    __slots__ = ("slot", "state", "started", "moments", "sensors", "grid", "deliveries")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    MOMENTS_FIELD_NUMBER: _ClassVar[int]
    SENSORS_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    slot: str
    state: State
    started: bool
    moments: _containers.RepeatedCompositeFieldContainer[Moment]
    sensors: _containers.RepeatedScalarFieldContainer[str]
    grid: _run_pb2.Grid
    deliveries: _containers.RepeatedCompositeFieldContainer[Delivery]
    def __init__(self, slot: _Optional[str] = ..., state: _Optional[_Union[State, _Mapping]] = ..., started: _Optional[bool] = ..., moments: _Optional[_Iterable[_Union[Moment, _Mapping]]] = ..., sensors: _Optional[_Iterable[str]] = ..., grid: _Optional[_Union[_run_pb2.Grid, _Mapping]] = ..., deliveries: _Optional[_Iterable[_Union[Delivery, _Mapping]]] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("arrays",)
    class ArraysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _geometry_pb2.Array
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_geometry_pb2.Array, _Mapping]] = ...) -> None: ...
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    arrays: _containers.MessageMap[str, _geometry_pb2.Array]
    def __init__(self, arrays: _Optional[_Mapping[str, _geometry_pb2.Array]] = ...) -> None: ...

class Moment(_message.Message):
    __slots__ = ("stamp_us", "since_us", "window")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    SINCE_US_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    since_us: int
    window: Delivery
    def __init__(self, stamp_us: _Optional[int] = ..., since_us: _Optional[int] = ..., window: _Optional[_Union[Delivery, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("due_us", "stamp_us", "records", "window")
    DUE_US_FIELD_NUMBER: _ClassVar[int]
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    due_us: int
    stamp_us: int
    records: _containers.RepeatedCompositeFieldContainer[_run_pb2.Record]
    window: _run_pb2.Window
    def __init__(self, due_us: _Optional[int] = ..., stamp_us: _Optional[int] = ..., records: _Optional[_Iterable[_Union[_run_pb2.Record, _Mapping]]] = ..., window: _Optional[_Union[_run_pb2.Window, _Mapping]] = ...) -> None: ...

class StageDigests(_message.Message):
    __slots__ = ("stamp_us", "layout", "occupancy")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    OCCUPANCY_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    layout: str
    occupancy: str
    def __init__(self, stamp_us: _Optional[int] = ..., layout: _Optional[str] = ..., occupancy: _Optional[str] = ...) -> None: ...
