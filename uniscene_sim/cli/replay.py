"""`uniscene-sim replay`: the sensors of a recording again, compared; or other sensors, another path, other weather."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uniscene_sim import plugins
from uniscene_sim.cli.arguments import path_argument, real_argument, rig_of
from uniscene_sim.errors import InputError, InputWarning

if TYPE_CHECKING:
    from uniscene_sim.recording.mcap_file import Recording
    from uniscene_sim.recording.replay import Difference, Replay

__all__ = ["add_replay"]

#: Options that ask for another view of the drive: nothing is compared.
_OTHERWISE = ("rig", "camera", "lidar", "style", "shift")


def add_replay(commands: Any) -> None:
    """Add the command to those of a parser."""
    replay = commands.add_parser("replay", help="simulate the sensors of a recording again, and compare")
    replay.add_argument("file", type=path_argument, metavar="FILE", help="recording (.mcap)")
    replay.add_argument("--from", dest="from_s", type=real_argument, metavar="S", help="begin at this time, s")
    replay.add_argument("--to", dest="to_s", type=real_argument, metavar="S", help="end at this time, s")
    replay.add_argument("--out", type=path_argument, default=Path("out"), help="folder for pictures (default: out)")
    replay.add_argument("--no-cache", action="store_true", help="make all tiles again and keep none on disk")
    other = replay.add_argument_group("another view of the drive", "any of these: rendered as by run, nothing compared")
    other.add_argument("--rig", help="preset, YAML file, or recording for its sensors")
    for slot in ("camera", "lidar"):
        other.add_argument(f"--{slot}", metavar="NAME[:OPTIONS]", help=f"{slot} engine")
    other.add_argument("--style", metavar="TEXT", help='weather and time of day, as in "rainy dusk"')
    other.add_argument("--shift", type=real_argument, metavar="M", help="the ego drives this far left of its path, m")
    replay.set_defaults(command=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from uniscene_sim.recording.mcap_file import Recording

    recording = Recording.open(arguments.file)
    if any(getattr(arguments, name) is not None for name in _OTHERWISE):
        return _render(recording, arguments)
    return _compare(recording, arguments)


def _render(recording: Recording, arguments: argparse.Namespace) -> int:
    """What the drive looks like otherwise: previews and report, as `run` makes them."""
    from uniscene_sim.recording.source import RecordedSource
    from uniscene_sim.run import prepare, run
    from uniscene_sim.scenario_files.style_text import style_of_text
    from uniscene_sim.storage.disk_cache import user_cache

    given = {slot: getattr(arguments, slot) for slot in ("camera", "lidar") if getattr(arguments, slot) is not None}
    engines: dict[str, Any] = {**recording.run.engines, **given}
    for slot, text in engines.items():
        plugins.load_plugin(slot, text)
    source = RecordedSource(
        recording,
        style=None if arguments.style is None else style_of_text(arguments.style),
        shift_m=(0.0, arguments.shift or 0.0),
        from_s=arguments.from_s,
        to_s=arguments.to_s,
    )
    simulator = prepare(
        source,
        recording.rig if arguments.rig is None else rig_of(arguments.rig),
        tile_cache=None if arguments.no_cache else user_cache("tiles"),
        progress=True,
        trace=recording.run.trace,
        **engines,
    )
    sinks: list[Any] = [plugins.load_plugin("sink", "report")]
    result = run(simulator, sinks, arguments.out, engines=engines, progress=True)
    for path in result.written:
        print(path)
    print(f"{result.title}: {result.ticks} ticks rendered otherwise, nothing compared")
    return 0


def _compare(recording: Recording, arguments: argparse.Namespace) -> int:
    """Whether every record is what it was; if not, where the first difference is, and a picture of it."""
    from uniscene_sim.recording.replay import has_digests, replay, replayer
    from uniscene_sim.recording.versions import other_versions
    from uniscene_sim.storage.disk_cache import user_cache

    versions = recording.run.versions  # a file of later versions is told as such
    if not has_digests(recording):
        why = (
            "holds no digests of sensors, as imported drives do, so there is nothing to compare; expected another file"
        )
        raise InputError(f"{why}, or --rig, --style or --shift", file=recording.path, field="/uniscene/frame")
    part = {"from_s": arguments.from_s, "to_s": arguments.to_s}
    if others := other_versions(versions):
        warnings.warn(f"{recording.path}: recorded with {', '.join(others)}", InputWarning, stacklevel=2)
    disk = None if arguments.no_cache else user_cache("tiles")
    simulator = replayer(recording, tile_cache=disk, progress=True, **part)
    result = replay(recording, simulator, progress=True, **part)
    compared = f"{recording.run.title}: {result.ticks} ticks, {result.records} records"
    if not result.differences:
        print(f"{compared}, all equal")
        return 0
    print(f"{compared}, {len(result.differences)} differences")
    _tell_first(recording, result, arguments.out)
    return 1


def _tell_first(recording: Recording, result: Replay, out: Path) -> None:
    from uniscene_sim.recording.difference import difference_picture
    from uniscene_sim.storage.output_file import Outputs

    first = result.differences[0]
    print(f"first: {_named(first)}")
    sensor = next((one for one in result.differences if one.sensor), None)
    if sensor is None or result.first is None:
        return
    if sensor is not first:
        print(f"first sensor: {_named(sensor)}")
    picture = difference_picture(recording, result.first, sensor.sensor)
    if picture is None:
        print(f"no picture: the recording keeps none of {sensor.sensor}")
        return
    with Outputs() as outputs:
        picture.save(outputs.folder(out, ["difference.png"], "--out") / "difference.png")
        print(*outputs.publish())


def _named(one: Difference) -> str:
    what = one.stage if not one.sensor else f"{one.stage} {one.sensor}"
    missing = " (not there before)" if one.expected is None else " (not there now)" if one.found is None else ""
    return f"{what} in tick {one.tick} at {1e-6 * one.stamp_us:.2f} s{missing}"
