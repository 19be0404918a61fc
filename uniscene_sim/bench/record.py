"""Benchmark of recordings: what they cost a run, and how large they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from uniscene_sim.assembly import assemble
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.interfaces import RunFacts
from uniscene_sim.recording.mcap_sink import McapSink
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["rows"]

_RIG = "nuscenes-small"
_KINDS = {
    "JPEG and exact sweeps": RecordOptions(),
    "JPEG": RecordOptions(sweeps="none"),
    "H.264 and rounded sweeps": RecordOptions("h264", "rounded"),
}


def _simulator(camera: str) -> Simulator[ScenarioSource]:
    simulator = assemble(
        ScenarioSource.open("cut_in"), load_rig(_RIG), window_grid=None, bev_schema=None, camera=camera
    )
    simulator.prepare(simulator.source.route_path)
    simulator.reset()
    return simulator


def _rows_of(camera: str, ticks: int, folder: Path) -> Iterator[BenchRow]:
    """Ticks per second with and without a recording, which take turns, so that other load affects both.

    Args:
        camera: engine of the cameras.
        ticks: how many are measured of each.
        folder: for the files.
    """
    simulators = {"": _simulator(camera)} | {kind: _simulator(camera) for kind in _KINDS}
    sinks: dict[str, McapSink] = {}
    for kind, options in _KINDS.items():
        of = simulators[kind]
        facts = RunFacts(of.source.title, of.source.seed, of.rig, {}, of.tick_us, static_map=of.source.map)
        sinks[kind] = McapSink(folder / f"{camera}{len(sinks)}.mcap", facts, options)
    took = dict.fromkeys(simulators, 0.0)
    for tick in range(ticks + 2):
        for kind, simulator in simulators.items():
            start = perf_counter()
            frame = simulator.step()
            if sink := sinks.get(kind):
                sink.add(frame, simulator.stages_ms)
            if tick >= 2:
                took[kind] += perf_counter() - start
    for kind, sink in sinks.items():
        [path] = sink.close(simulators[kind].source.outcome, simulators[kind].tiles)
        what = f"`{_RIG}`, `{camera}`, recorded: {kind}"
        yield BenchRow(f"ticks, {what}", ticks / took[kind], "1/s", "not recorded", ticks / took[""])
        minute = 60e6 / simulators[kind].tick_us / (ticks + 2)
        yield BenchRow(f"a minute, {what}", path.stat().st_size / 2**20 * minute, "MiB")


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    with scratch_folder() as folder:
        for camera in ("raycast", "raycast-plain"):
            yield from _rows_of(camera, 10, folder)
