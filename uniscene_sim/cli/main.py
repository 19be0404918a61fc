"""`uniscene-sim`: the parser and the commands, except for `train` and `eval`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from uniscene_sim import __version__, plugins
from uniscene_sim.cli.arguments import json_writer, positive_integer, seed_argument
from uniscene_sim.cli.models import add_commands
from uniscene_sim.errors import InputError

__all__ = ["build_parser", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: returns 0 on success, 1 if a scenario failed its criteria or `check` failed, 2 for bad input."""
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        return code
    except InputError as error:
        print(f"uniscene-sim: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # interrupted while a compiled kernel ran
            return 130
        raise


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="uniscene-sim", description="Closed-loop generative sensor simulator.")
    parser.add_argument("--version", action="version", version=f"uniscene-sim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a scenario and write what the sensors measured")
    run.add_argument("what", metavar="SCENARIO", nargs="?",
                     help="name of a scenario, file, folder or address; or what --source NAME opens")  # fmt: skip
    run.add_argument("--out", type=Path, default=Path("out"), help="folder for the output (default: out)")
    run.add_argument("--seed", type=seed_argument, help="replaces the scenario's seed")
    run.add_argument("--rig", default="nuscenes-small", help="preset or YAML file (default: nuscenes-small)")
    for slot, default in plugins.DEFAULTS.items():
        run.add_argument(f"--{slot}", default=default, metavar="NAME[:OPTIONS]",
                         help=f"{slot} engine, options as key=value,... (default: {default})")  # fmt: skip
    run.add_argument("--trace", default="tiles", choices=("tiles", "window", "window+tiles"),
                     help="what rays are traced through: tiles, the window, or the window, then tiles")  # fmt: skip
    run.add_argument("--source", metavar="NAME|ADDRESS",
                     help="source that opens SCENARIO, if its name does not select one; or an address")  # fmt: skip
    run.add_argument("--sink", action="append", help="sink for the frames; may be repeated (default: report)")
    run.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where rays are traced (default: cpu)")
    run.add_argument("--ticks", type=positive_integer, help="stop after this many ticks")
    run.add_argument("--no-cache", action="store_true", help="make all tiles again and keep none on disk")
    run.add_argument("--no-preview", action="store_true", help="no pictures: report.json alone")
    run.add_argument("--annotations", default="", metavar="LIST", help="of flow,boxes,lanes: drawn onto the cameras")
    run.set_defaults(command=_run)

    bake = commands.add_parser("bake", help="make the tiles of a whole map, or of a scenario's route, ahead of runs")
    bake.add_argument("map", help="map file or folder, name of a shipped map, or a scenario: then its route alone")
    bake.add_argument("--seed", type=seed_argument, help="of the world (default: 0, or the scenario's)")
    bake.add_argument("--occupancy", default="procedural", help="occupancy engine (default: procedural)")
    bake.add_argument(
        "--rig", default="nuscenes-small", help="its range determines the tiles (default: nuscenes-small)"
    )
    bake.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    bake.set_defaults(command=_bake)

    info = commands.add_parser("info", help="engines, rigs, scenarios, devices and versions")
    info.set_defaults(command=_info)

    validate = commands.add_parser("validate", help="check scenario, rig and map files")
    validate.add_argument("files", nargs="*", type=Path, metavar="FILE")
    validate.add_argument("--strict", action="store_true", help="exit with 2 for what is only warned of, too")
    validate.add_argument("--schema", action="store_true", help="print the JSON Schema of scenario files")
    validate.set_defaults(command=_validate)

    check = commands.add_parser("check", help="test whether an engine, source or sink follows the rules")
    check.add_argument("name", help="installed name (also NAME:OPTIONS), or module:attribute")
    check.add_argument(
        "--slot", choices=plugins.SLOTS, help="slot to test (default: those in which the name is installed)"
    )
    check.add_argument("--on", default="cut_in", metavar="WHAT", help="what a source opens (default: cut_in)")
    check.set_defaults(command=_check)

    bench = commands.add_parser("bench", help="measure speed, and what others make of our sweeps")
    parts = ("cameras", "lidar", "tiles", "ticks", "env", "scaling", "ros2", "consumers")
    bench.add_argument("parts", nargs="*", choices=(*parts, []), metavar="PART",
                       help=f"{', '.join(parts)} (default: all but the last two)")  # fmt: skip
    bench.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    bench.set_defaults(command=_bench)

    add_commands(commands)

    warmup = commands.add_parser("warmup", help="compile the kernels ahead of the first run")
    warmup.set_defaults(command=_warmup)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    # Late imports: `--help` needs neither numba nor a map.
    from uniscene_sim.rigs.rig_file import load_rig
    from uniscene_sim.run import prepare, run
    from uniscene_sim.storage.disk_cache import user_cache

    engines = {slot: getattr(arguments, slot) for slot in plugins.ENGINES}
    if arguments.device == "cuda":
        from uniscene_sim.cuda.device import require_device

        require_device("--device")
        engines |= {slot: "raycast-cuda" for slot in ("camera", "lidar") if engines[slot] == "raycast"}
    for slot, text in engines.items():
        plugins.load_plugin(slot, text, f"--{slot}")
    rig = load_rig(arguments.rig)
    sinks = [plugins.load_plugin("sink", name, "--sink") for name in dict.fromkeys(arguments.sink or ["report"])]
    source = plugins.open_source(arguments.what, arguments.source, arguments.seed, ("SCENARIO", "--source"))
    disk = None if arguments.no_cache else user_cache("tiles")
    annotations = [kind for kind in arguments.annotations.split(",") if kind]
    simulator = prepare(
        source, rig, tile_cache=disk, progress=True, trace=arguments.trace, annotations=annotations, **engines
    )
    result = run(
        simulator,
        sinks,
        arguments.out,
        ticks=arguments.ticks,
        engines=engines,
        preview=not arguments.no_preview,
        progress=True,
    )
    for path in result.written:
        print(path)
    status = result.outcome.status
    print(f"{result.title}: {status}")
    return 0 if status in ("SUCCESS", "ACCEPTABLE", "RUNNING") else 1


def _bake(arguments: argparse.Namespace) -> int:
    from uniscene_sim.cli.bake import bake, tiles_to_bake
    from uniscene_sim.rigs.rig_file import load_rig
    from uniscene_sim.storage.disk_cache import user_cache

    plugins.load_plugin("occupancy", arguments.occupancy, "--occupancy")
    disk = user_cache("tiles", strict=True)
    static_map, seed, tiles = tiles_to_bake(arguments.map, arguments.seed, load_rig(arguments.rig))
    baked = bake(static_map, seed, tiles, disk, arguments.occupancy, arguments.jobs)
    print(f"{static_map.name}, seed {seed}: {len(tiles)} tiles, {baked.made} made, {baked.found} found")
    print(f"{baked.nbytes} bytes in {disk.folder}")
    return 0


def _info(_: argparse.Namespace) -> int:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from uniscene_sim.cuda.device import cuda_devices
    from uniscene_sim.rigs.presets import PRESETS
    from uniscene_sim.storage.data_folders import scenario_names

    for slot in plugins.SLOTS:
        kind = f"{slot} engines" if slot in plugins.ENGINES else f"{slot}s"
        print(
            f"{kind + ':':20}{', '.join(f'{name} ({origin})' for name, origin in plugins.plugin_origins(slot).items())}"
        )
    print(f"{'rigs:':20}{', '.join(PRESETS)}")
    print(f"{'scenarios:':20}{', '.join(scenario_names())}")
    print(f"{'devices:':20}{', '.join([f'cpu ({os.cpu_count()} cores)', *cuda_devices()])}")
    versions = []
    for package in ("uniscene_sim", "numpy", "numba", "scipy", "av", "carla"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} not installed")
    print(f"{'versions:':20}python {platform.python_version()}, {', '.join(versions)}")
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    import json
    import warnings

    from uniscene_sim.cli.validate import check_file
    from uniscene_sim.scenario_files.schema import scenario_json_schema

    if arguments.schema:
        print(json.dumps(scenario_json_schema(), indent=2))
    elif not arguments.files:
        raise InputError("expected at least one file, or --schema")
    failed = 0
    for path in arguments.files:
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                check_file(path)
        except InputError as error:
            failed += 1
            print(f"uniscene-sim: {error}", file=sys.stderr)
        else:
            for warning in told:
                print(f"uniscene-sim: warning: {warning.message}", file=sys.stderr)
            failed += arguments.strict and bool(told)
            print(f"{path}: {'ok, with warnings' if told else 'ok'}")
    return 2 if failed else 0


def _check(arguments: argparse.Namespace) -> int:
    from uniscene_sim.conformance import check

    slots = [arguments.slot] if arguments.slot else [s for s in plugins.SLOTS if plugins.installed(s, arguments.name)]
    if not slots:
        if ":" in arguments.name:
            kinds = ", ".join(plugins.SLOTS)
            raise InputError(f"says what module:attribute is, expected one of {kinds}", field="--slot")
        installed = ", ".join(sorted({name for slot in plugins.SLOTS for name in plugins.plugin_names(slot)}))
        raise InputError(f"nothing is called {arguments.name!r}; installed: {installed}", field="NAME")
    failed = 0
    for slot in slots:
        for finding in check(slot, arguments.name, arguments.on):
            failed += not finding.passed
            print(f"{slot:10}{'ok  ' if finding.passed else 'FAIL'}  {finding.rule}"
                  + (f": {finding.detail}" if finding.detail else ""))  # fmt: skip
    return 1 if failed else 0


def _bench(arguments: argparse.Namespace) -> int:
    from uniscene_sim.bench.run_bench import as_markdown, as_records, run_bench

    with ExitStack() as stack:
        write = json_writer(stack, arguments.json)
        rows = list(run_bench(arguments.parts))
        print(as_markdown(rows))
        write(as_records(rows))
    return 0


def _warmup(_: argparse.Namespace) -> int:
    from uniscene_sim.cli.warmup import compile_kernels

    compile_kernels()
    return 0


if __name__ == "__main__":
    sys.exit(main())
