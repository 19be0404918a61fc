from uniscene_sim.wire.uniscene.v1 import edit_pb2 as _edit_pb2
from uniscene_sim.wire.uniscene.v1 import layout_pb2 as _layout_pb2
from uniscene_sim.wire.uniscene.v1 import rig_pb2 as _rig_pb2
from uniscene_sim.wire.uniscene.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Request(_message.Message):
    __slots__ = ("open", "world", "map", "prepare", "tick", "flush", "solid")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    WORLD_FIELD_NUMBER: _ClassVar[int]
    MAP_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    SOLID_FIELD_NUMBER: _ClassVar[int]
    open: Open
    world: OpenWorld
    map: MapPiece
    prepare: Prepare
    tick: Tick
    flush: Flush
    solid: TileIndex
    def __init__(self, open: _Optional[_Union[Open, _Mapping]] = ..., world: _Optional[_Union[OpenWorld, _Mapping]] = ..., map: _Optional[_Union[MapPiece, _Mapping]] = ..., prepare: _Optional[_Union[Prepare, _Mapping]] = ..., tick: _Optional[_Union[Tick, _Mapping]] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ..., solid: _Optional[_Union[TileIndex, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("opened", "world", "progress", "frame", "solid")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    WORLD_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    SOLID_FIELD_NUMBER: _ClassVar[int]
    opened: Opened
    world: WorldOpened
    progress: Progress
    frame: Frame
    solid: SolidTile
    def __init__(self, opened: _Optional[_Union[Opened, _Mapping]] = ..., world: _Optional[_Union[WorldOpened, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., frame: _Optional[_Union[Frame, _Mapping]] = ..., solid: _Optional[_Union[SolidTile, _Mapping]] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ("rig", "engines", "trace", "tick_us")
    class EnginesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RIG_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    TICK_US_FIELD_NUMBER: _ClassVar[int]
    rig: _rig_pb2.Rig
    engines: _containers.ScalarMap[str, str]
    trace: str
    tick_us: int
    def __init__(self, rig: _Optional[_Union[_rig_pb2.Rig, _Mapping]] = ..., engines: _Optional[_Mapping[str, str]] = ..., trace: _Optional[str] = ..., tick_us: _Optional[int] = ...) -> None: ...

class Opened(_message.Message):
    __slots__ = ("version", "engines")
    class EnginesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Engine
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Engine, _Mapping]] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    version: str
    engines: _containers.MessageMap[str, Engine]
    def __init__(self, version: _Optional[str] = ..., engines: _Optional[_Mapping[str, Engine]] = ...) -> None: ...

class Engine(_message.Message):
    __slots__ = ("name", "chunk", "latency_ticks")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TICKS_FIELD_NUMBER: _ClassVar[int]
    name: str
    chunk: int
    latency_ticks: int
    def __init__(self, name: _Optional[str] = ..., chunk: _Optional[int] = ..., latency_ticks: _Optional[int] = ...) -> None: ...

class OpenWorld(_message.Message):
    __slots__ = ("world", "map_hash", "seed")
    WORLD_FIELD_NUMBER: _ClassVar[int]
    MAP_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    world: int
    map_hash: bytes
    seed: int
    def __init__(self, world: _Optional[int] = ..., map_hash: _Optional[bytes] = ..., seed: _Optional[int] = ...) -> None: ...

class WorldOpened(_message.Message):
    __slots__ = ("need_map",)
    NEED_MAP_FIELD_NUMBER: _ClassVar[int]
    need_map: bool
    def __init__(self, need_map: _Optional[bool] = ...) -> None: ...

class MapPiece(_message.Message):
    __slots__ = ("part", "last")
    PART_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    part: _layout_pb2.Map
    last: bool
    def __init__(self, part: _Optional[_Union[_layout_pb2.Map, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("world", "path")
    WORLD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    world: int
    path: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, world: _Optional[int] = ..., path: _Optional[_Iterable[float]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("done", "total")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Tick(_message.Message):
    __slots__ = ("worlds", "content", "quiet")
    WORLDS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    QUIET_FIELD_NUMBER: _ClassVar[int]
    worlds: _containers.RepeatedCompositeFieldContainer[WorldTick]
    content: Content
    quiet: bool
    def __init__(self, worlds: _Optional[_Iterable[_Union[WorldTick, _Mapping]]] = ..., content: _Optional[_Union[Content, _Mapping]] = ..., quiet: _Optional[bool] = ...) -> None: ...

class WorldTick(_message.Message):
    __slots__ = ("world", "begin", "layouts")
    WORLD_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    LAYOUTS_FIELD_NUMBER: _ClassVar[int]
    world: int
    begin: bool
    layouts: _containers.RepeatedCompositeFieldContainer[_layout_pb2.LayoutFrame]
    def __init__(self, world: _Optional[int] = ..., begin: _Optional[bool] = ..., layouts: _Optional[_Iterable[_Union[_layout_pb2.LayoutFrame, _Mapping]]] = ...) -> None: ...

class Content(_message.Message):
    __slots__ = ("all_sensors", "sensors", "window")
    ALL_SENSORS_FIELD_NUMBER: _ClassVar[int]
    SENSORS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    all_sensors: bool
    sensors: _containers.RepeatedScalarFieldContainer[str]
    window: _run_pb2.Grid
    def __init__(self, all_sensors: _Optional[bool] = ..., sensors: _Optional[_Iterable[str]] = ..., window: _Optional[_Union[_run_pb2.Grid, _Mapping]] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ("world", "content")
    WORLD_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    world: int
    content: Content
    def __init__(self, world: _Optional[int] = ..., content: _Optional[_Union[Content, _Mapping]] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("world", "records", "window", "more", "stages_ms", "tiles", "at_rest")
    class StagesMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    WORLD_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    STAGES_MS_FIELD_NUMBER: _ClassVar[int]
    TILES_FIELD_NUMBER: _ClassVar[int]
    AT_REST_FIELD_NUMBER: _ClassVar[int]
    world: int
    records: _containers.RepeatedCompositeFieldContainer[_run_pb2.Record]
    window: _run_pb2.Window
    more: bool
    stages_ms: _containers.ScalarMap[str, float]
    tiles: Tiles
    at_rest: bool
    def __init__(self, world: _Optional[int] = ..., records: _Optional[_Iterable[_Union[_run_pb2.Record, _Mapping]]] = ..., window: _Optional[_Union[_run_pb2.Window, _Mapping]] = ..., more: _Optional[bool] = ..., stages_ms: _Optional[_Mapping[str, float]] = ..., tiles: _Optional[_Union[Tiles, _Mapping]] = ..., at_rest: _Optional[bool] = ...) -> None: ...

class Tiles(_message.Message):
    __slots__ = ("made", "from_cache", "stalled_ticks", "worst_stall_ms")
    MADE_FIELD_NUMBER: _ClassVar[int]
    FROM_CACHE_FIELD_NUMBER: _ClassVar[int]
    STALLED_TICKS_FIELD_NUMBER: _ClassVar[int]
    WORST_STALL_MS_FIELD_NUMBER: _ClassVar[int]
    made: int
    from_cache: int
    stalled_ticks: int
    worst_stall_ms: float
    def __init__(self, made: _Optional[int] = ..., from_cache: _Optional[int] = ..., stalled_ticks: _Optional[int] = ..., worst_stall_ms: _Optional[float] = ...) -> None: ...

class TileIndex(_message.Message):
    __slots__ = ("world", "ix", "iy", "edits")
    WORLD_FIELD_NUMBER: _ClassVar[int]
    IX_FIELD_NUMBER: _ClassVar[int]
    IY_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    world: int
    ix: int
    iy: int
    edits: _containers.RepeatedCompositeFieldContainer[_edit_pb2.Edit]
    def __init__(self, world: _Optional[int] = ..., ix: _Optional[int] = ..., iy: _Optional[int] = ..., edits: _Optional[_Iterable[_Union[_edit_pb2.Edit, _Mapping]]] = ...) -> None: ...

class SolidTile(_message.Message):
    __slots__ = ("base_z", "blocks", "cells", "brick_of", "bricks")
    BASE_Z_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    BRICK_OF_FIELD_NUMBER: _ClassVar[int]
    BRICKS_FIELD_NUMBER: _ClassVar[int]
    base_z: float
    blocks: bytes
    cells: bytes
    brick_of: bytes
    bricks: bytes
    def __init__(self, base_z: _Optional[float] = ..., blocks: _Optional[bytes] = ..., cells: _Optional[bytes] = ..., brick_of: _Optional[bytes] = ..., bricks: _Optional[bytes] = ...) -> None: ...
