"""`uniscene-sim capture`: the layouts of a source as a recording, at many times real time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from uniscene_sim import plugins
from uniscene_sim.cli.arguments import path_argument, real_argument, require_apart, rig_of, seed_argument

__all__ = ["add_capture"]


def add_capture(commands: Any) -> None:
    """Add the command to those of a parser."""
    capture = commands.add_parser("capture", help="record the layouts of a source alone, to render or train on later")
    capture.add_argument(
        "scenario", metavar="SCENARIO", nargs="?", help="as for run: carla://localhost:2000?control=none"
    )
    capture.add_argument("--out", type=path_argument, default=Path("layouts.mcap"), help="file (default: layouts.mcap)")
    capture.add_argument("--seconds", type=real_argument, metavar="S", help="stop after this time of the world, s")
    capture.add_argument("--source", metavar="NAME|ADDRESS", help="source that opens SCENARIO; or an address")
    capture.add_argument("--seed", type=seed_argument, help="replaces the scenario's seed")
    capture.add_argument("--rig", default="nuscenes-small", help="sensors for replay (default: nuscenes-small)")
    capture.add_argument("--limit", type=real_argument, default=64.0, metavar="GIB", help="most size (default: 64)")
    capture.set_defaults(command=_capture)


def _capture(arguments: argparse.Namespace) -> int:
    from uniscene_sim.recording.capture import capture

    rig = rig_of(arguments.rig)
    require_apart({"--out": arguments.out}, [arguments.scenario, arguments.rig])
    source = plugins.open_source(arguments.scenario, arguments.source, arguments.seed, ("scenario", "source"))
    done = capture(source, arguments.out, rig, seconds=arguments.seconds, most_gib=arguments.limit, progress=True)
    pace = done.world_s / max(done.wall_s, 1e-9)
    print(f"{arguments.out}: {done.layouts} layouts, {done.world_s:.2f} s at {pace:.1f} times real time")
    status = done.outcome.status
    print(f"{source.title}: {status}")
    return 0 if status in ("SUCCESS", "ACCEPTABLE", "RUNNING") else 1
