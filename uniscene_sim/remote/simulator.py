"""`RemoteSimulator`: a simulator whose tiles and engines are on a server.

The world moves here, where its source is; what it touches of the generated world, the solid cells of a tile, is asked
for once, when something comes near. Each tick's layouts go to the server, and the records of the sensors come back:
layout raster, annotations and digests are made of them here, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.edit import MAP_EDITS
from uniscene_sim.engine_support.late_frames import Delivery
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import TileStats
from uniscene_sim.layout import PHYSICS_US, Edit, LayoutFrame, LayoutSchema
from uniscene_sim.occupancy.tile_store import TileStore, tiles_along
from uniscene_sim.plugins import DEFAULTS
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.link import Link
from uniscene_sim.remote.session import Session
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator, Source, TraceMode
from uniscene_sim.tile import Tile
from uniscene_sim.wire.edits import edit_message
from uniscene_sim.wire.messages import layout_message, record_of
from uniscene_sim.wire.service import content_message, tile_stats_of, tile_with
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb
from uniscene_sim.wire.windows import window_of

__all__ = ["RemoteSimulator", "assemble_remote"]

_WINDOW = "window"
#: Bound of what is known here of the server's tiles.
_MOST_SOLID_BYTES = 128 << 20
#: Key in `memory`: ticks by which engines come into their state once more.
_PLAYED = "played"


@dataclass(frozen=True)
class _PlayedTick:
    """A tick that a server has seen.

    Attributes:
        layouts: since the tick before.
        begin: whether they are all that is known.
        request: what was made of it.
    """

    layouts: tuple[LayoutFrame, ...]
    begin: bool
    request: FrameRequest


class RemoteSimulator(Simulator[Source]):
    """Runs a source here, and its sensors on a server.

    Args:
        source: the simulated or recorded world.
        session: rig and engines on the server.
        seed: of the tiles, None for the source's own.
        request: the default content of a frame.

    Raises:
        InputError: an unknown kind of annotation, or the server refuses.
    """

    def __init__(
        self,
        source: Source,
        session: Session,
        *,
        seed: int | None = None,
        request: FrameRequest = FrameRequest(),  # noqa: B008 - frozen
    ):
        self.session, self._number = session, session.new_world(self)
        self._place = source.map, source.seed if seed is None else seed
        super().__init__(
            source,
            session.rig,
            self._solid_tiles(),
            {slot: engine for slot, engine in session.engines.items() if slot != "occupancy"},
            trace=session.trace,  # type: ignore[arg-type]
            request=request,
            tick_us=session.tick_us,
        )
        self._kept += max(self._latency_us.values(), default=0) // PHYSICS_US
        self._unsent: list[LayoutFrame] = []
        self._known_by: Link | None = None  # the connection that has seen all but what is unsent
        self._stats = TileStats()

    @property
    def tiles(self) -> TileStats:
        """Tiles that the server has made and read for this map, and how long ticks waited for them."""
        return self._stats

    @property
    def holds_occupancy(self) -> bool:
        return False

    @property
    def occupancy_name(self) -> str:
        return self.session.engines["occupancy"].name

    def prepare(self, path: np.ndarray, progress: bool = False) -> None:
        """Have the tiles in sensor range of a path (R, 3), m, made, and learn what is solid along it."""
        request = pb.Prepare(world=self._number, path=np.asarray(path)[:, :2].ravel().tolist())
        self.session.attempt(lambda link: self._prepare(link, request, progress))
        if not self.source.open_loop:
            self.store.prefetch(tiles_along(path, 0.0))

    def resume(self, layouts: Sequence[LayoutFrame], memory: Mapping[str, Any]) -> None:
        super().resume(layouts, memory)
        self._unsent, self._known_by = [], None

    def advance(self, control: Control | Trajectory | None = None) -> None:
        super().advance(control)
        self._unsent = [*self._unsent, *self.tick_layouts][-self._kept :]

    def frames_of(self, worlds: Sequence[Simulator[Any]], requests: Sequence[FrameRequest]) -> Sequence[SensorFrame]:
        """Frames of worlds of this session, made together on the server."""
        for world, request in zip(worlds, requests, strict=True):
            world._window_grid(request)
        start = perf_counter()
        mine: Sequence[RemoteSimulator[Any]] = worlds  # type: ignore[assignment]
        answers = self.session.attempt(lambda link: _tick(link, mine, requests))
        waited_ms = 1e3 * (perf_counter() - start)
        return [w._received(a, r, waited_ms) for w, a, r in zip(mine, answers, requests, strict=True)]

    def flush(self, request: FrameRequest | None = None) -> Iterator[SensorFrame]:
        request = request or self.request
        if not self._after.get(_PLAYED):
            return
        for answer in self.session.attempt(lambda link: self._flushed(link, request)):
            yield self._frame(self._recent[-1], answer.deliveries(self._recent), request)
            self._stages_ms = {}

    def close(self) -> None:
        """End the session."""
        self.session.close()

    def solid_tile(self, ix: int, iy: int, edits: Sequence[Edit] = ()) -> Tile:
        """The solid cells of a tile of the server, of the map with some edits."""
        index = pb.TileIndex(world=self._number, ix=ix, iy=iy, edits=map(edit_message, edits))

        def ask(link: Link) -> pb.Reply:
            self._open_on(link)
            return link.ask(pb.Request(solid=index), "solid")

        return tile_with(self.session.attempt(ask).solid, (ix, iy))

    # --- what travels ---------------------------------------------------------------------------------------------

    def _solid_tiles(self, edits: Sequence[Edit] = ()) -> TileStore:
        """What can be touched of the map with some edits."""
        return TileStore(
            _SolidTiles(self, [edit for edit in edits if isinstance(edit, MAP_EDITS)]),
            max_bytes=_MOST_SOLID_BYTES,
            remake=lambda _: self._solid_tiles(self._edits),
        )

    def _open_on(self, link: Link) -> None:
        if self.session.open_world(link, self._number, *self._place):
            self._known_by = None

    def _prepare(self, link: Link, request: pb.Prepare, progress: bool) -> None:
        self._open_on(link)
        link.send(pb.Request(prepare=request))
        with tqdm(desc="tiles", unit="tile", disable=None if progress else True) as bar:
            while True:
                told = link.receive("progress").progress
                bar.total = told.total
                bar.update(told.done - bar.n)
                if told.done >= told.total:
                    return

    def _ticks(self, link: Link, request: FrameRequest) -> Sequence[_PlayedTick]:
        """What the server has to see for the current frame, the last of which it answers."""
        self._open_on(link)
        if self._known_by is link:
            return [_PlayedTick(tuple(self._unsent), False, request)]
        return self._played(request)

    def _played(self, request: FrameRequest) -> tuple[_PlayedTick, ...]:
        """The same for a server that knows nothing of this world."""
        before: tuple[_PlayedTick, ...] = self.memory.get(_PLAYED, ())
        if not before:
            return (_PlayedTick(tuple(self._recent), True, request),)
        known_us = before[-1].layouts[-1].stamp_us
        return (*before, _PlayedTick(tuple(f for f in self._recent if f.stamp_us > known_us), False, request))

    def _received(self, answer: _Answer, request: FrameRequest, waited_ms: float) -> SensorFrame:
        for stage, ms in answer.stages_ms.items():
            self._stages_ms[stage] = self._stages_ms.get(stage, 0.0) + ms
        self._stages_ms["transfer"] = max(waited_ms - sum(answer.stages_ms.values()), 0.0)
        self._stats = answer.tiles
        self._after = {} if answer.at_rest else {_PLAYED: self._played(request)}
        self._unsent, self._known_by = [], answer.link
        return self._frame(self._recent[-1], answer.deliveries(self._recent), request)

    def _flushed(self, link: Link, request: FrameRequest) -> list[_Answer]:
        self._open_on(link)
        if self._known_by is not link:
            _send_quietly(link, self._number, self._after[_PLAYED])
            self._known_by = link
        link.send(pb.Request(flush=pb.Flush(world=self._number, content=content_message(request))))
        frames: list[_Answer] = []
        while (answer := _answer(link)).records or answer.window:
            frames.append(answer)
        return frames


class _SolidTiles:
    """An occupancy engine whose tiles hold what can be touched, asked of a server."""

    name = "remote"
    cache_key = None

    def __init__(self, world: RemoteSimulator[Any], edits: Sequence[Edit]):
        self._world, self._edits = world, edits

    def tile(self, ix: int, iy: int) -> Tile:
        return self._world.solid_tile(ix, iy, self._edits)


@dataclass(frozen=True)
class _Answer:
    """What a server made of a tick of one world."""

    link: Link
    records: dict[str, Any]
    window: Any
    stages_ms: dict[str, float]
    tiles: TileStats
    at_rest: bool

    def deliveries(self, recent: Sequence[LayoutFrame]) -> dict[str, list[Delivery]]:
        """The records with the layouts that they show."""
        late = {record.stamp_us for record in self.records.values()} - {recent[-1].stamp_us}
        shown = {recent[-1].stamp_us: recent[-1]}
        for layout in recent if late else ():
            shown[layout.stamp_us] = layout
        by_slot = {"sensors": [Delivery(0, shown[r.stamp_us], {name: r}) for name, r in self.records.items()]}
        if self.window is not None:
            by_slot[_WINDOW] = [Delivery(0, recent[-1], {_WINDOW: self.window})]
        return by_slot


def _tick(link: Link, worlds: Sequence[RemoteSimulator[Any]], requests: Sequence[FrameRequest]) -> list[_Answer]:
    """Send a moment of several worlds, and receive their frames; those with the same request go together."""
    together: dict[FrameRequest, pb.Tick] = {}
    for world, request in zip(worlds, requests, strict=True):
        *before, now = world._ticks(link, request)
        _send_quietly(link, world._number, before)
        message = together.setdefault(_needed(request), pb.Tick(content=content_message(request)))
        _add_world(message, world._number, now)
    for message in together.values():
        link.send(pb.Request(tick=message))
    order = {world._number: k for k, world in enumerate(worlds)}
    answers: dict[int, _Answer] = {}
    for message in together.values():
        for one in message.worlds:
            answers[order[one.world]] = _answer(link)
    return [answers[k] for k in range(len(worlds))]


def _needed(request: FrameRequest) -> FrameRequest:
    return FrameRequest(request.sensors, request.window_grid, None, digests=False)


def _send_quietly(link: Link, number: int, ticks: Sequence[_PlayedTick]) -> None:
    for tick in ticks:
        message = pb.Tick(content=content_message(tick.request), quiet=True)
        _add_world(message, number, tick)
        link.send(pb.Request(tick=message))


def _add_world(message: pb.Tick, number: int, tick: _PlayedTick) -> None:
    one = message.worlds.add(world=number, begin=tick.begin)
    one.layouts.extend(map(layout_message, tick.layouts))


def _answer(link: Link) -> _Answer:
    """The frame of one world, of as many pieces as it has."""
    records: dict[str, Any] = {}
    while True:
        frame = link.receive("frame").frame
        records |= {one.sensor: record_of(one) for one in frame.records}
        if not frame.more:
            window = window_of(frame.window) if frame.HasField("window") else None
            stats = tile_stats_of(frame.tiles)
            return _Answer(link, records, window, dict(frame.stages_ms), stats, frame.at_rest)


def assemble_remote(
    source: Source,
    rig: SensorRig,
    remote: Remote | str,
    *,
    trace: TraceMode = "tiles",
    window_grid: GridSpec | None = DEFAULT_GRID,
    bev_schema: LayoutSchema | None = LayoutSchema(),  # noqa: B008 - frozen
    annotations: Sequence[str] = (),
    tick_us: int | None = None,
    **engines: str,
) -> RemoteSimulator[Source]:
    """The simulator of a source whose sensors are simulated by a server; arguments as for `assembly.assemble`.

    Args:
        source: an open source.
        rig: sensors.
        remote: HOST:PORT, or a `Remote`.
        trace: what sensor rays are traced through.
        window_grid, bev_schema, annotations: what frames hold by default besides sensor records.
        tick_us: length of a tick; None for the greatest common divisor of the sensors' periods and phases.
        engines: by slot, as the server has them installed.

    Raises:
        InputError: nobody answers, or the server refuses an argument.
    """
    if unknown := [slot for slot in engines if slot not in DEFAULTS]:
        raise InputError(f"no slot of engines, expected some of {', '.join(DEFAULTS)}", field=unknown[0])
    session = Session(Remote.of(remote), rig, engines, trace, tick_us)
    request = FrameRequest(window_grid=window_grid, bev_schema=bev_schema, annotations=frozenset(annotations))
    return RemoteSimulator(source, session, request=request)
