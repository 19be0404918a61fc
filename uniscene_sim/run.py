"""The run loop: a source is opened, moved on tick by tick, and its frames go to sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.interfaces import FrameSink, LayoutSource, RunFacts, TileStats
from uniscene_sim.outcome import Outcome
from uniscene_sim.plugins import open_source
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.disk_cache import DiskCache

__all__ = ["Driver", "RunResult", "frames", "prepare", "run", "ticks_of"]

#: What drives the ego: it is given the last frame; None lets the source's built-in driver drive.
Driver = Callable[[SensorFrame], Control | Trajectory | None]


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        ticks: how many frames there were.
        written: files that sinks wrote.
    """

    title: str
    seed: int
    outcome: Outcome
    ticks: int
    tiles: TileStats
    written: tuple[Path, ...] = ()


def prepare(
    what: str | LayoutSource | None,
    rig: SensorRig,
    *,
    source: str | None = None,
    seed: int | None = None,
    tile_cache: DiskCache | None = None,
    progress: bool = False,
    **options: Any,
) -> Simulator[Any]:
    """The simulator of what is to run, with the tiles of its route at hand; not yet reset.

    Args:
        what: name of the library, file, folder or address; or a source that is open already.
        rig: sensors.
        source: name of a source plug-in or, in place of `what`, an address; see `plugins.open_source`.
        seed: replaces the source's own.
        tile_cache: where tiles are kept between runs, None for nowhere.
        progress: whether a bar is shown while tiles are made.
        options: engines and what ticks make, see `assemble`.

    Raises:
        InputError: it cannot be opened, or there is no such engine.
    """
    opened = open_source(what, source, seed) if what is None or isinstance(what, str) else what
    simulator = assemble(opened, rig, tile_cache=tile_cache, **options)
    simulator.prepare(opened.route_path, progress=progress)
    return simulator


def frames(
    simulator: Simulator[Any],
    driver: Driver | None = None,
    *,
    ticks: int | None = None,
    request: FrameRequest | None = None,
) -> Iterator[SensorFrame]:
    """The frames of a run from its beginning, each made when it is asked for, until the source is done and all that
    engines with latency have under way has come.

    Args:
        simulator: of what runs; it is reset.
        driver: what drives, None for the source's own driver.
        ticks: frames after the first one at most, None for as many as the source lasts.
        request: what each frame is to hold, None for the simulator's default.
    """
    source, longest = simulator.source, ticks_of(simulator, ticks)
    frame = simulator.reset(request)
    yield frame
    for _ in range(longest):
        if source.done:
            break
        frame = simulator.step(driver(frame) if driver else None, request)
        yield frame
    yield from simulator.flush(request)


def ticks_of(simulator: Simulator[Any], most: int | None = None) -> int:
    """How many ticks a run has after its first frame, at most."""
    longest = int(simulator.source.duration_s * 1e6) // simulator.tick_us
    return longest if most is None else min(longest, most)


def run(
    simulator: Simulator[Any],
    sinks: Sequence[type[FrameSink]] = (),
    out: Path = Path("out"),
    *,
    driver: Driver | None = None,
    ticks: int | None = None,
    engines: dict[str, str] | None = None,
    preview: bool = True,
    progress: bool = False,
) -> RunResult:
    """Run to the end and hand each frame to sinks; where anything goes wrong they leave nothing behind.

    Args:
        simulator: of what runs, as `prepare` makes it.
        sinks: classes of what takes the frames.
        out: folder that they write into.
        driver: what drives, None for the source's own driver.
        ticks: stop after this many.
        engines: what sinks are told of the engines, by slot.
        preview: whether pictures are wanted.
        progress: whether a bar is shown.

    Raises:
        InputError: the folder cannot be written, or a control is out of range.
    """
    source, count = simulator.source, 0
    facts = RunFacts(source.title, source.seed, simulator.rig, engines or {}, simulator.tick_us, preview)
    with ExitStack() as stack:
        takers = [stack.enter_context(sink.open(out, facts)) for sink in sinks]
        total = ticks_of(simulator, ticks) + 1
        made = frames(simulator, driver, ticks=ticks)
        for frame in tqdm(made, desc="simulate", unit="tick", total=total, disable=None if progress else True):
            count += 1
            for taker in takers:
                taker.add(frame, simulator.stages_ms)
        outcome = source.outcome
        written = tuple(path for taker in takers for path in taker.close(outcome, simulator.tiles))
    return RunResult(source.title, source.seed, outcome, count, simulator.tiles, written)
