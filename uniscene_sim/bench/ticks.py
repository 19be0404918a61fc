"""Benchmark of whole ticks of the closed loop, with tiles already generated."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from uniscene_sim.assembly import assemble
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["rows"]


def _per_second(rig: SensorRig, ticks: int, scenario: str = "cut_in", bev: bool = False, **engines: str) -> float:
    options = {} if bev else {"bev_schema": None}
    simulator = assemble(ScenarioSource.open(scenario), rig, window_grid=None, **options, **engines)  # type: ignore[arg-type]
    simulator.prepare(simulator.source.route_path)
    simulator.reset()
    for _ in range(3):
        simulator.step()
    start = perf_counter()
    for _ in range(ticks):
        simulator.step()
    return ticks / (perf_counter() - start)


def _new_seed_ms(scenario: str, seeds: int = 20) -> float:
    first = ScenarioSource.open(scenario)
    start = perf_counter()
    for seed in range(seeds):
        ScenarioSource(first.scenario, first.map, seed)
    return 1e3 * (perf_counter() - start) / seeds


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    nuscenes, rl, none = load_rig("nuscenes-small"), load_rig("rl"), SensorRig("none")
    yield BenchRow("ticks, `nuscenes-small`, `raycast-plain`", _per_second(nuscenes, 20, camera="raycast-plain"), "1/s")
    yield BenchRow("ticks, `nuscenes-small`, `raycast`", _per_second(nuscenes, 12), "1/s")
    yield BenchRow("ticks, `rl` (84x84 camera, 16x360 LiDAR)", _per_second(rl, 60), "1/s")
    yield BenchRow("ticks, `rl`, `raycast-plain`", _per_second(rl, 60, camera="raycast-plain"), "1/s")
    for scenario in ("cut_in", "lane_following", "hard_brake"):
        bodies = len(ScenarioSource.open(scenario).state.bodies)
        for bev, what in ((True, "state and layout raster of 18x200x200"), (False, "state")):
            name = f"ticks of 10 physics steps, {what}, {bodies} bodies (`{scenario}`)"
            yield BenchRow(name, _per_second(none, 200, scenario, bev), "1/s")
    yield BenchRow("a source of a new seed on a loaded map, `cut_in`", _new_seed_ms("cut_in"), "ms")
