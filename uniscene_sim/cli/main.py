"""`uniscene-sim`: the parser and the commands, except for `train` and `eval`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uniscene_sim import __version__, plugins
from uniscene_sim.cli.arguments import (
    Parser,
    add_record_options,
    json_writer,
    named_as_typed,
    parameter_argument,
    path_argument,
    positive_integer,
    real_argument,
    require_apart,
    rig_of,
    seed_argument,
)
from uniscene_sim.cli.capture import add_capture
from uniscene_sim.cli.console import on_console
from uniscene_sim.cli.demonstrations import add_demonstrations
from uniscene_sim.cli.lift import add_lift
from uniscene_sim.cli.models import add_commands
from uniscene_sim.cli.replay import add_replay
from uniscene_sim.cli.serve import add_remote, add_serve, remote_of
from uniscene_sim.cli.study import add_study
from uniscene_sim.cli.test import add_test
from uniscene_sim.compute.environment import check_environment, warnings_in_lines
from uniscene_sim.errors import InputError, one_line

__all__ = ["build_parser", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: returns 0 on success, 1 if a scenario failed its criteria or `check` failed, 2 for bad input, and
    128 and the signal's number if it was stopped."""

    def command() -> int:
        arguments = build_parser().parse_args(argv)
        check_environment()
        with warnings_in_lines("uniscene-sim"), named_as_typed(arguments.parser):
            code: int = arguments.command(arguments)
        return code

    return on_console("uniscene-sim", command)


def build_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(prog="uniscene-sim", description="Closed-loop generative sensor simulator.")
    parser.add_argument("--version", action="version", version=f"uniscene-sim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a scenario and write what the sensors measured")
    run.add_argument("scenario", metavar="SCENARIO", nargs="?",
                     help="name of a scenario, file, folder or address; or what --source NAME opens")  # fmt: skip
    run.add_argument("--out", type=path_argument, default=Path("out"), help="folder for the output (default: out)")
    run.add_argument("--seed", type=seed_argument, help="replaces the scenario's seed, and draws its parameters")
    run.add_argument("--set", action="append", type=parameter_argument, metavar="NAME=VALUE", dest="parameters",
                     help="a parameter of the scenario; may be given several times")  # fmt: skip
    run.add_argument("--rig", default="nuscenes-small",
                     help="preset, YAML file, or recording for its sensors (default: nuscenes-small)")  # fmt: skip
    for slot, default in plugins.DEFAULTS.items():
        run.add_argument(f"--{slot}", default=default, metavar="NAME[:OPTIONS]",
                         help=f"{slot} engine, options as key=value,... (default: {default})")  # fmt: skip
    run.add_argument("--appearance", metavar="NAME|FOLDER",
                     help="cameras by splat in the colours of a painter, or of pictures: as --camera "
                          "splat:appearance=...")  # fmt: skip
    run.add_argument("--trace", default="tiles", choices=("tiles", "window", "window+tiles"),
                     help="what rays are traced through: tiles, the window, or the window, then tiles")  # fmt: skip
    run.add_argument("--source", metavar="NAME|ADDRESS",
                     help="source that opens SCENARIO, if its name does not select one; or an address")  # fmt: skip
    run.add_argument("--sink", action="append", help="sink for the frames; may be repeated (default: report)")
    run.add_argument("--record", nargs="?", type=path_argument, const=True, metavar="FILE",
                     help="record the run as MCAP (default FILE: run.mcap in --out)")  # fmt: skip
    add_record_options(run)
    run.add_argument("--rerun", nargs="?", const="", metavar="FILE|viewer",
                     help="log the run for rerun (default FILE: run.rrd in --out), or to its viewer")  # fmt: skip
    run.add_argument("--page", action="store_true", help="show the run on an HTML page, page.html in --out")
    add_remote(run)
    run.add_argument("--branch-at", type=real_argument, metavar="SECONDS",
                     help="of a recording: from then on agents react and the ego is driven")  # fmt: skip
    run.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where rays are traced (default: cpu)")
    run.add_argument("--ticks", type=positive_integer, help="stop after this many ticks")
    run.add_argument("--no-cache", action="store_true", help="make all tiles again and keep none on disk")
    run.add_argument("--no-preview", action="store_true", help="no pictures: report.json alone")
    run.add_argument("--annotations", default="", metavar="LIST", 
                     help="of flow,boxes,lanes: drawn onto the cameras; and buffers")  # fmt: skip
    run.set_defaults(command=_run)

    add_test(commands)
    add_capture(commands)

    bake = commands.add_parser("bake", help="make the tiles of a whole map, or of a scenario's route, ahead of runs")
    bake.add_argument(
        "map", metavar="MAP", help="map file or folder, name of a shipped map, or a scenario: then its route alone"
    )
    bake.add_argument("--seed", type=seed_argument, help="of the world (default: 0, or the scenario's)")
    bake.add_argument("--occupancy", default="procedural", help="occupancy engine (default: procedural)")
    bake.add_argument(
        "--rig", default="nuscenes-small", help="its range determines the tiles (default: nuscenes-small)"
    )
    bake.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    bake.set_defaults(command=_bake)

    add_replay(commands)
    add_study(commands)

    export = commands.add_parser("export", help="a recording in the format of another tool")
    export.add_argument("file", type=path_argument, metavar="FILE", help="recording (.mcap)")
    export.add_argument("--to", required=True, choices=("nuscenes", "kitti", "ros2bag"), help="format")
    export.add_argument("--out", type=path_argument, required=True, help="new or empty folder")
    export.also_typed = {"simulator": "--to", "recording": "--to"}
    export.set_defaults(command=_export)

    page = commands.add_parser("page", help="a recording as one HTML page that needs no network")
    page.add_argument("file", type=path_argument, metavar="FILE", help="recording (.mcap)")
    page.add_argument("--out", type=path_argument, default=Path("page.html"), help="the page (default: page.html)")
    page.add_argument("--width", dest="width_px", type=positive_integer, default=400, metavar="PX",
                      help="most of a picture's width (default: 400)")  # fmt: skip
    page.add_argument("--rate", dest="rate_hz", type=real_argument, default=10.0, metavar="HZ",
                      help="most pictures of a camera in a second (default: 10)")  # fmt: skip
    page.add_argument("--most-mib", type=real_argument, default=15.0, metavar="MIB",
                      help="weight that pictures are thinned to (default: 15)")  # fmt: skip
    page.set_defaults(command=_page)
    add_serve(commands)
    imported = commands.add_parser("import", help="a drive of PandaSet or nuScenes as a recording")
    imported.add_argument("folder", type=path_argument, metavar="FOLDER",
                          help="sequence of PandaSet, or version of nuScenes")  # fmt: skip
    imported.add_argument("--out", type=path_argument, default=Path("drive.mcap"), help="file (default: drive.mcap)")
    imported.add_argument("--scene", help="of nuScenes, by name (default: the first)")
    imported.add_argument(
        "--map", type=path_argument, metavar="FILE", help="map that it lies on (default: one is painted)"
    )
    imported.add_argument("--align", type=real_argument, nargs=3, default=(0.0, 0.0, 0.0), metavar=("X", "Y", "YAW"),
                          help="where the origin of the drive lies on that map, m and degrees")  # fmt: skip
    imported.set_defaults(command=_import)

    add_lift(commands)

    info = commands.add_parser("info", help="engines, rigs, scenarios, devices and versions")
    info.set_defaults(command=_info)

    validate = commands.add_parser("validate", help="check scenario, rig and map files")
    validate.add_argument("files", nargs="*", type=path_argument, metavar="FILE")
    validate.add_argument("--strict", action="store_true", help="exit with 2 for what is only warned of, too")
    validate.add_argument("--schema", action="store_true", help="print the JSON Schema of scenario files")
    validate.set_defaults(command=_validate)

    check = commands.add_parser("check", help="test whether an engine, source or sink follows the rules")
    check.add_argument("name", metavar="NAME", help="installed name (also NAME:OPTIONS), or module:attribute")
    check.add_argument(
        "--slot", choices=plugins.SLOTS, help="slot to test (default: those in which the name is installed)"
    )
    check.add_argument("--on", default="cut_in", metavar="WHAT", help="what a source opens (default: cut_in)")
    check.set_defaults(command=_check)

    bench = commands.add_parser("bench", help="measure speed, and what others make of our sweeps")
    parts = (
        "cameras",
        "lidar",
        "tiles",
        "windows",
        "ticks",
        "record",
        "env",
        "scaling",
        "noise",
        "ros2",
        "carla",
        "consumers",
        "serve",
        "regression",
        "device",
    )
    bench.add_argument("parts", nargs="*", choices=(*parts, []), metavar="PART",
                       help=f"{', '.join(parts)} (default: all but the last six)")  # fmt: skip
    bench.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
    bench.set_defaults(command=_bench)

    add_commands(commands)
    add_demonstrations(commands)

    warmup = commands.add_parser("warmup", help="compile the kernels ahead of the first run")
    warmup.set_defaults(command=_warmup)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    # Late imports: `--help` needs neither numba nor a map.
    from uniscene_sim.recording.options import RecordOptions
    from uniscene_sim.run import prepare, run
    from uniscene_sim.storage.disk_cache import user_cache
    from uniscene_sim.storage.output_file import Outputs

    engines: dict[str, Any] = {slot: getattr(arguments, slot) for slot in plugins.ENGINES}
    remote = remote_of(arguments)
    if arguments.appearance is not None:
        if engines["camera"] != plugins.DEFAULTS["camera"]:
            raise InputError("is short for --camera splat:appearance=..., expected one of them", field="--appearance")
        if not arguments.appearance or "," in arguments.appearance:
            raise InputError("expected a painter or a folder, without commas", field="--appearance")
        engines["camera"] = f"splat:appearance={arguments.appearance}"
    if arguments.device == "cuda":
        from uniscene_sim.cuda.device import require_device

        if remote is None:
            require_device("--device")
        engines |= {slot: "raycast-cuda" for slot in ("camera", "lidar") if engines[slot] == "raycast"}
    chosen = plugins.choose_engines(engines, arguments.trace)
    for slot, text in chosen.names.items() if remote is None else ():
        plugins.load_plugin(slot, text, chosen.fields[slot])
    rig = rig_of(arguments.rig)
    options = RecordOptions(
        arguments.record_images, arguments.record_sweeps, arguments.record_limit, buffers=arguments.record_buffers
    )
    sinks: list[Any] = [plugins.load_plugin("sink", name) for name in dict.fromkeys(arguments.sink or ["report"])]
    if arguments.record is not None:
        from uniscene_sim.recording.mcap_sink import RecordTo

        sinks.append(RecordTo(None if arguments.record is True else arguments.record, options))
    if arguments.rerun is not None:
        from uniscene_sim.recording.rerun_sink import LogTo

        sinks.append(LogTo(arguments.rerun, arguments.record_limit))
    if arguments.page:
        from uniscene_sim.recording.page.page_sink import PageSink

        sinks.append(PageSink)
    with Outputs() as outputs:  # told before tiles are made
        names = [name for sink in sinks for name in getattr(sink, "files", ())]
        outputs.folder(arguments.out, names, "--out")
    files = {f"{name} of --out": arguments.out / name for name in names}
    if arguments.record is not None:
        files["--record"] = arguments.out / "run.mcap" if arguments.record is True else arguments.record
    if arguments.rerun not in (None, "viewer"):
        files["--rerun"] = Path(arguments.rerun) if arguments.rerun else arguments.out / "run.rrd"
    require_apart(files, [arguments.scenario, arguments.rig])
    if arguments.branch_at is not None:
        source = _branched(arguments)
    elif arguments.parameters:
        source = _with_parameters(arguments)
    else:
        source = plugins.open_source(arguments.scenario, arguments.source, arguments.seed, ("scenario", "source"))
    disk = None if arguments.no_cache else user_cache("tiles")
    annotations = [kind for kind in arguments.annotations.split(",") if kind] + ["buffers"] * options.buffers
    simulator = prepare(
        source,
        rig,
        tile_cache=disk,
        progress=True,
        remote=remote,
        trace=arguments.trace,
        annotations=annotations,
        **engines,
    )
    result = run(
        simulator,
        sinks,
        arguments.out,
        ticks=arguments.ticks,
        engines=chosen.names,
        preview=not arguments.no_preview,
        progress=True,
    )
    for path in result.written:
        print(path)
    status = result.outcome.status
    print(f"{result.title}: {status}")
    return 0 if status in ("SUCCESS", "ACCEPTABLE", "RUNNING") else 1


def _with_parameters(arguments: argparse.Namespace) -> Any:
    from uniscene_sim.world.scenario_source import ScenarioSource

    found, what = plugins.find_source(arguments.scenario, arguments.source, ("scenario", "source"))
    if found is not ScenarioSource:
        raise InputError(f"goes with a scenario file, and {what} is none", field="parameters")
    return ScenarioSource.open(what, arguments.seed, dict(arguments.parameters))


def _branched(arguments: argparse.Namespace) -> Any:
    from uniscene_sim.recording.branch import BranchedSource
    from uniscene_sim.recording.mcap_file import Recording

    if not (arguments.scenario or "").endswith(".mcap") or arguments.source:
        raise InputError("goes with a recording (.mcap) as SCENARIO", field="branch_at")
    return BranchedSource(Recording.open(arguments.scenario), arguments.branch_at, arguments.seed)


def _import(arguments: argparse.Namespace) -> int:
    from math import radians

    from uniscene_sim.datasets.logs.import_drive import import_drive
    from uniscene_sim.datasets.logs.layouts import Alignment

    x, y, yaw_deg = arguments.align
    if (x or y or yaw_deg) and arguments.map is None:
        raise InputError("says where a drive lies on a map; expected --map, too", field="align")
    layouts = import_drive(
        arguments.folder,
        arguments.out,
        scene=arguments.scene,
        map_file=arguments.map,
        where=Alignment(x, y, radians(yaw_deg)),
        progress=True,
    )
    print(f"{arguments.out}: {len(layouts)} layouts")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from uniscene_sim.export.folder import require_empty
    from uniscene_sim.export.kitti import write_kitti
    from uniscene_sim.export.nuscenes import write_nuscenes
    from uniscene_sim.export.ros2bag import write_ros2bag
    from uniscene_sim.recording.mcap_file import Recording
    from uniscene_sim.recording.replay import replayer
    from uniscene_sim.storage.disk_cache import user_cache

    recording = Recording.open(arguments.file)
    if arguments.to == "ros2bag":
        written = write_ros2bag(recording, arguments.out, progress=True)
    else:
        write = {"kitti": write_kitti, "nuscenes": write_nuscenes}[arguments.to]
        require_empty(arguments.out)  # told before tiles are made
        simulator = replayer(recording, tile_cache=user_cache("tiles"), progress=True)
        written = write(simulator, arguments.out, progress=True)
    print(f"{arguments.out}: {written}")
    return 0


def _bake(arguments: argparse.Namespace) -> int:
    from uniscene_sim.cli.bake import bake, tiles_to_bake
    from uniscene_sim.rigs.rig_file import load_rig
    from uniscene_sim.storage.disk_cache import user_cache

    plugins.load_plugin("occupancy", arguments.occupancy)
    disk = user_cache("tiles", strict=True)
    static_map, seed, tiles = tiles_to_bake(arguments.map, arguments.seed, load_rig(arguments.rig))
    baked = bake(static_map, seed, tiles, disk, arguments.occupancy, arguments.jobs)
    print(f"{static_map.name}, seed {seed}: {len(tiles)} tiles, {baked.made} made, {baked.found} found")
    print(f"{baked.nbytes} bytes in {disk.folder}")
    return 0


def _page(arguments: argparse.Namespace) -> int:
    from uniscene_sim.recording.mcap_file import Recording
    from uniscene_sim.recording.page.build import page_of
    from uniscene_sim.recording.page.pictures import PageOptions
    from uniscene_sim.storage.output_file import output_file

    options = PageOptions(arguments.width_px, arguments.rate_hz, arguments.most_mib)
    require_apart({"--out": arguments.out}, [arguments.file])
    with output_file(arguments.out, "--out") as part:  # told before pictures are packed
        page = page_of(Recording.open(arguments.file), options, progress=True)
        part.write_bytes(page)
    print(f"{arguments.out}: {len(page) / 2**20:.1f} MiB")
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
    from uniscene_sim.scenario_files.schema import scenario_file_schema

    if arguments.schema:
        print(json.dumps(scenario_file_schema(), indent=2))
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
                print(f"uniscene-sim: warning: {one_line(str(warning.message), 1000)}", file=sys.stderr)
            failed += arguments.strict and bool(told)
            print(f"{one_line(str(path))}: {'ok, with warnings' if told else 'ok'}")
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
    from uniscene_sim.storage.output_file import Outputs

    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        rows = list(run_bench(arguments.parts))
        write(as_records(rows))
        outputs.publish()
    print(as_markdown(rows))
    return 0


def _warmup(_: argparse.Namespace) -> int:
    from uniscene_sim.cli.warmup import compile_kernels

    compile_kernels()
    return 0


if __name__ == "__main__":
    sys.exit(main())
