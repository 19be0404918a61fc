"""The run loop: opens a source, simulates it tick by tick, and passes the frames to sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.engine_support.others_code import others_code
from uniscene_sim.engine_support.source_steps import steps_of
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.interfaces import LayoutSource, RunFacts, SinkMaker, TileStats
from uniscene_sim.outcome import Outcome
from uniscene_sim.plugins import open_source
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.simulator import assemble_remote
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.output_file import Outputs

__all__ = ["Driver", "RunResult", "frames", "prepare", "run", "ticks_of"]

#: Drives the ego: gets the last frame and returns a control, or None for the built-in driver's.
Driver = Callable[[SensorFrame], Control | Trajectory | None]


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        ticks: number of frames.
        written: files that the sinks wrote.
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
    remote: Remote | str | None = None,
    **options: Any,
) -> Simulator[Any]:
    """A simulator with the tiles along the route made; not yet reset.

    Args:
        what: name of a scenario, file, folder or address; or an open source.
        rig: sensors.
        source: name of a source plug-in, or an address in place of `what`; see `plugins.open_source`.
        seed: replaces the source's own.
        tile_cache: keeps tiles between runs; None to keep none.
        progress: whether to show a progress bar while tiles are made.
        remote: HOST:PORT of a `uniscene-sim serve` that simulates the sensors, or a `Remote`; None to do so here.
        options: engines and content of frames, see `assemble`.

    Raises:
        InputError: it cannot be opened, or an engine is unknown.
    """
    opened = open_source(what, source, seed) if what is None or isinstance(what, str) else what
    if remote is None:
        simulator = assemble(opened, rig, tile_cache=tile_cache, **options)
    else:
        simulator = assemble_remote(opened, rig, remote, **options)
    simulator.prepare(opened.route_path, progress=progress)
    return simulator


def frames(
    simulator: Simulator[Any],
    driver: Driver | None = None,
    *,
    ticks: int | None = None,
    request: FrameRequest | None = None,
) -> Iterator[SensorFrame]:
    """The frames of a run, computed lazily, until the source is done and late engines have delivered everything.

    Args:
        simulator: it is reset first.
        driver: drives the ego; None for the built-in driver.
        ticks: maximum number of frames after the first one; None for the whole run.
        request: content of the frames, None for the simulator's default.
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
    """Maximum number of ticks of a run after its first frame, see `steps_of`."""
    longest = steps_of(simulator.source, simulator.tick_us)
    return longest if most is None else min(longest, most)


def run(
    simulator: Simulator[Any],
    sinks: Sequence[SinkMaker] = (),
    out: Path = Path("out"),
    *,
    driver: Driver | None = None,
    ticks: int | None = None,
    engines: dict[str, str] | None = None,
    preview: bool = True,
    progress: bool = False,
) -> RunResult:
    """Run to the end and pass each frame to the sinks. Their files appear together at the end; after an error none
    does, and what was there before stays.

    Args:
        simulator: as returned by `prepare`.
        sinks: classes of the sinks, or what else opens one.
        out: folder that their files appear in.
        driver: drives the ego; None for the built-in driver.
        ticks: stop after this many.
        engines: names by slot, for the sinks.
        preview: whether the sinks draw pictures.
        progress: whether to show a progress bar.

    Raises:
        InputError: the folder cannot be written, or a control is out of range.
    """
    source, count = simulator.source, 0
    named = engines or simulator.engine_names
    facts = RunFacts(
        source.title, source.seed, simulator.rig, named, simulator.tick_us, preview, source.map, simulator.trace,
        getattr(source, "drawn", {}),
    )  # fmt: skip
    with Outputs() as outputs, ExitStack() as stack:
        if sinks:
            folder = outputs.folder(out, [name for sink in sinks for name in getattr(sink, "files", ())], "out")
        open_sinks = []
        for kind in sinks:
            place = Path(out) if getattr(kind, "streams", False) else folder
            with others_code(f"sink {kind.name!r} cannot be opened", "sink", of=kind):
                open_sinks.append(stack.enter_context(kind.open(place, facts)))
                if hasattr(open_sinks[-1], "watch"):
                    open_sinks[-1].watch(simulator)
        total = ticks_of(simulator, ticks) + 1
        run_frames = frames(simulator, driver, ticks=ticks)
        for frame in tqdm(run_frames, desc="simulate", unit="tick", total=total, disable=None if progress else True):
            count += 1
            for sink in open_sinks:
                sink.add(frame, simulator.stages_ms)
        outcome = source.outcome
        closed = [Path(path) for sink in open_sinks for path in sink.close(outcome, simulator.tiles)]
        outputs.publish()
        written = tuple(out / path.relative_to(folder) if folder in path.parents else path for path in closed)
    return RunResult(source.title, source.seed, outcome, count, simulator.tiles, written)
