"""Replay: the sensors once more from recorded layouts, and whether each gives what it gave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from tqdm import tqdm

from uniscene_sim.assembly import assemble
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource, part_of
from uniscene_sim.recording.stages import STAGES, StageWatch
from uniscene_sim.simulator import Simulator, TraceMode, sense
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.wire.states import memory_of, oldest_layout_us
from uniscene_sim.wire.uniscene.v1.run_pb2 import SensorFrame as FrameMessage
from uniscene_sim.wire.uniscene.v1.state_pb2 import EngineStates, StageDigests

__all__ = ["Difference", "Replay", "has_digests", "replay", "replayer"]

_FRAMES, _STAGES, _STATES = "/uniscene/frame", "/uniscene/stages", "/uniscene/states"


@dataclass(frozen=True)
class Difference:
    """A stage of a tick that gives something else than it gave.

    Attributes:
        tick: from 0, at the recording's first frame.
        stamp_us: time of the tick.
        stage: layout, occupancy or sensor.
        sensor: its name; "" for what is before the sensors.
        expected, found: SHA-256, None for no record.
    """

    tick: int
    stamp_us: int
    stage: str
    sensor: str
    expected: str | None
    found: str | None


@dataclass(frozen=True)
class Replay:
    """The result of a replay.

    Attributes:
        ticks, records: how many were compared.
        differences: all that differs, in order of ticks and stages.
        first: the first frame that differs, as it is now.
    """

    ticks: int
    records: int
    differences: tuple[Difference, ...]
    first: SensorFrame | None = None


def has_digests(recording: Recording) -> bool:
    """Whether there is anything to compare: drives that were imported hold layouts alone."""
    return any(m.topic == _STAGES or m.message.digests for m in recording.messages(_STAGES, _FRAMES))


def replayer(
    recording: Recording,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    tile_cache: DiskCache | None = None,
    progress: bool = False,
) -> Simulator[RecordedSource]:
    """The simulator that made a recording, on its layouts; not yet reset.

    Args:
        recording: the run.
        from_s, to_s: the part for which tiles are made beforehand; None for its ends.
        tile_cache: keeps tiles between runs; None to keep none.
        progress: whether to show a progress bar while tiles are made.

    Raises:
        InputError: an engine of the run is not installed here.
    """
    run, source = recording.run, RecordedSource(recording)
    simulator = assemble(
        source,
        recording.rig,
        tile_cache=tile_cache,
        trace=cast(TraceMode, run.trace),
        bev_schema=None,
        window_grid=None,
        tick_us=run.tick_us or None,
        **dict(run.engines),
    )
    simulator.prepare(part_of(recording.ego_path, from_s, to_s, recording.path)[::10, 1:], progress=progress)
    return simulator


def replay(
    recording: Recording,
    simulator: Simulator[RecordedSource],
    progress: bool = False,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
) -> Replay:
    """Simulate all sensors again and compare each record with the recorded digest.

    Args:
        recording: the run.
        simulator: made by `replayer`.
        progress: whether to show a progress bar.
        from_s, to_s: the frames that are compared, by the recording's clock; None from its begin or to its end. The
            simulation begins at the last recorded states of the engines before.

    Raises:
        InputError: there is no frame to compare, or the file holds others than its layouts give.
    """
    begin_us, end_us = part_of(recording.ego_path, from_s, to_s, recording.path)[[0, -1], 0].astype(int).tolist()
    again = _Again(recording, simulator, begin_us if from_s is not None else None)
    ticks, records, found, first = 0, 0, list[Difference](), None
    total = (end_us - max(again.stamp_us, 0)) // simulator.tick_us
    with tqdm(desc="replay", unit="tick", total=total, disable=None if progress else True) as bar:
        for tick, message, stages in _recorded(recording, again.stamp_us):
            if message.stamp_us > end_us:
                break
            frame = again.frame(message.stamp_us)
            bar.update()
            if message.stamp_us < begin_us:
                continue
            expected = dict(message.digests)
            found += _before_sensors(tick, stages, again.stages) if stages is not None else ()
            found += _differences(tick, message.stamp_us, "sensor", expected, frame.digests)
            first = first or (frame if found else None)
            records += len(expected)
            ticks += 1
    if not ticks:
        part = f"from {1e-6 * begin_us:.2f} to {1e-6 * end_us:.2f} s"
        raise InputError(f"has no frame {part}, nothing to compare", file=recording.path, field=_FRAMES)
    return Replay(ticks, records, tuple(found), first)


class _Again:
    """The frames of a recording, simulated again: all, or those after the last states of the engines before a moment.

    Attributes:
        stamp_us: of the last frame that was simulated, or that the states follow; -1 before the first.
    """

    def __init__(self, recording: Recording, simulator: Simulator[RecordedSource], before_us: int | None):
        self._recording, self._simulator, self._watch = recording, simulator, StageWatch()
        self._request = FrameRequest(window_grid=None, bev_schema=None)
        self._late: Iterator[SensorFrame] | None = None
        self.stamp_us = -1
        if before_us is not None:
            states = (m.message for m in recording.messages(_STATES) if m.stamp_us < before_us)
            for last in deque(states, maxlen=1):
                self._resume(last)

    def frame(self, stamp_us: int) -> SensorFrame:
        """The next frame, which was recorded at a time."""
        simulator, request = self._simulator, self._request
        if self.stamp_us < 0:
            frame = self._first(stamp_us)
        elif stamp_us > self.stamp_us:
            frame = simulator.step(None, request)
        else:
            self._late = self._late or simulator.flush(request)
            late = next(self._late, None)
            if late is None:
                raise self._refused(f"has more frames at {1e-6 * stamp_us:.2f} s than its engines have output")
            frame = late
        if frame.stamp_us != stamp_us:
            at = f"{1e-6 * stamp_us:.2f} s, the layouts go on at {1e-6 * frame.stamp_us:.2f} s"
            raise self._refused(f"has a frame at {at}")
        self.stamp_us = stamp_us
        return frame

    def stages(self) -> StageDigests:
        """Those of the last frame."""
        return self._watch.digests(self._simulator)

    def _first(self, stamp_us: int) -> SensorFrame:
        """The first frame; layouts before it, of a run that was continued, are what its sensors remember."""
        simulator = self._simulator
        simulator.begin()
        begin_us = simulator.tick_layouts[0].stamp_us
        if stamp_us > begin_us:
            simulator.resume(simulator.source.reset_at(stamp_us, begin_us), {})
        return sense([simulator], self._request)[0]

    def _resume(self, states: EngineStates) -> None:
        """Go to the end of the tick that states follow."""
        simulator, at = self._simulator, states.stamp_us
        simulator.begin()
        since_us = min(oldest_layout_us(states), at - simulator.kept_us)
        layouts = simulator.source.reset_at(at, since_us)
        try:
            specs = {spec.name: spec for spec in simulator.rig.sensors}
            memory = memory_of(states, layouts, simulator.engines, specs)
        except InputError as error:
            raise self._refused(str(error), _STATES) from None
        simulator.resume([layout for layout in layouts if layout.stamp_us >= at - simulator.kept_us], memory)
        self.stamp_us = at

    def _refused(self, why: str, field: str = _FRAMES) -> InputError:
        return InputError(why, file=self._recording.path, field=field)


class _Recorded(NamedTuple):
    """A frame of the file, its number, and the digests of the stages before its sensors, where there are some."""

    tick: int
    message: FrameMessage
    stages: StageDigests | None


def _recorded(recording: Recording, after_us: int) -> Iterator[_Recorded]:
    """The frames after a time."""
    stages, tick = None, -1
    for topic, stamp_us, message in recording.messages(_STAGES, _FRAMES):
        if topic == _STAGES:
            stages = message
            continue
        tick += 1
        if stamp_us > after_us:
            yield _Recorded(tick, message, stages if stages is not None and stages.stamp_us == stamp_us else None)
            stages = None


def _before_sensors(tick: int, expected: StageDigests, found: Callable[[], StageDigests]) -> Iterator[Difference]:
    again = found()
    for stage in STAGES[:-1]:
        one, other = {"": getattr(expected, stage)}, {"": getattr(again, stage)}
        if not one[""] or not other[""]:
            continue  # of occupancy on another machine
        yield from _differences(tick, expected.stamp_us, stage, one, other)


def _differences(
    tick: int, stamp_us: int, stage: str, expected: Mapping[str, str], found: Mapping[str, str]
) -> Iterator[Difference]:
    """What differs in a stage of a tick.

    Args:
        tick, stamp_us: which one.
        stage: of `STAGES`.
        expected, found: digests by sensor.
    """
    for sensor in sorted(expected.keys() | found.keys()):
        if expected.get(sensor) != found.get(sensor):
            yield Difference(tick, stamp_us, stage, sensor, expected.get(sensor), found.get(sensor))
