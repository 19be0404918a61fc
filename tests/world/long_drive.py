"""A long drive, kilometre by kilometre: ticks a second, memory, and what new tiles cost a tick. Run by hand:

    python tests/world/long_drive.py Town04.xodr --from -508.2 -245.9 --metres 5000 --rig rl

Exits with 1 where the process grew past 1.5 GiB, a new tile cost a tick more than 50 ms, or a tick of the last
kilometre took over 15 % more processor time than one of the first.
"""

import argparse
import resource
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import yaml

from uniscene_sim.assembly import assemble
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.world.scenario_source import ScenarioSource

_ROW = "{:4.1f}  {:7.2f}  {:11.1f}  {:7.0f}  {:8.0f}  {:13.2f}  {:5.2f}  {:5.2f}  {:5}  {:9}  {:7}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=Path)
    parser.add_argument("--from", dest="start", nargs=2, type=float, metavar=("X", "Y"), required=True)
    parser.add_argument("--metres", type=float, default=5000.0)
    parser.add_argument("--rig", default="rl")
    parser.add_argument("--traffic", type=float, default=1.0, help="vehicles a km")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--unprepared", action="store_true", help="make no tile ahead of the run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "long_drive.yaml"
        x, y = arguments.start
        file.write_text(
            yaml.safe_dump(
                {
                    "map": str(arguments.map.resolve()),
                    "duration_s": 1.2 * arguments.metres / 15.0 + 20.0,
                    "ego": {"spawn": {"x": x, "y": y}, "speed_mps": 15.0, "target_speed_mps": 15.0},
                    "traffic": {"vehicles_per_km": arguments.traffic},
                }
            )
        )
        source = ScenarioSource.open(str(file))
    disk = None if arguments.no_cache else user_cache("tiles")
    simulator = assemble(source, load_rig(arguments.rig), tile_cache=disk)
    start = perf_counter()
    if not arguments.unprepared:
        simulator.prepare(source.route_path, progress=True)
    print(f"{len(source.state.bodies)} bodies, prepared in {perf_counter() - start:.1f} s: {simulator.tiles}")
    for _ in range(20):  # kernels are compiled or loaded
        simulator.reset()
        simulator.step()
    simulator.reset()
    print("  km  ticks/s  CPU ms/tick  RSS MiB  peak MiB  tiles ms: p50    p99    max   made  from disk  stalled")
    costs: list[float] = []
    tiles: list[float] = []
    begun, start, cpu, last = 0.0, perf_counter(), process_time(), 0
    while not source.done and begun < arguments.metres:
        simulator.step()
        tiles.append(simulator.stages_ms["tiles"])
        driven = source.state.tally.driven_m
        if driven >= min(begun + 1000.0, arguments.metres):
            ticks = len(tiles) - last
            costs.append(1e3 * (process_time() - cpu) / ticks)
            row = (driven / 1000, ticks / (perf_counter() - start), costs[-1], _rss_mib(), _peak_mib(),
                   *np.percentile(tiles[last:], (50, 99, 100)), *astuple(simulator.tiles)[:3])  # fmt: skip
            print(_ROW.format(*row), flush=True)
            begun, start, cpu, last = driven, perf_counter(), process_time(), len(tiles)
    p50, p99, worst = np.percentile(tiles, (50, 99, 100))
    print(f"{begun:.0f} m, {len(tiles)} ticks; tiles p50 {p50:.2f}, p99 {p99:.2f}, max {worst:.2f} ms")
    return int(_peak_mib() > 1536 or worst > 50.0 or begun < arguments.metres or costs[-1] > 1.15 * costs[0])


def _rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _peak_mib() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**10


if __name__ == "__main__":
    sys.exit(main())
