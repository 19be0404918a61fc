from uniscene_sim.wire.uniscene.v1 import geometry_pb2 as _geometry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Run(_message.Message):
    __slots__ = ("title", "seed", "engines", "trace", "tick_us", "versions", "open_loop", "drawn")
    class EnginesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class DrawnEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    TICK_US_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_LOOP_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    title: str
    seed: int
    engines: _containers.ScalarMap[str, str]
    trace: str
    tick_us: int
    versions: _containers.ScalarMap[str, str]
    open_loop: bool
    drawn: _containers.ScalarMap[str, str]
    def __init__(self, title: _Optional[str] = ..., seed: _Optional[int] = ..., engines: _Optional[_Mapping[str, str]] = ..., trace: _Optional[str] = ..., tick_us: _Optional[int] = ..., versions: _Optional[_Mapping[str, str]] = ..., open_loop: _Optional[bool] = ..., drawn: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SensorFrame(_message.Message):
    __slots__ = ("stamp_us", "digests", "stages_ms", "records", "sweeps")
    class DigestsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StagesMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    STAGES_MS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SWEEPS_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    digests: _containers.ScalarMap[str, str]
    stages_ms: _containers.ScalarMap[str, float]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    sweeps: _containers.RepeatedCompositeFieldContainer[SweepColumns]
    def __init__(self, stamp_us: _Optional[int] = ..., digests: _Optional[_Mapping[str, str]] = ..., stages_ms: _Optional[_Mapping[str, float]] = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., sweeps: _Optional[_Iterable[_Union[SweepColumns, _Mapping]]] = ...) -> None: ...

class SweepColumns(_message.Message):
    __slots__ = ("sensor", "stamp_us", "columns", "step_m")
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    STEP_M_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    stamp_us: int
    columns: _containers.ScalarMap[str, bytes]
    step_m: float
    def __init__(self, sensor: _Optional[str] = ..., stamp_us: _Optional[int] = ..., columns: _Optional[_Mapping[str, bytes]] = ..., step_m: _Optional[float] = ...) -> None: ...

class CameraBuffers(_message.Message):
    __slots__ = ("sensor", "stamp_us", "width", "height", "planes")
    class PlanesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PLANES_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    stamp_us: int
    width: int
    height: int
    planes: _containers.ScalarMap[str, bytes]
    def __init__(self, sensor: _Optional[str] = ..., stamp_us: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., planes: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("sensor", "kind", "stamp_us", "arrays")
    class ArraysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _geometry_pb2.Array
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_geometry_pb2.Array, _Mapping]] = ...) -> None: ...
    SENSOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    sensor: str
    kind: str
    stamp_us: int
    arrays: _containers.MessageMap[str, _geometry_pb2.Array]
    def __init__(self, sensor: _Optional[str] = ..., kind: _Optional[str] = ..., stamp_us: _Optional[int] = ..., arrays: _Optional[_Mapping[str, _geometry_pb2.Array]] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("stamp_us", "grid", "pose", "labels", "instances")
    STAMP_US_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    stamp_us: int
    grid: Grid
    pose: _geometry_pb2.Pose
    labels: _geometry_pb2.Array
    instances: _geometry_pb2.Array
    def __init__(self, stamp_us: _Optional[int] = ..., grid: _Optional[_Union[Grid, _Mapping]] = ..., pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., labels: _Optional[_Union[_geometry_pb2.Array, _Mapping]] = ..., instances: _Optional[_Union[_geometry_pb2.Array, _Mapping]] = ...) -> None: ...

class Grid(_message.Message):
    __slots__ = ("voxel_m", "shape", "origin")
    VOXEL_M_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    voxel_m: float
    shape: _containers.RepeatedScalarFieldContainer[int]
    origin: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, voxel_m: _Optional[float] = ..., shape: _Optional[_Iterable[int]] = ..., origin: _Optional[_Iterable[float]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("status", "criteria", "details_json")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    DETAILS_JSON_FIELD_NUMBER: _ClassVar[int]
    status: str
    criteria: _containers.RepeatedCompositeFieldContainer[Criterion]
    details_json: str
    def __init__(self, status: _Optional[str] = ..., criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., details_json: _Optional[str] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("name", "expected", "actual", "success", "actor", "optional", "bound")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    name: str
    expected: str
    actual: float
    success: bool
    actor: str
    optional: bool
    bound: float
    def __init__(self, name: _Optional[str] = ..., expected: _Optional[str] = ..., actual: _Optional[float] = ..., success: _Optional[bool] = ..., actor: _Optional[str] = ..., optional: _Optional[bool] = ..., bound: _Optional[float] = ...) -> None: ...
