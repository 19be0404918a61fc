"""`ServedSession`: one client's rig, engines and worlds on the server, request by request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np

from uniscene_sim import plugins
from uniscene_sim.control import Control
from uniscene_sim.engine_support.late_frames import EngineQueue, chunk_of, latency_ticks_of
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.limits.bounds import EDITS
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.occupancy.tile_store import tiles_along
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.remote.library import MIB, VERSION
from uniscene_sim.remote.limits import ServerLimits
from uniscene_sim.remote.places import Place, Places
from uniscene_sim.remote.strangers import check_engine, check_path, check_rig, check_window
from uniscene_sim.simulator import TRACE_MODES, Simulator, prefetch_range_m, sense
from uniscene_sim.wire.by_name import parse
from uniscene_sim.wire.checks import check_layout
from uniscene_sim.wire.edits import edit_of
from uniscene_sim.wire.messages import fill_record, layout_of, rig_of
from uniscene_sim.wire.service import content_of, solid_message, tile_stats_message
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map as MapMessage
from uniscene_sim.wire.windows import fill_window

__all__ = ["ServedSession"]

#: Records are gathered into pieces of about this size, bytes, so that one travels while the next is packed.
_PIECE = MIB
_MOST_TICK_US = 3_600_000_000


class ServedSession:
    """Answers the requests of a client, in order.

    Args:
        places: maps and tiles, shared by all sessions.
        limits: bounds.
        rendering: held while engines run, of which one set runs at a time.
        renamed: engines of this server in place of those that clients name.
    """

    def __init__(self, places: Places, limits: ServerLimits, rendering: Lock, renamed: dict[str, str]):
        self._places, self._limits, self._rendering, self._renamed = places, limits, rendering, renamed
        self._opening: pb.Open | None = None
        self._worlds: dict[int, Simulator[Any]] = {}
        self._awaited: tuple[pb.OpenWorld, MapMessage] | None = None

    def answers(self, requests: Iterator[bytes]) -> Iterator[pb.Reply]:
        """The replies.

        Raises:
            InputError: a request cannot be answered; the session is over.
        """
        handlers: dict[str, Callable[[Any], Iterator[pb.Reply]]] = {
            "open": self._open,
            "world": self._open_world,
            "map": self._take_map,
            "prepare": self._prepare,
            "tick": self._tick,
            "flush": self._flush,
            "solid": self._solid,
        }
        for data in requests:
            request = parse(pb.Request, data, "Request")
            kind = request.WhichOneof("what") or ""
            if kind not in handlers or (kind == "open") != (self._opening is None):
                raise InputError(f"expected {'open' if self._opening is None else 'another one'}", field="Request")
            yield from handlers[kind](getattr(request, kind))

    def _open(self, message: pb.Open) -> Iterator[pb.Reply]:
        for slot, text in message.engines.items():
            check_engine(slot, text)
        if message.trace not in TRACE_MODES:
            raise InputError(f"expected one of {', '.join(TRACE_MODES)}", field="trace")
        if not 0 <= message.tick_us <= _MOST_TICK_US:
            raise InputError(f"expected 0 to {_MOST_TICK_US}, got {message.tick_us}", field="tick_us")
        self._rig, self._opening = rig_of(message.rig), message
        check_rig(self._rig)
        named = plugins.DEFAULTS | {
            slot: self._renamed.get(text, text) if slot in ("camera", "lidar") else text
            for slot, text in message.engines.items()
        }
        classes = {slot: plugins.load_plugin(slot, text) for slot, text in named.items()}
        self._occupancy, self._window = named["occupancy"], classes["window"]
        self._engines = {slot: plugins.construct(slot, classes[slot]) for slot in ("camera", "lidar")}
        reply = pb.Opened(version=VERSION)
        for slot, engine in {**classes, **self._engines}.items():
            about = reply.engines[slot]
            about.name, about.chunk, about.latency_ticks = engine.name, chunk_of(engine), latency_ticks_of(engine)
        yield pb.Reply(opened=reply)

    def _open_world(self, message: pb.OpenWorld) -> Iterator[pb.Reply]:
        if len(self._worlds) >= self._limits.worlds and message.world not in self._worlds:
            raise InputError(f"expected at most {self._limits.worlds} in a session", field="worlds")
        if not self._places.has_map(message.map_hash):
            self._awaited = message, MapMessage()
            yield pb.Reply(world=pb.WorldOpened(need_map=True))
            return
        place = self._places.place(message.map_hash, message.seed, self._occupancy)
        self._worlds[message.world] = self._simulator(place)
        yield pb.Reply(world=pb.WorldOpened())

    def _simulator(self, place: Place) -> Simulator[Any]:
        assert self._opening is not None
        same = (w.engines["window"] for w in self._worlds.values() if w.source.place is place)
        window = next(same, None) or plugins.construct("window", self._window, place.map, place.seed)
        return Simulator(
            _SentSource(place),
            self._rig,
            place.store,
            self._engines | {"window": window},
            trace=self._opening.trace,  # type: ignore[arg-type]
            packed=place.packed,
            tick_us=self._opening.tick_us or None,
        )

    def _take_map(self, message: pb.MapPiece) -> Iterator[pb.Reply]:
        if self._awaited is None:
            raise InputError("none was asked for", field="map")
        opening, whole = self._awaited
        if len(whole.npz) + len(message.part.npz) > self._limits.map_mib * MIB:
            raise InputError(f"expected at most {self._limits.map_mib} MiB", field="map")
        whole.MergeFrom(MapMessage(ref=message.part.ref, name=message.part.name[:100], kind=message.part.kind))
        whole.npz += message.part.npz
        if message.last:
            self._awaited = None
            self._places.add_map(whole, opening.map_hash)
            yield from self._open_world(opening)

    def _prepare(self, message: pb.Prepare) -> Iterator[pb.Reply]:
        world = self._world(message.world)
        if len(message.path) % 2:
            raise InputError("expected x, y of each point", field="Prepare.path")
        path = np.array(message.path, float).reshape(-1, 2)
        check_path(path)
        tiles = tiles_along(path[::-1], prefetch_range_m(self._rig))
        for done, index in enumerate(tiles):
            yield pb.Reply(progress=pb.Progress(done=done, total=len(tiles)))
            world.store.get(*index)
        with self._rendering:
            world.atlas.reserve(world.range_m, [world.store.largest])
        yield pb.Reply(progress=pb.Progress(done=len(tiles), total=len(tiles)))

    def _tick(self, message: pb.Tick) -> Iterator[pb.Reply]:
        request = _request_of(message.content)
        worlds = [self._world(one.world) for one in message.worlds]
        if len({id(world) for world in worlds}) != len(worlds):
            raise InputError("expected each world once", field="Tick.worlds")
        waits = [world.store.waits for world in worlds]
        for world, one in zip(worlds, message.worlds, strict=True):
            self._move(world, one)
        with self._rendering:
            frames = sense(worlds, request) if worlds else []
        for world, before, one in zip(worlds, waits, message.worlds, strict=True):
            world.count_stall(before if one.layouts and not one.begin else world.store.waits)
        for one, world, frame in zip(message.worlds, worlds, frames, strict=True):
            if not message.quiet:
                yield from _frame_replies(one.world, world, frame)

    def _move(self, world: Simulator[Any], message: pb.WorldTick) -> None:
        if len(message.layouts) > self._limits.layouts:
            raise InputError(f"expected at most {self._limits.layouts} of a world in a tick", field="Tick.layouts")
        layouts = [layout_of(one) for one in message.layouts]
        before_us = -1 if message.begin or not world.recent_layouts else world.recent_layouts[-1].stamp_us
        for layout in layouts:
            check_layout(layout)
            if layout.stamp_us <= before_us:
                raise InputError("expected stamps in order", field="Tick.layouts")
            before_us = layout.stamp_us
        if message.begin and layouts:
            world.resume(layouts, {})
        elif not world.recent_layouts:
            raise InputError("expected a world that has begun", field="Tick")
        elif layouts:
            world.source.sent = layouts
            world.advance(Control())

    def _flush(self, message: pb.Flush) -> Iterator[pb.Reply]:
        world, request = self._world(message.world), _request_of(message.content)
        if world.recent_layouts:
            with self._rendering:
                frames = list(world.flush(request))
            for frame in frames:
                yield from _frame_replies(message.world, world, frame)
        yield pb.Reply(frame=pb.Frame(world=message.world))

    def _solid(self, message: pb.TileIndex) -> Iterator[pb.Reply]:
        most = 20_000  # tiles from the origin of the map
        if max(abs(message.ix), abs(message.iy)) > most:
            raise InputError(f"expected -{most} to {most}", field="TileIndex")
        if len(message.edits) > EDITS:
            raise InputError(f"expected at most {EDITS}, got {len(message.edits):,}", field="TileIndex.edits")
        place = self._world(message.world).source.place
        edited = edited_map(place.map, [edit_of(edit) for edit in message.edits])
        yield pb.Reply(solid=solid_message(place.store.edited(edited).get(message.ix, message.iy)))

    def _world(self, number: int) -> Simulator[Any]:
        if number not in self._worlds:
            raise InputError("expected one that was opened", field="world")
        return self._worlds[number]


class _SentSource:
    """A source whose layouts a client sends; it moves only when they come."""

    name = "sent"
    open_loop = True
    solid = None
    title = "a client's world"
    duration_s = float("inf")
    done = False
    outcome = Outcome(Status.RUNNING)

    def __init__(self, place: Place):
        self.place, self.map, self.seed = place, place.map, place.seed
        self.sent: Sequence[LayoutFrame] = ()

    def step(self, control: Control, dt_us: int) -> Sequence[LayoutFrame]:
        return self.sent


def _request_of(message: pb.Content) -> FrameRequest:
    request = content_of(message)
    if request.window_grid is not None:
        check_window(request.window_grid)
    return request


def _frame_replies(number: int, world: Simulator[Any], frame: SensorFrame) -> Iterator[pb.Reply]:
    """A frame in pieces of bounded size, the last with what is told once."""
    piece, size = pb.Frame(world=number), 0
    for name, record in frame.records.items():
        fill_record(piece.records.add(), name, record)
        size += sum(a.nbytes for a in vars(record).values() if isinstance(a, np.ndarray))
        if size > _PIECE:
            piece.more = True
            yield pb.Reply(frame=piece)
            piece, size = pb.Frame(world=number), 0
    if frame.occupancy is not None:
        fill_window(piece.window, frame.occupancy)
    piece.stages_ms.update(world.stages_ms)
    piece.tiles.CopyFrom(tile_stats_message(world.tiles))
    piece.at_rest = _is_at_rest(world)
    yield pb.Reply(frame=piece)


def _is_at_rest(world: Simulator[Any]) -> bool:
    """Whether the engines would do the same had they seen no earlier tick."""
    queues = [queue for queue in world.after.values() if isinstance(queue, EngineQueue)]
    return not any(latency_ticks_of(engine) for engine in world.engines.values()) and all(
        queue.state is None and not queue.pending.moments and not queue.deliveries for queue in queues
    )
